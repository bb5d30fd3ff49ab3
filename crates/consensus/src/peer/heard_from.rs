//! When this node, as the leader, has last been heard by its peers: what lease it has, and whether a quorum has confirmed it since
//! a read came in.
//!
//! Openraft keeps such times as well, by log ids: the answer to an append is taken for one to every append with that last log id, and
//! what only tells of a commit has the same one as the entry before it. So the answer to an old message can pass for one to a new
//! message. (The leader is stopped with answers of both followers unread, and another is elected; it goes on, reads one answer,
//! commits, tells the other follower, reads that one's old answer, and believes to be confirmed.) Here each answer belongs to the
//! message that it answers, as both come in the order of their stream.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::type_config::alias::{CommittedLeaderIdOf, VoteOf};
use parking_lot::Mutex;
use stockade_storage::TypeConfig;
use tokio::time::Instant;

use crate::limits;

type Vote = VoteOf<TypeConfig>;
type LeaderId = CommittedLeaderIdOf<TypeConfig>;

/// The newest message to each peer that was answered.
///
/// Invariants:
/// - It is of the highest vote under which that peer has answered.
/// - `sent_at` is not after the peer got it, and so not after it began the lease that it granted with its answer.
#[derive(Debug, Default)]
pub(crate) struct HeardFrom(Mutex<BTreeMap<u64, Heard>>);

#[derive(Debug, Clone, Copy)]
struct Heard {
    vote: Vote,
    sent_at: Instant,
    lease: Duration,
}

impl HeardFrom {
    /// A peer has answered what was sent to it then, and follows. It votes for nobody else for the time of the lease.
    pub(crate) fn note(&self, node_id: u64, vote: &Vote, sent_at: Instant, lease: Duration) {
        let mut peers = self.0.lock();
        let heard = Heard { vote: *vote, sent_at, lease };
        let known = peers.entry(node_id).or_insert(heard);
        match vote.partial_cmp(&known.vote) {
            Some(Ordering::Greater) => *known = heard,
            Some(Ordering::Equal) if sent_at > known.sent_at => *known = heard,
            // Of an earlier time.
            Some(Ordering::Equal | Ordering::Less) | None => {}
        }
    }

    /// True where a quorum of each set of voters has confirmed this leader by answers to what was sent at that instant or later.
    /// `me` is one of them without being asked.
    pub(crate) fn is_confirmed_since(
        &self,
        since: Instant,
        me: u64,
        leader: &LeaderId,
        voters: &[BTreeSet<u64>],
    ) -> bool {
        self.has_quorum(me, leader, voters, &|heard| heard.sent_at >= since)
    }

    /// True where a quorum of each set of voters votes for nobody else at that instant, nor did since it was sent something.
    pub(crate) fn has_lease_at(
        &self,
        now: Instant,
        me: u64,
        leader: &LeaderId,
        voters: &[BTreeSet<u64>],
    ) -> bool {
        self.has_quorum(me, leader, voters, &|heard| {
            now < heard.sent_at + heard.lease * limits::LEASE_RELIED_ON_PERCENT / 100
        })
    }

    fn has_quorum(
        &self,
        me: u64,
        leader: &LeaderId,
        voters: &[BTreeSet<u64>],
        counts: &dyn Fn(&Heard) -> bool,
    ) -> bool {
        let peers = self.0.lock();
        let confirms = |voter: &&u64| {
            let of_this_leader = |heard: &&Heard| heard.vote.leader_id == *leader;
            **voter == me || peers.get(voter).filter(of_this_leader).is_some_and(counts)
        };
        !voters.is_empty()
            && voters.iter().all(|voters| voters.iter().filter(confirms).count() * 2 > voters.len())
    }
}

#[cfg(test)]
mod tests {
    use openraft::impls::leader_id_adv::LeaderId as LeaderIdAdv;

    use super::*;

    const LEASE: Duration = Duration::from_millis(100);

    fn leader(term: u64) -> super::LeaderId {
        LeaderIdAdv { term, node_id: 1 }
    }

    fn three() -> Vec<BTreeSet<u64>> {
        vec![BTreeSet::from([1, 2, 3])]
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_before_the_promise_does_and_counts_from_when_the_question_was_sent() {
        let heard = HeardFrom::default();
        let sent_at = Instant::now();
        assert!(!heard.has_lease_at(sent_at, 1, &leader(1), &three()));
        // The answer comes late; that makes no difference.
        tokio::time::advance(LEASE / 2).await;
        heard.note(2, &Vote::new_committed(1, 1), sent_at, LEASE);
        assert!(heard.has_lease_at(sent_at + LEASE * 89 / 100, 1, &leader(1), &three()));
        assert!(!heard.has_lease_at(sent_at + LEASE * 90 / 100, 1, &leader(1), &three()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_promises_nothing_gives_no_lease() {
        let heard = HeardFrom::default();
        heard.note(2, &Vote::new_committed(1, 1), Instant::now(), Duration::ZERO);
        assert!(!heard.has_lease_at(Instant::now(), 1, &leader(1), &three()));
        assert!(heard.is_confirmed_since(Instant::now(), 1, &leader(1), &three()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_before_confirms_nothing() {
        let heard = HeardFrom::default();
        let before = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        let asked_at = Instant::now();
        heard.note(2, &Vote::new_committed(1, 1), before, LEASE);
        assert!(!heard.is_confirmed_since(asked_at, 1, &leader(1), &three()));
        heard.note(3, &Vote::new_committed(1, 1), asked_at, LEASE);
        assert!(heard.is_confirmed_since(asked_at, 1, &leader(1), &three()));
        // A late answer on another stream takes nothing back.
        heard.note(3, &Vote::new_committed(1, 1), before, LEASE);
        assert!(heard.is_confirmed_since(asked_at, 1, &leader(1), &three()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_term_gives_nothing_to_a_later_one() {
        let heard = HeardFrom::default();
        let now = Instant::now();
        heard.note(2, &Vote::new_committed(1, 1), now, LEASE);
        assert!(!heard.has_lease_at(now, 1, &leader(2), &three()));
        heard.note(2, &Vote::new_committed(2, 1), now, LEASE);
        assert!(heard.has_lease_at(now, 1, &leader(2), &three()));
        assert!(!heard.has_lease_at(now, 1, &leader(1), &three()));
    }

    #[tokio::test(start_paused = true)]
    async fn while_voters_change_both_sets_count() {
        let heard = HeardFrom::default();
        let now = Instant::now();
        let joint = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 4, 5])];
        heard.note(2, &Vote::new_committed(1, 1), now, LEASE);
        assert!(!heard.has_lease_at(now, 1, &leader(1), &joint));
        heard.note(4, &Vote::new_committed(1, 1), now, LEASE);
        assert!(heard.has_lease_at(now, 1, &leader(1), &joint));
        assert!(heard.has_lease_at(now, 1, &leader(1), &[BTreeSet::from([1])]), "alone it asks nobody");
    }
}
