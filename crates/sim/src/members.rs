//! New nodes: in the place of one that is lost, damaged or to be relieved, or beside the others. As an operator would, one
//! after the other, asking any node and again until it is done.

use std::time::Duration;

use stockade_consensus::{Join, MembershipChange, Node};
use stockade_env::place;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::machine::{Machine, peer_address};
use crate::run::World;
use crate::trace::{act, note};

/// Of nodes at once: a cluster grows no further.
const MOST_NODES: usize = 6;
/// For one attempt at a change.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a new node comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// A node is gone with all that it had.
    Lost(u64),
    /// A node that works is relieved.
    Replaced(u64),
    /// The cluster grows.
    Added,
}

/// A renewal under way.
pub(crate) struct UnderWay {
    why: Renewal,
    new: u64,
    is_learner: bool,
    attempt: Option<JoinHandle<Result<(), String>>>,
    attempts: usize,
}

impl World {
    /// Begins a renewal, unless one is under way.
    pub(crate) fn renew(&mut self, why: Renewal) {
        let grows_too_far = why == Renewal::Added && self.machines.len() >= MOST_NODES;
        // A node that may lack what it acknowledged goes first, and nobody else meanwhile.
        let goes_first = self.suspect.is_some_and(|suspect| why != Renewal::Lost(suspect));
        if self.renewal.is_some() || !self.founded || grows_too_far || goes_first {
            return;
        }
        if let Renewal::Lost(old) | Renewal::Replaced(old) = why
            && self.is_the_last_known_to_all(old)
        {
            return;
        }
        let new = self.next_id;
        self.next_id += 1;
        act!(self.trace, "a renewal begins: {why:?}, by node {new}");
        if let Renewal::Lost(old) = why {
            self.give_up(old);
        }
        let contacts = self.machines.iter().map(|machine| peer_address(machine.id())).collect();
        let join = Join { contacts, own_address: peer_address(new) };
        let machine = Machine::new(new, self.network.clone(), &self.settings, self.trace.clone(), Some(join));
        machine.start(self.seed);
        self.machines.push(machine);
        self.renewal = Some(UnderWay { why, new, is_learner: false, attempt: None, attempts: 0 });
    }

    /// Shoppers were told of the first nodes, and hear of others from those they reach: one of the first stays.
    pub(crate) fn is_the_last_known_to_all(&self, id: u64) -> bool {
        let mut first = self.ids().into_iter().filter(|known| *known <= self.settings.nodes);
        first.next() == Some(id) && first.next().is_none()
    }

    /// A machine goes for good.
    fn give_up(&mut self, id: u64) {
        let (gone, left) =
            std::mem::take(&mut self.machines).into_iter().partition(|machine| machine.id() == id);
        self.machines = left;
        let gone: Vec<Machine> = gone;
        for machine in gone {
            machine.kill();
            self.violations.extend(machine.wrong_ends());
        }
        if self.suspect == Some(id) {
            self.suspect = None;
        }
    }

    /// Brings the renewal forward, and begins one where a node says that its disk is damaged.
    pub(crate) async fn look_after_members(&mut self) {
        self.founded |=
            self.machines.iter().all(|machine| machine.node().is_some_and(|node| node.is_ready()));
        if let Some(suspect) = self.suspect {
            let machine = self.machines.iter().find(|machine| machine.id() == suspect);
            if machine.is_some_and(Machine::is_found_damaged) {
                self.renew(Renewal::Lost(suspect));
            }
        }
        let Some(under_way) = &mut self.renewal else { return };
        if let Some(attempt) = &mut under_way.attempt {
            if !attempt.is_finished() {
                return;
            }
            let outcome = attempt.await.unwrap_or_else(|error| Err(error.to_string()));
            under_way.attempt = None;
            let (new, why) = (under_way.new, under_way.why);
            match outcome {
                Ok(()) if under_way.is_learner => {
                    act!(self.trace, "the renewal by node {new} is done");
                    self.renewal = None;
                    if let Renewal::Replaced(old) = why {
                        self.give_up(old);
                    }
                    return;
                }
                Ok(()) => under_way.is_learner = true,
                Err(error) => note!(self.trace, "the renewal by node {new}: {error}"),
            }
        }
        self.attempt();
    }

    /// Asks the next node that runs.
    fn attempt(&mut self) {
        let Some(under_way) = &mut self.renewal else { return };
        let nodes: Vec<Node> = self
            .machines
            .iter()
            .filter(|machine| machine.id() != under_way.new && !machine.is_paused())
            .filter_map(Machine::node)
            .collect();
        if nodes.is_empty() {
            return;
        }
        let node = nodes[under_way.attempts % nodes.len()].clone();
        under_way.attempts += 1;
        let node_id = under_way.new;
        let change = if under_way.is_learner {
            let replaces = match under_way.why {
                Renewal::Lost(old) | Renewal::Replaced(old) => Some(old),
                Renewal::Added => None,
            };
            MembershipChange::Promote { node_id, replaces }
        } else {
            MembershipChange::AddLearner { node_id, peer_address: peer_address(node_id) }
        };
        under_way.attempt = Some(place::outside(async move {
            let deadline = Instant::now() + PATIENCE;
            let asked = node.change_membership(&change, "the simulation", deadline);
            // A process that is killed meanwhile never answers.
            match timeout(PATIENCE * 2, asked).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer".to_owned()),
            }
        }));
    }
}
