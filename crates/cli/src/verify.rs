//! `stockade verify`: is everything in a data directory as it was written?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stockade_server::Exit;
use stockade_storage::log::{EntryId, Problem, ProblemKind};
use stockade_storage::{CheckedFile, SnapshotSummary, Verification};

use crate::failure::Failure;
use crate::offline::{self, BytesRead, hex, short};
use crate::output::{Output, table};
use crate::verify_snapshot;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The node's data directory. No node may be running on it.
    #[arg(long, value_name = "DIR", env = "STOCKADE_DATA_DIR", required_unless_present = "snapshot")]
    data_dir: Option<PathBuf>,
    /// Check this one snapshot file instead, a backup for example, wherever it lies.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
}

/// Verifies a data directory; an error where something in it is damaged.
pub(crate) fn run(args: &VerifyArgs, output: Output) -> anyhow::Result<()> {
    if let Some(path) = &args.snapshot {
        return verify_snapshot::run(path, output);
    }
    let dir = args.data_dir.as_deref().expect("the command line must have one of both");
    // What else is read is little; the engine's files are not.
    let total = ["wal", "snapshots"].iter().map(|name| offline::bytes_below(&dir.join(name))).sum();
    let mut progress = BytesRead::begin("verify", total);
    let found = stockade_storage::verify(&offline::files(), dir, &mut |bytes| progress.advance(bytes));
    let read = progress.finish();
    let found = found.map_err(offline::storage)?;
    eprintln!("verify: {read} bytes read");
    output.print(&object(&found), || text(dir, &found));
    match found.damage().next() {
        None => Ok(()),
        Some(first) => Err(Failure::new(Exit::DataDirectory, damaged(&found, first)).into()),
    }
}

fn damaged(found: &Verification, first: &Problem) -> String {
    let more = match found.damage().count() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!(
        "{} is damaged at offset {}: {}{more}; keep the directory for examination and see docs/operating/disks.md",
        first.file.display(),
        first.offset,
        first.what,
    )
}

pub(crate) fn kind_name(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Damage => "damage",
        ProblemKind::TornTail => "torn_tail",
        ProblemKind::Newer => "newer",
        ProblemKind::Unreadable => "unreadable",
    }
}

pub(crate) fn problem_object(problem: &Problem) -> Value {
    json!({
        "path": problem.file.display().to_string(),
        "offset": problem.offset,
        "what": problem.what,
        "kind": kind_name(problem.kind),
    })
}

pub(crate) fn snapshot_object(snapshot: &SnapshotSummary) -> Value {
    json!({
        "file": snapshot.file.display().to_string(),
        "index": snapshot.index(),
        "term": snapshot.last.map(|last| last.term),
        "bytes": snapshot.bytes,
        "rows": snapshot.rows,
        "voters": snapshot.members.voters,
        "nodes": nodes(&snapshot.members.nodes),
        "log_time": offline::log_time(snapshot.log_time_us),
        "horizon_ms": snapshot.horizon_ms,
        "chain_hash": hex(&snapshot.chain),
        "state_hash": hex(&snapshot.state_hash),
    })
}

/// Members with their peer addresses.
pub(crate) fn nodes(nodes: &[(u64, String)]) -> Vec<Value> {
    nodes.iter().map(|(id, address)| json!({ "node_id": id, "peer_address": address })).collect()
}

fn file_object(file: &CheckedFile) -> Value {
    json!({
        "path": file.path.display().to_string(),
        "kind": file.kind.name(),
        "bytes": file.bytes,
        "records": file.records,
        "problem": file.problem.as_ref().map(problem_object),
    })
}

fn object(found: &Verification) -> Value {
    let log = &found.log;
    let index = |id: Option<EntryId>| id.map(|id| id.index);
    json!({
        "ok": found.is_sound(),
        "problems": found.damage().count(),
        "first_problem": found.damage().next().map(problem_object),
        "torn_tails": found.problems().filter(|problem| !problem.is_damage()).count(),
        "files": found.files.iter().map(file_object).collect::<Vec<_>>(),
        "identity": found.identity.as_ref().map(|identity| json!({
            "cluster_id": identity.cluster_id,
            "node_id": identity.node_id,
        })),
        "log": {
            "first": log.first,
            "last": index(log.last),
            "last_term": log.last.map(|last| last.term),
            "purged": index(log.purged),
            "committed": index(log.committed),
            "vote": log.vote.map(|vote| json!({
                "term": vote.term,
                "node_id": vote.node_id,
                "committed": vote.committed,
            })),
        },
        "snapshot": found.snapshot.as_ref().map(snapshot_object),
        "engine": {
            "generation": found.engine.generation,
            "left": found.engine.left.name(),
            "verified": false,
        },
        "skipped": found.skipped.iter().map(|entry| json!({
            "index": entry.index,
            "term": entry.term,
            "digest": hex(&entry.digest),
        })).collect::<Vec<_>>(),
        "notes": found.notes,
    })
}

fn text(dir: &Path, found: &Verification) -> String {
    let rows: Vec<_> = found
        .files
        .iter()
        .map(|file| {
            let problem = file.problem.as_ref().map_or_else(String::new, |problem| {
                format!("{} at {}: {}", kind_name(problem.kind), problem.offset, problem.what)
            });
            let path = short(dir, &file.path);
            vec![path, file.kind.name().to_owned(), file.bytes.to_string(), file.records.to_string(), problem]
        })
        .collect();
    let mut text = table(&["FILE", "KIND", "BYTES", "RECORDS", "PROBLEM"], &["BYTES", "RECORDS"], &rows);
    text.push('\n');
    let mut say = |name: &str, what: String| {
        writeln!(text, "{name:<10}{what}").expect("a String takes everything");
    };
    say("identity", found.identity.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string));
    say("log", log_text(found));
    say("snapshot", found.snapshot.as_ref().map_or_else(|| "none".to_owned(), snapshot_text));
    say("engine", format!("a view that is rebuilt, not verified here; {}", found.engine.left));
    for note in &found.notes {
        say("note", note.clone());
    }
    let verdict = match (found.damage().count(), found.problems().count()) {
        (0, 0) => "sound".to_owned(),
        (0, torn) => {
            format!("sound; {torn} torn tail(s), which a crash leaves and the next start passes over")
        }
        (damaged, _) => format!("DAMAGED in {damaged} place(s)"),
    };
    say("result", verdict);
    text
}

fn log_text(found: &Verification) -> String {
    let log = &found.log;
    let named = |id: Option<EntryId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    format!(
        "entries {} to {}; purged {}; committed at least {}; {}",
        log.first.map_or_else(|| "none".to_owned(), |first| first.to_string()),
        named(log.last),
        named(log.purged),
        named(log.committed),
        log.vote.map_or_else(|| "no vote".to_owned(), |vote| vote.to_string()),
    )
}

/// A snapshot in a line.
pub(crate) fn snapshot_text(snapshot: &SnapshotSummary) -> String {
    format!(
        "up to entry {}; {} rows; voters {:?}; log time {}; chain hash {}; state hash {}",
        snapshot.last.map_or_else(|| "none".to_owned(), |last| last.to_string()),
        snapshot.rows,
        snapshot.members.voters,
        offline::log_time(snapshot.log_time_us),
        hex(&snapshot.chain),
        hex(&snapshot.state_hash),
    )
}

#[cfg(test)]
mod tests {
    use stockade_storage::{EngineLeft, EngineSummary, FileKind, LogSummary};

    use super::*;

    fn found(problem: Option<ProblemKind>) -> Verification {
        let path = Path::new("/d/wal/0000000000000001.wal").to_owned();
        let problem = problem.map(|kind| Problem {
            file: path.clone(),
            offset: 77,
            what: "a flipped bit".to_owned(),
            kind,
        });
        Verification {
            identity: None,
            files: vec![CheckedFile { path, kind: FileKind::Segment, bytes: 100, records: 3, problem }],
            log: LogSummary::default(),
            snapshot: None,
            engine: EngineSummary { generation: None, left: EngineLeft::Absent },
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn damage_is_named_with_file_and_offset_in_json_and_in_the_message() {
        let found = found(Some(ProblemKind::Damage));
        let object = object(&found);
        assert_eq!((&object["ok"], &object["problems"]), (&json!(false), &json!(1)));
        assert_eq!(object["first_problem"]["path"], "/d/wal/0000000000000001.wal");
        assert_eq!(object["files"][0]["problem"]["offset"], 77);
        let message = damaged(&found, found.damage().next().unwrap());
        assert!(
            message.starts_with("/d/wal/0000000000000001.wal is damaged at offset 77: a flipped bit;"),
            "{message}"
        );
        assert!(text(Path::new("/d"), &found).contains("DAMAGED in 1 place"));
    }

    #[test]
    fn a_torn_tail_is_sound_and_said() {
        let found = found(Some(ProblemKind::TornTail));
        let object = object(&found);
        assert_eq!(
            (&object["ok"], &object["problems"], &object["torn_tails"]),
            (&json!(true), &json!(0), &json!(1))
        );
        assert_eq!(object["first_problem"], Value::Null);
        let text = text(Path::new("/d"), &found);
        assert!(text.contains("torn_tail at 77") && text.contains("sound; 1 torn tail"), "{text}");
    }
}
