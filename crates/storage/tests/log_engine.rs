//! The log beside the applied state: which of them may be ahead of the other, and what it means.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Node, create, main_location, open_shop, receive};
use openraft::storage::RaftLogStorageExt;
use openraft::{Entry, EntryPayload, LogId};
use stockade_storage::Error;
use stockade_storage::file::{DiskFiles, MemoryFiles};
use tokio::time::timeout;

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Stock is received under documents with these numbers, one entry each.
async fn receive_all(node: &mut Node, numbers: std::ops::Range<u64>) {
    for number in numbers {
        node.run(vec![receive("a", 1, &format!("d{number}"))]).await;
    }
}

async fn try_open(dir: &Path) -> Result<Node, Error> {
    Node::try_open(Node::options(dir), Arc::new(DiskFiles)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_ahead_of_a_log_that_was_put_back_is_damage_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, old) = (dir.path().join("wal"), dir.path().join("old"));
    let mut node = open_shop(dir.path()).await;
    receive_all(&mut node, 10..15).await;
    let old_last = node.next - 1;
    node.stop().await;
    // The whole directory, watermark and all: in itself it is sound.
    copy_dir(&wal, &old);
    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    receive_all(&mut node, 15..25).await;
    let last = node.next - 1;
    node.stop().await;
    fs::remove_dir_all(&wal).unwrap();
    fs::rename(&old, &wal).unwrap();

    let Err(Error::Corrupt { file, what, .. }) = try_open(dir.path()).await else {
        panic!("opened with a log that had lost entries");
    };
    assert_eq!(file, wal);
    assert!(what.contains(&last.to_string()) && what.contains(&format!("ends at {old_last}")), "{what}");
    assert!(try_open(dir.path()).await.is_err(), "and again: nothing was rebuilt meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_with_an_entry_that_the_log_has_another_in_the_place_of_is_damage_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut node = open_shop(dir.path()).await;
    receive_all(&mut node, 10..12).await;
    node.stop().await;
    copy_dir(&at("wal"), &at("old"));
    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    receive_all(&mut node, 12..15).await;
    let last = node.next - 1;
    node.stop().await;
    // The log is put back, and goes on with entries of another term; the state stays.
    fs::rename(at("engine"), at("kept")).unwrap();
    fs::remove_dir_all(at("wal")).unwrap();
    fs::rename(at("old"), at("wal")).unwrap();
    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    for index in node.next..=last + 1 {
        let leader = openraft::impls::leader_id_adv::LeaderId { term: 2, node_id: 2 };
        let entry = Entry { log_id: LogId::new(leader, index), payload: EntryPayload::Blank };
        node.storage.log.blocking_append([entry]).await.unwrap();
    }
    node.stop().await;
    fs::remove_dir_all(at("engine")).unwrap();
    fs::rename(at("kept"), at("engine")).unwrap();

    let Err(Error::Corrupt { file, what, .. }) = try_open(dir.path()).await else {
        panic!("opened with a log that another history stands in");
    };
    assert_eq!(file, at("wal"));
    assert!(what.contains("in its place") && what.contains(&last.to_string()), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_a_clean_stop_left_up_to_the_end_of_the_log_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    receive_all(&mut node, 10..15).await;
    let snapshot = node.snapshot().await;
    let index = snapshot.meta().last_log_id.unwrap().index;
    // All of the log is purged: the last entry that the state has is the purged one.
    node.purge(index).await;
    let hashes = node.hashes().await;
    node.stop().await;
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, index, "nothing is applied again");
    assert_eq!(node.hashes().await, hashes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_publishing_a_received_snapshot_and_installing_it_is_no_damage() {
    let (source_dir, target_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = open_shop(source_dir.path()).await;
    receive_all(&mut source, 10..60).await;
    let snapshot = source.snapshot().await;
    let index = snapshot.meta().last_log_id.unwrap().index;
    let hashes = source.hashes().await;
    source.stop().await;

    // The target's log and state end long before the snapshot. What it had beyond its state conflicted and was cut.
    let mut target = open_shop(target_dir.path()).await;
    receive_all(&mut target, 10..15).await;
    let last = target.next - 1;
    target.stop().await;
    let name = format!("snapshots/{index:020}.snapshot");
    fs::copy(source_dir.path().join(&name), target_dir.path().join(&name)).unwrap();

    let target = try_open(target_dir.path()).await.unwrap();
    assert_eq!(target.storage.log.last_index(), last);
    assert_eq!(target.storage.state.applied().get(), index, "rebuilt from the snapshot");
    assert_eq!(target.hashes().await, hashes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_into_the_engine_before_its_entry_is_safe_in_the_log() {
    const A_WHILE: Duration = Duration::from_millis(300);
    let dir = tempfile::tempdir().unwrap();
    let files = MemoryFiles::default();
    let mut node = Node::try_open(Node::options(dir.path()), Arc::new(files.clone())).await.unwrap();
    node.run(vec![main_location(), create("a")]).await;
    node.hashes().await;
    files.stall_after(1);
    let index = node.next;
    let appended = timeout(A_WHILE, node.append(vec![receive("a", 1, "d1")])).await;
    assert!(appended.is_err(), "the disk stands still");
    node.apply(index, index).await;
    // Such a hash is made of the rows in the engine, which have to go there first.
    assert!(timeout(A_WHILE, node.storage.state.hash(true)).await.is_err(), "rows went ahead of the log");
    files.heal();
    node.hashes().await;
    assert_eq!(node.storage.state.applied().get(), index);
}
