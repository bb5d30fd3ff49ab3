//! Why a node could not start or could not go on, and the exit code of each.

use std::io;
use std::net::SocketAddr;

use stockade_env::{Failure, FailureKind};

use crate::exit::Exit;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings don't fit together; says how.
    #[error("{0}")]
    Config(String),
    /// A port can't be had.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; stop what uses it or choose another address"
    )]
    Bind {
        /// What the port is for.
        purpose: &'static str,
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory can't be opened.
    #[error(transparent)]
    Storage(#[from] stockade_storage::Error),
    /// Raft could not start.
    #[error(transparent)]
    Consensus(#[from] stockade_consensus::StartError),
    /// The node's certificates can't be used.
    #[error("the certificates of this node can't be used: {0}")]
    Credentials(#[from] stockade_credentials::Error),
    /// The system gave no threads.
    #[error("starting the raft runtime: {0}")]
    Runtime(io::Error),
    /// A part failed while the node was starting.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl StartError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Exit::PortInUse,
            Self::Storage(error) => of_storage(error),
            Self::Config(_)
            | Self::Bind { .. }
            | Self::Credentials(_)
            | Self::Consensus(stockade_consensus::StartError::Config(_)) => Exit::Configuration,
            Self::Consensus(stockade_consensus::StartError::Raft(_)) | Self::Runtime(_) => Exit::Error,
            Self::Failed(failure) => of_failure(failure),
        }
    }
}

impl StartError {
    /// True where data on the disk is not what was written to it: another node has to take this one's place.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Storage(stockade_storage::Error::Corrupt { .. }))
    }
}

/// Why a running node had to stop.
#[derive(Debug, thiserror::Error)]
#[error("the node stopped: {0}")]
pub struct RunError(#[from] pub Failure);

impl RunError {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        of_failure(&self.0)
    }
}

fn of_storage(error: &stockade_storage::Error) -> Exit {
    match error {
        stockade_storage::Error::Identity { .. } => Exit::Identity,
        stockade_storage::Error::InUse(_) => Exit::DataDirectoryInUse,
        stockade_storage::Error::Corrupt { .. }
        | stockade_storage::Error::Format { .. }
        | stockade_storage::Error::Restore { .. } => Exit::DataDirectory,
        stockade_storage::Error::Io { source, .. } => of_io(source),
        stockade_storage::Error::Engine(_) => Exit::StorageFailed,
        stockade_storage::Error::Entry { .. } => Exit::Error,
    }
}

fn of_io(error: &io::Error) -> Exit {
    use io::ErrorKind;
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return Exit::DiskFull;
    }
    let unusable = [
        ErrorKind::PermissionDenied,
        ErrorKind::NotADirectory,
        ErrorKind::NotFound,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::InvalidInput,
    ];
    if unusable.contains(&error.kind()) { Exit::DataDirectory } else { Exit::StorageFailed }
}

fn of_failure(failure: &Failure) -> Exit {
    match failure.kind {
        FailureKind::DiskFull => Exit::DiskFull,
        FailureKind::Storage => Exit::StorageFailed,
        FailureKind::Damaged => Exit::DataDirectory,
        FailureKind::Configuration => Exit::Configuration,
        FailureKind::Bug | FailureKind::Other => Exit::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind, what: &str, cause: &str) -> Exit {
        RunError(Failure { kind, what: what.to_owned(), cause: cause.to_owned() }).exit()
    }

    #[test]
    fn a_full_disk_has_its_own_code_wherever_it_shows() {
        assert_eq!(failure(FailureKind::DiskFull, "wal", "No space left on device"), Exit::DiskFull);
        let error = stockade_storage::Error::Io {
            file: "x".into(),
            source: io::Error::from(io::ErrorKind::StorageFull),
        };
        assert_eq!(StartError::from(error).exit(), Exit::DiskFull);
    }

    #[test]
    fn a_failed_sync_is_a_storage_failure() {
        assert_eq!(failure(FailureKind::Storage, "wal", "Input/output error"), Exit::StorageFailed);
    }

    #[test]
    fn a_node_that_may_not_join_ends_alike_whenever_it_is_told() {
        assert_eq!(failure(FailureKind::Configuration, "joining", "node 2 has a vote"), Exit::Configuration);
    }

    #[test]
    fn a_panic_is_no_storage_failure() {
        assert_eq!(failure(FailureKind::Bug, "log exporter", "panicked"), Exit::Error);
    }

    #[test]
    fn words_in_a_message_say_nothing_about_the_code() {
        let cause = "no space left on the storage engine's corrupt disk, it panicked";
        assert_eq!(failure(FailureKind::Other, "the log", cause), Exit::Error);
    }

    #[test]
    fn a_port_in_use_has_its_own_code() {
        let error = StartError::Bind {
            purpose: "callers",
            address: "127.0.0.1:1".parse().unwrap(),
            source: io::Error::from(io::ErrorKind::AddrInUse),
        };
        assert_eq!(error.exit(), Exit::PortInUse);
    }
}
