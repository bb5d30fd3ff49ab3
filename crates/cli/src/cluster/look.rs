//! What the commands that change the members have in common: looking at the cluster until it is as asked for.

use std::time::Duration;

use stockade_client::Error as ClientError;
use stockade_proto::v1::{NodeRole, NodeStatus};

/// Between two looks at the cluster.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Entries that a new node may lack when its promotion is asked for. The leader has the last word.
pub(super) const NEARLY_THERE: u64 = 500;

/// The error in words, where it may pass by itself; else the error.
pub(super) fn passing(error: ClientError) -> Result<String, ClientError> {
    match &error {
        ClientError::Rejected(refusal)
            if ["MEMBERSHIP_CHANGING", "MEMBERSHIP_LEARNER_BEHIND"].contains(&refusal.reason.as_str()) => {}
        ClientError::OutcomeUnknown { .. }
        | ClientError::NoLeader { .. }
        | ClientError::Overloaded { .. }
        | ClientError::Unavailable { .. } => {}
        ClientError::Rejected(_) | ClientError::Invalid(_) | ClientError::Transport(_) => return Err(error),
    }
    Ok(error.to_string())
}

pub(super) fn leader(nodes: &[NodeStatus]) -> Option<&NodeStatus> {
    let leads = |node: &&NodeStatus| node.reachable && node.role() == NodeRole::Leader;
    nodes.iter().filter(leads).max_by_key(|node| node.term)
}

/// Who votes.
pub(super) fn voters(nodes: &[NodeStatus]) -> Vec<u64> {
    nodes.iter().filter(|node| node.voter).map(|node| node.node_id).collect()
}

/// Ids for people.
pub(super) fn listed(ids: &[u64]) -> String {
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    if ids.is_empty() { "none known".to_owned() } else { ids.join(", ") }
}

/// What to say of a number of voters, where it is not a good one.
pub(super) fn remark(voters: usize) -> &'static str {
    match voters {
        1 => "; with one voter alone nothing may fail: add two more",
        even if even % 2 == 0 => {
            "; an even number bears no more failures than one voter less: add one, or remove one"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for_and_a_no_is_not() {
        assert!(passing(ClientError::NoLeader { cause: "election".to_owned() }).is_ok());
        assert!(passing(ClientError::Invalid("id".to_owned())).is_err());
    }

    #[test]
    fn an_even_number_of_voters_is_remarked_on() {
        assert!(remark(4).contains("even") && remark(1).contains("alone"));
        assert_eq!((remark(3), remark(5)), ("", ""));
    }
}
