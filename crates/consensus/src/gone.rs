//! A leader whose process is gone. Nobody listens at its address any more, so nobody has to wait until its silence has
//! become long enough to mean something: the followers ask for votes as soon as the lease that they granted it is over.
//!
//! A process that ends takes its connections with it, which the other end sees at once. That alone says little, for a
//! connection may break in other ways too; so the address is asked. Where it refuses a connection the process is gone,
//! and a gone process comes back as a follower. A host that died, or a cut cable, refuses nothing: there the election
//! timeout decides, as always.
//!
//! Invariants:
//! - No election becomes possible that was not possible before. Lease, pre-vote and log decide; all this does is to ask
//!   earlier than by chance.
//! - Followers ask one after the other: two that ask at once would split the votes and wait for a whole timeout.

use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::limits;
use crate::node::Inner;

/// What this node hears of leaders.
#[derive(Debug)]
pub(crate) struct Contact {
    /// When anything came from this node last.
    heard: Mutex<Option<(u64, Instant)>>,
    /// When this node last led itself.
    led: Mutex<Option<Instant>>,
    /// Counts streams that broke.
    broken: watch::Sender<u64>,
}

impl Default for Contact {
    fn default() -> Self {
        Self { heard: Mutex::default(), led: Mutex::default(), broken: watch::Sender::new(0) }
    }
}

impl Contact {
    /// A message of a leader has come.
    pub(crate) fn heard(&self, from: u64) {
        *self.heard.lock() = Some((from, Instant::now()));
    }

    /// A stream of a leader has broken.
    pub(crate) fn broke(&self) {
        self.broken.send_modify(|count| *count += 1);
    }

    /// This node leads: there is nobody to hear.
    pub(crate) fn leads(&self) {
        *self.led.lock() = Some(Instant::now());
    }

    /// For how long no leader was heard, and this node was none; `None` where there never was any.
    pub(crate) fn silence(&self) -> Option<Duration> {
        let heard = self.heard.lock().map(|(_, at)| at);
        heard.max(*self.led.lock()).map(|at| at.elapsed())
    }

    fn last_heard(&self, from: u64) -> Option<Instant> {
        self.heard.lock().and_then(|(node_id, at)| (node_id == from).then_some(at))
    }
}

/// Asks for votes early when the leader is gone.
pub(crate) async fn watch_leader(node: Arc<Inner>) {
    let mut broken = node.contact.broken.subscribe();
    loop {
        tokio::select! {
            changed = broken.changed() => if changed.is_err() { return },
            () = node.stopping() => return,
        }
        let (leader, term) = node.metrics(|metrics| (metrics.current_leader, metrics.current_term));
        let Some(leader) = leader.filter(|leader| *leader != node.identity.node_id) else { continue };
        tokio::select! {
            () = node.succeed(leader, term) => {}
            () = node.stopping() => return,
        }
    }
}

impl Inner {
    /// Where the leader of the term is gone, asks for votes until somebody has begun a later term.
    async fn succeed(&self, leader: u64, term: u64) {
        let Some(heard) = self.contact.last_heard(leader) else { return };
        if !self.is_gone(leader).await {
            return;
        }
        tracing::info!(leader, term, "the process of the leader is gone");
        let turn = self.turn_after(leader) * self.config.heartbeat;
        sleep_until(heard + self.config.election_timeout.1 + limits::LEASE_MARGIN + turn).await;
        let pause = limits::EARLY_VOTE_PAUSE.max(self.config.heartbeat / 2);
        for _ in 0..limits::EARLY_VOTES {
            let undecided = self
                .metrics(|metrics| metrics.current_term == term && metrics.state == ServerState::Follower);
            if !undecided || !self.may_ask_now() {
                return;
            }
            // Refused, and without any effect, as long as the lease holds.
            if self.raft.trigger().elect(true).await.is_err() {
                return;
            }
            sleep(pause).await;
        }
    }

    /// True where nobody listens at a node's address.
    async fn is_gone(&self, node_id: u64) -> bool {
        let Some(address) = self.peer_address(node_id) else { return false };
        for _ in 0..limits::GONE_PROBES {
            if self.links.refuses(node_id, &address).await {
                return true;
            }
            // The connections of a process that ends may close a moment before its ports do.
            sleep(limits::GONE_PROBE_PAUSE).await;
        }
        false
    }

    /// How many other voters ask before this one.
    fn turn_after(&self, leader: u64) -> u32 {
        let me = self.identity.node_id;
        let before = self.metrics(|metrics| {
            metrics.membership_config.voter_ids().filter(|voter| *voter != leader && *voter < me).count()
        });
        u32::try_from(before).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_led_for_long_has_missed_nobody() {
        const LONG: Duration = Duration::from_hours(1);
        const BRIEFLY: Duration = Duration::from_millis(100);
        let contact = Contact::default();
        assert_eq!(contact.silence(), None);
        contact.heard(2);
        tokio::time::advance(LONG).await;
        assert_eq!(contact.silence(), Some(LONG));
        contact.leads();
        tokio::time::advance(BRIEFLY).await;
        assert_eq!(contact.silence(), Some(BRIEFLY));
        assert_eq!(
            contact.last_heard(2).map(|at| at.elapsed()),
            Some(LONG + BRIEFLY),
            "of another it says nothing"
        );
        contact.heard(3);
        assert_eq!(contact.silence(), Some(Duration::ZERO));
    }
}
