//! The snapshot file: every row of the engine at one log index, checked to the last bit.
//!
//! Layout, little-endian:
//! - header: magic (8 bytes), format version (u16), length (u32) of the applied row, the applied row, CRC32C of all of it;
//! - blocks: raw length (u32, not 0), packed length (u32), CRC32C of the packed bytes (u32), the packed bytes (LZ4 block);
//!   raw, a block is rows: key length (u32), value length (u32), key, value;
//! - end: raw length 0 (u32), number of rows (u64), the state hash (32 bytes), BLAKE3 over the applied row and all raw blocks (32 bytes),
//!   CRC32C of the end so far, magic (8 bytes).

use std::path::Path;

use crate::applied_row::{self, Position};
use crate::file::File;
use crate::rows::Digest;
use crate::{Error, keys, limits};

const MAGIC: &[u8; 8] = b"STKSNAP1";
const FORMAT: u16 = 1;
const BLOCK_HEADER_BYTES: usize = 12;
const END_BYTES: usize = 4 + 8 + 32 + 32 + 4 + 8;

/// Writes a snapshot file from its beginning to its end.
pub(crate) struct SnapshotWriter<'a> {
    file: &'a dyn File,
    path: &'a Path,
    offset: u64,
    /// Up to where the disk has been told to begin.
    handed_over: u64,
    block: Vec<u8>,
    rows: u64,
    hash: blake3::Hasher,
}

impl<'a> SnapshotWriter<'a> {
    pub(crate) fn begin(file: &'a dyn File, path: &'a Path, applied_row: &[u8]) -> Result<Self, Error> {
        let mut header = Vec::with_capacity(18 + applied_row.len());
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&len_u32(applied_row.len()).to_le_bytes());
        header.extend_from_slice(applied_row);
        header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
        let mut hash = blake3::Hasher::new();
        hash.update(applied_row);
        let mut writer = Self { file, path, offset: 0, handed_over: 0, block: Vec::new(), rows: 0, hash };
        writer.append(&header)?;
        Ok(writer)
    }

    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.block.extend_from_slice(&len_u32(key.len()).to_le_bytes());
        self.block.extend_from_slice(&len_u32(value.len()).to_le_bytes());
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.rows += 1;
        if self.block.len() >= limits::SNAPSHOT_BLOCK_BYTES {
            self.finish_block()?;
        }
        Ok(())
    }

    fn finish_block(&mut self) -> Result<(), Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.hash.update(&self.block);
        let packed = lz4_flex::block::compress(&self.block);
        let mut bytes = Vec::with_capacity(BLOCK_HEADER_BYTES + packed.len());
        bytes.extend_from_slice(&len_u32(self.block.len()).to_le_bytes());
        bytes.extend_from_slice(&len_u32(packed.len()).to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&packed).to_le_bytes());
        bytes.extend_from_slice(&packed);
        self.block.clear();
        self.append(&bytes)
    }

    /// Writes the end and makes the file's content safe from a power cut.
    pub(crate) fn finish(mut self, state_hash: [u8; 32]) -> Result<(), Error> {
        self.finish_block()?;
        let mut end = Vec::with_capacity(END_BYTES);
        end.extend_from_slice(&0_u32.to_le_bytes());
        end.extend_from_slice(&self.rows.to_le_bytes());
        end.extend_from_slice(&state_hash);
        end.extend_from_slice(self.hash.finalize().as_bytes());
        end.extend_from_slice(&crc32c::crc32c(&end).to_le_bytes());
        end.extend_from_slice(MAGIC);
        self.append(&end)?;
        // The log is purged on the strength of this file: unsynced, a power cut would take both.
        self.file.sync().map_err(|source| Error::io(self.path, source))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_at(self.offset, bytes).map_err(|source| Error::io(self.path, source))?;
        self.offset += len_u64(bytes.len());
        // The disk takes it bit by bit: were all of it left to the sync at the end, the log's syncs would wait behind it.
        let waiting = self.offset - self.handed_over;
        if waiting >= limits::SNAPSHOT_WRITE_BYTES {
            self.file.begin_write_back(self.handed_over, waiting);
            self.handed_over = self.offset;
        }
        Ok(())
    }
}

/// What a snapshot file says of itself, once all of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) position: Position,
    pub(crate) digest: Digest,
    pub(crate) applied_row: Vec<u8>,
    pub(crate) state_hash: [u8; 32],
    /// BLAKE3 over the applied row and all raw blocks.
    pub(crate) content_hash: [u8; 32],
    pub(crate) rows: u64,
}

/// Where the rows of a snapshot file stand, by its header alone.
pub(crate) fn position(file: &dyn File, path: &Path) -> Result<Position, Error> {
    applied_row::decode(&Reader { file, path, offset: 0 }.header()?).map(|(position, _)| position)
}

/// The digest of a snapshot file's rows, by its header alone.
pub(crate) fn digest(file: &dyn File, path: &Path) -> Result<Digest, Error> {
    applied_row::decode(&Reader { file, path, offset: 0 }.header()?).map(|(_, digest)| digest)
}

/// The hash over the applied row and all raw blocks, by the file's header and end alone.
pub(crate) fn content_hash(file: &dyn File, path: &Path) -> Result<[u8; 32], Error> {
    let mut reader = Reader { file, path, offset: 0 };
    reader.header()?;
    let len = file.len().map_err(|source| Error::io(path, source))?;
    // Behind a header there is an end, or the file is cut short.
    reader.offset = len.saturating_sub(len_u64(END_BYTES)).max(reader.offset);
    let end = reader.take(END_BYTES)?;
    let (body, tail) = end.split_at(END_BYTES - 12);
    if crc32c::crc32c(body) != u32_at(tail, 0) || tail[4..] != *MAGIC {
        return Err(reader.corrupt("the end's checksum does not hold"));
    }
    Ok(body[44..76].try_into().expect("32 bytes"))
}

/// What a snapshot file says of itself, by its header and its end alone: the rows between were not read.
pub(crate) fn outline(file: &dyn File, path: &Path) -> Result<Contents, Error> {
    let mut reader = Reader { file, path, offset: 0 };
    let applied_row = reader.header()?;
    let (position, digest) = applied_row::decode(&applied_row)?;
    let content_hash = content_hash(file, path)?;
    let len = file.len().map_err(|source| Error::io(path, source))?;
    reader.offset = len - len_u64(END_BYTES);
    if u32_at(&reader.take(4)?, 0) != 0 {
        return Err(reader.corrupt("no end where it should be"));
    }
    let rows = u64::from_le_bytes(reader.take(8)?.try_into().expect("8 bytes"));
    let state_hash = reader.take(32)?.try_into().expect("32 bytes");
    Ok(Contents { position, digest, applied_row, state_hash, content_hash, rows })
}

/// Reads a snapshot file whole, checks every byte, and hands each row on.
pub(crate) fn read(
    file: &dyn File,
    path: &Path,
    mut row: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<Contents, Error> {
    let mut reader = Reader { file, path, offset: 0 };
    let applied_row = reader.header()?;
    let (position, digest) = applied_row::decode(&applied_row)?;
    let mut hash = blake3::Hasher::new();
    hash.update(&applied_row);
    let mut rows = 0_u64;
    let mut found = Digest::default();
    while let Some(block) = reader.block()? {
        hash.update(&block);
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (key, value, after) = split_row(rest).ok_or_else(|| reader.corrupt("a row is cut short"))?;
            if !keys::is_applied(key) {
                found.add(key, value);
            }
            row(key, value)?;
            rows += 1;
            rest = after;
        }
    }
    // The file may be whole and still hold what a damaged engine gave it.
    if found != digest {
        return Err(reader.corrupt(&format!("the rows are {found:?}, the applied row says {digest:?}")));
    }
    let content_hash = hash.finalize().into();
    let state_hash = reader.end(rows, content_hash)?;
    Ok(Contents { position, digest, applied_row, state_hash, content_hash, rows })
}

/// How many rows an unpacked block holds; `None` where one is cut short.
pub(super) fn count_rows(mut block: &[u8]) -> Option<u64> {
    let mut rows = 0;
    while !block.is_empty() {
        block = split_row(block)?.2;
        rows += 1;
    }
    Some(rows)
}

fn split_row(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_len, rest) = bytes.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*key_len)).ok()?)?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*value_len)).ok()?)?;
    Some((key, value, rest))
}

/// Reads a snapshot file from its beginning to its end.
pub(super) struct Reader<'a> {
    pub(super) file: &'a dyn File,
    pub(super) path: &'a Path,
    pub(super) offset: u64,
}

impl Reader<'_> {
    pub(super) fn corrupt(&self, what: &str) -> Error {
        Error::corrupt(self.path, self.offset, what)
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; len];
        let read =
            self.file.read_at(self.offset, &mut bytes).map_err(|source| Error::io(self.path, source))?;
        if read != len {
            return Err(self.corrupt("the file ends too early"));
        }
        self.offset += len_u64(len);
        Ok(bytes)
    }

    pub(super) fn header(&mut self) -> Result<Vec<u8>, Error> {
        let mut header = self.take(14)?;
        if header[..8] != *MAGIC {
            return Err(self.corrupt("no snapshot file"));
        }
        let found = u16::from_le_bytes([header[8], header[9]]);
        if found != FORMAT {
            return Err(Error::Format { file: self.path.to_owned(), found, supported: FORMAT });
        }
        let len = u32_at(&header, 10);
        // An applied row is small: a length beyond that is damage that the checksum behind it can't show yet.
        let len = usize::try_from(len).ok().filter(|len| *len <= limits::MAX_APPLIED_ROW_BYTES);
        let len = len.ok_or_else(|| self.corrupt("the header's length is out of range"))?;
        let applied_row = self.take(len)?;
        let crc = self.take(4)?;
        header.extend_from_slice(&applied_row);
        if crc32c::crc32c(&header) != u32_at(&crc, 0) {
            return Err(self.corrupt("the header's checksum does not hold"));
        }
        Ok(applied_row)
    }

    pub(super) fn block(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let raw_len = u32_at(&self.take(4)?, 0);
        if raw_len == 0 {
            return Ok(None);
        }
        let rest = self.take(8)?;
        let (packed_len, crc) = (u32_at(&rest, 0), u32_at(&rest, 4));
        let bounded =
            |len: u32| usize::try_from(len).ok().filter(|len| *len <= limits::MAX_SNAPSHOT_BLOCK_BYTES);
        let (Some(raw_len), Some(packed_len)) = (bounded(raw_len), bounded(packed_len)) else {
            return Err(self.corrupt("a block's length is out of range"));
        };
        let packed = self.take(packed_len)?;
        if crc32c::crc32c(&packed) != crc {
            return Err(self.corrupt("a block's checksum does not hold"));
        }
        let block = lz4_flex::block::decompress(&packed, raw_len);
        let block = block.map_err(|error| self.corrupt(&format!("a block does not unpack: {error}")))?;
        if block.len() == raw_len { Ok(Some(block)) } else { Err(self.corrupt("a block is too short")) }
    }

    /// Checks the end against what was read; gives the state hash.
    pub(super) fn end(&mut self, rows: u64, hash: [u8; 32]) -> Result<[u8; 32], Error> {
        let rest = self.take(END_BYTES - 4)?;
        let mut end = vec![0; 4];
        end.extend_from_slice(&rest);
        let (body, tail) = end.split_at(END_BYTES - 12);
        if crc32c::crc32c(body) != u32_at(tail, 0) || tail[4..] != *MAGIC {
            return Err(self.corrupt("the end's checksum does not hold"));
        }
        if body[4..12] != rows.to_le_bytes() {
            return Err(self.corrupt("the number of rows does not hold"));
        }
        if body[44..76] != hash {
            return Err(self.corrupt("the hash over all rows does not hold"));
        }
        let len = self.file.len().map_err(|source| Error::io(self.path, source))?;
        if len != self.offset {
            return Err(self.corrupt("bytes follow the end"));
        }
        Ok(body[12..44].try_into().expect("32 bytes"))
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("rows and blocks are bounded")
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).expect("lengths fit 64 bits")
}
