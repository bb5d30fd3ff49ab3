//! Nodes that begin with a backup, and nodes that were lost and given it again.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{Config, Node, StartError};
use stockade_env::Env;
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{EngineKind, Identity, Options, backup_id, restore};
use support::{CLUSTER_ID, Cluster, PATIENCE, Setup, assert_created, has_sku, nobody_leads, until};
use tokio::time::Instant;

const BACKUP: &str = "/backup/shop.snapshot";

/// Restores a backup to a node's empty disk.
async fn give_backup(cluster: &Cluster, id: u64, backup: &[u8]) {
    let disk = cluster.files[&id].clone();
    let path = Path::new(BACKUP);
    let dir = path.parent().unwrap();
    disk.create_dir(dir).unwrap();
    disk.create(path).unwrap().write_at(0, backup).unwrap();
    let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id: id };
    let options = Options {
        engine: EngineKind::Memory,
        segment_bytes: 1 << 20,
        restored_from: Some(backup_id(&disk, path).unwrap()),
        ..Options::new(PathBuf::from("/data"), identity)
    };
    restore(Arc::new(disk), &Env::real(), &options, path, &cluster.peers).await.unwrap();
}

/// Three nodes that began with a backup; the backup, its last log index and its last term.
async fn restored() -> (Cluster, Vec<u8>, u64, u64) {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("first").await);
    let node = cluster.node(1);
    node.read_barrier(Instant::now() + PATIENCE).await.unwrap();
    let term = node.term();
    let snapshot = node.state().make_snapshot().await.unwrap();
    let backup = snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap().to_vec();
    for id in 1..=3 {
        cluster.wipe(id);
        give_backup(&cluster, id, &backup).await;
    }
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    for id in 1..=3 {
        cluster.node(id).initialize().await.unwrap();
    }
    until("all nodes are ready", async || {
        cluster.members.values().all(|member| member.node.is_ready()).then_some(())
    })
    .await;
    (cluster, backup, snapshot.index().get(), term)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_begin_with_a_backup_elect_a_leader_of_a_later_term_and_go_on_after_it() {
    let (cluster, _, index, term) = restored().await;
    let leader = cluster.leader().await;
    assert!(cluster.node(leader).term() > term);
    let reply = cluster.create_sku("second").await;
    assert_created(&reply);
    assert!(reply.revision.get() > index, "revision {} after a backup of {index}", reply.revision.get());
    for (id, member) in &cluster.members {
        member.node.read_barrier(Instant::now() + PATIENCE).await.unwrap();
        assert!(has_sku(&member.node, "first") && has_sku(&member.node, "second"), "node {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_was_lost_and_given_the_backup_again_helps_nobody_who_lacks_what_it_had() {
    let (mut cluster, backup, ..) = restored().await;
    let leader = cluster.leader().await;
    let mut others = (1..=3).filter(|id| *id != leader);
    let (lost, behind) = (others.next().unwrap(), others.next().unwrap());
    assert_created(&cluster.create_sku("second").await);
    cluster.kill(behind);
    assert_created(&cluster.create_sku("acknowledged").await);
    cluster.wipe(lost);
    give_backup(&cluster, lost, &backup).await;
    cluster.kill(leader);
    cluster.restart(lost).await;
    cluster.restart(behind).await;
    assert!(nobody_leads(&cluster).await, "the acknowledged write is lost");
    cluster.restart(leader).await;
    for (id, member) in &cluster.members {
        member.node.read_barrier(Instant::now() + PATIENCE).await.unwrap();
        assert!(has_sku(&member.node, "acknowledged"), "node {id} lacks the acknowledged write");
    }
    until("the lost node counts again", async || cluster.node(lost).is_ready().then_some(())).await;
    cluster.kill(behind);
    assert_created(&cluster.create_sku("after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_were_given_the_backup_again_make_no_second_history_beside_the_first() {
    let (mut cluster, backup, index, _) = restored().await;
    assert_created(&cluster.create_sku("second").await);
    until("all have it", async || {
        cluster.members.values().all(|member| has_sku(&member.node, "second")).then_some(())
    })
    .await;
    cluster.kill(3);
    for id in 1..=2 {
        cluster.wipe(id);
        give_backup(&cluster, id, &backup).await;
    }
    for id in 1..=3 {
        cluster.restart(id).await;
    }
    assert!(nobody_leads(&cluster).await, "two nodes went on from the backup beside the third's data");
    assert_eq!(cluster.node(1).status().last_index, index);
    assert!(cluster.node(3).status().last_index > index);
}

/// A node of another cluster at a peer's address: here it is the one that was given no backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_founds_nothing_beside_peers_of_another_cluster() {
    let cluster = Cluster::start(Setup::default()).await;
    let env = Env::real();
    let identity = Identity { cluster_id: "f".repeat(32), node_id: 4 };
    let options = Options { engine: EngineKind::Memory, ..Options::new(PathBuf::from("/data"), identity) };
    let storage = stockade_storage::open(Arc::new(MemoryFiles::default()), &env, options).await.unwrap();
    let mut peers = cluster.peers.clone();
    peers.insert(4, "127.0.0.1:1".to_owned());
    let config = Config {
        peers,
        join: None,
        peer_overrides: BTreeMap::new(),
        dialer: None,
        credentials: None,
        advertise_client: String::new(),
        version: "test".to_owned(),
        heartbeat: Duration::from_millis(60),
        election_timeout: (Duration::from_millis(250), Duration::from_millis(500)),
        max_in_flight_bytes: 1 << 20,
        kept_log_entries: 1,
        lease_reads: true,
        zone: String::new(),
        standby: false,
        replace_dead_after: None,
        data_dir: None,
    };
    let node = Node::start(&env, storage, config).await.unwrap();
    match node.initialize().await {
        Err(StartError::Config(what)) => {
            assert!(what.contains("another cluster") && what.contains("--restore"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.status().last_index, 0);
    node.stop().await;
}
