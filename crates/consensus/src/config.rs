//! How a node takes part in its cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::SnapshotPolicy;
use stockade_credentials::Credentials;
use stockade_proto::Dialer;

use crate::StartError;
use crate::limits;

/// Between heartbeats, where nothing else is said. An idle network would bear 20 ms; three nodes on two busy cores call
/// elections at that.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_millis(30);
/// Bounds of the election timeout, where nothing else is said. A leader that falls silent is followed after the larger one,
/// which is its lease, and a random time between both; one whose process is gone after the lease, see `gone.rs`.
pub const DEFAULT_ELECTION_TIMEOUT: (Duration, Duration) =
    (Duration::from_millis(70), Duration::from_millis(130));

/// See [`Config::kept_log_entries`].
pub const DEFAULT_KEPT_LOG_ENTRIES: u64 = 10_000;

/// See [`Config::max_in_flight_bytes`].
pub const DEFAULT_MAX_IN_FLIGHT_BYTES: usize = 64 << 20;

/// How a new node comes into a cluster that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Peer addresses of members.
    pub contacts: Vec<String>,
    /// Where the members will reach this node: it is added at this address and no other.
    pub own_address: String,
}

/// How a node takes part in its cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// Every voter's id and peer address (`host:port`), this node's own included. The same on all nodes. Read only
    /// where the data directory is new: afterwards the log says who is a member.
    pub peers: BTreeMap<u64, String>,
    /// For a new node that founds no cluster but waits to be added to one. Then `peers` says nothing. Read only where
    /// the data directory is new.
    pub join: Option<Join>,
    /// Where this node reaches a peer instead of the address that the log has. Never replicated.
    pub peer_overrides: BTreeMap<u64, String>,
    /// Opens connections to peers in the place of sockets: for simulations.
    pub dialer: Option<Arc<dyn Dialer>>,
    /// Opens connections over TLS, and says which node a peer is; `None` where there is no TLS.
    pub credentials: Option<Credentials>,
    /// Where callers reach this node; told to the others.
    pub advertise_client: String,
    /// Told to the others.
    pub version: String,
    /// Between heartbeats of the leader.
    pub heartbeat: Duration,
    /// Bounds of the randomised election timeout.
    pub election_timeout: (Duration, Duration),
    /// Bytes of commands in flight at the leader; beyond it proposals are refused.
    pub max_in_flight_bytes: usize,
    /// Entries that stay in the log below a snapshot, so that a follower a little behind needs no snapshot.
    pub kept_log_entries: u64,
    /// As the leader, answer reads that allow it by its lease. Off where the clocks of the nodes can't be trusted to run at the
    /// same rate.
    pub lease_reads: bool,
    /// Where the node stands; told to the others. Empty where it wasn't told.
    pub zone: String,
    /// It takes a dead voter's place without being asked, once it is a learner; told to the others.
    pub standby: bool,
    /// After how long a voter that answers nothing is replaced by a standby, while this node leads; never where there is
    /// nothing.
    pub replace_dead_after: Option<Duration>,
    /// Whose file system's use the status tells; `None` where the data is in memory.
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// The defaults for a node among peers, without TLS.
    pub fn of(peers: BTreeMap<u64, String>) -> Self {
        Self {
            peers,
            join: None,
            peer_overrides: BTreeMap::new(),
            dialer: None,
            credentials: None,
            advertise_client: String::new(),
            version: String::new(),
            heartbeat: DEFAULT_HEARTBEAT,
            election_timeout: DEFAULT_ELECTION_TIMEOUT,
            max_in_flight_bytes: DEFAULT_MAX_IN_FLIGHT_BYTES,
            kept_log_entries: DEFAULT_KEPT_LOG_ENTRIES,
            lease_reads: true,
            zone: String::new(),
            standby: false,
            replace_dead_after: None,
            data_dir: None,
        }
    }

    /// Twice the longest election timeout: after so long no promise that a node gave a leader before it was restarted
    /// is still believed by anybody.
    pub(crate) fn lease_memory(&self) -> Duration {
        self.election_timeout.1 * 2
    }

    /// How long a leader that is to give the lead away, and was not told how long, waits for who takes it: no write is taken meanwhile.
    pub(crate) fn handover_patience(&self) -> Duration {
        limits::HANDOVER_PATIENCE.max(self.heartbeat * limits::HANDOVER_HEARTBEATS)
    }

    /// What this node promises a leader that it has heard from: to vote for nobody else for so long.
    pub(crate) fn lease_ms(&self) -> u64 {
        millis(self.election_timeout.1).unwrap_or(0)
    }

    /// As openraft wants it.
    pub(crate) fn for_raft(&self, cluster_id: &str) -> Result<openraft::Config, StartError> {
        let (min, max) = (millis(self.election_timeout.0)?, millis(self.election_timeout.1)?);
        openraft::Config {
            cluster_name: cluster_id.to_owned(),
            heartbeat_interval: millis(self.heartbeat)?,
            election_timeout_min: min,
            election_timeout_max: max,
            install_snapshot_timeout: millis(limits::SNAPSHOT_CHUNK_TIMEOUT)?,
            max_payload_entries: limits::MAX_APPEND_ENTRIES,
            // A follower behind gets a snapshot only where the log no longer has what it lacks.
            replication_lag_threshold: u64::MAX,
            // The bytes of the log decide, see `start_snapshots`; entries say little about them.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.kept_log_entries,
            purge_batch_size: limits::PURGE_BATCH,
            api_channel_size: Some(limits::RAFT_QUEUE),
            state_machine_channel_size: Some(limits::APPLY_QUEUE),
            // It silences a leader as soon as its lease ends, and answers may be late by more: see `unanswered.rs`.
            quorum_loss_probe_interval: None,
            enable_pre_vote: Some(true),
            // A leader restarted in time would go on without an election, on a state older than what it had answered.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
        .validate()
        .map_err(|error| StartError::Config(error.to_string()))
    }
}

fn millis(duration: Duration) -> Result<u64, StartError> {
    u64::try_from(duration.as_millis())
        .map_err(|_| StartError::Config("a timeout is out of range".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(election_timeout: (Duration, Duration)) -> Config {
        Config { election_timeout, ..Config::of(BTreeMap::new()) }
    }

    #[test]
    fn the_default_times_fit_together() {
        assert!(config(DEFAULT_ELECTION_TIMEOUT).for_raft("c").is_ok());
    }

    #[test]
    fn an_election_timeout_below_the_heartbeat_is_refused() {
        let timeout = (Duration::from_millis(10), Duration::from_millis(20));
        assert!(matches!(config(timeout).for_raft("c"), Err(StartError::Config(_))));
    }
}
