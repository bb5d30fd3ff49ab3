//! The chain of the ledger: the hash of each entry covers the one of the entry before it, and so everything that happened until then.

use serde::{Deserialize, Serialize};

/// Bytes of an entry's tag.
pub(crate) const TAG_BYTES: usize = 8;

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// How many entries it has.
    pub(crate) entries: u64,
    /// Of the last one; zero where there is none.
    pub(crate) hash: [u8; 32],
}

impl Chain {
    /// The chain with one more entry.
    pub(crate) fn with(&self, entry: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.hash);
        hasher.update(entry);
        Self { entries: self.entries + 1, hash: hasher.finalize().into() }
    }

    /// The beginning of the hash. It stands beside the entry: enough to tell which entry was changed, where the whole hash stands
    /// before each page and at the end.
    pub(crate) fn tag(&self) -> [u8; TAG_BYTES] {
        *self.hash.first_chunk().expect("a hash is longer")
    }
}
