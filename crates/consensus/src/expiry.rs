//! What nobody asks for: the leader's commands that expire what is due, and snapshots when the log has grown.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stockade_state_machine::command::ExpireDue;
use stockade_state_machine::{Command, Outcome};
use stockade_storage::codec;
use tokio::time::{Instant, sleep};

use crate::limits;
use crate::node::Inner;

/// The command that expires what is due, as it is proposed.
pub(crate) fn expire_due_request() -> Bytes {
    codec::encode_request(None, &Command::ExpireDue(ExpireDue { limit: limits::EXPIRE_BATCH }))
}

/// Expires what is due while this node leads.
pub(crate) async fn expire(node: Arc<Inner>) {
    loop {
        let wait = if node.raft.is_leader() { until_due(&node) } else { limits::POLL };
        if wait.is_zero() && expire_once(&node).await {
            continue;
        }
        tokio::select! {
            // A hold placed meanwhile that ends sooner is late by a poll at most.
            () = sleep(wait.clamp(limits::EXPIRY_PAUSE, limits::POLL)) => {}
            () = node.stopping() => return,
        }
    }
}

/// How long until a hold ends, by this node's clock.
fn until_due(node: &Inner) -> Duration {
    let now_us = node.env.clock.now_us();
    node.state
        .next_due()
        .map_or(limits::POLL, |due| Duration::from_micros(due.micros().saturating_sub(now_us)))
}

/// True where more is due.
async fn expire_once(node: &Inner) -> bool {
    let deadline = Instant::now() + limits::SYSTEM_COMMAND_TIMEOUT;
    match node.proposals.propose(expire_due_request(), deadline).await {
        Ok(reply) => matches!(reply.outcome, Outcome::DueExpired { more: true, .. }),
        Err(error) => {
            tracing::debug!(%error, "holds that are due were not expired");
            false
        }
    }
}

/// Starts a snapshot when storage finds that the log has grown enough since the last one.
pub(crate) async fn start_snapshots(node: Arc<Inner>) {
    loop {
        tokio::select! {
            () = sleep(limits::POLL) => {}
            () = node.stopping() => return,
        }
        if node.state.should_snapshot()
            && let Err(error) = node.raft.trigger().snapshot().await
        {
            tracing::debug!(%error, "raft has stopped; no snapshot is made");
            return;
        }
    }
}
