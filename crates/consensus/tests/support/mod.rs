//! Clusters of three in one process, over loopback, with disks in memory.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{
    Config, Join, MembershipChange, MembershipError, Node, ProposeError, RefusalKind, Role, StartError,
};
use stockade_env::Env;
use stockade_state_machine::command::{Command, CreateSku, Origin};
use stockade_state_machine::ids::{Principal, RequestId, SkuId};
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Outcome, Reply};
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{CHAIN_MARK_EVERY, EngineKind, Identity, Options, SpaceMarks, codec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::TcpListenerStream;

pub(crate) const CLUSTER_ID: &str = "00112233445566778899aabbccddeeff";
/// What any condition may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Several election timeouts: who can be elected is elected in that time.
const SEVERAL_ELECTIONS: Duration = Duration::from_secs(4);

/// Until when any condition must be so.
pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Watches for so long that whoever can be elected is. A node that has just started may still name a leader of old.
pub(crate) async fn nobody_leads(cluster: &Cluster) -> bool {
    let leads = |member: &Member| member.node.status().role == Role::Leader;
    let elected = async {
        while !cluster.members.values().any(leads) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SEVERAL_ELECTIONS, elected).await.is_err()
}

/// What differs from the usual cluster.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) snapshot_log_bytes: u64,
    pub(crate) kept_log_entries: u64,
    pub(crate) space: SpaceMarks,
    pub(crate) segment_bytes: u64,
    pub(crate) chain_mark_every: u64,
    pub(crate) max_in_flight_bytes: usize,
    pub(crate) lease_reads: bool,
    pub(crate) replace_dead_after: Option<Duration>,
    /// Nodes that join stand ready to replace others.
    pub(crate) standby: bool,
    /// Of this node [`Cluster::hold_back`] can hold back what the others send it.
    pub(crate) gated: Option<u64>,
    pub(crate) election_timeout: (Duration, Duration),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            snapshot_log_bytes: 1 << 30,
            kept_log_entries: 10_000,
            space: SpaceMarks::default(),
            segment_bytes: 1 << 20,
            chain_mark_every: CHAIN_MARK_EVERY,
            max_in_flight_bytes: 16 << 20,
            lease_reads: true,
            replace_dead_after: None,
            standby: false,
            gated: None,
            election_timeout: (Duration::from_millis(250), Duration::from_millis(500)),
        }
    }
}

/// Passes on what comes to a node, while it is open; answers pass always.
async fn gate(to: String, open: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            let Ok(node) = TcpStream::connect(&to).await else { continue };
            let ((mut asks, mut hears), (mut answers, mut is_asked)) =
                (caller.into_split(), node.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut hears).await });
            let mut open = open.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                loop {
                    let read = asks.read(&mut buffer).await?;
                    if read == 0 || open.wait_for(|open| *open).await.is_err() {
                        return Ok::<_, std::io::Error>(());
                    }
                    is_asked.write_all(&buffer[..read]).await?;
                }
            });
        }
    });
    address
}

/// A running node, on a runtime of its own: killed with it go its tasks and connections, as with a process.
pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) env: Env,
    runtime: Option<Runtime>,
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Three nodes, of which some run.
pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) files: BTreeMap<u64, MemoryFiles>,
    pub(crate) peers: BTreeMap<u64, String>,
    /// Nodes that were started to join.
    joined: BTreeSet<u64>,
    /// Where a node that is started from now on looks for others instead of where they are.
    pub(crate) detours: BTreeMap<u64, BTreeMap<u64, String>>,
    /// Whether what is sent to the gated node passes.
    open: watch::Sender<bool>,
    setup: Setup,
    env: Env,
}

impl Cluster {
    pub(crate) async fn start(setup: Setup) -> Self {
        let mut listeners = BTreeMap::new();
        let mut peers = BTreeMap::new();
        let open = watch::Sender::new(true);
        for id in 1..=3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut address = listener.local_addr().unwrap().to_string();
            if setup.gated == Some(id) {
                address = gate(address, open.subscribe()).await;
            }
            peers.insert(id, address);
            listeners.insert(id, listener);
        }
        let files = (1..=3).map(|id| (id, MemoryFiles::default())).collect();
        let (members, joined, env) = (BTreeMap::new(), BTreeSet::new(), Env::real());
        let mut cluster = Self { members, files, peers, joined, detours: BTreeMap::new(), open, setup, env };
        for (id, listener) in listeners {
            cluster.run(id, listener).await;
        }
        let nodes: Vec<Node> = cluster.members.values().map(|member| member.node.clone()).collect();
        futures_util::future::join_all(nodes.iter().map(|node| async { node.initialize().await.unwrap() }))
            .await;
        // Before that new nodes elect nobody but the first leader.
        until("all nodes are ready", async || nodes.iter().all(Node::is_ready).then_some(())).await;
        cluster
    }

    /// Holds back what is sent to the gated node, or lets it pass.
    pub(crate) fn hold_back(&self, back: bool) {
        self.open.send_replace(!back);
    }

    async fn run(&mut self, id: u64, listener: TcpListener) {
        let env = Env::real();
        let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: id };
        let mut options = Options::new(PathBuf::from("/data"), identity);
        options.engine = EngineKind::Memory;
        options.segment_bytes = self.setup.segment_bytes;
        options.chain_mark_every = self.setup.chain_mark_every;
        options.snapshot_log_bytes = self.setup.snapshot_log_bytes;
        options.space = self.setup.space;
        let files: Arc<dyn Files> = Arc::new(self.files[&id].clone());
        let config = Config {
            peers: self.peers.clone(),
            join: self.joined.contains(&id).then(|| Join {
                contacts: self
                    .peers
                    .iter()
                    .filter(|(peer, _)| **peer != id)
                    .map(|(_, at)| at.clone())
                    .collect(),
                own_address: self.peers[&id].clone(),
            }),
            peer_overrides: self.detours.get(&id).cloned().unwrap_or_default(),
            dialer: None,
            credentials: None,
            advertise_client: format!("client-{id}"),
            version: "test".to_owned(),
            heartbeat: Duration::from_millis(60),
            election_timeout: self.setup.election_timeout,
            max_in_flight_bytes: self.setup.max_in_flight_bytes,
            kept_log_entries: self.setup.kept_log_entries,
            lease_reads: self.setup.lease_reads,
            // Two nodes to a zone: 1 and 4, 2 and 5, 3 and 6.
            zone: format!("zone-{}", id % 3),
            standby: self.setup.standby && self.joined.contains(&id),
            replace_dead_after: self.setup.replace_dead_after,
            data_dir: None,
        };
        // The writer of an engine in memory has no thread of its own: where a test holds the state it may stand on one.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        let its_env = env.clone();
        let started = runtime.spawn(async move {
            let storage = stockade_storage::open(files, &its_env, options).await.unwrap();
            let node = Node::start(&its_env, storage, config).await.unwrap();
            let routes = node.peer_routes();
            let listener = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
            its_env.tasks.spawn("peer-server", async move {
                tonic::transport::Server::builder()
                    .add_routes(routes)
                    .serve_with_incoming(listener)
                    .await
                    .unwrap();
            });
            node
        });
        let node = started.await.unwrap();
        self.members.insert(id, Member { node, env, runtime: Some(runtime) });
    }

    /// Starts a new node that waits to be added.
    pub(crate) async fn join(&mut self, id: u64) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.peers.insert(id, listener.local_addr().unwrap().to_string());
        self.files.insert(id, MemoryFiles::default());
        self.joined.insert(id);
        self.run(id, listener).await;
        self.node(id).initialize().await.unwrap();
    }

    /// Starts a node that was there before as if it were new.
    pub(crate) async fn try_join(&mut self, id: u64) -> Result<(), StartError> {
        self.restart_as_new(id).await;
        self.node(id).initialize().await
    }

    /// The same, and it asks nobody yet whether it may join.
    pub(crate) async fn restart_as_new(&mut self, id: u64) {
        self.joined.insert(id);
        self.restart(id).await;
    }

    pub(crate) async fn restart(&mut self, id: u64) {
        let address = self.peers[&id].clone();
        let listener = until("the port is free again", async || TcpListener::bind(&address).await.ok()).await;
        self.run(id, listener).await;
    }

    /// Nothing is stopped in order, and what was not synced is gone.
    pub(crate) fn kill(&mut self, id: u64) {
        drop(self.members.remove(&id).unwrap());
        self.files[&id].power_cut();
    }

    /// As if somebody else had taken all of a node's disk but this much.
    pub(crate) fn leave_free(&self, id: u64, free: u64) {
        let files = &self.files[&id];
        files.set_capacity(None);
        let space = files.space(std::path::Path::new("/data")).unwrap();
        files.set_capacity(Some(space.total - space.free + free));
    }

    /// What a node had is gone, as after a kill with its disk.
    pub(crate) fn wipe(&mut self, id: u64) {
        self.kill(id);
        self.files.insert(id, MemoryFiles::default());
    }

    /// Who leads, in the eyes of all who run.
    pub(crate) async fn leader(&self) -> u64 {
        until("all agree on a leader that runs", async || {
            let mut leaders = self.members.values().map(|member| member.node.watch_leader().borrow().clone());
            let first = leaders.next()?;
            let known = first.node_id.filter(|leader| self.members.contains_key(leader))?;
            leaders
                .all(|leader| leader.node_id == first.node_id && leader.term == first.term)
                .then_some(known)
        })
        .await
    }

    pub(crate) fn node(&self, id: u64) -> &Node {
        &self.members[&id].node
    }

    /// Creates a SKU, wherever the leader is, with one request id until it is known to be there.
    pub(crate) async fn create_sku(&self, name: &str) -> Reply {
        let request = create_sku_request(&self.env, name);
        until("the SKU is created", async || {
            for member in self.members.values() {
                let deadline = Instant::now() + Duration::from_secs(2);
                match member.node.propose(request.clone(), deadline).await {
                    Ok(reply) => return Some(reply),
                    Err(
                        ProposeError::NotLeader { .. }
                        | ProposeError::Unknown
                        | ProposeError::TimedOut
                        | ProposeError::Overloaded
                        | ProposeError::StorageFull
                        | ProposeError::ShuttingDown
                        | ProposeError::Removed,
                    ) => {}
                }
            }
            None
        })
        .await
    }
}

/// Has a SKU created under a new request id.
pub(crate) fn create_sku_request(env: &Env, name: &str) -> bytes::Bytes {
    let command = CreateSku { sku: SkuId::new(name).unwrap(), details: SkuDetails::named(name) };
    request_of(env, &Command::CreateSku(command))
}

/// A command under a new request id.
pub(crate) fn request_of(env: &Env, command: &Command) -> bytes::Bytes {
    let origin = Origin {
        request: RequestId::new(env.random.request_id(&env.clock).as_u128()).unwrap(),
        principal: Principal::new("tester").unwrap(),
    };
    codec::encode_request(Some(&origin), command)
}

pub(crate) fn has_sku(node: &Node, name: &str) -> bool {
    node.state().read(|view| view.sku(&SkuId::new(name).unwrap()).is_some())
}

pub(crate) fn assert_created(reply: &Reply) {
    assert!(matches!(reply.outcome, Outcome::SkuCreated(_)), "{reply:?}");
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in {PATIENCE:?} it was not so that {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Asks until it is done or refused for good; what is under way, or not caught up yet, passes.
pub(crate) async fn bring_about(node: &Node, change: &MembershipChange) -> u64 {
    until("the membership is changed", async || {
        match node.change_membership(change, "tester", Instant::now() + PATIENCE).await {
            Ok(index) => Some(index),
            Err(MembershipError::Refused(refusal))
                if [RefusalKind::Changing, RefusalKind::LearnerBehind].contains(&refusal.kind) =>
            {
                None
            }
            Err(error) => panic!("{change}: {error}"),
        }
    })
    .await
}
