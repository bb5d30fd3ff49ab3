//! The hash over all state: what two nodes with the same applied index must agree on, to the byte.

use std::ops::Bound;

use stockade_state_machine::{Clock, Origin};

use crate::applied_row::Position;
use crate::codec::Durable;
use crate::engine::Engine;
use crate::ledger::LedgerRow;
use crate::window::{decode_request_item, feed};
use crate::{Error, keys, limits, pages, rows};

/// BLAKE3 over the canonical rows of an engine, and their number.
///
/// Pages are taken apart, since nodes pack them differently; request records that have left are passed over; cluster
/// identity and membership are not state.
pub(crate) fn full(engine: &dyn Engine, position: &Position) -> Result<([u8; 32], u64), Error> {
    let mut hasher = StateHasher::new(position.trimmed.clone());
    for value in rows::scan(engine, Bound::Unbounded) {
        let (key, value) = value?;
        hasher.value(&key, &value)?;
    }
    Ok(hasher.finish(position))
}

/// The hash of [`full`] in the making, over values that come in the order of their keys.
pub(crate) struct StateHasher {
    hash: blake3::Hasher,
    /// What is to be hashed next: many small pieces are much slower than a few large ones.
    framed: Vec<u8>,
    count: u64,
    trimmed: Option<Origin>,
}

impl StateHasher {
    pub(crate) fn new(trimmed: Option<Origin>) -> Self {
        Self { hash: blake3::Hasher::new(), framed: Vec::new(), count: 0, trimmed }
    }

    /// Takes the next value in.
    pub(crate) fn value(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if key == keys::APPLIED {
            return Ok(());
        }
        match key.first() {
            // Derived from the others.
            Some(&keys::INDEX) => {}
            Some(&keys::LEDGER) => {
                for entry in LedgerRow::open(value)?.entries() {
                    self.feed(b"ledger", entry?.bytes);
                }
            }
            Some(&keys::REQUEST) => {
                for item in pages::unpack(value)? {
                    let (origin, _) = decode_request_item(&item.bytes).map_err(Error::of_row)?;
                    if self.trimmed.as_ref().is_none_or(|trimmed| origin > *trimmed) {
                        self.feed(b"request", &item.bytes);
                    }
                }
            }
            _ => self.feed(key, value),
        }
        Ok(())
    }

    /// Takes a name and a value in as they are.
    pub(crate) fn feed(&mut self, name: &[u8], value: &[u8]) {
        feed(&mut self.framed, name, value);
        self.count += 1;
        if self.framed.len() >= limits::HASH_BYTES {
            self.hash.update(&self.framed);
            self.framed.clear();
        }
    }

    /// The hash and the number of rows, page items counted each.
    pub(crate) fn finish(self, position: &Position) -> ([u8; 32], u64) {
        self.finish_with(&position.clock)
    }

    /// See [`StateHasher::finish`].
    pub(crate) fn finish_with(mut self, clock: &Clock) -> ([u8; 32], u64) {
        feed(&mut self.framed, b"clock", &clock.encode());
        self.hash.update(&self.framed);
        (self.hash.finalize().into(), self.count)
    }
}
