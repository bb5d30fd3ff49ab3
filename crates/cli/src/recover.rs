//! `stockade recover`: what an operator can do on the day that nothing else helps.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use stockade_server::{Exit, StartError};
use stockade_storage::{SkipError, SkipPlan, SkippedEntry, plan_skip};

use crate::failure::Failure;
use crate::offline::{self, DataDir, hex, request_objects, request_text, short};
use crate::output::Output;

/// Flags of `recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoverArgs {
    #[command(subcommand)]
    command: RecoverCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RecoverCommand {
    /// Skip an entry of the log that stops every node at each start. The same on all nodes, or their states differ.
    #[command(
        after_help = "Example: stockade recover skip-entry --data-dir ./node-1 --index 4711 --term 3 --digest 5e88...\n\
                      See docs/operating/skip-entry.md before you use it."
    )]
    SkipEntry(SkipArgs),
}

/// Flags of `recover skip-entry`.
#[derive(Debug, clap::Args)]
struct SkipArgs {
    #[command(flatten)]
    data: DataDir,
    /// The entry's log index, as the node named it when it stopped.
    #[arg(long, value_name = "N")]
    index: u64,
    /// The entry's term.
    #[arg(long, value_name = "T")]
    term: u64,
    /// The entry's digest, as `stockade inspect wal` shows it: 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = digest)]
    digest: [u8; 32],
    /// Do it. Without this flag it is only said what would be done.
    #[arg(long)]
    confirm: bool,
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "write the 64 hexadecimal digits that `stockade inspect wal` shows".to_owned();
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

pub(crate) fn run(args: &RecoverArgs, output: Output) -> anyhow::Result<()> {
    let RecoverCommand::SkipEntry(args) = &args.command;
    let dir = args.data.data_dir.as_path();
    let asked = SkippedEntry { index: args.index, term: args.term, digest: args.digest };
    let plan = plan_skip(&offline::files(), dir, asked).map_err(refusal)?;
    let mut object = plan_object(&plan);
    let mut text = plan_text(dir, &plan);
    let listed = plan.listed;
    if args.confirm {
        plan.confirm().map_err(offline::storage)?;
        text.push_str("done: the entry is skipped from the next start on\n");
    } else if !listed {
        text.push_str("nothing was changed; to do it:\n  ");
        text.push_str(&command(dir, &asked));
    }
    object["confirmed"] = json!(args.confirm);
    output.print(&object, || text);
    Ok(())
}

/// A guard's refusal is no damage: nothing was changed, and the message says why.
fn refusal(error: SkipError) -> anyhow::Error {
    match error {
        SkipError::Storage(error) => StartError::from(error).into(),
        refused @ (SkipError::NotInLog { .. }
        | SkipError::OtherTerm { .. }
        | SkipError::OtherDigest { .. }
        | SkipError::NoCommands { .. }
        | SkipError::InSnapshot { .. }
        | SkipError::Executed { .. }
        | SkipError::TooMany(_)) => {
            Failure::new(Exit::Error, format!("{refused}; nothing was changed")).into()
        }
    }
}

/// The command that does it, to be run on every node.
fn command(dir: &Path, entry: &SkippedEntry) -> String {
    let SkippedEntry { index, term, digest } = entry;
    format!(
        "stockade recover skip-entry --data-dir {} --index {index} --term {term} --digest {} --confirm",
        dir.display(),
        hex(digest)
    )
}

fn plan_object(plan: &SkipPlan) -> Value {
    json!({
        "index": plan.entry.index,
        "term": plan.entry.term,
        "digest": hex(&plan.entry.digest),
        "file": plan.file.display().to_string(),
        "offset": plan.offset,
        "committed": plan.committed.map(|committed| committed.index),
        "already_skipped": plan.listed,
        "requests": plan.commands.as_ref().ok().map(request_objects),
    })
}

fn plan_text(dir: &Path, plan: &SkipPlan) -> String {
    let mut text = format!("{}, in {} at {}\n", plan.entry, short(dir, &plan.file), plan.offset);
    if plan.listed {
        text.push_str("it is skipped already\n");
    }
    match &plan.commands {
        Err(why) => {
            writeln!(text, "its commands can't be decoded: {why}").expect("a String takes everything");
            text.push_str(
                "skipped, it changes nothing, and what stood in it is as if it had never been sent\n",
            );
        }
        Ok(commands) => {
            text.push_str("skipped, its commands have no effect; these requests are abandoned for good:\n");
            text.push_str(&request_text(commands, "  "));
        }
    }
    let index = plan.entry.index;
    if plan.committed.is_none_or(|committed| committed.index < index) {
        text.push_str(
            "this node doesn't know the entry to be committed: see whether the other nodes have it too\n",
        );
    }
    text.push_str("EVERY node must skip it, with the same arguments, before any is started: a node that skips it alone\n");
    text.push_str("comes to another state than the others and is taken out of service\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_64_hexadecimal_digits() {
        assert_eq!(digest(&"0f".repeat(32)), Ok([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"0f".repeat(33), &"\u{e9}".repeat(32)] {
            assert!(digest(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_that_is_printed_is_understood() {
        use clap::Parser as _;

        let entry = SkippedEntry { index: 7, term: 3, digest: [15; 32] };
        let line = command(Path::new("/d"), &entry);
        let cli = crate::Cli::parse_from(line.split(' '));
        let crate::Command::Recover(RecoverArgs { command: RecoverCommand::SkipEntry(args) }) = cli.command
        else {
            panic!("{line}");
        };
        assert_eq!((args.index, args.term, args.digest, args.confirm), (7, 3, [15; 32], true));
    }

    #[test]
    fn a_refusal_says_that_nothing_was_changed() {
        let error = refusal(SkipError::OtherTerm { index: 7, asked: 3, found: 4 });
        assert_eq!(
            error.to_string(),
            "entry 7 is of term 4, not of term 3: look at it again; nothing was changed"
        );
    }
}
