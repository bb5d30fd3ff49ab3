//! What `/metrics` says, in the `OpenMetrics` text format. Values are read at each scrape: nothing is kept twice.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use stockade_consensus::{NodeAlarm, NodeStatus, Role};
use stockade_credentials::DaysLeft;
use stockade_storage::log::LogStats;
use stockade_storage::{AlarmKind, ScrubStats, SpaceMarks};

/// What a scrape sees.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) cluster_id: String,
    pub(crate) status: NodeStatus,
    pub(crate) ready: bool,
    pub(crate) draining: bool,
    /// Where the levels of the disk begin.
    pub(crate) space_marks: SpaceMarks,
    pub(crate) resident_bytes: u64,
    pub(crate) log: LogStats,
    pub(crate) scrub: ScrubStats,
    /// Bytes of commands in flight here as the leader, and how many may be.
    pub(crate) in_flight: (u64, u64),
    /// Bytes applied and not yet written to the engine, and how many may be.
    pub(crate) backlog: (u64, u64),
    /// True while no more writes are taken on because the engine is behind.
    pub(crate) congested: bool,
    pub(crate) request_records: u64,
    /// Every reason with how often a call was refused for it.
    pub(crate) refusals: Vec<(&'static str, u64)>,
    /// How long the certificates are good for; `None` where there is no TLS.
    pub(crate) days_left: Option<DaysLeft>,
    /// Connections refused in their handshake or for their address, by callers, peers and HTTP.
    pub(crate) refused_handshakes: [u64; 3],
    /// Refusals that the audit log was spared.
    pub(crate) audit_left_out: u64,
}

/// Writes a sample as text.
pub(crate) fn render(sample: &Sample) -> String {
    let mut registry = Registry::with_prefix("stockade");
    build_info(&mut registry, sample);
    raft(&mut registry, &sample.status);
    log(&mut registry, sample.log);
    scrub(&mut registry, sample.scrub);
    queues(&mut registry, sample);
    process(&mut registry, sample);
    refusals(&mut registry, &sample.refusals);
    alarms(&mut registry, &sample.status.alarms);
    security(&mut registry, sample);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

fn build_info(registry: &mut Registry, sample: &Sample) {
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("cluster_id", sample.cluster_id.clone()),
        ("node_id", sample.status.node_id.to_string()),
    ];
    registry.register("build", "Which binary this is, and whose node", Info::new(labels));
}

fn raft(registry: &mut Registry, status: &NodeStatus) {
    let lag = status.committed_index.saturating_sub(status.applied_index);
    let values = [
        ("raft_term", "The Raft term this node is in", status.term),
        ("raft_is_leader", "1 on the leader", u64::from(status.role == Role::Leader)),
        (
            "raft_leader_id",
            "The leader this node follows; 0 where it knows none",
            status.leader_id.unwrap_or(0),
        ),
        ("raft_last_index", "Index of the last entry in this node's log", status.last_index),
        ("raft_committed_index", "Index of the last entry known to be committed", status.committed_index),
        ("raft_applied_index", "Index of the last applied entry", status.applied_index),
        ("raft_snapshot_index", "Index up to which the last snapshot holds the log", status.snapshot_index),
        ("raft_purged_index", "Index up to which the log has been removed", status.purged_index),
        ("raft_apply_lag", "Entries known to be committed and not yet applied here", lag),
        ("raft_voter", "1 where this node votes", u64::from(status.voter)),
    ];
    for (name, help, value) in values {
        gauge(registry, name, help, value);
    }
}

fn log(registry: &mut Registry, log: LogStats) {
    let counters = [
        ("log_fsyncs", "Syncs of the log", log.fsyncs),
        ("log_fsync_microseconds", "Time that syncs of the log took in all", log.fsync_us),
        ("log_written_bytes", "Written to the log", log.written_bytes),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    gauge(
        registry,
        "log_fsync_max_microseconds",
        "The longest sync of the log since the start",
        log.fsync_max_us,
    );
    gauge(registry, "log_segments", "Segments of the log in use", log.segments);
    gauge(registry, "log_cached_bytes", "Entries of the log in memory", log.cached_bytes);
}

/// What was read again of the log and the snapshot.
fn scrub(registry: &mut Registry, scrub: ScrubStats) {
    let counters = [
        ("scrub_bytes", "Of the log and the snapshot read again and found sound", scrub.bytes),
        ("scrub_passes", "Times that all of them were read again", scrub.passes),
        ("scrub_transient_findings", "Findings that a second reading did not confirm", scrub.transient),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    let gauges = [
        (
            "scrub_last_pass_timestamp_microseconds",
            "When the last pass ended, since 1970; 0 before that",
            scrub.last_pass_us,
        ),
        ("scrub_last_pass_milliseconds", "How long the last pass took", scrub.last_pass_ms),
        ("scrub_problems", "Files of the log and the snapshot that are damaged", scrub.problems),
    ];
    for (name, help, value) in gauges {
        gauge(registry, name, help, value);
    }
}

/// Every queue with its depth and, where it has one of its own, its limit.
fn queues(registry: &mut Registry, sample: &Sample) {
    let values = [
        ("log_queued", "Requests that wait for the log's thread", sample.log.queued),
        ("proposals_in_flight_bytes", "Commands proposed here and not decided yet", sample.in_flight.0),
        ("proposals_in_flight_limit_bytes", "Beyond this callers are told OVERLOADED", sample.in_flight.1),
        ("backlog_bytes", "Applied and not yet written to the engine", sample.backlog.0),
        (
            "backlog_limit_bytes",
            "Beyond this apply waits; beyond half of it no write is taken on",
            sample.backlog.1,
        ),
        (
            "congested",
            "1 while no write is taken on because the engine is behind",
            u64::from(sample.congested),
        ),
        ("request_records", "Kept outcomes of requests", sample.request_records),
    ];
    for (name, help, value) in values {
        gauge(registry, name, help, value);
    }
}

fn refusals(registry: &mut Registry, counts: &[(&'static str, u64)]) {
    let family = Family::<[(&str, &str); 1], Counter>::default();
    for (reason, count) in counts {
        family.get_or_create(&[("reason", *reason)]).inc_by(*count);
    }
    registry.register("refusals", "Calls and mutations that were refused here, by reason", family);
}

fn alarms(registry: &mut Registry, raised: &[NodeAlarm]) {
    let family = Family::<[(&str, &str); 1], Gauge>::default();
    for kind in AlarmKind::ALL {
        let is_raised = raised.iter().any(|alarm| alarm.kind == kind.name());
        family.get_or_create(&[("kind", kind.name())]).set(i64::from(is_raised));
    }
    registry.register("alarm", "1 while a person should look at this", family);
}

/// How long certificates are good for, and who was turned away before a call.
fn security(registry: &mut Registry, sample: &Sample) {
    gauge(registry, "tls", "1 where connections are encrypted", u64::from(sample.days_left.is_some()));
    if let Some(DaysLeft { node, authority }) = sample.days_left {
        let family = Family::<[(&str, &str); 1], Gauge>::default();
        for (which, days) in [("node", node), ("ca", authority)] {
            family.get_or_create(&[("certificate", which)]).set(days);
        }
        registry.register("certificate_days_left", "Whole days until a certificate is over", family);
    }
    let left_out = ConstCounter::new(sample.audit_left_out);
    registry.register(
        "audit_left_out",
        "Refusals that the audit log was spared, for there were too many",
        left_out,
    );
    let family = Family::<[(&str, &str); 1], Counter>::default();
    for (port, count) in ["callers", "peers", "http"].into_iter().zip(sample.refused_handshakes) {
        family.get_or_create(&[("port", port)]).inc_by(count);
    }
    registry.register(
        "handshakes_refused",
        "Connections refused: in their TLS handshake, or for their address has as many as one may have",
        family,
    );
}

fn process(registry: &mut Registry, sample: &Sample) {
    gauge(registry, "ready", "1 while this node should get traffic", u64::from(sample.ready));
    gauge(registry, "draining", "1 while this node is stopping", u64::from(sample.draining));
    let bytes = [
        ("resident_memory", "Memory of this process", sample.resident_bytes),
        ("disk_used", "Used on the file system that holds the data", sample.status.disk_used_bytes),
        ("disk_free", "Free on the file system that holds the data", sample.status.disk_free_bytes),
        (
            "disk_low",
            "With less free only what gives units back is taken; 0 for never",
            sample.space_marks.low_bytes,
        ),
        (
            "disk_reserve",
            "With less free nothing is written that needs room; 0 for never",
            sample.space_marks.reserve_bytes,
        ),
    ];
    for (name, help, value) in bytes {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(value));
    }
}

fn gauge(registry: &mut Registry, name: &'static str, help: &'static str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}

/// Resident memory of this process in bytes; 0 where the system doesn't tell.
pub(crate) fn resident_bytes() -> u64 {
    // No file of ours: the kernel answers from memory, so this does not go through the file layer.
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4_096);
    pages.unwrap_or(0).saturating_mul(page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_of_the_leader_names_its_indexes() {
        let status = NodeStatus {
            node_id: 2,
            role: Role::Leader,
            term: 7,
            committed_index: 12,
            applied_index: 10,
            ..NodeStatus::default()
        };
        let refusals = vec![("OVERLOADED", 3)];
        let text = render(&Sample { cluster_id: "c".to_owned(), status, refusals, ..Sample::default() });
        for line in [
            "stockade_raft_term 7",
            "stockade_raft_is_leader 1",
            "stockade_raft_applied_index 10",
            "stockade_raft_apply_lag 2",
            "stockade_resident_memory_bytes 0",
            "stockade_log_fsyncs_total 0",
            "stockade_proposals_in_flight_limit_bytes 0",
            "stockade_request_records 0",
            "stockade_disk_low_bytes 0",
            "stockade_disk_reserve_bytes 0",
            "stockade_alarm{kind=\"disk_low\"} 0",
            "stockade_refusals_total{reason=\"OVERLOADED\"} 3",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.contains("node_id=\"2\""));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(resident_bytes() > 0);
    }
}
