//! A segment: one file of the log. Its name carries its number; numbers are consecutive.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::record::{self, HEADER_BYTES, Header, NoRecord, Sequence, Stamp, TRAILER_BYTES};
use crate::file::{File, Files};
use crate::{Error, limits};

const SUFFIX: &str = "wal";
/// A segment that is being prepared. After a crash it is of no use.
const NEW_SUFFIX: &str = "new";
/// A file that waits to become a segment.
const SPARE: &str = "spare";

/// The path of a segment.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{SUFFIX}"))
}

/// The path of a segment that is being prepared.
pub(crate) fn new_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.{NEW_SUFFIX}"))
}

/// The path of the file that waits to become a segment.
pub(crate) fn spare_path(dir: &Path) -> PathBuf {
    dir.join(SPARE)
}

/// The numbers of the segments in a directory, in order. Changes nothing.
pub(crate) fn list(files: &dyn Files, dir: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for path in files.list(dir).map_err(|source| Error::io(dir, source))? {
        if path.extension().is_none_or(|suffix| suffix != SUFFIX) {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
        // Two spellings of one number would be two files for one segment.
        let number = number.filter(|number| self::path(dir, *number) == path);
        numbers.push(number.ok_or_else(|| Error::corrupt(&path, 0, "this is no name of a log segment"))?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The first segment that is missing between others.
pub(crate) fn gap(numbers: &[u64]) -> Option<u64> {
    numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]).map(|pair| pair[0] + 1)
}

/// Removes what a crash left half prepared.
pub(crate) fn remove_unfinished(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    for path in files.list(dir).map_err(|source| Error::io(dir, source))? {
        if path.extension().is_some_and(|suffix| suffix == NEW_SUFFIX) {
            files.remove(&path).map_err(|source| Error::io(&path, source))?;
        }
    }
    Ok(())
}

/// A segment's file, open for reading from its beginning on.
pub(crate) struct SegmentReader {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    window: Vec<u8>,
    window_start: u64,
}

/// A record, or why there is none.
pub(crate) type Found = Result<(Header, Bytes), NoRecord>;

/// Where and why a scan found no more records.
#[derive(Debug)]
pub(crate) struct ScanEnd {
    pub(crate) offset: u64,
    /// What the record here would have had.
    pub(crate) sequence: Sequence,
    pub(crate) reason: NoRecord,
}

/// What stands behind the end of a scan.
#[derive(Debug, Default)]
pub(crate) struct LookAhead {
    /// Records of this use of the file do.
    pub(crate) records: bool,
    /// Where one of them proves that the end of the scan once was on the disk.
    pub(crate) proof: Option<u64>,
}

impl SegmentReader {
    /// Opens a segment that may be written on later.
    pub(crate) fn open(files: &dyn Files, path: PathBuf) -> Result<Self, Error> {
        let file = files.open(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self { path, file, window: Vec::new(), window_start: 0 })
    }

    /// Opens a segment that is only looked at, by somebody who may not be allowed more.
    pub(crate) fn open_to_read(files: &dyn Files, path: PathBuf) -> Result<Self, Error> {
        let file = files.open_to_read(&path).map_err(|source| Error::io(&path, source))?;
        Ok(Self { path, file, window: Vec::new(), window_start: 0 })
    }

    /// Up to `len` bytes at an offset; fewer at the end of the file.
    fn bytes_at(&mut self, offset: u64, len: usize) -> Result<&[u8], Error> {
        let skip = offset.checked_sub(self.window_start).and_then(|skip| usize::try_from(skip).ok());
        let held = skip.filter(|skip| skip + len <= self.window.len());
        let skip = if let Some(skip) = held {
            skip
        } else {
            let io = |source| Error::io(&self.path, source);
            let left = self.file.len().map_err(io)?.saturating_sub(offset);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.window.resize(left.min(len.max(limits::LOG_CHUNK_BYTES)), 0);
            let read = self.file.read_at(offset, &mut self.window).map_err(io)?;
            self.window.truncate(read);
            self.window_start = offset;
            0
        };
        let rest = &self.window[skip..];
        Ok(&rest[..rest.len().min(len)])
    }

    /// Lets go of what was read: many segments are open at once.
    pub(crate) fn release(&mut self) {
        self.window = Vec::new();
    }

    /// The record at an offset.
    pub(crate) fn record(&mut self, offset: u64, stamp: Option<Stamp>) -> Result<Found, Error> {
        let header_bytes = self.bytes_at(offset, HEADER_BYTES)?.to_vec();
        let header = match record::decode_header(&header_bytes, stamp) {
            Ok(header) => header,
            Err(NoRecord::Newer(found)) => {
                return Err(Error::Format { file: self.path.clone(), found: found.into(), supported: 1 });
            }
            Err(reason) => return Ok(Err(reason)),
        };
        let payload_bytes = usize::try_from(header.payload_bytes).unwrap_or(usize::MAX);
        if payload_bytes > limits::MAX_RECORD_BYTES {
            return Ok(Err(NoRecord::Bad("a record is longer than any that is written")));
        }
        let wanted = payload_bytes + TRAILER_BYTES;
        let rest = self.bytes_at(offset + HEADER_BYTES as u64, wanted)?;
        if rest.len() < wanted {
            return Ok(Err(NoRecord::Bad("the file ends within a record")));
        }
        if !record::payload_is_sound(&header_bytes, rest) {
            return Ok(Err(NoRecord::Bad("a record's payload doesn't match its checksum")));
        }
        Ok(Ok((header, Bytes::copy_from_slice(&rest[..payload_bytes]))))
    }

    /// Visits the records from an offset on, up to the `end` offset where there is one, and says where they end.
    pub(crate) fn scan(
        &mut self,
        mut offset: u64,
        stamp: Stamp,
        mut sequence: Sequence,
        end: Option<u64>,
        mut visit: impl FnMut(u64, &Header, Bytes) -> Result<(), Error>,
    ) -> Result<ScanEnd, Error> {
        loop {
            if end == Some(offset) {
                return Ok(ScanEnd { offset, sequence, reason: NoRecord::Nothing });
            }
            match self.record(offset, Some(stamp))? {
                Ok((header, payload)) if header.sequence == sequence => {
                    visit(offset, &header, payload)?;
                    offset += header.record_bytes();
                    sequence = sequence.next();
                }
                Ok(_) => {
                    let reason = NoRecord::Bad("a record is out of sequence");
                    return Ok(ScanEnd { offset, sequence, reason });
                }
                Err(reason) => return Ok(ScanEnd { offset, sequence, reason }),
            }
        }
    }

    /// Searches the file behind the end of a scan for records of the same use.
    pub(crate) fn look_ahead(&mut self, end: &ScanEnd, stamp: Stamp) -> Result<LookAhead, Error> {
        let mut found = LookAhead::default();
        let mut offset = end.offset;
        loop {
            let chunk = self.bytes_at(offset, limits::LOG_CHUNK_BYTES)?;
            if chunk.len() < HEADER_BYTES {
                return Ok(found);
            }
            // Most of a segment is zeros; comparing them whole is far faster than searching them.
            let mut at = if is_zero(chunk) { chunk.len() } else { 0 };
            while let Some((start, header)) = record::find_header(chunk, at, stamp) {
                found.records = true;
                if header.durable >= end.sequence {
                    found.proof = Some(offset + start as u64);
                    return Ok(found);
                }
                at = start + 1;
            }
            // A header may stand across the edge of two chunks.
            offset += (chunk.len() - (HEADER_BYTES - 1)) as u64;
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Which entries each segment is needed for.
///
/// Invariant: numbers are consecutive, the last is the segment that is written to.
#[derive(Debug, Default)]
pub(crate) struct SegmentUses(VecDeque<SegmentUse>);

#[derive(Debug)]
struct SegmentUse {
    number: u64,
    last_entry: Option<u64>,
}

impl SegmentUses {
    /// A segment begins.
    pub(crate) fn begin(&mut self, number: u64) {
        self.0.push_back(SegmentUse { number, last_entry: None });
    }

    /// Entries up to an index were written to the last segment.
    pub(crate) fn wrote(&mut self, index: u64) {
        self.0.back_mut().expect("a segment has begun").last_entry = Some(index);
    }

    /// The entries after an index are no more.
    pub(crate) fn truncate(&mut self, after: Option<u64>) {
        for segment in &mut self.0 {
            segment.last_entry = segment.last_entry.min(after);
        }
    }

    /// Takes out the oldest segment, if nothing after `purged` needs it.
    pub(crate) fn take_unneeded(&mut self, purged: Option<u64>) -> Option<u64> {
        if self.0.len() < 2 || self.0.front()?.last_entry > purged {
            return None;
        }
        self.0.pop_front().map(|segment| segment.number)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
