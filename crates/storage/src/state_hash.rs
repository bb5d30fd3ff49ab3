//! The hash over all state: what two nodes with the same applied index must agree on, to the byte.

use std::ops::Bound;

use sha2::{Digest as _, Sha256};

use crate::applied_row::Position;
use crate::codec::Durable;
use crate::engine::Engine;
use crate::window::{decode_request_item, feed};
use crate::{Error, keys, pages, rows};

/// SHA-256 over the canonical rows of an engine, and their number.
///
/// Pages are taken apart, since nodes pack them differently; request records that have left are passed over; cluster
/// identity and membership are not state.
pub(crate) fn full(engine: &dyn Engine, position: &Position) -> Result<([u8; 32], u64), Error> {
    let mut hash = Sha256::new();
    let mut count = 0_u64;
    for value in rows::scan(engine, Bound::Unbounded) {
        let (key, value) = value?;
        if key == keys::APPLIED {
            continue;
        }
        match key.first() {
            Some(&keys::LEDGER) => {
                for item in pages::unpack(&value)? {
                    feed(&mut hash, b"ledger", &item.bytes);
                    count += 1;
                }
            }
            Some(&keys::REQUEST) => {
                for item in pages::unpack(&value)? {
                    let (origin, _) =
                        decode_request_item(&item.bytes).map_err(|error| Error::Engine(error.to_string()))?;
                    if position.trimmed.as_ref().is_none_or(|trimmed| origin > *trimmed) {
                        feed(&mut hash, b"request", &item.bytes);
                        count += 1;
                    }
                }
            }
            _ => {
                feed(&mut hash, &key, &value);
                count += 1;
            }
        }
    }
    feed(&mut hash, b"clock", &position.clock.encode());
    Ok((hash.finalize().into(), count))
}
