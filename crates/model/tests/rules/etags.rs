//! Calls that expect a version of an order or a reservation.

use stockade_state_machine::Version;
use stockade_state_machine::command::{
    CancelOrder, CloseOrder, Command, CommitReservation, ConfirmOrder, Disposition, ExtendOrder,
    ExtendReservation, MoveReservation, ReleaseReservation, ReturnOrder, ShipOrder,
};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};

use crate::carts::{paid, reservation_id, settled, unpaid};
use crate::world::{
    HOLD_US, World, cancellation, comeback, location_id, order_id, parcel, quantities, shipment, version,
};

type Expecting = fn(Option<Version>) -> Command;

fn confirm(expected: Option<Version>) -> Command {
    let payment_reference = String::new();
    Command::ConfirmOrder(ConfirmOrder {
        order: order_id("o"),
        payment_reference,
        reacquire: false,
        expected,
    })
}

fn extend(expected: Option<Version>) -> Command {
    Command::ExtendOrder(ExtendOrder { order: order_id("o"), hold_us: HOLD_US, expected })
}

fn cancel(expected: Option<Version>) -> Command {
    Command::CancelOrder(CancelOrder { order: order_id("o"), lines: quantities(&[(1, 1)]), expected })
}

/// Of a line that is not there.
fn cancel_unknown(expected: Option<Version>) -> Command {
    Command::CancelOrder(CancelOrder { order: order_id("o"), lines: quantities(&[(7, 1)]), expected })
}

fn ship(expected: Option<Version>) -> Command {
    Command::ShipOrder(ShipOrder { expected, ..parcel("o", quantities(&[(1, 1)])) })
}

fn ship_unknown(expected: Option<Version>) -> Command {
    Command::ShipOrder(ShipOrder { expected, ..parcel("o", quantities(&[(7, 1)])) })
}

fn close(expected: Option<Version>) -> Command {
    Command::CloseOrder(CloseOrder { order: order_id("o"), expected })
}

fn give_back(expected: Option<Version>) -> Command {
    Command::ReturnOrder(ReturnOrder { expected, ..comeback("o", &[(1, 1, Disposition::Scrap)]) })
}

fn give_back_unknown(expected: Option<Version>) -> Command {
    Command::ReturnOrder(ReturnOrder { expected, ..comeback("o", &[(7, 1, Disposition::Scrap)]) })
}

/// A world with an order `o` of three mugs that went so far.
fn order(steps: &[Command]) -> World {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 3)]);
    for step in steps {
        let outcome = world.run(step.clone());
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    }
    world
}

#[test]
fn a_call_about_an_order_is_refused_unless_it_is_as_expected() {
    let all = shipment("o", &[]);
    let cases: [(Vec<Command>, Expecting); 6] = [
        (vec![], confirm),
        (vec![], extend),
        (vec![confirm(None)], cancel),
        (vec![confirm(None)], ship),
        (vec![confirm(None), all.clone()], close),
        (vec![confirm(None), all], give_back),
    ];
    for (steps, command) in cases {
        let mut world = order(&steps);
        let before = world.order("o");
        let current = before.version;
        let mismatch = Rejection::EtagMismatch { resource: Resource::Order(order_id("o")), current };
        for other in [version(current.revision.get(), 1), version(current.revision.get() - 1, 0)] {
            assert_eq!(world.refusal(command(Some(other))), mismatch, "{:?}", command(None));
        }
        assert_eq!(world.order("o"), before);
        let outcome = world.run(command(Some(current)));
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
        assert_eq!(world.order("o").version, version(world.index, 0));
    }
}

#[test]
fn the_state_of_an_order_comes_before_its_version_and_that_before_its_lines() {
    let other = Some(version(1, 0));
    let mut world = order(&[confirm(None), cancellation("o")]);
    for command in [confirm, extend, cancel, ship, close, give_back] as [Expecting; 6] {
        let refusal = world.refusal(command(other));
        assert!(matches!(refusal, Rejection::IllegalTransition { .. }), "{refusal:?}");
    }
    let mut world = order(&[confirm(None), shipment("o", &[(1, 1)])]);
    for command in [ship_unknown, cancel_unknown, give_back_unknown] as [Expecting; 3] {
        let refusal = world.refusal(command(other));
        assert!(matches!(refusal, Rejection::EtagMismatch { .. }), "{refusal:?}");
        assert!(matches!(world.refusal(command(None)), Rejection::NotFound(Resource::OrderLine(_, 7))));
    }
    let mut world = order(&[]);
    world.wait(HOLD_US);
    for command in [confirm, extend] as [Expecting; 2] {
        let refusal = world.refusal(command(other));
        assert!(matches!(refusal, Rejection::ReservationExpired { .. }), "{refusal:?}");
    }
}

/// About line 1 of the reservation `r`, or another one.
fn about_reservation(line: u32, expected: Option<Version>) -> Vec<Command> {
    let (reservation, lines) = (reservation_id("r"), quantities(&[(line, 1)]));
    let moved = MoveReservation {
        reservation: reservation.clone(),
        lines: vec![line],
        location: location_id("b"),
        expected,
    };
    vec![
        Command::CommitReservation(CommitReservation { expected, ..paid("r", "p", &[(line, 1)]) }),
        Command::CommitReservation(CommitReservation { expected, ..unpaid("r", "p", &[(line, 1)], HOLD_US) }),
        Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected }),
        Command::MoveReservation(moved),
    ]
}

fn extend_reservation(expected: Option<Version>) -> Command {
    Command::ExtendReservation(ExtendReservation {
        reservation: reservation_id("r"),
        hold_us: HOLD_US,
        expected,
    })
}

#[test]
fn a_call_about_a_reservation_is_refused_unless_it_is_as_expected() {
    for number in 0..5 {
        let command = |expected| {
            let mut all = about_reservation(1, expected);
            all.push(extend_reservation(expected));
            all.swap_remove(number)
        };
        let mut world = World::with_mugs(3);
        world.receive("mug", "b", 3);
        world.reserve("r", &[("mug", None, 3)]);
        let current = world.reservation("r").version;
        let resource = Resource::Reservation(reservation_id("r"));
        let mismatch = Rejection::EtagMismatch { resource, current };
        assert_eq!(world.refusal(command(Some(version(1, 0)))), mismatch);
        assert_eq!(world.reservation("r").version, current);
        let outcome = world.run(command(Some(current)));
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
        assert_eq!(world.reservation("r").version, version(world.index, 0));
    }
}

#[test]
fn the_state_of_a_reservation_comes_before_its_version_and_that_before_its_lines() {
    let other = Some(version(1, 0));
    let mut world = World::with_mugs(3);
    world.reserve("r", &[("mug", None, 3)]);
    world.disable("b");
    for command in about_reservation(7, other) {
        let refusal = world.refusal(command);
        assert!(matches!(refusal, Rejection::EtagMismatch { .. }), "{refusal:?}");
    }
    world.check_out("r", "o", &[]);
    let state = world.reservation_state("r");
    for command in about_reservation(7, other).into_iter().chain([extend_reservation(other)]) {
        assert_eq!(world.refusal(command), settled("r", state));
    }
}
