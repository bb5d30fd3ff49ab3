//! A crash while a snapshot is made: what the next start takes for the newest snapshot must outlive a power cut, for the
//! log is purged on the strength of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Node, create, main_location, receive};
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use stockade_storage::file::{Counted, Fault, FaultKind, MemoryFiles};
use stockade_storage::{EngineKind, Options};

async fn open(files: &MemoryFiles) -> Node {
    let options = Options { engine: EngineKind::Memory, ..Node::options(Path::new("/node")) };
    Node::try_open(options, Arc::new(files.clone())).await.unwrap()
}

#[tokio::test]
async fn a_snapshot_whose_name_was_not_synced_when_the_process_ended_is_kept_once_it_counts() {
    let mut unsynced_names = 0;
    for after in 1..20 {
        let files = MemoryFiles::default();
        let mut node = open(&files).await;
        node.run(vec![main_location(), create("a")]).await;
        let last = node.run(vec![receive("a", 10, "r")]).await;
        files.inject(Fault { after, on: Counted::Changes, kind: FaultKind::Crash, lasting: true });
        let mut builder = node.storage.state_machine.get_snapshot_builder().await;
        let acknowledged = builder.build_snapshot().await.is_ok();
        let files = files.fork();
        files.kill();
        drop(node);

        let mut node = open(&files).await;
        if node.storage.snapshots.current().is_none() {
            assert!(!acknowledged, "crash at operation {after}");
            continue;
        }
        unsynced_names += u32::from(!acknowledged);
        node.purge(last).await;
        let files = files.fork();
        files.power_cut();
        drop(node);
        let node = open(&files).await;
        assert_eq!(node.storage.state.applied().get(), last, "crash at operation {after}");
    }
    assert!(unsynced_names > 0, "some crash came between the name and its sync");
}
