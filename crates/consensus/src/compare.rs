//! Comparing: the nodes tell each other the chain hashes of their states at log indexes they have in common. Equal
//! entries lead to equal states, so a node that differs has a fault in its memory, or runs other code; what it answers
//! can't be believed.
//!
//! Who is outvoted by a majority of all voters takes itself out of service for good. Where no majority agrees, nobody
//! can tell who is right, and those who see it raise an alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use openraft::type_config::alias::LogIdOf;
use parking_lot::Mutex;
use stockade_env::FailureKind;
use stockade_proto::internal as wire;
use stockade_storage::{AlarmKind, CHAIN_MARKS_KEPT, ChainMark, Quarantine, TypeConfig};
use tokio::time::{sleep, timeout};

use crate::limits;
use crate::node::Inner;
use crate::peer::acknowledged::Lost;
use crate::peer::convert;
use crate::peer::link::Purpose;

type Chain = [u8; 32];

/// The marks that the other members told.
///
/// Invariant: at most [`CHAIN_MARKS_KEPT`] of a node, the newest.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<BTreeMap<u64, BTreeMap<u64, Chain>>>);

impl Heard {
    /// Takes in what a node told.
    fn take_in(&self, node_id: u64, told: &[wire::ChainMark]) {
        let told = told.iter().filter_map(|mark| Some((mark.index, Chain::try_from(&mark.chain[..]).ok()?)));
        let told: BTreeMap<u64, Chain> = told.take(limits::MARKS_TOLD).collect();
        let mut heard = self.0.lock();
        let known = heard.entry(node_id).or_default();
        if told.iter().any(|(index, chain)| known.get(index).is_some_and(|known| known != chain)) {
            // It has another state now than it had; what that one was says nothing of this one.
            known.clear();
        }
        known.extend(told);
        while known.len() > CHAIN_MARKS_KEPT {
            known.pop_first();
        }
    }

    fn keep(&self, members: &BTreeMap<u64, String>) {
        self.0.lock().retain(|node_id, _| members.contains_key(node_id));
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Equal,
    /// Nodes differ, and a majority does not disagree with this one.
    Differing(Difference),
    /// A majority of the voters agrees on another chain than this node's.
    Outvoted(Difference, Chain),
}

/// The first log index at which nodes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    index: u64,
    own: Chain,
    /// Who has which chain there.
    nodes: BTreeMap<Chain, BTreeSet<u64>>,
}

impl Difference {
    fn describe(&self) -> String {
        let mut text = format!("the nodes' states differ since log index {} at the latest: ", self.index);
        for (number, (chain, nodes)) in self.nodes.iter().enumerate() {
            let nodes: Vec<String> = nodes.iter().map(u64::to_string).collect();
            let short = u64::from_be_bytes(*chain.first_chunk().expect("a hash has 32 bytes"));
            let comma = if number > 0 { ", " } else { "" };
            // Writing to a String can't fail.
            let _ = write!(text, "{comma}chain hash {short:016x} on {}", nodes.join(" and "));
        }
        text
    }
}

/// Compares this node's marks with those of the others, oldest first.
fn judge(
    me: u64,
    own: &[ChainMark],
    heard: &BTreeMap<u64, BTreeMap<u64, Chain>>,
    voters: &BTreeSet<u64>,
) -> Verdict {
    let mut first = None;
    for mark in own {
        let mut nodes = BTreeMap::from([(mark.chain, BTreeSet::from([me]))]);
        for (node_id, marks) in heard {
            if let Some(chain) = marks.get(&mark.index) {
                nodes.entry(*chain).or_insert_with(BTreeSet::new).insert(*node_id);
            }
        }
        if nodes.len() == 1 {
            continue;
        }
        let majority = nodes.iter().find(|(_, nodes)| nodes.intersection(voters).count() * 2 > voters.len());
        let agreed = majority.map(|(chain, _)| *chain);
        let difference = Difference { index: mark.index, own: mark.chain, nodes };
        match agreed {
            Some(agreed) if agreed != mark.chain => return Verdict::Outvoted(difference, agreed),
            Some(_) | None => {}
        }
        first.get_or_insert(difference);
    }
    first.map_or(Verdict::Equal, Verdict::Differing)
}

impl Inner {
    /// What this node tells the others: its newest marks.
    pub(crate) fn marks_to_tell(&self) -> Vec<wire::ChainMark> {
        let marks = self.state.newest_chain_marks(limits::MARKS_TOLD);
        marks
            .into_iter()
            .map(|ChainMark { index, chain }| wire::ChainMark {
                index,
                chain: Bytes::copy_from_slice(&chain),
            })
            .collect()
    }

    /// What a member told of its state.
    pub(crate) fn hear_marks(&self, node_id: u64, told: &[wire::ChainMark]) {
        if node_id != self.identity.node_id && self.members().contains_key(&node_id) {
            self.heard.take_in(node_id, told);
        }
    }

    /// What a member has lost, while this node leads in the term in which it was acknowledged.
    fn lost_by(&self, node_id: u64) -> Option<Lost> {
        let lost = self.links.acknowledged.lost(node_id)?;
        let leads = self.metrics(|metrics| metrics.state.is_leader() && metrics.vote == lost.vote);
        (leads && self.members().contains_key(&node_id)).then_some(lost)
    }

    /// The leader says that this node lacks what it had acknowledged. Where that is so, this node can't be trusted to
    /// keep anything: it takes itself out of service. Its own log decides, not the leader's word.
    pub(crate) fn heed_loss(&self, report: wire::ReportLossRequest) -> Result<(), convert::Malformed> {
        let from = report.envelope.map_or(0, |envelope| envelope.from_node);
        let vote = convert::vote_from_wire(report.vote)?;
        let Some(acknowledged) = convert::log_id_from_wire(report.acknowledged)? else { return Ok(()) };
        let follows = self.metrics(|metrics| metrics.vote == vote && vote.leader_id.node_id == from);
        if follows && self.lacks(&acknowledged) {
            let last = self.log.last_index();
            let reason = format!(
                "this node's log ends at {last}, though this node had acknowledged entries up to {} to node {from}, the \
                 leader of term {}: its disk lost what was synced, or older data was put in place",
                acknowledged.index, vote.leader_id.term
            );
            self.go_into_quarantine("the log", AlarmKind::LogLost, last, None, reason);
        }
        Ok(())
    }

    fn lacks(&self, log_id: &LogIdOf<TypeConfig>) -> bool {
        self.log.last_index() < log_id.index && self.state.applied().get() < log_id.index
    }

    /// Takes this node out of service for good: at once, and at every later start.
    fn go_into_quarantine(
        &self,
        what: &str,
        alarm: AlarmKind,
        index: u64,
        hashes: Option<(Chain, Chain)>,
        reason: String,
    ) {
        if self.is_stopping() {
            return;
        }
        // First of all: what it would answer may be wrong.
        self.stop_serving();
        let quarantine = Quarantine { index, hashes, since_us: self.env.clock.now_us(), reason };
        let text = quarantine.to_string();
        self.alarms.raise(alarm, text.clone());
        // It stops in any case; a start on this directory would find out again.
        if let Err(error) = self.state.quarantine(&quarantine) {
            tracing::error!(%error, "the quarantine can't be noted in the data directory: don't start it again");
        }
        self.env.tasks.fail_as(FailureKind::Damaged, what, &text);
    }

    fn compare(&self) -> Verdict {
        let voters = self.metrics(|metrics| metrics.membership_config.voter_ids().collect());
        let own = self.state.chain_marks(0);
        judge(self.identity.node_id, &own, &self.heard.0.lock(), &voters)
    }
}

/// Compares this node's state with what the others tell of theirs, and tells of peers that have lost their log.
pub(crate) async fn run(node: Arc<Inner>) {
    let mut differed = false;
    let mut lost_before = false;
    loop {
        tokio::select! {
            () = sleep(limits::POLL) => {}
            () = node.stopping() => return,
        }
        let members = node.members();
        node.heard.keep(&members);
        match node.compare() {
            Verdict::Equal if differed => {
                node.alarms.clear(AlarmKind::StateDiverged);
                differed = false;
            }
            Verdict::Equal => {}
            Verdict::Differing(difference) => {
                let advice = "find out which node is wrong, keep its directory and bring it back under a new id with \
                              `stockade cluster replace`";
                let detail = format!("{}; {advice}", difference.describe());
                node.alarms.raise(AlarmKind::StateDiverged, detail);
                differed = true;
            }
            Verdict::Outvoted(difference, agreed) => {
                let Difference { index, own, .. } = difference;
                let reason =
                    format!("this node's state differs from that of the others: {}", difference.describe());
                let hashes = Some((own, agreed));
                node.go_into_quarantine("the state", AlarmKind::StateDiverged, index, hashes, reason);
                return;
            }
        }
        let mut lost = Vec::new();
        for node_id in members.keys() {
            lost.extend(node.report_loss(*node_id).await);
        }
        if !lost.is_empty() {
            node.alarms.raise(AlarmKind::LogLost, lost.join("; "));
        } else if lost_before {
            node.alarms.clear(AlarmKind::LogLost);
        }
        lost_before = !lost.is_empty();
    }
}

impl Inner {
    /// Tells a member that has lost its log to stop, and gives what a person should know of it; `None` for all others.
    async fn report_loss(&self, node_id: u64) -> Option<String> {
        let lost = self.lost_by(node_id)?;
        let request = wire::ReportLossRequest {
            envelope: Some(self.links.envelope(node_id)),
            vote: Some(convert::vote_to_wire(&lost.vote)),
            acknowledged: Some(convert::log_id_to_wire(&lost.acknowledged)),
        };
        if let Some(address) = self.peer_address(node_id)
            && let Ok(mut client) = self.links.client(node_id, &address, Purpose::Query)
            && let Ok(Err(status)) = timeout(limits::STATUS_TIMEOUT, client.report_loss(request)).await
        {
            // It is told again as long as it is there.
            tracing::debug!(node_id, %status, "a node that has lost its log could not be told");
        }
        Some(format!(
            "node {node_id} lacks entry {} though it had acknowledged the log up to {}: it counts for nothing until it is \
             brought back under a new id with `stockade cluster replace`",
            lost.missing.index, lost.acknowledged.index
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(chains: &[(u64, u8)]) -> Vec<ChainMark> {
        chains.iter().map(|(index, chain)| ChainMark { index: *index, chain: [*chain; 32] }).collect()
    }

    fn heard(nodes: &[(u64, &[(u64, u8)])]) -> BTreeMap<u64, BTreeMap<u64, Chain>> {
        let marks = |marks: &[(u64, u8)]| marks.iter().map(|(index, chain)| (*index, [*chain; 32])).collect();
        nodes.iter().map(|(node_id, told)| (*node_id, marks(told))).collect()
    }

    fn verdict(chains: &[(u64, u8)], others: &[(u64, &[(u64, u8)])], voters: u64) -> (&'static str, u64) {
        match judge(1, &own(chains), &heard(others), &(1..=voters).collect()) {
            Verdict::Equal => ("equal", 0),
            Verdict::Differing(difference) => ("differing", difference.index),
            Verdict::Outvoted(difference, _) => ("outvoted", difference.index),
        }
    }

    #[test]
    fn nodes_that_agree_where_they_can_be_compared_are_equal() {
        assert_eq!(verdict(&[(4, 1), (8, 2)], &[(2, &[(8, 2), (12, 7)]), (3, &[(4, 1)])], 3), ("equal", 0));
        assert_eq!(verdict(&[], &[(2, &[(8, 2)])], 3), ("equal", 0));
    }

    #[test]
    fn who_is_outvoted_by_a_majority_of_all_voters_is_wrong() {
        let others: [(u64, &[(u64, u8)]); 2] = [(2, &[(4, 1), (8, 2)]), (3, &[(8, 2)])];
        assert_eq!(verdict(&[(4, 1), (8, 9)], &others, 3), ("outvoted", 8));
        assert_eq!(verdict(&[(4, 1), (8, 9)], &others, 5), ("differing", 8), "two of five are no majority");
    }

    #[test]
    fn a_majority_that_this_node_belongs_to_leaves_it_in_service() {
        assert_eq!(verdict(&[(8, 2)], &[(2, &[(8, 2)]), (3, &[(8, 9)])], 3), ("differing", 8));
    }

    #[test]
    fn where_all_differ_nobody_is_right() {
        assert_eq!(verdict(&[(8, 2)], &[(2, &[(8, 3)]), (3, &[(8, 9)])], 3), ("differing", 8));
        assert_eq!(verdict(&[(8, 2)], &[(2, &[(8, 3)])], 3), ("differing", 8));
    }

    #[test]
    fn a_learner_counts_for_nothing_and_can_be_outvoted() {
        let others: [(u64, &[(u64, u8)]); 2] = [(4, &[(8, 9)]), (5, &[(8, 9)])];
        assert_eq!(verdict(&[(8, 2)], &others, 3), ("differing", 8));
        let learner =
            judge(7, &own(&[(8, 1)]), &heard(&[(1, &[(8, 2)]), (2, &[(8, 2)])]), &(1..=3).collect());
        assert!(matches!(learner, Verdict::Outvoted(..)));
    }

    #[test]
    fn a_node_that_tells_another_hash_for_an_index_has_begun_anew() {
        let heard = Heard::default();
        let told = |index, chain: u8| wire::ChainMark { index, chain: vec![chain; 32].into() };
        heard.take_in(2, &[told(4, 1), told(8, 2)]);
        heard
            .take_in(2, &[told(8, 3), told(12, 4), wire::ChainMark { index: 16, chain: vec![1; 31].into() }]);
        let known: Vec<u64> = heard.0.lock()[&2].keys().copied().collect();
        assert_eq!(known, [8, 12]);
    }
}
