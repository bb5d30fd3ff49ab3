//! Nodes that are about to be stopped: the lead moves first, and no call fails.

use std::time::Instant;

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use stockade_client::Client;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_proto::v1::{DrainRequest, Mutation, NodeStatus, SubmitRequest};
use stockade_tests::orders::{Load, expect_orders, order, stock};
use stockade_tests::{Cluster, PATIENCE};
use tonic::transport::Endpoint;

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

/// Places an order over a stream to one node, which must decide it.
async fn submit_to(cluster: &Cluster, client: &Client, node_id: u64, order_id: &str) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(format!("http://{}", cluster.node(node_id).client))?;
    let mut transactions = TransactionServiceClient::new(endpoint.connect().await?);
    let mut order = order(order_id, "mug", 1);
    order.request_id = client.new_request_id();
    let mutation = Mutation { request: Some(Mutated::PlaceOrder(order)), ..Mutation::default() };
    let asked = SubmitRequest { mutations: vec![mutation] };
    // It stays open: a node that sends callers elsewhere ends it before its answer.
    let requests = futures_util::stream::iter([asked]).chain(futures_util::stream::pending());
    let mut answers = transactions.submit(requests).await?.into_inner();
    let answer = answers.message().await?.context("the stream ended without an answer")?;
    ensure!(answer.results.iter().any(|result| result.response.is_some()), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_that_leads_because_nobody_else_can_serves_streams() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", UNITS).await?;
    let old = cluster.wait_until_led().await?;
    for id in (1..=3).filter(|id| *id != old) {
        ensure!(!drain(&cluster, &client, id, false).await?, "node {id} doesn't lead");
    }
    let load = Load::start(&client, "need", 4, "mug");
    cluster.kill(old)?;
    let needed = cluster.wait_until_led().await?;
    ensure!(needed != old && told(&client, needed).await?.draining);
    submit_to(&cluster, &client, needed, "direct").await?;
    client.place_order(order("through-the-client", "mug", 1)).await?;
    let mut acknowledged = load.finish().await?;
    acknowledged.extend(["direct", "through-the-client"].map(str::to_owned));
    cluster.launch(old)?;
    for id in (1..=3).filter(|id| *id != old) {
        drain(&cluster, &client, id, true).await?;
    }
    expect_orders(&client, &acknowledged).await?;
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
