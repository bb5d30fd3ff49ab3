//! What a benchmark says at its end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::By;
use crate::bench::latency::{Latencies, millis};
use crate::bench::load::Orders;
use crate::output::grouped;
use crate::proof::failover::Failover;
use crate::proof::{self, Findings, NodeHash};

/// Errors of calls that are shown.
const MAX_SHOWN: usize = 3;

/// Under what it was measured.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) nodes: u64,
    /// Orders a second.
    pub(super) peak: u64,
    pub(super) rate: u64,
    pub(super) seconds: Duration,
}

/// All that is known at the end.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) conditions: Conditions,
    pub(super) by: By,
    /// How often the leader was lost, or every node restarted.
    pub(super) rounds: u64,
    /// `None` where no leader was to be lost.
    pub(super) failovers: Option<Vec<Failover>>,
    /// Leaders that came after the first.
    pub(super) leaders: u64,
    pub(super) orders: Orders,
    pub(super) findings: Findings,
    pub(super) hashes: Vec<NodeHash>,
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

impl Report {
    fn over(&self, of: impl Fn(&Failover) -> Duration) -> Latencies {
        Latencies::of(self.failovers.iter().flatten().map(of).collect())
    }

    /// Leaders that nothing which was done to the cluster asked for: of each round one comes, and of each round of restarts
    /// one too, for the leader is restarted last.
    fn spurious(&self) -> u64 {
        self.leaders.saturating_sub(self.rounds)
    }

    pub(super) fn object(&self) -> Value {
        let Conditions { nodes, peak, rate, seconds } = &self.conditions;
        let mut object = json!({
            "workload": if self.failovers.is_some() { "failover" } else { "rolling-restart" },
            "nodes": nodes,
            "rounds": self.rounds,
            "peak_ops_per_s": peak,
            "rate": rate,
            "seconds": seconds.as_secs(),
            "acked": count(&self.orders.record.acks),
            "failed": count(&self.orders.failed),
            "lost": count(&self.findings.lost),
            "oversold": count(&self.findings.oversold),
            "unexplained": count(&self.findings.unexplained),
            "leaders": self.leaders,
            "spurious_elections": self.spurious(),
            "latency_us": self.orders.latencies().micros(),
            "state_hash_equal": proof::all_equal(&self.hashes),
        });
        if self.failovers.is_some()
            && let Value::Object(fields) = &mut object
        {
            fields.insert("by".to_owned(), json!(self.by.name()));
            fields.insert("kills".to_owned(), json!(self.rounds));
            fields.insert("failover_ms".to_owned(), self.over(|failover| failover.first_ack).millis());
            fields.insert("gap_ms".to_owned(), self.over(|failover| failover.gap).millis());
        }
        object
    }

    pub(super) fn text(&self) -> String {
        let took = self.orders.latencies();
        let mut lines = vec![format!(
            "{} orders acknowledged at {} a second (peak {}), {} failed, {} lost",
            grouped(count(&self.orders.record.acks)),
            grouped(self.conditions.rate),
            grouped(self.conditions.peak),
            count(&self.orders.failed),
            count(&self.findings.lost),
        )];
        if self.failovers.is_some() {
            let (first, gap) = (self.over(|failover| failover.first_ack), self.over(|failover| failover.gap));
            lines.push(format!(
                "leader lost {} times by {}: first order after {} ms (median), {} ms (worst); no order for {} ms (median), {} \
                 ms (worst)",
                self.rounds,
                self.by.name(),
                millis(first.per_mille(500)),
                millis(first.max()),
                millis(gap.per_mille(500)),
                millis(gap.max()),
            ));
        }
        lines.push(format!(
            "elections that nothing asked for: {}; an order took {} ms (median), {} ms (p99.9), {} ms (worst)",
            self.spurious(),
            millis(took.per_mille(500)),
            millis(took.per_mille(999)),
            millis(took.max()),
        ));
        lines.push(proof::hash_line(&self.hashes));
        lines.join("\n")
    }

    /// An error that names every promise that was broken.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let mut broken = Vec::new();
        if !self.orders.failed.is_empty() {
            let shown: Vec<&str> = self.orders.failed.iter().take(MAX_SHOWN).map(String::as_str).collect();
            broken.push(format!("{} calls failed ({})", self.orders.failed.len(), shown.join("; ")));
        }
        if self.spurious() > 0 {
            broken.push(format!("{} elections that nothing asked for", self.spurious()));
        }
        proof::verdict(&self.findings, Some(&self.hashes), broken)
    }
}
