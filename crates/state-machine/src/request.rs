//! Request records: which request ids were decided, and how. They are state like any other: in the snapshot, under
//! the state hash, and never expired by a local clock.

use crate::command::ContentHash;
use crate::outcome::Outcome;
use crate::revision::Revision;
use crate::time::LogTime;

/// What is kept of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Of what it asked; two requests with one id must agree on it, unless one of them gives the other up.
    pub content: ContentHash,
    /// What became of it; [`Outcome::RequestAbandoned`] in a tombstone.
    pub outcome: Outcome,
    /// Where it was decided.
    pub revision: Revision,
    /// Position among the commands of that index.
    pub position: u32,
    /// When.
    pub time: LogTime,
}

/// What is known of a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestStatus {
    /// Decided, and here is how.
    Decided(RequestRecord),
    /// Abandoned before it was decided.
    Abandoned(RequestRecord),
    /// Not in the log so far.
    NotSeen,
    /// As old as the horizon, or older.
    Expired {
        /// Ids up to this time are expired.
        horizon_ms: u64,
    },
}
