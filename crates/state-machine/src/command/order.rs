//! What commands about orders say.

use crate::ids::{CustomerId, DocumentId, LocationId, OrderId, SkuId};
use crate::order::Currency;

/// See [`Command::PlaceOrder`](super::Command::PlaceOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    /// Its name.
    pub order: OrderId,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// Of the prices.
    pub currency: Currency,
    /// 1 to [`MAX_LINES`](crate::limits::MAX_LINES).
    pub lines: Vec<PlaceLine>,
    /// How long the units are held, in microseconds.
    pub hold_us: u64,
}

/// A line of [`PlaceOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceLine {
    /// What.
    pub sku: SkuId,
    /// From where; `None` for the first location that covers the line.
    pub location: Option<LocationId>,
    /// Units, 1 to [`MAX_LINE_QUANTITY`](crate::limits::MAX_LINE_QUANTITY).
    pub quantity: i64,
    /// Price of one unit in minor units.
    pub unit_price_minor: i64,
}

/// See [`Command::ConfirmOrder`](super::Command::ConfirmOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmOrder {
    /// Which.
    pub order: OrderId,
    /// The caller's reference of the payment; may be empty.
    pub payment_reference: String,
}

/// See [`Command::ShipOrder`](super::Command::ShipOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipOrder {
    /// Which.
    pub order: OrderId,
    /// What leaves; empty for all that is owed. No line twice.
    pub lines: Vec<LineQuantity>,
    /// The carrier's number; may be empty.
    pub tracking_number: String,
}

/// Some units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineQuantity {
    /// Number of the line in the order or the reservation, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
}

/// See [`Command::CancelOrder`](super::Command::CancelOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// Which.
    pub order: OrderId,
}

/// See [`Command::ReturnOrder`](super::Command::ReturnOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnOrder {
    /// Which.
    pub order: OrderId,
    /// What came back: 1 to [`MAX_LINES`](crate::limits::MAX_LINES). A line may stand several times, with other dispositions.
    pub lines: Vec<ReturnLine>,
    /// The caller's number.
    pub document: Option<DocumentId>,
}

/// Some returned units of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnLine {
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
    /// What becomes of them.
    pub disposition: Disposition,
}

/// What becomes of a returned unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Back to `available`.
    Restock,
    /// To `damaged`.
    Damaged,
    /// Thrown away: on hand stays as it is.
    Scrap,
}
