//! Reservations: units held for a cart.

use crate::ids::{CustomerId, LocationId, ReservationId, SkuId};
use crate::order::Currency;
use crate::time::LogTime;
use crate::version::Version;

/// Where a reservation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReservationState {
    /// Units are held, no order took any.
    Active,
    /// Orders took some units, others are held.
    PartiallyCommitted,
    /// Nothing is held, orders took some or all.
    Committed,
    /// Everything was given back.
    Released,
    /// Its time was over before any order took units.
    Expired,
}

impl ReservationState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::PartiallyCommitted, Self::Committed, Self::Released, Self::Expired];

    /// The name as callers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::PartiallyCommitted => "PARTIALLY_COMMITTED",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// A line of a reservation, or the part of one whose units are at one location. Quantities are units.
///
/// Invariant (I8): `quantity = open + committed + released + expired`; none is below 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationLine {
    /// Number of the line, from 1; the parts of a line share it.
    pub number: u32,
    /// What.
    pub sku: SkuId,
    /// Where; `None` where the SKU was not tracked when it was reserved: then no bucket counts the units.
    pub location: Option<LocationId>,
    /// Price of one unit in minor units of the reservation's currency: that of the orders that take units.
    pub unit_price_minor: i64,
    /// Units asked for.
    pub quantity: i64,
    /// Held: counted in the bucket `reserved`.
    pub open: i64,
    /// Given to orders, paid or not: whichever bucket counts them then, it is on the order's account.
    pub committed: i64,
    /// Given back.
    pub released: i64,
    /// Given back because the time was over.
    pub expired: i64,
}

/// Units held for a time, for orders to come.
///
/// Invariants:
/// - It has at least one line. The numbers of lines rise from 1 without a gap; parts of a line stand together.
/// - Its state follows from its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its name, for ever.
    pub id: ReservationId,
    /// Whose it is, where the caller said.
    pub customer: Option<CustomerId>,
    /// ISO 4217.
    pub currency: Currency,
    /// What is held.
    pub lines: Vec<ReservationLine>,
    /// Log time of the creation.
    pub created: LogTime,
    /// Log time of the last change.
    pub updated: LogTime,
    /// When the hold ends.
    pub expires: LogTime,
    /// Of the last change.
    pub version: Version,
}

impl Reservation {
    /// The state, from the quantities of the lines.
    pub fn state(&self) -> ReservationState {
        let any = |quantity: fn(&ReservationLine) -> i64| self.lines.iter().any(|line| quantity(line) > 0);
        match (any(|line| line.open), any(|line| line.committed)) {
            (true, true) => ReservationState::PartiallyCommitted,
            (true, false) => ReservationState::Active,
            (false, true) => ReservationState::Committed,
            (false, false) if any(|line| line.expired) => ReservationState::Expired,
            (false, false) => ReservationState::Released,
        }
    }

    /// True where nothing is held: nothing changes it any more, so it needn't stay in memory.
    pub fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.open == 0)
    }
}
