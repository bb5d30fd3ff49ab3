//! An engine as it was at one moment, while it is written to: what a snapshot is made of.
//!
//! One pass over all rows runs beside the writer. Before the writer replaces a row that the pass has not reached, the row as
//! it was is kept aside; the pass takes it from there. So neither waits for the other longer than for a few hundred rows.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Engine, Row, RowWrite, Rows};
use crate::{Error, limits};

/// An engine as it was when this was made, for one pass over all its rows.
///
/// Invariants:
/// - As long as the pass goes on, everybody who writes to the engine does so through [`Frozen::write_beside`].
/// - `aside` holds every row beyond `passed` that was written to since, as it was; and nothing up to `passed`.
#[derive(Debug)]
pub(crate) struct Frozen {
    engine: Arc<dyn Engine>,
    progress: Mutex<Pass>,
}

#[derive(Debug, Default)]
struct Pass {
    /// The last key that the pass has reached.
    passed: Option<Vec<u8>>,
    /// It has reached all.
    over: bool,
    /// `None` for a row that was not there.
    aside: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Of keys and rows in `aside`.
    aside_bytes: usize,
    /// The most that they were.
    most_aside_bytes: usize,
    /// Nobody wants the rest: the pass ends with an error, and nothing more is kept.
    given_up: bool,
}

/// A row in `aside`, with what the map takes for it.
fn row_bytes(key: &[u8], was: Option<&Vec<u8>>) -> usize {
    key.len() + was.map_or(0, Vec::len) + limits::MAP_ENTRY_BYTES
}

impl Frozen {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, progress: Mutex::default() }
    }

    /// Writes to the engine itself.
    pub(crate) fn write_beside(&self, rows: &[RowWrite]) -> Result<(), Error> {
        let mut pass = self.progress.lock();
        if !pass.given_up && !pass.over {
            for (key, _) in rows {
                if pass.passed.as_deref() < Some(key) && !pass.aside.contains_key(&key[..]) {
                    let was = self.engine.get(key)?;
                    pass.aside_bytes += row_bytes(key, was.as_ref());
                    pass.aside.insert(key.to_vec(), was);
                }
            }
            pass.most_aside_bytes = pass.most_aside_bytes.max(pass.aside_bytes);
        }
        // Still under the lock: the pass must not see a row of which it has not been told.
        self.engine.write(rows)
    }

    /// Bytes that are kept of what was.
    pub(crate) fn aside_bytes(&self) -> usize {
        self.progress.lock().aside_bytes
    }

    /// The most bytes that were kept of what was.
    pub(crate) fn most_aside_bytes(&self) -> usize {
        self.progress.lock().most_aside_bytes
    }

    /// Ends the pass.
    pub(crate) fn give_up(&self) {
        let mut pass = self.progress.lock();
        pass.given_up = true;
        pass.aside.clear();
        pass.aside_bytes = 0;
    }

    /// The next rows of the pass; none at its end.
    fn next_rows(&self) -> Result<Vec<Row>, Error> {
        let mut pass = self.progress.lock();
        if pass.given_up {
            return Err(Error::Engine("the pass over all rows was given up".to_owned()));
        }
        let from = pass.passed.clone();
        let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let now = self.engine.scan(from).take(limits::FROZEN_ROWS).collect::<Result<Vec<_>, _>>()?;
        // A row kept aside may be gone from the engine, even the last one.
        let until =
            if now.len() < limits::FROZEN_ROWS { None } else { now.last().map(|(key, _)| key.clone()) };
        let beyond = until.as_ref().map_or_else(BTreeMap::new, |until| {
            let mut beyond = pass.aside.split_off(until);
            // The last key itself is part of this step.
            if let Some(was) = beyond.remove(until) {
                pass.aside.insert(until.clone(), was);
            }
            beyond
        });
        let was = std::mem::replace(&mut pass.aside, beyond);
        let taken: usize = was.iter().map(|(key, was)| row_bytes(key, was.as_ref())).sum();
        pass.aside_bytes -= taken;
        pass.over = until.is_none();
        pass.passed = until;
        drop(pass);
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = now.into_iter().collect();
        for (key, was) in was {
            match was {
                Some(was) => rows.insert(key, was),
                None => rows.remove(&key),
            };
        }
        Ok(rows.into_iter().collect())
    }

    /// True where the pass has reached its end.
    fn is_over(&self) -> bool {
        self.progress.lock().over
    }
}

impl Engine for Frozen {
    /// The row as it was, of keys that the pass has not reached.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let pass = self.progress.lock();
        match pass.aside.get(key) {
            Some(was) => Ok(was.clone()),
            None => self.engine.get(key),
        }
    }

    /// All rows as they were; once, and from the beginning.
    fn scan(&self, from: Bound<&[u8]>) -> Rows<'_> {
        assert_eq!(from, Bound::Unbounded, "there is one pass, over all rows");
        let mut step = Vec::new().into_iter();
        Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(row) = step.next() {
                    return Some(Ok(row));
                }
                if self.is_over() {
                    return None;
                }
                match self.next_rows() {
                    Ok(rows) => step = rows.into_iter(),
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }

    fn scan_back(&self, _until: Bound<&[u8]>) -> Rows<'_> {
        Box::new(std::iter::once(Err(Error::Engine("there is one pass, and it goes forward".to_owned()))))
    }

    fn write(&self, _rows: &[RowWrite]) -> Result<(), Error> {
        Err(Error::Engine("what was is not written to".to_owned()))
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::engine::MemoryEngine;

    fn key(number: usize) -> Vec<u8> {
        format!("{number:06}").into_bytes()
    }

    fn row(number: usize, value: &'static [u8]) -> RowWrite {
        (key(number).into(), Some(Bytes::from_static(value)))
    }

    /// Every other key of `0..count` has a row.
    fn engine(count: usize) -> Arc<dyn Engine> {
        let engine = MemoryEngine::default();
        engine.write(&(0..count).step_by(2).map(|number| row(number, b"old")).collect::<Vec<_>>()).unwrap();
        Arc::new(engine)
    }

    #[test]
    fn the_pass_gives_what_was_whatever_is_written_beside_it() {
        let count = limits::FROZEN_ROWS * 7;
        for begin_after in [0, 1, limits::FROZEN_ROWS, limits::FROZEN_ROWS * 2 + 1] {
            let engine = engine(count);
            let before: Vec<_> = engine.scan(Bound::Unbounded).map(Result::unwrap).collect();
            let frozen = Frozen::new(Arc::clone(&engine));
            let mut seen = Vec::new();
            for (number, found) in frozen.scan(Bound::Unbounded).enumerate() {
                seen.push(found.unwrap());
                if number < begin_after {
                    continue;
                }
                // New rows, changed rows and removed rows, on both sides of the pass; some of them twice.
                let at = (number * 7_919) % count;
                let batch =
                    [row(at, b"new"), (key((at + 2) % count).into(), None), row((at + 1) % count, b"new")];
                frozen.write_beside(&batch).unwrap();
            }
            assert_eq!(seen, before);
            let kept = frozen.progress.lock().aside.len();
            assert_eq!(kept, 0, "nothing is kept beyond the end");
        }
    }

    #[test]
    fn all_rows_may_go_while_the_pass_runs() {
        let count = limits::FROZEN_ROWS * 5;
        let engine = engine(count);
        let before = engine.scan(Bound::Unbounded).count();
        let frozen = Frozen::new(Arc::clone(&engine));
        let mut rows = frozen.scan(Bound::Unbounded);
        rows.next().unwrap().unwrap();
        frozen
            .write_beside(&(0..count).map(|number| (key(number).into(), None)).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(engine.scan(Bound::Unbounded).count(), 0);
        assert_eq!(rows.count() + 1, before);
    }

    #[test]
    fn a_pass_that_is_given_up_ends_with_an_error() {
        let frozen = Frozen::new(engine(limits::FROZEN_ROWS * 5));
        let mut rows = frozen.scan(Bound::Unbounded);
        rows.next().unwrap().unwrap();
        frozen.give_up();
        assert!(rows.any(|row| row.is_err()), "what was taken before is still given");
    }

    #[test]
    fn a_row_is_read_as_it_was() {
        let frozen = Frozen::new(engine(10));
        frozen.write_beside(&[row(4, b"new"), row(5, b"new")]).unwrap();
        assert_eq!(frozen.get(&key(4)).unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(frozen.get(&key(5)).unwrap(), None);
    }
}
