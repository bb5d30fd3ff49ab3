//! The restart: how long a node with many orders takes until it serves again, after a kill and after its engine is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::Output;
use crate::soak::nodes::{self, Nodes};
use crate::soak::orders::{Shop, micros};
use crate::soak::{machine, prepared, print};

/// Orders that are on their way when the nodes are killed.
const IN_FLIGHT_AT_KILL: usize = 64;
/// How long orders run before the kill: windows and a log that the engine has not seen yet.
const LOAD_BEFORE_KILL: Duration = Duration::from_secs(5);
/// What a restart after a kill may take, in milliseconds.
const RESTART_LIMIT_MS: u64 = 5_000;
/// What a rebuild may take, in milliseconds.
const REBUILD_LIMIT_MS: u64 = 60_000;
/// What a node says of its progress begins so.
const PROGRESS: &str = "per_cent";

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// Orders that the nodes hold.
    #[arg(long, default_value_t = 1_000_000)]
    orders: u64,
    /// Nodes of the cluster; all are killed at once.
    #[arg(long, default_value_t = 1)]
    nodes: u64,
    /// Where the nodes keep their data; filled at the first time, used again afterwards.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The node's binary; built in release by default.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Log since the last snapshot that makes the next one due, if the last one was not larger.
    #[arg(long, default_value_t = 64 << 20)]
    snapshot_log_bytes: u64,
}

/// What came out. A node serves when it says so and a linearizable read is answered.
#[derive(Debug, Serialize)]
struct Report {
    nodes: u64,
    orders: u64,
    restart_ms: u64,
    /// Processor time of the slowest node, which other work on the machine doesn't lengthen.
    restart_cpu_ms: u64,
    rebuild_ms: u64,
    rebuild_cpu_ms: u64,
    clean_start_ms: u64,
    clean_start_cpu_ms: u64,
    progress_lines: usize,
    snapshot_bytes: u64,
    replayed_entries: u64,
    within_limits: bool,
    machine: String,
}

/// Measures; a failure where a limit was passed.
pub(crate) fn run(args: &RestartArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(restart(args))?;
    print(&report, output)?;
    Ok(if report.within_limits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn restart(args: &RestartArgs) -> anyhow::Result<Report> {
    let own_dir = tempfile::Builder::new().prefix("stockade-restart-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(own_dir.path());
    let binary = args.binary.clone().map_or_else(nodes::build_binary, Ok)?;
    let flags = ["--snapshot-log-bytes".to_owned(), args.snapshot_log_bytes.to_string()];
    let mut nodes = Nodes::plan(dir, &binary, args.nodes, &flags)?;
    prepared(dir, &mut nodes, args.orders).await?;
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Shop::open(nodes.addresses()).await?;
    shop.run_until_killed(IN_FLIGHT_AT_KILL);
    tokio::time::sleep(LOAD_BEFORE_KILL).await;
    nodes.kill()?;
    shop.close().await;
    let (restart_ms, restart_cpu_ms) = serving_again(&mut nodes).await?;
    nodes.kill()?;
    let said: Vec<u64> = nodes.nodes.iter().map(nodes::Node::log_len).collect();
    for node in &nodes.nodes {
        // As after a power cut: what the engine holds can't be believed.
        let trust = node.data.join("engine/TRUST");
        fs::remove_file(&trust).with_context(|| format!("removing {}", trust.display()))?;
    }
    let (rebuild_ms, rebuild_cpu_ms) = serving_again(&mut nodes).await?;
    let progress = nodes.nodes.iter().zip(said).map(|(node, said)| node.log_after(said));
    let progress_lines = progress.map(|log| log.lines().filter(|line| line.contains(PROGRESS)).count());
    let progress_lines = progress_lines.max().unwrap_or(0);
    let replayed_entries = replayed(&nodes)?;
    let snapshot_bytes = nodes.nodes.iter().map(|node| snapshot_bytes(&node.data)).max().unwrap_or(0);
    nodes.wait_settled().await?;
    nodes.stop()?;
    let (clean_start_ms, clean_start_cpu_ms) = serving_again(&mut nodes).await?;
    nodes.stop()?;
    Ok(Report {
        nodes: args.nodes,
        orders: args.orders,
        restart_ms,
        restart_cpu_ms,
        rebuild_ms,
        rebuild_cpu_ms,
        clean_start_ms,
        clean_start_cpu_ms,
        progress_lines,
        snapshot_bytes,
        replayed_entries,
        within_limits: restart_ms <= RESTART_LIMIT_MS && rebuild_ms <= REBUILD_LIMIT_MS && progress_lines > 0,
        machine: machine(),
    })
}

/// Starts the nodes; milliseconds until all say that they serve and a linearizable read was answered, and of processor time.
async fn serving_again(nodes: &mut Nodes) -> anyhow::Result<(u64, u64)> {
    let begun = Instant::now();
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Shop::open(nodes.addresses()).await?;
    shop.read().await?;
    let took = micros(begun.elapsed()) / 1_000;
    shop.close().await;
    let cpu = nodes.nodes.iter().map(|node| node.process_id().map_or(0, cpu_ms)).max().unwrap_or(0);
    eprintln!("serving after {took} ms, {cpu} ms of processor time");
    Ok((took, cpu))
}

/// Entries that the log had beyond the snapshot that the rebuild began with.
fn replayed(nodes: &Nodes) -> anyhow::Result<u64> {
    let mut most = 0;
    for node in &nodes.nodes {
        let metrics = node.metrics()?;
        let value = |name| nodes::metric(&metrics, name).unwrap_or(0);
        let applied = value("stockade_raft_applied_index");
        most = most.max(applied.saturating_sub(value("stockade_raft_snapshot_index")));
    }
    Ok(most)
}

/// Milliseconds of processor time that a process has used, user and system.
fn cpu_ms(process_id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the times are the 12th and 13th of what follows it, in hundredths.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        fields.split_ascii_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
    ticks.sum::<u64>() * 10
}

fn snapshot_bytes(data: &Path) -> u64 {
    let files = fs::read_dir(data.join("snapshots")).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
