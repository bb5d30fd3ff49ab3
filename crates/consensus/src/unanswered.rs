//! A leader whom no quorum answers. Most often the answers are late: a follower answers a heartbeat when its disk has what came
//! before it, and a busy machine delays all. So the leader goes on, for followers that hear it elect nobody. Where no answer
//! comes for long, the way back may be cut while the heartbeats still arrive, and keep the followers from electing one whom
//! they can answer: then the leader falls silent, by turns.
//!
//! Invariants:
//! - Who doesn't lead has its heartbeats on, so that it has them when it leads.
//! - A silence is long enough for an election; what follows is long enough for followers that elected nobody to hear of the leader.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::Instant as _;
use tokio::time::{Instant, interval};

use crate::limits;
use crate::node::Inner;

/// Turns the heartbeats of this node off and on.
pub(crate) async fn fall_silent(node: Arc<Inner>) {
    let lease = node.config.election_timeout.1;
    let (patience, turn) = (limits::UNANSWERED_PATIENCE.max(lease * 4), lease * 3);
    let mut leads: Option<(u64, Instant)> = None;
    let mut silent = false;
    let mut looks = interval(node.config.heartbeat);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = node.stopping() => return,
        }
        let unanswered = node.unanswered(&mut leads);
        let silent_now = unanswered.is_some_and(|unanswered| is_silent_after(unanswered, patience, turn));
        if silent_now != silent {
            tracing::debug!(silent_now, "no quorum answers the heartbeats of this leader");
            node.raft.runtime_config().heartbeat(!silent_now);
            silent = silent_now;
        }
    }
}

/// True in every other turn from when patience has ended.
fn is_silent_after(unanswered: Duration, patience: Duration, turn: Duration) -> bool {
    let over = unanswered.checked_sub(patience);
    over.is_some_and(|over| (over.as_nanos() / turn.as_nanos().max(1)).is_multiple_of(2))
}

impl Inner {
    /// For how long no quorum has answered this leader; `None` where this node doesn't lead. `leads` says since when it does.
    fn unanswered(&self, leads: &mut Option<(u64, Instant)>) -> Option<Duration> {
        let (term, leader, answered) = self.metrics(|metrics| {
            let answered = metrics.last_quorum_acked.map(|at| at.into_inner().elapsed());
            (metrics.current_term, metrics.state == openraft::ServerState::Leader, answered)
        });
        if !leader {
            *leads = None;
            return None;
        }
        let since = match *leads {
            Some((known, since)) if known == term => since,
            _ => Instant::now(),
        };
        *leads = Some((term, since));
        let leading = since.elapsed();
        Some(answered.map_or(leading, |answered| answered.min(leading)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_heard_while_answers_are_late_and_then_by_turns() {
        let (patience, turn) = (Duration::from_millis(1_000), Duration::from_millis(390));
        let is_silent = |ms| is_silent_after(Duration::from_millis(ms), patience, turn);
        assert!(!is_silent(0) && !is_silent(999));
        assert!(is_silent(1_000) && is_silent(1_389));
        assert!(!is_silent(1_390) && !is_silent(1_779));
        assert!(is_silent(1_780) && is_silent(2_000));
    }
}
