//! A leader whom no quorum answers. Most often the answers are late: a follower answers a heartbeat when its disk has what came
//! before it, and a busy machine delays all. So the leader goes on, for followers that hear it elect nobody. Where no answer
//! comes for long, the way back may be cut while the heartbeats still arrive, and keep the followers from electing one whom
//! they can answer: then the leader falls silent, by turns.
//!
//! Invariants:
//! - Who doesn't lead has its heartbeats on, so that it has them when it leads.
//! - A silence is long enough for an election; what follows is long enough for followers that elected nobody to hear of the leader.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::{Instant as _, ServerState};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::limits;
use crate::node::Inner;

/// Turns the heartbeats of this node off and on.
pub(crate) async fn fall_silent(node: Arc<Inner>) {
    let lease = node.config.election_timeout.1;
    let (patience, turn) = (limits::UNANSWERED_PATIENCE.max(lease * 4), lease * 3);
    let mut watch = Watch { longest_pause: lease, leads: None };
    let mut looks = interval(node.config.heartbeat);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = node.stopping() => return,
        }
        let unanswered = watch.look(&node);
        let silent = unanswered.is_some_and(|unanswered| is_silent_after(unanswered, patience, turn));
        if node.silent.swap(silent, Ordering::AcqRel) != silent {
            tracing::debug!(silent, "no quorum answers the heartbeats of this leader");
            node.raft.runtime_config().heartbeat(!silent);
        }
    }
}

/// True in every other turn from when patience has ended.
fn is_silent_after(unanswered: Duration, patience: Duration, turn: Duration) -> bool {
    let over = unanswered.checked_sub(patience);
    over.is_some_and(|over| (over.as_nanos() / turn.as_nanos().max(1)).is_multiple_of(2))
}

/// Since when this node leads and waits for answers.
struct Watch {
    /// After a longer one between two looks this node has stood still, and can't have heard anybody.
    longest_pause: Duration,
    leads: Option<Leading>,
}

#[derive(Clone, Copy)]
struct Leading {
    term: u64,
    since: Instant,
    last_look: Instant,
}

impl Watch {
    /// For how long no quorum has answered; `None` where this node doesn't lead or needs nobody.
    fn look(&mut self, node: &Inner) -> Option<Duration> {
        let (term, leads, answered) = node.metrics(|metrics| {
            let alone = metrics.membership_config.voter_ids().count() == 1;
            let leads = metrics.state == ServerState::Leader && !alone;
            (metrics.current_term, leads, metrics.last_quorum_acked.map(|at| at.into_inner().elapsed()))
        });
        if !leads {
            self.leads = None;
            return None;
        }
        let waited = self.waited(term, Instant::now());
        Some(answered.map_or(waited, |answered| answered.min(waited)))
    }

    /// For how long this node has looked for answers as the leader of a term.
    fn waited(&mut self, term: u64, now: Instant) -> Duration {
        let went_on = self.leads.filter(|leading| {
            leading.term == term && now.duration_since(leading.last_look) <= self.longest_pause
        });
        let since = went_on.map_or(now, |leading| leading.since);
        self.leads = Some(Leading { term, since, last_look: now });
        now.duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_heard_while_answers_are_late_and_then_by_turns() {
        let (patience, turn) = (Duration::from_secs(1), Duration::from_millis(390));
        let is_silent = |ms| is_silent_after(Duration::from_millis(ms), patience, turn);
        assert!(!is_silent(0) && !is_silent(999));
        assert!(is_silent(1_000) && is_silent(1_389));
        assert!(!is_silent(1_390) && !is_silent(1_779));
        assert!(is_silent(1_780) && is_silent(2_000));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stood_still_or_leads_anew_waits_from_then_on() {
        let ms = Duration::from_millis;
        let mut watch = Watch { longest_pause: ms(130), leads: None };
        let begun = Instant::now();
        assert_eq!(watch.waited(3, begun), ms(0));
        assert_eq!(watch.waited(3, begun + ms(130)), ms(130));
        assert_eq!(watch.waited(3, begun + ms(230)), ms(230));
        assert_eq!(watch.waited(3, begun + ms(1_500)), ms(0), "it stood still");
        assert_eq!(watch.waited(3, begun + ms(1_530)), ms(30));
        assert_eq!(watch.waited(5, begun + ms(1_560)), ms(0), "another term");
    }
}
