//! The write-ahead log: what makes a node's votes and entries outlive its crashes.
//!
//! Votes, entries, truncations, purges and committed marks stand as records in one ordered log, a chain of segment files.
//! One thread writes it: what has gathered while it synced is written and synced together, then everybody is told. The
//! format is described to the byte in `docs/internals/data_format_wal.md`.
//!
//! Where to look: [`store`] is what openraft sees, [`worker`] the thread, [`writer`] its writing end; [`vote`] is where a
//! vote is persisted; [`recovery`] finds the log after a crash, by the rules of [`chain`], and [`examine()`] looks at one
//! without touching it; [`watermark`] notes outside the log how much of it was synced; [`record`] and [`segment`] know the
//! bytes, [`frozen`] and [`entries`] those of the payloads; [`index`] knows where every entry is and keeps the newest in
//! memory.
//!
//! Invariants:
//! - The order on the disk is the order in which it was asked.
//! - Nobody is told of success before what they asked, and all that was asked before, is synced.
//! - After an error nothing is written any more: a sync that failed is never tried again.
//! - A damaged log is never taken for a shorter one, nor one that lost its last segment.

mod chain;
mod check;
mod entries;
mod examine;
mod frozen;
mod index;
mod read;
mod record;
mod recovery;
mod replay;
mod report;
mod segment;
mod shared;
#[cfg(test)]
mod spare_tests;
mod store;
mod summary;
mod vote;
mod watermark;
mod worker;
mod writer;

use openraft::impls::leader_id_adv::LeaderId;
use openraft::{BasicNode, EntryPayload};

use crate::Proposal;

pub(crate) use check::SegmentCheck;
pub use examine::examine;
pub(crate) use frozen::encode_entry;
pub use read::LogReader;
pub use report::{
    EntryId, EntryKind, EntryView, Examination, Problem, ProblemKind, RecordView, SegmentReport, VoteReport,
    WatermarkReport,
};
pub use shared::LogStats;
pub(crate) use shared::Shared;
pub use store::{LogOptions, LogStore};
pub(crate) use watermark::path as watermark_path;

/// openraft's log id, as configured.
pub(crate) type LogId = openraft::LogId<LeaderId<u64, u64>>;
/// openraft's vote, as configured.
pub(crate) type Vote = openraft::impls::Vote<LeaderId<u64, u64>>;
/// openraft's entry, as configured.
pub(crate) type Entry = openraft::Entry<LeaderId<u64, u64>, EntryPayload<Proposal, u64, BasicNode>>;
