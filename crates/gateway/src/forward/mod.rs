//! Commands from a node that doesn't lead to the one that does: many to a message, over one long-lived stream.
//!
//! Invariants:
//! - A command is answered once, or its stream breaks and its fate is unknown.
//! - What has no answer yet is bounded at both ends; beyond that the reader stops reading and HTTP/2 holds the sender.

mod incoming;
mod outgoing;

pub(crate) use incoming::ForwardServer;
pub(crate) use outgoing::Forwarder;
