//! `stockade cluster`.

mod add;
mod catch_up;
mod drain;
mod look;
mod remove;
mod replace;
mod transfer;

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
    /// Bring a new node in beside the others, while the cluster serves: it gets the log, then a vote. Run again after any
    /// interruption, it goes on from where it is.
    #[command(after_help = "Example: stockade cluster add 4=shop-4:7101 --cluster shop-1:7001,shop-2:7001")]
    Add(add::AddArgs),
    /// Remove nodes, whether they vote or not, in one change. A leader that goes hands the lead over first.
    #[command(after_help = "Example: stockade cluster remove 4 5 --cluster shop-1:7001,shop-2:7001")]
    Remove(remove::RemoveArgs),
    /// Give the lead to another voter.
    #[command(after_help = "Example: stockade cluster transfer 3 --cluster shop-1:7001,shop-2:7001")]
    Transfer(transfer::TransferArgs),
    /// Keep a backup: everything that was acknowledged, in a file of which every byte was checked.
    #[command(after_help = "Example: stockade cluster snapshot --to shop.snapshot --cluster 127.0.0.1:7001")]
    Snapshot(cluster_snapshot::SnapshotArgs),
}

pub(crate) async fn run(args: NodesArgs, output: Output) -> anyhow::Result<()> {
    match args.command {
        NodesCommand::Status(cluster) => status(&cluster, output).await,
        NodesCommand::Replace(args) => replace::run(args, output).await,
        NodesCommand::Drain(args) => drain::run(args, output).await,
        NodesCommand::Add(args) => add::run(args, output).await,
        NodesCommand::Remove(args) => remove::run(args, output).await,
        NodesCommand::Transfer(args) => transfer::run(args, output).await,
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
