//! The lead, given away.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::join_all;
use stockade_consensus::{MembershipChange, MembershipError, Node, ProposeError, RefusalKind};
use stockade_env::Env;
use support::{
    Cluster, PATIENCE, Setup, assert_created, bring_about, create_sku_request, has_sku, soon, until,
};
use tokio::time::{Instant, timeout};

fn transfer(to: Option<u64>) -> MembershipChange {
    MembershipChange::Transfer { to, away_from: None }
}

async fn refusal(node: &Node, change: MembershipChange) -> (RefusalKind, String) {
    match node.change_membership(&change, "tester", soon()).await {
        Err(MembershipError::Refused(refusal)) => (refusal.kind, refusal.message),
        other => panic!("{change}: {other:?}"),
    }
}

fn others(leader: u64) -> (u64, u64) {
    let mut others = (1..=3).filter(|id| *id != leader);
    (others.next().unwrap(), others.next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_where_it_is_sent() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let (one, other) = others(leader);
    // Asked of a node that doesn't lead, and neither is to.
    assert_eq!(bring_about(cluster.node(other), &transfer(Some(one))).await, one);
    assert_eq!(cluster.leader().await, one);
    assert_eq!(bring_about(cluster.node(other), &transfer(Some(one))).await, one, "it leads already");
    let chosen = bring_about(cluster.node(one), &transfer(None)).await;
    assert_ne!(chosen, one);
    assert_eq!(cluster.leader().await, chosen);
    assert_eq!(refusal(cluster.node(one), transfer(Some(9))).await.0, RefusalKind::NodeUnknown);
    let silent = (1..=3).find(|id| *id != chosen).unwrap();
    cluster.kill(silent);
    let leader = cluster.leader().await;
    let (kind, why) = refusal(cluster.node(leader), transfer(Some(silent))).await;
    assert_eq!(kind, RefusalKind::LearnerBehind, "{why}");
    assert_created(&cluster.create_sku("after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_again_for_a_lead_that_has_moved_does_not_move_it_on() {
    let cluster = Cluster::start(Setup::default()).await;
    let old = cluster.leader().await;
    let (one, other) = others(old);
    for to in [None, Some(other)] {
        let away = MembershipChange::Transfer { to, away_from: Some(old) };
        bring_about(cluster.node(old), &transfer(Some(old))).await;
        let new = bring_about(cluster.node(one), &away).await;
        assert_ne!(new, old);
        let term = cluster.node(cluster.leader().await).term();
        for (id, member) in &cluster.members {
            assert_eq!(bring_about(&member.node, &away).await, new, "asked again of node {id}");
        }
        assert_eq!((cluster.leader().await, cluster.node(new).term()), (new, term));
    }
}

/// Keeps a node from applying anything until it is told to go on.
fn hold_apply(node: &Node) -> mpsc::Sender<()> {
    let (held, is_held) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let state = node.state().clone();
    std::thread::spawn(move || {
        state.read(|_| {
            held.send(()).unwrap();
            released.recv().unwrap();
        });
    });
    is_held.recv().unwrap();
    release
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_before_the_lead_goes_is_answered_first() {
    let cluster = Cluster::start(Setup { election_timeout: ELECTION_TIMEOUT, ..Setup::default() }).await;
    let old = cluster.leader().await;
    let (node, term) = (cluster.node(old).clone(), cluster.node(old).term());
    let env = Env::real();
    let release = hold_apply(&node);
    let (proposer, request) = (node.clone(), create_sku_request(&env, "first"));
    let first = tokio::spawn(async move { proposer.propose(request, soon()).await });
    until("the first write is committed and not applied", async || {
        let status = node.status();
        (status.committed_index > status.applied_index).then_some(())
    })
    .await;
    // They wait behind the first, and the followers have all that is in the log.
    let names: Vec<String> = (0..10).map(|number| format!("sku-{number}")).collect();
    let waiting = join_all(names.iter().map(|name| node.propose(create_sku_request(&env, name), soon())));
    // In this order: they are in the queue when the hand-over begins, and it has begun when anything goes on.
    let (answers, (), ()) = tokio::join!(waiting, node.resign(PATIENCE), async { release.send(()).unwrap() });
    assert_created(&first.await.unwrap().unwrap());
    for (name, answer) in names.iter().zip(&answers) {
        assert_created(answer.as_ref().unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    let new = cluster.node(cluster.leader().await);
    assert_ne!(new.id(), old);
    assert_eq!(new.term(), term + 1, "the first who was asked to lead refused");
    new.read_barrier(soon()).await.unwrap();
    assert!(names.iter().all(|name| has_sku(new, name)), "the new leader lacks an acknowledged write");
}

/// So long that the leader goes on hearing a follower, as far as it knows, while nothing comes through to it.
const ELECTION_TIMEOUT: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(5));
/// Longer than a leader waits for who is to take the lead over.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(3);
/// Too short for anything else to come about.
const BRIEFLY: Duration = Duration::from_millis(300);

/// Has a node lead, and waits until all follow it: before, it refuses writes.
async fn give_lead(cluster: &Cluster, to: u64) {
    bring_about(cluster.node(to), &transfer(Some(to))).await;
    until("it may answer as the leader", async || cluster.node(to).read_barrier(soon()).await.ok()).await;
    until("all follow it", async || (cluster.leader().await == to).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_goes_to_a_follower_that_has_the_whole_log() {
    let setup = Setup { gated: Some(1), election_timeout: ELECTION_TIMEOUT, ..Setup::default() };
    let cluster = Cluster::start(setup).await;
    give_lead(&cluster, 3).await;
    let (node, term) = (cluster.node(3).clone(), cluster.node(3).term());
    // Heard until a moment ago, and the first in turn.
    cluster.hold_back(true);
    assert_created(&node.propose(create_sku_request(&Env::real(), "sku"), soon()).await.unwrap());
    let begun = Instant::now();
    node.resign(PATIENCE).await;
    assert_eq!((node.status().leader_id, node.term()), (Some(2), term + 1));
    assert!(begun.elapsed() < ELECTION_TIMEOUT.0, "it took an election: {:?}", begun.elapsed());
    cluster.hold_back(false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_with_the_whole_log_the_one_that_has_applied_it_leads() {
    let cluster = Cluster::start(Setup { election_timeout: ELECTION_TIMEOUT, ..Setup::default() }).await;
    give_lead(&cluster, 3).await;
    let node = cluster.node(3).clone();
    let env = Env::real();
    let release = hold_apply(cluster.node(1));
    for number in 0..150 {
        let request = create_sku_request(&env, &format!("sku-{number}"));
        assert_created(&node.propose(request, soon()).await.unwrap());
    }
    let last = node.status().last_index;
    until("both have the whole log", async || {
        [1, 2].iter().all(|id| cluster.node(*id).status().last_index == last).then_some(())
    })
    .await;
    node.resign(PATIENCE).await;
    assert_eq!(node.status().leader_id, Some(2), "the first in turn has applied nothing of it");
    release.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_asks_for_no_votes_while_another_can_lead() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    // The first who would ask once the leader is gone.
    let (drained, other) = others(leader);
    assert_created(&cluster.create_sku("sku").await);
    until("both have it", async || {
        [drained, other].iter().all(|id| has_sku(cluster.node(*id), "sku")).then_some(())
    })
    .await;
    assert!(cluster.node(drained).drain(PATIENCE).await);
    cluster.kill(leader);
    assert_eq!(cluster.leader().await, other);
    // And where nobody else is there it leads all the same.
    cluster.node(other).drain(BRIEFLY).await;
    assert_created(&cluster.create_sku("after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_overs_wait_for_each_other_and_one_that_is_given_up_lets_go() {
    const BEHIND: u64 = 3;
    let setup = Setup { gated: Some(BEHIND), election_timeout: ELECTION_TIMEOUT, ..Setup::default() };
    let mut cluster = Cluster::start(setup).await;
    give_lead(&cluster, 1).await;
    let node = cluster.node(1).clone();
    let term = node.term();
    cluster.kill(2);
    cluster.hold_back(true);
    let env = Env::real();
    let refused = Err(ProposeError::NotLeader { leader: None });
    let (last, writer, request) = (node.status().last_index, node.clone(), create_sku_request(&env, "slow"));
    let slow = tokio::spawn(async move { writer.propose(request, soon()).await });
    until("the write is in the log", async || (node.status().last_index > last).then_some(())).await;
    // It can't end: the only follower that is heard lacks the write.
    let resigning = node.clone();
    let first = tokio::spawn(async move { resigning.resign(PATIENCE).await });
    let mut probes = (0..).map(|number| create_sku_request(&env, &format!("probe-{number}")));
    until("no write is taken", async || {
        (node.propose(probes.next()?, Instant::now() + BRIEFLY).await == refused).then_some(())
    })
    .await;
    // The second has its own patience, and waiting for its turn counts.
    let begun = Instant::now();
    assert!(!node.drain(BRIEFLY).await, "nobody can have taken the lead");
    assert!(begun.elapsed() < ELECTION_TIMEOUT.0, "it waited for the first: {:?}", begun.elapsed());
    node.end_drain();
    assert_eq!(node.propose(probes.next().unwrap(), Instant::now() + BRIEFLY).await, refused);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let taken = node.propose(probes.next().unwrap(), Instant::now() + BRIEFLY).await;
    assert_ne!(taken, refused, "who went away still keeps writes from being taken");
    cluster.hold_back(false);
    assert_created(&slow.await.unwrap().unwrap());
    node.resign(PATIENCE).await;
    assert_eq!((cluster.leader().await, node.term()), (BEHIND, term + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_not_ready_is_not_given_the_lead() {
    let mut cluster = Cluster::start(Setup { election_timeout: ELECTION_TIMEOUT, ..Setup::default() }).await;
    give_lead(&cluster, 1).await;
    let (node, term) = (cluster.node(1).clone(), cluster.node(1).term());
    cluster.kill(3);
    // It is sent the log, and can't ask the leader how far that goes: nobody can be served by it.
    cluster.kill(2);
    cluster.detours.insert(2, BTreeMap::from([(1, "127.0.0.1:1".to_owned())]));
    cluster.restart(2).await;
    assert_created(&cluster.create_sku("sku").await);
    until("the follower has the whole log, and the leader knows it", async || {
        let followers = node.cluster_status().await;
        let two = followers.iter().find(|status| status.node_id == 2)?;
        (two.last_index == node.status().last_index && !two.ready).then_some(())
    })
    .await;
    node.resign(BRIEFLY).await;
    assert_eq!((node.status().leader_id, node.term()), (Some(1), term), "nobody is asked");
    assert_created(&node.propose(create_sku_request(&Env::real(), "after"), soon()).await.unwrap());
    // Once it can, it is ready, and gets the lead.
    cluster.kill(2);
    cluster.detours.clear();
    cluster.restart(2).await;
    until("it is ready", async || cluster.node(2).is_ready().then_some(())).await;
    node.resign(PATIENCE).await;
    assert_eq!((cluster.leader().await, node.term()), (2, term + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_membership_that_is_under_way_ends_before_the_lead_goes() {
    let mut cluster = Cluster::start(Setup { election_timeout: ELECTION_TIMEOUT, ..Setup::default() }).await;
    give_lead(&cluster, 1).await;
    let (node, term) = (cluster.node(1).clone(), cluster.node(1).term());
    let release = hold_apply(&node);
    let changing = node.clone();
    let change = MembershipChange::Remove { node_ids: BTreeSet::from([3]) };
    let changed = tokio::spawn(async move { changing.change_membership(&change, "tester", soon()).await });
    until("the first of its two entries is in the log", async || (node.voters().len() == 2).then_some(()))
        .await;
    let draining = node.clone();
    let drained = tokio::spawn(async move { draining.drain(PATIENCE).await });
    let mut leader = node.watch_leader();
    let gone = leader.wait_for(|leader| leader.node_id != Some(1));
    assert!(timeout(BRIEFLY, gone).await.is_err(), "the lead went between the two entries of a change");
    release.send(()).unwrap();
    let index = changed.await.unwrap().unwrap();
    assert!(drained.await.unwrap(), "the lead goes once the change is done");
    cluster.kill(3);
    assert_eq!((cluster.leader().await, node.term()), (2, term + 1));
    let new = cluster.node(2);
    assert_eq!(new.voters(), [BTreeSet::from([1, 2])]);
    let entries = new.export_log(index, index).await.unwrap();
    assert_eq!(entries[0].term, term, "the old leader wrote the second entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_may_take_effect_yet_is_not_told_as_refused() {
    let setup = Setup { gated: Some(1), election_timeout: ELECTION_TIMEOUT, ..Setup::default() };
    let mut cluster = Cluster::start(setup).await;
    give_lead(&cluster, 1).await;
    let (node, term) = (cluster.node(1).clone(), cluster.node(1).term());
    cluster.kill(3);
    // What the follower asks the leader waits, its vote too; it is asked all the same.
    cluster.hold_back(true);
    let deadline = Instant::now() + TRANSFER_PATIENCE;
    let asked = node.change_membership(&transfer(Some(2)), "tester", deadline).await;
    assert_eq!(asked, Err(MembershipError::Unknown));
    cluster.hold_back(false);
    // The follower asked for votes. Whether they come in time or the old leader is elected once more, a term has begun.
    until("it has taken effect", async || {
        let leader = cluster.leader().await;
        (cluster.node(leader).term() > term).then_some(())
    })
    .await;
}
