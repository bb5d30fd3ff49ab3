//! The scrubber: reads the log and the snapshot again while they are in use, from the disk and at a bounded rate, so that
//! what rots is found while the other nodes still have it, and not at the next start.
//!
//! A finding counts only where a second reading finds it too and the file is still in use after that: segments are
//! recycled and snapshots replaced while they are read. What counts raises an alarm and says what would heal it; who drives
//! Raft does that: a new snapshot takes the damaged one's place, and a purge below it lets a damaged segment go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use stockade_env::{Env, Tasks, place};
use stockade_state_machine::Revision;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::alarms::{AlarmKind, Alarms};
use crate::file::Files;
use crate::log::{self, SegmentCheck};
use crate::snapshot::{SnapshotCheck, SnapshotFile, SnapshotStore};
use crate::{Error, StateHandle, limits};

/// What the scrubber has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubStats {
    /// Bytes that were read again and found as they were written.
    pub bytes: u64,
    /// Passes over everything.
    pub passes: u64,
    /// When the last pass ended, in microseconds since 1970 by this node's clock; 0 before the first has.
    pub last_pass_us: u64,
    /// How long it took, in milliseconds.
    pub last_pass_ms: u64,
    /// Files that are damaged as far as is known.
    pub problems: u64,
    /// Findings that a second reading did not confirm.
    pub transient: u64,
}

/// What would make damage go away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Healing {
    /// A snapshot in the place of the one there is.
    pub snapshot: bool,
    /// The log without this segment and those before it: their entries applied, in a snapshot, and purged.
    pub segment: Option<u64>,
}

/// How far a step of a check came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes that were read and are as they should be.
    pub(crate) bytes: u64,
    /// True at the end of what there is to check.
    pub(crate) done: bool,
}

/// The scrubber's side that others see. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Scrub(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stats: Mutex<ScrubStats>,
    /// Told to begin a pass before its time.
    wake: Notify,
    healing: watch::Sender<Healing>,
}

/// What is damaged: where and how, for people.
#[derive(Debug, Default)]
struct Problems {
    segments: BTreeMap<u64, String>,
    snapshot: Option<(SnapshotFile, String)>,
}

/// Reads what a node has on its disk, again and again.
///
/// Invariants:
/// - It holds nothing that keeps a data directory in use, and ends when the last [`Scrub`] is gone.
/// - `due` is when what was read so far may have been read, at the rate.
struct Scrubber {
    files: Arc<dyn Files>,
    log: Arc<log::Shared>,
    snapshots: SnapshotStore,
    applied: watch::Receiver<Revision>,
    alarms: Alarms,
    env: Env,
    bytes_per_second: u64,
    shared: Weak<Shared>,
    problems: Problems,
    due: Instant,
}

/// The file that is being checked.
enum Check {
    Segment(SegmentCheck),
    Snapshot(SnapshotCheck),
}

/// The scrubber ends: the node stops, or is gone.
struct Ended;

impl Scrub {
    /// Without a scrubber.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Starts the scrubber. At a rate of 0 there is none.
    pub(crate) fn start(
        &self,
        env: &Env,
        files: Arc<dyn Files>,
        bytes_per_second: u64,
        state: &StateHandle,
        alarms: Alarms,
    ) {
        if bytes_per_second == 0 {
            return;
        }
        let scrubber = Scrubber {
            files,
            log: state.log.shared_for_reading(),
            snapshots: state.snapshots.clone(),
            applied: state.watch_applied(),
            alarms,
            env: env.clone(),
            bytes_per_second,
            shared: Arc::downgrade(&self.0),
            problems: Problems::default(),
            due: Instant::now(),
        };
        env.tasks.spawn("scrubber", scrubber.run());
    }
}

impl StateHandle {
    /// What the scrubber has done.
    pub fn scrub_stats(&self) -> ScrubStats {
        *self.scrub.0.stats.lock()
    }

    /// Lets the scrubber begin its next pass at once.
    pub fn scrub_now(&self) {
        self.scrub.0.wake.notify_one();
    }

    /// What would make damage go away that the scrubber has found.
    pub fn watch_healing(&self) -> watch::Receiver<Healing> {
        self.scrub.0.healing.subscribe()
    }
}

impl Scrubber {
    async fn run(mut self) {
        // The start itself has just read everything, but for a large snapshot: nobody has, in this run.
        let read_whole = self.snapshots.current().is_none_or(|snapshot| snapshot.was_read_whole());
        if !read_whole && self.pass().await.is_err() {
            return;
        }
        while self.rest().await.is_ok() {
            if self.pass().await.is_err() {
                return;
            }
        }
    }

    /// Waits for the next pass, and looks meanwhile whether what was damaged is gone.
    async fn rest(&mut self) -> Result<(), Ended> {
        let until = Instant::now() + limits::SCRUB_PAUSE;
        while Instant::now() < until {
            let shared = self.shared()?;
            let look = Instant::now() + limits::SCRUB_LOOK;
            let wake = if self.problems.is_empty() { until } else { until.min(look) };
            tokio::select! {
                () = sleep_until(wake) => {}
                () = shared.wake.notified() => return Ok(()),
                () = stopping(&self.env.tasks) => return Err(Ended),
            }
            // Else it would find the node there for ever.
            drop(shared);
            self.look()?;
        }
        Ok(())
    }

    async fn pass(&mut self) -> Result<(), Ended> {
        let begun = Instant::now();
        if let Some(snapshot) = self.snapshots.current() {
            self.check(Check::Snapshot(SnapshotCheck::new(snapshot))).await?;
        }
        // What is begun meanwhile is the next pass's: one that followed the end of the log would never end.
        let newest = self.log.newest_segment();
        let mut last = 0;
        while let Some(segment) = self.log.check_after(last).filter(|segment| segment.number() <= newest) {
            last = segment.number();
            self.check(Check::Segment(segment)).await?;
        }
        let shared = self.shared()?;
        let mut stats = shared.stats.lock();
        stats.passes += 1;
        stats.last_pass_us = self.env.clock.now_us();
        stats.last_pass_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Checks one file to its end, to the first damage in it, or until it is not in use any more.
    async fn check(&mut self, mut check: Check) -> Result<(), Ended> {
        loop {
            let mut result;
            (result, check) = self.step(check).await?;
            if let Err(first) = result {
                (result, check) = self.step(check).await?;
                if !self.in_use(&check) {
                    return Ok(());
                }
                if result.is_ok() {
                    tracing::warn!(%first, "a second reading found nothing wrong: the disk gave something else at first");
                    self.shared()?.stats.lock().transient += 1;
                }
            }
            match result {
                Ok(Step { bytes, done }) => {
                    self.shared()?.stats.lock().bytes += bytes;
                    if done {
                        self.problems.sound(&check);
                    }
                    self.look()?;
                    self.pace(bytes).await?;
                    if done {
                        return Ok(());
                    }
                }
                Err(error) if !is_damage(&error) => {
                    tracing::warn!(%error, "a file could not be read again; the next pass tries it");
                    return Ok(());
                }
                Err(error) => {
                    self.problems.found(check, &error);
                    return self.tell();
                }
            }
        }
    }

    /// One piece, beside the async threads unless the node has no other.
    async fn step(&self, mut check: Check) -> Result<(Result<Step, Error>, Check), Ended> {
        let files = Arc::clone(&self.files);
        if !self.log.threaded {
            return Ok((check.step(files.as_ref()), check));
        }
        let reading = place::blocking(move || (check.step(files.as_ref()), check));
        match reading.await {
            Ok(read) => Ok(read),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Ended),
        }
    }

    /// Waits until so many bytes more may have been read.
    async fn pace(&mut self, bytes: u64) -> Result<(), Ended> {
        let cost_us = bytes.saturating_mul(1_000_000) / self.bytes_per_second;
        // What a slow disk took longer is not made up for.
        self.due = self.due.max(Instant::now()) + Duration::from_micros(cost_us);
        tokio::select! {
            () = sleep_until(self.due) => Ok(()),
            () = stopping(&self.env.tasks) => Err(Ended),
        }
    }

    fn in_use(&self, check: &Check) -> bool {
        match check {
            Check::Segment(segment) => self.log.needs_segment(segment.number()),
            Check::Snapshot(check) => self.is_current(check.snapshot()),
        }
    }

    fn is_current(&self, snapshot: &SnapshotFile) -> bool {
        self.snapshots.current().is_some_and(|current| current.is(snapshot))
    }

    /// Forgets damage in files that are not in use any more. What took a snapshot's place was verified before it did.
    fn look(&mut self) -> Result<(), Ended> {
        if self.problems.is_empty() && self.healing() == *self.shared()?.healing.borrow() {
            return Ok(());
        }
        let log = Arc::clone(&self.log);
        self.problems.segments.retain(|number, _| log.needs_segment(*number));
        if self.problems.snapshot.as_ref().is_some_and(|(snapshot, _)| !self.is_current(snapshot)) {
            self.problems.snapshot = None;
        }
        self.tell()
    }

    fn healing(&self) -> Healing {
        let segment = self.problems.segments.keys().next_back().copied();
        Healing { snapshot: self.problems.snapshot.is_some(), segment }
    }

    /// Raises or ends the alarms and says what would heal.
    fn tell(&self) -> Result<(), Ended> {
        let shared = self.shared()?;
        let healing = self.healing();
        shared.stats.lock().problems = self.problems.count();
        let before = shared.healing.send_replace(healing);
        match &self.problems.snapshot {
            Some((_, what)) => {
                let what = format!("{what}; another is made in its place");
                self.alarms.raise(AlarmKind::SnapshotDamaged, what);
            }
            None if before.snapshot => self.alarms.clear(AlarmKind::SnapshotDamaged),
            None => {}
        }
        match healing.segment {
            Some(last) => self.alarms.raise(AlarmKind::LogDamaged, self.about_log(last)),
            None if before.segment.is_some() => self.alarms.clear(AlarmKind::LogDamaged),
            None => {}
        }
        Ok(())
    }

    /// What is wrong with the log, and what becomes of it.
    fn about_log(&self, last: u64) -> String {
        let mut text = self.problems.segments.values().next().cloned().unwrap_or_default();
        let more = self.problems.segments.len().saturating_sub(1);
        if more > 0 {
            // Writing to a String can't fail.
            let _ = write!(text, "; so are {more} more segments");
        }
        let entry = self.log.last_entry_through(last);
        let applied = self.applied.borrow().get();
        match entry.filter(|entry| *entry > applied) {
            None => text.push_str("; its entries are applied: a snapshot is made and the segment let go"),
            Some(entry) => {
                let _ = write!(
                    text,
                    "; entries up to {entry} are needed and {applied} is applied: if this node does not get past them, \
                     bring it back under a new id with `stockade cluster replace`"
                );
            }
        }
        text
    }

    fn shared(&self) -> Result<Arc<Shared>, Ended> {
        self.shared.upgrade().ok_or(Ended)
    }
}

/// True for what the disk is to blame for. A process without free file descriptors or memory has no damaged disk.
fn is_damage(error: &Error) -> bool {
    match error {
        Error::Corrupt { .. } | Error::Format { .. } => true,
        Error::Io { source, .. } => {
            let eio = source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
            eio || matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

async fn stopping(tasks: &Tasks) {
    tasks.stopping().await;
}

impl Check {
    fn step(&mut self, files: &dyn Files) -> Result<Step, Error> {
        match self {
            Self::Segment(segment) => segment.step(files),
            Self::Snapshot(snapshot) => snapshot.step(files),
        }
    }
}

impl Problems {
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> u64 {
        self.segments.len() as u64 + u64::from(self.snapshot.is_some())
    }

    fn found(&mut self, check: Check, error: &Error) {
        let what = error.to_string();
        match check {
            Check::Segment(segment) => drop(self.segments.insert(segment.number(), what)),
            Check::Snapshot(check) => self.snapshot = Some((check.snapshot().clone(), what)),
        }
    }

    /// A file that was damaged was read to its end: whoever kept the disk gave it back.
    fn sound(&mut self, check: &Check) {
        match check {
            Check::Segment(segment) => drop(self.segments.remove(&segment.number())),
            Check::Snapshot(_) => self.snapshot = None,
        }
    }
}
