//! The longer proofs, run as `cargo xtask crash` and the like: each tries to make a node break a promise, counts what
//! it tried, and ends with one JSON object on the last line of standard output.
//!
//! A crate of its own, so that `cargo xtask tidy` builds where the product doesn't compile.

mod compare;
mod corrupt;
mod crash;
mod drive;
mod due;
mod ledger;
mod model;
mod one_node;
mod restart;
mod snapshot_latency;
mod soak;
mod ttl;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The longer proofs")]
struct Arguments {
    /// How results are printed.
    #[arg(long, value_enum, global = true, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists the proofs.
    List,
    /// Stops a node's storage at every operation on its disk: nothing acknowledged may be lost.
    Crash(crash::CrashArgs),
    /// Damages data directories in every small way: the damage is found, or the answer is unchanged.
    Corrupt(corrupt::CorruptArgs),
    /// Runs random commands through the state machine and through a second, naive one: both must say the same.
    Model(model::ModelArgs),
    /// Lets holds without number fall due at once: those who place orders meanwhile must not notice.
    Due(due::DueArgs),
    /// Asks a ledger what there was at random moments, and holds it against what there was.
    Ledger(ledger::LedgerArgs),
    /// Places orders at one node without a network: what `instructions` counts.
    OneNode(one_node::OneNodeArgs),
    /// Runs orders against real nodes: memory must stay flat.
    Soak(soak::SoakArgs),
    /// Measures how long a node with many orders takes to serve again.
    Restart(restart::RestartArgs),
    /// Takes holds while leaders are killed: each must end at its time.
    Ttl(ttl::TtlArgs),
    /// Measures Stockade beside PostgreSQL and etcd, as far as they are installed here.
    Compare(compare::CompareArgs),
    /// Measures what a snapshot costs those who write meanwhile.
    SnapshotLatency(snapshot_latency::SnapshotLatencyArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// One JSON object on the last line.
    Json,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::List => {}
        Command::Crash(args) => return crash::run(&args, arguments.output),
        Command::Corrupt(args) => return corrupt::run(&args, arguments.output),
        Command::Model(args) => return model::run(&args, arguments.output),
        Command::Due(args) => return due::run(&args, arguments.output),
        Command::Ledger(args) => return ledger::run(&args, arguments.output),
        Command::OneNode(args) => return one_node::run(&args, arguments.output),
        Command::Soak(args) => return soak::run(&args, arguments.output),
        Command::Restart(args) => return restart::run(&args, arguments.output),
        Command::Ttl(args) => return ttl::run(&args, arguments.output),
        Command::Compare(args) => return compare::run(&args, arguments.output),
        Command::SnapshotLatency(args) => return snapshot_latency::run(&args, arguments.output),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a report; the exit code says whether the proof held.
fn print<R: serde::Serialize + std::fmt::Display>(
    report: &R,
    holds: bool,
    output: Output,
) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;

    let mut stdout = std::io::stdout().lock();
    match output {
        Output::Table => write!(stdout, "{report}")?,
        Output::Json => writeln!(stdout, "{}", serde_json::to_string(report)?)?,
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
