//! Mutations that were only tried: wrong answers, headers and entries are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use std::collections::BTreeMap;

use shop::{STALE_ETAG, TOLD, ask, changes, end_of, finds, report, set, shop, written};
use stockade_checker::{Check, Ended, History, Operation, Options, check};
use stockade_history::{Answer, Asked, Consistency, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::{ShortagePolicy, Sourcing};
use support::{Cluster, carts, orders};

fn place(shop: &mut Cluster, id: &str, quantity: i64) -> Asked {
    let (sourcing, policy) = (Sourcing::FewestSplits, ShortagePolicy::AllOrNothing);
    orders::place(shop.request_id(), id, &[("sku-0", "", quantity)], sourcing, policy)
}

/// Something is tried.
fn try_out(shop: &mut Cluster, asked: &Asked) -> Asked {
    let asked = orders::tried(asked);
    shop.read(asked.clone());
    asked
}

/// A history in which an order is tried last that is answered, and the trial.
fn tried() -> (History, Asked) {
    let mut shop = shop();
    let asked = place(&mut shop, "a", 16);
    let asked = try_out(&mut shop, &asked);
    (written(shop), asked)
}

/// A history in which an order is tried last that is short, and the trial.
fn refused() -> (History, Asked) {
    let mut shop = shop();
    let asked = place(&mut shop, "a", 18);
    let asked = try_out(&mut shop, &asked);
    (written(shop), asked)
}

/// A check finds what was changed of a trial's end, and says all of these words.
#[track_caller]
fn finds_in(
    history: &History,
    asked: &Asked,
    expected: Check,
    change: impl FnOnce(&mut Operation),
    words: &[&str],
) {
    let before = report(history);
    assert!(before.holds(), "{:#?}", before.violations);
    let mut history = history.clone();
    change(history.operations.iter_mut().rfind(|operation| operation.asked == *asked).expect("it was asked"));
    let report = report(&history);
    let said = |text: &str| words.iter().all(|word| text.contains(word));
    let found = report.violations.iter().any(|found| found.check == expected && said(&found.text));
    assert!(found, "{expected:?} {words:?} is not among {:#?}", report.violations);
}

fn end(operation: &mut Operation) -> &mut Ended {
    operation.ended.as_mut().expect("it has ended")
}

fn refusal(reason: &str, logged: bool) -> Outcome<Answer> {
    Outcome::Refused {
        reason: reason.to_owned(),
        message: String::new(),
        metadata: BTreeMap::new(),
        logged,
        fate: None,
    }
}

#[test]
fn a_wrong_answer_to_a_trial_is_found() {
    let (history, asked) = tried();
    let moved = changes!(PlaceOrder, answer => {
        assert_eq!(answer.sources.len(), 2);
        answer.sources[0].quantity += 1;
    });
    let words = ["was tried at revision", "quantity: 5", "it should have been", "quantity: 4"];
    finds(&history, &asked, moved, &words);
    finds(
        &history,
        &asked,
        changes!(PlaceOrder, answer => shop::later(&mut answer.expire_time)),
        &words[..1],
    );
    finds(&history, &asked, changes!(PlaceOrder, answer => answer.order_id.clear()), &words[..1]);
    let short = |ended: &mut Ended| ended.outcome = refusal("INSUFFICIENT_STOCK", false);
    finds(&history, &asked, short, &["INSUFFICIENT_STOCK", "it should have been PlaceOrder"]);
}

#[test]
fn a_wrong_refusal_of_a_trial_is_found() {
    let (history, asked) = refused();
    let number = |ended: &mut Ended| match &mut ended.outcome {
        Outcome::Refused { reason, metadata, logged, .. } => {
            assert_eq!((reason.as_str(), *logged), ("INSUFFICIENT_STOCK", false));
            metadata.insert("available".to_owned(), "99".to_owned()).expect("it is told");
        }
        other => panic!("no refusal: {other:?}"),
    };
    finds(&history, &asked, number, &["\"99\"", "it should have been the refusal INSUFFICIENT_STOCK"]);
    let other = |ended: &mut Ended| ended.outcome = refusal("NOT_FOUND", false);
    finds(&history, &asked, other, &["the refusal NOT_FOUND", "INSUFFICIENT_STOCK"]);
    let answered = |ended: &mut Ended| {
        ended.outcome = Outcome::Ok(v1::PlaceOrderResponse::default().into());
    };
    finds(&history, &asked, answered, &["it should have been the refusal INSUFFICIENT_STOCK"]);
}

#[test]
fn every_kind_of_mutation_can_be_tried_and_a_wrong_answer_to_it_is_found() {
    let mut shop = shop();
    let order = place(&mut shop, "order", 2);
    shop.alone(order);
    ask(&mut shop, |request| orders::confirm(request, "order", false, ""));
    ask(&mut shop, |request| orders::ship(request, "order", &[(1, "", 1)], "", None));
    let order = place(&mut shop, "unpaid", 2);
    shop.alone(order);
    ask(&mut shop, |request| carts::create(request, "cart", &[("sku-0", "", 2)], 60));
    let id = |shop: &mut Cluster| shop.request_id();
    let (sku_id, location_id) = (|| "sku-1".to_owned(), || "main".to_owned());
    let reason = v1::Reason::Correction.into();
    let sku = Some(v1::Sku { sku_id: "new".to_owned(), ..v1::Sku::default() });
    let changed = Some(v1::Sku { sku_id: sku_id(), display_name: "mug".to_owned(), ..v1::Sku::default() });
    let location = Some(v1::Location { location_id: "new".to_owned(), ..v1::Location::default() });
    let moved = Some(v1::Location { location_id: location_id(), ..v1::Location::default() });
    let operations = [place(&mut shop, "both", 1), orders::confirm(String::new(), "both", false, "")];
    let all: Vec<Asked> = vec![
        v1::CreateSkuRequest { request_id: id(&mut shop), sku, validate_only: false }.into(),
        v1::UpdateSkuRequest { request_id: id(&mut shop), sku: changed, ..Default::default() }.into(),
        v1::DeleteSkuRequest {
            request_id: id(&mut shop),
            sku_id: "service".to_owned(),
            ..Default::default()
        }
        .into(),
        v1::CreateLocationRequest { request_id: id(&mut shop), location, validate_only: false }.into(),
        v1::UpdateLocationRequest { request_id: id(&mut shop), location: moved, ..Default::default() }.into(),
        shop::delete_location(&mut shop, "spare", ""),
        v1::ReceiveStockRequest {
            request_id: id(&mut shop),
            sku_id: sku_id(),
            location_id: location_id(),
            quantity: 1,
            ..Default::default()
        }
        .into(),
        v1::AdjustStockRequest {
            request_id: id(&mut shop),
            sku_id: sku_id(),
            location_id: location_id(),
            delta: -1,
            reason,
            ..Default::default()
        }
        .into(),
        set(&mut shop, "east", 9, None),
        v1::MoveStockRequest {
            request_id: id(&mut shop),
            sku_id: sku_id(),
            location_id: location_id(),
            to_bucket: v1::Bucket::Damaged.into(),
            quantity: 1,
            reason,
            ..Default::default()
        }
        .into(),
        place(&mut shop, "a", 3),
        orders::confirm(id(&mut shop), "unpaid", false, ""),
        orders::extend(id(&mut shop), "unpaid", 90, ""),
        orders::ship(id(&mut shop), "order", &[], "parcel-2", Some(9)),
        orders::cancel(id(&mut shop), "order", &[(1, "", 1)]),
        orders::give_back(id(&mut shop), "order", &[(1, "", 1)]),
        carts::create(id(&mut shop), "other", &[("sku-1", "", 1)], 60),
        carts::extend(id(&mut shop), "cart", 90),
        carts::commit(id(&mut shop), "cart", "b", &[(1, 1)], carts::Paid::By("")),
        carts::release(id(&mut shop), "cart", &[(1, 1)]),
        carts::relocate(id(&mut shop), "cart", &[], "main"),
        orders::transact(id(&mut shop), vec![], &operations),
    ];
    let mut all: Vec<Asked> = all.iter().map(|asked| try_out(&mut shop, asked)).collect();
    ask(&mut shop, |request| orders::ship(request, "order", &[], "", None));
    let close = orders::close(id(&mut shop), "order", "");
    all.push(try_out(&mut shop, &close));
    let mut history = written(shop);

    for asked in &all {
        let ended = end_of(&mut history, asked).clone();
        assert!(matches!(ended.outcome, Outcome::Ok(_)), "{}: {:?}", asked.kind(), ended.outcome);
        let refused = |ended: &mut Ended| ended.outcome = refusal("NOT_FOUND", false);
        finds(&history, asked, refused, &[asked.kind(), "the refusal NOT_FOUND; at log time"]);
    }
}

#[test]
fn an_answer_of_another_time_is_found() {
    for (history, asked) in [tried(), refused()] {
        let at_us = |operation: &mut Operation, change: fn(Option<u64>) -> Option<u64>| {
            let time = &mut end(operation).header.as_mut().expect("it has one").log_time_us;
            *time = change(*time);
        };
        let before = |operation: &mut Operation| at_us(operation, |time| time.map(|time| time - 60_000_000));
        let words = ["though the state was at", "log time never goes back"];
        finds_in(&history, &asked, Check::D, before, &words);
        let is_answered = matches!(end_of(&mut history.clone(), &asked).outcome, Outcome::Ok(_));
        let none = |operation: &mut Operation| at_us(operation, |_| None);
        if is_answered {
            finds_in(&history, &asked, Check::D, none, &["does not say at which time it was tried"]);
            // The hold begins when it is tried.
            let later = |operation: &mut Operation| at_us(operation, |time| time.map(|time| time + 1));
            finds_in(&history, &asked, Check::D, later, &["it should have been PlaceOrder"]);
        } else {
            let words = ["which a state alone can decide", "without saying at which time it was tried"];
            finds_in(&history, &asked, Check::B, none, &words);
        }
    }
}

#[test]
fn what_would_be_there_once_a_hold_has_ended_is_told_of_that_time_only() {
    let mut shop = shop();
    let first = place(&mut shop, "first", 17);
    shop.alone(first);
    let (short, enough) = (place(&mut shop, "short", 1), place(&mut shop, "enough", 1));
    shop.wait(59);
    let short = try_out(&mut shop, &short);
    shop.wait(1);
    let enough = try_out(&mut shop, &enough);
    // Nothing has happened since: both were answered from the same state.
    let mut history = written(shop);
    let served = [&short, &enough].map(|asked| {
        let ended = end_of(&mut history, asked);
        (ended.header.as_ref().expect("it has one").served_revision, matches!(ended.outcome, Outcome::Ok(_)))
    });
    assert_eq!((served[0].0, served[0].1, served[1].1), (served[1].0, false, true));
    let placed = |ended: &mut Ended| {
        ended.header.as_mut().expect("it has one").log_time_us = Some(1_700_000_099_000_000);
    };
    finds(&history, &short, placed, &["the refusal INSUFFICIENT_STOCK", "it should have been PlaceOrder"]);
    let too_early = |ended: &mut Ended| {
        let time = &mut ended.header.as_mut().expect("it has one").log_time_us;
        *time = time.map(|time| time - 1_000_000);
    };
    finds(&history, &enough, too_early, &["it should have been the refusal INSUFFICIENT_STOCK"]);
}

#[test]
fn a_header_of_a_trial_that_names_a_place_in_the_log_is_found() {
    for (history, asked) in [tried(), refused()] {
        let revision = |operation: &mut Operation| {
            end(operation).header.as_mut().expect("it has one").revision -= 1;
        };
        finds_in(&history, &asked, Check::D, revision, &["in the header: nothing took effect"]);
        let position = |operation: &mut Operation| {
            end(operation).header.as_mut().expect("it has one").position = 1;
        };
        finds_in(&history, &asked, Check::D, position, &["the place in the log"]);
        let replayed = |operation: &mut Operation| {
            end(operation).header.as_mut().expect("it has one").replayed = true;
        };
        finds_in(&history, &asked, Check::D, replayed, &["though it was only tried"]);
    }
}

#[test]
fn a_trial_that_the_log_has_is_found() {
    let mut shop = shop();
    let asked = place(&mut shop, "a", 16);
    let tried = try_out(&mut shop, &asked);
    shop.alone(asked.clone());
    let mut history = written(shop);
    // A caller may try something and then ask for it under the same id.
    let before = report(&history);
    assert!(before.holds(), "{:#?}", before.violations);
    assert!(check(&history, Options { complete: true }).expect("it has a log").holds());
    history.operations.retain(|operation| operation.asked != asked);
    assert!(history.operations.iter().any(|operation| operation.asked == tried));
    let report = report(&history);
    let said = |text: &str| text.contains("was only to be tried, but the log has its request at");
    let found = report.violations.iter().any(|found| found.check == Check::B && said(&found.text));
    assert!(found, "{:#?}", report.violations);
}

#[test]
fn a_trial_after_the_request_itself_is_answered_as_that_was() {
    let mut shop = shop();
    let asked = place(&mut shop, "a", 16);
    shop.alone(asked.clone());
    let tried = try_out(&mut shop, &asked);
    let other = orders::tried(&{
        let Asked::PlaceOrder(mut request) = asked.clone() else { panic!("{asked:?}") };
        request.order_id.push('2');
        request.into()
    });
    shop.read(other.clone());
    let history = written(shop);
    let again = |ended: &mut Ended| ended.outcome = refusal("ALREADY_EXISTS", false);
    finds(&history, &tried, again, &["ALREADY_EXISTS", "it should have been PlaceOrder"]);
    let reused = |ended: &mut Ended| ended.outcome = refusal("INSUFFICIENT_STOCK", false);
    finds(&history, &other, reused, &["it should have been the refusal REQUEST_ID_REUSED"]);
}

#[test]
fn a_log_that_has_a_trial_is_not_understood() {
    let mut shop = shop();
    let asked = place(&mut shop, "a", 16);
    shop.alone(asked.clone());
    let mut history = written(shop);
    let last = history.entries.last_mut().expect("a log");
    let Some(v1::logged_command::Command::Mutation(mutation)) = &mut last.1.commands[0].command else {
        panic!("{last:?}")
    };
    mutation.request = orders::tried(&asked).mutation();
    let report = report(&history);
    let said = |text: &str| text.contains("can't be understood: a mutation that is only to be tried");
    assert!(report.violations.iter().any(|found| said(&found.text)), "{:#?}", report.violations);
}

#[test]
fn a_refusal_of_a_trial_that_speaks_of_the_log_or_of_an_open_fate_is_found() {
    let (history, asked) = refused();
    let logged = |operation: &mut Operation| match &mut end(operation).outcome {
        Outcome::Refused { logged, .. } => *logged = true,
        other => panic!("no refusal: {other:?}"),
    };
    finds_in(
        &history,
        &asked,
        Check::B,
        logged,
        &["INSUFFICIENT_STOCK", "which never sees what is only tried"],
    );
    let unknown = |operation: &mut Operation| end(operation).outcome = refusal("OUTCOME_UNKNOWN", false);
    finds_in(&history, &asked, Check::B, unknown, &["OUTCOME_UNKNOWN", "though nothing can come of it"]);
    // A node that asks no state says nothing of one.
    for reason in ["OVERLOADED", "NO_LEADER", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"] {
        let mut history = history.clone();
        let ended = end_of(&mut history, &asked);
        ended.outcome = refusal(reason, false);
        ended.header.as_mut().expect("it has one").log_time_us = None;
        let report = report(&history);
        assert!(report.holds(), "{:#?}", report.violations);
    }
}

#[test]
fn a_trial_has_no_fate_to_be_settled() {
    for ended in [
        None,
        Some(Outcome::Unknown { message: String::new() }),
        Some(Outcome::Failed { message: String::new() }),
    ] {
        let (mut history, asked) = tried();
        let operation = history.operations.iter_mut().rfind(|operation| operation.asked == asked);
        let operation = operation.expect("it was asked");
        let at_ns = end(operation).at_ns;
        operation.ended = ended.map(|outcome| Ended { line: 1, at_ns, header: None, outcome });
        let report = check(&history, Options { complete: true }).expect("it has a log");
        assert!(report.holds(), "{:#?}", report.violations);
        assert_eq!(report.unsettled, 0);
        assert_eq!(history.unknown_requests(), Vec::<String>::new());
    }
}

#[test]
fn a_stale_trial_is_found() {
    for quantity in [16, 18] {
        let mut shop = shop();
        let asked = place(&mut shop, "a", quantity);
        let asked = try_out(&mut shop, &asked);
        let other = set(&mut shop, "shut", 9, None);
        shop.alone(other);
        let history = written(shop);
        let last = history.operations.iter().map(|operation| operation.invoked_ns).max().expect("calls");
        let later = |operation: &mut Operation| {
            operation.invoked_ns = last + 1_000_000;
            end(operation).at_ns = last + 2_000_000;
        };
        finds_in(&history, &asked, Check::C, later, &["stale read: ", "place_order", "try to place order a"]);
        // A node that asks no state may be behind.
        let mut refused = history.clone();
        let operations = refused.operations.iter_mut();
        let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
        later(operation);
        let ended = end(operation);
        ended.outcome = refusal("OVERLOADED", false);
        ended.header.as_mut().expect("it has one").log_time_us = None;
        assert!(report(&refused).holds());
        // So may one that was asked for what it has.
        let mut local = history.clone();
        let operations = local.operations.iter_mut();
        let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
        later(operation);
        operation.consistency = Consistency::Local;
        assert!(report(&local).holds());
    }
}

#[test]
fn a_malformed_request_is_not_answered() {
    let (history, asked) = tried();
    let malformed = |operation: &mut Operation| {
        let Asked::PlaceOrder(request) = &mut operation.asked else { panic!("{:?}", operation.asked) };
        request.currency_code.clear();
    };
    finds_in(&history, &asked, Check::D, malformed, &["though it is malformed: no currency code"]);
}

#[test]
fn a_decision_that_tells_another_log_time_is_found() {
    let mut shop = shop();
    let placed = place(&mut shop, "a", 16);
    shop.alone(placed.clone());
    let short = place(&mut shop, "b", 16);
    shop.alone(short.clone());
    let stale = ask(&mut shop, |request| orders::close(request, "a", STALE_ETAG));
    let history = written(shop);
    for asked in [&placed, &short, &stale] {
        let earlier = |ended: &mut Ended| {
            let time = &mut ended.header.as_mut().expect("it has one").log_time_us;
            *time = time.map(|time| time - 1);
        };
        finds(&history, asked, earlier, &["was decided at log time", "the log, run again, decides at"]);
        // Whoever records may leave it out.
        let mut other = history.clone();
        end_of(&mut other, asked).header.as_mut().expect("it has one").log_time_us = None;
        assert!(report(&other).holds());
    }
    finds(&history, &placed, changes!(PlaceOrder, answer => answer.order_id.clear()), TOLD);
}
