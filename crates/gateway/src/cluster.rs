//! What the nodes say of themselves, and changes of who they are.

use stockade_consensus::{MembershipChange, NodeAlarm, NodeStatus, Role};
use stockade_proto::v1;
use stockade_proto::v1::cluster_service_server::ClusterService;
use stockade_state_machine::{LogTime, Revision};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::access::Caller;
use crate::convert::timestamp;
use crate::core::Core;
use crate::failure::Failure;
use crate::status::Call;
use crate::validate::Violations;
use crate::{deadline, limits};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cluster(pub(crate) Core);

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let nodes = self.0.node().cluster_status().await;
        let answering = self.0.answering();
        let end = end_of_log(&nodes);
        Ok(Response::new(v1::GetStatusResponse {
            header: Some(answering.read(answering.served)),
            nodes: nodes.iter().map(|node| status(node, end)).collect(),
        }))
    }

    async fn add_learner(
        &self,
        request: Request<v1::AddLearnerRequest>,
    ) -> Result<Response<v1::AddLearnerResponse>, Status> {
        let changed = match addition(request.get_ref()) {
            Ok(change) => self.change(&Caller::of(request.extensions()), request.metadata(), &change).await,
            Err(violations) => Err(violations.into()),
        };
        let header = changed.map_err(|failure| self.0.fail(&failure, Call::Write))?;
        Ok(Response::new(v1::AddLearnerResponse { header: Some(header) }))
    }

    async fn promote(
        &self,
        request: Request<v1::PromoteRequest>,
    ) -> Result<Response<v1::PromoteResponse>, Status> {
        let changed = match promotion(request.get_ref()) {
            Ok(change) => self.change(&Caller::of(request.extensions()), request.metadata(), &change).await,
            Err(violations) => Err(violations.into()),
        };
        let header = changed.map_err(|failure| self.0.fail(&failure, Call::Write))?;
        Ok(Response::new(v1::PromoteResponse { header: Some(header) }))
    }

    async fn drain(&self, request: Request<v1::DrainRequest>) -> Result<Response<v1::DrainResponse>, Status> {
        let deadline = deadline::of_call(request.metadata());
        let v1::DrainRequest { node_id, undo } = request.into_inner();
        let own = self.0.node().id();
        if node_id != own {
            let mut violations = Violations::default();
            violations.add("node_id", format!("this is node {own}; call the node that is to be drained"));
            return Err(self.0.fail(&violations.into(), Call::Read));
        }
        let still_leads = if undo {
            self.0.end_drain();
            false
        } else {
            let patience = deadline.saturating_duration_since(Instant::now());
            !self.0.drain(patience.min(limits::MAX_HANDOVER)).await
        };
        let answering = self.0.answering();
        let header = Some(answering.read(answering.served));
        Ok(Response::new(v1::DrainResponse { header, still_leads }))
    }

    async fn remove(
        &self,
        request: Request<v1::RemoveRequest>,
    ) -> Result<Response<v1::RemoveResponse>, Status> {
        let changed = match removal(request.get_ref()) {
            Ok(change) => self.change(&Caller::of(request.extensions()), request.metadata(), &change).await,
            Err(violations) => Err(violations.into()),
        };
        let header = changed.map_err(|failure| self.0.fail(&failure, Call::Write))?;
        Ok(Response::new(v1::RemoveResponse { header: Some(header) }))
    }

    async fn transfer_leadership(
        &self,
        request: Request<v1::TransferLeadershipRequest>,
    ) -> Result<Response<v1::TransferLeadershipResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let moved = self.transfer(&caller, request.metadata(), request.get_ref()).await;
        moved.map(Response::new).map_err(|failure| self.0.fail(&failure, Call::Write))
    }
}

impl Cluster {
    /// Has the leader give the lead away; tells who has it.
    async fn transfer(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        request: &v1::TransferLeadershipRequest,
    ) -> Result<v1::TransferLeadershipResponse, Failure> {
        let change = transfer(request)?;
        let deadline = deadline::of_call(metadata);
        let by = caller.principal().as_str();
        let leader_id = self.0.node().change_membership(&change, by, deadline).await?;
        let answering = self.0.answering();
        Ok(v1::TransferLeadershipResponse { header: Some(answering.read(answering.served)), leader_id })
    }

    /// Has the leader change the membership; the header has the log index of the membership that is as asked for.
    async fn change(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        change: &MembershipChange,
    ) -> Result<v1::ResponseHeader, Failure> {
        let deadline = deadline::of_call(metadata);
        let index = self.0.node().change_membership(change, caller.principal().as_str(), deadline).await?;
        Ok(self.0.answering().read(Revision::new(index)))
    }
}

fn addition(request: &v1::AddLearnerRequest) -> Result<MembershipChange, Violations> {
    let mut violations = Violations::default();
    node_id("node_id", request.node_id, &mut violations);
    let address = &request.peer_address;
    let port = address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
    let sound = port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if !sound || address.len() > limits::MAX_ADDRESS_BYTES || address.chars().any(char::is_whitespace) {
        violations.add("peer_address", "must be HOST:PORT");
    }
    violations.into_result()?;
    Ok(MembershipChange::AddLearner { node_id: request.node_id, peer_address: address.clone() })
}

fn promotion(request: &v1::PromoteRequest) -> Result<MembershipChange, Violations> {
    let mut violations = Violations::default();
    node_id("node_id", request.node_id, &mut violations);
    if request.node_id == request.replaces && request.node_id != 0 {
        violations.add("replaces", "must be another node");
    }
    violations.into_result()?;
    let replaces = (request.replaces != 0).then_some(request.replaces);
    Ok(MembershipChange::Promote { node_id: request.node_id, replaces })
}

fn removal(request: &v1::RemoveRequest) -> Result<MembershipChange, Violations> {
    let mut violations = Violations::default();
    if request.node_ids.is_empty() || request.node_ids.len() > limits::MAX_REMOVED_NODES {
        violations.add("node_ids", format!("must be 1 to {} of them", limits::MAX_REMOVED_NODES));
    }
    if request.node_ids.contains(&0) {
        violations.add("node_ids", "must not contain 0");
    }
    violations.into_result()?;
    Ok(MembershipChange::Remove { node_ids: request.node_ids.iter().copied().collect() })
}

fn transfer(request: &v1::TransferLeadershipRequest) -> Result<MembershipChange, Violations> {
    let mut violations = Violations::default();
    let v1::TransferLeadershipRequest { node_id, away_from } = *request;
    if node_id == 0 && away_from == 0 {
        violations
            .add("away_from", "must name the node that is to lead no more, where `node_id` names nobody");
    }
    if node_id == away_from && node_id != 0 {
        violations.add("away_from", "must be another node than `node_id`");
    }
    violations.into_result()?;
    let to = (node_id != 0).then_some(node_id);
    Ok(MembershipChange::Transfer { to, away_from: (away_from != 0).then_some(away_from) })
}

fn node_id(field: &str, id: u64, violations: &mut Violations) {
    if id == 0 {
        violations.add(field, "must not be 0");
    }
}

/// The last index of the leader with the highest term, or the highest one where no leader answers.
fn end_of_log(nodes: &[NodeStatus]) -> u64 {
    let answered = || nodes.iter().filter(|node| node.reachable);
    let leader = answered().filter(|node| node.role == Role::Leader).max_by_key(|node| node.term);
    let highest = || answered().map(|node| node.last_index).max().unwrap_or(0);
    leader.map_or_else(highest, |leader| leader.last_index)
}

fn status(node: &NodeStatus, end_of_log: u64) -> v1::NodeStatus {
    let role = match node.role {
        Role::Leader => v1::NodeRole::Leader,
        Role::Follower => v1::NodeRole::Follower,
        Role::Candidate => v1::NodeRole::Candidate,
        Role::Learner => v1::NodeRole::Learner,
    };
    // Of a node that didn't answer nothing else is known.
    let (role, lag) = if node.reachable {
        (role, end_of_log.saturating_sub(node.applied_index))
    } else {
        (v1::NodeRole::Unspecified, 0)
    };
    v1::NodeStatus {
        node_id: node.node_id,
        reachable: node.reachable,
        peer_address: node.peer_address.clone(),
        client_address: node.client_address.clone(),
        role: role.into(),
        term: node.term,
        leader_id: node.leader_id.unwrap_or(0),
        last_index: node.last_index,
        committed_index: node.committed_index,
        applied_index: node.applied_index,
        snapshot_index: node.snapshot_index,
        purged_index: node.purged_index,
        lag,
        disk_used_bytes: node.disk_used_bytes,
        disk_free_bytes: node.disk_free_bytes,
        version: node.version.clone(),
        voter: node.voter,
        alarms: node.alarms.iter().map(alarm).collect(),
        draining: node.draining,
        zone: node.zone.clone(),
        standby: node.standby,
    }
}

fn alarm(alarm: &NodeAlarm) -> v1::Alarm {
    v1::Alarm {
        kind: alarm.kind.clone(),
        detail: alarm.detail.clone(),
        since: Some(timestamp(LogTime::from_micros(alarm.since_us))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(role: Role, term: u64, last_index: u64, applied_index: u64) -> NodeStatus {
        NodeStatus { reachable: true, role, term, last_index, applied_index, ..NodeStatus::default() }
    }

    #[test]
    fn lag_is_counted_from_the_leader_of_the_highest_term() {
        let deposed = node(Role::Leader, 3, 90, 80);
        let leader = node(Role::Leader, 4, 70, 70);
        let follower = node(Role::Follower, 4, 70, 61);
        let end = end_of_log(&[deposed, leader, follower.clone()]);
        assert_eq!(end, 70);
        assert_eq!(status(&follower, end).lag, 9);
    }

    #[test]
    fn without_a_leader_lag_is_counted_from_the_longest_log() {
        let nodes = [node(Role::Follower, 4, 70, 61), node(Role::Candidate, 5, 75, 75)];
        assert_eq!(end_of_log(&nodes), 75);
    }

    #[test]
    fn every_wrong_field_of_a_change_is_named() {
        let request = |node_id, peer_address: &str| v1::AddLearnerRequest {
            node_id,
            peer_address: peer_address.to_owned(),
        };
        assert_eq!(addition(&request(0, "here")).unwrap_err().count(), 2);
        for bad in ["", ":1", "a", "a:0", "a:b", "a b:1"] {
            assert!(addition(&request(4, bad)).is_err(), "{bad}");
        }
        assert!(addition(&request(4, "[::1]:7104")).is_ok());
        assert!(promotion(&v1::PromoteRequest { node_id: 4, replaces: 4 }).is_err());
        let many = (1..).take(limits::MAX_REMOVED_NODES + 1).collect();
        for bad in [Vec::new(), vec![0], vec![1, 0], many] {
            assert_eq!(removal(&v1::RemoveRequest { node_ids: bad }).unwrap_err().count(), 1);
        }
        assert!(removal(&v1::RemoveRequest { node_ids: vec![4, 5, 4] }).is_ok());
        for (node_id, away_from, sound) in
            [(0, 0, false), (2, 2, false), (2, 0, true), (0, 2, true), (1, 2, true)]
        {
            let request = v1::TransferLeadershipRequest { node_id, away_from };
            assert_eq!(transfer(&request).is_ok(), sound, "{request:?}");
        }
    }

    #[test]
    fn of_a_node_that_did_not_answer_only_its_name_is_told() {
        let silent = NodeStatus { node_id: 2, peer_address: "b:1".to_owned(), ..NodeStatus::default() };
        let told = status(&silent, 70);
        assert_eq!((told.role, told.lag, told.reachable), (0, 0, false));
        assert_eq!(told.peer_address, "b:1");
    }
}
