//! What is checked before an entry is put on the list: skipping the wrong one, or one that was executed already, would make
//! this node's state another one than it was.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SkipList, SkippedEntry, hex};
use crate::codec::DecodeError;
use crate::dir_lock::DirLock;
use crate::file::Files;
use crate::inspect::{self, CommandsInWords, InspectedState};
use crate::log::{self, EntryId, EntryKind, EntryView, Examination, Problem, ProblemKind};
use crate::{Error, layout, limits};

/// Of sled's page cache while the applied state is looked at.
const CACHE_BYTES: u64 = 64 << 20;

/// Why an entry is not put on the list.
#[derive(Debug, thiserror::Error)]
pub enum SkipError {
    /// The data directory can't be read.
    #[error(transparent)]
    Storage(#[from] Error),
    /// There is no such entry.
    #[error("the log has no entry {index}: it holds those after {purged} up to {last}")]
    NotInLog {
        /// The one that was asked for.
        index: u64,
        /// The last one that was purged.
        purged: u64,
        /// The last one that there is.
        last: u64,
    },
    /// The entry at this index is another one.
    #[error("entry {index} is of term {found}, not of term {asked}: look at it again")]
    OtherTerm {
        /// Its index.
        index: u64,
        /// The term that was named.
        asked: u64,
        /// Its term.
        found: u64,
    },
    /// The entry at this index is another one.
    #[error("entry {index} has the digest {found}, not {asked}: look at it again")]
    OtherDigest {
        /// Its index.
        index: u64,
        /// The digest that was named.
        asked: String,
        /// Its digest.
        found: String,
    },
    /// Nothing of it is executed, so nothing can be skipped.
    #[error("entry {index} carries no commands, it is of kind {kind}: nothing of it is executed")]
    NoCommands {
        /// Its index.
        index: u64,
        /// What it is.
        kind: &'static str,
    },
    /// It was executed before the snapshot was made.
    #[error(
        "entry {index} is covered by the snapshot of entry {snapshot}: it was executed, and won't be again"
    )]
    InSnapshot {
        /// Its index.
        index: u64,
        /// That of the newest snapshot.
        snapshot: u64,
    },
    /// It was executed on this node, so it is not what keeps the node from starting.
    #[error(
        "entry {index} was executed here: the applied state is that of entry {applied}; if other nodes can't execute it, \
         they are the ones to replace (`stockade cluster replace`)"
    )]
    Executed {
        /// Its index.
        index: u64,
        /// Up to where the state goes.
        applied: u64,
    },
    /// The list has a limit.
    #[error("{0} entries are skipped already, and a snapshot covers none of them yet")]
    TooMany(usize),
}

/// An entry that may be skipped, and what that would do.
#[derive(Debug)]
pub struct SkipPlan {
    /// Which one.
    pub entry: SkippedEntry,
    /// The segment it stands in.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The commands that would be given up; an error where they can't be decoded: then nothing at all happens instead.
    pub commands: Result<CommandsInWords, DecodeError>,
    /// The last entry that this node knows to be committed.
    pub committed: Option<EntryId>,
    /// True where the entry is on the list already.
    pub listed: bool,
    files: Arc<dyn Files>,
    dir: PathBuf,
    list: SkipList,
    _lock: DirLock,
}

/// Looks for the entry and checks that it may be skipped. The data directory is held as long as the plan lives.
pub fn plan_skip(files: &Arc<dyn Files>, dir: &Path, asked: SkippedEntry) -> Result<SkipPlan, SkipError> {
    let lock = inspect::take(files.as_ref(), dir)?;
    let list = SkipList::read(files.as_ref(), dir)?;
    let (found, log) = find(files.as_ref(), dir, asked.index)?;
    let index = asked.index;
    let Some((view, file)) = found else {
        let of = |id: Option<EntryId>| id.map_or(0, |id| id.index);
        return Err(SkipError::NotInLog { index, purged: of(log.purged), last: of(log.last) });
    };
    if view.id.term != asked.term {
        return Err(SkipError::OtherTerm { index, asked: asked.term, found: view.id.term });
    }
    if view.sha256() != hex(&asked.digest) {
        return Err(SkipError::OtherDigest { index, asked: hex(&asked.digest), found: view.sha256() });
    }
    let Some(proposal) = view.proposal().filter(|_| view.kind == EntryKind::Commands) else {
        return Err(SkipError::NoCommands { index, kind: view.kind.name() });
    };
    let commands = inspect::commands_in_words(proposal);
    let listed = list.entries().contains(&asked);
    if !listed {
        check_unexecuted(files, dir, index, &lock)?;
        if list.entries().len() >= limits::MAX_SKIPPED_ENTRIES {
            return Err(SkipError::TooMany(list.entries().len()));
        }
    }
    let (offset, committed) = (view.offset, log.committed);
    let (files, dir) = (Arc::clone(files), dir.to_owned());
    Ok(SkipPlan { entry: asked, file, offset, commands, committed, listed, files, dir, list, _lock: lock })
}

impl SkipPlan {
    /// Puts the entry on the list: from the next start on it is skipped. It is on the disk when this returns.
    pub fn confirm(self) -> Result<(), Error> {
        if self.listed {
            return Ok(());
        }
        self.list.with(self.entry).write(self.files.as_ref(), &self.dir)
    }
}

/// The entry at an index and the file it stands in, where the log has it. A damaged log is an error: what it is healed to
/// may be another one.
fn find(
    files: &dyn Files,
    dir: &Path,
    index: u64,
) -> Result<(Option<(EntryView, PathBuf)>, Examination), Error> {
    let mut found = None;
    let log_dir = dir.join(layout::LOG_DIR);
    let log = log::examine(files, &log_dir, &mut |record| {
        for entry in record.entries().unwrap_or_default() {
            if entry.id.index == index {
                found = Some((entry, record.path.to_owned()));
            }
        }
        ControlFlow::Continue(())
    })?;
    if let Some(damage) = log.all_problems().find(|problem| problem.is_damage()) {
        return Err(as_error(damage));
    }
    let has_it = log.last.is_some_and(|last| last.index >= index)
        && log.purged.is_none_or(|purged| purged.index < index);
    // An entry that was read may have been truncated or purged by a later record.
    Ok((found.filter(|_| has_it), log))
}

fn as_error(problem: &Problem) -> Error {
    let Problem { file, offset, what, kind } = problem;
    match kind {
        ProblemKind::Damage | ProblemKind::TornTail | ProblemKind::Newer => {
            Error::corrupt(file, *offset, what)
        }
        ProblemKind::Unreadable => Error::io(file, std::io::Error::other(what.clone())),
    }
}

/// What a snapshot or the applied state has of an entry can't be skipped any more: this node would go on with it, and come
/// to another state when it is rebuilt.
fn check_unexecuted(files: &Arc<dyn Files>, dir: &Path, index: u64, lock: &DirLock) -> Result<(), SkipError> {
    let snapshot = inspect::newest_index(files.as_ref(), dir)?;
    if index <= snapshot {
        return Err(SkipError::InSnapshot { index, snapshot });
    }
    let Some(state) = InspectedState::open_locked(files, dir, CACHE_BYTES, lock.clone())? else {
        return Ok(());
    };
    let applied = state.applied.map_or(0, |applied| applied.index);
    state.close()?;
    if applied >= index {
        return Err(SkipError::Executed { index, applied });
    }
    Ok(())
}
