//! Whole clusters in one thread: the real consensus, log, state, gateway and client, with virtual time, messages that a
//! scheduler carries, and disks and clocks that fail. A seed repeats its run to the byte. Run as `cargo xtask sim`.
//!
//! Start at `run.rs`. What is simulated stands in `network.rs` and `machine.rs`; what is held against it in `watcher.rs`,
//! while faults go on, and in `judge.rs` after them.

#[cfg(not(tokio_unstable))]
compile_error!(
    "needs --cfg tokio_unstable, as .cargo/config.toml sets it: RUSTFLAGS in the environment replaces that"
);

mod acts;
mod asked;
mod judge;
mod machine;
mod members;
mod network;
mod questions;
mod run;
mod settings;
mod shoppers;
mod trace;
mod watcher;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::run::{Verdict, run};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", about = "Simulates clusters under faults")]
struct Arguments {
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ends after so many minutes, whatever is left.
    #[arg(long)]
    minutes: Option<u64>,
    /// Runs every seed twice: both runs must be equal.
    #[arg(long)]
    twice: bool,
    /// Prints what happens as it comes.
    #[arg(long)]
    trace: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// One JSON object on the last line.
    Json,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    seeds: u64,
    violations: u64,
    seeds_per_hour: u64,
    /// Seeds whose second run differed.
    unequal: u64,
    calls: u64,
    accepted: u64,
    acts: u64,
    events: u64,
    seconds: u64,
    failed_seeds: Vec<u64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let begun = Instant::now();
    let end = arguments.minutes.map(|minutes| begun + Duration::from_secs(minutes * 60));
    let mut report = Report::default();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        if end.is_some_and(|end| Instant::now() > end) {
            break;
        }
        let verdict = run(seed, arguments.trace)?;
        if arguments.twice {
            let again = run(seed, false)?;
            if again.trace_hash != verdict.trace_hash {
                report.unequal += 1;
                eprintln!("seed {seed}: {} and {} are different runs", verdict.trace_hash, again.trace_hash);
            }
        }
        add(&mut report, &verdict);
    }
    let elapsed = begun.elapsed();
    report.seconds = elapsed.as_secs();
    report.seeds_per_hour = report.seeds * 3_600_000 / u64::try_from(elapsed.as_millis()).unwrap_or(1).max(1);
    let mut stdout = std::io::stdout().lock();
    match arguments.output {
        Output::Json => writeln!(stdout, "{}", serde_json::to_string(&report)?)?,
        Output::Table => writeln!(stdout, "{report:#?}")?,
    }
    let holds = report.violations == 0 && report.unequal == 0;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn add(report: &mut Report, verdict: &Verdict) {
    report.seeds += 1;
    report.calls += verdict.calls;
    report.accepted += verdict.accepted;
    report.acts += verdict.acts;
    report.events += verdict.events;
    eprintln!(
        "seed {}: {} of {} calls accepted, {} acts, {} events, trace {}",
        verdict.seed, verdict.accepted, verdict.calls, verdict.acts, verdict.events, verdict.trace_hash
    );
    if verdict.violations.is_empty() {
        return;
    }
    report.violations += 1;
    report.failed_seeds.push(verdict.seed);
    eprintln!(
        "seed {} FAILED; again with: cargo xtask sim --seeds 1 --seed {} --trace",
        verdict.seed, verdict.seed
    );
    for line in &verdict.lines {
        eprintln!("  {line}");
    }
    for violation in &verdict.violations {
        eprintln!("  VIOLATION: {violation}");
    }
}
