//! A second state machine of Stockade: naive, slow, and written from the texts alone.
//!
//! It exists to catch errors in the real one. Both are given the same entries; replies and rows must be equal. That
//! proves something only while this crate is independent, so it takes the vocabulary from `stockade-state-machine`
//! (commands, outcomes, rows, limits) and none of its rules: whoever changes a rule there writes it here a second
//! time, from the comments of `proto/stockade/v1` and the pages under `docs`, not from the other code.
//!
//! It deliberately knows nothing of storage, of what is in memory and what isn't, of hashes and after-images. It keeps
//! no cache and no index beside the rows but one sum: whatever it needs it finds by looking through them.
//!
//! Invariants:
//! - A command is decided against a model that it can't change; what it writes is collected in a plan and written
//!   whole, or not at all. The operations of a transaction are decided and written one after the other; where one of them is
//!   refused, what the ones before it wrote goes away again.
//! - Units move by a [`LedgerEntry`](stockade_state_machine::ledger::LedgerEntry) and not otherwise.
//! - No clock, randomness, float, hash-ordered collection or IO.
//!
//! Start at `model.rs`, the way of an entry. Each rule stands beside the sentence that promises it. `violations.rs`
//! recomputes the invariants of a whole state from the ledger, the orders and the reservations.

mod catalog;
mod checkout;
mod expiry;
mod items;
mod locations;
mod malformed;
mod model;
mod names;
mod order_state;
mod orders;
mod parcels;
mod placement;
mod plan;
mod reacquire;
mod requests;
mod reservations;
mod rows;
mod sourcing;
mod stock;
mod transact;
mod undo;
mod violations;

pub use model::Model;
pub use requests::RequestLimits;
