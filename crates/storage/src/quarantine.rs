//! Quarantine: a data directory whose node was found to differ from the others is kept for the investigation, and never
//! started again.
//!
//! Layout of the file: magic (8 bytes), format version (u16, little-endian), the frozen [`Quarantine`], CRC32C over all
//! before it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::file::{Files, read_whole, write_whole};
use crate::layout::QUARANTINE_FILE;
use crate::{Error, StateHandle, codec, limits};

const MAGIC: &[u8; 8] = b"STKQUAR1";
const FORMAT: u16 = 1;

/// Why a node was taken out of service for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The log index at which it was found.
    pub index: u64,
    /// The chain hash that this node has there, and the one that most nodes have; none where it is the log that differs.
    pub hashes: Option<([u8; 32], [u8; 32])>,
    /// When, in microseconds since 1970 by this node's clock.
    pub since_us: u64,
    /// What was found, for people.
    pub reason: String,
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if let Some((own, others)) = &self.hashes {
            let short =
                |hash: &[u8; 32]| u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"));
            write!(f, " (chain hash {:016x} here, {:016x} there)", short(own), short(others))?;
        }
        f.write_str(
            "; keep the directory for the investigation and bring the node back under a new id with `stockade cluster \
             replace`",
        )
    }
}

/// Where a node's quarantine is noted.
#[derive(Debug, Clone)]
pub(crate) struct QuarantineFile {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
}

impl StateHandle {
    /// Notes in the data directory that it is in quarantine: no later start will serve from it. Waits for the disk.
    pub fn quarantine(&self, quarantine: &Quarantine) -> Result<(), Error> {
        let QuarantineFile { files, dir } = &self.quarantine;
        let path = dir.join(QUARANTINE_FILE);
        write_whole(files.as_ref(), &path, &encode(quarantine)).map_err(|source| Error::io(&path, source))
    }
}

/// The quarantine of a data directory; `None` where it is in none.
pub fn read_quarantine(files: &dyn Files, dir: &Path) -> Result<Option<Quarantine>, Error> {
    let path = dir.join(QUARANTINE_FILE);
    let io = |source| Error::io(&path, source);
    if !files.exists(&path).map_err(io)? {
        return Ok(None);
    }
    decode(&path, &read_whole(files, &path, limits::MAX_QUARANTINE_BYTES).map_err(io)?).map(Some)
}

/// Refuses a directory that is in quarantine. A file that can't be read says the same, though not why.
pub(crate) fn refuse(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    match read_quarantine(files, dir)? {
        None => Ok(()),
        Some(quarantine) => {
            Err(Error::corrupt(&dir.join(QUARANTINE_FILE), 0, format!("in quarantine: {quarantine}")))
        }
    }
}

fn encode(quarantine: &Quarantine) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&codec::to_frozen(quarantine));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Quarantine, Error> {
    let corrupt = |what: &str| {
        let what =
            format!("{what}; the node was put in quarantine, and must not be started from this directory");
        Error::corrupt(path, 0, what)
    };
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("too short"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum does not hold"));
    }
    let rest = body.strip_prefix(MAGIC).ok_or_else(|| corrupt("no quarantine file"))?;
    let (format, rest) = rest.split_first_chunk::<2>().ok_or_else(|| corrupt("too short"))?;
    let found = u16::from_le_bytes(*format);
    if found != FORMAT {
        return Err(Error::Format { file: path.to_owned(), found, supported: FORMAT });
    }
    codec::from_frozen(rest).map_err(|error| corrupt(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::MemoryFiles;

    fn sample() -> Quarantine {
        let reason =
            "this node's state differs from that of the others since log index 512 at the latest".to_owned();
        Quarantine { index: 512, hashes: Some(([1; 32], [2; 32])), since_us: 7, reason }
    }

    #[test]
    fn a_directory_in_quarantine_is_refused_and_says_why() {
        let (files, dir) = (MemoryFiles::default(), Path::new("/data"));
        files.create_dir(dir).unwrap();
        refuse(&files, dir).unwrap();
        write_whole(&files, &dir.join(QUARANTINE_FILE), &encode(&sample())).unwrap();
        assert_eq!(read_quarantine(&files, dir).unwrap(), Some(sample()));
        let message = refuse(&files, dir).unwrap_err().to_string();
        for part in [QUARANTINE_FILE, "log index 512", "0101010101010101", "stockade cluster replace"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_in_the_file_still_keeps_the_node_out() {
        let (files, dir) = (MemoryFiles::default(), Path::new("/data"));
        files.create_dir(dir).unwrap();
        let path = dir.join(QUARANTINE_FILE);
        write_whole(&files, &path, &encode(&sample())).unwrap();
        for offset in 0..encode(&sample()).len() {
            let offset = offset as u64;
            files.flip_bit(&path, offset, 3).unwrap();
            assert!(matches!(refuse(&files, dir), Err(Error::Corrupt { .. })), "offset {offset}");
            files.flip_bit(&path, offset, 3).unwrap();
        }
    }
}
