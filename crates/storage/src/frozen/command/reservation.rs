//! Commands about reservations, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::Version;
use stockade_state_machine::command::{
    CommitReservation, CreateReservation, ExtendReservation, MoveReservation, Payment, ReleaseReservation,
};
use stockade_state_machine::ids::{CustomerId, LocationId, OrderId, ReservationId};

use super::order::{LineQuantityV1, PlaceLineV1};
use crate::frozen::kinds::SourcingV1;
use crate::frozen::row::VersionV1;
use crate::frozen::{Invalid, currency, id, mirror, optional_id, restore};

/// The first form of [`CreateReservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateReservationV1<'a> {
    reservation: &'a str,
    #[serde(borrow)]
    customer: Option<&'a str>,
    currency: &'a str,
    #[serde(borrow)]
    lines: Vec<PlaceLineV1<'a>>,
    hold_us: u64,
    sourcing: SourcingV1,
}

/// The first form of [`ExtendReservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExtendReservationV1<'a> {
    reservation: &'a str,
    hold_us: u64,
    expected: Option<VersionV1>,
}

/// The first form of [`CommitReservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommitReservationV1<'a> {
    reservation: &'a str,
    order: &'a str,
    #[serde(borrow)]
    customer: Option<&'a str>,
    #[serde(borrow)]
    lines: Vec<LineQuantityV1<'a>>,
    #[serde(borrow)]
    payment: PaymentV1<'a>,
    expected: Option<VersionV1>,
}

/// The first form of [`Payment`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PaymentV1<'a> {
    Pending { hold_us: u64 },
    Taken { reference: &'a str },
}

/// The first form of [`ReleaseReservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReleaseReservationV1<'a> {
    reservation: &'a str,
    #[serde(borrow)]
    lines: Vec<LineQuantityV1<'a>>,
    expected: Option<VersionV1>,
}

/// The first form of [`MoveReservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MoveReservationV1<'a> {
    reservation: &'a str,
    lines: Vec<u32>,
    location: &'a str,
    expected: Option<VersionV1>,
}

impl<'a> From<&'a CreateReservation> for CreateReservationV1<'a> {
    fn from(command: &'a CreateReservation) -> Self {
        let CreateReservation { reservation, customer, currency, lines, hold_us, sourcing } = command;
        Self {
            reservation: reservation.as_str(),
            customer: customer.as_ref().map(CustomerId::as_str),
            currency: currency.as_str(),
            lines: mirror(lines),
            hold_us: *hold_us,
            sourcing: (*sourcing).into(),
        }
    }
}

impl TryFrom<CreateReservationV1<'_>> for CreateReservation {
    type Error = Invalid;

    fn try_from(mirror: CreateReservationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            reservation: id(ReservationId::new, mirror.reservation)?,
            customer: optional_id(CustomerId::new, mirror.customer)?,
            currency: currency(mirror.currency)?,
            lines: restore(mirror.lines)?,
            hold_us: mirror.hold_us,
            sourcing: mirror.sourcing.into(),
        })
    }
}

impl<'a> From<&'a ExtendReservation> for ExtendReservationV1<'a> {
    fn from(command: &'a ExtendReservation) -> Self {
        let ExtendReservation { reservation, hold_us, expected } = command;
        Self { reservation: reservation.as_str(), hold_us: *hold_us, expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<ExtendReservationV1<'_>> for ExtendReservation {
    type Error = Invalid;

    fn try_from(mirror: ExtendReservationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            reservation: id(ReservationId::new, mirror.reservation)?,
            hold_us: mirror.hold_us,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a CommitReservation> for CommitReservationV1<'a> {
    fn from(command: &'a CommitReservation) -> Self {
        let CommitReservation { reservation, order, customer, lines, payment, expected } = command;
        Self {
            reservation: reservation.as_str(),
            order: order.as_str(),
            customer: customer.as_ref().map(CustomerId::as_str),
            lines: mirror(lines),
            payment: payment.into(),
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<CommitReservationV1<'_>> for CommitReservation {
    type Error = Invalid;

    fn try_from(mirror: CommitReservationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            reservation: id(ReservationId::new, mirror.reservation)?,
            order: id(OrderId::new, mirror.order)?,
            customer: optional_id(CustomerId::new, mirror.customer)?,
            lines: restore(mirror.lines)?,
            payment: mirror.payment.into(),
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a Payment> for PaymentV1<'a> {
    fn from(payment: &'a Payment) -> Self {
        match payment {
            Payment::Pending { hold_us } => Self::Pending { hold_us: *hold_us },
            Payment::Taken { reference } => Self::Taken { reference },
        }
    }
}

impl From<PaymentV1<'_>> for Payment {
    fn from(mirror: PaymentV1<'_>) -> Self {
        match mirror {
            PaymentV1::Pending { hold_us } => Self::Pending { hold_us },
            PaymentV1::Taken { reference } => Self::Taken { reference: reference.to_owned() },
        }
    }
}

impl<'a> From<&'a ReleaseReservation> for ReleaseReservationV1<'a> {
    fn from(command: &'a ReleaseReservation) -> Self {
        let ReleaseReservation { reservation, lines, expected } = command;
        Self {
            reservation: reservation.as_str(),
            lines: mirror(lines),
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<ReleaseReservationV1<'_>> for ReleaseReservation {
    type Error = Invalid;

    fn try_from(mirror: ReleaseReservationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            reservation: id(ReservationId::new, mirror.reservation)?,
            lines: restore(mirror.lines)?,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a MoveReservation> for MoveReservationV1<'a> {
    fn from(command: &'a MoveReservation) -> Self {
        let MoveReservation { reservation, lines, location, expected } = command;
        Self {
            reservation: reservation.as_str(),
            lines: lines.clone(),
            location: location.as_str(),
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<MoveReservationV1<'_>> for MoveReservation {
    type Error = Invalid;

    fn try_from(mirror: MoveReservationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            reservation: id(ReservationId::new, mirror.reservation)?,
            lines: mirror.lines,
            location: id(LocationId::new, mirror.location)?,
            expected: mirror.expected.map(Version::from),
        })
    }
}
