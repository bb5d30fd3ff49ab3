//! Orders that take what is there.

use stockade_state_machine::command::{LocationChange, SkuChange, Sourcing};
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::{Outcome, Source};
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::carts::cart;
use crate::world::{
    HOLD_US, World, location_change, location_id, partial, placement, shipment, sku_id, source, transaction,
};

const WHOLE_LINE: [Sourcing; 2] = [Sourcing::Priority, Sourcing::MostStock];

/// A world with so many mugs at `a` and at `b`, and so many cups at `a`.
fn world(a: i64, b: i64, cups: i64) -> World {
    let mut world = World::with_mugs(a);
    world.receive("mug", "b", b);
    world.create("cup");
    world.receive("cup", "a", cups);
    world
}

fn sources(world: &mut World, sourcing: Sourcing, lines: &[(&str, Option<&str>, i64)]) -> Vec<Source> {
    match world.run(partial("o", sourcing, lines)) {
        Outcome::OrderPlaced { sources, .. } => sources,
        other => panic!("{other:?}"),
    }
}

/// Number, location; ordered, held, allocated, cancelled.
fn line(number: u32, place: &str, units: [i64; 4]) -> (u32, String, [i64; 4]) {
    (number, place.to_owned(), units)
}

#[test]
fn a_whole_line_takes_what_the_one_has_that_has_most() {
    for sourcing in WHOLE_LINE {
        let mut world = world(5, 3, 1);
        assert_eq!(sources(&mut world, sourcing, &[("mug", None, 7)]), [source(1, "a", 5)]);
        assert_eq!(world.lines("o"), [line(1, "a", [7, 5, 0, 2])]);
        assert_eq!((world.mugs(), world.state("o")), ([0, 5, 0, 0, 0, 0], OrderState::PendingPayment));
        assert_eq!(world.stock("mug", "b").buckets(), [3, 0, 0, 0, 0, 0]);
        world.confirm("o");
        assert!(matches!(world.run(shipment("o", &[])), Outcome::OrderShipped { shipped: 5, .. }));
        assert_eq!(world.state("o"), OrderState::Shipped);
    }
}

#[test]
fn of_several_that_have_most_the_lowest_priority_number_is_taken() {
    for sourcing in WHOLE_LINE {
        let mut world = world(5, 5, 1);
        let change = LocationChange { priority: Some(1), ..LocationChange::default() };
        world.run(location_change("a", change));
        // The second line sees what the first took.
        let lines = [("mug", None, 6), ("mug", None, 9)];
        assert_eq!(sources(&mut world, sourcing, &lines), [source(1, "b", 5), source(2, "a", 5)]);
        assert_eq!(world.lines("o"), [line(1, "b", [6, 5, 0, 1]), line(2, "a", [9, 5, 0, 4])]);
    }
}

#[test]
fn lines_of_one_sku_share_what_few_locations_have() {
    let mut world = world(2, 2, 1);
    let lines = [("mug", None, 3), ("mug", None, 2), ("mug", None, 1)];
    let expected = [source(1, "a", 2), source(1, "b", 1), source(2, "b", 1)];
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &lines), expected);
    let lines = [
        line(1, "a", [2, 2, 0, 0]),
        line(1, "b", [1, 1, 0, 0]),
        line(2, "b", [2, 1, 0, 1]),
        line(3, "-", [1, 0, 0, 1]),
    ];
    assert_eq!(world.lines("o"), lines);
}

#[test]
fn a_proportional_split_takes_all_that_is_there_and_what_is_missing_stands_on_the_last_part() {
    let mut world = world(3, 1, 1);
    let expected = [source(1, "a", 3), source(1, "b", 1)];
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &[("mug", None, 6)]), expected);
    assert_eq!(world.lines("o"), [line(1, "a", [3, 3, 0, 0]), line(1, "b", [3, 1, 0, 2])]);
}

#[test]
fn a_line_that_names_its_location_takes_what_that_has_and_keeps_it_where_that_is_nothing() {
    for sourcing in [Sourcing::Priority, Sourcing::FewestSplits, Sourcing::Explicit] {
        let mut world = world(2, 9, 1);
        let lines = [("mug", Some("a"), 5), ("mug", Some("c"), 1)];
        assert_eq!(sources(&mut world, sourcing, &lines), [source(1, "a", 2)]);
        assert_eq!(world.lines("o"), [line(1, "a", [5, 2, 0, 3]), line(2, "c", [1, 0, 0, 1])]);
    }
}

#[test]
fn an_order_that_would_get_nothing_at_all_is_refused_for_every_line() {
    let mut world = World::with_mugs(1);
    world.create("cup");
    world.place("p", &[("mug", None, 1)]);
    let refusal =
        world.refusal(partial("o", Sourcing::SplitProportional, &[("mug", None, 2), ("cup", None, 1)]));
    let shortage = |line, sku, asked| Shortage {
        line,
        sku: sku_id(sku),
        location: None,
        together: true,
        bucket: Bucket::Available,
        asked,
        available: 0,
        next_expiry: (sku == "mug").then(|| world.order("p").expires),
    };
    let shortages = vec![shortage(1, "mug", 2), shortage(2, "cup", 1)];
    assert_eq!(refusal, Rejection::InsufficientStock { shortages });
    assert_eq!(world.model.orders().count(), 1);
}

#[test]
fn what_is_not_tracked_is_something() {
    let mut world = World::with_mugs(1);
    world.place("p", &[("mug", None, 1)]);
    world.create_untracked("wrap");
    let lines = [("mug", None, 2), ("wrap", None, 3)];
    assert_eq!(sources(&mut world, Sourcing::Priority, &lines), [source(2, "-", 3)]);
    assert_eq!(world.lines("o"), [line(1, "-", [2, 0, 0, 2]), line(2, "-", [3, 3, 0, 0])]);
}

#[test]
fn limits_are_about_what_is_asked_for() {
    let mut world = world(2, 1, 1);
    world.change("mug", SkuChange { max_per_order: Some(3), ..SkuChange::default() });
    let refusal = world.refusal(partial("o", Sourcing::Priority, &[("mug", None, 4)]));
    assert!(matches!(refusal, Rejection::PurchaseLimit { .. }), "{refusal:?}");
    world.change("mug", SkuChange { min_per_order: Some(3), ..SkuChange::default() });
    assert_eq!(sources(&mut world, Sourcing::Priority, &[("mug", None, 3)]), [source(1, "a", 2)]);
}

#[test]
fn an_order_that_can_be_had_whole_is_and_expires_nothing() {
    let mut world = world(3, 1, 1);
    world.reserve("r", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    assert_eq!(sources(&mut world, Sourcing::Priority, &[("mug", None, 2)]), [source(1, "a", 2)]);
    assert_eq!(world.reservation_state("r"), ReservationState::Active);
}

#[test]
fn what_is_due_ends_before_an_order_takes_part_though_that_is_not_enough() {
    let mut world = world(3, 1, 1);
    world.reserve("r", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    assert_eq!(sources(&mut world, Sourcing::Priority, &[("mug", None, 5)]), [source(1, "a", 3)]);
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
}

#[test]
fn where_the_end_of_what_is_due_makes_an_order_whole_it_is() {
    let mut world = world(3, 1, 1);
    world.reserve("r", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    assert_eq!(sources(&mut world, Sourcing::Priority, &[("mug", None, 3)]), [source(1, "a", 3)]);
    assert_eq!(world.lines("o"), [line(1, "a", [3, 3, 0, 0])]);
}

#[test]
fn what_is_due_of_any_sku_that_the_order_asks_for_ends() {
    let mut world = world(1, 1, 3);
    world.create("pot");
    world.receive("pot", "a", 1);
    world.reserve("cups", &[("cup", None, 1)]);
    world.reserve("pots", &[("pot", None, 1)]);
    world.wait(HOLD_US);
    let lines = [("mug", None, 2), ("cup", None, 1)];
    assert_eq!(sources(&mut world, Sourcing::Priority, &lines), [source(1, "a", 1), source(2, "a", 1)]);
    assert_eq!(world.reservation_state("cups"), ReservationState::Expired, "though there are enough cups");
    assert_eq!(world.reservation_state("pots"), ReservationState::Active);
}

#[test]
fn an_order_behind_a_full_batch_of_what_is_due_is_to_be_tried_again() {
    let many = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let mut world = World::with_mugs(many);
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("mug", None, 1)]));
    world.run_all(carts.collect());
    world.wait(HOLD_US);
    let order = partial("o", Sourcing::Priority, &[("mug", None, many + 5)]);
    assert_eq!(world.run(order.clone()), Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert_eq!(world.mugs(), [many - 1, 1, 0, 0, 0, 0]);
    let Outcome::OrderPlaced { sources, .. } = world.run(order) else { panic!("refused") };
    assert_eq!(sources, [source(1, "a", many)]);
}

#[test]
fn in_a_transaction_what_is_due_of_all_such_orders_ends_before_one_takes_part() {
    let mut world = world(1, 1, 3);
    world.reserve("cups", &[("cup", None, 1)]);
    world.wait(HOLD_US);
    let order = |order, lines: &[_]| partial(order, Sourcing::Priority, lines);
    let operations = vec![order("o", &[("mug", None, 2)]), order("p", &[("cup", None, 2)])];
    assert!(matches!(world.run(transaction(Vec::new(), operations)), Outcome::Transacted(_)));
    assert_eq!(world.lines("o"), [line(1, "a", [2, 1, 0, 1])]);
    assert_eq!(world.lines("p"), [line(1, "a", [2, 2, 0, 0])]);
    assert_eq!(world.reservation_state("cups"), ReservationState::Expired);
}

#[test]
fn a_transaction_with_another_order_that_is_short_is_refused_however_one_takes_part() {
    let mut world = world(1, 1, 3);
    let operations =
        vec![partial("o", Sourcing::Priority, &[("mug", None, 2)]), placement("p", &[("cup", None, 4)])];
    let refusal = world.refusal(transaction(Vec::new(), operations));
    let Rejection::OperationRejected { operation: 2, rejection } = refusal else { panic!("{refusal:?}") };
    assert!(matches!(*rejection, Rejection::InsufficientStock { .. }), "{rejection:?}");
    assert_eq!((world.model.orders().count(), world.mugs()), (0, [1, 0, 0, 0, 0, 0]));
}

#[test]
fn in_a_transaction_an_order_takes_what_the_operations_before_it_left() {
    let mut world = world(5, 1, 1);
    let operations = vec![
        placement("p", &[("mug", Some("a"), 2)]),
        partial("o", Sourcing::Priority, &[("mug", Some("a"), 4)]),
    ];
    let Outcome::Transacted(outcomes) = world.run(transaction(Vec::new(), operations)) else {
        panic!("refused")
    };
    assert_eq!(outcomes.len(), 2);
    assert_eq!(world.lines("o"), [line(1, "a", [4, 3, 0, 1])]);
    assert_eq!(world.mugs(), [0, 5, 0, 0, 0, 0]);
    let location = world.order("o").lines[0].location.clone();
    assert_eq!(location, Some(location_id("a")));
}
