//! Placement.

use stockade_state_machine::LogTime;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::stock::Bucket;

use crate::world::{BEGIN_US, HOLD_US, World, location_id, order_id, placement, receipt, sku_id};

fn shortage(line: u32, location: Option<&str>, asked: i64, available: i64) -> Shortage {
    let location: Option<LocationId> = location.map(location_id);
    Shortage { line, sku: sku_id("mug"), location, bucket: Bucket::Available, asked, available }
}

#[test]
fn a_placed_order_holds_its_units_until_the_hold_ends() {
    let mut world = World::with_mugs(5);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let placed = Outcome::OrderPlaced { order: order_id("o"), expires, locations: vec![location_id("a")] };
    assert_eq!(world.run(placement("o", &[("mug", Some("a"), 2)])), placed);
    assert_eq!(world.mugs(), [3, 2, 0, 0, 0, 0]);
    let order = world.order("o");
    assert_eq!((order.expires, order.lines[0].ordered, order.lines[0].held), (expires, 2, 2));
    assert_eq!(world.state("o"), OrderState::PendingPayment);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Available), Some(Bucket::Reserved)));
    assert_eq!((movement.reason, movement.order), (Reason::Reservation, Some(order_id("o"))));
}

#[test]
fn a_line_without_location_takes_the_first_that_covers_it_whole() {
    let mut world = World::with_mugs(2);
    world.receive("mug", "c", 9);
    world.receive("mug", "b", 3);
    world.place("o", &[("mug", None, 3)]);
    assert_eq!(world.order("o").lines[0].location, location_id("b"));
}

#[test]
fn a_line_without_location_counts_what_earlier_lines_took() {
    let mut world = World::with_mugs(3);
    world.receive("mug", "b", 3);
    world.place("o", &[("mug", None, 2), ("mug", None, 2), ("mug", None, 1)]);
    let locations: Vec<_> = world.order("o").lines.iter().map(|line| line.location.to_string()).collect();
    assert_eq!(locations, ["a", "b", "a"]);
}

#[test]
fn lines_of_one_sku_are_checked_on_their_sum() {
    let mut world = World::with_mugs(5);
    let refusal = world.refusal(placement("o", &[("mug", Some("a"), 3), ("mug", Some("a"), 3)]));
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![shortage(2, Some("a"), 3, 2)] });
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
    assert_eq!(world.model.orders().count(), 0);
}

#[test]
fn a_line_that_is_short_takes_nothing_from_later_ones() {
    let mut world = World::with_mugs(5);
    let refusal = world.refusal(placement("o", &[("mug", None, 6), ("mug", None, 5), ("mug", Some("b"), 1)]));
    let shortages = vec![shortage(1, None, 6, 5), shortage(3, Some("b"), 1, 0)];
    assert_eq!(refusal, Rejection::InsufficientStock { shortages });
}

#[test]
fn a_shortage_without_location_tells_of_the_one_that_has_most() {
    let mut world = World::with_mugs(5);
    world.receive("mug", "b", 7);
    let refusal = world.refusal(placement("o", &[("mug", None, 4), ("mug", None, 8)]));
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![shortage(2, None, 8, 7)] });
}

#[test]
fn an_order_id_is_taken_for_ever() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let taken = Rejection::AlreadyExists(Resource::Order(order_id("o")));
    assert_eq!(world.refusal(placement("o", &[("mug", None, 1)])), taken);
    assert_eq!(world.state("o"), OrderState::Expired);
}

#[test]
fn a_taken_id_comes_before_an_unknown_sku_and_that_before_a_shortage() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    let taken = Rejection::AlreadyExists(Resource::Order(order_id("o")));
    assert_eq!(world.refusal(placement("o", &[("mug", None, 9), ("cup", None, 1)])), taken);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("cup")));
    assert_eq!(world.refusal(placement("p", &[("mug", None, 9), ("cup", None, 1)])), unknown);
}

#[test]
fn commands_of_one_entry_see_each_other_in_their_order() {
    let mut world = World::with_mugs(1);
    let replies = world.run_all(vec![
        placement("p", &[("mug", None, 2)]),
        receipt("mug", "a", 1),
        placement("q", &[("mug", None, 2)]),
    ]);
    assert!(matches!(replies[0].outcome, Outcome::Rejected(Rejection::InsufficientStock { .. })));
    assert!(matches!(replies[2].outcome, Outcome::OrderPlaced { .. }));
    let positions: Vec<u32> = replies.iter().map(|reply| reply.position).collect();
    assert_eq!(positions, [0, 1, 2]);
    assert!(replies.iter().all(|reply| reply.revision.get() == 3 && !reply.replayed));
}
