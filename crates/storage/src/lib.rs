//! What a node keeps: the log, the applied state, snapshots; and how it finds its way back to them after a crash.
//!
//! The root is the write-ahead log plus the newest verified snapshot. The engine (sled) holds a view of the applied
//! state that can be thrown away and rebuilt. This crate deliberately knows no network, no gRPC and no rule of the
//! business: those are the state machine's.
//!
//! Invariants:
//! - What the log acknowledged is on disk; what is damaged is never taken for less data.
//! - A snapshot is purged against only once every byte of it was read back and checked.
//! - The engine never holds what the local log could lose.
//! - State, ledger, request records and applied index reach the engine together or not at all (I13).
//!
//! Start at [`open`], then `executor.rs` (a committed entry becomes state and rows), `writer.rs` (rows reach the engine) and
//! `log/` (the write-ahead log).

mod alarms;
mod applied_row;
mod applier;
mod background;
mod batch;
mod building;
mod canonical;
mod catch_up;
mod chain_marks;
pub mod codec;
mod dir_lock;
pub mod engine;
mod engine_dir;
mod error;
mod evictable;
mod executor;
pub mod file;
mod frozen;
mod identity;
mod index;
mod inspect;
mod keys;
mod layout;
mod ledger;
mod limits;
mod load;
pub mod log;
mod memory;
mod merged;
mod named;
mod open;
mod order_list;
mod pages;
mod postings;
mod quarantine;
mod raft_runtime;
mod raft_types;
mod redo;
mod reindex;
mod restore;
mod rows;
mod scrub;
mod skip;
mod snapshot;
mod sort_key;
mod space;
mod state_handle;
mod state_hash;
mod verify;
mod window;
mod writer;

pub use alarms::{Alarm, AlarmKind, Alarms};
pub use applier::{SnapshotBuilder, StateMachine};
pub use canonical::{CanonicalRow, canonical_hash};
pub use chain_marks::{CHAIN_MARK_EVERY, CHAIN_MARKS_KEPT, ChainMark};
pub use dir_lock::DirLock;
pub use engine::EngineKind;
pub use error::Error;
pub use identity::Identity;
pub use inspect::{
    CommandsInWords, EngineLeft, EngineSummary, InspectedRow, InspectedSnapshot, InspectedState, Members,
    RequestInWords, RowKind, SnapshotSummary, commands_in_words, inspect_log,
};
pub use ledger::{
    AsOf, LedgerFilter, LedgerKey, LedgerPage, LedgerProblem, LedgerVerification, LedgerView, StockAsOf,
};
pub use log::{LogStats, LogStore};
pub use open::{DEFAULT_SCRUB_BYTES_PER_SECOND, Options, Storage, open};
pub use order_list::{OrderFilter, OrderKey, OrderRows};
pub use quarantine::{Quarantine, read_quarantine};
pub use raft_runtime::RaftRuntime;
pub use raft_types::{EntryReplies, Proposal, TypeConfig};
pub use restore::{Backup, BackupId, NoBackupId, backup_id, restore, restored_from, verify_backup};
pub use scrub::{Healing, ScrubStats};
pub use skip::{SkipError, SkipPlan, SkippedEntry, plan_skip};
pub use snapshot::{SnapshotFile, SnapshotReceiver, SnapshotStore};
pub use space::{SpaceLevel, SpaceMarks, SpaceWatch};
pub use state_handle::{StateHandle, StateHash, View};
pub use verify::{CheckedFile, FileKind, LogSummary, Verification, verify};
