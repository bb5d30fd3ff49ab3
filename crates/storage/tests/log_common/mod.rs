//! A log in memory, and what it should hold: shared by the tests of the log.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use openraft::impls::leader_id_adv::LeaderId;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{Entry, EntryPayload, LogId, RaftLogReader};
use stockade_env::Env;
use stockade_storage::file::{Files, Image, MemoryFiles};
use stockade_storage::log::{Examination, LogOptions, examine};
use stockade_storage::{Error, LogStore, Proposal, TypeConfig};

pub type Id = LogId<LeaderId<u64, u64>>;
pub type LogEntry = <TypeConfig as openraft::RaftTypeConfig>::Entry;
pub type Vote = openraft::impls::Vote<LeaderId<u64, u64>>;

pub const DIR: &str = "/node/log";

pub fn env() -> Env {
    static SEED: AtomicU64 = AtomicU64::new(1);
    Env::simulated(0, SEED.fetch_add(1, Ordering::Relaxed))
}

pub fn options(segment_bytes: u64) -> LogOptions {
    LogOptions { dir: PathBuf::from(DIR), segment_bytes, cache_bytes: 1 << 20 }
}

/// Opens the log. An examination of it beforehand must have found damage where it doesn't open, and none where it does.
pub fn try_open(files: &MemoryFiles, segment_bytes: u64) -> Result<LogStore, Error> {
    let examined = examined(files);
    let opened = LogStore::open_inline(Arc::new(files.clone()), &env(), options(segment_bytes));
    match &opened {
        Ok(log) => {
            assert!(examined.is_sound(), "opens, though {examined:?}");
            let last = examined.last.map(|last| last.index);
            assert_eq!(log.last_log_id().map(|last| last.index), last, "{examined:?}");
        }
        // The disk failed, which says nothing of what is on it.
        Err(Error::Io { .. }) => {}
        Err(error) => assert!(!examined.is_sound(), "examined without a finding, but {error}"),
    }
    opened
}

/// An examination of the log.
pub fn examined(files: &MemoryFiles) -> Examination {
    examine(files, Path::new(DIR), &mut |_| ControlFlow::Continue(())).unwrap()
}

pub fn open(files: &MemoryFiles, segment_bytes: u64) -> LogStore {
    try_open(files, segment_bytes).unwrap()
}

pub fn id(term: u64, index: u64) -> Id {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

pub fn entry(term: u64, index: u64, bytes: usize) -> LogEntry {
    let content = vec![u8::try_from((term * 31 + index) % 251).unwrap(); bytes];
    Entry { log_id: id(term, index), payload: EntryPayload::Normal(Proposal(Bytes::from(content))) }
}

/// Appends and waits until that is durable.
pub async fn append(log: &LogStore, entries: Vec<LogEntry>) -> std::io::Result<()> {
    let (sender, flushed) = TypeConfig::oneshot();
    log.clone().append(entries, IOFlushed::signal(sender)).await?;
    flushed.await.unwrap()
}

pub async fn append_range(log: &LogStore, term: u64, range: std::ops::Range<u64>) {
    append(log, range.map(|index| entry(term, index, 20)).collect()).await.unwrap();
}

/// The first segment's path.
pub fn first_segment() -> PathBuf {
    Path::new(DIR).join(format!("{:016x}.wal", 1))
}

pub fn content(files: &MemoryFiles, path: &Path) -> Vec<u8> {
    stockade_storage::file::read_whole(files, path, u64::MAX).unwrap()
}

/// The first segment's file up to the end of its last record.
pub fn first_records(files: &MemoryFiles) -> Vec<u8> {
    let mut bytes = content(files, &first_segment());
    bytes.truncate(used_bytes(files, &first_segment()));
    bytes
}

/// How much of a segment's file holds records.
pub fn used_bytes(files: &MemoryFiles, path: &Path) -> usize {
    let found = examined(files);
    let report = found.segments.iter().find(|report| report.path == path).unwrap();
    usize::try_from(report.used_bytes).unwrap()
}

/// A disk like another, with other bytes in the first segment.
pub fn with_first_segment(image: &Image, bytes: &[u8]) -> MemoryFiles {
    let mut image = image.clone();
    image.insert(&first_segment(), bytes.to_vec());
    MemoryFiles::from_image(&image)
}

/// The paths of the segments on a disk, in order.
pub fn segments(files: &MemoryFiles) -> Vec<PathBuf> {
    let mut paths = files.list(Path::new(DIR)).unwrap();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "wal"));
    paths
}

/// The watermark's path.
pub fn watermark() -> PathBuf {
    Path::new(DIR).join("watermark")
}

/// A life of a log with everything in it: several segments, a conflict, purges that free segments.
pub fn life() -> Vec<Operation> {
    let range = |term, range: std::ops::Range<u64>| {
        Operation::Append(range.map(|index| entry(term, index, 30)).collect())
    };
    vec![
        Operation::Vote(Vote::new(1, 1)),
        range(1, 0..1),
        Operation::Vote(Vote::new_committed(1, 1)),
        range(1, 1..8),
        Operation::Committed(id(1, 3)),
        range(1, 8..14),
        Operation::Truncate(Some(id(1, 9))),
        range(2, 10..12),
        Operation::Vote(Vote::new(3, 2)),
        Operation::Purge(id(1, 6)),
        range(3, 12..20),
        Operation::Committed(id(3, 15)),
        Operation::Barrier,
        range(3, 20..28),
        Operation::Purge(id(3, 18)),
        range(3, 28..36),
        Operation::Purge(id(3, 25)),
        range(3, 36..44),
        Operation::Truncate(Some(id(3, 40))),
        Operation::Purge(id(4, 60)),
        range(4, 61..66),
    ]
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    pub vote: Option<Vote>,
    pub purged: Option<Id>,
    pub committed: Option<Id>,
    pub entries: BTreeMap<u64, LogEntry>,
}

impl Held {
    pub async fn of(log: &LogStore) -> Self {
        let entries = log.clone().try_get_log_entries(..).await.unwrap();
        let entries: BTreeMap<u64, LogEntry> = entries.into_iter().map(|e| (e.log_id.index, e)).collect();
        let held = Self { vote: log.vote(), purged: log.purged(), committed: log.committed(), entries };
        assert_eq!(log.last_log_id(), held.last());
        assert_eq!(log.first_log_id(), held.entries.values().next().map(|entry| entry.log_id));
        held
    }

    pub fn last(&self) -> Option<Id> {
        self.entries.values().next_back().map(|entry| entry.log_id).or(self.purged)
    }

    /// Does to the model what the same operation does to the log.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.log_id.index, entry.clone())));
            }
            Operation::Vote(vote) => self.vote = Some(*vote),
            Operation::Truncate(after) => {
                self.entries.retain(|index, _| after.is_some_and(|after| *index <= after.index));
            }
            Operation::Purge(upto) => {
                self.purged = self.purged.filter(|purged| purged.index > upto.index).or(Some(*upto));
                self.entries.retain(|index, _| *index > upto.index);
            }
            Operation::Committed(committed) => self.committed = Some(*committed),
            Operation::Barrier => {}
        }
    }
}

#[derive(Debug, Clone)]
pub enum Operation {
    Append(Vec<LogEntry>),
    Vote(Vote),
    Truncate(Option<Id>),
    Purge(Id),
    Committed(Id),
    Barrier,
}

impl Operation {
    /// True where success promises that this, and all before it, is durable.
    pub fn promises(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Vote(_) | Self::Barrier)
    }

    pub async fn perform(&self, log: &LogStore) -> std::io::Result<()> {
        let mut log = log.clone();
        match self {
            Self::Append(entries) => append(&log, entries.clone()).await,
            Self::Vote(vote) => log.save_vote(vote).await,
            Self::Truncate(after) => log.truncate_after(*after).await,
            Self::Purge(upto) => log.purge(*upto).await,
            Self::Committed(committed) => log.save_committed(Some(*committed)).await,
            Self::Barrier => log.barrier().await,
        }
    }
}

/// What a log may hold after a power cut: what was promised, or more of what was asked, in order.
pub struct Witness {
    states: Vec<Held>,
}

impl Witness {
    pub fn new(start: Held) -> Self {
        Self { states: vec![start] }
    }

    /// What the log may hold.
    pub fn states(&self) -> &[Held] {
        &self.states
    }

    pub fn now(&self) -> &Held {
        self.states.last().unwrap()
    }

    /// Performs an operation; `false` where the disk failed.
    pub async fn perform(&mut self, log: &LogStore, operation: &Operation) -> bool {
        let mut next = self.now().clone();
        next.apply(operation);
        self.states.push(next);
        let success = operation.perform(log).await.is_ok();
        if success && operation.promises() {
            self.states.drain(..self.states.len() - 1);
        }
        success
    }

    pub async fn check(&mut self, log: &LogStore, what: &str) {
        let held = Held::of(log).await;
        assert!(self.states.contains(&held), "{what}: {held:?}\nis none of {:?}", self.states);
        self.states = vec![held];
    }
}
