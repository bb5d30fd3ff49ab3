//! Nodes that come without data: whom they ask, and what others make of them meanwhile.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use stockade_consensus::MembershipChange;
use stockade_env::FailureKind;
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use support::{CLUSTER_ID, Cluster, PATIENCE, Setup, assert_created, bring_about, until};
use tokio::time::timeout;
use tonic::Code;

fn add(cluster: &Cluster, node_id: u64) -> MembershipChange {
    MembershipChange::AddLearner { node_id, peer_address: cluster.peers[&node_id].clone() }
}

fn others(leader: u64) -> (u64, u64) {
    let mut others = (1..=3).filter(|id| *id != leader);
    (others.next().unwrap(), others.next().unwrap())
}

/// True where a node takes part in Raft. One that hasn't heard that its id is free takes nothing from anybody.
async fn takes_part(cluster: &Cluster, id: u64) -> bool {
    let envelope = wire::Envelope { cluster_id: CLUSTER_ID.to_owned(), from_node: 1, to_node: id };
    let vote = wire::Vote { leader: Some(wire::LeaderId { term: 0, node_id: 1 }), committed: true };
    let append =
        wire::AppendRequest { envelope: Some(envelope), vote: Some(vote), ..wire::AppendRequest::default() };
    let mut client = PeerServiceClient::connect(format!("http://{}", cluster.peers[&id])).await.unwrap();
    match client.append_entries(tokio_stream::iter([append])).await {
        Ok(_) => true,
        Err(status) if status.code() == Code::Unavailable => false,
        Err(status) => panic!("{status}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_node_under_the_id_of_a_dead_voter_is_not_taken_for_it() {
    let replace_dead_after = Some(Duration::from_secs(2));
    let mut cluster = Cluster::start(Setup { replace_dead_after, standby: true, ..Setup::default() }).await;
    let leader = cluster.leader().await;
    let (dead, other) = others(leader);
    cluster.join(4).await;
    bring_about(cluster.node(leader), &add(&cluster, 4)).await;
    until("the standby has caught up", async || cluster.node(4).is_ready().then_some(())).await;
    // It answers whoever asks for its status, and takes part in nothing.
    cluster.wipe(dead);
    cluster.restart_as_new(dead).await;
    let voters = vec![BTreeSet::from([leader, other, 4])];
    until("the standby takes the place of the dead voter", async || {
        (cluster.node(leader).voters() == voters).then_some(())
    })
    .await;
    assert_created(&cluster.create_sku("after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_refused_once_somebody_can_tell_stops() {
    let mut cluster = Cluster::start(Setup::default()).await;
    cluster.wipe(2);
    cluster.kill(3);
    // The only one that is there could say what it remembers, and knows no quorum that remembers the same.
    cluster.try_join(2).await.unwrap();
    assert!(!takes_part(&cluster, 2).await);
    cluster.restart(3).await;
    let failure = timeout(PATIENCE, cluster.members[&2].env.tasks.failed()).await.unwrap();
    assert_eq!((failure.kind, failure.what.as_str()), (FailureKind::Configuration, "joining"));
    assert!(failure.cause.contains("--node-id 4"), "{failure}");
    assert!(!takes_part(&cluster, 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_to_be_added_itself_tells_nobody_that_an_id_is_free() {
    let mut cluster = Cluster::start(Setup::default()).await;
    cluster.join(4).await;
    let all = std::mem::take(&mut cluster.peers);
    // A voter that was wiped, and asks nobody but the node that knows no member.
    cluster.peers =
        all.iter().filter(|(id, _)| [2, 4].contains(*id)).map(|(id, at)| (*id, at.clone())).collect();
    cluster.wipe(2);
    cluster.try_join(2).await.unwrap();
    assert!(!takes_part(&cluster, 2).await, "it was told that its id is free, and has a vote");
    cluster.peers = all;
}
