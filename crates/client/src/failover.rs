//! Where a client finds the new leader, and when it tries again.
//!
//! Any node takes any call and forwards it, so a client is never stuck without the leader's address: it prefers the
//! leader for speed, and moves to another node at once when the one it talks to fails.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_env::Random;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Refusal;
use crate::limits;
use crate::policy::Route;

/// What is known of the nodes.
///
/// Invariants:
/// - `addresses` is never empty: the configured ones stay to the end, behind those that were discovered.
/// - `leader` is one of `addresses`.
/// - Who waits for a leader hears of each as soon as it is known.
#[derive(Debug)]
pub(crate) struct Failover {
    view: Mutex<View>,
    /// A copy of the view's leader, for those who wait.
    leader: watch::Sender<Option<String>>,
}

#[derive(Debug)]
struct View {
    seeds: Vec<String>,
    addresses: Vec<String>,
    leader: Option<String>,
    /// Nodes that failed, and until when they are passed over.
    suspects: BTreeMap<String, Instant>,
    /// Where the search for a node without suspicion begins.
    turn: usize,
}

impl View {
    /// The next node that did not just fail, else the one whose failure is longest ago.
    fn next_in_turn(&mut self) -> String {
        let count = self.addresses.len();
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        let in_turn = (0..count).map(|step| &self.addresses[(turn.wrapping_add(step)) % count]);
        let best = in_turn.min_by_key(|address| self.suspects.get(*address));
        best.expect("addresses is never empty").clone()
    }
}

impl Failover {
    pub(crate) fn new(seeds: Vec<String>) -> Self {
        let addresses = seeds.clone();
        let view = View { seeds, addresses, leader: None, suspects: BTreeMap::new(), turn: 0 };
        Self { view: Mutex::new(view), leader: watch::Sender::new(None) }
    }

    /// Tells who is taken for the leader, and when that changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.leader.subscribe()
    }

    fn publish(&self, view: &View) {
        self.leader.send_if_modified(|known| {
            let changed = *known != view.leader;
            if changed {
                known.clone_from(&view.leader);
            }
            changed
        });
    }

    /// A node says of itself that it leads.
    pub(crate) fn leads(&self, address: &str) {
        let mut view = self.view.lock();
        if !view.addresses.iter().any(|known| known == address) {
            return;
        }
        view.suspects.remove(address);
        view.leader = Some(address.to_owned());
        self.publish(&view);
    }

    /// A node says of itself that it doesn't lead.
    pub(crate) fn leads_not(&self, address: &str) {
        let mut view = self.view.lock();
        if view.leader.as_deref() == Some(address) {
            view.leader = None;
            self.publish(&view);
        }
    }

    /// The node to ask next: the leader unless it just failed, else the next one that did not, else the one whose
    /// failure is longest ago.
    pub(crate) fn pick(&self) -> String {
        let mut view = self.view.lock();
        let now = Instant::now();
        view.suspects.retain(|_, until| *until > now);
        if let Some(leader) = view.leader.as_ref().filter(|leader| !view.suspects.contains_key(*leader)) {
            return leader.clone();
        }
        view.next_in_turn()
    }

    /// The node to ask next, where it need not be the leader.
    pub(crate) fn pick_by(&self, route: &Route) -> String {
        match route {
            Route::Leader => self.pick(),
            Route::Node(address) => address.clone(),
            Route::InTurn => {
                let mut view = self.view.lock();
                let now = Instant::now();
                view.suspects.retain(|_, until| *until > now);
                view.next_in_turn()
            }
        }
    }

    /// The leader, where one is known and did not just fail.
    pub(crate) fn leader(&self) -> Option<String> {
        let view = self.view.lock();
        let now = Instant::now();
        let leader = view.leader.as_ref()?;
        let suspected = view.suspects.get(leader).is_some_and(|until| *until > now);
        (!suspected).then(|| leader.clone())
    }

    /// All known addresses.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.view.lock().addresses.clone()
    }

    /// A node did not answer: others come first for a while, and it is not taken for the leader until it says so.
    pub(crate) fn suspect(&self, address: &str) {
        let mut view = self.view.lock();
        view.suspects.insert(address.to_owned(), Instant::now() + limits::SUSPICION);
        if view.leader.as_deref() == Some(address) {
            view.leader = None;
            self.publish(&view);
        }
    }

    /// A node refused for want of a leader: it may name another.
    pub(crate) fn redirected(&self, refused_by: &str, refusal: &Refusal) {
        let mut view = self.view.lock();
        match refusal.leader().filter(|leader| *leader != refused_by) {
            Some(leader) => {
                let leader = leader.to_owned();
                if !view.addresses.contains(&leader) && view.addresses.len() < limits::MAX_ADDRESSES {
                    view.addresses.push(leader.clone());
                }
                view.leader = view.addresses.contains(&leader).then_some(leader);
            }
            None if view.leader.as_deref() == Some(refused_by) => view.leader = None,
            None => {}
        }
        self.publish(&view);
    }

    /// Takes what a node said of the members. Returns all addresses that are known now.
    pub(crate) fn learn(&self, discovered: Vec<String>, leader: Option<String>) -> Vec<String> {
        let mut view = self.view.lock();
        let mut addresses = discovered;
        addresses.truncate(limits::MAX_ADDRESSES);
        for seed in &view.seeds {
            if !addresses.contains(seed) {
                addresses.push(seed.clone());
            }
        }
        // Who was seen to fail after that node last heard of it is no leader to go to.
        let now = Instant::now();
        let failed = |leader: &String| view.suspects.get(leader).is_some_and(|until| *until > now);
        let leader = leader.filter(|leader| !failed(leader) && addresses.contains(leader));
        // One that knows of no leader may be behind one that says of itself that it leads.
        view.leader = leader.or_else(|| view.leader.take()).filter(|leader| addresses.contains(leader));
        view.addresses.clone_from(&addresses);
        self.publish(&view);
        addresses
    }
}

/// Completes when the lead has passed from this node to another, or from nobody to another, and this one has had a
/// moment to answer. Never where another led from the beginning: then this one was asked all the same.
pub(crate) async fn superseded(mut leader: watch::Receiver<Option<String>>, address: &str) {
    let elsewhere = |leader: &Option<String>| leader.as_ref().is_some_and(|leader| leader != address);
    // An error can't be: the sender lives as long as the client.
    if elsewhere(&leader.borrow_and_update()) || leader.wait_for(elsewhere).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(limits::MAX_SILENCE_OF_OTHERS).await;
}

/// What an answer means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// The answer stands.
    Final,
    /// Another node, after a short pause.
    ElsewhereSoon,
    /// Later: the cluster has too much to do.
    Later,
    /// Another node, and later: the one that refused takes nothing for a while, and if it leads, no other can either until
    /// the lead has moved.
    ElsewhereLater,
    /// The same again under the same id: nobody knows what became of it.
    SameAgain,
}

impl Advice {
    /// True where a retry at once would only add to what is wrong.
    pub(crate) fn is_patient(self) -> bool {
        matches!(self, Self::Later | Self::ElsewhereLater)
    }
}

/// Reads the advice off a refusal.
pub(crate) fn advice(refusal: &Refusal) -> Advice {
    match refusal.reason.as_str() {
        "NO_LEADER" | "NOT_LEADER" | "SHUTTING_DOWN" | "NODE_REMOVED" => Advice::ElsewhereSoon,
        "OVERLOADED" => Advice::Later,
        "STORAGE_FULL" => Advice::ElsewhereLater,
        // Of that copy: there may be time for another, and an older one may have taken effect.
        "OUTCOME_UNKNOWN" | "DEADLINE_EXCEEDED" => Advice::SameAgain,
        // Without a reason it comes from the transport, not from Stockade.
        "" => match refusal.code {
            // What HTTP/2 ends a connection or a stream with becomes one of these.
            tonic::Code::Unavailable
            | tonic::Code::Cancelled
            | tonic::Code::Unknown
            | tonic::Code::Internal
            | tonic::Code::ResourceExhausted => Advice::ElsewhereSoon,
            tonic::Code::DeadlineExceeded => Advice::SameAgain,
            _ => Advice::Final,
        },
        _ => Advice::Final,
    }
}

/// The pause before attempt `attempt` (from 1): doubled each time, and random, so that callers do not come back in step.
pub(crate) fn pause(random: &Random, attempt: u32, overloaded: bool) -> Duration {
    let (first, longest) = if overloaded {
        (limits::OVERLOAD_BACKOFF, limits::MAX_OVERLOAD_BACKOFF)
    } else {
        (limits::FIRST_BACKOFF, limits::MAX_BACKOFF)
    };
    let factor = 1_u32 << attempt.saturating_sub(1).min(16);
    let full = first.saturating_mul(factor).min(longest);
    let full_us = u64::try_from(full.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(full_us / 2 + random.below(full_us / 2 + 1))
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn three() -> Failover {
        let failover = Failover::new(vec!["a:1".to_owned()]);
        failover.learn(["a:1", "b:1", "c:1"].map(str::to_owned).to_vec(), Some("b:1".to_owned()));
        failover
    }

    #[tokio::test(start_paused = true)]
    async fn the_leader_is_preferred_until_it_fails() {
        let failover = three();
        assert_eq!(failover.pick(), "b:1");
        failover.suspect("b:1");
        let next = [failover.pick(), failover.pick(), failover.pick(), failover.pick()];
        assert!(!next.contains(&"b:1".to_owned()), "{next:?}");
        assert_eq!(failover.leader(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_list_that_still_names_the_dead_leader_is_not_believed() {
        let failover = three();
        failover.suspect("b:1");
        failover.learn(["a:1", "b:1"].map(str::to_owned).to_vec(), Some("b:1".to_owned()));
        assert_eq!(failover.leader(), None);
        tokio::time::advance(limits::SUSPICION).await;
        failover.learn(["a:1", "b:1"].map(str::to_owned).to_vec(), Some("b:1".to_owned()));
        assert_eq!(failover.leader().as_deref(), Some("b:1"));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_failed_the_oldest_failure_is_tried_first() {
        let failover = three();
        for address in ["c:1", "a:1", "b:1"] {
            failover.suspect(address);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(failover.pick(), "c:1");
    }

    #[test]
    fn a_node_without_room_is_left_and_the_cluster_given_time() {
        let refusal = |reason: &str| {
            let mut details = tonic_types::ErrorDetails::new();
            details.set_error_info(reason, "stockade", std::collections::HashMap::new());
            Refusal::of_call(&tonic::Status::with_error_details(tonic::Code::ResourceExhausted, "", details))
        };
        assert_eq!(advice(&refusal("STORAGE_FULL")), Advice::ElsewhereLater);
        assert!(advice(&refusal("STORAGE_FULL")).is_patient() && advice(&refusal("OVERLOADED")).is_patient());
        assert!(!advice(&refusal("NO_LEADER")).is_patient());
    }

    #[test]
    fn seeds_stay_known() {
        let failover = Failover::new(vec!["seed:1".to_owned()]);
        let known = failover.learn(vec!["a:1".to_owned()], None);
        assert_eq!(known, ["a:1", "seed:1"]);
    }

    #[test]
    fn pauses_grow_within_their_bounds_and_differ() {
        let random = Random::from_seed(3);
        let pauses: Vec<_> = (1..40).map(|attempt| pause(&random, attempt, false)).collect();
        assert!(pauses[0] <= limits::FIRST_BACKOFF);
        assert!(pauses.iter().all(|pause| *pause <= limits::MAX_BACKOFF));
        assert!(pauses[30] >= limits::MAX_BACKOFF / 2);
        assert_ne!(pauses[30], pauses[31]);
    }
}
