//! The disk behind [`MemoryFiles`](super::MemoryFiles), and an open file on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::faults::{FaultKind, Faults, OperationKind, no_space};
use super::inode::Inode;
use super::seeded::Seeded;
use super::tree::{Trees, parent_of};
use crate::file::File;

/// A disk, and those who wait for it.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) disk: Mutex<Disk>,
    /// Told when an operation begins to wait, and when it may go on.
    pub(super) changed: Condvar,
}

/// Invariant: every name, now or after a power cut, leads to a file in `inodes`.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) next_inode: u64,
    pub(super) trees: Trees,
    pub(super) locks: BTreeSet<PathBuf>,
    /// Rises with every power cut.
    pub(super) boots: u64,
    /// Rises with every end of the process: what it had open is no longer.
    pub(super) processes: u64,
    pub(super) capacity: Option<u64>,
    pub(super) faults: Faults,
    /// Operations that wait to be released.
    pub(super) stalled: u64,
}

/// What becomes of what was not synced.
pub(super) enum Cut {
    Lost,
    Kept,
    Torn(Seeded),
}

impl Machine {
    /// Counts an operation, waits where it is told to, and says how it fails.
    pub(super) fn enter(
        &self,
        kind: OperationKind,
        path: &Path,
        (offset, len): (u64, u64),
    ) -> (MutexGuard<'_, Disk>, Option<FaultKind>) {
        let mut disk = self.disk.lock();
        let number = match disk.faults.count(kind, path, offset, len) {
            Ok(number) => number,
            Err(fault) => return (disk, Some(fault)),
        };
        let process = disk.processes;
        let changes = kind != OperationKind::Read;
        while changes
            && disk.processes == process
            && disk.faults.stall_from.is_some_and(|stalled| number >= stalled)
        {
            disk.stalled += 1;
            self.changed.notify_all();
            self.changed.wait(&mut disk);
            disk.stalled -= 1;
        }
        // The process was killed while it waited.
        let gone = (disk.processes != process).then_some(FaultKind::Crash);
        (disk, gone)
    }

    /// The same, for an operation that is done or not.
    pub(super) fn operate(&self, kind: OperationKind, path: &Path) -> io::Result<MutexGuard<'_, Disk>> {
        let (disk, fault) = self.enter(kind, path, (0, 0));
        fault.map_or(Ok(disk), |fault| Err(fault.error()))
    }
}

impl Disk {
    pub(super) fn inode_at(&self, path: &Path) -> io::Result<u64> {
        self.trees.now.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn need_dir(&self, path: &Path) -> io::Result<()> {
        let parent = parent_of(path);
        if self.trees.now.has_dir(parent) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("no directory {}", parent.display())))
    }

    /// The process ends; the machine goes on.
    pub(super) fn end_process(&mut self) {
        self.processes += 1;
        self.faults.heal();
        self.locks.clear();
        for inode in self.inodes.values_mut() {
            inode.handles = 0;
        }
        self.collect();
    }

    /// The machine loses power.
    pub(super) fn cut(&mut self, cut: Cut) {
        self.boots += 1;
        match cut {
            Cut::Kept => {
                self.trees.keep_unsynced();
                self.inodes.values_mut().for_each(Inode::keep_unsynced);
            }
            Cut::Lost => {
                self.trees.lose_unsynced(None);
                self.inodes.values_mut().for_each(|inode| inode.lose_unsynced(None));
            }
            Cut::Torn(mut seeded) => {
                self.trees.lose_unsynced(Some(&mut seeded));
                self.inodes.values_mut().for_each(|inode| inode.lose_unsynced(Some(&mut seeded)));
            }
        }
        self.end_process();
    }

    /// Forgets the files that nobody can reach any more.
    pub(super) fn collect(&mut self) {
        let Self { inodes, trees, .. } = self;
        inodes.retain(|number, inode| inode.handles > 0 || trees.leads_to(*number));
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let named: BTreeSet<u64> = self.trees.now.names.values().copied().collect();
        let counts = |number: &u64, inode: &Inode| inode.handles > 0 || named.contains(number);
        let used = self.inodes.iter().filter(|(number, inode)| counts(number, inode));
        used.map(|(_, inode)| inode.len() as u64).sum()
    }

    /// How much of a growth by `bytes` there is room for.
    fn room_for(&self, bytes: u64) -> u64 {
        let Some(capacity) = self.capacity.filter(|_| bytes > 0) else { return bytes };
        bytes.min(capacity.saturating_sub(self.used_bytes()))
    }
}

/// An open file.
pub(super) struct MemoryFile {
    pub(super) machine: Arc<Machine>,
    pub(super) inode: u64,
    pub(super) process: u64,
    /// Its name when it was opened.
    pub(super) path: PathBuf,
}

impl MemoryFile {
    /// Begins an operation; an error where the process that opened the file has ended.
    fn enter(
        &self,
        kind: OperationKind,
        extent: (u64, u64),
    ) -> io::Result<(MutexGuard<'_, Disk>, Option<FaultKind>)> {
        let gone = || io::Error::other("the process that opened this file has ended");
        if self.machine.disk.lock().processes != self.process {
            return Err(gone());
        }
        let (disk, fault) = self.machine.enter(kind, &self.path, extent);
        if disk.processes == self.process { Ok((disk, fault)) } else { Err(gone()) }
    }

    fn inode<'a>(&self, disk: &'a mut Disk) -> &'a mut Inode {
        // A removed file lives on while it is open.
        disk.inodes.get_mut(&self.inode).expect("an open file is kept")
    }

    fn read<T>(&self, look: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let (mut disk, fault) = self.enter(OperationKind::Read, (0, 0))?;
        fault.map_or_else(|| Ok(look(self.inode(&mut disk))), |fault| Err(fault.error()))
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.read(|inode| {
            let rest = inode.content().get(offset..).unwrap_or_default();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            read
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let (mut disk, fault) = self.enter(OperationKind::Write, (offset, bytes.len() as u64))?;
        let len = self.inode(&mut disk).len();
        let growth = (start + bytes.len()).saturating_sub(len.max(start));
        let room = usize::try_from(disk.room_for(growth as u64)).unwrap_or(usize::MAX);
        let fits = bytes.len() - (growth - room);
        let done = fault.map_or(fits, |fault| fault.done_of(bytes.len()).min(fits));
        if done > 0 {
            self.inode(&mut disk).write(start, &bytes[..done]);
        }
        match fault {
            Some(fault) => Err(fault.error()),
            None if done < bytes.len() => Err(no_space()),
            None => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let (mut disk, fault) = self.enter(OperationKind::Sync, (0, 0))?;
        if fault.is_none() && disk.faults.ignores_sync_of(&self.path) {
            return Ok(());
        }
        let inode = self.inode(&mut disk);
        let Some(fault) = fault else {
            inode.sync();
            return Ok(());
        };
        if fault == FaultKind::Down {
            inode.sync_known_blocks();
            return Ok(());
        }
        if fault.fails_sync() {
            inode.fail_sync();
        }
        Err(fault.error())
    }

    fn len(&self) -> io::Result<u64> {
        self.read(|inode| inode.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let new_len = usize::try_from(len).map_err(io::Error::other)?;
        let (mut disk, fault) = self.enter(OperationKind::SetLen, (len, 0))?;
        if let Some(fault) = fault {
            return Err(fault.error());
        }
        let growth = new_len.saturating_sub(self.inode(&mut disk).len()) as u64;
        if disk.room_for(growth) < growth {
            return Err(no_space());
        }
        self.inode(&mut disk).set_len(new_len);
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.read(Inode::drop_cache)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut disk = self.machine.disk.lock();
        if disk.processes != self.process {
            return;
        }
        let number = self.inode;
        let Some(inode) = disk.inodes.get_mut(&number) else { return };
        inode.handles -= 1;
        if inode.handles == 0 && !disk.trees.leads_to(number) {
            disk.inodes.remove(&number);
        }
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFile({})", self.path.display())
    }
}

/// The lock on a file.
pub(super) struct MemoryLock {
    pub(super) machine: Arc<Machine>,
    pub(super) path: PathBuf,
    pub(super) process: u64,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut disk = self.machine.disk.lock();
        // After the end of the process the lock may be another's.
        if disk.processes == self.process {
            disk.locks.remove(&self.path);
        }
    }
}
