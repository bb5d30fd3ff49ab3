//! Who sends messages over a call: held against what is believed at each message, not only at the first.

use std::sync::Arc;

use openraft::type_config::alias::VoteOf;
use stockade_env::Throttle;
use stockade_storage::TypeConfig;
use tonic::{Extensions, Status};

use crate::node::Inner;

/// The node that a call is from.
#[derive(Debug)]
pub(crate) struct Sender {
    node: Arc<Inner>,
    /// What is known of the connection.
    call: Extensions,
    node_id: u64,
    /// Bounds what is said of those who are not who they say they are.
    strangers: Arc<Throttle>,
}

impl Sender {
    /// A node that has named itself; it remains to be checked.
    pub(crate) fn new(node: &Arc<Inner>, call: Extensions, node_id: u64, strangers: &Arc<Throttle>) -> Self {
        Self { node: Arc::clone(node), call, node_id, strangers: Arc::clone(strangers) }
    }

    /// Which node it says it is.
    pub(crate) fn node_id(&self) -> u64 {
        self.node_id
    }

    /// Refuses who is not the node that it says it is, or is it no more.
    #[allow(clippy::result_large_err, reason = "tonic's own error type")]
    pub(crate) fn check(&self) -> Result<(), Status> {
        self.node.check_peer(&self.call, self.node_id).map_err(|why| {
            self.tell(&why);
            Status::unauthenticated(why)
        })
    }

    /// Refuses a vote that is another's: leaders and candidates speak for themselves, and nobody passes on what they said.
    #[allow(clippy::result_large_err, reason = "tonic's own error type")]
    pub(crate) fn check_vote(&self, vote: &VoteOf<TypeConfig>) -> Result<(), Status> {
        let named = vote.leader_id.node_id;
        if named == self.node_id {
            return Ok(());
        }
        let why = format!("node {} sends what only node {named} may send", self.node_id);
        self.tell(&why);
        Err(Status::permission_denied(why))
    }

    fn tell(&self, why: &str) {
        if let Some(untold) = self.strangers.pass() {
            tracing::warn!(from_node = self.node_id, why, untold, "a message from a peer is refused");
        }
    }
}
