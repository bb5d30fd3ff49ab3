//! The project's own tooling, run as `cargo xtask COMMAND`.
//!
//! It deliberately depends on no crate of the product: it must build and run where the product doesn't compile.

mod mutants;
mod tidy;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{self, ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's own tooling")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the rules of the project that neither the compiler nor clippy knows; exits 1 where one is broken.
    Tidy {
        /// How findings are printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
        /// The workspace to look at, this one by default.
        #[arg(long)]
        root: Option<PathBuf>,
    },
    /// Puts bugs into a copy of the product, one by one: every one must be found by the tests. Takes most of an hour.
    Mutants {
        /// Only those whose name, or the command that must find them, contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// How the table is printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// The longer proofs, built in release: `crash`, `corrupt`, `soak`, `model`, `sim`; and `compare`, with other databases.
    /// Each has its own `--help`.
    #[command(external_subcommand)]
    Trial(Vec<OsString>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each finding.
    Table,
    /// One JSON object.
    Json,
}

fn main() -> anyhow::Result<ExitCode> {
    let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    match Arguments::parse().command {
        Command::Tidy { output, root } => {
            let report = tidy::run(&root.unwrap_or(here))?;
            print(&report, report.is_clean(), output)
        }
        Command::Mutants { only, output } => {
            let report = mutants::run(&here.canonicalize()?, &only)?;
            print(&report, report.holds(), output)
        }
        Command::Trial(arguments) => trial(&arguments),
    }
}

/// Prints a report; the exit code says whether all is well.
fn print<R: serde::Serialize + std::fmt::Display>(
    report: &R,
    holds: bool,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut stdout = io::stdout().lock();
    match output {
        Output::Table => write!(stdout, "{report}")?,
        Output::Json => writeln!(stdout, "{}", serde_json::to_string(report)?)?,
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds and runs a proof. They need the product, which this crate must not.
fn trial(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (package, arguments) = match arguments.split_first() {
        Some((command, rest)) if command == "sim" => ("stockade-sim", rest),
        _ => ("stockade-trials", arguments),
    };
    let status = process::Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", package, "--"])
        .args(arguments)
        .status()
        .context("running cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
