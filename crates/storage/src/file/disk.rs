//! The file system of the operating system.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Advice;

use super::{CACHE_PIECE_BYTES, File, Files, Space};

/// Tells one boot of the machine from another (Linux).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

/// A file of the real file system.
#[derive(Debug)]
struct DiskFile(fs::File);

impl Files for DiskFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(DiskFile(fs::OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(DiskFile(fs::File::open(path)?)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(DiskFile(fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let parent = parent_of(path);
        if path.is_dir() {
            // A crash may have come between making it and making that safe. Where it is the operator's, it isn't ours to sync.
            return match self.sync_dir(parent) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                synced => synced,
            };
        }
        if !parent.is_dir() {
            self.create_dir(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other?,
        }
        // Without this a power cut could take the directory with all that was synced into it.
        self.sync_dir(parent)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The empty path is how `Path::parent` says "here".
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn boot_mark(&self, dir: &Path) -> io::Result<String> {
        let Ok(boot) = fs::read_to_string(BOOT_ID) else { return Ok(String::new()) };
        let metadata = fs::metadata(dir)?;
        Ok(format!("{}-{:x}-{:x}", boot.trim(), metadata.dev(), metadata.ino()))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let disk = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Space { total: bytes(disk.f_blocks), free: bytes(disk.f_bavail) })
    }
}

/// The directory that a path stands in.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

impl File for DiskFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.0, 0, None, Advice::DontNeed)?)
    }

    fn drop_cache_of(&self, offset: u64, len: u64) -> io::Result<()> {
        // No length would mean all of it.
        if len == 0 {
            return Ok(());
        }
        // Of a piece that reaches beyond the stretch the system drops nothing, and says nothing.
        let from = offset - offset % CACHE_PIECE_BYTES;
        let to = offset.saturating_add(len).checked_next_multiple_of(CACHE_PIECE_BYTES).unwrap_or(u64::MAX);
        Ok(rustix::fs::fadvise(&self.0, from, NonZeroU64::new(to - from), Advice::DontNeed)?)
    }

    fn without_read_ahead(&self) {
        if let Err(error) = rustix::fs::fadvise(&self.0, 0, None, Advice::Random) {
            tracing::debug!(%error, "the system reads ahead as it likes");
        }
    }

    fn begin_write_back(&self, offset: u64, len: u64) {
        let Some(len) = NonZeroU64::new(len) else { return };
        // What is not on the disk yet can't be dropped: Linux begins to write it instead.
        if let Err(error) = rustix::fs::fadvise(&self.0, offset, Some(len), Advice::DontNeed) {
            tracing::debug!(%error, "the system writes when it likes");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Bytes of a file in the page cache; `None` where the system has no tool that tells.
    fn cached_bytes(path: &Path) -> Option<u64> {
        let told =
            Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(path).output();
        let told = told.ok().filter(|told| told.status.success())?;
        String::from_utf8(told.stdout).ok()?.trim().parse().ok()
    }

    #[test]
    fn a_stretch_leaves_the_cache_whatever_pieces_it_was_written_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = DiskFiles.create(&path).unwrap();
        // As segments are prepared: file systems that can keep it in pieces as large.
        let piece = vec![7; 1 << 20];
        for number in 0..8 {
            file.write_at(number << 20, &piece).unwrap();
        }
        file.sync().unwrap();
        let Some(before) = cached_bytes(&path) else {
            println!("skipped: nothing tells what is in the page cache (fincore of util-linux)");
            return;
        };
        // Across the borders of pieces of any size.
        file.drop_cache_of((3 << 20) - 9_000, 1 << 20).unwrap();
        let after = cached_bytes(&path).unwrap();
        let on_tmpfs = rustix::fs::statfs(dir.path()).unwrap().f_type == 0x0102_1994;
        if before < 8 << 20 || on_tmpfs {
            println!("skipped: {before} bytes were in the page cache, or there is no disk behind it");
            return;
        }
        assert!(after <= before - (1 << 20), "{before} before, {after} after");
        assert!(after > 0, "all of it was dropped");
    }
}
