//! Three members on this machine, as they come.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;
use stockade_env::ReservedPort;
use tempfile::TempDir;

use super::super::plan::{CONNECTIONS, Plan, REPLICAS, UNITS};
use super::super::process::{LOOK_AGAIN, Process};
use super::client::Client;
use super::messages::TxnRequest;
use super::rows::{self, Stock, stock_key};

/// How long the members may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_mins(2);
/// Operations of a transaction that etcd takes as it comes.
const MAX_OPERATIONS: u64 = 128;

/// The members. Dropped, they end, and their directory goes.
#[derive(Debug)]
pub(super) struct Cluster {
    members: Vec<Process>,
    _ports: Vec<ReservedPort>,
    _dir: TempDir,
    leader: SocketAddr,
}

impl Cluster {
    /// Starts all three with stock in them; completes when one leads and has taken it.
    pub(super) async fn start(etcd: &Path, dir: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("etcd-").tempdir_in(dir)?;
        let ports = (0..REPLICAS * 2).map(|_| ReservedPort::any()).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<SocketAddr> = ports.iter().map(ReservedPort::address).collect();
        let (clients, peers) = addresses.split_at(REPLICAS);
        let mut members = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            let mut command = Command::new(etcd);
            command.args(arguments(dir.path(), number, *client, peers)).stdout(Stdio::null());
            // Settings in the environment would count as well.
            for (name, _) in
                std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD"))
            {
                command.env_remove(name);
            }
            let log = dir.path().join(format!("member-{number}.log"));
            members.push(Process::start(&format!("etcd {number}"), &mut command, Signal::TERM, &log)?);
        }
        let leader = leader(&mut members, clients).await?;
        let cluster = Self { members, _ports: ports, _dir: dir, leader };
        cluster.fill(plan.skus).await?;
        Ok(cluster)
    }

    async fn fill(&self, skus: u64) -> anyhow::Result<()> {
        let client = Client::to(self.leader)?;
        let stock = Stock { available: UNITS, reserved: 0, committed: 0 };
        let skus: Vec<u64> = (1..=skus).collect();
        for some in skus.chunks(usize::try_from(MAX_OPERATIONS)?) {
            let success = some.iter().map(|sku| rows::put(stock_key(*sku), stock.encode())).collect();
            let request = TxnRequest { compare: Vec::new(), success };
            client.transact(request).await.context("filling etcd's shelves")?;
        }
        Ok(())
    }

    /// Connections for so many clients, all to the leader: a follower would only pass calls on to it.
    pub(super) fn connections(&self, clients: u32) -> anyhow::Result<Vec<Client>> {
        let count = usize::try_from(clients)?.min(CONNECTIONS);
        (0..count).map(|_| Client::to(self.leader)).collect()
    }

    /// The members' process ids.
    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.members.iter().map(Process::id).collect()
    }
}

fn arguments(dir: &Path, number: usize, client: SocketAddr, peers: &[SocketAddr]) -> Vec<String> {
    let name = |number| format!("m{number}");
    let cluster = (0..).zip(peers).map(|(number, peer)| format!("{}=http://{peer}", name(number)));
    let arguments = [
        ("--name", name(number)),
        ("--data-dir", dir.join(name(number)).display().to_string()),
        ("--listen-client-urls", format!("http://{client}")),
        ("--advertise-client-urls", format!("http://{client}")),
        ("--listen-peer-urls", format!("http://{}", peers[number])),
        ("--initial-advertise-peer-urls", format!("http://{}", peers[number])),
        ("--initial-cluster", cluster.collect::<Vec<_>>().join(",")),
        ("--initial-cluster-state", "new".to_owned()),
        ("--log-level", "error".to_owned()),
    ];
    arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

/// Completes when a member says that it leads.
async fn leader(members: &mut [Process], clients: &[SocketAddr]) -> anyhow::Result<SocketAddr> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        for (member, address) in members.iter_mut().zip(clients) {
            member.ensure_running()?;
            if Client::to(*address)?.leads().await.unwrap_or(false) {
                return Ok(*address);
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "no member of etcd leads after {READY_TIMEOUT:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_knows_itself_and_all_the_others() {
        let addresses = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let arguments = arguments(Path::new("/d"), 1, addresses[0], &addresses);
        let value = |flag: &str| {
            let at = arguments.iter().position(|argument| argument == flag).unwrap();
            arguments[at + 1].as_str()
        };
        assert_eq!(value("--name"), "m1");
        assert_eq!(value("--listen-client-urls"), "http://127.0.0.1:1");
        assert_eq!(value("--listen-peer-urls"), "http://127.0.0.1:2");
        let all = "m0=http://127.0.0.1:1,m1=http://127.0.0.1:2,m2=http://127.0.0.1:3";
        assert_eq!(value("--initial-cluster"), all);
    }
}
