//! Opening a node's data directory: whose it is, what is in it, and the way back to a whole state after a crash.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use stockade_env::Env;
use tokio::sync::mpsc;

use crate::alarms::Alarms;
use crate::applier::StateMachine;
use crate::dir_lock::DirLock;
use crate::engine::{Engine, EngineKind};
use crate::engine_dir::{EngineDir, Opened};
use crate::file::Files;
use crate::identity::{self, Identity};
use crate::log::{LogOptions, LogStore};
use crate::memory::{Loaded, Shared};
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::writer::{self, Writer};
use crate::{Error, StateHandle, layout, limits};

/// How a node keeps its data. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds everything the node has.
    pub dir: PathBuf,
    /// Whose the directory is, or becomes where it is empty.
    pub identity: Identity,
    /// What keeps the rows of the applied state.
    pub engine: EngineKind,
    /// Of a log segment.
    pub segment_bytes: u64,
    /// Of log entries kept in memory for replication and apply.
    pub log_cache_bytes: usize,
    /// Of rows that wait to be written to the engine; beyond it the node takes no more writes.
    pub overlay_bytes: usize,
    /// A snapshot is made when the log since the last one is larger than this and than the last snapshot.
    pub snapshot_log_bytes: u64,
    /// Of sled's page cache.
    pub sled_cache_bytes: u64,
}

impl Options {
    /// The defaults, for a directory.
    pub fn new(dir: PathBuf, identity: Identity) -> Self {
        Self {
            dir,
            identity,
            engine: EngineKind::Sled,
            segment_bytes: 64 << 20,
            log_cache_bytes: 64 << 20,
            overlay_bytes: 256 << 20,
            snapshot_log_bytes: 256 << 20,
            sled_cache_bytes: 256 << 20,
        }
    }
}

/// A node's opened data.
#[derive(Debug)]
pub struct Storage {
    /// For openraft.
    pub log: LogStore,
    /// For openraft.
    pub state_machine: StateMachine,
    /// For readers.
    pub state: StateHandle,
    /// For sending and receiving snapshots.
    pub snapshots: SnapshotStore,
    /// What a person should look at.
    pub alarms: Alarms,
    /// Whose data it is.
    pub identity: Identity,
    /// Held as long as the data is in use.
    pub lock: DirLock,
}

/// Opens a data directory, or makes one in an empty directory; recovers what a crash left behind.
pub async fn open(files: Arc<dyn Files>, env: &Env, options: Options) -> Result<Storage, Error> {
    let dir = &options.dir;
    files.create_dir(dir).map_err(|source| Error::io(dir, source))?;
    let lock = DirLock::take(files.as_ref(), dir)?;
    identity::claim(files.as_ref(), dir, &options.identity)?;
    let log_options = LogOptions {
        dir: dir.join(layout::LOG_DIR),
        segment_bytes: options.segment_bytes,
        cache_bytes: options.log_cache_bytes,
    };
    let log = match options.engine {
        EngineKind::Sled => LogStore::open_holding(Arc::clone(&files), env, log_options, lock.clone())?,
        EngineKind::Memory => LogStore::open_inline(Arc::clone(&files), env, log_options)?,
    };
    let snapshots = SnapshotStore::open(Arc::clone(&files), dir.join(layout::SNAPSHOT_DIR))?;
    let engine_dir = EngineDir {
        files: Arc::clone(&files),
        dir: dir.join(layout::ENGINE_DIR),
        redo_path: dir.join(layout::REDO_FILE),
        kind: options.engine,
        cache_bytes: options.sled_cache_bytes,
    };
    // Directories made since the start are safe from a power cut only now.
    files.sync_dir(dir).map_err(|source| Error::io(dir, source))?;
    let (engine, loaded) = recover(&engine_dir, &log, snapshots.current().as_ref(), options.engine)?;
    start(files, env, options, log, snapshots, engine_dir, engine, loaded, lock)
}

/// The applied state as the last run left it, or rebuilt from the newest snapshot; the log brings it up to date.
fn recover(
    engine_dir: &EngineDir,
    log: &LogStore,
    snapshot: Option<&SnapshotFile>,
    kind: EngineKind,
) -> Result<Opened, Error> {
    let purged = log.purged_index();
    let last = log.last_index();
    let snapshot_index = snapshot.map_or(0, |snapshot| snapshot.position().index());
    let trusted = match kind {
        EngineKind::Sled => engine_dir.open_trusted()?,
        EngineKind::Memory => None,
    };
    if let Some((engine, loaded)) = trusted {
        let index = loaded.position.index();
        // Older than the snapshot: a crash came between receiving and installing it. Not of this log: the log was cut
        // and written again, and the engine had what was cut.
        let snapshot_log_id = snapshot.and_then(|snapshot| snapshot.position().log_id);
        let of_this_log = match loaded.position.log_id {
            None => purged == 0,
            Some(log_id) => Some(log_id) == snapshot_log_id || log.log_id_at(index) == Some(log_id),
        };
        if index >= snapshot_index && of_this_log {
            return Ok((engine, loaded));
        }
        tracing::warn!(
            index,
            snapshot_index,
            purged,
            last,
            "the applied state does not fit the log: it is rebuilt"
        );
    }
    if purged > snapshot_index {
        let what = format!("the log begins after {purged}, the newest snapshot is of {snapshot_index}");
        return Err(Error::corrupt(&engine_dir.dir, 0, what));
    }
    engine_dir.rebuild(snapshot)
}

#[allow(clippy::too_many_arguments, reason = "puts together what open has made, once")]
fn start(
    files: Arc<dyn Files>,
    env: &Env,
    options: Options,
    log: LogStore,
    snapshots: SnapshotStore,
    engine_dir: EngineDir,
    engine: Arc<dyn Engine>,
    mut loaded: Loaded,
    lock: DirLock,
) -> Result<Storage, Error> {
    let (sender, commands) = mpsc::channel(limits::WRITER_QUEUE);
    let request_pages = std::mem::take(&mut loaded.request_pages);
    let digest = loaded.digest;
    let shared = Arc::new(Shared::new(loaded, Arc::clone(&engine)));
    let writer = Writer {
        files,
        redo_path: engine_dir.redo_path.clone(),
        engine_dir,
        engine,
        digest,
        request_pages,
        shared: Arc::clone(&shared),
        snapshots: snapshots.clone(),
        log: log.clone(),
        commands,
        _lock: lock.clone(),
    };
    writer::spawn(writer, &env.tasks, options.engine == EngineKind::Sled)?;
    let overlay_bytes = u64::try_from(options.overlay_bytes).unwrap_or(u64::MAX);
    let state = StateHandle {
        shared: Arc::clone(&shared),
        writer: sender.clone(),
        log: log.clone(),
        snapshots: snapshots.clone(),
        snapshot_log_bytes: options.snapshot_log_bytes,
        overlay_bytes,
        snapshot_asked: Arc::new(AtomicU64::new(0)),
    };
    let state_machine = StateMachine {
        shared,
        writer: sender,
        snapshots: snapshots.clone(),
        log: log.clone(),
        overlay_bytes,
        tasks: env.tasks.clone(),
    };
    let alarms = Alarms::new(env.clock.clone());
    Ok(Storage { log, state_machine, state, snapshots, alarms, identity: options.identity, lock })
}
