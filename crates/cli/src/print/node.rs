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
    let mut text = table(&header, &header[2..9], &rows);
    for node in nodes {
        for alarm in &node.alarms {
            let _ = write!(text, "\nalarm on node {}: {}: {}", node.node_id, alarm.kind, alarm.detail);
        }
    }
    text
}

/// Its role, for people.
fn part(node: &NodeStatus) -> String {
    match (node.reachable, node.draining) {
        (false, _) => "unreachable".to_owned(),
        (true, false) => role(node.role).to_lowercase(),
        (true, true) => format!("{}, draining", role(node.role).to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_answer_shows_no_numbers() {
        let node = NodeStatus { node_id: 2, ..NodeStatus::default() };
        let text = node_table(&[node]);
        assert!(text.contains("unreachable") && text.lines().nth(1).is_some_and(|row| row.contains('-')));
    }
}
