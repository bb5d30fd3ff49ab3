//! Placement.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{LocationChange, SkuChange};
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{LimitBreach, Rejection, Resource, Shortage};
use stockade_state_machine::stock::Bucket;

use crate::world::{
    BEGIN_US, HOLD_US, World, location_change, location_id, order_id, placement, receipt, sku_id, source,
    version,
};

fn shortage(line: u32, location: Option<&str>, asked: i64, available: i64) -> Shortage {
    let location: Option<LocationId> = location.map(location_id);
    let (sku, bucket) = (sku_id("mug"), Bucket::Available);
    Shortage { line, sku, location, together: false, bucket, asked, available, next_expiry: None }
}

#[test]
fn a_placed_order_holds_its_units_until_the_hold_ends() {
    let mut world = World::with_mugs(5);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let placed = Outcome::OrderPlaced { order: order_id("o"), expires, sources: vec![source(1, "a", 2)] };
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
fn a_line_without_location_takes_the_first_by_id_that_covers_it_whole() {
    let mut world = World::with_mugs(2);
    world.receive("mug", "c", 9);
    world.receive("mug", "b", 3);
    world.place("o", &[("mug", None, 3)]);
    assert_eq!(world.order("o").lines[0].location, Some(location_id("b")));
}

#[test]
fn a_line_without_location_counts_what_earlier_lines_took() {
    let mut world = World::with_mugs(3);
    world.receive("mug", "b", 3);
    world.place("o", &[("mug", None, 2), ("mug", None, 2), ("mug", None, 1)]);
    let locations: Vec<_> = world.order("o").lines.iter().map(|line| line.location.clone()).collect();
    assert_eq!(locations, ["a", "b", "a"].map(|id| Some(location_id(id))));
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

#[test]
fn an_order_is_of_the_command_that_placed_it() {
    let mut world = World::with_mugs(2);
    world.run_all(vec![placement("p", &[("mug", None, 1)]), placement("q", &[("mug", None, 1)])]);
    assert_eq!((world.order("p").version, world.order("q").version), (version(3, 0), version(3, 1)));
    assert_eq!(world.stock("mug", "a").version, version(3, 1));
}

#[test]
fn a_line_without_location_takes_the_lowest_priority_number_and_then_the_first_by_id() {
    let mut world = World::with_mugs(9);
    for (location, priority) in [("a", 2), ("b", 1), ("c", 1)] {
        world.receive("mug", location, 5);
        let change = LocationChange { priority: Some(priority), ..LocationChange::default() };
        world.run(location_change(location, change));
    }
    world.place("o", &[("mug", None, 4), ("mug", None, 4), ("mug", None, 4)]);
    let locations: Vec<_> = world.order("o").lines.iter().map(|line| line.location.clone()).collect();
    assert_eq!(locations, ["b", "c", "a"].map(|id| Some(location_id(id))));
}

#[test]
fn a_disabled_location_serves_no_line_and_counts_in_no_shortage() {
    let mut world = World::with_mugs(9);
    world.receive("mug", "b", 2);
    world.disable("a");
    world.place("o", &[("mug", None, 1)]);
    assert_eq!(world.order("o").lines[0].location, Some(location_id("b")));
    let refusal = world.refusal(placement("p", &[("mug", None, 5)]));
    let next_expiry = Some(LogTime::from_micros(BEGIN_US + HOLD_US));
    let short = Shortage { next_expiry, ..shortage(1, None, 5, 1) };
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![short] });
    let closed = Rejection::LocationDisabled { location: location_id("a") };
    assert_eq!(world.refusal(placement("p", &[("mug", Some("a"), 1)])), closed);
    world.disable("b");
    world.disable("c");
    let refusal = world.refusal(placement("p", &[("mug", None, 5)]));
    let short = Shortage { next_expiry, ..shortage(1, None, 5, 0) };
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![short] });
}

#[test]
fn limits_are_checked_on_the_sum_of_all_lines_and_every_breach_is_named() {
    let mut world = World::with_mugs(9);
    world.create("cup");
    world.create("pot");
    let limits =
        |min, max| SkuChange { min_per_order: Some(min), max_per_order: Some(max), ..SkuChange::default() };
    world.change("mug", limits(0, 3));
    world.change("cup", limits(4, 0));
    world.change("pot", limits(2, 2));
    let lines = [("mug", None, 2), ("cup", None, 3), ("pot", None, 2), ("mug", Some("a"), 2)];
    let breach = |sku, asked, min, max| LimitBreach { sku: sku_id(sku), asked, min, max };
    let breaches = vec![breach("mug", 4, 0, 3), breach("cup", 3, 4, 0)];
    assert_eq!(world.refusal(placement("o", &lines)), Rejection::PurchaseLimit { breaches });
    world.place("o", &[("mug", None, 2), ("mug", None, 1)]);
    world.change("mug", limits(4, 5));
    assert_eq!(world.state("o"), OrderState::PendingPayment, "limits bind new orders only");
}

#[test]
fn what_forbids_an_order_is_told_in_the_order_of_precedence() {
    let mut world = World::with_mugs(1);
    world.create("pot");
    world.disable("b");
    let limit = SkuChange { max_per_order: Some(1), ..SkuChange::default() };
    world.change("pot", limit);
    // Each says so while what stands before it is put right, line by line from the last one.
    let cup = ("cup", None, 1);
    let nowhere = ("mug", Some("x"), 1);
    let closed = ("mug", Some("b"), 1);
    let many = ("pot", None, 2);
    let short = ("mug", None, 2);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("cup")));
    assert_eq!(world.refusal(placement("o", &[short, many, closed, nowhere, cup])), unknown);
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(placement("o", &[short, many, closed, nowhere])), unknown);
    let disabled = Rejection::LocationDisabled { location: location_id("b") };
    assert_eq!(world.refusal(placement("o", &[short, many, closed])), disabled);
    assert!(matches!(world.refusal(placement("o", &[short, many])), Rejection::PurchaseLimit { .. }));
    assert!(matches!(world.refusal(placement("o", &[short])), Rejection::InsufficientStock { .. }));
}
