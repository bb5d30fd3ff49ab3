//! What commands about reservations say.

use super::order::{LineQuantity, PlaceLine, Sourcing};
use crate::ids::{CustomerId, LocationId, OrderId, ReservationId};
use crate::order::Currency;
use crate::version::Version;

/// See [`Command::CreateReservation`](super::Command::CreateReservation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateReservation {
    /// Its name.
    pub reservation: ReservationId,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// ISO 4217.
    pub currency: Currency,
    /// 1 to [`MAX_LINES`](crate::limits::MAX_LINES).
    pub lines: Vec<PlaceLine>,
    /// How long the units are held, in microseconds.
    pub hold_us: u64,
    /// Where units of lines that name no location are held.
    pub sourcing: Sourcing,
}

/// See [`Command::ExtendReservation`](super::Command::ExtendReservation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendReservation {
    /// Which.
    pub reservation: ReservationId,
    /// How long the units are held from now on, in microseconds; where they would be held for longer anyway, they are.
    pub hold_us: u64,
    /// The version that the reservation must have, where the caller says one.
    pub expected: Option<Version>,
}

/// See [`Command::CommitReservation`](super::Command::CommitReservation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitReservation {
    /// Which.
    pub reservation: ReservationId,
    /// The name of the order.
    pub order: OrderId,
    /// Whose the order is; `None` for the reservation's.
    pub customer: Option<CustomerId>,
    /// What it takes; empty for all that is open.
    pub lines: Vec<LineQuantity>,
    /// Whether the order is paid.
    pub payment: Payment,
    /// As in [`ExtendReservation`].
    pub expected: Option<Version>,
}

/// Whether an order is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// Not yet.
    Pending {
        /// How long its units are held for payment, in microseconds.
        hold_us: u64,
    },
    /// It is.
    Taken {
        /// The caller's reference of the payment; may be empty.
        reference: String,
    },
}

/// See [`Command::ReleaseReservation`](super::Command::ReleaseReservation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseReservation {
    /// Which.
    pub reservation: ReservationId,
    /// What is given back; empty for all that is open.
    pub lines: Vec<LineQuantity>,
    /// As in [`ExtendReservation`].
    pub expected: Option<Version>,
}

/// See [`Command::MoveReservation`](super::Command::MoveReservation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveReservation {
    /// Which.
    pub reservation: ReservationId,
    /// Numbers of the lines that move, from 1; empty for all.
    pub lines: Vec<u32>,
    /// Where to.
    pub location: LocationId,
    /// As in [`ExtendReservation`].
    pub expected: Option<Version>,
}
