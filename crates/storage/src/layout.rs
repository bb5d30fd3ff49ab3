//! The names in a data directory. `docs/internals/data_format.md` says what is under them.

/// Taken by the process that uses the directory.
pub(crate) const LOCK_FILE: &str = "LOCK";
/// Whose the directory is.
pub(crate) const IDENTITY_FILE: &str = "IDENTITY";
/// Says that the node differed from the others and must not be started again; missing on all but a very bad day.
pub(crate) const QUARANTINE_FILE: &str = "QUARANTINED";
/// Names the backup that is being restored into the directory; gone once that is done.
pub(crate) const RESTORE_FILE: &str = "RESTORE";
/// Holds the log.
pub(crate) const LOG_DIR: &str = "wal";
/// Holds the snapshots.
pub(crate) const SNAPSHOT_DIR: &str = "snapshots";
/// Holds the engine's generations.
pub(crate) const ENGINE_DIR: &str = "engine";
/// Entries of the log that are not to be executed; missing on all but a very bad day.
pub(crate) const SKIP_FILE: &str = "SKIP";
/// A window on its way into the engine.
pub(crate) const REDO_FILE: &str = "redo";
