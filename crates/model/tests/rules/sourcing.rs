//! Where units come from: the strategies, with all lines or none.

use stockade_state_machine::command::{Command, CreateReservation, LocationChange, Sourcing};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::{Outcome, Source};
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::stock::Bucket;

use crate::carts::{cart, holder};
use crate::world::{World, location_change, location_id, order_id, sku_id, source, sourced};

const ALL: [Sourcing; 5] = [
    Sourcing::Priority,
    Sourcing::MostStock,
    Sourcing::FewestSplits,
    Sourcing::Explicit,
    Sourcing::SplitProportional,
];

/// A world with mugs, cups and pots where it is said, and the locations `a`, `b` and `c`.
fn world(units: &[(&str, &str, i64)]) -> World {
    let mut world = World::new();
    for sku in ["mug", "cup", "pot"] {
        world.create(sku);
    }
    for location in ["a", "b", "c"] {
        world.open(location);
    }
    for (sku, location, units) in units {
        world.receive(sku, location, *units);
    }
    world
}

fn prefer(world: &mut World, location: &str, priority: u32) {
    let change = LocationChange { priority: Some(priority), ..LocationChange::default() };
    world.run(location_change(location, change));
}

fn sources(world: &mut World, sourcing: Sourcing, lines: &[(&str, Option<&str>, i64)]) -> Vec<Source> {
    match world.run(sourced("o", sourcing, lines)) {
        Outcome::OrderPlaced { sources, .. } => sources,
        other => panic!("{other:?}"),
    }
}

fn shortages(world: &mut World, sourcing: Sourcing, lines: &[(&str, Option<&str>, i64)]) -> Vec<Shortage> {
    match world.refusal(sourced("o", sourcing, lines)) {
        Rejection::InsufficientStock { shortages } => shortages,
        other => panic!("{other:?}"),
    }
}

/// Of mugs that may come from anywhere.
fn shortage(line: u32, together: bool, asked: i64, available: i64) -> Shortage {
    let (sku, bucket) = (sku_id("mug"), Bucket::Available);
    Shortage { line, sku, location: None, together, bucket, asked, available, next_expiry: None }
}

#[test]
fn priority_takes_a_line_whole_from_the_first_that_covers_it() {
    let mut world = world(&[("mug", "a", 9), ("mug", "b", 3), ("mug", "c", 5)]);
    prefer(&mut world, "a", 2);
    prefer(&mut world, "b", 1);
    prefer(&mut world, "c", 1);
    let lines = [("mug", None, 4), ("mug", None, 3), ("mug", None, 4)];
    let expected = [source(1, "c", 4), source(2, "b", 3), source(3, "a", 4)];
    assert_eq!(sources(&mut world, Sourcing::Priority, &lines), expected);
}

#[test]
fn most_stock_takes_a_line_whole_from_the_one_that_has_most() {
    let mut world = world(&[("mug", "a", 5), ("mug", "b", 8), ("mug", "c", 8)]);
    prefer(&mut world, "b", 2);
    prefer(&mut world, "c", 1);
    // Then c has 4 left, and then b 3.
    let lines = [("mug", None, 4), ("mug", None, 5), ("mug", None, 4)];
    let expected = [source(1, "c", 4), source(2, "b", 5), source(3, "a", 4)];
    assert_eq!(sources(&mut world, Sourcing::MostStock, &lines), expected);
}

#[test]
fn most_stock_tells_what_the_one_has_that_has_most() {
    let mut world = world(&[("mug", "a", 5), ("mug", "b", 8)]);
    let lines = [("mug", None, 9), ("mug", None, 8), ("mug", None, 6)];
    let expected = [shortage(1, false, 9, 8), shortage(3, false, 6, 5)];
    assert_eq!(shortages(&mut world, Sourcing::MostStock, &lines), expected);
    assert_eq!(shortages(&mut world, Sourcing::Priority, &lines), expected);
}

#[test]
fn fewest_splits_takes_all_from_the_one_that_has_most_of_what_is_missing() {
    let mut world = world(&[("mug", "a", 4), ("mug", "b", 3), ("mug", "c", 2)]);
    // Of the two mugs that are missing then, b and c have as many.
    let expected = [source(1, "a", 4), source(1, "b", 2)];
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &[("mug", None, 6)]), expected);
}

#[test]
fn fewest_splits_looks_at_all_lines_together() {
    let mut world = world(&[("mug", "a", 5), ("mug", "b", 3), ("cup", "b", 9)]);
    // Of five mugs and four cups a has 5, b has 3 and 4.
    let lines = [("mug", None, 5), ("cup", None, 4)];
    let expected = [source(1, "a", 2), source(1, "b", 3), source(2, "b", 4)];
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &lines), expected);
    let steps = [("a", 2), ("b", 3), ("b", 4)];
    let steps = steps.map(|(place, units)| (Reason::Reservation, place.to_owned(), units));
    assert_eq!(world.last_movements(3), steps);
    let line = |number, place: &str, units| (number, place.to_owned(), [units, units, 0, 0]);
    assert_eq!(world.lines("o"), [line(1, "a", 2), line(1, "b", 3), line(2, "b", 4)]);
}

#[test]
fn fewest_splits_serves_lines_of_one_sku_in_their_order_from_locations_as_they_were_chosen() {
    let mut world = world(&[("mug", "a", 4), ("mug", "b", 5)]);
    // Five from b, then two from a: three and two of b for the first and the second line.
    let expected = [source(1, "b", 3), source(2, "a", 2), source(2, "b", 2)];
    let lines = [("mug", None, 3), ("mug", None, 4)];
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &lines), expected);
}

#[test]
fn fewest_splits_serves_lines_that_name_their_location_first() {
    let mut world = world(&[("mug", "a", 5), ("mug", "b", 2)]);
    let lines = [("mug", None, 4), ("mug", Some("a"), 3)];
    let expected = [source(1, "a", 2), source(1, "b", 2), source(2, "a", 3)];
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &lines), expected);
}

#[test]
fn fewest_splits_takes_the_lowest_priority_number_of_those_that_have_as_much() {
    let mut world = world(&[("mug", "a", 7), ("mug", "b", 3), ("mug", "c", 4)]);
    prefer(&mut world, "a", 1);
    // All have the three that are missing.
    assert_eq!(sources(&mut world, Sourcing::FewestSplits, &[("mug", None, 3)]), [source(1, "b", 3)]);
}

#[test]
fn fewest_splits_tells_what_a_short_line_could_get_and_serves_later_ones_without_it() {
    let mut world = world(&[("mug", "a", 2), ("mug", "b", 2)]);
    let lines = [("mug", None, 3), ("mug", None, 2), ("mug", None, 1)];
    assert_eq!(shortages(&mut world, Sourcing::FewestSplits, &lines), [shortage(2, true, 2, 1)]);
    let lines = [("mug", None, 5), ("mug", Some("a"), 3), ("mug", None, 4)];
    let named = Shortage { location: Some(location_id("a")), ..shortage(2, false, 3, 2) };
    let expected = [shortage(1, true, 5, 4), named];
    assert_eq!(shortages(&mut world, Sourcing::FewestSplits, &lines), expected);
}

#[test]
fn a_proportional_split_rounds_down_and_gives_what_is_left_over_to_those_that_have_most() {
    let mut world = world(&[("mug", "a", 2), ("mug", "b", 5), ("mug", "c", 3)]);
    // 1.4, 3.5 and 2.1 of seven.
    let expected = [source(1, "a", 1), source(1, "b", 4), source(1, "c", 2)];
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &[("mug", None, 7)]), expected);
}

#[test]
fn a_proportional_split_gives_what_is_left_over_to_the_first_by_id_whatever_its_priority() {
    let mut world = world(&[("mug", "a", 3), ("mug", "b", 3), ("mug", "c", 3)]);
    prefer(&mut world, "a", 9);
    // One each and one left over, then all that is there.
    let lines = [("mug", None, 4), ("mug", None, 5)];
    let expected = [
        source(1, "a", 2),
        source(1, "b", 1),
        source(1, "c", 1),
        source(2, "a", 1),
        source(2, "b", 2),
        source(2, "c", 2),
    ];
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &lines), expected);
}

#[test]
fn a_location_whose_share_is_less_than_a_unit_may_get_none() {
    let mut world = world(&[("mug", "a", 3), ("mug", "b", 3), ("mug", "c", 3)]);
    let expected = [source(1, "a", 1), source(1, "b", 1)];
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &[("mug", None, 2)]), expected);
}

#[test]
fn a_proportional_split_of_large_numbers_is_exact() {
    let mut world = world(&[("mug", "a", 1_000_000_000_000), ("mug", "b", 1_000_000_000_000)]);
    let expected = [source(1, "a", 500_000_000), source(1, "b", 500_000_000)];
    let lines = [("mug", None, 1_000_000_000)];
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &lines), expected);
}

#[test]
fn a_proportional_split_tells_what_all_have_together() {
    let mut world = world(&[("mug", "a", 4), ("mug", "b", 5)]);
    let lines = [("mug", None, 10), ("mug", None, 8), ("mug", None, 2)];
    // What is short takes nothing; eight leave one.
    let expected = [shortage(1, true, 10, 9), shortage(3, true, 2, 1)];
    assert_eq!(shortages(&mut world, Sourcing::SplitProportional, &lines), expected);
}

#[test]
fn a_line_that_names_its_location_is_taken_from_there_by_every_strategy() {
    for sourcing in ALL {
        let mut world = world(&[("mug", "a", 9), ("mug", "b", 4)]);
        let lines = [("mug", Some("b"), 3), ("mug", Some("b"), 2)];
        let named = Shortage { location: Some(location_id("b")), ..shortage(2, false, 2, 1) };
        assert_eq!(shortages(&mut world, sourcing, &lines), [named]);
        assert_eq!(sources(&mut world, sourcing, &lines[..1]), [source(1, "b", 3)]);
    }
}

#[test]
fn what_is_not_tracked_has_no_location_by_any_strategy() {
    for sourcing in ALL {
        let mut world = world(&[("mug", "b", 4)]);
        world.create_untracked("wrap");
        let lines = [("wrap", Some("a"), 3), ("mug", Some("b"), 2)];
        assert_eq!(sources(&mut world, sourcing, &lines), [source(1, "-", 3), source(2, "b", 2)]);
    }
}

#[test]
fn a_location_that_takes_no_orders_counts_for_no_strategy() {
    for sourcing in
        [Sourcing::Priority, Sourcing::MostStock, Sourcing::FewestSplits, Sourcing::SplitProportional]
    {
        let mut world = world(&[("mug", "a", 9), ("mug", "b", 4)]);
        world.disable("a");
        let together = matches!(sourcing, Sourcing::FewestSplits | Sourcing::SplitProportional);
        assert_eq!(
            shortages(&mut world, sourcing, &[("mug", None, 5)]),
            [shortage(1, together, 5, 4)],
            "{sourcing:?}"
        );
        assert_eq!(sources(&mut world, sourcing, &[("mug", None, 3)]), [source(1, "b", 3)]);
    }
}

#[test]
fn an_order_or_a_reservation_has_at_most_4000_sources_and_that_comes_before_what_is_short() {
    let mut world = world(&[("mug", "a", 10_000), ("mug", "b", 10_000), ("mug", "c", 10_000)]);
    let mut lines = vec![("mug", None, 3); 1_333];
    lines.push(("mug", Some("a"), 1));
    lines.push(("mug", Some("a"), 1));
    let too_large = |holder| Rejection::TooLarge { holder };
    let order = Holder::Order(order_id("o"));
    assert_eq!(world.refusal(sourced("o", Sourcing::SplitProportional, &lines)), too_large(order.clone()));
    let Command::CreateReservation(creation) = cart("r", &lines) else { panic!("no cart") };
    let creation = CreateReservation { sourcing: Sourcing::SplitProportional, ..creation };
    assert_eq!(world.refusal(Command::CreateReservation(creation)), too_large(holder("r")));
    lines.push(("mug", None, 1_000_000));
    assert_eq!(world.refusal(sourced("o", Sourcing::SplitProportional, &lines)), too_large(order));
    lines.truncate(1_334);
    assert_eq!(sources(&mut world, Sourcing::SplitProportional, &lines).len(), 4_000);
}

#[test]
fn a_reservation_is_sourced_as_an_order_is() {
    let mut world = world(&[("mug", "a", 2), ("mug", "b", 5), ("mug", "c", 3)]);
    let Command::CreateReservation(creation) = cart("r", &[("mug", None, 7)]) else { panic!("no cart") };
    let creation = CreateReservation { sourcing: Sourcing::SplitProportional, ..creation };
    let outcome = world.run(Command::CreateReservation(creation));
    let Outcome::ReservationCreated { sources, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(sources, [source(1, "a", 1), source(1, "b", 4), source(1, "c", 2)]);
    let row = world.reservation("r");
    let parts: Vec<_> = row.lines.iter().map(|line| (line.number, line.quantity, line.open)).collect();
    assert_eq!(parts, [(1, 1, 1), (1, 4, 4), (1, 2, 2)]);
}
