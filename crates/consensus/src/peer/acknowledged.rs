//! What the peers have acknowledged to this node while it leads, and who of them has it no longer.
//!
//! A follower that lacks an entry which it had acknowledged to this very leader has a disk that lost what was synced, or
//! was given older data. Openraft takes that for a bug of its own and panics, or never sends that peer anything again. So
//! it doesn't hear of it: to openraft such a peer can't be reached, and so counts for nothing, until it has the entry
//! again or is no member any more. The peer is told with the next question for its status, and stops itself.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use openraft::type_config::alias::{LogIdOf, VoteOf};
use parking_lot::Mutex;
use stockade_storage::TypeConfig;

type Vote = VoteOf<TypeConfig>;
type LogId = LogIdOf<TypeConfig>;

/// What the peers have acknowledged.
///
/// Invariants:
/// - An entry is of the highest vote under which that peer was sent anything.
/// - `lost` was said after `matched` was: answers to one leader come in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged(Mutex<BTreeMap<u64, Peer>>);

#[derive(Debug, Clone, Copy)]
struct Peer {
    vote: Vote,
    matched: LogId,
    lost: Option<LogId>,
}

/// A peer that has lost what it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// This node's vote, as the leader that it was acknowledged to.
    pub(crate) vote: Vote,
    /// The last log id that the peer said it had.
    pub(crate) acknowledged: LogId,
    /// One up to there that it then said it doesn't have.
    pub(crate) missing: LogId,
}

impl Acknowledged {
    /// A peer says that it has the log up to here.
    pub(crate) fn matched(&self, node_id: u64, vote: &Vote, log_id: LogId) {
        let mut peers = self.0.lock();
        let told = Peer { vote: *vote, matched: log_id, lost: None };
        let known = peers.entry(node_id).or_insert(told);
        match vote.partial_cmp(&known.vote) {
            Some(Ordering::Greater) => *known = told,
            Some(Ordering::Equal) if log_id.index >= known.matched.index => *known = told,
            // Of an earlier time.
            Some(Ordering::Equal | Ordering::Less) | None => {}
        }
    }

    /// A peer says that it doesn't have this log id. True where it had said otherwise.
    pub(crate) fn conflicts(&self, node_id: u64, vote: &Vote, missing: LogId) -> bool {
        let mut peers = self.0.lock();
        let Some(known) = peers.get_mut(&node_id) else { return false };
        if known.vote != *vote || missing.index > known.matched.index {
            return false;
        }
        known.lost = Some(missing);
        true
    }

    /// What a peer has lost, if it has.
    pub(crate) fn lost(&self, node_id: u64) -> Option<Lost> {
        let known = *self.0.lock().get(&node_id)?;
        Some(Lost { vote: known.vote, acknowledged: known.matched, missing: known.lost? })
    }
}

#[cfg(test)]
mod tests {
    use openraft::impls::leader_id_adv::LeaderId;

    use super::*;

    fn vote(term: u64) -> Vote {
        Vote::new_committed(term, 1)
    }

    fn log_id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: 1 }, index)
    }

    #[test]
    fn a_conflict_above_what_was_acknowledged_is_how_the_leader_finds_out_where_a_peer_is() {
        let acknowledged = Acknowledged::default();
        assert!(!acknowledged.conflicts(2, &vote(1), log_id(9)));
        acknowledged.matched(2, &vote(1), log_id(5));
        assert!(!acknowledged.conflicts(2, &vote(1), log_id(6)));
        assert_eq!(acknowledged.lost(2), None);
    }

    #[test]
    fn a_conflict_at_what_was_acknowledged_means_that_it_is_lost_until_it_is_there_again() {
        let acknowledged = Acknowledged::default();
        acknowledged.matched(2, &vote(1), log_id(5));
        assert!(acknowledged.conflicts(2, &vote(1), log_id(5)));
        let lost = Lost { vote: vote(1), acknowledged: log_id(5), missing: log_id(5) };
        assert_eq!((acknowledged.lost(2), acknowledged.lost(3)), (Some(lost), None));
        acknowledged.matched(2, &vote(1), log_id(4));
        assert_eq!(acknowledged.lost(2), Some(lost));
        acknowledged.matched(2, &vote(1), log_id(5));
        assert_eq!(acknowledged.lost(2), None);
    }

    #[test]
    fn what_was_acknowledged_in_an_earlier_term_may_be_cut_off() {
        let acknowledged = Acknowledged::default();
        acknowledged.matched(2, &vote(1), log_id(5));
        assert!(!acknowledged.conflicts(2, &vote(2), log_id(5)));
        acknowledged.matched(2, &vote(2), log_id(3));
        assert!(!acknowledged.conflicts(2, &vote(2), log_id(4)));
        acknowledged.matched(2, &vote(1), log_id(9));
        assert!(
            !acknowledged.conflicts(2, &vote(2), log_id(4)),
            "a late answer to the old leader says nothing"
        );
    }
}
