//! `stockade start`: one node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use stockade_server::{
    Addresses, BackupId, Config, DEFAULT_KEPT_LOG_ENTRIES, DEFAULT_MAX_IN_FLIGHT_BYTES,
    DEFAULT_SCRUB_BYTES_PER_SECOND, EngineKind, Profile, Server, Timings,
};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::Output;

/// Flags of `start`. Sizes in bytes.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct StartArgs {
    /// This node's id: 1 or higher, never used twice in the life of a cluster.
    #[arg(long, value_name = "ID", env = "STOCKADE_NODE_ID", value_parser = clap::value_parser!(u64).range(1..))]
    node_id: u64,
    /// Name of the cluster, the same on all nodes.
    #[arg(long, value_name = "NAME", env = "STOCKADE_CLUSTER_NAME", default_value = "stockade")]
    cluster_name: String,
    /// Directory that holds everything the node has; made where it is missing.
    #[arg(long, value_name = "DIR", env = "STOCKADE_DATA_DIR")]
    data_dir: PathBuf,
    /// Begin with this backup where the data directory is empty. Every node of the new cluster is given the same file;
    /// once it was restored the flag does nothing, so that it may stay.
    #[arg(long, value_name = "FILE", env = "STOCKADE_RESTORE")]
    restore: Option<PathBuf>,
    /// Id of the backup that the cluster began with (`stockade cluster snapshot` printed it), for a node that joins the
    /// cluster later and needs no file.
    #[arg(long, value_name = "BACKUP-ID", env = "STOCKADE_RESTORED_FROM")]
    restored_from: Option<BackupId>,
    /// Where callers connect. Port 0 lets the system choose.
    #[arg(long, value_name = "IP:PORT", env = "STOCKADE_LISTEN_CLIENT", default_value = "127.0.0.1:7001")]
    listen_client: SocketAddr,
    /// Where the other nodes connect.
    #[arg(long, value_name = "IP:PORT", env = "STOCKADE_LISTEN_PEER", default_value = "127.0.0.1:7101")]
    listen_peer: SocketAddr,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, value_name = "IP:PORT", env = "STOCKADE_LISTEN_HTTP", default_value = "127.0.0.1:7201")]
    listen_http: SocketAddr,
    /// Where callers reach this node, if not at --listen-client.
    #[arg(long, value_name = "HOST:PORT", env = "STOCKADE_ADVERTISE_CLIENT")]
    advertise_client: Option<String>,
    /// Where the other nodes reach this one, if not at --listen-peer.
    #[arg(long, value_name = "HOST:PORT", env = "STOCKADE_ADVERTISE_PEER")]
    advertise_peer: Option<String>,
    /// Every node's id and peer address, this one included: 1=host:port,2=host:port,3=host:port. Read where the data
    /// directory is new; without it the node is a cluster of one.
    #[arg(long, value_name = "ID=HOST:PORT,...", env = "STOCKADE_PEERS", value_delimiter = ',', value_parser = peer)]
    peers: Vec<(u64, String)>,
    /// Peer addresses of a running cluster: the node waits there to be added, with `stockade cluster add` or `replace`. Instead
    /// of --peers; read where the data directory is new.
    #[arg(long, value_name = "HOST:PORT,...", env = "STOCKADE_JOIN", value_delimiter = ',', value_parser = address)]
    join: Vec<String>,
    /// Reach this peer there, whatever the others say (a proxy for example). May be given several times.
    #[arg(
        long,
        value_name = "ID=HOST:PORT",
        env = "STOCKADE_PEER_OVERRIDE",
        value_delimiter = ',',
        value_parser = peer
    )]
    peer_override: Vec<(u64, String)>,
    /// The network between the nodes, for which the three timings below are chosen: `lan` (round trips of at most 15 ms),
    /// `cloud` (several zones of a region, 30 ms) or `wan` (several regions, 150 ms). The same on all nodes.
    #[arg(long, value_name = "NETWORK", env = "STOCKADE_PROFILE", default_value = "lan", value_parser = profile)]
    profile: Profile,
    /// Between the leader's heartbeats, if not the profile's (30, 60, 300): at least twice the round trip.
    #[arg(long, value_name = "MS", env = "STOCKADE_HEARTBEAT_MS")]
    heartbeat_ms: Option<u64>,
    /// Shortest silence after the lease in which a follower asks for votes, if not the profile's (70, 200, 1200).
    #[arg(long, value_name = "MS", env = "STOCKADE_ELECTION_TIMEOUT_MIN_MS")]
    election_timeout_min_ms: Option<u64>,
    /// Longest such silence, and the leader's lease, if not the profile's (130, 350, 2200).
    #[arg(long, value_name = "MS", env = "STOCKADE_ELECTION_TIMEOUT_MAX_MS")]
    election_timeout_max_ms: Option<u64>,
    /// Log since the last snapshot that makes the next one due, if the last one was not larger.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_SNAPSHOT_LOG_BYTES", default_value_t = 256 << 20)]
    snapshot_log_bytes: u64,
    /// Log entries that stay below a snapshot, so that a follower a little behind needs no snapshot.
    #[arg(long, value_name = "N", env = "STOCKADE_KEPT_LOG_ENTRIES", default_value_t = DEFAULT_KEPT_LOG_ENTRIES)]
    kept_log_entries: u64,
    /// Size of a log segment.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_SEGMENT_BYTES", default_value_t = 64 << 20)]
    segment_bytes: u64,
    /// At most so much of the log and the snapshot is read again in a second, to find what rots on the disk; 0 for never.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_SCRUB_BYTES_PER_SECOND", default_value_t = DEFAULT_SCRUB_BYTES_PER_SECOND)]
    scrub_bytes_per_second: u64,
    /// Rows that may wait in memory to be written.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_OVERLAY_BYTES", default_value_t = 256 << 20)]
    overlay_bytes: usize,
    /// Free bytes of the disk below which the node takes only cancels and what else gives units back; 0 for never.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_DISK_LOW_BYTES", default_value_t = 1 << 30)]
    disk_low_bytes: u64,
    /// Free bytes of the disk below which the node writes nothing that needs room; 0 for never.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_DISK_RESERVE_BYTES", default_value_t = 256 << 20)]
    disk_reserve_bytes: u64,
    /// Commands in flight at the leader; beyond it callers are told OVERLOADED.
    #[arg(long, value_name = "BYTES", env = "STOCKADE_MAX_IN_FLIGHT_BYTES", default_value_t = DEFAULT_MAX_IN_FLIGHT_BYTES)]
    max_in_flight_bytes: usize,
    /// As the leader, answer reads with `--consistency lease` without asking a quorum. Off where the clocks of the nodes can't be
    /// trusted to run at the same rate, or where machines are suspended: such reads ask a quorum then.
    #[arg(long, value_name = "on|off", env = "STOCKADE_LEASE_READS", default_value = "on", action = clap::ArgAction::Set, value_parser = switch)]
    lease_reads: bool,
    /// Directory with this node's certificates (ca.crt, node.crt, node.key) and the keys that tokens are checked with
    /// (tokens.pub): all ports speak TLS, and every caller is asked who it is. `stockade cert` makes the files.
    #[arg(long, value_name = "DIR", env = "STOCKADE_CERTS_DIR")]
    certs_dir: Option<PathBuf>,
    /// File that the audit log is written behind: who was refused, and who did what to the cluster, a line of JSON each.
    /// Without it the lines go to standard error, among others.
    #[arg(long, value_name = "FILE", env = "STOCKADE_AUDIT_LOG")]
    pub(crate) audit_log: Option<PathBuf>,
    /// Name of the place where this node stands (a room, a data centre): told with the status, and looked at where a dead
    /// node is replaced.
    #[arg(long, value_name = "NAME", env = "STOCKADE_ZONE", default_value = "")]
    zone: String,
    /// Once added as a learner (--join, `stockade cluster add --learner`), take the place of a voter that dies,
    /// without being asked. The leader's --replace-dead-after says when.
    #[arg(long, env = "STOCKADE_STANDBY")]
    standby: bool,
    /// Replace a voter that has answered nothing for so many seconds by a standby, while this node leads. Give it to all
    /// nodes, or to none; without it nobody is replaced unasked.
    #[arg(long, value_name = "SECONDS", env = "STOCKADE_REPLACE_DEAD_AFTER")]
    replace_dead_after: Option<u64>,
    /// Listen beyond loopback without TLS. For networks that are trusted.
    #[arg(long, env = "STOCKADE_INSECURE")]
    insecure: bool,
    /// Stop when standard input closes, unless `detach` was written to it: children die with their parent.
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

/// `ID=HOST:PORT`.
pub(crate) fn peer(text: &str) -> Result<(u64, String), String> {
    let (id, address) = text.split_once('=').ok_or("write ID=HOST:PORT")?;
    let id = id.trim().parse::<u64>().map_err(|_| format!("`{id}` is no node id"))?;
    Ok((id, self::address(address)?))
}

fn profile(text: &str) -> Result<Profile, String> {
    let named = Profile::ALL.into_iter().find(|profile| profile.name() == text);
    named.ok_or_else(|| {
        format!("`{text}` is no profile: write {}", Profile::ALL.map(Profile::name).join(", "))
    })
}

/// `on` or `off`.
fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

/// `HOST:PORT`.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let port = text.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
    if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
        return Err(format!("`{text}` is no address: write HOST:PORT"));
    }
    Ok(text.to_owned())
}

fn by_id(pairs: &[(u64, String)], flag: &str) -> anyhow::Result<BTreeMap<u64, String>> {
    let map: BTreeMap<u64, String> = pairs.iter().cloned().collect();
    if map.len() != pairs.len() {
        let message = format!("{flag} names a node twice; give each id once");
        return Err(stockade_server::StartError::Config(message).into());
    }
    Ok(map)
}

impl StartArgs {
    fn config(self) -> anyhow::Result<Config> {
        let usual = Timings::of(self.profile);
        Ok(Config {
            peers: by_id(&self.peers, "--peers")?,
            join: self.join,
            peer_overrides: by_id(&self.peer_override, "--peer-override")?,
            node_id: self.node_id,
            cluster_name: self.cluster_name,
            data_dir: self.data_dir,
            restore: self.restore,
            restored_from: self.restored_from,
            listen_client: self.listen_client,
            listen_peer: self.listen_peer,
            listen_http: self.listen_http,
            advertise_client: self.advertise_client,
            advertise_peer: self.advertise_peer,
            timings: Timings {
                heartbeat_ms: self.heartbeat_ms.unwrap_or(usual.heartbeat_ms),
                election_min_ms: self.election_timeout_min_ms.unwrap_or(usual.election_min_ms),
                election_max_ms: self.election_timeout_max_ms.unwrap_or(usual.election_max_ms),
            },
            snapshot_log_bytes: self.snapshot_log_bytes,
            kept_log_entries: self.kept_log_entries,
            segment_bytes: self.segment_bytes,
            scrub_bytes_per_second: self.scrub_bytes_per_second,
            overlay_bytes: self.overlay_bytes,
            disk_low_bytes: self.disk_low_bytes,
            disk_reserve_bytes: self.disk_reserve_bytes,
            max_in_flight_bytes: self.max_in_flight_bytes,
            lease_reads: self.lease_reads,
            engine: EngineKind::Sled,
            insecure: self.insecure,
            certs_dir: self.certs_dir,
            zone: self.zone,
            standby: self.standby,
            replace_dead_after: self.replace_dead_after.map(Duration::from_secs),
        })
    }
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(args: StartArgs, output: Output) -> anyhow::Result<()> {
    let with_stdin = args.exit_with_stdin;
    let shutdown = shutdown(with_stdin)?;
    let server = Server::start(args.config()?).await?;
    announce(server.addresses(), output);
    server.run_until(shutdown).await?;
    Ok(())
}

fn announce(addresses: Addresses, output: Output) {
    let Addresses { client, peer, http } = addresses;
    let object = json!({
        "event": "listening",
        "client": client.to_string(),
        "peer": peer.to_string(),
        "http": http.to_string(),
    });
    output.print(&object, || format!("listening: callers {client}, peers {peer}, http {http}"));
}

/// Completes at SIGTERM, SIGINT or, where asked for, the end of standard input. Handlers are in place from the call on.
fn shutdown(with_stdin: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stdin = if with_stdin { Some(pipe::OpenOptions::new().open_receiver("/dev/stdin")?) } else { None };
    Ok(async move {
        let parent_gone = async {
            match stdin {
                Some(stdin) => until_closed(&stdin).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parent_gone => {}
        }
    })
}

/// Completes when the pipe closes; never, once something was written to it.
async fn until_closed(stdin: &pipe::Receiver) {
    let mut buffer = [0; 16];
    loop {
        if stdin.readable().await.is_err() {
            return;
        }
        match stdin.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => return std::future::pending().await,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_id_and_an_address() {
        assert_eq!(peer("2=shop-2:7101"), Ok((2, "shop-2:7101".to_owned())));
        assert_eq!(peer("2=[::1]:7101"), Ok((2, "[::1]:7101".to_owned())));
        for bad in ["", "2", "x=a:1", "2=a", "2=:1", "2=a:b"] {
            assert!(peer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_peer_named_twice_is_refused() {
        let twice = [(1, "a:1".to_owned()), (1, "b:1".to_owned())];
        assert!(by_id(&twice, "--peers").unwrap_err().to_string().contains("--peers"));
    }
}
