//! What readers see of the index.

use std::ops::Bound;
use std::sync::Arc;

use super::cursor::Direction;
use super::manifest::Manifest;
use super::merge::Union;
use crate::Error;
use crate::engine::Engine;

/// The index after a window. Cheap to clone; it stays as it is while the writer goes on.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    engine: Arc<dyn Engine>,
    manifest: Arc<Manifest>,
}

impl Index {
    /// The manifest must be of this engine, and one that was published since it was opened.
    pub(crate) fn new(engine: Arc<dyn Engine>, manifest: Arc<Manifest>) -> Self {
        Self { engine, manifest }
    }

    /// The postings that begin with a prefix, in ascending order and each once; only those from a bound on.
    pub(crate) fn ascending(&self, prefix: &[u8], from: Bound<&[u8]>) -> Postings<'_> {
        let is_within = match from {
            Bound::Included(from) | Bound::Excluded(from) => from >= prefix,
            Bound::Unbounded => false,
        };
        let from = if is_within { from } else { Bound::Included(prefix) };
        self.postings(prefix, Direction::Ascending, from.map(<[u8]>::to_vec))
    }

    /// The postings that begin with a prefix, in descending order and each once; only those up to a bound.
    pub(crate) fn descending(&self, prefix: &[u8], until: Bound<&[u8]>) -> Postings<'_> {
        let end = end_of(prefix);
        let is_within = match (until, &end) {
            (Bound::Included(until) | Bound::Excluded(until), Some(end)) => until < end.as_slice(),
            (Bound::Included(_) | Bound::Excluded(_), None) => true,
            (Bound::Unbounded, _) => false,
        };
        let until =
            if is_within { until.map(<[u8]>::to_vec) } else { end.map_or(Bound::Unbounded, Bound::Excluded) };
        self.postings(prefix, Direction::Descending, until)
    }

    fn postings(&self, prefix: &[u8], direction: Direction, bound: Bound<Vec<u8>>) -> Postings<'_> {
        Postings { index: self, prefix: prefix.to_vec(), stage: Stage::Begin(direction, bound) }
    }

    /// Reads all of it: every run must have the blocks and the postings that the manifest counts, in order.
    #[cfg(test)]
    pub(super) fn check(&self) -> Result<(), Error> {
        for run in &self.manifest.runs {
            let engine = self.engine.as_ref();
            let mut postings = Union::open(engine, &[*run], Direction::Ascending, Bound::Unbounded)?;
            // The cursor counts them at its end.
            while postings.next(engine)?.is_some() {}
        }
        Ok(())
    }
}

/// The smallest byte string behind all that begin with a prefix; `None` where there is none.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Postings in order. It ends after an error.
#[derive(Debug)]
pub(crate) struct Postings<'a> {
    index: &'a Index,
    prefix: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begin(Direction, Bound<Vec<u8>>),
    Within(Union),
    Over,
}

impl Postings<'_> {
    fn step(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let engine = self.index.engine.as_ref();
        if let Stage::Begin(direction, bound) = &self.stage {
            let bound = bound.as_ref().map(Vec::as_slice);
            self.stage = Stage::Within(Union::open(engine, &self.index.manifest.runs, *direction, bound)?);
        }
        let Stage::Within(union) = &mut self.stage else { return Ok(None) };
        let posting = union.next(engine)?.filter(|posting| posting.starts_with(&self.prefix));
        Ok(posting.map(<[u8]>::to_vec))
    }
}

impl Iterator for Postings<'_> {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.stage = Stage::Over;
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(end_of(b"a"), Some(b"b".to_vec()));
        assert_eq!(end_of(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(end_of(b"\xff\xff"), None);
        assert_eq!(end_of(b""), None);
    }
}
