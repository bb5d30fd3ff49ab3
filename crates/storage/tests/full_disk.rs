//! What a node's storage does while its disk has little room, none, and room again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Node, create, main_location, place, receive};
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use stockade_env::FailureKind;
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{AlarmKind, EngineKind, Error, Options, SpaceLevel, SpaceMarks};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const LOW: u64 = 8 << 20;
const RESERVE: u64 = 4 << 20;

fn options(space: SpaceMarks) -> Options {
    Options { engine: EngineKind::Memory, space, ..Node::options(Path::new("/data")) }
}

fn marks() -> SpaceMarks {
    SpaceMarks { low_bytes: LOW, reserve_bytes: RESERVE }
}

async fn open(files: &MemoryFiles, options: Options) -> Result<Node, Error> {
    Node::try_open(options, Arc::new(files.clone())).await
}

/// As if somebody else had taken all of the disk but this much.
fn leave(files: &MemoryFiles, free: u64) {
    files.set_capacity(None);
    let space = files.space(Path::new("/data")).unwrap();
    files.set_capacity(Some(space.total - space.free + free));
}

fn snapshots_of(files: &MemoryFiles) -> Vec<String> {
    let paths = files.list(Path::new("/data/snapshots")).unwrap();
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
        && error.failure_kind() == FailureKind::DiskFull
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it was not so that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_level_follows_the_disk_and_raises_and_clears_its_alarms_by_itself() {
    let files = MemoryFiles::default();
    let node = open(&files, options(marks())).await.unwrap();
    let (space, alarms) = (&node.storage.space, &node.storage.alarms);
    for (free, level, raised) in [
        (LOW - 1, SpaceLevel::Low, vec![AlarmKind::DiskLow]),
        (RESERVE - 1, SpaceLevel::Full, vec![AlarmKind::DiskLow, AlarmKind::DiskFull]),
        (RESERVE + RESERVE / 10, SpaceLevel::Low, vec![AlarmKind::DiskLow]),
        (LOW + LOW / 10, SpaceLevel::Enough, vec![]),
    ] {
        leave(&files, free);
        until("the level is seen", async || space.level() == level).await;
        assert_eq!(alarms.list().iter().map(|alarm| alarm.kind).collect::<Vec<_>>(), raised);
    }
}

#[tokio::test]
async fn a_snapshot_that_would_touch_the_reserve_is_not_begun() {
    let files = MemoryFiles::default();
    let mut node = open(&files, options(marks())).await.unwrap();
    node.run(vec![create("a")]).await;
    let first = node.storage.state.make_snapshot().await.unwrap();
    node.run(vec![create("b")]).await;
    leave(&files, RESERVE + first.len() / 2);
    let operations = files.operations();
    let error = node.storage.state.make_snapshot().await.unwrap_err();
    assert!(is_full(&error), "{error}");
    assert!(files.operations() <= operations, "nothing was written");
    assert_eq!(snapshots_of(&files), ["00000000000000000001.snapshot"]);
    files.set_capacity(None);
    node.storage.state.make_snapshot().await.unwrap();
    assert_eq!(snapshots_of(&files), ["00000000000000000002.snapshot"]);
}

#[tokio::test]
async fn a_snapshot_that_runs_out_of_room_leaves_the_last_one_and_nothing_else() {
    let files = MemoryFiles::default();
    // Without marks nobody looks ahead, as if another took the room meanwhile.
    let mut node = open(&files, options(SpaceMarks::default())).await.unwrap();
    node.run(vec![create("a")]).await;
    let first = node.storage.state.make_snapshot().await.unwrap();
    node.run(vec![create("b")]).await;
    for free in [0, 10, first.len() - 1] {
        leave(&files, free);
        let error = node.storage.state.make_snapshot().await.unwrap_err();
        assert!(is_full(&error), "{error}");
        assert_eq!(snapshots_of(&files), ["00000000000000000001.snapshot"], "with {free} bytes");
    }
    files.set_capacity(None);
    // The node has gone on, and its next snapshot succeeds.
    node.run(vec![create("c")]).await;
    let next = node.storage.state.make_snapshot().await.unwrap();
    assert_eq!(next.meta().last_log_id.unwrap().index, 3);
    assert!(node.storage.alarms.list().is_empty());
}

#[tokio::test]
async fn openraft_gets_the_newest_published_snapshot_and_none_where_there_is_none() {
    let files = MemoryFiles::default();
    let mut node = open(&files, options(SpaceMarks::default())).await.unwrap();
    node.run(vec![create("a")]).await;
    assert!(node.storage.state_machine.try_create_snapshot_builder(false).await.is_none());
    node.storage.state.make_snapshot().await.unwrap();
    node.run(vec![create("b")]).await;
    // On a disk without room: nothing is written for openraft.
    leave(&files, 0);
    let mut builder = node.storage.state_machine.try_create_snapshot_builder(false).await.unwrap();
    let given = builder.build_snapshot().await.unwrap();
    assert_eq!(given.meta.last_log_id.unwrap().index, 1);
}

#[tokio::test]
async fn what_is_applied_on_a_full_disk_reaches_the_engine_when_there_is_room() {
    let files = MemoryFiles::default();
    let mut node = open(&files, options(marks())).await.unwrap();
    node.run(vec![main_location(), create("a"), receive("a", 5, "r1")]).await;
    let before = node.storage.state.hash(true).await.unwrap();
    leave(&files, RESERVE / 2);
    node.run(vec![place("o1", &[("a", 1)])]).await;
    // The hash is of what the engine has, and says up to where that is.
    assert_eq!(node.storage.state.hash(true).await.unwrap(), before);
    assert_eq!(node.storage.state.applied().get(), 2);
    assert!(node.storage.state.backlog_bytes() > 0);
    files.set_capacity(None);
    let after = node.storage.state.hash(true).await.unwrap();
    assert_eq!(after.applied.get(), 2);
    assert_ne!(after.full, before.full);
    assert_eq!(node.storage.state.backlog_bytes(), 0);
}

#[tokio::test]
async fn apply_never_waits_for_a_full_disk() {
    let files = MemoryFiles::default();
    let options = Options { overlay_bytes: 4 << 10, ..options(marks()) };
    let mut node = open(&files, options).await.unwrap();
    node.run(vec![main_location(), create("a"), receive("a", 1_000, "r1")]).await;
    leave(&files, RESERVE / 2);
    until("the node knows", async || node.storage.space.look() == SpaceLevel::Full).await;
    let applied = async {
        for number in 0..100 {
            node.run(vec![place(&format!("o{number}"), &[("a", 1)])]).await;
        }
    };
    timeout(PATIENCE, applied).await.expect("apply goes on, or nothing would be answered");
}

#[tokio::test]
async fn a_start_on_a_full_disk_is_refused_before_anything_is_written() {
    let files = MemoryFiles::default();
    let mut node = open(&files, options(marks())).await.unwrap();
    node.run(vec![create("a")]).await;
    node.kill().await;
    files.kill();
    leave(&files, RESERVE - 1);
    let operations = files.operations();
    let error = open(&files, options(marks())).await.err().unwrap();
    assert!(is_full(&error) && error.to_string().contains("reserve"), "{error}");
    assert_eq!(files.operations(), operations);
    files.kill();
    leave(&files, LOW);
    let mut node = open(&files, options(marks())).await.unwrap();
    assert_eq!(node.catch_up().await, 0);
    assert_eq!(node.storage.state.applied().get(), 1);
}

#[tokio::test]
async fn a_window_that_finds_no_room_all_the_same_stops_the_node_for_want_of_room() {
    let files = MemoryFiles::default();
    let mut node = open(&files, options(SpaceMarks::default())).await.unwrap();
    // More rows than a batch has, so that a redo file is written.
    let index = node.append((0..300).map(|number| create(&format!("sku-{number}"))).collect()).await;
    leave(&files, 100);
    node.apply(index, index).await;
    let failure = timeout(PATIENCE, node.env.tasks.failed()).await.unwrap();
    assert_eq!(failure.kind, FailureKind::DiskFull, "{failure}");
    assert!(!files.exists(Path::new("/data/redo")).unwrap(), "half a redo file is of no use");
    // With room again nothing is missing.
    node.kill().await;
    files.kill();
    files.set_capacity(None);
    let mut node = open(&files, options(SpaceMarks::default())).await.unwrap();
    node.catch_up().await;
    let last = node.storage.state.read(|view| view.sku(&common::sku("sku-299")));
    assert!(last.is_some());
}
