//! What goes wrong on purpose, and when.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Linux's number of an input/output error.
const EIO: i32 = 5;
/// Linux's number of a full disk.
const ENOSPC: i32 = 28;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation fails, counted from now; 1 is the next.
    pub after: u64,
    /// What is counted.
    pub on: Counted,
    /// How it fails.
    pub kind: FaultKind,
    /// All operations that follow fail as well, until the disk is healed, the process killed, or the power cut.
    pub lasting: bool,
}

/// What a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Operations that change or sync something.
    Changes,
    /// Operations that only look: reading, listing, opening.
    Reads,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// EIO. Of a write nothing is done; what a sync covered is lost, though the cache shows it.
    Io,
    /// ENOSPC. Of a write the first half is done; a sync fails as with EIO.
    NoSpace,
    /// The file system goes down: EIO. Where the operation is a file's sync it is called done all the same, and of what it
    /// covered, all that lies in blocks never synced before is zeros: ext4 does that where it could not note any more
    /// that they are written. To be used with `lasting`.
    Down,
    /// The process ends here: the operation is not done, nor is any after it.
    Crash,
    /// The process ends within the operation: of a write the first half is done.
    CrashWithin,
}

impl FaultKind {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io | Self::Down => io::Error::from_raw_os_error(EIO),
            Self::NoSpace => io::Error::from_raw_os_error(ENOSPC),
            Self::Crash | Self::CrashWithin => io::Error::other("the process ended here (injected)"),
        }
    }

    /// How much of a write is done all the same.
    pub(super) fn done_of(self, len: usize) -> usize {
        match self {
            Self::Io | Self::Down | Self::Crash => 0,
            Self::NoSpace | Self::CrashWithin => len / 2,
        }
    }

    /// True where a sync is not just left undone, but has failed.
    pub(super) fn fails_sync(self) -> bool {
        match self {
            Self::Io | Self::NoSpace | Self::Down => true,
            Self::Crash | Self::CrashWithin => false,
        }
    }

    fn ends_process(self) -> bool {
        match self {
            Self::Io | Self::NoSpace | Self::Down => false,
            Self::Crash | Self::CrashWithin => true,
        }
    }
}

/// An error as a full disk gives it.
pub(super) fn no_space() -> io::Error {
    FaultKind::NoSpace.error()
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Creates a file.
    Create,
    /// Renames a file.
    Rename,
    /// Removes a file.
    Remove,
    /// Makes a directory.
    CreateDir,
    /// Removes an empty directory.
    RemoveDir,
    /// Syncs a directory.
    SyncDir,
    /// Writes to a file.
    Write,
    /// Syncs a file.
    Sync,
    /// Changes a file's length.
    SetLen,
    /// Only looks.
    Read,
}

/// An operation on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOperation {
    /// Counted from 1, over those that change or sync something; for one that only looks, over those.
    pub number: u64,
    /// What it does.
    pub kind: OperationKind,
    /// To what; a rename's new name.
    pub path: PathBuf,
    /// From where in the file; a new length.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

impl fmt::Display for DiskOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {:?} {}", self.number, self.kind, self.path.display())?;
        match self.kind {
            OperationKind::Write => write!(f, " at {}, {} bytes", self.offset, self.len),
            OperationKind::SetLen => write!(f, " to {}", self.offset),
            OperationKind::Create
            | OperationKind::Rename
            | OperationKind::Remove
            | OperationKind::CreateDir
            | OperationKind::RemoveDir
            | OperationKind::SyncDir
            | OperationKind::Sync
            | OperationKind::Read => Ok(()),
        }
    }
}

/// Counts operations and says which of them fail, wait, or are noted.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) changes: u64,
    pub(super) reads: u64,
    /// With the number of the operation where it begins.
    planned: Option<(u64, Fault)>,
    pub(super) stall_from: Option<u64>,
    pub(super) noted: Option<Vec<DiskOperation>>,
    /// Of what a sync does nothing, though it says otherwise.
    pub(super) ignored_syncs: Option<fn(&Path) -> bool>,
}

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault) {
        let so_far = match fault.on {
            Counted::Changes => self.changes,
            Counted::Reads => self.reads,
        };
        self.planned = Some((so_far + fault.after, fault));
    }

    pub(super) fn heal(&mut self) {
        self.planned = None;
        self.stall_from = None;
    }

    pub(super) fn ignores_sync_of(&self, path: &Path) -> bool {
        self.ignored_syncs.is_some_and(|ignores| ignores(path))
    }

    /// Counts an operation, notes it, and says how it fails, if it does.
    pub(super) fn count(
        &mut self,
        kind: OperationKind,
        path: &Path,
        offset: u64,
        len: u64,
    ) -> Result<u64, FaultKind> {
        let on = if kind == OperationKind::Read { Counted::Reads } else { Counted::Changes };
        let counter = match on {
            Counted::Changes => &mut self.changes,
            Counted::Reads => &mut self.reads,
        };
        *counter += 1;
        let number = *counter;
        if let Some(noted) = &mut self.noted
            && on == Counted::Changes
        {
            noted.push(DiskOperation { number, kind, path: path.to_owned(), offset, len });
        }
        let Some((at, fault)) = self.planned else { return Ok(number) };
        if fault.on != on || number < at {
            return Ok(number);
        }
        let ends = fault.kind.ends_process();
        if !fault.lasting && !ends {
            self.planned = None;
        }
        Err(match fault.kind {
            FaultKind::Down if number > at || kind != OperationKind::Sync => FaultKind::Io,
            // The process is gone: what it would have tried afterwards is not half done either.
            _ if ends && number > at => FaultKind::Crash,
            same => same,
        })
    }
}
