//! `stockade cluster transfer`: another voter leads.

use serde_json::json;
use stockade_proto::v1::TransferLeadershipRequest;

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

pub(crate) async fn run(args: TransferArgs, output: Output) -> anyhow::Result<()> {
    let request = TransferLeadershipRequest { node_id: args.node.unwrap_or(0) };
    let leader_id = args.cluster.connect().await?.transfer_leadership(request).await?.leader_id;
    output.print(&json!({ "leader_id": leader_id }), || format!("node {leader_id} leads"));
    Ok(())
}
