//! `stockade cluster`.

use serde_json::json;

use crate::connect::ClusterArgs;
use crate::output::Output;
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct NodesArgs {
    #[command(subcommand)]
    command: NodesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum NodesCommand {
    /// What every node says of itself: role, term, log indexes, lag, disk.
    #[command(after_help = "Example: stockade cluster status --cluster 127.0.0.1:7001")]
    Status(ClusterArgs),
}

pub(crate) async fn run(args: NodesArgs, output: Output) -> anyhow::Result<()> {
    let NodesCommand::Status(cluster) = args.command;
    let status = cluster.connect().await?.cluster_status().await?;
    let nodes: Vec<_> = status.nodes.iter().map(print::node_object).collect();
    let object = json!({ "header": print::header(status.header.as_ref()), "nodes": nodes });
    output.print(&object, || print::node_table(&status.nodes));
    Ok(())
}
