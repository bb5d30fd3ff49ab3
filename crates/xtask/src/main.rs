//! The project's own tooling, run as `cargo xtask COMMAND`.
//!
//! It deliberately depends on no crate of the product: it must build and run where the product doesn't compile.

mod tidy;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each finding.
    Table,
    /// One JSON object.
    Json,
}

fn main() -> anyhow::Result<ExitCode> {
    let Command::Tidy { output, root } = Arguments::parse().command;
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")));
    let report = tidy::run(&root)?;
    let mut stdout = io::stdout().lock();
    match output {
        Output::Table => write!(stdout, "{report}")?,
        Output::Json => writeln!(stdout, "{}", serde_json::to_string(&report)?)?,
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
