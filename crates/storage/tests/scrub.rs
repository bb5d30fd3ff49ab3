//! The scrubber: what rots on the disk is found while the node runs, what only moves is not taken for damage.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Node, create};
use stockade_storage::file::{DiskFiles, File, Files, MemoryFiles, Space};
use stockade_storage::{AlarmKind, EngineKind, Healing, Options};
use tokio::time::{Instant, sleep, timeout};

const DIR: &str = "/data";
const SEGMENT_BYTES: u64 = 4 << 10;
const PATIENCE: Duration = Duration::from_mins(1);

fn options() -> Options {
    Options {
        engine: EngineKind::Memory,
        segment_bytes: SEGMENT_BYTES,
        // Nothing is served from memory that has gone bad on the disk.
        log_cache_bytes: 0,
        ..Node::options(Path::new(DIR))
    }
}

/// A node with several segments full of entries.
async fn with_segments(files: Arc<dyn Files>, options: Options) -> Node {
    let mut node = Node::try_open(options, files).await.unwrap();
    fill(&mut node, 60).await;
    assert!(node.storage.log.stats().segments >= 3);
    node
}

async fn fill(node: &mut Node, entries: u64) {
    for _ in 0..entries {
        let name = format!("sku-{}", node.next);
        node.run(vec![create(&name)]).await;
    }
}

fn segment(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("wal/{number:016x}.wal"))
}

/// Waits for a condition; time is virtual where it is paused.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in {PATIENCE:?} it was not so that {what}"));
}

/// Lets the scrubber read everything once, from the beginning.
async fn whole_pass(node: &Node) {
    let state = &node.storage.state;
    let before = state.scrub_stats().passes;
    state.scrub_now();
    // The one that was under way, and one after it.
    until("the scrubber has passed", || state.scrub_stats().passes > before).await;
}

fn detail(node: &Node, kind: AlarmKind) -> Option<String> {
    node.storage.alarms.list().into_iter().find(|alarm| alarm.kind == kind).map(|alarm| alarm.detail)
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_any_sealed_segment_is_found_in_one_pass() {
    let files = MemoryFiles::default();
    let node = with_segments(Arc::new(files.clone()), options()).await;
    whole_pass(&node).await;
    assert_eq!(node.storage.alarms.list(), []);
    for (number, offset) in [(1, 3), (1, 60), (2, 0), (2, 400), (1, 1_900)] {
        files.flip_bit(&segment(number), offset, 2).unwrap();
        whole_pass(&node).await;
        let detail = detail(&node, AlarmKind::LogDamaged).unwrap_or_else(|| panic!("{number} at {offset}"));
        assert!(detail.contains(&format!("{number:016x}.wal is damaged at offset")), "{detail}");
        let healing = *node.storage.state.watch_healing().borrow();
        assert_eq!(healing, Healing { snapshot: false, segment: Some(number) }, "{number} at {offset}");
        files.flip_bit(&segment(number), offset, 2).unwrap();
        whole_pass(&node).await;
        assert_eq!(node.storage.alarms.list(), [], "the disk gave it back");
    }
    assert_eq!(node.storage.state.scrub_stats().transient, 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_segment_is_over_once_its_entries_are_in_a_snapshot_and_purged() {
    let files = MemoryFiles::default();
    let mut node = with_segments(Arc::new(files.clone()), options()).await;
    files.flip_bit(&segment(2), 300, 0).unwrap();
    whole_pass(&node).await;
    let found = detail(&node, AlarmKind::LogDamaged).unwrap();
    assert!(found.contains("a snapshot is made"), "{found}");
    let last = node.storage.log.last_entry_through(2).unwrap();
    node.snapshot().await;
    node.purge(last).await;
    until("the alarm is over", || node.storage.alarms.list().is_empty()).await;
    assert_eq!(*node.storage.state.watch_healing().borrow(), Healing::default());
    assert_eq!(node.storage.state.scrub_stats().problems, 0);
}

#[tokio::test(start_paused = true)]
async fn damage_in_the_segment_that_is_written_to_goes_when_the_log_leaves_it() {
    let files = MemoryFiles::default();
    let mut node = with_segments(Arc::new(files.clone()), options()).await;
    let wal = files.list(&Path::new(DIR).join("wal")).unwrap();
    let active = wal.iter().rfind(|path| path.extension().is_some_and(|suffix| suffix == "wal")).unwrap();
    files.flip_bit(active, 20, 7).unwrap();
    whole_pass(&node).await;
    let number = node.storage.state.watch_healing().borrow().segment.unwrap();
    assert_eq!(segment(number), *active);
    node.storage.log.leave_segment(number).await.unwrap();
    fill(&mut node, 1).await;
    let last = node.storage.log.last_entry_through(number).unwrap();
    assert_eq!(last, node.next - 2);
    node.snapshot().await;
    node.purge(last).await;
    until("the alarm is over", || node.storage.alarms.list().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_not_applied_can_not_be_healed_here_and_the_alarm_says_so() {
    let files = MemoryFiles::default();
    let mut node = with_segments(Arc::new(files.clone()), options()).await;
    for _ in 0..40 {
        node.append(vec![create("later")]).await;
    }
    let first = node.storage.state.applied().get() + 1;
    let number = (1..100).find(|number| node.storage.log.last_entry_through(*number) >= Some(first)).unwrap();
    files.flip_bit(&segment(number), 100, 0).unwrap();
    whole_pass(&node).await;
    let found = detail(&node, AlarmKind::LogDamaged).unwrap();
    assert!(found.contains("stockade cluster replace"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn damage_that_replication_meets_before_the_scrubber_names_file_and_offset() {
    use openraft::storage::{RaftLogReader as _, RaftLogStorage as _};
    let files = MemoryFiles::default();
    let mut node = with_segments(Arc::new(files.clone()), options()).await;
    files.flip_bit(&segment(1), 300, 0).unwrap();
    let mut reader = node.storage.log.get_log_reader().await;
    let error = reader.limited_get_log_entries(1, node.next).await.unwrap_err();
    let failure = timeout(PATIENCE, node.env.tasks.failed()).await.unwrap();
    assert_eq!(failure.kind, stockade_env::FailureKind::Damaged);
    for text in [error.to_string(), failure.cause] {
        assert!(text.contains("0000000000000001.wal is damaged at offset"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_segment_is_found() {
    let files = MemoryFiles::default();
    let node = with_segments(Arc::new(files.clone()), options()).await;
    files.remove(&segment(2)).unwrap();
    whole_pass(&node).await;
    let found = detail(&node, AlarmKind::LogDamaged).unwrap();
    assert!(found.contains("0000000000000002.wal"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_is_found_and_over_when_another_takes_its_place() {
    let files = MemoryFiles::default();
    let node = with_segments(Arc::new(files.clone()), options()).await;
    node.storage.state.make_snapshot().await.unwrap();
    whole_pass(&node).await;
    assert_eq!(node.storage.alarms.list(), []);
    let snapshots = files.list(&Path::new(DIR).join("snapshots")).unwrap();
    let [path] = snapshots.as_slice() else { panic!("{snapshots:?}") };
    let len = files.open(path).unwrap().len().unwrap();
    for offset in [0, 9, 40, len / 2, len - 90, len - 1] {
        files.flip_bit(path, offset, 5).unwrap();
        whole_pass(&node).await;
        let found = detail(&node, AlarmKind::SnapshotDamaged).unwrap_or_else(|| panic!("offset {offset}"));
        assert!(found.contains(".snapshot"), "{found}");
        assert!(node.storage.state.watch_healing().borrow().snapshot);
        // At the same log index, so that it has the same name.
        node.storage.state.make_snapshot().await.unwrap();
        until("the alarm is over", || node.storage.alarms.list().is_empty()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_takes_as_long_as_the_rate_says() {
    let options = Options { scrub_bytes_per_second: 1 << 10, ..options() };
    let node = with_segments(Arc::new(MemoryFiles::default()), options).await;
    let begun = Instant::now();
    let state = &node.storage.state;
    state.scrub_now();
    let passed = async {
        while state.scrub_stats().passes == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_hours(1), passed).await.unwrap();
    let done = state.scrub_stats();
    let least = Duration::from_millis(done.bytes * 1_000 / (1 << 10));
    let took = begun.elapsed();
    assert!(done.bytes > 2 * SEGMENT_BYTES, "{done:?}");
    assert!(took >= least && took < least + Duration::from_secs(1), "{took:?} for {done:?}");
    assert!(done.last_pass_us > 0 && Duration::from_millis(done.last_pass_ms) <= took, "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn at_a_rate_of_zero_nothing_is_read() {
    let options = Options { scrub_bytes_per_second: 0, ..options() };
    let node = with_segments(Arc::new(MemoryFiles::default()), options).await;
    node.storage.state.scrub_now();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(node.storage.state.scrub_stats(), stockade_storage::ScrubStats::default());
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_a_second_one_does_not_confirm_raises_no_alarm() {
    let files = Flaky::over(MemoryFiles::default());
    let node = with_segments(Arc::new(files.clone()), options()).await;
    whole_pass(&node).await;
    files.spoil_next.store(true, Ordering::Relaxed);
    whole_pass(&node).await;
    assert_eq!((node.storage.state.scrub_stats().transient, node.storage.alarms.list()), (1, Vec::new()));
    assert!(!files.spoil_next.load(Ordering::Relaxed), "something was read");
}

/// Recycles segments and replaces snapshots as fast as it goes while the scrubber reads them.
async fn churn(mut node: Node, rounds: u64, passes: u64) {
    let deadline = Instant::now() + PATIENCE;
    let mut round = 0;
    while round < rounds || node.storage.state.scrub_stats().passes < passes {
        assert!(Instant::now() < deadline, "{:?}", node.storage.state.scrub_stats());
        fill(&mut node, 12).await;
        node.storage.state.scrub_now();
        if round % 3 == 0 {
            node.storage.state.make_snapshot().await.unwrap();
            node.purge(node.next - 3).await;
        }
        // So that the scrubber is met anywhere in its work.
        sleep(Duration::from_millis(round % 7)).await;
        assert_eq!(node.storage.alarms.list(), [], "round {round}");
        round += 1;
    }
    assert!(node.storage.log.stats().segments < 20, "segments were let go");
    assert_eq!(node.storage.state.scrub_stats().transient, 0);
}

#[tokio::test(start_paused = true)]
async fn recycled_segments_are_no_damage() {
    let options = Options { scrub_bytes_per_second: 8 << 20, segment_bytes: 2 << 10, ..options() };
    let node = Node::try_open(options, Arc::new(MemoryFiles::default())).await.unwrap();
    churn(node, 150, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recycled_segments_are_no_damage_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        scrub_bytes_per_second: 1 << 30,
        segment_bytes: 2 << 10,
        log_cache_bytes: 0,
        ..Node::options(dir.path())
    };
    let node = Node::try_open(options, Arc::new(DiskFiles)).await.unwrap();
    churn(node, 60, 20).await;
}

/// Spoils one reading when it is told to.
#[derive(Clone)]
struct Flaky {
    inner: MemoryFiles,
    spoil_next: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
}

struct FlakyFile {
    inner: Arc<dyn File>,
    files: Flaky,
}

impl Flaky {
    fn over(inner: MemoryFiles) -> Self {
        Self { inner, spoil_next: Arc::default(), reads: Arc::default() }
    }

    fn wrap(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FlakyFile { inner, files: self.clone() })
    }
}

impl fmt::Debug for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

impl fmt::Debug for FlakyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlakyFile")
    }
}

impl Files for Flaky {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(self.inner.open(path)?))
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(self.inner.create(path)?))
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

impl File for FlakyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read_at(offset, buffer)?;
        self.files.reads.fetch_add(1, Ordering::Relaxed);
        if read > 60 && self.files.spoil_next.swap(false, Ordering::Relaxed) {
            buffer[50] ^= 1;
        }
        Ok(read)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn drop_cache(&self) -> io::Result<()> {
        self.inner.drop_cache()
    }
}
