//! The writing end of the log: records into the active segment, syncs, the change to the next segment, recycling.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::frozen;
use super::index::Location;
use super::record::{self, HEADER_BYTES, RecordType, Sequence, Stamp, TRAILER_BYTES};
use super::segment::{self, SegmentUses};
use super::shared::Shared;
use super::summary::{self, Summary};
use super::watermark::Watermark;
use super::worker::Surroundings;
use crate::file::File;
use crate::{Error, limits};

/// The segment that is written to.
pub(crate) struct Active {
    pub(crate) number: u64,
    pub(crate) stamp: Stamp,
    pub(crate) file: Arc<dyn File>,
    /// Where the next write goes.
    pub(crate) end: u64,
    /// What is before this was written by this run, or is a record that recovery read; and is on the disk.
    pub(crate) written: u64,
}

/// A file that waits to become a segment.
struct Spare {
    file: Arc<dyn File>,
    /// As [`Active::written`].
    written: u64,
}

/// The writing end of the log.
///
/// Invariants:
/// - A segment begins only after all records of the one before are on the disk.
/// - A segment's file is used again only when a durable purge covers its entries, and its old name is durably gone.
/// - A record is written only over bytes that this run has written before and synced. Its sync then needs nothing but the data:
///   no block to find, no extent to mark as written, no length. That is cheaper; and where a file system goes down under us,
///   ext4 can call a sync done whose data stands in blocks that never came to count as written.
/// - `durable < next`: what a record's header, or the watermark, calls durable has been synced.
/// - The watermark is never above `durable`, and names the active segment before anything in it is acknowledged.
pub(crate) struct Writer {
    around: Surroundings,
    shared: Arc<Shared>,
    active: Active,
    buffer: Vec<u8>,
    next: Sequence,
    /// The last record that is on the disk.
    durable: Sequence,
    watermark: Watermark,
    spare: Option<Spare>,
    /// Of segments that this run has left: [`Active::written`].
    left: BTreeMap<u64, u64>,
    /// The disk was full when a spare was made: not to be tried again before this.
    spare_not_before: Option<Instant>,
    pub(crate) summary: Summary,
    pub(crate) uses: SegmentUses,
}

/// What recovery hands over.
pub(crate) struct Resume {
    /// The segment written last; `None` in a new log.
    pub(crate) active: Option<Active>,
    /// False where the active segment can't be written on.
    pub(crate) continues: bool,
    /// Of the next record.
    pub(crate) next: Sequence,
    pub(crate) summary: Summary,
    pub(crate) uses: SegmentUses,
    /// `None` in a new log.
    pub(crate) watermark: Option<Watermark>,
}

impl Writer {
    /// Goes on where recovery found the end; it has synced the active segment.
    pub(crate) fn open(around: Surroundings, shared: Arc<Shared>, resume: Resume) -> Result<Self, Error> {
        let Resume { active, continues, next, summary, mut uses, watermark } = resume;
        let watermark = match watermark {
            Some(watermark) => watermark,
            // Before the first segment has a name: a segment without it would look like one whose watermark was lost.
            None => Watermark::make(around.files.as_ref(), &around.dir)?,
        };
        let durable = Sequence(next.0 - 1);
        remove_spare(&around)?;
        let active = match active {
            Some(active) if continues => active,
            previous => begin_segment(&around, None, previous.as_ref(), &summary, next, &mut uses)?,
        };
        let mut writer = Self {
            around,
            shared,
            active,
            buffer: Vec::new(),
            next,
            durable,
            watermark,
            spare: None,
            left: BTreeMap::new(),
            spare_not_before: None,
            summary,
            uses,
        };
        if !continues {
            writer.count_checkpoint();
        }
        let number = writer.active.number;
        // What recovery read is about to be told to others as ours.
        writer.watermark.raise_durably(writer.durable, number)?;
        let (file, end) = (Arc::clone(&writer.active.file), writer.active.end);
        let mut state = writer.shared.state.lock();
        state.files.insert(number, file);
        state.synced = (number, end);
        drop(state);
        writer.shared.counters.segments.store(writer.uses.len() as u64, Ordering::Relaxed);
        writer.recycle()?;
        Ok(writer)
    }

    /// Adds a record and says where its payload stands. It is written by the next [`Writer::flush`] at the latest.
    pub(crate) fn put(&mut self, record_type: RecordType, payload: &[u8]) -> Result<Location, Error> {
        let record_bytes = (HEADER_BYTES + payload.len() + TRAILER_BYTES) as u64;
        if self.position() + record_bytes > self.around.segment_bytes && !self.active_is_empty() {
            self.change_segment()?;
        }
        let location =
            Location { segment: self.active.number, offset: self.position() + HEADER_BYTES as u64 };
        record::encode(&mut self.buffer, record_type, self.active.stamp, self.next, self.durable, payload);
        self.next = self.next.next();
        if self.buffer.len() >= limits::LOG_WRITE_BYTES {
            self.flush()?;
        }
        Ok(location)
    }

    /// Writes what was put. A crash of this process alone loses nothing of it any more.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.write_buffer();
        written.map_err(|source| Error::io(&self.active_path(), source))?;
        self.shared.counters.wrote(self.buffer.len());
        self.buffer.clear();
        // A burst's buffer would stay for ever otherwise.
        self.buffer.shrink_to(limits::LOG_WRITE_BYTES);
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let active = &mut self.active;
        let end = active.end + self.buffer.len() as u64;
        if active.written < end {
            let started = Instant::now();
            active.written =
                make_ahead(active.file.as_ref(), active.written, end, self.around.segment_bytes)?;
            self.shared.counters.synced(started.elapsed());
        }
        active.file.write_at(active.end, &self.buffer)?;
        active.end = end;
        Ok(())
    }

    /// Makes everything written safe from a power cut. Never to be tried again after an error: the kernel may have
    /// dropped what it could not write, and a second sync would not know.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        assert!(self.buffer.is_empty(), "what is synced has been written");
        if self.is_synced() {
            return Ok(());
        }
        let started = Instant::now();
        // Without this a power cut would lose votes and entries that others were told we have.
        self.active.file.sync().map_err(|source| Error::io(&self.active_path(), source))?;
        self.shared.counters.synced(started.elapsed());
        self.durable = Sequence(self.next.0 - 1);
        self.shared.state.lock().synced = (self.active.number, self.active.end);
        Ok(())
    }

    /// True while nothing waits for a sync.
    pub(crate) fn is_synced(&self) -> bool {
        self.durable.next() == self.next
    }

    /// Makes the oldest segments into spares or removes them, as far as no entry in them is needed.
    pub(crate) fn recycle(&mut self) -> Result<(), Error> {
        if !self.is_synced() {
            // A purge or truncation that lets a segment go may not be on the disk yet.
            return Ok(());
        }
        while let Some(number) = self.uses.take_unneeded(summary::index(self.summary.purged)) {
            let old = self.shared.state.lock().files.remove(&number);
            // An earlier run's file may have blocks within its length that don't count as written.
            let written = self.left.remove(&number).unwrap_or(0);
            let path = segment::path(&self.around.dir, number);
            if let (None, Some(file)) = (&self.spare, old) {
                let spare_path = segment::spare_path(&self.around.dir);
                self.around.files.rename(&path, &spare_path).map_err(|source| Error::io(&path, source))?;
                self.spare = Some(Spare { file, written });
            } else {
                self.around.files.remove(&path).map_err(|source| Error::io(&path, source))?;
            }
            // Without this the old name could come back with what the file holds next, or a later segment's name be gone
            // before this one's, which would look like a hole.
            sync_dir(&self.around)?;
        }
        self.shared.counters.segments.store(self.uses.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Notes what is durable outside the log: with this, damage to what was synced last can't pass as a torn write.
    pub(crate) fn note_durable(&mut self) -> Result<(), Error> {
        self.watermark.raise(self.durable, self.active.number)
    }

    /// Like [`Writer::note_durable`], for the end: nothing comes that would write the note back.
    pub(crate) fn note_durable_for_good(&mut self) -> Result<(), Error> {
        self.watermark.raise_durably(self.durable, self.active.number)
    }

    /// Makes the next segment's file, a piece at a time. False when nothing is left to do now. A full disk is no reason to
    /// fail here: a segment works without a file made ahead, only slower.
    pub(crate) fn prepare(&mut self) -> Result<bool, Error> {
        if self.spare_not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return Ok(false);
        }
        self.spare_not_before = None;
        match self.prepare_piece() {
            Err(error) if is_full(error.kind()) => {
                self.spare_not_before = Some(Instant::now() + limits::LOG_SPARE_PAUSE);
                tracing::warn!(%error, "the disk is full: the log's next segment is not prepared ahead");
                // What it has already is room for votes while there is no other.
                Ok(false)
            }
            other => other.map_err(|source| Error::io(&segment::spare_path(&self.around.dir), source)),
        }
    }

    fn prepare_piece(&mut self) -> io::Result<bool> {
        let Some(spare) = &mut self.spare else {
            let file = self.around.files.create(&segment::spare_path(&self.around.dir))?;
            self.spare = Some(Spare { file, written: 0 });
            return Ok(true);
        };
        if spare.written >= self.around.segment_bytes {
            return Ok(false);
        }
        let to = next_piece(spare.written, self.around.segment_bytes);
        write_zeros(spare.file.as_ref(), spare.written, to)?;
        // As in `make_ahead`. After an error the same zeros are written again; nobody has been promised anything of them.
        spare.file.sync()?;
        spare.written = to;
        Ok(true)
    }

    /// Begins a new segment where the one with this number is written to.
    pub(crate) fn leave(&mut self, number: u64) -> Result<(), Error> {
        if self.active.number == number { self.change_segment() } else { Ok(()) }
    }

    fn change_segment(&mut self) -> Result<(), Error> {
        self.flush()?;
        // Without this the new segment could be on the disk without the end of this one: a hole.
        self.sync()?;
        let spare = self.spare.take();
        self.left.insert(self.active.number, self.active.written);
        self.active =
            begin_segment(&self.around, spare, Some(&self.active), &self.summary, self.next, &mut self.uses)?;
        let mut state = self.shared.state.lock();
        state.files.insert(self.active.number, Arc::clone(&self.active.file));
        state.synced = (self.active.number, self.active.end);
        drop(state);
        self.count_checkpoint();
        // Not before the name is on the disk: a power cut would leave a watermark above the log. Not after anything in the
        // segment is acknowledged: the loss of the whole segment would go unnoticed.
        self.watermark.raise_durably(self.durable, self.active.number)
    }

    /// Counts the checkpoint that begins the active segment: it is on the disk.
    fn count_checkpoint(&mut self) {
        self.durable = self.next;
        self.next = self.next.next();
    }

    fn position(&self) -> u64 {
        self.active.end + self.buffer.len() as u64
    }

    /// True where only the checkpoint stands in the active segment: then a record goes in however large it is.
    fn active_is_empty(&self) -> bool {
        self.buffer.is_empty() && self.active.end <= checkpoint_limit()
    }

    fn active_path(&self) -> PathBuf {
        segment::path(&self.around.dir, self.active.number)
    }
}

/// True for the errors that end when something is deleted.
fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// No checkpoint record is longer: the frozen form with every option filled.
fn checkpoint_limit() -> u64 {
    (HEADER_BYTES + TRAILER_BYTES) as u64 + 24 + 18 + 3 * 25
}

/// Begins the segment behind `previous`. Nothing of it counts before all of it does: the checkpoint is on the disk before
/// the name is.
fn begin_segment(
    around: &Surroundings,
    spare: Option<Spare>,
    previous: Option<&Active>,
    summary: &Summary,
    sequence: Sequence,
    uses: &mut SegmentUses,
) -> Result<Active, Error> {
    let number = previous.map_or(1, |previous| previous.number + 1);
    let (previous_stamp, previous_end) = previous.map_or((0, 0), |previous| (previous.stamp.0, previous.end));
    // The number makes the stamp differ from that of an earlier use even where a seed repeats the random bits.
    let stamp = Stamp(around.random.bits().wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    let checkpoint = frozen::encode(&summary.checkpoint(number, previous_stamp, previous_end));
    let mut bytes = Vec::new();
    let durable = Sequence(sequence.0 - 1);
    record::encode(&mut bytes, RecordType::Checkpoint, stamp, sequence, durable, &checkpoint);

    let io = |path: &Path, source| Error::io(path, source);
    let (path, Spare { file, mut written }) = if let Some(spare) = spare {
        (segment::spare_path(&around.dir), spare)
    } else {
        let path = segment::new_path(&around.dir, number);
        let file = around.files.create(&path).map_err(|source| io(&path, source))?;
        (path, Spare { file, written: 0 })
    };
    let end = bytes.len() as u64;
    if written < end {
        written = make_ahead(file.as_ref(), written, end, around.segment_bytes)
            .map_err(|source| io(&path, source))?;
    }
    file.write_at(0, &bytes).map_err(|source| io(&path, source))?;
    // Without this the name could be on the disk before the checkpoint, and the segment would look damaged.
    file.sync().map_err(|source| io(&path, source))?;
    let named = segment::path(&around.dir, number);
    around.files.rename(&path, &named).map_err(|source| io(&named, source))?;
    // Without this a power cut could take the segment with all that is synced in it later.
    sync_dir(around)?;
    uses.begin(number);
    Ok(Active { number, stamp, file, end, written })
}

/// Where the next piece of a file ends that is to be as long as a segment.
fn next_piece(from: u64, segment_bytes: u64) -> u64 {
    (from + limits::LOG_CHUNK_BYTES as u64).min(segment_bytes)
}

/// Makes zeros of a file that are on the disk: a piece, and up to `end` at least. Says how far.
fn make_ahead(file: &dyn File, from: u64, end: u64, segment_bytes: u64) -> io::Result<u64> {
    let mut to = next_piece(from, segment_bytes).max(end);
    match write_zeros(file, from, to) {
        // What room is left may do for what has to be written now.
        Err(error) if is_full(error.kind()) && to > end => {
            to = end;
            write_zeros(file, from, to)?;
        }
        written => written?,
    }
    // Without this what is written here next would share the fate of blocks that don't count as written yet.
    file.sync()?;
    Ok(to)
}

/// Writes zeros over a stretch of a file.
fn write_zeros(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let piece = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(limits::LOG_CHUNK_BYTES);
    let zeros = vec![0; piece(to - from)];
    let mut at = from;
    while at < to {
        let next = &zeros[..piece(to - at)];
        file.write_at(at, next)?;
        at += next.len() as u64;
    }
    Ok(())
}

/// What an earlier run made goes: how much of it is on the disk is not known.
fn remove_spare(around: &Surroundings) -> Result<(), Error> {
    let path = segment::spare_path(&around.dir);
    let io = |source| Error::io(&path, source);
    if around.files.exists(&path).map_err(io)? { around.files.remove(&path).map_err(io) } else { Ok(()) }
}

fn sync_dir(around: &Surroundings) -> Result<(), Error> {
    around.files.sync_dir(&around.dir).map_err(|source| Error::io(&around.dir, source))
}
