//! Several runs as one.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Bound;

use super::cursor::{Cursor, Direction};
use super::manifest::Run;
use crate::Error;
use crate::engine::Engine;

/// What the heap has on top is the cursor that comes next.
#[derive(Debug)]
struct Head(Cursor);

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.0.current().cmp(other.0.current());
        match self.0.direction() {
            Direction::Ascending => order.reverse(),
            Direction::Descending => order,
        }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// The postings of several runs in order, each once.
#[derive(Debug)]
pub(super) struct Union {
    heads: BinaryHeap<Head>,
    /// What was given last; cursors may still stand at it.
    last: Option<Vec<u8>>,
}

impl Union {
    /// From a bound on, in a direction.
    pub(super) fn open(
        engine: &dyn Engine,
        runs: &[Run],
        direction: Direction,
        bound: Bound<&[u8]>,
    ) -> Result<Self, Error> {
        let mut heads = Vec::with_capacity(runs.len());
        for run in runs {
            heads.extend(Cursor::open(engine, *run, direction, bound)?.map(Head));
        }
        Ok(Self { heads: heads.into(), last: None })
    }

    /// The next posting. After an error it is of no more use.
    pub(super) fn next(&mut self, engine: &dyn Engine) -> Result<Option<&[u8]>, Error> {
        // Cursors go on only when more is wanted: the next block of a run is not read for nothing.
        while let Some(mut head) = self.heads.peek_mut() {
            if self.last.as_deref() != Some(head.0.current()) {
                let last = self.last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(head.0.current());
                return Ok(self.last.as_deref());
            }
            if !head.0.advance(engine)? {
                PeekMut::pop(head);
            }
        }
        Ok(None)
    }
}
