//! A state in which lines that are split, parcels and transactions are broken.

use stockade_state_machine::command::{
    CancelOrder, CloseOrder, Command, ConfirmOrder, ContentHash, CreateLocation, CreateReservation,
    CreateSku, Entry, LineQuantity, MoveReservation, Origin, PlaceLine, PlaceOrder, ReceiveStock, Request,
    ShipOrder, ShortagePolicy, Sourcing, Transact,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Currency, Order, ParcelLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Revision};

use super::{HOLD_US, location, sku};
use crate::Model;

fn other_location() -> LocationId {
    LocationId::new("b").expect("an id")
}

fn id(text: &str) -> OrderId {
    OrderId::new(text).expect("an id")
}

fn lines(quantities: &[i64]) -> Vec<PlaceLine> {
    let line =
        |quantity: &i64| PlaceLine { sku: sku(), location: None, quantity: *quantity, unit_price_minor: 1 };
    quantities.iter().map(line).collect()
}

fn place(order: &str, quantities: &[i64], shortage: ShortagePolicy) -> Command {
    Command::PlaceOrder(PlaceOrder {
        order: id(order),
        customer: None,
        currency: Currency::new("EUR").expect("a currency"),
        lines: lines(quantities),
        hold_us: HOLD_US,
        sourcing: Sourcing::FewestSplits,
        shortage,
    })
}

fn confirm(order: &str, reacquire: bool) -> Command {
    let payment_reference = String::new();
    Command::ConfirmOrder(ConfirmOrder { order: id(order), payment_reference, reacquire, expected: None })
}

fn ship(order: &str, lines: &[(u32, i64)], document: &str) -> Command {
    let line =
        |(line, quantity): &(u32, i64)| LineQuantity { line: *line, location: None, quantity: *quantity };
    Command::ShipOrder(ShipOrder {
        order: id(order),
        lines: lines.iter().map(line).collect(),
        tracking_number: String::new(),
        document: DocumentId::new(document).ok(),
        close_after_us: None,
        expected: None,
    })
}

/// Three mugs at `a` and two at `b`. A transaction made a reservation of them all and moved a part of it; it ended. `late`
/// had five, two of which were never there, expired and took its units anew. Of its two parts four left in two parcels, one
/// was cancelled, and it was closed.
fn model() -> Model {
    let receipt = |location, quantity| {
        Command::ReceiveStock(ReceiveStock {
            sku: sku(),
            location,
            quantity,
            document: None,
            reference: String::new(),
        })
    };
    let opening =
        |location| Command::CreateLocation(CreateLocation { location, details: LocationDetails::default() });
    let reservation = ReservationId::new("cart").expect("an id");
    let create = Command::CreateReservation(CreateReservation {
        reservation: reservation.clone(),
        customer: None,
        currency: Currency::new("EUR").expect("a currency"),
        lines: lines(&[1]),
        hold_us: HOLD_US,
        sourcing: Sourcing::MostStock,
    });
    let transfer = Command::MoveReservation(MoveReservation {
        reservation,
        lines: Vec::new(),
        location: other_location(),
        expected: None,
    });
    let transact = |operations| Command::Transact(Transact { preconditions: Vec::new(), operations });
    let commands = [
        Command::CreateSku(CreateSku { sku: sku(), details: SkuDetails::default() }),
        opening(location()),
        opening(other_location()),
        transact(vec![receipt(location(), 3), receipt(other_location(), 2)]),
        transact(vec![create, transfer]),
        // What is due ends first, so that all five are there.
        place("late", &[4, 3], ShortagePolicy::Partial),
        confirm("late", true),
        ship("late", &[(1, 1), (2, 1)], "first"),
        ship("late", &[(1, 2)], "second"),
        Command::CancelOrder(CancelOrder { order: id("late"), lines: Vec::new(), expected: None }),
        Command::CloseOrder(CloseOrder { order: id("late"), expected: None }),
    ];
    let mut model = Model::default();
    let mut now_us = 1_700_000_000_000_000;
    for (command, index) in commands.into_iter().zip(1_u64..) {
        // Before it is placed and before it is paid all holds end.
        now_us += if matches!(index, 6 | 7) { HOLD_US } else { 1_000 };
        let bits = (u128::from(now_us / 1_000) << 80) | (7 << 76) | (2 << 62);
        let origin = Origin {
            request: RequestId::new(bits).expect("a version 7 UUID"),
            principal: Principal::new("shop").expect("an id"),
        };
        let request = Request { origin: Some(origin), content: ContentHash(0), command };
        let entry = Entry { time: LogTime::from_micros(now_us), requests: vec![request] };
        let replies = model.apply(Revision::new(index), &entry);
        assert!(!matches!(replies[0].outcome, Outcome::Rejected(_)), "{replies:?}");
    }
    assert_eq!(model.violations(), Vec::<String>::new());
    let units: Vec<_> = late(&mut model)
        .lines
        .iter()
        .map(|line| (line.number, line.ordered, line.allocated, line.shipped, line.cancelled))
        .collect();
    assert_eq!(units, [(1, 3, 3, 3, 0), (1, 1, 0, 0, 1), (2, 3, 1, 1, 2)]);
    model
}

fn late(model: &mut Model) -> &mut Order {
    model.settled_or_owed.get_mut(&id("late")).expect("the order is there")
}

/// Breaks something; the violations must name it.
fn told(names: &str, damage: impl FnOnce(&mut Model)) {
    let mut model = model();
    damage(&mut model);
    let violations = model.violations();
    assert!(violations.iter().any(|words| words.starts_with(names)), "{names} is not among {violations:#?}");
}

fn movement(model: &mut Model, reason: Reason) -> &mut LedgerEntry {
    model.ledger.iter_mut().find(|entry| entry.reason == reason).expect("there is such a movement")
}

#[test]
fn numbers_of_lines_that_have_gaps_or_parts_that_stand_apart_are_told() {
    told("I5", |model| late(model).lines[2].number = 3);
    told("I5", |model| late(model).lines[0].number = 0);
    told("I5", |model| late(model).lines.iter_mut().for_each(|line| line.number += 1));
    told("I5", |model| {
        let lines = &mut late(model).lines;
        (lines[1].number, lines[2].number) = (2, 1);
    });
    told("I5", |model| late(model).lines[1].unit_price_minor = 2);
    told("I8", |model| {
        let row = model.holding_nothing.values_mut().next().expect("the cart");
        row.lines[0].number = 2;
    });
}

#[test]
fn what_a_parcel_has_that_never_left_is_told() {
    told("I5", |model| late(model).parcels[0].lines[0].quantity += 1);
    told("I5", |model| late(model).parcels[0].lines[0].quantity = 0);
    told("I5", |model| late(model).parcels[0].lines[0].part = 1);
    told("I5", |model| late(model).parcels[0].lines[0].part = 9);
    told("I5", |model| late(model).parcels[0].lines.reverse());
    told("I5", |model| late(model).parcels[1].lines.clear());
    told("I5", |model| {
        let half = ParcelLine { part: 0, quantity: 1 };
        late(model).parcels[1].lines = vec![half, half];
    });
    told("I5", |model| {
        late(model).parcels.pop();
    });
}

#[test]
fn parcels_out_of_order_and_an_end_before_anything_left_are_told() {
    told("order", |model| late(model).parcels[1].shipped = LogTime::from_micros(1));
    told("order", |model| late(model).parcels[1].shipped = LogTime::from_micros(u64::MAX));
    told("order", |model| late(model).closes = Some(LogTime::from_micros(1)));
    told("documents", |model| {
        late(model).parcels[1].document = DocumentId::new("third").ok();
    });
    told("documents", |model| model.documents.clear());
}

#[test]
fn units_that_a_late_payment_took_otherwise_than_the_ledger_tells_are_told() {
    told("I15", |model| late(model).lines[0].location = Some(other_location()));
    told("I12", |model| movement(model, Reason::Commit).from = Some(Bucket::Reserved));
    told("I12", |model| late(model).expires = LogTime::from_micros(u64::MAX));
    told("ledger", |model| movement(model, Reason::Commit).reservation = ReservationId::new("cart").ok());
    told("I15", |model| {
        let line = &mut late(model).lines[2];
        (line.cancelled, line.expired) = (1, 1);
    });
    // Nothing was given back for it, so it never was.
    told("I15", |model| {
        let line = &mut late(model).lines[1];
        (line.cancelled, line.allocated) = (0, 1);
    });
}

#[test]
fn a_change_at_another_time_than_its_entry_is_told() {
    told("order", |model| late(model).updated = LogTime::from_micros(late(model).updated.micros() - 1));
    told("reservation", |model| {
        let row = model.holding_nothing.values_mut().next().expect("the cart");
        row.updated = LogTime::from_micros(row.updated.micros() + 1);
    });
}

#[test]
fn a_reservation_that_was_moved_as_it_was_made_adds_up() {
    told("I8", |model| {
        let row = model.holding_nothing.values_mut().next().expect("the cart");
        (row.lines[0].quantity, row.lines[0].expired) = (2, 2);
    });
    told("I8", |model| {
        let row = model.holding_nothing.values_mut().next().expect("the cart");
        (row.lines[0].released, row.lines[0].expired) = (1, 0);
    });
}

#[test]
fn what_a_transaction_moved_otherwise_than_its_record_tells_is_told() {
    let instead = |outcomes: Vec<Outcome>| {
        told("I11", |model| {
            let is_first = |outcome: &Outcome| matches!(outcome, Outcome::Transacted(_));
            let record = model.requests.values_mut().find(|record| is_first(&record.outcome));
            record.expect("two receipts").outcome = Outcome::Transacted(outcomes);
        });
    };
    instead(vec![Outcome::SkuDeleted, Outcome::LocationDeleted]);
    instead(vec![Outcome::OrderConfirmed { order: id("late") }; 2]);
    told("requests", |model| model.limits.max_records = 12);
    told("requests", |model| model.kept_weight -= 1);
}
