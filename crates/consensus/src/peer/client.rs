//! Calls to peers, as openraft makes them.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderError, VoteRequest, VoteResponse,
};
use openraft::raft::{TransferLeaderRequest, TransferLeaderResponse};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use openraft::{BasicNode, RaftNetworkFactory, RaftNetworkV2};
use stockade_credentials::Renewals;
use stockade_proto::Connection;
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_storage::{SnapshotFile, TypeConfig};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::convert::{self, Malformed};
use super::link::{Links, Purpose};
use super::off_the_async_threads;
use crate::limits;

type RpcError = RPCError<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RpcError>;

/// Makes the clients that openraft asks for.
#[derive(Debug, Clone)]
pub(crate) struct Network(pub(crate) Arc<Links>);

impl Network {
    fn client(&self, target: u64, node: &BasicNode, purpose: Purpose) -> PeerClient {
        PeerClient { links: Arc::clone(&self.0), target, address: node.addr.clone(), purpose }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerClient;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> PeerClient {
        self.client(target, node, Purpose::Append)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> PeerClient {
        self.client(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &BasicNode) -> PeerClient {
        self.client(target, node, Purpose::Snapshot)
    }
}

/// Calls one peer for one purpose.
#[derive(Debug)]
pub(crate) struct PeerClient {
    links: Arc<Links>,
    target: u64,
    address: String,
    purpose: Purpose,
}

impl PeerClient {
    fn connect(&self, purpose: Purpose) -> Result<PeerServiceClient<Connection>, RpcError> {
        self.links
            .client(self.target, &self.address, purpose)
            .map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))
    }

    fn envelope(&self) -> wire::Envelope {
        self.links.envelope(self.target)
    }

    async fn ask_for_vote(
        &self,
        request: &VoteRequest<TypeConfig>,
        pre_vote: bool,
        option: &RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        // Votes are small and urgent, whichever connection openraft thinks of.
        let mut client = self.connect(Purpose::Heartbeat)?;
        let founding = self.links.founding.load(Ordering::Acquire);
        let message = convert::vote_request_to_wire(request, self.envelope(), pre_vote, founding);
        let response = in_time(option.hard_ttl(), client.vote(message)).await?.into_inner();
        convert::vote_response_from_wire(response).map_err(|error| network_error(&error))
    }

    async fn open_append_stream<S>(
        &self,
        mut input: S,
        patience: std::time::Duration,
    ) -> Result<Option<AppendStream<S>>, RpcError>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        // It may be a while before there is something to send, so the connection is asked for when there is.
        let Some(first) = input.next().await else { return Ok(None) };
        let renewals = self.links.renewals();
        let mut client = self.connect(self.purpose)?;
        let sent = VecDeque::from([(first.vote, Instant::now())]);
        let mut first = convert::append_to_wire(first);
        first.envelope = Some(self.envelope());
        let (sender, requests) = mpsc::channel(limits::MAX_APPENDS_IN_FLIGHT);
        sender.try_send(first).expect("a new channel has room for one");
        let call = client.append_entries(ReceiverStream::new(requests));
        let answers = in_time(patience, call).await?.into_inner();
        let deadline = Instant::now() + patience;
        let (links, target) = (Arc::clone(&self.links), self.target);
        let sender = Some(sender);
        Ok(Some(AppendStream { input, sender, answers, sent, deadline, patience, renewals, links, target }))
    }

    async fn send_snapshot(
        &self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
    ) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
        // Asked for before the connection is there, so that nothing is missed.
        let mut renewals = self.links.renewals();
        let mut client = self.connect(Purpose::Snapshot)?;
        let (membership_log_id, membership) =
            convert::stored_membership_to_wire(&snapshot.meta.last_membership);
        let (own_vote, last_log_id) = (vote, snapshot.meta.last_log_id);
        let header = wire::SnapshotHeader {
            envelope: Some(self.envelope()),
            vote: Some(convert::vote_to_wire(&vote)),
            last_log_id: snapshot.meta.last_log_id.as_ref().map(convert::log_id_to_wire),
            membership_log_id,
            membership: Some(membership),
            length: snapshot.snapshot.len(),
        };
        let (sender, chunks) = mpsc::channel(limits::SNAPSHOT_CHUNKS_AHEAD);
        let mut call = pin!(client.install_snapshot(ReceiverStream::new(chunks)));
        let feeding = pin!(feed_snapshot(sender, header, snapshot.snapshot));
        let answer = tokio::select! {
            // The peer may refuse before it has all.
            answer = &mut call => answer.map_err(|status| rpc_error(&status))?,
            // Whether the peer may have it still is asked in the handshake of the next connection, over which it is sent anew.
            () = renewals.next() => return Err(rpc_error(&Status::unavailable(RENEWED))),
            done = feeding => {
                done.map_err(|status| rpc_error(&status))?;
                in_time(limits::SNAPSHOT_INSTALL_TIMEOUT, call).await?
            }
        };
        let vote =
            convert::vote_from_wire(answer.into_inner().vote).map_err(|error| network_error(&error))?;
        if vote == own_vote
            && let Some(log_id) = last_log_id
        {
            self.links.acknowledged.matched(self.target, &vote, log_id);
        }
        Ok(SnapshotResponse::new(vote))
    }
}

/// Why a snapshot is broken off.
const RENEWED: &str = "certificates or revocations have changed: the snapshot is sent anew";

/// Sends the header, then the file. The end of the stream alone doesn't tell the peer that it has all: the length does.
async fn feed_snapshot(
    sender: mpsc::Sender<wire::SnapshotChunk>,
    header: wire::SnapshotHeader,
    file: SnapshotFile,
) -> Result<(), Status> {
    let gone = || Status::unavailable("the peer stopped receiving the snapshot");
    let slow = || Status::deadline_exceeded("the peer takes no more of the snapshot");
    let length = header.length;
    let header = wire::SnapshotChunk { header: Some(header), data: bytes::Bytes::new() };
    sender.send(header).await.map_err(|_| gone())?;
    let mut offset = 0;
    while offset < length {
        let file = file.clone();
        let data = off_the_async_threads(move || file.read_chunk(offset, limits::SNAPSHOT_CHUNK_BYTES))
            .await?
            .map_err(|error| Status::internal(format!("reading the snapshot: {error}")))?;
        if data.is_empty() {
            return Err(Status::internal("the snapshot is shorter than it was"));
        }
        offset += data.len() as u64;
        let sent = sender.send(wire::SnapshotChunk { header: None, data });
        timeout(limits::SNAPSHOT_CHUNK_TIMEOUT, sent).await.map_err(|_| slow())?.map_err(|_| gone())?;
    }
    Ok(())
}

/// Appends on their way over one stream, and the answers that come back in the same order.
///
/// Invariants:
/// - `sent` holds what is unanswered, at most [`limits::MAX_APPENDS_IN_FLIGHT`], so the channel always has room.
/// - The instant of a request is not after any byte of it left.
/// - `deadline` bounds the oldest of the unanswered, and the end of a stream on which nothing is unanswered.
/// - After a renewal it sends no more, and ends with the last answer: openraft opens the next one, on a new connection, for
///   what is unsent.
/// - Dropping it drops `input` at once: openraft's next stream waits for a lock that this one's input may hold.
struct AppendStream<S> {
    input: S,
    sender: Option<mpsc::Sender<wire::AppendRequest>>,
    answers: tonic::Streaming<wire::AppendResponse>,
    /// Under which vote the unanswered were sent, and when, oldest first.
    sent: VecDeque<(VoteOf<TypeConfig>, Instant)>,
    deadline: Instant,
    patience: std::time::Duration,
    renewals: Renewals,
    links: Arc<Links>,
    target: u64,
}

impl<S> AppendStream<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    /// The next answer, sending what is to be sent meanwhile; `None` at the end.
    async fn next(&mut self) -> Option<Answer> {
        loop {
            let may_send = self.sender.is_some() && self.sent.len() < limits::MAX_APPENDS_IN_FLIGHT;
            let waits = !self.sent.is_empty() || self.sender.is_none();
            tokio::select! {
                biased;
                answer = self.answers.message() => return self.answered(answer),
                () = self.renewals.next(), if self.sender.is_some() => self.end(),
                request = self.input.next(), if may_send => self.send(request),
                () = tokio::time::sleep_until(self.deadline), if waits => {
                    return Some(Err(late("an append was not answered in time")));
                }
            }
        }
    }

    fn answered(&mut self, answer: Result<Option<wire::AppendResponse>, Status>) -> Option<Answer> {
        let asked = self.sent.pop_front();
        self.deadline = Instant::now() + self.patience;
        match answer {
            Err(status) => Some(Err(rpc_error(&status))),
            // Said as an error: from a stream that just ends openraft concludes nothing, tries again without end, and
            // keeps the log that this peer lacks from being purged.
            Ok(None) if asked.is_some() => {
                Some(Err(rpc_error(&Status::unavailable("the peer ended the stream"))))
            }
            Ok(None) => None,
            Ok(Some(response)) => {
                let Some((vote, sent_at)) = asked else {
                    return Some(Err(network_error(&Malformed("an answer to nothing"))));
                };
                let lease = Duration::from_millis(response.lease_ms);
                Some(match convert::append_result_from_wire(response) {
                    Ok(Ok(result)) => self.note(result, &vote, sent_at, lease),
                    Ok(Err(fatal)) => {
                        Err(rpc_error(&Status::unavailable(format!("the peer is stopping: {fatal}"))))
                    }
                    Err(error) => Err(network_error(&error)),
                })
            }
        }
    }

    /// Remembers what the peer acknowledges. One that takes it back is to openraft as if it could not be reached.
    fn note(
        &self,
        result: StreamAppendResult<TypeConfig>,
        vote: &VoteOf<TypeConfig>,
        sent_at: Instant,
        lease: Duration,
    ) -> Answer {
        let acknowledged = &self.links.acknowledged;
        if matches!(result, Ok(_) | Err(StreamAppendError::Conflict(_))) {
            self.links.heard.note(self.target, vote, sent_at, lease);
        }
        match &result {
            Ok(Some(log_id)) => acknowledged.matched(self.target, vote, *log_id),
            Err(StreamAppendError::Conflict(log_id)) => {
                if acknowledged.conflicts(self.target, vote, *log_id) {
                    let what = "the peer lacks entries that it had acknowledged";
                    return Err(rpc_error(&Status::failed_precondition(what)));
                }
            }
            Ok(None) | Err(StreamAppendError::HigherVote(_)) => {}
        }
        Ok(result)
    }

    /// Sends no more: the peer answers what it has, and ends the stream.
    fn end(&mut self) {
        self.sender = None;
        if self.sent.is_empty() {
            self.deadline = Instant::now() + self.patience;
        }
    }

    fn send(&mut self, request: Option<AppendEntriesRequest<TypeConfig>>) {
        let (Some(request), Some(sender)) = (request, &self.sender) else {
            return self.end();
        };
        let now = Instant::now();
        if self.sent.is_empty() {
            self.deadline = now + self.patience;
        }
        self.sent.push_back((request.vote, now));
        // A closed channel means that the stream has failed; its answers will say why.
        if sender.try_send(convert::append_to_wire(request)).is_err() {
            self.sender = None;
        }
    }
}

impl RaftNetworkV2<TypeConfig> for PeerClient {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let mut answers = self.stream_append(stream::iter([request]), option).await?;
        match answers.next().await {
            None => Err(late("the stream ended without an answer")),
            Some(Err(error)) => Err(error),
            Some(Ok(Ok(matched))) if matched == last => Ok(AppendEntriesResponse::Success),
            Some(Ok(Ok(matched))) => Ok(AppendEntriesResponse::PartialSuccess(matched)),
            Some(Ok(Err(StreamAppendError::Conflict(_)))) => Ok(AppendEntriesResponse::Conflict),
            Some(Ok(Err(StreamAppendError::HigherVote(vote)))) => Ok(AppendEntriesResponse::HigherVote(vote)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Answer>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            let patience = option.soft_ttl().max(limits::MIN_APPEND_TIMEOUT);
            let opened = self.open_append_stream(input, patience).await?;
            let answers = stream::unfold(opened, |appends| async {
                let mut appends = appends?;
                let answer = appends.next().await?;
                // Nothing that follows a failure on a stream can be an answer.
                let rest = matches!(answer, Ok(Ok(_))).then_some(appends);
                Some((answer, rest))
            });
            let answers: BoxStream<'s, Answer> = Box::pin(answers);
            Ok(answers)
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_for_vote(&request, false, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_for_vote(&request, true, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<TypeConfig>,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = self.send_snapshot(vote, snapshot) => answer.map_err(StreamingError::from),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let mut client = self.connect(Purpose::Heartbeat)?;
        let message = wire::TransferLeaderRequest {
            envelope: Some(self.envelope()),
            from_leader: Some(convert::vote_to_wire(request.from_leader())),
            to_node: *request.to_node_id(),
            last_log_id: request.last_log_id().map(convert::log_id_to_wire),
        };
        let answer = in_time(option.hard_ttl(), client.transfer_leader(message)).await?.into_inner();
        if answer.accepted {
            return Ok(Ok(()));
        }
        Ok(Err(TransferLeaderError::LogNotFlushed { expected: request.last_log_id().copied(), actual: None }))
    }

    fn backoff(&self) -> Option<Backoff> {
        let (first, last) = limits::BACKOFF;
        Some(Backoff::new(std::iter::successors(Some(first), move |pause| Some((*pause * 2).min(last)))))
    }
}

/// Waits for a call, not for ever.
async fn in_time<T>(
    patience: std::time::Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, RpcError> {
    match timeout_at(Instant::now() + patience, call).await {
        Ok(answer) => answer.map_err(|status| rpc_error(&status)),
        Err(_) => Err(late("the peer did not answer in time")),
    }
}

fn late(what: &'static str) -> RpcError {
    RPCError::Network(NetworkError::new(&Status::deadline_exceeded(what)))
}

fn network_error(error: &Malformed) -> RpcError {
    RPCError::Network(NetworkError::new(error))
}

/// Who can't be reached, or will not have us, is asked again after a pause; all else at once.
fn rpc_error(status: &Status) -> RpcError {
    match status.code() {
        Code::Unavailable
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented => RPCError::Unreachable(Unreachable::new(status)),
        _ => RPCError::Network(NetworkError::new(status)),
    }
}
