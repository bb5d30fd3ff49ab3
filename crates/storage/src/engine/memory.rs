//! The twin of sled in memory, for tests and simulation: what it holds is gone with the process.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Engine, RowWrite, Rows};
use crate::Error;

/// Rows in a map.
#[derive(Debug, Default)]
pub struct MemoryEngine(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, from: Bound<&[u8]>) -> Rows<'_> {
        let mut from = from.map(<[u8]>::to_vec);
        Box::new(std::iter::from_fn(move || {
            // One row at a time, so that the lock is not held between them.
            let rows = self.0.read();
            let (key, value) = rows.range((from.clone(), Bound::Unbounded)).next()?;
            from = Bound::Excluded(key.clone());
            Some(Ok((key.clone(), value.clone())))
        }))
    }

    fn scan_back(&self, until: Bound<&[u8]>) -> Rows<'_> {
        let mut until = until.map(<[u8]>::to_vec);
        Box::new(std::iter::from_fn(move || {
            let rows = self.0.read();
            let (key, value) = rows.range((Bound::Unbounded, until.clone())).next_back()?;
            until = Bound::Excluded(key.clone());
            Some(Ok((key.clone(), value.clone())))
        }))
    }

    fn write(&self, rows: &[RowWrite]) -> Result<(), Error> {
        let mut kept = self.0.write();
        for (key, value) in rows {
            match value {
                // Copies: what is written may be part of something larger, which would stay as long as the row.
                Some(value) => kept.insert(key.to_vec(), value.to_vec()),
                None => kept.remove(&key[..]),
            };
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}
