//! A node's part in Raft: [`Node`], the handle that others hold, and what stands behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftMetrics;
use openraft::{RaftLogReader, storage::RaftLogStorage};
use parking_lot::Mutex;
use stockade_credentials::{ConnectionInfo, Renewals};
use stockade_env::Env;
use stockade_proto::Connection;
use stockade_proto::internal::peer_service_server::PeerServiceServer;
use stockade_storage::{
    Alarms, DirLock, Identity, LogStore, SnapshotStore, SpaceLevel, SpaceWatch, StateHandle, StateMachine,
    Storage, TypeConfig,
};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Extensions;

use crate::compare::{self, Heard};
use crate::detect::{self, Answers};
use crate::gone::{self, Contact};
use crate::handover::{self, Handover};
use crate::membership::{self, Membership, Told};
use crate::peer::client::Network;
use crate::peer::link::{Links, Purpose};
use crate::peer::server::PeerServer;
use crate::proposer::{self, Proposals};
use crate::read::{self, Confirmed};
use crate::round_trip::RoundTrips;
use crate::unanswered;
use crate::{
    Config, Consistency, ExportError, ExportedEntry, Leader, MembershipChange, MembershipError, NodeStatus,
    ReadError, Served, StartError, drain, elections, expiry, heal, leader, limits,
};

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// A member of the cluster as this node knows it. Cheap to clone; clones share the node.
#[derive(Debug, Clone)]
pub struct Node(pub(crate) Arc<Inner>);

/// What the tasks and the handle of a node share.
///
/// Invariants:
/// - `leader` follows openraft's metrics and is never ahead of them.
/// - No vote is given before `votes_from`, and none asked for.
pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) identity: Identity,
    pub(crate) config: Config,
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) state: StateHandle,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) alarms: Alarms,
    pub(crate) space: SpaceWatch,
    pub(crate) links: Arc<Links>,
    pub(crate) proposals: Proposals,
    pub(crate) reads: read::Queues,
    pub(crate) mark: read::Mark,
    pub(crate) leader: watch::Sender<Leader>,
    /// What room the others' disks had when they were asked last.
    pub(crate) levels: Mutex<BTreeMap<u64, SpaceLevel>>,
    /// Where callers reach the others, as they told.
    pub(crate) client_addresses: Mutex<BTreeMap<u64, String>>,
    /// What the others told of themselves when they answered last; of the dead too.
    pub(crate) told: Mutex<BTreeMap<u64, Told>>,
    /// What the others told of their states.
    pub(crate) heard: Heard,
    /// With the leader.
    pub(crate) contact: Contact,
    pub(crate) round_trips: RoundTrips,
    /// How they answered, and when.
    pub(crate) answers: Answers,
    pub(crate) ready: AtomicBool,
    /// It needn't ask whether its id is free: it has data, or founds a cluster, or has asked. Before that it takes part in
    /// nothing: it may be a voter that was wiped.
    pub(crate) introduced: AtomicBool,
    /// True while this node leads, is answered by no quorum, and sends no heartbeats, see `unanswered.rs`.
    pub(crate) silent: AtomicBool,
    pub(crate) votes_from: Instant,
    /// Nobody believes any more what this node promised before it was restarted.
    pub(crate) may_ask_for_votes: AtomicBool,
    /// It had no vote on its disk when it was started, or only what a backup brings: it is new, or was wiped.
    pub(crate) pristine: bool,
    /// Whom it has given its vote while it was `pristine` and had not caught up.
    pub(crate) founders: Mutex<BTreeSet<u64>>,
    /// The index of the backup that it has, where it has had no part in anything since.
    pub(crate) restored_at: Option<u64>,
    pub(crate) membership: Membership,
    pub(crate) handover: Handover,
    /// This node is about to be stopped: it doesn't want to lead.
    pub(crate) drained: AtomicBool,
    /// It is about to be stopped, and without it nobody leads.
    pub(crate) needed: AtomicBool,
    /// The peers that say of themselves that they are about to be stopped.
    pub(crate) drained_peers: Mutex<BTreeSet<u64>>,
    stopping: watch::Sender<bool>,
    _lock: DirLock,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Inner {
    /// Completes when the node begins to stop.
    pub(crate) async fn stopping(&self) {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            // An error can't be: the sender lives in self.
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = self.env.tasks.stopping() => {}
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow() || self.env.tasks.is_stopping()
    }

    /// Ends all that this node does for callers, for good.
    pub(crate) fn stop_serving(&self) {
        self.stopping.send_replace(true);
    }

    /// A short look at Raft's metrics: who holds them longer stops Raft.
    pub(crate) fn metrics<T>(&self, look: impl FnOnce(&RaftMetrics<TypeConfig>) -> T) -> T {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        look(&metrics)
    }

    /// Every member's id and peer address; the configured ones while the log names none.
    pub(crate) fn members(&self) -> BTreeMap<u64, String> {
        let members: BTreeMap<u64, String> = self.metrics(|metrics| {
            metrics.membership_config.nodes().map(|(node_id, node)| (*node_id, node.addr.clone())).collect()
        });
        if members.is_empty() { self.config.peers.clone() } else { members }
    }

    /// Where this node reaches a member.
    pub(crate) fn peer_address(&self, node_id: u64) -> Option<String> {
        let in_log = self
            .metrics(|metrics| metrics.membership_config.get_node(&node_id).map(|node| node.addr.clone()));
        in_log.or_else(|| self.config.peers.get(&node_id).cloned())
    }

    /// Whether who sent a call is the node that it says it is. Without TLS everybody is believed.
    pub(crate) fn check_peer(&self, call: &Extensions, from_node: u64) -> Result<(), String> {
        let Some(credentials) = &self.config.credentials else { return Ok(()) };
        credentials.check_peer(call.get::<ConnectionInfo>(), from_node)
    }

    pub(crate) fn is_voter(&self, node_id: u64) -> bool {
        self.metrics(|metrics| metrics.membership_config.voter_ids().any(|voter| voter == node_id))
    }
}

impl Node {
    /// Starts this node's part in Raft. Its peers can't reach it before [`Node::peer_routes`] is served.
    ///
    /// A node that was restarted neither gives nor asks for votes until twice the longest election timeout has passed:
    /// it no longer knows the lease that it granted a leader before, and a vote given too early could make a second
    /// leader while the first still believes in that lease. A node that never persisted a vote is free at once: to
    /// acknowledge anything to a leader it would have had to persist that leader's vote first, so it granted no lease.
    /// (A node whose data was wiped looks the same; see `founding.rs` for what it may do.)
    pub async fn start(env: &Env, storage: Storage, mut config: Config) -> Result<Self, StartError> {
        if config.join.is_some() {
            // It knows no member before its log names some.
            config.peers.clear();
        }
        let Storage { log, state_machine, state, snapshots, alarms, space, identity, lock } = storage;
        if config.join.is_none() && !config.peers.contains_key(&identity.node_id) {
            let what = format!("node {} is not among the peers", identity.node_id);
            return Err(StartError::Config(what));
        }
        let raft_config = Arc::new(config.for_raft(&identity.cluster_id)?);
        let fatal = |error: &dyn fmt::Display| StartError::Raft(error.to_string());
        let vote = log.clone().get_log_reader().await.read_vote().await.map_err(|error| fatal(&error))?;
        let quarantine = if vote.is_some() { config.lease_memory() } else { Duration::ZERO };
        let restored_at = log.untouched_since_restore();
        let pristine = vote.is_none() || restored_at.is_some();
        let introduced = config.join.is_none() || !pristine;
        let links = Arc::new(Links::new(
            identity.clone(),
            config.peer_overrides.clone(),
            config.dialer.clone(),
            config.credentials.clone(),
            pristine,
        ));
        let network = Network(Arc::clone(&links));
        let raft = Raft::new(identity.node_id, raft_config, network, log.clone(), state_machine)
            .await
            .map_err(|error| fatal(&error))?;
        // Before anything is awaited: the first election is a whole timeout away.
        raft.runtime_config().elect(quarantine.is_zero());
        let (proposals, proposal_queue) = Proposals::new(config.max_in_flight_bytes);
        let (reads, queued) = read::Queues::new();
        let inner = Arc::new(Inner {
            env: env.clone(),
            identity,
            config,
            raft,
            log,
            state,
            snapshots,
            alarms,
            space,
            links,
            proposals,
            reads,
            mark: read::Mark::default(),
            leader: watch::Sender::default(),
            levels: Mutex::default(),
            client_addresses: Mutex::default(),
            told: Mutex::default(),
            heard: Heard::default(),
            contact: Contact::default(),
            answers: Answers::default(),
            round_trips: RoundTrips::default(),
            ready: AtomicBool::new(false),
            introduced: AtomicBool::new(introduced),
            silent: AtomicBool::new(false),
            votes_from: Instant::now() + quarantine,
            may_ask_for_votes: AtomicBool::new(quarantine.is_zero()),
            pristine,
            founders: Mutex::default(),
            restored_at,
            membership: Membership::default(),
            handover: Handover::default(),
            drained: AtomicBool::new(false),
            needed: AtomicBool::new(false),
            drained_peers: Mutex::default(),
            stopping: watch::Sender::new(false),
            _lock: lock,
        });
        let spawn = &env.tasks;
        spawn.spawn("proposer", proposer::run(Arc::clone(&inner), proposal_queue));
        spawn.spawn("read-barriers", read::serve(Arc::clone(&inner), Confirmed::ByQuorum, queued.quorum));
        spawn.spawn("lease-reads", read::serve(Arc::clone(&inner), Confirmed::ByLease, queued.lease));
        spawn.spawn("leader-watch", leader::follow(Arc::clone(&inner)));
        spawn.spawn("peer-addresses", leader::learn_addresses(Arc::clone(&inner)));
        spawn.spawn("readiness", leader::become_ready(Arc::clone(&inner)));
        spawn.spawn("expiry", expiry::expire(Arc::clone(&inner)));
        spawn.spawn("snapshots", expiry::start_snapshots(Arc::clone(&inner)));
        spawn.spawn("room to lead", handover::leave_when_short(Arc::clone(&inner)));
        spawn.spawn("detection", detect::run(Arc::clone(&inner)));
        spawn.spawn("drained", drain::lead_in_need(Arc::clone(&inner)));
        spawn.spawn("comparison", compare::run(Arc::clone(&inner)));
        spawn.spawn("healing", heal::heal(Arc::clone(&inner)));
        spawn.spawn("successor", gone::watch_leader(Arc::clone(&inner)));
        spawn.spawn("votes", elections::allow(Arc::clone(&inner)));
        spawn.spawn("silence", unanswered::fall_silent(Arc::clone(&inner)));
        spawn.spawn("removal", membership::watch(Arc::clone(&inner)));
        spawn.spawn("members", membership::look_after(Arc::clone(&inner)));
        Ok(Self(inner))
    }

    /// Whether who sent a call over the port for peers is the node that it says it is; else who it is.
    pub fn check_peer(&self, call: &Extensions, from_node: u64) -> Result<(), String> {
        self.0.check_peer(call, from_node)
    }

    /// For tests of what happens when Raft itself fails.
    #[cfg(test)]
    pub(crate) fn raft(&self) -> &Raft {
        &self.0.raft
    }

    /// The gRPC service that peers call, to be mounted on the peer port.
    pub fn peer_routes(&self) -> tonic::service::Routes {
        let service = PeerServiceServer::new(PeerServer::new(Arc::clone(&self.0)))
            .max_decoding_message_size(limits::MAX_PEER_MESSAGE_BYTES)
            .max_encoding_message_size(limits::MAX_PEER_MESSAGE_BYTES);
        tonic::service::Routes::new(service)
    }

    /// Makes the cluster from the configured peers where the log is empty; does nothing otherwise. Every node may call
    /// it: the log's first entry is the same whoever writes it. The lowest id goes first, so that they don't contend.
    /// Where another node has a log already, this one joins it instead; where another was given different peers, that
    /// is an error. A node that was started to join waits to be added instead, and tells in the log how to do that.
    pub async fn initialize(&self) -> Result<(), StartError> {
        self.0.initialize().await
    }

    /// This node.
    pub fn id(&self) -> u64 {
        self.0.identity.node_id
    }

    /// 32 hexadecimal digits.
    pub fn cluster_id(&self) -> &str {
        &self.0.identity.cluster_id
    }

    /// The term this node is in.
    pub fn term(&self) -> u64 {
        self.0.metrics(|metrics| metrics.current_term)
    }

    /// Tells who leads, and when that changes.
    pub fn watch_leader(&self) -> watch::Receiver<Leader> {
        self.0.leader.subscribe()
    }

    /// The applied state.
    pub fn state(&self) -> &StateHandle {
        &self.0.state
    }

    /// Completes when this node's state is at least as new as everything acknowledged anywhere before the call. On any node.
    pub async fn read_barrier(&self, deadline: Instant) -> Result<(), ReadError> {
        self.prepare_read(Consistency::Linearizable, deadline).await.map(drop)
    }

    /// Completes when this node's state may be read under this consistency, and says which one it comes to: that one, or a stronger
    /// one. On any node.
    pub async fn prepare_read(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Served, ReadError> {
        self.0.prepare_read(consistency, deadline).await
    }

    /// Tells from now on when connections that are open should be left for new ones.
    pub fn renewals(&self) -> Renewals {
        self.0.links.renewals()
    }

    /// A lazy connection for forwarding commands to a peer, its own; `None` for a node that is no member.
    pub fn forward_channel(&self, node_id: u64) -> Option<Connection> {
        let address = self.0.peer_address(node_id)?;
        self.0.links.channel(node_id, &address, Purpose::Forward).ok()
    }

    /// What a person should look at on this node.
    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    /// How much room this node's disk has.
    pub fn space(&self) -> &SpaceWatch {
        &self.0.space
    }

    /// What this node says of itself.
    pub fn status(&self) -> NodeStatus {
        self.0.status()
    }

    /// What every member says of itself; who doesn't answer within a second is not reachable.
    pub async fn cluster_status(&self) -> Vec<NodeStatus> {
        self.0.cluster_status().await
    }

    /// Committed entries of this node's log, `from..=to`, at most so many bytes' worth: fewer than asked for means ask again.
    pub async fn export_log(&self, from: u64, to: u64) -> Result<Vec<ExportedEntry>, ExportError> {
        self.0.export_log(from, to).await
    }

    /// True where this node leads and a quorum has said so lately: one that is cut off goes on believing in itself.
    pub fn leads(&self) -> bool {
        let lately = self.0.config.lease_memory();
        self.0.metrics(|metrics| {
            let alone = metrics.membership_config.voter_ids().count() == 1;
            let heard = metrics.last_quorum_acked.is_none_or(|at| at.into_inner().elapsed() < lately);
            metrics.current_leader == Some(metrics.id) && (alone || heard)
        })
    }

    /// True once this node has caught up with a leader since its start, as long as it is a member.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire) && !self.is_removed() && !self.0.is_stopping()
    }

    /// True once this node knows that the cluster goes on without it.
    pub fn is_removed(&self) -> bool {
        self.0.membership.is_removed()
    }

    /// Who votes, as far as this node knows: two sets while a change of the voters is under way, the later one last.
    pub fn voters(&self) -> Vec<BTreeSet<u64>> {
        self.0.metrics(|metrics| metrics.membership_config.get_joint_config().clone())
    }

    /// Who is a member, voters and learners, as far as this node knows.
    pub fn members(&self) -> BTreeSet<u64> {
        self.0.members().into_keys().collect()
    }

    /// Changes the membership, from any node; gives the log index of the membership that is as asked for. To ask for the
    /// same again is harmless. `by` is on whose behalf, for the log file.
    pub async fn change_membership(
        &self,
        change: &MembershipChange,
        by: &str,
        deadline: Instant,
    ) -> Result<u64, MembershipError> {
        self.0.change_membership(change, by, deadline).await
    }

    /// Stops Raft and waits until the log is at rest.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop as it should");
        }
        if let Err(error) = self.0.log.barrier().await {
            tracing::warn!(%error, "the log did not come to rest as it should");
        }
    }
}
