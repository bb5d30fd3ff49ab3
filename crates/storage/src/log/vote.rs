//! The vote: where it is persisted. A node that forgot its vote could vote twice in a term, and two leaders would follow.

use std::io;

use super::frozen::{self, VoteV1};
use super::record::RecordType;
use super::store::LogStore;
use super::worker::Operation;
use super::{LogId, Vote};

/// A vote as a record.
pub(crate) fn record(vote: Vote) -> (RecordType, Vec<u8>) {
    (RecordType::Vote, frozen::encode(&VoteV1::from(vote)))
}

/// Back from a record's payload.
pub(crate) fn from_payload(payload: &[u8]) -> Result<Vote, String> {
    frozen::decode::<VoteV1>(payload).map(Vote::from)
}

impl LogStore {
    /// Puts a vote into the log, behind all that was asked of the log before, and completes when it is on the disk.
    /// Readers see the new vote from then on.
    pub(crate) async fn persist_vote(&self, vote: Vote) -> io::Result<()> {
        self.perform(Operation::Vote(vote)).await
    }

    /// The vote that was last persisted.
    pub fn vote(&self) -> Option<Vote> {
        self.shared().state.lock().vote
    }

    /// The last log id known to be committed. It may be older than the true one after a crash.
    pub fn committed(&self) -> Option<LogId> {
        self.shared().state.lock().committed
    }
}
