//! `stockade cluster remove`: nodes are no members any more, in one change.

use std::time::Duration;

use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::{NodeStatus, RemoveRequest};
use stockade_server::Exit;
use tokio::time::{Instant, sleep};

use super::look::{LOOK_AGAIN, leader, listed, passing, remark, voters};
use crate::connect::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Flags of `cluster remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Ids of the nodes that go, voters or learners: all of them in one change. Those that are gone already are passed over.
    #[arg(value_name = "NODE", required = true, value_parser = clap::value_parser!(u64).range(1..))]
    nodes: Vec<u64>,
    /// How long it may take, in seconds. Run again after that, it goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn run(args: RemoveArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let nodes = bring_about(&client, &args.nodes, deadline).await?;
    let voters = voters(&nodes);
    let leader_id = leader(&nodes).map_or(0, |leader| leader.node_id);
    let object = json!({ "removed": args.nodes, "voters": voters, "leader_id": leader_id });
    output.print(&object, || {
        let gone = listed(&args.nodes);
        format!("no members any more: {gone}; stop them. Voters: {}{}", listed(&voters), remark(voters.len()))
    });
    Ok(())
}

/// Has them removed, then waits until the members that are left say so; gives what they say.
async fn bring_about(client: &Client, gone: &[u64], deadline: Instant) -> anyhow::Result<Vec<NodeStatus>> {
    let mut last = "the cluster has not answered".to_owned();
    let mut done = false;
    while Instant::now() < deadline {
        if !done {
            match client.remove_nodes(RemoveRequest { node_ids: gone.to_vec() }).await {
                Ok(_) => done = true,
                Err(error) => last = passing(error)?,
            }
        }
        if done {
            match client.cluster_status().await {
                Ok(status) if is_without(&status.nodes, gone) => return Ok(status.nodes),
                Ok(_) => "the members do not agree on a leader yet".clone_into(&mut last),
                Err(error) => last = passing(error)?,
            }
        }
        sleep(LOOK_AGAIN).await;
    }
    let what =
        format!("{} not removed in time ({last}); run the same command again: it finishes it", listed(gone));
    Err(Failure::new(Exit::Unavailable, what).into())
}

/// True of what members say that have a leader and know of the change. A node that was removed names itself.
fn is_without(nodes: &[NodeStatus], gone: &[u64]) -> bool {
    leader(nodes).is_some() && !nodes.iter().any(|node| gone.contains(&node.node_id))
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::NodeRole;

    use super::*;

    #[test]
    fn the_word_of_a_node_that_was_removed_is_not_taken() {
        let node = |node_id, role: NodeRole| NodeStatus {
            node_id,
            reachable: true,
            role: role.into(),
            ..NodeStatus::default()
        };
        let (leader, other, gone) =
            (node(1, NodeRole::Leader), node(2, NodeRole::Follower), node(4, NodeRole::Learner));
        assert!(is_without(&[leader.clone(), other.clone()], &[4]));
        assert!(!is_without(&[leader, other.clone(), gone], &[4]));
        assert!(!is_without(&[other], &[4]), "nobody leads");
    }
}
