//! Clusters of real node processes, for tests: each node is the `stockade` binary with its own directory and ports.

pub mod load;
pub mod loop_mount;
pub mod orders;
pub mod secure;
pub mod shop;

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stockade_client::{CallerTls, Client, Config};
use stockade_env::{Env, ReservedPort};
use stockade_proto::v1::DrainRequest;
use tempfile::TempDir;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, built as the tests are. Building it here makes a test of this package work by itself.
///
/// # Panics
///
/// Where it can't be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What cargo says to this test of this package is not for the build: ring would be built anew, and all that stands on it.
        let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_a_package)) {
            cargo.env_remove(name);
        }
        let built = cargo
            .args(["build", "--quiet", "--package", "stockade-cli", "--bin", "stockade"])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(built.status.success(), "the binary builds");
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let executable = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executable =
            executable.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        executable.expect("cargo names the binary it built")
    })
}

/// A node's place and process.
#[derive(Debug)]
pub struct Node {
    /// From 1.
    pub id: u64,
    /// Where callers reach it.
    pub client: String,
    /// Where its HTTP endpoints are.
    pub http: String,
    /// Its data directory.
    pub dir: PathBuf,
    /// For callers, peers and HTTP; its own as long as it is a node here, whether it runs or not.
    ports: [ReservedPort; 3],
    process: Option<(Child, ChildStdin)>,
}

impl Node {
    fn new(id: u64, beside: &Path) -> anyhow::Result<Self> {
        let ports = [ReservedPort::any()?, ReservedPort::any()?, ReservedPort::any()?];
        Ok(Self {
            id,
            client: ports[0].address().to_string(),
            http: ports[2].address().to_string(),
            dir: beside.join(format!("node-{id}")),
            ports,
            process: None,
        })
    }

    /// True where the node says that it may be sent calls.
    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.http)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(" 200 "))
    }

    /// Where the other nodes reach it.
    pub fn peer_address(&self) -> String {
        self.ports[1].address().to_string()
    }
}

/// Nodes of one cluster, stopped and removed when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of their ids.
    pub nodes: Vec<Node>,
    extra: Vec<String>,
    dir: TempDir,
    /// Whose certificates the nodes have; `None` for plain text.
    authority: Option<secure::Authority>,
}

impl Cluster {
    /// Starts `count` nodes and waits until one leads and all follow it.
    pub async fn start(count: u64) -> anyhow::Result<Self> {
        Self::start_with(count, &[]).await
    }

    /// The same with further flags for every node.
    pub async fn start_with(count: u64, extra: &[&str]) -> anyhow::Result<Self> {
        Self::start_under(None, count, extra).await
    }

    /// The same with all data under a directory, on a file system of its own for example.
    pub async fn start_under(parent: Option<&Path>, count: u64, extra: &[&str]) -> anyhow::Result<Self> {
        Self::start_as(parent, count, extra, None).await
    }

    async fn start_as(
        parent: Option<&Path>,
        count: u64,
        extra: &[&str],
        authority: Option<secure::Authority>,
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let parent = parent.unwrap_or(dir.path()).to_owned();
        let mut nodes = Vec::new();
        for id in 1..=count {
            nodes.push(Node::new(id, &parent)?);
        }
        let extra = extra.iter().map(|&flag| flag.to_owned()).collect();
        let mut cluster = Self { nodes, extra, dir, authority };
        for id in 1..=count {
            cluster.launch(id)?;
        }
        cluster.wait_until_led().await?;
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    /// Waits until every node has caught up. In a new cluster a node that has not counts for no election beside others that have: a
    /// leader lost before that is followed by nobody. Where nodes speak TLS only, nobody asks here.
    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for node in self.nodes.iter().filter(|_| self.authority.is_none()) {
            while !node.is_ready() {
                ensure!(Instant::now() < deadline, "node {} is not ready: {}", node.id, self.log_of(node.id));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Starts a node's process; returns when it listens.
    pub fn launch(&mut self, id: u64) -> anyhow::Result<()> {
        let peers: Vec<_> =
            self.nodes.iter().map(|node| format!("{}={}", node.id, node.peer_address())).collect();
        self.launch_with(id, &["--peers", &peers.join(",")])
    }

    /// Starts the process of a new node, under the next id, that waits to be added to the cluster; gives its id.
    pub fn launch_joining(&mut self) -> anyhow::Result<u64> {
        self.launch_joining_with(&[])
    }

    /// The same with further flags.
    pub fn launch_joining_with(&mut self, flags: &[&str]) -> anyhow::Result<u64> {
        let id = self.nodes.iter().map(|node| node.id).max().unwrap_or(0) + 1;
        let beside = self.nodes.first().and_then(|node| node.dir.parent()).unwrap_or(self.dir.path());
        self.nodes.push(Node::new(id, beside)?);
        self.launch_as_new(id, flags)?;
        Ok(id)
    }

    /// Starts the process of a node as if it were new: it waits to be added to the cluster of the others.
    pub fn launch_as_new(&mut self, id: u64, flags: &[&str]) -> anyhow::Result<()> {
        let others = self.nodes.iter().filter(|node| node.id != id);
        let contacts = others.map(Node::peer_address).collect::<Vec<_>>().join(",");
        let flags: Vec<&str> = ["--join", &contacts].into_iter().chain(flags.iter().copied()).collect();
        self.launch_with(id, &flags)
    }

    /// Leaves a node out of what is asked and waited for from now on: another took its place.
    pub fn forget(&mut self, id: u64) {
        self.nodes.retain(|node| node.id != id);
    }

    fn launch_with(&mut self, id: u64, others: &[&str]) -> anyhow::Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join(format!("node-{id}.log")))?;
        let mut extra = self.extra.clone();
        if let Some(authority) = &self.authority {
            extra.extend(["--certs-dir".to_owned(), authority.node_dir(id).display().to_string()]);
        }
        let node = self.node_mut(id);
        let [client, peer, http] = &node.ports;
        let mut process = Command::new(binary())
            .args(["start", "--output", "json", "--exit-with-stdin"])
            .args(["--node-id", &id.to_string()])
            .args(others)
            .args(["--listen-client", &client.address().to_string()])
            .args(["--listen-peer", &peer.address().to_string()])
            .args(["--listen-http", &http.address().to_string()])
            .arg("--data-dir")
            .arg(&node.dir)
            .args(extra)
            // A test says where a disk is small; elsewhere it runs on what disk there is.
            .envs([("STOCKADE_DISK_LOW_BYTES", "0"), ("STOCKADE_DISK_RESERVE_BYTES", "0")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdin = process.stdin.take().context("stdin was piped")?;
        let stdout = process.stdout.take().context("stdout was piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if !line.contains("listening") {
            let status = process.wait()?;
            bail!("node {id} did not start ({status}): {}", self.log_of(id));
        }
        self.node_mut(id).process = Some((process, stdin));
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self, id: u64) -> anyhow::Result<()> {
        let (mut process, _stdin) = self.node_mut(id).process.take().context("the node runs")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// The process of a node that runs.
    pub fn pid(&self, id: u64) -> anyhow::Result<u32> {
        Ok(self.node(id).process.as_ref().context("the node runs")?.0.id())
    }

    /// SIGSTOP: the process stands still wherever it is.
    pub fn pause(&self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::STOP)
    }

    /// SIGCONT: it goes on from there.
    pub fn resume(&self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::CONT)
    }

    fn signal(&self, id: u64, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid(id)?)?).context("a process id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks a node to stop and waits for it.
    pub fn stop(&mut self, id: u64) -> anyhow::Result<ExitStatus> {
        let (mut process, stdin) = self.node_mut(id).process.take().context("the node runs")?;
        drop(stdin);
        Ok(process.wait()?)
    }

    /// Waits until every node that runs names the same leader, one that runs; gives its id.
    pub async fn wait_until_led(&self) -> anyhow::Result<u64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(leader) = self.leader().await
                && self.node(leader).process.is_some()
            {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                let logs: Vec<_> = self.nodes.iter().map(|node| self.log_of(node.id)).collect();
                bail!("no leader within {PATIENCE:?}: {}", logs.join("\n--\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The leader that every running node names.
    async fn leader(&self) -> anyhow::Result<u64> {
        let client = self.client().await?;
        let mut leaders = Vec::new();
        for node in self.nodes.iter().filter(|node| node.process.is_some()) {
            let status = client.cluster_status_of(&node.client).await?;
            let own = status.nodes.iter().find(|status| status.node_id == node.id);
            leaders.push(own.context("a node knows itself")?.leader_id);
        }
        leaders.dedup();
        match leaders[..] {
            [leader] if leader != 0 => Ok(leader),
            _ => bail!("the nodes follow {leaders:?}"),
        }
    }

    /// Moves the lead to a node.
    pub async fn have_lead(&self, client: &Client, id: u64) -> anyhow::Result<()> {
        for undo in [false, true] {
            for node in self.nodes.iter().filter(|node| node.id != id) {
                client.drain(&node.client, DrainRequest { node_id: node.id, undo }).await?;
            }
        }
        ensure!(self.wait_until_led().await? == id, "the lead did not move");
        Ok(())
    }

    /// A client that knows every node.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&Env::real(), self.config(self.addresses())).await?)
    }

    /// A client that is told of one node only.
    pub async fn client_of(&self, id: u64) -> anyhow::Result<Client> {
        Ok(Client::connect(&Env::real(), self.config(vec![self.node(id).client.clone()])).await?)
    }

    /// How a test calls: as one who may do everything, where that is asked.
    fn config(&self, addresses: Vec<String>) -> Config {
        let tls = self.authority.as_ref().map(|own| CallerTls::in_dir(own.dir().join("client-admin")));
        Config { tls, ..Config::new(addresses) }
    }

    /// Where callers reach the nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.clone()).collect()
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// Where there is none of this id.
    pub fn node(&self, id: u64) -> &Node {
        self.nodes.iter().find(|node| node.id == id).expect("a node of the cluster")
    }

    fn node_mut(&mut self, id: u64) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.id == id).expect("a node of the cluster")
    }

    /// What a node has logged.
    pub fn log_of(&self, id: u64) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("node-{id}.log"))).unwrap_or_default()
    }

    /// Waits until all nodes have applied the same entries, and fails where their hashes then differ.
    pub async fn expect_equal_states(&self) -> anyhow::Result<()> {
        let client = self.client().await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut hashes = Vec::new();
            for node in &self.nodes {
                let hash = client.state_hash_of(&node.client, true).await?;
                hashes.push((hash.applied_index, hash.chain_hash, hash.state_hash));
            }
            if hashes.windows(2).all(|pair| pair[0].0 == pair[1].0) {
                let equal = hashes.windows(2).all(|pair| pair[0] == pair[1]);
                anyhow::ensure!(equal, "the states differ: {hashes:?}");
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the nodes don't reach the same index: {hashes:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some((mut process, _stdin)) = node.process.take() {
                // It may have ended by itself.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
