//! Whose a data directory is. Noted when it is made, checked at every start.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::Error;
use crate::file::{Files, read_whole, write_whole};
use crate::layout::{ENGINE_DIR, IDENTITY_FILE, LOG_DIR, SNAPSHOT_DIR};
use crate::limits;

const MAGIC: &[u8; 8] = b"STKIDNT1";
/// The format of everything in the directory.
const FORMAT: u16 = 1;

/// Whose a data directory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// 32 hexadecimal digits; follows from the cluster's name.
    pub cluster_id: String,
    /// Never 0, never used twice in the life of a cluster.
    pub node_id: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} of cluster {}", self.node_id, self.cluster_id)
    }
}

/// Checks that a directory is this identity's, or makes an empty one so.
pub(crate) fn claim(files: &dyn Files, dir: &Path, identity: &Identity) -> Result<(), Error> {
    let path = dir.join(IDENTITY_FILE);
    let io = |source| Error::io(&path, source);
    if files.exists(&path).map_err(io)? {
        let found = decode(&path, &read_whole(files, &path, limits::MAX_IDENTITY_BYTES).map_err(io)?)?;
        if found == *identity {
            return check_log(files, dir);
        }
        let (found, expected) = (found.to_string(), identity.to_string());
        return Err(Error::Identity { dir: dir.to_owned(), found, expected });
    }
    let others: Vec<_> = files.list(dir).map_err(io)?;
    if others.iter().any(|path| path.file_name().is_some_and(|name| name == LOG_DIR)) {
        return Err(Error::corrupt(&path, 0, "the file is missing, and there is a log beside it"));
    }
    write_whole(files, &path, &encode(identity)).map_err(io)
}

/// A voter that lost its log and votes must not come back under its old id: it could vote twice in a term.
fn check_log(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    let exists = |name: &str| files.exists(&dir.join(name)).map_err(|source| Error::io(dir, source));
    let log = dir.join(LOG_DIR);
    let segments = files.list(&log).map_err(|source| Error::io(&log, source))?;
    let has_log = segments.iter().any(|path| path.extension().is_some_and(|extension| extension == "wal"));
    // The first segment is made before either of the others.
    if has_log || !(exists(SNAPSHOT_DIR)? || exists(ENGINE_DIR)?) {
        return Ok(());
    }
    Err(Error::corrupt(&log, 0, "the log is missing, and there is state beside it"))
}

fn encode(identity: &Identity) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&codec::to_frozen(identity));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Identity, Error> {
    let corrupt = |what: &str| Error::corrupt(path, 0, what);
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("too short"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the checksum does not hold"));
    }
    let rest = body.strip_prefix(MAGIC).ok_or_else(|| corrupt("no identity file"))?;
    let (format, rest) = rest.split_first_chunk::<2>().ok_or_else(|| corrupt("too short"))?;
    let found = u16::from_le_bytes(*format);
    if found != FORMAT {
        return Err(Error::Format { file: path.to_owned(), found, supported: FORMAT });
    }
    codec::from_frozen(rest).map_err(|error| corrupt(&error.to_string()))
}
