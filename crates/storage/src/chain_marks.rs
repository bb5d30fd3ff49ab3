//! Chain marks: the chain hash at log indexes that all nodes have in common, so that they can compare their states while
//! they run.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::StateHandle;

/// Every log index that is a multiple of it has a mark. Part of the interface among nodes: with another number on
/// another node they would have fewer indexes in common to compare at.
pub const CHAIN_MARK_EVERY: u64 = 256;
/// Marks that a node keeps.
pub const CHAIN_MARKS_KEPT: usize = 256;

/// The chain hash after the entry at an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainMark {
    /// Log index.
    pub index: u64,
    /// Chained over the changes of every entry up to there.
    pub chain: [u8; 32],
}

/// The newest marks of this node.
///
/// Invariants:
/// - Indexes rise; each is a multiple of `every`.
/// - All are of what this process has applied itself: a snapshot that is installed, or a restart, begins anew.
#[derive(Debug)]
pub(crate) struct ChainMarks {
    every: u64,
    ring: Mutex<VecDeque<ChainMark>>,
}

impl ChainMarks {
    /// None yet.
    pub(crate) fn new(every: u64) -> Self {
        Self { every: every.max(1), ring: Mutex::default() }
    }

    /// Takes note of what the chain is after an entry.
    pub(crate) fn applied(&self, index: u64, chain: [u8; 32]) {
        if !index.is_multiple_of(self.every) {
            return;
        }
        let mut ring = self.ring.lock();
        if ring.len() == CHAIN_MARKS_KEPT {
            ring.pop_front();
        }
        ring.push_back(ChainMark { index, chain });
    }

    /// Forgets all of them: the state is another one now.
    pub(crate) fn begin_anew(&self) {
        self.ring.lock().clear();
    }
}

impl StateHandle {
    /// The marks that this node has from a log index on, oldest first.
    pub fn chain_marks(&self, from: u64) -> Vec<ChainMark> {
        let ring = self.shared.marks.ring.lock();
        ring.iter().filter(|mark| mark.index >= from).copied().collect()
    }

    /// At most so many of the newest marks, oldest first.
    pub fn newest_chain_marks(&self, count: usize) -> Vec<ChainMark> {
        let ring = self.shared.marks.ring.lock();
        ring.iter().skip(ring.len().saturating_sub(count)).copied().collect()
    }

    /// Turns bits of the chain hash over, as a fault of the memory would: for tests of what the other nodes make of it.
    #[doc(hidden)]
    pub fn damage_chain(&self, bits: u8) {
        self.shared.window.lock().position.chain[0] ^= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes(marks: &ChainMarks) -> Vec<u64> {
        marks.ring.lock().iter().map(|mark| mark.index).collect()
    }

    #[test]
    fn only_multiples_are_marked_and_the_oldest_go_first() {
        let marks = ChainMarks::new(4);
        for index in 1..=13 {
            marks.applied(index, [1; 32]);
        }
        assert_eq!(indexes(&marks), [4, 8, 12]);
        for index in 14..=4 * (CHAIN_MARKS_KEPT as u64 + 2) {
            marks.applied(index, [1; 32]);
        }
        assert_eq!(indexes(&marks).len(), CHAIN_MARKS_KEPT);
        assert_eq!(indexes(&marks)[0], 12);
        marks.begin_anew();
        assert_eq!(indexes(&marks), [0_u64; 0]);
    }
}
