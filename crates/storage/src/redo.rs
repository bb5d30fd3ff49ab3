//! The redo file: the rows of one window, complete before the first of them goes into the engine. After a crash of the
//! process between two batches it brings the engine to the end of the window; rows are after-images, so twice is harmless.
//!
//! Layout: magic (8 bytes), number of rows (u64), then each row as key length (u32), value length (u32; `u32::MAX` for a removal),
//! key, value; last a CRC32C over all before it. Little-endian. It is not synced: after a power cut the engine is rebuilt.

use std::path::Path;

use bytes::Bytes;

use crate::engine::RowWrite;
use crate::file::{Files, read_whole};
use crate::{Error, limits};

const MAGIC: &[u8; 8] = b"STKREDO1";
const REMOVED: u32 = u32::MAX;

/// Writes the file.
pub(crate) fn write(files: &dyn Files, path: &Path, rows: &[RowWrite]) -> Result<(), Error> {
    let size: usize =
        rows.iter().map(|(key, value)| 8 + key.len() + value.as_ref().map_or(0, Bytes::len)).sum();
    let mut bytes = Vec::with_capacity(20 + size);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&u64::try_from(rows.len()).expect("lengths fit 64 bits").to_le_bytes());
    for (key, value) in rows {
        let len = |len: usize| u32::try_from(len).expect("rows are bounded").to_le_bytes();
        bytes.extend_from_slice(&len(key.len()));
        bytes.extend_from_slice(&value.as_ref().map_or(REMOVED.to_le_bytes(), |value| len(value.len())));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    let io = |source| Error::io(path, source);
    remove(files, path)?;
    let file = files.create(path).map_err(io)?;
    file.write_at(0, &bytes).map_err(|error| {
        // Incomplete it is of no use, and on a full disk in the way of what is.
        if let Err(error) = files.remove(path) {
            tracing::warn!(%error, "an incomplete redo file stays until the next start");
        }
        io(error)
    })
}

/// The rows of a complete file; `None` where there is none or the crash came while it was written, before any of its
/// rows went into the engine.
pub(crate) fn read(files: &dyn Files, path: &Path) -> Result<Option<Vec<RowWrite>>, Error> {
    let io = |source| Error::io(path, source);
    if !files.exists(path).map_err(io)? {
        return Ok(None);
    }
    let bytes = read_whole(files, path, limits::MAX_REDO_BYTES).map_err(io)?;
    let Some((body, crc)) = bytes.split_last_chunk::<4>() else { return Ok(None) };
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Ok(None);
    }
    decode(body).map(Some).ok_or_else(|| Error::corrupt(path, 0, "its checksum holds, its content does not"))
}

fn decode(body: &[u8]) -> Option<Vec<RowWrite>> {
    let rest = body.strip_prefix(MAGIC)?;
    let (count, mut rest) = rest.split_first_chunk::<8>()?;
    let mut rows = Vec::new();
    for _ in 0..u64::from_le_bytes(*count) {
        let (key_len, after) = rest.split_first_chunk::<4>()?;
        let (value_len, after) = after.split_first_chunk::<4>()?;
        let (key, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*key_len)).ok()?)?;
        let value_len = u32::from_le_bytes(*value_len);
        if value_len == REMOVED {
            rows.push((Bytes::copy_from_slice(key), None));
            rest = after;
        } else {
            let (value, after) = after.split_at_checked(usize::try_from(value_len).ok()?)?;
            rows.push((Bytes::copy_from_slice(key), Some(Bytes::copy_from_slice(value))));
            rest = after;
        }
    }
    rest.is_empty().then_some(rows)
}

/// Removes the file; the engine holds its rows.
pub(crate) fn remove(files: &dyn Files, path: &Path) -> Result<(), Error> {
    let io = |source| Error::io(path, source);
    if files.exists(path).map_err(io)? {
        files.remove(path).map_err(io)?;
    }
    Ok(())
}
