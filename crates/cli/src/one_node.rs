//! Which node is asked, by commands that ask one alone.

use stockade_client::Client;
use stockade_proto::v1::{NodeRole, NodeStatus};
use stockade_server::Exit;

use crate::failure::Failure;

/// The node to ask.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OneNodeArgs {
    /// The node to ask; a follower where absent, since the leader has enough to do.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    node: Option<u64>,
}

impl OneNodeArgs {
    /// Where it takes calls.
    pub(crate) async fn address(&self, client: &Client) -> anyhow::Result<String> {
        choose(&client.cluster_status().await?.nodes, self.node)
    }
}

/// Where to ask: the node that was named, else the follower that is least behind, else whoever is there.
fn choose(nodes: &[NodeStatus], wanted: Option<u64>) -> anyhow::Result<String> {
    let reachable = || nodes.iter().filter(|node| node.reachable && !node.client_address.is_empty());
    let chosen = match wanted {
        Some(id) => reachable().find(|node| node.node_id == id),
        None => reachable().min_by_key(|node| (node.role() != NodeRole::Follower, node.lag)),
    };
    let nobody = || match wanted {
        Some(id) => {
            format!("node {id} is no member of the cluster or does not answer; see `stockade cluster status`")
        }
        None => "no node answers; see `stockade cluster status`".to_owned(),
    };
    let chosen = chosen.ok_or_else(|| Failure::new(Exit::Unavailable, nobody()))?;
    Ok(chosen.client_address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node_id: u64, role: NodeRole, lag: u64) -> NodeStatus {
        NodeStatus {
            node_id,
            role: role.into(),
            lag,
            reachable: true,
            client_address: format!("n{node_id}:1"),
            ..NodeStatus::default()
        }
    }

    #[test]
    fn the_follower_that_is_least_behind_is_asked() {
        let nodes =
            [node(1, NodeRole::Leader, 0), node(2, NodeRole::Follower, 7), node(3, NodeRole::Follower, 2)];
        assert_eq!(choose(&nodes, None).unwrap(), "n3:1");
        assert_eq!(choose(&nodes, Some(1)).unwrap(), "n1:1");
        assert_eq!(choose(&nodes[..1], None).unwrap(), "n1:1", "a cluster of one has a leader only");
    }

    #[test]
    fn a_node_that_does_not_answer_is_not_asked() {
        let silent = NodeStatus { reachable: false, ..node(2, NodeRole::Follower, 0) };
        let nodes = [node(1, NodeRole::Leader, 0), silent];
        assert_eq!(choose(&nodes, None).unwrap(), "n1:1");
        assert!(choose(&nodes, Some(2)).unwrap_err().to_string().contains("does not answer"));
    }
}
