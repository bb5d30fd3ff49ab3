//! `stockade demo`: nodes on this machine take orders, their leader is killed, and at the end it is proven that nothing
//! was lost.
//!
//! `workload.rs` makes the orders and notes what was promised, `stage.rs` kills and restarts, `view.rs` draws; what was
//! promised is compared with what is there by `crate::proof`.

mod report;
mod stage;
mod view;
mod workload;

use std::time::Duration;

use stockade_client::{Client, Config};
use stockade_env::Env;
use tokio::time::Instant;

use crate::demo::report::Report;
use crate::demo::stage::Stage;
use crate::demo::view::View;
use crate::demo::workload::Workload;
use crate::local_cluster::{self, LocalCluster, Options};
use crate::output::Output;
use crate::proof;
use crate::recording::RecordArgs;

/// What the demo's own tasks may take to end.
const TASK_GRACE: Duration = Duration::from_secs(1);

/// Flags of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How many nodes: 3 or 5.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = nodes)]
    nodes: u64,
    /// How often the leader is killed.
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    kills: u64,
    /// How long orders are taken; longer if the kills need it.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How many checkouts run at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    checkouts: u64,
    /// Leave the cluster up at the end and print how to talk to it.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    record: RecordArgs,
}

fn nodes(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|count| [3, 5].contains(count)).ok_or_else(|| "write 3 or 5".to_owned())
}

/// Runs the demo. An error that a proof failed says which.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let env = Env::real();
    let played = tokio::select! {
        played = play(&env, &args, output) => played,
        // Dropping the play ends the nodes and removes their directory.
        interrupted = local_cluster::interrupted() => interrupted,
    };
    env.tasks.stop(TASK_GRACE).await;
    played
}

async fn play(env: &Env, args: &Args, output: Output) -> anyhow::Result<()> {
    let mut view = View::new(args.nodes);
    view.say(&format!("starting {} nodes on this machine", args.nodes));
    let mut cluster = LocalCluster::start(args.nodes, &Options::default()).await?;
    let addresses = cluster.client_addresses();
    view.say(&format!("ready: {}", addresses.join(", ")));
    let record = args.record.open(env)?;
    let config = Config { record, ..Config::new(addresses.iter().cloned()) };
    let client = Client::connect(env, config).await?;
    let workload = Workload::start(env, &client, args.checkouts).await?;
    view.say(&format!("the catalogue is filled, {} checkouts are open", args.checkouts));

    let started = Instant::now();
    let mut stage = Stage { cluster: &mut cluster, workload: &workload, view: &mut view, started };
    let acted = stage.act(args.kills, Duration::from_secs(args.seconds), args.nodes).await;
    let seconds = started.elapsed();
    let record = workload.finish().await;
    view.finish();
    let failovers = acted?;

    view.say("orders have stopped; comparing what was promised with what is there");
    let orders = proof::all_orders(&client).await?;
    let stock = proof::all_stock(&client).await?;
    let findings = proof::compare(&record, &orders, &stock);
    let hashes = proof::hashes(&client, &addresses).await?;
    let report = Report { nodes: args.nodes, seconds, record, failovers, findings, hashes };
    if args.keep {
        view.say(&report::how_to_go_on(&cluster));
        cluster.keep()?;
    }
    output.print(&report.object(), || report.text());
    report.verdict()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_three_or_five_nodes() {
        assert_eq!(nodes("3"), Ok(3));
        assert_eq!(nodes("5"), Ok(5));
        for bad in ["1", "4", "x", ""] {
            assert!(nodes(bad).is_err(), "{bad}");
        }
    }
}
