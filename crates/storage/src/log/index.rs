//! Every entry that the log has: where it is on the disk, and the newest of them in memory.

use std::collections::VecDeque;

use super::{Entry, LogId};

/// Where an entry's frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's number.
    pub(crate) segment: u64,
    /// From the beginning of the segment's file.
    pub(crate) offset: u64,
}

/// An entry that the log has.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) log_id: LogId,
    /// Bytes of its body.
    pub(crate) bytes: u64,
    /// Bytes of the bodies of all entries so far, this one included.
    total: u64,
    /// `None` until it is written.
    pub(crate) location: Option<Location>,
    pub(crate) entry: Option<Entry>,
}

/// The entries of the log.
///
/// Invariants:
/// - Indexes are consecutive.
/// - Those in memory are the newest `cached`; what is not written is among them.
#[derive(Debug)]
pub(crate) struct EntryIndex {
    slots: VecDeque<Slot>,
    cached: usize,
    cached_bytes: u64,
    cache_limit: u64,
}

impl EntryIndex {
    pub(crate) fn new(cache_limit: u64) -> Self {
        Self { slots: VecDeque::new(), cached: 0, cached_bytes: 0, cache_limit }
    }

    pub(crate) fn first(&self) -> Option<LogId> {
        self.slots.front().map(|slot| slot.log_id)
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.slots.back().map(|slot| slot.log_id)
    }

    /// Bytes of entries in memory.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.cached_bytes
    }

    /// Adds an entry behind the last. The caller has checked that its index follows.
    pub(crate) fn push(&mut self, entry: Entry, bytes: u64, location: Option<Location>) {
        if let Some(last) = self.last() {
            assert_eq!(entry.log_id.index, last.index + 1, "entries are consecutive");
        }
        let total = self.slots.back().map_or(0, |slot| slot.total) + bytes;
        self.slots.push_back(Slot { log_id: entry.log_id, bytes, total, location, entry: Some(entry) });
        self.cached += 1;
        self.cached_bytes += bytes;
        self.evict();
    }

    /// Notes where an entry was written. It may have been truncated meanwhile.
    pub(crate) fn place(&mut self, log_id: LogId, location: Location) {
        if let Some(slot) = self.slot_mut(log_id.index)
            && slot.log_id == log_id
        {
            slot.location = Some(location);
        }
    }

    /// Lets go of the oldest entries in memory beyond the limit. What isn't on the disk stays.
    pub(crate) fn evict(&mut self) {
        while self.cached_bytes > self.cache_limit && self.cached > 0 {
            let oldest = self.slots.len() - self.cached;
            let slot = &mut self.slots[oldest];
            if slot.location.is_none() {
                return;
            }
            slot.entry = None;
            self.cached -= 1;
            self.cached_bytes -= slot.bytes;
        }
    }

    /// Forgets the entries after an index.
    pub(crate) fn truncate(&mut self, after: Option<u64>) {
        while self.slots.back().is_some_and(|slot| Some(slot.log_id.index) > after) {
            let slot = self.slots.pop_back();
            self.forget(slot);
        }
    }

    /// Forgets the entries up to an index, this one included.
    pub(crate) fn purge(&mut self, upto: u64) {
        while self.slots.front().is_some_and(|slot| slot.log_id.index <= upto) {
            let slot = self.slots.pop_front();
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: Option<Slot>) {
        if let Some(slot) = slot
            && slot.entry.is_some()
        {
            self.cached -= 1;
            self.cached_bytes -= slot.bytes;
        }
    }

    /// The entries from an index on.
    pub(crate) fn from(&self, start: u64) -> impl Iterator<Item = &Slot> {
        self.slots.range(self.position(start).min(self.slots.len())..)
    }

    /// The entry at an index.
    pub(crate) fn slot(&self, index: u64) -> Option<&Slot> {
        self.from(index).next().filter(|slot| slot.log_id.index == index)
    }

    /// The last entry that stands in a segment or in those before it. What isn't written yet stands in none.
    pub(crate) fn last_through(&self, segment: u64) -> Option<u64> {
        let stands = |slot: &Slot| slot.location.is_some_and(|location| location.segment <= segment);
        let count = self.slots.partition_point(stands);
        Some(self.slots.get(count.checked_sub(1)?)?.log_id.index)
    }

    /// Bytes of the entries after an index.
    pub(crate) fn bytes_after(&self, index: u64) -> u64 {
        let Some(last) = self.slots.back() else { return 0 };
        self.from(index.saturating_add(1)).next().map_or(0, |first| last.total - first.total + first.bytes)
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        let first = self.first()?.index;
        let at = index.checked_sub(first)?;
        self.slots.get_mut(usize::try_from(at).ok()?)
    }

    fn position(&self, index: u64) -> usize {
        let first = self.first().map_or(0, |first| first.index);
        usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::log::frozen::LogIdV1;
    use crate::log::frozen::decode;

    fn entry(index: u64) -> Entry {
        let bytes = [1_u64.to_le_bytes(), 1_u64.to_le_bytes(), index.to_le_bytes()].concat();
        Entry { log_id: decode::<LogIdV1>(&bytes).unwrap().into(), payload: EntryPayload::Blank }
    }

    fn index_of(range: std::ops::Range<u64>, cache_limit: u64) -> EntryIndex {
        let mut index = EntryIndex::new(cache_limit);
        for at in range {
            index.push(entry(at), 10, None);
        }
        index
    }

    #[test]
    fn what_is_not_written_stays_in_memory_beyond_the_limit() {
        let mut index = index_of(5..15, 30);
        assert_eq!(index.cached_bytes(), 100);
        for at in 5..15 {
            index.place(entry(at).log_id, Location { segment: 1, offset: at });
        }
        index.evict();
        assert_eq!(index.cached_bytes(), 30);
        let in_memory: Vec<_> =
            index.from(0).filter(|slot| slot.entry.is_some()).map(|slot| slot.log_id.index).collect();
        assert_eq!(in_memory, [12, 13, 14]);
    }

    #[test]
    fn truncate_and_purge_keep_count_of_bytes() {
        let mut index = index_of(5..15, 1_000);
        assert_eq!(index.bytes_after(9), 50);
        index.truncate(Some(12));
        index.purge(6);
        assert_eq!((index.first().unwrap().index, index.last().unwrap().index), (7, 12));
        assert_eq!((index.cached_bytes(), index.bytes_after(0), index.bytes_after(11)), (60, 60, 10));
        assert_eq!(index.bytes_after(12), 0);
        index.truncate(None);
        assert_eq!((index.first(), index.cached_bytes()), (None, 0));
    }

    #[test]
    fn an_index_outside_finds_nothing() {
        let index = index_of(5..8, 1_000);
        assert!(index.slot(4).is_none());
        assert!(index.slot(8).is_none());
        assert_eq!(index.slot(7).unwrap().log_id.index, 7);
    }
}
