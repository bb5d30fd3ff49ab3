//! A file that counts what is read of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::file::File;

/// A file that counts what is read of it. For reading alone.
#[derive(Debug)]
pub(super) struct CountedFile {
    file: Arc<dyn File>,
    read: AtomicU64,
}

impl CountedFile {
    pub(super) fn new(file: Arc<dyn File>) -> Self {
        Self { file, read: AtomicU64::new(0) }
    }

    /// Bytes read since this was asked last.
    pub(super) fn take_count(&self) -> u64 {
        self.read.swap(0, Ordering::Relaxed)
    }

    /// Its length.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        self.file.len()
    }
}

fn read_only<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading alone"))
}

impl File for CountedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        read_only()
    }

    fn sync(&self) -> io::Result<()> {
        read_only()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        read_only()
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
}
