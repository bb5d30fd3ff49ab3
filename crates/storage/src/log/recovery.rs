//! Recovery: from the segments on the disk to the log they hold.
//!
//! Every segment but the last was synced whole before the next began, and the next one's checkpoint says where it ended:
//! whatever is wrong before that is damage. In the last segment, the first thing that is no sound record is where a crash
//! interrupted a write, unless a record behind it says that this place was on the disk already. Then it is damage, and
//! the log is never taken to be shorter because of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::frozen::{self, BoundV1, CheckpointV1};
use super::index::{EntryIndex, Location};
use super::record::{HEADER_BYTES, NoRecord, RecordType, Sequence, Stamp};
use super::segment::{self, ScanEnd, SegmentReader, SegmentUses};
use super::summary::{self, Summary};
use super::writer::{Active, Resume};
use super::{LogId, entries, vote};
use crate::Error;
use crate::file::{File, Files};

/// What the segments hold.
pub(crate) struct Recovered {
    pub(crate) index: EntryIndex,
    pub(crate) files: Vec<(u64, Arc<dyn File>)>,
    pub(crate) resume: Resume,
}

/// The beginning of a segment.
struct Opening {
    number: u64,
    reader: SegmentReader,
    stamp: Stamp,
    sequence: Sequence,
    checkpoint: CheckpointV1,
    bytes: u64,
}

/// What the records read so far lead to.
struct Replay {
    index: EntryIndex,
    summary: Summary,
    uses: SegmentUses,
    /// The last entry that stood in segments which are gone. It must have been purged.
    absent: Option<u64>,
}

/// Reads the log in `dir`, which exists. Nothing is given out that a power cut could still take.
pub(crate) fn recover(files: &dyn Files, dir: &Path, cache_limit: u64) -> Result<Recovered, Error> {
    let mut segments = Vec::new();
    let numbers = segment::list(files, dir)?;
    // A segment's name may not be on the disk yet where the process ended right after giving it. Without this a power cut
    // could take the name, and all that is written under it from now on.
    files.sync_dir(dir).map_err(|source| Error::io(dir, source))?;
    if let Some(last) = numbers.last() {
        settle_content(files, &segment::path(dir, *last))?;
    }
    for number in numbers {
        segments.push(open_segment(files, dir, number)?);
    }
    let mut replay = Replay::new(cache_limit, segments.first().map(|first| &first.checkpoint));
    let mut handles = Vec::new();
    let mut active = None;
    let mut continues = false;
    let mut next = Sequence(1);
    let mut unread = segments.into_iter().peekable();
    while let Some(mut segment) = unread.next() {
        replay.begin(&segment)?;
        let follower = unread.peek();
        let end = read_segment(&mut segment, follower, &mut replay)?;
        if follower.is_none() {
            continues = judge_end(&mut segment, &end)?;
        }
        next = end.sequence;
        let file = Arc::clone(&segment.reader.file);
        handles.push((segment.number, Arc::clone(&file)));
        active = Some(Active { number: segment.number, stamp: segment.stamp, file, end: end.offset });
    }
    replay.check_complete(dir)?;
    let Replay { index, summary, uses, absent: _ } = replay;
    Ok(Recovered { index, files: handles, resume: Resume { active, continues, next, summary, uses } })
}

/// Makes what is about to be read of the last segment, the only one that may not be synced whole, what the disk has.
fn settle_content(files: &dyn Files, path: &Path) -> Result<(), Error> {
    let io = |source| Error::io(path, source);
    let file = files.open(path).map_err(io)?;
    // After the crash of a process alone, records may not be on the disk yet. Others will be told that we have them, so
    // without this a power cut would lose what was acknowledged.
    file.sync().map_err(io)?;
    // Where a sync failed before the process ended, the cache still shows what the disk never got, and syncs it no more.
    // Without this it would be taken for part of the log.
    file.drop_cache().map_err(io)
}

fn open_segment(files: &dyn Files, dir: &Path, number: u64) -> Result<Opening, Error> {
    let mut reader = SegmentReader::open(files, segment::path(dir, number))?;
    let (header, payload) = reader.record(0, None)?.map_err(|reason| {
        // The checkpoint was on the disk before the segment had its name.
        Error::corrupt(&reader.path, 0, format!("the segment's checkpoint is unreadable: {reason}"))
    })?;
    reader.release();
    if header.record_type != RecordType::Checkpoint {
        return Err(Error::corrupt(&reader.path, 0, "the segment doesn't begin with a checkpoint"));
    }
    let checkpoint: CheckpointV1 =
        frozen::decode(&payload).map_err(|error| Error::corrupt(&reader.path, 0, error))?;
    if checkpoint.segment != number {
        let what = format!("this is segment {} under another's name", checkpoint.segment);
        return Err(Error::corrupt(&reader.path, 0, what));
    }
    let (stamp, sequence, bytes) = (header.stamp, header.sequence, header.record_bytes());
    Ok(Opening { number, reader, stamp, sequence, checkpoint, bytes })
}

/// Reads a segment's records; all of them, where another segment follows.
fn read_segment(
    segment: &mut Opening,
    follower: Option<&Opening>,
    replay: &mut Replay,
) -> Result<ScanEnd, Error> {
    let Opening { number, reader, stamp, sequence, bytes, checkpoint: _ } = segment;
    let path = reader.path.clone();
    let limit = follower.map(|follower| follower.checkpoint.previous_end);
    let end = reader.scan(*bytes, *stamp, sequence.next(), limit, |offset, header, payload| {
        replay
            .apply(header.record_type, &payload, *number, offset + HEADER_BYTES as u64)
            .map_err(|what| Error::corrupt(&path, offset, what))
    })?;
    let Some(follower) = follower else { return Ok(end) };
    if follower.checkpoint.previous_stamp != stamp.0 {
        let what = "the segment before is not the one that this one was begun behind";
        return Err(Error::corrupt(&follower.reader.path, 0, what));
    }
    if Some(end.offset) != limit || follower.sequence != end.sequence {
        let what = format!("{}, though a segment was begun behind it", end.reason);
        return Err(Error::corrupt(&path, end.offset, what));
    }
    Ok(end)
}

/// Judges what ends the last segment. False where the segment can't be written on:
/// what a crash left behind its end could later be taken for records.
fn judge_end(segment: &mut Opening, end: &ScanEnd) -> Result<bool, Error> {
    let ahead = segment.reader.look_ahead(end, segment.stamp)?;
    if let Some(proof) = ahead.proof {
        let what = format!("{}; a record at {proof} proves that one was on the disk", end.reason);
        return Err(Error::corrupt(&segment.reader.path, end.offset, what));
    }
    let clean = match end.reason {
        NoRecord::Nothing | NoRecord::Stale => !ahead.records,
        NoRecord::Bad(_) | NoRecord::Newer(_) => false,
    };
    if !clean {
        let (file, offset) = (segment.reader.path.display(), end.offset);
        tracing::warn!(%file, offset, reason = %end.reason, "a crash interrupted a write to the log: it ends before that");
    }
    Ok(clean)
}

impl Replay {
    fn new(cache_limit: u64, first: Option<&CheckpointV1>) -> Self {
        let summary = first.map(Summary::of_checkpoint).unwrap_or_default();
        Self {
            index: EntryIndex::new(cache_limit),
            summary,
            uses: SegmentUses::default(),
            absent: summary::index(summary.last),
        }
    }

    fn begin(&mut self, segment: &Opening) -> Result<(), Error> {
        self.uses.begin(segment.number);
        if Summary::of_checkpoint(&segment.checkpoint) != self.summary {
            let what = "the segment's checkpoint is not what the segments before it lead to";
            return Err(Error::corrupt(&segment.reader.path, 0, what));
        }
        Ok(())
    }

    fn apply(
        &mut self,
        record_type: RecordType,
        payload: &Bytes,
        segment: u64,
        payload_start: u64,
    ) -> Result<(), String> {
        match record_type {
            RecordType::Checkpoint => return Err("a checkpoint within a segment".to_owned()),
            RecordType::Entries => return self.append(payload, segment, payload_start),
            RecordType::Vote => self.summary.vote = Some(vote::from_payload(payload)?),
            RecordType::Truncate => {
                let after = bound(payload)?;
                self.summary.truncate(after);
                self.index.truncate(summary::index(after));
                self.uses.truncate(summary::index(after));
                self.absent = self.absent.min(summary::index(after));
            }
            RecordType::Purge => {
                let upto = bound(payload)?.ok_or("a purge of nothing")?;
                self.summary.purge(upto);
                self.index.purge(upto.index);
            }
            RecordType::Committed => self.summary.committed = bound(payload)?,
            RecordType::Idle if payload.is_empty() => {}
            RecordType::Idle => return Err("an idle record that holds something".to_owned()),
        }
        Ok(())
    }

    fn append(&mut self, payload: &Bytes, segment: u64, payload_start: u64) -> Result<(), String> {
        let mut at = 0;
        while at < payload.len() {
            let (entry, end) = entries::entry_at(payload, at)?;
            let follows = self.summary.last.is_none_or(|last| last.index + 1 == entry.log_id.index);
            if !follows {
                return Err(format!("entry {} doesn't follow the one before it", entry.log_id));
            }
            self.summary.last = Some(entry.log_id);
            self.uses.wrote(entry.log_id.index);
            let bytes = (end - at - entries::FRAME_BYTES) as u64;
            let location = Location { segment, offset: payload_start + at as u64 };
            self.index.push(entry, bytes, Some(location));
            at = end;
        }
        Ok(())
    }

    /// What stood in segments that are gone must have been purged.
    fn check_complete(&self, dir: &Path) -> Result<(), Error> {
        if self.absent > summary::index(self.summary.purged) {
            let what = "entries before the first segment are missing, though they were not purged";
            return Err(Error::corrupt(dir, 0, what));
        }
        Ok(())
    }
}

fn bound(payload: &[u8]) -> Result<Option<LogId>, String> {
    frozen::decode::<BoundV1>(payload).map(|bound| bound.0.map(LogId::from))
}
