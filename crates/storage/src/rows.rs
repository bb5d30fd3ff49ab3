//! Values over the engine's rows: a value of more than [`limits::MAX_ROW_BYTES`] is kept in several rows, since sled turns
//! large values into files of their own.
//!
//! The first row holds the number of further rows (u16, little-endian) and the beginning of the value. The further
//! ones have the same key with 0, 0 and their number (u16, big-endian) behind it; ids hold no zero byte and stock keys
//! only single ones, so no other key looks like it.

use std::ops::Bound;

use bytes::Bytes;

use crate::engine::{Engine, Row};
use crate::{Error, keys, limits};

/// Bytes before the value in its first row.
pub(crate) const COUNT_BYTES: usize = 2;
/// What they are of a value that goes into one row: it continues in no further ones.
pub(crate) const WHOLE: [u8; COUNT_BYTES] = [0; COUNT_BYTES];

pub(crate) fn part_key(key: &[u8], number: u16) -> Vec<u8> {
    let mut part = Vec::with_capacity(key.len() + 4);
    part.extend_from_slice(key);
    part.extend_from_slice(&[keys::SEPARATOR, keys::SEPARATOR]);
    part.extend_from_slice(&number.to_be_bytes());
    part
}

fn damaged(key: &[u8], what: &str) -> Error {
    Error::Engine(format!("row {}: {what}", String::from_utf8_lossy(key)))
}

fn split_count<'v>(key: &[u8], row: &'v [u8]) -> Result<(u16, &'v [u8]), Error> {
    let (count, value) = row.split_first_chunk::<COUNT_BYTES>().ok_or_else(|| damaged(key, "too short"))?;
    Ok((u16::from_le_bytes(*count), value))
}

/// The value of a key.
pub(crate) fn get(engine: &dyn Engine, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let Some(row) = engine.get(key)? else { return Ok(None) };
    let (parts, head) = split_count(key, &row)?;
    let mut value = head.to_vec();
    for number in 1..=parts {
        let part = engine.get(&part_key(key, number))?;
        value.extend_from_slice(&part.ok_or_else(|| damaged(key, "a part is missing"))?);
    }
    Ok(Some(value))
}

/// A value behind what says that it is whole: what [`Batch::put`](crate::batch::Batch::put) takes.
pub(crate) fn whole(value: &[u8]) -> Bytes {
    [&WHOLE, value].concat().into()
}

/// True where a value behind [`WHOLE`] goes into one row.
pub(crate) fn fits(value: &[u8]) -> bool {
    value.len() <= COUNT_BYTES + limits::MAX_ROW_BYTES
}

/// How many further rows the value has that begins with a row.
pub(crate) fn parts_of(key: &[u8], row: &[u8]) -> Result<u16, Error> {
    split_count(key, row).map(|(parts, _)| parts)
}

/// The first row and the further ones of a value, given behind [`WHOLE`].
pub(crate) fn split(value: &Bytes) -> (Bytes, Vec<Bytes>) {
    let head = value.len().min(COUNT_BYTES + limits::MAX_ROW_BYTES);
    let rest = value.slice(head..);
    let parts: Vec<Bytes> = rest.chunks(limits::MAX_ROW_BYTES).map(|part| rest.slice_ref(part)).collect();
    let mut first = value[..head].to_vec();
    let count = u16::try_from(parts.len()).expect("values are bounded far below so many rows");
    first[..COUNT_BYTES].copy_from_slice(&count.to_le_bytes());
    (first.into(), parts)
}

/// The keys of values from a bound on, in order. For readers beside the writer: it looks at no value, since the rows of one
/// that is being replaced may not fit together.
pub(crate) fn scan_keys<'a>(
    engine: &'a dyn Engine,
    from: Bound<&[u8]>,
) -> impl Iterator<Item = Result<Vec<u8>, Error>> + 'a {
    let is_part = |key: &[u8]| key.windows(2).any(|pair| pair == [keys::SEPARATOR, keys::SEPARATOR]);
    let keys = engine.scan(from).map(|row| row.map(|(key, _)| key));
    keys.filter(move |key| !key.as_ref().is_ok_and(|key| is_part(key)))
}

/// Values in the order of their keys.
pub(crate) struct Values<'a> {
    rows: std::iter::Peekable<crate::engine::Rows<'a>>,
}

/// The values from a bound on.
pub(crate) fn scan<'a>(engine: &'a dyn Engine, from: Bound<&[u8]>) -> Values<'a> {
    Values { rows: engine.scan(from).peekable() }
}

impl Iterator for Values<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, row) = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        Some(self.join(key, &row))
    }
}

impl Values<'_> {
    fn join(&mut self, key: Vec<u8>, row: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (parts, head) = split_count(&key, row)?;
        let mut value = head.to_vec();
        for number in 1..=parts {
            let expected = part_key(&key, number);
            let part = self.rows.next().ok_or_else(|| damaged(&key, "a part is missing"))??;
            if part.0 != expected {
                return Err(damaged(&key, "a part is missing"));
            }
            value.extend_from_slice(&part.1);
        }
        Ok((key, value))
    }
}

/// Puts values together from rows that come one by one in the order of their keys.
#[derive(Default)]
pub(crate) struct Joiner(Option<Unjoined>);

/// A value of which rows are missing yet.
struct Unjoined {
    key: Vec<u8>,
    value: Vec<u8>,
    parts: u16,
    seen: u16,
}

impl Joiner {
    /// The value, where the next row is all of it: then it needs no [`Joiner::push`].
    pub(crate) fn whole<'v>(&self, key: &[u8], row: &'v [u8]) -> Result<Option<&'v [u8]>, Error> {
        if self.0.is_some() {
            return Ok(None);
        }
        let (parts, value) = split_count(key, row)?;
        Ok((parts == 0).then_some(value))
    }

    /// Takes the next row; gives the value that it completes.
    pub(crate) fn push(&mut self, key: &[u8], row: &[u8]) -> Result<Option<Row>, Error> {
        let unjoined = if let Some(mut unjoined) = self.0.take() {
            unjoined.seen += 1;
            if part_key(&unjoined.key, unjoined.seen) != key {
                return Err(damaged(&unjoined.key, "a part is missing"));
            }
            unjoined.value.extend_from_slice(row);
            unjoined
        } else {
            let (parts, head) = split_count(key, row)?;
            Unjoined { key: key.to_vec(), value: head.to_vec(), parts, seen: 0 }
        };
        if unjoined.seen == unjoined.parts {
            return Ok(Some((unjoined.key, unjoined.value)));
        }
        self.0 = Some(unjoined);
        Ok(None)
    }

    /// Checks that no value was left incomplete.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.0 {
            None => Ok(()),
            Some(unjoined) => Err(damaged(&unjoined.key, "a part is missing")),
        }
    }
}

/// Number of rows and a sum over them that doesn't depend on their order: what tells a view that a crash left whole from
/// one that lost or kept a row it should not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Digest {
    /// Takes a row in.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(row_hash(key, value));
    }

    /// Takes in the rows of another.
    pub(crate) fn join(&mut self, other: Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Takes a row out.
    pub(crate) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(row_hash(key, value));
    }
}

fn row_hash(key: &[u8], value: &[u8]) -> u64 {
    let crcs = (u64::from(crc32c::crc32c(key)) << 32) | u64::from(crc32c::crc32c(value));
    // CRCs are linear, so their sum could hide two errors that cancel: the finaliser of splitmix64 breaks that.
    let mut mixed = crcs.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
