//! Rows in sled: the only module that knows it.
//!
//! Caveats:
//! - `flush` never calls fsync on Linux (sled issue 1452): what is flushed survives a crash of the process, not a power cut.
//! - `open` may panic on damaged files: the panic is caught and becomes an error.
//! - `apply_batch` takes a lock that all databases of the process share, so batches stay small.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{Engine, Row, RowWrite, Rows};
use crate::error::is_full;
use crate::{Error, layout};

/// sled reclaims a bounded amount of garbage each time its collector is pinned, and a batch pins once: without extra
/// pins memory grows without bound under large batches.
const COLLECTOR_PINS_PER_BATCH: usize = 64;

/// sled looks at what its cache takes when a page of it was accessed for the 64th time, for each 256th of its pages, and a scan accesses a
/// page once: 16,384 pages of large rows, hundreds of megabytes, would be in memory before the first is put out of it. A row of
/// this size is accessed once more by itself, so that a page counts for what it holds.
const HEAVY_ROW_BYTES: usize = 1_024;

/// One sled tree: the default one, since batches are atomic within a tree only.
#[derive(Debug)]
pub struct SledEngine(sled::Db);

impl SledEngine {
    /// Opens the database in a directory, or makes it there.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, Error> {
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(db)) => Ok(Self(db)),
            Ok(Err(error)) => Err(engine_error(&error)),
            Err(_) => Err(Error::Engine(format!("sled panicked while it opened {}", dir.display()))),
        }
    }
}

impl SledEngine {
    fn scanned(&self, row: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Row, Error> {
        let (key, value) = row.map_err(|error| engine_error(&error))?;
        if value.len() >= HEAVY_ROW_BYTES {
            self.0.get(&key).map_err(|error| engine_error(&error))?;
        }
        Ok((key.to_vec(), value.to_vec()))
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let value = self.0.get(key).map_err(|error| engine_error(&error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, from: Bound<&[u8]>) -> Rows<'_> {
        let rows = self.0.range::<&[u8], _>((from, Bound::Unbounded));
        Box::new(rows.map(|row| self.scanned(row)))
    }

    fn scan_back(&self, until: Bound<&[u8]>) -> Rows<'_> {
        let rows = self.0.range::<&[u8], _>((Bound::Unbounded, until));
        Box::new(rows.rev().map(|row| self.scanned(row)))
    }

    fn write(&self, rows: &[RowWrite]) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key.as_ref(), value.as_ref()),
                None => batch.remove(key.as_ref()),
            }
        }
        self.0.apply_batch(batch).map_err(|error| engine_error(&error))?;
        for _ in 0..COLLECTOR_PINS_PER_BATCH {
            crossbeam_epoch::pin().flush();
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        self.0.flush().map(|_| ()).map_err(|error| engine_error(&error))
    }
}

fn engine_error(error: &sled::Error) -> Error {
    match error {
        // Told apart because the node then stops for want of room, not for a disk that fails.
        sled::Error::Io(error) if is_full(error) => {
            let source = std::io::Error::new(error.kind(), error.to_string());
            Error::Io { file: layout::ENGINE_DIR.into(), source }
        }
        other => Error::Engine(other.to_string()),
    }
}
