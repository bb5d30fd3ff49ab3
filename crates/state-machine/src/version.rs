//! Versions of rows.

use crate::revision::Revision;

/// Where a row last changed: what an etag stands for. No two states of a row that anybody outside of a
/// command can see share one: what a command does, it does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// The log index; 0 where it never changed.
    pub revision: Revision,
    /// Position of the command among those of that index.
    pub position: u32,
}
