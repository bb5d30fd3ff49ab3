//! Proposals at the leader: commands are gathered into log entries, entries are handed to Raft, replies go back.
//!
//! Nothing waits while Raft is idle. While entries are in flight commands gather, so that under load an entry carries
//! many. The time of an entry is this node's clock when it is proposed; apply never lets log time go back. So log time
//! never runs ahead of the fastest leader's clock; nothing here bounds how far that clock is from the others'.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use stockade_state_machine::{LogTime, Outcome, Rejection, Reply};
use stockade_storage::{TypeConfig, codec};
use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore, mpsc, oneshot,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::ProposeError;
use crate::limits;
use crate::node::Inner;

type Answer = Result<Reply, ProposeError>;

/// How far a command has come. Its caller and the proposer agree by it what a passed deadline means.
///
/// Invariants:
/// - `GIVEN_UP` is never left; a command in it is not proposed.
/// - `PROPOSED` is left only when it is known that the command had no effect and never will by that entry.
#[derive(Debug)]
struct Progress(AtomicU8);

const WAITING: u8 = 0;
const PROPOSED: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Progress {
    /// False where the caller has given up.
    fn propose(&self) -> bool {
        self.0.compare_exchange(WAITING, PROPOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// False where it was proposed before.
    fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn wait_again(&self) {
        self.0.store(WAITING, Ordering::Release);
    }
}

/// A command on its way through the proposer.
#[derive(Debug)]
pub(crate) struct Waiting {
    request: Bytes,
    deadline: Instant,
    progress: Arc<Progress>,
    reply: oneshot::Sender<Answer>,
    /// Its share of what may be in flight.
    _room: OwnedSemaphorePermit,
    _taken: OwnedRwLockReadGuard<()>,
}

impl Waiting {
    fn answer(self, answer: Answer) {
        // A caller that is gone doesn't hear it.
        let _ = self.reply.send(answer);
    }
}

/// Takes proposals. A task, [`run`], has the rest.
#[derive(Debug)]
pub(crate) struct Proposals {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    /// Read by every command from when it is taken until it is answered, written by who wants none.
    gate: Arc<RwLock<()>>,
}

impl Proposals {
    /// Room for so many bytes, and the queue that [`run`] reads.
    pub(crate) fn new(max_in_flight_bytes: usize) -> (Self, mpsc::Receiver<Waiting>) {
        let (queue, receiver) = mpsc::channel(limits::PROPOSAL_QUEUE);
        let room = Arc::new(Semaphore::new(max_in_flight_bytes.min(Semaphore::MAX_PERMITS)));
        (Self { queue, room, gate: Arc::default() }, receiver)
    }

    /// Takes no more commands, from the first look at this on and as long as it or what it gives lives. Completes when those
    /// that were taken before are answered.
    pub(crate) fn close(&self) -> impl Future<Output = OwnedRwLockWriteGuard<()>> + use<> {
        Arc::clone(&self.gate).write_owned()
    }

    /// True while no commands are taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.gate.try_read().is_err()
    }

    /// Bytes of commands that still may come.
    pub(crate) fn room_bytes(&self) -> usize {
        self.room.available_permits()
    }

    /// Queues a command and waits for its reply. The caller has made sure that this node leads.
    pub(crate) async fn propose(&self, request: Bytes, deadline: Instant) -> Answer {
        let bytes = u32::try_from(request.len()).map_err(|_| ProposeError::Overloaded)?;
        let room =
            Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| ProposeError::Overloaded)?;
        let closed = |_| ProposeError::NotLeader { leader: None };
        let taken = Arc::clone(&self.gate).try_read_owned().map_err(closed)?;
        let progress = Arc::new(Progress(AtomicU8::new(WAITING)));
        let (reply, answer) = oneshot::channel();
        let waiting =
            Waiting { request, deadline, progress: Arc::clone(&progress), reply, _room: room, _taken: taken };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ProposeError::ShuttingDown,
        })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // The proposer is gone.
            Ok(Err(_)) if progress.give_up() => Err(ProposeError::ShuttingDown),
            Err(_) if progress.give_up() => Err(ProposeError::TimedOut),
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        }
    }
}

/// What came of an entry; `None` where nothing did.
type Written = Option<ClientWriteResult<TypeConfig>>;

/// An entry in flight.
struct InFlight {
    commands: Vec<Waiting>,
    written: Written,
}

/// Gathers commands and proposes them.
struct Proposer {
    node: Arc<Inner>,
    gathered: VecDeque<Waiting>,
    gathered_bytes: usize,
    in_flight: FuturesUnordered<BoxFuture<'static, InFlight>>,
}

/// Proposes what is queued until the node stops.
pub(crate) async fn run(node: Arc<Inner>, mut queue: mpsc::Receiver<Waiting>) {
    let mut proposer = Proposer {
        node: Arc::clone(&node),
        gathered: VecDeque::new(),
        gathered_bytes: 0,
        in_flight: FuturesUnordered::new(),
    };
    loop {
        while !proposer.is_full()
            && let Ok(waiting) = queue.try_recv()
        {
            proposer.gather(waiting);
        }
        if proposer.may_propose() {
            proposer.propose().await;
            continue;
        }
        let (full, flying) = (proposer.is_full(), !proposer.in_flight.is_empty());
        tokio::select! {
            Some(entry) = proposer.in_flight.next(), if flying => proposer.settle(entry),
            waiting = queue.recv(), if !full => match waiting {
                Some(waiting) => proposer.gather(waiting),
                None => break,
            },
            () = node.stopping() => break,
        }
    }
    queue.close();
    while let Ok(waiting) = queue.try_recv() {
        proposer.gather(waiting);
    }
    for waiting in proposer.gathered.drain(..) {
        waiting.answer(Err(ProposeError::ShuttingDown));
    }
    // What was proposed still may be answered while Raft comes to rest; the end of the task tells the others.
    while let Some(entry) = proposer.in_flight.next().await {
        proposer.settle(entry);
    }
}

impl Proposer {
    fn is_full(&self) -> bool {
        self.gathered.len() >= limits::MAX_ENTRY_COMMANDS || self.gathered_bytes >= limits::MAX_ENTRY_BYTES
    }

    fn may_propose(&self) -> bool {
        let room = if self.is_full() {
            limits::MAX_ENTRIES_IN_FLIGHT
        } else {
            limits::MAX_PARTIAL_ENTRIES_IN_FLIGHT
        };
        !self.gathered.is_empty() && self.in_flight.len() < room
    }

    fn gather(&mut self, waiting: Waiting) {
        self.gathered_bytes += waiting.request.len();
        self.gathered.push_back(waiting);
    }

    /// Hands one entry to Raft, unless nobody wants its commands any more.
    async fn propose(&mut self) {
        let now = Instant::now();
        let mut commands = Vec::with_capacity(self.gathered.len().min(limits::MAX_ENTRY_COMMANDS));
        let mut bytes = 0;
        while commands.len() < limits::MAX_ENTRY_COMMANDS
            && bytes < limits::MAX_ENTRY_BYTES
            && let Some(waiting) = self.gathered.pop_front()
        {
            self.gathered_bytes -= waiting.request.len();
            if waiting.deadline <= now {
                waiting.answer(Err(ProposeError::TimedOut));
            } else if !waiting.reply.is_closed() && waiting.progress.propose() {
                bytes += waiting.request.len();
                commands.push(waiting);
            }
        }
        if commands.is_empty() {
            return;
        }
        let requests: Vec<Bytes> = commands.iter().map(|waiting| waiting.request.clone()).collect();
        let time = LogTime::from_micros(self.node.env.clock.now_us());
        let proposal = codec::assemble_proposal(time, &requests);
        let (responder, written) = ProgressResponder::complete_only();
        if self.node.raft.client_write_ff(proposal, Some(responder)).await.is_err() {
            // Raft didn't take it: it has stopped.
            for waiting in commands {
                waiting.answer(Err(ProposeError::ShuttingDown));
            }
            return;
        }
        self.in_flight.push(Box::pin(async move {
            // Where the lease is lost, Raft may never answer; the place in flight must come free all the same.
            let written = timeout(limits::ENTRY_ANSWER_TIMEOUT, written).await.ok().and_then(Result::ok);
            InFlight { commands, written }
        }));
    }

    /// Gives the commands of an entry their replies.
    fn settle(&mut self, entry: InFlight) {
        let InFlight { commands, written } = entry;
        let error = match written {
            Some(Ok(response)) => {
                let replies = response.data.0;
                assert_eq!(replies.len(), commands.len(), "an entry has a reply for each of its commands");
                self.reply(commands, &replies);
                return;
            }
            // Never appended.
            Some(Err(ClientWriteError::ForwardToLeader(forward))) => {
                ProposeError::NotLeader { leader: forward.leader_id }
            }
            // Its place here was given to another entry; by another node it may still be committed.
            Some(Err(_)) | None => ProposeError::Unknown,
        };
        for waiting in commands {
            waiting.answer(Err(error.clone()));
        }
    }

    /// Answers commands; those behind more holds than one command or one entry lets expire come again, behind all others, until
    /// their deadline. Each try lets some of those holds expire, so there is an end to it.
    fn reply(&mut self, commands: Vec<Waiting>, replies: &[Reply]) {
        let mut again = Vec::new();
        for (waiting, reply) in commands.into_iter().zip(replies) {
            if matches!(reply.outcome, Outcome::Rejected(Rejection::RetryAfterExpiry)) {
                // Refused without a trace: it may be given up again.
                waiting.progress.wait_again();
                again.push(waiting);
            } else {
                waiting.answer(Ok(reply.clone()));
            }
        }
        for waiting in again {
            self.gather(waiting);
        }
    }
}
