//! The root is whole or the start is refused: a snapshot that is gone, stale, another's or under another's name; a directory
//! that lost its log and its identity; a crash between an installed snapshot and the purge behind it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Node, create, main_location, open_shop, receive};
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::{Entry, EntryPayload, LogId, RaftTypeConfig, StorageHelper};
use stockade_storage::file::{DiskFiles, File, Files, MemoryFiles, Space};
use stockade_storage::{EngineKind, Error, Options, SnapshotFile, TypeConfig};

fn id(term: u64, index: u64) -> LogId<openraft::impls::leader_id_adv::LeaderId<u64, u64>> {
    LogId::new(openraft::impls::leader_id_adv::LeaderId { term, node_id: 1 }, index)
}

fn blank(term: u64, index: u64) -> <TypeConfig as RaftTypeConfig>::Entry {
    Entry { log_id: id(term, index), payload: EntryPayload::Blank }
}

async fn receive_all(node: &mut Node, numbers: std::ops::Range<u64>) {
    for number in numbers {
        node.run(vec![receive("a", 1, &format!("d{number}"))]).await;
    }
}

async fn try_open(dir: &Path) -> Result<Node, Error> {
    Node::try_open(Node::options(dir), Arc::new(DiskFiles)).await
}

fn path_of(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("snapshots/{index:020}.snapshot"))
}

/// A node that purged its log below a snapshot, went on, and was stopped in order. Gives the snapshot's index, and an older
/// snapshot's index and bytes.
async fn purged_and_stopped(dir: &Path) -> (u64, u64, Vec<u8>) {
    let mut node = open_shop(dir).await;
    receive_all(&mut node, 10..15).await;
    let older = node.snapshot().await.meta().last_log_id.unwrap().index;
    let stale = fs::read(path_of(dir, older)).unwrap();
    receive_all(&mut node, 15..20).await;
    let index = node.snapshot().await.meta().last_log_id.unwrap().index;
    node.purge(index).await;
    receive_all(&mut node, 20..25).await;
    node.stop().await;
    (index, older, stale)
}

async fn expect_damage_of_a_snapshot(dir: &Path) {
    match try_open(dir).await {
        Err(Error::Corrupt { file, what, .. }) => {
            assert!(file.starts_with(dir.join("snapshots")), "{}: {what}", file.display());
        }
        Err(other) => panic!("{other}"),
        Ok(node) => {
            let snapshot = node.storage.snapshots.current().map(|snapshot| snapshot.index());
            let purged = node.storage.log.purged_index();
            panic!("started: the log begins after {purged}, the root is of {snapshot:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_log_without_its_snapshot_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let (index, ..) = purged_and_stopped(dir.path()).await;
    fs::remove_file(path_of(dir.path(), index)).unwrap();
    expect_damage_of_a_snapshot(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_log_with_an_older_snapshot_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let (index, older, stale) = purged_and_stopped(dir.path()).await;
    fs::remove_file(path_of(dir.path(), index)).unwrap();
    fs::write(path_of(dir.path(), older), stale).unwrap();
    expect_damage_of_a_snapshot(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_an_entry_that_the_log_has_another_in_the_place_of_is_damage() {
    let (dir, foreign_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (index, ..) = purged_and_stopped(dir.path()).await;
    let mut foreign = Node::open(foreign_dir.path()).await;
    foreign.run(vec![create("z")]).await;
    while foreign.next <= index {
        foreign.storage.log.blocking_append([blank(7, foreign.next)]).await.unwrap();
        foreign.apply(foreign.next, foreign.next).await;
        foreign.next += 1;
    }
    foreign.snapshot().await;
    foreign.stop().await;
    fs::copy(path_of(foreign_dir.path(), index), path_of(dir.path(), index)).unwrap();
    // As after a power cut: the applied state would be rebuilt from the root.
    fs::remove_dir_all(dir.path().join("engine")).unwrap();
    expect_damage_of_a_snapshot(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_under_another_name_does_not_start_nor_cost_the_sound_one() {
    let dir = tempfile::tempdir().unwrap();
    let (index, _, stale) = purged_and_stopped(dir.path()).await;
    // An older one under a newer name, beside the one in force.
    fs::write(path_of(dir.path(), 9_999), stale).unwrap();
    let opened = try_open(dir.path()).await;
    assert!(path_of(dir.path(), index).exists(), "the start removed the snapshot that the log needs");
    assert!(opened.is_err(), "started with a snapshot under another's name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_lost_log_and_identity_is_not_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    receive_all(&mut node, 10..15).await;
    let index = node.snapshot().await.meta().last_log_id.unwrap().index;
    node.storage.log.clone().save_vote(&openraft::impls::Vote::new_committed(3, 2)).await.unwrap();
    node.stop().await;
    fs::remove_dir_all(dir.path().join("wal")).unwrap();
    fs::remove_file(dir.path().join("IDENTITY")).unwrap();
    if let Ok(node) = try_open(dir.path()).await {
        let vote = node.storage.log.vote();
        panic!("started at {index} with the vote {vote:?}: it may vote again in term 3");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_to_the_small_files_of_the_engine_makes_it_be_rebuilt_whatever_it_is() {
    for name in ["CURRENT", "TRUST"] {
        let dir = tempfile::tempdir().unwrap();
        let mut node = open_shop(dir.path()).await;
        receive_all(&mut node, 10..15).await;
        node.stop().await;
        fs::write(dir.path().join("engine").join(name), vec![b'7'; 5_000]).unwrap();
        if let Err(error) = try_open(dir.path()).await {
            panic!("{name}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_can_be_opened_as_soon_as_it_was_stopped() {
    let dir = tempfile::tempdir().unwrap();
    // The writer's thread once let go of the lock after it had said that it was stopped: seen by chance, so it is tried often.
    for round in 0..40 {
        let node = try_open(dir.path()).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        node.stop().await;
    }
}

fn memory_options(dir: &str) -> Options {
    Options { engine: EngineKind::Memory, ..Node::options(Path::new(dir)) }
}

fn bytes_of(snapshot: &SnapshotFile) -> Vec<u8> {
    snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap().to_vec()
}

fn received(node: &Node, bytes: &[u8]) -> Result<SnapshotFile, Error> {
    let mut receiver = node.storage.snapshots.begin().unwrap();
    receiver.write(bytes).unwrap();
    receiver.finish()
}

/// Entry 0, as openraft's first, and one more.
async fn begin(node: &mut Node) {
    node.storage.log.blocking_append([blank(1, 0)]).await.unwrap();
    node.apply(0, 0).await;
    node.run(vec![create("a")]).await;
}

#[tokio::test]
async fn a_crash_between_an_installed_snapshot_and_the_purge_behind_it_leaves_a_log_that_goes_on() {
    // The leader of term 4 has entries up to 10 of term 2, and its snapshot ends there.
    let mut leader =
        Node::try_open(memory_options("/leader"), Arc::new(MemoryFiles::default())).await.unwrap();
    begin(&mut leader).await;
    for index in 2..=10 {
        leader.storage.log.blocking_append([blank(2, index)]).await.unwrap();
        leader.apply(index, index).await;
    }
    let bytes = bytes_of(&leader.snapshot().await);

    // This node led term 3 for a moment, and nobody else has its entry.
    let files = MemoryFiles::default();
    let mut node = Node::try_open(memory_options("/node"), Arc::new(files.clone())).await.unwrap();
    begin(&mut node).await;
    node.storage.log.blocking_append([blank(3, 2)]).await.unwrap();
    let snapshot = received(&node, &bytes).unwrap();
    node.storage.state_machine.install_snapshot(&snapshot.meta(), snapshot.clone()).await.unwrap();
    let files = files.fork();
    files.power_cut();
    drop((snapshot, node));

    let node = Node::try_open(memory_options("/node"), Arc::new(files)).await.unwrap();
    let (mut log, mut state_machine) = (node.storage.log, node.storage.state_machine);
    // What openraft cleans up at its start.
    StorageHelper::new(&mut log, &mut state_machine).with_id(1).get_initial_state().await.unwrap();
    assert_eq!(state_machine.applied_state().await.unwrap().0, Some(id(2, 10)));
    // What the leader sends next.
    log.blocking_append([blank(4, 11)]).await.unwrap();
    assert_eq!(log.get_log_state().await.unwrap().last_log_id, Some(id(4, 11)));
}

/// A disk that kept something else of snapshots than what was written: the page cache shows what was written until it is
/// dropped.
#[derive(Debug)]
struct Forgetful(MemoryFiles);

#[derive(Debug)]
struct ForgetfulFile {
    file: Arc<dyn File>,
    forgets: bool,
    dropped: AtomicBool,
}

fn forgetful(path: &Path, file: io::Result<Arc<dyn File>>) -> io::Result<Arc<dyn File>> {
    let forgets = path.starts_with("/node/snapshots");
    Ok(Arc::new(ForgetfulFile { file: file?, forgets, dropped: AtomicBool::new(false) }))
}

impl Files for Forgetful {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        forgetful(path, self.0.open(path))
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        forgetful(path, self.0.create(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(path)
    }
    fn boot_mark(&self, dir: &Path) -> io::Result<String> {
        self.0.boot_mark(dir)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.0.space(dir)
    }
}

impl File for ForgetfulFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn drop_cache(&self) -> io::Result<()> {
        if self.forgets && !self.dropped.swap(true, Ordering::Relaxed) {
            let middle = self.file.len()? / 2;
            let mut byte = [0];
            self.file.read_at(middle, &mut byte)?;
            self.file.write_at(middle, &[byte[0] ^ 4])?;
        }
        self.file.drop_cache()
    }
}

#[tokio::test]
async fn a_received_snapshot_is_checked_as_the_disk_has_it() {
    let mut source =
        Node::try_open(memory_options("/source"), Arc::new(MemoryFiles::default())).await.unwrap();
    source.run(vec![main_location(), create("a")]).await;
    source.run(vec![receive("a", 10, "r")]).await;
    let bytes = bytes_of(&source.snapshot().await);
    let files = Forgetful(MemoryFiles::default());
    let mut node = Node::try_open(memory_options("/node"), Arc::new(files)).await.unwrap();
    node.run(vec![create("a")]).await;
    let built = node.storage.state.make_snapshot().await;
    assert!(built.is_err(), "one that is made is read back from the disk");
    assert!(received(&node, &bytes).is_err(), "one that is received was checked in memory only");
}
