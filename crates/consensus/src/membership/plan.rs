//! Whether a change of the membership is safe, and what it comes to. Pure: from what the leader knows to a step or a
//! refusal.

use std::collections::{BTreeMap, BTreeSet};

use super::{MembershipRefusal, RefusalKind};
use crate::limits;

/// The last membership of the leader's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Members {
    /// Log index of its entry.
    pub(crate) index: u64,
    /// False while its entry is not committed.
    pub(crate) committed: bool,
    /// The voters; two sets while a change of them is under way, the later one last.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    /// Voters and learners, with their peer addresses.
    pub(crate) nodes: BTreeMap<u64, String>,
    /// The highest id of all memberships that were ever applied, this one included.
    pub(crate) highest_ever: u64,
}

/// What the leader knows of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Who has answered lately, the leader included.
    pub(crate) heard: BTreeSet<u64>,
    /// Entries that a learner lacks; nothing where the leader doesn't know yet.
    pub(crate) lag: Option<u64>,
    /// The learner says that it has caught up with a leader: only then its vote is of use to others.
    pub(crate) ready: bool,
}

/// What is to be proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is so already.
    Done,
    /// A learner, at its peer address.
    Add(u64, String),
    /// These voters. Who votes no more is no member any more.
    Voters(BTreeSet<u64>),
    /// The same, and these learners are no members any more either.
    Without {
        /// Who votes.
        voters: BTreeSet<u64>,
        /// Who goes and has no vote.
        learners: BTreeSet<u64>,
    },
}

type Planned = Result<Step, MembershipRefusal>;

fn refuse(kind: RefusalKind, message: String) -> Planned {
    Err(MembershipRefusal { kind, message })
}

/// What adding a learner comes to.
pub(crate) fn addition(members: &Members, node_id: u64, peer_address: &str) -> Planned {
    unless_uncommitted(members)?;
    if let Some(known) = members.nodes.get(&node_id) {
        if known == peer_address {
            return Ok(Step::Done);
        }
        let free = members.free_id();
        let what = format!(
            "node {node_id} is a member at {known}; a new node needs an id of its own: {free} or higher"
        );
        return refuse(RefusalKind::IdUsed, what);
    }
    if node_id < members.free_id() {
        let free = members.free_id();
        let what = format!("the id {node_id} may have been another node's; choose {free} or higher");
        return refuse(RefusalKind::IdUsed, what);
    }
    if let [old, new] = members.voters.as_slice() {
        return refuse(RefusalKind::Changing, half_done(old, new));
    }
    Ok(Step::Add(node_id, peer_address.to_owned()))
}

/// What giving a learner a vote comes to.
pub(crate) fn promotion(
    members: &Members,
    evidence: &Evidence,
    node_id: u64,
    replaces: Option<u64>,
) -> Planned {
    unless_uncommitted(members)?;
    if !members.nodes.contains_key(&node_id) {
        let what = format!("node {node_id} is no member; add it as a learner first");
        return refuse(RefusalKind::NodeUnknown, what);
    }
    let (first, last) = members.first_and_last()?;
    let mut voters = first.clone();
    voters.insert(node_id);
    let absent = replaces.filter(|old| !voters.remove(old));
    if first != last {
        // A leader died between the two entries of a change: who asks for the same again has it finished.
        return if voters == *last {
            quorum_of(&voters, evidence)?;
            Ok(Step::Voters(voters))
        } else {
            refuse(RefusalKind::Changing, half_done(first, last))
        };
    }
    if voters == *last && replaces.is_none_or(|old| !members.nodes.contains_key(&old)) {
        return Ok(Step::Done);
    }
    if let Some(old) = absent {
        return refuse(RefusalKind::NodeUnknown, format!("node {old} has no vote that could be given on"));
    }
    quorum_of(&voters, evidence)?;
    if !last.contains(&node_id) {
        caught_up(node_id, evidence)?;
    } else if replaces.is_some() && last.len() % 2 == 1 {
        // It would leave an even number of voters, who bear no more failures than one voter less.
        let what = format!("node {node_id} votes already; a voter is replaced by a new node");
        return refuse(RefusalKind::NodeUnfit, what);
    }
    Ok(Step::Voters(voters))
}

/// What removing nodes comes to, in one change whether they vote or not. Those that are gone already are passed over.
pub(crate) fn removal(members: &Members, evidence: &Evidence, gone: &BTreeSet<u64>) -> Planned {
    unless_uncommitted(members)?;
    if let Some(unknown) = gone.iter().find(|node_id| **node_id >= members.free_id()) {
        let known = listed(&members.nodes.keys().copied().collect());
        let what = format!("node {unknown} is no member and never was; the members are {known}");
        return refuse(RefusalKind::NodeUnknown, what);
    }
    let (first, last) = members.first_and_last()?;
    let voters: BTreeSet<u64> = first.difference(gone).copied().collect();
    let has_no_vote = |node_id: &&u64| !first.contains(node_id) && !last.contains(node_id);
    let is_member = |node_id: &&u64| members.nodes.contains_key(node_id);
    let learners: BTreeSet<u64> = gone.iter().filter(is_member).filter(has_no_vote).copied().collect();
    if first != last && voters != *last {
        return refuse(RefusalKind::Changing, half_done(first, last));
    }
    if first == last && voters == *last && learners.is_empty() {
        return Ok(Step::Done);
    }
    if voters.is_empty() {
        let what = format!(
            "without {} nobody would vote, and the data would be nobody's; add another voter first",
            listed(gone)
        );
        return refuse(RefusalKind::QuorumAtRisk, what);
    }
    // Those who vote now have to agree as well: without them it would hang, and nobody could change anything meanwhile.
    quorum_of(first, evidence)?;
    quorum_of(&voters, evidence)?;
    Ok(Step::Without { voters, learners })
}

fn unless_uncommitted(members: &Members) -> Result<(), MembershipRefusal> {
    if members.committed {
        return Ok(());
    }
    let what = "the last change of the membership is not committed yet; try again";
    Err(MembershipRefusal { kind: RefusalKind::Changing, message: what.to_owned() })
}

fn caught_up(node_id: u64, evidence: &Evidence) -> Result<(), MembershipRefusal> {
    let message = match evidence.lag {
        Some(lag) if lag <= limits::MAX_PROMOTION_LAG && evidence.ready => return Ok(()),
        Some(lag) if lag <= limits::MAX_PROMOTION_LAG => {
            format!("node {node_id} is not ready yet; can it reach the leader?")
        }
        Some(lag) => format!("node {node_id} lacks {lag} entries of the log; wait until it has caught up"),
        None => format!("node {node_id} has not answered yet; is it running?"),
    };
    Err(MembershipRefusal { kind: RefusalKind::LearnerBehind, message })
}

/// Refuses voters of whom a majority is not there: with them nothing could be committed any more.
fn quorum_of(voters: &BTreeSet<u64>, evidence: &Evidence) -> Result<(), MembershipRefusal> {
    let there = voters.intersection(&evidence.heard).count();
    if there > voters.len() / 2 {
        return Ok(());
    }
    let silent: BTreeSet<u64> = voters.difference(&evidence.heard).copied().collect();
    let message = format!(
        "of the {} nodes that would vote ({}) only {there} are there, {} are not: more than half must be",
        voters.len(),
        listed(voters),
        listed(&silent),
    );
    Err(MembershipRefusal { kind: RefusalKind::QuorumAtRisk, message })
}

fn half_done(old: &BTreeSet<u64>, new: &BTreeSet<u64>) -> String {
    let gone = listed(&old.difference(new).copied().collect());
    let come = listed(&new.difference(old).copied().collect());
    format!(
        "a change of the voters from {} to {} is half done; ask for it again first (gone: {gone}; new: {come})",
        listed(old),
        listed(new)
    )
}

fn listed(ids: &BTreeSet<u64>) -> String {
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

impl Members {
    /// The lowest id that was surely never used, see the head of this module.
    pub(crate) fn free_id(&self) -> u64 {
        let highest = self.nodes.keys().next_back().copied().unwrap_or(0);
        highest.max(self.highest_ever).saturating_add(1)
    }

    /// Who votes: twice the same, or the old and the new voters while a change of them is half done.
    fn first_and_last(&self) -> Result<(&BTreeSet<u64>, &BTreeSet<u64>), MembershipRefusal> {
        match self.voters.as_slice() {
            [] => Err(MembershipRefusal {
                kind: RefusalKind::Changing,
                message: "the cluster has no members yet".to_owned(),
            }),
            [voters] => Ok((voters, voters)),
            [old, .., new] => Ok((old, new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(voters: &[&[u64]], learners: &[u64]) -> Members {
        let voters: Vec<BTreeSet<u64>> = voters.iter().map(|ids| ids.iter().copied().collect()).collect();
        let nodes: BTreeMap<u64, String> =
            voters.iter().flatten().chain(learners).map(|id| (*id, format!("n{id}:1"))).collect();
        let highest_ever = nodes.keys().next_back().copied().unwrap_or(0);
        Members { index: 9, committed: true, voters, nodes, highest_ever }
    }

    fn all_there() -> Evidence {
        Evidence { heard: (1..=9).collect(), lag: Some(0), ready: true }
    }

    fn kind(planned: Planned) -> RefusalKind {
        planned.expect_err("it should have been refused").kind
    }

    fn set(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    fn voters(ids: &[u64]) -> Step {
        Step::Voters(set(ids))
    }

    fn without(voters: &[u64], learners: &[u64]) -> Step {
        Step::Without { voters: set(voters), learners: set(learners) }
    }

    #[test]
    fn a_new_id_is_above_all_others() {
        let three = members(&[&[1, 3, 5]], &[]);
        assert_eq!(addition(&three, 6, "n6:1"), Ok(Step::Add(6, "n6:1".to_owned())));
        assert_eq!(kind(addition(&three, 2, "n2:1")), RefusalKind::IdUsed);
        assert_eq!(kind(addition(&three, 3, "elsewhere:1")), RefusalKind::IdUsed);
    }

    #[test]
    fn a_node_that_is_a_member_already_is_added_by_doing_nothing() {
        assert_eq!(addition(&members(&[&[1, 2, 3]], &[4]), 4, "n4:1"), Ok(Step::Done));
    }

    #[test]
    fn an_id_above_all_members_that_was_used_once_is_not_used_again() {
        let once_had_seven = Members { highest_ever: 7, ..members(&[&[1, 2, 3]], &[]) };
        let refused = addition(&once_had_seven, 4, "n4:1").expect_err("7 was there, so 4 may have been");
        assert_eq!(refused.kind, RefusalKind::IdUsed);
        assert!(refused.message.contains("8 or higher"), "{}", refused.message);
        assert_eq!(kind(addition(&once_had_seven, 7, "n7:1")), RefusalKind::IdUsed);
        assert_eq!(addition(&once_had_seven, 8, "n8:1"), Ok(Step::Add(8, "n8:1".to_owned())));
    }

    #[test]
    fn a_learner_takes_the_place_of_a_voter_of_a_higher_id() {
        let with_learner = members(&[&[2, 3, 5]], &[4]);
        assert_eq!(promotion(&with_learner, &all_there(), 4, Some(5)), Ok(voters(&[2, 3, 4])));
    }

    #[test]
    fn voters_and_learners_go_in_one_change() {
        let seven = members(&[&[1, 2, 3, 4, 5]], &[6, 7]);
        assert_eq!(removal(&seven, &all_there(), &set(&[4, 5])), Ok(without(&[1, 2, 3], &[])));
        assert_eq!(removal(&seven, &all_there(), &set(&[6])), Ok(without(&[1, 2, 3, 4, 5], &[6])));
        assert_eq!(removal(&seven, &all_there(), &set(&[5, 7])), Ok(without(&[1, 2, 3, 4], &[7])));
    }

    #[test]
    fn who_is_gone_already_is_passed_over_and_who_never_was_is_not() {
        let later = Members { highest_ever: 5, ..members(&[&[1, 2, 3]], &[]) };
        assert_eq!(removal(&later, &all_there(), &set(&[4, 5])), Ok(Step::Done));
        assert_eq!(removal(&later, &all_there(), &set(&[3, 4])), Ok(without(&[1, 2], &[])));
        let refused = removal(&later, &all_there(), &set(&[3, 6])).expect_err("there never was a 6");
        assert_eq!(refused.kind, RefusalKind::NodeUnknown);
        assert!(refused.message.contains("1, 2, 3"), "{}", refused.message);
    }

    #[test]
    fn the_last_voter_stays() {
        let alone = members(&[&[1]], &[2]);
        assert_eq!(kind(removal(&alone, &all_there(), &set(&[1]))), RefusalKind::QuorumAtRisk);
        assert_eq!(kind(removal(&alone, &all_there(), &set(&[1, 2]))), RefusalKind::QuorumAtRisk);
        assert_eq!(
            kind(removal(&members(&[&[1, 2, 3]], &[]), &all_there(), &set(&[1, 2, 3]))),
            RefusalKind::QuorumAtRisk
        );
    }

    #[test]
    fn who_is_needed_for_a_majority_is_not_removed() {
        let evidence = Evidence { heard: set(&[1, 2]), ..all_there() };
        let three = members(&[&[1, 2, 3]], &[]);
        let refused =
            removal(&three, &evidence, &set(&[2])).expect_err("one of the two that are left is silent");
        assert_eq!(refused.kind, RefusalKind::QuorumAtRisk);
        assert!(refused.message.contains("(1, 3)"), "{}", refused.message);
        assert_eq!(removal(&three, &evidence, &set(&[3])), Ok(without(&[1, 2], &[])));
        // Of those who vote now a majority has to agree as well.
        let five = members(&[&[1, 2, 3, 4, 5]], &[]);
        assert_eq!(kind(removal(&five, &evidence, &set(&[3, 4, 5]))), RefusalKind::QuorumAtRisk);
    }

    #[test]
    fn a_removal_left_half_done_is_finished_by_the_same_and_keeps_others_waiting() {
        let joint = members(&[&[1, 2, 3, 4, 5], &[1, 2, 3]], &[6]);
        assert_eq!(removal(&joint, &all_there(), &set(&[4, 5])), Ok(without(&[1, 2, 3], &[])));
        for other in [set(&[5]), set(&[6]), set(&[1, 4, 5])] {
            assert_eq!(kind(removal(&joint, &all_there(), &other)), RefusalKind::Changing);
        }
        let evidence = Evidence { heard: set(&[1, 4, 5]), ..all_there() };
        assert_eq!(kind(removal(&joint, &evidence, &set(&[4, 5]))), RefusalKind::QuorumAtRisk);
    }

    #[test]
    fn a_learner_far_behind_or_not_heard_of_gets_no_vote() {
        let three = members(&[&[1, 2, 3]], &[4]);
        for lag in [None, Some(limits::MAX_PROMOTION_LAG + 1)] {
            let evidence = Evidence { lag, ..all_there() };
            assert_eq!(kind(promotion(&three, &evidence, 4, Some(2))), RefusalKind::LearnerBehind);
        }
    }

    #[test]
    fn too_few_who_would_vote_are_a_reason_to_refuse() {
        let evidence = Evidence { heard: BTreeSet::from([1, 4]), ..all_there() };
        let four = members(&[&[1, 2, 3]], &[4]);
        assert_eq!(promotion(&four, &evidence, 4, Some(2)), Ok(voters(&[1, 3, 4])));
        let refused = promotion(&four, &evidence, 4, None).expect_err("two of four");
        assert_eq!(refused.kind, RefusalKind::QuorumAtRisk);
        assert!(refused.message.contains("2, 3"), "{}", refused.message);
    }

    #[test]
    fn who_is_no_member_is_neither_promoted_nor_replaced() {
        let three = members(&[&[1, 2, 3]], &[6]);
        assert_eq!(kind(promotion(&three, &all_there(), 7, Some(2))), RefusalKind::NodeUnknown);
        assert_eq!(kind(promotion(&three, &all_there(), 6, Some(5))), RefusalKind::NodeUnknown);
    }

    #[test]
    fn what_was_done_before_is_done() {
        assert_eq!(promotion(&members(&[&[1, 3, 4]], &[]), &all_there(), 4, Some(2)), Ok(Step::Done));
        assert_eq!(promotion(&members(&[&[1, 2, 3, 4]], &[]), &all_there(), 4, None), Ok(Step::Done));
        // It got its vote before; the other one still has to go.
        assert_eq!(
            promotion(&members(&[&[1, 2, 3, 4]], &[]), &all_there(), 4, Some(2)),
            Ok(voters(&[1, 3, 4]))
        );
    }

    #[test]
    fn a_change_left_half_done_is_finished_by_the_same_and_keeps_others_waiting() {
        let joint = members(&[&[1, 2, 3], &[1, 3, 4]], &[5]);
        assert_eq!(promotion(&joint, &all_there(), 4, Some(2)), Ok(voters(&[1, 3, 4])));
        assert_eq!(kind(promotion(&joint, &all_there(), 5, Some(1))), RefusalKind::Changing);
        assert_eq!(kind(promotion(&joint, &all_there(), 4, None)), RefusalKind::Changing);
        assert_eq!(kind(addition(&joint, 6, "n6:1")), RefusalKind::Changing);
    }

    #[test]
    fn nothing_is_changed_while_the_last_change_is_uncommitted() {
        let open = Members { committed: false, ..members(&[&[1, 2, 3]], &[4]) };
        assert_eq!(kind(addition(&open, 5, "n5:1")), RefusalKind::Changing);
        assert_eq!(kind(promotion(&open, &all_there(), 4, Some(2))), RefusalKind::Changing);
        assert_eq!(kind(removal(&open, &all_there(), &set(&[3]))), RefusalKind::Changing);
    }
}
