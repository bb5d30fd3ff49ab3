//! The checker against a judge of another kind: a search for an order of the calls that explains their answers (Wing and
//! Gong, 1993, with the memory of Lowe, 2017). It sees neither log nor revisions.

mod support;

use std::collections::BTreeSet;

use stockade_checker::{History, Operation, Options, check, commands_of, convert, expected_ending};
use stockade_history::{Answer, Asked, Outcome};
use stockade_model::Model;
use stockade_proto::v1;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Revision};
use support::{Cluster, Fault, Memory, Rng, Shape, orders};

/// Later than all request ids of a small history, and soon enough after them.
const LOG_TIME_S: i64 = 1_700_000_060;

fn history(seed: u64, fault: Fault) -> History {
    let shape = Shape { operations: 8, skus: 1, overlap: 12, units: 6, rich: false, fault };
    let memory = Memory::default();
    Cluster::record(seed, shape, memory.clone()).expect("memory takes all");
    History::read(memory.take().as_slice()).expect("a sound history")
}

fn checker_passes(history: &History) -> bool {
    check(history, Options::default()).expect("it has a log").holds()
}

/// An ending without what depends on the place in the log.
fn stripped(ending: &Outcome<Answer>) -> Outcome<Answer> {
    let mut ending = ending.clone();
    match &mut ending {
        Outcome::Ok(answer) => strip(answer),
        Outcome::Refused { message, metadata, logged, fate, .. } => {
            message.clear();
            metadata.remove("next_expiry_time_us");
            // What is only tried is refused by no log, and has no fate.
            (*logged, *fate) = (false, None);
        }
        Outcome::Unknown { .. } | Outcome::Failed { .. } => {}
    }
    ending
}

fn strip(answer: &mut Answer) {
    let stock = |stock: &mut Option<v1::Stock>| stock.iter_mut().for_each(strip_stock);
    let sku = |sku: &mut Option<v1::Sku>| {
        if let Some(sku) = sku {
            (sku.revision, sku.create_time, sku.update_time) = (0, None, None);
            sku.etag.clear();
        }
    };
    match answer {
        Answer::CreateSku(answer) => sku(&mut answer.sku),
        Answer::UpdateSku(answer) => sku(&mut answer.sku),
        Answer::GetSku(answer) => sku(&mut answer.sku),
        Answer::CreateLocation(answer) => {
            if let Some(location) = &mut answer.location {
                (location.revision, location.create_time, location.update_time) = (0, None, None);
                location.etag.clear();
            }
        }
        Answer::ReceiveStock(answer) => stock(&mut answer.stock),
        Answer::AdjustStock(answer) => stock(&mut answer.stock),
        Answer::SetStock(answer) => stock(&mut answer.stock),
        Answer::MoveStock(answer) => stock(&mut answer.stock),
        Answer::GetStock(answer) => stock(&mut answer.stock),
        Answer::PlaceOrder(answer) => answer.expire_time = None,
        Answer::GetOrder(answer) => {
            if let Some(order) = &mut answer.order {
                (order.create_time, order.update_time, order.expire_time) = (None, None, None);
                order.parcels.iter_mut().for_each(|parcel| parcel.ship_time = None);
                order.revision = 0;
                order.etag.clear();
            }
        }
        Answer::CreateReservation(answer) => answer.expire_time = None,
        Answer::ExtendReservation(answer) => answer.expire_time = None,
        Answer::CommitReservation(answer) => answer.expire_time = None,
        Answer::GetReservation(answer) => {
            if let Some(found) = &mut answer.reservation {
                (found.create_time, found.update_time, found.expire_time) = (None, None, None);
                found.revision = 0;
                found.etag.clear();
            }
        }
        Answer::ListStock(answer) => {
            answer.next_page_token.clear();
            answer.stock.iter_mut().for_each(strip_stock);
        }
        other => assert!(!matches!(other, Answer::ListOrders(_)), "no such call is made up"),
    }
}

fn strip_stock(stock: &mut v1::Stock) {
    stock.revision = 0;
    stock.etag.clear();
}

/// Runs a call on a model; `None` where it ends otherwise than it was seen to end.
fn run(model: &Model, applied: u64, operation: &Operation) -> Option<Model> {
    let seen = operation.ended.as_ref().map(|ended| stripped(&ended.outcome));
    let asked = &operation.asked;
    let given_up = matches!(asked, Asked::AbandonRequest(_));
    if asked.mutation().is_none() && !given_up {
        return (seen? == stripped(&read(model, asked))).then(|| model.clone());
    }
    let command = match orders::for_good(asked).mutation() {
        Some(request) => {
            v1::logged_command::Command::Mutation(v1::Mutation { timeout: None, request: Some(request) })
        }
        None => v1::logged_command::Command::Abandon(v1::AbandonCommand {}),
    };
    let logged = v1::LoggedCommand {
        position: 0,
        request_id: asked.request_id().to_owned(),
        principal: "anonymous".to_owned(),
        command: Some(command),
    };
    let entry = v1::LogEntry {
        kind: v1::EntryKind::Commands.into(),
        log_time: Some(prost_types::Timestamp { seconds: LOG_TIME_S, nanos: 0 }),
        commands: vec![logged],
        ..v1::LogEntry::default()
    };
    let entry = commands_of(&entry).expect("sound").expect("commands");
    let mut after = model.clone();
    let reply = after.apply(Revision::new(applied + 1), &entry).remove(0);
    let ending = stripped(&expected_ending(asked, &reply).expect("a mutation's outcome"));
    let next = if asked.is_trial() { model.clone() } else { after };
    seen.is_none_or(|seen| seen == ending).then_some(next)
}

fn read(model: &Model, asked: &Asked) -> Outcome<Answer> {
    let missing = || Outcome::Refused {
        reason: "NOT_FOUND".to_owned(),
        message: String::new(),
        metadata: std::collections::BTreeMap::new(),
        logged: false,
        fate: None,
    };
    let there = |id: &str| model.skus().any(|sku| sku.id.as_str() == id);
    let header = None;
    match asked {
        Asked::GetSku(request) => {
            let sku = model.skus().find(|sku| sku.id.as_str() == request.sku_id);
            let answer = |sku| Outcome::Ok(v1::GetSkuResponse { header, sku: Some(sku) }.into());
            sku.map_or_else(missing, |sku| answer(convert::sku(sku)))
        }
        Asked::GetStock(request)
            if !there(&request.sku_id)
                || !model.locations().any(|at| at.id.as_str() == request.location_id) =>
        {
            missing()
        }
        Asked::GetStock(request) => {
            let row = model.stock().find(|(key, _)| key.sku.as_str() == request.sku_id);
            let none = || v1::Stock {
                sku_id: request.sku_id.clone(),
                location_id: request.location_id.clone(),
                ..v1::Stock::default()
            };
            let stock = row.map_or_else(none, |(key, stock)| convert::stock(key, stock));
            Outcome::Ok(v1::GetStockResponse { header, stock: Some(stock) }.into())
        }
        Asked::GetOrder(request) => {
            let order = model.orders().find(|order| order.id.as_str() == request.order_id);
            let answer = |order| Outcome::Ok(v1::GetOrderResponse { header, order: Some(order) }.into());
            order.map_or_else(missing, |order| answer(convert::order(order, LogTime::from_micros(0))))
        }
        Asked::GetReservation(request) => {
            let found = model.reservations().find(|found| found.id.as_str() == request.reservation_id);
            let answer = |found| {
                let reservation = Some(convert::reservation(found));
                Outcome::Ok(v1::GetReservationResponse { header, reservation }.into())
            };
            found.map_or_else(missing, answer)
        }
        Asked::GetAvailability(request) if !there(&request.sku_ids[0]) => missing(),
        Asked::GetAvailability(request) => {
            let rows = model.stock().filter(|(key, _)| key.sku.as_str() == request.sku_ids[0]);
            let rows = rows.map(|(key, stock)| (key.location.to_string(), stock.get(Bucket::Available)));
            let of_location = |(location_id, available)| v1::LocationAvailability { location_id, available };
            let locations: Vec<_> = rows.filter(|(_, available)| *available > 0).map(of_location).collect();
            let availability = vec![v1::Availability {
                sku_id: request.sku_ids[0].clone(),
                untracked: false,
                available: locations.iter().map(|location| location.available).sum(),
                locations,
            }];
            Outcome::Ok(v1::GetAvailabilityResponse { header, availability }.into())
        }
        Asked::ListStock(_) => {
            let stock = model.stock().take(2).map(|(key, stock)| convert::stock(key, stock)).collect();
            let next_page_token = String::new();
            Outcome::Ok(v1::ListStockResponse { header, stock, next_page_token }.into())
        }
        other => unreachable!("no read that is made up here: {other:?}"),
    }
}

/// What of a model can make a difference to what comes after.
fn remembered(model: &Model) -> String {
    let stock: Vec<_> = model.stock().map(|(key, stock)| (key, stock.buckets())).collect();
    let orders: Vec<_> = model.orders().map(|order| (&order.id, &order.lines, &order.parcels)).collect();
    let requests: Vec<_> = model.requests().map(|(origin, record)| (origin, &record.outcome)).collect();
    let skus: Vec<_> = model.skus().map(|sku| (&sku.id, &sku.details)).collect();
    let locations: Vec<_> = model.locations().map(|location| &location.id).collect();
    let carts: Vec<_> = model.reservations().map(|found| (&found.id, &found.lines)).collect();
    format!("{skus:?} {locations:?} {stock:?} {orders:?} {carts:?} {requests:?}")
}

struct Search<'a> {
    operations: &'a [Operation],
    failed: BTreeSet<(u64, String)>,
}

impl Search<'_> {
    fn finds_an_order(&mut self, done: u64, applied: u64, model: &Model) -> bool {
        let open = |at: &usize| done & (1 << at) == 0;
        let ends: Vec<u64> = (0..self.operations.len())
            .filter(open)
            .filter_map(|at| self.operations[at].ended.as_ref().map(|ended| ended.at_ns))
            .collect();
        // Whose end nobody saw need not have happened.
        let Some(first_end) = ends.iter().min().copied() else { return true };
        let key = (done, remembered(model));
        if self.failed.contains(&key) {
            return false;
        }
        for at in (0..self.operations.len()).filter(open) {
            let operation = &self.operations[at];
            if operation.invoked_ns <= first_end
                && let Some(next) = run(model, applied, operation)
                && self.finds_an_order(done | (1 << at), applied + 1, &next)
            {
                return true;
            }
        }
        self.failed.insert(key);
        false
    }
}

fn search_passes(history: &History) -> bool {
    assert!(history.operations.len() < 64, "a small history");
    let mut search = Search { operations: &history.operations, failed: BTreeSet::new() };
    search.finds_an_order(0, 0, &Model::default())
}

#[test]
fn both_judges_pass_what_a_sound_cluster_did() {
    for seed in 0..150 {
        let history = history(seed, Fault::None);
        let report = check(&history, Options::default()).expect("it has a log");
        assert!(report.holds(), "seed {seed}: {:?}", report.violations);
        assert!(search_passes(&history), "seed {seed}: the search finds no order");
    }
}

#[test]
fn what_the_search_refuses_the_checker_refuses() {
    type Make = fn(u64) -> Fault;
    let faults: [(&str, Make); 4] = [
        ("lost write", Fault::LoseWrite),
        ("double effect", Fault::ApplyTwice),
        ("stale read", Fault::StaleRead),
        ("hidden stale read", Fault::HiddenStaleRead),
    ];
    for (name, make) in faults {
        let mut refused = 0;
        for seed in 0..150 {
            let history = history(seed, make(1 + seed % 6));
            let (checker, search) = (checker_passes(&history), search_passes(&history));
            assert!(search || !checker, "{name}, seed {seed}: the checker passes what no order explains");
            refused += u64::from(!search);
        }
        assert!(refused >= 5, "{name}: the search refused {refused} only, too few to mean anything");
    }
}

/// A wrong number in an answer that no order explains is found by both; one that an order happens to explain was given
/// by no log, and the checker knows that.
#[test]
fn a_wrong_answer_is_found_by_both() {
    let mut refused = 0;
    for seed in 0..150 {
        let mut history = history(seed, Fault::None);
        let mut rng = Rng(seed);
        let count = u64::try_from(history.operations.len()).expect("few");
        let at = usize::try_from(rng.below(count)).expect("few");
        let Some(ended) = &mut history.operations[at].ended else { continue };
        let Outcome::Ok(answer) = &mut ended.outcome else { continue };
        let stock = match answer {
            Answer::ReceiveStock(answer) => &mut answer.stock,
            Answer::AdjustStock(answer) => &mut answer.stock,
            Answer::GetStock(answer) => &mut answer.stock,
            _ => continue,
        };
        let stock = stock.as_mut().expect("an answer has stock");
        stock.available += 1;
        stock.on_hand += 1;
        assert!(!checker_passes(&history), "seed {seed}: the checker passes a wrong answer");
        refused += u64::from(!search_passes(&history));
    }
    assert!(refused >= 20, "the search refused {refused} only");
}
