//! Holds over leader kills: each ends at its time, no sooner, and hardly later, whoever leads then.
//!
//! Two looks at it. From inside: what became of each hold, by its row, in log time, which the leaders' clocks stamp; all of them
//! run on this machine. From outside: what a reader is told of the units that are held, by the clock on the wall.

mod holds;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use stockade_client::{Client, Config};
use stockade_env::Env;

use crate::soak::machine;
use crate::soak::nodes::{self, Nodes};
use crate::{Output, print};

use self::holds::{Hold, Shelf};
use self::watch::Seen;

/// How long a call may take, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// From the return of one leader to the kill of the next.
const BETWEEN_KILLS: Duration = Duration::from_secs(3);
/// How long a killed node is away.
const AWAY: Duration = Duration::from_secs(1);
/// Holds are taken for as long as so many kills last.
const KILL_EVERY: Duration = Duration::from_secs(4);
/// A hold that ends later than this after its time is late.
const LATE_AFTER: Duration = Duration::from_secs(1);
/// What the last holds may take beyond that: their rows are read only then.
const GRACE: Duration = Duration::from_secs(5);

/// How it goes.
#[derive(Debug, Args)]
pub(crate) struct TtlArgs {
    /// Holds: one half unpaid orders, the other half reservations, of which some are extended.
    #[arg(long, default_value_t = 1_000)]
    holds: u64,
    /// Leaders killed, one every four seconds, while holds begin and end.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// The node's binary; built in release by default.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What came out.
#[derive(Debug, Default, Serialize)]
struct Report {
    holds: u64,
    kills: u32,
    /// Holds that ended before their time, in log time.
    early: u64,
    /// Holds that ended more than a second after it.
    late: u64,
    /// The longest that a hold outlasted its time.
    max_late_ms: u64,
    /// Holds that end at another time than was promised.
    reset: u64,
    /// Holds that never ended.
    open: u64,
    /// Reads of the units held while all this went on.
    reads: u64,
    /// Reads that found fewer units held than must be.
    reads_too_few: u64,
    /// Reads that found units held a second after their time.
    reads_too_many: u64,
    machine: String,
}

impl Report {
    fn holds_true(&self) -> bool {
        let wrong = [self.early, self.late, self.reset, self.open, self.reads_too_few, self.reads_too_many];
        self.reads > 0 && wrong.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} holds over {} killed leaders, on {}:", self.holds, self.kills, self.machine)?;
        writeln!(f, "  {} early, {} late, the latest by {} ms", self.early, self.late, self.max_late_ms)?;
        writeln!(f, "  {} end at another time than promised, {} never ended", self.reset, self.open)?;
        writeln!(
            f,
            "  {} reads: {} with too few units held, {} with too many",
            self.reads, self.reads_too_few, self.reads_too_many
        )
    }
}

/// Tries it; a failure where a hold did not end as promised.
pub(crate) fn run(args: &TtlArgs, output: Output) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(ttl(args))?;
    print(&report, report.holds_true(), output)
}

async fn ttl(args: &TtlArgs) -> anyhow::Result<Report> {
    let dir = tempfile::Builder::new().prefix("stockade-ttl-").tempdir()?;
    let binary = args.binary.clone().map_or_else(nodes::build_binary, Ok)?;
    let mut nodes = Nodes::plan(dir.path(), &binary, 3, &[])?;
    nodes.launch()?;
    nodes.wait_ready().await?;
    let env = Env::real();
    let config = Config { timeout: CALL_TIMEOUT, ..Config::new(nodes.addresses()) };
    let client = Client::connect(&env, config).await?;
    let shelf = Shelf::fill(client.clone(), env.clone(), args.holds).await?;
    let is_over = AtomicBool::new(false);
    let work = async {
        let span = KILL_EVERY * args.kills;
        tokio::try_join!(shelf.take_all(span), kill_leaders(&mut nodes, &client, args.kills))?;
        let last_us = shelf.holds().iter().map(|hold| hold.ends_us).max().unwrap_or(0);
        let left = Duration::from_micros(last_us.saturating_sub(env.clock.now_us()));
        eprintln!("the last hold ends in {} s", left.as_secs());
        tokio::time::sleep(left + GRACE).await;
        is_over.store(true, Ordering::SeqCst);
        Ok(())
    };
    let (seen, ()) = tokio::try_join!(watch::watch(&shelf, &is_over), work)?;
    let report = judge(&client, &shelf.holds(), args.kills, &seen).await?;
    nodes.stop()?;
    Ok(report)
}

async fn kill_leaders(nodes: &mut Nodes, client: &Client, kills: u32) -> anyhow::Result<()> {
    for kill in 1..=kills {
        tokio::time::sleep(BETWEEN_KILLS).await;
        let leader = leader(client).await?;
        eprintln!("kill {kill} of {kills}: node {leader} leads");
        nodes.kill_one(leader)?;
        tokio::time::sleep(AWAY).await;
        nodes.start_one(leader).await?;
    }
    Ok(())
}

async fn leader(client: &Client) -> anyhow::Result<u64> {
    let status = client.cluster_status().await.context("asking for the leader")?;
    let leads = status.nodes.iter().find(|node| node.leader_id == node.node_id && node.leader_id != 0);
    Ok(leads.context("no node says that it leads")?.node_id)
}

async fn judge(client: &Client, holds: &[Hold], kills: u32, seen: &Seen) -> anyhow::Result<Report> {
    let mut report = Report {
        holds: u64::try_from(holds.len())?,
        kills,
        reads: seen.reads,
        reads_too_few: seen.too_few,
        reads_too_many: seen.too_many,
        machine: machine(),
        ..Report::default()
    };
    for hold in holds {
        let end = hold.end(client).await?;
        report.reset += u64::from(end.promised_us != hold.ends_us);
        let Some(ended_us) = end.ended_us else {
            report.open += 1;
            continue;
        };
        report.early += u64::from(ended_us < hold.ends_us);
        let late = Duration::from_micros(ended_us.saturating_sub(hold.ends_us));
        report.late += u64::from(late > LATE_AFTER);
        report.max_late_ms = report.max_late_ms.max(u64::try_from(late.as_millis())?);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_holds_only_where_nothing_went_wrong_and_somebody_looked() {
        let good = Report { holds: 1, reads: 1, max_late_ms: 900, ..Report::default() };
        assert!(good.holds_true());
        let unseen = Report { reads: 0, ..Report::default() };
        let wrong = [
            Report { early: 1, reads: 1, ..Report::default() },
            Report { late: 1, reads: 1, ..Report::default() },
            Report { reset: 1, reads: 1, ..Report::default() },
            Report { open: 1, reads: 1, ..Report::default() },
            Report { reads_too_few: 1, reads: 1, ..Report::default() },
            Report { reads_too_many: 1, reads: 1, ..Report::default() },
        ];
        assert!(!unseen.holds_true() && wrong.iter().all(|report| !report.holds_true()));
    }
}
