//! A place in a run.

use std::ops::Bound;

use super::block::Block;
use super::key;
use super::manifest::Run;
use crate::Error;
use crate::engine::{Engine, Row};

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The smallest posting first.
    Ascending,
    /// The largest posting first.
    Descending,
}

/// A place in a run. It has a copy of one block, and nothing of the engine.
///
/// Invariants:
/// - No block was left out: their numbers have no gap.
/// - `ahead` holds, in descending order, the postings of the block from its first one to the place; none in ascending order.
#[derive(Debug)]
pub(super) struct Cursor {
    run: Run,
    direction: Direction,
    block: Block,
    ahead: Stack,
    /// Postings so far, if it began at the run's end.
    counted: Option<u64>,
}

impl Cursor {
    /// At the first posting of a run, in a direction, that a bound lets through; `None` where there is none.
    pub(super) fn open(
        engine: &dyn Engine,
        run: Run,
        direction: Direction,
        bound: Bound<&[u8]>,
    ) -> Result<Option<Self>, Error> {
        let Some(block) = seek(engine, run, direction, bound)? else { return Ok(None) };
        let mut cursor = Self { run, direction, block, ahead: Stack::default(), counted: None };
        match direction {
            Direction::Ascending => cursor.skip_to(engine, bound).map(|found| found.then_some(cursor)),
            Direction::Descending => {
                let whole = cursor.pile_up(|posting| is_beyond(posting, bound))?;
                if whole {
                    cursor.ensure_none_before(engine, bound)?;
                }
                let at_end = whole && cursor.block.number() + 1 == run.blocks;
                cursor.counted = at_end.then(|| cursor.ahead.len());
                Ok(Some(cursor))
            }
        }
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) fn current(&self) -> &[u8] {
        match self.direction {
            Direction::Ascending => self.block.current(),
            Direction::Descending => self.ahead.top(),
        }
    }

    /// Goes on by one posting; false where there is none.
    pub(super) fn advance(&mut self, engine: &dyn Engine) -> Result<bool, Error> {
        match self.direction {
            Direction::Ascending => {
                if !self.block.advance()? && !self.next_block(engine)? {
                    return Ok(false);
                }
                self.counted = self.counted.map(|counted| counted + 1);
                Ok(true)
            }
            Direction::Descending => {
                self.ahead.pop();
                Ok(self.ahead.len() > 0 || self.next_block(engine)?)
            }
        }
    }

    /// Ascending, goes on to the first posting that a bound lets through; false where there is none.
    fn skip_to(&mut self, engine: &dyn Engine, bound: Bound<&[u8]>) -> Result<bool, Error> {
        if self.block.number() == 0 {
            self.counted = Some(1);
        }
        let is_before = |posting: &[u8]| match bound {
            Bound::Included(from) => posting < from,
            Bound::Excluded(from) => posting <= from,
            Bound::Unbounded => false,
        };
        while is_before(self.current()) {
            if !self.advance(engine)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Descending, puts the postings of the block on `ahead` up to the first that is not wanted; true where all are.
    fn pile_up(&mut self, is_unwanted: impl Fn(&[u8]) -> bool) -> Result<bool, Error> {
        loop {
            self.ahead.push(self.block.current());
            if !self.block.advance()? {
                return Ok(true);
            }
            if is_unwanted(self.block.current()) {
                return Ok(false);
            }
        }
    }

    /// Goes on to the next block; false where there is none.
    fn next_block(&mut self, engine: &dyn Engine) -> Result<bool, Error> {
        let number = match self.direction {
            Direction::Ascending => Some(self.block.number() + 1).filter(|number| *number < self.run.blocks),
            Direction::Descending => self.block.number().checked_sub(1),
        };
        let Some(number) = number else { return self.ensure_counted().map(|()| false) };
        let row = match self.direction {
            Direction::Ascending => engine.scan(Bound::Excluded(self.block.key())).next(),
            Direction::Descending => engine.scan_back(Bound::Excluded(self.block.key())).next(),
        };
        let block = block_of(self.run, row)?.filter(|block| block.number() == number);
        let last = std::mem::replace(&mut self.block, block.ok_or_else(|| missing(self.run, number))?);
        let in_order = match self.direction {
            Direction::Ascending => last.current() < self.block.current(),
            Direction::Descending => {
                self.pile_up(|_| false)?;
                self.counted = self.counted.map(|counted| counted + self.ahead.len());
                self.ahead.top() < last.first()
            }
        };
        if in_order { Ok(true) } else { Err(damaged(self.run, "blocks that overlap")) }
    }

    /// Checks, at the other end of the run, that it had as many postings as the manifest says.
    fn ensure_counted(&self) -> Result<(), Error> {
        match self.counted {
            Some(counted) if counted != self.run.postings => {
                Err(damaged(self.run, &format!("{counted} postings instead of {}", self.run.postings)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Descending, checks that no block is missing between the one that it begins with and a bound that lets all of that through.
    fn ensure_none_before(&self, engine: &dyn Engine, bound: Bound<&[u8]>) -> Result<(), Error> {
        let next = self.block.number() + 1;
        if next == self.run.blocks {
            return Ok(());
        }
        let row = engine.scan(Bound::Excluded(self.block.key())).next();
        let found = block_of(self.run, row)?.filter(|block| block.number() == next);
        let found = found.filter(|block| is_beyond(block.first(), bound));
        found.map(|_| ()).ok_or_else(|| missing(self.run, next))
    }
}

/// True of a posting that a bound does not let through in descending order.
fn is_beyond(posting: &[u8], bound: Bound<&[u8]>) -> bool {
    match bound {
        Bound::Included(until) => posting > until,
        Bound::Excluded(until) => posting >= until,
        Bound::Unbounded => false,
    }
}

/// The last block that begins before a bound. Where there is none: ascending the first one, which begins behind it.
fn seek(
    engine: &dyn Engine,
    run: Run,
    direction: Direction,
    bound: Bound<&[u8]>,
) -> Result<Option<Block>, Error> {
    let begin = |posting: &[u8]| key::of_block(run.number, posting);
    let until = match (direction, bound) {
        (_, Bound::Included(posting)) | (Direction::Ascending, Bound::Excluded(posting)) => {
            Some(Bound::Included(begin(posting)))
        }
        (Direction::Descending, Bound::Excluded(posting)) => Some(Bound::Excluded(begin(posting))),
        (Direction::Descending, Bound::Unbounded) => Some(Bound::Excluded(key::of_run(run.number + 1))),
        (Direction::Ascending, Bound::Unbounded) => None,
    };
    if let Some(until) = until {
        let row = engine.scan_back(until.as_ref().map(Vec::as_slice)).next();
        if let Some(block) = block_of(run, row)? {
            return Ok(Some(block));
        }
    }
    let row = engine.scan(Bound::Included(&key::of_run(run.number))).next();
    let first = block_of(run, row)?.filter(|block| block.number() == 0);
    let first = first.ok_or_else(|| missing(run, 0))?;
    Ok((direction == Direction::Ascending).then_some(first))
}

/// The block in a row that a scan came to; `None` where it is none of the run.
fn block_of(run: Run, row: Option<Result<Row, Error>>) -> Result<Option<Block>, Error> {
    let Some(row) = row.transpose()? else { return Ok(None) };
    match Block::of(run.number, row)? {
        Some(block) if block.number() >= run.blocks => Err(damaged(run, "more blocks than it should")),
        block => Ok(block),
    }
}

fn damaged(run: Run, what: &str) -> Error {
    Error::Engine(format!("run {} of the index has {what}", run.number))
}

fn missing(run: Run, block: u64) -> Error {
    damaged(run, &format!("no block {block} where it should be"))
}

/// Postings, one on top of the other.
#[derive(Debug, Default)]
struct Stack {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Stack {
    fn len(&self) -> u64 {
        u64::try_from(self.starts.len()).expect("lengths fit 64 bits")
    }

    fn push(&mut self, posting: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(posting);
    }

    fn top(&self) -> &[u8] {
        self.starts.last().map_or(&[], |start| &self.bytes[*start..])
    }

    fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.bytes.truncate(start);
        }
    }
}
