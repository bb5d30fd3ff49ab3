//! The index: a set of *postings*, short byte strings that say where something is found, in packed sorted runs behind the
//! writer.
//!
//! Postings are only ever added, with each window. What a window brings becomes one sorted *run*, cut into *blocks* of one engine row
//! each. Runs of a like size are merged bit by bit, with the windows that follow, so that a reader has a few dozen runs to look
//! into. A *manifest* names the runs that count; readers keep the one that they began with, and no row of its runs goes before they let go.
//!
//! All of it is derived data: outside the state hash, different from node to node, and rebuildable.
//! `docs/internals/adr/0017-index-runs.md` says why it is as it is.

mod block;
mod cursor;
mod gathered;
mod key;
mod manifest;
mod merge;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use self::gathered::Gathered;
#[cfg(test)]
pub(crate) use self::key::MANIFEST;
pub(crate) use self::manifest::Manifest;
pub(crate) use self::reader::{Index, Postings};
pub(crate) use self::writer::IndexWriter;
use crate::Error;

/// A row of the index in words: its key and its value.
pub(crate) fn in_words(key: &[u8], value: &[u8]) -> Result<(String, String), Error> {
    match key::split(key) {
        Some((run, first)) => {
            let words = block::in_words(run, key, value)?;
            Ok((format!("run {run} from {}", first.escape_ascii()), words))
        }
        None => Ok(("manifest".to_owned(), Manifest::in_words(value)?)),
    }
}
