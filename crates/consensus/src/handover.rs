//! Giving the lead away: when the node is told to, and by itself while its disk has too little room to lead.
//!
//! Invariants:
//! - One hand-over at a time: two followers that are asked to lead part the votes.
//! - No write is taken from the beginning of a hand-over to its end, however it ends, and those that were taken before
//!   are answered first, as long as that takes no longer than [`limits::HANDOVER_SETTLING`]: then nothing comes into the
//!   log after its end was compared with the follower's.
//! - Only a follower that has the whole log is asked. One that lacks entries would refuse, and the leader that has asked
//!   it leads no more: that costs an election. It has said that it is ready: one that has not caught up since its start
//!   serves nobody. Of several, one that has nearly all of it applied: a leader answers nothing before it has.
//! - A change of the membership is let finish first, as long as that takes no longer than half of the patience: between
//!   its two entries it would be left half done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::Instant as _;
use openraft::metrics::RaftMetrics;
use stockade_storage::{SpaceLevel, TypeConfig};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::limits;
use crate::node::{Inner, Node};
use crate::status::NodeStatus;
use crate::successor::successors;

/// The turn of whoever gives the lead away.
#[derive(Debug, Default)]
pub(crate) struct Handover(Mutex<Option<Asked>>);

/// Of a follower: it has applied what this node has, but for what is done in a moment.
#[derive(Debug, Clone, Copy)]
struct NearlyAllApplied(bool);

/// Who was asked last to take the lead over.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// That this node led then.
    term: u64,
    node_id: u64,
}

impl Handover {
    /// True while somebody tries to give the lead away.
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.try_lock().is_err()
    }

    /// True where the lead may move yet out of a term of this node or a later one: somebody was asked in it, or is being asked.
    pub(crate) fn may_move(&self, term: u64) -> bool {
        self.0.try_lock().map_or(true, |asked| asked.is_some_and(|asked| asked.term >= term))
    }
}

impl Node {
    /// Hands the lead to a caught-up follower, if this node has it. A follower that lacks entries is never chosen: a
    /// transfer that fails costs an election. So new proposals are refused meanwhile. Where no other voter is heard of,
    /// there is nobody to wait for.
    pub async fn resign(&self, patience: Duration) {
        self.0.hand_over_between_changes(patience, &|_| true).await;
    }
}

impl Inner {
    /// See [`Inner::hand_over`]. A change of the membership that is under way comes first, for half of the patience. One that
    /// takes longer may be held up by what is wrong with this node, and is left to whoever leads then.
    pub(crate) async fn hand_over_between_changes(
        &self,
        patience: Duration,
        may_lead: &(dyn Fn(u64) -> bool + Sync),
    ) -> bool {
        let begun = Instant::now();
        let turn = timeout(patience / limits::HANDOVER_CHANGE_SHARE, self.membership.turn()).await;
        if turn.is_err() {
            tracing::warn!("a change of the membership goes on while the lead is handed over");
        }
        self.hand_over(patience.saturating_sub(begun.elapsed()), may_lead).await
    }

    /// Gives the lead to another voter, of those that may lead. True where this node doesn't lead at the end. What another
    /// hand-over takes that is under way counts as patience too.
    pub(crate) async fn hand_over(
        &self,
        patience: Duration,
        may_lead: &(dyn Fn(u64) -> bool + Sync),
    ) -> bool {
        let in_turn = async {
            let mut asked = self.handover.0.lock().await;
            // Meanwhile another may have got it.
            !self.raft.is_leader() || self.hand_over_in_turn(&mut asked, may_lead).await
        };
        timeout(patience, in_turn).await.unwrap_or_else(|_| {
            tracing::warn!("nobody took the lead over in time");
            false
        })
    }

    /// Whoever waits for this may go away in the middle of it.
    async fn hand_over_in_turn(
        &self,
        asked: &mut Option<Asked>,
        may_lead: &(dyn Fn(u64) -> bool + Sync),
    ) -> bool {
        if !self.hears_a_voter() {
            tracing::info!("no other voter is there to take the lead over");
            return false;
        }
        let mut ready = self.ready_voters().await;
        let mut closed = std::pin::pin!(self.proposals.close());
        // What is not answered by then is held up by something else, and is sent again by whoever waits for it.
        let settled = timeout(limits::HANDOVER_SETTLING, &mut closed).await;
        let term = self.metrics(|metrics| metrics.current_term);
        let before = asked.filter(|asked| asked.term == term).map(|asked| asked.node_id);
        let node_id = loop {
            if let Some(node_id) = self.caught_up_follower(before, &ready, may_lead) {
                break node_id;
            }
            if !self.raft.is_leader() {
                return true;
            }
            if !self.hears_a_voter() {
                tracing::info!("the other voters fell silent: nobody takes the lead over");
                return false;
            }
            sleep(limits::RESIGN_POLL).await;
            ready = self.ready_voters().await;
        };
        tracing::info!(target = node_id, settled = settled.is_ok(), "the lead is handed over");
        *asked = Some(Asked { term, node_id });
        if self.raft.trigger().transfer_leader(node_id).await.is_err() {
            return false;
        }
        let mut leader = self.leader.subscribe();
        let me = Some(self.identity.node_id);
        // An error can't be: the sender lives in the node.
        leader.wait_for(|leader| leader.node_id.is_some() && leader.node_id != me).await.is_ok()
    }

    /// True where another voter that is not to be stopped has answered lately: somebody could take the lead over.
    fn hears_a_voter(&self) -> bool {
        self.metrics(|metrics| self.heard_voters(metrics).next().is_some())
    }

    /// The other voters that have answered lately and are not to be stopped.
    fn heard_voters<'a>(
        &'a self,
        metrics: &'a RaftMetrics<TypeConfig>,
    ) -> impl Iterator<Item = u64> + use<'a> {
        let others = metrics.membership_config.voter_ids().filter(|voter| *voter != metrics.id);
        others.filter(|voter| {
            let heard = metrics.heartbeat.as_ref().and_then(|heard| *heard.get(voter)?);
            heard.is_some_and(|heard| heard.into_inner().elapsed() < self.config.lease_memory())
                && !self.drained_peers.lock().contains(voter)
        })
    }

    /// A follower that has the whole log, is there and ready, of those that may lead; the one that was asked before, where it
    /// is one of them, else one that has nearly all applied, where there is one.
    fn caught_up_follower(
        &self,
        asked_before: Option<u64>,
        ready: &BTreeMap<u64, NearlyAllApplied>,
        may_lead: &(dyn Fn(u64) -> bool + Sync),
    ) -> Option<u64> {
        self.metrics(|metrics| {
            let last = metrics.last_log_index?;
            let replication = metrics.replication.as_ref()?;
            let caught_up = |node_id: u64| {
                let nearly_all_applied = ready.get(&node_id).filter(|_| may_lead(node_id))?;
                let matched = replication.get(&node_id)?.as_ref()?;
                (matched.index() == last).then_some((node_id, nearly_all_applied))
            };
            let followers = self.heard_voters(metrics).filter_map(caught_up);
            let chosen = followers.min_by_key(|(node_id, nearly_all_applied)| {
                (Some(*node_id) != asked_before, !nearly_all_applied.0)
            });
            chosen.map(|(node_id, _)| node_id)
        })
    }

    /// The other voters that say now that they have caught up since their start.
    async fn ready_voters(&self) -> BTreeMap<u64, NearlyAllApplied> {
        let heard: Vec<u64> = self.metrics(|metrics| self.heard_voters(metrics).collect());
        let applied = self.state.applied().get();
        // By the rule that two round trips fit between heartbeats an answer has the time for one.
        let look = limits::HANDOVER_LOOK.max(self.config.heartbeat);
        let asked = heard.into_iter().map(|node_id| async move {
            let status = timeout(look, self.ask_status(node_id)).await.ok()??;
            let lag = applied.saturating_sub(status.applied_index);
            status.ready.then_some((node_id, NearlyAllApplied(lag <= limits::HANDOVER_LAG)))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// What the other voters say of themselves that were heard of lately and answer now.
    pub(crate) async fn ask_heard_voters(&self) -> Vec<NodeStatus> {
        let heard: Vec<u64> = self.metrics(|metrics| self.heard_voters(metrics).collect());
        let asked = join_all(heard.into_iter().map(|node_id| self.ask_status(node_id))).await;
        asked.into_iter().flatten().collect()
    }

    /// Hands the lead to a voter that does better than this node, which stalls.
    pub(crate) async fn hand_over_to_well(&self) -> bool {
        let level = self.space.level();
        self.hand_over_to_one_with(|room| room <= level).await
    }

    /// Hands the lead to a voter with more room than this node has. Never to an equal: the lead would go round.
    async fn hand_over_to_room(&self) -> bool {
        let level = self.space.level();
        self.hand_over_to_one_with(|room| room < level).await
    }

    async fn hand_over_to_one_with(&self, room: impl Fn(SpaceLevel) -> bool) -> bool {
        let successors: BTreeSet<u64> = successors(&self.ask_heard_voters().await, room);
        !successors.is_empty()
            && self
                .hand_over_between_changes(self.config.handover_patience(), &|node_id| {
                    successors.contains(&node_id)
                })
                .await
    }
}

/// Gives the lead to a node with more room while this node has too little: a leader that refuses what needs room would
/// keep the whole cluster from taking it.
pub(crate) async fn leave_when_short(node: Arc<Inner>) {
    let (first_pause, longest_pause) = limits::ROOM_HANDOVER_PAUSE;
    let mut level = node.space.watch();
    let mut leader = node.leader.subscribe();
    let mut pause = first_pause;
    loop {
        let short = *level.borrow_and_update() > SpaceLevel::Enough;
        let leads = leader.borrow_and_update().node_id == Some(node.identity.node_id);
        if short && leads && !node.is_stopping() && !node.handover.is_under_way() {
            tracing::warn!(
                "the disk of the leader has too little room: the lead goes to a node with more, if there is one"
            );
            if node.hand_over_to_room().await {
                pause = first_pause;
            } else {
                // A transfer that fails costs the cluster an election, so they come ever more rarely.
                pause = (pause * 2).min(longest_pause);
            }
        }
        let again = short && leads;
        tokio::select! {
            () = sleep(pause), if again => {}
            changed = level.changed() => if changed.is_err() { return },
            changed = leader.changed(), if !again => if changed.is_err() { return },
            () = node.stopping() => return,
        }
    }
}
