//! What a node says of itself.

use openraft::ServerState;
use stockade_proto::internal as wire;
use stockade_storage::{Alarm, SpaceLevel};

use crate::node::Inner;

/// What a node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct NodeStatus {
    /// Who.
    pub node_id: u64,
    /// False where it did not answer in time; then only the addresses and `voter` below are known.
    pub reachable: bool,
    /// Where nodes reach it.
    pub peer_address: String,
    /// Where callers reach it; empty where not known.
    pub client_address: String,
    /// Its part.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Whom it follows.
    pub leader_id: Option<u64>,
    /// Log indexes; 0 where there is none.
    pub last_index: u64,
    /// See `last_index`.
    pub committed_index: u64,
    /// See `last_index`.
    pub applied_index: u64,
    /// See `last_index`.
    pub snapshot_index: u64,
    /// See `last_index`.
    pub purged_index: u64,
    /// Bytes of the file system that holds its data.
    pub disk_used_bytes: u64,
    /// See `disk_used_bytes`.
    pub disk_free_bytes: u64,
    /// What room that is, by the node's own marks.
    pub disk: SpaceLevel,
    /// Of its binary.
    pub version: String,
    /// Whether it votes.
    pub voter: bool,
    /// What a person should look at.
    pub alarms: Vec<NodeAlarm>,
    /// It has caught up with a leader since its start.
    pub ready: bool,
    /// It is about to be stopped and doesn't want to lead.
    pub draining: bool,
    /// Where it stands; empty where it wasn't told, or where this node never heard.
    pub zone: String,
    /// It takes a dead voter's place without being asked.
    pub standby: bool,
}

/// An alarm of a node. Its kind is a text: a node of another version may know kinds that this one doesn't.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeAlarm {
    /// As `stockade_storage::AlarmKind` names it.
    pub kind: String,
    /// For people.
    pub detail: String,
    /// Microseconds since 1970, by the node's own clock.
    pub since_us: u64,
}

impl From<Alarm> for NodeAlarm {
    fn from(alarm: Alarm) -> Self {
        Self { kind: alarm.kind.name().to_owned(), detail: alarm.detail, since_us: alarm.since_us }
    }
}

/// A node's part in the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Proposes.
    Leader,
    /// Follows.
    #[default]
    Follower,
    /// Wants to lead.
    Candidate,
    /// Follows without a vote.
    Learner,
}

impl Role {
    fn to_wire(self) -> u32 {
        match self {
            Self::Leader => 1,
            Self::Follower => 2,
            Self::Candidate => 3,
            Self::Learner => 4,
        }
    }

    fn from_wire(role: u32) -> Self {
        match role {
            1 => Self::Leader,
            3 => Self::Candidate,
            4 => Self::Learner,
            _ => Self::Follower,
        }
    }
}

fn level_to_wire(level: SpaceLevel) -> u32 {
    match level {
        SpaceLevel::Enough => 1,
        SpaceLevel::Low => 2,
        SpaceLevel::Full => 3,
    }
}

/// A node that doesn't tell is of a version that takes writes until they fail.
pub(crate) fn level_from_wire(level: u32) -> SpaceLevel {
    match level {
        2 => SpaceLevel::Low,
        3 => SpaceLevel::Full,
        _ => SpaceLevel::Enough,
    }
}

impl NodeStatus {
    pub(crate) fn to_wire(&self) -> wire::StatusResponse {
        wire::StatusResponse {
            node_id: self.node_id,
            client_address: self.client_address.clone(),
            version: self.version.clone(),
            role: self.role.to_wire(),
            term: self.term,
            leader_id: self.leader_id.unwrap_or(0),
            last_index: self.last_index,
            committed_index: self.committed_index,
            applied_index: self.applied_index,
            snapshot_index: self.snapshot_index,
            purged_index: self.purged_index,
            disk_used_bytes: self.disk_used_bytes,
            disk_free_bytes: self.disk_free_bytes,
            disk_level: level_to_wire(self.disk),
            ready: self.ready,
            draining: self.draining,
            clock_us: 0,
            hears: Vec::new(),
            zone: self.zone.clone(),
            standby: self.standby,
            members: Vec::new(),
            peer_address: String::new(),
            membership_index: 0,
            membership: Vec::new(),
            chain_marks: Vec::new(),
            alarms: self
                .alarms
                .iter()
                .cloned()
                .map(|NodeAlarm { kind, detail, since_us }| wire::PeerAlarm { kind, detail, since_us })
                .collect(),
        }
    }

    /// Without what membership tells: peer address and vote.
    pub(crate) fn from_wire(status: wire::StatusResponse) -> Self {
        Self {
            node_id: status.node_id,
            reachable: true,
            peer_address: String::new(),
            client_address: status.client_address,
            role: Role::from_wire(status.role),
            term: status.term,
            leader_id: (status.leader_id != 0).then_some(status.leader_id),
            last_index: status.last_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            snapshot_index: status.snapshot_index,
            purged_index: status.purged_index,
            disk_used_bytes: status.disk_used_bytes,
            disk_free_bytes: status.disk_free_bytes,
            disk: level_from_wire(status.disk_level),
            ready: status.ready,
            draining: status.draining,
            zone: status.zone,
            standby: status.standby,
            version: status.version,
            voter: false,
            alarms: status
                .alarms
                .into_iter()
                .map(|wire::PeerAlarm { kind, detail, since_us }| NodeAlarm { kind, detail, since_us })
                .collect(),
        }
    }
}

impl Inner {
    /// See [`crate::Node::status`].
    pub(crate) fn status(&self) -> NodeStatus {
        let node_id = self.identity.node_id;
        let (disk_used_bytes, disk_free_bytes) = self.disk_use();
        let mut status = NodeStatus {
            node_id,
            reachable: true,
            peer_address: self.own_address(),
            client_address: self.config.advertise_client.clone(),
            applied_index: self.state.applied().get(),
            disk_used_bytes,
            disk_free_bytes,
            disk: self.space.level(),
            version: self.config.version.clone(),
            voter: self.is_voter(node_id),
            ready: self.ready.load(std::sync::atomic::Ordering::Acquire),
            draining: self.drained.load(std::sync::atomic::Ordering::Acquire),
            zone: self.config.zone.clone(),
            standby: self.config.standby,
            alarms: self.alarms.list().into_iter().map(NodeAlarm::from).collect(),
            ..NodeStatus::default()
        };
        self.metrics(|metrics| {
            let index = |log_id: &Option<
                openraft::type_config::alias::LogIdOf<stockade_storage::TypeConfig>,
            >| { log_id.as_ref().map_or(0, openraft::LogId::index) };
            status.role = match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                ServerState::Follower | ServerState::Shutdown => Role::Follower,
            };
            status.term = metrics.current_term;
            status.leader_id = metrics.current_leader;
            status.last_index = metrics.last_log_index.unwrap_or(0);
            status.committed_index = index(&metrics.local_committed);
            status.snapshot_index = index(&metrics.snapshot);
            status.purged_index = index(&metrics.purged);
        });
        status
    }

    /// See [`crate::Node::cluster_status`].
    pub(crate) async fn cluster_status(&self) -> Vec<NodeStatus> {
        let mut members = self.members();
        // A node that waits to be added, or was removed, is no member and answers all the same.
        members.entry(self.identity.node_id).or_insert_with(|| self.own_address());
        let asked = members.into_iter().map(|(node_id, peer_address)| async move {
            let mut status = if node_id == self.identity.node_id {
                self.status()
            } else {
                self.ask_status(node_id).await.unwrap_or_else(|| NodeStatus {
                    node_id,
                    client_address: self.client_addresses.lock().get(&node_id).cloned().unwrap_or_default(),
                    zone: self.told.lock().get(&node_id).map(|told| told.zone.clone()).unwrap_or_default(),
                    ..NodeStatus::default()
                })
            };
            status.peer_address = peer_address;
            status.voter = self.is_voter(node_id);
            status
        });
        futures_util::future::join_all(asked).await
    }

    /// Where the members reach this node, or are to reach it once they have added it.
    pub(crate) fn own_address(&self) -> String {
        let member = self.peer_address(self.identity.node_id);
        let joining = || self.config.join.as_ref().map(|join| join.own_address.clone());
        member.or_else(joining).unwrap_or_default()
    }

    /// Bytes used and free where the data is; 0 where that can't be told.
    fn disk_use(&self) -> (u64, u64) {
        let Some(dir) = &self.config.data_dir else { return (0, 0) };
        let Ok(disk) = rustix::fs::statvfs(dir) else { return (0, 0) };
        let used = disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize);
        (used, disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
