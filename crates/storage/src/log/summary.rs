//! What a log's records lead to, apart from the entries themselves.

use super::frozen::{CheckpointV1, LogIdV1, VoteV1};
use super::{LogId, Vote};

/// What the records up to some point lead to. Recovery and the worker keep it by the same rules, and every segment's
/// checkpoint notes it, so that each checks the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    /// The last entry, or what was purged where there is none.
    pub(crate) last: Option<LogId>,
}

impl Summary {
    pub(crate) fn truncate(&mut self, after: Option<LogId>) {
        let after = later(after, self.purged);
        if index(self.last) > index(after) {
            self.last = after;
        }
    }

    pub(crate) fn purge(&mut self, upto: LogId) {
        self.purged = later(self.purged, Some(upto));
        self.last = later(self.last, self.purged);
    }

    pub(crate) fn of_checkpoint(checkpoint: &CheckpointV1) -> Self {
        Self {
            vote: checkpoint.vote.map(Vote::from),
            purged: checkpoint.purged.map(LogId::from),
            committed: checkpoint.committed.map(LogId::from),
            last: checkpoint.last.map(LogId::from),
        }
    }

    pub(crate) fn checkpoint(&self, segment: u64, previous_stamp: u64, previous_end: u64) -> CheckpointV1 {
        CheckpointV1 {
            segment,
            previous_stamp,
            previous_end,
            vote: self.vote.map(VoteV1::from),
            purged: self.purged.map(LogIdV1::from),
            committed: self.committed.map(LogIdV1::from),
            last: self.last.map(LogIdV1::from),
        }
    }
}

/// The index of a log id; none comes before all.
pub(crate) fn index(id: Option<LogId>) -> Option<u64> {
    id.map(|id| id.index)
}

/// The one with the larger index.
pub(crate) fn later(one: Option<LogId>, other: Option<LogId>) -> Option<LogId> {
    if index(other) > index(one) { other } else { one }
}
