//! `stockade cluster`.

mod catch_up;
mod drain;
mod replace;

use serde_json::json;

use crate::cluster_snapshot;
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
    /// Bring a new node up from its peers and give it the vote of one that is lost, while the cluster serves. Run again
    /// after any interruption, it goes on from where it is.
    #[command(
        after_help = "Example: stockade cluster replace 2 --with 4=shop-4:7101 --cluster shop-1:7001,shop-3:7001"
    )]
    Replace(replace::ReplaceArgs),
    /// Prepare a node for being stopped: it hands the lead over where it has it, and callers go elsewhere. No call fails.
    #[command(after_help = "Example: stockade cluster drain 2 --cluster shop-1:7001")]
    Drain(drain::DrainArgs),
    /// Keep a backup: everything that was acknowledged, in a file of which every byte was checked.
    #[command(after_help = "Example: stockade cluster snapshot --to shop.snapshot --cluster 127.0.0.1:7001")]
    Snapshot(cluster_snapshot::SnapshotArgs),
}

pub(crate) async fn run(args: NodesArgs, output: Output) -> anyhow::Result<()> {
    match args.command {
        NodesCommand::Status(cluster) => status(&cluster, output).await,
        NodesCommand::Replace(args) => replace::run(args, output).await,
        NodesCommand::Drain(args) => drain::run(args, output).await,
        NodesCommand::Snapshot(args) => cluster_snapshot::run(args, output).await,
    }
}

async fn status(cluster: &ClusterArgs, output: Output) -> anyhow::Result<()> {
    let status = cluster.connect().await?.cluster_status().await?;
    let nodes: Vec<_> = status.nodes.iter().map(print::node_object).collect();
    let object = json!({ "header": print::header(status.header.as_ref()), "nodes": nodes });
    output.print(&object, || print::node_table(&status.nodes));
    Ok(())
}
