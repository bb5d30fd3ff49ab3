//! `stockade bench`: measurements on a cluster of this machine, which is started for it and goes with it.
//!
//! `failover.rs`: how long no order is acknowledged when the leader is lost. `rolling.rs`: what calls notice of every node
//! being restarted. `load.rs` makes the orders at a fixed rate, `latency.rs` says how long they took, `watch.rs` sees who
//! leads, `report.rs` says what came of it. What was acknowledged is compared with what is there by `crate::proof`.

mod failover;
mod latency;
mod load;
mod report;
mod rolling;
mod watch;

use std::time::Duration;

use stockade_client::{Client, Config};
use stockade_env::Env;
use tokio::time::Instant;

use crate::bench::load::Load;
use crate::bench::report::{Conditions, Report};
use crate::bench::watch::Watch;
use crate::links::Links;
use crate::local_cluster::{self, LocalCluster, Options};
use crate::output::{self, Output};
use crate::proof;

/// What the benchmark's own tasks may take to end.
const TASK_GRACE: Duration = Duration::from_secs(1);
/// How long the peak is looked for.
const PEAK: Duration = Duration::from_secs(5);
/// How long orders run at their rate before anything is done to the cluster.
const CALM: Duration = Duration::from_secs(2);

/// Flags of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What is measured.
    #[arg(long, value_enum)]
    workload: Workload,
    /// How many nodes: 3 or 5.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = nodes)]
    nodes: u64,
    /// How often the leader is lost, or every node restarted.
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    kills: u64,
    /// How the leader is lost.
    #[arg(long, value_enum, default_value_t = By::Kill)]
    by: By,
    /// Orders a second; without it half of the peak, which is measured first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// More flags for every node, as `stockade start` takes them.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    node_flag: Vec<String>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// How long no order is acknowledged when the leader is lost.
    Failover,
    /// What calls notice of every node being restarted, one after the other.
    RollingRestart,
}

/// How the leader is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// SIGKILL: its connections break.
    Kill,
    /// SIGSTOP: it falls silent and its connections stay; later it goes on where it was.
    Stop,
    /// Cut off from the other nodes, not from callers.
    Partition,
    /// Asked to give the lead away, as before maintenance.
    Drain,
}

fn nodes(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|count| [3, 5].contains(count)).ok_or_else(|| "write 3 or 5".to_owned())
}

/// Runs a benchmark. An error that a promise was broken says which.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let env = Env::real();
    let measured = tokio::select! {
        measured = measure(&env, &args, output) => measured,
        // Dropping the measurement ends the nodes and removes their directory.
        interrupted = local_cluster::interrupted() => interrupted,
    };
    env.tasks.stop(TASK_GRACE).await;
    measured
}

async fn measure(env: &Env, args: &Args, output: Output) -> anyhow::Result<()> {
    let links = Links::new(env);
    let partition = args.workload == Workload::Failover && args.by == By::Partition;
    let options = Options { flags: args.node_flag.clone(), links: partition.then(|| links.clone()) };
    output::line(&format!("starting {} nodes on this machine", args.nodes));
    let mut cluster = LocalCluster::start(args.nodes, &options).await?;
    let addresses = cluster.client_addresses();
    let client = Client::connect(env, Config::new(addresses.iter().cloned())).await?;
    let mut load = Load::prepare(env, &client).await?;
    output::line("the shelves are filled; looking for the peak");
    let peak = load.peak(PEAK).await;
    let rate = args.rate.unwrap_or(peak / 2).max(1);
    output::line(&format!("{peak} orders a second at the peak; {rate} a second from now on"));
    let watch = Watch::start(env, cluster.http_addresses());
    load.run_at(rate);
    tokio::time::sleep(CALM).await;
    let started = Instant::now();
    let before = watch.leaders();
    let outcome = match args.workload {
        Workload::Failover => {
            failover::lose_leaders(&mut cluster, &client, &load, &links, args).await.map(Some)
        }
        Workload::RollingRestart => rolling::restart_all(&mut cluster, &load, args).await.map(|()| None),
    };
    let seconds = started.elapsed();
    let orders = load.finish().await;
    let failovers = outcome?;
    let leaders = watch.leaders().saturating_sub(before);
    output::line("orders have stopped; comparing what was acknowledged with what is there");
    let findings =
        proof::compare(&orders.record, &proof::all_orders(&client).await?, &proof::all_stock(&client).await?);
    let hashes = proof::hashes(&client, &addresses).await?;
    let conditions = Conditions { nodes: args.nodes, peak, rate, seconds };
    let report =
        Report { conditions, by: args.by, rounds: args.kills, failovers, leaders, orders, findings, hashes };
    output.print(&report.object(), || report.text());
    report.verdict()
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Partition => "partition",
            Self::Drain => "drain",
        }
    }
}
