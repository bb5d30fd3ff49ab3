//! Judges recorded histories: whether a cluster kept its promises, seen from outside.
//!
//! A [`History`] holds what was asked of a cluster and what it answered, its log as it was exported, and the state hashes
//! that its nodes told. [`check`] holds them against each other, in time that grows as n log n:
//!
//! - A: the log is contiguous, its terms never fall, and each request runs once.
//! - B: each acknowledgement stands in the log at its revision, each entry has a request, each unknown fate is settled.
//! - C: real time. What began after a revision was returned is decided later, or reads that revision or a later one.
//! - D: the log, run by a second state machine, gives every response.
//! - E: the state hash that each node told is that of the second state machine.
//!
//! A history that passes A to D is strictly serializable: the order of (revision, position) is the witness. No search for
//! an order is needed, because the log is one.
//!
//! This crate deliberately knows nothing of networks and files, and of storage nothing but how a state is hashed. From the
//! forms of the interface to those of the state machine it has a way of its own, so that an error on the gateway's way shows.
//!
//! Start at `check.rs`, then one file for each promise: `log.rs` (A), `acknowledged.rs` (B), `real_time.rs` (C),
//! `replay.rs` (D, E), with `reads.rs` (of the ledger `ledger_reads.rs`) and `trials.rs` for what is answered from a state
//! without being in the log.

mod acknowledged;
mod availability;
mod catalog;
mod check;
mod command;
pub mod convert;
mod expected;
mod fields;
mod history;
mod ledger;
mod ledger_reads;
mod lists;
mod log;
mod machines;
mod order_list;
mod orders;
mod pages;
mod reads;
mod real_time;
mod refusal;
mod replay;
mod report;
mod reservations;
mod response;
mod transactions;
mod trials;
mod words;

pub use check::{CheckError, Options, check};
pub use command::entry as commands_of;
pub use expected::ending as expected_ending;
pub use fields::NoCommand;
pub use history::{Ended, History, LoadError, Operation};
pub use report::{Check, CheckCount, Report, Violation};
