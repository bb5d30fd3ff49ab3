//! Versions of rows.

use crate::revision::Revision;

/// Where a row last changed: what an etag stands for. No two changes of a row share one, for a command changes it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// The log index; 0 where it never changed.
    pub revision: Revision,
    /// Position of the command among those of that index.
    pub position: u32,
}
