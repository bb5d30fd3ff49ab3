//! Followers whose disks stand still for a moment, as a disk does that others share. They answer nothing meanwhile, and nobody is
//! elected for that.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use stockade_client::Client;
use stockade_tests::Cluster;
use stockade_tests::loop_mount::LoopMount;
use stockade_tests::orders::{Load, expect_orders, stock};

/// The node that leads. The others share a disk.
const LEADER: u64 = 1;
/// Longer than two leases of `lan` and its longest election timeout, shorter than a leader's patience with who answers nothing.
const HESITATION: Duration = Duration::from_millis(600);

/// The terms that the nodes are in: who asks for votes has raised its own, even where it is not elected.
async fn terms(cluster: &Cluster, client: &Client) -> anyhow::Result<BTreeSet<u64>> {
    let mut terms = BTreeSet::new();
    for node in &cluster.nodes {
        let status = client.cluster_status_of(&node.client).await?;
        terms.extend(status.nodes.iter().filter(|told| told.node_id == node.id).map(|told| told.term));
    }
    Ok(terms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_whose_disks_hesitate_elect_nobody_else() -> anyhow::Result<()> {
    if let Some(missing) = LoopMount::missing() {
        eprintln!("skipped: followers_whose_disks_hesitate_elect_nobody_else: {missing}");
        return Ok(());
    }
    let disk = LoopMount::new(512)?;
    let parent = disk.home_of(&[2, 3])?;
    let cluster = Cluster::start_under(Some(parent.path()), 3, &["--segment-bytes", "1048576"]).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    cluster.have_lead(&client, LEADER).await?;
    let before = terms(&cluster, &client).await?;
    ensure!(before.len() == 1, "the nodes are in terms {before:?}");
    let load = Load::start(&client, "hesitation", 2, "mug");
    let frozen = disk.freeze()?;
    // How long the disk hesitates; nothing is waited for here.
    tokio::time::sleep(HESITATION).await;
    drop(frozen);
    expect_orders(&client, &load.finish().await?).await?;
    let after = terms(&cluster, &client).await?;
    ensure!(after == before, "terms {before:?} became {after:?}");
    cluster.expect_equal_states().await
}
