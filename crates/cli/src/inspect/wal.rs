//! `stockade inspect wal`.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Value, json};
use stockade_server::Exit;
use stockade_storage::log::{EntryKind, EntryView, Examination, RecordView};
use stockade_storage::{CommandsInWords, commands_in_words, inspect_log};

use super::{Common, Wanted};
use crate::failure::Failure;
use crate::offline::{self, request_objects, request_text, short};
use crate::output::{Output, line};
use crate::verify::{kind_name, problem_object};

/// Flags of `inspect wal`.
#[derive(Debug, clap::Args)]
pub(super) struct WalArgs {
    #[command(flatten)]
    common: Common,
    /// Show every command of every entry.
    #[arg(long)]
    entries: bool,
}

/// Shows records as they come.
struct Show<'a> {
    dir: &'a Path,
    wanted: Wanted,
    commands: bool,
    output: Output,
    records: u64,
    entries: u64,
}

pub(super) fn run(args: &WalArgs, output: Output) -> anyhow::Result<()> {
    let Common { data, wanted } = &args.common;
    let dir = data.data_dir.as_path();
    let mut show = Show { dir, wanted: *wanted, commands: args.entries, output, records: 0, entries: 0 };
    let found = inspect_log(&offline::files(), dir, &mut |record| show.record(record));
    let found = found.map_err(offline::storage)?;
    let Show { records, entries, .. } = show;
    let problems: Vec<_> = found.all_problems().map(problem_object).collect();
    let object =
        json!({ "records": records, "entries": entries, "complete": found.complete, "problems": problems });
    output.print(&object, || end(dir, &found, records, entries));
    match found.all_problems().find(|problem| problem.is_damage()) {
        None => Ok(()),
        Some(damage) => {
            let message = format!(
                "{} is damaged at offset {}: {}; `stockade verify` tells all of it",
                damage.file.display(),
                damage.offset,
                damage.what
            );
            Err(Failure::new(Exit::DataDirectory, message).into())
        }
    }
}

fn end(dir: &Path, found: &Examination, records: u64, entries: u64) -> String {
    let mut text = format!("{records} records, {entries} entries\n");
    for problem in found.all_problems() {
        let (file, kind) = (short(dir, &problem.file), kind_name(problem.kind));
        let (offset, what) = (problem.offset, &problem.what);
        writeln!(text, "{kind}: {file} at {offset}: {what}").expect("a String takes everything");
    }
    text
}

impl Show<'_> {
    fn record(&mut self, record: &RecordView<'_>) -> ControlFlow<()> {
        if self.wanted.is_reached(self.records) {
            return ControlFlow::Break(());
        }
        // What can't be read of it is told by the examination.
        let mut entries = record.entries().unwrap_or_default();
        if self.wanted.is_some() {
            entries.retain(|entry| self.wanted.overlaps(entry.id.index, entry.id.index));
            if entries.is_empty() {
                return ControlFlow::Continue(());
            }
        }
        self.records += 1;
        self.entries += u64::try_from(entries.len()).unwrap_or(u64::MAX);
        match self.output {
            Output::Json => line(&self.object(record, &entries).to_string()),
            Output::Table => line(self.text(record, &entries).trim_end()),
        }
        ControlFlow::Continue(())
    }

    fn object(&self, record: &RecordView<'_>, entries: &[EntryView]) -> Value {
        json!({
            "file": record.path.display().to_string(),
            "offset": record.offset,
            "type": record.type_name,
            "sequence": record.sequence,
            "durable": record.durable,
            "bytes": record.bytes(),
            "detail": record.detail(),
            "entries": entries.iter().map(|entry| entry_object(entry, self.commands)).collect::<Vec<_>>(),
        })
    }

    fn text(&self, record: &RecordView<'_>, entries: &[EntryView]) -> String {
        let file = short(self.dir, record.path);
        let (offset, sequence, bytes) = (record.offset, record.sequence, record.bytes());
        let mut text =
            format!("{file} {offset} #{sequence} {} {bytes} bytes: {}\n", record.type_name, record.detail());
        for entry in entries {
            text.push_str(&entry_text(entry, self.commands));
        }
        text
    }
}

/// The commands of an entry, or why they can't be shown; `None` where it carries none.
fn decoded(entry: &EntryView) -> Option<Result<CommandsInWords, String>> {
    Some(commands_in_words(entry.proposal()?).map_err(|error| error.to_string()))
}

fn entry_object(entry: &EntryView, with_commands: bool) -> Value {
    let mut object = json!({
        "index": entry.id.index,
        "term": entry.id.term,
        "node_id": entry.id.node_id,
        "kind": entry.kind.name(),
        "offset": entry.offset,
        "bytes": entry.body.len(),
        "digest": entry.sha256(),
        "detail": entry.detail(),
    });
    match decoded(entry) {
        None => {}
        Some(Err(why)) => object["undecodable"] = json!(why),
        Some(Ok(commands)) => {
            object["log_time"] = json!(offline::log_time(commands.log_time_us));
            object["commands"] = json!(commands.requests.len());
            if with_commands {
                object["requests"] = request_objects(&commands);
            }
        }
    }
    object
}

fn entry_text(entry: &EntryView, with_commands: bool) -> String {
    let (id, bytes, digest) = (entry.id, entry.body.len(), entry.sha256());
    let head = format!("  entry {id}, {}, {bytes} bytes, digest {digest}", entry.kind.name());
    let decoded = match (entry.kind, decoded(entry)) {
        (EntryKind::Blank, _) | (EntryKind::Commands, None) => return format!("{head}\n"),
        (EntryKind::Membership, _) => return format!("{head}: {}\n", entry.detail()),
        (EntryKind::Commands, Some(decoded)) => decoded,
    };
    let commands = match decoded {
        Err(why) => return format!("{head}: CAN'T BE DECODED: {why}\n"),
        Ok(commands) => commands,
    };
    let (count, time) = (commands.requests.len(), offline::log_time(commands.log_time_us));
    let shown = if with_commands { request_text(&commands, "    ") } else { String::new() };
    format!("{head}: {count} command(s), log time {time}\n{shown}")
}
