//! How a node finds out that the cluster goes on without it.
//!
//! Nobody tells it: the entry that removes a node is not sent to it any more, and one that was down for long knows
//! nothing at all. So it asks the members that it remembers which membership they know to be committed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use openraft::async_runtime::WatchReceiver as _;
use stockade_proto::internal as wire;
use tokio::time::interval;

use crate::limits;
use crate::node::Inner;

/// A committed membership: the log index of its entry, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Committed {
    pub(crate) index: u64,
    pub(crate) members: BTreeSet<u64>,
}

impl Committed {
    fn of_answer(answer: wire::StatusResponse) -> Option<Self> {
        // A version before this field was there tells nothing.
        let known = !answer.membership.is_empty();
        known.then(|| Self {
            index: answer.membership_index,
            members: answer.membership.into_iter().collect(),
        })
    }
}

/// Whether a node is no member any more; `None` where what is known doesn't say.
///
/// The peers' word counts where it is not older than the node's own log. The node's own log counts only if it was a
/// member of it before: one that is still being brought up reads memberships of times before it came.
fn is_removed(me: u64, was_member: bool, own: Option<&Committed>, told: Option<&Committed>) -> Option<bool> {
    match (own, told) {
        (own, Some(told)) if own.is_none_or(|own| own.index <= told.index) => {
            Some(!told.members.contains(&me))
        }
        (Some(own), _) if was_member || own.members.contains(&me) => Some(!own.members.contains(&me)),
        _ => None,
    }
}

/// Looks now and then whether this node is still a member.
pub(crate) async fn watch(node: Arc<Inner>) {
    let me = node.identity.node_id;
    let mut was_member = false;
    let mut poll = interval(limits::POLL);
    let mut raft = node.raft.server_metrics();
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            // A leader that is removed knows it with the commit, and needs nobody to tell it.
            changed = raft.changed() => {
                if changed.is_err() {
                    return;
                }
                let own = node.committed_membership();
                was_member |= own.as_ref().is_some_and(|own| own.members.contains(&me));
                if is_removed(me, was_member, own.as_ref(), None) == Some(true) {
                    node.note_removal(true);
                }
                continue;
            }
            () = node.stopping() => return,
        }
        let last_index = node.metrics(|metrics| metrics.last_log_index);
        if last_index.is_none() {
            // It waits for its first entries: it is no member yet.
            continue;
        }
        let peers: Vec<u64> = node.members().into_keys().filter(|node_id| *node_id != me).collect();
        let answers = tokio::select! {
            answers = join_all(peers.into_iter().map(|peer| node.ask(peer))) => answers,
            () = node.stopping() => return,
        };
        let told = answers.into_iter().flatten().filter_map(Committed::of_answer).max();
        let own = node.committed_membership();
        was_member |= own.as_ref().is_some_and(|own| own.members.contains(&me));
        if let Some(removed) = is_removed(me, was_member, own.as_ref(), told.as_ref()) {
            node.note_removal(removed);
        }
    }
}

impl Inner {
    /// The newest membership that this node knows to be committed.
    pub(crate) fn committed_membership(&self) -> Option<Committed> {
        self.metrics(|metrics| {
            let committed = &metrics.committed_membership_config;
            let index = committed.log_id().as_ref().map(openraft::LogId::index)?;
            Some(Committed { index, members: committed.nodes().map(|(node_id, _)| *node_id).collect() })
        })
    }

    /// A node that is no member serves nobody and asks for no votes.
    fn note_removal(&self, removed: bool) {
        if self.membership.removed.swap(removed, Ordering::AcqRel) == removed {
            return;
        }
        if removed {
            tracing::warn!(
                node_id = self.identity.node_id,
                "this node is no member of its cluster any more: it was removed, or another took its place. It serves \
                 nobody now. Stop it; to bring the machine back, empty its data directory and start it with --join and \
                 a new --node-id"
            );
        } else {
            tracing::info!(node_id = self.identity.node_id, "this node is a member of its cluster");
        }
        self.allow_or_forbid_elections();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(index: u64, members: &[u64]) -> Committed {
        Committed { index, members: members.iter().copied().collect() }
    }

    #[test]
    fn a_node_that_was_away_believes_those_who_know_more() {
        let own = committed(0, &[1, 2, 3]);
        let told = committed(40, &[1, 3, 4]);
        assert_eq!(is_removed(2, true, Some(&own), Some(&told)), Some(true));
        assert_eq!(is_removed(3, true, Some(&own), Some(&told)), Some(false));
    }

    #[test]
    fn a_peer_that_knows_less_removes_nobody() {
        let own = committed(40, &[1, 3, 4]);
        let told = committed(0, &[1, 2, 3]);
        assert_eq!(is_removed(4, true, Some(&own), Some(&told)), Some(false));
    }

    #[test]
    fn a_node_that_is_brought_up_is_not_removed_by_what_was_before_it_came() {
        let own = committed(0, &[1, 2, 3]);
        assert_eq!(is_removed(4, false, Some(&own), None), None);
        assert_eq!(is_removed(4, false, Some(&own), Some(&committed(40, &[1, 2, 3, 4]))), Some(false));
    }

    #[test]
    fn a_leader_that_removed_itself_needs_nobody_to_tell_it() {
        let own = committed(40, &[1, 3, 4]);
        assert_eq!(is_removed(2, true, Some(&own), None), Some(true));
    }
}
