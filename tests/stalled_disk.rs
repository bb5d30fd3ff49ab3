//! A leader whose disk stops answering: it says so and gives the lead away, and callers go on.

use std::time::Instant;

use anyhow::ensure;
use stockade_tests::loop_mount::LoopMount;
use stockade_tests::orders::{Load, expect_orders, stock};
use stockade_tests::{Cluster, PATIENCE};

/// The node with a disk of its own.
const STALLED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_stalls_gives_the_lead_away() -> anyhow::Result<()> {
    if let Some(missing) = LoopMount::missing() {
        eprintln!("skipped: a_leader_whose_disk_stalls_gives_the_lead_away: {missing}");
        return Ok(());
    }
    let disk = LoopMount::new(512)?;
    let parent = disk.home_of(&[STALLED])?;
    let cluster = Cluster::start_under(Some(parent.path()), 3, &["--segment-bytes", "1048576"]).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    cluster.have_lead(&client, STALLED).await?;
    let load = Load::start(&client, "stall", 4, "mug");
    let before = load.count();
    let frozen = disk.freeze()?;
    let well = cluster.nodes.iter().find(|node| node.id != STALLED).map(|node| node.client.clone());
    let well = well.unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    let mut alarms = Vec::new();
    loop {
        let status = client.cluster_status_of(&well).await?;
        let told = status.nodes.iter().find(|node| node.node_id == STALLED);
        alarms = told
            .filter(|node| node.reachable)
            .map_or(alarms, |node| node.alarms.iter().map(|alarm| alarm.kind.clone()).collect());
        let moved = status
            .nodes
            .iter()
            .any(|node| node.client_address == well && ![0, STALLED].contains(&node.leader_id));
        if moved && alarms.iter().any(|kind| kind == "disk_slow") {
            break;
        }
        ensure!(Instant::now() < deadline, "the lead stays where the disk stalls; alarms: {alarms:?}");
        tokio::task::yield_now().await;
    }
    // Orders go on while the disk still stalls.
    while load.count() < before + 100 {
        ensure!(Instant::now() < deadline, "no orders are taken");
        tokio::task::yield_now().await;
    }
    drop(frozen);
    expect_orders(&client, &load.finish().await?).await?;
    cluster.expect_equal_states().await
}
