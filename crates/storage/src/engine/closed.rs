//! What stands in for an engine that was closed: whoever still asks gets an error, never an empty answer.

use std::ops::Bound;

use super::{Engine, RowWrite, Rows};
use crate::Error;

/// Answers with errors only.
#[derive(Debug)]
pub(crate) struct ClosedEngine;

fn closed() -> Error {
    Error::Engine("the node is stopping".to_owned())
}

impl Engine for ClosedEngine {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(closed())
    }

    fn scan(&self, _from: Bound<&[u8]>) -> Rows<'_> {
        Box::new(std::iter::once(Err(closed())))
    }

    fn scan_back(&self, _until: Bound<&[u8]>) -> Rows<'_> {
        Box::new(std::iter::once(Err(closed())))
    }

    fn write(&self, _rows: &[RowWrite]) -> Result<(), Error> {
        Err(closed())
    }

    fn flush(&self) -> Result<(), Error> {
        Err(closed())
    }
}
