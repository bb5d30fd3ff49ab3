//! The names in a data directory. `docs/internals/data_format.md` says what is under them.

/// Taken by the process that uses the directory.
pub(crate) const LOCK_FILE: &str = "LOCK";
/// Whose the directory is.
pub(crate) const IDENTITY_FILE: &str = "IDENTITY";
/// Holds the log.
pub(crate) const LOG_DIR: &str = "wal";
/// Holds the snapshots.
pub(crate) const SNAPSHOT_DIR: &str = "snapshots";
/// Holds the engine's generations.
pub(crate) const ENGINE_DIR: &str = "engine";
/// A window on its way into the engine.
pub(crate) const REDO_FILE: &str = "redo";
