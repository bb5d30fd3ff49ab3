//! How much room the disk has left, and what a node does about it: at the low-water mark it becomes read-only, long before
//! a write could fail; below the reserve it writes nothing that needs room.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stockade_env::Tasks;
use tokio::sync::watch;

use crate::alarms::{AlarmKind, Alarms};
use crate::file::Files;
use crate::{Error, limits};

/// What room there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpaceLevel {
    /// Enough.
    #[default]
    Enough,
    /// Below the low-water mark: nothing is taken on but what gives units back or settles something.
    Low,
    /// Below the reserve: nothing is written that needs room. Votes fit into the room that the log has made ahead.
    Full,
}

/// Where the levels begin, in bytes that are free. 0 switches a mark off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceMarks {
    /// Less is [`SpaceLevel::Low`].
    pub low_bytes: u64,
    /// Less is [`SpaceLevel::Full`].
    pub reserve_bytes: u64,
}

impl SpaceMarks {
    /// The level at so much room, where the last one was `known`: a level is left only with a tenth more than its mark,
    /// so that a disk at the mark doesn't make the node change its mind with every file.
    fn level(self, free: u64, known: SpaceLevel) -> SpaceLevel {
        let mark = |bytes: u64, inside: bool| if inside { bytes.saturating_add(bytes / 10) } else { bytes };
        if free < mark(self.reserve_bytes, known >= SpaceLevel::Full) {
            SpaceLevel::Full
        } else if free < mark(self.low_bytes, known >= SpaceLevel::Low) {
            SpaceLevel::Low
        } else {
            SpaceLevel::Enough
        }
    }

    fn is_off(self) -> bool {
        self.low_bytes == 0 && self.reserve_bytes == 0
    }
}

/// Knows how much room the data directory's file system has. Cheap to clone; clones share it.
///
/// Invariants:
/// - The alarms `disk_low` and `disk_full` are raised exactly while the level is at least theirs.
#[derive(Debug, Clone)]
pub struct SpaceWatch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Arc<dyn Files>,
    dir: PathBuf,
    marks: SpaceMarks,
    alarms: Alarms,
    /// As of the last look, in bytes.
    free: AtomicU64,
    level: watch::Sender<SpaceLevel>,
    /// The system did not tell; said once.
    blind: AtomicBool,
}

impl SpaceWatch {
    /// Takes a first look.
    pub(crate) fn new(files: Arc<dyn Files>, dir: PathBuf, marks: SpaceMarks, alarms: Alarms) -> Self {
        let watch = Self(Arc::new(Inner {
            files,
            dir,
            marks,
            alarms,
            free: AtomicU64::new(u64::MAX),
            level: watch::Sender::new(SpaceLevel::Enough),
            blind: AtomicBool::new(false),
        }));
        watch.look();
        watch
    }

    /// Looks again and again until the node stops.
    pub(crate) fn start(&self, tasks: &Tasks) {
        if self.0.marks.is_off() {
            return;
        }
        let (watch, stopping) = (self.clone(), tasks.clone());
        tasks.spawn("disk space", async move {
            let mut interval = tokio::time::interval(limits::SPACE_POLL);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = interval.tick() => drop(watch.look()),
                    () = stopping.stopping() => return,
                }
            }
        });
    }

    /// The level as of the last look.
    pub fn level(&self) -> SpaceLevel {
        *self.0.level.borrow()
    }

    /// Tells when the level changes.
    pub fn watch(&self) -> watch::Receiver<SpaceLevel> {
        self.0.level.subscribe()
    }

    /// Where the levels begin.
    pub fn marks(&self) -> SpaceMarks {
        self.0.marks
    }

    /// Asks the file system. Where it doesn't tell, the last answer stands.
    pub fn look(&self) -> SpaceLevel {
        let inner = &self.0;
        if inner.marks.is_off() {
            return SpaceLevel::Enough;
        }
        match inner.files.space(&inner.dir) {
            Ok(space) => {
                inner.blind.store(false, Ordering::Relaxed);
                self.saw(space.free);
            }
            Err(error) => {
                if !inner.blind.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, dir = %inner.dir.display(), "how much room the disk has can't be told");
                }
            }
        }
        self.level()
    }

    /// True where something of this size can be written and the reserve is still there after it. Asks afresh.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        if self.0.marks.is_off() {
            return true;
        }
        let level = self.look();
        let needed = bytes.saturating_add(self.0.marks.reserve_bytes);
        level < SpaceLevel::Full && self.0.free.load(Ordering::Relaxed) >= needed
    }

    /// True where a snapshot of this size from a peer can be received and installed.
    pub fn has_room_for_snapshot(&self, bytes: u64) -> bool {
        self.has_room_for(bytes.saturating_mul(limits::SNAPSHOT_INSTALL_FACTOR))
    }

    /// An error where the disk is full: for a start, which may have to write much before the node runs.
    pub(crate) fn expect_room(&self) -> Result<(), Error> {
        if self.look() < SpaceLevel::Full {
            return Ok(());
        }
        let reserve = self.0.marks.reserve_bytes;
        Err(self.no_room(&format!(
            "the reserve of {reserve} bytes is not free; make room, or give a smaller reserve"
        )))
    }

    /// The error of something that was not begun for want of room.
    pub(crate) fn no_room(&self, why: &str) -> Error {
        let free = self.free_bytes();
        let source = io::Error::new(io::ErrorKind::StorageFull, format!("{free} bytes are free: {why}"));
        Error::io(&self.0.dir, source)
    }

    /// Bytes that were free at the last look.
    pub fn free_bytes(&self) -> u64 {
        self.0.free.load(Ordering::Relaxed)
    }

    /// True where the file system says that next to nothing is free, whatever the marks are.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.files.space(&self.0.dir).is_ok_and(|space| space.free < limits::EXHAUSTED_BYTES)
    }

    fn saw(&self, free: u64) {
        let inner = &self.0;
        inner.free.store(free, Ordering::Relaxed);
        // Under the watch's lock: looks from several places must not leave the alarms of an older one.
        inner.level.send_if_modified(|level| {
            let now = inner.marks.level(free, *level);
            self.tell(now, free);
            std::mem::replace(level, now) != now
        });
    }

    fn tell(&self, level: SpaceLevel, free: u64) {
        let SpaceMarks { low_bytes, reserve_bytes } = self.0.marks;
        let dir = self.0.dir.display();
        let alarms = &self.0.alarms;
        if level >= SpaceLevel::Low {
            let detail = format!(
                "{free} bytes are free for {dir}, the low-water mark is {low_bytes}: only cancels and what else gives \
                 units back is taken; make room or enlarge the disk"
            );
            alarms.raise(AlarmKind::DiskLow, detail);
        } else {
            alarms.clear(AlarmKind::DiskLow);
        }
        if level >= SpaceLevel::Full {
            let detail = format!(
                "{free} bytes are free for {dir}, the reserve is {reserve_bytes}: nothing is written but votes; make \
                 room or enlarge the disk, it goes on by itself then"
            );
            alarms.raise(AlarmKind::DiskFull, detail);
        } else {
            alarms.clear(AlarmKind::DiskFull);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: SpaceMarks = SpaceMarks { low_bytes: 1_000, reserve_bytes: 100 };

    #[test]
    fn levels_begin_at_their_marks_and_end_a_tenth_above() {
        let level = |free, known| MARKS.level(free, known);
        assert_eq!(level(1_000, SpaceLevel::Enough), SpaceLevel::Enough);
        assert_eq!(level(999, SpaceLevel::Enough), SpaceLevel::Low);
        assert_eq!(level(1_099, SpaceLevel::Low), SpaceLevel::Low);
        assert_eq!(level(1_100, SpaceLevel::Low), SpaceLevel::Enough);
        assert_eq!(level(99, SpaceLevel::Low), SpaceLevel::Full);
        assert_eq!(level(109, SpaceLevel::Full), SpaceLevel::Full);
        assert_eq!(level(110, SpaceLevel::Full), SpaceLevel::Low);
        assert_eq!(level(5_000, SpaceLevel::Full), SpaceLevel::Enough);
    }

    #[test]
    fn marks_of_nothing_are_off() {
        assert_eq!(SpaceMarks::default().level(0, SpaceLevel::Enough), SpaceLevel::Enough);
        assert!(SpaceMarks::default().is_off() && !MARKS.is_off());
    }
}
