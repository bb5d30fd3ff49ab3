//! The log after crashes: nothing acknowledged is missing, and an honest torn tail is never taken for damage.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use log_common::{
    Held, Vote, Witness, append, append_range, entry, examined, first_records, id, life, open, try_open,
    watermark, with_first_segment,
};
use openraft::storage::RaftLogStorage;
use stockade_storage::file::{Counted, Fault, FaultKind, MemoryFiles};
use stockade_storage::log::ProblemKind;

#[tokio::test]
async fn a_batch_torn_at_any_length_leaves_what_was_acknowledged() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    let at_first = files.image();
    append_range(&log, 1, 0..3).await;
    log.clone().save_vote(&Vote::new(1, 1)).await.unwrap();
    let acknowledged = Held::of(&log).await;
    let before = files.image();
    // A power cut may also have taken what the watermark noted since it was synced.
    let mut behind = before.clone();
    behind.insert(&watermark(), at_first.bytes(&watermark()).unwrap().to_vec());
    append_range(&log, 1, 3..8).await;
    let with_batch = Held::of(&log).await;
    let after = first_records(&files);
    let before_len = first_records(&MemoryFiles::from_image(&before)).len();
    assert!(after.len() > before_len + 300, "{before_len} to {}", after.len());
    for len in before_len..=after.len() {
        let expected = if len == after.len() { &with_batch } else { &acknowledged };
        // The rest of the file: not there, zeros, or what an earlier use left behind.
        for rest in [vec![], vec![0; 600], vec![0xA5; 600]] {
            for image in [&before, &behind] {
                let torn = with_first_segment(image, &[&after[..len], &rest].concat());
                let reopened = open(&torn, 4_096);
                assert_eq!(&Held::of(&reopened).await, expected, "torn at {len}");
                // Another term's entry of the same length takes its place, and what was torn stays gone.
                let next = expected.last().unwrap().index + 1;
                append_range(&reopened, 2, next..next + 2).await;
                let held = Held::of(&reopened).await;
                torn.power_cut();
                assert_eq!(Held::of(&open(&torn, 4_096)).await, held, "torn at {len}, then gone on");
            }
        }
    }
}

#[tokio::test]
async fn a_later_record_of_an_interrupted_write_proves_nothing_and_never_comes_back() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..3).await;
    let acknowledged = Held::of(&log).await;
    let before = first_records(&files).len();
    // Two records that one write could have brought: neither calls the other durable.
    log.clone().save_committed(Some(id(1, 1))).await.unwrap();
    log.clone().save_committed(Some(id(1, 2))).await.unwrap();
    let mut bytes = first_records(&files);
    let record = (bytes.len() - before) / 2;
    // The first of them was lost on the way.
    bytes[before..before + record].fill(0);
    let torn = with_first_segment(&files.image(), &bytes);
    assert_eq!(examined(&torn).all_problems().next().unwrap().kind, ProblemKind::TornTail);
    let reopened = open(&torn, 4_096);
    assert_eq!(Held::of(&reopened).await, acknowledged);
    reopened.clone().save_committed(Some(id(1, 0))).await.unwrap();
    reopened.barrier().await.unwrap();
    torn.power_cut();
    assert_eq!(open(&torn, 4_096).committed(), Some(id(1, 0)));
}

/// How the machine ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    PowerCut,
    Kept,
    Torn(u64),
}

impl End {
    fn of(seed: u64) -> Self {
        match seed {
            0 => Self::Kill,
            1 => Self::PowerCut,
            2 => Self::Kept,
            _ => Self::Torn(seed),
        }
    }

    fn come(self, files: &MemoryFiles) {
        match self {
            Self::Kill => files.kill(),
            Self::PowerCut => files.power_cut(),
            Self::Kept => files.power_cut_kept(),
            Self::Torn(seed) => files.power_cut_torn(seed),
        }
    }
}

/// From an operation of the disk on, nothing works: it fails, it is full, the file system goes down, or the process ends
/// before or within it.
fn fault(after: u64, seed: u64) -> Fault {
    let kinds =
        [FaultKind::Io, FaultKind::CrashWithin, FaultKind::NoSpace, FaultKind::Crash, FaultKind::Down];
    let kind = kinds[usize::try_from((seed + after) % 5).unwrap()];
    Fault { after, on: Counted::Changes, kind, lasting: true }
}

#[tokio::test]
async fn a_kill_or_power_cut_at_any_operation_of_the_disk_loses_nothing_acknowledged() {
    let segment_bytes = 600;
    let dry_run = MemoryFiles::default();
    let log = open(&dry_run, segment_bytes);
    for operation in life() {
        operation.perform(&log).await.unwrap();
    }
    let operations = dry_run.operations();
    assert!(operations > 100, "{operations}");
    for stop in 1..=operations + 1 {
        for seed in 0..12 {
            let files = MemoryFiles::default();
            files.inject(fault(stop, seed));
            let mut witness = Witness::new(Held::default());
            if let Ok(log) = try_open(&files, segment_bytes) {
                for operation in life() {
                    if !witness.perform(&log, &operation).await {
                        break;
                    }
                }
            }
            let end = End::of(seed);
            end.come(&files);
            // Recovery itself may be cut short as well.
            files.inject(fault(1 + seed + stop % 7, seed + stop));
            drop(try_open(&files, segment_bytes));
            let second = End::of((seed + stop) % 7);
            second.come(&files);

            let what = format!("stopped at {stop} (seed {seed}), {end:?}, recovery cut short by {second:?}");
            let log = open(&files, segment_bytes);
            witness.check(&log, &what).await;
            let next = log.last_log_id().map_or(0, |last| last.index + 1);
            append_range(&log, 9, next..next + 2).await;
            let held = Held::of(&log).await;
            files.power_cut();
            assert_eq!(Held::of(&open(&files, segment_bytes)).await, held, "{what}, then gone on");
        }
    }
}

#[tokio::test]
async fn a_crash_of_the_process_alone_makes_what_was_read_durable() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..3).await;
    // Written, not synced; then the process goes and another opens the log.
    log.clone().save_committed(Some(id(1, 2))).await.unwrap();
    drop(log);
    let reopened = open(&files, 4_096);
    assert_eq!(reopened.committed(), Some(id(1, 2)));
    drop(reopened);
    files.power_cut();
    assert_eq!(open(&files, 4_096).committed(), Some(id(1, 2)));
}

#[tokio::test]
async fn a_segment_whose_name_was_not_synced_when_the_process_ended_is_kept_once_it_is_used() {
    for stop in 1..40 {
        let files = MemoryFiles::default();
        let log = open(&files, 600);
        append_range(&log, 1, 0..3).await;
        files.stop_after(stop);
        for index in 3..20 {
            if append(&log, vec![entry(1, index, 30)]).await.is_err() {
                break;
            }
        }
        // The process ends, the machine goes on.
        files.heal();
        drop(log);
        let reopened = open(&files, 600);
        let next = reopened.last_index() + 1;
        append_range(&reopened, 2, next..next + 1).await;
        let held = Held::of(&reopened).await;
        files.power_cut();
        assert_eq!(Held::of(&open(&files, 600)).await, held, "the disk stopped at operation {stop}");
    }
}
