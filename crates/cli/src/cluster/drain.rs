//! `stockade cluster drain`: prepares a node for being stopped.

use anyhow::bail;
use serde_json::json;
use stockade_proto::v1::DrainRequest;
use stockade_server::Exit;

use crate::connect::ClusterArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::print;

/// Flags of `cluster drain`.
#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// Id of the node that is to be stopped.
    #[arg(value_name = "NODE", value_parser = clap::value_parser!(u64).range(1..))]
    node: u64,
    /// Take an earlier drain back. A restart does that too.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn run(args: DrainArgs, output: Output) -> anyhow::Result<()> {
    let DrainArgs { node, undo, cluster } = args;
    let client = cluster.connect().await?;
    let status = client.cluster_status().await?;
    let Some(known) = status.nodes.iter().find(|known| known.node_id == node) else {
        return Err(Failure::new(Exit::Refused, format!("node {node} is no member of this cluster")).into());
    };
    if known.client_address.is_empty() {
        bail!("nobody knows where node {node} is reached: give its own address with --cluster");
    }
    let answer = client.drain(&known.client_address, DrainRequest { node_id: node, undo }).await?;
    let object = json!({
        "header": print::header(answer.header.as_ref()),
        "node_id": node,
        "draining": !undo,
        "still_leads": answer.still_leads,
    });
    output.print(&object, || said(node, undo));
    if answer.still_leads {
        let what = format!(
            "node {node} still leads: no other voter is there to take the lead over; to stop it now costs an election, or the \
             quorum"
        );
        return Err(Failure::new(Exit::Refused, what).into());
    }
    Ok(())
}

fn said(node: u64, undo: bool) -> String {
    if undo {
        format!("node {node} serves as before")
    } else {
        format!(
            "node {node} is drained: it doesn't lead, and callers that watch its health go elsewhere; stop it, or \
             take this back with --undo"
        )
    }
}
