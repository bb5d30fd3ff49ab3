//! What a log holds, to the byte.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use openraft::RaftLogReader;
use stockade_storage::LogStore;

use super::content::{LogEntry, LogId, Vote};

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) entries: BTreeMap<u64, LogEntry>,
}

/// How an answer differs from what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// Something is missing that was acknowledged.
    Missing,
    /// Something else.
    Wrong,
}

impl Held {
    /// Reads a log whole. An error where its parts contradict each other.
    pub(crate) async fn of(log: &LogStore) -> io::Result<Self> {
        let read = log.clone().try_get_log_entries(..).await?;
        let mut entries = BTreeMap::new();
        for entry in read {
            let index = entry.log_id.index;
            let follows = entries.last_key_value().is_none_or(|(last, _)| last + 1 == index);
            if !follows || entries.insert(index, entry).is_some() {
                return Err(io::Error::other(format!("entry {index} doesn't follow the one before it")));
            }
        }
        let held = Self { vote: log.vote(), purged: log.purged(), committed: log.committed(), entries };
        let first = held.entries.values().next().map(|entry| entry.log_id);
        if log.last_log_id() != held.last() || log.first_log_id() != first {
            return Err(io::Error::other("the log's first or last entry is not what can be read"));
        }
        Ok(held)
    }

    /// The last entry, or what was purged where there is none.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.entries.values().next_back().map(|entry| entry.log_id).or(self.purged)
    }

    /// The index of the next entry.
    pub(crate) fn next_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    /// How this differs from every one of the states that it may be; `None` where it is one of them.
    pub(crate) fn differs_from(&self, allowed: &[Self]) -> Option<Difference> {
        if allowed.contains(self) {
            return None;
        }
        let older = |state: &Self| self.vote < state.vote || self.next_index() < state.next_index();
        Some(if allowed.iter().all(older) { Difference::Missing } else { Difference::Wrong })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: Option<LogId>| id.map_or("-".to_owned(), |id| id.to_string());
        let vote = self.vote.map_or("-".to_owned(), |vote| vote.to_string());
        let (purged, committed, last) = (id(self.purged), id(self.committed), id(self.last()));
        write!(
            f,
            "vote {vote}, purged {purged}, committed {committed}, last {last}, {} entries",
            self.entries.len()
        )
    }
}
