//! The soak: orders without end against real nodes. Memory must stay flat, and the disk must hold no more than the
//! orders that are stored and a constant.

pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod nodes;
pub(crate) mod orders;
mod plot;
mod prepare;
mod sampler;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use self::nodes::Nodes;
use self::orders::Shop;
pub(crate) use self::prepare::prepared;
use self::sampler::{Disk, NodeSample, Sample, Sampler};
use crate::Output;

/// Memory may vary by so much over the second half, in per cent of its least.
const FLAT_PER_CENT: u64 = 20;

/// How the soak goes.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// Orders to run.
    #[arg(long, default_value_t = 2_000_000)]
    orders: u64,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 1)]
    nodes: u64,
    /// Orders at a time.
    #[arg(long, default_value_t = 512)]
    in_flight: usize,
    /// Where the nodes keep their data, kept afterwards; a directory of its own that goes at the end by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The node's binary; built in release by default.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Log since the last snapshot that makes the next one due.
    #[arg(long, default_value_t = 64 << 20)]
    snapshot_log_bytes: u64,
    /// Where to write all samples.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// Where to draw memory, disk, rate and time.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// What came out. Bytes are those of the largest node.
#[derive(Debug, Serialize)]
struct Report {
    nodes: u64,
    orders: u64,
    requests: u64,
    seconds: u64,
    orders_per_second: u64,
    p50_us: u64,
    p99_us: u64,
    longest_us: u64,
    rss_half_bytes: u64,
    rss_end_bytes: u64,
    rss_second_half_min_bytes: u64,
    rss_second_half_max_bytes: u64,
    rss_max_over_min_per_cent: u64,
    memory_flat: bool,
    disk: Disk,
    disk_bytes_per_order: u64,
    wal_bytes: u64,
    request_records: u64,
    log_entries: u64,
    snapshots_made: usize,
    machine: String,
}

/// Runs the soak; a failure where memory was not flat.
pub(crate) fn run(args: &SoakArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(soak(args))?;
    print(&report, output)?;
    Ok(if report.memory_flat { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One JSON object on a line of its own, or the same for people.
pub(crate) fn print(report: &impl Serialize, output: Output) -> anyhow::Result<()> {
    use std::io::Write as _;
    let text = match output {
        Output::Json => serde_json::to_string(report)?,
        Output::Table => serde_json::to_string_pretty(report)?,
    };
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

async fn soak(args: &SoakArgs) -> anyhow::Result<Report> {
    anyhow::ensure!(args.orders > 1 && args.in_flight > 0, "a soak wants orders, and some at a time");
    let own_dir = tempfile::Builder::new().prefix("stockade-soak-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(own_dir.path());
    let binary = args.binary.clone().map_or_else(nodes::build_binary, Ok)?;
    let flags = ["--snapshot-log-bytes".to_owned(), args.snapshot_log_bytes.to_string()];
    let mut nodes = Nodes::plan(dir, &binary, args.nodes, &flags)?;
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Shop::open(nodes.addresses()).await?;
    let watching = Sampler::start(&nodes.nodes, shop.progress(), args.orders);
    let begun = Instant::now();
    let ran = shop.run(args.orders, args.in_flight).await;
    let seconds = begun.elapsed().as_secs().max(1);
    // The samples are wanted all the more where it failed.
    let (samples, calls) = watching.finish();
    write_samples(args, &samples)?;
    ran?;
    nodes.wait_settled().await?;
    shop.close().await;
    nodes.stop()?;
    let disks = nodes.nodes.iter().map(|node| Disk::of(&node.data));
    let disk = disks.max_by_key(|disk| disk.total()).context("a node")?;
    let half = samples.iter().position(|sample| sample.orders >= args.orders / 2).unwrap_or(0);
    let (low, high) = memory_of(&samples[half..]);
    let ratio = high.saturating_mul(100) / low.max(1);
    let last = samples.last().context("a sample")?;
    let most = |value: fn(&NodeSample) -> u64| last.nodes.iter().map(value).max().unwrap_or(0);
    Ok(Report {
        nodes: args.nodes,
        orders: args.orders,
        requests: calls.calls(),
        seconds,
        orders_per_second: args.orders / seconds,
        p50_us: calls.per_mille_us(500),
        p99_us: calls.per_mille_us(990),
        longest_us: calls.longest_us(),
        rss_half_bytes: samples[half].resident_bytes(),
        rss_end_bytes: last.resident_bytes(),
        rss_second_half_min_bytes: low,
        rss_second_half_max_bytes: high,
        rss_max_over_min_per_cent: ratio,
        memory_flat: ratio <= 100 + FLAT_PER_CENT,
        disk,
        disk_bytes_per_order: disk.total().saturating_sub(disk.wal) / args.orders,
        wal_bytes: disk.wal,
        request_records: most(|node| node.request_records),
        log_entries: most(|node| node.log_entries),
        snapshots_made: snapshots_made(&samples),
        machine: machine(),
    })
}

fn write_samples(args: &SoakArgs, samples: &[Sample]) -> anyhow::Result<()> {
    if let Some(path) = &args.samples {
        let lines = samples.iter().map(|sample| Ok(serde_json::to_string(sample)? + "\n"));
        let lines = lines.collect::<anyhow::Result<String>>()?;
        std::fs::write(path, lines).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &args.plot {
        std::fs::write(path, plot::draw(samples)).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The least and the most memory of a node. Each node is compared with itself.
fn memory_of(samples: &[Sample]) -> (u64, u64) {
    let count = samples.first().map_or(0, |sample| sample.nodes.len());
    let of_node = |node: usize| {
        let bytes = || samples.iter().map(|sample| sample.nodes[node].resident_bytes);
        (bytes().min().unwrap_or(0), bytes().max().unwrap_or(0))
    };
    (0..count)
        .map(of_node)
        .max_by_key(|(low, high)| high.saturating_mul(1_000) / (*low).max(1))
        .unwrap_or_default()
}

/// How many snapshots the first node made.
fn snapshots_made(samples: &[Sample]) -> usize {
    let index = |sample: &Sample| sample.nodes.first().map_or(0, |node| node.snapshot_index);
    samples.windows(2).filter(|pair| index(&pair[1]) > index(&pair[0])).count()
}

/// What this ran on.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    format!("{cores} cores, {} GiB of memory", kib.unwrap_or(0).div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_whose_memory_varies_most_counts() {
        let sample = |memory: [u64; 2]| Sample {
            nodes: memory
                .map(|resident_bytes| NodeSample { resident_bytes, ..NodeSample::default() })
                .to_vec(),
            ..Sample::default()
        };
        assert_eq!(memory_of(&[sample([100, 10]), sample([110, 20])]), (10, 20));
        assert_eq!(memory_of(&[]), (0, 0));
    }
}
