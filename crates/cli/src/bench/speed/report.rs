//! What is said of calls and how fast they were answered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::speed::clerks::{Kept, Known};
use crate::bench::speed::page;
use crate::bench::{Mode, Workload};
use crate::output::{self, Format, grouped};
use crate::proof::{self, Findings, NodeHash};

/// Errors of calls that are shown.
const MAX_SHOWN: usize = 3;

/// All that is known at the end.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) workload: Workload,
    pub(super) mode: Mode,
    pub(super) clients: usize,
    pub(super) connections: usize,
    /// `None` where the cluster is somebody else's; so with all that is not known of such a one.
    pub(super) nodes: Option<u64>,
    pub(super) skus: u64,
    pub(super) seed: u64,
    pub(super) rate: Option<u64>,
    pub(super) warm_up: u64,
    pub(super) seconds: u64,
    /// From the last call's time to when every node had written everything.
    pub(super) settled: Duration,
    /// Processor time of all nodes.
    pub(super) servers_us: Option<u64>,
    /// Processor time of this process.
    pub(super) client_us: u64,
    /// Of the node that took most.
    pub(super) peak_bytes: Option<u64>,
    pub(super) kept: Kept,
    pub(super) findings: Findings,
    pub(super) hashes: Option<Vec<NodeHash>>,
}

/// A quotient with one digit behind the point, as a text.
fn tenths(one: u64, other: u64) -> String {
    let tenths = one.saturating_mul(10) / other.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// So many a second.
fn a_second(count: u64, time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    u64::try_from(u128::from(count) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX)
}

impl Report {
    /// Answered calls a second, until every node had written what they changed.
    fn ops_per_s(&self) -> u64 {
        a_second(self.kept.answered, Duration::from_secs(self.seconds) + self.settled)
    }

    /// Microseconds, by the number of calls.
    fn each(&self, micros: u64) -> String {
        tenths(micros, self.kept.answered)
    }

    fn orders(&self) -> usize {
        self.kept.orders.iter().filter(|known| **known >= Known::Placed).count()
    }

    pub(super) fn print(&self, format: Format) {
        match format {
            Format::Json => output::line(&self.object().to_string()),
            Format::Table => output::line(&self.text()),
            Format::Html => output::line(&page::page(&self.object(), self.kept.series.seconds())),
        }
    }

    fn object(&self) -> Value {
        let series = &self.kept.series;
        json!({
            "workload": self.workload.name(),
            "mode": self.mode.name(),
            "clients": self.clients,
            "connections": self.connections,
            "nodes": self.nodes,
            "skus": self.skus,
            "seed": self.seed,
            "rate": self.rate,
            "warm_up_s": self.warm_up,
            "seconds": self.seconds,
            "settled_ms": u64::try_from(self.settled.as_millis()).unwrap_or(u64::MAX),
            "ops": self.kept.answered,
            "ops_per_s": self.ops_per_s(),
            "answered_per_s": a_second(series.ops(), Duration::from_secs(self.seconds)),
            "mean_us": series.mean_us().round(),
            "p50_us": series.quantile_us(0.5),
            "p90_us": series.quantile_us(0.9),
            "p99_us": series.quantile_us(0.99),
            "p999_us": series.quantile_us(0.999),
            "max_us": series.max_us(),
            "server_cpu_us_per_op": self.servers_us.map(|micros| number(&self.each(micros))),
            "client_cpu_us_per_op": number(&self.each(self.client_us)),
            "node_peak_bytes": self.peak_bytes,
            "orders": self.orders(),
            "failed": self.kept.failed,
            "lost": self.findings.lost.len(),
            "oversold": self.findings.oversold.len(),
            "state_hash_equal": self.hashes.as_deref().map(proof::all_equal),
            "series": series.object(),
        })
    }

    fn text(&self) -> String {
        let series = &self.kept.series;
        let rate = self.rate.map_or_else(
            || format!("{} clients, one call after the other", self.clients),
            |rate| format!("{} calls a second by at most {} clients", grouped(rate), self.clients),
        );
        let mut lines = vec![
            format!("{} ({}): {rate}, {} s", self.workload.name(), self.mode.name(), self.seconds),
            format!(
                "{} calls a second until all was written ({} ms after the last)",
                grouped(self.ops_per_s()),
                self.settled.as_millis(),
            ),
            format!(
                "a call took {} us (median), {} us (p99), {} us (p99.9), {} us (worst)",
                grouped(series.quantile_us(0.5)),
                grouped(series.quantile_us(0.99)),
                grouped(series.quantile_us(0.999)),
                grouped(series.max_us()),
            ),
        ];
        if let (Some(micros), Some(bytes)) = (self.servers_us, self.peak_bytes) {
            lines.push(format!(
                "processor time a call: {} us on all nodes together, {} us here; memory of a node at most {} MiB",
                self.each(micros),
                self.each(self.client_us),
                bytes >> 20,
            ));
        }
        let orders = u64::try_from(self.orders()).unwrap_or(u64::MAX);
        lines.push(format!(
            "{} orders are as they were acknowledged, {} calls failed",
            grouped(orders),
            self.kept.failed
        ));
        lines.extend(self.hashes.as_deref().map(proof::hash_line));
        lines.join("\n")
    }

    /// An error that names every promise that was broken.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let mut broken = Vec::new();
        if self.kept.failed > 0 {
            let shown: Vec<&str> = self.kept.errors.iter().take(MAX_SHOWN).map(String::as_str).collect();
            broken.push(format!("{} calls failed ({})", self.kept.failed, shown.join("; ")));
        }
        proof::verdict(&self.findings, self.hashes.as_deref(), broken)
    }
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_have_one_digit_behind_the_point() {
        assert_eq!((tenths(385, 10).as_str(), tenths(1, 3).as_str()), ("38.5", "0.3"));
        assert_eq!(number(&tenths(385, 10)), json!(38.5));
        assert_eq!(a_second(500, Duration::from_millis(250)), 2_000);
    }
}
