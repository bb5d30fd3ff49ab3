//! The rules of orders and stock, pure: `(state, entry, log time) -> (replies, changes)`.
//!
//! This crate deliberately knows no clock, randomness, file, network, thread, log line or wire format: time is an
//! argument, and storage owns the frozen forms of what is defined here. The same entries give the same replies and
//! changes on any node; whatever stands in an entry, execution doesn't panic.
//!
//! Invariants, held by construction or checked by [`invariants::violations`]:
//! - I1, I2: no bucket is below 0 and `on_hand` is their sum ([`Stock`]).
//! - I3, I4: `reserved` and `committed` are the sums of what orders and reservations hold, and of what orders are owed.
//! - I5, I15: a line's quantities add up, and nothing takes back what has shipped ([`order::OrderLine`]).
//! - I6: every movement of units has a ledger entry in the same change.
//! - I8: a reservation's line adds up ([`reservation::ReservationLine`]).
//! - I9: lines that share a SKU are checked on their sum.
//! - I11: a request id has at most one effect.
//! - I12: nothing commits after its expire time in log time, and nobody else gets the units before it.
//!
//! Start at [`State::execute`], then `decide.rs` (what ends before a command is decided), `placement.rs` and `sourcing.rs`.

mod catalog;
pub mod change;
mod check;
pub mod command;
mod decide;
pub mod document;
mod draft;
mod due;
mod execute;
mod expiry;
mod fulfilment;
pub mod holder;
pub mod ids;
pub mod invariants;
mod inventory;
pub mod ledger;
pub mod limits;
mod lines;
pub mod location;
mod locations;
pub mod order;
pub mod outcome;
mod placement;
mod preview;
mod reacquire;
pub mod records;
pub mod rejection;
pub mod request;
pub mod reservation;
mod reservations;
mod returns;
mod revision;
pub mod sku;
mod sourcing;
mod splitting;
mod state;
pub mod stock;
mod text;
mod time;
mod transact;
mod version;

pub use change::{Change, Clock};
pub use command::{Command, ContentHash, Entry, Origin, Request};
pub use execute::Applied;
pub use outcome::{Outcome, Reply};
pub use rejection::Rejection;
pub use revision::Revision;
pub use state::State;
pub use stock::{Stock, StockKey};
pub use time::LogTime;
pub use version::Version;
