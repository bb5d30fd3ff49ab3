//! The committed log, entry by entry, as this node has it.

use openraft::storage::RaftLogStorage;
use openraft::{EntryPayload, LogId, RaftLogReader};
use stockade_storage::{TypeConfig, codec};

use crate::node::Inner;

/// A log entry as exported.
#[derive(Debug, Clone)]
pub struct ExportedEntry {
    /// Its index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The leader that proposed it.
    pub node_id: u64,
    /// What it holds.
    pub payload: ExportedPayload,
}

/// What a log entry holds.
#[derive(Debug, Clone)]
pub enum ExportedPayload {
    /// Nothing: it opens a term.
    Blank,
    /// Commands.
    Commands(stockade_state_machine::Entry),
    /// The voters.
    Membership(Vec<u64>),
}

/// Why the log could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The entries are gone.
    #[error("log entries up to {purged} have been purged")]
    Purged {
        /// The last one gone.
        purged: u64,
    },
    /// The log could not be read.
    #[error("reading the log: {0}")]
    Io(#[from] std::io::Error),
}

impl Inner {
    /// See [`crate::Node::export_log`].
    pub(crate) async fn export_log(&self, from: u64, to: u64) -> Result<Vec<ExportedEntry>, ExportError> {
        let Some(committed) = self.metrics(|metrics| metrics.local_committed.as_ref().map(LogId::index))
        else {
            return Ok(Vec::new());
        };
        let mut log = self.log.clone();
        let purged = log.get_log_state().await?.last_purged_log_id.map(|log_id| log_id.index());
        if let Some(purged) = purged.filter(|purged| from <= *purged) {
            return Err(ExportError::Purged { purged });
        }
        let end = to.min(committed).saturating_add(1);
        if from >= end {
            return Ok(Vec::new());
        }
        // The reader bounds the bytes of what it gives.
        let entries = log.get_log_reader().await.limited_get_log_entries(from, end).await?;
        if entries.is_empty() {
            // They were there a moment ago: they have been purged meanwhile.
            let purged = log.get_log_state().await?.last_purged_log_id.map_or(0, |log_id| log_id.index());
            return Err(ExportError::Purged { purged });
        }
        entries.into_iter().map(exported).collect()
    }
}

fn exported(entry: openraft::type_config::alias::EntryOf<TypeConfig>) -> Result<ExportedEntry, ExportError> {
    let leader = *entry.log_id.committed_leader_id();
    let payload = match entry.payload {
        EntryPayload::Blank => ExportedPayload::Blank,
        EntryPayload::Normal(proposal) => {
            ExportedPayload::Commands(codec::decode_proposal(&proposal).map_err(std::io::Error::other)?)
        }
        EntryPayload::Membership(membership) => ExportedPayload::Membership(membership.voter_ids().collect()),
    };
    Ok(ExportedEntry { index: entry.log_id.index(), term: leader.term, node_id: leader.node_id, payload })
}
