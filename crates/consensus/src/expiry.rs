//! What nobody asks for: the leader's commands that expire what is due, and snapshots when the log has grown.

use std::sync::Arc;
use std::time::Duration;

use stockade_state_machine::command::ExpireDue;
use stockade_state_machine::{Command, Outcome};
use stockade_storage::{AlarmKind, SpaceLevel, codec};
use tokio::time::{Instant, sleep};

use crate::limits;
use crate::node::Inner;

/// Expires what is due while this node leads.
pub(crate) async fn expire(node: Arc<Inner>) {
    let mut leader = node.leader.subscribe();
    loop {
        leader.mark_unchanged();
        let wait = if node.raft.is_leader() { until_due(&node) } else { limits::POLL };
        let begun = Instant::now();
        if wait.is_zero() && expire_once(&node).await {
            // However much is due, callers have half of the time. Nobody waits for units: an order that is short expires
            // what is due of its SKUs by itself.
            tokio::select! {
                () = sleep(begun.elapsed()) => continue,
                () = node.stopping() => return,
            }
        }
        tokio::select! {
            // A hold placed meanwhile that ends sooner is late by a poll at most.
            () = sleep(wait.clamp(limits::EXPIRY_PAUSE, limits::POLL)) => {}
            // Whoever leads from now on may be this node, and holds have ended while nobody led.
            Ok(()) = leader.changed() => {}
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
    // What is due stays due: nothing is lost by waiting for room.
    if node.space.level() >= SpaceLevel::Full {
        return false;
    }
    let deadline = Instant::now() + limits::SYSTEM_COMMAND_TIMEOUT;
    let command = Command::ExpireDue(ExpireDue { limit: limits::EXPIRE_BATCH });
    match node.proposals.propose(codec::encode_request(None, &command), deadline).await {
        Ok(reply) => matches!(reply.outcome, Outcome::DueExpired { more: true, .. }),
        Err(error) => {
            tracing::debug!(%error, "holds that are due were not expired");
            false
        }
    }
}

/// Makes a snapshot when storage finds that the log has grown enough since the last one, and tells openraft of it. One
/// that can't be made raises an alarm and is tried again, ever more rarely: openraft itself would take that as the end
/// of the node.
pub(crate) async fn start_snapshots(node: Arc<Inner>) {
    let (first_pause, longest_pause) = limits::SNAPSHOT_RETRY_PAUSE;
    let mut room = node.space.watch();
    let mut retry = first_pause;
    let mut pause = limits::POLL;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            // More room may be what the last attempt lacked.
            Ok(()) = room.changed() => {}
            () = node.stopping() => return,
        }
        pause = limits::POLL;
        let failed = if node.state.should_snapshot() { node.state.make_snapshot().await.err() } else { None };
        match failed {
            Some(_) if node.is_stopping() => return,
            Some(error) => {
                let detail = format!(
                    "{error}; the log grows until a snapshot succeeds, the next attempt is in {retry:?}"
                );
                node.alarms.raise(AlarmKind::SnapshotFailed, detail);
                pause = retry;
                retry = (retry * 2).min(longest_pause);
            }
            None => {
                node.alarms.clear(AlarmKind::SnapshotFailed);
                retry = first_pause;
            }
        }
        if node.has_news_of_a_snapshot()
            && let Err(error) = node.raft.trigger().snapshot().await
        {
            tracing::debug!(%error, "raft has stopped; it doesn't hear of the snapshot");
            return;
        }
    }
}

impl Inner {
    /// True where a newer snapshot is published than the one that openraft purges the log by.
    fn has_news_of_a_snapshot(&self) -> bool {
        let published = self.snapshots.current().and_then(|snapshot| snapshot.meta().last_log_id);
        published > self.metrics(|metrics| metrics.snapshot)
    }
}
