//! Clients of PostgreSQL: pgbench with scripts of our own.
//!
//! It writes down the time of each transaction, for percentiles. Processor time is taken between its first report of progress
//! and its last, and held against the transactions in between: what connecting costs is not counted.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::super::figures::{decimal, per_mille};
use super::super::plan::{CHECKOUTS_IN_100, Figures, ORDER_READS_IN_100, Plan, STOCK_READS_IN_100, Workload};
use super::super::process::cpu_us;
use super::cluster::Cluster;

const CHECKOUT: &str = include_str!("scripts/checkout.sql");
const HOT: &str = include_str!("scripts/hot.sql");
const READ_ORDER: &str = include_str!("scripts/read_order.sql");
const READ_STOCK: &str = include_str!("scripts/read_stock.sql");
const CONFIRM: &str = include_str!("scripts/confirm.sql");

/// Threads of pgbench, where there are as many clients.
const THREADS: u32 = 2;
/// What it may take beyond its time: connecting, and the last transactions.
const GRACE: Duration = Duration::from_mins(2);
/// Lines of what it said that are shown where it fails.
const KEPT_LINES: usize = 10;

/// What a run came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) figures: Figures,
    /// Orders whose placement was answered.
    pub(super) placed: u64,
}

/// Scripts of a workload with their weights. The first one places orders.
fn scripts(workload: Workload) -> Vec<(&'static str, &'static str, u64)> {
    let confirms = 100 - CHECKOUTS_IN_100 - ORDER_READS_IN_100 - STOCK_READS_IN_100;
    match workload {
        Workload::W1 => vec![("checkout", CHECKOUT, 1)],
        Workload::W2 => vec![("hot", HOT, 1)],
        Workload::W3 => vec![
            ("checkout", CHECKOUT, CHECKOUTS_IN_100),
            ("read_order", READ_ORDER, ORDER_READS_IN_100),
            ("read_stock", READ_STOCK, STOCK_READS_IN_100),
            ("confirm", CONFIRM, confirms),
        ],
    }
}

/// Runs so many clients. The number of the invocation keeps the ids of its orders apart from those of others.
pub(super) async fn run(
    cluster: &Cluster,
    plan: &Plan,
    workload: Workload,
    clients: u32,
    invocation: u32,
) -> anyhow::Result<Ran> {
    let scratch = cluster.scratch(&format!("pgbench-{invocation}"))?;
    let mut command = tokio::process::Command::new(cluster.bin.join("pgbench"));
    command.args(["--no-vacuum", "--protocol=prepared", "--progress=1", "--log"]);
    command.arg("--log-prefix").arg(scratch.join("log"));
    for (name, text, weight) in scripts(workload) {
        let path = scratch.join(format!("{name}.sql"));
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        command.arg("--file").arg(format!("{}@{weight}", path.display()));
    }
    let skus = plan.skus;
    for define in
        [format!("invocation={invocation}"), format!("skus={skus}"), "n=0".into(), "confirmed=0".into()]
    {
        command.arg("--define").arg(define);
    }
    let numbers = [
        ("--client", clients.into()),
        ("--jobs", clients.min(THREADS).into()),
        ("--time", plan.seconds.into()),
        ("--random-seed", plan.seed),
    ];
    for (flag, number) in numbers {
        command.arg(format!("{flag}={number}"));
    }
    // Its own words for a connection, the database last and without a flag.
    let mut connection = cluster.connection();
    connection.retain(|argument| argument != "--dbname");
    command.args(connection).process_group(0).kill_on_drop(true);
    let served = tokio::time::timeout(plan.span() + GRACE, serve(command, cluster)).await;
    let (printed, cpu) = served.context("pgbench doesn't end")??;
    let summary = Summary::parse(&printed).with_context(|| format!("pgbench printed: {printed}"))?;
    let mut log = Log::read(&scratch)?;
    Ok(Ran {
        figures: Figures {
            clients,
            ops_per_s: summary.tps,
            p50_us: per_mille(&mut log.took_us, 500),
            p99_us: per_mille(&mut log.took_us, 990),
            server_cpu_us_per_op: cpu.us_per_op().context("pgbench reported no progress")?,
            failed: summary.failed,
            conflicts: 0,
        },
        placed: log.placed,
    })
}

/// Runs pgbench to its end; what it printed, and what the servers spent meanwhile.
async fn serve(mut command: tokio::process::Command, cluster: &Cluster) -> anyhow::Result<(String, Spent)> {
    let servers = cluster.process_ids();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("starting pgbench")?;
    let mut stdout = child.stdout.take().context("pgbench's output")?;
    let mut stderr = BufReader::new(child.stderr.take().context("pgbench's errors")?).lines();
    let mut spent = Spent::default();
    let mut said = VecDeque::new();
    while let Some(line) = stderr.next_line().await? {
        match Progress::parse(&line) {
            Some(progress) => spent.add(progress, cpu_us(&servers)),
            None => said.push_back(line),
        }
        if said.len() > KEPT_LINES {
            said.pop_front();
        }
    }
    let mut printed = String::new();
    stdout.read_to_string(&mut printed).await?;
    let status = child.wait().await?;
    let said: Vec<String> = said.into();
    anyhow::ensure!(status.success(), "pgbench ended with {status}: {}", said.join("\n"));
    Ok((printed, spent))
}

/// What pgbench says at its end.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    tps: u64,
    failed: u64,
}

impl Summary {
    fn parse(printed: &str) -> anyhow::Result<Self> {
        let value = |name: &str| {
            let line = printed.lines().find_map(|line| line.trim().strip_prefix(name)?.split(' ').next());
            line.and_then(|value| decimal(value, 0)).with_context(|| format!("there is no {name:?}"))
        };
        Ok(Self { tps: value("tps = ")?, failed: value("number of failed transactions: ")? })
    }
}

/// A line that pgbench prints every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    /// Since the beginning, in tenths of a second.
    at_tenths: u64,
    /// Transactions a second since the line before, in tenths.
    tps_tenths: u64,
}

impl Progress {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("progress: ")?.split(", ");
        let at_tenths = decimal(parts.next()?.strip_suffix(" s")?, 1)?;
        let tps_tenths = decimal(parts.next()?.strip_suffix(" tps")?, 1)?;
        Some(Self { at_tenths, tps_tenths })
    }
}

/// Transactions and processor time between the first report of progress and the last.
#[derive(Debug, Default)]
struct Spent {
    first_cpu_us: Option<u64>,
    last_cpu_us: u64,
    last_at_tenths: u64,
    /// In hundredths.
    ops: u64,
}

impl Spent {
    fn add(&mut self, progress: Progress, cpu_us: u64) {
        if self.first_cpu_us.is_some() {
            self.ops += progress.tps_tenths * progress.at_tenths.saturating_sub(self.last_at_tenths);
        } else {
            self.first_cpu_us = Some(cpu_us);
        }
        self.last_cpu_us = cpu_us;
        self.last_at_tenths = progress.at_tenths;
    }

    fn us_per_op(&self) -> Option<u64> {
        let cpu_us = self.last_cpu_us.saturating_sub(self.first_cpu_us?);
        cpu_us.saturating_mul(100).checked_div(self.ops)
    }
}

/// What pgbench wrote down of each transaction.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    took_us: Vec<u64>,
    /// Transactions of the first script.
    placed: u64,
}

impl Log {
    fn read(dir: &Path) -> anyhow::Result<Self> {
        let mut log = Self::default();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("log.") {
                log.add(&fs::read_to_string(entry.path())?);
                fs::remove_file(entry.path())?;
            }
        }
        Ok(log)
    }

    /// Lines of client, transaction, microseconds, script and when. A transaction that failed has no time.
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut fields = line.split(' ').skip(2);
            if let Some(Ok(took_us)) = fields.next().map(str::parse) {
                self.took_us.push(took_us);
                self.placed += u64::from(fields.next() == Some("0"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: multiple scripts
scaling factor: 1
query mode: prepared
number of clients: 16
number of threads: 2
maximum number of tries: 1
duration: 10 s
number of transactions actually processed: 23456
number of failed transactions: 3 (0.013%)
latency average = 6.805 ms
latency stddev = 2.001 ms
initial connection time = 34.567 ms
tps = 2351.987654 (without initial connection time)
SQL script 1: checkout.sql
 - weight: 50 (targets 50.0% of total)
 - 11728 transactions (50.0% of total, tps = 1175.993827)
";

    #[test]
    fn the_summary_is_that_of_all_scripts() {
        assert_eq!(Summary::parse(PRINTED).unwrap(), Summary { tps: 2_351, failed: 3 });
    }

    #[test]
    fn a_summary_without_its_figures_is_refused() {
        for name in ["tps = ", "number of failed transactions: "] {
            let error = Summary::parse(&PRINTED.replace(name, "")).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(Summary::parse("").is_err());
    }

    #[test]
    fn processor_time_is_held_against_what_was_done_meanwhile() {
        let lines = [
            "progress: 1.0 s, 1800.9 tps, lat 8.850 ms stddev 3.011, 0 failed",
            "pgbench: warning: something else",
            "progress: 2.0 s, 2000.0 tps, lat 8.000 ms stddev 3.000, 0 failed",
            "progress: 4.0 s, 1000.0 tps, lat 8.000 ms stddev 3.000, 0 failed",
        ];
        let progress: Vec<_> = lines.iter().filter_map(|line| Progress::parse(line)).collect();
        assert_eq!(progress.len(), 3);
        let mut spent = Spent::default();
        assert_eq!(spent.us_per_op(), None);
        for (progress, cpu_us) in progress.into_iter().zip([5_000_000, 5_600_000, 6_200_000]) {
            spent.add(progress, cpu_us);
        }
        assert_eq!(spent.us_per_op(), Some(300), "4,000 transactions in 1.2 s");
    }

    #[test]
    fn transactions_that_failed_have_no_time() {
        let mut log = Log::default();
        log.add("0 1 812 0 1700000000 123456\n1 1 failed 0 1700000000 123456\n0 2 95 2 1700000000 123999\n");
        assert_eq!(log, Log { took_us: vec![812, 95], placed: 1 });
    }

    #[test]
    fn a_workload_weighs_a_hundred() {
        let weights = scripts(Workload::W3).into_iter().map(|(_, _, weight)| weight);
        assert_eq!(weights.sum::<u64>(), 100);
    }
}
