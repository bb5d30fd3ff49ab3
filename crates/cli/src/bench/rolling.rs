//! Restarts every node, one after the other, the leader last, as an upgrade would.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::bench::Args;
use crate::bench::failover::{leader, wait_until_caught_up};
use crate::bench::latency::millis;
use crate::bench::load::Load;
use crate::local_cluster::LocalCluster;
use crate::output;

/// How long orders go on with all nodes before the next one is restarted.
const WHOLE: Duration = Duration::from_millis(500);

pub(super) async fn restart_all(cluster: &mut LocalCluster, load: &Load, args: &Args) -> anyhow::Result<()> {
    for round in 1..=args.kills {
        let (first_leader, _) = leader(cluster, args.nodes).await?;
        let followers = (1..=args.nodes).filter(|id| *id != first_leader);
        for id in followers.chain([first_leader]) {
            let (began, acked) = (Instant::now(), load.acked());
            cluster.terminate(id).await?;
            let stopped = began.elapsed();
            cluster.restart(id)?;
            cluster.wait_ready(id).await.with_context(|| format!("node {id} did not come back"))?;
            wait_until_caught_up(cluster, id, args.nodes).await?;
            output::note(&format!(
                "round {round} of {}: node {id} stopped within {} ms and is back after {} ms; {} orders meanwhile",
                args.kills,
                millis(stopped),
                millis(began.elapsed()),
                load.acked() - acked,
            ));
            sleep(WHOLE).await;
        }
    }
    Ok(())
}
