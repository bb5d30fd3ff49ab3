//! What a node is told at its start, and whether it fits together.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use stockade_storage::{BackupId, EngineKind};

use crate::error::StartError;
use crate::limits;

/// What a node is told at its start. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Never 0, never used twice in the life of a cluster.
    pub node_id: u64,
    /// The same on all nodes; the cluster's id follows from it.
    pub cluster_name: String,
    /// Holds everything the node has.
    pub data_dir: PathBuf,
    /// The backup that the node begins with where the directory is empty.
    pub restore: Option<PathBuf>,
    /// The backup that the cluster began with, for a node that is to join it and has no use for the file.
    pub restored_from: Option<BackupId>,
    /// Where callers connect; port 0 lets the system choose.
    pub listen_client: SocketAddr,
    /// Where the other nodes connect.
    pub listen_peer: SocketAddr,
    /// Where metrics and probes are served.
    pub listen_http: SocketAddr,
    /// Where callers reach this node, if not at `listen_client`.
    pub advertise_client: Option<String>,
    /// Where the other nodes reach this one, if not at `listen_peer`; the same as in `peers`.
    pub advertise_peer: Option<String>,
    /// Every voter's id and peer address, this node included; empty for a cluster of one.
    pub peers: BTreeMap<u64, String>,
    /// Peer addresses of a cluster that this node waits to be added to, where its directory is new; instead of `peers`.
    pub join: Vec<String>,
    /// Where this node reaches a peer instead. Never replicated.
    pub peer_overrides: BTreeMap<u64, String>,
    /// When a leader is taken for dead.
    pub timings: Timings,
    /// Log since the last snapshot that makes the next one due.
    pub snapshot_log_bytes: u64,
    /// Log entries that stay below a snapshot, so that a follower a little behind needs no snapshot.
    pub kept_log_entries: u64,
    /// Of a log segment.
    pub segment_bytes: u64,
    /// Of the log and the snapshot that are read again in a second, to find what rots; 0 for never.
    pub scrub_bytes_per_second: u64,
    /// Of rows that wait to be written to the engine.
    pub overlay_bytes: usize,
    /// Free bytes of the disk below which the node takes only what gives units back; 0 for never.
    pub disk_low_bytes: u64,
    /// Free bytes of the disk below which the node writes nothing that needs room; 0 for never.
    pub disk_reserve_bytes: u64,
    /// Of commands in flight at the leader; beyond it callers are told OVERLOADED.
    pub max_in_flight_bytes: usize,
    /// As the leader, answer reads that allow it by its lease. Off where the clocks of the nodes can't be trusted to run at the
    /// same rate, or where machines are suspended.
    pub lease_reads: bool,
    /// What keeps the rows of the applied state.
    pub engine: EngineKind,
    /// Allows plaintext beyond loopback.
    pub insecure: bool,
    /// Holds the node's certificates, and the keys that tokens are checked with; without it nothing is encrypted and
    /// nobody is asked who calls.
    pub certs_dir: Option<PathBuf>,
    /// Where the node stands; empty where that says nothing.
    pub zone: String,
    /// It takes a dead voter's place without being asked, once it is a learner.
    pub standby: bool,
    /// After how long a voter that answers nothing is replaced by a standby, while this node leads.
    pub replace_dead_after: Option<Duration>,
}

/// When a leader is taken for dead. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between the leader's heartbeats.
    pub heartbeat_ms: u64,
    /// Shortest silence after which a follower asks for votes.
    pub election_min_ms: u64,
    /// Longest silence after which a follower asks for votes.
    pub election_max_ms: u64,
}

/// A kind of network between the nodes, for which timings are known to be sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// One local network: round trips of at most 15 ms.
    #[default]
    Lan,
    /// Several zones of a region: round trips of at most 30 ms.
    Cloud,
    /// Several regions: round trips of at most 150 ms.
    Wan,
}

impl Profile {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Lan, Self::Cloud, Self::Wan];

    /// As flags call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Cloud => "cloud",
            Self::Wan => "wan",
        }
    }
}

impl Default for Timings {
    /// Those of the default profile.
    fn default() -> Self {
        Self::of(Profile::default())
    }
}

impl Timings {
    /// The timings for a kind of network.
    pub fn of(profile: Profile) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).expect("the defaults are short");
        let (heartbeat_ms, election_min_ms, election_max_ms) = match profile {
            Profile::Lan => {
                let (min, max) = stockade_consensus::DEFAULT_ELECTION_TIMEOUT;
                (millis(stockade_consensus::DEFAULT_HEARTBEAT), millis(min), millis(max))
            }
            Profile::Cloud => (60, 200, 350),
            Profile::Wan => (300, 1_200, 2_200),
        };
        Self { heartbeat_ms, election_min_ms, election_max_ms }
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn election(&self) -> (Duration, Duration) {
        (Duration::from_millis(self.election_min_ms), Duration::from_millis(self.election_max_ms))
    }
}

/// The id of the cluster with this name: the first 128 bits of a SHA-256, as 32 hexadecimal digits.
pub fn cluster_id(name: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"stockade cluster\0");
    hash.update(name.as_bytes());
    id_of(hash)
}

/// The id of the cluster with this name that began with a backup. The same on all nodes that were given the same.
pub fn restored_cluster_id(name: &str, backup: BackupId) -> String {
    let mut hash = Sha256::new();
    hash.update(b"stockade restored cluster\0");
    hash.update(backup.as_bytes());
    hash.update(name.as_bytes());
    id_of(hash)
}

fn id_of(hash: Sha256) -> String {
    hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
        write!(id, "{byte:02x}").expect("a String takes everything");
        id
    })
}

impl Config {
    /// Names everything that doesn't fit together, all at once.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let mut wrong = Vec::new();
        self.check_identity(&mut wrong);
        self.check_timings(&mut wrong);
        self.check_addresses(&mut wrong);
        self.check_disk(&mut wrong);
        self.check_membership(&mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(StartError::Config(wrong.join("; "))) }
    }

    fn check_identity(&self, wrong: &mut Vec<String>) {
        if self.node_id == 0 {
            wrong.push("the node id must not be 0; give --node-id 1 or higher".to_owned());
        }
        if self.cluster_name.is_empty() || self.cluster_name.len() > limits::MAX_CLUSTER_NAME_LEN {
            wrong.push(format!("the cluster's name must have 1 to {} bytes", limits::MAX_CLUSTER_NAME_LEN));
        }
        if !self.peers.is_empty() && !self.peers.contains_key(&self.node_id) {
            wrong.push(format!("--peers must name every node, this one ({}) included", self.node_id));
        }
        if self.restore.is_some() && !self.join.is_empty() {
            wrong.push(
                "--restore is for the nodes that a new cluster begins with; one that joins it later gets --restored-from"
                    .to_owned(),
            );
        }
        if !self.peers.is_empty() && !self.join.is_empty() {
            wrong.push(
                "--peers is for a node that founds a cluster, --join for one that comes later; give one of them"
                    .to_owned(),
            );
        }
        if self.peers.contains_key(&0) {
            wrong.push("a peer's id must not be 0".to_owned());
        }
        if let (Some(advertised), Some(listed)) = (&self.advertise_peer, self.peers.get(&self.node_id))
            && advertised != listed
        {
            wrong.push(format!(
                "--advertise-peer is {advertised} but --peers has {listed} for this node; give the same address"
            ));
        }
        for id in self.peer_overrides.keys() {
            if *id == self.node_id {
                wrong.push("--peer-override names this node itself".to_owned());
            }
        }
    }

    fn check_timings(&self, wrong: &mut Vec<String>) {
        let Timings { heartbeat_ms, election_min_ms, election_max_ms } = self.timings;
        if heartbeat_ms < limits::MIN_HEARTBEAT_MS {
            wrong.push("--heartbeat-ms must be at least 1".to_owned());
        }
        if election_min_ms <= heartbeat_ms {
            wrong.push(format!(
                "--election-timeout-min-ms ({election_min_ms}) must be above --heartbeat-ms ({heartbeat_ms}); \
                 twice as much or more is sound"
            ));
        }
        if election_max_ms <= election_min_ms || election_max_ms > limits::MAX_ELECTION_MS {
            wrong.push(format!(
                "--election-timeout-max-ms ({election_max_ms}) must be above the minimum ({election_min_ms}) and at \
                 most {}",
                limits::MAX_ELECTION_MS
            ));
        }
    }

    fn check_membership(&self, wrong: &mut Vec<String>) {
        let sound = |zone: &str| zone.bytes().all(|byte| byte.is_ascii_graphic());
        if self.zone.len() > limits::MAX_ZONE_LEN || !sound(&self.zone) {
            wrong.push(format!(
                "--zone must have at most {} visible ASCII characters and no space",
                limits::MAX_ZONE_LEN
            ));
        }
        if let Some(after) = self.replace_dead_after.filter(|after| *after < limits::MIN_REPLACE_DEAD_AFTER) {
            wrong.push(format!(
                "--replace-dead-after ({} s) must be at least {} s: a node that is restarted is not dead",
                after.as_secs(),
                limits::MIN_REPLACE_DEAD_AFTER.as_secs()
            ));
        }
    }

    fn check_disk(&self, wrong: &mut Vec<String>) {
        let (low, reserve) = (self.disk_low_bytes, self.disk_reserve_bytes);
        if low > 0 && reserve > low {
            wrong.push(format!(
                "--disk-reserve-bytes ({reserve}) must not be above --disk-low-bytes ({low}): cancels are taken between the two"
            ));
        }
    }

    fn check_addresses(&self, wrong: &mut Vec<String>) {
        if self.certs_dir.is_some() && self.insecure {
            wrong.push("--certs-dir and --insecure contradict each other; leave one out".to_owned());
        }
        let named = [
            ("--listen-client", self.listen_client),
            ("--listen-peer", self.listen_peer),
            ("--listen-http", self.listen_http),
        ];
        for (flag, address) in named {
            if self.certs_dir.is_none() && !self.insecure && !address.ip().is_loopback() {
                wrong.push(format!(
                    "{flag} {address} is open to other machines and there is no TLS; give --certs-dir, listen on \
                     127.0.0.1, or give --insecure if this network is trusted"
                ));
            }
        }
        if self.advertise_client.is_none() && self.listen_client.ip().is_unspecified() {
            wrong.push(format!(
                "{} is no address that callers could be sent to; give --advertise-client HOST:PORT",
                self.listen_client
            ));
        }
        if self.peers.is_empty() && self.advertise_peer.is_none() && self.listen_peer.ip().is_unspecified() {
            wrong.push(format!(
                "{} is no address that nodes could be sent to; give --advertise-peer HOST:PORT or --peers",
                self.listen_peer
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            node_id: 1,
            cluster_name: "shop".to_owned(),
            data_dir: PathBuf::from("unused"),
            restore: None,
            restored_from: None,
            listen_client: "127.0.0.1:0".parse().unwrap(),
            listen_peer: "127.0.0.1:0".parse().unwrap(),
            listen_http: "127.0.0.1:0".parse().unwrap(),
            advertise_client: None,
            advertise_peer: None,
            peers: BTreeMap::new(),
            join: Vec::new(),
            peer_overrides: BTreeMap::new(),
            timings: Timings::default(),
            snapshot_log_bytes: 1,
            kept_log_entries: 1,
            segment_bytes: 1,
            scrub_bytes_per_second: 0,
            overlay_bytes: 1,
            disk_low_bytes: 0,
            disk_reserve_bytes: 0,
            max_in_flight_bytes: 1,
            lease_reads: true,
            engine: EngineKind::Memory,
            insecure: false,
            certs_dir: None,
            zone: String::new(),
            standby: false,
            replace_dead_after: None,
        }
    }

    fn complaint(config: &Config) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_cluster_of_one_on_loopback_fits() {
        config().check().unwrap();
    }

    #[test]
    fn the_cluster_id_has_32_digits_and_follows_the_name() {
        assert_eq!(cluster_id("shop").len(), 32);
        assert_eq!(cluster_id("shop"), cluster_id("shop"));
        assert_ne!(cluster_id("shop"), cluster_id("shop2"));
    }

    #[test]
    fn a_restored_cluster_has_an_id_of_its_own() {
        let backups: Vec<BackupId> = ["00", "01"].map(|byte| byte.repeat(32).parse().unwrap()).to_vec();
        let id = restored_cluster_id("shop", backups[0]);
        assert_eq!(id.len(), 32);
        assert_ne!(id, cluster_id("shop"), "not the old cluster's, even under its name");
        assert_ne!(id, restored_cluster_id("shop", backups[1]));
        assert_ne!(id, restored_cluster_id("shop2", backups[0]));
    }

    #[test]
    fn plaintext_beyond_loopback_wants_insecure() {
        let mut open = Config { listen_client: "192.0.2.1:7001".parse().unwrap(), ..config() };
        assert!(complaint(&open).contains("--insecure"));
        open.insecure = true;
        open.check().unwrap();
        let certs_dir = Some(PathBuf::from("certs"));
        Config { certs_dir: certs_dir.clone(), insecure: false, ..open.clone() }.check().unwrap();
        assert!(complaint(&Config { certs_dir, ..open }).contains("--certs-dir"));
    }

    #[test]
    fn an_unspecified_address_wants_one_to_advertise() {
        let mut open = Config { listen_client: "0.0.0.0:7001".parse().unwrap(), insecure: true, ..config() };
        assert!(complaint(&open).contains("--advertise-client"));
        open.advertise_client = Some("shop-1:7001".to_owned());
        open.check().unwrap();
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let peers = BTreeMap::from([(2, "127.0.0.1:7202".to_owned())]);
        let timings = Timings { heartbeat_ms: 50, election_min_ms: 50, election_max_ms: 20 };
        let message = complaint(&Config { peers, timings, ..config() });
        for part in ["--peers", "--election-timeout-min-ms", "--election-timeout-max-ms"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_node_founds_a_cluster_or_joins_one() {
        let joining = Config { join: vec!["127.0.0.1:7202".to_owned()], node_id: 4, ..config() };
        joining.check().unwrap();
        let peers = BTreeMap::from([(4, "127.0.0.1:7204".to_owned())]);
        assert!(complaint(&Config { peers, ..joining }).contains("--join"));
    }

    #[test]
    fn a_node_that_joins_restores_nothing() {
        let joining = Config { join: vec!["127.0.0.1:7202".to_owned()], node_id: 4, ..config() };
        let both = Config { restore: Some(PathBuf::from("shop.snapshot")), ..joining };
        assert!(complaint(&both).contains("--restored-from"));
    }

    #[test]
    fn what_a_node_is_told_of_its_place_is_checked() {
        let odd =
            Config { zone: "north wing".to_owned(), replace_dead_after: Some(Duration::ZERO), ..config() };
        let message = complaint(&odd);
        for part in ["--zone", "--replace-dead-after"] {
            assert!(message.contains(part), "{part} in {message}");
        }
        let after = Some(limits::MIN_REPLACE_DEAD_AFTER);
        let zone = "north-1".to_owned();
        Config { zone, standby: true, replace_dead_after: after, ..config() }.check().unwrap();
    }

    #[test]
    fn a_reserve_above_the_low_water_mark_is_refused() {
        let marks = Config { disk_low_bytes: 10, disk_reserve_bytes: 11, ..config() };
        assert!(complaint(&marks).contains("--disk-reserve-bytes"));
        Config { disk_low_bytes: 10, disk_reserve_bytes: 10, ..config() }.check().unwrap();
        Config { disk_low_bytes: 10, disk_reserve_bytes: 0, ..config() }.check().unwrap();
        Config { disk_low_bytes: 0, disk_reserve_bytes: 10, ..config() }.check().unwrap();
    }

    #[test]
    fn an_advertised_peer_address_must_be_the_listed_one() {
        let peers = BTreeMap::from([(1, "a:1".to_owned())]);
        let message = complaint(&Config { peers, advertise_peer: Some("b:1".to_owned()), ..config() });
        assert!(message.contains("b:1") && message.contains("a:1"));
    }
}
