//! The log on a disk that loses, changes or brings back what was synced: it is found, or nothing acknowledged is missing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod log_common;

use std::path::Path;

use log_common::{
    DIR, Held, Operation, Vote, Witness, append, append_range, content, entry, examined, first_records,
    first_segment, id, life, open, segments, try_open, used_bytes, watermark, with_first_segment,
};
use openraft::storage::RaftLogStorage;
use stockade_storage::Error;
use stockade_storage::file::{Files, Image, MemoryFiles};

const SEGMENT_BYTES: u64 = 600;

/// Counts what became of damaged logs.
#[derive(Debug, Default)]
struct Tally {
    found: u64,
    harmless: u64,
}

impl Tally {
    /// Opens a damaged disk: the damage is found, or the log holds one of these.
    async fn judge(&mut self, image: &Image, segment_bytes: u64, may_hold: &[Held], what: &str) -> bool {
        let files = MemoryFiles::from_image(image);
        match try_open(&files, segment_bytes) {
            Err(Error::Corrupt { file, what: why, .. }) => {
                assert!(!why.is_empty() && file.starts_with(DIR), "{what}: {}", file.display());
                assert!(files.image() == *image, "{what}: what is damaged is left as it was");
                self.found += 1;
                true
            }
            Err(error) => panic!("{what}: {error}"),
            Ok(log) => {
                let held = Held::of(&log).await;
                assert!(may_hold.contains(&held), "{what}: silently {held:?}\nnot {may_hold:?}");
                self.harmless += 1;
                false
            }
        }
    }
}

/// A log that holds a little of everything, shut down in order.
async fn small_log() -> (MemoryFiles, Held) {
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
    (files, held)
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_or_changes_nothing() {
    let (files, held) = small_log().await;
    let image = files.image();
    let paths = segments(&files);
    assert!(paths.len() > 1);
    let held = [held];
    let mut tally = Tally::default();
    for path in paths.iter().chain(&[watermark()]) {
        // One slot of the watermark is enough; of the log itself no bit is.
        let counts = if *path == watermark() { 0 } else { used_bytes(&files, path) };
        for bit in 0..image.bytes(path).unwrap().len() * 8 {
            // Between the slots of the watermark nothing is written, nor read.
            if *path == watermark() && bit / 8 % 4_096 >= 40 {
                continue;
            }
            let mut damaged = image.clone();
            damaged.bytes_mut(path).unwrap()[bit / 8] ^= 1 << (bit % 8);
            let what = format!("{}: bit {bit}", path.display());
            let found = tally.judge(&damaged, 700, &held, &what).await;
            assert_eq!(found, bit / 8 < counts, "{what}");
        }
    }
    assert!(tally.found > 5_000, "{tally:?}");
}

#[tokio::test]
async fn a_zeroed_stretch_is_damage_not_the_end() {
    let files = MemoryFiles::default();
    let log = open(&files, 1 << 20);
    for index in 0..50 {
        append(&log, vec![entry(1, index, 40)]).await.unwrap();
    }
    log.shutdown().await;
    let image = files.image();
    let mut bytes = first_records(&files);
    let end = bytes.len();
    for start in (0..end).step_by(97) {
        let stop = end.min(start + 512);
        let sound = bytes[start..stop].to_vec();
        bytes[start..stop].fill(0);
        let error = try_open(&with_first_segment(&image, &bytes), 1 << 20).err();
        assert!(matches!(error, Some(Error::Corrupt { .. })), "zeros from {start}: {error:?}");
        bytes[start..stop].copy_from_slice(&sound);
    }
}

/// Everything that a lying disk may do to the files of a log, given what they were earlier.
fn lies(now: &Image, earlier: &[Image]) -> Vec<(String, Image)> {
    let in_log = |image: &Image| -> Vec<_> {
        let files = image.files().filter(|(path, _)| path.starts_with(DIR));
        files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
    };
    let mut lies = Vec::new();
    let mut lie = |what: String, change: &dyn Fn(&mut Image)| {
        let mut image = now.clone();
        change(&mut image);
        if image != *now {
            lies.push((what, image));
        }
    };
    let files = in_log(now);
    let segments: Vec<_> =
        files.iter().filter(|(path, _)| path.extension().is_some_and(|suffix| suffix == "wal")).collect();
    for (path, _) in &files {
        lie(format!("{} deleted", path.display()), &|image| {
            image.remove(path);
        });
    }
    for (one, other) in segments.iter().zip(segments.iter().skip(1)) {
        lie(format!("{} swapped with the next", one.0.display()), &|image| {
            image.swap(&one.0, &other.0);
        });
    }
    for (age, image) in earlier.iter().enumerate() {
        for (path, bytes) in in_log(image) {
            if now.bytes(&path).is_some() {
                lie(format!("{} as it was at {age}", path.display()), &|image| {
                    image.insert(&path, bytes.clone());
                });
            }
        }
    }
    let Some((last, bytes)) = segments.last() else { return lies };
    for len in 0..bytes.len() {
        lie(format!("{} cut to {len}", last.display()), &|image| {
            image.truncate(last, len);
        });
        if len.is_multiple_of(5) {
            let zeroed = |image: &mut Image| image.bytes_mut(last).unwrap()[len..].fill(0);
            lie(format!("{} zeros from {len}", last.display()), &zeroed);
        }
    }
    lies
}

#[tokio::test]
async fn whatever_a_disk_loses_or_brings_back_at_any_time_is_found_or_changes_nothing() {
    let operations = life();
    let files = MemoryFiles::default();
    let mut witness = Witness::new(Held::default());
    let log = open(&files, SEGMENT_BYTES);
    let mut earlier = vec![files.image()];
    let mut tally = Tally::default();
    let (mut lost_watermarks, mut must_be_found) = (0, 0);
    for operation in &operations {
        assert!(witness.perform(&log, operation).await);
        let now = files.image();
        let reports = examined(&files).segments;
        // Nothing rides along unsynced: then every byte of every record counts.
        let all_promised = witness.states().len() == 1;
        for (what, image) in lies(&now, &earlier) {
            let what = format!("after {operation:?}: {what}");
            let found = tally.judge(&image, SEGMENT_BYTES, witness.states(), &what).await;
            if image.bytes(&watermark()).is_none() {
                assert!(found, "{what}");
                lost_watermarks += 1;
            }
            let harmed = reports.iter().any(|report| {
                let used = usize::try_from(report.used_bytes).unwrap();
                let of = |image: &Image| Some(image.bytes(&report.path)?.get(..used)?.to_vec());
                of(&image) != of(&now)
            });
            if all_promised && harmed {
                assert!(found, "{what}");
                must_be_found += 1;
            }
        }
        earlier.push(now);
    }
    assert_eq!(lost_watermarks, operations.len());
    assert!(tally.found > 5_000 && must_be_found > 4_000, "{tally:?}, {must_be_found}");
}

#[tokio::test]
async fn the_last_segment_is_missed_even_when_a_power_cut_took_what_was_not_synced() {
    let operations = life();
    for stop in 1..=operations.len() {
        let files = MemoryFiles::default();
        let mut witness = Witness::new(Held::default());
        let log = open(&files, SEGMENT_BYTES);
        for operation in &operations[..stop] {
            assert!(witness.perform(&log, operation).await);
        }
        files.power_cut();
        let mut image = files.image();
        let last = segments(&files).pop().unwrap();
        image.remove(&last);
        let what = format!("{} deleted after {stop} operations", last.display());
        assert!(Tally::default().judge(&image, SEGMENT_BYTES, &[], &what).await);
    }
}

#[tokio::test]
async fn after_an_orderly_end_every_truncation_is_found_though_the_power_was_cut() {
    let (files, held) = small_log().await;
    files.power_cut();
    let image = files.image();
    let last = segments(&files).pop().unwrap();
    let mut tally = Tally::default();
    for len in 0..used_bytes(&files, &last) {
        let mut cut = image.clone();
        cut.truncate(&last, len);
        assert!(tally.judge(&cut, 700, &[], &format!("cut to {len}")).await);
    }
    assert!(!tally.judge(&image, 700, &[held], "whole").await);
}

#[tokio::test]
async fn a_log_whose_segments_are_all_gone_is_not_a_new_one() {
    let (files, _) = small_log().await;
    let mut image = files.image();
    for path in segments(&files) {
        image.remove(&path);
    }
    let error = try_open(&MemoryFiles::from_image(&image), 700).err();
    let Some(Error::Corrupt { what, .. }) = error else { panic!("{error:?}") };
    assert!(what.contains("the log is missing"), "{what}");
    image.remove(&watermark());
    assert_eq!(open(&MemoryFiles::from_image(&image), 700).last_log_id(), None, "nothing was ever there");
}

#[tokio::test]
async fn a_tail_that_is_missing_is_named_with_what_was_on_the_disk() {
    let (files, _) = small_log().await;
    let last = segments(&files).pop().unwrap();
    let report = examined(&files).segments.pop().unwrap();
    assert_eq!(report.path, last);
    let mut image = files.image();
    let len = usize::try_from(report.used_bytes).unwrap() - 1;
    image.truncate(&last, len);
    let files = MemoryFiles::from_image(&image);
    let error = try_open(&files, 700).err();
    let Some(Error::Corrupt { file, offset, what }) = error else { panic!("{error:?}") };
    let sequence = report.last_sequence.unwrap();
    assert_eq!(file, last);
    assert!(
        what.ends_with(&format!(
            "the log ends before record {sequence}, and record {sequence} was on the disk"
        )),
        "{what}"
    );
    let found = examined(&files);
    let problem = found.segments.last().unwrap().problem.as_ref().unwrap();
    assert_eq!((problem.offset, &problem.what), (offset, &what), "the examination says the same");
}

#[tokio::test]
async fn a_failed_sync_does_not_raise_the_watermark() {
    let files = MemoryFiles::default();
    let log = open(&files, 4_096);
    append_range(&log, 1, 0..3).await;
    let before = content(&files, &watermark());
    files.fail_after(2);
    assert!(append(&log, vec![entry(1, 3, 10)]).await.is_err());
    assert!(Operation::Barrier.perform(&log).await.is_err());
    assert_eq!(content(&files, &watermark()), before);
    files.kill();
    assert_eq!(open(&files, 4_096).last_index(), 2);
}

#[tokio::test]
async fn a_damaged_slot_of_the_watermark_is_sound_again_after_two_starts() {
    let (files, held) = small_log().await;
    for slot in [0, 4_096] {
        files.flip_bit(&watermark(), slot + 9, 2).unwrap();
        assert_eq!(examined(&files).watermark.unwrap().sound_slots, 1);
        for _ in 0..2 {
            files.power_cut();
            assert_eq!(Held::of(&open(&files, 700)).await, held);
        }
        assert_eq!(examined(&files).watermark.unwrap().sound_slots, 2);
    }
}

#[tokio::test]
async fn a_watermark_cut_short_counts_as_long_as_a_slot_is_whole() {
    let (files, held) = small_log().await;
    let image = files.image();
    let may_hold = [held];
    for len in [0, 1, 35, 36, 4_095, 4_096, 4_131, 4_132, 8_191] {
        let mut cut = image.clone();
        cut.truncate(&watermark(), len);
        let found = Tally::default().judge(&cut, 700, &may_hold, &format!("cut to {len}")).await;
        assert_eq!(found, len < 36, "cut to {len}");
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
    let error = try_open(&with_first_segment(&files.image(), &bytes), 4_096).err();
    assert!(matches!(error, Some(Error::Format { found: 2, supported: 1, .. })), "{error:?}");
}

#[tokio::test]
async fn a_file_with_the_suffix_of_a_segment_and_another_name_is_refused() {
    for name in ["x.wal", "1.wal", "00000000000000FF.wal"] {
        let (files, _) = small_log().await;
        let file = files.create(&Path::new(DIR).join(name)).unwrap();
        file.sync().unwrap();
        files.sync_dir(Path::new(DIR)).unwrap();
        assert!(matches!(try_open(&files, 700).err(), Some(Error::Corrupt { .. })), "{name}");
    }
}
