//! What can be asked of the ledger, and how it answers.

use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::{LogTime, Revision, Stock};

/// The place of an entry: log index, and position among the movements of that index.
pub type LedgerKey = (Revision, u32);

/// Which entries are wanted. The default takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerFilter {
    /// Of this SKU.
    pub sku: Option<SkuId>,
    /// At this location.
    pub location: Option<LocationId>,
    /// Moved by this order or reservation.
    pub holder: Option<Holder>,
    /// From this revision on.
    pub from_revision: Option<Revision>,
    /// Up to this revision, which is included.
    pub to_revision: Option<Revision>,
    /// From this log time on.
    pub start: Option<LogTime>,
    /// Before this log time.
    pub end: Option<LogTime>,
    /// The newest first.
    pub newest_first: bool,
}

/// Entries in the order that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerPage {
    /// What was found.
    pub entries: Vec<LedgerEntry>,
    /// The last place that was looked at, where more may follow: the next page goes on after it.
    pub last: Option<LedgerKey>,
}

/// A moment in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After a log index.
    Revision(Revision),
    /// After all that happened up to a log time.
    Time(LogTime),
}

/// What was in stock at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockAsOf {
    /// The log index that was asked for, or that of the last movement of anything up to the time that was asked for.
    pub revision: Revision,
    /// By location, in the order of their ids; those at which nothing had moved by then are left out. Its version is that of the last movement by then.
    pub stock: Vec<(LocationId, Stock)>,
    /// The last location that was looked at, where more may follow.
    pub last: Option<LocationId>,
    /// Anything of the SKU was ever moved.
    pub is_known: bool,
}
