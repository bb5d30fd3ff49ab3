//! The log after crashes and damage: nothing acknowledged is missing, and damage is never taken for a shorter log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::path::Path;

use log_common::{
    DIR, Held, Operation, Vote, Witness, append, append_range, content, entry, first_segment, id, open,
    try_open, with_segment,
};
use openraft::storage::RaftLogStorage;
use stockade_storage::Error;
use stockade_storage::file::{Files, MemoryFiles};

/// Bytes of an idle marker.
const IDLE_MARKER: usize = 48;

#[tokio::test]
async fn a_batch_torn_at_any_length_leaves_what_was_acknowledged() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    append_range(&log, 1, 0..3).await;
    log.clone().save_vote(&Vote::new(1, 1)).await.unwrap();
    let acknowledged = Held::of(&log).await;
    let before = content(&files, &first_segment());
    append_range(&log, 1, 3..8).await;
    let with_batch = Held::of(&log).await;
    let after = content(&files, &first_segment());
    for len in before.len()..=after.len() - IDLE_MARKER {
        let expected = if len == after.len() - IDLE_MARKER { &with_batch } else { &acknowledged };
        // The rest of the file: not there, zeros, or what an earlier use left behind.
        for rest in [vec![], vec![0; 600], vec![0xA5; 600]] {
            let torn = with_segment(&[&after[..len], &rest].concat());
            let reopened = open(&torn, 1 << 20);
            assert_eq!(&Held::of(&reopened).await, expected, "torn at {len}");
            // Another term's entry of the same length takes its place, and what was torn stays gone.
            let next = expected.last().unwrap().index + 1;
            append_range(&reopened, 2, next..next + 2).await;
            let held = Held::of(&reopened).await;
            torn.power_cut();
            assert_eq!(Held::of(&open(&torn, 1 << 20)).await, held, "torn at {len}, then gone on");
        }
    }
}

#[tokio::test]
async fn a_later_record_of_an_interrupted_write_proves_nothing_and_never_comes_back() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    append_range(&log, 1, 0..3).await;
    let acknowledged = Held::of(&log).await;
    let before = content(&files, &first_segment()).len();
    // Two records that one write could have brought: neither calls the other durable.
    log.clone().save_committed(Some(id(1, 1))).await.unwrap();
    log.clone().save_committed(Some(id(1, 2))).await.unwrap();
    let mut bytes = content(&files, &first_segment());
    let record = (bytes.len() - before) / 2;
    // The first of them was lost on the way.
    bytes[before..before + record].fill(0);
    let torn = with_segment(&bytes);
    let reopened = open(&torn, 1 << 20);
    assert_eq!(Held::of(&reopened).await, acknowledged);
    reopened.clone().save_committed(Some(id(1, 0))).await.unwrap();
    reopened.barrier().await.unwrap();
    torn.power_cut();
    assert_eq!(open(&torn, 1 << 20).committed(), Some(id(1, 0)));
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_or_changes_nothing() {
    let files = MemoryFiles::default();
    let log = open(&files, 700);
    append_range(&log, 1, 0..6).await;
    log.clone().save_vote(&Vote::new_committed(1, 1)).await.unwrap();
    log.clone().truncate_after(Some(id(1, 3))).await.unwrap();
    append_range(&log, 2, 4..8).await;
    log.clone().save_committed(Some(id(2, 5))).await.unwrap();
    log.clone().purge(id(1, 1)).await.unwrap();
    append_range(&log, 2, 8..10).await;
    let held = Held::of(&log).await;
    log.shutdown().await;
    let segments: Vec<_> = files.list(Path::new(DIR)).unwrap();
    assert!(segments.len() > 1);
    let (mut found, mut harmless) = (0, 0);
    for path in &segments {
        for offset in 0..content(&files, path).len() as u64 {
            for bit in 0..8 {
                files.flip_bit(path, offset, bit).unwrap();
                let copy = copy_of(&files, &segments);
                match try_open(&copy, 700) {
                    Err(Error::Corrupt { file, offset, what }) => {
                        assert!(!what.is_empty() && file.starts_with(DIR), "{} {offset}", file.display());
                        found += 1;
                    }
                    Err(error) => panic!("{}: {offset}: {error}", path.display()),
                    Ok(log) => {
                        assert_eq!(Held::of(&log).await, held, "{}: byte {offset} bit {bit}", path.display());
                        harmless += 1;
                    }
                }
                files.flip_bit(path, offset, bit).unwrap();
            }
        }
    }
    // Only the idle marker at the end may be damaged without anybody missing anything.
    assert_eq!(harmless, 48 * 8);
    assert!(found > 5_000, "{found}");
}

fn copy_of(files: &MemoryFiles, paths: &[std::path::PathBuf]) -> MemoryFiles {
    let copy = MemoryFiles::default();
    copy.create_dir(Path::new(DIR)).unwrap();
    for path in paths {
        let file = copy.create(path).unwrap();
        file.write_at(0, &content(files, path)).unwrap();
        file.sync().unwrap();
    }
    copy.sync_dir(Path::new(DIR)).unwrap();
    copy
}

#[tokio::test]
async fn a_zeroed_stretch_in_the_middle_is_damage_not_the_end() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    for index in 0..50 {
        append(&log, vec![entry(1, index, 40)]).await.unwrap();
    }
    log.shutdown().await;
    let mut bytes = content(&files, &first_segment());
    let end = bytes.len();
    for start in (200..end - 600).step_by(97) {
        let sound = bytes[start..start + 512].to_vec();
        bytes[start..start + 512].fill(0);
        let error = try_open(&with_segment(&bytes), 1 << 20).err();
        assert!(matches!(error, Some(Error::Corrupt { .. })), "zeros from {start}: {error:?}");
        bytes[start..start + 512].copy_from_slice(&sound);
    }
}

/// A life of a log with everything in it: several segments, a conflict, purges that free segments.
fn life() -> Vec<Operation> {
    let range = |term, range: std::ops::Range<u64>| {
        Operation::Append(range.map(|index| entry(term, index, 30)).collect())
    };
    vec![
        Operation::Vote(Vote::new(1, 1)),
        range(1, 0..1),
        Operation::Vote(Vote::new_committed(1, 1)),
        range(1, 1..8),
        Operation::Committed(id(1, 3)),
        range(1, 8..14),
        Operation::Truncate(Some(id(1, 9))),
        range(2, 10..12),
        Operation::Vote(Vote::new(3, 2)),
        Operation::Purge(id(1, 6)),
        range(3, 12..20),
        Operation::Committed(id(3, 15)),
        Operation::Barrier,
        range(3, 20..28),
        Operation::Purge(id(3, 18)),
        range(3, 28..36),
        Operation::Purge(id(3, 25)),
        range(3, 36..44),
        Operation::Truncate(Some(id(3, 40))),
        Operation::Purge(id(4, 60)),
        range(4, 61..66),
    ]
}

#[tokio::test]
async fn a_power_cut_at_any_operation_of_the_disk_loses_nothing_acknowledged() {
    let segment_bytes = 600;
    let dry_run = MemoryFiles::default();
    let log = open(&dry_run, segment_bytes);
    for operation in life() {
        operation.perform(&log).await.unwrap();
    }
    let operations = dry_run.operations();
    assert!(operations > 60, "{operations}");
    for stop in 1..=operations + 1 {
        for seed in 0..8 {
            let files = MemoryFiles::default();
            files.stop_after(stop);
            let mut witness = Witness::new(Held::default());
            if let Ok(log) = try_open(&files, segment_bytes) {
                for operation in life() {
                    if !witness.perform(&log, &operation).await {
                        break;
                    }
                }
            }
            if seed == 0 {
                files.power_cut();
            } else {
                files.power_cut_torn(seed);
            }
            // Recovery itself may be cut short as well.
            files.stop_after(seed);
            drop(try_open(&files, segment_bytes));
            if seed % 2 == 0 {
                files.power_cut();
            } else {
                files.power_cut_torn(seed + stop);
            }

            let what = format!("stopped at {stop}, seed {seed}");
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

#[tokio::test]
async fn a_record_of_a_newer_format_is_refused_as_such() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..3).await;
    log.shutdown().await;
    let mut bytes = content(&files, &first_segment());
    bytes[4] = 2;
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    let error = try_open(&with_segment(&bytes), 4_096).err();
    assert!(matches!(error, Some(Error::Format { found: 2, supported: 1, .. })), "{error:?}");
}
