//! The project's own tooling, run as `cargo xtask COMMAND`.
//!
//! It deliberately depends on no crate of the product: it must build and run where the product doesn't compile.

mod instructions;
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
    /// Counts the instructions that a node takes for an order, under valgrind; exits 1 where they have grown by more than a tenth.
    Instructions {
        /// Takes what is counted for the baseline; say in the commit why.
        #[arg(long)]
        accept: bool,
        /// Fails where valgrind is not there, instead of leaving it out.
        #[arg(long)]
        require: bool,
        /// How the count is printed.
        #[arg(long, value_enum, default_value_t = Output::Table)]
        output: Output,
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
        Command::Instructions { accept, require, output } => {
            let report = instructions::run(&here.canonicalize()?, accept, require)?;
            print(&report, report.holds(), output)
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

/// Cargo, as if it were called by hand. What it says to this program of this program's package would have it build anew what build
/// scripts make of that, ring and all that stands on it: minutes.
fn cargo() -> process::Command {
    let mut cargo = process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_a_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_a_package)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Builds and runs a proof. They need the product, which this crate must not.
fn trial(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let (package, arguments) = match arguments.split_first() {
        Some((command, rest)) if command == "sim" => ("stockade-sim", rest),
        _ => ("stockade-trials", arguments),
    };
    let status = cargo()
        .args(["run", "--quiet", "--release", "--package", package, "--"])
        .args(arguments)
        .status()
        .context("running cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn cargo_is_not_told_of_this_package() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "cargo says so to tests as well");
        let command = cargo();
        let taken_away: Vec<&OsStr> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_MANIFEST_DIR"] {
            assert!(taken_away.contains(&OsStr::new(name)), "{name} is left");
        }
    }
}
