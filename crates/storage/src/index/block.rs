//! Blocks: a run's postings, cut into engine rows.
//!
//! The row's key names run and first posting. The value is the number of the block in its run, then each further posting as the
//! number of bytes that it shares with the one before, the number of those that follow (never 0), and these. Numbers are written 7 bits a
//! byte, the lowest first, with the high bit set on all bytes but the last. Numbered blocks let a reader notice that one is missing.

use bytes::Bytes;

use super::key;
use super::manifest::Run;
use crate::batch::Batch;
use crate::engine::Row;
use crate::rows::WHOLE;
use crate::{Error, limits};

/// Bits of a number in each of its bytes.
const NUMBER_BITS: u32 = 7;
/// Set on all bytes of a number but the last.
const MORE: u8 = 1 << NUMBER_BITS;

/// A block, and a place in it.
///
/// Invariants: what comes next is larger than `current`, or an error.
#[derive(Debug)]
pub(super) struct Block {
    /// Its place in the run.
    number: u64,
    /// Of its row.
    key: Vec<u8>,
    row: Vec<u8>,
    /// Where the next posting begins in `row`.
    at: usize,
    current: Vec<u8>,
}

impl Block {
    /// The beginning of a block, from a row of the engine; `None` where that is no block of this run.
    pub(super) fn of(run: u64, (key, row): Row) -> Result<Option<Self>, Error> {
        let Some((_, first)) = key::split(&key).filter(|(found, _)| *found == run) else {
            return Ok(None);
        };
        let current = first.to_vec();
        if !row.starts_with(&WHOLE) {
            return Err(damaged("its value is not whole"));
        }
        let mut block = Self { number: 0, key, row, at: WHOLE.len(), current };
        block.number = block.take_number()?;
        Ok(Some(block))
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its first posting.
    pub(super) fn first(&self) -> &[u8] {
        key::split(&self.key).map_or(&[], |(_, first)| first)
    }

    /// The posting at the place.
    pub(super) fn current(&self) -> &[u8] {
        &self.current
    }

    /// Goes on to the next posting; false where there is none.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        if self.at == self.row.len() {
            return Ok(false);
        }
        let (shared, length) = (self.take_length()?, self.take_length()?);
        let suffix = self.row[self.at..].get(..length).ok_or_else(cut_short)?;
        let replaced = self.current.get(shared..);
        let replaced = replaced.ok_or_else(|| damaged("a posting shares more than there is"))?;
        if shared + length > limits::MAX_POSTING_BYTES {
            return Err(damaged("a posting is too long"));
        }
        if suffix <= replaced {
            return Err(damaged("its postings are out of order"));
        }
        self.current.truncate(shared);
        self.current.extend_from_slice(suffix);
        self.at += length;
        Ok(true)
    }

    fn take_length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.take_number()?).map_err(|_| cut_short())
    }

    fn take_number(&mut self) -> Result<u64, Error> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *self.row.get(self.at).ok_or_else(cut_short)?;
            self.at += 1;
            let bits = u64::from(byte & (MORE - 1));
            if bits.leading_zeros() < shift {
                return Err(damaged("a number is too large"));
            }
            number |= bits << shift;
            if byte & MORE == 0 {
                return Ok(number);
            }
            shift += NUMBER_BITS;
        }
    }
}

/// The postings of a block of a run, by its key and its value behind the number of parts.
pub(super) fn in_words(run: u64, key: &[u8], value: &[u8]) -> Result<String, Error> {
    let row = [&WHOLE, value].concat();
    let mut block = Block::of(run, (key.to_vec(), row))?.ok_or_else(|| damaged("its key is none"))?;
    let mut postings = vec![block.current().escape_ascii().to_string()];
    while block.advance()? {
        postings.push(block.current().escape_ascii().to_string());
    }
    Ok(format!("block {} of its run: [{}]", block.number, postings.join(", ")))
}

fn cut_short() -> Error {
    damaged("it is cut short")
}

fn damaged(what: &str) -> Error {
    Error::Engine(format!("a block of the index: {what}"))
}

/// Cuts postings, which come in order and each once, into the blocks of a new run.
#[derive(Debug)]
pub(super) struct RunWriter {
    run: Run,
    /// Of a row's value.
    row_bytes: usize,
    /// Key and value of the block that is not full yet; no key where there is none.
    key: Vec<u8>,
    row: Vec<u8>,
    last: Vec<u8>,
}

impl RunWriter {
    pub(super) fn new(number: u64, level: u8, row_bytes: usize) -> Self {
        let run = Run { number, level, blocks: 0, postings: 0 };
        Self { run, row_bytes, key: Vec::new(), row: Vec::new(), last: Vec::new() }
    }

    /// The run's number.
    pub(super) fn number(&self) -> u64 {
        self.run.number
    }

    /// Blocks that are full.
    pub(super) fn blocks(&self) -> u64 {
        self.run.blocks
    }

    /// Takes the next posting; the row of a block that is full goes into the batch.
    pub(super) fn push(&mut self, posting: &[u8], batch: &mut Batch<'_>) -> Result<(), Error> {
        let shared = shared_bytes(posting, &self.last);
        let suffix = &posting[shared..];
        let size = number_bytes(shared) + number_bytes(suffix.len()) + suffix.len();
        if self.key.is_empty() || self.row.len() + size > self.row_bytes {
            self.close(batch)?;
            self.key = key::of_block(self.run.number, posting);
            self.row.extend_from_slice(&WHOLE);
            put_number(&mut self.row, self.run.blocks);
        } else {
            put_number(&mut self.row, wide(shared));
            put_number(&mut self.row, wide(suffix.len()));
            self.row.extend_from_slice(suffix);
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(suffix);
        self.run.postings += 1;
        Ok(())
    }

    fn close(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        if !self.key.is_empty() {
            let row = Bytes::copy_from_slice(&self.row);
            batch.put_row(std::mem::take(&mut self.key).into(), Some(row))?;
            self.row.clear();
            self.run.blocks += 1;
        }
        Ok(())
    }

    /// The run, once the row of its last block is in the batch.
    pub(super) fn finish(mut self, batch: &mut Batch<'_>) -> Result<Run, Error> {
        self.close(batch)?;
        Ok(self.run)
    }
}

/// How many bytes two postings begin with alike.
fn shared_bytes(one: &[u8], other: &[u8]) -> usize {
    let ((words, _), (others, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let whole = 8 * words.iter().zip(others).take_while(|(one, other)| one == other).count();
    whole + one[whole..].iter().zip(&other[whole..]).take_while(|(one, other)| one == other).count()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("lengths fit 64 bits")
}

/// Bytes that a number takes.
fn number_bytes(number: usize) -> usize {
    usize::try_from(number.max(1).ilog2() / NUMBER_BITS).expect("a few bytes") + 1
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        bytes.push(number.to_le_bytes()[0] | MORE);
        number >>= NUMBER_BITS;
    }
    bytes.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{MemoryEngine, RowWrite};
    use crate::rows::Digest;

    const ROW_BYTES: usize = 128;

    fn posting() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            20 => vec(prop_oneof![Just(0), Just(b'a'), Just(u8::MAX)], 0..12),
            1 => vec(any::<u8>(), 0..=limits::MAX_POSTING_BYTES),
        ]
    }

    fn write(postings: &BTreeSet<Vec<u8>>, row_bytes: usize) -> (Run, Vec<RowWrite>) {
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        let mut writer = RunWriter::new(7, 0, row_bytes);
        for posting in postings {
            writer.push(posting, &mut batch).unwrap();
        }
        (writer.finish(&mut batch).unwrap(), batch.finish().0)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<(u64, Vec<Vec<u8>>), Error> {
        let mut block = Block::of(7, (key.to_vec(), value.to_vec()))?.unwrap();
        assert_eq!(block.key(), key);
        assert_eq!(block.current(), block.first());
        let mut postings = vec![block.current().to_vec()];
        while block.advance()? {
            postings.push(block.current().to_vec());
        }
        assert!(!block.advance()?, "it stays at its end");
        Ok((block.number(), postings))
    }

    /// What a block says that begins with a posting.
    fn decode(first: &[u8], value: &[u8]) -> Result<(u64, Vec<Vec<u8>>), Error> {
        read(&key::of_block(7, first), &[&WHOLE, value].concat())
    }

    /// Some that are long and share much, and one that is as long as it may be.
    fn some() -> BTreeSet<Vec<u8>> {
        let long = vec![b'z'; limits::MAX_POSTING_BYTES];
        let alike = (0..30_u8).map(|number| [&[b'p'; 200][..], &[number]].concat());
        alike.chain((0..30).map(|number| vec![number])).chain([long]).collect()
    }

    proptest! {
        #[test]
        fn postings_come_back_from_the_rows_of_their_blocks(postings in btree_set(posting(), 0..200)) {
            let (run, rows) = write(&postings, ROW_BYTES);
            prop_assert_eq!(run.postings, wide(postings.len()));
            prop_assert_eq!(run.blocks, wide(rows.len()));
            let mut back = Vec::new();
            for (number, (key, value)) in (0..).zip(rows) {
                let value = value.unwrap();
                prop_assert!(value.len() <= ROW_BYTES);
                let (found, mut postings) = read(&key, &value).unwrap();
                prop_assert_eq!(found, number);
                back.append(&mut postings);
                prop_assert!(Block::of(8, (key.to_vec(), value.to_vec())).unwrap().is_none());
            }
            prop_assert!(back.iter().eq(postings.iter()));
        }

        #[test]
        fn any_bytes_are_an_error_or_postings_in_order(first in posting(), value in vec(any::<u8>(), 0..400)) {
            if let Ok((_, postings)) = decode(&first, &value) {
                prop_assert!(postings.is_sorted_by(|one, other| one < other));
            }
        }

        #[test]
        fn numbers_come_back_from_as_few_bytes_as_were_told(number in any::<u64>(), shift in 0..64_u32) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            prop_assert_eq!(bytes.len(), number_bytes(usize::try_from(number).unwrap()));
            prop_assert_eq!(decode(b"a", &bytes).unwrap(), (number, vec![b"a".to_vec()]));
        }
    }

    #[test]
    fn a_cut_or_flipped_block_is_an_error_or_postings_in_order() {
        let (run, rows) = write(&some(), limits::MAX_ROW_BYTES);
        assert_eq!(run.blocks, 1);
        let (key, value) = rows.first().unwrap();
        let value = value.as_ref().unwrap();
        assert_eq!(read(key, value).unwrap().1.len(), some().len());
        let check = |value: &[u8]| {
            let Ok((_, postings)) = read(key, value) else { return false };
            assert!(postings.is_sorted_by(|one, other| one < other), "{postings:?}");
            assert!(postings.iter().all(|posting| posting.len() <= limits::MAX_POSTING_BYTES));
            true
        };
        let cuts: Vec<_> = (0..value.len()).filter(|len| check(&value[..*len])).collect();
        assert_eq!(cuts.len(), some().len() - 1, "only between two postings: {cuts:?}");
        let mut flipped = value.to_vec();
        for at in 0..value.len() {
            for byte in 0..=u8::MAX {
                flipped[at] = byte;
                check(&flipped);
            }
            flipped[at] = value[at];
        }
    }

    #[test]
    fn what_claims_to_be_huge_is_an_error() {
        let number = |number: u64| {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            bytes
        };
        for huge in [301, u64::MAX] {
            assert!(decode(b"a", &[&[0, 0][..], &number(huge), &[b'b'; 300]].concat()).is_err());
            assert!(decode(b"a", &[&[0][..], &number(huge), &[1, b'b']].concat()).is_err());
        }
        assert!(decode(&[b'a'; 10], &[&[0, 1][..], &number(300), &[b'b'; 300]].concat()).is_err());
        assert!(decode(b"a", &[&[0, 0][..], &number(300), &[b'b'; 300]].concat()).is_ok());
        assert!(decode(b"a", &[0xff; 11]).is_err());
        assert!(decode(b"a", &[&[0xff; 9][..], &[2]].concat()).is_err());
        assert_eq!(decode(b"a", &[&[0xff; 9][..], &[1]].concat()).unwrap().0, u64::MAX);
    }

    #[test]
    fn a_row_that_continues_elsewhere_is_an_error() {
        let key = key::of_block(7, b"a");
        assert!(Block::of(7, (key.clone(), vec![1, 0, 0])).is_err());
        assert!(Block::of(7, (key.clone(), vec![0])).is_err());
        assert_eq!(Block::of(7, (key, vec![0, 0, 3])).unwrap().unwrap().number(), 3);
        assert!(Block::of(7, (key::MANIFEST.to_vec(), vec![1, 0, 0])).unwrap().is_none());
    }
}
