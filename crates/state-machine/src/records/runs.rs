//! Many request records at once, as a start reads them: nearly in the order of their origins, a few megabytes at a time.

use std::collections::VecDeque;

use super::chunk::Chunk;
use super::{CHUNK, Packable, RecordView, Records, views};
use crate::command::Origin;

/// Request records on their way into a state, in runs of chunks.
///
/// Runs overlap where callers' clocks differ. They are merged in one pass, in which only those chunks are taken apart that others
/// reach into: a clock that is minutes ahead costs a chunk for each run, and ids in no order at all cost no more than unpacking and packing all once.
///
/// Invariant: a run's chunks are in order and don't overlap.
#[derive(Debug, Default)]
pub struct Runs(Vec<VecDeque<(Origin, Chunk)>>);

impl Runs {
    /// Takes in records in the order of their origins, of which there was none before.
    pub fn add(&mut self, records: &[RecordView<'_>]) {
        let chunks = records.chunks(CHUNK).filter_map(|part| Chunk::keyed(part.iter().cloned()));
        self.0.push(chunks.collect());
    }

    /// Takes in the runs of another.
    pub fn join(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Makes one run of all.
    pub fn merge(&mut self) {
        if self.0.len() > 1 {
            let chunks = Merge::new(std::mem::take(&mut self.0)).run();
            self.0.push(chunks.into());
        }
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> Records {
        self.merge();
        Records::of_chunks(self.0.into_iter().flatten().collect())
    }
}

/// A run from which chunks are taken.
struct Source {
    /// What is left of a chunk that was taken apart.
    apart: VecDeque<Packable>,
    chunks: VecDeque<(Origin, Chunk)>,
}

impl Source {
    /// The next origin.
    fn head(&self) -> Option<&Origin> {
        self.apart.front().map(|(origin, _)| origin).or_else(|| self.chunks.front().map(|(key, _)| key))
    }
}

struct Merge {
    sources: Vec<Source>,
    /// Records that are to be packed next.
    out: Vec<Packable>,
    merged: Vec<(Origin, Chunk)>,
}

impl Merge {
    fn new(runs: Vec<VecDeque<(Origin, Chunk)>>) -> Self {
        let source = |chunks| Source { apart: VecDeque::new(), chunks };
        Self { sources: runs.into_iter().map(source).collect(), out: Vec::new(), merged: Vec::new() }
    }

    fn run(mut self) -> Vec<(Origin, Chunk)> {
        while let Some((first, until)) = self.first() {
            self.take(first, until.as_ref());
        }
        self.pack();
        self.merged
    }

    /// The source whose next origin is the oldest, and that of all others.
    fn first(&self) -> Option<(usize, Option<Origin>)> {
        let heads = || self.sources.iter().enumerate().filter_map(|(at, source)| Some((source.head()?, at)));
        let (_, first) = heads().min()?;
        let until = heads().filter(|(_, at)| *at != first).min().map(|(origin, _)| origin.clone());
        Some((first, until))
    }

    /// Takes what a source has up to an origin.
    fn take(&mut self, source: usize, until: Option<&Origin>) {
        let source = &mut self.sources[source];
        if source.apart.is_empty() {
            let Some((key, chunk)) = source.chunks.pop_front() else { return };
            let alone = until.is_none_or(|until| chunk.last < until.request);
            if alone && (self.out.is_empty() || self.out.len() >= CHUNK / 2) {
                self.pack();
                self.merged.push((key, chunk));
                return;
            }
            let records = chunk.records().map(|(origin, record)| (origin, Box::new(record)));
            if alone {
                // A few before it, which would make a small chunk, go with it.
                self.out.extend(records);
                self.pack();
                return;
            }
            source.apart = records.collect();
        }
        while let Some((origin, _)) = source.apart.front()
            && until.is_none_or(|until| origin <= until)
        {
            self.out.extend(source.apart.pop_front());
        }
        // With what goes with it, a chunk has at most twice its records.
        while self.out.len() >= CHUNK {
            let rest = self.out.split_off(CHUNK);
            let full = std::mem::replace(&mut self.out, rest);
            self.merged.extend(Chunk::keyed(views(&full)));
        }
    }

    fn pack(&mut self) {
        let out = std::mem::take(&mut self.out);
        let most = if out.len() > 2 * CHUNK { out.len().div_ceil(2) } else { out.len() };
        self.merged.extend(out.chunks(most.max(1)).filter_map(|part| Chunk::keyed(views(part))));
    }
}
