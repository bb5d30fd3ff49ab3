//! What can go wrong with the disk.

use std::io;
use std::path::{Path, PathBuf};

use stockade_env::FailureKind;

use crate::codec::DecodeError;

/// A failure of storage. Each kind has its own exit code in the binary.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory belongs to another node or cluster.
    #[error("the data directory {} belongs to {found}, not to {expected}; start it with that identity or choose another directory", dir.display())]
    Identity {
        /// The data directory.
        dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
    /// A backup can't be restored into the data directory, or that was broken off.
    #[error("the data directory {}: {what}", dir.display())]
    Restore {
        /// The data directory.
        dir: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// Another process uses the data directory.
    #[error("the data directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// What is on disk was damaged or is not ours. Never to be taken for less data.
    #[error("{} is damaged at offset {offset}: {what}", file.display())]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Written by a version that this one can't read.
    #[error("{} has format {found}, this version reads up to {supported}", file.display())]
    Format {
        /// Which file.
        file: PathBuf,
        /// Its format version.
        found: u16,
        /// The newest this version reads.
        supported: u16,
    },
    /// An entry of the log that this version can't make sense of. All nodes have the same bytes: it stops them all.
    #[error("log entry {index} of term {term} can't be executed: {what}")]
    Entry {
        /// Where it stands in the log.
        index: u64,
        /// The term it was proposed in.
        term: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file system failed.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file or directory.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The engine under the applied state failed.
    #[error("the applied state's engine failed: {0}; it is rebuilt from snapshot and log at the next start")]
    Engine(String),
}

impl Error {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, what: what.into() }
    }

    /// A value in the engine that can't be decoded.
    #[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
    pub(crate) fn of_row(error: DecodeError) -> Self {
        Self::Engine(error.0)
    }

    /// Another error of the same kind of failure, for what comes of this one.
    pub(crate) fn alike(&self, what: &str) -> Self {
        match self {
            Self::Io { file, source } => {
                Self::io(file, io::Error::new(source.kind(), format!("{what}: {source}")))
            }
            Self::Corrupt { file, offset, what: cause } => {
                Self::corrupt(file, *offset, format!("{what}: {cause}"))
            }
            other => Self::Engine(format!("{what}: {other}")),
        }
    }

    /// What kind of failure of the node it is.
    pub fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Io { source, .. } if is_full(source) => FailureKind::DiskFull,
            Self::Io { .. } | Self::Engine(_) => FailureKind::Storage,
            Self::Corrupt { .. } | Self::Format { .. } => FailureKind::Damaged,
            Self::Entry { .. } => FailureKind::Bug,
            Self::Identity { .. } | Self::Restore { .. } | Self::InUse(_) => FailureKind::Other,
        }
    }

    /// As openraft wants it.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io { file, source } => {
                io::Error::new(source.kind(), format!("{}: {source}", file.display()))
            }
            other => io::Error::other(other),
        }
    }
}

/// True where the file system, or the quota on it, has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
