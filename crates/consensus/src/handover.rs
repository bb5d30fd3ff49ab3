//! Giving the lead away: when the node is told to stop, and by itself while its disk has too little room to lead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::Instant as _;
use openraft::metrics::RaftMetrics;
use stockade_storage::{AlarmKind, SpaceLevel, TypeConfig};
use tokio::time::{Instant, sleep, timeout};

use crate::limits;
use crate::membership::{Failed, MembershipRefusal, RefusalKind};
use crate::node::Inner;
use crate::status::NodeStatus;

/// No write is taken as long as one of these lives.
struct Resigning<'a>(&'a AtomicUsize);

impl<'a> Resigning<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Resigning<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Inner {
    /// True while somebody tries to give the lead away: no write is taken.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.resigning.load(Ordering::Acquire) > 0
    }

    /// See [`crate::Node::drain`].
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        self.drained.store(true, Ordering::Release);
        self.allow_or_forbid_elections();
        // Who else is about to be stopped, as of now.
        self.room_of_others().await;
        self.hand_over(patience, &|_| true).await
    }

    /// See [`crate::Node::end_drain`].
    pub(crate) fn end_drain(&self) {
        self.drained.store(false, Ordering::Release);
        self.needed.store(false, Ordering::Release);
        self.allow_or_forbid_elections();
    }

    /// See [`crate::Node::resign`]. True where another node has the lead at the end; only who `may_lead` is asked to.
    pub(crate) async fn hand_over(
        &self,
        patience: Duration,
        may_lead: &(dyn Fn(u64) -> bool + Sync),
    ) -> bool {
        if !self.raft.is_leader() {
            return true;
        }
        // Whoever asked may go away in the middle of it, and another hand-over may be under way.
        let _resigning = Resigning::begin(&self.resigning);
        let handed_over = async {
            let target = loop {
                if let Some(target) = self.caught_up_follower(may_lead) {
                    break target;
                }
                if !self.hears_a_voter() {
                    tracing::info!("no other voter is there to take the lead over");
                    return false;
                }
                sleep(limits::RESIGN_POLL).await;
            };
            tracing::info!(target, "the lead is handed over");
            if self.raft.trigger().transfer_leader(target).await.is_err() {
                return false;
            }
            let mut leader = self.leader.subscribe();
            let me = Some(self.identity.node_id);
            // An error can't be: the sender lives in the node.
            leader.wait_for(|leader| leader.node_id.is_some() && leader.node_id != me).await.is_ok()
        };
        timeout(patience, handed_over).await.unwrap_or_else(|_| {
            tracing::warn!("nobody took the lead over in time");
            false
        })
    }

    /// Gives the lead to a voter, the one that is named or one with no less room than this node; gives its id. While it is
    /// silent nothing is tried: a transfer that can't succeed costs writes and perhaps an election.
    pub(crate) async fn transfer_here(&self, to: Option<u64>, deadline: Instant) -> Result<u64, Failed> {
        let me = self.identity.node_id;
        if to == Some(me) {
            return Ok(me);
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
        let level = self.space.level();
        let has_room = |node_id: u64| self.levels.lock().get(&node_id).is_none_or(|other| *other <= level);
        let fits = |node_id: u64| to.map_or_else(|| has_room(node_id), |to| to == node_id);
        let patience = deadline.min(Instant::now() + limits::QUORUM_PATIENCE);
        let answering = loop {
            let answering = self.answering_voters(fits).await;
            if !answering.is_empty() {
                break answering;
            }
            if !self.raft.is_leader() {
                return Err(Failed::NotLeader);
            }
            if Instant::now() >= patience {
                let whom = to.map_or_else(|| "no other voter".to_owned(), |to| format!("node {to} not"));
                let message = format!("the leader has heard of {whom} lately; is it running?");
                return refuse(RefusalKind::LearnerBehind, message);
            }
            sleep(limits::RESIGN_POLL).await;
        };
        if self.hand_over(limits::HANDOVER_PATIENCE, &|node_id| answering.contains(&node_id)).await {
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

    /// Of the voters that were heard of lately and fit, those that answer now. One that died a moment ago would get the lead
    /// only to leave everybody without.
    async fn answering_voters(&self, fits: impl Fn(u64) -> bool) -> BTreeSet<u64> {
        let heard: Vec<u64> = self.metrics(|metrics| self.heard_voters(metrics).collect());
        let asked = heard.into_iter().filter(|node_id| fits(*node_id)).map(|node_id| async move {
            self.ask(node_id).await.is_some_and(|answer| answer.ready).then_some(node_id)
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// True where another voter that is not to be stopped has answered lately: somebody could take the lead over.
    fn hears_a_voter(&self) -> bool {
        self.metrics(|metrics| self.heard_voters(metrics).next().is_some())
    }

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

    /// A follower that has the whole log and is there, of those that may lead.
    fn caught_up_follower(&self, may_lead: &(dyn Fn(u64) -> bool + Sync)) -> Option<u64> {
        self.metrics(|metrics| {
            let last = metrics.last_log_index?;
            let replication = metrics.replication.as_ref()?;
            let caught_up = |node_id: &u64| {
                let matched = replication.get(node_id).and_then(Option::as_ref);
                may_lead(*node_id) && matched.is_some_and(|matched| matched.index() == last)
            };
            self.heard_voters(metrics).find(caught_up)
        })
    }

    /// How much room the other voters have, of those that answer.
    async fn room_of_others(&self) -> BTreeMap<u64, SpaceLevel> {
        let me = self.identity.node_id;
        let voters = self.members().into_keys().filter(|node_id| *node_id != me && self.is_voter(*node_id));
        let asked =
            voters.map(|node_id| async move { Some((node_id, self.ask_status(node_id).await?.disk)) });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Hands the lead to a voter that doesn't stall itself.
    pub(crate) async fn hand_over_to_well(&self) -> bool {
        let stalls = |status: &NodeStatus| {
            let kinds = [AlarmKind::DiskSlow, AlarmKind::ApplyStalled].map(AlarmKind::name);
            status.alarms.iter().any(|alarm| kinds.contains(&alarm.kind.as_str()))
        };
        let me = self.identity.node_id;
        let voters = self.members().into_keys().filter(|node_id| *node_id != me && self.is_voter(*node_id));
        let asked = join_all(voters.map(|node_id| self.ask_status(node_id))).await;
        let well: BTreeSet<u64> = asked
            .into_iter()
            .flatten()
            .filter(|status| !stalls(status))
            .map(|status| status.node_id)
            .collect();
        !well.is_empty()
            && self.hand_over(limits::ROOM_HANDOVER_PATIENCE, &|node_id| well.contains(&node_id)).await
    }

    /// Hands the lead to one of the voters with the most room, if they have more than this node. Never to an equal: the
    /// lead would go round.
    async fn hand_over_to_room(&self) -> bool {
        let others = self.room_of_others().await;
        let Some(best) = others.values().min().copied().filter(|best| *best < self.space.level()) else {
            return false;
        };
        self.hand_over(limits::ROOM_HANDOVER_PATIENCE, &|node_id| others.get(&node_id) == Some(&best)).await
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
        if short && leads && !node.is_stopping() && !node.is_handing_over() {
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

/// Has a node that is about to be stopped ask for votes where nobody has led for long: it may be the only one that has the
/// whole log. It gives the lead away once another has caught up.
pub(crate) async fn lead_in_need(node: Arc<Inner>) {
    let patience = node.config.election_timeout.1 * limits::DRAINED_PATIENCE_LEASES;
    let (first_pause, longest_pause) = limits::ROOM_HANDOVER_PAUSE;
    let mut pause = first_pause;
    let mut next_handover = Instant::now();
    loop {
        tokio::select! {
            () = sleep(limits::DRAINED_POLL) => {}
            () = node.stopping() => return,
        }
        if !node.drained.load(Ordering::Acquire) {
            continue;
        }
        let leads = node.raft.is_leader();
        let needed = !leads && node.contact.silence().is_none_or(|silence| silence > patience);
        if needed && !node.needed.swap(true, Ordering::AcqRel) {
            tracing::warn!("this node is to be stopped, but nobody leads: it asks for votes");
        }
        if !needed {
            node.needed.store(false, Ordering::Release);
        }
        node.allow_or_forbid_elections();
        if !leads {
            pause = first_pause;
        } else if Instant::now() >= next_handover
            && !node.is_handing_over()
            && !node.hand_over(limits::ROOM_HANDOVER_PATIENCE, &|_| true).await
        {
            // No write is taken while it tries, so it tries ever more rarely.
            next_handover = Instant::now() + pause;
            pause = (pause * 2).min(longest_pause);
        }
    }
}
