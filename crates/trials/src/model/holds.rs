//! Writes commands about reservations.

use std::sync::Arc;

use stockade_state_machine::command::{
    Command, CommitReservation, CreateReservation, ExtendReservation, LineQuantity, MoveReservation, Payment,
    PlaceLine, ReleaseReservation, Sourcing,
};
use stockade_state_machine::ids::ReservationId;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::{State, Version};

use super::commands::{Writer, sku_id};

/// Reservations that are looked at to find one that holds something.
const TRIES: u32 = 8;

impl Writer {
    /// Units are held, seldom under a name that there is.
    pub(super) fn reserve(&mut self) -> Command {
        let reservation = if self.random.below(8) == 0 {
            self.any_reservation()
        } else {
            self.reservations += 1;
            reservation_id(self.reservations)
        };
        Command::CreateReservation(CreateReservation {
            reservation,
            customer: self.customer("r"),
            currency: self.currency(),
            lines: self.new_lines(),
            hold_us: self.hold_us(),
            sourcing: self.sourcing(),
        })
    }

    /// A cart of so many lines of one unit.
    pub(super) fn large_cart(&mut self, sku: &str, lines: usize, hold_us: u64) -> Command {
        self.reservations += 1;
        let line = PlaceLine { sku: sku_id(sku), location: None, quantity: 1, unit_price_minor: 0 };
        Command::CreateReservation(CreateReservation {
            reservation: reservation_id(self.reservations),
            customer: None,
            currency: self.currency(),
            lines: vec![line; lines],
            hold_us,
            sourcing: Sourcing::Priority,
        })
    }

    pub(super) fn extend(&self, state: &State) -> Command {
        let (reservation, hold_us) = (self.reservation(state), self.hold_us());
        let expected = self.version_of_hold(state, &reservation);
        Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected })
    }

    /// An order takes units, paid or not.
    pub(super) fn commit(&mut self, state: &State) -> Command {
        let reservation = self.reservation(state);
        let payment = match self.random.below(3) {
            0 => Payment::Pending { hold_us: self.hold_us() },
            _ => Payment::Taken { reference: self.text(512) },
        };
        Command::CommitReservation(CommitReservation {
            order: self.new_order(),
            customer: self.customer("c"),
            lines: self.open_lines(state, &reservation),
            expected: self.version_of_hold(state, &reservation),
            reservation,
            payment,
        })
    }

    pub(super) fn release(&self, state: &State) -> Command {
        let reservation = self.reservation(state);
        let lines = self.open_lines(state, &reservation);
        let expected = self.version_of_hold(state, &reservation);
        Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected })
    }

    pub(super) fn relocate(&self, state: &State) -> Command {
        let reservation = self.reservation(state);
        let lines = self.open_lines(state, &reservation).into_iter().map(|line| line.line).collect();
        let expected = self.version_of_hold(state, &reservation);
        Command::MoveReservation(MoveReservation { reservation, lines, location: self.location(), expected })
    }

    /// The version that a reservation must have, where one is expected.
    fn version_of_hold(&self, state: &State, reservation: &ReservationId) -> Option<Version> {
        self.catalog.seldom_expected(state.reservation(reservation).map(|held| held.version))
    }

    /// Mostly one that holds something.
    fn reservation(&self, state: &State) -> ReservationId {
        let mut reservation = self.any_reservation();
        if self.random.below(5) == 0 {
            return reservation;
        }
        for _ in 0..TRIES {
            if state.reservation(&reservation).is_some_and(|found| !found.is_settled()) {
                break;
            }
            reservation = self.any_reservation();
        }
        reservation
    }

    pub(super) fn any_reservation(&self) -> ReservationId {
        reservation_id(self.one_of_the_last(self.reservations))
    }

    /// None, which stands for all, or some lines and how much of each.
    fn open_lines(&self, state: &State, reservation: &ReservationId) -> Vec<LineQuantity> {
        if self.random.below(3) == 0 {
            return Vec::new();
        }
        let parts = |held: &Arc<Reservation>| {
            held.lines.iter().map(|line| (line.number, line.location.clone(), line.open)).collect::<Vec<_>>()
        };
        self.some_parts(&state.reservation(reservation).map(parts).unwrap_or_default())
    }
}

fn reservation_id(number: u64) -> ReservationId {
    ReservationId::new(&format!("r{number}")).expect("an id")
}
