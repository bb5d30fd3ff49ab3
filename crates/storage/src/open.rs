//! Opening a node's data directory: whose it is, what is in it, and the way back to a whole state after a crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::storage::RaftLogStorage;
use stockade_env::Env;
use tokio::sync::mpsc;

use crate::alarms::Alarms;
use crate::applied_row::LogId;
use crate::applier::StateMachine;
use crate::chain_marks::CHAIN_MARK_EVERY;
use crate::dir_lock::DirLock;
use crate::engine::{Engine, EngineKind};
use crate::engine_dir::{EngineDir, Opened};
use crate::executor::Executor;
use crate::file::Files;
use crate::identity::{self, Identity};
use crate::load::Loaded;
use crate::log::{LogOptions, LogStore};
use crate::memory::Shared;
use crate::quarantine::{self, QuarantineFile};
use crate::restore::BackupId;
use crate::scrub::Scrub;
use crate::skip::SkipList;
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::space::{SpaceMarks, SpaceWatch};
use crate::writer::{self, Writer};
use crate::{Error, StateHandle, catch_up, layout, limits, reindex};

/// See [`Options::scrub_bytes_per_second`]: a disk of a terabyte takes three days, and nobody notices it.
pub const DEFAULT_SCRUB_BYTES_PER_SECOND: u64 = 4 << 20;

/// How a node keeps its data. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds everything the node has.
    pub dir: PathBuf,
    /// Whose the directory is, or becomes where it is empty.
    pub identity: Identity,
    /// The backup that the cluster began with; noted in an empty directory.
    pub restored_from: Option<BackupId>,
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
    /// At most so much of the log and the snapshot is read again in a second, to find what rots; 0 switches it off.
    pub scrub_bytes_per_second: u64,
    /// Log indexes that are multiples of it have a chain mark; the same on all nodes. Tests make it smaller.
    pub chain_mark_every: u64,
    /// When the node becomes read-only for want of room; off by default.
    pub space: SpaceMarks,
}

impl Options {
    /// The defaults, for a directory.
    pub fn new(dir: PathBuf, identity: Identity) -> Self {
        Self {
            dir,
            identity,
            restored_from: None,
            engine: EngineKind::Sled,
            segment_bytes: 64 << 20,
            log_cache_bytes: 64 << 20,
            overlay_bytes: 256 << 20,
            snapshot_log_bytes: 256 << 20,
            sled_cache_bytes: 64 << 20,
            scrub_bytes_per_second: DEFAULT_SCRUB_BYTES_PER_SECOND,
            chain_mark_every: CHAIN_MARK_EVERY,
            space: SpaceMarks::default(),
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
    /// How much room the disk has.
    pub space: SpaceWatch,
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
    let alarms = Alarms::new(env.clock.clone());
    let space = SpaceWatch::new(Arc::clone(&files), dir.clone(), options.space, alarms.clone());
    // What follows may write a segment of the log and the whole applied state anew: better not begun than broken off.
    space.expect_room()?;
    identity::claim(files.as_ref(), dir, &options.identity, options.restored_from)?;
    quarantine::refuse(files.as_ref(), dir)?;
    let log_options = LogOptions {
        dir: dir.join(layout::LOG_DIR),
        segment_bytes: options.segment_bytes,
        cache_bytes: options.log_cache_bytes,
    };
    let log = match options.engine {
        EngineKind::Sled => LogStore::open_holding(Arc::clone(&files), env, log_options, lock.clone())?,
        EngineKind::Memory => LogStore::open_inline(Arc::clone(&files), env, log_options)?,
    };
    // Where nothing will read it again while the node runs, the start does.
    let check_bytes =
        if options.scrub_bytes_per_second == 0 { u64::MAX } else { limits::SNAPSHOT_CHECK_BYTES };
    let snapshots = SnapshotStore::open(Arc::clone(&files), dir.join(layout::SNAPSHOT_DIR), check_bytes)?;
    let engine_dir = EngineDir {
        files: Arc::clone(&files),
        dir: dir.join(layout::ENGINE_DIR),
        redo_path: dir.join(layout::REDO_FILE),
        kind: options.engine,
        cache_bytes: options.sled_cache_bytes,
    };
    // Directories made since the start are safe from a power cut only now.
    files.sync_dir(dir).map_err(|source| Error::io(dir, source))?;
    let snapshot = snapshots.current();
    let snapshots_dir = dir.join(layout::SNAPSHOT_DIR);
    let (engine, loaded) = recover(&engine_dir, &log, snapshot.as_ref(), &snapshots_dir, options.engine)?;
    finish_install(&log, snapshot.as_ref(), dir).await?;
    start(files, env, options, alarms, space, log, snapshots, engine_dir, engine, loaded, lock)
}

/// The applied state as the last run left it, or rebuilt from the newest snapshot; the log brings it up to date.
fn recover(
    engine_dir: &EngineDir,
    log: &LogStore,
    snapshot: Option<&SnapshotFile>,
    snapshots_dir: &Path,
    kind: EngineKind,
) -> Result<Opened, Error> {
    let purged = log.purged_index();
    let last = log.last_index();
    let snapshot_index = snapshot.map_or(0, |snapshot| snapshot.position().index());
    check_root(log, snapshot, snapshots_dir)?;
    let trusted = match kind {
        EngineKind::Sled => engine_dir.open_trusted()?,
        EngineKind::Memory => None,
    };
    if let Some((engine, loaded)) = trusted {
        let index = loaded.position.index();
        let snapshot_log_id = snapshot.and_then(|snapshot| snapshot.position().log_id);
        let of_this_log = match loaded.position.log_id {
            None => purged == 0,
            Some(log_id) => Some(log_id) == snapshot_log_id || log.log_id_at(index) == Some(log_id),
        };
        if index >= snapshot_index && of_this_log {
            return Ok((engine, loaded));
        }
        check_not_ahead(log, loaded.position.log_id, snapshot_index)?;
        tracing::warn!(
            index,
            snapshot_index,
            purged,
            last,
            "the applied state does not fit the log: it is rebuilt"
        );
    }
    engine_dir.rebuild(snapshot)
}

/// The newest snapshot reaches to where the log begins, and is of this log. Checked even where the engine needs neither: a
/// follower may, and the engine may be gone tomorrow.
fn check_root(log: &LogStore, snapshot: Option<&SnapshotFile>, snapshots_dir: &Path) -> Result<(), Error> {
    let purged = log.purged_index();
    let Some(snapshot) = snapshot else {
        if purged == 0 {
            return Ok(());
        }
        return Err(Error::corrupt(
            snapshots_dir,
            0,
            format!("the log begins after {purged}, and there is no snapshot"),
        ));
    };
    let index = snapshot.position().index();
    if purged > index {
        let what = format!("the log begins after {purged}, the newest snapshot is of {index}");
        return Err(Error::corrupt(snapshot.path(), 0, what));
    }
    // A conflict is cut from the log before a snapshot is installed.
    match (log.log_id_at(index), snapshot.position().log_id) {
        (Some(in_log), Some(of_snapshot)) if in_log != of_snapshot => {
            let what = format!("it ends with entry {of_snapshot}, the log has {in_log} in its place");
            Err(Error::corrupt(snapshot.path(), 0, what))
        }
        _ => Ok(()),
    }
}

/// A crash between the install of a snapshot and the purge behind it leaves a log that ends before the snapshot. Where it
/// ends with an entry of a later term, which was never committed, openraft takes it for newer than the snapshot and keeps
/// it; what comes next would not fit behind it.
async fn finish_install(log: &LogStore, snapshot: Option<&SnapshotFile>, dir: &Path) -> Result<(), Error> {
    let Some(log_id) = snapshot.and_then(|snapshot| snapshot.position().log_id) else { return Ok(()) };
    if log.last_index() < log_id.index && log.last_log_id() > Some(log_id) {
        tracing::info!(%log_id, "finishing the install of a snapshot that a crash interrupted");
        let io = |source| Error::io(dir, source);
        log.clone().purge(log_id).await.map_err(io)?;
        log.barrier().await.map_err(io)?;
    }
    Ok(())
}

/// The applied state never holds what the log could still lose: the writer waits until an entry is durable, what is applied
/// is committed, and what is committed is never truncated. So where a state that can be trusted holds an entry that is
/// neither in the log nor covered by the snapshot, the log has lost entries that this node acknowledged.
///
/// A state older than the snapshot is no such proof. A snapshot that is installed is published before the engine is made
/// from it, and the log is purged up to it only after that: a crash in between leaves the engine of before, and a log that
/// ends before the snapshot. There the state is rebuilt. When openraft cuts a log that conflicts with the snapshot, it
/// cuts what is not committed, so the entry of the engine of before stays in the log as well.
fn check_not_ahead(log: &LogStore, applied: Option<LogId>, snapshot_index: u64) -> Result<(), Error> {
    let Some(applied) = applied.filter(|applied| applied.index > snapshot_index) else { return Ok(()) };
    let (index, last) = (applied.index, log.last_index());
    let instead = match log.log_id_at(index) {
        Some(other) => format!("has entry {other} in its place"),
        None => format!("ends at {last}"),
    };
    let what = format!(
        "entry {applied} was applied, but the log {instead}, and the newest snapshot is of {snapshot_index}: \
         the log has lost entries that were on the disk"
    );
    Err(Error::corrupt(&log.shared().dir, 0, what))
}

#[allow(clippy::too_many_arguments, reason = "puts together what open has made, once")]
fn start(
    files: Arc<dyn Files>,
    env: &Env,
    options: Options,
    alarms: Alarms,
    space: SpaceWatch,
    log: LogStore,
    snapshots: SnapshotStore,
    engine_dir: EngineDir,
    engine: Arc<dyn Engine>,
    mut loaded: Loaded,
    lock: DirLock,
) -> Result<Storage, Error> {
    let snapshot_index = snapshots.current().map_or(0, |snapshot| snapshot.position().index());
    let skips = SkipList::open(files.as_ref(), &options.dir, snapshot_index)?;
    let (sender, commands) = mpsc::channel(limits::WRITER_QUEUE);
    let request_pages = std::mem::take(&mut loaded.request_pages);
    let mut index = reindex::open(engine.as_ref(), &mut loaded)?;
    let digest = loaded.digest;
    let written = loaded.position.clone();
    let overlay_bytes = u64::try_from(options.overlay_bytes).unwrap_or(u64::MAX);
    space.start(&env.tasks);
    let published = index.publish();
    let shared = Arc::new(Shared::new(loaded, published, Arc::clone(&engine), options.chain_mark_every));
    let quarantine = QuarantineFile { files: Arc::clone(&files), dir: options.dir.clone() };
    let writer = Writer {
        files: Arc::clone(&files),
        redo_path: engine_dir.redo_path.clone(),
        engine_dir,
        engine,
        digest,
        request_pages,
        index,
        written,
        space: space.clone(),
        overlay_bytes,
        shared: Arc::clone(&shared),
        snapshots: snapshots.clone(),
        log: log.clone(),
        commands,
        building: None,
        waiting: Vec::new(),
        own_threads: options.engine == EngineKind::Sled,
        _lock: lock.clone(),
    };
    writer::spawn(writer, &env.tasks, options.engine == EngineKind::Sled)?;
    let state = StateHandle {
        shared: Arc::clone(&shared),
        writer: sender.clone(),
        log: log.clone(),
        snapshots: snapshots.clone(),
        snapshot_log_bytes: options.snapshot_log_bytes,
        overlay_bytes,
        scrub: Scrub::new(),
        quarantine,
    };
    state.scrub.start(env, files, options.scrub_bytes_per_second, &state, alarms.clone());
    let committed = log.committed().map_or(0, |log_id| log_id.index);
    catch_up::tell(&env.tasks, shared.applied.subscribe(), committed);
    let executor = Executor {
        shared,
        overlay_bytes,
        skips,
        tasks: env.tasks.clone(),
        spare: parking_lot::Mutex::default(),
    };
    let state_machine = StateMachine {
        executor: Arc::new(executor),
        writer: sender,
        snapshots: snapshots.clone(),
        log: log.clone(),
    };
    Ok(Storage { log, state_machine, state, snapshots, alarms, space, identity: options.identity, lock })
}
