//! Rows on their way into the engine, all of them together.

use bytes::Bytes;

use crate::Error;
use crate::engine::{Engine, RowWrite};
use crate::rows::{self, Digest};

/// What is written to an engine next. Each row that is replaced is looked at once: for what it was to the digest, and for the
/// further rows of its value.
///
/// Invariants:
/// - No key is put twice: what was put first is not in the engine yet, and nobody would look for its further rows.
/// - `digest` is that of the engine's rows once all of `rows` are in it.
#[derive(Debug)]
pub(crate) struct Batch<'e> {
    engine: &'e dyn Engine,
    rows: Vec<RowWrite>,
    digest: Digest,
}

impl<'e> Batch<'e> {
    /// An empty one. The digest is that of the engine's rows.
    pub(crate) fn new(engine: &'e dyn Engine, digest: Digest) -> Self {
        Self { engine, rows: Vec::new(), digest }
    }

    /// The engine as it is before.
    pub(crate) fn engine(&self) -> &'e dyn Engine {
        self.engine
    }

    /// True where nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts a value, behind [`rows::WHOLE`], in place of the one under the key now; or removes that.
    pub(crate) fn put(&mut self, key: Bytes, value: Option<Bytes>) -> Result<(), Error> {
        let was = self.engine.get(&key)?;
        let old_parts = was.as_ref().map_or(Ok(0), |row| rows::parts_of(&key, row))?;
        let mut new_parts = 0;
        let first = match value {
            None => None,
            Some(value) if rows::fits(&value) => Some(value),
            Some(value) => {
                let (first, parts) = rows::split(&value);
                for (part, number) in parts.into_iter().zip(1..) {
                    self.put_row(rows::part_key(&key, number).into(), Some(part))?;
                    new_parts = number;
                }
                Some(first)
            }
        };
        for number in new_parts + 1..=old_parts {
            self.put_row(rows::part_key(&key, number).into(), None)?;
        }
        self.replace_row(key, was.as_deref(), first);
        Ok(())
    }

    /// Puts or removes one row as it is.
    pub(crate) fn put_row(&mut self, key: Bytes, row: Option<Bytes>) -> Result<(), Error> {
        let was = self.engine.get(&key)?;
        self.replace_row(key, was.as_deref(), row);
        Ok(())
    }

    /// Puts or removes one row as it is; the caller has looked what the engine has under its key.
    pub(crate) fn replace_row(&mut self, key: Bytes, was: Option<&[u8]>, row: Option<Bytes>) {
        if let Some(was) = was {
            self.digest.subtract(&key, was);
        }
        if let Some(row) = &row {
            self.digest.add(&key, row);
        }
        self.rows.push((key, row));
    }

    /// The rows in the order of their keys, and the digest once they are in the engine.
    pub(crate) fn finish(self) -> (Vec<RowWrite>, Digest) {
        let Self { mut rows, digest, .. } = self;
        // They come table by table, most of these in order already: a stable sort makes use of that.
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        assert!(rows.is_sorted_by(|(one, _), (other, _)| one < other), "a key was put twice");
        (rows, digest)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::engine::MemoryEngine;
    use crate::limits;

    /// Writes values, and checks that the digest is that of the rows that are there.
    fn write(engine: &MemoryEngine, values: &[(&'static [u8], Option<&[u8]>)], digest: &mut Digest) {
        let mut batch = Batch::new(engine, *digest);
        for (key, value) in values {
            batch.put(Bytes::from_static(key), value.map(rows::whole)).unwrap();
        }
        let (rows, after) = batch.finish();
        engine.write(&rows).unwrap();
        *digest = after;
        let mut found = Digest::default();
        for (key, row) in engine.scan(Bound::Unbounded).map(Result::unwrap) {
            found.add(&key, &row);
        }
        assert_eq!(*digest, found);
    }

    fn value(seed: u8, length: usize) -> Vec<u8> {
        (0..=250).cycle().skip(seed.into()).take(length).collect()
    }

    #[test]
    fn a_large_value_is_split_and_comes_back_whole() {
        let engine = MemoryEngine::default();
        let mut digest = Digest::default();
        let large = value(0, 3 * limits::MAX_ROW_BYTES + 5);
        write(&engine, &[(b"ob", Some(b"small")), (b"oa", Some(&large))], &mut digest);
        assert_eq!(rows::get(&engine, b"oa").unwrap().as_ref(), Some(&large));
        let values: Vec<_> = rows::scan(&engine, Bound::Unbounded).map(Result::unwrap).collect();
        assert_eq!(values, vec![(b"oa".to_vec(), large), (b"ob".to_vec(), b"small".to_vec())]);
        assert_eq!(digest.rows, 5);
    }

    #[test]
    fn a_value_of_any_length_takes_the_place_of_one_of_any_length() {
        let lengths = [0, 1, 2, 3].map(|rows| rows * limits::MAX_ROW_BYTES);
        let lengths = lengths.into_iter().flat_map(|length| [length, length + 1]);
        let values: Vec<_> = lengths.map(Some).chain([None]).collect();
        for before in &values {
            for after in &values {
                let engine = MemoryEngine::default();
                let mut digest = Digest::default();
                let (before, after) =
                    (before.map(|length| value(1, length)), after.map(|length| value(2, length)));
                write(&engine, &[(b"oa", before.as_deref()), (b"ob", Some(b"beside"))], &mut digest);
                write(&engine, &[(b"oa", after.as_deref())], &mut digest);
                assert_eq!(rows::get(&engine, b"oa").unwrap(), after);
                let rows = after.map_or(0, |value| value.len().div_ceil(limits::MAX_ROW_BYTES).max(1));
                assert_eq!(engine.scan(Bound::Unbounded).count(), rows + 1, "no part is left behind");
                write(&engine, &[(b"oa", None), (b"ob", None)], &mut digest);
                assert_eq!(digest, Digest::default());
            }
        }
    }

    #[test]
    fn rows_come_in_the_order_of_their_keys() {
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        let large = value(0, 2 * limits::MAX_ROW_BYTES);
        for key in [&b"s2"[..], b"s1", b"A", b"o9", b"o10"] {
            batch.put(Bytes::copy_from_slice(key), Some(rows::whole(&large))).unwrap();
        }
        let (rows, _) = batch.finish();
        assert_eq!(rows.len(), 10);
        assert!(rows.is_sorted_by(|(one, _), (other, _)| one < other));
    }

    #[test]
    #[should_panic(expected = "a key was put twice")]
    fn a_key_that_is_put_twice_is_a_bug() {
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        batch.put(Bytes::from_static(b"oa"), Some(rows::whole(b"1"))).unwrap();
        batch.put(Bytes::from_static(b"oa"), None).unwrap();
        batch.finish();
    }
}
