//! Stockade: its own bench, which starts three nodes, runs the workload, checks what is there and says what came of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Number;

use super::figures::decimal;
use super::plan::{Contestant, Figures, Plan, REPLICAS, WARM_UP_S, Workload};
use super::process::Process;

/// What a measurement may take beyond its time: starting, filling the shelves, checking.
const GRACE: Duration = Duration::from_mins(5);

/// Stockade's binary.
#[derive(Debug)]
pub(super) struct Stockade {
    binary: PathBuf,
    pub(super) version: String,
}

/// What the bench says in its last line.
#[derive(Debug, Deserialize)]
struct Said {
    workload: String,
    mode: String,
    clients: u32,
    ops_per_s: Number,
    p50_us: Number,
    p99_us: Number,
    server_cpu_us_per_op: Number,
    failed: u64,
    lost: u64,
}

impl Stockade {
    /// The binary that is given, or one that is built in release.
    pub(super) fn find(given: Option<&Path>) -> anyhow::Result<Self> {
        let binary = given.map_or_else(crate::soak::nodes::build_binary, |given| Ok(given.to_owned()))?;
        let version = super::programs::version(&binary)?;
        Ok(Self { binary, version })
    }

    /// Runs a workload at each client count, each on a cluster of its own.
    pub(super) async fn measure(
        &self,
        plan: &Plan,
        workload: Workload,
        contestant: Contestant,
        dir: &Path,
    ) -> anyhow::Result<Vec<Figures>> {
        let mode = match contestant {
            Contestant::StockadeStream => "stream",
            _ => "unary",
        };
        let mut figures = Vec::new();
        for clients in &plan.clients {
            let own = tempfile::Builder::new().prefix("bench-").tempdir_in(dir)?;
            let said = self.bench(plan, workload, mode, *clients, own.path()).await?;
            figures.push(read(&said, workload, mode, *clients)?);
        }
        Ok(figures)
    }

    /// What the bench prints.
    async fn bench(
        &self,
        plan: &Plan,
        workload: Workload,
        mode: &str,
        clients: u32,
        dir: &Path,
    ) -> anyhow::Result<String> {
        let printed = dir.join("printed");
        let mut command = Command::new(&self.binary);
        command.args(["bench", "--output", "json", "--mode", mode, "--workload", workload.name()]);
        let numbers = [
            ("--clients", clients.into()),
            ("--nodes", REPLICAS as u64),
            ("--warm-up", WARM_UP_S.into()),
            ("--seconds", plan.seconds.into()),
            ("--skus", plan.skus),
            ("--seed", plan.seed),
        ];
        for (flag, number) in numbers {
            command.args([flag, &number.to_string()]);
        }
        // Its nodes keep their data beside everybody else's.
        command.env("TMPDIR", dir).stdout(File::create(&printed)?);
        let log = dir.join("bench.log");
        let mut bench = Process::start("the bench", &mut command, Signal::TERM, &log)?;
        bench.wait(plan.span_of_load() + GRACE).await?;
        fs::read_to_string(&printed).context("reading what the bench printed")
    }
}

/// The figures in the last line; an error where it is about something else, or an acknowledged order was lost.
fn read(printed: &str, workload: Workload, mode: &str, clients: u32) -> anyhow::Result<Figures> {
    let line = printed.lines().next_back().unwrap_or_default();
    let said: Said = serde_json::from_str(line).with_context(|| format!("the bench's last line: {line}"))?;
    anyhow::ensure!(
        said.workload == workload.name() && said.mode == mode && said.clients == clients,
        "the bench was asked for {} {mode} {clients} and measured {line}",
        workload.name()
    );
    anyhow::ensure!(said.lost == 0, "{} acknowledged orders are lost: {line}", said.lost);
    let whole = |number: &Number| {
        decimal(&number.to_string(), 0).with_context(|| format!("{number} is no figure: {line}"))
    };
    Ok(Figures {
        clients,
        ops_per_s: whole(&said.ops_per_s)?,
        p50_us: whole(&said.p50_us)?,
        p99_us: whole(&said.p99_us)?,
        server_cpu_us_per_op: whole(&said.server_cpu_us_per_op)?,
        failed: said.failed,
        conflicts: 0,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LINE: &str = r#"{"workload":"w1","mode":"unary","clients":16,"nodes":3,"ops_per_s":9876.5,"p50_us":1500,"p99_us":4100.25,"server_cpu_us_per_op":88,"failed":2,"lost":0}"#;

    fn of(line: &str) -> anyhow::Result<Figures> {
        read(&format!("starting 3 nodes\n{line}\n"), Workload::W1, "unary", 16)
    }

    #[test]
    fn the_last_line_has_the_figures() {
        let expected = Figures {
            clients: 16,
            ops_per_s: 9_876,
            p50_us: 1_500,
            p99_us: 4_100,
            server_cpu_us_per_op: 88,
            failed: 2,
            conflicts: 0,
        };
        assert_eq!(of(LINE).unwrap(), expected);
    }

    #[test]
    fn a_line_that_breaks_the_contract_is_refused() {
        let broken = [
            ("\"lost\":0", "\"lost\":1"),
            ("\"lost\":0", "\"least\":0"),
            ("\"w1\"", "\"w2\""),
            ("\"unary\"", "\"stream\""),
            ("\"clients\":16", "\"clients\":1"),
            ("9876.5", "-1"),
            ("\"p99_us\":4100.25", "\"p99_us\":null"),
        ];
        for (found, put) in broken {
            assert!(LINE.contains(found) && of(&LINE.replace(found, put)).is_err(), "{put}");
        }
        assert!(of("").is_err() && of("not JSON").is_err());
    }

    #[tokio::test]
    async fn a_bench_is_asked_for_what_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("stockade");
        let script = r#"#!/bin/sh
            [ "$1" = --version ] && echo "stockade 9.9" && exit
            while [ $# -gt 0 ]; do
                case "$1" in
                    --workload) workload=$2 ;; --mode) mode=$2 ;; --clients) clients=$2 ;; --seconds) seconds=$2 ;;
                esac
                shift
            done
            echo noise
            echo "{\"workload\":\"$workload\",\"mode\":\"$mode\",\"clients\":$clients,\"ops_per_s\":$seconds,\
\"p50_us\":1,\"p99_us\":2,\"server_cpu_us_per_op\":3,\"failed\":0,\"lost\":0}"
        "#;
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let stockade = Stockade::find(Some(&binary)).unwrap();
        assert_eq!(stockade.version, "stockade 9.9");
        let plan = Plan { rounds: 1, seconds: 7, clients: vec![1, 4], skus: 10, seed: 1 };
        let contestant = Contestant::StockadeStream;
        let figures = stockade.measure(&plan, Workload::W3, contestant, dir.path()).await.unwrap();
        let shown: Vec<_> = figures.iter().map(|figures| (figures.clients, figures.ops_per_s)).collect();
        assert_eq!(shown, [(1, 7), (4, 7)]);
    }
}
