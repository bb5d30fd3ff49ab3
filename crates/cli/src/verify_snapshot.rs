//! `stockade verify --snapshot`: is a backup whole, wherever it lies?

use std::path::Path;

use serde_json::json;

use crate::offline::{files, hex, log_time, storage};
use crate::output::{self, Output};

/// Checks every byte of a snapshot file; an error where something in it is damaged.
pub(crate) fn run(path: &Path, output: Output) -> anyhow::Result<()> {
    let backup = stockade_storage::verify_backup(files().as_ref(), path).map_err(storage)?;
    let object = json!({
        "file": path.display().to_string(),
        "bytes": backup.bytes,
        "index": backup.index,
        "term": backup.term,
        "log_time": log_time(backup.log_time.micros()),
        "rows": backup.rows,
        "state_hash": hex(&backup.state_hash),
        "backup_id": backup.id.to_string(),
    });
    let record = [
        ("file", path.display().to_string()),
        ("bytes", backup.bytes.to_string()),
        ("index", backup.index.to_string()),
        ("log_time", log_time(backup.log_time.micros())),
        ("rows", backup.rows.to_string()),
        ("state_hash", hex(&backup.state_hash)),
        ("backup_id", backup.id.to_string()),
    ];
    output.print(&object, || output::record(&record));
    Ok(())
}
