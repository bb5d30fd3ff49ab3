//! The one way to the disk. sled alone goes its own way, and is never trusted with anything that can't be rebuilt.

mod disk;
mod memory;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::DiskFiles;
pub use memory::{Counted, DiskOperation, Fault, FaultKind, Image, MemoryFiles, OperationKind};

/// A file system. Paths are absolute or relative to the process; directories are made by the caller.
///
/// What is created, renamed or removed is safe from a power cut only after [`Files::sync_dir`] on its directory; what is
/// written, only after [`File::sync`].
pub trait Files: fmt::Debug + Send + Sync {
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file that exists, for reading alone: it may lie where nothing can be written.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }
    /// Creates a file, empty; an error where it exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Gives a file another name in the same file system, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory and those above it, safe from a power cut when it returns; no error where it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all in it; no error where there is none.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, by name, in order; empty where there is no directory.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// True where something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes what was created, renamed or removed in a directory safe from a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock on a file, creating it; `WouldBlock` where another process has it. Held until the result is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// What tells this boot of the machine from others, and this directory from a copy: where it differs from what was
    /// noted, the page cache was lost in between. Empty where it can't be told.
    fn boot_mark(&self, dir: &Path) -> io::Result<String>;
    /// How much room the file system that holds a directory has.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// The page cache keeps files in pieces that begin at multiples of their size: of a page, or larger ones on file systems that
/// have them, up to this many bytes.
pub const CACHE_PIECE_BYTES: u64 = 2 << 20;

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// In all.
    pub total: u64,
    /// Free for this process.
    pub free: u64,
}

/// An open file.
pub trait File: fmt::Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes at an offset; fewer only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes at an offset, growing the file.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written, and the file's length, safe from a power cut (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// True where there are none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or grows (with zeros) to a length.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Drops what of the file is in the page cache, so that the next read comes from the disk. A hint; what was not synced
    /// stays. After a sync that failed, only this shows what the disk has.
    fn drop_cache(&self) -> io::Result<()>;
    /// As [`File::drop_cache`], for a stretch of the file: most of what others read of it stays in the cache. What shares a
    /// piece of [`CACHE_PIECE_BYTES`] with the stretch goes too, since the system drops pieces whole or not at all.
    fn drop_cache_of(&self, _offset: u64, _len: u64) -> io::Result<()> {
        self.drop_cache()
    }
    /// Reads take from the disk what they ask for and nothing ahead of it, so that no one else's read or sync waits behind
    /// more than that: for who reads much and is in no hurry. A hint: nothing depends on it.
    fn without_read_ahead(&self) {}
    /// Has the disk begin with a stretch that was written, without waiting for it. A hint: only a sync makes it safe.
    fn begin_write_back(&self, _offset: u64, _len: u64) {}
}

/// Reads a file whole; an error beyond `limit` bytes.
pub fn read_whole(files: &dyn Files, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = files.open(path)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{len} bytes, at most {limit} expected"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Writes a small file so that after a power cut it is either as it was or as it should be, never between.
pub fn write_whole(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    if files.exists(&aside)? {
        files.remove(&aside)?;
    }
    let file = files.create(&aside)?;
    file.write_at(0, bytes)?;
    // Without this the rename could reach the disk before the content.
    file.sync()?;
    drop(file);
    files.rename(&aside, path)?;
    // Without this a power cut could bring the old file back after we have acted on the new one.
    files.sync_dir(path.parent().unwrap_or(Path::new(".")))
}
