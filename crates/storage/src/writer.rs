//! The writer: brings what was applied into the engine, behind apply and off its way. Hashes over all rows are its work
//! too, since while it makes them nobody writes to the engine; a snapshot it begins, and goes on beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stockade_env::{FailureKind, Tasks};
use stockade_state_machine::document::Document;
use stockade_state_machine::order::Order;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::{Origin, Revision};
use tokio::sync::{mpsc, oneshot};

use crate::applied_row::{self, Position};
use crate::batch::Batch;
use crate::building::{self, Building, SnapshotReply};
use crate::dir_lock::DirLock;
use crate::engine::{ClosedEngine, Engine, RowWrite};
use crate::engine_dir::EngineDir;
use crate::evictable::{Evictable, evict};
use crate::file::Files;
use crate::index::{Gathered, IndexWriter};
use crate::log::LogStore;
use crate::memory::Shared;
use crate::pages::{self, Page};
use crate::rows::{self, Digest};
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::space::{SpaceLevel, SpaceWatch};
use crate::state_handle::StateHash;
use crate::window::Window;
use crate::{Error, keys, limits, postings, redo, reindex, state_hash};

/// What the writer is asked to do; all of it at the end of the window that is applied when it gets there.
#[derive(Debug)]
pub(crate) enum WriterCommand {
    /// Make and publish a snapshot.
    Snapshot(SnapshotReply),
    /// Hash all rows.
    Hash(oneshot::Sender<Result<StateHash, Error>>),
    /// Forget everything and begin again with a snapshot.
    Install(SnapshotFile, oneshot::Sender<Result<(), Error>>),
    /// Write everything, note that the engine was left in order, close it, and end.
    Stop(oneshot::Sender<Result<(), Error>>),
}

/// Brings windows into the engine.
///
/// Invariants:
/// - The engine never holds an entry that the local log could lose in a power cut: a window waits for the log's durable index.
/// - Every window reaches the engine whole: it fits one batch, or a redo file was complete before its first batch.
/// - `digest`, `request_pages`, `index` and `written` describe the engine as it is.
/// - While the disk is full no window is written, unless apply waits for it: else nothing would be answered any more.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) redo_path: PathBuf,
    pub(crate) engine_dir: EngineDir,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) digest: Digest,
    pub(crate) request_pages: BTreeMap<Vec<u8>, Origin>,
    pub(crate) index: IndexWriter,
    /// Up to where the engine has everything.
    pub(crate) written: Position,
    pub(crate) space: SpaceWatch,
    /// Beyond it apply waits for a window to be written.
    pub(crate) overlay_bytes: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) log: LogStore,
    pub(crate) commands: mpsc::Receiver<WriterCommand>,
    /// The snapshot in the making.
    pub(crate) building: Option<Building>,
    /// Who waits for the next one.
    pub(crate) waiting: Vec<SnapshotReply>,
    /// False where there must be no second thread: then everything waits for a snapshot.
    pub(crate) own_threads: bool,
    /// Keeps others out of the directory until the writer has ended.
    pub(crate) _lock: DirLock,
}

/// How a writer ended that was told to.
struct Stopped {
    asker: oneshot::Sender<Result<(), Error>>,
    left_in_order: Result<(), Error>,
}

impl Writer {
    /// Runs until it is told to stop. A failure stops the node: the engine is rebuilt at the next start.
    pub(crate) async fn run(mut self, tasks: Tasks) {
        match self.serve().await {
            Ok(None) => {}
            Ok(Some(stopped)) => {
                // Whoever opens the directory once it is told must not meet the lock.
                drop(self);
                // The asker may have given up waiting.
                let _ = stopped.asker.send(stopped.left_in_order);
            }
            Err(error) => {
                self.engine_dir.distrust();
                tasks.fail_as(error.failure_kind(), "the engine's writer", &error.to_string());
            }
        }
    }

    /// Gives whom to tell that it was stopped, or `None` where nobody asked.
    async fn serve(&mut self) -> Result<Option<Stopped>, Error> {
        loop {
            let shared = Arc::clone(&self.shared);
            let command = tokio::select! {
                biased;
                command = self.commands.recv() => Some(command),
                () = shared.filled.notified() => None,
                () = tokio::time::sleep(limits::WINDOW_TIME) => None,
            };
            match command {
                None => drop(self.write_window().await?),
                // All handles are gone without a word: as after a kill.
                Some(None) => return Ok(None),
                Some(Some(WriterCommand::Stop(asker))) => {
                    self.building = None;
                    self.write_window().await?;
                    let left_in_order = self.engine.flush().and_then(|()| self.engine_dir.note_clean_stop());
                    // Whoever opens the directory next must not meet sled's own lock.
                    self.engine = Arc::new(ClosedEngine);
                    self.shared.memory.write().engine = Arc::clone(&self.engine);
                    return Ok(Some(Stopped { asker, left_in_order }));
                }
                Some(Some(command)) => self.obey(command).await?,
            }
            self.begin_waiting().await?;
        }
    }

    async fn obey(&mut self, command: WriterCommand) -> Result<(), Error> {
        match command {
            WriterCommand::Snapshot(reply) => self.waiting.push(reply),
            WriterCommand::Hash(reply) => {
                let position = self.write_window().await?;
                let _ = reply.send(self.hash(&position));
            }
            WriterCommand::Install(snapshot, reply) => {
                let installed = self.install(snapshot);
                // Both who waits and the writer fail by it, whichever is heard first.
                let failed =
                    installed.as_ref().err().map(|error| error.alike("a snapshot was not installed"));
                let _ = reply.send(installed);
                failed.map_or(Ok(()), Err)?;
            }
            WriterCommand::Stop(_) => unreachable!("handled by the caller"),
        }
        Ok(())
    }

    /// Begins the next snapshot that somebody waits for, once the one in the making is over.
    async fn begin_waiting(&mut self) -> Result<(), Error> {
        if self.building.as_ref().is_some_and(|building| !building.is_over()) {
            return Ok(());
        }
        self.building = None;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let position = self.write_window().await?;
        // All of them asked before it begins, so one serves them all.
        let replies = std::mem::take(&mut self.waiting);
        // The engine is as good as before a failure, and the last snapshot stands.
        if let Err(error) = self.expect_room_for_snapshot() {
            building::tell(replies, &Err(error));
        } else if self.own_threads {
            self.building = Building::begin(&self.snapshots, &self.engine, position, replies);
        } else {
            let never = AtomicBool::new(false);
            building::tell(replies, &self.snapshots.build(self.engine.as_ref(), &position, &never));
        }
        Ok(())
    }

    /// A snapshot that would eat into the reserve, or break off for want of room, is not begun.
    fn expect_room_for_snapshot(&self) -> Result<(), Error> {
        let needed = match self.snapshots.current() {
            // What has come since takes more in rows than it took in the log: ledger and request records come with it.
            Some(last) => {
                let since = self.log.log_bytes_since(last.position().index());
                last.len().saturating_add(since.saturating_mul(2))
            }
            None => self.engine_dir.bytes()?,
        };
        if !self.space.has_room_for(needed) {
            let why = format!("a snapshot takes about {needed}, and the reserve must stay; make room");
            return Err(self.space.no_room(&why));
        }
        Ok(())
    }

    fn write_to_engine(&self, rows: &[RowWrite]) -> Result<(), Error> {
        match &self.building {
            Some(building) => building.write_beside(rows),
            None => self.engine.write(rows),
        }
    }

    fn hash(&self, position: &Position) -> Result<StateHash, Error> {
        let full = state_hash::full(self.engine.as_ref(), position)?;
        Ok(StateHash { applied: Revision::new(position.index()), chain: position.chain, full: Some(full) })
    }

    /// Writes what is applied; gives the position that the engine has then.
    async fn write_window(&mut self) -> Result<Position, Error> {
        if self.space.level() == SpaceLevel::Full {
            // It would eat into what votes and the log need. The alarm tells why, and it is asked for again.
            self.building = None;
        }
        if self.holds_back()? {
            return Ok(self.written.clone());
        }
        if self.building.as_ref().is_some_and(Building::is_far_behind) {
            tracing::warn!("a snapshot is given up: writes come faster than it can keep what was");
            self.building = None;
        }
        let window = {
            let mut window = self.shared.window.lock();
            // Before the window is another one: what is applied and not in the engine must be told all the time.
            let bytes = u64::try_from(window.bytes).expect("lengths fit 64 bits");
            self.shared.in_writing.store(bytes, Ordering::Relaxed);
            let next = Window::after(window.position.clone());
            std::mem::replace(&mut *window, next)
        };
        let position = window.position.clone();
        if window.is_empty() && !self.is_blank()? {
            return Ok(position);
        }
        self.wait_durable(position.index()).await?;
        self.write_rows(&window)?;
        self.written = position.clone();
        self.evict(&window);
        self.shared.in_writing.store(0, Ordering::Relaxed);
        self.shared.drained.notify_waiters();
        Ok(position)
    }

    /// True while what is applied stays in memory because the disk is full, or because a snapshot in the making already
    /// keeps much of what was. An engine without its applied row is written all the same: it takes a page.
    fn holds_back(&self) -> Result<bool, Error> {
        let full = self.space.look() == SpaceLevel::Full;
        let far_behind = self.building.as_ref().is_some_and(Building::is_far_behind);
        Ok((full || far_behind) && self.shared.backlog_bytes() <= self.overlay_bytes && !self.is_blank()?)
    }

    /// True where the engine was never written to: a snapshot needs its applied row even if nothing was applied.
    fn is_blank(&self) -> Result<bool, Error> {
        Ok(self.engine.get(keys::APPLIED)?.is_none())
    }

    /// The local log must not be able to lose what the engine holds. What was never in it, it can't lose.
    async fn wait_durable(&mut self, index: u64) -> Result<(), Error> {
        let index = index.min(self.log.last_index());
        let mut durable = self.log.watch_durable();
        tokio::select! {
            biased;
            reached = durable.wait_for(|durable| *durable >= index) => {
                reached.expect("the sender lives in the log");
                Ok(())
            }
            () = self.log.failed() => {
                Err(Error::Engine(format!("the log failed before entry {index} was durable")))
            }
        }
    }

    fn write_rows(&mut self, window: &Window) -> Result<(), Error> {
        let engine = Arc::clone(&self.engine);
        let mut batch = Batch::new(engine.as_ref(), self.digest);
        window.put_rows(&mut batch)?;
        let mut postings = Gathered::default();
        for row in window.ledger.rows() {
            postings::add_ledger_row(row.first, row.names(), &mut postings);
            batch.put(row.key, Some(row.value))?;
        }
        postings::add_orders(&window.listed, &mut postings);
        self.index.put(&postings, &mut batch)?;
        self.put_request_pages(window, &mut batch)?;
        let (mut rows, digest) = batch.finish();
        self.digest = digest;
        let applied = applied_row::encode(&window.position, self.digest);
        rows.extend(applied_row::rows(engine.as_ref(), &applied)?);
        let in_one_batch = rows.len() <= limits::ENGINE_BATCH_ROWS;
        if !in_one_batch {
            redo::write(self.files.as_ref(), &self.redo_path, &rows)?;
        }
        for part in rows.chunks(limits::ENGINE_BATCH_ROWS) {
            self.write_to_engine(part)?;
        }
        // Until this is done a crash of the process may lose the batches, so the redo file stays till then.
        engine.flush()?;
        if !in_one_batch {
            redo::remove(self.files.as_ref(), &self.redo_path)?;
        }
        Ok(())
    }

    /// Packs the new request records, and removes the pages of which every record has left.
    fn put_request_pages(&mut self, window: &Window, batch: &mut Batch<'_>) -> Result<(), Error> {
        let mut origins = window.requests.iter().map(|(origin, _)| origin);
        let pages = pages::pack(window.requests.iter().map(|(_, item)| item));
        let key = |page: &Page| keys::page(keys::REQUEST, page.revision, page.position);
        for page in &pages {
            let last = origins.by_ref().take(page.items).max().expect("no page is empty").clone();
            self.request_pages.insert(key(page), last);
        }
        let trimmed = window.position.trimmed.as_ref();
        let mut gone = BTreeSet::new();
        while let Some(page) = self.request_pages.first_entry()
            && trimmed.is_some_and(|trimmed| page.get() <= trimmed)
        {
            gone.insert(page.remove_entry().0);
        }
        for page in &pages {
            // Of records that came and left with this window the engine has none.
            if !gone.remove(&key(page)) {
                batch.put(key(page).into(), Some(rows::whole(&page.bytes)))?;
            }
        }
        gone.into_iter().try_for_each(|key| batch.put(key.into(), None))
    }

    /// What is in the engine now and won't change without being named by a command may leave memory.
    fn evict(&mut self, window: &Window) {
        self.shared.note_written(&window.position, self.index.publish());
        self.evict_rows::<Arc<Order>>(&window.orders);
        self.evict_rows::<Arc<Reservation>>(&window.reservations);
        self.evict_rows::<Document>(&window.documents);
    }

    fn evict_rows<T: Evictable>(&self, ids: &[T::Id]) {
        // A bounded number at a time, so that apply and readers are not held up.
        for ids in ids.chunks(limits::EVICT_BATCH) {
            evict::<T>(&mut self.shared.memory.write(), ids);
        }
    }

    /// Begins again with a snapshot: what was applied before it is dropped with its engine. Nothing is applied meanwhile,
    /// and the window goes before any other command can write it into the new engine.
    fn install(&mut self, snapshot: SnapshotFile) -> Result<(), Error> {
        // One in the making is older, and of an engine that goes: this one is as good to whoever waits for it.
        let waiting = self.building.take().map_or_else(Vec::new, Building::abandon);
        let installed = self.replace_with(snapshot);
        building::tell(waiting, &installed);
        installed.map(|_| ())
    }

    fn replace_with(&mut self, snapshot: SnapshotFile) -> Result<SnapshotFile, Error> {
        let snapshot = self.snapshots.publish(snapshot)?;
        redo::remove(self.files.as_ref(), &self.redo_path)?;
        let (engine, mut loaded) = self.engine_dir.rebuild(Some(&snapshot))?;
        self.index = reindex::open(engine.as_ref(), &mut loaded)?;
        self.engine = Arc::clone(&engine);
        self.digest = loaded.digest;
        self.request_pages.clone_from(&loaded.request_pages);
        self.written = loaded.position.clone();
        self.shared.replace(loaded, self.index.publish(), engine);
        Ok(snapshot)
    }
}

/// Starts the writer: on a thread of its own, or where the engine is in memory as a task, so that a simulation has
/// no second thread.
pub(crate) fn spawn(writer: Writer, tasks: &Tasks, own_thread: bool) -> Result<(), Error> {
    let failures = tasks.clone();
    if !own_thread {
        tasks.spawn("engine writer", writer.run(failures));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Error::Engine(format!("no runtime for the writer: {error}")))?;
    let thread = std::thread::Builder::new().name("engine-writer".to_owned());
    let (on_panic, space) = (tasks.clone(), writer.space.clone());
    let body = move || {
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(writer.run(failures)));
        if std::panic::catch_unwind(run).is_err() {
            // sled asserts where others would give an error: a disk without any room is told from a bug by looking.
            let (kind, cause) = if space.is_exhausted() {
                (FailureKind::DiskFull, "panicked, and the disk has no room left")
            } else {
                (FailureKind::Bug, "panicked")
            };
            on_panic.fail_as(kind, "the engine's writer", cause);
        }
    };
    thread.spawn(body).map_err(|error| Error::Engine(format!("no thread for the writer: {error}")))?;
    Ok(())
}
