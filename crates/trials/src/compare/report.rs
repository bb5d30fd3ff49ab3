//! What a comparison says at its end: a table for people, and everything that was measured for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::figures::{Best, Hundredths, Median, Ratio, Run, bests, medians, ratios};
use super::machine::Machine;
use super::plan::{Contestant, Plan, REPLICAS, WARM_UP_S, Workload};

/// All that is known at the end.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    replicas: usize,
    warm_up_s: u32,
    plan: Plan,
    /// What programs say of themselves, by name.
    versions: BTreeMap<&'static str, String>,
    /// What they run with, where it isn't as it comes.
    settings: BTreeMap<&'static str, Vec<String>>,
    /// What is not installed, and so was not measured.
    left_out: Vec<String>,
    /// What must be known beside the figures.
    warnings: Vec<String>,
    /// Every measurement, in the order in which they were made.
    runs: Vec<Run>,
    medians: Vec<Median>,
    best: Vec<Best>,
    ratios: Vec<Ratio>,
    /// Measurements that failed; nothing of theirs stands in the figures.
    failures: Vec<String>,
}

/// What is known before the figures are put together.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) versions: BTreeMap<&'static str, String>,
    pub(super) settings: BTreeMap<&'static str, Vec<String>>,
    pub(super) left_out: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) runs: Vec<Run>,
    pub(super) failures: Vec<String>,
}

impl From<Findings> for Report {
    fn from(findings: Findings) -> Self {
        let Findings { machine, plan, versions, settings, left_out, mut warnings, runs, failures } = findings;
        let medians = medians(&runs);
        let failed = medians.iter().filter(|median| median.figures.failed > 0);
        warnings.extend(failed.map(|median| {
            let (of, figures) = (median.of, &median.figures);
            format!(
                "{} operations of {} failed in {} with {} clients and are in no figure",
                figures.failed,
                of.contestant,
                of.workload.name(),
                figures.clients
            )
        }));
        let best = bests(&medians);
        let ratios = ratios(&best);
        Self {
            machine,
            replicas: REPLICAS,
            warm_up_s: WARM_UP_S,
            plan,
            versions,
            settings,
            left_out,
            warnings,
            runs,
            medians,
            best,
            ratios,
            failures,
        }
    }
}

impl Report {
    /// True where no measurement failed.
    pub(super) fn holds(&self) -> bool {
        self.failures.is_empty()
    }

    fn write_workload(&self, f: &mut fmt::Formatter<'_>, workload: Workload) -> fmt::Result {
        writeln!(f, "\n{}: {}", workload.name(), workload.describe())?;
        writeln!(
            f,
            "  {:<18} {:>9} {:>17} {:>8} {:>9} {:>9} {:>13} {:>10}",
            "", "ops/s", "least - most", "clients", "p50 us", "p99 us", "1 client p50", "CPU us/op"
        )?;
        for best in self.best.iter().filter(|best| best.median.of.workload == workload) {
            let Median { of, figures, least_ops_per_s, most_ops_per_s, .. } = &best.median;
            let alone = best.one_client_p50_us.map_or_else(|| "-".to_owned(), |us| us.to_string());
            writeln!(
                f,
                "  {:<18} {:>9} {:>17} {:>8} {:>9} {:>9} {alone:>13} {:>10}",
                of.contestant,
                figures.ops_per_s,
                format!("{least_ops_per_s} - {most_ops_per_s}"),
                figures.clients,
                figures.p50_us,
                figures.p99_us,
                figures.server_cpu_us_per_op
            )?;
        }
        for ratio in self.ratios.iter().filter(|ratio| ratio.workload == workload) {
            let shown =
                |ratio: Option<Hundredths>| ratio.map_or_else(|| "-".to_owned(), |ratio| ratio.to_string());
            writeln!(
                f,
                "  {} : {} = {} ops/s, {} one client's p50, {} CPU",
                ratio.stockade,
                ratio.other,
                shown(ratio.ops_per_s),
                shown(ratio.one_client_p50),
                shown(ratio.server_cpu_per_op)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.machine)?;
        let Plan { rounds, seconds, clients, skus, .. } = &self.plan;
        writeln!(
            f,
            "{REPLICAS} replicas, every write durable on a majority; {skus} SKUs; medians of {rounds} rounds of {seconds} s after {WARM_UP_S} s of warm-up; clients tried: {clients:?}"
        )?;
        for version in self.versions.values() {
            writeln!(f, "{version}")?;
        }
        let mut workloads: Vec<Workload> = self.best.iter().map(|best| best.median.of.workload).collect();
        workloads.dedup();
        for workload in workloads {
            self.write_workload(f, workload)?;
        }
        if !(self.left_out.is_empty() && self.warnings.is_empty() && self.failures.is_empty()) {
            writeln!(f)?;
        }
        let told = [("left out", &self.left_out), ("mind", &self.warnings), ("FAILED", &self.failures)];
        for (what, lines) in told {
            for line in lines {
                writeln!(f, "{what}: {line}")?;
            }
        }
        Ok(())
    }
}

/// What a measurement is called in messages.
pub(super) fn title(round: u32, workload: Workload, contestant: Contestant) -> String {
    format!("round {round}, {}, {contestant}", workload.name())
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::run;
    use super::*;

    fn report(runs: Vec<Run>, failures: Vec<String>) -> Report {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan { rounds: 1, seconds: 10, clients: vec![1, 64], skus: 10_000, seed: 1 };
        Report::from(Findings {
            machine: Machine::look(dir.path()).unwrap(),
            plan,
            versions: BTreeMap::from([("etcd", "etcd Version: 3.5.1".to_owned())]),
            settings: BTreeMap::new(),
            left_out: vec!["PostgreSQL: not here".to_owned()],
            warnings: vec!["etcd can lose data".to_owned()],
            runs,
            failures,
        })
    }

    fn two() -> Vec<Run> {
        use Contestant::{Etcd, StockadeUnary};
        vec![
            run(1, Workload::W1, Etcd, 1, 500),
            run(1, Workload::W1, Etcd, 64, 2_000),
            run(1, Workload::W1, StockadeUnary, 1, 1_000),
            run(1, Workload::W1, StockadeUnary, 64, 7_000),
        ]
    }

    #[test]
    fn the_table_says_who_did_what_and_what_was_left_out() {
        let text = report(two(), Vec::new()).to_string();
        let row = |begin: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(begin)).unwrap();
            line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(text.contains("\nw1: checkouts of three lines"), "{text}");
        assert_eq!(row("etcd  "), "etcd 2000 2000 - 2000 64 32000 96000 2000 500");
        assert_eq!(row("Stockade, calls  "), "Stockade, calls 7000 7000 - 7000 64 9142 27428 1000 142");
        assert_eq!(
            row("Stockade, calls :"),
            "Stockade, calls : etcd = 3.50 ops/s, 0.50 one client's p50, 0.28 CPU"
        );
        for told in ["etcd Version: 3.5.1", "left out: PostgreSQL: not here", "mind: etcd can lose data"] {
            assert!(text.contains(told), "{told}");
        }
    }

    #[test]
    fn programs_find_every_run_and_the_ratios() {
        let json = serde_json::to_value(report(two(), Vec::new())).unwrap();
        assert_eq!(json["runs"][1]["contestant"], "etcd");
        assert_eq!(json["runs"][1]["ops_per_s"], 2_000);
        assert_eq!(json["runs"].as_array().unwrap().len(), 4);
        assert_eq!(json["best"][1]["contestant"], "stockade-unary");
        assert_eq!(json["best"][1]["clients"], 64);
        assert_eq!(json["ratios"][0]["ops_per_s"], 3.5);
        assert_eq!(json["replicas"], 3);
        assert!(json["machine"]["fdatasync_growing_us"].is_u64());
    }

    #[test]
    fn what_failed_is_told() {
        assert!(report(two(), Vec::new()).holds());
        let mut runs = two();
        runs[0].figures.failed = 3;
        let broken = report(runs, vec!["round 1, w1, PostgreSQL: no disk".to_owned()]);
        assert!(!broken.holds());
        let text = broken.to_string();
        assert!(text.contains("FAILED: round 1, w1, PostgreSQL: no disk"), "{text}");
        assert!(text.contains("3 operations of etcd failed in w1 with 1 clients"), "{text}");
    }
}
