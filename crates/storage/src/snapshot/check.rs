//! Reading a snapshot again while it is in use, a block at a time: does the disk still hold what was written to it?

use std::path::PathBuf;
use std::sync::Arc;

use super::SnapshotFile;
use super::format::{self, Reader};
use crate::file::{File, Files};
use crate::scrub::Step;
use crate::{Error, limits};

/// A check of one snapshot.
///
/// Invariants:
/// - What stands before `offset` was found sound; an error leaves `offset` at the block where it was found, so that a
///   step can be taken again.
#[derive(Debug)]
pub(crate) struct SnapshotCheck {
    snapshot: SnapshotFile,
    file: Option<Arc<dyn File>>,
    offset: u64,
    rows: u64,
    hash: Box<blake3::Hasher>,
}

impl SnapshotCheck {
    /// From its beginning.
    pub(crate) fn new(snapshot: SnapshotFile) -> Self {
        Self { snapshot, file: None, offset: 0, rows: 0, hash: Box::default() }
    }

    /// Which one.
    pub(crate) fn snapshot(&self) -> &SnapshotFile {
        &self.snapshot
    }

    /// Checks the next block.
    pub(crate) fn step(&mut self, files: &dyn Files) -> Result<Step, Error> {
        let path: &PathBuf = &self.snapshot.path;
        let io = |source| Error::io(path, source);
        let file = if let Some(file) = &self.file {
            Arc::clone(file)
        } else {
            // By its name: that is what the next start would read.
            let file = files.open(path).map_err(io)?;
            file.without_read_ahead();
            Arc::clone(self.file.insert(file))
        };
        // Only what is read next, so that what others read stays in the cache.
        let ahead =
            if self.offset == 0 { limits::MAX_APPLIED_ROW_BYTES } else { limits::SNAPSHOT_BLOCK_BYTES * 2 };
        file.drop_cache_of(self.offset, ahead as u64).map_err(io)?;
        let mut reader = Reader { file: file.as_ref(), path, offset: self.offset };
        let mut done = false;
        if self.offset == 0 {
            self.hash.update(&reader.header()?);
        } else if let Some(block) = reader.block()? {
            let rows = format::count_rows(&block).ok_or_else(|| reader.corrupt("a row is cut short"))?;
            self.hash.update(&block);
            self.rows += rows;
        } else {
            reader.end(self.rows, self.hash.clone().finalize().into())?;
            done = true;
        }
        let bytes = reader.offset - self.offset;
        self.offset = reader.offset;
        Ok(Step { bytes, done })
    }
}
