//! At a node that doesn't lead: gathers commands into messages to one leader and pairs answers with them.

use std::collections::BTreeMap;

use bytes::Bytes;
use stockade_consensus::{Node, ProposeError};
use stockade_credentials::Renewals;
use stockade_env::{Clock, Env};
use stockade_proto::Connection;
use stockade_proto::internal::forward_service_client::ForwardServiceClient;
use stockade_proto::internal::forwarded_reply::Result as Answer;
use stockade_proto::internal::{Envelope, ForwardRequest, ForwardResponse, ForwardedCommand, ForwardedReply};
use stockade_state_machine::Reply;
use stockade_storage::codec::Durable;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::limits;

type Outcome = Result<Reply, ProposeError>;

/// The way to one leader. Cheap to clone; clones share the stream.
#[derive(Debug, Clone)]
pub(crate) struct Forwarder(mpsc::Sender<Waiting>);

/// A command that waits for its answer.
#[derive(Debug)]
struct Waiting {
    command: Bytes,
    relief: bool,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

impl Forwarder {
    /// Starts the task that owns the stream to a node. The stream is opened when the first command comes.
    pub(crate) fn start(env: &Env, node: &Node, leader: u64) -> Self {
        let envelope =
            Envelope { cluster_id: node.cluster_id().to_owned(), from_node: node.id(), to_node: leader };
        let node = node.clone();
        Self::over(env, envelope, Box::new(move || Some((node.renewals(), node.forward_channel(leader)?))))
    }

    fn over(env: &Env, envelope: Envelope, connect: Connect) -> Self {
        let (sender, queue) = mpsc::channel(limits::FORWARD_QUEUE);
        let mut task = Task { clock: env.clock.clone(), connect, envelope, queue };
        let tasks = env.tasks.clone();
        env.tasks.spawn("forwarder", async move {
            tokio::select! {
                () = task.run() => {}
                () = tasks.stopping() => {}
            }
        });
        Self(sender)
    }

    /// Has the leader decide a command, one for which it needs little room where it is `relief`.
    pub(crate) async fn forward(&self, command: Bytes, relief: bool, deadline: Instant) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let queued = self.0.send(Waiting { command, relief, deadline, answer });
        match tokio::time::timeout_at(deadline, queued).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(ProposeError::ShuttingDown),
            Err(_) => return Err(ProposeError::TimedOut),
        }
        // The task ends with the node, and what it had sent by then may still take effect.
        answered.await.unwrap_or(Err(ProposeError::Unknown))
    }
}

/// Gives the connection to use now, and tells when another is to be used; `None` where the other node is no member.
type Connect = Box<dyn Fn() -> Option<(Renewals, Connection)> + Send>;

/// Owns the stream to one node.
struct Task {
    clock: Clock,
    connect: Connect,
    envelope: Envelope,
    queue: mpsc::Receiver<Waiting>,
}

impl Task {
    async fn run(&mut self) {
        while let Some(first) = self.queue.recv().await {
            let batch = self.gather(first);
            let mut stream = Stream::default();
            let Some((renewals, channel)) = (self.connect)() else {
                refuse(batch);
                continue;
            };
            let mut client = ForwardServiceClient::new(channel)
                .max_decoding_message_size(limits::MAX_FORWARD_MESSAGE_BYTES)
                .max_encoding_message_size(limits::MAX_FORWARD_MESSAGE_BYTES);
            let (messages, outbound) = mpsc::channel(limits::STREAM_QUEUE);
            let opening = ForwardRequest {
                envelope: Some(self.envelope.clone()),
                ..stream.message(batch, self.clock.now_us())
            };
            // The channel is new and has room; the other end takes the message when the call is up.
            if messages.try_send(opening).is_err() {
                stream.break_up();
                continue;
            }
            let opened = client.forward(ReceiverStream::new(outbound));
            match tokio::time::timeout(limits::FORWARD_OPEN_TIMEOUT, opened).await {
                Ok(Ok(response)) => {
                    let end = self.serve(&mut stream, messages, response.into_inner(), renewals).await;
                    tracing::debug!(to_node = self.envelope.to_node, %end, "the forwarding stream ended");
                }
                Ok(Err(status)) => {
                    tracing::debug!(to_node = self.envelope.to_node, %status, "no forwarding stream");
                }
                Err(_) => tracing::debug!(to_node = self.envelope.to_node, "no forwarding stream in time"),
            }
            // Sent or not: the transport doesn't tell, so the fate of what has no answer is unknown.
            stream.break_up();
        }
    }

    /// Runs an open stream until it breaks, or until connections are renewed and what was sent by then has its answer; says
    /// why it ended.
    async fn serve(
        &mut self,
        stream: &mut Stream,
        messages: mpsc::Sender<ForwardRequest>,
        mut inbound: Streaming<ForwardResponse>,
        mut renewals: Renewals,
    ) -> Status {
        let mut sweep = tokio::time::interval(limits::FORWARD_SWEEP);
        // Room for the next message is there before a command is taken off the queue. So nothing ever waits to be sent,
        // and answers are read all the time: the other side may have to get rid of them before it takes more.
        let mut permit = None;
        // Without it the other node answers what it has, and ends the stream.
        let mut messages = Some(messages);
        loop {
            let room = stream.in_flight.len() < limits::MAX_FORWARD_IN_FLIGHT;
            if messages.is_none() && stream.in_flight.is_empty() {
                return Status::cancelled("the connection is replaced by a new one");
            }
            tokio::select! {
                reserved = reserve(messages.clone()), if permit.is_none() => match reserved {
                    Ok(reserved) => permit = Some(reserved),
                    Err(_) => return Status::unavailable("the call is over"),
                },
                first = self.queue.recv(), if room && permit.is_some() => {
                    let Some(first) = first else { return Status::cancelled("the node is stopping") };
                    let batch = self.gather(first);
                    let message = stream.message(batch, self.clock.now_us());
                    if let Some(permit) = permit.take() {
                        permit.send(message);
                    }
                }
                answers = inbound.message() => match answers {
                    Ok(Some(answers)) => stream.settle(answers),
                    Ok(None) => return Status::unavailable("the other node ended the stream"),
                    Err(status) => return status,
                },
                () = renewals.next(), if messages.is_some() => (messages, permit) = (None, None),
                _ = sweep.tick() => stream.forget_abandoned(),
            }
        }
    }

    /// A command and those that wait behind it, as many as go into one message.
    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut bytes = first.command.len();
        let mut batch = vec![first];
        while batch.len() < limits::MAX_FORWARD_COMMANDS && bytes < limits::MAX_FORWARD_BYTES {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes += next.command.len();
            batch.push(next);
        }
        batch
    }
}

/// For commands to a node that is no member any more.
fn refuse(batch: Vec<Waiting>) {
    for Waiting { answer, .. } in batch {
        drop(answer.send(Err(ProposeError::NotLeader { leader: None })));
    }
}

/// Room for a message; never where none is sent any more.
async fn reserve(
    messages: Option<mpsc::Sender<ForwardRequest>>,
) -> Result<OwnedPermit<ForwardRequest>, SendError<()>> {
    match messages {
        Some(messages) => messages.reserve_owned().await,
        None => std::future::pending().await,
    }
}

/// What was sent on a stream and has no answer yet.
#[derive(Debug, Default)]
struct Stream {
    next_tag: u64,
    in_flight: BTreeMap<u64, oneshot::Sender<Outcome>>,
}

impl Stream {
    /// A message of commands. Those whose time is over are told so and left out.
    fn message(&mut self, batch: Vec<Waiting>, now_us: u64) -> ForwardRequest {
        let now = Instant::now();
        let mut commands = Vec::with_capacity(batch.len());
        for Waiting { command, relief, deadline, answer } in batch {
            let left = deadline.saturating_duration_since(now);
            if left.as_millis() == 0 {
                drop(answer.send(Err(ProposeError::TimedOut)));
                continue;
            }
            let tag = self.next_tag;
            self.next_tag += 1;
            self.in_flight.insert(tag, answer);
            commands.push(ForwardedCommand {
                tag,
                command,
                timeout_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
                deadline_us: now_us.saturating_add(u64::try_from(left.as_micros()).unwrap_or(u64::MAX)),
                relief,
            });
        }
        ForwardRequest { envelope: None, commands }
    }

    fn settle(&mut self, answers: ForwardResponse) {
        for ForwardedReply { tag, result } in answers.replies {
            let Some(waiting) = self.in_flight.remove(&tag) else { continue };
            // Whoever asked may have gone at its deadline.
            drop(waiting.send(outcome(result)));
        }
    }

    /// Callers leave at their deadlines; a leader that never answers must not keep their places taken.
    fn forget_abandoned(&mut self) {
        self.in_flight.retain(|_, waiting| !waiting.is_closed());
    }

    fn break_up(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.in_flight) {
            drop(waiting.send(Err(ProposeError::Unknown)));
        }
    }
}

fn outcome(answer: Option<Answer>) -> Outcome {
    match answer {
        Some(Answer::Reply(bytes)) => Reply::decode(&bytes).map_err(|error| {
            tracing::error!(%error, "the leader's reply can't be decoded; are the versions of the nodes compatible?");
            ProposeError::Unknown
        }),
        Some(Answer::NotLeader(leader)) => Err(ProposeError::NotLeader { leader: (leader != 0).then_some(leader) }),
        Some(Answer::Overloaded(_)) => Err(ProposeError::Overloaded),
        Some(Answer::StorageFull(_)) => Err(ProposeError::StorageFull),
        Some(Answer::TimedOut(_)) => Err(ProposeError::TimedOut),
        // An answer of a kind that this version doesn't know.
        Some(Answer::Unknown(_)) | None => Err(ProposeError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stockade_proto::internal::forward_service_server::{ForwardService, ForwardServiceServer};
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio::time::{sleep, timeout};
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::{Endpoint, Server};
    use tonic::{Request, Response};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A leader that reads one message, and answers its first command when it is told to.
    struct OneMessage {
        env: Env,
        answer: watch::Sender<bool>,
    }

    #[tonic::async_trait]
    impl ForwardService for OneMessage {
        type ForwardStream = ReceiverStream<Result<ForwardResponse, Status>>;

        async fn forward(
            &self,
            request: Request<Streaming<ForwardRequest>>,
        ) -> Result<Response<Self::ForwardStream>, Status> {
            let mut inbound = request.into_inner();
            let tag = inbound.message().await?.unwrap().commands[0].tag;
            let (answers, receiver) = mpsc::channel(1);
            let mut told = self.answer.subscribe();
            self.env.tasks.spawn("a leader that reads no more", async move {
                told.wait_for(|told| *told).await.unwrap();
                let reply = ForwardedReply { tag, result: Some(Answer::Overloaded(true)) };
                answers.send(Ok(ForwardResponse { replies: vec![reply] })).await.unwrap();
                // The stream stays open, unread.
                told.wait_for(|told| !*told).await.unwrap();
                drop(inbound);
            });
            Ok(Response::new(ReceiverStream::new(receiver)))
        }
    }

    #[tokio::test]
    async fn answers_are_read_while_the_leader_reads_nothing() {
        let env = Env::real();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, _) = watch::channel(false);
        let leader = ForwardServiceServer::new(OneMessage { env: env.clone(), answer: answer.clone() });
        let server = Server::builder()
            .add_service(leader.max_decoding_message_size(limits::MAX_FORWARD_MESSAGE_BYTES))
            .serve_with_incoming(TcpListenerStream::new(listener));
        env.tasks.spawn("server", async move { server.await.unwrap() });
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let channel = Connection::Socket(channel);
        let connect = move || Some((Renewals::never(), channel.clone()));
        let forwarder = Forwarder::over(&env, Envelope::default(), Box::new(connect));
        let deadline = Instant::now() + LONG;
        let (first, first_answer) = waiting(deadline);
        forwarder.0.send(first).await.unwrap();
        // One by one, until none is taken any more: every window on the way is full.
        let mut others = Vec::new();
        let taken = async || {
            while forwarder.0.capacity() < limits::FORWARD_QUEUE {
                sleep(Duration::from_millis(1)).await;
            }
        };
        while timeout(Duration::from_millis(500), taken()).await.is_ok() {
            let (mut large, answer) = waiting(deadline);
            large.command = Bytes::from(vec![0; limits::MAX_FORWARD_BYTES]);
            forwarder.0.send(large).await.unwrap();
            others.push(answer);
        }
        answer.send_replace(true);
        let answered = timeout(LONG / 2, first_answer).await.expect("the answer is read");
        assert_eq!(answered, Ok(Err(ProposeError::Overloaded)));
        env.tasks.stop(Duration::ZERO).await;
    }

    fn waiting(deadline: Instant) -> (Waiting, oneshot::Receiver<Outcome>) {
        let (answer, answered) = oneshot::channel();
        (Waiting { command: Bytes::from_static(b"x"), relief: false, deadline, answer }, answered)
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_whose_time_is_over_is_not_sent() {
        let mut stream = Stream::default();
        let now = Instant::now();
        let (late, answered) = waiting(now);
        let (timely, _open) = waiting(now + Duration::from_millis(70));
        let message = stream.message(vec![late, timely], 1_000_000);
        assert_eq!(message.commands.len(), 1);
        assert_eq!(message.commands[0].timeout_ms, 70);
        assert_eq!(message.commands[0].deadline_us, 1_070_000);
        assert_eq!(answered.await, Ok(Err(ProposeError::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_answer_when_the_stream_breaks_is_unknown() {
        let mut stream = Stream::default();
        let deadline = Instant::now() + Duration::from_secs(1);
        let (first, first_answer) = waiting(deadline);
        let (second, second_answer) = waiting(deadline);
        stream.message(vec![first, second], 0);
        let not_leader = ForwardedReply { tag: 0, result: Some(Answer::NotLeader(3)) };
        let never_sent = ForwardedReply { tag: 9, result: None };
        stream.settle(ForwardResponse { replies: vec![not_leader, never_sent] });
        stream.break_up();
        assert_eq!(first_answer.await, Ok(Err(ProposeError::NotLeader { leader: Some(3) })));
        assert_eq!(second_answer.await, Ok(Err(ProposeError::Unknown)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_without_room_says_so_to_whom_it_is_asked_for() {
        let mut stream = Stream::default();
        let (mut cancel, answer) = waiting(Instant::now() + Duration::from_secs(1));
        cancel.relief = true;
        let message = stream.message(vec![cancel], 0);
        assert!(message.commands[0].relief);
        let full = ForwardedReply { tag: 0, result: Some(Answer::StorageFull(true)) };
        stream.settle(ForwardResponse { replies: vec![full] });
        assert_eq!(answer.await, Ok(Err(ProposeError::StorageFull)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_left_frees_its_place() {
        let mut stream = Stream::default();
        let (gone, answer) = waiting(Instant::now() + Duration::from_secs(1));
        stream.message(vec![gone], 0);
        drop(answer);
        stream.forget_abandoned();
        assert!(stream.in_flight.is_empty());
    }
}
