//! One `Submit` stream to one node, shared by all calls that go there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;
use stockade_proto::Connection;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_proto::v1::{Mutation, MutationResult, SubmitRequest, SubmitResponse};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::error::{self, Refusal};
use crate::failover::superseded;
use crate::limits;

/// What comes back for a mutation.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The node's answer.
    Result(Box<MutationResult>),
    /// The stream broke before the mutation was handed to the network.
    NotSent,
    /// The node does not let this caller open a stream: nothing was sent, and nothing would be taken elsewhere.
    Refused(Box<Refusal>),
    /// An older copy of the mutation is on this stream still: the newer one must go over another.
    Busy,
}

/// A mutation on its way, and who waits for its answer. The waiting end sees a closed channel where the stream broke
/// after the mutation was sent.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request_id: String,
    pub(crate) mutation: Mutation,
    /// When its caller stops waiting; the node is told how much of the time is left when it is sent.
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// The calls' end of a stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) address: String,
    /// How many connections had been given up for new certificates when it was begun.
    pub(crate) renewed: u64,
    /// Unbounded, but never longer than the calls in flight.
    jobs: mpsc::UnboundedSender<Job>,
    health: Arc<Health>,
}

#[derive(Debug)]
struct Health {
    broken: AtomicBool,
    started: Instant,
    /// Milliseconds from `started` to the last message that came in.
    heard_ms: AtomicU64,
}

impl Health {
    fn heard(&self) {
        let since = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(since, Ordering::Relaxed);
    }
}

impl Stream {
    /// A stream to `address`, and the work that a task must do for it.
    pub(crate) fn new(
        address: String,
        channel: Connection,
        leader: watch::Receiver<Option<String>>,
        renewed: u64,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (jobs, queue) = mpsc::unbounded_channel();
        let started = Instant::now();
        let health =
            Arc::new(Health { broken: AtomicBool::new(false), started, heard_ms: AtomicU64::new(0) });
        let worker = Worker {
            address: address.clone(),
            leader,
            queue,
            health: Arc::clone(&health),
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
        };
        (Self { address, renewed, jobs, health }, worker.run(channel))
    }

    /// Hands a mutation over; false where the stream is broken.
    pub(crate) fn send(&self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// True once nothing more will be answered.
    pub(crate) fn is_broken(&self) -> bool {
        self.health.broken.load(Ordering::Acquire) || self.jobs.is_closed()
    }

    /// Gives the stream up: calls go elsewhere.
    pub(crate) fn give_up(&self) {
        self.health.broken.store(true, Ordering::Release);
    }

    /// When the node was last heard on this stream, or when it was begun.
    pub(crate) fn last_heard(&self) -> Instant {
        self.health.started + Duration::from_millis(self.health.heard_ms.load(Ordering::Relaxed))
    }
}

/// The task's end of a stream.
///
/// Invariants:
/// - A job is in the queue, in `waiting` or in `in_flight`, in one of them.
/// - An answer goes to the job with its request id and to no other; an answer to no job is dropped.
struct Worker {
    address: String,
    /// Who is taken for the leader.
    leader: watch::Receiver<Option<String>>,
    queue: mpsc::UnboundedReceiver<Job>,
    health: Arc<Health>,
    waiting: VecDeque<Job>,
    in_flight: BTreeMap<String, oneshot::Sender<Answer>>,
}

impl Worker {
    /// Ends when the stream breaks, or when no call can come any more and all are answered. The answers' senders go
    /// with it, which tells every call in flight.
    async fn run(mut self, channel: Connection) {
        let (messages, outgoing) = mpsc::channel(limits::MAX_QUEUED_MESSAGES);
        let mut client =
            TransactionServiceClient::new(channel).max_decoding_message_size(limits::MAX_ANSWER_BYTES);
        let opened = tokio::select! {
            opened = timeout(limits::OPEN_TIMEOUT, client.submit(ReceiverStream::new(outgoing))) => opened.ok(),
            () = superseded(self.leader.clone(), &self.address) => None,
        };
        let mut refused = None;
        let outcome = match opened {
            Some(Ok(answers)) => self.pump(&messages, answers.into_inner()).await,
            Some(Err(status)) => {
                refused = error::is_stranger(&status).then(|| Refusal::of_call(&status));
                Err(status.message().to_owned())
            }
            None => Err("the stream was not accepted in time".to_owned()),
        };
        self.health.broken.store(true, Ordering::Release);
        self.queue.close();
        while let Ok(job) = self.queue.try_recv() {
            self.waiting.push_back(job);
        }
        for job in self.waiting.drain(..) {
            let answer =
                refused.clone().map_or(Answer::NotSent, |refusal| Answer::Refused(Box::new(refusal)));
            drop(job.answer.send(answer));
        }
        if let Err(cause) = outcome {
            tracing::debug!(cause, in_flight = self.in_flight.len(), "submit stream broke");
        }
    }

    async fn pump(
        &mut self,
        messages: &mpsc::Sender<SubmitRequest>,
        mut answers: Streaming<SubmitResponse>,
    ) -> Result<(), String> {
        let mut more_calls = true;
        // Another node leads: this one owes answers no longer than a moment after it was heard last.
        let mut elsewhere = self.leads_elsewhere();
        let mut heard = Instant::now();
        let mut leader = self.leader.clone();
        while more_calls || !self.waiting.is_empty() || !self.in_flight.is_empty() {
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        heard = Instant::now();
                        self.take(answer);
                    }
                    Ok(None) => return Err("the node ended the stream".to_owned()),
                    Err(status) => return Err(status.message().to_owned()),
                },
                Ok(()) = leader.changed() => {
                    let now = self.leads_elsewhere();
                    if now && !elsewhere {
                        heard = Instant::now();
                    }
                    elsewhere = now;
                }
                () = sleep_until(heard + limits::MAX_SILENCE_OF_OTHERS), if elsewhere && self.is_owed() => {
                    return Err("another node leads, and this one is silent".to_owned());
                }
                job = self.queue.recv(), if more_calls => match job {
                    Some(job) => self.waiting.push_back(job),
                    None => more_calls = false,
                },
                room = messages.reserve(), if !self.waiting.is_empty() => match room {
                    Ok(room) => {
                        if self.in_flight.is_empty() {
                            // Until now it owed nothing.
                            heard = Instant::now();
                        }
                        let batch = self.batch();
                        // Nothing may be left of what waited, and a node takes no empty message.
                        if !batch.mutations.is_empty() {
                            room.send(batch);
                        }
                    }
                    Err(_) => return Err("the node closed the stream".to_owned()),
                },
            }
        }
        Ok(())
    }

    fn is_owed(&self) -> bool {
        !self.in_flight.is_empty() || !self.waiting.is_empty()
    }

    fn leads_elsewhere(&self) -> bool {
        self.leader.borrow().as_ref().is_some_and(|leader| *leader != self.address)
    }

    /// What has gathered, as one message.
    fn batch(&mut self) -> SubmitRequest {
        while let Ok(job) = self.queue.try_recv() {
            self.waiting.push_back(job);
        }
        let mut mutations = Vec::new();
        let mut bytes = 0;
        while let Some(job) = self.waiting.front() {
            let size = job.mutation.encoded_len();
            if mutations.len() == limits::MAX_BATCH || (bytes > 0 && bytes + size > limits::MAX_BATCH_BYTES) {
                break;
            }
            let job = self.waiting.pop_front().expect("it stands in front");
            // Its caller may have given up by now.
            let left = job.deadline.saturating_duration_since(Instant::now());
            if job.answer.is_closed() || left.is_zero() {
                drop(job.answer.send(Answer::NotSent));
                continue;
            }
            // The answer to the older copy must not be taken for this one's: it goes over another stream.
            if self.in_flight.contains_key(&job.request_id) {
                self.health.broken.store(true, Ordering::Release);
                drop(job.answer.send(Answer::Busy));
                continue;
            }
            bytes += size;
            self.in_flight.insert(job.request_id, job.answer);
            mutations.push(Mutation { timeout: Some(server_timeout(left)), ..job.mutation });
        }
        SubmitRequest { mutations }
    }

    fn take(&mut self, answer: SubmitResponse) {
        self.health.heard();
        for result in answer.results {
            if let Some(waiting) = self.in_flight.remove(&result.request_id) {
                // Nobody listens where the caller has given up.
                drop(waiting.send(Answer::Result(Box::new(result))));
            }
        }
    }
}

/// What the node is told of the time that is left.
fn server_timeout(left: Duration) -> prost_types::Duration {
    let (shortest, longest) = limits::SERVER_TIMEOUT;
    prost_types::Duration::try_from(left.clamp(shortest, longest)).expect("a minute fits")
}
