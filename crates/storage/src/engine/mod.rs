//! What keeps the rows of the applied state: sled, or its twin in memory. A view that can be thrown away and rebuilt
//! from snapshot and log.

mod closed;
mod frozen;
mod memory;
mod sled;

use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use self::closed::ClosedEngine;
pub(crate) use self::frozen::Frozen;
pub use self::memory::MemoryEngine;
pub use self::sled::SledEngine;
use crate::Error;

/// What keeps the rows of the applied state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// sled, under the data directory.
    Sled,
    /// Memory: rebuilt from snapshot and log at every start. For tests and simulation.
    Memory,
}

/// A key and its new value; `None` removes it.
pub type RowWrite = (Bytes, Option<Bytes>);

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows as they are scanned, in the order of their keys.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, Error>> + 'a>;

/// Keeps rows in the order of their keys. Safe from a crash of the process after [`Engine::flush`], from a power cut
/// never: whoever needs that rebuilds it.
pub trait Engine: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
    /// Rows from a bound on. Not a point in time: nobody may write meanwhile who would disturb the reader.
    fn scan(&self, from: Bound<&[u8]>) -> Rows<'_>;
    /// Rows up to a bound, the last one first. As [`Engine::scan`].
    fn scan_back(&self, until: Bound<&[u8]>) -> Rows<'_>;
    /// Writes rows. A crash leaves all of them or none.
    fn write(&self, rows: &[RowWrite]) -> Result<(), Error>;
    /// Hands everything written to the operating system.
    fn flush(&self) -> Result<(), Error>;
}

/// Opens the engine in a directory, or makes it there.
pub fn open(kind: EngineKind, dir: &Path, cache_bytes: u64) -> Result<Arc<dyn Engine>, Error> {
    match kind {
        EngineKind::Sled => Ok(Arc::new(SledEngine::open(dir, cache_bytes)?)),
        EngineKind::Memory => Ok(Arc::new(MemoryEngine::default())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn engines() -> (tempfile::TempDir, Vec<Arc<dyn Engine>>) {
        let dir = tempfile::tempdir().unwrap();
        let open = |kind| open(kind, &dir.path().join("engine"), 16 << 20).unwrap();
        let engines = vec![open(EngineKind::Sled), open(EngineKind::Memory)];
        (dir, engines)
    }

    #[test]
    fn both_engines_keep_rows_in_the_order_of_their_keys() {
        let (_dir, engines) = engines();
        for engine in engines {
            let row = |key: &'static [u8], value: &'static [u8]| {
                (Bytes::from_static(key), Some(Bytes::from_static(value)))
            };
            engine.write(&[row(b"b", b"2"), row(b"a", b"1"), row(b"c", b"3")]).unwrap();
            engine.write(&[(Bytes::from_static(b"b"), None)]).unwrap();
            assert_eq!(engine.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
            assert_eq!(engine.get(b"b").unwrap(), None);
            let keys: Vec<_> = engine.scan(Bound::Excluded(b"a")).map(|row| row.unwrap().0).collect();
            assert_eq!(keys, vec![b"c".to_vec()]);
            engine.flush().unwrap();
        }
    }

    #[test]
    fn both_engines_give_their_rows_in_either_direction() {
        let (_dir, engines) = engines();
        // So many, and with so long keys, that sled has them in several pages.
        let key = |number: u32| [&[b'k'; 100][..], &number.to_be_bytes()].concat();
        let row = |number| (key(number).into(), Some(Bytes::copy_from_slice(&[7; 2_000])));
        let numbers = |rows: Rows<'_>| {
            let number = |key: &[u8]| u32::from_be_bytes(*key.last_chunk().unwrap());
            rows.map(|row| number(&row.unwrap().0)).collect::<Vec<_>>()
        };
        for engine in engines {
            assert_eq!(engine.scan_back(Bound::Unbounded).count(), 0);
            for first in (0..1_000).step_by(100) {
                engine
                    .write(&(first..first + 100).map(|number| row(number * 2)).collect::<Vec<_>>())
                    .unwrap();
            }
            assert!(
                numbers(engine.scan_back(Bound::Unbounded)).into_iter().eq((0..1_000).rev().map(|n| n * 2))
            );
            for number in 0..2_000 {
                let (key, evens) = (key(number), number / 2 * 2);
                let ahead: Vec<u32> = numbers(Box::new(engine.scan(Bound::Included(&key)).take(2)));
                let back: Vec<u32> = numbers(Box::new(engine.scan_back(Bound::Included(&key)).take(2)));
                let before: Vec<u32> = numbers(Box::new(engine.scan_back(Bound::Excluded(&key)).take(1)));
                let next = evens + u32::from(number > evens) * 2;
                assert_eq!(ahead, (next..2_000).step_by(2).take(2).collect::<Vec<_>>());
                assert_eq!(back, (0..=evens).rev().step_by(2).take(2).collect::<Vec<_>>());
                assert_eq!(before.first().copied(), (next > 0).then(|| next.saturating_sub(2)), "{number}");
            }
            engine
                .write(&(500..1_000).map(|number| (key(number * 2).into(), None)).collect::<Vec<_>>())
                .unwrap();
            assert_eq!(numbers(engine.scan_back(Bound::Included(&key(1_999))))[0], 998);
            engine.write(&(0..500).map(|number| (key(number * 2).into(), None)).collect::<Vec<_>>()).unwrap();
            assert_eq!(engine.scan_back(Bound::Unbounded).count(), 0);
        }
    }

    #[test]
    fn sled_keeps_its_rows_when_it_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine");
        let engine = SledEngine::open(&path, 16 << 20).unwrap();
        engine.write(&[(Bytes::from_static(b"k"), Some(Bytes::from_static(b"v")))]).unwrap();
        engine.flush().unwrap();
        drop(engine);
        // sled's threads let go of its files a little later.
        let deadline = Instant::now() + Duration::from_secs(30);
        let engine = loop {
            match SledEngine::open(&path, 16 << 20) {
                Ok(engine) => break engine,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::yield_now();
        };
        assert_eq!(engine.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }
}
