//! Answers to peers.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt, future, stream};
use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest};
use openraft::type_config::alias::{SnapshotOf, VoteOf};
use stockade_env::Throttle;
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_server::PeerService;
use stockade_storage::{SnapshotFile, SpaceLevel, TypeConfig};
use tokio::time::{Instant, timeout};
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::convert;
use super::off_the_async_threads;
use super::sender::Sender;
use crate::MembershipChange;
use crate::limits;
use crate::membership::Failed;
use crate::node::Inner;
use crate::read::Confirmed;

/// The service that peers call.
#[derive(Debug)]
pub(crate) struct PeerServer {
    node: Arc<Inner>,
    warned: AtomicBool,
    /// Bounds what is said of those who are not who they say they are.
    strangers: Arc<Throttle>,
}

impl PeerServer {
    pub(crate) fn new(node: Arc<Inner>) -> Self {
        let strangers = Arc::new(Throttle::new(limits::STRANGERS_TOLD, limits::STRANGERS_EVERY));
        Self { node, warned: AtomicBool::new(false), strangers }
    }

    /// Who sends a call. Refuses what is meant for another cluster or node, and who is not the node that it says it is.
    #[allow(clippy::result_large_err, reason = "tonic's own error type")]
    fn check(&self, call: &Extensions, envelope: Option<&wire::Envelope>) -> Result<Sender, Status> {
        let Some(envelope) = envelope else {
            return Err(Status::invalid_argument("the message names no cluster and no node"));
        };
        let identity = &self.node.identity;
        if envelope.cluster_id != identity.cluster_id {
            self.warn_once(envelope, "it belongs to another cluster");
            let what = format!("this node belongs to cluster {}", identity.cluster_id);
            return Err(Status::permission_denied(what));
        }
        if envelope.to_node != identity.node_id {
            self.warn_once(envelope, "it means another node");
            return Err(Status::failed_precondition(format!("this is node {}", identity.node_id)));
        }
        self.check_sender(call, envelope.from_node)
    }

    /// Refuses what only a member takes part in, where this node doesn't know yet whether its id is another's.
    #[allow(clippy::result_large_err, reason = "tonic's own error type")]
    fn check_introduced(&self) -> Result<(), Status> {
        if self.node.introduced.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Status::unavailable(
            "this node has reached none of the nodes to join and doesn't know whether its id is free",
        ))
    }

    /// Who sends a call. Refuses who is not the node that it says it is.
    #[allow(clippy::result_large_err, reason = "tonic's own error type")]
    fn check_sender(&self, call: &Extensions, from_node: u64) -> Result<Sender, Status> {
        let sender = Sender::new(&self.node, call.clone(), from_node, &self.strangers);
        sender.check().map(|()| sender)
    }

    fn warn_once(&self, envelope: &wire::Envelope, why: &'static str) {
        if self.warned.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            from = envelope.from_node,
            to = envelope.to_node,
            its_cluster = envelope.cluster_id,
            why,
            "a message from a peer is refused; check the peers' addresses and cluster names"
        );
    }

    /// The file that a peer sends, verified.
    async fn receive(
        &self,
        length: u64,
        sender: &Sender,
        chunks: &mut Streaming<wire::SnapshotChunk>,
    ) -> Result<SnapshotFile, Status> {
        if !self.node.space.has_room_for_snapshot(length) {
            let free = self.node.space.free_bytes();
            return Err(no_room(&format!("a snapshot of {length} bytes has no room in {free}")));
        }
        let store = self.node.snapshots.clone();
        let begun = off_the_async_threads(move || store.begin()).await?;
        // Dropped before it is whole, it leaves nothing on the disk.
        let mut receiver = begun.map_err(|error| write_failed(&error))?;
        let mut arrived = 0;
        while arrived < length {
            let chunk = timeout(limits::SNAPSHOT_CHUNK_TIMEOUT, chunks.message())
                .await
                .map_err(|_| Status::deadline_exceeded("no more of the snapshot arrived in time"))??
                .ok_or_else(|| Status::data_loss("the snapshot ended before its length"))?;
            sender.check()?;
            arrived += chunk.data.len() as u64;
            let wrote = off_the_async_threads(move || (receiver.write(&chunk.data), receiver)).await?;
            receiver = wrote.1;
            wrote.0.map_err(|error| write_failed(&error))?;
        }
        if arrived > length {
            return Err(Status::data_loss("the snapshot is longer than it should be"));
        }
        off_the_async_threads(move || receiver.finish()).await?.map_err(|error| disk(&error))
    }

    /// Where this node has seen a higher vote, the sender is no leader any more: no need to take its snapshot.
    fn higher_vote(&self, vote: &VoteOf<TypeConfig>) -> Option<VoteOf<TypeConfig>> {
        let seen = self.node.metrics(|metrics| metrics.vote);
        (seen > *vote).then_some(seen)
    }
}

/// What a message of a stream of appends asks for; else why the stream ends with it, where somebody is to be told.
fn taken(
    node: &Inner,
    sender: &Sender,
    message: Result<wire::AppendRequest, Status>,
) -> Result<AppendEntriesRequest<TypeConfig>, Option<Status>> {
    let message = message.map_err(|status| {
        tracing::debug!(%status, "a stream of appends ended");
        node.contact.broke();
        None
    })?;
    // Raft takes nothing more, and would say so as if that were an error.
    if node.is_stopping() {
        return Err(Some(Status::unavailable("this node is stopping")));
    }
    sender.check()?;
    let request = convert::append_from_wire(message).map_err(|error| {
        tracing::warn!(%error, "a stream of appends is cut off");
        None
    })?;
    sender.check_vote(&request.vote)?;
    node.contact.heard(sender.node_id());
    // Said to openraft, that would be a failure of this node, which it isn't.
    if needs_room(&request) && node.space.level() >= SpaceLevel::Full {
        return Err(Some(no_room("the disk is full, no entries are taken")));
    }
    Ok(request)
}

/// True of entries that change the state. What a new leader and a change of members write is little, and a cluster that
/// could not even elect would be of less use.
fn needs_room(request: &AppendEntriesRequest<TypeConfig>) -> bool {
    request.entries.iter().any(|entry| matches!(entry.payload, EntryPayload::Normal(_)))
}

/// The peer tries again, after pauses.
fn no_room(what: &str) -> Status {
    Status::unavailable(what)
}

/// Somebody else may have taken the room that was there.
fn write_failed(error: &io::Error) -> Status {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    if full { no_room(&error.to_string()) } else { disk(error) }
}

fn disk(error: &dyn std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

fn raft_stopped(error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(format!("raft has stopped: {error}"))
}

type AppendResponses = Pin<Box<dyn Stream<Item = Result<wire::AppendResponse, Status>> + Send>>;

#[tonic::async_trait]
impl PeerService for PeerServer {
    type AppendEntriesStream = AppendResponses;

    async fn append_entries(
        &self,
        request: Request<Streaming<wire::AppendRequest>>,
    ) -> Result<Response<AppendResponses>, Status> {
        let (_, call, mut inbound) = request.into_parts();
        let Some(first) = inbound.message().await? else {
            return Ok(Response::new(Box::pin(stream::empty())));
        };
        let sender = self.check(&call, first.envelope.as_ref())?;
        self.check_introduced()?;
        let (node, refusal) = (Arc::clone(&self.node), Arc::new(OnceLock::new()));
        let refused = Arc::clone(&refusal);
        // What can't be read, or is not taken, ends the stream; the leader sends what is unanswered again.
        let appends = stream::once(future::ready(Ok(first))).chain(inbound).scan((), move |(), message| {
            let taken = taken(&node, &sender, message);
            if let Err(Some(status)) = &taken {
                refused.get_or_init(|| status.clone());
            }
            future::ready(taken.ok())
        });
        let lease_ms = self.node.config.lease_ms();
        let answers = self.node.raft.stream_append(appends).map(move |answer| {
            Ok(match answer {
                Ok(result) => convert::append_result_to_wire(&result, lease_ms),
                Err(fatal) => wire::AppendResponse {
                    result: Some(wire::append_response::Result::Fatal(fatal.to_string())),
                    lease_ms: 0,
                },
            })
        });
        // What came before has its answer by then.
        let refusal = stream::once(async move { refusal.get().cloned().map(Err) });
        Ok(Response::new(Box::pin(answers.chain(refusal.filter_map(future::ready)))))
    }

    async fn vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let sender = self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        self.check_introduced()?;
        let request = request.into_inner();
        if Instant::now() < self.node.votes_from {
            return Err(Status::unavailable("this node has just started and gives no vote yet"));
        }
        let (pre_vote, founding) = (request.pre_vote, request.founding);
        let request = convert::vote_request_from_wire(&request)?;
        sender.check_vote(&request.vote)?;
        let candidate = request.vote.leader_id.node_id;
        if !self.node.may_vote_for(candidate, request.last_log_id, founding) {
            return Err(Status::unavailable(
                "one of both nodes started without data and has not caught up yet",
            ));
        }
        let answer = if pre_vote {
            self.node.raft.pre_vote(request).await
        } else {
            self.node.raft.vote(request).await
        };
        let answer = answer.map_err(|error| raft_stopped(&error))?;
        if answer.vote_granted && founding && !pre_vote {
            self.node.note_founding_vote(candidate);
        }
        Ok(Response::new(convert::vote_response_to_wire(&answer)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::SnapshotChunk>>,
    ) -> Result<Response<wire::SnapshotResponse>, Status> {
        let (_, call, mut chunks) = request.into_parts();
        let first = chunks.message().await?.and_then(|chunk| chunk.header);
        let header = first.ok_or_else(|| Status::invalid_argument("the snapshot has no header"))?;
        let sender = self.check(&call, header.envelope.as_ref())?;
        self.check_introduced()?;
        let vote = convert::vote_from_wire(header.vote)?;
        sender.check_vote(&vote)?;
        let last_log_id = convert::log_id_from_wire(header.last_log_id)?;
        if last_log_id.is_some_and(|log_id| *log_id.committed_leader_id() > vote.leader_id) {
            return Err(Status::invalid_argument("the snapshot is of a later term than its sender"));
        }
        if let Some(higher) = self.higher_vote(&vote) {
            return Ok(Response::new(wire::SnapshotResponse { vote: Some(convert::vote_to_wire(&higher)) }));
        }
        let file = self.receive(header.length, &sender, &mut chunks).await?;
        let membership = convert::stored_membership_from_wire(header.membership_log_id, header.membership)?;
        let meta = file.meta();
        if meta.last_log_id != last_log_id || meta.last_membership != membership {
            return Err(Status::data_loss("the snapshot is not the one that was announced"));
        }
        let snapshot = SnapshotOf::<TypeConfig, SnapshotFile> { meta, snapshot: file };
        let answer = self.node.raft.install_full_snapshot(vote, snapshot).await;
        let answer = answer.map_err(|error| raft_stopped(&error))?;
        Ok(Response::new(wire::SnapshotResponse { vote: Some(convert::vote_to_wire(&answer.vote)) }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let sender = self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        let request = request.into_inner();
        let from = convert::vote_from_wire(request.from_leader)?;
        sender.check_vote(&from)?;
        let last_log_id = convert::log_id_from_wire(request.last_log_id)?;
        let request = TransferLeaderRequest::new(from, request.to_node, last_log_id);
        let answer = self.node.raft.handle_transfer_leader(request).await;
        let answer = answer.map_err(|error| raft_stopped(&error))?;
        Ok(Response::new(wire::TransferLeaderResponse { accepted: answer.is_ok() }))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        let by = if request.get_ref().by_lease { Confirmed::ByLease } else { Confirmed::ByQuorum };
        let (result, by) = match self.node.read_index_here(by).await {
            Ok(read) => (wire::read_index_response::Result::Index(read.index), read.by),
            Err(leader) => (wire::read_index_response::Result::NotLeader(leader.unwrap_or(0)), by),
        };
        let by_lease = by == Confirmed::ByLease;
        Ok(Response::new(wire::ReadIndexResponse { result: Some(result), by_lease }))
    }

    async fn report_loss(
        &self,
        request: Request<wire::ReportLossRequest>,
    ) -> Result<Response<wire::ReportLossResponse>, Status> {
        self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        let request = request.into_inner();
        self.node.heed_loss(request)?;
        Ok(Response::new(wire::ReportLossResponse {}))
    }

    async fn status(
        &self,
        request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusResponse>, Status> {
        self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        let members = self.node.members().into_iter();
        let members = members.map(|(node_id, address)| wire::PeerNode { node_id, address }).collect();
        let committed = self.node.committed_membership();
        let (membership_index, membership) =
            committed.map_or((0, Vec::new()), |known| (known.index, known.members.into_iter().collect()));
        Ok(Response::new(wire::StatusResponse {
            members,
            peer_address: self.node.own_address(),
            membership_index,
            membership,
            chain_marks: self.node.marks_to_tell(),
            clock_us: self.node.env.clock.now_us(),
            hears: self.node.hears(),
            ..self.node.status().to_wire()
        }))
    }

    async fn change_membership(
        &self,
        request: Request<wire::ChangeMembershipRequest>,
    ) -> Result<Response<wire::ChangeMembershipResponse>, Status> {
        use wire::change_membership_response::Result as Answer;
        self.check(request.extensions(), request.get_ref().envelope.as_ref())?;
        let request = request.into_inner();
        let change = request.change.ok_or_else(|| Status::invalid_argument("no change is named"))?;
        let patience = Duration::from_millis(request.timeout_ms).min(limits::MAX_MEMBERSHIP_TIMEOUT);
        let change = MembershipChange::from_wire(change);
        let changed = self.node.change_membership_here(&change, &request.by, Instant::now() + patience).await;
        let result = match changed {
            Ok(index) => Answer::Index(index),
            Err(Failed::NotLeader) => Answer::NotLeader(self.node.leader.borrow().node_id.unwrap_or(0)),
            Err(Failed::Refused(refusal)) => Answer::Refused(refusal.to_wire()),
            Err(Failed::Unknown) => Answer::Unknown(true),
        };
        Ok(Response::new(wire::ChangeMembershipResponse { result: Some(result) }))
    }

    async fn introduce(
        &self,
        request: Request<wire::IntroduceRequest>,
    ) -> Result<Response<wire::IntroduceResponse>, Status> {
        self.check_sender(request.extensions(), request.get_ref().from_node)?;
        let request = request.into_inner();
        let identity = &self.node.identity;
        if request.cluster_id != identity.cluster_id {
            let what = format!("this node belongs to cluster {}", identity.cluster_id);
            return Err(Status::permission_denied(what));
        }
        // Who waits to be added itself, or was cut off, knows old members or none: an id that is used would look free.
        let deadline = Instant::now() + limits::READ_ATTEMPT_TIMEOUT;
        if self.node.pass_barrier(Confirmed::ByQuorum, deadline).await.is_err() {
            return Err(Status::unavailable("this node doesn't know who is a member now; ask another"));
        }
        let members = self.node.members().into_iter();
        Ok(Response::new(wire::IntroduceResponse {
            node_id: identity.node_id,
            client_address: self.node.config.advertise_client.clone(),
            members: members.map(|(node_id, address)| wire::PeerNode { node_id, address }).collect(),
            voters: self.node.metrics(|metrics| metrics.membership_config.voter_ids().collect()),
            highest_node_id: self.node.state.highest_node_id(),
        }))
    }
}
