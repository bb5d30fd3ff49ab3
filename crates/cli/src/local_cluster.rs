//! Nodes on this machine, as child processes of this one: for the demo, and for an import without a cluster.
//!
//! Invariants:
//! - The children live no longer than this process, even if it is killed: their standard input closes with it.
//! - Unless it is kept, the cluster's directory goes with it.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use stockade_env::ReservedPort;
use stockade_server::Exit;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use crate::failure::Failure;
use crate::links::Links;

/// How long a node may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(3);
/// Between two looks at a node that is not ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Between two looks at a node that is about to end.
const LOOK_CLOSELY: Duration = Duration::from_millis(5);
/// What one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);
/// Bytes of an answer on a node's HTTP port.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// Bytes of a log's end that are shown when a node does not start.
const LOG_TAIL_BYTES: usize = 2_000;

/// How the nodes are started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// More flags for `start`.
    pub(crate) flags: Vec<String>,
    /// The nodes reach each other through these.
    pub(crate) links: Option<Links>,
}

/// Nodes on this machine.
#[derive(Debug)]
pub(crate) struct LocalCluster {
    nodes: Vec<LocalNode>,
    /// `None` once it is kept.
    dir: Option<TempDir>,
    path: PathBuf,
}

#[derive(Debug)]
struct LocalNode {
    id: u64,
    client: SocketAddr,
    peer: SocketAddr,
    http: SocketAddr,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
    /// Its own, whether it runs or not.
    _ports: Vec<ReservedPort>,
}

impl LocalCluster {
    /// Starts so many nodes with ids from 1 and waits until all are ready.
    pub(crate) async fn start(count: u64, options: &Options) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("stockade-").tempdir().context("making a directory")?;
        let path = dir.path().to_owned();
        let mut nodes = plan(count, &path, options)?;
        if let Some(links) = &options.links {
            through(&mut nodes, links).await?;
        }
        let mut cluster = Self { nodes, dir: Some(dir), path };
        for node in &mut cluster.nodes {
            node.spawn()?;
        }
        for node in &mut cluster.nodes {
            node.wait_ready().await?;
        }
        Ok(cluster)
    }

    /// Where callers connect, in the order of the nodes' ids.
    pub(crate) fn client_addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.to_string()).collect()
    }

    /// Holds the nodes' data and logs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The process ids of the nodes that run.
    pub(crate) fn process_ids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.child.as_ref().map(Child::id)).collect()
    }

    /// Ends a node with SIGKILL: it gets no chance to say or write anything.
    pub(crate) fn kill(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id)?.kill().with_context(|| format!("killing node {id}"))
    }

    /// Stops a node with SIGSTOP: it is still there, and does nothing.
    pub(crate) fn pause(&self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::STOP)
    }

    /// Lets a node go on that was paused.
    pub(crate) fn resume(&self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::CONT)
    }

    /// Asks a node to stop with SIGTERM; completes when its process has ended.
    pub(crate) async fn terminate(&mut self, id: u64) -> anyhow::Result<()> {
        self.signal(id, Signal::TERM)?;
        let node = self.node_mut(id)?;
        let mut child = node.child.take().with_context(|| format!("node {id} does not run"))?;
        let deadline = Instant::now() + READY_TIMEOUT;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                node.child = Some(child);
                bail!("node {id} has not stopped within {READY_TIMEOUT:?}:\n{}", node.log_tail());
            }
            tokio::time::sleep(LOOK_CLOSELY).await;
        };
        anyhow::ensure!(status.success(), "node {id} ended with {status}:\n{}", node.log_tail());
        Ok(())
    }

    fn signal(&self, id: u64, signal: Signal) -> anyhow::Result<()> {
        let child = self.node(id)?.child.as_ref().with_context(|| format!("node {id} does not run"))?;
        rustix::process::kill_process(Pid::from_child(child), signal).context("sending a signal")
    }

    /// Where callers reach a node.
    pub(crate) fn client_address(&self, id: u64) -> anyhow::Result<String> {
        Ok(self.node(id)?.client.to_string())
    }

    /// Starts a node that was killed, on its own data.
    pub(crate) fn restart(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id)?.spawn()
    }

    /// What a node's `/metrics` say; `None` where it does not answer.
    pub(crate) async fn observe(&self, id: u64) -> Option<Observation> {
        observe(self.node(id).ok()?.http).await
    }

    /// Where each node tells its metrics, in the order of the nodes' ids.
    pub(crate) fn http_addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.http).collect()
    }

    /// Completes when the node says that it is ready.
    pub(crate) async fn wait_ready(&mut self, id: u64) -> anyhow::Result<()> {
        self.node_mut(id)?.wait_ready().await
    }

    /// Lets the nodes live on without this process, and leaves their directory alone.
    pub(crate) fn keep(mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                let mut stdin = child.stdin.take().context("the node's standard input is gone")?;
                stdin.write_all(b"detach\n").with_context(|| format!("detaching node {}", node.id))?;
            }
        }
        if let Some(dir) = self.dir.take() {
            let _ = dir.keep();
        }
        Ok(())
    }

    fn node(&self, id: u64) -> anyhow::Result<&LocalNode> {
        self.nodes.iter().find(|node| node.id == id).with_context(|| format!("there is no node {id} here"))
    }

    fn node_mut(&mut self, id: u64) -> anyhow::Result<&mut LocalNode> {
        self.nodes
            .iter_mut()
            .find(|node| node.id == id)
            .with_context(|| format!("there is no node {id} here"))
    }
}

/// Completes at Ctrl-C or SIGTERM. Who drops its cluster then ends the nodes and removes their directory.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Err(Failure::new(Exit::Interrupted, "interrupted; the nodes are stopped and their data is removed")
        .into())
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // Nothing can be done about a process that can't be killed; its standard input closes all the same.
            let _ = node.kill();
        }
    }
}

/// Has each node reach each other one through a link of its own.
async fn through(nodes: &mut [LocalNode], links: &Links) -> anyhow::Result<()> {
    let peers: Vec<(u64, SocketAddr)> = nodes.iter().map(|node| (node.id, node.peer)).collect();
    for node in nodes {
        for (id, address) in peers.iter().filter(|(id, _)| *id != node.id) {
            let link = links.open(node.id, *id, *address).await?;
            node.arguments.extend(["--peer-override".to_owned(), format!("{id}={link}")]);
        }
    }
    Ok(())
}

fn plan(count: u64, path: &Path, options: &Options) -> anyhow::Result<Vec<LocalNode>> {
    let trio = |_| [ReservedPort::any(), ReservedPort::any(), ReservedPort::any()].into_iter().collect();
    let trios: Vec<Vec<ReservedPort>> =
        (1..=count).map(trio).collect::<io::Result<_>>().context("finding free ports")?;
    let peers = |(id, trio): (u64, &Vec<ReservedPort>)| format!("{id}={}", trio[1].address());
    let peers: Vec<String> = (1..=count).zip(&trios).map(peers).collect();
    let peers = peers.join(",");
    let node = |(id, ports): (u64, Vec<ReservedPort>)| {
        let data = path.join(format!("node-{id}"));
        let mut arguments = vec!["start".to_owned(), "--exit-with-stdin".to_owned()];
        let flags = [
            ("--node-id", id.to_string()),
            ("--cluster-name", "local".to_owned()),
            ("--data-dir", data.display().to_string()),
            ("--listen-client", ports[0].address().to_string()),
            ("--listen-peer", ports[1].address().to_string()),
            ("--listen-http", ports[2].address().to_string()),
            ("--peers", peers.clone()),
            // Small enough for a laptop's last corner: what a demo writes is little, and goes with it.
            ("--disk-low-bytes", (64_u64 << 20).to_string()),
            ("--disk-reserve-bytes", (16_u64 << 20).to_string()),
        ];
        arguments.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        arguments.extend(options.flags.iter().cloned());
        let log = path.join(format!("node-{id}.log"));
        LocalNode {
            id,
            client: ports[0].address(),
            peer: ports[1].address(),
            http: ports[2].address(),
            arguments,
            log,
            child: None,
            _ports: ports,
        }
    };
    Ok((1..=count).zip(trios).map(node).collect())
}

impl LocalNode {
    fn spawn(&mut self) -> anyhow::Result<()> {
        let binary = std::env::current_exe().context("finding this binary")?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            // What is meant for this process must not reach the nodes: their flags say all.
            if name.to_string_lossy().starts_with("STOCKADE_") && name != "STOCKADE_LOG" {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in the terminal is for this process alone; it decides what becomes of the nodes.
            .process_group(0);
        self.child = Some(command.spawn().with_context(|| format!("starting node {}", self.id))?);
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while !is_ready(self.http).await {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("node {} ended with {status}:\n{}", self.id, self.log_tail());
            }
            if Instant::now() >= deadline {
                bail!("node {} is not ready after {READY_TIMEOUT:?}:\n{}", self.id, self.log_tail());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

async fn is_ready(http: SocketAddr) -> bool {
    http_get(http, "/readyz").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// What the `/metrics` at this address say; `None` where it does not answer.
pub(crate) async fn observe(http: SocketAddr) -> Option<Observation> {
    Observation::of_metrics(&http_get(http, "/metrics").await.ok()?)
}

/// The whole answer, headers included. For nodes on this machine: no client for the world.
async fn http_get(address: SocketAddr, path: &str) -> io::Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    timeout(LOOK_TIMEOUT, ask).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What a node's metrics say of its part in the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) leads: bool,
    /// 0 where it knows none.
    pub(crate) leader_id: u64,
    pub(crate) term: u64,
    pub(crate) applied: u64,
    /// Applied, and not yet written to the engine.
    pub(crate) backlog_bytes: u64,
}

impl Observation {
    fn of_metrics(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse::<u64>().ok()
        };
        Some(Self {
            leads: value("stockade_raft_is_leader")? == 1,
            leader_id: value("stockade_raft_leader_id")?,
            term: value("stockade_raft_term")?,
            applied: value("stockade_raft_applied_index")?,
            backlog_bytes: value("stockade_backlog_bytes")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_the_same_peers_and_has_ports_of_its_own() {
        let nodes = plan(3, Path::new("/tmp/unused"), &Options::default()).unwrap();
        let after = |node: &LocalNode, flag: &str| {
            let at = node.arguments.iter().position(|argument| argument == flag).unwrap();
            node.arguments[at + 1].clone()
        };
        let peers = after(&nodes[0], "--peers");
        assert!(nodes.iter().all(|node| after(node, "--peers") == peers));
        let mut ports: Vec<u16> =
            nodes.iter().flat_map(|node| [node.client.port(), node.http.port()]).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }

    #[test]
    fn an_observation_is_read_from_metrics() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE stockade_raft_term gauge\nstockade_raft_term 7\n\
                    stockade_raft_is_leader 1\nstockade_raft_leader_id 2\nstockade_raft_applied_index 99\n\
                    stockade_backlog_bytes 5\n# EOF\n";
        let seen = Observation { leads: true, leader_id: 2, term: 7, applied: 99, backlog_bytes: 5 };
        assert_eq!(Observation::of_metrics(text), Some(seen));
        assert_eq!(Observation::of_metrics("HTTP/1.1 503"), None);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_not_ready() {
        let port = ReservedPort::any().unwrap();
        assert!(!is_ready(port.address()).await);
    }
}
