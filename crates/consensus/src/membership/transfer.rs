//! The lead goes to another voter, because somebody asks for it.

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep};

use super::change::Failed;
use super::{MembershipRefusal, RefusalKind};
use crate::limits;
use crate::node::Inner;
use crate::read::Confirmed;
use crate::status::NodeStatus;
use crate::successor::successors;

impl Inner {
    /// See [`Inner::try_transfer`]. Where somebody was asked in this term to take the lead, by this call or another, the lead may
    /// move yet, and so a call that failed did not fail for certain.
    pub(crate) async fn transfer_here(
        &self,
        to: Option<u64>,
        away_from: Option<u64>,
        deadline: Instant,
    ) -> Result<u64, Failed> {
        let term = self.metrics(|metrics| metrics.current_term);
        let transferred = self.try_transfer(to, away_from, deadline).await;
        transferred.map_err(|failed| if self.handover.may_move(term) { Failed::Unknown } else { failed })
    }

    /// Gives the lead to a voter, the one that is named or one with no less room than this node; gives its id. While it is
    /// silent nothing is tried: a transfer that can't succeed costs writes and perhaps an election. Where it was to be taken
    /// from another node, which doesn't have it any more, that was done before, and nothing is done now.
    async fn try_transfer(
        &self,
        to: Option<u64>,
        away_from: Option<u64>,
        deadline: Instant,
    ) -> Result<u64, Failed> {
        let me = self.identity.node_id;
        if to == Some(me) || away_from.is_some_and(|node_id| node_id != me) {
            // One that was deposed and hasn't heard of it knows nothing of who leads.
            return self
                .read_index_here(Confirmed::ByQuorum)
                .await
                .map(|_| me)
                .map_err(|_| Failed::NotLeader);
        }
        let refuse = |kind, message| Err(Failed::Refused(MembershipRefusal { kind, message }));
        if let Some(to) = to.filter(|to| !self.is_voter(*to)) {
            return refuse(RefusalKind::NodeUnknown, format!("node {to} has no vote; only a voter can lead"));
        }
        if let Some(to) = to.filter(|to| self.drained_peers.lock().contains(to)) {
            let what =
                format!("node {to} is drained, about to be stopped; choose another, or take the drain back");
            return refuse(RefusalKind::NodeUnfit, what);
        }
        let patience = deadline.min(Instant::now() + limits::QUORUM_PATIENCE);
        let fit = loop {
            let fit = self.fit_to_lead(to).await;
            if !fit.is_empty() {
                break fit;
            }
            if !self.raft.is_leader() {
                return Err(Failed::NotLeader);
            }
            if Instant::now() >= patience {
                let message = match to {
                    Some(to) => format!("the leader has not heard of node {to} lately; is it running?"),
                    None => "no other voter that is well and has as much room has answered the leader; name one, or see \
                             what is wrong with them: stockade cluster status"
                        .to_owned(),
                };
                return refuse(RefusalKind::LearnerBehind, message);
            }
            sleep(limits::RESIGN_POLL).await;
        };
        if self.hand_over(self.config.handover_patience(), &|node_id| fit.contains(&node_id)).await {
            let leader = self.leader.borrow().node_id.filter(|leader| *leader != me);
            // Where another one got it, that one is asked next.
            return leader.filter(|leader| to.is_none_or(|to| to == *leader)).ok_or(Failed::NotLeader);
        }
        let whom = to.map_or_else(|| "another voter".to_owned(), |to| format!("node {to}"));
        refuse(
            RefusalKind::LearnerBehind,
            format!(
                "{whom} has not taken the lead over in time: it lacks too much of the log; try again later"
            ),
        )
    }

    /// Who is to have the lead: the one that is named or, where none is, whoever suits; of those that were heard of lately
    /// and answer now. One that died a moment ago would get the lead only to leave everybody without.
    async fn fit_to_lead(&self, to: Option<u64>) -> BTreeSet<u64> {
        let others = self.ask_heard_voters().await;
        let Some(to) = to else {
            let level = self.space.level();
            return successors(&others, |room| room <= level);
        };
        let is_it = |other: &&NodeStatus| other.node_id == to && other.ready;
        others.iter().filter(is_it).map(|other| other.node_id).collect()
    }
}
