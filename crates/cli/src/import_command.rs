//! `stockade import`: wires the import to a running cluster or to one that lives as long as the import.

use stockade_env::Env;

use crate::import;
use crate::local_cluster::{LocalCluster, Options};
use crate::output::Output;

/// Nodes that an import without `--cluster` starts.
const OWN_NODES: u64 = 3;

pub(crate) async fn run(args: &import::Args, output: Output) -> anyhow::Result<()> {
    let env = Env::real();
    let report = if args.cluster().is_empty() {
        eprintln!(
            "starting {OWN_NODES} nodes for the import; give --cluster to import into a cluster that stays"
        );
        let cluster = LocalCluster::start(OWN_NODES, &Options::default()).await?;
        let addresses = cluster.client_addresses();
        let imported = tokio::select! {
            imported = import::run(&env, args, &addresses) => imported,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                Err(interrupted())
            }
        };
        // The nodes are gone before the report is printed: nobody is told of a cluster that still dies.
        drop(cluster);
        imported?
    } else {
        import::run(&env, args, args.cluster()).await?
    };
    let object = serde_json::to_value(&report)?;
    output.print(&object, || report.to_string());
    Ok(())
}

fn interrupted() -> anyhow::Error {
    crate::failure::Failure::new(
        stockade_server::Exit::Interrupted,
        "interrupted; a second run goes on from here",
    )
    .into()
}
