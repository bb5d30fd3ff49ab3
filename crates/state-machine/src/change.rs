//! Changes: the after-images of what a log entry touched. What storage writes, hashes and ships.

use std::sync::Arc;

use crate::command::Origin;
use crate::document::Document;
use crate::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use crate::ledger::LedgerEntry;
use crate::location::Location;
use crate::order::Order;
use crate::request::RequestRecord;
use crate::reservation::Reservation;
use crate::sku::Sku;
use crate::stock::{Stock, StockKey};
use crate::time::LogTime;

/// One row after an entry. In the order in which it happened; a row touched twice stands twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A SKU; `None` where it is gone.
    Sku(SkuId, Option<Sku>),
    /// A location; `None` where it is gone.
    Location(LocationId, Option<Location>),
    /// Stock at a location; `None` where the SKU is gone.
    Stock(StockKey, Option<Stock>),
    /// An order.
    Order(OrderId, Arc<Order>),
    /// A reservation.
    Reservation(ReservationId, Arc<Reservation>),
    /// A document.
    Document(DocumentId, Document),
    /// A movement.
    Ledger(LedgerEntry),
    /// A request record; `None` where it left.
    Request(Origin, Option<RequestRecord>),
    /// Log time and horizon after the entry. Once, last.
    Clock(Clock),
}

/// What of the state is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Log time: the largest seen.
    pub now: LogTime,
    /// Request ids up to this time, in milliseconds since 1970, are expired. Only rises.
    pub horizon_ms: u64,
}
