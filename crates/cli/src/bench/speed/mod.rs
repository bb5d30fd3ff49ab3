//! How many calls a cluster answers, and how fast.
//!
//! `script.rs` says what is called, `clerks.rs` call, `caller.rs` knows the ways to, `series.rs` keeps
//! how long it took, `cost.rs` what it cost; `check.rs` compares what was acknowledged with what is there, `report.rs` says what
//! came of it, `page.rs` with plots.

mod caller;
mod check;
mod clerks;
mod cost;
mod page;
mod report;
mod script;
mod series;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use stockade_client::{Client, Config};
use stockade_env::Env;
use tokio::time::{Instant, sleep, timeout};

use crate::bench::speed::caller::Caller;
use crate::bench::speed::clerks::{Books, Clerk, Schedule};
use crate::bench::speed::cost::Used;
use crate::bench::speed::report::Report;
use crate::bench::speed::script::Script;
use crate::bench::{Args, CONNECTIONS, Workload, fill, settle};
use crate::local_cluster::{LocalCluster, Options};
use crate::output::{self, Format};
use crate::proof;

pub(super) use crate::bench::speed::script::Mix;

/// How long a call may take, retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two looks whether a leader is known.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Where it is measured.
struct Place {
    /// `None` where the cluster is somebody else's.
    own: Option<LocalCluster>,
    config: Config,
}

impl Place {
    async fn of(args: &Args) -> anyhow::Result<Self> {
        if args.cluster.is_empty() {
            output::note(&format!("starting {} nodes on this machine", args.nodes));
            let options = Options { flags: args.node_flag.clone(), links: None };
            let cluster = LocalCluster::start(args.nodes, &options).await?;
            let config = Config::new(cluster.client_addresses());
            return Ok(Self { own: Some(cluster), config: Config { timeout: CALL_TIMEOUT, ..config } });
        }
        let config = args.access.apply(Config::new(args.cluster.iter().cloned()))?;
        Ok(Self { own: None, config: Config { timeout: CALL_TIMEOUT, ..config } })
    }

    fn used(&self) -> Vec<Used> {
        self.own.iter().flat_map(LocalCluster::process_ids).map(cost::of).collect()
    }

    /// See [`settle::settle`]; a cluster that was there already is not waited for.
    async fn settle(&self) -> anyhow::Result<()> {
        match &self.own {
            Some(cluster) => settle::settle(cluster).await,
            None => Ok(()),
        }
    }
}

/// The leader's address, once it is known: after an election nobody knows it for a moment.
async fn leader(client: &Client) -> String {
    loop {
        if let Some(leader) = client.leader() {
            return leader;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Measures and prints.
pub(super) async fn measure(env: &Env, args: &Args, mix: Mix, format: Format) -> anyhow::Result<()> {
    let place = Place::of(args).await?;
    let client = Client::connect(env, place.config.clone()).await?;
    // Long enough that no two runs on one cluster meet, short enough to weigh nothing.
    let tag = format!("b{:04x}", env.random.below(1 << 16));
    let script = Arc::new(Script { mix, seed: args.seed, skus: args.skus, tag });
    fill::fill(&client, (0..args.skus).map(|sku| script.sku_id(sku))).await?;
    let leader = timeout(CALL_TIMEOUT, leader(&client)).await.context("nobody leads")?;
    output::note("the shelves are filled; calls begin");
    let connections = args.connections.unwrap_or(CONNECTIONS).min(args.clients);
    let callers = Caller::connect(env, &place.config, (args.mode, &leader), connections, &script).await?;
    let books = Arc::new(Books::new());
    let mut clerks: Vec<Clerk> = (0..args.clients)
        .zip(callers.iter().cycle())
        .map(|(_, caller)| Clerk::new(caller.clone(), Arc::clone(&script), Arc::clone(&books)))
        .collect();
    futures_util::future::join_all(clerks.iter_mut().map(Clerk::begin)).await;
    place.settle().await?;
    let started = Instant::now();
    let counted_from = started + Duration::from_secs(args.warm_up);
    let until = counted_from + Duration::from_secs(args.seconds);
    let schedule = Schedule { started, counted_from, until, rate: args.rate };
    let mut working = tokio::task::JoinSet::new();
    for clerk in clerks {
        working.spawn(clerk.work(schedule));
    }
    tokio::time::sleep_until(counted_from).await;
    let (before, own_before) = (place.used(), cost::of(std::process::id()));
    while let Some(ended) = working.join_next().await {
        ended?;
    }
    let own = cost::of(std::process::id());
    place.settle().await?;
    let settled = until.elapsed();
    let after = place.used();
    output::note("calls have ended; comparing what was acknowledged with what is there");
    let mut kept = books.close()?;
    kept.series.finish(Duration::from_secs(args.seconds));
    let findings = check::check(&client, &script, &kept.orders).await?;
    let hashes = match &place.own {
        Some(cluster) => Some(proof::hashes(&client, &cluster.client_addresses()).await?),
        None => None,
    };
    let servers_us: u64 = after.iter().zip(&before).map(|(after, before)| after.cpu_us - before.cpu_us).sum();
    let report = Report {
        workload: args.workload,
        mode: args.mode,
        clients: args.clients,
        connections,
        nodes: place.own.is_some().then_some(args.nodes),
        skus: args.skus,
        seed: args.seed,
        rate: args.rate,
        warm_up: args.warm_up,
        seconds: args.seconds,
        settled,
        servers_us: place.own.is_some().then_some(servers_us),
        client_us: own.cpu_us - own_before.cpu_us,
        peak_bytes: after.iter().map(|used| used.peak_bytes).max(),
        kept,
        findings,
        hashes,
    };
    report.print(format);
    report.verdict()
}

impl Workload {
    /// What is called, where this is about how fast calls are answered.
    pub(super) fn mix(self) -> Option<Mix> {
        match self {
            Self::W1 => Some(Mix::Spread),
            Self::W2 => Some(Mix::Hot),
            Self::W3 => Some(Mix::Mixed),
            Self::Read => Some(Mix::Reads),
            Self::MixedTpcc => Some(Mix::Tpcc),
            Self::Failover | Self::RollingRestart => None,
        }
    }
}
