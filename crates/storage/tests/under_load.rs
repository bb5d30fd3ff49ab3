//! Snapshots, the scrubber and the disk's room, where the node goes on writing or the process is short of something.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Node, cancel, confirm, create, main_location, place, receive};
use openraft::storage::RaftLogStorage;
use stockade_storage::file::{File, Files, MemoryFiles, OperationKind, Space};
use stockade_storage::{AlarmKind, EngineKind, Options, SnapshotFile, SpaceMarks};
use tokio::time::{Instant, sleep};

const DIR: &str = "/data";
const RESERVE: u64 = 4 << 20;

fn options() -> Options {
    Options {
        engine: EngineKind::Memory,
        segment_bytes: 4 << 10,
        log_cache_bytes: 0,
        ..Node::options(Path::new(DIR))
    }
}

fn free(files: &MemoryFiles) -> u64 {
    files.space(Path::new(DIR)).unwrap().free
}

/// As if somebody else had taken all of the disk but this much.
fn leave(files: &MemoryFiles, free: u64) {
    files.set_capacity(None);
    let space = files.space(Path::new(DIR)).unwrap();
    files.set_capacity(Some(space.total - space.free + free));
}

#[tokio::test]
async fn a_snapshot_far_larger_than_the_last_one_leaves_the_reserve_alone() {
    let files = MemoryFiles::default();
    let space = SpaceMarks { low_bytes: 8 << 20, reserve_bytes: RESERVE };
    let options = Options { space, segment_bytes: 1 << 20, ..options() };
    let mut node = Node::try_open(options, Arc::new(files.clone())).await.unwrap();
    node.run(vec![create("a")]).await;
    let first = node.storage.state.make_snapshot().await.unwrap();
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..60 {
        let commands = (0..50).map(|_| {
            let mut name = String::new();
            for _ in 0..6 {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                write!(name, "{:016x}", bits ^ (bits >> 29)).unwrap();
            }
            create(&name)
        });
        node.run(commands.collect()).await;
    }
    // Everything is in the engine, so that only the snapshot needs room.
    node.hashes().await;
    leave(&files, RESERVE + first.len() * 4);
    let made = node.storage.state.make_snapshot().await;
    let left = free(&files);
    let len = made.as_ref().map_or(0, SnapshotFile::len);
    assert!(
        made.is_err() && left >= RESERVE,
        "last {} new {len}; {left} of the reserve of {RESERVE} are free",
        first.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_while_the_log_grows_as_fast_as_it_is_read() {
    let files = MemoryFiles::default();
    // Both rates are small so that the test is; only their ratio counts.
    let options = Options { scrub_bytes_per_second: 2 << 10, ..options() };
    let mut node = Node::try_open(options, Arc::new(files.clone())).await.unwrap();
    for _ in 0..60 {
        let name = format!("sku-{}", node.next);
        node.run(vec![create(&name)]).await;
    }
    let snapshot = node.snapshot().await;
    node.storage.state.scrub_now();
    sleep(Duration::from_secs(2)).await;
    // The snapshot was read at the beginning of the pass; it rots after that.
    let paths = files.list(&Path::new(DIR).join("snapshots")).unwrap();
    files.flip_bit(&paths[0], snapshot.len() / 2, 3).unwrap();
    let begun = Instant::now();
    let before = node.storage.state.scrub_stats();
    // Half an hour; one pass over what was there takes less than half a minute.
    while begun.elapsed() < Duration::from_mins(30) {
        for _ in 0..3 {
            let name = format!("sku-{}{}", node.next, "x".repeat(100));
            let padded: Vec<_> = (0..5).map(|n| create(&format!("{name}{n}"))).collect();
            node.run(padded).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let stats = node.storage.state.scrub_stats();
    let found = node.storage.alarms.list().iter().any(|alarm| alarm.kind == AlarmKind::SnapshotDamaged);
    assert!(
        stats.passes > before.passes && found,
        "passes {} -> {}, {stats:?}, found {found}",
        before.passes,
        stats.passes
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_without_free_file_descriptors_has_no_damaged_disk() {
    let files = NoDescriptors { inner: MemoryFiles::default(), out: Arc::default() };
    let mut node = Node::try_open(options(), Arc::new(files.clone())).await.unwrap();
    for _ in 0..60 {
        let name = format!("sku-{}", node.next);
        node.run(vec![create(&name)]).await;
    }
    node.storage.state.make_snapshot().await.unwrap();
    files.out.store(true, Ordering::Relaxed);
    let passes = node.storage.state.scrub_stats().passes;
    node.storage.state.scrub_now();
    while node.storage.state.scrub_stats().passes == passes {
        sleep(Duration::from_millis(100)).await;
    }
    let healing = *node.storage.state.watch_healing().borrow();
    assert_eq!(node.storage.alarms.list(), [], "{healing:?}");
}

#[tokio::test(start_paused = true)]
async fn a_vote_that_rots_behind_the_last_entry_is_found() {
    let files = MemoryFiles::default();
    let mut node = Node::try_open(options(), Arc::new(files.clone())).await.unwrap();
    for _ in 0..60 {
        let name = format!("sku-{}", node.next);
        node.run(vec![create(&name)]).await;
    }
    files.note_operations();
    node.storage
        .log
        .save_vote(&openraft::type_config::alias::VoteOf::<stockade_storage::TypeConfig>::new(7, 1))
        .await
        .unwrap();
    let written = files.noted_operations();
    let vote = written.iter().find(|operation| operation.kind == OperationKind::Write).unwrap();
    // The operation has the name that the file had when it was opened.
    let wal = files.list(&Path::new(DIR).join("wal")).unwrap();
    let active = wal.iter().rfind(|path| path.extension().is_some_and(|suffix| suffix == "wal")).unwrap();
    files.flip_bit(active, vote.offset + 30, 3).unwrap();
    let passes = node.storage.state.scrub_stats().passes;
    node.storage.state.scrub_now();
    while node.storage.state.scrub_stats().passes == passes {
        sleep(Duration::from_millis(100)).await;
    }
    let alarms = node.storage.alarms.list();
    // What the scrubber did not find, the next start does.
    let options = node.options.clone();
    let files = files.fork();
    drop(node);
    let reopened = Node::try_open(options, Arc::new(files)).await;
    assert!(reopened.is_err(), "the damage matters");
    assert!(!alarms.is_empty(), "the scrubber has read the log whole and found nothing");
}

/// Writer and snapshot thread beside one another, on sled; orders of several rows that come, change and shrink.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_made_beside_writes_is_the_state_at_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::open(dir.path()).await;
    let skus: Vec<String> = (0..200).map(|n| format!("sku-{n:03}-{}", "s".repeat(40))).collect();
    let created = skus.iter().map(|name| create(name));
    node.run(std::iter::once(main_location()).chain(created).collect()).await;
    node.run(skus.iter().map(|name| receive(name, 1_000_000, &format!("d-{name}"))).collect()).await;
    let lines = |count: usize| skus.iter().take(count).map(|name| (name.as_str(), 1)).collect::<Vec<_>>();
    let id = |number: u64| format!("{:05}-{number}", (number * 7_919) % 100_000);
    let mut placed = 0;
    for _ in 0..100 {
        let commands = (0..5).map(|n| place(&id(placed + n), &lines(200 - usize::try_from(n).unwrap())));
        node.run(commands.collect()).await;
        placed += 5;
    }
    let state = node.storage.state.clone();
    let making = tokio::spawn(async move {
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(state.make_snapshot().await.unwrap());
        }
        made
    });
    let mut hashes = std::collections::BTreeMap::new();
    let mut settled = 0;
    while !making.is_finished() {
        let mut commands: Vec<_> = (0..3).map(|n| place(&id(placed + n), &lines(150))).collect();
        placed += 3;
        commands.push(cancel(&id(settled)));
        commands.push(confirm(&id(settled + 1)));
        settled += 2;
        let index = node.run(commands).await;
        let hash = node.storage.state.hash(true).await.unwrap();
        hashes.insert(index, hash.full.unwrap().0);
    }
    let made = making.await.unwrap();
    let compared = made.iter().filter_map(|made| Some((hashes.get(&made.index().get())?, made.state_hash())));
    let compared: Vec<_> = compared.collect();
    assert!(!compared.is_empty());
    assert!(compared.iter().all(|(hash, of_snapshot)| **hash == *of_snapshot));
    // From the last snapshot and the log behind it the same state comes again.
    let hashes = node.hashes().await;
    let dir = node.stop().await;
    std::fs::remove_file(dir.join("engine/TRUST")).unwrap();
    let mut node = Node::open(&dir).await;
    assert!(node.catch_up().await < node.next - 1, "it was rebuilt");
    assert_eq!(node.hashes().await, hashes);
    node.stop().await;
}

#[derive(Clone, Debug)]
struct NoDescriptors {
    inner: MemoryFiles,
    out: Arc<AtomicBool>,
}

impl Files for NoDescriptors {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        if self.out.load(Ordering::Relaxed) {
            // EMFILE
            return Err(io::Error::from_raw_os_error(24));
        }
        self.inner.open(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.inner.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }
    fn boot_mark(&self, dir: &Path) -> io::Result<String> {
        self.inner.boot_mark(dir)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.inner.space(dir)
    }
}
