//! Outcomes: what became of a command. Small, complete, and kept in the request record, so that a replay can give
//! exactly what the first call gave. Where callers want a whole order they read it.

use crate::ids::{LocationId, OrderId, ReservationId};
use crate::location::Location;
use crate::order::OrderState;
use crate::rejection::Rejection;
use crate::reservation::ReservationState;
use crate::revision::Revision;
use crate::sku::Sku;
use crate::stock::{Stock, StockKey};
use crate::time::LogTime;

/// What a command brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The SKU as created.
    SkuCreated(Sku),
    /// The SKU as changed.
    SkuUpdated(Sku),
    /// It is gone.
    SkuDeleted,
    /// The location as created.
    LocationCreated(Location),
    /// The location as changed.
    LocationUpdated(Location),
    /// It is gone.
    LocationDeleted,
    /// The stock after the receipt.
    StockReceived(StockKey, Stock),
    /// The stock after the adjustment.
    StockAdjusted(StockKey, Stock),
    /// The stock with the bucket as it was to be.
    StockSet(StockKey, Stock),
    /// The stock after the move.
    StockMoved(StockKey, Stock),
    /// Units are held.
    OrderPlaced {
        /// Which.
        order: OrderId,
        /// Until when.
        expires: LogTime,
        /// Where the units come from, line by line.
        sources: Vec<Source>,
    },
    /// Units are owed.
    OrderConfirmed {
        /// Which.
        order: OrderId,
    },
    /// Units are held for longer, or as long as before.
    OrderExtended {
        /// Which.
        order: OrderId,
        /// Until when.
        expires: LogTime,
    },
    /// Units left.
    OrderShipped {
        /// Which.
        order: OrderId,
        /// In which state it is now.
        state: OrderState,
        /// Units that left.
        shipped: i64,
        /// Number of the parcel in which they did, from 1.
        parcel: u32,
    },
    /// Units were given back.
    OrderCancelled {
        /// Which.
        order: OrderId,
        /// In which state it is now.
        state: OrderState,
        /// Units given back.
        cancelled: i64,
    },
    /// It is done with.
    OrderClosed {
        /// Which.
        order: OrderId,
    },
    /// Units came back.
    OrderReturned {
        /// Which.
        order: OrderId,
        /// In which state it is now.
        state: OrderState,
        /// Units that came back.
        returned: i64,
    },
    /// Units are held.
    ReservationCreated {
        /// Which.
        reservation: ReservationId,
        /// Until when.
        expires: LogTime,
        /// Where the units are, line by line.
        sources: Vec<Source>,
    },
    /// Units are held for longer, or as long as before.
    ReservationExtended {
        /// Which.
        reservation: ReservationId,
        /// Until when.
        expires: LogTime,
    },
    /// Units went to a new order.
    ReservationCommitted {
        /// Which.
        reservation: ReservationId,
        /// In which state it is now.
        state: ReservationState,
        /// The order.
        order: OrderId,
        /// In which state that is.
        order_state: OrderState,
        /// When the order's hold ends if it is unpaid.
        expires: LogTime,
        /// Units that the order took.
        committed: i64,
    },
    /// Units were given back.
    ReservationReleased {
        /// Which.
        reservation: ReservationId,
        /// In which state it is now.
        state: ReservationState,
        /// Units given back.
        released: i64,
    },
    /// Units are held elsewhere.
    ReservationMoved {
        /// Which.
        reservation: ReservationId,
        /// Units that moved.
        moved: i64,
    },
    /// What became of each operation.
    Transacted(Vec<Outcome>),
    /// By the system.
    DueExpired {
        /// Orders and reservations that expired.
        holds: u32,
        /// True where more are due.
        more: bool,
    },
    /// The request was abandoned before it was decided: it has no effect and never will.
    RequestAbandoned,
    /// The rule that the command would have broken. Nothing changed.
    Rejected(Rejection),
}

/// Units of a line that are held at one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Number of the line, from 1. A line has several sources where it was split, and none where nothing was there.
    pub line: u32,
    /// Where; `None` for a SKU that is not tracked.
    pub location: Option<LocationId>,
    /// Units.
    pub quantity: i64,
}

impl Outcome {
    /// For how many outcomes it counts where the number of those that are kept is bounded.
    pub fn weight(&self) -> usize {
        match self {
            Self::Transacted(outcomes) => outcomes.len().max(1),
            _ => 1,
        }
    }
}

/// An outcome and where it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What became of the command.
    pub outcome: Outcome,
    /// The log index at which it was decided; for a replay, the original one.
    pub revision: Revision,
    /// Position among the commands of that index.
    pub position: u32,
    /// Log time at which it was decided.
    pub time: LogTime,
    /// True where it was decided by an earlier command with the same request id.
    pub replayed: bool,
}
