//! Recorded histories: what was asked of a cluster, what it answered, and when; the log as it was exported and the
//! state hashes as nodes told them. JSON lines, described in `docs/reference/history.md`.
//!
//! The client writes them through a [`Recorder`], the checker reads them with [`Lines`]. Requests and responses stand in
//! a line as the protobuf messages of their calls, so that no field can be forgotten here, and once more in words, for
//! people.
//!
//! This crate deliberately knows neither files nor clocks nor what makes a history right: whoever records gives it a
//! place to write to and a clock, and the checker judges.
//!
//! Invariants:
//! - A line is written whole and at once, so that several recorders can share a file that is opened for appending.
//! - A call is written down before it is sent: what has a request in the log has one in the history, unless the process
//!   died within the write.
//! - A mutation that is only to be tried is written down like a read: it never has an unknown fate, and the log never decided it.
//!
//! Start at `call.rs` (the calls there are), then `line.rs` (the lines).

mod call;
mod line;
mod lines;
mod recorder;
mod words;

pub use call::{Answer, Asked, Call, Headed, Unreadable, is_trial, request_id_of};
pub use line::{
    Beginning, Consistency, Fate, Header, Invoke, NodeState, Outcome, Record, Recording, Return, Served,
};
pub use lines::{LineError, Lines};
pub use recorder::{Op, Recorder, entry_line, state_line};

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;
