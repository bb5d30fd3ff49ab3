//! `stockade bench`: measurements on a cluster of this machine, which is started for it and goes with it.
//!
//! `speed/`: how many calls are answered, and how fast; that can be measured on another cluster too. The rest is about outages: `failover.rs`: how long no order is acknowledged when the leader is lost. `rolling.rs`: what calls notice of every node
//! being restarted. `fill.rs` fills the shelves for both, `settle.rs` waits until all is written; `load.rs` makes the orders at a fixed rate, `latency.rs` says how long they took, `watch.rs` sees who
//! leads, `report.rs` says what came of it. What was acknowledged is compared with what is there by `crate::proof`.

mod failover;
mod fill;
mod latency;
mod load;
mod report;
mod rolling;
mod settle;
mod speed;
mod watch;

use std::time::Duration;

use stockade_client::{Client, Config};
use stockade_env::Env;
use tokio::time::Instant;

use crate::access::AccessArgs;
use crate::bench::load::Load;
use crate::bench::report::{Conditions, Report};
use crate::bench::watch::Watch;
use crate::links::Links;
use crate::local_cluster::{self, LocalCluster, Options};
use crate::output::{self, Format, Output};
use crate::proof;

/// What the benchmark's own tasks may take to end.
const TASK_GRACE: Duration = Duration::from_secs(1);
/// Clients at most: one call each is what a node has in its queue.
const MAX_CLIENTS: usize = 65_536;
/// Connections at most.
const MAX_CONNECTIONS: usize = 1_024;
/// Connections where nothing is said of them.
const CONNECTIONS: usize = 16;
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
    /// Calls a second, whether those before were answered or not. Without it, where a leader is lost or nodes are restarted, half of the peak, which is
    /// measured first; else every client makes its next call when its last one was answered.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Clients, each with one call at a time (w1, w2, w3, read, mixed-tpcc).
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clients)]
    clients: usize,
    /// Connections that the clients share; as many as clients, at most 16, where absent.
    #[arg(long, value_name = "N", value_parser = connections)]
    connections: Option<usize>,
    /// How the clients call (w1, w2, w3, read, mixed-tpcc).
    #[arg(long, value_enum, default_value_t = Mode::Unary)]
    mode: Mode,
    /// How long calls are counted, in seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How long calls are made before they are counted, in seconds.
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// SKUs in the catalogue.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    skus: u64,
    /// What is called follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Measure the cluster of these nodes instead of one on this machine (w1, w2, w3, read, mixed-tpcc). What is made there stays.
    #[arg(long, value_name = "ADDR[,ADDR]", value_delimiter = ',')]
    cluster: Vec<String>,
    #[command(flatten)]
    access: AccessArgs,
    /// More flags for every node, as `stockade start` takes them.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    node_flag: Vec<String>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// Orders of three lines over all SKUs.
    W1,
    /// Orders of one line, all of the same SKU.
    W2,
    /// Half orders as in w1, 40% linearizable reads of orders and stock, 10% payments.
    W3,
    /// Linearizable reads of orders and stock.
    Read,
    /// Orders of 5 to 15 lines, payments, shipments and reads, in the proportions of TPC-C.
    MixedTpcc,
    /// How long no order is acknowledged when the leader is lost.
    Failover,
    /// What calls notice of every node being restarted, one after the other.
    RollingRestart,
}

/// How clients call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// Each call for itself, to the leader, without retries.
    Unary,
    /// As the Rust client does: changes of all callers on one stream a connection, retried until they are decided.
    Stream,
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

impl Args {
    /// True where there is a page to print.
    pub(crate) fn makes_pages(&self) -> bool {
        self.workload.mix().is_some()
    }
}

fn nodes(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|count| [3, 5].contains(count)).ok_or_else(|| "write 3 or 5".to_owned())
}

fn clients(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=MAX_CLIENTS).contains(count))
        .ok_or_else(|| format!("write 1 to {MAX_CLIENTS}"))
}

fn connections(text: &str) -> Result<usize, String> {
    let max = MAX_CONNECTIONS;
    text.parse().ok().filter(|count| (1..=max).contains(count)).ok_or_else(|| format!("write 1 to {max}"))
}

/// Runs a benchmark. An error that a promise was broken says which.
pub(crate) async fn run(args: Args, format: Format, output: Output) -> anyhow::Result<()> {
    let env = Env::real();
    let measured = tokio::select! {
        measured = measure(&env, &args, format, output) => measured,
        // Dropping the measurement ends the nodes and removes their directory.
        interrupted = local_cluster::interrupted() => interrupted,
    };
    env.tasks.stop(TASK_GRACE).await;
    measured
}

async fn measure(env: &Env, args: &Args, format: Format, output: Output) -> anyhow::Result<()> {
    match args.workload.mix() {
        Some(mix) => speed::measure(env, args, mix, format).await,
        None => measure_outages(env, args, output).await,
    }
}

async fn measure_outages(env: &Env, args: &Args, output: Output) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.cluster.is_empty(),
        "leaders are lost only in a cluster that is started for it: leave --cluster out"
    );
    let links = Links::new(env);
    let partition = args.workload == Workload::Failover && args.by == By::Partition;
    let options = Options { flags: args.node_flag.clone(), links: partition.then(|| links.clone()) };
    output::note(&format!("starting {} nodes on this machine", args.nodes));
    let mut cluster = LocalCluster::start(args.nodes, &options).await?;
    let addresses = cluster.client_addresses();
    let client = Client::connect(env, Config::new(addresses.iter().cloned())).await?;
    let mut load = Load::prepare(env, &client).await?;
    output::note("the shelves are filled; looking for the peak");
    let peak = load.peak(PEAK, &cluster).await?;
    let rate = args.rate.unwrap_or(peak / 2).max(1);
    output::note(&format!("{peak} orders a second at the peak; {rate} a second from now on"));
    let watch = Watch::start(env, cluster.http_addresses());
    load.run_at(rate);
    tokio::time::sleep(CALM).await;
    let started = Instant::now();
    let before = watch.leaders();
    let outcome = if args.workload == Workload::Failover {
        failover::lose_leaders(&mut cluster, &client, &load, &links, args).await.map(Some)
    } else {
        rolling::restart_all(&mut cluster, &load, args).await.map(|()| None)
    };
    let seconds = started.elapsed();
    let orders = load.finish().await;
    let failovers = outcome?;
    let leaders = watch.leaders().saturating_sub(before);
    output::note("orders have stopped; comparing what was acknowledged with what is there");
    let findings =
        proof::compare(&orders.record, &proof::all_orders(&client).await?, &proof::all_stock(&client).await?);
    let hashes = proof::hashes(&client, &addresses).await?;
    let conditions = Conditions { nodes: args.nodes, peak, rate, seconds };
    let report =
        Report { conditions, by: args.by, rounds: args.kills, failovers, leaders, orders, findings, hashes };
    output.print(&report.object(), || report.text());
    report.verdict()
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::Read => "read",
            Self::MixedTpcc => "mixed-tpcc",
            Self::Failover => "failover",
            Self::RollingRestart => "rolling-restart",
        }
    }
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
        }
    }
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
