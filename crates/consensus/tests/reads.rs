//! Reads under each consistency, on nodes that lead, follow, lag, stand alone or have stopped.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use stockade_consensus::{Consistency, Node, ReadError, Served};
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_state_machine::Revision;
use support::{CLUSTER_ID, Cluster, PATIENCE, Setup, assert_created, has_sku, until};
use tokio::time::Instant;
use tonic::Code;

/// Long enough for whatever can be answered, and too short for anything else to change.
const BRIEFLY: Duration = Duration::from_millis(300);
const HOUR: Duration = Duration::from_hours(1);

async fn read(node: &Node, consistency: Consistency) -> Result<Served, ReadError> {
    node.prepare_read(consistency, Instant::now() + PATIENCE).await
}

async fn read_briefly(node: &Node, consistency: Consistency) -> Result<Served, ReadError> {
    node.prepare_read(consistency, Instant::now() + BRIEFLY).await
}

fn applied(node: &Node) -> Revision {
    node.state().applied()
}

fn after(revision: Revision) -> Revision {
    Revision::new(revision.get() + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_serves_each_consistency_with_what_was_acknowledged() {
    let cluster = Cluster::start(Setup::default()).await;
    for round in 0..10 {
        let name = format!("sku-{round}");
        let reply = cluster.create_sku(&name).await;
        assert_created(&reply);
        for (id, member) in &cluster.members {
            let node = &member.node;
            for consistency in
                [Consistency::Lease, Consistency::AtLeast(reply.revision), Consistency::Linearizable]
            {
                read(node, consistency).await.unwrap();
                assert!(has_sku(node, &name), "node {id} lacks {name} in a read under {consistency:?}");
            }
            assert_eq!(read(node, Consistency::Bounded(HOUR)).await, Ok(Served::Bounded));
            assert_eq!(read(node, Consistency::AtLeast(reply.revision)).await, Ok(Served::AtLeast));
            assert_eq!(read(node, Consistency::Local).await, Ok(Served::Local));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_answers_by_its_lease_for_itself_and_for_followers() {
    let cluster = Cluster::start(Setup::default()).await;
    for member in cluster.members.values() {
        let by_lease =
            async || (read(&member.node, Consistency::Lease).await == Ok(Served::Lease)).then_some(());
        until("a read is served by lease", by_lease).await;
        assert_eq!(read(&member.node, Consistency::Linearizable).await, Ok(Served::Linearizable));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lease_reads_a_quorum_is_asked_and_that_is_said() {
    let cluster = Cluster::start(Setup { lease_reads: false, ..Setup::default() }).await;
    assert_created(&cluster.create_sku("sku").await);
    for member in cluster.members.values() {
        for _ in 0..10 {
            assert_eq!(read(&member.node, Consistency::Lease).await, Ok(Served::Linearizable));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_alone_serves_only_what_needs_nobody() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    assert_created(&cluster.create_sku("sku").await);
    let by_lease =
        async || (read(cluster.node(leader), Consistency::Lease).await == Ok(Served::Lease)).then_some(());
    until("the leader has a lease", by_lease).await;
    read(cluster.node(leader), Consistency::Linearizable).await.unwrap();
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.kill(id);
    }
    let node = cluster.node(leader);
    // It may rely on its lease for as long as others would wait; then it is over for good.
    until("the lease is over", async || read_briefly(node, Consistency::Lease).await.is_err().then_some(()))
        .await;
    let newest = applied(node);
    for (consistency, expected) in [
        (Consistency::Lease, Err(ReadError::NoLeader)),
        (Consistency::Linearizable, Err(ReadError::NoLeader)),
        (Consistency::Bounded(Duration::from_millis(1)), Err(ReadError::NoLeader)),
        (Consistency::Bounded(HOUR), Ok(Served::Bounded)),
        (Consistency::AtLeast(newest), Ok(Served::AtLeast)),
        (Consistency::AtLeast(after(newest)), Err(ReadError::Behind { applied: newest })),
        (Consistency::Local, Ok(Served::Local)),
    ] {
        assert_eq!(read_briefly(node, consistency).await, expected, "{consistency:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_lags_promises_no_more_than_it_has() {
    const BEHIND: u64 = 3;
    let cluster = Cluster::start(Setup { gated: Some(BEHIND), ..Setup::default() }).await;
    let behind = cluster.node(BEHIND);
    until("another node leads", async || {
        if cluster.leader().await != BEHIND {
            return Some(());
        }
        behind.resign(PATIENCE).await;
        None
    })
    .await;
    assert_created(&cluster.create_sku("before").await);
    read(behind, Consistency::Linearizable).await.unwrap();
    cluster.hold_back(true);
    let reply = cluster.create_sku("sku").await;
    assert_created(&reply);
    // For so short a time it doesn't stand for election.
    let short = || Instant::now() + Duration::from_millis(100);
    assert_eq!(behind.prepare_read(Consistency::Local, short()).await, Ok(Served::Local));
    assert_eq!(behind.prepare_read(Consistency::Bounded(HOUR), short()).await, Ok(Served::Bounded));
    assert!(!has_sku(behind, "sku"), "it is not held back");
    let early = behind.prepare_read(Consistency::Lease, short()).await;
    assert!(early.is_err(), "it would have read what was true before the acknowledgement");
    let early = behind.prepare_read(Consistency::AtLeast(reply.revision), short()).await;
    assert!(matches!(early, Err(ReadError::Behind { applied }) if applied < reply.revision), "{early:?}");
    // One that waits is answered as soon as the node is there.
    let waits = read(behind, Consistency::AtLeast(reply.revision));
    let comes = async { cluster.hold_back(false) };
    assert_eq!(tokio::join!(waits, comes).0, Ok(Served::AtLeast));
    assert!(has_sku(behind, "sku"));
}

/// With a barrier under way at every moment, what was acknowledged after it was asked for might be missing from its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_joins_no_barrier_that_was_asked_for_before_it_came() {
    const ROUNDS: u32 = 150;
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let follower = &cluster.members.values().find(|member| member.node.id() != leader).unwrap().node;
    for consistency in [Consistency::Linearizable, Consistency::Lease] {
        let others: Vec<_> = (0..4)
            .map(|_| {
                let node = follower.clone();
                tokio::spawn(async move {
                    loop {
                        let _ = read(&node, consistency).await;
                    }
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let name = format!("{consistency:?}-{round}");
            assert_created(&cluster.create_sku(&name).await);
            read(follower, consistency).await.unwrap();
            assert!(has_sku(follower, &name), "{name} is missing");
        }
        for other in others {
            other.abort();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounded_read_asks_again_when_what_it_knows_is_too_old() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let follower = cluster.members.values().find(|member| member.node.id() != leader).unwrap();
    let age = Duration::from_millis(50);
    for round in 0..5 {
        read(&follower.node, Consistency::Linearizable).await.unwrap();
        let known_since = Instant::now();
        let name = format!("sku-{round}");
        assert_created(&cluster.create_sku(&name).await);
        let is_too_old = async || (known_since.elapsed() > age).then_some(());
        until("what the follower knows is older than that", is_too_old).await;
        assert_eq!(read(&follower.node, Consistency::Bounded(age)).await, Ok(Served::Linearizable));
        assert!(has_sku(&follower.node, &name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_stopped_tells_nothing_of_its_state() {
    let cluster = Cluster::start(Setup::default()).await;
    let node = cluster.node(1);
    read(node, Consistency::Linearizable).await.unwrap();
    let newest = applied(node);
    let waiting = node.clone();
    let waits =
        tokio::spawn(async move { read(&waiting, Consistency::AtLeast(Revision::new(u64::MAX))).await });
    node.stop().await;
    assert_eq!(waits.await.unwrap(), Err(ReadError::ShuttingDown));
    for consistency in [
        Consistency::Linearizable,
        Consistency::Lease,
        Consistency::Bounded(HOUR),
        Consistency::AtLeast(newest),
        Consistency::Local,
    ] {
        assert_eq!(read(node, consistency).await, Err(ReadError::ShuttingDown), "{consistency:?}");
    }
}

/// A leader that had its promise before may rely on it still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_votes_for_nobody_while_its_promise_may_be_relied_on() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("sku").await);
    let leader = cluster.leader().await;
    let [follower, candidate] = [1, 2, 3].into_iter().filter(|id| *id != leader).collect::<Vec<_>>()[..]
    else {
        panic!("three nodes");
    };
    cluster.kill(follower);
    // Nobody is to lead meanwhile: it would make the vote another one.
    cluster.kill(leader);
    cluster.kill(candidate);
    cluster.restart(follower).await;
    let started = Instant::now();
    let address = format!("http://{}", cluster.peers[&follower]);
    let mut peer = PeerServiceClient::connect(address).await.unwrap();
    let log_id = cluster.node(follower).status().last_index + 100;
    let of_term = |term| Some(wire::LeaderId { term, node_id: candidate });
    let ask = wire::VoteRequest {
        envelope: Some(wire::Envelope {
            cluster_id: CLUSTER_ID.to_owned(),
            from_node: candidate,
            to_node: follower,
        }),
        vote: Some(wire::Vote { leader: of_term(1_000), committed: false }),
        last_log_id: Some(wire::LogId { leader: of_term(999), index: log_id }),
        ..wire::VoteRequest::default()
    };
    // Twice the longest election timeout, from when it was started.
    let memory = Duration::from_secs(1);
    let granted = until("the vote is given", async || match peer.vote(ask.clone()).await {
        Ok(answer) => answer.into_inner().granted.then_some(Instant::now()),
        Err(status) => {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            None
        }
    })
    .await;
    let waited = granted - started;
    // What it took to start counts as well.
    assert!(waited > memory * 9 / 10, "the vote was given {waited:?} after the start");
}
