//! A file system in memory that fails as disks and machines do: it forgets at a power cut what was not synced, gives
//! errors, fills up, stands still. For tests and simulation.
//!
//! Where real file systems differ, it is the harsher one: a file's name is lost without a sync of its directory even
//! where its content was synced, sectors reach the disk in any order, and what a failed sync covered is gone.

mod disk;
mod faults;
mod image;
mod inode;
mod seeded;
mod tree;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use self::disk::{Cut, Disk, Machine, MemoryFile, MemoryLock};
pub use self::faults::{Counted, DiskOperation, Fault, FaultKind, OperationKind};
pub use self::image::Image;
use self::inode::Inode;
use self::seeded::Seeded;
use self::tree::{Change, Tree, Trees};
use super::{File, Files, Space};

/// A file system in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryFiles(Arc<Machine>);

impl MemoryFiles {
    /// A disk that holds what an image does, all of it synced.
    pub fn from_image(image: &Image) -> Self {
        let mut disk = Disk::default();
        let mut tree = Tree { dirs: image.dirs.clone(), ..Tree::default() };
        for (path, content) in &image.files {
            disk.inodes.insert(disk.next_inode, Inode::settled(Arc::clone(content)));
            tree.names.insert(path.clone(), disk.next_inode);
            disk.next_inode += 1;
        }
        disk.trees = Trees::settled(tree);
        Self::of(disk)
    }

    /// What programs see of the disk, synced or not.
    pub fn image(&self) -> Image {
        let disk = self.0.disk.lock();
        let tree = &disk.trees.now;
        let content = |inode: &u64| Arc::clone(disk.inodes[inode].content());
        let files = tree.names.iter().map(|(path, inode)| (path.clone(), content(inode))).collect();
        Image { files, dirs: tree.dirs.clone() }
    }

    /// A copy of the disk as it is, synced and unsynced apart, with what is counted and planned. No process runs on the
    /// copy: nothing is open or locked there, whatever goes on here.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut disk = self.0.disk.lock().clone();
        disk.stalled = 0;
        let faults = disk.faults.clone();
        disk.end_process();
        disk.faults = faults;
        Self::of(disk)
    }

    fn of(disk: Disk) -> Self {
        Self(Arc::new(Machine { disk: Mutex::new(disk), changed: Condvar::new() }))
    }

    /// The process ends and the machine goes on: the page cache stays, files that are open give errors, locks are free.
    pub fn kill(&self) {
        self.0.disk.lock().end_process();
        self.0.changed.notify_all();
    }

    /// The machine loses power and starts again: what was not synced is gone, files that are open give errors.
    pub fn power_cut(&self) {
        self.cut(Cut::Lost);
    }

    /// Like [`MemoryFiles::power_cut`], but of what was not synced some is on the disk: which, follows from `seed`. Sectors
    /// reach it in any order; the changes of a directory in theirs, so that the first ones survive.
    pub fn power_cut_torn(&self, seed: u64) {
        self.cut(Cut::Torn(Seeded::new(seed)));
    }

    /// Like [`MemoryFiles::power_cut`], but all of it had reached the disk, as far as no sync has failed over it.
    pub fn power_cut_kept(&self) {
        self.cut(Cut::Kept);
    }

    fn cut(&self, cut: Cut) {
        self.0.disk.lock().cut(cut);
        self.0.changed.notify_all();
    }

    /// The `n`-th operation from now that changes or syncs something fails with EIO (the next is the first), once.
    pub fn fail_after(&self, n: u64) {
        self.inject(Fault { after: n, on: Counted::Changes, kind: FaultKind::Io, lasting: false });
    }

    /// The `n`-th operation from now that changes or syncs something fails with EIO, and all that follow until the power
    /// cut.
    pub fn stop_after(&self, n: u64) {
        self.inject(Fault { after: n, on: Counted::Changes, kind: FaultKind::Io, lasting: true });
    }

    /// Plans a fault, in the place of one that was planned before.
    pub fn inject(&self, fault: Fault) {
        self.0.disk.lock().faults.plan(fault);
    }

    /// Lets operations succeed again, and go on where they stand still.
    pub fn heal(&self) {
        self.0.disk.lock().faults.heal();
        self.0.changed.notify_all();
    }

    /// From the `n`-th operation from now that changes or syncs something, the disk stands still: who asks is held up,
    /// thread and all, until [`MemoryFiles::heal`].
    pub fn stall_after(&self, n: u64) {
        let mut disk = self.0.disk.lock();
        disk.faults.stall_from = Some(disk.faults.changes + n);
    }

    /// Waits until an operation is held up; false where none is within the time.
    pub fn wait_stalled(&self, at_most: Duration) -> bool {
        let mut disk = self.0.disk.lock();
        let held_up = |disk: &mut Disk| disk.stalled == 0;
        !self.0.changed.wait_while_for(&mut disk, held_up, at_most).timed_out() || disk.stalled > 0
    }

    /// From now on the disk lies: a sync of a file, by its name when it was opened, or directory for which this is true
    /// succeeds and does nothing. So can a test show that it would notice if that sync were forgotten.
    pub fn ignore_syncs(&self, of: fn(&Path) -> bool) {
        self.0.disk.lock().faults.ignored_syncs = Some(of);
    }

    /// Gives the disk a size in bytes, or none. Writes that would grow files beyond it do what fits and fail with ENOSPC.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.0.disk.lock().capacity = capacity;
    }

    /// How many operations changed or synced something so far.
    pub fn operations(&self) -> u64 {
        self.0.disk.lock().faults.changes
    }

    /// How many operations only looked so far.
    pub fn reads(&self) -> u64 {
        self.0.disk.lock().faults.reads
    }

    /// Notes from now on every operation that changes or syncs something.
    pub fn note_operations(&self) {
        self.0.disk.lock().faults.noted = Some(Vec::new());
    }

    /// The operations noted so far.
    pub fn noted_operations(&self) -> Vec<DiskOperation> {
        self.0.disk.lock().faults.noted.clone().unwrap_or_default()
    }

    /// Turns one bit of a file over, on the disk as well as in the cache.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut disk = self.0.disk.lock();
        let inode = disk.inode_at(path)?;
        let inode = disk.inodes.get_mut(&inode).expect("a name leads to a file");
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        if inode.flip_bit(offset, bit) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn opened(&self, disk: &mut Disk, inode: u64, path: &Path) -> Arc<dyn File> {
        disk.inodes.get_mut(&inode).expect("a name leads to a file").handles += 1;
        let (machine, process) = (Arc::clone(&self.0), disk.processes);
        Arc::new(MemoryFile { machine, inode, process, path: path.to_owned() })
    }
}

impl fmt::Debug for MemoryFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFiles({} files)", self.0.disk.lock().trees.now.names.len())
    }
}

impl Files for MemoryFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.0.operate(OperationKind::Read, path)?;
        let inode = disk.inode_at(path)?;
        Ok(self.opened(&mut disk, inode, path))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.0.operate(OperationKind::Create, path)?;
        disk.need_dir(path)?;
        let now = &disk.trees.now;
        if now.names.contains_key(path) || now.dirs.contains(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = disk.next_inode;
        disk.next_inode += 1;
        disk.inodes.insert(inode, Inode::default());
        disk.trees.change(Change::Create { path: path.to_owned(), inode });
        Ok(self.opened(&mut disk, inode, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.operate(OperationKind::Rename, to)?;
        disk.need_dir(to)?;
        let inode = disk.inode_at(from)?;
        disk.trees.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.operate(OperationKind::Remove, path)?;
        disk.inode_at(path)?;
        disk.trees.change(Change::Remove { path: path.to_owned() });
        disk.collect();
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.0.disk.lock().trees.now.has_dir(path) {
            return Ok(());
        }
        self.0.operate(OperationKind::CreateDir, path)?.trees.make_dir(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        // One operation each, as the real file system does it: a crash may come between.
        let (names, mut dirs): (Vec<PathBuf>, Vec<PathBuf>) = {
            let disk = self.0.disk.lock();
            let Tree { names, dirs } = &disk.trees.now;
            let within = |name: &&PathBuf| name.starts_with(path);
            (names.keys().filter(within).cloned().collect(), dirs.iter().filter(within).cloned().collect())
        };
        for name in names {
            self.remove(&name)?;
        }
        // The deepest first.
        dirs.reverse();
        for dir in dirs {
            self.0.operate(OperationKind::RemoveDir, &dir)?.trees.change(Change::RemoveDir { path: dir });
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let disk = self.0.operate(OperationKind::Read, path)?;
        let Tree { names, dirs } = &disk.trees.now;
        let mut entries: Vec<PathBuf> = names.keys().chain(dirs).cloned().collect();
        entries.retain(|entry| entry.parent() == Some(path));
        entries.sort();
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let disk = self.0.operate(OperationKind::Read, path)?;
        let Tree { names, dirs } = &disk.trees.now;
        Ok(names.contains_key(path) || dirs.contains(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.operate(OperationKind::SyncDir, path)?;
        if !disk.faults.ignores_sync_of(path) {
            disk.trees.sync(path);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut disk = self.0.disk.lock();
        disk.need_dir(path)?;
        if !disk.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let process = disk.processes;
        Ok(Box::new(MemoryLock { machine: Arc::clone(&self.0), path: path.to_owned(), process }))
    }

    fn boot_mark(&self, _dir: &Path) -> io::Result<String> {
        Ok(format!("memory-{}", self.0.disk.lock().boots))
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let disk = self.0.disk.lock();
        let total = disk.capacity.unwrap_or(u64::MAX);
        Ok(Space { total, free: total.saturating_sub(disk.used_bytes()) })
    }
}
