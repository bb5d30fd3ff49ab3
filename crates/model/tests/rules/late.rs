//! Orders that are paid too late and take their units anew.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{
    Command, ConfirmOrder, DeleteSku, ExpireDue, LocationChange, SkuChange, Sourcing,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::world::{
    BEGIN_US, HOLD_US, World, cancellation_of, confirmation, late_confirmation, location_change, order_id,
    partial, principal, quantities, shipment, sku_id, sourced, version,
};

fn confirmed() -> Outcome {
    Outcome::OrderConfirmed { order: order_id("o") }
}

/// Expires everything that is due.
fn sweep(world: &mut World) {
    world.wait(HOLD_US);
    world.run_under(None, Command::ExpireDue(ExpireDue { limit: 9 }));
    assert_eq!(world.state("o"), OrderState::Expired);
}

/// So many mugs at `a`, `b` and `c`, of which an order `o` of five had three at `a` and two at `b` until it expired.
fn split(a: i64, b: i64, c: i64) -> World {
    let mut world = World::with_mugs(3);
    world.receive("mug", "b", 2);
    assert!(matches!(
        world.run(sourced("o", Sourcing::FewestSplits, &[("mug", None, 5)])),
        Outcome::OrderPlaced { .. }
    ));
    sweep(&mut world);
    for (location, had, has) in [("a", 3, a), ("b", 2, b), ("c", 0, c)] {
        if has > had {
            world.receive("mug", location, has - had);
        } else if has < had {
            let id = format!("other-{location}");
            world.place(&id, &[("mug", Some(location), had - has)]);
            world.confirm(&id);
        }
    }
    world
}

fn short(shortages: &[(i64, i64)]) -> Rejection {
    let shortage = |(asked, available): &(i64, i64)| Shortage {
        line: 1,
        sku: sku_id("mug"),
        location: None,
        together: false,
        bucket: Bucket::Available,
        asked: *asked,
        available: *available,
        next_expiry: None,
    };
    Rejection::InsufficientStock { shortages: shortages.iter().map(shortage).collect() }
}

/// Number, location; ordered, held, allocated, cancelled.
fn part(place: &str, units: i64) -> (u32, String, [i64; 4]) {
    (1, place.to_owned(), [units, 0, units, 0])
}

#[test]
fn a_late_payment_takes_the_units_anew() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 3)]);
    world.wait(HOLD_US);
    let expired = LogTime::from_micros(BEGIN_US + HOLD_US);
    let late = Rejection::ReservationExpired { holder: Holder::Order(order_id("o")), expired };
    assert_eq!(world.refusal(confirmation("o")), late);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!((world.mugs(), world.state("o")), ([2, 0, 3, 0, 0, 0], OrderState::Confirmed));
    let order = world.order("o");
    assert_eq!((order.lines[0].expired, order.lines[0].allocated), (0, 3));
    assert_eq!((order.expires, order.version), (expired, version(world.index, 0)));
    assert_eq!(order.payment_reference, "paid");
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Available), Some(Bucket::Committed)));
    assert_eq!((movement.reason, movement.order), (Reason::Commit, Some(order_id("o"))));
    assert_eq!((movement.reservation, movement.actor), (None, Some(principal("shop"))));
}

#[test]
fn a_hold_that_is_due_ends_and_is_taken_anew_by_one_command() {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 3)]);
    world.wait(HOLD_US);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    let reasons: Vec<Reason> = world.last_movements(3).into_iter().map(|step| step.0).collect();
    assert_eq!(reasons, [Reason::Reservation, Reason::Expiry, Reason::Commit]);
}

#[test]
fn what_is_not_expired_is_confirmed_as_without_it() {
    let mut world = World::with_mugs(3);
    assert_eq!(world.refusal(late_confirmation("o")), Rejection::NotFound(Resource::Order(order_id("o"))));
    world.place("o", &[("mug", None, 3)]);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!(world.last_movement().from, Some(Bucket::Reserved));
    let illegal = Rejection::IllegalTransition {
        order: order_id("o"),
        state: OrderState::Confirmed,
        operation: Operation::Confirm,
    };
    assert_eq!(world.refusal(late_confirmation("o")), illegal);
}

#[test]
fn each_part_is_taken_where_it_was_or_else_whole_from_another() {
    for (there, expected) in [
        ([3, 2, 9], [part("a", 3), part("b", 2)]),
        ([2, 2, 3], [part("c", 3), part("b", 2)]),
        // The first part leaves three at b.
        ([2, 5, 0], [part("b", 3), part("b", 2)]),
        ([5, 1, 0], [part("a", 3), part("a", 2)]),
    ] {
        let mut world = split(there[0], there[1], there[2]);
        assert_eq!(world.run(late_confirmation("o")), confirmed(), "{there:?}");
        assert_eq!(world.lines("o"), expected, "{there:?}");
        let steps = expected.map(|(_, place, units)| (Reason::Commit, place, units[0]));
        assert_eq!(world.last_movements(2), steps, "{there:?}");
    }
}

#[test]
fn parts_that_are_at_one_location_now_ship_together() {
    let mut world = split(2, 5, 0);
    world.run(late_confirmation("o"));
    assert!(matches!(world.run(shipment("o", &[(1, 4)])), Outcome::OrderShipped { shipped: 4, .. }));
    assert_eq!(world.order("o").lines.iter().map(|line| line.shipped).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn of_others_that_cover_a_part_the_lowest_priority_number_is_taken() {
    let mut world = split(1, 3, 3);
    let change = |priority| LocationChange { priority: Some(priority), ..LocationChange::default() };
    world.run(location_change("a", change(1)));
    world.run(location_change("b", change(2)));
    world.run(location_change("c", change(1)));
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!(world.lines("o"), [part("c", 3), part("b", 2)]);
}

#[test]
fn a_location_that_takes_no_orders_any_more_is_not_taken_from() {
    let mut world = split(9, 2, 3);
    world.disable("a");
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!(world.lines("o"), [part("c", 3), part("b", 2)]);
    let mut world = split(9, 2, 2);
    world.disable("a");
    assert_eq!(world.refusal(late_confirmation("o")), short(&[(3, 2)]));
}

#[test]
fn a_part_that_no_location_covers_is_told_with_what_the_one_has_that_has_most() {
    // What is short takes nothing: the second part is found at c.
    let mut world = split(1, 1, 2);
    assert_eq!(world.refusal(late_confirmation("o")), short(&[(3, 2)]));
    // The first part leaves nothing there.
    let mut world = split(1, 1, 3);
    assert_eq!(world.refusal(late_confirmation("o")), short(&[(2, 1)]));
    let mut world = split(1, 1, 1);
    assert_eq!(world.refusal(late_confirmation("o")), short(&[(3, 1), (2, 1)]));
    assert_eq!((world.state("o"), world.mugs()), (OrderState::Expired, [1, 0, 2, 0, 0, 0]));
}

#[test]
fn what_is_due_of_what_is_short_ends_where_that_may_help() {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 3)]);
    sweep(&mut world);
    world.reserve("r", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
    let mut world = split(3, 1, 1);
    world.reserve("r", &[("mug", Some("a"), 1)]);
    world.wait(HOLD_US);
    // The three at a would do for the first part, which is short alone at first, and then the second one is.
    assert_eq!(world.refusal(late_confirmation("o")), short(&[(2, 1)]));
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
}

#[test]
fn the_etag_comes_before_a_sku_that_is_gone_and_that_before_what_is_short() {
    let mut world = World::with_mugs(3);
    world.create_untracked("wrap");
    world.place("o", &[("mug", None, 3), ("wrap", None, 1)]);
    sweep(&mut world);
    let delete = Command::DeleteSku(DeleteSku { sku: sku_id("wrap"), expected: None });
    assert_eq!(world.run(delete), Outcome::SkuDeleted);
    world.place("p", &[("mug", None, 1)]);
    let Command::ConfirmOrder(late) = late_confirmation("o") else { panic!("none") };
    let expecting = |expected| Command::ConfirmOrder(ConfirmOrder { expected, ..late.clone() });
    let current = world.order("o").version;
    let mismatch = Rejection::EtagMismatch { resource: Resource::Order(order_id("o")), current };
    assert_eq!(world.refusal(expecting(Some(version(1, 0)))), mismatch);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("wrap")));
    assert_eq!(world.refusal(expecting(Some(current))), unknown);
    world.create_untracked("wrap");
    assert!(matches!(world.refusal(expecting(None)), Rejection::InsufficientStock { .. }));
}

#[test]
fn limits_are_not_looked_at_again() {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 3)]);
    world.change("mug", SkuChange { max_per_order: Some(1), ..SkuChange::default() });
    sweep(&mut world);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
}

#[test]
fn what_was_cancelled_or_never_there_is_not_taken() {
    let mut world = World::with_mugs(3);
    world.receive("mug", "b", 9);
    world.run(partial("o", Sourcing::Priority, &[("mug", Some("a"), 5), ("mug", Some("c"), 1)]));
    world.run(cancellation_of("o", quantities(&[(1, 1)])));
    sweep(&mut world);
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    let lines = [(1, "a".to_owned(), [5, 0, 2, 3]), (2, "c".to_owned(), [1, 0, 0, 1])];
    assert_eq!(world.lines("o"), lines);
}

#[test]
fn a_line_remembers_whether_its_sku_was_tracked() {
    let mut world = World::with_mugs(3);
    world.create_untracked("wrap");
    world.place("o", &[("mug", None, 3), ("wrap", None, 7)]);
    sweep(&mut world);
    let track = |untracked| SkuChange { untracked: Some(untracked), ..SkuChange::default() };
    world.change("mug", track(true));
    world.change("wrap", track(false));
    assert_eq!(world.run(late_confirmation("o")), confirmed());
    assert_eq!(world.mugs(), [0, 0, 3, 0, 0, 0]);
    assert_eq!(world.lines("o")[1], (2, "-".to_owned(), [7, 0, 7, 0]));
}
