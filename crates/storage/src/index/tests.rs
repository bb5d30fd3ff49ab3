//! The index as a whole: whatever comes in whatever order, readers see a sorted set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::manifest::Manifest;
use super::writer::Bounds;
use super::{Index, IndexWriter, key};
use crate::batch::Batch;
use crate::engine::{Engine, MemoryEngine, RowWrite, SledEngine};
use crate::rows::{self, Digest};
use crate::{Error, keys, limits};

/// So small that a few thousand puts reach many levels.
const SMALL: Bounds = Bounds { fanout: 3, merge_blocks: 6, removed_rows: 7, row_bytes: 96 };

/// Deterministic numbers, spread evenly.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    /// Few enough that they repeat, of lengths that differ, with the bytes that are easily got wrong.
    fn posting(&mut self) -> Vec<u8> {
        let length = if self.one_in(200) { 300 } else { self.below(6) };
        (0..length).map(|_| [0, 1, b'a', b'b', 0xfe, 0xff][usize::try_from(self.below(6)).unwrap()]).collect()
    }

    fn bound(&mut self) -> Bound<Vec<u8>> {
        match self.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(self.posting()),
            _ => Bound::Excluded(self.posting()),
        }
    }
}

fn manifest(engine: &dyn Engine) -> Manifest {
    Manifest::of(engine).unwrap().unwrap_or_default()
}

fn open(engine: &dyn Engine, bounds: Bounds) -> IndexWriter {
    IndexWriter::of(manifest(engine), bounds)
}

/// A writer, what it should have, and readers of what it had.
struct Rig {
    engine: Arc<dyn Engine>,
    bounds: Bounds,
    writer: IndexWriter,
    expected: BTreeSet<Vec<u8>>,
    readers: Vec<(Index, BTreeSet<Vec<u8>>)>,
}

impl Rig {
    fn new(engine: Arc<dyn Engine>, bounds: Bounds) -> Self {
        let writer = open(engine.as_ref(), bounds);
        Self { engine, bounds, writer, expected: BTreeSet::new(), readers: Vec::new() }
    }

    fn prepare(&mut self, postings: &[Vec<u8>]) -> Vec<RowWrite> {
        let mut batch = Batch::new(self.engine.as_ref(), Digest::default());
        self.writer.put(&postings.iter().collect(), &mut batch).unwrap();
        let (rows, _) = batch.finish();
        let blocks = rows.iter().filter(|(key, _)| key::split(key).is_some());
        assert!(blocks.filter_map(|(_, row)| row.as_ref()).all(|row| row.len() <= self.bounds.row_bytes));
        rows
    }

    fn put(&mut self, postings: &[Vec<u8>]) -> usize {
        let rows = self.prepare(postings);
        self.engine.write(&rows).unwrap();
        self.expected.extend(postings.iter().cloned());
        rows.len()
    }

    /// As after a crash: nobody reads any more.
    fn reopen(&mut self) {
        self.readers.clear();
        self.writer = open(self.engine.as_ref(), self.bounds);
    }

    fn index(&mut self) -> Index {
        Index::new(Arc::clone(&self.engine), self.writer.publish())
    }

    fn rest(&mut self) -> usize {
        let mut puts = 0;
        while !self.writer.is_idle() {
            self.put(&[]);
            self.writer.publish();
            puts += 1;
            assert!(puts < 100_000, "it does not come to rest");
        }
        puts
    }

    fn levels(&self) -> BTreeMap<u8, u64> {
        let mut levels = BTreeMap::new();
        for run in &self.manifest().runs {
            *levels.entry(run.level).or_default() += 1;
        }
        levels
    }

    /// The one in the engine.
    fn manifest(&self) -> Manifest {
        manifest(self.engine.as_ref())
    }

    /// Blocks in the engine, by run.
    fn blocks(&self) -> BTreeMap<u64, u64> {
        let mut blocks = BTreeMap::new();
        for row in self.engine.scan(Bound::Included(&[keys::INDEX])) {
            let (key, _) = row.unwrap();
            if let Some((run, _)) = key::split(&key) {
                *blocks.entry(run).or_default() += 1;
            }
        }
        blocks
    }

    /// Each run in the engine is named by the manifest, and those that count are whole.
    fn check(&mut self) {
        self.index().check().unwrap();
        let (manifest, mut blocks) = (self.manifest(), self.blocks());
        for run in &manifest.runs {
            assert_eq!(blocks.remove(&run.number), Some(run.blocks));
        }
        assert!(blocks.keys().all(|run| manifest.leaving.contains(run)), "{manifest:?} {blocks:?}");
    }
}

fn all(postings: impl Iterator<Item = Result<Vec<u8>, Error>>) -> Vec<Vec<u8>> {
    postings.map(Result::unwrap).collect()
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn assert_same(index: &Index, expected: &BTreeSet<Vec<u8>>) {
    assert!(all(index.ascending(b"", Bound::Unbounded)).iter().eq(expected.iter()));
    assert!(all(index.descending(b"", Bound::Unbounded)).iter().eq(expected.iter().rev()));
}

/// Some of what begins with some prefix, from some bound on, in both directions.
fn assert_alike(index: &Index, expected: &BTreeSet<Vec<u8>>, dice: &mut Dice) {
    let mut prefix = dice.posting();
    prefix.truncate(usize::try_from(dice.below(4)).unwrap());
    let bound = match dice.bound() {
        // One that begins with the prefix is likelier to make a difference.
        Bound::Included(bound) if dice.one_in(2) => Bound::Included([prefix.clone(), bound].concat()),
        Bound::Excluded(bound) if dice.one_in(2) => Bound::Excluded([prefix.clone(), bound].concat()),
        other => other,
    };
    let most = usize::try_from(dice.below(60)).unwrap();
    let begins = |posting: &&Vec<u8>| posting.starts_with(&prefix);
    let after = expected.range::<Vec<u8>, _>((bound.as_ref(), Bound::Unbounded)).filter(begins).take(most);
    let found = all(index.ascending(&prefix, as_slice(&bound)).take(most));
    assert!(found.iter().eq(after), "{prefix:?} {bound:?} {found:?}");
    let before =
        expected.range::<Vec<u8>, _>((Bound::Unbounded, bound.as_ref())).rev().filter(begins).take(most);
    let found = all(index.descending(&prefix, as_slice(&bound)).take(most));
    assert!(found.iter().eq(before), "{prefix:?} {bound:?} {found:?}");
}

/// Windows of very different sizes; many bring nothing.
fn window(dice: &mut Dice) -> Vec<Vec<u8>> {
    let most = [0, 1, 4, 40, 400][usize::try_from(dice.below(5)).unwrap()];
    let count = dice.below(most + 1);
    (0..count).map(|_| dice.posting()).collect()
}

/// A put in the midst of which the process is killed.
fn crash(rig: &mut Rig, postings: &[Vec<u8>], dice: &mut Dice) {
    let rows = rig.prepare(postings);
    if dice.one_in(2) {
        let until = usize::try_from(dice.below(rows.len() as u64 + 1)).unwrap();
        rig.engine.write(&rows[..until]).unwrap();
        // Readers that began before see nothing of it.
        for (index, expected) in &rig.readers {
            assert_alike(index, expected, dice);
        }
        // The redo file has all of them.
        rig.engine.write(&rows).unwrap();
        rig.expected.extend(postings.iter().cloned());
    }
    rig.reopen();
}

fn random_windows(engine: Arc<dyn Engine>, puts: u64, seed: u64) {
    let (mut rig, mut dice) = (Rig::new(engine, SMALL), Dice(seed));
    let mut most_runs = 0;
    for put in 0..puts {
        let postings = window(&mut dice);
        if dice.one_in(100) {
            crash(&mut rig, &postings, &mut dice);
        } else {
            rig.put(&postings);
        }
        let index = rig.index();
        assert_alike(&index, &rig.expected, &mut dice);
        if let Some((index, expected)) = rig.readers.get(usize::try_from(dice.below(4)).unwrap()) {
            assert_alike(index, expected, &mut dice);
        }
        if rig.readers.len() < 4 && dice.one_in(20) {
            rig.readers.push((index, rig.expected.clone()));
        }
        if !rig.readers.is_empty() && dice.one_in(25) {
            let (index, expected) =
                rig.readers.remove(usize::try_from(dice.below(rig.readers.len() as u64)).unwrap());
            assert_same(&index, &expected);
        }
        most_runs = most_runs.max(rig.levels().into_values().max().unwrap_or(0));
        if put % 50 == 0 {
            rig.check();
            let index = rig.index();
            assert_same(&index, &rig.expected);
        }
    }
    let fanout = rig.bounds.fanout as u64;
    assert!(most_runs < fanout * fanout + fanout, "{most_runs} runs of one level");
    for (index, expected) in std::mem::take(&mut rig.readers) {
        assert_same(&index, &expected);
    }
    rig.rest();
    rig.check();
    let live: BTreeMap<u64, u64> = rig.manifest().runs.iter().map(|run| (run.number, run.blocks)).collect();
    assert_eq!(rig.blocks(), live, "only what counts is left");
    assert!(rig.levels().into_values().all(|runs| runs < fanout));
    let index = rig.index();
    assert_same(&index, &rig.expected);
}

#[test]
fn whatever_windows_bring_readers_see_a_sorted_set() {
    for seed in 1..=3 {
        random_windows(Arc::new(MemoryEngine::default()), 1_000, seed);
    }
}

#[test]
fn the_same_holds_over_sled() {
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(&dir.path().join("engine"), 16 << 20).unwrap();
    random_windows(Arc::new(engine), 500, 5);
}

/// Postings in the order of their numbers.
fn numbered(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(|number| number.to_be_bytes().to_vec()).collect()
}

fn memory_rig() -> Rig {
    Rig::new(Arc::new(MemoryEngine::default()), SMALL)
}

#[test]
fn small_windows_that_come_while_large_ones_are_merged_gather_to_a_bound() {
    let bounds = Bounds { row_bytes: 32, ..Bounds::default() };
    let mut rig = Rig::new(Arc::new(MemoryEngine::default()), bounds);
    let (mut next, mut most) = (0, 0);
    // Each block takes ten of them. Eight windows make up a full merge; those that follow are just too large for the level before.
    let windows = std::iter::repeat_n(2_560, 8).chain(std::iter::repeat_n(330, 120));
    for postings in windows {
        rig.put(&numbered(next..next + postings));
        rig.writer.publish();
        next += postings;
        assert_eq!(rig.manifest().runs.iter().map(|run| run.level).min(), Some(2));
        most = most.max(rig.levels()[&2]);
    }
    assert!((32..64).contains(&most), "{most}");
    assert!(rig.levels()[&2] <= 16, "{:?}", rig.levels());
    rig.index().check().unwrap();
}

#[test]
fn nothing_to_do_puts_no_row() {
    let mut rig = memory_rig();
    assert!(rig.writer.is_idle());
    assert_eq!(rig.put(&[]), 0);
    assert_eq!(all(rig.index().ascending(b"", Bound::Unbounded)), Vec::<Vec<u8>>::new());
    assert_eq!(all(rig.index().descending(b"", Bound::Unbounded)), Vec::<Vec<u8>>::new());
    for window in 0..50 {
        rig.put(&numbered(window * 500..window * 500 + 600));
        rig.writer.publish();
    }
    assert!(rig.rest() > 0);
    assert_eq!(rig.put(&[]), 0);
    rig.reopen();
    assert!(rig.writer.is_idle());
    assert_eq!(rig.put(&[]), 0);
}

#[test]
fn an_unfinished_run_goes_when_the_index_is_opened_again() {
    let mut rig = memory_rig();
    for window in 0..3 {
        rig.put(&numbered(window * 400..window * 400 + 400));
    }
    assert!(!rig.writer.is_idle(), "there is something to merge");
    rig.put(&[]);
    let unfinished = rig.manifest().leaving;
    assert_eq!((unfinished.len(), rig.blocks()[&unfinished[0]]), (1, rig.bounds.merge_blocks));
    rig.reopen();
    rig.put(&[]);
    assert!(!rig.blocks().contains_key(&unfinished[0]), "its few rows go at once");
    rig.rest();
    rig.check();
    assert_eq!(rig.manifest().runs.len(), 1);
    let expected = rig.expected.clone();
    assert_same(&rig.index(), &expected);
}

#[test]
fn runs_stay_as_long_as_a_reader_holds_them() {
    let mut rig = memory_rig();
    rig.put(&numbered(0..300));
    let (reader, held) = (rig.index(), rig.blocks());
    for window in 1..20 {
        rig.put(&numbered(window * 10..window * 10 + 300));
        rig.writer.publish();
    }
    rig.rest();
    assert_eq!(rig.manifest().leaving, held.keys().copied().collect::<Vec<_>>(), "of all that were merged");
    assert!(held.iter().all(|(run, blocks)| rig.blocks().get(run) == Some(blocks)));
    assert_same(&reader, &numbered(0..300).into_iter().collect());
    assert_eq!(rig.put(&[]), 0);
    drop(reader);
    assert!(!rig.writer.is_idle());
    rig.rest();
    assert!(!rig.blocks().contains_key(held.keys().next().unwrap()));
    assert_eq!(rig.manifest().leaving, Vec::<u64>::new());
}

#[test]
fn readers_beside_the_writer_see_what_they_began_with() {
    const STEP: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(&dir.path().join("engine"), 16 << 20).unwrap();
    let mut rig = Rig::new(Arc::new(engine), SMALL);
    let current = parking_lot::Mutex::new(Some((rig.index(), 0)));
    let read = |seed| {
        let mut dice = Dice(seed);
        while let Some((index, count)) = { current.lock().clone() } {
            let from = dice.below(count + 1);
            let bound = from.to_be_bytes();
            let ascending = index.ascending(b"", Bound::Included(&bound));
            assert!(all(ascending) == numbered(from..count), "from {from} of {count}");
            let mut descending = all(index.descending(b"", Bound::Excluded(&bound)));
            descending.reverse();
            assert!(descending == numbered(0..from), "until {from} of {count}");
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|seed| scope.spawn(move || read(seed))).collect();
        for window in 0..150 {
            // In an order that no run has alone.
            let new = numbered(window * STEP..window * STEP + STEP).into_iter();
            let (first, second): (Vec<_>, Vec<_>) = new.partition(|posting| posting[7] % 2 == 0);
            rig.put(&first);
            rig.writer.publish();
            rig.put(&second);
            *current.lock() = Some((rig.index(), window * STEP + STEP));
        }
        *current.lock() = None;
        for reader in readers {
            reader.join().unwrap();
        }
    });
    rig.rest();
    rig.check();
}

/// The postings until an error, and whether there was one.
fn until_error(postings: impl Iterator<Item = Result<Vec<u8>, Error>>) -> (Vec<Vec<u8>>, bool) {
    let mut failed = false;
    let found = postings.map_while(|posting| posting.inspect_err(|_| failed = true).ok()).collect();
    (found, failed)
}

#[test]
fn a_block_that_is_missing_is_never_taken_for_fewer_postings() {
    let mut rig = memory_rig();
    rig.put(&numbered(100..150));
    rig.put(&numbered(0..300));
    let index = rig.index();
    let whole: Vec<_> = rig.engine.scan(Bound::Included(&key::of_run(1))).map(Result::unwrap).collect();
    assert!(whole.len() > 5);
    for (key, value) in whole {
        rig.engine.write(&[(key.clone().into(), None)]).unwrap();
        assert!(index.check().is_err());
        assert!(until_error(index.ascending(b"", Bound::Unbounded)).1);
        assert!(until_error(index.descending(b"", Bound::Unbounded)).1);
        for number in 0..300_u64 {
            let bound = number.to_be_bytes();
            let (found, failed) = until_error(index.ascending(b"", Bound::Included(&bound)));
            assert!(numbered(number..300).starts_with(&found));
            assert!(failed || found.len() as u64 == 300 - number, "from {number}");
            for (bound, until) in
                [(Bound::Included(&bound[..]), number + 1), (Bound::Excluded(&bound[..]), number)]
            {
                let (mut found, failed) = until_error(index.descending(b"", bound));
                found.reverse();
                assert!(numbered(0..until).ends_with(&found));
                assert!(failed || found.len() as u64 == until, "until {until}");
            }
        }
        rig.engine.write(&[(key.into(), Some(Bytes::from(value)))]).unwrap();
        index.check().unwrap();
    }
}

#[test]
fn a_run_with_other_postings_than_the_manifest_counts_is_found() {
    let mut rig = memory_rig();
    rig.put(&numbered(0..300));
    for (blocks, postings) in [(0, 1), (1, 0), (1, 1)] {
        let mut manifest = rig.manifest();
        manifest.runs[0].blocks += blocks;
        manifest.runs[0].postings += postings;
        let index = Index::new(Arc::clone(&rig.engine), Arc::new(manifest));
        assert!(index.check().is_err());
        assert!(until_error(index.descending(b"", Bound::Unbounded)).1);
    }
}

#[test]
fn an_index_of_another_format_is_none() {
    let engine = MemoryEngine::default();
    assert!(IndexWriter::open(&engine).unwrap().is_none());
    let mut batch = Batch::new(&engine, Digest::default());
    IndexWriter::empty().put(&numbered(0..10).iter().collect(), &mut batch).unwrap();
    engine.write(&batch.finish().0).unwrap();
    assert!(IndexWriter::open(&engine).unwrap().is_some());
    engine.write(&[(key::MANIFEST.into(), Some(rows::whole(&[0xff, 0xff, 1])))]).unwrap();
    assert!(IndexWriter::open(&engine).unwrap().is_none());
}

#[test]
fn a_posting_that_is_too_long_is_refused() {
    let long = vec![b'a'; limits::MAX_POSTING_BYTES + 1];
    let engine = MemoryEngine::default();
    let mut batch = Batch::new(&engine, Digest::default());
    let put = memory_rig().writer.put(&[long].iter().collect(), &mut batch);
    assert!(put.is_err());
}

#[test]
fn a_manifest_of_several_rows_stands_before_all_blocks() {
    let bounds = Bounds { fanout: 10_000, ..SMALL };
    let mut rig = Rig::new(Arc::new(MemoryEngine::default()), bounds);
    for window in 0..1_000 {
        rig.put(&numbered(window..window + 1));
    }
    assert!(rig.manifest().encode().len() > limits::MAX_ROW_BYTES);
    let values: Vec<_> = rows::scan(rig.engine.as_ref(), Bound::Unbounded).map(Result::unwrap).collect();
    assert_eq!((values.len(), values[0].0.as_slice()), (1_001, key::MANIFEST));
    rig.reopen();
    rig.check();
}
