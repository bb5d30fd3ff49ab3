//! What a leader does for the members unasked: it replaces a voter that is dead by a standby, where it was started to, and
//! says so where the voters stand in one zone.
//!
//! It asks nobody: it goes by who has answered Raft and what peers tell whenever they are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::Instant as _;
use stockade_proto::internal as wire;
use stockade_storage::AlarmKind;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::change::Failed;
use super::deaths::{self, Silence, Standby};
use super::{MembershipChange, RefusalKind, zones};
use crate::limits;
use crate::node::Inner;

/// What a peer told of itself, and when.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    at: Instant,
    /// Empty where it told none.
    pub(crate) zone: String,
    standby: bool,
    ready: bool,
}

impl Told {
    pub(crate) fn of(answer: &wire::StatusResponse) -> Self {
        Self { at: Instant::now(), zone: answer.zone.clone(), standby: answer.standby, ready: answer.ready }
    }
}

/// What a look at the cluster shows a leader.
struct Look {
    /// The term that this node leads, if it does.
    term: Option<u64>,
    voters: Vec<BTreeSet<u64>>,
    /// Who has answered Raft since the last look, or has said that it is ready. Another may be an empty node under the id of
    /// a dead one, which answers and takes part in nothing.
    heard: BTreeSet<u64>,
    standbys: Vec<Standby>,
    /// Where members stand, of those that told.
    zones: BTreeMap<u64, String>,
}

/// Looks after the members for as long as this node leads.
pub(crate) async fn look_after(node: Arc<Inner>) {
    let mut silence = Silence::default();
    let mut replaced_at: Option<Instant> = None;
    let mut last_look = Instant::now();
    let mut poll = interval(limits::POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            () = node.stopping() => return,
        }
        let now = Instant::now();
        let look = node.look_at_members(now, now - last_look);
        last_look = now;
        silence.look(now, look.term, &look.voters, &look.heard);
        node.tell_of_zones(&look);
        let told_long_enough = replaced_at.is_some_and(|at| now - at > limits::REPLACED_TOLD);
        if look.term.is_none() || told_long_enough {
            node.alarms.clear(AlarmKind::VoterReplaced);
        }
        let after = node.config.replace_dead_after.filter(|_| look.term.is_some());
        let Some(after) = after else {
            node.alarms.clear(AlarmKind::VoterDead);
            continue;
        };
        let replacement = node.replace_the_dead(&look, |node_id| silence.of(node_id, now), after);
        tokio::select! {
            replaced = replacement => if replaced { replaced_at = Some(Instant::now()) },
            () = node.stopping() => return,
        }
    }
}

impl Inner {
    fn look_at_members(&self, now: Instant, since_last: Duration) -> Look {
        let me = self.identity.node_id;
        let told = self.told.lock().clone();
        // A little more than a round: an answer that came during the last look counts once more.
        let lately = since_last.max(limits::HEARD_LATELY).max(self.config.lease_memory());
        let answered = told.iter().filter(|(_, told)| told.ready && now - told.at < lately);
        let answered = answered.map(|(node_id, _)| *node_id);
        let mut heard: BTreeSet<u64> = answered.chain([me]).collect();
        let ready = |told: &Told| told.standby && told.ready && now - told.at < limits::TOLD_LATELY;
        self.metrics(|metrics| {
            let beats = metrics.heartbeat.iter().flatten();
            let fresh = beats.filter(|(_, at)| at.is_some_and(|at| at.into_inner().elapsed() < lately));
            heard.extend(fresh.map(|(node_id, _)| *node_id));
            let membership = &metrics.membership_config;
            let last = metrics.last_log_index.unwrap_or(0);
            let lag = |node_id: &u64| {
                let matched = metrics.replication.as_ref().and_then(|matched| *matched.get(node_id)?)?;
                Some(last.saturating_sub(matched.index()))
            };
            let caught_up = |node_id: &u64| lag(node_id).is_some_and(|lag| lag <= limits::MAX_PROMOTION_LAG);
            let voters = membership.get_joint_config().clone();
            // In a change that is half done it is a voter already, and still the one to finish it with.
            let settled = |node_id: &u64| {
                voters.first().is_some_and(|voters| voters.contains(node_id))
                    && voters.last().is_some_and(|voters| voters.contains(node_id))
            };
            let members = || membership.nodes().map(|(node_id, _)| *node_id);
            let standbys = members().filter(|node_id| !settled(node_id) && caught_up(node_id));
            let standbys = standbys.filter_map(|node_id| {
                let told = told.get(&node_id).filter(|told| ready(told))?;
                Some(Standby { node_id, zone: told.zone.clone() })
            });
            let zone_of = |node_id: u64| {
                let own = || Some(self.config.zone.clone());
                let zone =
                    if node_id == me { own() } else { told.get(&node_id).map(|told| told.zone.clone()) };
                Some((node_id, zone.filter(|zone| !zone.is_empty())?))
            };
            let leads = metrics.state == openraft::ServerState::Leader;
            Look {
                term: leads.then_some(metrics.current_term),
                standbys: standbys.collect(),
                zones: members().filter_map(zone_of).collect(),
                voters,
                heard: std::mem::take(&mut heard),
            }
        })
    }

    /// True where a node has answered Raft within this time, or has said that it is ready.
    fn has_answered_within(&self, node_id: u64, time: Duration) -> bool {
        let told = self.told.lock().get(&node_id).is_some_and(|told| told.ready && told.at.elapsed() < time);
        told || self.metrics(|metrics| {
            let heard = metrics.heartbeat.as_ref().and_then(|heard| *heard.get(&node_id)?);
            heard.is_some_and(|heard| heard.into_inner().elapsed() < time)
        })
    }

    fn tell_of_zones(&self, look: &Look) {
        let voters = look.voters.last().filter(|_| look.term.is_some());
        match voters.and_then(|voters| zones::majority(voters, &look.zones)) {
            Some(found) => {
                let ids: Vec<String> = found.voters.iter().map(u64::to_string).collect();
                let detail = format!(
                    "zone {} holds the voters {}, a majority: with it the cluster is gone; replace one of them by a node \
                     elsewhere",
                    found.zone,
                    ids.join(", ")
                );
                self.alarms.raise(AlarmKind::ZoneMajority, detail);
            }
            None => self.alarms.clear(AlarmKind::ZoneMajority),
        }
    }

    /// Replaces the voter that has been silent for longest, if one has for so long and somebody can take its place. One at
    /// a time: the next look sees the membership that came of it, and so one death has one successor. True where one was
    /// replaced.
    async fn replace_the_dead(
        self: &Arc<Self>,
        look: &Look,
        silence: impl Fn(u64) -> Duration,
        after: Duration,
    ) -> bool {
        let half_done = deaths::half_done(&look.voters, &look.standbys);
        let settled = look.voters.first().filter(|_| look.voters.len() == 1);
        let dead = settled.map(|voters| deaths::dead(voters, &silence, after)).unwrap_or_default();
        let Some(dead) = half_done.map(|(dead, _)| dead).or_else(|| dead.first().copied()) else {
            self.alarms.clear(AlarmKind::VoterDead);
            return false;
        };
        let quiet = silence(dead).as_secs();
        let zone = look.zones.get(&dead).map(String::as_str);
        let successor =
            half_done.map(|(_, standby)| standby).or_else(|| deaths::successor(zone, &look.standbys));
        let Some(standby) = successor else {
            let detail = format!(
                "node {dead} has answered nothing for {quiet} s and no standby is ready to take its place; bring it back, \
                 or replace it: stockade cluster replace {dead} --with NEW=HOST:PORT"
            );
            self.alarms.raise(AlarmKind::VoterDead, detail);
            return false;
        };
        let half_done = half_done.is_some();
        // All members are asked whether they are there before anything is changed, and so is this one.
        let is_back = || !half_done && self.has_answered_within(dead, after);
        tracing::warn!(
            dead,
            standby,
            quiet_s = quiet,
            half_done,
            "a voter is dead: a standby takes its place"
        );
        let change = MembershipChange::Promote { node_id: standby, replaces: Some(dead) };
        let deadline = Instant::now() + limits::REPLACEMENT_TIMEOUT;
        let by = "automatic replacement";
        match self.change_membership_unless(&change, by, deadline, &is_back).await {
            Ok(index) => {
                let detail = format!(
                    "node {dead} had answered nothing for {quiet} s: node {standby} took its place, at log index {index}; \
                     see why, and start another standby"
                );
                self.alarms.clear(AlarmKind::VoterDead);
                self.alarms.raise(AlarmKind::VoterReplaced, detail);
                true
            }
            // An operator was first, or the voter is back; the next look sees what came of it.
            Err(Failed::Refused(refusal)) if refusal.kind == RefusalKind::Changing => false,
            Err(Failed::Refused(refusal)) => {
                let detail =
                    format!("node {dead} has answered nothing for {quiet} s and is not replaced: {refusal}");
                self.alarms.raise(AlarmKind::VoterDead, detail);
                false
            }
            // Whoever leads then counts anew.
            Err(Failed::NotLeader | Failed::Unknown) => false,
        }
    }
}
