//! Holds without number that fall due at once: those who place orders meanwhile must not notice.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use stockade_client::{Client, Config};
use stockade_env::Env;
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;

use crate::soak::load::{Load, Window};
use crate::soak::machine;
use crate::soak::nodes::{self, Nodes};
use crate::soak::orders::{Shop, micros};
use crate::{Output, print};

/// What the holds are of; nobody else wants it.
const SKU: &str = "ticket";
const LOCATION: &str = "box-office";
/// Reservations in one transaction, and transactions at a time.
const IN_ONE: u64 = 500;
const AT_A_TIME: usize = 4;
/// How long a call may take, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long calls are measured before the holds are due.
const QUIET: Duration = Duration::from_secs(10);
/// The load begins so long before that.
const WARM_UP: Duration = Duration::from_secs(5);
/// Left out before the holds are due.
const MARGIN: Duration = Duration::from_millis(500);
/// Between two looks at how many units are held.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long all of them may take to end.
const PATIENCE: Duration = Duration::from_mins(5);
/// The longest call while they end.
const LONGEST: Duration = Duration::from_secs(1);

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct DueArgs {
    /// Holds of one unit each.
    #[arg(long, default_value_t = 1_000_000)]
    holds: u64,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 3)]
    nodes: u64,
    /// Placements a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// All holds end so many seconds after the first is taken.
    #[arg(long, default_value_t = 300)]
    due_after: u64,
    /// The node's binary; built in release by default.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    holds: u64,
    nodes: u64,
    rate: u32,
    /// Taking the holds.
    taken_in_s: u64,
    /// From when they were due until none was left.
    ended_in_ms: u64,
    /// Calls before.
    quiet: Window,
    /// Calls meanwhile.
    due: Window,
    failed_calls: u64,
    within_limit: bool,
    machine: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} holds on {} nodes, taken in {} s, ended within {} ms, on {}:",
            self.holds, self.nodes, self.taken_in_s, self.ended_in_ms, self.machine
        )?;
        for (what, window) in [("before", &self.quiet), ("meanwhile", &self.due)] {
            let Window { calls, p50_us, p99_us, longest_us } = window;
            writeln!(
                f,
                "  {what}: {calls} calls, p50 {p50_us} us, p99 {p99_us} us, the longest {longest_us} us"
            )?;
        }
        writeln!(f, "  {} calls failed", self.failed_calls)
    }
}

/// Measures; a failure where a call took too long or failed.
pub(crate) fn run(args: &DueArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(measure(args))?;
    print(&report, report.within_limit, output)
}

async fn measure(args: &DueArgs) -> anyhow::Result<Report> {
    let dir = tempfile::Builder::new().prefix("stockade-due-").tempdir()?;
    let binary = args.binary.clone().map_or_else(nodes::build_binary, Ok)?;
    let mut nodes = Nodes::plan(dir.path(), &binary, args.nodes, &[])?;
    nodes.launch()?;
    nodes.wait_ready().await?;
    let shop = Arc::new(Shop::open(nodes.addresses()).await?);
    let config = Config { timeout: CALL_TIMEOUT, ..Config::new(nodes.addresses()) };
    let tickets = Tickets { client: Client::connect(&Env::real(), config).await? };
    tickets.issue(args.holds).await?;
    let begun = Instant::now();
    let due = begun + Duration::from_secs(args.due_after);
    tickets.hold_all(args.holds, due).await?;
    let taken_in_s = begun.elapsed().as_secs();
    // From the first holds on it goes forward.
    let since_begun = |before: Duration| begun + (due - begun).saturating_sub(before);
    let (load_from, measured_from) = (since_begun(WARM_UP + QUIET + MARGIN), since_begun(QUIET + MARGIN));
    ensure!(
        Instant::now() < load_from,
        "taking the holds took {taken_in_s} s: let them be due later (--due-after)"
    );
    eprintln!(
        "{} holds are taken after {taken_in_s} s; they are due in {} s",
        args.holds,
        (due - Instant::now()).as_secs()
    );
    tokio::time::sleep_until(load_from.into()).await;
    let load = Load::start(Arc::clone(&shop), args.rate);
    tokio::time::sleep_until(measured_from.into()).await;
    load.begin_window();
    tokio::time::sleep_until(since_begun(MARGIN).into()).await;
    let quiet = load.end_window();
    tokio::time::sleep_until(due.into()).await;
    load.begin_window();
    tickets.wait_until_free(due).await?;
    let ended_in_ms = micros(due.elapsed()) / 1_000;
    let meanwhile = load.end_window();
    let failed_calls = load.finish().await;
    nodes.stop()?;
    Ok(Report {
        holds: args.holds,
        nodes: args.nodes,
        rate: args.rate,
        taken_in_s,
        ended_in_ms,
        quiet,
        due: meanwhile,
        failed_calls,
        within_limit: failed_calls == 0 && meanwhile.longest_us <= micros(LONGEST),
        machine: machine(),
    })
}

/// What is held.
struct Tickets {
    client: Client,
}

impl Tickets {
    async fn issue(&self, count: u64) -> anyhow::Result<()> {
        let location = v1::Location { location_id: LOCATION.to_owned(), ..Default::default() };
        let location = v1::CreateLocationRequest { location: Some(location), ..Default::default() };
        self.client.create_location(location).await.context("creating the location")?;
        let sku = v1::Sku { sku_id: SKU.to_owned(), ..Default::default() };
        let sku = v1::CreateSkuRequest { sku: Some(sku), ..Default::default() };
        self.client.create_sku(sku).await.context("creating the SKU")?;
        let receipt = v1::ReceiveStockRequest {
            sku_id: SKU.to_owned(),
            location_id: LOCATION.to_owned(),
            quantity: i64::try_from(count)?,
            ..Default::default()
        };
        self.client.receive_stock(receipt).await.context("booking goods in")?;
        Ok(())
    }

    /// Takes all holds, of which each ends at about the same time.
    async fn hold_all(&self, count: u64, due: Instant) -> anyhow::Result<()> {
        let first_of = (0..count).step_by(usize::try_from(IN_ONE)?);
        let take = |first: u64| async move {
            let operations = (first..(first + IN_ONE).min(count)).map(|number| hold(number, due)).collect();
            let request = v1::TransactRequest { operations, ..Default::default() };
            self.client.transact(request).await.with_context(|| format!("holds from {first} on"))
        };
        stream::iter(first_of).map(take).buffer_unordered(AT_A_TIME).try_for_each(|_| async { Ok(()) }).await
    }

    async fn wait_until_free(&self, due: Instant) -> anyhow::Result<()> {
        loop {
            let request =
                v1::GetStockRequest { sku_id: SKU.to_owned(), location_id: LOCATION.to_owned(), read: None };
            let stock = self.client.get_stock(request).await?.stock.context("a stock row")?;
            if stock.reserved == 0 {
                return Ok(());
            }
            ensure!(due.elapsed() < PATIENCE, "{} units are held still", stock.reserved);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn hold(number: u64, due: Instant) -> v1::Mutation {
    let left = due.saturating_duration_since(Instant::now());
    let seconds = i64::try_from(left.as_secs()).expect("minutes");
    let hold_duration = prost_types::Duration {
        seconds,
        nanos: i32::try_from(left.subsec_micros() * 1_000).expect("less than a second"),
    };
    let line = v1::NewOrderLine { sku_id: SKU.to_owned(), quantity: 1, ..Default::default() };
    let request = v1::CreateReservationRequest {
        reservation_id: format!("hold-{number}"),
        currency_code: "EUR".to_owned(),
        lines: vec![line],
        hold_duration: Some(hold_duration),
        ..Default::default()
    };
    v1::Mutation { timeout: None, request: Some(Mutated::CreateReservation(request)) }
}
