//! Nodes.

use std::fmt::Write as _;

use serde_json::{Value, json};
use stockade_proto::v1::NodeStatus;

use super::{role, time};
use crate::output::table;

pub(crate) fn node_object(node: &NodeStatus) -> Value {
    json!({
        "node_id": node.node_id,
        "reachable": node.reachable,
        "role": role(node.role),
        "voter": node.voter,
        "draining": node.draining,
        "zone": node.zone,
        "standby": node.standby,
        "term": node.term,
        "leader_id": node.leader_id,
        "last_index": node.last_index,
        "committed_index": node.committed_index,
        "applied_index": node.applied_index,
        "snapshot_index": node.snapshot_index,
        "purged_index": node.purged_index,
        "lag": node.lag,
        "disk_used_bytes": node.disk_used_bytes,
        "disk_free_bytes": node.disk_free_bytes,
        "client_address": node.client_address,
        "peer_address": node.peer_address,
        "version": node.version,
        "alarms": node.alarms.iter().map(|alarm| json!({ "kind": alarm.kind, "detail": alarm.detail, "since": time(alarm.since.as_ref()) })).collect::<Vec<_>>(),
    })
}

pub(crate) fn node_table(nodes: &[NodeStatus]) -> String {
    let header = [
        "NODE",
        "ROLE",
        "ZONE",
        "TERM",
        "LAST",
        "COMMITTED",
        "APPLIED",
        "SNAPSHOT",
        "LAG",
        "FREE MIB",
        "CALLERS",
        "PEERS",
        "VERSION",
    ];
    let row = |node: &NodeStatus| {
        let number = |value: u64| if node.reachable { value.to_string() } else { "-".to_owned() };
        vec![
            node.node_id.to_string(),
            part(node),
            if node.zone.is_empty() { "-".to_owned() } else { node.zone.clone() },
            number(node.term),
            number(node.last_index),
            number(node.committed_index),
            number(node.applied_index),
            number(node.snapshot_index),
            number(node.lag),
            number(node.disk_free_bytes >> 20),
            node.client_address.clone(),
            node.peer_address.clone(),
            node.version.clone(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    let mut text = table(&header, &header[3..10], &rows);
    for node in nodes {
        for alarm in &node.alarms {
            let _ = write!(text, "\nalarm on node {}: {}: {}", node.node_id, alarm.kind, alarm.detail);
        }
    }
    text
}

/// What a node does in the cluster, in a word or two.
fn part(node: &NodeStatus) -> String {
    let part = match (node.reachable, node.voter, node.standby) {
        (false, true, _) => "unreachable".to_owned(),
        (false, false, _) => "unreachable learner".to_owned(),
        (true, false, true) => "standby".to_owned(),
        (true, ..) => role(node.role).to_lowercase(),
    };
    if node.draining { format!("{part}, draining") } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_answer_shows_no_numbers() {
        let node = NodeStatus { node_id: 2, voter: true, ..NodeStatus::default() };
        let text = node_table(&[node]);
        assert!(text.contains("unreachable") && text.lines().nth(1).is_some_and(|row| row.contains('-')));
    }
}
