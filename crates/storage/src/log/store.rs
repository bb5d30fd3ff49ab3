//! The log, as openraft and the rest of storage see it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, RaftTypeConfig};
use parking_lot::Mutex;
use stockade_env::Env;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::read::LogReader;
use super::recovery::{self, Recovered};
use super::shared::{Counters, LogStats, Shared, State};
use super::summary;
use super::worker::{self, Done, Operation, Request, Surroundings, Worker};
use super::writer::Writer;
use super::{Entry, LogId, Vote, frozen};
use crate::file::Files;
use crate::{Error, TypeConfig, limits};

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Holds the segments and nothing else. Made where it doesn't exist.
    pub dir: PathBuf,
    /// Of a segment. May change from start to start.
    pub segment_bytes: u64,
    /// Of entries kept in memory.
    pub cache_bytes: usize,
}

/// The log, for openraft: implements [`RaftLogStorage`]. Cheap to clone; clones share the log.
#[derive(Clone)]
pub struct LogStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    submit: Submit,
    /// Room in the queue, in units of 1,024 bytes.
    room: Arc<Semaphore>,
}

enum Submit {
    /// To the log's thread.
    Thread(mpsc::Sender<Request>, Mutex<Option<JoinHandle<()>>>),
    /// At once, on the caller's thread; `None` after the shutdown.
    Inline(Mutex<Option<Box<Worker>>>),
}

impl LogStore {
    /// Opens the log in a directory, recovering what a crash left behind, and starts the thread that writes it.
    pub fn open(files: Arc<dyn Files>, env: &Env, options: LogOptions) -> Result<Self, Error> {
        Self::open_holding(files, env, options, ())
    }

    /// Like [`LogStore::open`]; the thread holds something until it has ended: the lock on the data directory.
    pub(crate) fn open_holding(
        files: Arc<dyn Files>,
        env: &Env,
        options: LogOptions,
        held: impl Send + 'static,
    ) -> Result<Self, Error> {
        let (shared, worker) = prepare(files, env, options, true)?;
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new().name("wal".to_owned());
        let thread = thread.spawn(move || {
            worker::run(worker, &receiver);
            drop(held);
        });
        let thread = thread.map_err(|source| Error::io(&shared.dir, source))?;
        Ok(Self::new(shared, Submit::Thread(sender, Mutex::new(Some(thread)))))
    }

    /// Like [`LogStore::open`], but what is asked is done before the asking returns, without a thread: for simulation.
    pub fn open_inline(files: Arc<dyn Files>, env: &Env, options: LogOptions) -> Result<Self, Error> {
        let (shared, worker) = prepare(files, env, options, false)?;
        Ok(Self::new(shared, Submit::Inline(Mutex::new(Some(Box::new(worker))))))
    }

    fn new(shared: Arc<Shared>, submit: Submit) -> Self {
        Self(Arc::new(Inner { shared, submit, room: Arc::new(Semaphore::new(limits::LOG_QUEUE_KIB)) }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// As [`LogStore::shared`], for a task that must not keep the log's thread alive.
    pub(crate) fn shared_for_reading(&self) -> Arc<Shared> {
        Arc::clone(&self.0.shared)
    }

    /// The index of the last entry that is safe from a power cut; 0 where there is none. What is derived from the log
    /// must not be made durable beyond it.
    pub fn durable_index(&self) -> u64 {
        *self.shared().durable.borrow()
    }

    /// Tells when [`LogStore::durable_index`] changes.
    pub fn watch_durable(&self) -> watch::Receiver<u64> {
        self.shared().durable.subscribe()
    }

    /// Completes when the log has failed: nothing will become durable any more.
    pub(crate) async fn failed(&self) {
        let mut failure = self.shared().failure.subscribe();
        failure.wait_for(|failed| *failed).await.expect("the sender lives in self");
    }

    /// Bytes of the entries after an index.
    pub fn log_bytes_since(&self, index: u64) -> u64 {
        self.shared().state.lock().index.bytes_after(index)
    }

    /// Completes when all that was asked before is safe from a power cut.
    pub async fn barrier(&self) -> io::Result<()> {
        self.perform(Operation::Barrier).await
    }

    /// The first entry that the log has.
    pub fn first_log_id(&self) -> Option<LogId> {
        self.shared().state.lock().index.first()
    }

    /// The last entry, or what was purged where there is none.
    pub fn last_log_id(&self) -> Option<LogId> {
        self.shared().state.lock().last()
    }

    /// The index of [`LogStore::last_log_id`]; 0 where there is none.
    pub fn last_index(&self) -> u64 {
        summary::index(self.last_log_id()).unwrap_or(0)
    }

    /// The log id at an index; `None` where the log has no such entry.
    pub(crate) fn log_id_at(&self, index: u64) -> Option<LogId> {
        let state = self.shared().state.lock();
        let purged = state.purged.filter(|log_id| log_id.index == index);
        purged.or_else(|| state.index.slot(index).map(|slot| slot.log_id))
    }

    /// The last entry that was purged.
    pub fn purged(&self) -> Option<LogId> {
        self.shared().state.lock().purged
    }

    /// The index of [`LogStore::purged`]; 0 where there is none.
    pub fn purged_index(&self) -> u64 {
        summary::index(self.purged()).unwrap_or(0)
    }

    /// What the log has done since the start.
    pub fn stats(&self) -> LogStats {
        let cached_bytes = self.shared().state.lock().index.cached_bytes();
        LogStats { cached_bytes, ..self.shared().counters.stats() }
    }

    /// Does what the log's thread does while nothing is asked of it: prepares the next segment. For simulation; where there
    /// is a thread, nothing.
    pub fn use_idle_moment(&self) {
        if let Submit::Inline(worker) = &self.0.submit
            && let Some(worker) = worker.lock().as_mut()
        {
            while worker.idle() {}
        }
    }

    /// Syncs all that was asked and ends the log's thread. Afterwards the log can be read, not written.
    pub async fn shutdown(&self) {
        if let Err(error) = self.perform(Operation::Stop).await {
            tracing::debug!(%error, "the log had ended before it was shut down");
        }
        match &self.0.submit {
            Submit::Thread(_, thread) => {
                let thread = thread.lock().take();
                // It has done all that was asked; what is left of it is shorter than handing the wait to another thread.
                if thread.is_some_and(|thread| thread.join().is_err()) {
                    tracing::debug!("the log's thread panicked, and has reported it");
                }
            }
            Submit::Inline(worker) => drop(worker.lock().take()),
        }
    }

    /// Asks for something and waits until it is done.
    pub(crate) async fn perform(&self, operation: Operation) -> io::Result<()> {
        let room = self.room_for(0).await?;
        let (done, waiting) = oneshot::channel();
        self.submit(Request { operation, done: Done::Signal(done), room });
        waiting.await.map_err(|_| closed())?
    }

    /// Asks for something that rides along with the next sync.
    async fn ask(&self, operation: Operation) -> io::Result<()> {
        let room = self.room_for(0).await?;
        self.submit(Request { operation, done: Done::Nobody, room });
        Ok(())
    }

    async fn room_for(&self, bytes: usize) -> io::Result<OwnedSemaphorePermit> {
        let kib = (bytes / 1_024 + 1).min(limits::LOG_QUEUE_KIB);
        let kib = u32::try_from(kib).expect("the queue's limit is far below");
        Arc::clone(&self.0.room).acquire_many_owned(kib).await.map_err(|_| closed())
    }

    fn submit(&self, request: Request) {
        self.shared().counters.queued.fetch_add(1, Ordering::Relaxed);
        match &self.0.submit {
            Submit::Thread(sender, _) => {
                if let Err(mpsc::SendError(request)) = sender.send(request) {
                    self.refuse(request.done);
                }
            }
            Submit::Inline(worker) => match worker.lock().as_mut() {
                Some(worker) => worker.step(vec![request]),
                None => self.refuse(request.done),
            },
        }
    }

    fn refuse(&self, done: Done) {
        self.shared().counters.queued.fetch_sub(1, Ordering::Relaxed);
        done.tell(Err(closed()));
    }

    /// Makes entries readable and queues them. The error is for openraft; the callback goes with the request.
    fn take_in(&self, entries: &[Entry]) -> io::Result<u64> {
        let mut state = self.shared().state.lock();
        state.usable()?;
        let mut last = state.last();
        for entry in entries {
            if last.is_some_and(|last| last.index + 1 != entry.log_id.index) {
                let message =
                    format!("entry {} doesn't follow {last:?}: the log must have no holes", entry.log_id);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            last = Some(entry.log_id);
        }
        for entry in entries {
            state.index.push(entry.clone(), frozen::entry_bytes(entry) as u64, None);
        }
        Ok(state.generation)
    }
}

pub(super) fn prepare(
    files: Arc<dyn Files>,
    env: &Env,
    options: LogOptions,
    threaded: bool,
) -> Result<(Arc<Shared>, Worker), Error> {
    let LogOptions { dir, segment_bytes, cache_bytes } = options;
    files.create_dir(&dir).map_err(|source| Error::io(&dir, source))?;
    let recovered = recovery::recover(files.as_ref(), &dir, cache_bytes as u64)?;
    let Recovered { index, files: segments, resume } = recovered;
    let mut state = State::new(index, &resume.summary);
    state.files.extend(segments);
    let durable = summary::index(state.last()).unwrap_or(0);
    let shared = Arc::new(Shared {
        dir: dir.clone(),
        state: Mutex::new(state),
        durable: watch::Sender::new(durable),
        failure: watch::Sender::new(false),
        counters: Counters::default(),
        tasks: env.tasks.clone(),
        threaded,
    });
    let around = Surroundings { files, dir, segment_bytes, random: env.random.clone() };
    let writer = Writer::open(around, Arc::clone(&shared), resume)?;
    Ok((Arc::clone(&shared), Worker::new(writer, shared, env.tasks.clone())))
}

fn closed() -> io::Error {
    io::Error::other("the log has been shut down")
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStore").field("dir", &self.shared().dir).finish_non_exhaustive()
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: std::ops::RangeBounds<u64> + Clone + fmt::Debug + OptionalSend,
    {
        LogReader(Arc::clone(&self.0.shared)).try_get_log_entries(range).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.vote())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        LogReader(Arc::clone(&self.0.shared)).limited_get_log_entries(start, end).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.shared().state.lock();
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: state.last() })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader(Arc::clone(&self.0.shared))
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.persist_vote(*vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        {
            let mut state = self.shared().state.lock();
            state.usable()?;
            state.committed = committed;
        }
        self.ask(Operation::Committed(committed)).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.committed())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = <TypeConfig as RaftTypeConfig>::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let bytes = entries.iter().map(frozen::entry_bytes).sum();
        // A full queue holds openraft up rather than growing.
        let room = self.room_for(bytes).await?;
        match self.take_in(&entries) {
            Ok(generation) => {
                let operation = Operation::Append(entries, generation);
                self.submit(Request { operation, done: Done::Flushed(callback), room });
                Ok(())
            }
            Err(error) => {
                callback.io_completed(Err(io::Error::new(error.kind(), error.to_string())));
                Err(error)
            }
        }
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let generation = {
            let mut state = self.shared().state.lock();
            state.usable()?;
            let after = summary::index(last_log_id);
            state.index.truncate(after);
            state.generation += 1;
            // At once: what comes in the place of these entries is not on the disk, though its indexes once were.
            let after = after.unwrap_or(0);
            self.shared().durable.send_if_modified(|durable| {
                let lower = *durable > after;
                *durable = after.min(*durable);
                lower
            });
            state.generation
        };
        self.ask(Operation::Truncate(last_log_id, generation)).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut state = self.shared().state.lock();
            state.usable()?;
            if summary::index(state.purged) >= Some(log_id.index) {
                return Ok(());
            }
            state.purged = Some(log_id);
            state.index.purge(log_id.index);
            // What is purged stands in a verified snapshot.
            self.shared().durable.send_if_modified(|durable| {
                let higher = *durable < log_id.index;
                *durable = log_id.index.max(*durable);
                higher
            });
        }
        self.ask(Operation::Purge(log_id)).await
    }
}
