//! What there was in the past: random commands go through a node's storage and through the naive second machine. At random log indexes
//! the second machine's stock is put aside, as it was there and then; at the end the storage's ledger must tell the same of each of them,
//! by log index and by time, and must be found as it was written. On the way the node is stopped, killed, and made anew from a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use openraft::EntryPayload;
use openraft::entry::RaftEntry as _;
use openraft::storage::RaftLogStorageExt as _;
use serde::Serialize;
use stockade_env::Random;
use stockade_model::{Model, RequestLimits};
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::{Entry, LogTime, Revision, State, StockKey};
use stockade_storage::file::DiskFiles;
use stockade_storage::{AsOf, EngineKind, Error, LedgerView, codec};

use crate::drive::{Life, LogEntry, Record, Setup, log_id};
use crate::model::Author;
use crate::soak::machine;
use crate::{Output, print};

/// Of a log segment: small, so that there are several.
const SEGMENT_BYTES: u64 = 1 << 20;
/// Entries from one interruption to the next.
const INTERRUPTED_EVERY: u64 = 997;
/// How long a killed node's threads may hold the directory.
const LET_GO: Duration = Duration::from_secs(30);
/// Rows that one call asks for.
const PAGE: usize = 100;

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Log entries, of a few commands each.
    #[arg(long, default_value_t = 10_000)]
    entries: u64,
    /// Log indexes at which the stock is compared.
    #[arg(long, default_value_t = 100)]
    moments: u64,
    /// Chooses the commands and the log indexes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came out.
#[derive(Debug, Default, Serialize)]
struct Report {
    commands: u64,
    /// Movements in the ledger.
    movements: u64,
    /// Log indexes at which all stock was compared.
    as_of: u64,
    /// Rows that were compared there, by log index and by time.
    rows: u64,
    /// Rows that differed, were missing, or should not have been there.
    differences: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_difference: Option<String>,
    /// Stops, kills and rebuilds from a snapshot on the way.
    interruptions: u64,
    /// What the verification of the ledger found.
    problems: u64,
    machine: String,
}

impl Report {
    fn holds_true(&self) -> bool {
        self.movements > 0 && self.rows > 0 && self.differences == 0 && self.problems == 0
    }

    fn differ(&mut self, what: impl FnOnce() -> String) {
        self.differences += 1;
        self.first_difference.get_or_insert_with(what);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} commands, {} movements, {} interruptions, on {}:",
            self.commands, self.movements, self.interruptions, self.machine
        )?;
        writeln!(
            f,
            "  stock as of {} log indexes: {} rows, {} differ",
            self.as_of, self.rows, self.differences
        )?;
        if let Some(difference) = &self.first_difference {
            writeln!(f, "  {difference}")?;
        }
        writeln!(f, "  verification of the ledger: {} problems", self.problems)
    }
}

/// Tries it; a failure where the past is told otherwise than it was.
pub(crate) fn run(args: &LedgerArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(try_it(args))?;
    print(&report, report.holds_true(), output)
}

/// Stock as it was.
struct Moment {
    revision: Revision,
    time: LogTime,
    stock: BTreeMap<StockKey, [i64; 6]>,
}

async fn try_it(args: &LedgerArgs) -> anyhow::Result<Report> {
    let random = Random::from_seed(args.seed);
    let dir = tempfile::Builder::new().prefix("stockade-ledger-").tempdir()?;
    let mut wanted = BTreeSet::new();
    while u64::try_from(wanted.len())? < args.moments.min(args.entries) {
        wanted.insert(random.below(args.entries) + 1);
    }
    let mut report = Report { machine: machine(), ..Report::default() };
    let mut author = Author::new(&random, false);
    let (mut state, mut model) = (State::new(), Model::with_limits(RequestLimits::default()));
    let mut moments = Vec::new();
    let mut life = open(dir.path(), args.seed).await?;
    // A log begins with who the members are.
    life.storage.log.blocking_append([crate::drive::entry(1, 0, false)]).await?;
    life.apply(0).await?;
    for index in 1..=args.entries {
        let entry = append(&mut life, index, &author.next(&state)).await?;
        life.apply(index).await?;
        let revision = Revision::new(index);
        report.commands += u64::try_from(entry.requests.len())?;
        state.execute(revision, &entry);
        model.apply(revision, &entry);
        if wanted.contains(&index) {
            let stock = model.stock().map(|(key, stock)| (key.clone(), stock.buckets())).collect();
            moments.push(Moment { revision, time: model.clock().now, stock });
        }
        if index.is_multiple_of(INTERRUPTED_EVERY) {
            report.interruptions += 1;
            life = interrupt(life, dir.path(), index / INTERRUPTED_EVERY).await?;
        }
    }
    report.movements = u64::try_from(model.ledger().len())?;
    let view = life.storage.state.ledger(Revision::new(args.entries)).await;
    compare(&view, &model, &moments, &mut report)?;
    let verified = life.storage.state.verify_ledger(&mut |_, _| {}).await?;
    ensure!(verified.entries == report.movements, "{} entries in the ledger", verified.entries);
    for problem in &verified.problems {
        eprintln!("entry {}/{}: {}", problem.revision, problem.position, problem.what);
    }
    report.problems = verified.problem_count;
    life.stop(&mut Record::default()).await?;
    Ok(report)
}

/// Opens the directory, once whoever had it before has let go.
async fn open(dir: &Path, seed: u64) -> anyhow::Result<Life> {
    let setup = Setup { dir: dir.to_owned(), engine: EngineKind::Sled, segment_bytes: SEGMENT_BYTES, seed };
    let deadline = tokio::time::Instant::now() + LET_GO;
    loop {
        match Life::open(Arc::new(DiskFiles), &setup).await {
            Ok(life) => return Ok(life),
            Err(Error::InUse(_)) if tokio::time::Instant::now() < deadline => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Puts an entry into the log; gives it as it stands there.
async fn append(life: &mut Life, index: u64, entry: &Entry) -> anyhow::Result<Entry> {
    let encoded =
        entry.requests.iter().map(|request| codec::encode_request(request.origin.as_ref(), &request.command));
    let proposal = codec::assemble_proposal(entry.time, &encoded.collect::<Vec<_>>());
    let in_log = codec::decode_proposal(&proposal)?;
    let entry = LogEntry::new(log_id(1, index), EntryPayload::Normal(proposal));
    life.storage.log.blocking_append([entry]).await?;
    Ok(in_log)
}

/// Stops the node, kills it, or has it begin again with a snapshot; then it comes back.
async fn interrupt(mut life: Life, dir: &Path, number: u64) -> anyhow::Result<Life> {
    let applied = life.storage.state.applied();
    match number % 3 {
        0 => life.stop(&mut Record::default()).await?,
        1 => {
            life.storage.log.shutdown().await;
            life.end().await;
        }
        _ => {
            life.snapshot(&mut Record::default()).await?;
            life.stop(&mut Record::default()).await?;
            std::fs::remove_dir_all(dir.join("engine")).context("removing the engine")?;
        }
    }
    let mut life = open(dir, number).await?;
    life.apply(applied.get()).await?;
    Ok(life)
}

/// Holds what the ledger tells of each moment against what was put aside.
fn compare(view: &LedgerView, model: &Model, moments: &[Moment], report: &mut Report) -> anyhow::Result<()> {
    // SKUs that were deleted since are asked for as well.
    let mut skus: BTreeSet<SkuId> = model.ledger().map(|entry| entry.sku.clone()).collect();
    skus.extend(model.skus().map(|sku| sku.id.clone()));
    for (number, moment) in moments.iter().enumerate() {
        report.as_of += 1;
        // Several entries may have one time: then the last of them is what was by then.
        let is_last_of_time = moments.get(number + 1).is_none_or(|next| next.time > moment.time)
            && model
                .ledger()
                .filter(|entry| entry.time == moment.time)
                .all(|entry| entry.revision <= moment.revision);
        for sku in &skus {
            compare_one(view, sku, moment, AsOf::Revision(moment.revision), report)?;
            if is_last_of_time {
                compare_one(view, sku, moment, AsOf::Time(moment.time), report)?;
            }
        }
    }
    Ok(())
}

fn compare_one(
    view: &LedgerView,
    sku: &SkuId,
    moment: &Moment,
    at: AsOf,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut told: BTreeMap<LocationId, [i64; 6]> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = view.stock_as_of(sku, None, at, after.as_ref(), PAGE)?;
        for (location, stock) in page.stock {
            if told.insert(location.clone(), stock.buckets()).is_some() {
                bail!("{sku} at {location} is told twice");
            }
        }
        let Some(last) = page.last else { break };
        after = Some(last);
    }
    let was = moment.stock.iter().filter(|(key, _)| key.sku == *sku);
    let was: BTreeMap<&LocationId, [i64; 6]> = was.map(|(key, stock)| (&key.location, *stock)).collect();
    let locations: BTreeSet<&LocationId> = told.keys().chain(was.keys().copied()).collect();
    for location in locations {
        report.rows += 1;
        // A row that never held anything has no movement, and what was deleted was empty.
        let (told, was) = (told.get(location).copied(), was.get(location).copied());
        if told.unwrap_or_default() != was.unwrap_or_default() {
            report.differ(|| {
                format!("{sku} at {location} as of {at:?}: the ledger tells {told:?}, it was {was:?}")
            });
        }
    }
    Ok(())
}
