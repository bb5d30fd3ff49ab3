//! Restoring a backup: a snapshot file of another cluster becomes what the nodes of a new one begin with.
//!
//! Rows, log time, request records and ledger stay as they are in the file; the membership becomes the new cluster's. The
//! log begins purged up to the file's log id, and the vote has that id's term: the first leader of the new cluster opens a
//! later one, so that its entries come after all that the file holds, as terms and as indexes.
//!
//! Steps, each safe from a power cut before the next: a mark, what an earlier attempt left is removed, the snapshot,
//! the log, the identity, and the mark goes. Before the identity is there the directory is nobody's: no node starts with it,
//! and a restore begins again from the start. Once it is there the directory is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use openraft::BasicNode;
use openraft::storage::RaftLogStorage as _;
use stockade_env::Env;
use stockade_state_machine::LogTime;

use crate::applied_row::{self, LogId, Position, StoredMembership};
use crate::dir_lock::DirLock;
use crate::file::{Files, write_whole};
use crate::log::{LogOptions, LogStore, Vote};
use crate::rows::Joiner;
use crate::snapshot::{self, SnapshotStore};
use crate::state_hash::StateHasher;
use crate::{Error, Options, identity, layout, limits};

/// Names the content of a backup: BLAKE3 over its applied row and all its rows. What a restored cluster's id follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupId(pub(crate) [u8; 32]);

impl BackupId {
    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why a text names no backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backup's id has 64 hexadecimal digits")]
pub struct NoBackupId;

impl FromStr for BackupId {
    type Err = NoBackupId;

    fn from_str(text: &str) -> Result<Self, NoBackupId> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoBackupId);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NoBackupId)?;
        }
        Ok(Self(bytes))
    }
}

/// A snapshot file of which every byte was checked, wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Names its content.
    pub id: BackupId,
    /// The last log index that it holds.
    pub index: u64,
    /// The term of that log entry.
    pub term: u64,
    /// Where log time stood.
    pub log_time: LogTime,
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// BLAKE3 over the canonical state, computed anew from the rows.
    pub state_hash: [u8; 32],
    position: Position,
    log_id: LogId,
}

/// Reads a backup whole and checks every byte of it, the state hash included.
pub fn verify_backup(files: &dyn Files, path: &Path) -> Result<Backup, Error> {
    // What fails in its rows is the file's damage, not an engine's.
    let in_file = |error| match error {
        Error::Engine(what) => Error::corrupt(path, 0, what),
        other => other,
    };
    let file = files.open_to_read(path).map_err(|source| Error::io(path, source))?;
    // What is checked must come from the disk, not from the memory that it may have been written from.
    file.drop_cache().map_err(|source| Error::io(path, source))?;
    let position = snapshot::format::position(file.as_ref(), path).map_err(in_file)?;
    let mut joiner = Joiner::default();
    let mut hasher = StateHasher::new(position.trimmed.clone());
    let contents = snapshot::format::read(file.as_ref(), path, |key, row| match joiner.push(key, row)? {
        Some((key, value)) => hasher.value(&key, &value),
        None => Ok(()),
    });
    let contents = contents.map_err(in_file)?;
    joiner.finish().map_err(in_file)?;
    let bytes = file.len().map_err(|source| Error::io(path, source))?;
    let (state_hash, _) = hasher.finish(&position);
    if state_hash != contents.state_hash {
        return Err(Error::corrupt(path, bytes, "the rows do not have the state hash that the end names"));
    }
    let Some(log_id) = position.log_id else {
        return Err(Error::corrupt(path, 0, "it is of a node that had applied nothing"));
    };
    Ok(Backup {
        id: BackupId(contents.content_hash),
        index: log_id.index,
        term: log_id.leader_id.term,
        log_time: position.clock.now,
        bytes,
        rows: contents.rows,
        state_hash,
        position,
        log_id,
    })
}

/// What a backup calls itself, without reading all of it.
pub fn backup_id(files: &dyn Files, path: &Path) -> Result<BackupId, Error> {
    let file = files.open_to_read(path).map_err(|source| Error::io(path, source))?;
    snapshot::format::content_hash(file.as_ref(), path).map(BackupId)
}

/// The backup that a data directory's cluster began with; `None` where it began with none, or the directory is nobody's.
pub fn restored_from(files: &dyn Files, dir: &Path) -> Result<Option<BackupId>, Error> {
    Ok(identity::read(files, dir)?.and_then(|(_, backup)| backup))
}

/// Makes an empty data directory that of a node of a new cluster, which goes on from a backup. The options name the
/// backup's id; the members are every node's id and peer address, this node's included. Nothing is written before all
/// of the backup was checked.
pub async fn restore(
    files: Arc<dyn Files>,
    env: &Env,
    options: &Options,
    path: &Path,
    members: &BTreeMap<u64, String>,
) -> Result<Backup, Error> {
    let dir = options.dir.as_path();
    let refuse = |what: String| Error::Restore { dir: dir.to_owned(), what };
    tracing::info!(path = %path.display(), "checking the backup, then restoring it");
    let backup = verify_backup(files.as_ref(), path)?;
    if options.restored_from != Some(backup.id) {
        return Err(refuse(format!("{} is not the backup that it is to begin with", path.display())));
    }
    let membership = membership(members, &backup)?;
    // The new cluster has an id of its own: what nodes the old one had says nothing about its own.
    let highest_node_id = applied_row::highest_of(&membership);
    let position = Position { membership, highest_node_id, ..backup.position.clone() };
    files.create_dir(dir).map_err(|source| Error::io(dir, source))?;
    let lock = DirLock::take(files.as_ref(), dir)?;
    if is_restored(files.as_ref(), options, backup.id)? {
        identity::finish_restore(files.as_ref(), dir)?;
        return Ok(backup);
    }
    let mark = dir.join(layout::RESTORE_FILE);
    write_whole(files.as_ref(), &mark, &backup.id.0).map_err(|source| Error::io(&mark, source))?;
    clear(files.as_ref(), dir)?;
    let snapshots = SnapshotStore::open(Arc::clone(&files), dir.join(layout::SNAPSHOT_DIR), u64::MAX)?;
    snapshots.adopt(path, &position, backup.id.0)?;
    begin_log(Arc::clone(&files), env, options, backup.log_id).await?;
    // The directories must be there when the identity says that all is.
    files.sync_dir(dir).map_err(|source| Error::io(dir, source))?;
    identity::write(files.as_ref(), dir, &options.identity, options.restored_from)?;
    identity::finish_restore(files.as_ref(), dir)?;
    drop(lock);
    tracing::info!(index = backup.index, backup = %backup.id, "restored from a backup");
    Ok(backup)
}

/// The new cluster's membership, as of the last entry that the backup holds.
fn membership(members: &BTreeMap<u64, String>, backup: &Backup) -> Result<StoredMembership, Error> {
    let voters: BTreeSet<u64> = members.keys().copied().collect();
    let nodes: BTreeMap<u64, BasicNode> =
        members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    let membership = openraft::Membership::new(vec![voters], nodes)
        .map_err(|error| Error::Engine(format!("the new cluster's members: {error}")))?;
    Ok(StoredMembership::new(Some(backup.log_id), membership))
}

/// True where this very backup was restored here already; an error where the directory is not free for it.
fn is_restored(files: &dyn Files, options: &Options, backup: BackupId) -> Result<bool, Error> {
    let dir = options.dir.as_path();
    let refuse = |what: String| Err(Error::Restore { dir: dir.to_owned(), what });
    if let Some((found, from)) = identity::read(files, dir)? {
        return match from {
            Some(from) if found == options.identity && from == backup => Ok(true),
            Some(from) => refuse(format!(
                "it belongs to {found}, restored from backup {from}; a backup is restored into an empty directory only"
            )),
            None => {
                refuse(format!("it belongs to {found}; a backup is restored into an empty directory only"))
            }
        };
    }
    let exists = |name: &str| files.exists(&dir.join(name)).map_err(|source| Error::io(dir, source));
    if exists(layout::RESTORE_FILE)? {
        tracing::info!("a restore was broken off here: it begins again");
        return Ok(false);
    }
    let ours = [
        layout::LOG_DIR,
        layout::SNAPSHOT_DIR,
        layout::ENGINE_DIR,
        layout::REDO_FILE,
        layout::QUARANTINE_FILE,
        layout::SKIP_FILE,
    ];
    for name in ours {
        if exists(name)? {
            return refuse(format!("it has {name} in it; a backup is restored into an empty directory only"));
        }
    }
    Ok(false)
}

/// Removes what an attempt that was broken off has left.
fn clear(files: &dyn Files, dir: &Path) -> Result<(), Error> {
    for name in [layout::LOG_DIR, layout::SNAPSHOT_DIR] {
        let left = dir.join(name);
        files.remove_dir(&left).map_err(|source| Error::io(&left, source))?;
    }
    Ok(())
}

/// A log that goes on after the backup.
async fn begin_log(files: Arc<dyn Files>, env: &Env, options: &Options, log_id: LogId) -> Result<(), Error> {
    let dir = options.dir.join(layout::LOG_DIR);
    let io = |source| Error::io(&dir, source);
    let log_options = LogOptions {
        dir: dir.clone(),
        segment_bytes: options.segment_bytes,
        cache_bytes: limits::RESTORE_CACHE_BYTES,
    };
    let mut log = LogStore::open_inline(files, env, log_options)?;
    // Without it the first leader would open term 1, and its entries would come before what the backup holds.
    log.persist_vote(Vote::new(log_id.leader_id.term, log_id.leader_id.node_id)).await.map_err(io)?;
    log.purge(log_id).await.map_err(io)?;
    log.barrier().await.map_err(io)?;
    log.shutdown().await;
    Ok(())
}

impl LogStore {
    /// The index of the backup that the log begins with, where its node has had no part in anything since: nothing follows
    /// the backup, and the vote is the one that the restore left. No node comes to that in another way, for whoever takes
    /// an entry has its leader's committed vote.
    pub fn untouched_since_restore(&self) -> Option<u64> {
        let (vote, last) = (self.vote()?, self.last_log_id()?);
        let is_so = !vote.committed && vote.leader_id == last.leader_id && self.purged() == Some(last);
        is_so.then_some(last.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backups_id_comes_back_from_its_digits() {
        let id = BackupId(std::array::from_fn(|at| u8::try_from(at * 8 % 256).unwrap()));
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(bad.parse::<BackupId>(), Err(NoBackupId), "{bad}");
        }
    }
}
