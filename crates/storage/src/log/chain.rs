//! The chain of segments: reading one after the other, and judging where each ends. Nothing here changes the disk, so that
//! recovery and the offline examination judge alike.
//!
//! Every segment but the last was synced whole before the next began, and the next one's checkpoint says where it ended:
//! whatever is wrong before that is damage. In the last segment, the first thing that is no sound record is where a crash
//! interrupted a write, unless something says that this place was on the disk already: a record behind it, or the
//! watermark. Then it is damage, and the log is never taken to be shorter because of it.

use std::path::Path;

use bytes::Bytes;

use super::frozen::{self, CheckpointV1};
use super::record::{Header, NoRecord, RecordType, Sequence, Stamp};
use super::segment::{self, ScanEnd, SegmentReader};
use super::watermark::{self, Mark, Noted};
use crate::Error;

/// What is wrong where the oldest segments are gone too early.
pub(crate) const INCOMPLETE: &str =
    "entries before the first segment are missing, though they were not purged";

/// The beginning of a segment.
pub(crate) struct Opening {
    pub(crate) number: u64,
    pub(crate) reader: SegmentReader,
    pub(crate) stamp: Stamp,
    /// Of its checkpoint.
    pub(crate) sequence: Sequence,
    pub(crate) checkpoint: CheckpointV1,
    /// Of the checkpoint's payload, as it stands there.
    pub(crate) payload: Bytes,
    pub(crate) header: Header,
}

/// How the last segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Behind the last record nothing of this use of the file was written: the log goes on in place.
    Clean,
    /// A write was interrupted. What it left could later pass for records, so the log goes on in a new segment.
    Torn,
}

/// What the watermark says, and whether the segments that it names are there.
pub(crate) fn check_watermark(
    dir: &Path,
    noted: Option<Noted>,
    numbers: &[u64],
) -> Result<Option<Mark>, Error> {
    let path = watermark::path(dir);
    let Some(Noted { mark, .. }) = noted else {
        return match numbers {
            [] => Ok(None),
            [..] => Err(Error::corrupt(&path, 0, "the file is missing, and there is a log beside it")),
        };
    };
    match numbers.last() {
        None if mark.is_raised() => {
            let what = format!("the log is missing: it had come to segment {}", mark.segment);
            Err(Error::corrupt(&segment::path(dir, mark.segment), 0, what))
        }
        Some(last) if *last < mark.segment => {
            let what = "this segment of the log is missing: it was the last one";
            Err(Error::corrupt(&segment::path(dir, mark.segment), 0, what))
        }
        None | Some(_) => Ok(Some(mark)),
    }
}

/// Reads the beginning of a segment.
pub(crate) fn open_segment(mut reader: SegmentReader, number: u64) -> Result<Opening, Error> {
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
    let (stamp, sequence) = (header.stamp, header.sequence);
    Ok(Opening { number, reader, stamp, sequence, checkpoint, payload, header })
}

/// Reads the records behind a segment's checkpoint, up to where the segment that follows says that they end.
pub(crate) fn read_segment(
    segment: &mut Opening,
    follower: Option<&CheckpointV1>,
    visit: impl FnMut(u64, &Header, Bytes) -> Result<(), Error>,
) -> Result<ScanEnd, Error> {
    let limit = follower.map(|follower| follower.previous_end);
    let start = segment.header.record_bytes();
    segment.reader.scan(start, segment.stamp, segment.sequence.next(), limit, visit)
}

/// A segment that another follows must have led up to it.
pub(crate) fn check_follower(segment: &Opening, end: &ScanEnd, follower: &Opening) -> Result<(), Error> {
    if follower.checkpoint.previous_stamp != segment.stamp.0 {
        let what = "the segment before is not the one that this one was begun behind";
        return Err(Error::corrupt(&follower.reader.path, 0, what));
    }
    if end.offset != follower.checkpoint.previous_end || follower.sequence != end.sequence {
        let what = format!("{}, though a segment was begun behind it", end.reason);
        return Err(Error::corrupt(&segment.reader.path, end.offset, what));
    }
    Ok(())
}

/// Judges what ends the last segment.
pub(crate) fn judge_end(segment: &mut Opening, end: &ScanEnd, mark: &Mark) -> Result<Ending, Error> {
    let path = &segment.reader.path;
    let (ends, synced) = (end.sequence.0, mark.durable);
    let reason = &end.reason;
    if ends <= synced {
        let what =
            format!("{reason}; the log ends before record {ends}, and record {synced} was on the disk");
        return Err(Error::corrupt(path, end.offset, what));
    }
    let ahead = segment.reader.look_ahead(end, segment.stamp)?;
    if let Some(proof) = ahead.proof {
        let what = format!("{reason}; a record at {proof} proves that one was on the disk");
        return Err(Error::corrupt(&segment.reader.path, end.offset, what));
    }
    if ahead.records {
        return Ok(Ending::Torn);
    }
    match end.reason {
        NoRecord::Nothing | NoRecord::Stale => Ok(Ending::Clean),
        // Where an earlier use of the file left the middle of a record, nothing looks like this. That nothing was written
        // behind the last sync can't be told for certain: what an interrupted write left here holds no header of this
        // stamp, so it is overwritten before it could pass for a record.
        NoRecord::Bad(_) if ends == synced + 1 => Ok(Ending::Clean),
        NoRecord::Bad(_) | NoRecord::Newer(_) => Ok(Ending::Torn),
    }
}
