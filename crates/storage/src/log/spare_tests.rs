//! The next segment's file, made ahead in idle moments, on a disk that is full.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stockade_env::Env;

use super::store::{self, LogOptions};
use super::worker::Worker;
use crate::file::{Counted, Fault, FaultKind, Files, MemoryFiles};
use crate::limits;

const SEGMENT_BYTES: u64 = 4_096;

fn worker(files: &MemoryFiles) -> Worker {
    let options =
        LogOptions { dir: PathBuf::from("/log"), segment_bytes: SEGMENT_BYTES, cache_bytes: 1 << 20 };
    store::prepare(Arc::new(files.clone()), &Env::simulated(0, 1), options, true).unwrap().1
}

fn spare_bytes(files: &MemoryFiles) -> Option<u64> {
    files.open(Path::new("/log/spare")).ok().map(|file| file.len().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_at_any_step_is_tried_again_after_a_pause_and_never_before() {
    // Creating the file, writing it, syncing it.
    for after in 1..=3 {
        let files = MemoryFiles::default();
        let mut worker = worker(&files);
        files.inject(Fault { after, on: Counted::Changes, kind: FaultKind::NoSpace, lasting: true });
        while worker.idle() {}
        let before = files.operations();
        for _ in 0..100 {
            assert!(!worker.idle(), "nothing is left to do before the pause is over");
        }
        assert_eq!(files.operations(), before, "the disk is left alone");
        files.heal();
        tokio::time::advance(limits::LOG_SPARE_PAUSE.saturating_sub(Duration::from_millis(1))).await;
        assert!(!worker.idle());
        tokio::time::advance(Duration::from_millis(2)).await;
        while worker.idle() {}
        assert_eq!(spare_bytes(&files), Some(SEGMENT_BYTES), "full at operation {after}");
        files.power_cut_kept();
    }
}

#[tokio::test(start_paused = true)]
async fn another_failure_while_a_segment_is_prepared_fails_the_log() {
    for after in 1..=3 {
        let files = MemoryFiles::default();
        let mut worker = worker(&files);
        files.fail_after(after);
        while worker.idle() {}
        let before = files.operations();
        tokio::time::advance(limits::LOG_SPARE_PAUSE * 2).await;
        assert!(!worker.idle());
        assert_eq!(files.operations(), before, "nothing is written any more");
    }
}
