//! A file's content: what programs see of it, and what the disk has.

use std::sync::Arc;

use super::seeded::Seeded;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file without its name.
///
/// Invariant: its content after a power cut is `lost_behind`, where there is one, else its content now with `undo`
/// played back, newest first.
#[derive(Clone, Default)]
pub(super) struct Inode {
    content: Arc<Vec<u8>>,
    undo: Vec<Undo>,
    /// What is before this was written and synced at some time. What is behind it, a file system that goes down may forget
    /// though it was synced.
    known: usize,
    /// What the disk has, where a sync failed: the cache goes on showing what was written before it, but no later sync
    /// writes that, as on Linux.
    lost_behind: Option<Vec<u8>>,
    /// How often it is open.
    pub(super) handles: u64,
}

/// What a write, or a change of length, replaced.
#[derive(Clone)]
struct Undo {
    offset: usize,
    replaced: Vec<u8>,
    /// How much was written over it; `None` where the length changed.
    written: Option<usize>,
    len: usize,
}

impl Inode {
    /// A file that is on the disk whole.
    pub(super) fn settled(content: Arc<Vec<u8>>) -> Self {
        Self { known: content.len(), content, ..Self::default() }
    }

    /// What programs see.
    pub(super) fn content(&self) -> &Arc<Vec<u8>> {
        &self.content
    }

    pub(super) fn len(&self) -> usize {
        self.content.len()
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let len = self.content.len();
        let end = offset + bytes.len();
        let replaced = self.content[offset.min(len)..end.min(len)].to_vec();
        self.undo.push(Undo { offset, replaced, written: Some(bytes.len()), len });
        let content = Arc::make_mut(&mut self.content);
        if end > len {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, new_len: usize) {
        let len = self.content.len();
        let replaced = self.content[new_len.min(len)..].to_vec();
        self.undo.push(Undo { offset: new_len.min(len), replaced, written: None, len });
        Arc::make_mut(&mut self.content).resize(new_len, 0);
    }

    pub(super) fn sync(&mut self) {
        let written = std::mem::take(&mut self.undo);
        for change in &written {
            match change.written {
                Some(written) if change.offset <= self.known => {
                    self.known = self.known.max(change.offset + written);
                }
                _ => self.known = self.known.min(self.content.len()),
            }
        }
        let Some(disk) = &mut self.lost_behind else { return };
        for change in written {
            let end = change.written.map_or(self.content.len(), |written| change.offset + written);
            let end = end.min(self.content.len());
            match change.written {
                None => disk.resize(self.content.len(), 0),
                Some(_) if disk.len() < end => disk.resize(end, 0),
                Some(_) => {}
            }
            if change.offset < end {
                disk[change.offset..end].copy_from_slice(&self.content[change.offset..end]);
            }
        }
    }

    /// A sync that has no effect in blocks that were never synced before, though it says otherwise.
    pub(super) fn sync_known_blocks(&mut self) {
        let known = self.known;
        self.sync();
        let disk = self.lost_behind.get_or_insert_with(|| self.content.to_vec());
        let known = known.min(disk.len());
        disk[known..].fill(0);
    }

    pub(super) fn fail_sync(&mut self) {
        let written = Arc::clone(&self.content);
        self.lose_unsynced(None);
        let disk = std::mem::replace(&mut self.content, written);
        self.lost_behind = Some(disk.to_vec());
    }

    pub(super) fn drop_cache(&mut self) {
        // What waits to be written stays.
        if self.undo.is_empty()
            && let Some(disk) = self.lost_behind.take()
        {
            self.content = Arc::new(disk);
        }
    }

    /// Everything that waits reaches the disk, as far as no sync has failed over it.
    pub(super) fn keep_unsynced(&mut self) {
        self.sync();
        self.drop_cache();
    }

    /// Goes back to what was synced. With `torn`, each sector written since may have reached the disk all the same, and
    /// so may the length.
    pub(super) fn lose_unsynced(&mut self, torn: Option<&mut Seeded>) {
        if let Some(disk) = self.lost_behind.take() {
            self.undo.clear();
            self.content = Arc::new(disk);
        }
        if self.undo.is_empty() {
            return;
        }
        let written = Arc::clone(&self.content);
        let content = Arc::make_mut(&mut self.content);
        for undo in self.undo.drain(..).rev() {
            content.resize(undo.len, 0);
            content[undo.offset.min(undo.len)..][..undo.replaced.len()].copy_from_slice(&undo.replaced);
        }
        if let Some(seeded) = torn {
            tear(content, &written, seeded);
        }
    }

    /// Turns one bit over, on the disk as well as in the cache.
    pub(super) fn flip_bit(&mut self, offset: usize, bit: u8) -> bool {
        let mask = 1 << (bit % 8);
        if let Some(byte) = self.lost_behind.as_mut().and_then(|disk| disk.get_mut(offset)) {
            *byte ^= mask;
        }
        match Arc::make_mut(&mut self.content).get_mut(offset) {
            Some(byte) => *byte ^= mask,
            None => return false,
        }
        true
    }
}

/// Puts some of the sectors that were `written` over what is on the disk.
fn tear(disk: &mut Vec<u8>, written: &[u8], seeded: &mut Seeded) {
    for (sector, new) in written.chunks(SECTOR_BYTES).enumerate() {
        let start = sector * SECTOR_BYTES;
        let old = disk.get(start..disk.len().min(start + new.len()));
        if old != Some(new) && seeded.coin() {
            if disk.len() < start + new.len() {
                disk.resize(start + new.len(), 0);
            }
            disk[start..start + new.len()].copy_from_slice(new);
        }
    }
    // The length is metadata, and goes its own way: zeros stand where data did not follow.
    if disk.len() != written.len() && seeded.coin() {
        disk.resize(written.len(), 0);
    }
}
