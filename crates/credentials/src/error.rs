//! What can be wrong with files of certificates and keys.

use std::path::PathBuf;

/// Why files can't be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("reading {file}: {source}")]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{file}: {what}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong, and what should be there.
        what: String,
    },
    /// The files don't fit together, or not to this node.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    pub(crate) fn file(file: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::File { file: file.into(), what: what.into() }
    }
}
