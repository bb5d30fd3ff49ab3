//! A node, put together and taken apart.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use stockade_consensus::{Join, Node};
use stockade_credentials::{Audience, Credentials, NodeName};
use stockade_env::{Env, Failure};
use stockade_gateway::{Gateway, GatewayLimits};
use stockade_storage::file::DiskFiles;
use stockade_storage::{Identity, LogStore, Options, SpaceMarks};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::config::{Config, cluster_id};
use crate::error::{RunError, StartError};
use crate::grpc;
use crate::http::{self, Probe};
use crate::limits;
use crate::listen::{BoundPort, Patience, Port};
use crate::metrics::{Sample, resident_bytes};
use crate::raft_runtime::RaftRuntime;
use crate::restore;
use crate::rotation;

/// Where a node listens, with the ports that the system chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For callers.
    pub client: SocketAddr,
    /// For the other nodes.
    pub peer: SocketAddr,
    /// For metrics and probes.
    pub http: SocketAddr,
}

/// A running node.
///
/// Invariants:
/// - Dropped without [`Server::run_until`], its tasks may go on: whoever starts one, runs it.
#[derive(Debug)]
pub struct Server {
    env: Env,
    node: Node,
    /// For its statistics.
    log: LogStore,
    overlay_bytes: usize,
    gateway: Gateway,
    raft: RaftRuntime,
    addresses: Addresses,
    /// `None` where there is no TLS.
    credentials: Option<Credentials>,
    /// Of the ports for callers, peers and HTTP.
    refused: [Refused; 3],
    /// True tells the client and HTTP ports to close.
    closing: watch::Sender<bool>,
    /// Ends when both have closed.
    open_ports: mpsc::Receiver<()>,
}

/// Connections that a port refused in their handshake.
type Refused = Arc<AtomicU64>;

struct BoundPorts {
    client: BoundPort,
    peer: BoundPort,
    http: BoundPort,
}

struct Ports {
    client: Port,
    peer: Port,
    http: Port,
}

impl BoundPorts {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let silent = Patience::Handshake(limits::HANDSHAKE_TIMEOUT);
        let short = Patience::Whole(limits::HTTP_CONNECTION_LIFETIME);
        let clients = limits::MAX_CLIENT_CONNECTIONS;
        let life = limits::CLIENT_CONNECTION_AGE + limits::CLIENT_CONNECTION_AGE_GRACE;
        let of_callers = Patience::HandshakeAndLife(limits::HANDSHAKE_TIMEOUT, life);
        Ok(Self {
            client: BoundPort::bind("callers", config.listen_client, clients, of_callers)?,
            peer: BoundPort::bind("peers", config.listen_peer, limits::MAX_PEER_CONNECTIONS, silent)?,
            http: BoundPort::bind("HTTP", config.listen_http, limits::MAX_HTTP_CONNECTIONS, short)?,
        })
    }

    fn addresses(&self) -> Addresses {
        Addresses { client: self.client.address(), peer: self.peer.address(), http: self.http.address() }
    }

    fn listen(self) -> Result<Ports, StartError> {
        Ok(Ports { client: self.client.listen()?, peer: self.peer.listen()?, http: self.http.listen()? })
    }
}

impl Ports {
    fn secure(&mut self, credentials: &Credentials) {
        self.client.secure(credentials, Audience::Callers);
        self.peer.secure(credentials, Audience::Peers);
        self.http.secure(credentials, Audience::Http);
    }

    fn refused(&self) -> [Refused; 3] {
        [&self.client, &self.peer, &self.http].map(Port::refused)
    }
}

impl Server {
    /// Starts a node on the current runtime, which becomes the gateway's; Raft gets one of its own.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let env = Env::real();
        let credentials = open_credentials(&env, &config)?;
        let bound = BoundPorts::bind(&config)?;
        let addresses = bound.addresses();
        let raft = RaftRuntime::start()?;
        let started = start_node(&env, &raft, &config, addresses, credentials.clone()).await;
        // What a part reported tells more than that Raft could not start because of it.
        let told = |error| env.tasks.failed().now_or_never().map_or(error, StartError::Failed);
        let (node, log) = started.map_err(|error| match error {
            StartError::Consensus(_) => told(error),
            other => other,
        })?;
        // Reading the applied state has taken its time: only now can calls be answered.
        let mut ports = match bound.listen() {
            Ok(ports) => ports,
            Err(error) => {
                // Another process began to listen meanwhile.
                node.stop().await;
                let _ = node.state().stop().await;
                return Err(error);
            }
        };
        if let Some(credentials) = &credentials {
            ports.secure(credentials);
        }
        let refused = ports.refused();
        let gateway =
            Gateway::guarded(env.clone(), node.clone(), GatewayLimits::default(), credentials.clone());
        let (closing, _) = watch::channel(false);
        let (open, open_ports) = mpsc::channel(1);
        let overlay_bytes = config.overlay_bytes;
        let server = Self {
            env,
            node,
            log,
            overlay_bytes,
            gateway,
            raft,
            addresses,
            credentials,
            refused,
            closing,
            open_ports,
        };
        server.serve(ports, &open);
        server.follow_credentials();
        // The peers can be reached only now, so a vote can be won only now.
        let node = server.node.clone();
        let begin = async move { node.initialize().await };
        server.raft.run(&server.env.tasks, "initialize", begin).await??;
        tracing::info!(?addresses, node_id = config.node_id, cluster = config.cluster_name, "listening");
        Ok(server)
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Runs until `shutdown` completes, then drains and stops; or until a part fails, then stops at once.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let failure = tokio::select! {
            failure = self.env.tasks.failed() => Some(failure),
            () = shutdown => None,
        };
        match &failure {
            Some(failure) => {
                tracing::error!(%failure, "the node can't go on and stops");
                self.gateway.start_draining();
            }
            None => self.drain().await,
        }
        if timeout(limits::STOP_TIMEOUT, self.node.stop()).await.is_err() {
            tracing::warn!("the log did not come to rest in time");
        }
        // What fails on the way out counts too: the disk may refuse what is written last.
        let failure = failure.or_else(|| self.failure_meanwhile());
        if failure.is_none() {
            self.close_state().await;
        }
        self.env.tasks.stop(limits::TASK_GRACE).await;
        let failure = failure.or_else(|| self.failure_meanwhile());
        self.raft.stop().await;
        failure.map_or(Ok(()), |failure| Err(RunError(failure)))
    }

    fn failure_meanwhile(&self) -> Option<Failure> {
        let failure = self.env.tasks.failed().now_or_never();
        if let Some(failure) = &failure {
            tracing::error!(%failure, "a part failed while the node was stopping");
        }
        failure
    }

    /// Without this the next start would rebuild the applied state from snapshot and log, which takes longer.
    async fn close_state(&self) {
        match timeout(limits::STOP_TIMEOUT, self.node.state().stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the applied state was not left in order"),
            Err(_) => tracing::warn!("the applied state was not written in time"),
        }
        if timeout(limits::STOP_TIMEOUT, self.log.shutdown()).await.is_err() {
            tracing::warn!("the log's thread did not end in time");
        }
    }

    /// Sends callers elsewhere, hands over the lead, lets open calls finish.
    async fn drain(&mut self) {
        tracing::info!("draining");
        if !self.gateway.drain(limits::RESIGN_TIMEOUT).await {
            tracing::warn!("nobody took the lead over in time; the others will elect one");
        }
        self.gateway.start_draining();
        self.closing.send_replace(true);
        self.gateway.close();
        // Nothing is ever sent: it ends when both ports have dropped their ends.
        if timeout(limits::DRAIN_TIMEOUT, self.open_ports.recv()).await.is_err() {
            tracing::info!("some calls were still open and are cut off");
        }
    }

    fn serve(&self, ports: Ports, open: &mpsc::Sender<()>) {
        let tasks = &self.env.tasks;
        let (stop, alive) = (self.closed(), open.clone());
        let (routes, report) = (self.gateway.public_routes(), tasks.clone());
        tasks.spawn("client port", async move {
            if let Err(error) = grpc::serve_clients(ports.client, routes, stop).await {
                report.fail("the client port", &error.to_string());
            }
            drop(alive);
        });
        let (stop, alive, probe, report) = (self.closed(), open.clone(), self.probe(), tasks.clone());
        tasks.spawn("http port", async move {
            if let Err(error) = http::serve(ports.http, probe, stop).await {
                report.fail("the HTTP port", &error.to_string());
            }
            drop(alive);
        });
        // Peers are served to the end: a draining leader still has to hand over.
        let (routes, report) = (self.gateway.peer_routes(self.node.peer_routes()), tasks.clone());
        let stopping = tasks.clone();
        self.raft.spawn(tasks, "peer port", async move {
            let stop = async move { stopping.stopping().await };
            if let Err(error) = grpc::serve_peers(ports.peer, routes, stop).await {
                report.fail("the peer port", &error.to_string());
            }
        });
    }

    fn follow_credentials(&self) {
        let Some(credentials) = self.credentials.clone() else {
            tracing::info!("no --certs-dir: nothing is encrypted, and every caller may do everything");
            return;
        };
        let (env, alarms) = (self.env.clone(), self.node.alarms().clone());
        self.env.tasks.spawn("credentials", rotation::follow(env, credentials, alarms));
    }

    fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closing = self.closing.subscribe();
        async move {
            // An error means that the server is gone, which is as good a reason.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }

    fn probe(&self) -> Probe {
        let (node, log) = (self.node.clone(), self.log.clone());
        let gateway = self.gateway.clone();
        let (credentials, refused) = (self.credentials.clone(), self.refused.clone());
        let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let backlog_limit = bytes(self.overlay_bytes);
        Arc::new(move || {
            let (in_flight, limit) = node.in_flight_bytes();
            Sample {
                cluster_id: node.cluster_id().to_owned(),
                status: node.status(),
                ready: node.is_ready(),
                space_marks: node.space().marks(),
                draining: gateway.is_draining(),
                resident_bytes: resident_bytes(),
                log: log.stats(),
                scrub: node.state().scrub_stats(),
                in_flight: (bytes(in_flight), bytes(limit)),
                backlog: (node.state().backlog_bytes(), backlog_limit),
                congested: node.state().is_congested(),
                request_records: bytes(node.state().request_count()),
                refusals: gateway.refusals(),
                audit_left_out: gateway.audit_left_out(),
                days_left: credentials.as_ref().map(Credentials::days_left),
                refused_handshakes: refused.each_ref().map(|count| count.load(Ordering::Relaxed)),
            }
        })
    }
}

/// The node's certificates, where it is to have some.
fn open_credentials(env: &Env, config: &Config) -> Result<Option<Credentials>, StartError> {
    let Some(dir) = &config.certs_dir else { return Ok(None) };
    let name = NodeName { cluster: config.cluster_name.clone(), node_id: config.node_id };
    let credentials = Credentials::open(dir, name, env.clock.clone())?;
    let (days_left, in_use) = (credentials.days_left(), credentials.in_use());
    tracing::info!(dir = %dir.display(), ?days_left, ?in_use, "TLS is on, and every caller is asked who it is");
    Ok(Some(credentials))
}

/// Opens the data directory and joins Raft, on Raft's own runtime.
async fn start_node(
    env: &Env,
    raft: &RaftRuntime,
    config: &Config,
    addresses: Addresses,
    credentials: Option<Credentials>,
) -> Result<(Node, LogStore), StartError> {
    let options = storage_options(config);
    let consensus = stockade_consensus::Config { credentials, ..consensus_config(config, addresses) };
    let (inner, prepared) = (env.clone(), config.clone());
    let start = async move {
        let options =
            restore::prepare(Arc::new(DiskFiles), &inner, &prepared, options, &consensus.peers).await?;
        let storage = stockade_storage::open(Arc::new(DiskFiles), &inner, options).await?;
        let log = storage.log.clone();
        Ok::<_, StartError>((Node::start(&inner, storage, consensus).await?, log))
    };
    raft.run(&env.tasks, "raft", start).await?
}

fn storage_options(config: &Config) -> Options {
    let identity = Identity { cluster_id: cluster_id(&config.cluster_name), node_id: config.node_id };
    Options {
        engine: config.engine,
        segment_bytes: config.segment_bytes,
        scrub_bytes_per_second: config.scrub_bytes_per_second,
        overlay_bytes: config.overlay_bytes,
        snapshot_log_bytes: config.snapshot_log_bytes,
        space: SpaceMarks { low_bytes: config.disk_low_bytes, reserve_bytes: config.disk_reserve_bytes },
        ..Options::new(config.data_dir.clone(), identity)
    }
}

fn consensus_config(config: &Config, addresses: Addresses) -> stockade_consensus::Config {
    let own_peer = config.advertise_peer.clone().unwrap_or_else(|| addresses.peer.to_string());
    let join = (!config.join.is_empty())
        .then(|| Join { contacts: config.join.clone(), own_address: own_peer.clone() });
    let peers = if config.peers.is_empty() {
        BTreeMap::from([(config.node_id, own_peer)])
    } else {
        config.peers.clone()
    };
    stockade_consensus::Config {
        peers,
        join,
        peer_overrides: config.peer_overrides.clone(),
        dialer: None,
        credentials: None,
        advertise_client: config.advertise_client.clone().unwrap_or_else(|| addresses.client.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        heartbeat: config.timings.heartbeat(),
        election_timeout: config.timings.election(),
        max_in_flight_bytes: config.max_in_flight_bytes,
        kept_log_entries: config.kept_log_entries,
        lease_reads: config.lease_reads,
        zone: config.zone.clone(),
        standby: config.standby,
        replace_dead_after: config.replace_dead_after,
        data_dir: Some(config.data_dir.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timings;
    use crate::exit::Exit;
    use stockade_env::FailureKind;
    use stockade_storage::EngineKind;

    fn config(dir: &std::path::Path) -> Config {
        let any: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
        Config {
            node_id: 1,
            cluster_name: "test".to_owned(),
            data_dir: dir.join("node"),
            restore: None,
            restored_from: None,
            listen_client: any,
            listen_peer: any,
            listen_http: any,
            advertise_client: None,
            advertise_peer: None,
            peers: BTreeMap::new(),
            join: Vec::new(),
            peer_overrides: BTreeMap::new(),
            timings: Timings::default(),
            snapshot_log_bytes: 1 << 20,
            kept_log_entries: 1_000,
            segment_bytes: 1 << 20,
            scrub_bytes_per_second: 0,
            overlay_bytes: 16 << 20,
            disk_low_bytes: 0,
            disk_reserve_bytes: 0,
            max_in_flight_bytes: 1 << 20,
            lease_reads: true,
            engine: EngineKind::Memory,
            insecure: false,
            certs_dir: None,
            zone: String::new(),
            standby: false,
            replace_dead_after: None,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_failure_during_the_shutdown_is_told_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(config(dir.path())).await.unwrap();
        let tasks = server.env.tasks.clone();
        // It comes with the shutdown itself, so what is looked at before the drain can't have it.
        let shutdown =
            async move { tasks.fail_as(FailureKind::Storage, "wal", "Input/output error (os error 5)") };
        let error = server.run_until(shutdown).await.unwrap_err();
        assert_eq!(error.exit(), Exit::StorageFailed);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cluster_of_one_does_not_wait_for_a_successor() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(config(dir.path())).await.unwrap();
        let node = server.node.clone();
        let ready = async {
            while !node.is_ready() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        timeout(limits::STOP_TIMEOUT, ready).await.expect("it leads in time");
        // The patience is endless; what is waited for is that it isn't used.
        let resigned = timeout(limits::STOP_TIMEOUT, node.resign(std::time::Duration::MAX)).await;
        assert!(resigned.is_ok(), "it waited for somebody who can't be");
        server.run_until(std::future::ready(())).await.unwrap();
    }
}
