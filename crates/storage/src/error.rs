//! What can go wrong with the disk.

use std::io;
use std::path::{Path, PathBuf};

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
