//! Commands about reservations that break a bound.

use stockade_state_machine::command::{Command, CommitReservation, CreateReservation, Payment};

use crate::carts::{cart, extension, paid, release, transfer, unpaid};
use crate::malformed::rule_of;
use crate::world::{HOLD_US, quantities};

#[test]
fn a_reservation_has_the_bounds_of_an_order() {
    let rule = |change: fn(&mut CreateReservation)| {
        let Command::CreateReservation(mut command) = cart("r", &[("mug", None, 1)]) else { panic!("none") };
        change(&mut command);
        rule_of(Command::CreateReservation(command))
    };
    let lines = |command: &CreateReservation, count| vec![command.lines[0].clone(); count];
    assert_eq!(rule(|it| it.hold_us = 1_000_000), None);
    for (broken, expected) in [
        (rule(|it| it.lines.clear()), "number of lines out of range"),
        (rule(|it| it.hold_us = 999_999), "hold out of range"),
        (rule(|it| it.lines[0].quantity = 0), "quantity of a line out of range"),
        (rule(|it| it.lines[0].quantity = 1_000_000_001), "quantity of a line out of range"),
        (rule(|it| it.lines[0].unit_price_minor = -1), "price out of range"),
    ] {
        assert_eq!(broken, Some(expected));
    }
    let Command::CreateReservation(command) = cart("r", &[("mug", None, 1)]) else { panic!("none") };
    for (count, expected) in [(2_000, None), (2_001, Some("number of lines out of range"))] {
        // Of several rules the number of lines comes first, then the hold, then the lines.
        let hold_us = if count > 2_000 { 0 } else { HOLD_US };
        let command = CreateReservation { lines: lines(&command, count), hold_us, ..command.clone() };
        assert_eq!(rule_of(Command::CreateReservation(command)), expected);
    }
    let hold_first = rule(|it| {
        it.hold_us = 0;
        it.lines[0].quantity = 0;
    });
    assert_eq!(hold_first, Some("hold out of range"));
}

#[test]
fn an_extension_has_the_bounds_of_every_hold() {
    for (hold_us, rule) in [
        (999_999, Some("hold out of range")),
        (1_000_000, None),
        (30 * 86_400 * 1_000_000, None),
        (30 * 86_400 * 1_000_000 + 1, Some("hold out of range")),
    ] {
        assert_eq!(rule_of(extension("r", hold_us)), rule, "{hold_us}");
    }
}

#[test]
fn a_commit_names_at_most_2000_lines_of_1_to_a_billion_units_and_has_a_hold_or_a_reference() {
    let rule = |command: CommitReservation| rule_of(Command::CommitReservation(command));
    let referring = |length| CommitReservation {
        payment: Payment::Taken { reference: "x".repeat(length) },
        ..paid("r", "o", &[])
    };
    assert_eq!(rule(unpaid("r", "o", &vec![(1, 1); 2_000], HOLD_US)), None);
    assert_eq!(rule(unpaid("r", "o", &[], 0)), Some("hold out of range"));
    assert_eq!(rule(referring(512)), None);
    assert_eq!(rule(referring(513)), Some("reference too long"));
    for quantity in [0, -1, 1_000_000_001] {
        let broken = rule(unpaid("r", "o", &[(1, 1), (1, quantity)], 0));
        assert_eq!(broken, Some("quantity of a line out of range"), "before the hold");
        let broken = rule(CommitReservation { lines: quantities(&[(1, quantity)]), ..referring(513) });
        assert_eq!(broken, Some("quantity of a line out of range"), "before the reference");
    }
    assert_eq!(rule(unpaid("r", "o", &vec![(1, 0); 2_001], 0)), Some("too many lines"));
}

#[test]
fn releases_and_moves_of_reservations_have_bounded_lines() {
    assert_eq!(rule_of(release("r", &vec![(1, 1); 2_000])), None);
    assert_eq!(rule_of(release("r", &vec![(1, 0); 2_001])), Some("too many lines"));
    assert_eq!(rule_of(release("r", &[(1, 0)])), Some("quantity of a line out of range"));
    assert_eq!(rule_of(transfer("r", &vec![0; 2_000], "a")), None);
    assert_eq!(rule_of(transfer("r", &vec![0; 2_001], "a")), Some("too many lines"));
}
