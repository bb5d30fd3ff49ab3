//! Between openraft's types and those on the wire. What comes from the wire is checked; openraft's own structures change
//! among its versions and are never sent as they are.

use std::collections::{BTreeMap, BTreeSet};

use openraft::impls::leader_id_adv::LeaderId;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::{LogIdOf, StoredMembershipOf, VoteOf};
use openraft::{BasicNode, EntryPayload, LogId, Membership, StoredMembership, Vote};
use stockade_proto::internal as wire;
use stockade_storage::{Proposal, TypeConfig};

type LogEntry = openraft::type_config::alias::EntryOf<TypeConfig>;

/// What came over the wire can't be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message from a peer: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

fn leader_to_wire(leader: &LeaderId<u64, u64>) -> wire::LeaderId {
    wire::LeaderId { term: leader.term, node_id: leader.node_id }
}

fn leader_from_wire(leader: Option<wire::LeaderId>) -> Result<LeaderId<u64, u64>, Malformed> {
    let leader = leader.ok_or(Malformed("no leader id"))?;
    Ok(LeaderId { term: leader.term, node_id: leader.node_id })
}

pub(crate) fn vote_to_wire(vote: &VoteOf<TypeConfig>) -> wire::Vote {
    wire::Vote { leader: Some(leader_to_wire(&vote.leader_id)), committed: vote.committed }
}

pub(crate) fn vote_from_wire(vote: Option<wire::Vote>) -> Result<VoteOf<TypeConfig>, Malformed> {
    let vote = vote.ok_or(Malformed("no vote"))?;
    let LeaderId { term, node_id } = leader_from_wire(vote.leader)?;
    Ok(if vote.committed { Vote::new_committed(term, node_id) } else { Vote::new(term, node_id) })
}

pub(crate) fn log_id_to_wire(log_id: &LogIdOf<TypeConfig>) -> wire::LogId {
    wire::LogId { leader: Some(leader_to_wire(log_id.committed_leader_id())), index: log_id.index() }
}

fn one_log_id_from_wire(log_id: wire::LogId) -> Result<LogIdOf<TypeConfig>, Malformed> {
    Ok(LogId::new(leader_from_wire(log_id.leader)?, log_id.index))
}

pub(crate) fn log_id_from_wire(
    log_id: Option<wire::LogId>,
) -> Result<Option<LogIdOf<TypeConfig>>, Malformed> {
    log_id.map(one_log_id_from_wire).transpose()
}

fn membership_to_wire(membership: &Membership<u64, BasicNode>) -> wire::Membership {
    wire::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|voters| wire::membership::Config { voters: voters.iter().copied().collect() })
            .collect(),
        nodes: membership
            .nodes()
            .map(|(node_id, node)| wire::PeerNode { node_id: *node_id, address: node.addr.clone() })
            .collect(),
    }
}

fn membership_from_wire(membership: wire::Membership) -> Result<Membership<u64, BasicNode>, Malformed> {
    let configs: Vec<BTreeSet<u64>> =
        membership.configs.into_iter().map(|config| config.voters.into_iter().collect()).collect();
    let nodes: BTreeMap<u64, BasicNode> =
        membership.nodes.into_iter().map(|node| (node.node_id, BasicNode { addr: node.address })).collect();
    Membership::new(configs, nodes).map_err(|_| Malformed("a membership that can't be"))
}

pub(crate) fn stored_membership_to_wire(
    stored: &StoredMembershipOf<TypeConfig>,
) -> (Option<wire::LogId>, wire::Membership) {
    (stored.log_id().as_ref().map(log_id_to_wire), membership_to_wire(stored.membership()))
}

pub(crate) fn stored_membership_from_wire(
    log_id: Option<wire::LogId>,
    membership: Option<wire::Membership>,
) -> Result<StoredMembershipOf<TypeConfig>, Malformed> {
    let log_id = log_id_from_wire(log_id)?;
    let Some(membership) = membership.filter(|membership| !membership.configs.is_empty()) else {
        return Ok(StoredMembership::new(log_id, Membership::default()));
    };
    Ok(StoredMembership::new(log_id, membership_from_wire(membership)?))
}

fn entry_to_wire(entry: LogEntry) -> wire::Entry {
    let payload = match entry.payload {
        EntryPayload::Blank => wire::entry::Payload::Blank(true),
        EntryPayload::Normal(Proposal(bytes)) => wire::entry::Payload::Proposal(bytes),
        EntryPayload::Membership(membership) => {
            wire::entry::Payload::Membership(membership_to_wire(&membership))
        }
    };
    wire::Entry { log_id: Some(log_id_to_wire(&entry.log_id)), payload: Some(payload) }
}

fn entry_from_wire(entry: wire::Entry) -> Result<LogEntry, Malformed> {
    let log_id = one_log_id_from_wire(entry.log_id.ok_or(Malformed("no log id"))?)?;
    let payload = match entry.payload.ok_or(Malformed("an entry of a kind this version doesn't know"))? {
        wire::entry::Payload::Blank(_) => EntryPayload::Blank,
        wire::entry::Payload::Proposal(bytes) => EntryPayload::Normal(Proposal(bytes)),
        wire::entry::Payload::Membership(membership) => {
            EntryPayload::Membership(membership_from_wire(membership)?)
        }
    };
    Ok(LogEntry { log_id, payload })
}

/// Without an envelope: only the first of a stream has one.
pub(crate) fn append_to_wire(request: AppendEntriesRequest<TypeConfig>) -> wire::AppendRequest {
    wire::AppendRequest {
        envelope: None,
        vote: Some(vote_to_wire(&request.vote)),
        prev_log_id: request.prev_log_id.as_ref().map(log_id_to_wire),
        entries: request.entries.into_iter().map(entry_to_wire).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_to_wire),
    }
}

pub(crate) fn append_from_wire(
    request: wire::AppendRequest,
) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    let request = AppendEntriesRequest::<TypeConfig> {
        vote: vote_from_wire(request.vote)?,
        prev_log_id: log_id_from_wire(request.prev_log_id)?,
        entries: request.entries.into_iter().map(entry_from_wire).collect::<Result<Vec<_>, _>>()?,
        leader_commit: log_id_from_wire(request.leader_commit)?,
    };
    let first = request.prev_log_id.as_ref().map_or(0, |log_id| log_id.index() + 1);
    if (first..).zip(&request.entries).any(|(index, entry)| entry.log_id.index() != index) {
        return Err(Malformed("entries with a gap"));
    }
    Ok(request)
}

/// `lease_ms` is what this node promises whom it follows.
pub(crate) fn append_result_to_wire(
    result: &StreamAppendResult<TypeConfig>,
    lease_ms: u64,
) -> wire::AppendResponse {
    let result = match result {
        Ok(log_id) => wire::append_response::Result::Matched(wire::Matched {
            log_id: log_id.as_ref().map(log_id_to_wire),
        }),
        Err(StreamAppendError::Conflict(log_id)) => {
            wire::append_response::Result::Conflict(log_id_to_wire(log_id))
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            wire::append_response::Result::HigherVote(vote_to_wire(vote))
        }
    };
    wire::AppendResponse { result: Some(result), lease_ms }
}

/// `Err` holds why the peer can't go on.
pub(crate) fn append_result_from_wire(
    response: wire::AppendResponse,
) -> Result<Result<StreamAppendResult<TypeConfig>, String>, Malformed> {
    Ok(Ok(match response.result.ok_or(Malformed("an answer without a result"))? {
        wire::append_response::Result::Matched(matched) => Ok(log_id_from_wire(matched.log_id)?),
        wire::append_response::Result::Conflict(log_id) => {
            Err(StreamAppendError::Conflict(one_log_id_from_wire(log_id)?))
        }
        wire::append_response::Result::HigherVote(vote) => {
            Err(StreamAppendError::HigherVote(vote_from_wire(Some(vote))?))
        }
        wire::append_response::Result::Fatal(cause) => return Ok(Err(cause)),
    }))
}

pub(crate) fn vote_request_to_wire(
    request: &VoteRequest<TypeConfig>,
    envelope: wire::Envelope,
    pre_vote: bool,
    founding: bool,
) -> wire::VoteRequest {
    wire::VoteRequest {
        envelope: Some(envelope),
        vote: Some(vote_to_wire(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id_to_wire),
        pre_vote,
        leadership_transfer: request.leadership_transfer,
        founding,
    }
}

pub(crate) fn vote_request_from_wire(
    request: &wire::VoteRequest,
) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let mut vote_request =
        VoteRequest::new(vote_from_wire(request.vote)?, log_id_from_wire(request.last_log_id)?);
    vote_request.leadership_transfer = request.leadership_transfer;
    Ok(vote_request)
}

pub(crate) fn vote_response_to_wire(response: &VoteResponse<TypeConfig>) -> wire::VoteResponse {
    wire::VoteResponse {
        vote: Some(vote_to_wire(&response.vote)),
        granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(log_id_to_wire),
    }
}

pub(crate) fn vote_response_from_wire(
    response: wire::VoteResponse,
) -> Result<VoteResponse<TypeConfig>, Malformed> {
    let vote = vote_from_wire(response.vote)?;
    Ok(VoteResponse::new(vote, log_id_from_wire(response.last_log_id)?, response.granted))
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
