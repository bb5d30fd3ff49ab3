//! Nodes that are about to be stopped: the lead moves first, and no call fails.

use std::time::Instant;

use anyhow::{Context, ensure};
use stockade_client::Client;
use stockade_proto::v1::{DrainRequest, NodeStatus};
use stockade_tests::orders::{Load, expect_orders, stock};
use stockade_tests::{Cluster, PATIENCE};

const UNITS: i64 = 1_000_000;

async fn drain(cluster: &Cluster, client: &Client, node_id: u64, undo: bool) -> anyhow::Result<bool> {
    let answer = client.drain(&cluster.node(node_id).client, DrainRequest { node_id, undo }).await?;
    Ok(answer.still_leads)
}

async fn told(client: &Client, node_id: u64) -> anyhow::Result<NodeStatus> {
    let status = client.cluster_status().await?;
    status.nodes.into_iter().find(|node| node.node_id == node_id).context("it is a member")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_leader_gives_the_lead_away_and_does_not_take_it_back() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", UNITS).await?;
    let load = Load::start(&client, "drain", 4, "mug");
    let drained = cluster.wait_until_led().await?;
    ensure!(!drain(&cluster, &client, drained, false).await?, "the lead went to another");
    let second = cluster.wait_until_led().await?;
    ensure!(second != drained, "it leads though it is drained");
    ensure!(told(&client, drained).await?.draining);
    // Only the third is to lead now. Where it lacks what the drained one has, that one has to lead for a moment.
    cluster.kill(second)?;
    let third = 6 - drained - second;
    let deadline = Instant::now() + PATIENCE;
    while cluster.wait_until_led().await? != third {
        ensure!(Instant::now() < deadline, "the drained node keeps the lead");
    }
    ensure!(drain(&cluster, &client, third, false).await?, "nobody else was there to lead");
    ensure!(!drain(&cluster, &client, third, true).await?);
    cluster.launch(second)?;
    ensure!(!drain(&cluster, &client, drained, true).await?);
    ensure!(!told(&client, drained).await?.draining);
    expect_orders(&client, &load.finish().await?).await?;
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_restarted_and_no_call_fails() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", UNITS).await?;
    let load = Load::start(&client, "rolling", 4, "mug");
    let leader = cluster.wait_until_led().await?;
    let followers = (1..=3).filter(|id| *id != leader);
    for id in followers.chain([leader]).collect::<Vec<_>>() {
        let status = cluster.stop(id)?;
        ensure!(status.success(), "node {id} ended with {status}");
        cluster.launch(id)?;
        cluster.wait_until_led().await?;
    }
    expect_orders(&client, &load.finish().await?).await?;
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_is_meant_for_another_node_does_nothing() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    let request = DrainRequest { node_id: 2, undo: false };
    let refused = client.drain(&cluster.node(1).client, request).await;
    ensure!(refused.as_ref().is_err_and(|error| error.reason() == "INVALID_ARGUMENT"), "{refused:?}");
    for id in 1..=2 {
        ensure!(!told(&client, id).await?.draining);
    }
    Ok(())
}
