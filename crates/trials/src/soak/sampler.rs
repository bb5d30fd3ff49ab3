//! What the nodes use, looked at every second.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::latency::Latencies;
use super::nodes::{Node, metric};
use super::orders::Progress;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Bytes that the kernel counts a file's blocks in.
const BLOCK_BYTES: u64 = 512;

/// Bytes on the disk, by part of the data directory.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Disk {
    /// The log, spare segments included.
    pub(crate) wal: u64,
    /// Snapshots, unfinished ones included.
    pub(crate) snapshots: u64,
    /// sled.
    pub(crate) engine: u64,
    /// All else.
    pub(crate) other: u64,
}

impl Disk {
    /// Of a data directory, as it is now.
    pub(crate) fn of(dir: &Path) -> Self {
        let whole = used(dir);
        let [wal, snapshots, engine] = ["wal", "snapshots", "engine"].map(|part| used(&dir.join(part)));
        Self { wal, snapshots, engine, other: whole.saturating_sub(wal + snapshots + engine) }
    }

    /// All of it.
    pub(crate) fn total(self) -> u64 {
        self.wal + self.snapshots + self.engine + self.other
    }
}

/// Bytes that a directory and all in it take. What goes meanwhile is passed over.
fn used(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    let below: u64 = if metadata.is_dir() { below.map(|entry| used(&entry.path())).sum() } else { 0 };
    metadata.blocks() * BLOCK_BYTES + below
}

/// One node at one moment.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct NodeSample {
    /// Resident memory of the process.
    pub(crate) resident_bytes: u64,
    /// What it has on the disk.
    pub(crate) disk: Disk,
    /// Outcomes of requests that it keeps.
    pub(crate) request_records: u64,
    /// Applied and not yet written to the engine.
    pub(crate) backlog_bytes: u64,
    /// Entries that its log has.
    pub(crate) log_entries: u64,
    /// Entries of the log in memory.
    pub(crate) log_cached_bytes: u64,
    /// Index of the last snapshot.
    pub(crate) snapshot_index: u64,
}

/// All nodes at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Sample {
    /// Since the start.
    pub(crate) at_ms: u64,
    /// Orders that were done by then.
    pub(crate) orders: u64,
    /// Calls since the sample before.
    pub(crate) calls: u64,
    /// Of those calls.
    pub(crate) p50_us: u64,
    /// Of those calls.
    pub(crate) p99_us: u64,
    /// In the order of their ids.
    pub(crate) nodes: Vec<NodeSample>,
}

impl Sample {
    /// The largest memory of a node.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.nodes.iter().map(|node| node.resident_bytes).max().unwrap_or(0)
    }
}

/// A node, as far as looking at it goes.
#[derive(Debug, Clone)]
struct Watched {
    http: std::net::SocketAddr,
    process_id: u32,
    data: std::path::PathBuf,
}

/// A thread that looks.
#[derive(Debug)]
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Sample>, Latencies)>,
}

impl Sampler {
    /// Begins to look at running nodes, and shows how far the orders are.
    pub(crate) fn start(nodes: &[Node], progress: Arc<Progress>, orders: u64) -> Self {
        let watched = nodes.iter().filter_map(|node| {
            Some(Watched { http: node.http, process_id: node.process_id()?, data: node.data.clone() })
        });
        let watched: Vec<Watched> = watched.collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || look(&watched, &progress, orders, &stopped));
        Self { stop, thread }
    }

    /// Ends it with a last look; gives all samples and all calls.
    pub(crate) fn finish(self) -> (Vec<Sample>, Latencies) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("looking doesn't panic")
    }
}

fn look(
    watched: &[Watched],
    progress: &Progress,
    orders: u64,
    stopped: &AtomicBool,
) -> (Vec<Sample>, Latencies) {
    let begun = Instant::now();
    let (mut samples, mut all): (Vec<Sample>, _) = (Vec::new(), Latencies::default());
    loop {
        let last = stopped.load(Ordering::Relaxed);
        let calls = progress.take_calls();
        all.merge(&calls);
        let sample = Sample {
            at_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            orders: progress.done.load(Ordering::Relaxed),
            calls: calls.calls(),
            p50_us: calls.per_mille_us(500),
            p99_us: calls.per_mille_us(990),
            nodes: watched.iter().map(Watched::sample).collect(),
        };
        if samples.len() % 10 == 0 || last {
            show(&sample, orders);
        }
        samples.push(sample);
        if last {
            return (samples, all);
        }
        let next = begun + INTERVAL * u32::try_from(samples.len()).unwrap_or(u32::MAX);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn show(sample: &Sample, orders: u64) {
    let mib = |bytes: u64| bytes >> 20;
    let disk = sample.nodes.iter().map(|node| node.disk.total()).max().unwrap_or(0);
    eprintln!(
        "{:>5} s  {:>9} of {orders} orders  {:>6} calls/s  p99 {:>5} ms  memory {:>5} MiB  disk {:>6} MiB",
        sample.at_ms / 1_000,
        sample.orders,
        sample.calls,
        sample.p99_us / 1_000,
        mib(sample.resident_bytes()),
        mib(disk),
    );
}

impl Watched {
    fn sample(&self) -> NodeSample {
        let mut sample = NodeSample {
            resident_bytes: resident_bytes(self.process_id),
            disk: Disk::of(&self.data),
            ..NodeSample::default()
        };
        if let Ok(metrics) = super::nodes::metrics_of(self.http) {
            let value = |name| metric(&metrics, name).unwrap_or(0);
            sample.request_records = value("stockade_request_records");
            sample.backlog_bytes = value("stockade_backlog_bytes");
            sample.log_cached_bytes = value("stockade_log_cached_bytes");
            sample.snapshot_index = value("stockade_raft_snapshot_index");
            sample.log_entries =
                value("stockade_raft_last_index").saturating_sub(value("stockade_raft_purged_index"));
        }
        sample
    }
}

/// Resident memory of a process; 0 where it is gone.
fn resident_bytes(process_id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_counted_by_its_parts() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("wal")).unwrap();
        fs::write(dir.path().join("wal/1"), vec![1; 100_000]).unwrap();
        fs::write(dir.path().join("redo"), vec![1; 10_000]).unwrap();
        let disk = Disk::of(dir.path());
        assert!(disk.wal >= 100_000 && disk.other >= 10_000 && disk.engine == 0, "{disk:?}");
        assert_eq!(disk.total(), used(dir.path()));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(resident_bytes(std::process::id()) > 1 << 20);
        assert_eq!(resident_bytes(0), 0);
    }
}
