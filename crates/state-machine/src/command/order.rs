//! What commands about orders say.

use crate::ids::{CustomerId, DocumentId, LocationId, OrderId, SkuId};
use crate::order::Currency;
use crate::version::Version;

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
    /// Where units of lines that name no location come from.
    pub sourcing: Sourcing,
    /// What becomes of an order that is short.
    pub shortage: ShortagePolicy,
}

/// Where the units of a line that names no location come from. Only locations that take orders count; where several are as good,
/// the first in the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sourcing {
    /// Of the locations that cover the line whole, the one with the lowest priority number.
    Priority,
    /// Of the locations that cover the line whole, the one that has most of it; of several, the one with the lowest priority number.
    MostStock,
    /// From few locations, lines split where that must be: again and again the one that has most of all that is still missing.
    FewestSplits,
    /// Every line names its location.
    Explicit,
    /// Every line from all locations that have some of it, in proportion to what they have.
    SplitProportional,
}

/// What becomes of an order of which some units are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShortagePolicy {
    /// It is refused.
    AllOrNothing,
    /// It takes what is there, unless that is nothing at all; the others are cancelled from the start.
    Partial,
}

/// A line of [`PlaceOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceLine {
    /// What.
    pub sku: SkuId,
    /// From where; `None` where [`Sourcing`] decides.
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
    /// Where the order's hold has ended: take the units anew if they are there.
    pub reacquire: bool,
    /// The version that the order must have, where the caller says one.
    pub expected: Option<Version>,
}

/// See [`Command::ExtendOrder`](super::Command::ExtendOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendOrder {
    /// Which.
    pub order: OrderId,
    /// How long the units are held from now on, in microseconds; where they would be held for longer anyway, they are.
    pub hold_us: u64,
    /// As in [`ConfirmOrder`].
    pub expected: Option<Version>,
}

/// See [`Command::ShipOrder`](super::Command::ShipOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipOrder {
    /// Which.
    pub order: OrderId,
    /// What leaves; empty for all that is owed.
    pub lines: Vec<LineQuantity>,
    /// The carrier's number; may be empty.
    pub tracking_number: String,
    /// The caller's number of the parcel.
    pub document: Option<DocumentId>,
    /// How long after this shipment the order closes by itself once all has shipped, in microseconds; `None` leaves that as it is.
    pub close_after_us: Option<u64>,
    /// As in [`ConfirmOrder`].
    pub expected: Option<Version>,
}

/// Some units of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineQuantity {
    /// Number of the line in the order or the reservation, from 1.
    pub line: u32,
    /// Of the parts of the line, those whose units are from there; `None` for all in their order.
    pub location: Option<LocationId>,
    /// Units, at least 1.
    pub quantity: i64,
}

/// See [`Command::CancelOrder`](super::Command::CancelOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// Which.
    pub order: OrderId,
    /// What is given back; empty for all that has not shipped.
    pub lines: Vec<LineQuantity>,
    /// As in [`ConfirmOrder`].
    pub expected: Option<Version>,
}

/// See [`Command::CloseOrder`](super::Command::CloseOrder).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseOrder {
    /// Which.
    pub order: OrderId,
    /// As in [`ConfirmOrder`].
    pub expected: Option<Version>,
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
    /// As in [`ConfirmOrder`].
    pub expected: Option<Version>,
}

/// Some returned units of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnLine {
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
    /// What becomes of them.
    pub disposition: Disposition,
    /// Where they come to; `None` for where they came from.
    pub location: Option<LocationId>,
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
