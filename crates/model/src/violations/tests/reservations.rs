//! A state in which reservations are broken.

use stockade_state_machine::command::{
    Command, CommitReservation, ContentHash, CreateLocation, CreateReservation, CreateSku, Entry,
    ExtendReservation, LineQuantity, MoveReservation, Origin, Payment, PlaceLine, ReceiveStock,
    ReleaseReservation, Request, Sourcing,
};
use stockade_state_machine::ids::{LocationId, OrderId, Principal, RequestId, ReservationId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::reservation::{Reservation, ReservationLine};
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{LogTime, Revision, Version};

use super::{HOLD_US, location, sku};
use crate::Model;

fn id(text: &str) -> ReservationId {
    ReservationId::new(text).expect("an id")
}

fn other_location() -> LocationId {
    LocationId::new("b").expect("an id")
}

fn create(reservation: &str, hold_us: u64) -> Command {
    let line = PlaceLine { sku: sku(), location: Some(location()), quantity: 5, unit_price_minor: 1 };
    Command::CreateReservation(CreateReservation {
        reservation: id(reservation),
        customer: None,
        currency: Currency::new("EUR").expect("a currency"),
        lines: vec![line],
        hold_us,
        sourcing: Sourcing::Priority,
    })
}

fn commit(order: &str, quantity: i64, payment: Payment) -> Command {
    Command::CommitReservation(CommitReservation {
        reservation: id("cart"),
        order: OrderId::new(order).expect("an id"),
        customer: None,
        lines: vec![LineQuantity { line: 1, location: None, quantity }],
        payment,
        expected: None,
    })
}

/// A model in which everything has happened to reservations: of the five mugs of `cart` one went to the order `paid` and
/// two to `unpaid`, one was given back, and one is held, at `b` since it was moved there; `over` expired.
fn model() -> Model {
    let receipt = |location| {
        Command::ReceiveStock(ReceiveStock {
            sku: sku(),
            location,
            quantity: 20,
            document: None,
            reference: String::new(),
        })
    };
    let opening =
        |location| Command::CreateLocation(CreateLocation { location, details: LocationDetails::default() });
    let lines = vec![LineQuantity { line: 1, location: None, quantity: 1 }];
    let commands = [
        Command::CreateSku(CreateSku { sku: sku(), details: SkuDetails::default() }),
        opening(location()),
        opening(other_location()),
        receipt(location()),
        receipt(other_location()),
        create("over", HOLD_US),
        create("cart", 100 * HOLD_US),
        commit("paid", 1, Payment::Taken { reference: String::new() }),
        commit("unpaid", 2, Payment::Pending { hold_us: 100 * HOLD_US }),
        Command::ReleaseReservation(ReleaseReservation { reservation: id("cart"), lines, expected: None }),
        Command::MoveReservation(MoveReservation {
            reservation: id("cart"),
            lines: Vec::new(),
            location: other_location(),
            expected: None,
        }),
        Command::ExtendReservation(ExtendReservation {
            reservation: id("over"),
            hold_us: HOLD_US,
            expected: None,
        }),
    ];
    let mut model = Model::default();
    let mut now_us = 1_700_000_000_000_000;
    for (command, index) in commands.into_iter().zip(1_u64..) {
        // The extension comes too late.
        now_us += if index == 12 { HOLD_US } else { 1_000 };
        let bits = (u128::from(now_us / 1_000) << 80) | (7 << 76) | (2 << 62);
        let origin = Origin {
            request: RequestId::new(bits).expect("a version 7 UUID"),
            principal: Principal::new("shop").expect("an id"),
        };
        let request = Request { origin: Some(origin), content: ContentHash(0), command };
        let entry = Entry { time: LogTime::from_micros(now_us), requests: vec![request] };
        let replies = model.apply(Revision::new(index), &entry);
        assert_eq!(matches!(replies[0].outcome, Outcome::Rejected(_)), index == 12, "{replies:?}");
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

fn row<'a>(model: &'a mut Model, reservation: &str) -> &'a mut Reservation {
    let id = id(reservation);
    let row = model.holding.get_mut(&id).or_else(|| model.holding_nothing.get_mut(&id));
    row.expect("the reservation is there")
}

fn line<'a>(model: &'a mut Model, reservation: &str) -> &'a mut ReservationLine {
    &mut row(model, reservation).lines[0]
}

fn last_movement(model: &mut Model, reason: Reason) -> &mut LedgerEntry {
    model.ledger.iter_mut().rfind(|entry| entry.reason == reason).expect("there is such a movement")
}

#[test]
fn a_line_whose_parts_do_not_make_what_was_reserved_is_told() {
    told("I8", |model| line(model, "cart").quantity += 1);
    told("I8", |model| line(model, "cart").open += 1);
    told("I8", |model| {
        let line = line(model, "cart");
        line.open += 2;
        line.released -= 2;
    });
    told("I8", |model| row(model, "cart").lines.push(ReservationLine { quantity: 0, ..nothing() }));
}

fn nothing() -> ReservationLine {
    ReservationLine {
        number: 1,
        sku: sku(),
        location: None,
        unit_price_minor: 0,
        quantity: 1,
        open: 0,
        committed: 0,
        released: 0,
        expired: 0,
    }
}

#[test]
fn a_hold_without_a_reservation_is_told() {
    told("I3", |model| line(model, "cart").open = 0);
    told("I3", |model| line(model, "cart").location = Some(location()));
    told("I3", |model| model.holding.clear());
    told("I8", |model| model.holding.clear());
    told("I8", |model| model.holding_nothing.clear());
}

#[test]
fn a_number_of_a_line_that_the_ledger_tells_otherwise_is_told() {
    told("I8", |model| {
        let line = line(model, "cart");
        line.released += 1;
        line.open -= 1;
    });
    told("I8", |model| {
        let line = line(model, "over");
        line.released += 1;
        line.expired -= 1;
    });
    told("I8", |model| {
        let line = line(model, "cart");
        line.committed -= 1;
        line.released += 1;
    });
}

#[test]
fn units_that_an_unpaid_order_was_given_by_no_reservation_are_told() {
    told("I8", |model| {
        let line = &mut model.unpaid.values_mut().next().expect("the order unpaid").lines[0];
        line.ordered += 1;
        line.held += 1;
    });
    told("I8", |model| model.unpaid.clear());
    told("I8", |model| {
        let line = line(model, "cart");
        line.committed += 1;
        line.open -= 1;
    });
    told("order", |model| {
        let order = model.unpaid.values_mut().next().expect("the order unpaid");
        order.updated = order.created.after_micros(1);
    });
}

#[test]
fn a_move_whose_halves_do_not_fit_is_told() {
    told("I8", |model| last_movement(model, Reason::Release).quantity += 1);
    told("I8", |model| last_movement(model, Reason::Release).location = other_location());
    told("I8", |model| {
        let at = model.ledger.iter().rposition(|entry| entry.reason == Reason::Release);
        model.ledger.remove(at.expect("the second half"));
    });
    told("I8", |model| {
        let at = model.ledger.iter().rposition(|entry| entry.reason == Reason::Reservation);
        model.ledger.truncate(at.expect("the first half") + 1);
    });
}

#[test]
fn a_movement_of_a_reservation_after_its_end_or_an_expiry_before_it_is_told() {
    told("I12", |model| {
        let row = row(model, "cart");
        row.expires = row.created;
    });
    told("I12", |model| row(model, "over").expires = LogTime::from_micros(u64::MAX));
}

#[test]
fn a_movement_that_names_the_wrong_holder_is_told() {
    told("ledger", |model| last_movement(model, Reason::Reservation).order = OrderId::new("paid").ok());
    told("ledger", |model| last_movement(model, Reason::Reservation).reservation = None);
    told("ledger", |model| last_movement(model, Reason::Expiry).order = OrderId::new("paid").ok());
    told("ledger", |model| last_movement(model, Reason::Commit).order = None);
    told("ledger", |model| last_movement(model, Reason::Received).reservation = Some(id("cart")));
    told("I8", |model| last_movement(model, Reason::Commit).reservation = Some(id("over")));
    told("I8", |model| last_movement(model, Reason::Commit).reservation = Some(id("nobody")));
    told("I11", |model| last_movement(model, Reason::Commit).reservation = None);
}

#[test]
fn reservations_in_the_wrong_place_are_told() {
    told("reservation", |model| {
        let rows = std::mem::take(&mut model.holding);
        model.holding_nothing.extend(rows);
    });
    told("reservation", |model| {
        let over = model.holding_nothing.values().next().expect("over").clone();
        model.holding.insert(over.id.clone(), over);
    });
    told("reservation", |model| row(model, "over").id = id("cart"));
    told("reservation", |model| row(model, "over").lines.clear());
    told("reservation", |model| row(model, "cart").version = Version::default());
    told("reservation", |model| row(model, "cart").created = LogTime::from_micros(1));
    told("clock", |model| row(model, "cart").updated = LogTime::from_micros(u64::MAX));
}

#[test]
fn an_effect_of_a_command_about_a_reservation_that_its_record_does_not_tell_is_told() {
    let other = |outcome: fn(&Outcome) -> bool, instead: Outcome| {
        told("I11", |model| {
            let record = model.requests.values_mut().find(|record| outcome(&record.outcome));
            record.expect("there is such a record").outcome = instead;
        });
    };
    let reservation = id("cart");
    let nothing = Outcome::ReservationMoved { reservation: reservation.clone(), moved: 0 };
    let something = Outcome::ReservationMoved { reservation: reservation.clone(), moved: 1 };
    let extended = Outcome::ReservationExtended { reservation, expires: LogTime::default() };
    other(|it| matches!(it, Outcome::ReservationMoved { .. }), nothing.clone());
    other(|it| matches!(it, Outcome::ReservationReleased { .. }), extended.clone());
    other(|it| matches!(it, Outcome::ReservationCreated { .. }), nothing);
    let is_unpaid = |it: &Outcome| matches!(it, Outcome::ReservationCommitted { committed: 2, .. });
    other(is_unpaid, something);
    other(|it| matches!(it, Outcome::ReservationCommitted { committed: 1, .. }), extended);
}
