//! `stockade import`: a real shop's orders into a cluster.
//!
//! Read `row.rs` for what a line of the file is taken for, `plan.rs` for what it leads to, `matching.rs` for which sale
//! a cancellation takes back, `execute.rs` and `order.rs` for how a second run finds what the first has done.

mod execute;
mod file;
mod limits;
mod matching;
mod money;
mod order;
mod plan;
mod report;
mod row;
mod tally;
#[cfg(test)]
mod tests;
mod write_off;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::Context;
use stockade_client::{Client, Config};
use stockade_env::Env;
use tokio::time::Instant;

use crate::access::AccessArgs;
use crate::recording::RecordArgs;

pub(crate) use report::{Report, Throughput};

/// Imports orders from elsewhere.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Source {
    /// The "Online Retail" data set (UCI, doi 10.24432/C5BW33) as CSV, plain or with gzip.
    OnlineRetail(OnlineRetail),
}

#[derive(Debug, Clone, clap::Args)]
struct OnlineRetail {
    /// The file.
    file: PathBuf,
    /// Nodes of a running cluster as host:port, separated by commas; one is enough. Without it three nodes are started
    /// for the import and stopped after it.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    cluster: Vec<String>,
    /// `cover`: each SKU gets a receipt of what leaves by sales and write-offs. `fixed:N`: each gets N units, and
    /// orders that find too little are refused and reported as shortages.
    #[arg(long, value_name = "POLICY", default_value = "cover", value_parser = stock_policy)]
    stock_policy: StockPolicy,
    /// Where the stock is kept.
    #[arg(long, value_name = "ID", default_value = "main", value_parser = location)]
    location: String,
    /// Where refused lines are listed; `FILE.rejects.csv` in the working directory where none is given.
    #[arg(long, value_name = "FILE")]
    reject_file: Option<PathBuf>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    record: RecordArgs,
}

/// How much of each SKU comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StockPolicy {
    /// What leaves by sales and write-offs.
    Cover,
    /// The same for each.
    Fixed(i64),
}

fn stock_policy(text: &str) -> Result<StockPolicy, String> {
    if text == "cover" {
        return Ok(StockPolicy::Cover);
    }
    let units = text.strip_prefix("fixed:").and_then(|units| units.parse().ok());
    match units.filter(|units| (0..=limits::MAX_RECEIPT).contains(units)) {
        Some(units) => Ok(StockPolicy::Fixed(units)),
        None => Err(format!("write `cover` or `fixed:N` with N from 0 to {}", limits::MAX_RECEIPT)),
    }
}

fn location(text: &str) -> Result<String, String> {
    let sound = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { Ok(text.to_owned()) } else { Err("write 1 to 128 visible ASCII characters".to_owned()) }
}

impl Args {
    /// The nodes to talk to; empty where the import is to start its own.
    pub(crate) fn cluster(&self) -> &[String] {
        let Source::OnlineRetail(args) = &self.source;
        &args.cluster
    }
}

/// Imports the file into the cluster at `addresses`. The report counts every line; an error means that the import
/// stopped, and that a second run goes on from there.
pub(crate) async fn run(env: &Env, args: &Args, addresses: &[String]) -> anyhow::Result<Report> {
    let Source::OnlineRetail(args) = &args.source;
    let started = Instant::now();
    let path = args.file.clone();
    let plan =
        tokio::task::spawn_blocking(move || file::read(&path)).await.context("reading the file failed")??;
    let mut report = Report::of_plan(&plan);
    if !plan.rejects.is_empty() {
        let path = args.reject_file.clone().unwrap_or_else(|| reject_file_of(&args.file));
        file::write_rejects(&path, &plan.rejects)?;
        report.reject_file = Some(path.display().to_string());
    }
    let record = args.record.open(env)?;
    // The nodes that are started for an import listen on this machine alone, in plain text.
    let access = if args.cluster.is_empty() { AccessArgs::default() } else { args.access.clone() };
    let config = access.apply(Config { record, ..Config::new(addresses) })?;
    let client = Client::connect(env, config).await?;
    let run = execute::Run::new(&client, &plan, &args.location, args.stock_policy);
    run.all().await?;
    fill_in(&mut report, run.tally);
    let elapsed = started.elapsed();
    report.seconds = elapsed.as_secs_f64();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = |count: u64| count.saturating_mul(1_000) / elapsed_ms;
    report.throughput = Throughput {
        lines_per_second: per_second(report.lines),
        orders_per_second: per_second(report.orders),
    };
    Ok(report)
}

fn fill_in(report: &mut Report, tally: tally::Tally) {
    let value = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    report.locations = value(&tally.locations);
    report.skus = value(&tally.skus);
    report.receipts = value(&tally.receipts);
    report.orders = value(&tally.orders);
    report.returns = value(&tally.returns);
    report.adjustments = value(&tally.adjustments);
    report.new_effects = value(&tally.new_effects);
    report.shortages = value(&tally.shortages);
    report.returns_without_order = value(&tally.returns_without_order);
    report.conflicts = value(&tally.conflicts);
    report.shortages_listed = tally.shortages_listed.into_inner();
    report.conflicts_listed = tally.conflicts_listed.into_inner();
}

/// In the working directory: the file's own may be read-only.
fn reject_file_of(file: &std::path::Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".rejects.csv");
    PathBuf::from(name)
}
