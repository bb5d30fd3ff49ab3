//! What the demo says at its end.

use std::fmt::Write as _;
use std::time::Duration;

use console::style;
use serde_json::{Value, json};

use crate::local_cluster::LocalCluster;
use crate::output::grouped;
use crate::proof::failover::{Failover, median_and_max, millis};
use crate::proof::{self, Findings, NodeHash, Record, all_equal};

/// All that is known at the end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) nodes: u64,
    pub(crate) seconds: Duration,
    pub(crate) record: Record,
    pub(crate) failovers: Vec<Failover>,
    pub(crate) findings: Findings,
    pub(crate) hashes: Vec<NodeHash>,
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

impl Report {
    fn acked(&self) -> u64 {
        count(&self.record.acks)
    }

    fn per_second(&self) -> u64 {
        self.acked().saturating_mul(1_000) / millis(self.seconds).max(1)
    }

    /// Median and maximum over the failovers, in milliseconds.
    fn over(&self, of: impl Fn(&Failover) -> Duration) -> Option<(u64, u64)> {
        let values: Vec<Duration> = self.failovers.iter().map(of).collect();
        median_and_max(&values).map(|(median, max)| (millis(median), millis(max)))
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let pair = |pair: Option<(u64, u64)>| match pair {
            Some((p50, max)) => json!({ "p50": p50, "max": max }),
            None => json!({ "p50": null, "max": null }),
        };
        json!({
            "acked": self.acked(),
            "rejected": self.record.rejected,
            "lost": count(&self.findings.lost),
            "oversold": count(&self.findings.oversold),
            "unexplained": count(&self.findings.unexplained),
            "kills": count(&self.failovers),
            "failover_ms": pair(self.over(|failover| failover.first_ack)),
            "gap_ms": pair(self.over(|failover| failover.gap)),
            "state_hash_equal": all_equal(&self.hashes),
            "applied_index": self.hashes.first().map(|hash| hash.applied),
            "nodes": self.nodes,
            "seconds": millis(self.seconds) / 1_000,
            "orders_per_second": self.per_second(),
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let verdict = |kept: bool| if kept { style("✓").green().bold() } else { style("✗").red().bold() };
        let Findings { lost, oversold, unexplained } = &self.findings;
        let mut text = format!(
            "\n  {} orders acknowledged in {} s, {} a second; {} refused for want of stock\n",
            style(grouped(self.acked())).bold(),
            millis(self.seconds) / 1_000,
            grouped(self.per_second()),
            grouped(self.record.rejected),
        );
        if let (Some((p50, max)), Some((gap, longest))) =
            (self.over(|failover| failover.first_ack), self.over(|failover| failover.gap))
        {
            writeln!(
                text,
                "  leaders killed: {}; first acknowledged order after {p50} ms (median), {max} ms (worst); \
                 silence {gap} ms (median), {longest} ms (worst)",
                self.failovers.len(),
            )
            .expect("a String takes everything");
        }
        let proofs = [
            (lost.is_empty(), format!("every acknowledged order is there, once ({} lost)", lost.len())),
            (oversold.is_empty(), format!("no SKU was oversold ({} oversold)", oversold.len())),
            (
                unexplained.is_empty(),
                format!("nothing is there that nobody asked for ({})", unexplained.len()),
            ),
            (all_equal(&self.hashes), proof::hash_line(&self.hashes)),
        ];
        for (kept, line) in proofs {
            writeln!(text, "  {} {line}", verdict(kept)).expect("a String takes everything");
        }
        text
    }

    /// An error that names every promise that was broken.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        proof::verdict(&self.findings, Some(&self.hashes), Vec::new())
    }
}

/// What to do with a cluster that is kept.
pub(crate) fn how_to_go_on(cluster: &LocalCluster) -> String {
    let addresses = cluster.client_addresses().join(",");
    let processes: Vec<String> = cluster.process_ids().iter().map(ToString::to_string).collect();
    let (processes, dir) = (processes.join(" "), cluster.path().display());
    format!(
        "\nThe cluster stays up. Talk to it:\n\
         \n    export STOCKADE_CLUSTER={addresses}\
         \n    stockade cluster status\
         \n    stockade stock list\
         \n    stockade order place --id my-first --line steady-01:2\
         \n\nStop it and remove its data:\n\
         \n    kill {processes}\
         \n    rm -r {dir}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let hash = NodeHash { applied: 9, chain: vec![1], state: vec![2] };
        let failover =
            |ms| Failover { first_ack: Duration::from_millis(ms), gap: Duration::from_millis(ms + 10) };
        Report {
            nodes: 3,
            seconds: Duration::from_secs(10),
            record: Record::default(),
            failovers: vec![failover(300), failover(100), failover(200)],
            findings: Findings::default(),
            hashes: vec![hash.clone(), hash.clone(), hash],
        }
    }

    #[test]
    fn a_sound_report_has_the_keys_that_programs_read() {
        let object = report().object();
        assert_eq!(object["failover_ms"], json!({ "p50": 200, "max": 300 }));
        assert_eq!(object["kills"], 3);
        assert_eq!(object["lost"], 0);
        assert_eq!(object["oversold"], 0);
        assert_eq!(object["state_hash_equal"], true);
        report().verdict().unwrap();
    }

    #[test]
    fn each_broken_promise_is_named_and_has_its_exit_code() {
        let mut broken = report();
        broken.findings.lost.push("order o7".to_owned());
        broken.hashes[1].state = vec![3];
        let error = broken.verdict().unwrap_err();
        assert!(error.to_string().contains("order o7") && error.to_string().contains("differ"));
        assert_eq!(crate::failure::exit_of(&error), stockade_server::Exit::ProofFailed);
    }
}
