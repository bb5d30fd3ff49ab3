//! At the leader: takes commands from other nodes' streams and proposes them.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use stockade_consensus::{Node, ProposeError};
use stockade_env::Env;
use stockade_proto::internal::forward_service_server::ForwardService;
use stockade_proto::internal::forwarded_reply::Result as Answer;
use stockade_proto::internal::{Envelope, ForwardRequest, ForwardResponse, ForwardedCommand, ForwardedReply};
use stockade_state_machine::Reply;
use stockade_storage::codec::Durable;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

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

    /// A stream belongs to one pair of nodes of one cluster: one that is meant for another is refused.
    fn check(&self, envelope: Option<&Envelope>) -> Result<(), Status> {
        let Some(envelope) = envelope else {
            return Err(Status::invalid_argument("the first message of a stream must have an envelope"));
        };
        let own = envelope.cluster_id == self.node.cluster_id() && envelope.to_node == self.node.id();
        if own { Ok(()) } else { Err(Status::failed_precondition("meant for another node or cluster")) }
    }
}

#[tonic::async_trait]
impl ForwardService for ForwardServer {
    type ForwardStream = ReceiverStream<Result<ForwardResponse, Status>>;

    async fn forward(
        &self,
        request: Request<Streaming<ForwardRequest>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let mut inbound = request.into_inner();
        let first =
            inbound.message().await?.ok_or_else(|| Status::invalid_argument("the stream is empty"))?;
        self.check(first.envelope.as_ref())?;
        let (answers, receiver) = mpsc::channel(limits::STREAM_QUEUE);
        let session = Session { node: self.node.clone(), running: FuturesUnordered::new(), answers };
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
struct Session {
    node: Node,
    running: FuturesUnordered<BoxFuture<'static, ForwardedReply>>,
    answers: mpsc::Sender<Result<ForwardResponse, Status>>,
}

impl Session {
    async fn run(mut self, first: ForwardRequest, mut inbound: Streaming<ForwardRequest>) {
        self.take_in(first.commands);
        let mut open = true;
        while open || !self.running.is_empty() {
            let room = self.running.len() < limits::MAX_FORWARD_IN_FLIGHT;
            tokio::select! {
                message = inbound.message(), if open && room => match message {
                    Ok(Some(message)) => self.take_in(message.commands),
                    // What runs is answered still, if the other side listens.
                    Ok(None) => open = false,
                    Err(status) => {
                        tracing::debug!(%status, "a forwarding stream broke");
                        return;
                    }
                },
                Some(reply) = self.running.next(), if !self.running.is_empty() => {
                    if self.answer(reply).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn take_in(&mut self, commands: Vec<ForwardedCommand>) {
        let now = Instant::now();
        for command in commands {
            let node = self.node.clone();
            let deadline = now + Duration::from_millis(u64::from(command.timeout_ms));
            let propose = async move {
                let outcome = node.propose(command.command, deadline).await;
                ForwardedReply { tag: command.tag, result: Some(answer(outcome)) }
            };
            self.running.push(propose.boxed());
        }
    }

    /// Sends a reply and all others that are ready with it. An error means that nobody listens any more.
    async fn answer(&mut self, reply: ForwardedReply) -> Result<(), ()> {
        let mut bytes = reply_size(&reply);
        let mut replies = vec![reply];
        while bytes < limits::MAX_FORWARD_BYTES {
            let Some(Some(reply)) = self.running.next().now_or_never() else { break };
            bytes += reply_size(&reply);
            replies.push(reply);
        }
        self.answers.send(Ok(ForwardResponse { replies })).await.map_err(drop)
    }
}

fn reply_size(reply: &ForwardedReply) -> usize {
    match &reply.result {
        Some(Answer::Reply(bytes)) => bytes.len(),
        Some(Answer::NotLeader(_) | Answer::Overloaded(_) | Answer::Unknown(_) | Answer::TimedOut(_))
        | None => 0,
    }
}

fn answer(outcome: Result<Reply, ProposeError>) -> Answer {
    match outcome {
        Ok(reply) => Answer::Reply(reply.encode().into()),
        Err(ProposeError::NotLeader { leader }) => Answer::NotLeader(leader.unwrap_or(0)),
        // A node that stops doesn't lead: the sender turns to the next one.
        Err(ProposeError::ShuttingDown) => Answer::NotLeader(0),
        Err(ProposeError::Overloaded) => Answer::Overloaded(true),
        Err(ProposeError::TimedOut) => Answer::TimedOut(true),
        Err(ProposeError::Unknown) => Answer::Unknown(true),
    }
}
