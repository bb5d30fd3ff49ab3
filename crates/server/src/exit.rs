//! How the process ends: every exit code, in one place. `docs/reference/cli.md` lists them.

/// Why the process ends, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// An error that has no code of its own.
    Error,
    /// The command line can't be understood.
    Usage,
    /// The data directory can't be used, or what is in it is damaged or too new.
    DataDirectory,
    /// The data directory belongs to another cluster or node.
    Identity,
    /// Another process uses the data directory.
    DataDirectoryInUse,
    /// The disk is full.
    DiskFull,
    /// Writing or syncing failed: what was written last may not be on the disk.
    StorageFailed,
    /// Another process has the port.
    PortInUse,
    /// The settings don't fit together.
    Configuration,
    /// The cluster answered, and the answer was no.
    Refused,
    /// The cluster did not answer, or has no leader; what was asked may or may not have happened, the message says which.
    Unavailable,
    /// A proof failed: in the demo an acknowledged order is lost, stock was oversold, or nodes differ; or a ledger is not as it was written.
    ProofFailed,
    /// Ended by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Error,
        Self::Usage,
        Self::DataDirectory,
        Self::Identity,
        Self::DataDirectoryInUse,
        Self::DiskFull,
        Self::StorageFailed,
        Self::PortInUse,
        Self::Configuration,
        Self::Refused,
        Self::Unavailable,
        Self::ProofFailed,
        Self::Interrupted,
    ];

    /// The code as the operating system sees it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::DataDirectory => 10,
            Self::Identity => 11,
            Self::DataDirectoryInUse => 12,
            Self::DiskFull => 13,
            Self::StorageFailed => 14,
            Self::PortInUse => 15,
            Self::Configuration => 16,
            Self::Refused => 20,
            Self::Unavailable => 21,
            Self::ProofFailed => 22,
            Self::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_order() {
        assert!(Exit::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }
}
