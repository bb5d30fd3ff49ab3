//! Nodes whose state or log is not what it should be: found while they run, and kept from doing harm.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{Node, ProposeError};
use stockade_env::{Env, FailureKind};
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{AlarmKind, EngineKind, Error, Identity, Options, read_quarantine};
use support::{CLUSTER_ID, Cluster, PATIENCE, Setup, assert_created, create_sku_request, has_sku, until};
use tokio::time::{Instant, sleep, timeout};

const DIR: &str = "/data";

fn often() -> Setup {
    Setup { chain_mark_every: 4, ..Setup::default() }
}

fn raised(node: &Node, kind: AlarmKind) -> Option<String> {
    node.alarms().list().into_iter().find(|alarm| alarm.kind == kind).map(|alarm| alarm.detail)
}

async fn write(cluster: &Cluster, from: u64, to: u64) {
    for number in from..to {
        assert_created(&cluster.create_sku(&format!("sku-{number}")).await);
    }
}

async fn start_on(files: &MemoryFiles, node_id: u64) -> Result<stockade_storage::Storage, Error> {
    let identity = Identity { cluster_id: CLUSTER_ID.to_owned(), node_id };
    let options = Options { engine: EngineKind::Memory, ..Options::new(PathBuf::from(DIR), identity) };
    stockade_storage::open(Arc::new(files.clone()), &Env::real(), options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_state_differs_from_the_others_takes_itself_out_of_service() {
    let mut cluster = Cluster::start(often()).await;
    write(&cluster, 0, 10).await;
    let leader = cluster.leader().await;
    let wrong = (1..=3).find(|id| *id != leader).unwrap();
    cluster.node(wrong).state().damage_chain(1);
    write(&cluster, 10, 20).await;
    let member = &cluster.members[&wrong];
    let failure = timeout(PATIENCE, member.env.tasks.failed()).await.unwrap();
    assert_eq!(failure.kind, FailureKind::Damaged, "{failure}");
    for part in ["differs from that of the others", "since log index", "stockade cluster replace"] {
        assert!(failure.cause.contains(part), "{part} in {failure}");
    }
    assert!(raised(&member.node, AlarmKind::StateDiverged).is_some());
    assert!(!member.node.is_ready());
    assert!(member.node.read_barrier(Instant::now() + PATIENCE).await.is_err(), "a wrong state was read");
    let request = create_sku_request(&member.env, "refused");
    let answer = member.node.propose(request, Instant::now() + PATIENCE).await;
    assert_eq!(answer.unwrap_err(), ProposeError::ShuttingDown);
    // Nobody may start it again, even after a power cut.
    cluster.kill(wrong);
    let files = &cluster.files[&wrong];
    let quarantine = read_quarantine(files, Path::new(DIR)).unwrap().unwrap();
    assert!(quarantine.index > 10 && quarantine.hashes.is_some(), "{quarantine:?}");
    let refused = start_on(files, wrong).await.unwrap_err();
    assert!(matches!(&refused, Error::Corrupt { file, .. } if file.ends_with("QUARANTINED")), "{refused}");
    // The others go on, and say who it was.
    write(&cluster, 20, 24).await;
    for id in (1..=3).filter(|id| *id != wrong) {
        assert!(has_sku(cluster.node(id), "sku-0"));
        until("the others have seen it", async || raised(cluster.node(id), AlarmKind::StateDiverged)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_wrong_goes_and_another_takes_its_place() {
    let mut cluster = Cluster::start(often()).await;
    write(&cluster, 0, 6).await;
    let wrong = cluster.leader().await;
    cluster.node(wrong).state().damage_chain(1);
    let tasks = cluster.members[&wrong].env.tasks.clone();
    let mut failed = std::pin::pin!(tasks.failed());
    let mut number = 6;
    let deadline = Instant::now() + PATIENCE;
    while timeout(Duration::from_millis(20), &mut failed).await.is_err() {
        assert!(Instant::now() < deadline, "it was never found");
        write(&cluster, number, number + 1).await;
        number += 1;
    }
    cluster.kill(wrong);
    assert_ne!(cluster.leader().await, wrong);
    write(&cluster, 100, 104).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_differ_alarms_are_raised_and_nobody_goes() {
    let cluster = Cluster::start(often()).await;
    write(&cluster, 0, 8).await;
    cluster.node(1).state().damage_chain(1);
    cluster.node(2).state().damage_chain(2);
    write(&cluster, 8, 20).await;
    let mut seen = BTreeSet::new();
    until("all have raised the alarm", async || {
        for (id, member) in &cluster.members {
            if raised(&member.node, AlarmKind::StateDiverged).is_some_and(|what| what.contains("log index")) {
                seen.insert(*id);
            }
        }
        (seen.len() == 3).then_some(())
    })
    .await;
    sleep(Duration::from_secs(3)).await;
    for (id, member) in &cluster.members {
        assert!(member.node.is_ready(), "node {id} took itself out of service");
    }
    write(&cluster, 20, 21).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_restarted_and_given_snapshots_never_differ() {
    let setup = Setup {
        snapshot_log_bytes: 4 << 10,
        kept_log_entries: 1,
        segment_bytes: 8 << 10,
        chain_mark_every: 1,
        ..Setup::default()
    };
    let mut cluster = Cluster::start(setup).await;
    let mut number = 0;
    for round in 0..6 {
        let away = round % 3 + 1;
        cluster.kill(away);
        write(&cluster, number, number + 60).await;
        number += 60;
        cluster.restart(away).await;
        until("it is back", async || cluster.node(away).is_ready().then_some(())).await;
        write(&cluster, number, number + 10).await;
        number += 10;
        // Time for each node to hear of the others' marks.
        until("the marks meet", async || {
            let newest = |member: &support::Member| member.node.state().newest_chain_marks(1);
            let mut newest = cluster.members.values().map(newest);
            let first = newest.next()?;
            (!first.is_empty() && newest.all(|marks| marks == first)).then_some(())
        })
        .await;
        sleep(Duration::from_millis(1_200)).await;
        for (id, member) in &cluster.members {
            assert_eq!(member.node.alarms().list(), [], "node {id} in round {round}");
            assert!(member.node.is_ready(), "node {id} in round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_what_it_had_acknowledged_stops_and_harms_nobody() {
    let mut cluster = Cluster::start(often()).await;
    write(&cluster, 0, 10).await;
    let leader = cluster.leader().await;
    let term = cluster.node(leader).term();
    let loser = (1..=3).find(|id| *id != leader).unwrap();
    until("it has all", async || has_sku(cluster.node(loser), "sku-9").then_some(())).await;
    // An older state of its disk is put back, as from a backup, while the leader that it acknowledged to leads on.
    cluster.kill(loser);
    let older = copy(&cluster.files[&loser]);
    cluster.restart(loser).await;
    until("it is back", async || cluster.node(loser).is_ready().then_some(())).await;
    write(&cluster, 10, 30).await;
    until("it has all", async || has_sku(cluster.node(loser), "sku-29").then_some(())).await;
    cluster.kill(loser);
    cluster.files.insert(loser, older);
    cluster.restart(loser).await;
    let member = &cluster.members[&loser];
    let failure = timeout(PATIENCE, member.env.tasks.failed()).await.unwrap();
    assert_eq!(failure.kind, FailureKind::Damaged, "{failure}");
    assert!(failure.cause.contains("had acknowledged entries up to"), "{failure}");
    assert!(raised(&member.node, AlarmKind::LogLost).is_some());
    until("the leader says so", async || raised(cluster.node(leader), AlarmKind::LogLost)).await;
    assert_eq!(
        (cluster.leader().await, cluster.node(leader).term()),
        (leader, term),
        "nobody else is disturbed"
    );
    write(&cluster, 30, 34).await;
    cluster.kill(loser);
    let refused = start_on(&cluster.files[&loser], loser).await.unwrap_err();
    assert!(refused.to_string().contains("QUARANTINED"), "{refused}");
    write(&cluster, 34, 36).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_was_wiped_under_a_leader_that_lives_stops() {
    let mut cluster = Cluster::start(often()).await;
    write(&cluster, 0, 10).await;
    let leader = cluster.leader().await;
    let wiped = (1..=3).find(|id| *id != leader).unwrap();
    until("it has all", async || has_sku(cluster.node(wiped), "sku-9").then_some(())).await;
    cluster.wipe(wiped);
    cluster.restart(wiped).await;
    let failure = timeout(PATIENCE, cluster.members[&wiped].env.tasks.failed()).await.unwrap();
    assert!(failure.cause.contains("had acknowledged entries up to"), "{failure}");
    write(&cluster, 10, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rots_on_the_disk_is_healed_from_memory_while_the_node_serves() {
    let setup = Setup { segment_bytes: 4 << 10, ..Setup::default() };
    let cluster = Cluster::start(setup).await;
    write(&cluster, 0, 60).await;
    let files = &cluster.files[&1];
    let node = cluster.node(1);
    until("it has all", async || has_sku(node, "sku-59").then_some(())).await;
    for number in [2_u64, 1] {
        let path = Path::new(DIR).join(format!("wal/{number:016x}.wal"));
        files.flip_bit(&path, 500, 1).unwrap();
    }
    node.state().scrub_now();
    until("it is found", async || raised(node, AlarmKind::LogDamaged)).await;
    until("it is healed", async || node.alarms().list().is_empty().then_some(())).await;
    let snapshots = files.list(&Path::new(DIR).join("snapshots")).unwrap();
    let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };
    files.flip_bit(snapshot, 200, 1).unwrap();
    let damaged = content(files, snapshot);
    node.state().scrub_now();
    // It is healed as soon as it is found.
    until("another has taken its place", async || {
        let now = files.list(&Path::new(DIR).join("snapshots")).unwrap();
        let sound = now.iter().all(|path| path.extension().is_some_and(|end| end == "snapshot"));
        (sound && now.len() == 1 && content(files, &now[0]) != damaged).then_some(())
    })
    .await;
    until("the alarm is over", async || node.alarms().list().is_empty().then_some(())).await;
    write(&cluster, 60, 62).await;
    assert!(node.is_ready());
}

/// What is on a disk now.
fn copy(files: &MemoryFiles) -> MemoryFiles {
    let copied = MemoryFiles::default();
    copy_dir(files, &copied, Path::new(DIR));
    copied
}

fn content(files: &MemoryFiles, path: &Path) -> Vec<u8> {
    let file = files.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    let read = file.read_at(0, &mut bytes).unwrap();
    bytes.truncate(read);
    bytes
}

fn copy_dir(from: &MemoryFiles, to: &MemoryFiles, dir: &Path) {
    to.create_dir(dir).unwrap();
    for path in from.list(dir).unwrap() {
        let Ok(file) = from.open(&path) else {
            copy_dir(from, to, &path);
            continue;
        };
        drop(file);
        let copy = to.create(&path).unwrap();
        copy.write_at(0, &content(from, &path)).unwrap();
        copy.sync().unwrap();
    }
    to.sync_dir(dir).unwrap();
}
