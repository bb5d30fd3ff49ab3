//! What the log's store, its readers and its worker share.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use stockade_env::Tasks;
use tokio::sync::watch;

use super::index::EntryIndex;
use super::summary::{self, Summary};
use super::{LogId, Vote};
use crate::file::File;

/// What the log's store, its readers and its worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) state: Mutex<State>,
    /// The index of the last entry that is safe from a power cut. Changed under the lock of `state`.
    pub(crate) durable: watch::Sender<u64>,
    /// True once the log takes nothing more: nothing will become durable again.
    pub(crate) failure: watch::Sender<bool>,
    pub(crate) counters: Counters,
    /// Who hears of damage that is met while reading.
    pub(crate) tasks: Tasks,
    /// True where a thread of its own writes: then reads of the disk go to a thread as well.
    pub(crate) threaded: bool,
}

/// The log as its readers see it.
///
/// Invariants:
/// - `index` has what was appended from the moment `append` returned; `vote` only what is on the disk.
/// - An entry without a location in `index` is with the worker.
/// - `files` has every segment that a location names.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) index: EntryIndex,
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    /// Counts truncations: what the worker synced before one says nothing of the entries after it.
    pub(crate) generation: u64,
    pub(crate) files: BTreeMap<u64, Arc<dyn File>>,
    /// The segment that is written to, and up to where it is on the disk.
    pub(crate) synced: (u64, u64),
    /// Why the log takes nothing more.
    pub(crate) failed: Option<String>,
}

impl State {
    pub(crate) fn new(index: EntryIndex, summary: &Summary) -> Self {
        Self {
            index,
            vote: summary.vote,
            purged: summary.purged,
            committed: summary.committed,
            generation: 0,
            files: BTreeMap::new(),
            synced: (0, 0),
            failed: None,
        }
    }

    /// The last entry, or what was purged where there is none.
    pub(crate) fn last(&self) -> Option<LogId> {
        summary::later(self.purged, self.index.last())
    }

    /// An error once the log has failed.
    pub(crate) fn usable(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(why) => Err(io::Error::other(why.clone())),
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    fsyncs: AtomicU64,
    fsync_us: AtomicU64,
    fsync_max_us: AtomicU64,
    written_bytes: AtomicU64,
    pub(crate) queued: AtomicU64,
    pub(crate) segments: AtomicU64,
    /// Steps of the log's thread that were begun, and that were done.
    begun: AtomicU64,
    done: AtomicU64,
}

/// What the log has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// How often the log was synced.
    pub fsyncs: u64,
    /// How long that took in all, in microseconds.
    pub fsync_us: u64,
    /// The longest, in microseconds.
    pub fsync_max_us: u64,
    /// Bytes of records written.
    pub written_bytes: u64,
    /// Requests that wait for the log's thread.
    pub queued: u64,
    /// Segments in use.
    pub segments: u64,
    /// Bytes of entries in memory.
    pub cached_bytes: u64,
    /// Steps of the log's thread that are done: writes and syncs of all that had gathered.
    pub steps: u64,
    /// A step is under way.
    pub is_busy: bool,
}

impl Counters {
    pub(crate) fn synced(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.fsyncs.fetch_add(1, Ordering::Relaxed);
        self.fsync_us.fetch_add(took_us, Ordering::Relaxed);
        self.fsync_max_us.fetch_max(took_us, Ordering::Relaxed);
    }

    pub(crate) fn step_begins(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn step_ends(&self) {
        self.done.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> LogStats {
        let steps = self.done.load(Ordering::Acquire);
        LogStats {
            steps,
            is_busy: self.begun.load(Ordering::Acquire) > steps,
            fsyncs: self.fsyncs.load(Ordering::Relaxed),
            fsync_us: self.fsync_us.load(Ordering::Relaxed),
            fsync_max_us: self.fsync_max_us.load(Ordering::Relaxed),
            written_bytes: self.written_bytes.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            segments: self.segments.load(Ordering::Relaxed),
            cached_bytes: 0,
        }
    }
}
