//! Reading a segment again while the log is in use, a piece at a time: does the disk still hold what was written to it?

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frozen::{self, CheckpointV1};
use super::record::{self, HEADER_BYTES, Header, RecordType, Sequence, Stamp, TRAILER_BYTES};
use super::segment;
use super::shared::Shared;
use super::store::LogStore;
use super::worker::Operation;
use crate::file::{CACHE_PIECE_BYTES, File, Files};
use crate::scrub::Step;
use crate::{Error, limits};

/// Where the part of a segment ends that must be sound.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The next segment is this one, and says where.
    Follower(u64),
    /// Nothing follows: the records that begin before this offset are on the disk.
    Durable(u64),
    /// The follower's checkpoint has said: this offset, and this sequence next.
    At(u64, Sequence),
}

/// A check of one segment.
///
/// Invariants:
/// - What stands before `offset` was found sound; an error leaves `offset` where it was found, so that a step can be
///   taken again.
#[derive(Debug)]
pub(crate) struct SegmentCheck {
    number: u64,
    path: PathBuf,
    file: Option<Arc<dyn File>>,
    offset: u64,
    stamp: Option<Stamp>,
    next: Sequence,
    end: End,
}

impl Shared {
    /// A check of the first segment behind a number; `None` where there is no more.
    pub(crate) fn check_after(&self, number: u64) -> Option<SegmentCheck> {
        let state = self.state.lock();
        let mut numbers = state.files.range(number + 1..).map(|(number, _)| *number);
        let number = numbers.next()?;
        let end = numbers.next().map_or_else(
            || {
                let (segment, end) = state.synced;
                // The checkpoint was on the disk before the segment had its name.
                End::Durable(if segment == number { end } else { 1 })
            },
            End::Follower,
        );
        drop(state);
        let path = segment::path(&self.dir, number);
        Some(SegmentCheck { number, path, file: None, offset: 0, stamp: None, next: Sequence(0), end })
    }

    /// The number of the segment that was begun last.
    pub(crate) fn newest_segment(&self) -> u64 {
        self.state.lock().files.keys().next_back().copied().unwrap_or(0)
    }

    /// True while the log needs the segment. It leaves `files` before its file is given another name or content, and its
    /// number is never used again: who reads first and asks afterwards knows whether what was read had to be sound.
    pub(crate) fn needs_segment(&self, number: u64) -> bool {
        self.state.lock().files.contains_key(&number)
    }

    /// The last entry that stands in a segment or in those before it; `None` where none does.
    pub(crate) fn last_entry_through(&self, segment: u64) -> Option<u64> {
        self.state.lock().index.last_through(segment)
    }
}

impl LogStore {
    /// Begins a new segment where this one is written to: then it goes with the purge of its last entry.
    pub async fn leave_segment(&self, segment: u64) -> io::Result<()> {
        self.perform(Operation::LeaveSegment(segment)).await
    }

    /// The last entry that stands in a segment or in those before it; `None` where none does.
    pub fn last_entry_through(&self, segment: u64) -> Option<u64> {
        self.shared().last_entry_through(segment)
    }
}

impl SegmentCheck {
    /// The segment's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Checks the next piece.
    pub(crate) fn step(&mut self, files: &dyn Files) -> Result<Step, Error> {
        let file = if let Some(file) = &self.file {
            Arc::clone(file)
        } else {
            // By its name: that is what the next start would read.
            let file = open(files, &self.path)?;
            self.end = self.find_end(files)?;
            Arc::clone(self.file.insert(file))
        };
        let begin = self.offset;
        let mut piece = Vec::new();
        while !self.is_at_end()? {
            let at = usize::try_from(self.offset - begin).unwrap_or(usize::MAX);
            let held = piece.get(at..).unwrap_or_default();
            if held.len() < record_bytes(held) {
                if self.offset > begin {
                    // What is left of this piece belongs to the next one.
                    return Ok(Step { bytes: self.offset - begin, done: false });
                }
                piece = self.read(file.as_ref(), limits::LOG_CHUNK_BYTES)?;
                let wanted = record_bytes(&piece);
                if wanted > piece.len() {
                    piece = self.read(file.as_ref(), wanted)?;
                }
            }
            let held = piece.get(at..).unwrap_or_default();
            let header = self.record(held)?;
            self.offset += header.record_bytes();
            self.next = header.sequence.next();
        }
        Ok(Step { bytes: self.offset - begin, done: true })
    }

    /// Where it ends, as the segment behind it says.
    fn find_end(&self, files: &dyn Files) -> Result<End, Error> {
        let End::Follower(number) = self.end else { return Ok(self.end) };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let path = segment::path(dir, number);
        let file = open(files, &path)?;
        file.drop_cache_of(0, limits::LOG_CHUNK_BYTES as u64).map_err(|source| Error::io(&path, source))?;
        let bytes = read(file.as_ref(), &path, 0, limits::LOG_CHUNK_BYTES)?;
        let (header, payload) = sound_record(&bytes, None).map_err(|what| Error::corrupt(&path, 0, what))?;
        let checkpoint: CheckpointV1 =
            frozen::decode(payload).map_err(|what| Error::corrupt(&path, 0, what))?;
        Ok(End::At(checkpoint.previous_end, header.sequence))
    }

    fn is_at_end(&self) -> Result<bool, Error> {
        match self.end {
            End::Durable(bound) => Ok(self.offset >= bound),
            End::At(end, next) if self.offset == end && self.next == next => Ok(true),
            End::At(end, _) if self.offset < end => Ok(false),
            End::At(..) | End::Follower(_) => {
                let what = "the records don't end where the next segment was begun";
                Err(Error::corrupt(&self.path, self.offset, what))
            }
        }
    }

    /// The record that `bytes` begin with, which stands at `offset`.
    fn record(&mut self, bytes: &[u8]) -> Result<Header, Error> {
        let corrupt = |what: String| Error::corrupt(&self.path, self.offset, what);
        let (header, payload) = sound_record(bytes, self.stamp).map_err(corrupt)?;
        if self.offset > 0 {
            if header.sequence != self.next {
                return Err(corrupt("a record is out of sequence".to_owned()));
            }
            return Ok(header);
        }
        if header.record_type != RecordType::Checkpoint {
            return Err(corrupt("the segment doesn't begin with a checkpoint".to_owned()));
        }
        let checkpoint: CheckpointV1 = frozen::decode(payload).map_err(corrupt)?;
        if checkpoint.segment != self.number {
            return Err(corrupt(format!("this is segment {} under another's name", checkpoint.segment)));
        }
        self.stamp = Some(header.stamp);
        Ok(header)
    }

    fn read(&self, file: &dyn File, len: usize) -> Result<Vec<u8>, Error> {
        let bound = match self.end {
            // What is to be written next stays in the cache, else each write would read first. So the last of what is written
            // may come from there too, until it is followed by more.
            End::Durable(bound) => bound - bound % CACHE_PIECE_BYTES,
            End::At(..) | End::Follower(_) => u64::MAX,
        };
        let dropped = (len as u64).min(bound.saturating_sub(self.offset));
        file.drop_cache_of(self.offset, dropped).map_err(|source| Error::io(&self.path, source))?;
        read(file, &self.path, self.offset, len)
    }
}

/// Bytes of the record that `bytes` begin with, as far as they tell; what is no header needs no more than it takes to
/// say so.
fn record_bytes(bytes: &[u8]) -> usize {
    let header = bytes.get(..HEADER_BYTES).and_then(|header| record::decode_header(header, None).ok());
    let payload = header.map_or(0, |header| usize::try_from(header.payload_bytes).unwrap_or(usize::MAX));
    HEADER_BYTES + payload.min(limits::MAX_RECORD_BYTES) + if header.is_some() { TRAILER_BYTES } else { 0 }
}

fn sound_record(bytes: &[u8], stamp: Option<Stamp>) -> Result<(Header, &[u8]), String> {
    let header = record::decode_header(bytes.get(..HEADER_BYTES).unwrap_or(bytes), stamp)
        .map_err(|reason| reason.to_string())?;
    let payload_bytes = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
    if payload_bytes > limits::MAX_RECORD_BYTES {
        return Err("a record is longer than any that is written".to_owned());
    }
    let rest = bytes.get(HEADER_BYTES..HEADER_BYTES + payload_bytes + TRAILER_BYTES);
    let rest = rest.ok_or("the file ends within a record")?;
    if !record::payload_is_sound(bytes, rest) {
        return Err("a record's payload doesn't match its checksum".to_owned());
    }
    Ok((header, &rest[..payload_bytes]))
}

fn open(files: &dyn Files, path: &Path) -> Result<Arc<dyn File>, Error> {
    let file = files.open(path).map_err(|source| Error::io(path, source))?;
    file.without_read_ahead();
    Ok(file)
}

fn read(file: &dyn File, path: &Path, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    let read = file.read_at(offset, &mut bytes).map_err(|source| Error::io(path, source))?;
    bytes.truncate(read);
    Ok(bytes)
}
