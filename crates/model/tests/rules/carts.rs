//! Commands about reservations, and what a world knows of them.

use stockade_model::Model;
use stockade_state_machine::command::{
    Command, CommitReservation, CreateReservation, ExtendReservation, LineQuantity, MoveReservation, Payment,
    ReleaseReservation, Sourcing,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{CustomerId, ReservationId};
use stockade_state_machine::order::Currency;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};

use crate::world::{HOLD_US, World, location_id, new_lines, order_id, quantities};

impl World {
    pub(crate) fn reserve(&mut self, reservation: &str, lines: &[(&str, Option<&str>, i64)]) {
        let outcome = self.run(cart(reservation, lines));
        assert!(matches!(outcome, Outcome::ReservationCreated { .. }), "{outcome:?}");
    }

    /// Pays for units of a reservation: they go to a new order.
    pub(crate) fn check_out(&mut self, reservation: &str, order: &str, lines: &[(u32, i64)]) {
        let outcome = self.run(Command::CommitReservation(paid(reservation, order, lines)));
        assert!(matches!(outcome, Outcome::ReservationCommitted { .. }), "{outcome:?}");
    }

    pub(crate) fn reservation(&self, id: &str) -> Reservation {
        self.model.reservation(&reservation_id(id)).expect("the reservation is there").clone()
    }

    pub(crate) fn reservation_state(&self, id: &str) -> ReservationState {
        Model::reservation_state(&self.reservation(id))
    }

    /// Of each line: open, committed, released, expired.
    pub(crate) fn parts(&self, id: &str) -> Vec<[i64; 4]> {
        let parts = |line: &ReservationLine| [line.open, line.committed, line.released, line.expired];
        self.reservation(id).lines.iter().map(parts).collect()
    }
}

pub(crate) fn reservation_id(text: &str) -> ReservationId {
    ReservationId::new(text).expect("a reservation id")
}

pub(crate) fn holder(reservation: &str) -> Holder {
    Holder::Reservation(reservation_id(reservation))
}

pub(crate) fn unknown_reservation(reservation: &str) -> Rejection {
    Rejection::NotFound(Resource::Reservation(reservation_id(reservation)))
}

pub(crate) fn unknown_line(reservation: &str, line: u32) -> Rejection {
    Rejection::NotFound(Resource::ReservationLine(reservation_id(reservation), line))
}

pub(crate) fn settled(reservation: &str, state: ReservationState) -> Rejection {
    Rejection::ReservationSettled { reservation: reservation_id(reservation), state }
}

/// For the customer `ann`.
pub(crate) fn cart(reservation: &str, lines: &[(&str, Option<&str>, i64)]) -> Command {
    Command::CreateReservation(CreateReservation {
        reservation: reservation_id(reservation),
        customer: Some(CustomerId::new("ann").expect("an id")),
        currency: Currency::new("EUR").expect("a currency"),
        lines: new_lines(lines),
        hold_us: HOLD_US,
        sourcing: Sourcing::Priority,
    })
}

pub(crate) fn extension(reservation: &str, hold_us: u64) -> Command {
    let reservation = reservation_id(reservation);
    Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected: None })
}

/// With the payment taken.
pub(crate) fn paid(reservation: &str, order: &str, lines: &[(u32, i64)]) -> CommitReservation {
    CommitReservation {
        reservation: reservation_id(reservation),
        order: order_id(order),
        customer: None,
        lines: quantities(lines),
        payment: Payment::Taken { reference: "card".to_owned() },
        expected: None,
    }
}

/// To an order that waits for its payment.
pub(crate) fn unpaid(
    reservation: &str,
    order: &str,
    lines: &[(u32, i64)],
    hold_us: u64,
) -> CommitReservation {
    CommitReservation { payment: Payment::Pending { hold_us }, ..paid(reservation, order, lines) }
}

pub(crate) fn release(reservation: &str, lines: &[(u32, i64)]) -> Command {
    release_of(reservation, quantities(lines))
}

pub(crate) fn release_of(reservation: &str, lines: Vec<LineQuantity>) -> Command {
    let reservation = reservation_id(reservation);
    Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected: None })
}

/// Moves lines to another location.
pub(crate) fn transfer(reservation: &str, lines: &[u32], location: &str) -> Command {
    Command::MoveReservation(MoveReservation {
        reservation: reservation_id(reservation),
        lines: lines.to_vec(),
        location: location_id(location),
        expected: None,
    })
}
