//! The log as openraft uses it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use log_common::{DIR, Held, Operation, Vote, append, append_range, entry, env, id, open, options, try_open};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{BasicNode, Entry, EntryPayload, Membership, RaftLogReader};
use stockade_storage::file::{DiskFiles, File, Files, MemoryFiles};
use stockade_storage::log::LogOptions;
use stockade_storage::{LogStore, TypeConfig};

async fn indexes(log: &LogStore, range: std::ops::Range<u64>) -> Vec<u64> {
    let entries = log.clone().try_get_log_entries(range).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn a_new_log_is_empty() {
    let log = open(&MemoryFiles::default(), 4_096);
    assert_eq!(Held::of(&log).await, Held::default());
    assert_eq!((log.durable_index(), log.last_index(), log.purged_index()), (0, 0, 0));
    assert_eq!(log.log_bytes_since(0), 0);
}

#[tokio::test]
async fn what_was_appended_truncated_and_purged_is_the_same_after_reopening() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    let nodes = [(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))];
    let membership =
        Membership::new(vec![[1, 2].into(), [1].into()], std::collections::BTreeMap::from(nodes));
    let membership = EntryPayload::Membership(membership.unwrap());
    append(&log, vec![Entry { log_id: id(1, 0), payload: membership }]).await.unwrap();
    append(&log, vec![Entry { log_id: id(1, 1), payload: EntryPayload::Blank }]).await.unwrap();
    append_range(&log, 1, 2..20).await;
    let mut writer = log.clone();
    writer.save_vote(&Vote::new(4, 2)).await.unwrap();
    writer.truncate_after(Some(id(1, 12))).await.unwrap();
    assert_eq!((log.last_index(), log.durable_index()), (12, 12));
    append_range(&log, 3, 13..15).await;
    assert_eq!(log.durable_index(), 14);
    writer.save_committed(Some(id(1, 9))).await.unwrap();
    writer.purge(id(1, 5)).await.unwrap();
    assert_eq!(indexes(&log, 0..10).await, [6, 7, 8, 9]);
    assert_eq!(indexes(&log, 13..100).await, [13, 14]);
    assert_eq!(log.log_bytes_since(12), 2 * (25 + 20));

    let held = Held::of(&log).await;
    assert_eq!(
        (held.vote, held.committed, held.purged),
        (Some(Vote::new(4, 2)), Some(id(1, 9)), Some(id(1, 5)))
    );
    log.shutdown().await;
    let reopened = open(&files, 4_096);
    assert_eq!(Held::of(&reopened).await, held);
    assert_eq!(reopened.durable_index(), 14);
    let state = reopened.clone().get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 5)), Some(id(3, 14))));
}

#[tokio::test]
async fn a_purge_beyond_the_last_entry_leaves_a_log_that_goes_on_behind_it() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..5).await;
    log.clone().purge(id(2, 50)).await.unwrap();
    assert_eq!((log.last_index(), log.durable_index(), log.log_bytes_since(0)), (50, 50, 0));
    assert!(append(&log, vec![entry(2, 5, 1)]).await.is_err(), "a hole");
    append_range(&log, 2, 51..53).await;
    let held = Held::of(&log).await;
    log.shutdown().await;
    assert_eq!(Held::of(&open(&files, 4_096)).await, held);
}

#[tokio::test]
async fn entries_are_readable_when_append_returns_and_durable_when_its_callback_comes() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions { dir: dir.path().join("log"), segment_bytes: 1 << 16, cache_bytes: 4_096 };
    let log = LogStore::open(Arc::new(DiskFiles), &env(), options.clone()).unwrap();
    let mut reader = log.clone().get_log_reader().await;
    let mut waiting = Vec::new();
    for index in 0..500 {
        let (sender, flushed) = TypeConfig::oneshot();
        log.clone().append([entry(1, index, 300)], IOFlushed::signal(sender)).await.unwrap();
        let read = reader.try_get_log_entries(index..=index).await.unwrap();
        assert_eq!(read, [entry(1, index, 300)]);
        waiting.push((index, flushed));
    }
    for (index, flushed) in waiting {
        flushed.await.unwrap().unwrap();
        assert!(log.durable_index() >= index);
    }
    log.clone().save_vote(&Vote::new(1, 1)).await.unwrap();
    log.barrier().await.unwrap();
    let stats = log.stats();
    assert!(stats.fsyncs > 0 && stats.written_bytes > 500 * 300 && stats.segments > 2, "{stats:?}");
    assert_eq!(stats.queued, 0);
    assert!(stats.cached_bytes <= 4_096, "{stats:?}");
    let held = Held::of(&log).await;
    assert_eq!(held.entries.len(), 500);
    log.shutdown().await;
    assert!(append(&log, vec![entry(1, 500, 1)]).await.is_err(), "after the shutdown");

    let reopened = LogStore::open(Arc::new(DiskFiles), &env(), options).unwrap();
    assert_eq!(Held::of(&reopened).await, held);
    reopened.shutdown().await;
}

#[tokio::test]
async fn reads_for_replication_are_bounded_by_bytes_and_never_empty() {
    let log = open(&MemoryFiles::default(), 64 << 20);
    append(&log, (0..5).map(|index| entry(1, index, 900 << 10)).collect()).await.unwrap();
    append(&log, vec![entry(1, 5, 3 << 20), entry(1, 6, 1)]).await.unwrap();
    let mut reader = log.clone().get_log_reader().await;
    let counts = [(0, 2), (3, 2), (5, 1), (6, 1)];
    for (start, count) in counts {
        assert_eq!(reader.limited_get_log_entries(start, 7).await.unwrap().len(), count, "from {start}");
    }
    let mut seen = Vec::new();
    {
        let mut stream = reader.entries_stream(1..).await;
        while let Some(entry) = stream.next().await {
            seen.push(entry.unwrap().log_id.index);
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn entries_that_left_memory_are_read_from_the_disk_and_checked() {
    let files = MemoryFiles::default();
    let small = LogOptions { cache_bytes: 200, ..options(2_048) };
    let log = LogStore::open_inline(Arc::new(files.clone()), &env(), small).unwrap();
    append_range(&log, 1, 0..100).await;
    assert!(log.stats().cached_bytes <= 200);
    let held = Held::of(&log).await;
    assert!(held.entries.values().all(|e| *e == entry(1, e.log_id.index, 20)));
    assert_eq!(held.entries.len(), 100);

    let path = log_common::first_segment();
    files.flip_bit(&path, 300, 3).unwrap();
    let error = log.clone().try_get_log_entries(0..20).await.unwrap_err();
    assert!(error.to_string().contains("0000000000000001.wal is damaged"), "{error}");
}

#[tokio::test]
async fn segments_whose_entries_are_purged_are_used_again() {
    let files = MemoryFiles::default();
    let log = open(&files, 1_024);
    for round in 0..40 {
        append_range(&log, 1, round * 10..round * 10 + 10).await;
        if round > 2 {
            log.clone().purge(id(1, round * 10 - 15)).await.unwrap();
        }
    }
    let names = files.list(Path::new(DIR)).unwrap();
    assert!(names.len() <= 7, "{names:?}");
    assert!(names.contains(&Path::new(DIR).join("spare")), "{names:?}");
    assert!(!names.contains(&log_common::first_segment()));
    let held = Held::of(&log).await;
    log.shutdown().await;
    // What earlier uses left in the segments' files is not taken for entries.
    for _ in 0..3 {
        files.power_cut();
        assert_eq!(Held::of(&open(&files, 1_024)).await, held);
    }
}

#[tokio::test]
async fn an_entry_larger_than_a_segment_is_kept() {
    let files = MemoryFiles::default();
    let log = open(&files, 512);
    append(&log, vec![entry(1, 0, 10), entry(1, 1, 5_000), entry(1, 2, 10)]).await.unwrap();
    append(&log, vec![entry(1, 3, 3 << 20)]).await.unwrap();
    append_range(&log, 1, 4..8).await;
    let held = Held::of(&log).await;
    files.power_cut();
    assert_eq!(Held::of(&open(&files, 512)).await, held);
}

#[tokio::test]
async fn a_failed_write_or_sync_fails_everybody_and_is_never_tried_again() {
    for operation in [1, 2] {
        let files = MemoryFiles::default();
        let env = env();
        let log = LogStore::open_inline(Arc::new(files.clone()), &env, options(4_096)).unwrap();
        append_range(&log, 1, 0..3).await;
        files.fail_after(operation);
        assert!(append(&log, vec![entry(1, 3, 10)]).await.is_err());
        assert_eq!(log.durable_index(), 2);
        let before = files.operations();
        assert!(append(&log, vec![entry(1, 4, 10)]).await.is_err());
        assert!(Operation::Vote(Vote::new(2, 2)).perform(&log).await.is_err());
        assert!(log.barrier().await.is_err());
        assert!(log.clone().truncate_after(None).await.is_err());
        assert!(log.clone().purge(id(1, 1)).await.is_err());
        assert!(log.clone().save_committed(None).await.is_err());
        assert_eq!(files.operations(), before, "nothing is written any more");
        assert_eq!(log.vote(), None);
        assert_eq!(env.tasks.failed().await.what, "wal");
        files.power_cut();
        assert_eq!(open(&files, 4_096).last_index(), 2);
    }
}

#[tokio::test]
async fn what_a_failed_sync_covered_is_not_in_the_log_after_a_restart_of_the_process() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..3).await;
    files.fail_after(2);
    assert!(append(&log, vec![entry(1, 3, 10)]).await.is_err());
    drop(log);
    let reopened = open(&files, 4_096);
    let held = Held::of(&reopened).await;
    append_range(&reopened, 2, held.last().unwrap().index + 1..6).await;
    let held = Held::of(&reopened).await;
    files.power_cut();
    assert_eq!(Held::of(&open(&files, 4_096)).await, held);
}

#[tokio::test]
async fn the_logs_thread_reports_its_failure_to_all_who_wait() {
    let files = MemoryFiles::default();
    let env = env();
    let log = LogStore::open(Arc::new(files.clone()), &env, options(4_096)).unwrap();
    append_range(&log, 1, 0..3).await;
    files.stop_after(1);
    let waiting: Vec<_> = (3..30)
        .map(|index| {
            let log = log.clone();
            async move { append(&log, vec![entry(1, index, 10)]).await }
        })
        .collect();
    let mut failures = 0;
    for append in waiting {
        failures += usize::from(append.await.is_err());
    }
    assert_eq!(failures, 27);
    assert_eq!(env.tasks.failed().await.what, "wal");
    log.shutdown().await;
}

#[tokio::test]
async fn the_durable_index_falls_with_a_truncation_at_once() {
    let log = open(&MemoryFiles::default(), 4_096);
    append_range(&log, 1, 0..10).await;
    let watch = log.watch_durable();
    assert_eq!(*watch.borrow(), 9);
    log.clone().truncate_after(Some(id(1, 4))).await.unwrap();
    assert_eq!(*watch.borrow(), 4);
    append_range(&log, 2, 5..6).await;
    assert_eq!(*watch.borrow(), 5);
}

#[tokio::test]
async fn a_segment_that_is_missing_or_under_another_name_is_damage() {
    let files = MemoryFiles::default();
    let log = open(&files, 512);
    append_range(&log, 1, 0..30).await;
    append_range(&log, 1, 30..60).await;
    append_range(&log, 1, 60..90).await;
    log.shutdown().await;
    let names = files.list(Path::new(DIR)).unwrap();
    assert!(names.len() > 2, "{names:?}");
    files.rename(&names[0], Path::new("/node/aside")).unwrap();
    assert!(try_open(&files, 512).is_err(), "the first is missing, though nothing was purged");
    files.rename(Path::new("/node/aside"), &names[0]).unwrap();
    files.rename(&names[1], Path::new("/node/aside")).unwrap();
    assert!(try_open(&files, 512).is_err(), "one in the middle is missing");
    files.rename(&names[0], &names[1]).unwrap();
    files.rename(Path::new("/node/aside"), &names[0]).unwrap();
    assert!(try_open(&files, 512).is_err(), "two have changed names");
}

#[test]
fn a_file_handle_is_shared_between_threads() {
    fn check<T: Send + Sync + ?Sized>() {}
    check::<dyn File>();
    check::<dyn Files>();
    check::<LogStore>();
}
