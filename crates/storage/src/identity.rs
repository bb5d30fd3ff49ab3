//! Whose a data directory is. Noted when it is made, checked at every start.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::Error;
use crate::file::{Files, read_whole, write_whole};
use crate::layout::{ENGINE_DIR, IDENTITY_FILE, LOG_DIR, RESTORE_FILE, SNAPSHOT_DIR};
use crate::limits;
use crate::restore::BackupId;

const MAGIC: &[u8; 8] = b"STKIDNT1";
/// The format of everything in the directory.
const FORMAT: u16 = 1;

/// Whose a data directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 32 hexadecimal digits; follows from the cluster's name, and from the backup where it began with one.
    pub cluster_id: String,
    /// Never 0, never used twice in the life of a cluster.
    pub node_id: u64,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} of cluster {}", self.node_id, self.cluster_id)
    }
}

/// The frozen form, version 1.
#[derive(Serialize, Deserialize)]
struct IdentityV1 {
    cluster_id: String,
    node_id: u64,
    /// The backup that the cluster began with: without it the cluster's id could not be told from its name again.
    restored_from: Option<[u8; 32]>,
}

/// Checks that a directory is this identity's, or makes an empty one so.
pub(crate) fn claim(
    files: &dyn Files,
    dir: &Path,
    identity: &Identity,
    restored_from: Option<BackupId>,
) -> Result<(), Error> {
    if let Some((found, _)) = read(files, dir)? {
        if found != *identity {
            let (found, expected) = (found.to_string(), identity.to_string());
            return Err(Error::Identity { dir: dir.to_owned(), found, expected });
        }
        finish_restore(files, dir)?;
        return check_log(files, dir);
    }
    let path = dir.join(IDENTITY_FILE);
    let io = |source| Error::io(&path, source);
    if files.exists(&dir.join(RESTORE_FILE)).map_err(io)? {
        let what = "restoring a backup into it was broken off; start again with --restore, or empty it";
        return Err(Error::Restore { dir: dir.to_owned(), what: what.to_owned() });
    }
    let others: Vec<_> = files.list(dir).map_err(io)?;
    // It is written before any of these is made. Begun anew, the node would forget its votes, and what it acknowledged.
    for data in [LOG_DIR, SNAPSHOT_DIR, ENGINE_DIR] {
        if others.iter().any(|path| path.file_name().is_some_and(|name| name == data)) {
            return Err(Error::corrupt(&path, 0, format!("the file is missing, and {data} is beside it")));
        }
    }
    write(files, dir, identity, restored_from)
}

/// Whose a directory is, and what its cluster was restored from; `None` where it is nobody's.
pub(crate) fn read(files: &dyn Files, dir: &Path) -> Result<Option<(Identity, Option<BackupId>)>, Error> {
    let path = dir.join(IDENTITY_FILE);
    let io = |source| Error::io(&path, source);
    if !files.exists(&path).map_err(io)? {
        return Ok(None);
    }
    let bytes = read_whole(files, &path, limits::MAX_IDENTITY_BYTES).map_err(io)?;
    decode(&path, &bytes).map(Some)
}

/// Makes a directory somebody's.
pub(crate) fn write(
    files: &dyn Files,
    dir: &Path,
    identity: &Identity,
    restored_from: Option<BackupId>,
) -> Result<(), Error> {
    let path = dir.join(IDENTITY_FILE);
    write_whole(files, &path, &encode(identity, restored_from)).map_err(|source| Error::io(&path, source))
}

/// Removes the mark of a restore that was whole but for this: the identity is its last step.
pub(crate) fn finish_restore(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    let mark = dir.join(RESTORE_FILE);
    let io = |source| Error::io(&mark, source);
    if files.exists(&mark).map_err(io)? {
        files.remove(&mark).map_err(io)?;
        files.sync_dir(dir).map_err(io)?;
    }
    Ok(())
}

/// A voter that lost its log and votes must not come back under its old id: it could vote twice in a term.
pub(crate) fn check_log(files: &dyn Files, dir: &Path) -> Result<(), Error> {
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

fn encode(identity: &Identity, restored_from: Option<BackupId>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&codec::to_frozen(&IdentityV1 {
        cluster_id: identity.cluster_id.clone(),
        node_id: identity.node_id,
        restored_from: restored_from.map(|backup| backup.0),
    }));
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(path: &Path, bytes: &[u8]) -> Result<(Identity, Option<BackupId>), Error> {
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
    let stored: IdentityV1 = codec::from_frozen(rest).map_err(|error| corrupt(&error.to_string()))?;
    let identity = Identity { cluster_id: stored.cluster_id, node_id: stored.node_id };
    Ok((identity, stored.restored_from.map(BackupId)))
}
