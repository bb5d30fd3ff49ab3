//! The record of what was asked and what was acknowledged: what a node may come back with.

use super::content::{LogEntry, LogId, Vote};
use super::held::Held;

/// What was asked of a node's storage, and what of it was acknowledged.
///
/// Invariant: `states` are, in order, what the log held when it last promised something, and after each thing asked of
/// it since. The log is written in the order in which it was asked, so after any crash it is in one of them.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) states: Vec<Held>,
    /// The newest snapshot that was acknowledged.
    pub(crate) snapshot: Option<u64>,
    /// The newest snapshot that was asked for.
    pub(crate) snapshot_asked: Option<u64>,
    /// How far the cluster has committed.
    pub(crate) committed: Option<u64>,
}

/// Something asked of the log.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Append(Vec<LogEntry>),
    Vote(Vote),
    Truncate(Option<LogId>),
    Purge(LogId),
    Committed(LogId),
}

impl Default for Record {
    fn default() -> Self {
        Self { states: vec![Held::default()], snapshot: None, snapshot_asked: None, committed: None }
    }
}

impl Record {
    /// What the log holds now, if it does what it is asked.
    pub(crate) fn now(&self) -> &Held {
        self.states.last().expect("there is always one")
    }

    /// Notes what the log is asked.
    pub(crate) fn ask(&mut self, asked: &Asked) {
        let mut next = self.now().clone();
        match asked {
            Asked::Append(entries) => {
                next.entries.extend(entries.iter().map(|entry| (entry.log_id.index, entry.clone())));
            }
            Asked::Vote(vote) => next.vote = Some(*vote),
            Asked::Truncate(after) => {
                next.entries.retain(|index, _| after.is_some_and(|after| *index <= after.index));
            }
            Asked::Purge(upto) => {
                if next.purged.is_none_or(|purged| purged.index < upto.index) {
                    next.purged = Some(*upto);
                }
                next.entries.retain(|index, _| *index > upto.index);
            }
            Asked::Committed(committed) => next.committed = Some(*committed),
        }
        self.states.push(next);
    }

    /// Notes that everything asked so far was promised.
    pub(crate) fn promised(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }

    /// Notes what the log of a node came back with: from then on it may have told others.
    pub(crate) fn came_back(&mut self, held: Held) {
        self.states = vec![held];
    }
}
