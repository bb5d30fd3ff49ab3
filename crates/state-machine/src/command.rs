//! Commands: what a caller or the system wants done. The gateway reports every field that is out of bounds at once;
//! execution checks the bounds again ([`Command::check`]), because it must not panic whatever stands in the log.

use std::collections::BTreeMap;

use crate::ids::{CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use crate::ledger::Reason;
use crate::location::LocationDetails;
use crate::order::Currency;
use crate::sku::SkuDetails;
use crate::stock::Bucket;
use crate::time::LogTime;
use crate::version::Version;

pub use crate::check::MALFORMED_RULES;

/// One entry of the log: commands that share an index and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by the clock of the leader that proposed it.
    pub time: LogTime,
    /// What, in order.
    pub requests: Vec<Request>,
}

/// A command and on whose behalf it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `None` for what the system proposes itself.
    pub origin: Option<Origin>,
    /// Hash of the command's content, made once where it entered: two requests with one id must agree on it.
    pub content: ContentHash,
    /// What is to be done.
    pub command: Command,
}

/// Who asked, and under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The caller's id of the request. Stands first: records leave in its order.
    pub request: RequestId,
    /// The caller.
    pub principal: Principal,
}

/// The first 128 bits of a SHA-256 over the frozen form of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentHash(pub u128);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A SKU is born.
    CreateSku(CreateSku),
    /// A SKU changes.
    UpdateSku(UpdateSku),
    /// A SKU goes.
    DeleteSku(DeleteSku),
    /// A location is born.
    CreateLocation(CreateLocation),
    /// A location changes.
    UpdateLocation(UpdateLocation),
    /// A location goes.
    DeleteLocation(DeleteLocation),
    /// Goods come in.
    ReceiveStock(ReceiveStock),
    /// A bucket is corrected by a difference.
    AdjustStock(AdjustStock),
    /// A bucket is set to a quantity.
    SetStock(SetStock),
    /// Units go from one bucket to another.
    MoveStock(MoveStock),
    /// An order is taken, its units held.
    PlaceOrder(PlaceOrder),
    /// An order is paid.
    ConfirmOrder(ConfirmOrder),
    /// Units leave.
    ShipOrder(ShipOrder),
    /// What is not shipped is given back.
    CancelOrder(CancelOrder),
    /// Shipped units come back.
    ReturnOrder(ReturnOrder),
    /// By the system: what is due expires.
    ExpireDue(ExpireDue),
    /// The fate of the request in the origin is settled: where it was not seen, it never will be.
    AbandonRequest,
}

impl Command {
    /// The version that a row must have for the command to change it, if it names one.
    pub fn expected(&self) -> Option<Version> {
        match self {
            Self::UpdateSku(command) => command.expected,
            Self::DeleteSku(command) => command.expected,
            Self::UpdateLocation(command) => command.expected,
            Self::DeleteLocation(command) => command.expected,
            Self::CreateSku(_)
            | Self::CreateLocation(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::ReturnOrder(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }
}

/// See [`Command::CreateSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSku {
    /// Its name.
    pub sku: SkuId,
    /// What is said of it.
    pub details: SkuDetails,
}

/// See [`Command::UpdateSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSku {
    /// Which.
    pub sku: SkuId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
    /// What changes.
    pub change: SkuChange,
}

/// What changes of a SKU's details; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of `SkuDetails`")]
pub struct SkuChange {
    pub display_name: Option<String>,
    pub untracked: Option<bool>,
    pub min_per_order: Option<i64>,
    pub max_per_order: Option<i64>,
    pub attributes: Option<BTreeMap<String, String>>,
}

impl SkuChange {
    /// The details with the change.
    #[must_use]
    pub fn applied_to(self, kept: &SkuDetails) -> SkuDetails {
        SkuDetails {
            display_name: self.display_name.unwrap_or_else(|| kept.display_name.clone()),
            untracked: self.untracked.unwrap_or(kept.untracked),
            min_per_order: self.min_per_order.unwrap_or(kept.min_per_order),
            max_per_order: self.max_per_order.unwrap_or(kept.max_per_order),
            attributes: self.attributes.unwrap_or_else(|| kept.attributes.clone()),
        }
    }
}

/// See [`Command::DeleteSku`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteSku {
    /// Which.
    pub sku: SkuId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
}

/// See [`Command::CreateLocation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateLocation {
    /// Its name.
    pub location: LocationId,
    /// What is said of it.
    pub details: LocationDetails,
}

/// See [`Command::UpdateLocation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateLocation {
    /// Which.
    pub location: LocationId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
    /// What changes.
    pub change: LocationChange,
}

/// What changes of a location's details; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of `LocationDetails`")]
pub struct LocationChange {
    pub display_name: Option<String>,
    pub zone: Option<String>,
    pub priority: Option<u32>,
    pub disabled: Option<bool>,
}

impl LocationChange {
    /// The details with the change.
    #[must_use]
    pub fn applied_to(self, kept: &LocationDetails) -> LocationDetails {
        LocationDetails {
            display_name: self.display_name.unwrap_or_else(|| kept.display_name.clone()),
            zone: self.zone.unwrap_or_else(|| kept.zone.clone()),
            priority: self.priority.unwrap_or(kept.priority),
            disabled: self.disabled.unwrap_or(kept.disabled),
        }
    }
}

/// See [`Command::DeleteLocation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLocation {
    /// Which.
    pub location: LocationId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
}

/// See [`Command::ReceiveStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveStock {
    /// What.
    pub sku: SkuId,
    /// Where to.
    pub location: LocationId,
    /// Units, 1 to [`MAX_STOCK_CHANGE`](crate::limits::MAX_STOCK_CHANGE).
    pub quantity: i64,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::AdjustStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustStock {
    /// What.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Not `Reserved` or `Committed`: those belong to orders.
    pub bucket: Bucket,
    /// Units, not 0.
    pub delta: i64,
    /// One that a caller may give.
    pub reason: Reason,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::SetStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetStock {
    /// What.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Not `Reserved` or `Committed`: those belong to orders.
    pub bucket: Bucket,
    /// Units that are to be there, 0 to [`MAX_STOCK_CHANGE`](crate::limits::MAX_STOCK_CHANGE).
    pub quantity: i64,
    /// Units that must be there before, where the caller says so.
    pub expected: Option<i64>,
    /// One that a caller may give.
    pub reason: Reason,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::MoveStock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveStock {
    /// What.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Not `Reserved` or `Committed`: those belong to orders.
    pub from: Bucket,
    /// Another one, and none that belongs to orders.
    pub to: Bucket,
    /// Units, 1 to [`MAX_STOCK_CHANGE`](crate::limits::MAX_STOCK_CHANGE).
    pub quantity: i64,
    /// One that a caller may give.
    pub reason: Reason,
    /// The caller's number.
    pub document: Option<DocumentId>,
    /// Kept in the ledger.
    pub reference: String,
}

/// See [`Command::PlaceOrder`].
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

/// See [`Command::ConfirmOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmOrder {
    /// Which.
    pub order: OrderId,
    /// The caller's reference of the payment; may be empty.
    pub payment_reference: String,
}

/// See [`Command::ShipOrder`].
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
    /// Number of the line in the order, from 1.
    pub line: u32,
    /// Units, at least 1.
    pub quantity: i64,
}

/// See [`Command::CancelOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOrder {
    /// Which.
    pub order: OrderId,
}

/// See [`Command::ReturnOrder`].
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

/// See [`Command::ExpireDue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireDue {
    /// At most so many orders, and at most [`MAX_EXPIRE_BATCH`](crate::limits::MAX_EXPIRE_BATCH).
    pub limit: u32,
}

impl Command {
    /// The order that the command is about.
    pub fn order(&self) -> Option<&OrderId> {
        match self {
            Self::PlaceOrder(command) => Some(&command.order),
            Self::ConfirmOrder(command) => Some(&command.order),
            Self::ShipOrder(command) => Some(&command.order),
            Self::CancelOrder(command) => Some(&command.order),
            Self::ReturnOrder(command) => Some(&command.order),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::CreateLocation(_)
            | Self::UpdateLocation(_)
            | Self::DeleteLocation(_)
            | Self::ReceiveStock(_)
            | Self::AdjustStock(_)
            | Self::SetStock(_)
            | Self::MoveStock(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }

    /// The document that the command books.
    pub fn document(&self) -> Option<&DocumentId> {
        match self {
            Self::ReceiveStock(command) => command.document.as_ref(),
            Self::AdjustStock(command) => command.document.as_ref(),
            Self::SetStock(command) => command.document.as_ref(),
            Self::MoveStock(command) => command.document.as_ref(),
            Self::ReturnOrder(command) => command.document.as_ref(),
            Self::CreateSku(_)
            | Self::UpdateSku(_)
            | Self::DeleteSku(_)
            | Self::CreateLocation(_)
            | Self::UpdateLocation(_)
            | Self::DeleteLocation(_)
            | Self::PlaceOrder(_)
            | Self::ConfirmOrder(_)
            | Self::ShipOrder(_)
            | Self::CancelOrder(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => None,
        }
    }
}
