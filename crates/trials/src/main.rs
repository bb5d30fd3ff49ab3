//! The longer proofs, run as `cargo xtask crash` and the like: each tries to make a node break a promise, counts what
//! it tried, and ends with one JSON object on the last line of standard output.
//!
//! A crate of its own, so that `cargo xtask tidy` builds where the product doesn't compile.

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
    }
    Ok(ExitCode::SUCCESS)
}
