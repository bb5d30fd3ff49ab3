//! A node's part in Raft: [`Node`], the handle that others hold, and what stands behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftMetrics;
use openraft::{RaftLogReader, storage::RaftLogStorage};
use parking_lot::Mutex;
use stockade_env::Env;
use stockade_proto::internal::peer_service_server::PeerServiceServer;
use stockade_state_machine::Reply;
use stockade_storage::{
    Alarms, DirLock, Identity, LogStore, SnapshotStore, StateHandle, StateMachine, Storage, TypeConfig,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::transport::Channel;

use crate::peer::client::Network;
use crate::peer::link::{Links, Purpose};
use crate::peer::server::PeerServer;
use crate::proposer::{self, Proposals};
use crate::{
    Config, ExportError, ExportedEntry, Leader, NodeStatus, ProposeError, ReadError, StartError, expiry,
    leader, limits, read,
};

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// A member of the cluster as this node knows it. Cheap to clone; clones share the node.
#[derive(Debug, Clone)]
pub struct Node(Arc<Inner>);

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
    pub(crate) links: Arc<Links>,
    pub(crate) proposals: Proposals,
    pub(crate) reads: mpsc::Sender<read::Waiting>,
    pub(crate) leader: watch::Sender<Leader>,
    /// Where callers reach the others, as they told.
    pub(crate) client_addresses: Mutex<BTreeMap<u64, String>>,
    pub(crate) ready: AtomicBool,
    pub(crate) votes_from: Instant,
    /// It had no vote on its disk when it was started: it is new, or was wiped.
    pub(crate) pristine: bool,
    /// The lead is being handed over: no more proposals, so that the followers can catch up.
    resigning: AtomicBool,
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

    pub(crate) fn is_voter(&self, node_id: u64) -> bool {
        self.metrics(|metrics| metrics.membership_config.voter_ids().any(|voter| voter == node_id))
    }

    /// True where another voter has answered lately: somebody could take the lead over.
    fn hears_a_voter(&self) -> bool {
        self.metrics(|metrics| self.heard_voters(metrics).next().is_some())
    }

    fn heard_voters<'a>(
        &'a self,
        metrics: &'a RaftMetrics<TypeConfig>,
    ) -> impl Iterator<Item = u64> + use<'a> {
        let others = metrics.membership_config.voter_ids().filter(|voter| *voter != metrics.id);
        others.filter(|voter| {
            let heard = metrics.heartbeat.as_ref().and_then(|heard| *heard.get(voter)?);
            heard.is_some_and(|heard| heard.into_inner().elapsed() < self.config.lease_memory())
        })
    }

    /// The follower that has the whole log and is there, where there is one.
    fn caught_up_follower(&self) -> Option<u64> {
        self.metrics(|metrics| {
            let last = metrics.last_log_index?;
            let replication = metrics.replication.as_ref()?;
            let caught_up = |node_id: &u64| {
                let matched = replication.get(node_id).and_then(Option::as_ref);
                matched.is_some_and(|matched| matched.index() == last)
            };
            self.heard_voters(metrics).find(caught_up)
        })
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
    pub async fn start(env: &Env, storage: Storage, config: Config) -> Result<Self, StartError> {
        let Storage { log, state_machine, state, snapshots, alarms, identity, lock } = storage;
        if !config.peers.contains_key(&identity.node_id) {
            let what = format!("node {} is not among the peers", identity.node_id);
            return Err(StartError::Config(what));
        }
        let raft_config = Arc::new(config.for_raft(&identity.cluster_id)?);
        let fatal = |error: &dyn fmt::Display| StartError::Raft(error.to_string());
        let vote = log.clone().get_log_reader().await.read_vote().await.map_err(|error| fatal(&error))?;
        let quarantine = if vote.is_some() { config.lease_memory() } else { Duration::ZERO };
        let links = Arc::new(Links::new(identity.clone(), config.peer_overrides.clone()));
        let network = Network(Arc::clone(&links));
        let raft = Raft::new(identity.node_id, raft_config, network, log.clone(), state_machine)
            .await
            .map_err(|error| fatal(&error))?;
        // Before anything is awaited: the first election is a whole timeout away.
        raft.runtime_config().elect(quarantine.is_zero());
        let (proposals, proposal_queue) = Proposals::new(config.max_in_flight_bytes);
        let (reads, read_queue) = mpsc::channel(limits::READ_QUEUE);
        let inner = Arc::new(Inner {
            env: env.clone(),
            identity,
            config,
            raft,
            log,
            state,
            snapshots,
            alarms,
            links,
            proposals,
            reads,
            leader: watch::Sender::default(),
            client_addresses: Mutex::default(),
            ready: AtomicBool::new(false),
            votes_from: Instant::now() + quarantine,
            pristine: vote.is_none(),
            resigning: AtomicBool::new(false),
            stopping: watch::Sender::new(false),
            _lock: lock,
        });
        let spawn = &env.tasks;
        spawn.spawn("proposer", proposer::run(Arc::clone(&inner), proposal_queue));
        spawn.spawn("read-barriers", read::serve(Arc::clone(&inner), read_queue));
        spawn.spawn("leader-watch", leader::follow(Arc::clone(&inner)));
        spawn.spawn("peer-addresses", leader::learn_addresses(Arc::clone(&inner)));
        spawn.spawn("readiness", leader::become_ready(Arc::clone(&inner)));
        spawn.spawn("expiry", expiry::expire(Arc::clone(&inner)));
        spawn.spawn("snapshots", expiry::start_snapshots(Arc::clone(&inner)));
        spawn.spawn("votes", allow_elections(Arc::clone(&inner)));
        Ok(Self(inner))
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
    /// is an error.
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

    /// Replicates a request encoded by `codec::encode_request` and gives its reply once it is applied here. On the leader only.
    pub async fn propose(&self, request: Bytes, deadline: Instant) -> Result<Reply, ProposeError> {
        let node = &self.0;
        if node.is_stopping() {
            return Err(ProposeError::ShuttingDown);
        }
        if deadline <= Instant::now() {
            return Err(ProposeError::TimedOut);
        }
        if node.resigning.load(Ordering::Acquire) {
            return Err(ProposeError::NotLeader { leader: None });
        }
        if !node.raft.is_leader() {
            let leader = node.leader.borrow().node_id.filter(|leader| *leader != node.identity.node_id);
            return Err(ProposeError::NotLeader { leader });
        }
        if node.state.is_congested() {
            return Err(ProposeError::Overloaded);
        }
        node.proposals.propose(request, deadline).await
    }

    /// Bytes of commands in flight here, and how many may be.
    pub fn in_flight_bytes(&self) -> (usize, usize) {
        let limit = self.0.config.max_in_flight_bytes;
        (limit.saturating_sub(self.0.proposals.room_bytes()), limit)
    }

    /// Completes when this node's state is at least as new as everything acknowledged anywhere before the call. On any node.
    pub async fn read_barrier(&self, deadline: Instant) -> Result<(), ReadError> {
        self.0.read_barrier(deadline).await
    }

    /// A lazy connection for forwarding commands to a peer, its own; `None` for a node that is no member.
    pub fn forward_channel(&self, node_id: u64) -> Option<Channel> {
        let address = self.0.peer_address(node_id)?;
        self.0.links.channel(node_id, &address, Purpose::Forward).ok()
    }

    /// What a person should look at on this node.
    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
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

    /// Hands the lead to a caught-up follower, if this node has it. A follower that lacks entries is never chosen: a
    /// transfer that fails costs an election. So new proposals are refused meanwhile. Where no other voter is heard of,
    /// there is nobody to wait for.
    pub async fn resign(&self, patience: Duration) {
        let node = &self.0;
        if !node.raft.is_leader() {
            return;
        }
        node.resigning.store(true, Ordering::Release);
        let handed_over = async {
            let target = loop {
                if let Some(target) = node.caught_up_follower() {
                    break target;
                }
                if !node.hears_a_voter() {
                    tracing::info!("no other voter is there to take the lead over");
                    return;
                }
                sleep(limits::RESIGN_POLL).await;
            };
            tracing::info!(target, "the lead is handed over");
            if node.raft.trigger().transfer_leader(target).await.is_ok() {
                let mut leader = node.leader.subscribe();
                let me = Some(node.identity.node_id);
                // An error can't be: the sender lives in the node.
                let _ = leader.wait_for(|leader| leader.node_id.is_some() && leader.node_id != me).await;
            }
        };
        if timeout(patience, handed_over).await.is_err() {
            tracing::warn!("nobody took the lead over in time");
        }
        node.resigning.store(false, Ordering::Release);
    }

    /// True once this node has caught up with a leader since its start.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire)
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

/// Lets this node ask for votes once nobody believes any more what it promised before it was restarted.
async fn allow_elections(node: Arc<Inner>) {
    tokio::select! {
        () = sleep_until(node.votes_from) => node.raft.runtime_config().elect(true),
        () = node.stopping() => {}
    }
}
