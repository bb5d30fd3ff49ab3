//! Reading entries: from memory where they are there, else from the disk, checked.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use openraft::storage::RaftLogReader;
use openraft::{OptionalSend, RaftTypeConfig};
use stockade_env::place;

use super::entries::{self, FRAME_BYTES};
use super::index::Slot;
use super::segment;
use super::shared::{Shared, State};
use super::{Entry, LogId, Vote};
use crate::file::File;
use crate::{Error, TypeConfig, limits};

/// Reads the log, for openraft. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader(pub(crate) Arc<Shared>);

/// Where some of the entries wanted are.
enum Piece {
    Memory(Entry),
    Disk(Span),
}

/// A stretch of a segment that holds entries wanted.
struct Span {
    file: Arc<dyn File>,
    segment: u64,
    start: u64,
    end: u64,
    /// Where in the segment their frames begin.
    wanted: Vec<(LogId, u64)>,
}

impl LogReader {
    /// The entries of a range that the log has, in order; when `limit` bytes are reached, no more than those so far.
    async fn read(&self, start: u64, end: u64, limit: Option<u64>) -> io::Result<Vec<Entry>> {
        let (pieces, on_disk) = pick(&self.0.state.lock(), start, end, limit)?;
        if on_disk && self.0.threaded {
            let shared = Arc::clone(&self.0);
            // The disk may be slow, and the async threads have elections to hold.
            let read = place::blocking(move || fetch(&shared, pieces));
            return read.await.map_err(io::Error::other)?;
        }
        fetch(&self.0, pieces)
    }

    /// Says what kind of failure it is while that is known: openraft ends at it and hands on no more than its text.
    fn report<T>(&self, read: io::Result<T>) -> io::Result<T> {
        let cause =
            read.as_ref().err().and_then(io::Error::get_ref).and_then(|cause| cause.downcast_ref::<Error>());
        if let Some(cause) = cause {
            self.0.tasks.fail_as(cause.failure_kind(), "reading the log", &cause.to_string());
        }
        read
    }
}

/// What is wanted, as it is at this moment; true where some of it has to be read from the disk.
fn pick(state: &State, start: u64, end: u64, limit: Option<u64>) -> io::Result<(Vec<Piece>, bool)> {
    let mut pieces = Vec::new();
    let mut on_disk = false;
    let mut bytes = 0;
    for slot in state.index.from(start).take_while(|slot| slot.log_id.index < end) {
        if bytes > 0 && limit.is_some_and(|limit| bytes + slot.bytes > limit) {
            break;
        }
        bytes += slot.bytes;
        if let Some(entry) = &slot.entry {
            pieces.push(Piece::Memory(entry.clone()));
        } else {
            on_disk = true;
            pick_from_disk(state, slot, &mut pieces)?;
        }
    }
    Ok((pieces, on_disk))
}

fn pick_from_disk(state: &State, slot: &Slot, pieces: &mut Vec<Piece>) -> io::Result<()> {
    let location = slot.location.expect("what is not in memory has been written");
    let frame_end = location.offset + slot.bytes + FRAME_BYTES as u64;
    if let Some(Piece::Disk(span)) = pieces.last_mut()
        && span.segment == location.segment
        && location.offset >= span.end
        && location.offset - span.end <= limits::LOG_READ_GAP_BYTES
        && frame_end - span.start <= limits::LOG_READ_BYTES
    {
        span.end = frame_end;
        span.wanted.push((slot.log_id, location.offset));
        return Ok(());
    }
    let file = state.files.get(&location.segment).ok_or_else(|| {
        io::Error::other(format!(
            "{} stands in a segment that is gone, though it was not purged",
            slot.log_id
        ))
    })?;
    pieces.push(Piece::Disk(Span {
        file: Arc::clone(file),
        segment: location.segment,
        start: location.offset,
        end: frame_end,
        wanted: vec![(slot.log_id, location.offset)],
    }));
    Ok(())
}

fn fetch(shared: &Shared, pieces: Vec<Piece>) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Memory(entry) => entries.push(entry),
            Piece::Disk(span) => fetch_span(shared, &span, &mut entries)?,
        }
    }
    Ok(entries)
}

fn fetch_span(shared: &Shared, span: &Span, entries: &mut Vec<Entry>) -> io::Result<()> {
    let path = segment::path(&shared.dir, span.segment);
    let mut buffer = vec![0; usize::try_from(span.end - span.start).map_err(io::Error::other)?];
    let read =
        span.file.read_at(span.start, &mut buffer).map_err(|source| Error::io(&path, source).into_io())?;
    buffer.truncate(read);
    let buffer = Bytes::from(buffer);
    for (log_id, offset) in &span.wanted {
        let at = usize::try_from(offset - span.start).map_err(io::Error::other)?;
        let what = match entries::entry_at(&buffer, at) {
            Ok((entry, _)) if entry.log_id == *log_id => {
                entries.push(entry);
                continue;
            }
            Ok((entry, _)) => format!("entry {} where {log_id} should stand", entry.log_id),
            Err(what) => what,
        };
        // The entry may have been purged and its segment used again since: then it is one that the log doesn't have.
        let kept = shared.state.lock().index.slot(log_id.index).is_some_and(|slot| slot.log_id == *log_id);
        if kept {
            return Err(Error::corrupt(&path, *offset, what).into_io());
        }
        if !entries.is_empty() {
            return Err(io::Error::other(format!("{log_id} was purged while it was read")));
        }
    }
    Ok(())
}

/// A range as first and one past the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

/// True where nothing is missing in front.
fn begins_at(entries: &[Entry], start: u64) -> bool {
    entries.first().is_none_or(|first| first.log_id.index == start)
}

/// How far a stream of entries has come.
struct Progress {
    reader: LogReader,
    next: u64,
    end: u64,
    ready: VecDeque<Entry>,
}

impl Progress {
    async fn step(mut self) -> Option<(io::Result<Entry>, Self)> {
        if self.ready.is_empty() && self.next < self.end {
            let read = self.reader.read(self.next, self.end, Some(limits::LOG_READ_BYTES)).await;
            match self.reader.report(read) {
                Ok(entries) if begins_at(&entries, self.next) => self.ready = entries.into(),
                Ok(_) => {
                    let error =
                        io::Error::other(format!("entry {} was purged before it was read", self.next));
                    self.end = self.next;
                    return Some((Err(error), self));
                }
                Err(error) => {
                    self.end = self.next;
                    return Some((Err(error), self));
                }
            }
        }
        let entry = self.ready.pop_front()?;
        self.next = entry.log_id.index + 1;
        Some((Ok(entry), self))
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<<TypeConfig as RaftTypeConfig>::Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        // What is read at once is bounded: a node that was down for long has much to apply.
        let (start, end) = bounds(&range);
        let past_last = self.0.state.lock().last().map_or(0, |last| last.index + 1);
        let progress =
            Progress { reader: self.clone(), next: start, end: end.min(past_last), ready: VecDeque::new() };
        Box::pin(stream::unfold(progress, Progress::step))
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, None).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.state.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let entries = self.report(self.read(start, end, Some(limits::LOG_READ_BYTES)).await)?;
        // Never a hole in front: what was purged meanwhile is asked for again, or got from a snapshot.
        Ok(if begins_at(&entries, start) { entries } else { Vec::new() })
    }
}
