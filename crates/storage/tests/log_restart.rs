//! The log across restarts in order, and while the disk is full.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log_common::{
    DIR, Held, Vote, append, append_range, content, entry, env, examined, first_segment, id, open, options,
    segments, try_open, watermark,
};
use openraft::storage::RaftLogStorage;
use stockade_storage::LogStore;
use stockade_storage::file::{Counted, Fault, FaultKind, MemoryFiles, OperationKind};
use stockade_storage::log::ProblemKind;

/// A log whose active segment is a file that was used before, and is longer than what it holds now.
async fn on_recycled_segments(files: &MemoryFiles) -> LogStore {
    let log = open(files, 1_024);
    for round in 0..12 {
        append_range(&log, 1, round * 10..round * 10 + 10).await;
        if round > 2 {
            log.clone().purge(id(1, round * 10 - 15)).await.unwrap();
        }
    }
    for index in 120.. {
        append(&log, vec![entry(1, index, 7)]).await.unwrap();
        let active = examined(files).segments.pop().unwrap();
        if active.file_bytes > active.used_bytes + 300 && active.records > 3 {
            return log;
        }
    }
    unreachable!("a segment is recycled before the indexes end")
}

#[tokio::test]
async fn a_restart_on_a_recycled_segment_is_no_crash_and_begins_no_segment() {
    for in_order in [true, false] {
        let files = MemoryFiles::default();
        let log = on_recycled_segments(&files).await;
        let held = Held::of(&log).await;
        if in_order {
            log.shutdown().await;
        }
        for _ in 0..3 {
            files.kill();
            let before = segments(&files);
            assert_eq!(examined(&files).all_problems().count(), 0);
            assert_eq!(Held::of(&open(&files, 1_024)).await, held);
            assert_eq!(segments(&files), before);
        }
        let log = open(&files, 1_024);
        let next = log.last_index() + 1;
        append_range(&log, 2, next..next + 3).await;
        let held = Held::of(&log).await;
        files.power_cut();
        assert_eq!(Held::of(&open(&files, 1_024)).await, held);
    }
}

#[tokio::test]
async fn a_write_torn_on_a_recycled_segment_never_comes_back() {
    for seed in 0..300 {
        let files = MemoryFiles::default();
        let log = on_recycled_segments(&files).await;
        let acknowledged = Held::of(&log).await;
        let next = acknowledged.last().unwrap().index + 1;
        // Two records in one write that is not synced: the power cut leaves any of its sectors.
        log.clone().save_committed(Some(id(1, next - 1))).await.unwrap();
        log.clone().save_committed(Some(id(1, next - 2))).await.unwrap();
        files.stop_after(2);
        assert!(append(&log, (next..next + 6).map(|index| entry(1, index, 120)).collect()).await.is_err());
        files.power_cut_torn(seed);
        let torn = examined(&files);
        assert!(torn.is_sound(), "seed {seed}: {torn:?}");
        assert!(torn.all_problems().all(|problem| problem.kind == ProblemKind::TornTail));
        let log = open(&files, 1_024);
        let recovered = Held::of(&log).await;
        assert_eq!(recovered.entries, acknowledged.entries, "seed {seed}");
        // Records of the lengths of those that were torn.
        log.clone().save_committed(Some(id(1, 115))).await.unwrap();
        append_range(&log, 2, next..next + 3).await;
        let held = Held::of(&log).await;
        files.power_cut_torn(seed);
        assert_eq!(Held::of(&open(&files, 1_024)).await, held, "seed {seed}");
    }
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_full_disk_while_a_segment_is_prepared_is_no_failure() {
    let spare = Path::new(DIR).join("spare");
    // No room for anything; for a part of the file.
    for room in [0, 700] {
        let files = MemoryFiles::default();
        let log = open(&files, 4_096);
        append_range(&log, 1, 0..3).await;
        log.shutdown().await;
        drop(log);
        files.kill();
        let used: usize = files.image().files().map(|(_, bytes)| bytes.len()).sum();
        // The log itself may grow a little.
        files.set_capacity(Some(used as u64 + room));
        files.note_operations();
        let env = env();
        let log = LogStore::open(Arc::new(files.clone()), &env, options(4_096)).unwrap();
        let attempts = || {
            let noted = files.noted_operations();
            noted.iter().filter(|op| op.path == spare && op.kind == OperationKind::Write).count()
        };
        until("a spare is tried", || attempts() > 0).await;
        log.barrier().await.unwrap();
        files.set_capacity(None);
        append_range(&log, 1, 3..30).await;
        let held = Held::of(&log).await;
        log.shutdown().await;
        files.kill();
        assert_eq!(Held::of(&open(&files, 4_096)).await, held);
    }
}

#[tokio::test]
async fn the_watermark_is_written_without_a_sync_of_its_own() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    files.note_operations();
    for index in 0..10 {
        append(&log, vec![entry(1, index, 10)]).await.unwrap();
    }
    let noted = files.noted_operations();
    let of = |kind| noted.iter().filter(|op| op.path == watermark() && op.kind == kind).count();
    assert_eq!((of(OperationKind::Write), of(OperationKind::Sync)), (10, 0));
    let slots: Vec<_> = noted.iter().filter(|op| op.path == watermark()).map(|op| op.offset).collect();
    assert!(slots.windows(2).all(|pair| pair[0] != pair[1]), "the slots take turns: {slots:?}");
    // Each stands behind the sync that it tells of.
    let kinds: Vec<_> = noted.iter().map(|op| (op.path == watermark(), op.kind)).collect();
    let step = [(false, OperationKind::Write), (false, OperationKind::Sync), (true, OperationKind::Write)];
    assert_eq!(kinds, step.repeat(10));
    log.shutdown().await;
    let last = files.noted_operations().pop().unwrap();
    assert_eq!((last.path, last.kind), (watermark(), OperationKind::Sync), "at the end it is");
}

#[tokio::test]
async fn a_file_system_that_goes_down_within_any_sync_takes_nothing_acknowledged() {
    // Segments made in one piece, and in several.
    for (segment_bytes, entry_bytes, stops) in [(4_096, 30, 120), (2_500_000, 30_000, 60)] {
        for stop in 1..stops {
            let files = MemoryFiles::default();
            // An earlier run left segments, of which one was in the making.
            let after = 25 + stop % 40;
            files.inject(Fault { after, on: Counted::Changes, kind: FaultKind::Crash, lasting: true });
            let log = open(&files, segment_bytes);
            let mut acknowledged = 0;
            while append(&log, vec![entry(1, acknowledged + 1, 1_000)]).await.is_ok() {
                acknowledged += 1;
            }
            drop(log);
            files.power_cut_torn(stop);
            files.inject(Fault { after: stop, on: Counted::Changes, kind: FaultKind::Down, lasting: true });
            if let Ok(log) = try_open(&files, segment_bytes) {
                acknowledged = log.last_index();
                while acknowledged < 400 {
                    let four = acknowledged + 1..acknowledged + 5;
                    if append(&log, four.map(|index| entry(1, index, entry_bytes)).collect()).await.is_err() {
                        break;
                    }
                    acknowledged += 4;
                    if acknowledged > 30 && log.clone().purge(id(1, acknowledged - 20)).await.is_err() {
                        break;
                    }
                }
            }
            files.power_cut();
            let last = open(&files, segment_bytes).last_index();
            assert!(last >= acknowledged, "down at operation {stop}: {last} of {acknowledged}");
        }
    }
}

#[tokio::test]
async fn a_power_cut_anywhere_while_segments_grow_by_pieces_loses_nothing_acknowledged() {
    const SEGMENT_BYTES: u64 = 2_500_000;
    for stop in 1..80 {
        let files = MemoryFiles::default();
        files.stop_after(stop);
        let mut acknowledged = 0;
        if let Ok(log) = try_open(&files, SEGMENT_BYTES) {
            while acknowledged < 40 {
                let four = acknowledged..acknowledged + 4;
                if append(&log, four.map(|index| entry(1, index, 100_000)).collect()).await.is_err() {
                    break;
                }
                acknowledged += 4;
            }
        }
        files.power_cut_torn(stop);
        let log = open(&files, SEGMENT_BYTES);
        let kept = log.last_log_id().map_or(0, |last| last.index + 1);
        assert!(kept >= acknowledged, "stopped at operation {stop}: {kept} of {acknowledged}");
    }
}

#[tokio::test]
async fn what_an_earlier_run_left_half_made_is_made_anew_before_it_is_used_again() {
    const SEGMENT_BYTES: u64 = 2_500_000;
    let before = sync_of_the_second_piece(SEGMENT_BYTES).await;
    for stop in 1..40 {
        let files = half_made(before, SEGMENT_BYTES).await;
        // The next run leaves that segment, as the large entry needs another.
        let log = open(&files, SEGMENT_BYTES);
        let next = log.last_index() + 1;
        append(&log, vec![entry(1, next, 1_600_000)]).await.unwrap();
        drop(log);
        files.kill();
        // And the one after that uses it again, having no moment to make another ahead.
        let log = inline(&files, SEGMENT_BYTES);
        files.inject(Fault { after: stop, on: Counted::Changes, kind: FaultKind::Down, lasting: true });
        let mut acknowledged = next;
        if log.clone().purge(id(1, next - 1)).await.is_ok() {
            for bytes in [10, 1_600_000, 70_000, 70_000, 70_000] {
                if append(&log, vec![entry(1, acknowledged + 1, bytes)]).await.is_err() {
                    break;
                }
                acknowledged += 1;
            }
        }
        drop(log);
        files.power_cut();
        let last = open(&files, SEGMENT_BYTES).last_index();
        assert!(last >= acknowledged, "down at operation {stop}: {last} of {acknowledged}");
    }
}

/// Which operation of a run syncs the second piece of its first segment.
async fn sync_of_the_second_piece(segment_bytes: u64) -> u64 {
    let files = MemoryFiles::default();
    files.note_operations();
    fill(&files, segment_bytes).await;
    let noted = files.noted_operations();
    let second = noted.iter().position(|op| op.kind == OperationKind::Write && op.offset == 1 << 20);
    noted[second.unwrap() + 1].number
}

fn inline(files: &MemoryFiles, segment_bytes: u64) -> LogStore {
    LogStore::open_inline(Arc::new(files.clone()), &env(), options(segment_bytes)).unwrap()
}

async fn fill(files: &MemoryFiles, segment_bytes: u64) {
    let log = inline(files, segment_bytes);
    for index in 1..15 {
        if append(&log, vec![entry(1, index, 100_000)]).await.is_err() {
            return;
        }
    }
}

/// A disk whose only segment is longer than what of it was ever synced.
async fn half_made(before: u64, segment_bytes: u64) -> MemoryFiles {
    for seed in 0..100 {
        let files = MemoryFiles::default();
        files.inject(Fault { after: before, on: Counted::Changes, kind: FaultKind::Crash, lasting: true });
        fill(&files, segment_bytes).await;
        files.power_cut_torn(seed);
        if content(&files, &first_segment()).len() >= 2 << 20 {
            return files;
        }
    }
    unreachable!("some sectors reach the disk, and the length with them")
}

#[tokio::test]
async fn a_vote_takes_the_room_that_is_left_where_no_piece_of_a_segment_fits() {
    let files = MemoryFiles::default();
    let log = inline(&files, 4_096);
    for index in 1..=3 {
        append(&log, vec![entry(1, index, 1_100)]).await.unwrap();
    }
    let used: usize = files.image().files().map(|(_, bytes)| bytes.len()).sum();
    files.set_capacity(Some(used as u64 + 600));
    for term in 2..12 {
        log.clone().save_vote(&Vote::new(term, 1)).await.unwrap();
    }
    assert_eq!(
        segments(&files).len(),
        2,
        "the last of them stand in a segment that was begun on the full disk"
    );
    let held = Held::of(&log).await;
    drop(log);
    files.power_cut();
    files.set_capacity(None);
    assert_eq!(Held::of(&open(&files, 4_096)).await, held);
}
