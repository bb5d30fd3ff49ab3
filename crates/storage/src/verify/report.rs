//! What a verification finds.

use std::path::PathBuf;

use crate::identity::Identity;
use crate::inspect::{EngineSummary, SnapshotSummary};
use crate::log::{EntryId, Problem, VoteReport};
use crate::skip::SkippedEntry;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Whose the directory is.
    Identity,
    /// Says that the node must not be started again.
    Quarantine,
    /// A restore that was broken off.
    Restore,
    /// Entries that are not to be executed.
    SkipList,
    /// How much of the log was synced.
    Watermark,
    /// A segment of the log.
    Segment,
    /// A snapshot.
    Snapshot,
    /// Says which engine is in force, or how it was left.
    EngineNote,
    /// A window on its way into the engine.
    Redo,
    /// What a crash left half made, or a file that waits to be used: it holds nothing.
    Unfinished,
    /// None of ours; not read.
    Other,
}

impl FileKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Quarantine => "quarantine",
            Self::Restore => "restore",
            Self::SkipList => "skip_list",
            Self::Watermark => "watermark",
            Self::Segment => "segment",
            Self::Snapshot => "snapshot",
            Self::EngineNote => "engine_note",
            Self::Redo => "redo",
            Self::Unfinished => "unfinished",
            Self::Other => "other",
        }
    }
}

/// What was found of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// Which one.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// Its length.
    pub bytes: u64,
    /// Records, rows or entries in it, as far as it could be read.
    pub records: u64,
    /// What is wrong with it. A file with several problems stands here several times.
    pub problem: Option<Problem>,
}

/// What the log leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogSummary {
    /// The first entry that is left.
    pub first: Option<u64>,
    /// The last entry, or what was purged where there is none.
    pub last: Option<EntryId>,
    /// The last entry that was purged.
    pub purged: Option<EntryId>,
    /// The last entry known to be committed.
    pub committed: Option<EntryId>,
    /// The last vote.
    pub vote: Option<VoteReport>,
}

/// What was found of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Whose it is.
    pub identity: Option<Identity>,
    /// Every file that was looked at, in the order of the data directory's description.
    pub files: Vec<CheckedFile>,
    /// What the log leads to, as far as it could be read.
    pub log: LogSummary,
    /// The newest snapshot, where it is whole.
    pub snapshot: Option<SnapshotSummary>,
    /// How the engine was left.
    pub engine: EngineSummary,
    /// Entries that are not to be executed.
    pub skipped: Vec<SkippedEntry>,
    /// What a person may want to know, and is no problem.
    pub notes: Vec<String>,
}

impl Verification {
    /// Everything that is wrong, torn tails included.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().filter_map(|file| file.problem.as_ref())
    }

    /// Everything that keeps a node from starting, or that no crash explains.
    pub fn damage(&self) -> impl Iterator<Item = &Problem> {
        self.problems().filter(|problem| problem.is_damage())
    }

    /// True where nothing is damaged. What an honest crash leaves behind is no damage.
    pub fn is_sound(&self) -> bool {
        self.damage().next().is_none()
    }
}
