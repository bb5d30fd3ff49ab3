//! Who holds units for a time: an unpaid order or a reservation.

use std::fmt;

use crate::ids::{OrderId, ReservationId};

/// Something whose hold on units ends at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An order that is not paid yet.
    Order(OrderId),
    /// A reservation with open units.
    Reservation(ReservationId),
}

impl Holder {
    /// The one that stands before all others.
    pub(crate) fn first() -> Self {
        Self::Order(OrderId::first())
    }

    /// The order, where it is one.
    pub fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Order(id) => Some(id),
            Self::Reservation(_) => None,
        }
    }

    /// The reservation, where it is one.
    pub fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::Order(_) => None,
            Self::Reservation(id) => Some(id),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "order {id}"),
            Self::Reservation(id) => write!(f, "reservation {id}"),
        }
    }
}
