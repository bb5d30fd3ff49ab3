//! Real nodes on this machine, on a directory that outlives them: the same ports and data at every start.
//!
//! Invariants:
//! - The nodes live no longer than this process, even if it is killed: their standard input closes with it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use stockade_env::ReservedPort;

/// How long a node may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_mins(10);
/// Between two looks at a node that is not ready.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What one question to a node's HTTP port may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer on a node's HTTP port.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Bytes of a log's end that are shown when a node does not start.
const LOG_TAIL_BYTES: usize = 2_000;
/// Ports that a node has: callers, peers, HTTP.
const PORTS: usize = 3;

/// Builds the node's binary in release, beside this program; gives its path.
pub(crate) fn build_binary() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "stockade-cli"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("running cargo")?;
    anyhow::ensure!(status.success(), "the node's binary doesn't build");
    let own = std::env::current_exe().context("finding this program")?;
    Ok(own.with_file_name("stockade"))
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) client: SocketAddr,
    pub(crate) http: SocketAddr,
    /// Its data directory.
    pub(crate) data: PathBuf,
    /// What it says on standard error.
    pub(crate) log: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
    /// Its own, whether it runs or not.
    _ports: [ReservedPort; PORTS],
}

/// The nodes of one cluster.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// In the order of their ids.
    pub(crate) nodes: Vec<Node>,
    binary: PathBuf,
}

impl Nodes {
    /// So many nodes in a directory, with further flags for each; none is started.
    pub(crate) fn plan(dir: &Path, binary: &Path, count: u64, flags: &[String]) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let mut ports = ports(dir, usize::try_from(count)? * PORTS)?.into_iter();
        let trios = std::iter::from_fn(|| Some([ports.next()?, ports.next()?, ports.next()?]));
        let trios: Vec<[ReservedPort; PORTS]> = trios.collect();
        let peers = (1..=count).zip(&trios).map(|(id, trio)| format!("{id}={}", trio[1].address()));
        let peers = peers.collect::<Vec<_>>().join(",");
        let node = |(id, ports): (u64, [ReservedPort; PORTS])| {
            let [client, peer, http] = ports.each_ref().map(ReservedPort::address);
            let data = dir.join(format!("node-{id}"));
            let own = [
                ("--node-id", id.to_string()),
                ("--data-dir", data.display().to_string()),
                ("--listen-client", client.to_string()),
                ("--listen-peer", peer.to_string()),
                ("--listen-http", http.to_string()),
                ("--peers", peers.clone()),
            ];
            let mut arguments = vec!["start".to_owned(), "--exit-with-stdin".to_owned()];
            arguments.extend(own.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
            arguments.extend(flags.iter().cloned());
            let log = dir.join(format!("node-{id}.log"));
            Node { id, client, http, data, log, arguments, child: None, _ports: ports }
        };
        let nodes = (1..=count).zip(trios).map(node).collect();
        Ok(Self { nodes, binary: binary.to_owned() })
    }

    /// Starts every node; returns without waiting for any.
    pub(crate) fn launch(&mut self) -> anyhow::Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.launch(&self.binary))
    }

    /// Completes when every node says that it serves.
    pub(crate) async fn wait_ready(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            node.wait_ready().await?;
        }
        Ok(())
    }

    /// SIGKILL for all of them, as close together as can be.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(child) = &mut node.child {
                child.kill().with_context(|| format!("killing node {}", node.id))?;
            }
        }
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                child.wait()?;
            }
        }
        Ok(())
    }

    /// SIGKILL for one of them.
    pub(crate) fn kill_one(&mut self, id: u64) -> anyhow::Result<()> {
        let node = self.node(id)?;
        let mut child = node.child.take().with_context(|| format!("node {id} doesn't run"))?;
        child.kill().with_context(|| format!("killing node {id}"))?;
        child.wait()?;
        Ok(())
    }

    /// Starts one of them and completes when it says that it serves.
    pub(crate) async fn start_one(&mut self, id: u64) -> anyhow::Result<()> {
        let binary = self.binary.clone();
        let node = self.node(id)?;
        node.launch(&binary)?;
        node.wait_ready().await
    }

    fn node(&mut self, id: u64) -> anyhow::Result<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id).with_context(|| format!("there is no node {id}"))
    }

    /// Asks every node to stop and waits until all have.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(child) = &mut node.child {
                drop(child.stdin.take());
            }
        }
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                let status = child.wait()?;
                anyhow::ensure!(
                    status.success(),
                    "node {} ended with {status}:\n{}",
                    node.id,
                    node.log_tail()
                );
            }
        }
        Ok(())
    }

    /// Where callers connect.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.to_string()).collect()
    }

    /// Waits until no node has rows that are still to be written to its engine.
    pub(crate) async fn wait_settled(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let behind = |node: &Node| {
                let Ok(metrics) = node.metrics() else { return true };
                metric(&metrics, "stockade_backlog_bytes") != Some(0)
            };
            if !self.nodes.iter().any(behind) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "the nodes don't come to rest");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // Nothing can be done about a process that can't be killed; its standard input closes all the same.
        let _ = self.kill();
    }
}

impl Node {
    fn launch(&mut self, binary: &Path) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let child = Command::new(binary)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C in the terminal is for this process alone.
            .process_group(0)
            .spawn();
        self.child = Some(child.with_context(|| format!("starting {}", binary.display()))?);
        Ok(())
    }

    /// The process, while it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while !self.is_ready() {
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

    fn is_ready(&self) -> bool {
        http_get(self.http, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What its `/metrics` say.
    pub(crate) fn metrics(&self) -> std::io::Result<String> {
        metrics_of(self.http)
    }

    /// Bytes of what it has said so far.
    pub(crate) fn log_len(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |metadata| metadata.len())
    }

    /// What it has said after so many bytes.
    pub(crate) fn log_after(&self, len: u64) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(len).unwrap_or(usize::MAX).min(log.len());
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

/// What the node whose HTTP port this is says of itself.
pub(crate) fn metrics_of(http: SocketAddr) -> std::io::Result<String> {
    http_get(http, "/metrics")
}

/// A metric without labels.
pub(crate) fn metric(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// The whole answer, headers included. For nodes on this machine: no client for the world.
fn http_get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, HTTP_TIMEOUT)?;
    stream.set_read_timeout(Some(HTTP_TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

/// The ports of a directory's nodes: those of the last time, since the cluster's log names them; else free ones.
fn ports(dir: &Path, count: usize) -> anyhow::Result<Vec<ReservedPort>> {
    let path = dir.join("addresses");
    if let Ok(text) = fs::read_to_string(&path) {
        let addresses = text.lines().map(str::parse).collect::<Result<Vec<SocketAddr>, _>>()?;
        anyhow::ensure!(addresses.len() == count, "{} is of another number of nodes", dir.display());
        return addresses.into_iter().map(|address| Ok(ReservedPort::at(address)?)).collect();
    }
    let ports = (0..count).map(|_| ReservedPort::any()).collect::<Result<Vec<_>, _>>()?;
    let text = ports.iter().map(|port| port.address().to_string()).collect::<Vec<_>>().join("\n");
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let addresses =
            |ports: Vec<ReservedPort>| ports.iter().map(ReservedPort::address).collect::<Vec<_>>();
        let first = addresses(ports(dir.path(), 9).unwrap());
        assert_eq!(addresses(ports(dir.path(), 9).unwrap()), first);
        assert!(ports(dir.path(), 3).is_err());
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE a gauge\nstockade_backlog_bytes_more 3\nstockade_backlog_bytes 7\n";
        assert_eq!(metric(text, "stockade_backlog_bytes"), Some(7));
        assert_eq!(metric(text, "stockade_backlog"), None);
    }
}
