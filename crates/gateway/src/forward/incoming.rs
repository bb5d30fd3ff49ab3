//! At the leader: takes commands from other nodes' streams and proposes them.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use stockade_consensus::{Node, ProposeError};
use stockade_env::{Clock, Env};
use stockade_proto::internal::forward_service_server::ForwardService;
use stockade_proto::internal::forwarded_reply::Result as Answer;
use stockade_proto::internal::{Envelope, ForwardRequest, ForwardResponse, ForwardedCommand, ForwardedReply};
use stockade_state_machine::Reply;
use stockade_storage::codec::Durable;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::limits;

/// The service that other nodes' forwarders call.
#[derive(Debug, Clone)]
pub(crate) struct ForwardServer {
    env: Env,
    node: Node,
}

impl ForwardServer {
    pub(crate) fn new(env: Env, node: Node) -> Self {
        Self { env, node }
    }

    /// A stream belongs to one pair of nodes of one cluster: one that is meant for another is refused, and so is who is not
    /// the node that it says it is.
    fn check(&self, call: &Extensions, envelope: Option<&Envelope>) -> Result<(), Status> {
        let Some(envelope) = envelope else {
            return Err(Status::invalid_argument("the first message of a stream must have an envelope"));
        };
        let own = envelope.cluster_id == self.node.cluster_id() && envelope.to_node == self.node.id();
        if !own {
            return Err(Status::failed_precondition("meant for another node or cluster"));
        }
        self.node.check_peer(call, envelope.from_node).map_err(Status::unauthenticated)
    }
}

#[tonic::async_trait]
impl ForwardService for ForwardServer {
    type ForwardStream = ReceiverStream<Result<ForwardResponse, Status>>;

    async fn forward(
        &self,
        request: Request<Streaming<ForwardRequest>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let (_, call, mut inbound) = request.into_parts();
        let first =
            inbound.message().await?.ok_or_else(|| Status::invalid_argument("the stream is empty"))?;
        self.check(&call, first.envelope.as_ref())?;
        let from = first.envelope.as_ref().map_or(0, |envelope| envelope.from_node);
        let (answers, receiver) = mpsc::channel(limits::STREAM_QUEUE);
        let session = Session {
            clock: self.env.clock.clone(),
            node: self.node.clone(),
            call,
            from,
            running: FuturesUnordered::new(),
            answered: VecDeque::new(),
            answers,
        };
        let tasks = self.env.tasks.clone();
        self.env.tasks.spawn("forwarded commands", async move {
            tokio::select! {
                () = session.run(first, inbound) => {}
                // The streams end with the node, or the peer server could not stop in order.
                () = tasks.stopping() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// One stream.
///
/// Invariants:
/// - It never waits for room to answer without reading and running commands meanwhile: the other side may be waiting for
///   just that.
/// - Each message is from the node that the first one was from, and that is still believed.
struct Session {
    clock: Clock,
    node: Node,
    /// What is known of the connection.
    call: Extensions,
    from: u64,
    running: FuturesUnordered<BoxFuture<'static, ForwardedReply>>,
    /// Replies that wait for room on the stream.
    answered: VecDeque<ForwardedReply>,
    answers: mpsc::Sender<Result<ForwardResponse, Status>>,
}

impl Session {
    async fn run(mut self, first: ForwardRequest, mut inbound: Streaming<ForwardRequest>) {
        self.take_in(first.commands);
        let mut open = true;
        let answers = self.answers.clone();
        while open || !self.running.is_empty() || !self.answered.is_empty() {
            let room = self.running.len() + self.answered.len() < limits::MAX_FORWARD_IN_FLIGHT;
            tokio::select! {
                message = inbound.message(), if open && room => match message {
                    Ok(Some(message)) => match self.node.check_peer(&self.call, self.from) {
                        Ok(()) => self.take_in(message.commands),
                        Err(why) => return self.cut_off(why),
                    },
                    // What runs is answered still, if the other side listens.
                    Ok(None) => open = false,
                    Err(status) => {
                        tracing::debug!(%status, "a forwarding stream broke");
                        return;
                    }
                },
                Some(reply) = self.running.next(), if !self.running.is_empty() => self.answered.push_back(reply),
                permit = answers.reserve(), if !self.answered.is_empty() => match permit {
                    Ok(permit) => permit.send(Ok(self.answer())),
                    // Nobody listens any more.
                    Err(_) => return,
                },
            }
        }
    }

    /// Ends the stream for who is believed no more. What runs for it may take effect; it is not told.
    fn cut_off(self, why: String) {
        tracing::warn!(from_node = self.from, why, "a stream of forwarded commands is cut off");
        // Without room for it the end of the stream has to say it.
        drop(self.answers.try_send(Err(Status::unauthenticated(why))));
    }

    fn take_in(&mut self, commands: Vec<ForwardedCommand>) {
        let (now, now_us) = (Instant::now(), self.clock.now_us());
        for command in commands {
            let node = self.node.clone();
            let deadline = now + time_left(&command, now_us);
            let propose = async move {
                let outcome = if command.relief {
                    node.propose_relief(command.command, deadline).await
                } else {
                    node.propose(command.command, deadline).await
                };
                ForwardedReply { tag: command.tag, result: Some(answer(outcome)) }
            };
            self.running.push(propose.boxed());
        }
    }

    /// The replies that are ready, as many as go into one message.
    fn answer(&mut self) -> ForwardResponse {
        while let Some(Some(reply)) = self.running.next().now_or_never() {
            self.answered.push_back(reply);
        }
        let (mut bytes, mut replies) = (0, Vec::new());
        while bytes < limits::MAX_FORWARD_BYTES
            && let Some(reply) = self.answered.pop_front()
        {
            bytes += reply_size(&reply);
            replies.push(reply);
        }
        ForwardResponse { replies }
    }
}

/// What is left of a command's time. The sender's deadline counts beside its timeout: a node that stood still reads
/// messages that have waited for it, and by their timeout alone they would seem to be fresh. Where the sender's clock
/// is behind by more than the allowed skew, its commands lose some of their time; nothing worse comes of it.
fn time_left(command: &ForwardedCommand, now_us: u64) -> Duration {
    let timeout = Duration::from_millis(u64::from(command.timeout_ms));
    if command.deadline_us == 0 {
        return timeout;
    }
    let until_deadline = Duration::from_micros(command.deadline_us) + limits::FORWARD_CLOCK_SKEW;
    timeout.min(until_deadline.saturating_sub(Duration::from_micros(now_us)))
}

fn reply_size(reply: &ForwardedReply) -> usize {
    match &reply.result {
        Some(Answer::Reply(bytes)) => bytes.len(),
        Some(
            Answer::NotLeader(_)
            | Answer::Overloaded(_)
            | Answer::Unknown(_)
            | Answer::TimedOut(_)
            | Answer::StorageFull(_),
        )
        | None => 0,
    }
}

fn answer(outcome: Result<Reply, ProposeError>) -> Answer {
    match outcome {
        Ok(reply) => Answer::Reply(reply.encode().into()),
        Err(ProposeError::NotLeader { leader }) => Answer::NotLeader(leader.unwrap_or(0)),
        // A node that stops doesn't lead: the sender turns to the next one.
        Err(ProposeError::ShuttingDown | ProposeError::Removed) => Answer::NotLeader(0),
        Err(ProposeError::StorageFull) => Answer::StorageFull(true),
        Err(ProposeError::Overloaded) => Answer::Overloaded(true),
        Err(ProposeError::TimedOut) => Answer::TimedOut(true),
        Err(ProposeError::Unknown) => Answer::Unknown(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_700_000_000_000_000;

    fn command(timeout_ms: u32, deadline_us: u64) -> ForwardedCommand {
        ForwardedCommand {
            command: bytes::Bytes::new(),
            timeout_ms,
            deadline_us,
            ..ForwardedCommand::default()
        }
    }

    #[test]
    fn a_command_that_was_read_long_after_its_deadline_has_no_time_left() {
        let late = command(1_000, NOW_US - 5_000_000);
        assert_eq!(time_left(&late, NOW_US), Duration::ZERO);
    }

    #[test]
    fn a_senders_clock_gives_a_command_no_more_than_its_timeout() {
        let timeout = Duration::from_secs(1);
        assert_eq!(time_left(&command(1_000, NOW_US + 60_000_000), NOW_US), timeout);
        assert_eq!(time_left(&command(1_000, u64::MAX), NOW_US), timeout);
        assert_eq!(time_left(&command(1_000, 0), NOW_US), timeout);
    }

    #[test]
    fn clocks_a_little_apart_cost_a_command_nothing() {
        let its_clock = NOW_US - 900_000;
        assert_eq!(time_left(&command(500, its_clock + 500_000), NOW_US), Duration::from_millis(500));
    }
}
