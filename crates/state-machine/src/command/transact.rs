//! What a transaction says: what must hold, and what is done then.

use super::Command;
use crate::ids::{LocationId, OrderId, ReservationId, SkuId};
use crate::order::OrderState;
use crate::reservation::ReservationState;
use crate::revision::Revision;
use crate::stock::{Bucket, StockKey};
use crate::version::Version;

/// See [`Command::Transact`](super::Command::Transact).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transact {
    /// What must hold before the first operation: at most [`MAX_PRECONDITIONS`](crate::limits::MAX_PRECONDITIONS).
    pub preconditions: Vec<Precondition>,
    /// What is done, in order, each after what the ones before it did: 1 to [`MAX_OPERATIONS`](crate::limits::MAX_OPERATIONS) commands
    /// of callers, none of them a transaction.
    pub operations: Vec<Command>,
}

/// What must hold of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The row has this version: it did not change since the caller saw it.
    Version(Row, Version),
    /// The row is there and did not change after a revision.
    UnchangedSince(Row, Revision),
    /// The row is there.
    Exists(Row),
    /// The row is not there. A stock row that holds nothing is as good as none.
    Missing(Row),
    /// A bucket holds from `min` to `max` units.
    Quantity {
        /// Of what, and where.
        key: StockKey,
        /// Which.
        bucket: Bucket,
        /// At least.
        min: i64,
        /// At most.
        max: i64,
    },
    /// The order is in a state.
    OrderState(OrderId, OrderState),
    /// The reservation is in a state.
    ReservationState(ReservationId, ReservationState),
}

/// Something that a precondition can be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A SKU.
    Sku(SkuId),
    /// A location.
    Location(LocationId),
    /// The stock of a SKU at a location.
    Stock(StockKey),
    /// An order.
    Order(OrderId),
    /// A reservation.
    Reservation(ReservationId),
}
