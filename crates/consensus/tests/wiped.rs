//! Nodes that come back without their data, and nodes that were never told the same.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use stockade_consensus::StartError;
use support::{Cluster, PATIENCE, Setup, assert_created, has_sku, nobody_leads, until};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_voter_helps_nobody_to_the_lead_who_lacks_what_it_had_acknowledged() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let mut others = (1..=3).filter(|id| *id != leader);
    let (wiped, behind) = (others.next().unwrap(), others.next().unwrap());
    assert_created(&cluster.create_sku("first").await);
    cluster.kill(behind);
    assert_created(&cluster.create_sku("acknowledged").await);
    cluster.wipe(wiped);
    cluster.kill(leader);
    cluster.restart(wiped).await;
    cluster.restart(behind).await;
    assert!(nobody_leads(&cluster).await, "the acknowledged write is lost");
    cluster.restart(leader).await;
    for (id, member) in &cluster.members {
        member.node.read_barrier(Instant::now() + PATIENCE).await.unwrap();
        assert!(has_sku(&member.node, "acknowledged"), "node {id} lacks the acknowledged write");
    }
    until("the wiped node counts again", async || cluster.node(wiped).is_ready().then_some(())).await;
    cluster.kill(behind);
    assert_created(&cluster.create_sku("after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wiped_nodes_make_no_second_cluster_beside_the_data_of_the_first() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("sku").await);
    until("all have it", async || {
        cluster.members.values().all(|member| has_sku(&member.node, "sku")).then_some(())
    })
    .await;
    cluster.kill(3);
    cluster.wipe(1);
    cluster.wipe(2);
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    for id in 1..=2 {
        cluster.node(id).initialize().await.unwrap();
    }
    assert!(nobody_leads(&cluster).await, "two empty nodes made a cluster of their own");
    assert!(cluster.node(3).status().last_index > 0);
    assert_eq!(cluster.node(1).status().last_index, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_were_given_different_peers_make_no_cluster() {
    let mut cluster = Cluster::start(Setup::default()).await;
    for id in 1..=3 {
        cluster.wipe(id);
    }
    cluster.restart(1).await;
    cluster.peers.remove(&3);
    cluster.restart(2).await;
    let error = cluster.node(2).initialize().await.unwrap_err();
    assert!(matches!(&error, StartError::Config(what) if what.contains("node 1")), "{error}");
    assert!(matches!(cluster.node(1).initialize().await, Err(StartError::Config(_))));
}
