//! Mutations: many calls share one stream to one node, and each is retried under its request id until it is decided.

use parking_lot::Mutex;
use std::sync::Arc;

use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::{Fate, Mutation, MutationResult};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::Shared;
use crate::error::{Error, Refusal, UNAUTHENTICATED};
use crate::failover::{self, Advice};
use crate::limits;
use crate::stream::{Answer, Job, Stream};

/// The way of all mutations of a client.
///
/// Invariants:
/// - All calls go over the one current stream. An older one lives on only until its calls are answered.
/// - A call repeats under the same request id, so it takes effect at most once however often it is sent.
#[derive(Debug)]
pub(crate) struct Pipeline {
    current: Mutex<Option<Arc<Stream>>>,
    in_flight: Semaphore,
}

/// What one attempt came to.
enum Attempt {
    /// The node answered.
    Answered(Box<MutationResult>),
    /// Nothing was handed to the network.
    NotSent,
    /// Nothing was handed to the network: the node does not let this caller.
    Refused(Box<Refusal>),
    /// Nothing was sent, and the node is well: the stream has an older copy.
    Busy,
    /// The stream broke, the node fell silent or the time was over: it may have arrived.
    Lost(&'static str),
}

/// What is known of a call so far.
#[derive(Default)]
struct Trail {
    /// Some copy of it may take effect.
    unknown: bool,
    /// The last refusal.
    last: Option<Box<Refusal>>,
    /// The last thing that happened.
    cause: String,
}

impl Pipeline {
    pub(crate) fn new(max_in_flight: usize) -> Self {
        Self { current: Mutex::new(None), in_flight: Semaphore::new(max_in_flight) }
    }

    /// The stream to use now: the current one, unless it is broken or the leader is known to be elsewhere.
    fn stream(&self, shared: &Shared) -> Result<Arc<Stream>, Error> {
        let mut current = self.current.lock();
        if let Some(stream) = current.as_ref().filter(|stream| !stream.is_broken()) {
            let elsewhere = shared.failover.leader().filter(|leader| *leader != stream.address);
            if elsewhere.is_none() {
                return Ok(Arc::clone(stream));
            }
        }
        let address = shared.failover.pick();
        let renewed = shared.channels.renewed();
        let channel = shared.channels.to(&address)?;
        let (stream, work) = Stream::new(address, channel, shared.failover.watch(), renewed);
        shared.env.tasks.spawn("client submit", work);
        let stream = Arc::new(stream);
        *current = Some(Arc::clone(&stream));
        Ok(stream)
    }

    /// Calls go elsewhere from now on, unless they already do.
    fn leave(&self, stream: &Arc<Stream>) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, stream)) {
            *current = None;
        }
    }
}

/// Sends a mutation until it is decided or its time is over.
pub(crate) async fn mutate(shared: &Shared, request_id: String, request: Request) -> Result<Response, Error> {
    let size = request.encoded_len();
    if size > limits::MAX_MUTATION_BYTES {
        // A node would end the stream over it, and with it everything that is in flight.
        let max = limits::MAX_MUTATION_BYTES;
        return Err(Error::Invalid(format!("the request has {size} bytes, a node takes {max}")));
    }
    let deadline = Instant::now() + shared.config.timeout;
    let permit = timeout_at(deadline, shared.pipeline.in_flight.acquire()).await;
    let Ok(permit) = permit else {
        return Err(shared.out_of_time(None));
    };
    let _permit = permit.expect("the semaphore is never closed");
    let mut trail = Trail::default();
    for attempt in 1.. {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        let stream = shared.pipeline.stream(shared)?;
        let copy = Mutation { timeout: None, request: Some(request.clone()) };
        let outcome = match attempt_on(&stream, &request_id, copy, deadline).await {
            Attempt::Answered(result) => match judge(shared.note_result(*result), &mut trail) {
                Ok(decided) => return decided,
                Err(refusal) => Some(refusal),
            },
            Attempt::Busy => {
                shared.pipeline.leave(&stream);
                continue;
            }
            // There is a certificate that this node has not seen yet.
            Attempt::Refused(refusal)
                if refusal.reason == UNAUTHENTICATED && shared.channels.renewed() != stream.renewed =>
            {
                shared.pipeline.leave(&stream);
                continue;
            }
            // An earlier copy may have been taken while the caller was still let in.
            Attempt::Refused(refusal) if trail.unknown => {
                return Err(Error::OutcomeUnknown { request_id, cause: refusal.message });
            }
            Attempt::Refused(refusal) => return Err(Error::Rejected(refusal)),
            Attempt::NotSent => None,
            Attempt::Lost(cause) => {
                trail.unknown = true;
                cause.clone_into(&mut trail.cause);
                None
            }
        };
        let advice = outcome.as_deref().map_or(Advice::ElsewhereSoon, failover::advice);
        let at_once = outcome.is_none() && attempt <= 2;
        match outcome {
            Some(refusal) => {
                if matches!(advice, Advice::ElsewhereSoon | Advice::ElsewhereLater) {
                    shared.redirected(&stream.address, &refusal);
                    shared.pipeline.leave(&stream);
                }
                trail.last = Some(refusal);
            }
            None if Instant::now() < deadline => {
                shared.pipeline.leave(&stream);
                shared.lost(&stream.address);
            }
            None => {}
        }
        // A broken connection says nothing about the other nodes: the first retries go there at once.
        if !at_once {
            let pause = failover::pause(&shared.env.random, attempt, advice.is_patient());
            if timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
                break;
            }
        }
    }
    if trail.unknown {
        return Err(Error::OutcomeUnknown { request_id, cause: trail.cause });
    }
    Err(shared.out_of_time(trail.last.as_deref()))
}

async fn attempt_on(
    stream: &Arc<Stream>,
    request_id: &str,
    mutation: Mutation,
    deadline: Instant,
) -> Attempt {
    let (answer, mut answered) = oneshot::channel();
    if !stream.send(Job { request_id: request_id.to_owned(), mutation, deadline, answer }) {
        return Attempt::NotSent;
    }
    let mut patience_ends = Instant::now() + limits::MAX_SILENCE;
    loop {
        match timeout_at(patience_ends.min(deadline), &mut answered).await {
            Ok(Ok(Answer::Result(result))) => return Attempt::Answered(result),
            Ok(Ok(Answer::NotSent)) => return Attempt::NotSent,
            Ok(Ok(Answer::Refused(refusal))) => return Attempt::Refused(refusal),
            Ok(Ok(Answer::Busy)) => return Attempt::Busy,
            Ok(Err(_)) => return Attempt::Lost("the connection broke before the answer"),
            Err(_) if Instant::now() >= deadline => return Attempt::Lost("no answer within the deadline"),
            Err(_) => {
                // Others being answered shows that the node lives and is busy: this one's turn will come.
                let next = stream.last_heard() + limits::MAX_SILENCE;
                if next <= Instant::now() {
                    stream.give_up();
                    return Attempt::Lost("the node fell silent");
                }
                patience_ends = next;
            }
        }
    }
}

impl Shared {
    /// What the log has decided was seen by whoever is told of it, be it a refusal.
    fn note_result(&self, result: MutationResult) -> MutationResult {
        if let Some(header) = result.header.as_ref().filter(|header| header.log_time.is_some()) {
            self.seen.note(header);
        }
        result
    }
}

/// `Ok` where the call is decided, `Err` with the refusal where it must be tried again.
fn judge(result: MutationResult, trail: &mut Trail) -> Result<Result<Response, Error>, Box<Refusal>> {
    let fate = result.fate();
    if let Some(response) = result.response {
        return Ok(Ok(response));
    }
    let Some(status) = &result.status else {
        let text = format!("node answered request {} with neither response nor status", result.request_id);
        return Ok(Err(Error::Transport(text)));
    };
    let refusal = Box::new(Refusal::in_band(status, result.header));
    trail.cause.clone_from(&refusal.message);
    trail.unknown |= fate == Fate::Unknown || refusal.reason == "OUTCOME_UNKNOWN";
    if failover::advice(&refusal) != Advice::Final {
        return Err(refusal);
    }
    // A no that the log did not decide and record says nothing about an earlier copy.
    if trail.unknown && !is_recorded(&refusal) {
        let (request_id, cause) = (result.request_id, refusal.message.clone());
        return Ok(Err(Error::OutcomeUnknown { request_id, cause }));
    }
    Ok(Err(Error::Rejected(refusal)))
}

/// True where the refusal stands in the log and is what every copy of the request is answered with.
fn is_recorded(refusal: &Refusal) -> bool {
    let decided_in_log = refusal.header.as_ref().is_some_and(|header| header.log_time.is_some());
    decided_in_log && !matches!(refusal.reason.as_str(), "REQUEST_ID_EXPIRED" | "REQUEST_ID_IN_FUTURE")
}
