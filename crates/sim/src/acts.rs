//! What is done to a cluster while it works.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use stockade_consensus::{MembershipChange, Role};
use stockade_env::place;
use tokio::time::Instant;

use crate::machine::Machine;
use crate::members::Renewal;
use crate::run::World;
use crate::trace::act;

/// How long shoppers call without a pause, at most.
const LONGEST_RUSH: Duration = Duration::from_secs(3);

/// An act against the cluster, or for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A process ends as by SIGKILL.
    Kill,
    /// A machine loses power, and what it had not synced, or a part of it.
    PowerCut,
    /// A process stands still.
    Pause,
    /// The leader is cut off, and killed perhaps, as soon as a client hears that its write is done: the followers may not
    /// know yet that it is committed.
    Ambush,
    /// Links of one node are cut, in one direction or both.
    Cut,
    /// Many links are cut at once, in a shape.
    Partition,
    /// One of the next operations on a disk fails.
    DiskError,
    /// A clock jumps.
    ClockJump,
    /// A leader is asked to hand over.
    Resign,
    /// A disk loses or changes what was synced. One at a time: what is gone is gone, and a second one would be a majority.
    Damage,
    /// A machine is lost with its disk; a new node takes its place.
    Lose,
    /// A new node takes the place of one that works, the leader perhaps.
    Replace,
    /// A new node gets a vote beside the others.
    Grow,
    /// A node is removed, the leader perhaps.
    Shrink,
    /// A new learner stands ready to take a dead voter's place.
    Stand,
    /// The lead is given to another node.
    Transfer,
    /// A process ends, and nobody starts it again: a standby may take its place. Only where standbys do.
    Neglect,
    /// Everybody wants to buy at once.
    Rush,
    /// One thing or another is put right.
    Repair,
}

impl Act {
    /// Those of which a run has some and lacks others.
    pub(crate) const SWARM: [Self; 17] = [
        Self::Kill,
        Self::PowerCut,
        Self::Pause,
        Self::Ambush,
        Self::Cut,
        Self::Partition,
        Self::DiskError,
        Self::ClockJump,
        Self::Resign,
        Self::Damage,
        Self::Lose,
        Self::Replace,
        Self::Grow,
        Self::Shrink,
        Self::Stand,
        Self::Transfer,
        Self::Rush,
    ];
}

impl World {
    /// Does one thing.
    pub(crate) fn act(&mut self) {
        self.acts += 1;
        let mut choice =
            self.random.random_range(0..self.settings.acts.iter().map(|(_, weight)| weight).sum());
        let mut chosen = Act::Repair;
        for (act, weight) in &self.settings.acts {
            if choice < *weight {
                chosen = *act;
                break;
            }
            choice -= weight;
        }
        let number = self.random.random_range(0..self.machines.len());
        let machine = self.machines[number].clone();
        match chosen {
            Act::Kill => {
                act!(self.trace, "node {} is killed", machine.id());
                machine.kill();
            }
            Act::PowerCut => {
                act!(self.trace, "node {} loses power", machine.id());
                machine.power_cut(self.random.random_range(0..u64::MAX));
            }
            Act::Pause => {
                act!(self.trace, "node {} stands still", machine.id());
                machine.pause();
            }
            Act::Ambush => {
                act!(self.trace, "an ambush is laid for the leader");
                self.ambush = true;
            }
            Act::Cut => self.cut(machine.id()),
            Act::Partition => self.partition(),
            Act::DiskError => {
                let (after, no_space) = (self.random.random_range(1..40), self.random.random_bool(0.3));
                act!(self.trace, "the disk of node {} fails at operation {after} from now", machine.id());
                machine.fail_disk(after, no_space);
            }
            Act::ClockJump => {
                let by_ms: i64 = self.random.random_range(-120_000..120_000);
                act!(self.trace, "the clock of node {} jumps by {by_ms} ms", machine.id());
                machine.shift_clock(by_ms * 1_000);
            }
            Act::Resign => {
                act!(self.trace, "node {} is asked to hand over", machine.id());
                if let Some(node) = machine.node() {
                    drop(place::outside(async move { node.resign(Duration::from_secs(2)).await }));
                }
            }
            Act::Damage => self.damage(&machine),
            Act::Lose => self.renew(Renewal::Lost(machine.id())),
            Act::Replace => self.renew(Renewal::Replaced(machine.id())),
            Act::Grow => self.renew(Renewal::Added),
            Act::Neglect => self.neglect(&machine),
            Act::Shrink => self.renew(Renewal::Removed(machine.id())),
            Act::Stand => self.renew(Renewal::Standby),
            Act::Transfer => {
                let to = self.random.random_bool(0.7).then(|| {
                    let to = self.random.random_range(0..self.machines.len());
                    self.machines[to].id()
                });
                act!(self.trace, "node {} is asked to have the lead given to {to:?}", machine.id());
                if let Some(node) = machine.node() {
                    drop(place::outside(async move {
                        let deadline = Instant::now() + Duration::from_secs(3);
                        let change = MembershipChange::Transfer { to, away_from: None };
                        node.change_membership(&change, "the simulation", deadline).await
                    }));
                }
            }
            Act::Rush => {
                let lasts = self.random.random_range(Duration::ZERO..LONGEST_RUSH);
                act!(self.trace, "everybody wants to buy, for {lasts:?}");
                self.rush.send_replace(Instant::now() + lasts);
            }
            Act::Repair => self.repair(),
        }
    }

    /// Somebody was told that a write is safe: the leader's word must be good without it.
    pub(crate) fn spring_ambush(&mut self) {
        self.ambush = false;
        let leads = |machine: &&Machine| {
            let status = machine.node().map(|node| node.status());
            status.filter(|status| status.role == Role::Leader).map(|status| status.term)
        };
        let Some(leader) = self.machines.iter().filter(|machine| leads(machine).is_some()).max_by_key(leads)
        else {
            return;
        };
        let (leader, dies) = (leader.clone(), self.random.random_bool(0.5));
        act!(self.trace, "node {} leads, is cut off as it acknowledges (killed {dies})", leader.id());
        for other in self.ids().into_iter().filter(|other| *other != leader.id()) {
            self.network.cut(leader.id(), other);
            self.network.cut(other, leader.id());
        }
        if dies {
            leader.kill();
        }
    }

    fn cut(&mut self, id: u64) {
        let others: Vec<u64> = self.ids().into_iter().filter(|other| *other != id).collect();
        let all = self.random.random_bool(0.5);
        let one = others[self.random.random_range(0..others.len())];
        let (from, to) = (self.random.random_bool(0.7), self.random.random_bool(0.7));
        let whom = if all { "all".to_owned() } else { one.to_string() };
        act!(self.trace, "node {id} is cut off from {whom} (out {from}, in {to})");
        for other in others.into_iter().filter(|other| all || *other == one) {
            if from {
                self.network.cut(id, other);
            }
            if to {
                self.network.cut(other, id);
            }
        }
    }

    /// Halves that don't hear each other; a bridge, of which both halves hear one node; a ring, in which a node hears its
    /// neighbours only, of one side or both.
    fn partition(&mut self) {
        let mut ids: Vec<u64> = self.ids().into_iter().collect();
        for last in (1..ids.len()).rev() {
            ids.swap(last, self.random.random_range(0..=last));
        }
        let len = ids.len();
        let split = self.random.random_range(1..len);
        let shape = self.random.random_range(0..4);
        let hears = |from: usize, to: usize| match shape {
            0 => (from < split) == (to < split),
            1 => from == 0 || to == 0 || (from < split) == (to < split),
            2 => (from + 1) % len == to || (to + 1) % len == from,
            _ => (from + 1) % len == to,
        };
        let name = ["halves", "a bridge", "a ring", "a one-way ring"][shape];
        act!(self.trace, "the network is cut to {name} (split {split}): {ids:?}");
        self.network.heal();
        for (at, from) in ids.iter().enumerate() {
            for (there, to) in ids.iter().enumerate() {
                if at != there && !hears(at, there) {
                    self.network.cut(*from, *to);
                }
            }
        }
    }

    fn damage(&mut self, machine: &Machine) {
        // Whoever lost what it had acknowledged counts no more until another is in its place.
        if self.suspect.is_some() || self.renewal.is_some() || !self.founded {
            return;
        }
        // It would have to be replaced, and can't be.
        if self.is_the_last_known_to_all(machine.id()) || self.lingers == Some(machine.id()) {
            return;
        }
        self.suspect = Some(machine.id());
        let what = machine.damage(&mut self.random);
        act!(self.trace, "the disk of node {} was damaged: {what}", machine.id());
    }

    /// One at a time, and not beside a node that may lack what it acknowledged.
    fn neglect(&mut self, machine: &Machine) {
        if self.neglected.is_some_and(|id| self.ids().contains(&id))
            || self.suspect.is_some()
            || !self.founded
        {
            return;
        }
        act!(self.trace, "node {} is killed, and nobody looks after it", machine.id());
        self.neglected = Some(machine.id());
        machine.kill();
    }

    /// Someone looks after the cluster: one thing or another is put right.
    fn repair(&mut self) {
        act!(self.trace, "repairs");
        if self.random.random_bool(0.5) {
            self.network.heal();
        }
        for machine in self.machines.clone() {
            if machine.is_paused() && self.random.random_bool(0.7) {
                machine.resume();
            }
            if !machine.is_up() && self.neglected != Some(machine.id()) && self.random.random_bool(0.7) {
                machine.start(self.seed);
            }
        }
    }

    /// Those whose machines are there.
    pub(crate) fn ids(&self) -> BTreeSet<u64> {
        self.machines.iter().map(Machine::id).collect()
    }
}
