//! What a snapshot costs those who write meanwhile: the time of calls while one is made, and while none is.
//!
//! Calls begin at set times, whether or not the ones before were answered, and are measured from those times: a stall
//! counts for every call that it delays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::Output;
use crate::soak::load::{Load, Window};
use crate::soak::nodes::{self, Nodes};
use crate::soak::orders::{Shop, micros};
use crate::soak::{machine, prepared, print};

/// The p99 during a snapshot may be so many hundredths of the one without.
const RATIO_LIMIT_PER_CENT: u64 = 200;
/// How long calls are measured without a snapshot before each one.
const QUIET: Duration = Duration::from_secs(15);
/// Left out after each change: what begins in one window ends in the other.
const MARGIN: Duration = Duration::from_millis(500);
/// Between two looks at whether a snapshot is being made.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a snapshot may take to begin, and to end.
const PATIENCE: Duration = Duration::from_mins(10);

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct SnapshotLatencyArgs {
    /// Orders that the nodes hold.
    #[arg(long, default_value_t = 1_000_000)]
    orders: u64,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 1)]
    nodes: u64,
    /// Placements a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Windows with a snapshot.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the nodes keep their data; filled at the first time, used again afterwards.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The node's binary; built in release by default.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A quiet window and the one with a snapshot after it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    quiet: Window,
    snapshot: Window,
    snapshot_ms: u64,
    ratio_per_cent: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    nodes: u64,
    orders: u64,
    rate: u32,
    rounds: Vec<Round>,
    /// The median over the rounds.
    p99_ratio_per_cent: u64,
    snapshot_bytes: u64,
    failed_calls: u64,
    within_limit: bool,
    machine: String,
}

/// Measures; a failure where the limit was passed.
pub(crate) fn run(args: &SnapshotLatencyArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(measure(args))?;
    print(&report, output)?;
    Ok(if report.within_limit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &SnapshotLatencyArgs) -> anyhow::Result<Report> {
    anyhow::ensure!(args.rate > 0 && args.rounds > 0, "the rate and the rounds must be above 0");
    let own_dir = tempfile::Builder::new().prefix("stockade-snapshot-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(own_dir.path());
    let binary = args.binary.clone().map_or_else(nodes::build_binary, Ok)?;
    // None is made but those that are asked for.
    let flags = ["--snapshot-log-bytes".to_owned(), (1_u64 << 40).to_string()];
    let mut nodes = Nodes::plan(dir, &binary, args.nodes, &flags)?;
    prepared(dir, &mut nodes, args.orders).await?;
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Arc::new(Shop::open(nodes.addresses()).await?);
    let load = Load::start(Arc::clone(&shop), args.rate);
    tokio::time::sleep(QUIET).await;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        let round = round(&nodes, &shop, &load).await?;
        eprintln!("round {number}: {round:?}");
        rounds.push(round);
    }
    let failed_calls = load.finish().await;
    if let Ok(shop) = Arc::try_unwrap(shop) {
        shop.close().await;
    }
    let snapshot_bytes = nodes.nodes.iter().map(|node| snapshots(&node.data).1).max().unwrap_or(0);
    nodes.stop()?;
    let mut ratios: Vec<u64> = rounds.iter().map(|round| round.ratio_per_cent).collect();
    ratios.sort_unstable();
    let p99_ratio_per_cent = ratios[ratios.len() / 2];
    Ok(Report {
        nodes: args.nodes,
        orders: args.orders,
        rate: args.rate,
        rounds,
        p99_ratio_per_cent,
        snapshot_bytes,
        failed_calls,
        within_limit: p99_ratio_per_cent <= RATIO_LIMIT_PER_CENT && failed_calls == 0,
        machine: machine(),
    })
}

/// Calls without a snapshot, then calls while every node makes one, all at the same time.
async fn round(nodes: &Nodes, shop: &Shop, load: &Load) -> anyhow::Result<Round> {
    load.begin_window();
    tokio::time::sleep(QUIET).await;
    let quiet = load.end_window();
    let before: Vec<u64> = nodes.nodes.iter().map(|node| snapshots(&node.data).0).collect();
    for node in &nodes.nodes {
        shop.ask_for_snapshot(node.client.to_string());
    }
    wait_until(|| nodes.nodes.iter().any(|node| snapshots(&node.data).2)).await?;
    let begun = Instant::now();
    load.begin_window();
    wait_until(|| nodes.nodes.iter().zip(&before).all(|(node, before)| snapshots(&node.data).0 > *before))
        .await?;
    let snapshot = load.end_window();
    let snapshot_ms = micros(begun.elapsed()) / 1_000;
    tokio::time::sleep(MARGIN).await;
    let ratio_per_cent = snapshot.p99_us.saturating_mul(100) / quiet.p99_us.max(1);
    Ok(Round { quiet, snapshot, snapshot_ms, ratio_per_cent })
}

async fn wait_until(condition: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        anyhow::ensure!(Instant::now() < deadline, "no snapshot within {PATIENCE:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// The index of the newest snapshot, its bytes, and whether one is being made.
fn snapshots(data: &Path) -> (u64, u64, bool) {
    let mut found = (0, 0, false);
    for file in fs::read_dir(data.join("snapshots")).into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some(index) = name.strip_suffix(".snapshot").and_then(|index| index.parse::<u64>().ok()) {
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            found = (index, bytes, found.2).max((found.0, found.1, found.2));
        } else {
            found.2 = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_counts_and_an_unfinished_one_shows() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(snapshots(dir.path()), (0, 0, false));
        fs::create_dir(dir.path().join("snapshots")).unwrap();
        for (name, bytes) in [("00000000000000000007.snapshot", 3), ("00000000000000000012.snapshot", 2)] {
            fs::write(dir.path().join("snapshots").join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(snapshots(dir.path()), (12, 2, false));
        fs::write(dir.path().join("snapshots/0.tmp"), b"").unwrap();
        assert_eq!(snapshots(dir.path()), (12, 2, true));
    }
}
