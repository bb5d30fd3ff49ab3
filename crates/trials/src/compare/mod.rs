//! Stockade beside what one would take instead, on this machine: PostgreSQL and etcd, three replicas each, every write
//! durable on a majority, under the same workloads. Rounds are interleaved, so that what the machine does meanwhile meets all.
//!
//! `plan.rs` says what is asked of everybody; `postgres/`, `etcd/` and `stockade.rs` ask it. `figures.rs` puts rounds
//! together, `report.rs` tells them. `process.rs` holds the programs that are measured, `programs.rs` finds them.
//!
//! Invariants:
//! - Only one contestant runs at a time.
//! - Each measurement ends with a look at what is there: an acknowledged order that is missing is a failure, no figure.

mod etcd;
mod figures;
mod machine;
mod plan;
mod postgres;
mod process;
mod programs;
mod report;
mod stockade;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use self::etcd::Etcd;
use self::figures::{Of, Run};
use self::machine::Machine;
use self::plan::{Contestant, Figures, Plan, Workload};
use self::postgres::Postgres;
use self::report::{Findings, Report, title};
use self::stockade::Stockade;
use crate::{Output, print};

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// How often everything is measured; medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(3..=3_600))]
    seconds: u32,
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "w1,w2,w3")]
    workloads: Vec<Workload>,
    /// Client counts to try; the one that does most is told, and the time of a call where it is 1.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256", value_parser = clap::value_parser!(u32).range(1..=900))]
    clients: Vec<u32>,
    /// Who is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "postgres,etcd,stockade")]
    peers: Vec<Peer>,
    /// SKUs that checkouts choose from.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(3..=10_000_000))]
    skus: u64,
    /// Begins the random numbers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1 << 32))]
    seed: u64,
    /// etcd's program; looked for in PATH by default.
    #[arg(long)]
    etcd: Option<PathBuf>,
    /// Stockade's binary; built in release by default.
    #[arg(long)]
    stockade: Option<PathBuf>,
}

/// Who can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    Postgres,
    Etcd,
    /// Twice: by calls, and over streams.
    Stockade,
}

/// Who is here to be measured.
#[derive(Debug, Default)]
struct Present {
    postgres: Option<Postgres>,
    etcd: Option<Etcd>,
    stockade: Option<Stockade>,
}

/// Compares; a failure where a measurement failed.
pub(crate) fn run(args: &CompareArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = compare(args) => report,
            // Dropping the comparison ends what it has started and removes its directory.
            interrupted = interrupted() => Err(interrupted?),
        }
    })?;
    print(&report, report.holds(), output)
}

/// Completes at Ctrl-C or SIGTERM.
async fn interrupted() -> anyhow::Result<anyhow::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(anyhow::anyhow!("interrupted"))
}

async fn compare(args: &CompareArgs) -> anyhow::Result<Report> {
    let dir = tempfile::Builder::new().prefix("stockade-compare-").tempdir()?;
    let plan = args.plan();
    let mut findings = Findings {
        machine: Machine::look(dir.path())?,
        plan: plan.clone(),
        versions: BTreeMap::new(),
        settings: BTreeMap::new(),
        left_out: Vec::new(),
        warnings: Vec::new(),
        runs: Vec::new(),
        failures: Vec::new(),
    };
    let present = Present::look(args, &mut findings)?;
    for round in 1..=args.rounds {
        for workload in args.workloads() {
            for contestant in present.contestants() {
                let title = title(round, workload, contestant);
                eprintln!("{title}");
                match present.measure(contestant, &plan, workload, dir.path()).await {
                    Ok(figures) => {
                        let of = Of { workload, contestant };
                        figures.iter().for_each(tell);
                        findings.runs.extend(figures.into_iter().map(|figures| Run { round, of, figures }));
                    }
                    Err(error) => {
                        eprintln!("    FAILED: {error:#}");
                        findings.failures.push(format!("{title}: {error:#}"));
                    }
                }
            }
        }
    }
    Ok(Report::from(findings))
}

fn tell(figures: &Figures) {
    let Figures { clients, ops_per_s, p50_us, p99_us, server_cpu_us_per_op, .. } = figures;
    eprintln!(
        "    {clients} clients: {ops_per_s} ops/s, p50 {p50_us} us, p99 {p99_us} us, CPU {server_cpu_us_per_op} us/op"
    );
}

impl CompareArgs {
    fn plan(&self) -> Plan {
        let mut clients = self.clients.clone();
        clients.sort_unstable();
        clients.dedup();
        Plan { rounds: self.rounds, seconds: self.seconds, clients, skus: self.skus, seed: self.seed }
    }

    fn workloads(&self) -> Vec<Workload> {
        let mut workloads = self.workloads.clone();
        workloads.sort_unstable();
        workloads.dedup();
        workloads
    }
}

impl Present {
    /// Finds who is asked for. Who isn't installed is named and left out; Stockade itself must be there.
    fn look(args: &CompareArgs, findings: &mut Findings) -> anyhow::Result<Self> {
        let mut present = Self::default();
        let Findings { plan, versions, settings, left_out, warnings, .. } = findings;
        let mut leave_out = |name: &str, missing: anyhow::Error| {
            eprintln!("left out: {name}: {missing:#}");
            left_out.push(format!("{name}: {missing:#}"));
        };
        if args.peers.contains(&Peer::Postgres) {
            match Postgres::find() {
                Ok(postgres) => {
                    versions.insert("postgres", postgres.version.clone());
                    settings.insert("postgres", Postgres::settings(plan));
                    present.postgres = Some(postgres);
                }
                Err(missing) => leave_out("PostgreSQL", missing),
            }
        }
        if args.peers.contains(&Peer::Etcd) {
            match Etcd::find(args.etcd.as_deref()) {
                Ok(etcd) => {
                    warnings.extend(programs::etcd_warning(&etcd.version).map(str::to_owned));
                    versions.insert("etcd", etcd.version.clone());
                    settings.insert("etcd", Vec::new());
                    present.etcd = Some(etcd);
                }
                Err(missing) => leave_out("etcd", missing),
            }
        }
        if args.peers.contains(&Peer::Stockade) {
            let stockade = Stockade::find(args.stockade.as_deref())?;
            versions.insert("stockade", stockade.version.clone());
            present.stockade = Some(stockade);
        }
        Ok(present)
    }

    fn contestants(&self) -> Vec<Contestant> {
        let ours = self.stockade.is_some();
        let all = [
            (Contestant::Postgres, self.postgres.is_some()),
            (Contestant::Etcd, self.etcd.is_some()),
            (Contestant::StockadeUnary, ours),
            (Contestant::StockadeStream, ours),
        ];
        all.into_iter().filter(|(_, present)| *present).map(|(contestant, _)| contestant).collect()
    }

    async fn measure(
        &self,
        contestant: Contestant,
        plan: &Plan,
        workload: Workload,
        dir: &Path,
    ) -> anyhow::Result<Vec<Figures>> {
        match (contestant, &self.postgres, &self.etcd, &self.stockade) {
            (Contestant::Postgres, Some(postgres), _, _) => postgres.measure(plan, workload, dir).await,
            (Contestant::Etcd, _, Some(etcd), _) => etcd.measure(plan, workload, dir).await,
            (Contestant::StockadeUnary | Contestant::StockadeStream, _, _, Some(stockade)) => {
                stockade.measure(plan, workload, contestant, dir).await
            }
            _ => anyhow::bail!("{contestant} isn't here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn parse(arguments: &[&str]) -> Result<CompareArgs, clap::Error> {
        Line::try_parse_from([&["compare"], arguments].concat()).map(|line| line.args)
    }

    #[test]
    fn lists_are_taken_apart_sorted_and_without_repeats() {
        let args = parse(&["--clients", "64,1,64", "--workloads", "w3,w1", "--peers", "etcd"]).unwrap();
        assert_eq!(args.plan().clients, [1, 64]);
        assert_eq!(args.workloads(), [Workload::W1, Workload::W3]);
        assert_eq!(args.peers, [Peer::Etcd]);
        let usual = parse(&[]).unwrap();
        assert_eq!((usual.rounds, usual.plan().clients), (3, vec![1, 16, 64, 256]));
        assert_eq!((usual.workloads().len(), usual.peers.len()), (3, 3));
        for wrong in [["--seconds", "1"], ["--clients", "0"], ["--skus", "2"], ["--workloads", "w4"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn who_is_not_there_is_named_and_left_out() {
        let args = parse(&["--peers", "etcd", "--etcd", "/nowhere/etcd", "--rounds", "1"]).unwrap();
        let report = compare(&args).await.unwrap();
        assert!(report.holds());
        let told = report.to_string();
        assert!(told.contains("left out: etcd: there is no file /nowhere/etcd"), "{told}");
    }
}
