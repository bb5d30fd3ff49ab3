//! Clients of PostgreSQL: pgbench with scripts of our own.
//!
//! It writes down when each transaction ended and how long it took. What counts is what ended between its report of
//! progress at the end of the warm-up and its last one; processor time is taken at the same two. So connecting and
//! planning don't count.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::super::figures::{decimal, per_mille};
use super::super::plan::{
    CHECKOUTS_IN_100, Figures, ORDER_READS_IN_100, Plan, Ran, STOCK_READS_IN_100, WARM_UP_S, Workload,
};
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
    command.args(["--no-vacuum", "--protocol=prepared", "--progress=1", "--progress-timestamp", "--log"]);
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
        ("--time", (WARM_UP_S + plan.seconds).into()),
        ("--random-seed", plan.seed),
    ];
    for (flag, number) in numbers {
        command.arg(format!("{flag}={number}"));
    }
    // Its own words for a connection, the database last and without a flag.
    let mut connection = cluster.connection();
    connection.retain(|argument| argument != "--dbname");
    command.args(connection).process_group(0).kill_on_drop(true);
    let served = tokio::time::timeout(plan.span_of_load() + GRACE, serve(command, cluster)).await;
    let (printed, marks) = served.context("pgbench doesn't end")??;
    let window = Window::of(&marks)?;
    let mut log = Log::read(&scratch, &window.times)?;
    let operations = u64::try_from(log.took_us.len())?;
    anyhow::ensure!(operations > 0, "no transaction of PostgreSQL ended while it counted");
    Ok(Ran {
        figures: Figures {
            clients,
            ops_per_s: operations * 1_000_000 / (window.times.end - window.times.start),
            p50_us: per_mille(&mut log.took_us, 500),
            p99_us: per_mille(&mut log.took_us, 990),
            server_cpu_us_per_op: window.cpu_us / operations,
            failed: failed(&printed).with_context(|| format!("pgbench printed: {printed}"))?,
            conflicts: 0,
        },
        placed: log.placed,
    })
}

/// Runs pgbench to its end; what it printed, and what the servers had spent at each report of progress.
async fn serve(
    mut command: tokio::process::Command,
    cluster: &Cluster,
) -> anyhow::Result<(String, Vec<Mark>)> {
    let servers = cluster.process_ids();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("starting pgbench")?;
    let mut stdout = child.stdout.take().context("pgbench's output")?;
    let mut stderr = BufReader::new(child.stderr.take().context("pgbench's errors")?).lines();
    let mut marks = Vec::new();
    let mut said = VecDeque::new();
    while let Some(line) = stderr.next_line().await? {
        match reported_us(&line) {
            Some(at_us) => marks.push(Mark { at_us, cpu_us: cpu_us(&servers) }),
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
    Ok((printed, marks))
}

/// Transactions that failed, as pgbench says at its end.
fn failed(printed: &str) -> anyhow::Result<u64> {
    let name = "number of failed transactions: ";
    let value = printed.lines().find_map(|line| line.trim().strip_prefix(name)?.split(' ').next());
    value.and_then(|value| value.parse().ok()).with_context(|| format!("there is no {name:?}"))
}

/// When a line reports progress, in microseconds since 1970; `None` where it says something else.
fn reported_us(line: &str) -> Option<u64> {
    decimal(line.strip_prefix("progress: ")?.split_once(" s, ")?.0, 6)
}

/// Processor time of all servers at a report of progress. There is one every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    at_us: u64,
    cpu_us: u64,
}

/// What counts: since the warm-up, until the last report.
#[derive(Debug, PartialEq, Eq)]
struct Window {
    /// Microseconds since 1970.
    times: Range<u64>,
    /// What the servers spent meanwhile.
    cpu_us: u64,
}

impl Window {
    fn of(marks: &[Mark]) -> anyhow::Result<Self> {
        let warm = usize::try_from(WARM_UP_S)? - 1;
        let (first, last) = marks.get(warm).zip(marks.last()).context("pgbench reported no progress")?;
        anyhow::ensure!(last.at_us > first.at_us, "pgbench reported no progress after its warm-up");
        let cpu_us = last.cpu_us.saturating_sub(first.cpu_us);
        Ok(Self { times: first.at_us..last.at_us, cpu_us })
    }
}

/// What pgbench wrote down of each transaction.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log {
    /// Of those that count.
    took_us: Vec<u64>,
    /// Transactions of the first script, whether they count or not.
    placed: u64,
}

impl Log {
    fn read(dir: &Path, counted: &Range<u64>) -> anyhow::Result<Self> {
        let mut log = Self::default();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("log.") {
                log.add(&fs::read_to_string(entry.path())?, counted)?;
                fs::remove_file(entry.path())?;
            }
        }
        Ok(log)
    }

    /// Lines of client, transaction, microseconds, script, and the seconds and microseconds when it ended. A transaction that
    /// failed has no time.
    fn add(&mut self, text: &str, counted: &Range<u64>) -> anyhow::Result<()> {
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, _, took, script, seconds, micros] = fields[..] else {
                anyhow::bail!("pgbench wrote down: {line}");
            };
            let Ok(took_us) = took.parse() else { continue };
            self.placed += u64::from(script == "0");
            let ended_us = seconds.parse::<u64>()? * 1_000_000 + micros.parse::<u64>()?;
            if counted.contains(&ended_us) {
                self.took_us.push(took_us);
            }
        }
        Ok(())
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
    fn what_failed_is_that_of_all_scripts() {
        assert_eq!(failed(PRINTED).unwrap(), 3);
        let error = failed(&PRINTED.replace("number of failed", "number of")).unwrap_err().to_string();
        assert!(error.contains("number of failed transactions"), "{error}");
        assert!(failed("").is_err());
    }

    #[test]
    fn what_counts_begins_after_the_warm_up() {
        let lines = [
            "progress: 1700000001.000 s, 1800.9 tps, lat 8.850 ms stddev 3.011, 0 failed",
            "pgbench: warning: something else",
            "progress: 1700000002.004 s, 2000.0 tps, lat 8.000 ms stddev 3.000, 0 failed",
            "progress: 1700000004.504 s, 1000.0 tps, lat 8.000 ms stddev 3.000, 0 failed",
        ];
        let times: Vec<u64> = lines.iter().filter_map(|line| reported_us(line)).collect();
        let marks: Vec<Mark> = times
            .into_iter()
            .zip([5_000_000, 5_600_000, 6_200_000])
            .map(|(at_us, cpu_us)| Mark { at_us, cpu_us })
            .collect();
        let expected = Window { times: 1_700_000_002_004_000..1_700_000_004_504_000, cpu_us: 600_000 };
        assert_eq!(Window::of(&marks).unwrap(), expected);
        assert!(Window::of(&marks[..2]).is_err(), "nothing after the warm-up");
        assert!(Window::of(&[]).is_err());
    }

    #[test]
    fn transactions_count_by_when_they_ended_and_orders_all_the_same() {
        let text =
            "0 1 812 0 10 999999\n0 2 95 2 11 0\n1 1 failed 0 11 5\n0 3 77 0 12 500000\n1 2 60 0 13 0\n";
        let mut log = Log::default();
        log.add(text, &(11_000_000..13_000_000)).unwrap();
        assert_eq!(log, Log { took_us: vec![95, 77], placed: 3 });
        assert!(log.add("0 1 812", &(0..1)).is_err());
    }

    #[test]
    fn a_workload_weighs_a_hundred() {
        let weights = scripts(Workload::W3).into_iter().map(|(_, _, weight)| weight);
        assert_eq!(weights.sum::<u64>(), 100);
    }
}
