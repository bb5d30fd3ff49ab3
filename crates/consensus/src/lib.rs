//! Raft over tonic: a node's part in its cluster. Writes go in as encoded requests and come back as replies once they
//! are applied here; reads wait for a barrier and then read the applied state.
//!
//! This crate deliberately knows no public API, no command but the one that expires what is due, and no disk: the
//! gateway speaks to callers, the state machine decides, storage keeps.
//!
//! Invariants:
//! - A command whose deadline has passed is never handed to Raft. Once it was handed over, any failure is "not known",
//!   but for the one that says it was never appended.
//! - A read barrier is asked for after the read has come, never before.
//! - A leader answers by its lease only while a quorum, by its own word, votes for nobody else.
//! - Every message among nodes names the cluster and the node it is meant for, and is refused by any other.
//! - A restarted node takes no part in elections while a lease that it granted may still be believed in.
//!
//! Start at [`Node`], then `proposer.rs` (a write's way into the log), `consistency.rs` and `read.rs` (reads) and `peer/` (the network).

mod compare;
mod config;
mod consistency;
mod detect;
mod drain;
mod elections;
mod error;
mod expiry;
mod export;
mod founding;
mod gone;
mod handover;
mod heal;
mod leader;
mod limits;
mod membership;
mod node;
mod peer;
mod proposer;
mod read;
mod restored;
mod round_trip;
mod status;
mod successor;
mod unanswered;
mod write;

pub use config::{
    Config, DEFAULT_ELECTION_TIMEOUT, DEFAULT_HEARTBEAT, DEFAULT_KEPT_LOG_ENTRIES,
    DEFAULT_MAX_IN_FLIGHT_BYTES, Join,
};
pub use consistency::{Consistency, Served};
pub use error::{ProposeError, ReadError, StartError};
pub use export::{ExportError, ExportedEntry, ExportedPayload};
pub use leader::Leader;
pub use limits::MAX_PEER_MESSAGE_BYTES;
pub use membership::{MembershipChange, MembershipError, MembershipRefusal, RefusalKind};
pub use node::Node;
pub use status::{NodeAlarm, NodeStatus, Role};
