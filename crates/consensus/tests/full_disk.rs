//! Three nodes of which some have too little room on their disks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use stockade_consensus::ProposeError;
use stockade_env::Env;
use stockade_state_machine::Outcome;
use stockade_state_machine::command::{Command, Origin};
use stockade_state_machine::ids::{Principal, RequestId};
use stockade_storage::file::Files;
use stockade_storage::{AlarmKind, SpaceLevel, SpaceMarks, codec};
use support::{Cluster, Setup, assert_created, create_sku_request, has_sku, soon, until};
use tokio::time::Instant;

const LOW: u64 = 32 << 20;
const RESERVE: u64 = 16 << 20;

fn setup() -> Setup {
    Setup { space: SpaceMarks { low_bytes: LOW, reserve_bytes: RESERVE }, ..Setup::default() }
}

/// Settles the fate of a request that was never seen: relief.
fn abandon(env: &Env) -> Bytes {
    let origin = Origin {
        request: RequestId::new(env.random.request_id(&env.clock).as_u128()).unwrap(),
        principal: Principal::new("tester").unwrap(),
    };
    codec::encode_request(Some(&origin), &Command::AbandonRequest)
}

async fn until_level(cluster: &Cluster, id: u64, level: SpaceLevel) {
    let seen = async || (cluster.node(id).space().level() == level).then_some(());
    until("the node has seen its disk's level", seen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_is_low_hands_over_to_a_node_with_room_and_stays_away() {
    let cluster = Cluster::start(setup()).await;
    let short = cluster.leader().await;
    assert_created(&cluster.create_sku("before").await);
    cluster.leave_free(short, u64::midpoint(LOW, RESERVE));
    let led_elsewhere = async || {
        let leader = cluster.node(short).watch_leader().borrow().node_id;
        leader.filter(|leader| *leader != short)
    };
    until("another node leads", led_elsewhere).await;
    assert_created(&cluster.create_sku("after").await);
    // It goes on following: what it takes from the leader fits above the reserve.
    cluster.node(short).read_barrier(soon()).await.unwrap();
    assert!(has_sku(cluster.node(short), "after"));
    assert!(cluster.node(short).alarms().is_raised(AlarmKind::DiskLow));
    let told = cluster.node(short).cluster_status().await;
    assert!(told.iter().all(|status| (status.disk == SpaceLevel::Low) == (status.node_id == short)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_disks_are_low_the_leader_takes_relief_only_until_there_is_room() {
    let cluster = Cluster::start(setup()).await;
    let leader = cluster.leader().await;
    assert_created(&cluster.create_sku("before").await);
    // The leader's last: it would hand over to one with room.
    for id in (1..=3).filter(|id| *id != leader).chain([leader]) {
        cluster.leave_free(id, u64::midpoint(LOW, RESERVE));
        until_level(&cluster, id, SpaceLevel::Low).await;
    }
    let member = &cluster.members[&leader];
    let refused = member.node.propose(create_sku_request(&member.env, "no"), soon()).await;
    assert_eq!(refused, Err(ProposeError::StorageFull));
    let relieved = member.node.propose_relief(abandon(&member.env), soon()).await.unwrap();
    assert_eq!(relieved.outcome, Outcome::RequestAbandoned);
    for id in (1..=3).filter(|id| *id != leader).chain([leader]) {
        cluster.leave_free(id, RESERVE / 2);
        until_level(&cluster, id, SpaceLevel::Full).await;
    }
    let refused = member.node.propose_relief(abandon(&member.env), soon()).await;
    assert_eq!(refused, Err(ProposeError::StorageFull));
    for files in cluster.files.values() {
        files.set_capacity(None);
    }
    assert_created(&cluster.create_sku("after").await);
    for id in 1..=3 {
        until("the alarms are over", async || cluster.node(id).alarms().list().is_empty().then_some(()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_disk_is_full_takes_no_entries_votes_and_catches_up_when_there_is_room() {
    let mut cluster = Cluster::start(setup()).await;
    let leader = cluster.leader().await;
    let full = (1..=3).find(|id| *id != leader).unwrap();
    let other = (1..=3).find(|id| ![leader, full].contains(id)).unwrap();
    assert_created(&cluster.create_sku("before").await);
    cluster.node(full).read_barrier(soon()).await.unwrap();
    cluster.leave_free(full, RESERVE / 2);
    until_level(&cluster, full, SpaceLevel::Full).await;
    let stopped_at = cluster.node(full).status().last_index;
    for number in 0..20 {
        assert_created(&cluster.create_sku(&format!("sku-{number}")).await);
    }
    assert_eq!(cluster.node(full).status().last_index, stopped_at, "it takes no entries");
    assert_eq!(cluster.node(full).watch_leader().borrow().node_id, Some(leader), "it hears the heartbeats");
    cluster.kill(leader);
    // Without the vote of the full node there is no majority.
    let elected = async || {
        let known = cluster.node(full).watch_leader().borrow().node_id;
        (known == Some(other)).then_some(())
    };
    until("the node with room leads by the full node's vote", elected).await;
    assert_eq!(cluster.node(full).status().last_index, stopped_at);
    cluster.files[&full].set_capacity(None);
    assert_created(&cluster.create_sku("after").await);
    cluster.node(full).read_barrier(soon()).await.unwrap();
    for name in ["before", "sku-0", "sku-19", "after"] {
        assert!(has_sku(cluster.node(full), name), "{name}");
    }
    until("the alarms are over", async || cluster.node(full).alarms().list().is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_cant_be_made_raises_an_alarm_and_the_node_goes_on() {
    let setup = Setup { snapshot_log_bytes: 4 << 10, kept_log_entries: 1, ..setup() };
    let cluster = Cluster::start(setup).await;
    let leader = cluster.leader().await;
    let short = (1..=3).find(|id| *id != leader).unwrap();
    let status = || cluster.node(short).status();
    let mut number = 0;
    let mut create = async || {
        number += 1;
        assert_created(&cluster.create_sku(&format!("sku-{number}")).await);
    };
    while status().snapshot_index == 0 {
        create().await;
    }
    // Something is in the way of the next attempts.
    let files = &cluster.files[&short];
    let paths = (0..100).map(|number| PathBuf::from(format!("/data/snapshots/{number}.tmp")));
    let in_the_way: Vec<_> = paths.filter(|path| files.create(path).is_ok()).collect();
    let (snapshot, deadline) = (status().snapshot_index, soon());
    while !cluster.node(short).alarms().is_raised(AlarmKind::SnapshotFailed) {
        assert!(Instant::now() < deadline, "{:?}", status());
        create().await;
    }
    assert_eq!(status().snapshot_index, snapshot, "the last one stands");
    cluster.node(short).read_barrier(soon()).await.unwrap();
    for path in &in_the_way {
        files.remove(path).unwrap();
    }
    until("a snapshot is made and the log purged by it", async || {
        create().await;
        let made = status().snapshot_index > snapshot && status().purged_index > snapshot;
        let raised = cluster.node(short).alarms().is_raised(AlarmKind::SnapshotFailed);
        (made && !raised).then_some(())
    })
    .await;
    let failed = cluster.members[&short].env.tasks.failed();
    assert!(tokio::time::timeout(Duration::from_millis(1), failed).await.is_err(), "nothing failed");
}
