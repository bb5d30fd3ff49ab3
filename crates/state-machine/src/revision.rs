//! Revisions.

use std::fmt;

/// The log index at which something took effect. Agrees with real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(u64);

impl Revision {
    /// From a log index.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The log index.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
