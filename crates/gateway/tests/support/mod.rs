//! Three nodes in one process with their gateways, over loopback, with disks in memory.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod story;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{Config, Node};
use stockade_env::Env;
use stockade_gateway::{Gateway, GatewayLimits};
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{EngineKind, Identity, Options, SpaceLevel, SpaceMarks};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Server};

pub(crate) const CLUSTER_ID: &str = "00112233445566778899aabbccddeeff";
/// What any condition may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) gateway: Gateway,
    pub(crate) channel: Channel,
    files: MemoryFiles,
    env: Env,
}

/// Where a node's disk is low and full.
pub(crate) const MARKS: SpaceMarks = SpaceMarks { low_bytes: 32 << 20, reserve_bytes: 16 << 20 };

impl Member {
    /// As if somebody else had taken all of its disk but this much; waits until it knows.
    pub(crate) async fn leave_free(&self, free: u64, level: SpaceLevel) {
        self.files.set_capacity(None);
        let space = self.files.space(std::path::Path::new("/data")).unwrap();
        self.files.set_capacity(Some(space.total - space.free + free));
        until("the node knows", async || (self.node.space().level() == level).then_some(())).await;
    }
}

pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<u64, Member>,
    env: Env,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let mut listeners = BTreeMap::new();
        let mut peers = BTreeMap::new();
        for id in 1..=3_u64 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            peers.insert(id, listener.local_addr().unwrap().to_string());
            listeners.insert(id, listener);
        }
        let mut members = BTreeMap::new();
        for (id, listener) in listeners {
            members.insert(id, start_member(id, listener, peers.clone()).await);
        }
        let nodes: Vec<Node> = members.values().map(|member: &Member| member.node.clone()).collect();
        futures_util::future::join_all(nodes.iter().map(|node| async { node.initialize().await.unwrap() }))
            .await;
        let cluster = Self { members, env: Env::real() };
        cluster.leader().await;
        cluster
    }

    /// Who leads, in the eyes of all.
    pub(crate) async fn leader(&self) -> u64 {
        until("all agree on a leader", async || {
            let mut leaders = self.members.values().map(|member| member.node.watch_leader().borrow().clone());
            let first = leaders.next()?;
            leaders.all(|leader| leader == first).then_some(first.node_id?)
        })
        .await
    }

    pub(crate) async fn leader_channel(&self) -> Channel {
        self.members[&self.leader().await].channel.clone()
    }

    pub(crate) async fn follower_channel(&self) -> Channel {
        let leader = self.leader().await;
        let follower = self.members.keys().find(|id| **id != leader).unwrap();
        self.members[follower].channel.clone()
    }

    pub(crate) fn request_id(&self) -> String {
        self.env.random.request_id(&self.env.clock).to_string()
    }

    pub(crate) async fn stop(self) {
        for member in self.members.into_values() {
            member.node.stop().await;
            member.env.tasks.stop(Duration::from_secs(1)).await;
        }
    }
}

async fn start_member(id: u64, listener: TcpListener, peers: BTreeMap<u64, String>) -> Member {
    let env = Env::real();
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = public.local_addr().unwrap().to_string();
    let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: id };
    let mut options = Options::new(PathBuf::from("/data"), identity);
    options.engine = EngineKind::Memory;
    options.segment_bytes = 8 << 20;
    options.space = MARKS;
    let files = MemoryFiles::default();
    let storage = stockade_storage::open(Arc::new(files.clone()), &env, options).await.unwrap();
    let config = Config {
        peers,
        join: None,
        peer_overrides: BTreeMap::new(),
        dialer: None,
        credentials: None,
        advertise_client: address.clone(),
        version: "test".to_owned(),
        heartbeat: Duration::from_millis(60),
        election_timeout: (Duration::from_millis(250), Duration::from_millis(500)),
        max_in_flight_bytes: 16 << 20,
        kept_log_entries: 10_000,
        lease_reads: true,
        zone: String::new(),
        standby: false,
        replace_dead_after: None,
        data_dir: None,
    };
    let node = Node::start(&env, storage, config).await.unwrap();
    let gateway = Gateway::new(env.clone(), node.clone(), GatewayLimits::default());
    serve(&env, gateway.peer_routes(node.peer_routes()), listener);
    serve(&env, gateway.public_routes(), public);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    Member { node, gateway, channel, files, env }
}

fn serve(env: &Env, routes: Routes, listener: TcpListener) {
    let server = Server::builder().add_routes(routes).serve_with_incoming(TcpListenerStream::new(listener));
    env.tasks.spawn("server", async move { server.await.unwrap() });
}

/// Waits until a condition holds and gives what it found.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never so: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
