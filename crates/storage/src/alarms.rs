//! Alarms: what a person should look at, raised where it is found and told in the node's status until it is over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_env::Clock;
use tokio::sync::watch;

/// What is wrong. The names are part of the interface: metrics and status carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// Less than the low-water mark is free: this node takes no writes but those that give units back.
    DiskLow,
    /// Less than the reserve is free: this node takes nothing that needs room.
    DiskFull,
    /// A log segment no longer holds what was written to it.
    LogDamaged,
    /// The snapshot file no longer holds what was written to it.
    SnapshotDamaged,
    /// This node's state differs from that of the others at the same log index.
    StateDiverged,
    /// Another node lost entries of the log that it had acknowledged to this one.
    LogLost,
    /// A snapshot could not be made.
    SnapshotFailed,
    /// The round trip to another voter is too long for the heartbeat.
    RoundTripLong,
    /// The log waits for the disk for long.
    DiskSlow,
    /// Committed entries are not applied.
    ApplyStalled,
    /// This node's clock differs from another's.
    ClockSkew,
    /// What waits here is near its limit, for long.
    QueueGrowing,
    /// Another member doesn't answer, or doesn't hear this one.
    LinkLost,
    /// A certificate of this node, or of the authority that is behind it, is soon over.
    CertificateExpiring,
    /// The files of certificates, tokens or revocations can't be used: older ones stay in use.
    CertificatesRefused,
    /// A voter has answered the leader nothing for so long that it should be replaced, and is not yet.
    VoterDead,
    /// The leader has replaced a voter that was dead: somebody should see why, and start another standby.
    VoterReplaced,
    /// One zone holds a majority of the voters: with it goes the cluster.
    ZoneMajority,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::DiskLow,
        Self::DiskFull,
        Self::LogDamaged,
        Self::SnapshotDamaged,
        Self::StateDiverged,
        Self::LogLost,
        Self::SnapshotFailed,
        Self::RoundTripLong,
        Self::DiskSlow,
        Self::ApplyStalled,
        Self::ClockSkew,
        Self::QueueGrowing,
        Self::LinkLost,
        Self::CertificateExpiring,
        Self::CertificatesRefused,
        Self::VoterDead,
        Self::VoterReplaced,
        Self::ZoneMajority,
    ];

    /// As status and metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskLow => "disk_low",
            Self::DiskFull => "disk_full",
            Self::LogDamaged => "log_damaged",
            Self::SnapshotDamaged => "snapshot_damaged",
            Self::StateDiverged => "state_diverged",
            Self::LogLost => "log_lost",
            Self::SnapshotFailed => "snapshot_failed",
            Self::RoundTripLong => "round_trip_long",
            Self::DiskSlow => "disk_slow",
            Self::ApplyStalled => "apply_stalled",
            Self::ClockSkew => "clock_skew",
            Self::QueueGrowing => "queue_growing",
            Self::LinkLost => "link_lost",
            Self::CertificateExpiring => "certificate_expiring",
            Self::CertificatesRefused => "certificates_refused",
            Self::VoterDead => "voter_dead",
            Self::VoterReplaced => "voter_replaced",
            Self::ZoneMajority => "zone_majority",
        }
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An alarm that is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Where, how much, and what to do, for people.
    pub detail: String,
    /// Since when, in microseconds since 1970 by this node's clock.
    pub since_us: u64,
}

/// The alarms of a node. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Alarms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    raised: Mutex<BTreeMap<AlarmKind, Alarm>>,
    changes: watch::Sender<()>,
}

impl Alarms {
    /// None raised.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, raised: Mutex::default(), changes: watch::Sender::new(()) }))
    }

    /// Raises an alarm, or gives a raised one its newest detail.
    pub fn raise(&self, kind: AlarmKind, detail: impl Into<String>) {
        let detail = detail.into();
        let mut raised = self.0.raised.lock();
        if let Some(alarm) = raised.get_mut(&kind) {
            alarm.detail = detail;
        } else {
            tracing::error!(alarm = kind.name(), detail, "an alarm is raised");
            raised.insert(kind, Alarm { kind, detail, since_us: self.0.clock.now_us() });
        }
        drop(raised);
        self.0.changes.send_replace(());
    }

    /// Ends an alarm, if it is raised.
    pub fn clear(&self, kind: AlarmKind) {
        if self.0.raised.lock().remove(&kind).is_some() {
            tracing::info!(alarm = kind.name(), "an alarm is over");
            self.0.changes.send_replace(());
        }
    }

    /// True while it is raised.
    pub fn is_raised(&self, kind: AlarmKind) -> bool {
        self.0.raised.lock().contains_key(&kind)
    }

    /// Those that are raised, in the order of their kinds.
    pub fn list(&self) -> Vec<Alarm> {
        self.0.raised.lock().values().cloned().collect()
    }

    /// Tells when one is raised, changes or ends.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use stockade_env::Env;

    use super::*;

    #[test]
    fn an_alarm_stands_from_its_first_raise_until_it_is_cleared() {
        let alarms = Alarms::new(Env::real().clock);
        alarms.raise(AlarmKind::DiskLow, "9 bytes free");
        let first = alarms.list();
        alarms.raise(AlarmKind::DiskLow, "8 bytes free");
        let again = alarms.list();
        assert_eq!((again.len(), again[0].since_us), (1, first[0].since_us));
        assert_eq!(again[0].detail, "8 bytes free");
        alarms.clear(AlarmKind::DiskLow);
        assert!(!alarms.is_raised(AlarmKind::DiskLow));
    }
}
