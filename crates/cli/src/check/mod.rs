//! `stockade check`: judges a recorded history.

mod fetch;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use stockade_checker::{Check, History, Options, Report};
use stockade_server::Exit;
use tokio::time::Instant;

use crate::access::AccessArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Bytes that are read of a history at once.
const READ_BYTES: usize = 1 << 20;

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The history, as `--record` wrote it.
    history: PathBuf,
    /// Fetch the log and every node's state hash from this cluster first, and append them to the history. Without it
    /// the history must hold them.
    #[arg(long, value_name = "ADDR[,ADDR]", value_delimiter = ',')]
    cluster: Vec<String>,
    /// Before that, give up every request whose fate is unknown, so that it is settled for good.
    #[arg(long, requires = "cluster")]
    settle: bool,
    /// The history holds every mutation that anybody has asked of the cluster: each entry of the log must have a request in
    /// it, and each unknown fate must be settled.
    #[arg(long)]
    complete: bool,
    /// How many violations are told in words.
    #[arg(long, value_name = "N", default_value_t = 20)]
    violations: usize,
    #[command(flatten)]
    access: AccessArgs,
}

pub(crate) async fn run(args: CheckArgs, output: Output) -> anyhow::Result<()> {
    if !args.cluster.is_empty() {
        let history = tokio::task::block_in_place(|| read(&args.history))?;
        fetch::append(&args.history, &history, &args.cluster, &args.access, args.settle).await?;
    }
    let started = Instant::now();
    let judge = || -> anyhow::Result<Report> {
        let history = read(&args.history)?;
        let report = stockade_checker::check(&history, Options { complete: args.complete });
        report.with_context(|| advice(&args.history))
    };
    let report = tokio::task::block_in_place(judge)?;
    let object = object(&report, args.violations, started.elapsed());
    output.print(&object, || text(&report, &object, args.violations));
    match report.violations.first() {
        None => Ok(()),
        Some(first) => {
            let count = report.violation_count();
            Err(Failure::new(Exit::ProofFailed, format!("{count} violations; the first: {first}")).into())
        }
    }
}

fn advice(path: &Path) -> String {
    format!("{} can't be judged; `--cluster` fetches what a history lacks", path.display())
}

fn read(path: &Path) -> anyhow::Result<History> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let history = History::read(BufReader::with_capacity(READ_BYTES, file));
    history.with_context(|| format!("reading {}", path.display()))
}

#[allow(clippy::float_arithmetic, reason = "seconds, for people and reports")]
fn object(report: &Report, in_words: usize, took: std::time::Duration) -> Value {
    let checks: serde_json::Map<String, Value> = Check::ALL
        .iter()
        .map(|check| {
            let count = report.count(*check);
            let counted = json!({ "checked": count.checked, "violations": count.violations });
            (check.letter().to_owned(), counted)
        })
        .collect();
    let first: Vec<Value> = report
        .violations
        .iter()
        .take(in_words)
        .map(|found| json!({ "check": found.check.letter(), "line": found.line, "text": found.text }))
        .collect();
    json!({
        "operations": report.operations,
        "entries": report.entries,
        "violations": report.violation_count(),
        "unsettled": report.unsettled,
        "seconds": took.as_secs_f64(),
        "checks": checks,
        "first_violations": first,
        "notes": report.notes,
    })
}

fn text(report: &Report, object: &Value, in_words: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "{} operations against {} entries of the log, {:.1} s\n",
        report.operations,
        report.entries,
        object["seconds"].as_f64().unwrap_or_default()
    );
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    for check in Check::ALL {
        let count = report.count(check);
        let verdict = match (count.violations, count.checked) {
            (0, 0) => "nothing to look at".to_owned(),
            (0, checked) => format!("holds ({checked} looked at)"),
            (violations, checked) => format!("BROKEN {violations} times ({checked} looked at)"),
        };
        say(format!("{}  {:58}{verdict}", check.letter(), check.promise()));
    }
    for note in &report.notes {
        say(format!("note: {note}"));
    }
    for violation in report.violations.iter().take(in_words) {
        say(format!("violation: {violation}"));
    }
    text
}
