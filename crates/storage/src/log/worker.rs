//! The worker: takes what is asked of the log in order, writes it, syncs once for all that has gathered, answers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use openraft::storage::IOFlushed;
use stockade_env::{FailureKind, Random, Tasks};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::frozen::{self, BoundV1, LogIdV1};
use super::index::Location;
use super::record::RecordType;
use super::shared::Shared;
use super::summary;
use super::writer::Writer;
use super::{Entry, LogId, Vote, entries, vote};
use crate::file::Files;
use crate::{Error, TypeConfig, limits};

/// Something asked of the log.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Entries behind the last one; the number of truncations asked for before them.
    Append(Vec<Entry>, u64),
    /// A vote.
    Vote(Vote),
    /// The entries after this are no more; the number of truncations asked for, this one included.
    Truncate(Option<LogId>, u64),
    /// The entries up to this are no more.
    Purge(LogId),
    /// How far the log is committed.
    Committed(Option<LogId>),
    /// The segment with this number is not to be written to any more.
    LeaveSegment(u64),
    /// Nothing, but all that was asked before must be on the disk.
    Barrier,
    /// As a barrier; then the worker ends.
    Stop,
}

impl Operation {
    /// True where the answer promises that it is on the disk. The others ride along with the next that is.
    fn needs_sync(&self) -> bool {
        match self {
            Self::Append(..) | Self::Vote(_) | Self::LeaveSegment(_) | Self::Barrier | Self::Stop => true,
            Self::Truncate(..) | Self::Purge(_) | Self::Committed(_) => false,
        }
    }
}

/// Who is told.
pub(crate) enum Done {
    /// openraft, through its callback.
    Flushed(IOFlushed<TypeConfig>),
    /// A caller that waits.
    Signal(oneshot::Sender<io::Result<()>>),
    /// Nobody.
    Nobody,
}

impl Done {
    pub(crate) fn tell(self, result: io::Result<()>) {
        match self {
            Self::Flushed(callback) => callback.io_completed(result),
            // Who doesn't wait any more doesn't need to know.
            Self::Signal(waiting) => drop(waiting.send(result)),
            Self::Nobody => {}
        }
    }
}

/// An operation in the queue.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) done: Done,
    /// Its room in the queue, given back when it is done.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Takes what is asked of the log, on a thread of its own or on the caller's.
///
/// Invariants:
/// - Who is told of success had everything asked up to then synced; they are told in the order they asked.
/// - After the first failure nothing is written any more, the watermark included, and everybody is told of it.
/// - The watermark follows each step: it covers what the step has synced when the next one begins.
pub(crate) struct Worker {
    writer: Writer,
    shared: Arc<Shared>,
    tasks: Tasks,
    /// The number of truncations asked for before what was written last.
    generation: u64,
    failed: Option<String>,
}

/// What a step leaves to be told to readers.
#[derive(Default)]
struct Outcome {
    placed: Vec<(LogId, Location)>,
    vote: Option<Vote>,
}

impl Worker {
    pub(crate) fn new(writer: Writer, shared: Arc<Shared>, tasks: Tasks) -> Self {
        Self { writer, shared, tasks, generation: 0, failed: None }
    }

    /// Does what is asked, with at most one sync for all of it unless a segment fills up.
    pub(crate) fn step(&mut self, requests: Vec<Request>) {
        let last = requests.iter().any(|request| matches!(request.operation, Operation::Stop));
        self.shared.counters.step_begins();
        self.shared.counters.queued.fetch_sub(requests.len() as u64, Ordering::Relaxed);
        if self.failed.is_none() {
            match self.write(&requests) {
                Ok(outcome) => self.publish(outcome),
                Err(error) => self.fail(&error),
            }
        }
        for Request { done, room, operation: _ } in requests {
            done.tell(match &self.failed {
                None => Ok(()),
                Some(why) => Err(io::Error::other(why.clone())),
            });
            drop(room);
        }
        // After they were told, so that nobody waits for it.
        self.aside(|writer| if last { writer.note_durable_for_good() } else { writer.note_durable() });
        self.shared.counters.step_ends();
    }

    /// Uses a moment in which nothing is asked. False when there is nothing left to use it for.
    pub(super) fn idle(&mut self) -> bool {
        self.shared.counters.step_begins();
        let more = self.aside(Writer::prepare).unwrap_or(false);
        self.shared.counters.step_ends();
        more
    }

    /// Does something that nobody asked for; `None` where the log has failed.
    fn aside<T>(&mut self, work: impl FnOnce(&mut Writer) -> Result<T, Error>) -> Option<T> {
        if self.failed.is_some() {
            return None;
        }
        match work(&mut self.writer) {
            Ok(done) => Some(done),
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    fn write(&mut self, requests: &[Request]) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        for request in requests {
            self.write_one(&request.operation, &mut outcome)?;
        }
        self.writer.flush()?;
        if requests.iter().any(|request| request.operation.needs_sync()) {
            self.writer.sync()?;
            self.writer.recycle()?;
        }
        Ok(outcome)
    }

    fn write_one(&mut self, operation: &Operation, outcome: &mut Outcome) -> Result<(), Error> {
        let bound = |id: Option<LogId>| frozen::encode(&BoundV1(id.map(LogIdV1::from)));
        match operation {
            Operation::Append(appended, generation) => {
                self.generation = *generation;
                self.write_entries(appended, outcome)
            }
            Operation::Vote(new) => {
                let (record_type, payload) = vote::record(*new);
                self.writer.put(record_type, &payload)?;
                self.writer.summary.vote = Some(*new);
                outcome.vote = Some(*new);
                Ok(())
            }
            Operation::Truncate(after, generation) => {
                self.generation = *generation;
                self.writer.put(RecordType::Truncate, &bound(*after))?;
                self.writer.summary.truncate(*after);
                self.writer.uses.truncate(summary::index(*after));
                Ok(())
            }
            Operation::Purge(upto) => {
                self.writer.put(RecordType::Purge, &bound(Some(*upto)))?;
                self.writer.summary.purge(*upto);
                Ok(())
            }
            Operation::Committed(committed) => {
                self.writer.put(RecordType::Committed, &bound(*committed))?;
                self.writer.summary.committed = *committed;
                Ok(())
            }
            Operation::LeaveSegment(number) => self.writer.leave(*number),
            Operation::Barrier | Operation::Stop => Ok(()),
        }
    }

    fn write_entries(&mut self, appended: &[Entry], outcome: &mut Outcome) -> Result<(), Error> {
        let mut rest = appended;
        while !rest.is_empty() {
            let mut payload = Vec::new();
            let mut frames = Vec::new();
            let taken = rest.iter().take_while(|entry| {
                let room = payload.len() < limits::RECORD_FILL_BYTES;
                if room {
                    frames.push((entry.log_id, payload.len() as u64));
                    entries::push(&mut payload, entry);
                }
                room
            });
            let (record, left) = rest.split_at(taken.count());
            let start = self.writer.put(RecordType::Entries, &payload)?;
            outcome.placed.extend(frames.into_iter().map(|(log_id, skip)| {
                (log_id, Location { segment: start.segment, offset: start.offset + skip })
            }));
            let last = record.last().expect("a record takes one entry at least").log_id;
            self.writer.summary.last = Some(last);
            self.writer.uses.wrote(last.index);
            rest = left;
        }
        Ok(())
    }

    fn publish(&self, outcome: Outcome) {
        let mut state = self.shared.state.lock();
        for (log_id, location) in outcome.placed {
            state.index.place(log_id, location);
        }
        state.index.evict();
        if let Some(vote) = outcome.vote {
            state.vote = Some(vote);
        }
        // Entries of an older generation may have been replaced in memory by others that are not written yet.
        if self.generation == state.generation && self.writer.is_synced() {
            let durable = summary::index(summary::later(state.purged, self.writer.summary.last)).unwrap_or(0);
            self.shared.durable.send_if_modified(|known| std::mem::replace(known, durable) != durable);
        }
    }

    fn fail(&mut self, error: &Error) {
        let why = format!("the log failed and takes nothing more: {error}");
        // First of all: whoever hears of it next fails too, and knows less of why.
        self.tasks.fail_as(error.failure_kind(), "wal", &error.to_string());
        self.shared.state.lock().failed = Some(why.clone());
        self.shared.failure.send_replace(true);
        self.failed = Some(why);
    }
}

/// The log's thread: ends when it is told to, or when nobody can ask any more.
pub(crate) fn run(mut worker: Worker, requests: &Receiver<Request>) {
    let guard = PanicGuard(worker.tasks.clone(), Arc::clone(&worker.shared));
    let mut idle_work = true;
    loop {
        let first = if idle_work {
            match requests.recv_timeout(limits::LOG_IDLE_TIME) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    idle_work = worker.idle();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        } else {
            // Everybody is gone without a word, as after a kill: nothing is written behind their backs.
            let Ok(request) = requests.recv() else { return };
            request
        };
        let mut gathered = vec![first];
        // No lingering: what comes while this step syncs makes up the next one.
        while gathered.len() < limits::LOG_STEP_REQUESTS {
            let Ok(request) = requests.try_recv() else { break };
            gathered.push(request);
        }
        let stop = gathered.iter().any(|request| matches!(request.operation, Operation::Stop));
        worker.step(gathered);
        idle_work = true;
        if stop {
            break;
        }
    }
    drop(guard);
}

/// Reports a panic of the log's thread.
struct PanicGuard(Tasks, Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_as(FailureKind::Bug, "wal", "panicked");
            self.1.state.lock().failed = Some("the log's thread panicked".to_owned());
            self.1.failure.send_replace(true);
        }
    }
}

/// What the writer needs of the world.
pub(crate) struct Surroundings {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) random: Random,
}
