//! What must hold before a transaction's first operation.

use stockade_state_machine::command::{Precondition, Row, SkuChange};
use stockade_state_machine::ids::{LocationId, ReservationId, SkuId};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Current, FailedPrecondition, Rejection};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Revision};

use crate::carts::reservation_id;
use crate::world::{
    HOLD_US, World, key, location_id, order_id, placement, receipt, request, rows, shipment, sku_change,
    sku_id, transaction, version,
};

/// What a transaction of these preconditions is refused with.
fn failed(world: &mut World, preconditions: Vec<Precondition>) -> Vec<(u32, Current)> {
    match world.refusal(transaction(preconditions, vec![receipt("mug", "a", 1)])) {
        Rejection::PreconditionFailed { failed } => {
            failed.into_iter().map(|FailedPrecondition { number, current }| (number, current)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn holds(world: &mut World, preconditions: Vec<Precondition>) {
    let outcome = world.run(transaction(preconditions, vec![receipt("mug", "a", 1)]));
    assert!(matches!(outcome, Outcome::Transacted(_)), "{outcome:?}");
}

fn of_mugs(bucket: Bucket, min: i64, max: i64) -> Precondition {
    Precondition::Quantity { key: key("mug", "a"), bucket, min, max }
}

#[test]
fn every_precondition_that_does_not_hold_is_told_with_its_number() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 2)]);
    let conditions = vec![
        of_mugs(Bucket::Available, 4, 9),
        of_mugs(Bucket::Available, 3, 3),
        Precondition::Exists(Row::Sku(sku_id("cup"))),
        of_mugs(Bucket::Reserved, i64::MIN, 1),
        Precondition::OrderState(order_id("o"), OrderState::Confirmed),
    ];
    let expected = [
        (1, Current::Quantity(3)),
        (3, Current::Missing),
        (4, Current::Quantity(2)),
        (5, Current::OrderState(OrderState::PendingPayment)),
    ];
    let before = rows(&world.model);
    assert_eq!(failed(&mut world, conditions), expected);
    assert_eq!(rows(&world.model), before);
}

#[test]
fn preconditions_come_before_the_operations() {
    let mut world = World::with_mugs(1);
    let conditions = vec![Precondition::Exists(Row::Order(order_id("o")))];
    let refusal = world.refusal(transaction(conditions, vec![placement("o", &[("mug", None, 9)])]));
    assert!(matches!(refusal, Rejection::PreconditionFailed { .. }), "{refusal:?}");
}

#[test]
fn a_row_that_is_there_has_a_version_and_did_not_change_since_one() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 2)]);
    world.reserve("r", &[("mug", None, 1)]);
    world.run(sku_change("mug", SkuChange::default()));
    // mug is of entry 5; a, b and c are of the first, in the second, third and fourth place.
    let there = [
        (Row::Sku(sku_id("mug")), version(5, 0)),
        (Row::Location(location_id("b")), version(1, 2)),
        (Row::Stock(key("mug", "a")), version(4, 0)),
        (Row::Order(order_id("o")), version(3, 0)),
        (Row::Reservation(reservation_id("r")), version(4, 0)),
    ];
    for (row, current) in there {
        let revision = current.revision;
        let before = Revision::new(revision.get() - 1);
        let as_it_is = [
            Precondition::Version(row.clone(), current),
            Precondition::UnchangedSince(row.clone(), revision),
            Precondition::Exists(row.clone()),
        ];
        for condition in as_it_is {
            let told = world.model.preview(
                LogTime::from_micros(world.now_us),
                &request(None, transaction(vec![condition], vec![receipt("mug", "a", 1)])),
            );
            assert!(matches!(told, Outcome::Transacted(_)), "{told:?}");
        }
        let conditions = vec![
            Precondition::Version(row.clone(), version(revision.get(), 9)),
            Precondition::UnchangedSince(row.clone(), before),
        ];
        let expected = [(1, Current::Version(current)), (2, Current::Version(current))];
        assert_eq!(failed(&mut world, conditions), expected);
        if !matches!(row, Row::Stock(_)) {
            let missing = vec![Precondition::Missing(row)];
            assert_eq!(failed(&mut world, missing), [(1, Current::Version(current))]);
        }
    }
}

#[test]
fn of_a_row_that_is_not_there_only_that_holds() {
    let mut world = World::with_mugs(5);
    let (sku, location): (SkuId, LocationId) = (sku_id("x"), location_id("x"));
    let reservation: ReservationId = reservation_id("x");
    let nowhere = [
        Row::Sku(sku),
        Row::Location(location),
        Row::Stock(key("mug", "b")),
        Row::Order(order_id("x")),
        Row::Reservation(reservation.clone()),
    ];
    for row in nowhere {
        let conditions = vec![
            Precondition::Version(row.clone(), version(0, 0)),
            Precondition::UnchangedSince(row.clone(), Revision::new(99)),
            Precondition::Exists(row.clone()),
        ];
        let missing = [1, 2, 3].map(|number| (number, Current::Missing));
        assert_eq!(failed(&mut world, conditions), missing, "{row:?}");
        holds(&mut world, vec![Precondition::Missing(row)]);
    }
    let conditions = vec![
        Precondition::OrderState(order_id("x"), OrderState::Cancelled),
        Precondition::ReservationState(reservation, ReservationState::Released),
    ];
    assert_eq!(failed(&mut world, conditions), [(1, Current::Missing), (2, Current::Missing)]);
}

#[test]
fn stock_that_is_empty_is_there_and_is_not_there() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 2)]);
    let row = || Row::Stock(key("mug", "a"));
    let missing = |world: &mut World| failed(world, vec![Precondition::Missing(row())]);
    assert_eq!(missing(&mut world), [(1, Current::Quantity(2))], "held units are on hand");
    world.confirm("o");
    world.run(shipment("o", &[]));
    holds(&mut world, vec![Precondition::Missing(row()), Precondition::Exists(row())]);
    let of_nothing = Precondition::Quantity { key: key("x", "y"), bucket: Bucket::Damaged, min: 0, max: 0 };
    holds(&mut world, vec![of_nothing]);
}

#[test]
fn a_state_is_that_at_the_time() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 1)]);
    world.reserve("r", &[("mug", None, 1)]);
    holds(
        &mut world,
        vec![
            Precondition::OrderState(order_id("o"), OrderState::PendingPayment),
            Precondition::ReservationState(reservation_id("r"), ReservationState::Active),
        ],
    );
    world.wait(HOLD_US);
    let conditions = vec![
        Precondition::OrderState(order_id("o"), OrderState::PendingPayment),
        Precondition::ReservationState(reservation_id("r"), ReservationState::Active),
    ];
    let expected = [
        (1, Current::OrderState(OrderState::Expired)),
        (2, Current::ReservationState(ReservationState::Expired)),
    ];
    assert_eq!(failed(&mut world, conditions), expected, "what it names is due, and has ended");
}
