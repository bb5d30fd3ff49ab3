//! What commands about stock say.

use crate::ids::{DocumentId, LocationId, SkuId};
use crate::ledger::Reason;
use crate::stock::Bucket;

/// See [`Command::ReceiveStock`](super::Command::ReceiveStock).
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

/// See [`Command::AdjustStock`](super::Command::AdjustStock).
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

/// See [`Command::SetStock`](super::Command::SetStock).
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

/// See [`Command::MoveStock`](super::Command::MoveStock).
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
