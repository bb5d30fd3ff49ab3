//! Nodes that come and go: in the place of one that is lost, damaged or to be relieved, beside the others, and without
//! another for them. As an operator would, one after the other, asking any node and again until it is done. Where a run
//! has it so, the leader replaces dead voters by standbys on its own, and comes before the operator or after.

use std::time::Duration;

use stockade_consensus::{Join, MembershipChange, MembershipError, Node, RefusalKind, Role};
use stockade_env::place;
use stockade_storage::AlarmKind;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::machine::{Machine, peer_address};
use crate::run::World;
use crate::trace::{act, note};

/// Of nodes at once: a cluster grows no further.
const MOST_NODES: usize = 6;
/// Of nodes that vote: a cluster shrinks no further.
const FEWEST_VOTERS: usize = 3;
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
    /// A new learner stands ready.
    Standby,
    /// A node goes, and nobody comes for it.
    Removed(u64),
}

/// A renewal under way.
pub(crate) struct UnderWay {
    why: Renewal,
    new: u64,
    is_learner: bool,
    attempt: Option<JoinHandle<Result<(), NotDone>>>,
    attempts: usize,
}

/// Why an attempt changed nothing.
struct NotDone {
    why: String,
    /// A node that it names has no vote, or is no member.
    unknown: bool,
}

impl World {
    /// Begins a renewal, unless one is under way.
    pub(crate) fn renew(&mut self, why: Renewal) {
        if let Some(gone) = self.lingers.take() {
            self.give_up(gone);
        }
        let grows = matches!(why, Renewal::Added | Renewal::Standby);
        let grows_too_far = grows && self.machines.len() >= MOST_NODES;
        // A node that may lack what it acknowledged goes first, and nobody else meanwhile.
        let goes_first = self.suspect.is_some_and(|suspect| why != Renewal::Lost(suspect));
        if self.renewal.is_some() || !self.founded || grows_too_far || goes_first {
            return;
        }
        if let Renewal::Lost(old) | Renewal::Replaced(old) | Renewal::Removed(old) = why
            && (self.is_the_last_known_to_all(old) || !self.ids().contains(&old))
        {
            return;
        }
        if let Renewal::Removed(old) = why {
            if self.voters_without(old) >= FEWEST_VOTERS {
                act!(self.trace, "a renewal begins: {why:?}");
                self.renewal = Some(UnderWay { why, new: old, is_learner: true, attempt: None, attempts: 0 });
            }
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
        let machine = Machine::new(
            new,
            self.network.clone(),
            &self.settings,
            self.trace.clone(),
            Some(join),
            why == Renewal::Standby,
        );
        machine.start(self.seed);
        self.machines.push(machine);
        self.renewal = Some(UnderWay { why, new, is_learner: false, attempt: None, attempts: 0 });
    }

    /// Shoppers were told of the first nodes, and hear of others from those they reach: one of the first stays.
    pub(crate) fn is_the_last_known_to_all(&self, id: u64) -> bool {
        let mut first = self.ids().into_iter().filter(|known| *known <= self.settings.nodes);
        first.next() == Some(id) && first.next().is_none()
    }

    /// How many would vote if this node did not, in the eyes of the nodes that run; of different answers the lowest.
    fn voters_without(&self, id: u64) -> usize {
        let running = self.machines.iter().filter_map(Machine::node);
        let voters = running.filter_map(|node| {
            node.voters().iter().map(|voters| voters.iter().filter(|voter| **voter != id).count()).min()
        });
        voters.min().unwrap_or(0)
    }

    /// Ends the nodes that the leader does not count among the members: they were removed while nobody looked.
    pub(crate) fn stop_who_is_no_member(&mut self) {
        let leads = |node: &Node| Some(node.status()).filter(|status| status.role == Role::Leader);
        let nodes = self.machines.iter().filter_map(Machine::node);
        let leaders = nodes.filter_map(|node| Some((leads(&node)?.term, node)));
        let Some((_, leader)) = leaders.max_by_key(|(term, _)| *term) else { return };
        if leader.voters().len() != 1 || self.renewal.is_some() {
            return;
        }
        let members = leader.members();
        let gone: Vec<u64> = self.ids().difference(&members).copied().collect();
        for id in gone {
            act!(self.trace, "node {id} is no member any more and is stopped");
            self.give_up(id);
        }
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
        self.note_replacements();
        let Some(under_way) = &mut self.renewal else { return };
        if let Some(attempt) = &mut under_way.attempt {
            if !attempt.is_finished() {
                return;
            }
            let outcome =
                attempt.await.unwrap_or_else(|error| Err(NotDone { why: error.to_string(), unknown: false }));
            under_way.attempt = None;
            let (new, why) = (under_way.new, under_way.why);
            match outcome {
                Ok(()) if under_way.is_learner || why == Renewal::Standby => {
                    act!(self.trace, "the renewal by node {new} is done");
                    self.renewal = None;
                    if let Renewal::Replaced(old) | Renewal::Removed(old) = why {
                        self.lingers = Some(old);
                    }
                    return;
                }
                Ok(()) => under_way.is_learner = true,
                Err(NotDone { unknown: true, why: error })
                    if matches!(why, Renewal::Lost(_) | Renewal::Replaced(_)) =>
                {
                    // A standby took that place already, or it never had one: the new node comes beside the others.
                    act!(self.trace, "the renewal by node {new} finds another there first: {error}");
                    under_way.why = Renewal::Added;
                }
                Err(NotDone { why: error, .. }) => note!(self.trace, "the renewal by node {new}: {error}"),
            }
        }
        self.attempt();
    }

    /// Notes what leaders have done unasked.
    fn note_replacements(&mut self) {
        for node in self.machines.iter().filter_map(Machine::node) {
            let alarms = node.alarms().list().into_iter();
            for alarm in alarms.filter(|alarm| alarm.kind == AlarmKind::VoterReplaced) {
                if self.replacements.insert(alarm.detail.clone()) {
                    act!(self.trace, "{}", alarm.detail);
                }
            }
        }
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
        let change = match under_way.why {
            Renewal::Removed(old) => MembershipChange::Remove { node_ids: [old].into() },
            Renewal::Lost(old) | Renewal::Replaced(old) if under_way.is_learner => {
                MembershipChange::Promote { node_id, replaces: Some(old) }
            }
            Renewal::Added if under_way.is_learner => MembershipChange::Promote { node_id, replaces: None },
            Renewal::Lost(_) | Renewal::Replaced(_) | Renewal::Added | Renewal::Standby => {
                MembershipChange::AddLearner { node_id, peer_address: peer_address(node_id) }
            }
        };
        under_way.attempt = Some(place::outside(async move {
            let deadline = Instant::now() + PATIENCE;
            let asked = node.change_membership(&change, "the simulation", deadline);
            // A process that is killed meanwhile never answers.
            match timeout(PATIENCE * 2, asked).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(NotDone {
                    why: error.to_string(),
                    unknown: matches!(
                        &error,
                        MembershipError::Refused(refusal) if refusal.kind == RefusalKind::NodeUnknown
                    ),
                }),
                Err(_) => Err(NotDone { why: "no answer".to_owned(), unknown: false }),
            }
        }));
    }
}
