//! A backup becomes a new cluster's first state, whole or not at all.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Node, START_US, confirm, create, main_location, open_shop, place, receive, ship};
use openraft::storage::RaftStateMachine as _;
use stockade_env::Env;
use stockade_storage::file::{DiskFiles, Files, MemoryFiles, read_whole};
use stockade_storage::{
    Backup, BackupId, EngineKind, Error, Identity, Options, backup_id, restore, restored_from, verify_backup,
};

const BACKUP: &str = "/backup/shop.snapshot";
const DATA: &str = "/data";
/// Of a file in these tests.
const MAX_BYTES: u64 = 1 << 20;

/// A backup's bytes, and the hashes of the state that it holds.
struct Saved {
    bytes: Vec<u8>,
    index: u64,
    hashes: ([u8; 32], [u8; 32]),
}

/// A shop's backup; `orders` makes it one of its own.
async fn saved(orders: u32) -> Saved {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    for number in 0..orders {
        let id = format!("o{number}");
        node.run(vec![place(&id, &[("a", 1), ("b", 2)]), confirm(&id)]).await;
    }
    let index = node.run(vec![ship("o0")]).await;
    let snapshot = node.snapshot().await;
    let bytes = snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap().to_vec();
    let hashes = node.hashes().await;
    node.stop().await;
    Saved { bytes, index, hashes }
}

fn members() -> BTreeMap<u64, String> {
    (4..=6).map(|id| (id, format!("new-{id}:7101"))).collect()
}

fn put(files: &dyn Files, path: &Path, bytes: &[u8]) {
    files.create_dir(path.parent().unwrap()).unwrap();
    if files.exists(path).unwrap() {
        files.remove(path).unwrap();
    }
    let file = files.create(path).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync().unwrap();
    files.sync_dir(path.parent().unwrap()).unwrap();
}

/// A disk in memory with a backup on it.
fn disk_with(bytes: &[u8]) -> Arc<MemoryFiles> {
    let files = Arc::new(MemoryFiles::default());
    put(files.as_ref(), Path::new(BACKUP), bytes);
    files
}

fn options(backup: Option<BackupId>) -> Options {
    let identity = Identity { cluster_id: "fedcba9876543210".repeat(2), node_id: 5 };
    Options {
        engine: EngineKind::Memory,
        segment_bytes: 64 << 10,
        restored_from: backup,
        ..Options::new(PathBuf::from(DATA), identity)
    }
}

async fn restore_at(files: &Arc<MemoryFiles>) -> Result<Backup, Error> {
    let id = backup_id(files.as_ref(), Path::new(BACKUP))?;
    let env = Env::simulated(START_US, 1);
    let files: Arc<dyn Files> = Arc::clone(files) as Arc<dyn Files>;
    restore(files, &env, &options(Some(id)), Path::new(BACKUP), &members()).await
}

async fn open_at(files: &Arc<MemoryFiles>, id: Option<BackupId>) -> Result<Node, Error> {
    Node::try_open(options(id), Arc::clone(files) as Arc<dyn Files>).await
}

/// Opens what was restored and checks that it is all there.
async fn expect_restored(files: &Arc<MemoryFiles>, saved: &Saved) -> Node {
    let node = open_at(files, None).await.unwrap();
    assert_eq!(node.hashes().await, saved.hashes);
    assert_eq!(node.storage.state.applied().get(), saved.index);
    assert_eq!(node.storage.log.purged_index(), saved.index);
    node
}

#[tokio::test]
async fn a_restored_node_has_the_state_and_goes_on_after_it() {
    let saved = saved(20).await;
    let files = disk_with(&saved.bytes);
    let backup = restore_at(&files).await.unwrap();
    assert_eq!((backup.index, backup.state_hash), (saved.index, saved.hashes.1));
    let mut node = expect_restored(&files, &saved).await;
    let (log_id, membership) = node.storage.state_machine.applied_state().await.unwrap();
    assert_eq!(membership.voter_ids().collect::<BTreeSet<u64>>(), BTreeSet::from([4, 5, 6]));
    let addresses: BTreeMap<u64, String> =
        membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect();
    assert_eq!(addresses, members());
    let vote = node.storage.log.vote().unwrap();
    assert!(!vote.committed && vote.leader_id >= log_id.unwrap().leader_id, "{vote:?} before {log_id:?}");
    assert_eq!(node.storage.log.untouched_since_restore(), Some(saved.index));
    assert_eq!(node.run(vec![place("new", &[("a", 1)])]).await, saved.index + 1);
    assert_eq!(node.storage.log.untouched_since_restore(), None);
    assert_eq!(restored_from(files.as_ref(), Path::new(DATA)).unwrap(), Some(backup.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_node_on_a_disk_outlives_a_kill_and_a_lost_engine() {
    let saved = saved(5).await;
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("shop.snapshot");
    std::fs::write(&backup, &saved.bytes).unwrap();
    let id = verify_backup(&DiskFiles, &backup).unwrap().id;
    let data = dir.path().join("data");
    let wanted = Options { restored_from: Some(id), ..Node::options(&data) };
    let env = Env::simulated(START_US, 1);
    restore(Arc::new(DiskFiles), &env, &wanted, &backup, &BTreeMap::from([(1, "a:1".to_owned())]))
        .await
        .unwrap();
    let mut node = Node::open(&data).await;
    assert_eq!(node.hashes().await, saved.hashes);
    node.run(vec![place("new", &[("b", 3)])]).await;
    let hashes = node.hashes().await;
    let dir = node.kill().await;
    let mut node = Node::open(&dir).await;
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
    node.stop().await;
    std::fs::remove_dir_all(data.join("engine")).unwrap();
    let mut node = Node::open(&data).await;
    assert_eq!(node.catch_up().await, saved.index);
    assert_eq!(node.hashes().await, hashes);
    node.stop().await;
}

#[tokio::test]
async fn a_restore_that_is_stopped_anywhere_is_whole_or_begins_again() {
    let saved = saved(3).await;
    for power_cut in [false, true] {
        let mut points = 0;
        for point in 1.. {
            let files = disk_with(&saved.bytes);
            files.stop_after(point);
            let stopped = restore_at(&files).await.is_err();
            if power_cut {
                files.power_cut();
            } else {
                files.heal();
            }
            if !stopped {
                break;
            }
            points += 1;
            let at = format!("power cut {power_cut}, operation {point}");
            let begun = !files.list(Path::new(DATA)).unwrap().is_empty();
            let is_somebodys = files.exists(&Path::new(DATA).join("IDENTITY")).unwrap();
            if is_somebodys {
                expect_restored(&files, &saved).await.stop().await;
            } else if begun && files.exists(&Path::new(DATA).join("RESTORE")).unwrap() {
                let opened = open_at(&files, None).await;
                assert!(matches!(opened.err(), Some(Error::Restore { .. })), "{at}");
            }
            restore_at(&files).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            expect_restored(&files, &saved).await;
            assert!(!files.exists(&Path::new(DATA).join("RESTORE")).unwrap(), "{at}");
        }
        assert!(points > 15, "{points} points of a restore");
    }
}

#[tokio::test]
async fn a_second_stop_during_the_second_attempt_changes_nothing() {
    let saved = saved(3).await;
    for (first, second) in (1..).step_by(3).zip((2..).step_by(2)).take(10) {
        let files = disk_with(&saved.bytes);
        for point in [first, second] {
            files.stop_after(point);
            // Late points may find it done.
            let _ = restore_at(&files).await;
            files.power_cut_torn(point);
        }
        restore_at(&files).await.unwrap();
        expect_restored(&files, &saved).await;
    }
}

#[tokio::test]
async fn damage_anywhere_in_a_backup_is_found_before_anything_is_written() {
    let saved = saved(2).await;
    let path = Path::new(BACKUP);
    let len = u64::try_from(saved.bytes.len()).unwrap();
    for offset in (0..len).step_by(5).chain(len - 90..len) {
        let files = disk_with(&saved.bytes);
        files.flip_bit(path, offset, 3).unwrap();
        match verify_backup(files.as_ref(), path) {
            Err(Error::Corrupt { file, offset: at, .. }) => {
                assert_eq!(file, path);
                assert!(at <= len, "damage at {offset} was found at {at} of {len}");
            }
            Err(Error::Format { .. }) => assert!((8..10).contains(&offset), "{offset}"),
            other => panic!("damage at {offset}: {other:?}"),
        }
        assert!(restore_at(&files).await.is_err());
        assert!(!files.exists(Path::new(DATA)).unwrap(), "damage at {offset}: something was written");
    }
}

#[tokio::test]
async fn a_backup_cut_short_of_another_kind_or_of_a_newer_version_is_refused() {
    let saved = saved(2).await;
    let path = Path::new(BACKUP);
    let check = |bytes: &[u8]| verify_backup(disk_with(bytes).as_ref(), path).unwrap_err();
    for len in (0..saved.bytes.len()).step_by(97) {
        assert!(matches!(check(&saved.bytes[..len]), Error::Corrupt { .. }), "cut at {len}");
    }
    let longer = [saved.bytes.as_slice(), b"x"].concat();
    assert!(matches!(check(&longer), Error::Corrupt { .. }), "bytes behind the end");
    assert!(matches!(
        check(b"%PDF-1.7 is no snapshot of anything at all"),
        Error::Corrupt { offset: 0..=14, .. }
    ));
    let mut newer = saved.bytes.clone();
    newer[8] = 200;
    match check(&newer) {
        Error::Format { file, found: 200, .. } => assert_eq!(file, path),
        other => panic!("a newer format: {other}"),
    }
    let missing = verify_backup(disk_with(&saved.bytes).as_ref(), Path::new("/backup/none"));
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[tokio::test]
async fn only_an_empty_directory_takes_a_backup_and_the_same_one_again() {
    let (saved, other) = (saved(2).await, saved(3).await);
    let files = disk_with(&saved.bytes);
    restore_at(&files).await.unwrap();
    let mut node = expect_restored(&files, &saved).await;
    node.run(vec![create("later")]).await;
    let hashes = node.hashes().await;
    node.stop().await;
    // The flag stays in a unit file: what came since stays as well.
    restore_at(&files).await.unwrap();
    let mut node = open_at(&files, None).await.unwrap();
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
    node.stop().await;
    put(files.as_ref(), Path::new(BACKUP), &other.bytes);
    let refused = restore_at(&files).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Restore { what, .. } if what.contains("restored from backup")),
        "{refused}"
    );
    let node = open_at(&files, None).await.unwrap();
    assert!(node.storage.log.last_index() > saved.index, "what was there is there still");
}

#[tokio::test]
async fn a_node_with_a_life_of_its_own_takes_no_backup() {
    let saved = saved(2).await;
    let files = disk_with(&saved.bytes);
    let mut node = open_at(&files, None).await.unwrap();
    node.run(vec![main_location(), create("own"), receive("own", 5, "r1")]).await;
    let hashes = node.hashes().await;
    node.stop().await;
    assert!(matches!(restore_at(&files).await, Err(Error::Restore { .. })));
    let mut node = open_at(&files, None).await.unwrap();
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
    node.stop().await;
    // A lost identity is damage, no empty directory.
    files.remove(&Path::new(DATA).join("IDENTITY")).unwrap();
    let refused = restore_at(&files).await.unwrap_err();
    assert!(matches!(&refused, Error::Restore { what, .. } if what.contains("wal")), "{refused}");
}

#[tokio::test]
async fn a_directory_in_use_and_a_file_that_changed_are_refused() {
    let (saved, other) = (saved(2).await, saved(3).await);
    let files = disk_with(&saved.bytes);
    let node = open_at(&files, None).await.unwrap();
    assert!(matches!(restore_at(&files).await, Err(Error::InUse(_))));
    node.stop().await;
    let files = disk_with(&saved.bytes);
    let id = backup_id(disk_with(&other.bytes).as_ref(), Path::new(BACKUP)).unwrap();
    let env = Env::simulated(START_US, 1);
    let files: Arc<dyn Files> = files;
    let restored = restore(Arc::clone(&files), &env, &options(Some(id)), Path::new(BACKUP), &members()).await;
    assert!(matches!(restored, Err(Error::Restore { .. })));
    assert!(!files.exists(Path::new(DATA)).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_being_sent_stays_readable_when_a_newer_one_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let disk: Arc<dyn Files> = Arc::new(MemoryFiles::default());
    let mut in_memory = Node::try_open(options(None), Arc::clone(&disk)).await.unwrap();
    for node in [&mut node, &mut in_memory] {
        let sent = node.storage.state.make_snapshot().await.unwrap();
        let len = usize::try_from(sent.len()).unwrap();
        let before = sent.read_chunk(0, len).unwrap();
        for round in 0..2 {
            node.run(vec![create(&format!("later-{round}"))]).await;
            let newer = node.storage.state.make_snapshot().await.unwrap();
            assert!(newer.index() > sent.index());
            assert_eq!(sent.read_chunk(0, len).unwrap(), before);
        }
    }
    node.stop().await;
    in_memory.stop().await;
}

#[tokio::test]
async fn the_restored_snapshot_differs_from_the_backup_in_its_membership_only() {
    let saved = saved(4).await;
    let files = disk_with(&saved.bytes);
    let backup = restore_at(&files).await.unwrap();
    let path = Path::new(DATA).join(format!("snapshots/{:020}.snapshot", saved.index));
    let own = verify_backup(files.as_ref(), &path).unwrap();
    assert_eq!((own.index, own.rows, own.state_hash), (backup.index, backup.rows, backup.state_hash));
    assert_ne!(own.id, backup.id, "the membership stands in the applied row");
    assert_eq!(read_whole(files.as_ref(), Path::new(BACKUP), MAX_BYTES).unwrap(), saved.bytes);
}
