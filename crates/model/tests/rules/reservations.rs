//! Reservations: created, extended, released, moved.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{Command, SkuChange};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, Rejection, Resource, Shortage};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::carts::{
    cart, extension, holder, paid, release, reservation_id, settled, transfer, unknown_line,
    unknown_reservation, unpaid,
};
use crate::world::{BEGIN_US, HOLD_US, SECOND_US, World, location_id, placement, sku_id, source, version};

/// A world with five mugs at `a`, three at `b`, and a reservation `r` of lines of two and one of those at `a`.
fn reserved() -> World {
    let mut world = World::with_mugs(5);
    world.receive("mug", "b", 3);
    world.reserve("r", &[("mug", Some("a"), 2), ("mug", Some("a"), 1)]);
    world
}

fn exceeded(lines: &[(u32, i64, i64)]) -> Rejection {
    let line =
        |(line, asked, left): &(u32, i64, i64)| ExceededLine { line: *line, asked: *asked, left: *left };
    Rejection::QuantityExceeded { holder: holder("r"), lines: lines.iter().map(line).collect() }
}

fn last(world: &World, movements: usize) -> Vec<LedgerEntry> {
    let count = world.model.ledger().count();
    world.model.ledger().skip(count - movements).cloned().collect()
}

#[test]
fn a_reservation_holds_its_units_until_its_time_is_over() {
    let mut world = World::with_mugs(5);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let created = Outcome::ReservationCreated {
        reservation: reservation_id("r"),
        expires,
        sources: vec![source(1, "a", 2)],
    };
    assert_eq!(world.run(cart("r", &[("mug", None, 2)])), created);
    assert_eq!(world.mugs(), [3, 2, 0, 0, 0, 0]);
    let reservation = world.reservation("r");
    assert_eq!((reservation.expires, reservation.version), (expires, version(world.index, 0)));
    assert_eq!(reservation.lines[0].unit_price_minor, 999);
    assert_eq!(
        (world.parts("r"), world.reservation_state("r")),
        (vec![[2, 0, 0, 0]], ReservationState::Active)
    );
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Available), Some(Bucket::Reserved)));
    assert_eq!(movement.reason, Reason::Reservation);
    assert_eq!((movement.order, movement.reservation), (None, Some(reservation_id("r"))));
}

#[test]
fn a_reservation_may_hold_more_than_an_order_may_take() {
    let mut world = World::with_mugs(5);
    world.change("mug", SkuChange { max_per_order: Some(1), ..SkuChange::default() });
    world.reserve("r", &[("mug", None, 5)]);
}

#[test]
fn what_forbids_a_reservation_is_told_in_the_order_of_precedence() {
    let mut world = World::with_mugs(3);
    world.reserve("r", &[("mug", None, 1)]);
    world.disable("b");
    let cup = ("cup", None, 1);
    let nowhere = ("mug", Some("x"), 1);
    let closed = ("mug", Some("b"), 1);
    let short = ("mug", None, 3);
    let taken = Rejection::AlreadyExists(Resource::Reservation(reservation_id("r")));
    assert_eq!(world.refusal(cart("r", &[short, closed, nowhere, cup])), taken);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("cup")));
    assert_eq!(world.refusal(cart("s", &[short, closed, nowhere, cup])), unknown);
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(cart("s", &[short, closed, nowhere])), unknown);
    let disabled = Rejection::LocationDisabled { location: location_id("b") };
    assert_eq!(world.refusal(cart("s", &[short, closed])), disabled);
    assert!(matches!(world.refusal(cart("s", &[short])), Rejection::InsufficientStock { .. }));
    assert_eq!((world.mugs(), world.model.reservations().count()), ([2, 1, 0, 0, 0, 0], 1));
}

#[test]
fn an_id_of_a_reservation_is_taken_for_ever_and_none_of_an_order() {
    let mut world = World::with_mugs(5);
    world.reserve("r", &[("mug", None, 1)]);
    world.place("r", &[("mug", None, 1)]);
    world.run(release("r", &[]));
    let taken = Rejection::AlreadyExists(Resource::Reservation(reservation_id("r")));
    assert_eq!(world.refusal(cart("r", &[("mug", None, 1)])), taken);
    assert_eq!(world.model.reservations().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["r"]);
}

#[test]
fn an_extension_moves_the_end_to_now_and_the_hold() {
    let mut world = reserved();
    world.wait(HOLD_US - 1);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US - 1 + SECOND_US);
    let extended = Outcome::ReservationExtended { reservation: reservation_id("r"), expires };
    assert_eq!(world.run(extension("r", SECOND_US)), extended);
    world.wait(SECOND_US - 1);
    assert!(matches!(world.run(release("r", &[(1, 1)])), Outcome::ReservationReleased { .. }));
}

#[test]
fn an_extension_never_shortens_and_changes_the_version_all_the_same() {
    let mut world = reserved();
    world.wait(SECOND_US);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let extended = Outcome::ReservationExtended { reservation: reservation_id("r"), expires };
    assert_eq!(world.run(extension("r", SECOND_US)), extended);
    let reservation = world.reservation("r");
    assert_eq!((reservation.expires, reservation.version), (expires, version(world.index, 0)));
    assert_eq!(reservation.updated, LogTime::from_micros(BEGIN_US + SECOND_US));
}

#[test]
fn released_units_are_available_again() {
    let mut world = reserved();
    let released =
        |state, released| Outcome::ReservationReleased { reservation: reservation_id("r"), state, released };
    assert_eq!(world.run(release("r", &[(1, 1)])), released(ReservationState::Active, 1));
    assert_eq!((world.mugs(), world.parts("r")), ([3, 2, 0, 0, 0, 0], vec![[1, 0, 1, 0], [1, 0, 0, 0]]));
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Reserved), Some(Bucket::Available)));
    assert_eq!((movement.reason, movement.order), (Reason::Release, None));
    assert_eq!(movement.reservation, Some(reservation_id("r")));
    assert_eq!(world.run(release("r", &[])), released(ReservationState::Released, 2));
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
    assert_eq!(last(&world, 2).iter().map(|entry| entry.quantity).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_release_is_in_the_order_of_the_lines_and_sums_what_is_asked_of_each() {
    let mut world = reserved();
    world.run(release("r", &[(2, 1), (1, 1), (1, 1)]));
    assert_eq!(last(&world, 2).iter().map(|entry| entry.quantity).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(world.parts("r"), [[0, 0, 2, 0], [0, 0, 1, 0]]);
}

#[test]
fn no_more_is_released_than_is_open_and_every_line_that_asks_too_much_is_named() {
    let mut world = reserved();
    assert_eq!(world.refusal(release("r", &[(2, 2), (1, 2), (1, 1)])), exceeded(&[(2, 2, 1), (1, 1, 0)]));
    // What asks for too much takes nothing.
    assert_eq!(world.refusal(release("r", &[(1, 3), (1, 2)])), exceeded(&[(1, 3, 2)]));
    assert_eq!(world.refusal(release("r", &[(2, 9), (3, 1), (0, 1)])), unknown_line("r", 3));
    world.check_out("r", "o", &[(2, 1)]);
    assert_eq!(world.refusal(release("r", &[(2, 1)])), exceeded(&[(2, 1, 0)]));
}

#[test]
fn units_move_to_another_location_line_by_line() {
    let mut world = reserved();
    let moved = Outcome::ReservationMoved { reservation: reservation_id("r"), moved: 3 };
    assert_eq!(world.run(transfer("r", &[], "b")), moved);
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
    assert_eq!(world.stock("mug", "b").buckets(), [0, 3, 0, 0, 0, 0]);
    assert!(world.reservation("r").lines.iter().all(|line| line.location == Some(location_id("b"))));
    let told: Vec<_> = last(&world, 4)
        .into_iter()
        .map(|entry| (entry.reason, entry.location.to_string(), entry.quantity))
        .collect();
    let step = |reason, location: &str, units| (reason, location.to_owned(), units);
    let steps = [
        step(Reason::Reservation, "b", 2),
        step(Reason::Release, "a", 2),
        step(Reason::Reservation, "b", 1),
        step(Reason::Release, "a", 1),
    ];
    assert_eq!(told, steps);
}

#[test]
fn named_lines_move_once_and_in_the_order_of_the_reservation() {
    let mut world = reserved();
    let moved = Outcome::ReservationMoved { reservation: reservation_id("r"), moved: 3 };
    assert_eq!(world.run(transfer("r", &[2, 1, 2], "b")), moved);
    let units: Vec<_> = last(&world, 4).iter().map(|entry| entry.quantity).collect();
    assert_eq!(units, [2, 2, 1, 1]);
}

#[test]
fn lines_that_are_there_hold_nothing_or_are_not_tracked_are_passed_over() {
    let mut world = World::with_mugs(5);
    world.create_untracked("wrap");
    world.receive("mug", "b", 2);
    let lines = [("mug", Some("b"), 1), ("mug", Some("a"), 1), ("wrap", None, 9), ("mug", Some("a"), 1)];
    world.reserve("r", &lines);
    world.run(release("r", &[(2, 1)]));
    let moved = |moved| Outcome::ReservationMoved { reservation: reservation_id("r"), moved };
    assert_eq!(world.run(transfer("r", &[], "b")), moved(1));
    let row = world.reservation("r");
    let locations: Vec<_> = row.lines.iter().map(|line| line.location.clone()).collect();
    let (a, b) = (Some(location_id("a")), Some(location_id("b")));
    assert_eq!(locations, [b.clone(), a, None, b]);
    let movements = world.model.ledger().count();
    assert_eq!(world.run(transfer("r", &[], "b")), moved(0));
    assert_eq!((world.reservation("r"), world.model.ledger().count()), (row, movements), "nothing changed");
}

#[test]
fn a_move_is_whole_or_not_at_all_and_names_every_line_that_is_short() {
    let mut world = World::with_mugs(9);
    world.receive("mug", "b", 3);
    world.reserve(
        "r",
        &[("mug", Some("a"), 1), ("mug", Some("a"), 4), ("mug", Some("a"), 2), ("mug", Some("a"), 1)],
    );
    let shortage = |line, asked, available| Shortage {
        line,
        sku: sku_id("mug"),
        location: Some(location_id("b")),
        together: false,
        bucket: Bucket::Available,
        asked,
        available,
        next_expiry: Some(LogTime::from_micros(BEGIN_US + HOLD_US)),
    };
    let shortages = vec![shortage(2, 4, 2), shortage(4, 1, 0)];
    assert_eq!(world.refusal(transfer("r", &[], "b")), Rejection::InsufficientStock { shortages });
    assert_eq!(world.stock("mug", "b").buckets(), [3, 0, 0, 0, 0, 0]);
    let shortages = vec![shortage(2, 4, 3)];
    assert_eq!(world.refusal(transfer("r", &[2], "b")), Rejection::InsufficientStock { shortages });
}

#[test]
fn what_forbids_a_move_is_told_in_the_order_of_precedence() {
    let mut world = reserved();
    world.reserve("gone", &[("mug", None, 1)]);
    world.run(release("gone", &[]));
    world.disable("c");
    assert_eq!(world.refusal(transfer("x", &[9], "x")), unknown_reservation("x"));
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(transfer("gone", &[9], "x")), unknown);
    let nothing = settled("gone", ReservationState::Released);
    assert_eq!(world.refusal(transfer("gone", &[9], "c")), nothing);
    assert_eq!(world.refusal(transfer("r", &[1, 9, 0], "c")), unknown_line("r", 9));
    let disabled = Rejection::LocationDisabled { location: location_id("c") };
    assert_eq!(world.refusal(transfer("r", &[], "c")), disabled);
    assert_eq!(world.refusal(transfer("gone", &[], "b")), nothing);
}

#[test]
fn what_names_a_reservation_that_is_not_there_or_holds_nothing_is_refused() {
    let commands = || {
        [
            extension("r", HOLD_US),
            release("r", &[(9, 1)]),
            transfer("r", &[9], "b"),
            Command::CommitReservation(paid("r", "o", &[(9, 1)])),
            Command::CommitReservation(unpaid("r", "o", &[(9, 1)], HOLD_US)),
        ]
    };
    let mut world = World::with_mugs(5);
    for command in commands() {
        assert_eq!(world.refusal(command), unknown_reservation("r"));
    }
    world.reserve("r", &[("mug", None, 2)]);
    world.run(release("r", &[]));
    for command in commands() {
        assert_eq!(world.refusal(command), settled("r", ReservationState::Released));
    }
    let mut world = World::with_mugs(5);
    world.reserve("r", &[("mug", None, 2)]);
    world.check_out("r", "p", &[(1, 1)]);
    world.run(release("r", &[]));
    for command in commands() {
        assert_eq!(world.refusal(command), settled("r", ReservationState::Committed));
    }
}

#[test]
fn what_is_reserved_is_nobody_elses() {
    let mut world = World::with_mugs(2);
    world.reserve("r", &[("mug", None, 2)]);
    assert!(matches!(
        world.refusal(placement("o", &[("mug", None, 1)])),
        Rejection::InsufficientStock { .. }
    ));
}

#[test]
fn a_line_remembers_whether_its_sku_was_tracked_when_it_was_reserved() {
    let mut world = World::with_mugs(2);
    world.create_untracked("wrap");
    world.reserve("r", &[("mug", None, 2), ("wrap", Some("b"), 3)]);
    let track = |untracked| SkuChange { untracked: Some(untracked), ..SkuChange::default() };
    world.change("mug", track(true));
    world.change("wrap", track(false));
    let movements = world.model.ledger().count();
    assert!(matches!(world.run(release("r", &[(2, 1)])), Outcome::ReservationReleased { released: 1, .. }));
    assert_eq!(world.model.ledger().count(), movements);
    assert!(matches!(world.refusal(transfer("r", &[], "b")), Rejection::InsufficientStock { .. }));
    world.check_out("r", "o", &[]);
    assert_eq!((world.mugs(), world.parts("r")[1]), ([0, 0, 2, 0, 0, 0], [0, 2, 1, 0]));
}
