//! The stock ledger: one entry for each movement of units, in the same change as the movement.

use crate::ids::{DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId};
use crate::revision::Revision;
use crate::stock::{Bucket, Stock};
use crate::time::LogTime;

/// Why units moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Goods came in.
    Received,
    /// Goods came back from a customer.
    Returned,
    /// An order or a reservation took a hold.
    Reservation,
    /// A hold became an obligation.
    Commit,
    /// A cancelled order or a reservation gave units back.
    Release,
    /// The time of an unpaid order or a reservation was over.
    Expiry,
    /// Units left.
    Shipment,
    /// By a caller: put back.
    Restock,
    /// By a caller: the record was wrong.
    Correction,
    /// By a caller: a count found otherwise.
    CycleCount,
    /// By a caller: broken.
    Damaged,
    /// By a caller: lost.
    Shrinkage,
    /// By a caller: stolen.
    TheftLoss,
    /// By a caller: given away.
    Promotion,
    /// By a caller: held for inspection.
    QualityHold,
    /// By a caller: kept back.
    SafetyStock,
    /// By a caller: none of the others.
    Other,
}

impl Reason {
    /// True where only the system may write it.
    pub const fn is_system(self) -> bool {
        match self {
            Self::Received
            | Self::Returned
            | Self::Reservation
            | Self::Commit
            | Self::Release
            | Self::Expiry
            | Self::Shipment => true,
            Self::Restock
            | Self::Correction
            | Self::CycleCount
            | Self::Damaged
            | Self::Shrinkage
            | Self::TheftLoss
            | Self::Promotion
            | Self::QualityHold
            | Self::SafetyStock
            | Self::Other => false,
        }
    }
}

/// One movement of units between two buckets of a (SKU, location), or in from or out to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Log index of the command.
    pub revision: Revision,
    /// Position of the movement among those that share the revision, from 0.
    pub position: u32,
    /// Log time of the command.
    pub time: LogTime,
    /// What moved.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
    /// Where the units were; `None` for outside.
    pub from: Option<Bucket>,
    /// Where they are now; `None` for outside.
    pub to: Option<Bucket>,
    /// Units, at least 1.
    pub quantity: i64,
    /// Why.
    pub reason: Reason,
    /// On whose behalf; `None` for the system.
    pub actor: Option<Principal>,
    /// The caller's request; `None` for the system.
    pub request: Option<RequestId>,
    /// The order that moved it, where one did.
    pub order: Option<OrderId>,
    /// The reservation that moved it, where one did.
    pub reservation: Option<ReservationId>,
    /// The caller's document, where there is one.
    pub document: Option<DocumentId>,
    /// The caller's reference: a URI or a tracking number; may be empty.
    pub reference: String,
    /// The stock right after the movement.
    pub balances: Stock,
}
