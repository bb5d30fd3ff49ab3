//! Reservations and holders, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::LogTime;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{CustomerId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::reservation::{Reservation, ReservationLine};

use super::row::VersionV1;
use super::{Invalid, currency, ensure, ensure_numbered, id, mirror, optional_id, restore};

/// The first form of [`Reservation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReservationV1<'a> {
    id: &'a str,
    #[serde(borrow)]
    customer: Option<&'a str>,
    currency: &'a str,
    #[serde(borrow)]
    lines: Vec<ReservationLineV1<'a>>,
    created_us: u64,
    updated_us: u64,
    expires_us: u64,
    version: VersionV1,
}

/// The first form of [`ReservationLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReservationLineV1<'a> {
    number: u32,
    sku: &'a str,
    #[serde(borrow)]
    location: Option<&'a str>,
    unit_price_minor: i64,
    quantity: i64,
    open: i64,
    committed: i64,
    released: i64,
    expired: i64,
}

/// The first form of [`Holder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum HolderV1<'a> {
    Order(&'a str),
    Reservation(&'a str),
}

impl ReservationV1<'_> {
    /// As [`Reservation::is_settled`] says of the reservation.
    pub(crate) fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.open == 0)
    }
}

impl<'a> From<&'a Reservation> for ReservationV1<'a> {
    fn from(reservation: &'a Reservation) -> Self {
        let Reservation { id, customer, currency, lines, created, updated, expires, version } = reservation;
        Self {
            id: id.as_str(),
            customer: customer.as_ref().map(CustomerId::as_str),
            currency: currency.as_str(),
            lines: mirror(lines),
            created_us: created.micros(),
            updated_us: updated.micros(),
            expires_us: expires.micros(),
            version: (*version).into(),
        }
    }
}

impl TryFrom<ReservationV1<'_>> for Reservation {
    type Error = Invalid;

    fn try_from(mirror: ReservationV1<'_>) -> Result<Self, Invalid> {
        ensure_numbered(mirror.lines.iter().map(|line| line.number), "a reservation")?;
        Ok(Self {
            id: id(ReservationId::new, mirror.id)?,
            customer: optional_id(CustomerId::new, mirror.customer)?,
            currency: currency(mirror.currency)?,
            lines: restore(mirror.lines)?,
            created: LogTime::from_micros(mirror.created_us),
            updated: LogTime::from_micros(mirror.updated_us),
            expires: LogTime::from_micros(mirror.expires_us),
            version: mirror.version.into(),
        })
    }
}

impl<'a> From<&'a ReservationLine> for ReservationLineV1<'a> {
    fn from(line: &'a ReservationLine) -> Self {
        Self {
            number: line.number,
            sku: line.sku.as_str(),
            location: line.location.as_ref().map(LocationId::as_str),
            unit_price_minor: line.unit_price_minor,
            quantity: line.quantity,
            open: line.open,
            committed: line.committed,
            released: line.released,
            expired: line.expired,
        }
    }
}

impl TryFrom<ReservationLineV1<'_>> for ReservationLine {
    type Error = Invalid;

    fn try_from(mirror: ReservationLineV1<'_>) -> Result<Self, Invalid> {
        let ReservationLineV1 { quantity, open, committed, released, expired, .. } = mirror;
        let parts = [open, committed, released, expired];
        ensure(parts.iter().all(|part| *part >= 0), "a quantity of a reservation's line is below 0")?;
        let sum = parts.iter().try_fold(0_i64, |sum, part| sum.checked_add(*part));
        ensure(sum == Some(quantity), "the quantities of a reservation's line do not add up")?;
        Ok(Self {
            number: mirror.number,
            sku: id(SkuId::new, mirror.sku)?,
            location: optional_id(LocationId::new, mirror.location)?,
            unit_price_minor: mirror.unit_price_minor,
            quantity,
            open,
            committed,
            released,
            expired,
        })
    }
}

impl<'a> From<&'a Holder> for HolderV1<'a> {
    fn from(holder: &'a Holder) -> Self {
        match holder {
            Holder::Order(id) => Self::Order(id.as_str()),
            Holder::Reservation(id) => Self::Reservation(id.as_str()),
        }
    }
}

impl TryFrom<HolderV1<'_>> for Holder {
    type Error = Invalid;

    fn try_from(mirror: HolderV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            HolderV1::Order(text) => Self::Order(id(OrderId::new, text)?),
            HolderV1::Reservation(text) => Self::Reservation(id(ReservationId::new, text)?),
        })
    }
}
