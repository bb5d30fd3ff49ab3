//! `stockade cluster transfer`: another voter leads.

use anyhow::Context;
use serde_json::json;
use stockade_client::Client;
use stockade_proto::v1::{NodeRole, TransferLeadershipRequest};

use crate::connect::ClusterArgs;
use crate::output::Output;

/// Flags of `cluster transfer`.
#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// Id of the voter that is to lead. Without it the leader chooses one that has all of the log.
    #[arg(value_name = "NODE", value_parser = clap::value_parser!(u64).range(1..))]
    node: Option<u64>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Who leads now: a request that names it can be sent again without moving the lead on.
async fn leader(client: &Client) -> anyhow::Result<u64> {
    let nodes = client.cluster_status().await?.nodes;
    let leads = nodes.iter().filter(|node| node.reachable && node.role() == NodeRole::Leader);
    let leader =
        leads.max_by_key(|node| node.term).context("nobody leads; look at `stockade cluster status`")?;
    Ok(leader.node_id)
}

pub(crate) async fn run(args: TransferArgs, output: Output) -> anyhow::Result<()> {
    let client = args.cluster.connect().await?;
    let request = match args.node {
        Some(node_id) => TransferLeadershipRequest { node_id, away_from: 0 },
        None => TransferLeadershipRequest { node_id: 0, away_from: leader(&client).await? },
    };
    let leader_id = client.transfer_leadership(request).await?.leader_id;
    output.print(&json!({ "leader_id": leader_id }), || format!("node {leader_id} leads"));
    Ok(())
}
