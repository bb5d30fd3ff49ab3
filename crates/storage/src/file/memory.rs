//! A file system in memory that forgets, at a power cut, what was not synced. For tests and simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{File, Files, Space};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A file system in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryFiles(Arc<Mutex<Disk>>);

/// Invariants:
/// - Every name, now or after a power cut, leads to a file in `inodes`.
/// - A file's content after a power cut is `lost_behind`, where there is one, else its content now with `undo` played
///   back, newest first.
/// - Directories are durable from the moment they are made, as with the real file system's `create_dir` here.
#[derive(Default)]
struct Disk {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    boots: u64,
    operations: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Copy)]
struct Fault {
    at_operation: u64,
    lasting: bool,
}

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    undo: Vec<Undo>,
    /// What the disk has, where a sync failed: the cache goes on showing what was written before it, but no later sync
    /// writes that, as on Linux.
    lost_behind: Option<Vec<u8>>,
}

/// What a write, or a change of length, replaced.
struct Undo {
    offset: usize,
    replaced: Vec<u8>,
    /// How much was written over it; `None` where the length changed.
    written: Option<usize>,
    len: usize,
}

struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    inode: u64,
    boot: u64,
}

struct MemoryLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    boot: u64,
}

impl MemoryFiles {
    /// The machine loses power and starts again: what was not synced is gone, files that are open give errors.
    pub fn power_cut(&self) {
        self.0.lock().cut(|_| false);
    }

    /// Like [`MemoryFiles::power_cut`], but of the sectors written since the last sync any may have reached the disk, in
    /// no order: which, follows from `seed`.
    pub fn power_cut_torn(&self, seed: u64) {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        self.0.lock().cut(|sector| {
            // A multiplicative generator (Knuth's MMIX constants) is plenty to choose sectors by.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407)
                .wrapping_add(sector);
            state >> 63 == 1
        });
    }

    /// The `n`-th operation from now that changes or syncs something fails (the next is the first), once.
    pub fn fail_after(&self, n: u64) {
        let mut disk = self.0.lock();
        disk.fault = Some(Fault { at_operation: disk.operations + n, lasting: false });
    }

    /// The `n`-th operation from now that changes or syncs something fails, and all that follow until the power cut.
    pub fn stop_after(&self, n: u64) {
        let mut disk = self.0.lock();
        disk.fault = Some(Fault { at_operation: disk.operations + n, lasting: true });
    }

    /// Lets operations succeed again.
    pub fn heal(&self) {
        self.0.lock().fault = None;
    }

    /// How many operations changed or synced something so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Turns one bit of a file over, on the disk as well as in the cache.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut disk = self.0.lock();
        let inode = disk.inode_at(path)?;
        let content = &mut disk.inodes.get_mut(&inode).expect("a name leads to a file").content;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let byte = content.get_mut(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        *byte ^= 1 << (bit % 8);
        Ok(())
    }

    fn file(&self, disk: &Disk, inode: u64) -> Arc<dyn File> {
        Arc::new(MemoryFile { disk: Arc::clone(&self.0), inode, boot: disk.boots })
    }
}

impl fmt::Debug for MemoryFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFiles({} files)", self.0.lock().names.len())
    }
}

impl Disk {
    /// Counts an operation and says whether it is one that fails.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        let Some(fault) = self.fault else { return Ok(()) };
        if self.operations < fault.at_operation {
            return Ok(());
        }
        if !fault.lasting {
            self.fault = None;
        }
        Err(io::Error::other("input/output error (injected)"))
    }

    fn inode_at(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn need_dir(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() || parent == Path::new("/") || self.dirs.contains(parent) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory {}", parent.display())))
    }

    fn cut(&mut self, mut reached_disk: impl FnMut(u64) -> bool) {
        self.boots += 1;
        self.fault = None;
        self.locks.clear();
        self.names.clone_from(&self.durable_names);
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
        for inode in self.inodes.values_mut() {
            inode.cut(&mut reached_disk);
        }
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let len = self.content.len();
        let end = offset + bytes.len();
        let replaced = self.content[offset.min(len)..end.min(len)].to_vec();
        self.undo.push(Undo { offset, replaced, written: Some(bytes.len()), len });
        if end > len {
            self.content.resize(end, 0);
        }
        self.content[offset..end].copy_from_slice(bytes);
    }

    fn set_len(&mut self, new_len: usize) {
        let len = self.content.len();
        let replaced = self.content[new_len.min(len)..].to_vec();
        self.undo.push(Undo { offset: new_len.min(len), replaced, written: None, len });
        self.content.resize(new_len, 0);
    }

    fn sync(&mut self) {
        let written = std::mem::take(&mut self.undo);
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

    fn fail_sync(&mut self) {
        let written = self.content.clone();
        self.cut(&mut |_| false);
        self.lost_behind = Some(std::mem::replace(&mut self.content, written));
    }

    fn drop_cache(&mut self) {
        // What waits to be written stays.
        if self.undo.is_empty()
            && let Some(disk) = self.lost_behind.take()
        {
            self.content = disk;
        }
    }

    fn cut(&mut self, reached_disk: &mut impl FnMut(u64) -> bool) {
        if let Some(disk) = self.lost_behind.take() {
            self.undo.clear();
            self.content = disk;
        }
        if self.undo.is_empty() {
            return;
        }
        let written = self.content.clone();
        for undo in self.undo.drain(..).rev() {
            self.content.resize(undo.len, 0);
            self.content[undo.offset.min(undo.len)..][..undo.replaced.len()].copy_from_slice(&undo.replaced);
        }
        for (sector, new) in written.chunks(SECTOR_BYTES).enumerate() {
            let start = sector * SECTOR_BYTES;
            let old = self.content.get(start..self.content.len().min(start + new.len()));
            if old != Some(new) && reached_disk(sector as u64) {
                if self.content.len() < start + new.len() {
                    self.content.resize(start + new.len(), 0);
                }
                self.content[start..start + new.len()].copy_from_slice(new);
            }
        }
    }
}

impl Files for MemoryFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let disk = self.0.lock();
        let inode = disk.inode_at(path)?;
        Ok(self.file(&disk, inode))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.need_dir(path)?;
        if disk.names.contains_key(path) || disk.dirs.contains(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.next_inode;
        disk.next_inode += 1;
        disk.inodes.insert(inode, Inode::default());
        disk.names.insert(path.to_owned(), inode);
        Ok(self.file(&disk, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.need_dir(to)?;
        let inode = disk.inode_at(from)?;
        disk.names.remove(from);
        disk.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.inode_at(path)?;
        disk.names.remove(path);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if disk.dirs.contains(path) {
            return Ok(());
        }
        disk.operate()?;
        let made = path.ancestors().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_owned);
        disk.dirs.extend(made);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if !disk.dirs.contains(path) {
            return Ok(());
        }
        disk.operate()?;
        disk.names.retain(|name, _| !name.starts_with(path));
        disk.durable_names.retain(|name, _| !name.starts_with(path));
        disk.dirs.retain(|dir| !dir.starts_with(path));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let disk = self.0.lock();
        let mut entries: Vec<PathBuf> = disk.names.keys().chain(&disk.dirs).cloned().collect();
        entries.retain(|entry| entry.parent() == Some(path));
        entries.sort();
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let disk = self.0.lock();
        Ok(disk.names.contains_key(path) || disk.dirs.contains(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.durable_names.retain(|name, _| name.parent() != Some(path));
        let now: Vec<_> = disk
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path))
            .map(|(name, inode)| (name.clone(), *inode))
            .collect();
        disk.durable_names.extend(now);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut disk = self.0.lock();
        disk.need_dir(path)?;
        if !disk.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock { disk: Arc::clone(&self.0), path: path.to_owned(), boot: disk.boots }))
    }

    fn boot_mark(&self, _dir: &Path) -> io::Result<String> {
        Ok(format!("memory-{}", self.0.lock().boots))
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(Space { total: u64::MAX, free: u64::MAX })
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        // After a power cut the lock may be another's.
        if disk.boots == self.boot {
            disk.locks.remove(&self.path);
        }
    }
}

impl MemoryFile {
    /// Works on the file's content; an error where the power was cut since it was opened.
    fn with<T>(&self, changes: bool, work: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut disk = self.disk.lock();
        if disk.boots != self.boot {
            return Err(io::Error::other("the power was cut since this file was opened"));
        }
        if changes {
            disk.operate()?;
        }
        // A removed file lives on while it is open; what nobody can name any more may go at the next power cut.
        Ok(work(disk.inodes.entry(self.inode).or_default()))
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(false, |inode| {
            let rest = inode.content.get(offset..).unwrap_or_default();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            read
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(true, |inode| inode.write(offset, bytes))
    }

    fn sync(&self) -> io::Result<()> {
        match self.with(true, Inode::sync) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.with(false, Inode::fail_sync).ok();
                Err(error)
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.with(false, |inode| inode.content.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.with(true, |inode| inode.set_len(len))
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.with(false, Inode::drop_cache)
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFile({})", self.inode)
    }
}
