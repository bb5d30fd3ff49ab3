//! When a cluster is done with what it was given.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::local_cluster::{self, LocalCluster, Observation};

/// How long the nodes may take to write what was applied when calls have ended.
const TIMEOUT: Duration = Duration::from_mins(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until every node has applied all and written it to its engine: else a backlog in memory would fake a rate.
pub(super) async fn settle(cluster: &LocalCluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let nodes = cluster.http_addresses().into_iter().map(local_cluster::observe);
        let seen: Option<Vec<_>> = futures_util::future::join_all(nodes).await.into_iter().collect();
        let is_level = |nodes: &[Observation]| nodes.windows(2).all(|two| two[0].applied == two[1].applied);
        let is_written = |node: &Observation| node.backlog_bytes == 0;
        if seen.is_some_and(|nodes| is_level(&nodes) && nodes.iter().all(is_written)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("the nodes have not written what they applied within {TIMEOUT:?}");
        }
        sleep(LOOK_AGAIN).await;
    }
}
