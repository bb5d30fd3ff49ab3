//! Recovery: from the segments on the disk to a log that can be written on.
//!
//! First what is about to be read is settled: made what the disk has, and has for good. Then it is read and judged, by the
//! rules of [`chain`], which the offline examination shares. The first thing that is wrong ends recovery: a damaged log is
//! never taken for a shorter one, and nothing is written to it.

use std::path::Path;
use std::sync::Arc;

use super::chain::{self, Ending, Opening};
use super::index::EntryIndex;
use super::record::{HEADER_BYTES, Sequence};
use super::replay::Replay;
use super::segment::{self, ScanEnd, SegmentReader};
use super::watermark::{self, Mark, Watermark};
use super::writer::{Active, Resume};
use crate::Error;
use crate::file::{File, Files};

/// What the segments hold.
pub(crate) struct Recovered {
    pub(crate) index: EntryIndex,
    pub(crate) files: Vec<(u64, Arc<dyn File>)>,
    pub(crate) resume: Resume,
}

/// Reads the log in `dir`, which exists. Nothing is given out that a power cut could still take.
pub(crate) fn recover(files: &dyn Files, dir: &Path, cache_limit: u64) -> Result<Recovered, Error> {
    settle(files, dir)?;
    let numbers = segment::list(files, dir)?;
    if let Some(missing) = segment::gap(&numbers) {
        let what = "this segment of the log is missing";
        return Err(Error::corrupt(&segment::path(dir, missing), 0, what));
    }
    let noted = watermark::read(files, dir)?;
    if noted.is_some_and(|noted| noted.sound_slots < 2) {
        let file = watermark::path(dir);
        tracing::warn!(file = %file.display(), "one slot of the log's watermark is damaged: the other counts");
    }
    let mark = chain::check_watermark(dir, noted, &numbers)?;
    let mut segments = Vec::new();
    for number in numbers {
        let reader = SegmentReader::open(files, segment::path(dir, number))?;
        segments.push(chain::open_segment(reader, number)?);
    }
    let mut replay = Replay::new(cache_limit, segments.first().map(|first| &first.checkpoint));
    let mut handles = Vec::new();
    let mut active = None;
    let mut continues = false;
    let mut next = Sequence(1);
    let mut unread = segments.into_iter().peekable();
    while let Some(mut segment) = unread.next() {
        replay.begin(&segment)?;
        let end = read(&mut segment, unread.peek(), &mut replay)?;
        match unread.peek() {
            Some(follower) => chain::check_follower(&segment, &end, follower)?,
            None => continues = goes_on(&mut segment, &end, &mark.unwrap_or_default())?,
        }
        next = end.sequence;
        let file = Arc::clone(&segment.reader.file);
        handles.push((segment.number, Arc::clone(&file)));
        let (number, stamp, end) = (segment.number, segment.stamp, end.offset);
        // The file may well be longer: of that, nothing tells what an earlier run had synced.
        active = Some(Active { number, stamp, file, end, written: end });
    }
    if !replay.is_complete() {
        return Err(Error::corrupt(dir, 0, chain::INCOMPLETE));
    }
    let watermark = mark.map(|mark| Watermark::open(files, dir, mark)).transpose()?;
    let Replay { index, summary, uses, .. } = replay;
    let resume = Resume { active, continues, next, summary, uses, watermark };
    Ok(Recovered { index, files: handles, resume })
}

/// Makes what is about to be read what the disk has, and has for good. Changes nothing that says anything of the log.
fn settle(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    segment::remove_unfinished(files, dir)?;
    let numbers = segment::list(files, dir)?;
    // A segment's name may not be on the disk yet where the process ended right after giving it. Without this a power cut
    // could take the name, and all that is written under it from now on.
    files.sync_dir(dir).map_err(|source| Error::io(dir, source))?;
    // The last segment is the only one that may not be synced whole.
    let Some(last) = numbers.last() else { return Ok(()) };
    let path = segment::path(dir, *last);
    let io = |source| Error::io(&path, source);
    let file = files.open(&path).map_err(io)?;
    // After the crash of a process alone, records may not be on the disk yet. Others will be told that we have them, so
    // without this a power cut would lose what was acknowledged.
    file.sync().map_err(io)?;
    // Where a sync failed before the process ended, the cache still shows what the disk never got, and syncs it no more.
    // Without this it would be taken for part of the log.
    file.drop_cache().map_err(io)
}

/// Reads a segment's records into the replay.
fn read(segment: &mut Opening, follower: Option<&Opening>, replay: &mut Replay) -> Result<ScanEnd, Error> {
    let (path, number) = (segment.reader.path.clone(), segment.number);
    let follower = follower.map(|follower| &follower.checkpoint);
    chain::read_segment(segment, follower, |offset, header, payload| {
        replay
            .apply(header.record_type, &payload, number, offset + HEADER_BYTES as u64)
            .map_err(|what| Error::corrupt(&path, offset, what))
    })
}

/// True where the log goes on in the last segment; false where it needs a new one.
fn goes_on(segment: &mut Opening, end: &ScanEnd, mark: &Mark) -> Result<bool, Error> {
    match chain::judge_end(segment, end, mark)? {
        Ending::Clean => Ok(true),
        Ending::Torn => {
            let (file, offset) = (segment.reader.path.display(), end.offset);
            tracing::warn!(%file, offset, reason = %end.reason, "a crash interrupted a write to the log: it ends before that");
            Ok(false)
        }
    }
}
