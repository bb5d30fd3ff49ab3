//! The side of the index that is written: new runs, merges, and the deletion of runs that nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::block::RunWriter;
use super::cursor::Direction;
use super::gathered::Gathered;
use super::key;
use super::manifest::{Manifest, Run};
use super::merge::Union;
use crate::batch::Batch;
use crate::engine::Engine;
use crate::{Error, limits, rows};

/// How much is done at once; tests make it small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// See [`limits::INDEX_FANOUT`].
    pub(super) fanout: usize,
    /// See [`limits::INDEX_MERGE_BLOCKS`].
    pub(super) merge_blocks: u64,
    /// See [`limits::INDEX_REMOVED_ROWS`].
    pub(super) removed_rows: usize,
    /// See [`limits::MAX_ROW_BYTES`].
    pub(super) row_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            fanout: limits::INDEX_FANOUT,
            merge_blocks: wide(limits::INDEX_MERGE_BLOCKS),
            removed_rows: limits::INDEX_REMOVED_ROWS,
            row_bytes: limits::MAX_ROW_BYTES,
        }
    }
}

impl Bounds {
    /// The level of a new run: each holds runs that are [`Bounds::fanout`] times as large as those of the one before. A full merge of the
    /// lowest level takes what each window gives it, so that small runs don't gather while a large one is merged.
    fn level_of(&self, blocks: u64) -> u8 {
        let fanout = wide(self.fanout);
        let mut level = 0;
        let mut most = (self.merge_blocks / fanout).max(1);
        while blocks > most {
            level += 1;
            most = most.saturating_mul(fanout);
        }
        level
    }

    /// Blocks that each merge may write with a window that brings so many.
    fn merge_blocks_beside(&self, blocks: u64) -> u64 {
        self.merge_blocks.max(blocks.saturating_mul(2))
    }

    /// Blocks that may be deleted with a window that brings so many: in the long run each block is written again, and deleted, once
    /// a level.
    fn removed_rows_beside(&self, blocks: u64) -> usize {
        let blocks = usize::try_from(blocks).expect("they are in memory");
        self.removed_rows.max(blocks.saturating_mul(self.fanout))
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("lengths fit 64 bits")
}

/// Puts postings into the engine, a window at a time.
///
/// Invariants:
/// - `manifest` is what the engine has once the rows of the last put are in it.
/// - No row goes of a run that a published manifest has which somebody still holds.
/// - Each run that is not finished, and each that was merged and has rows, is named by the manifest as leaving.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    bounds: Bounds,
    manifest: Arc<Manifest>,
    /// By the level of what is merged.
    merges: BTreeMap<u8, Merge>,
    /// Runs of which some rows went, and the last of these.
    deleting: BTreeMap<u64, Vec<u8>>,
    published: Vec<Weak<Manifest>>,
}

/// A merge on its way.
#[derive(Debug)]
struct Merge {
    sources: Vec<u64>,
    union: Union,
    output: RunWriter,
}

impl Merge {
    /// Goes on until so many more blocks are full; true at its end.
    fn advance(&mut self, blocks: u64, batch: &mut Batch<'_>) -> Result<bool, Error> {
        let until = self.output.blocks().saturating_add(blocks);
        while self.output.blocks() < until {
            match self.union.next(batch.engine())? {
                Some(posting) => self.output.push(posting, batch)?,
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

impl IndexWriter {
    /// Of what an engine has; `None` where it has none of this format. Merges begin again: what is there of their runs goes.
    pub(crate) fn open(engine: &dyn Engine) -> Result<Option<Self>, Error> {
        let manifest = Manifest::of(engine)?;
        Ok(manifest.map(|manifest| Self::of(manifest, Bounds::default())))
    }

    /// Of an engine that has no row of an index.
    pub(crate) fn empty() -> Self {
        Self::of(Manifest::default(), Bounds::default())
    }

    pub(super) fn of(manifest: Manifest, bounds: Bounds) -> Self {
        let manifest = Arc::new(manifest);
        Self { bounds, manifest, merges: BTreeMap::new(), deleting: BTreeMap::new(), published: Vec::new() }
    }

    /// Puts a window's postings, in any order, as a new run; merges on, and deletes what nobody needs any more, both by a bounded
    /// amount. The rows are added to the batch. They must be in the engine before the next put, all or none across a crash; readers may see
    /// any part of them before. After an error the writer is of no more use.
    pub(crate) fn put(&mut self, postings: &Gathered, batch: &mut Batch<'_>) -> Result<(), Error> {
        let mut next = Manifest::clone(&self.manifest);
        let new = self.pack(postings, &mut next, batch)?;
        let blocks = new.map_or(0, |run| run.blocks);
        // What this put makes obsolete readers may still find in the manifest before it.
        self.delete(self.bounds.removed_rows_beside(blocks), &mut next, batch)?;
        // What is new is not in the engine yet, and so in no merge.
        self.merge(self.bounds.merge_blocks_beside(blocks), &mut next, batch)?;
        next.runs.extend(new);
        if next != *self.manifest {
            batch.put(Bytes::from_static(key::MANIFEST), Some(rows::whole(&next.encode())))?;
            self.manifest = Arc::new(next);
        }
        Ok(())
    }

    /// What readers may use from now on: the rows of the last put are in the engine. The caller gives it to them before the next put.
    pub(crate) fn publish(&mut self) -> Arc<Manifest> {
        self.published.retain(|manifest| manifest.strong_count() > 0);
        let current = Arc::downgrade(&self.manifest);
        if !self.published.iter().any(|published| published.ptr_eq(&current)) {
            self.published.push(current);
        }
        Arc::clone(&self.manifest)
    }

    /// True where a put of nothing would do nothing. Not all is done then if readers hold on to runs that were merged.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let levels: BTreeSet<u8> = self.manifest.runs.iter().map(|run| run.level).collect();
        let can_merge = levels.into_iter().any(|level| self.sources(level, &self.manifest).is_some());
        self.merges.is_empty() && !can_merge && self.deletable(&self.manifest).is_empty()
    }

    /// A window's postings as a run.
    fn pack(
        &self,
        postings: &Gathered,
        next: &mut Manifest,
        batch: &mut Batch<'_>,
    ) -> Result<Option<Run>, Error> {
        if postings.len() == 0 {
            return Ok(None);
        }
        let mut run = RunWriter::new(next.take_number(), 0, self.bounds.row_bytes);
        for posting in postings.sorted()? {
            run.push(posting.bytes(), batch)?;
        }
        let run = run.finish(batch)?;
        Ok(Some(Run { level: self.bounds.level_of(run.blocks), ..run }))
    }

    /// Carries the merges of all levels on, each by so many blocks, and begins what there is to begin.
    fn merge(&mut self, blocks: u64, next: &mut Manifest, batch: &mut Batch<'_>) -> Result<(), Error> {
        let levels: BTreeSet<u8> = next.runs.iter().map(|run| run.level).collect();
        // The highest first: what a merge gives is not in the engine yet, and so in no other.
        for level in levels.into_iter().rev() {
            let mut left = blocks;
            while left > 0 {
                let merge = match self.merges.remove(&level) {
                    Some(merge) => Some(merge),
                    None => self.begin(batch.engine(), level, next)?,
                };
                let Some(mut merge) = merge else { break };
                let before = merge.output.blocks();
                if !merge.advance(left, batch)? {
                    self.merges.insert(level, merge);
                    break;
                }
                let run = finish(merge, next, batch)?;
                left = left.saturating_sub(run.blocks - before);
            }
        }
        Ok(())
    }

    fn begin(&self, engine: &dyn Engine, level: u8, next: &mut Manifest) -> Result<Option<Merge>, Error> {
        let Some(runs) = self.sources(level, next) else { return Ok(None) };
        let output = RunWriter::new(next.take_number(), level.saturating_add(1), self.bounds.row_bytes);
        next.leaving.push(output.number());
        let union = Union::open(engine, &runs, Direction::Ascending, Bound::Unbounded)?;
        let sources = runs.iter().map(|run| run.number).collect();
        Ok(Some(Merge { sources, union, output }))
    }

    /// The runs that the next merge of a level takes; `None` while there are too few, or one is under way.
    fn sources(&self, level: u8, manifest: &Manifest) -> Option<Vec<Run>> {
        if self.merges.contains_key(&level) {
            return None;
        }
        let runs = manifest.runs.iter().filter(|run| run.level == level).take(self.bounds.fanout);
        let runs: Vec<Run> = runs.copied().collect();
        (runs.len() == self.bounds.fanout).then_some(runs)
    }

    /// Deletes so many rows at most.
    fn delete(&mut self, mut left: usize, next: &mut Manifest, batch: &mut Batch<'_>) -> Result<(), Error> {
        // The newest first: they are small as a rule, and the list of those that leave stays short while a large one goes.
        for run in self.deletable(next).into_iter().rev() {
            let from =
                self.deleting.remove(&run).map_or_else(|| Bound::Included(key::of_run(run)), Bound::Excluded);
            let mut last = None;
            let mut rest = batch.engine().scan(from.as_ref().map(Vec::as_slice));
            while left > 0 {
                let row = rest.next().transpose()?;
                let Some((key, was)) = row.filter(|(key, _)| is_of(run, key)) else { break };
                batch.replace_row(Bytes::copy_from_slice(&key), Some(&was), None);
                last = Some(key);
                left -= 1;
            }
            if left == 0 {
                self.deleting.extend(last.map(|last| (run, last)));
                break;
            }
            next.leaving.retain(|leaving| *leaving != run);
        }
        Ok(())
    }

    /// Runs that leave, of which neither a merge nor a reader needs a row any more.
    fn deletable(&self, manifest: &Manifest) -> Vec<u64> {
        let mut held: BTreeSet<u64> = self.merges.values().map(|merge| merge.output.number()).collect();
        for published in self.published.iter().filter_map(Weak::upgrade) {
            held.extend(published.runs.iter().map(|run| run.number));
        }
        manifest.leaving.iter().copied().filter(|run| !held.contains(run)).collect()
    }
}

fn is_of(run: u64, key: &[u8]) -> bool {
    key::split(key).is_some_and(|(found, _)| found == run)
}

/// Swaps the runs that were merged for what came of them.
fn finish(merge: Merge, next: &mut Manifest, batch: &mut Batch<'_>) -> Result<Run, Error> {
    let Merge { sources, union: _, output } = merge;
    let run = output.finish(batch)?;
    next.leaving.retain(|leaving| *leaving != run.number);
    next.runs.retain(|run| !sources.contains(&run.number));
    next.leaving.extend(sources);
    next.runs.push(run);
    Ok(run)
}
