//! Each violation is made by hand and must be told. What tells nothing of a broken state proves nothing of a whole one.

mod parcels;
mod reservations;

use stockade_state_machine::command::{
    Command, ConfirmOrder, ContentHash, CreateLocation, CreateSku, Disposition, Entry, MoveStock, Origin,
    PlaceLine, PlaceOrder, ReceiveStock, Request, ReturnLine, ReturnOrder, SetStock, ShipOrder,
    ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Currency, OrderLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::{Bucket, Stock};
use stockade_state_machine::{LogTime, Revision, Version};

use crate::Model;

const HOLD_US: u64 = 1_000_000;

fn sku() -> SkuId {
    SkuId::new("mug").expect("an id")
}

fn wrap() -> SkuId {
    SkuId::new("wrap").expect("an id")
}

fn location() -> LocationId {
    LocationId::new("a").expect("an id")
}

fn place_order_of(order: &str, skus: &[SkuId]) -> Command {
    let line = |sku: &SkuId| PlaceLine { sku: sku.clone(), location: None, quantity: 3, unit_price_minor: 1 };
    Command::PlaceOrder(PlaceOrder {
        order: OrderId::new(order).expect("an id"),
        customer: None,
        currency: Currency::new("EUR").expect("a currency"),
        lines: skus.iter().map(line).collect(),
        hold_us: HOLD_US,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    })
}

fn place_order(order: &str) -> Command {
    place_order_of(order, &[sku()])
}

/// Sets the safety stock, which is 2 in the end.
fn set_safety_stock(document: &str) -> Command {
    Command::SetStock(SetStock {
        sku: sku(),
        location: location(),
        bucket: Bucket::SafetyStock,
        quantity: 2,
        expected: None,
        reason: Reason::CycleCount,
        document: DocumentId::new(document).ok(),
        reference: String::new(),
    })
}

/// A model in which everything has happened: ten mugs came in; `done` was paid and shipped, one of its mugs came back;
/// `over` expired; `open` is unpaid; so are `mixed`, half of which is not tracked, and `free`, of which nothing is. Two
/// mugs were found and counted twice, one of them moved to those that wait for inspection, from those available.
fn model() -> Model {
    let done = OrderId::new("done").expect("an id");
    let document = |text| Some(DocumentId::new(text).expect("an id"));
    let commands = [
        Command::CreateSku(CreateSku { sku: sku(), details: SkuDetails::default() }),
        Command::ReceiveStock(ReceiveStock {
            sku: sku(),
            location: location(),
            quantity: 10,
            document: document("receipt"),
            reference: String::new(),
        }),
        place_order("done"),
        Command::ConfirmOrder(ConfirmOrder {
            order: done.clone(),
            payment_reference: String::new(),
            reacquire: false,
            expected: None,
        }),
        Command::ShipOrder(ShipOrder {
            order: done.clone(),
            lines: Vec::new(),
            tracking_number: String::new(),
            document: None,
            close_after_us: None,
            expected: None,
        }),
        Command::ReturnOrder(ReturnOrder {
            order: done,
            lines: vec![ReturnLine {
                line: 1,
                quantity: 1,
                disposition: Disposition::Damaged,
                location: None,
            }],
            document: document("return"),
            expected: None,
        }),
        place_order("over"),
        place_order("over"),
        place_order("open"),
        set_safety_stock("count"),
        set_safety_stock("recount"),
        Command::MoveStock(MoveStock {
            sku: sku(),
            location: location(),
            from: Bucket::Available,
            to: Bucket::QualityControl,
            quantity: 1,
            reason: Reason::QualityHold,
            document: None,
            reference: String::new(),
        }),
        Command::CreateSku(CreateSku {
            sku: wrap(),
            details: SkuDetails { untracked: true, max_per_order: 3, ..SkuDetails::default() },
        }),
        place_order_of("mixed", &[sku(), wrap()]),
        place_order_of("free", &[wrap()]),
    ];
    let mut model = Model::default();
    let mut now_us = 1_700_000_000_000_000;
    let opening = CreateLocation { location: location(), details: LocationDetails::default() };
    let opening =
        Request { origin: None, content: ContentHash(0), command: Command::CreateLocation(opening) };
    model.apply(Revision::new(0), &Entry { time: LogTime::from_micros(now_us), requests: vec![opening] });
    for (command, index) in commands.into_iter().zip(1_u64..) {
        // The second `over` comes when the first is due: it expires that one and is refused.
        now_us += if index == 8 { HOLD_US } else { 1_000 };
        let bits = (u128::from(now_us / 1_000) << 80) | (7 << 76) | (2 << 62);
        let origin = Origin {
            request: RequestId::new(bits).expect("a version 7 UUID"),
            principal: Principal::new("shop").expect("an id"),
        };
        let request = Request { origin: Some(origin), content: ContentHash(0), command };
        let entry = Entry { time: LogTime::from_micros(now_us), requests: vec![request] };
        let replies = model.apply(Revision::new(index), &entry);
        assert_eq!(matches!(replies[0].outcome, Outcome::Rejected(_)), index == 8, "{replies:?}");
    }
    assert_eq!(model.violations(), Vec::<String>::new());
    model
}

/// Breaks something; the violations must name it.
fn told(names: &str, damage: impl FnOnce(&mut Model)) {
    let mut model = model();
    damage(&mut model);
    let violations = model.violations();
    assert!(violations.iter().any(|words| words.starts_with(names)), "{names} is not among {violations:#?}");
}

fn line<'a>(model: &'a mut Model, order: &str) -> &'a mut OrderLine {
    let id = OrderId::new(order).expect("an id");
    let order = model.unpaid.get_mut(&id).or_else(|| model.settled_or_owed.get_mut(&id));
    &mut order.expect("the order is there").lines[0]
}

fn movement(model: &mut Model, reason: Reason) -> &mut LedgerEntry {
    model.ledger.iter_mut().find(|entry| entry.reason == reason).expect("there is such a movement")
}

fn set_stock(model: &mut Model, change: impl FnOnce(&mut [i64; 6])) {
    let stock = model.stock.values_mut().next().expect("a row");
    let mut buckets = stock.buckets();
    change(&mut buckets);
    *stock = Stock::from_buckets(buckets, stock.version).expect("not below 0");
}

#[test]
fn units_that_come_from_nowhere_are_told() {
    told("I6", |model| set_stock(model, |buckets| buckets[0] += 1));
    told("I6", |model| {
        model.stock.clear();
    });
    told("I6", |model| movement(model, Reason::Received).balances = Stock::default());
    told("I6", |model| {
        model.stock.values_mut().next().expect("a row").version.revision = Revision::new(2);
    });
    told("I6", |model| {
        model.stock.values_mut().next().expect("a row").version.position = 1;
    });
    told("I6", |model| {
        movement(model, Reason::Received).balances.version.revision = Revision::new(1);
    });
}

#[test]
fn a_hold_without_an_order_is_told() {
    told("I3", |model| set_stock(model, |buckets| buckets[1] += 1));
    told("I3", |model| line(model, "open").held = 2);
    told("I3", |model| model.unpaid.clear());
}

#[test]
fn an_obligation_without_an_order_is_told() {
    told("I4", |model| set_stock(model, |buckets| buckets[2] += 1));
    told("I4", |model| line(model, "done").shipped = 2);
}

#[test]
fn a_line_whose_parts_do_not_make_what_was_ordered_is_told() {
    told("I5", |model| line(model, "open").ordered += 1);
    told("I5", |model| line(model, "done").shipped = 4);
    told("I5", |model| line(model, "done").returned = 4);
    told("I5", |model| line(model, "done").returned = -1);
}

#[test]
fn a_bucket_below_0_in_the_ledger_is_told() {
    told("I2", |model| movement(model, Reason::Shipment).quantity = 4);
    told("I9", |model| movement(model, Reason::Reservation).quantity = 11);
}

#[test]
fn a_second_effect_of_a_request_is_told() {
    told("I11", |model| {
        let first = movement(model, Reason::Received).clone();
        let last = model.ledger.last_mut().expect("a movement");
        last.request = first.request;
    });
    told("I11", |model| {
        let record = model.requests.values_mut().nth(1).expect("the receipt");
        record.outcome = Outcome::Rejected(Rejection::QuantityOverflow);
    });
    told("I11", |model| movement(model, Reason::Commit).request = None);
}

#[test]
fn a_commit_after_the_hold_or_an_expiry_before_its_end_is_told() {
    told("I12", |model| {
        let order = model.settled_or_owed.values_mut().next().expect("the order done");
        order.expires = order.created;
    });
    told("I12", |model| {
        let order = model.settled_or_owed.values_mut().nth(1).expect("the order over");
        order.expires = LogTime::from_micros(u64::MAX);
    });
    told("I12", |model| movement(model, Reason::Expiry).actor = Principal::new("shop").ok());
}

#[test]
fn an_order_that_takes_back_what_shipped_is_told() {
    told("I15", |model| line(model, "done").shipped = 0);
    told("I15", |model| {
        let line = line(model, "done");
        line.returned = 2;
    });
    told("I15", |model| movement(model, Reason::Returned).quantity = 4);
    told("I15", |model| model.settled_or_owed.clear());
}

#[test]
fn a_ledger_out_of_order_or_shape_is_told() {
    told("ledger", |model| model.ledger.swap(0, 1));
    told("ledger", |model| movement(model, Reason::Commit).position = 1);
    told("ledger", |model| movement(model, Reason::Commit).time = LogTime::from_micros(1));
    told("ledger", |model| movement(model, Reason::Commit).to = Some(Bucket::Available));
    told("ledger", |model| movement(model, Reason::Commit).order = None);
    told("ledger", |model| movement(model, Reason::Commit).quantity = 0);
    told("ledger", |model| movement(model, Reason::QualityHold).from = Some(Bucket::Reserved));
    told("ledger", |model| movement(model, Reason::QualityHold).from = Some(Bucket::QualityControl));
    told("ledger", |model| movement(model, Reason::CycleCount).to = None);
    told("ledger", |model| {
        movement(model, Reason::CycleCount).balances.version = Version::default();
    });
}

#[test]
fn a_document_that_is_noted_otherwise_than_booked_is_told() {
    told("documents", |model| model.documents.clear());
    told("documents", |model| {
        movement(model, Reason::Returned).document = DocumentId::new("receipt").ok();
    });
}

#[test]
fn rows_in_the_wrong_place_are_told() {
    told("stock", |model| model.skus.clear());
    told("stock", |model| model.locations.clear());
    told("order", |model| {
        let orders = std::mem::take(&mut model.unpaid);
        model.settled_or_owed.extend(orders);
    });
    told("order", |model| {
        model.unpaid.values_mut().last().expect("the order open").version.revision = Revision::new(1);
    });
    told("clock", |model| model.clock.now = LogTime::from_micros(1));
    told("clock", |model| model.clock.horizon_ms = 0);
    told("requests", |model| model.limits.max_records = 1);
}

#[test]
fn lines_that_are_not_tracked_are_told_where_a_bucket_or_the_ledger_should_count_them() {
    told("I3", |model| model.unpaid.values_mut().nth(1).expect("mixed").lines[1].location = Some(location()));
    told("I15", |model| {
        model.unpaid.values_mut().nth(1).expect("mixed").lines[1].location = Some(location());
    });
    told("I3", |model| line(model, "mixed").location = None);
    told("I15", |model| line(model, "mixed").location = None);
    told("I11", |model| line(model, "done").location = None);
    // As if a reservation had given it its units.
    told("I8", |model| line(model, "free").location = Some(location()));
    told("order", |model| {
        model.unpaid.values_mut().nth(1).expect("mixed").version = Version::default();
    });
    told("I5", |model| line(model, "free").held = 2);
}

#[test]
fn a_count_that_found_nothing_must_have_moved_nothing() {
    told("I11", |model| {
        let recount = model.requests.values().filter(|it| matches!(it.outcome, Outcome::StockSet(..))).nth(1);
        let recount = recount.expect("the second count").clone();
        let request = model.requests.iter().find(|(_, record)| **record == recount).expect("its request").0;
        let request = Some(request.request);
        movement(model, Reason::CycleCount).request = request;
    });
}

#[test]
fn details_out_of_bounds_are_told() {
    told("sku", |model| model.skus.values_mut().last().expect("wrap").details.min_per_order = 4);
    told("location", |model| model.locations.values_mut().next().expect("a").details.zone = "\n".to_owned());
    told("clock", |model| {
        model.locations.values_mut().next().expect("a").updated = LogTime::from_micros(u64::MAX);
    });
}
