//! Nodes that come, nodes that go, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stockade_consensus::{
    Consistency, MembershipChange, MembershipError, Node, ProposeError, ReadError, RefusalKind, Role,
    StartError,
};
use stockade_env::Env;
use stockade_storage::AlarmKind;
use support::{
    Cluster, PATIENCE, Setup, assert_created, bring_about, create_sku_request, has_sku, soon, until,
};
use tokio::time::Instant;

fn add(cluster: &Cluster, node_id: u64) -> MembershipChange {
    MembershipChange::AddLearner { node_id, peer_address: cluster.peers[&node_id].clone() }
}

fn swap(node_id: u64, old: u64) -> MembershipChange {
    MembershipChange::Promote { node_id, replaces: Some(old) }
}

async fn refusal(node: &Node, change: MembershipChange) -> (RefusalKind, String) {
    match node.change_membership(&change, "tester", soon()).await {
        Err(MembershipError::Refused(refusal)) => (refusal.kind, refusal.message),
        other => panic!("{change}: {other:?}"),
    }
}

/// Who leads in the eyes of these nodes.
async fn leader_of(cluster: &Cluster, ids: &[u64]) -> u64 {
    until("they agree on a leader among them", async || {
        let leaders: BTreeSet<_> = ids.iter().map(|id| cluster.node(*id).status().leader_id).collect();
        match leaders.iter().next() {
            Some(Some(leader)) if leaders.len() == 1 && ids.contains(leader) => Some(*leader),
            _ => None,
        }
    })
    .await
}

/// All voters, as these nodes know them.
async fn expect_voters(cluster: &Cluster, ids: &[u64]) {
    let expected = vec![ids.iter().copied().collect::<BTreeSet<u64>>()];
    for id in ids {
        until("the node knows the new voters", async || {
            (cluster.node(*id).voters() == expected).then_some(())
        })
        .await;
    }
}

fn others(leader: u64) -> (u64, u64) {
    let mut others = (1..=3).filter(|id| *id != leader);
    (others.next().unwrap(), others.next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_takes_the_place_of_a_lost_one_and_its_vote_counts() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("before").await);
    let leader = cluster.leader().await;
    let (lost, other) = others(leader);
    cluster.kill(lost);
    cluster.join(4).await;
    // From a node that doesn't lead: any node takes a change.
    bring_about(cluster.node(other), &add(&cluster, 4)).await;
    bring_about(cluster.node(other), &swap(4, lost)).await;
    expect_voters(&cluster, &[leader, other, 4]).await;
    // With this one gone nothing can be committed without the new node.
    cluster.kill(leader);
    assert_created(&cluster.create_sku("after").await);
    let new = cluster.node(4);
    new.read_barrier(soon()).await.unwrap();
    assert!(has_sku(new, "before") && has_sku(new, "after"));
    assert!(new.is_ready());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_a_node_is_replaced_and_none_is_lost() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let (lost, other) = others(cluster.leader().await);
    cluster.kill(lost);
    cluster.join(4).await;
    let done = AtomicBool::new(false);
    let writes = async {
        let mut names = Vec::new();
        while !done.load(Ordering::Relaxed) || names.len() < 50 {
            let name = format!("sku-{}", names.len());
            assert_created(&cluster.create_sku(&name).await);
            names.push(name);
        }
        names
    };
    let change = async {
        bring_about(cluster.node(other), &add(&cluster, 4)).await;
        bring_about(cluster.node(other), &swap(4, lost)).await;
        done.store(true, Ordering::Relaxed);
    };
    let (names, ()) = tokio::join!(writes, change);
    for (id, member) in &cluster.members {
        member.node.read_barrier(soon()).await.unwrap();
        for name in &names {
            assert!(has_sku(&member.node, name), "node {id} lacks {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_made_can_be_asked_for_again() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let (lost, other) = others(cluster.leader().await);
    cluster.kill(lost);
    cluster.join(4).await;
    let node = cluster.node(other);
    let added = bring_about(node, &add(&cluster, 4)).await;
    assert_eq!(bring_about(node, &add(&cluster, 4)).await, added);
    let swapped = bring_about(node, &swap(4, lost)).await;
    assert_eq!(bring_about(node, &swap(4, lost)).await, swapped);
    assert_eq!(bring_about(node, &add(&cluster, 4)).await, swapped, "nothing was written for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_safe_is_refused_and_says_why() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let (one, other) = others(leader);
    let node = cluster.node(one).clone();
    let at =
        |node_id, address: &str| MembershipChange::AddLearner { node_id, peer_address: address.to_owned() };

    // An id of a member, elsewhere.
    let (kind, why) = refusal(&node, at(3, "127.0.0.1:1")).await;
    assert_eq!(kind, RefusalKind::IdUsed);
    assert!(why.contains("4 or higher"), "{why}");
    // Nobody there, and somebody else there.
    assert_eq!(refusal(&node, at(4, "127.0.0.1:1")).await.0, RefusalKind::NodeUnfit);
    let (kind, why) = refusal(&node, at(4, &cluster.peers[&leader])).await;
    assert_eq!(kind, RefusalKind::NodeUnfit);
    assert!(why.contains(&format!("this is node {leader}")), "{why}");
    // Nobody of that name.
    assert_eq!(refusal(&node, swap(9, leader)).await.0, RefusalKind::NodeUnknown);

    cluster.join(5).await;
    bring_about(&node, &add(&cluster, 5)).await;
    // An id between: it may have been somebody's.
    assert_eq!(refusal(&node, at(4, "127.0.0.1:1")).await.0, RefusalKind::IdUsed);
    // Who is no member is not replaced.
    assert_eq!(refusal(&node, swap(5, 4)).await.0, RefusalKind::NodeUnknown);
    until("the learner has the log", async || {
        (cluster.node(5).status().applied_index >= node.status().applied_index).then_some(())
    })
    .await;
    // With the learner and another gone, the two that are left would be a minority of those who vote.
    cluster.kill(5);
    cluster.kill(other);
    let (kind, why) = refusal(&node, swap(5, one)).await;
    assert_eq!(kind, RefusalKind::QuorumAtRisk, "{why}");
    assert!(why.contains("more than half"), "{why}");
    assert_created(&cluster.create_sku("still").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_that_a_leader_has_not_heard_of_gets_no_vote() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let (one, _) = others(leader);
    cluster.join(4).await;
    bring_about(cluster.node(one), &add(&cluster, 4)).await;
    cluster.kill(4);
    cluster.node(leader).resign(PATIENCE).await;
    let asked = until("the new leader answers", async || {
        let change = MembershipChange::Promote { node_id: 4, replaces: None };
        match cluster.node(one).change_membership(&change, "tester", soon()).await {
            Err(MembershipError::Refused(refusal)) if refusal.kind == RefusalKind::Changing => None,
            answer => Some(answer),
        }
    })
    .await;
    match asked {
        Err(MembershipError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::LearnerBehind),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_founds_no_cluster_and_is_told_what_is_wrong_with_it() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    cluster.join(4).await;
    let status = cluster.node(4).status();
    assert_eq!((status.last_index, status.term, status.role), (0, 0, Role::Learner));
    assert!(!cluster.node(4).is_ready());
    let seen = cluster.node(4).cluster_status().await;
    assert_eq!(seen.iter().map(|node| node.node_id).collect::<Vec<_>>(), [4]);
    bring_about(cluster.node(leader), &add(&cluster, 4)).await;
    bring_about(cluster.node(leader), &MembershipChange::Promote { node_id: 4, replaces: None }).await;
    expect_voters(&cluster, &[1, 2, 3, 4]).await;

    // A voter that was wiped must not come back as if it were new.
    let (lost, _) = others(leader);
    cluster.wipe(lost);
    let error = cluster.try_join(lost).await.unwrap_err();
    assert!(matches!(&error, StartError::Config(what) if what.contains("--node-id 5")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_far_behind_the_log_is_brought_up_by_a_snapshot() {
    let mut cluster =
        Cluster::start(Setup { snapshot_log_bytes: 4 << 10, kept_log_entries: 1, ..Setup::default() }).await;
    let leader = cluster.leader().await;
    let (lost, _) = others(leader);
    let mut names = Vec::new();
    let purged = Instant::now() + PATIENCE;
    while cluster.node(leader).status().purged_index == 0 {
        assert!(Instant::now() < purged, "the log was never purged: {:?}", cluster.node(leader).status());
        let name = format!("sku-{}", names.len());
        assert_created(&cluster.create_sku(&name).await);
        names.push(name);
    }
    cluster.kill(lost);
    cluster.join(4).await;
    bring_about(cluster.node(leader), &add(&cluster, 4)).await;
    bring_about(cluster.node(leader), &swap(4, lost)).await;
    let new = cluster.node(4);
    new.read_barrier(soon()).await.unwrap();
    assert!(names.iter().all(|name| has_sku(new, name)));
    assert!(new.status().snapshot_index > 0, "it came up without a snapshot: {:?}", new.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_replaced_and_comes_back_disturbs_nobody_and_notices() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("sku").await);
    let leader = cluster.leader().await;
    let (old, other) = others(leader);
    cluster.kill(old);
    cluster.join(4).await;
    bring_about(cluster.node(leader), &add(&cluster, 4)).await;
    bring_about(cluster.node(leader), &swap(4, old)).await;
    expect_voters(&cluster, &[leader, other, 4]).await;
    let leader = leader_of(&cluster, &[leader, other, 4]).await;
    let term = cluster.node(leader).term();
    cluster.restart(old).await;
    until("the old node notices", async || cluster.node(old).is_removed().then_some(())).await;
    // What it has may be as old as can be.
    for consistency in [Consistency::Local, Consistency::Bounded(Duration::from_hours(1))] {
        let read = cluster.node(old).prepare_read(consistency, Instant::now() + PATIENCE).await;
        assert_eq!(read, Err(ReadError::Removed), "{consistency:?}");
    }
    assert!(!cluster.node(old).is_ready());
    // Several election timeouts, in which it could have called elections.
    let quiet = Instant::now() + Duration::from_secs(2);
    let mut number = 0;
    while Instant::now() < quiet {
        assert_created(&cluster.create_sku(&format!("after-{number}")).await);
        number += 1;
    }
    assert_eq!(leader_of(&cluster, &[leader, other, 4]).await, leader);
    assert_eq!(cluster.node(leader).term(), term, "it made the others elect");
    assert!(!has_sku(cluster.node(old), "after-0"));
    // It can't be taken for a new one either: its id and its log are old.
    let back = MembershipChange::AddLearner { node_id: old, peer_address: cluster.peers[&old].clone() };
    assert_eq!(refusal(cluster.node(leader), back).await.0, RefusalKind::IdUsed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_can_be_replaced_and_steps_aside() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("before").await);
    let old = cluster.leader().await;
    let (one, other) = others(old);
    cluster.join(4).await;
    bring_about(cluster.node(one), &add(&cluster, 4)).await;
    bring_about(cluster.node(one), &swap(4, old)).await;
    expect_voters(&cluster, &[one, other, 4]).await;
    leader_of(&cluster, &[one, other, 4]).await;
    until("the old leader notices", async || cluster.node(old).is_removed().then_some(())).await;
    assert!(!cluster.node(old).is_ready(), "nobody is to be sent to it any more");
    cluster.kill(old);
    assert_created(&cluster.create_sku("after").await);
}

fn remove(ids: &[u64]) -> MembershipChange {
    MembershipChange::Remove { node_ids: ids.iter().copied().collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_removed_hands_over_and_serves_nobody_afterwards() {
    let mut cluster = Cluster::start(Setup::default()).await;
    assert_created(&cluster.create_sku("before").await);
    let old = cluster.leader().await;
    let (one, other) = others(old);
    let term = cluster.node(old).term();
    // Of itself, and twice: the second finds it done.
    let index = bring_about(cluster.node(old), &remove(&[old])).await;
    assert_eq!(bring_about(cluster.node(one), &remove(&[old])).await, index);
    expect_voters(&cluster, &[one, other]).await;
    let new = leader_of(&cluster, &[one, other]).await;
    // Handed over: the one term of the transfer, no election beside it.
    assert_eq!(cluster.node(new).term(), term + 1);
    until("the old leader notices", async || cluster.node(old).is_removed().then_some(())).await;
    let node = cluster.node(old);
    assert!(!node.is_ready());
    assert_eq!(node.read_barrier(soon()).await, Err(ReadError::Removed));
    assert_eq!(
        node.propose(create_sku_request(&Env::real(), "never"), soon()).await,
        Err(ProposeError::Removed)
    );
    assert_created(&cluster.create_sku("after").await);
    // Restarted it finds out anew.
    cluster.kill(old);
    cluster.restart(old).await;
    until("the old leader notices again", async || cluster.node(old).is_removed().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_removed_is_not_used_again_whoever_leads() {
    let mut cluster =
        Cluster::start(Setup { snapshot_log_bytes: 4 << 10, kept_log_entries: 1, ..Setup::default() }).await;
    let leader = cluster.leader().await;
    cluster.join(7).await;
    bring_about(cluster.node(leader), &add(&cluster, 7)).await;
    bring_about(cluster.node(leader), &remove(&[7])).await;
    cluster.kill(7);
    // Until no log has the entry any more that 7 stands in.
    let mut number = 0;
    until("all have purged their logs", async || {
        number += 1;
        assert_created(&cluster.create_sku(&format!("sku-{number}")).await);
        cluster.members.values().all(|member| member.node.status().purged_index > 20).then_some(())
    })
    .await;
    for id in 1..=3 {
        cluster.kill(id);
        cluster.restart(id).await;
        let leader = cluster.leader().await;
        for used in [4, 7] {
            let back = MembershipChange::AddLearner { node_id: used, peer_address: "127.0.0.1:1".to_owned() };
            let (kind, why) = until("the leader decides", async || {
                match cluster.node(leader).change_membership(&back, "tester", soon()).await {
                    Err(MembershipError::Refused(refusal)) if refusal.kind == RefusalKind::Changing => None,
                    Err(MembershipError::Refused(refusal)) => Some((refusal.kind, refusal.message)),
                    other => panic!("{other:?}"),
                }
            })
            .await;
            assert_eq!(kind, RefusalKind::IdUsed, "{why}");
            assert!(why.contains("8 or higher"), "{why}");
        }
    }
    // A new node is told so as well.
    cluster.files.insert(7, stockade_storage::file::MemoryFiles::default());
    let error = cluster.try_join(7).await.unwrap_err();
    assert!(matches!(&error, StartError::Config(what) if what.contains("--node-id 8")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_would_leave_too_few_changes_nothing() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let (one, other) = others(leader);
    let (kind, why) = refusal(cluster.node(one), remove(&[1, 2, 3])).await;
    assert_eq!(kind, RefusalKind::QuorumAtRisk, "{why}");
    assert_eq!(refusal(cluster.node(one), remove(&[4])).await.0, RefusalKind::NodeUnknown);
    cluster.kill(other);
    let (kind, why) = refusal(cluster.node(leader), remove(&[one])).await;
    assert_eq!(kind, RefusalKind::QuorumAtRisk, "{why}");
    assert_eq!(cluster.node(leader).voters(), [BTreeSet::from([1, 2, 3])]);
    bring_about(cluster.node(leader), &remove(&[other])).await;
    assert_created(&cluster.create_sku("after").await);
}

fn automatic(standby: bool) -> Setup {
    Setup { replace_dead_after: Some(Duration::from_secs(2)), standby, ..Setup::default() }
}

/// Whether a node tells this alarm.
fn tells(node: &Node, kind: AlarmKind) -> bool {
    node.alarms().is_raised(kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_voter_is_replaced_by_the_standby_of_its_zone_unasked() {
    let mut cluster = Cluster::start(automatic(true)).await;
    let leader = cluster.leader().await;
    let (dead, other) = others(leader);
    for new in [4, 5, 6] {
        cluster.join(new).await;
        bring_about(cluster.node(leader), &add(&cluster, new)).await;
    }
    until("the standbys have caught up", async || {
        [4, 5, 6].iter().all(|id| cluster.node(*id).is_ready()).then_some(())
    })
    .await;
    cluster.kill(dead);
    let of_its_zone = dead + 3;
    expect_voters(&cluster, &[leader, other, of_its_zone]).await;
    until("the leader tells", async || tells(cluster.node(leader), AlarmKind::VoterReplaced).then_some(()))
        .await;
    // One death, one successor: the other standbys stay what they are, and the dead node finds out.
    cluster.restart(dead).await;
    until("the dead node notices", async || cluster.node(dead).is_removed().then_some(())).await;
    assert_created(&cluster.create_sku("after").await);
    expect_voters(&cluster, &[leader, other, of_its_zone]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_that_does_not_stand_ready_is_not_promoted_and_the_death_is_told() {
    let mut cluster = Cluster::start(automatic(false)).await;
    let leader = cluster.leader().await;
    let (dead, _) = others(leader);
    cluster.join(4).await;
    bring_about(cluster.node(leader), &add(&cluster, 4)).await;
    until("the learner serves", async || cluster.node(4).is_ready().then_some(())).await;
    assert_created(&cluster.create_sku("sku").await);
    cluster.node(4).read_barrier(soon()).await.unwrap();
    assert!(has_sku(cluster.node(4), "sku"), "a learner serves reads");
    cluster.kill(dead);
    until("the leader tells", async || tells(cluster.node(leader), AlarmKind::VoterDead).then_some(())).await;
    assert_eq!(cluster.node(leader).voters(), [BTreeSet::from([1, 2, 3])]);
    cluster.restart(dead).await;
    until("it is over", async || (!tells(cluster.node(leader), AlarmKind::VoterDead)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voters_of_which_most_stand_in_one_zone_are_told_of_by_the_leader() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    assert!(!tells(cluster.node(leader), AlarmKind::ZoneMajority));
    let (gone, other) = others(leader);
    // In the zone of one who stays.
    let beside = leader + 3;
    cluster.join(beside).await;
    bring_about(cluster.node(leader), &add(&cluster, beside)).await;
    bring_about(cluster.node(leader), &swap(beside, gone)).await;
    let leads = leader_of(&cluster, &[leader, other, beside]).await;
    until("the leader tells", async || tells(cluster.node(leads), AlarmKind::ZoneMajority).then_some(()))
        .await;
}

/// Swaps `old` for `new` and kills the leader once the first of the change's two entries is in its log. Gives true where
/// the others were left with that one alone.
async fn break_a_swap_off(cluster: &mut Cluster, leader: u64, old: u64, new: u64) -> bool {
    let asking = cluster.node(leader).clone();
    let asked =
        tokio::spawn(async move { asking.change_membership(&swap(new, old), "tester", soon()).await });
    // Between the two entries there is a round trip to the others.
    let begun = soon();
    while cluster.node(leader).voters().len() < 2 && !asked.is_finished() {
        assert!(Instant::now() < begun, "the change never began");
        std::hint::spin_loop();
    }
    cluster.kill(leader);
    asked.abort();
    cluster.restart(leader).await;
    let running: Vec<u64> = cluster.members.keys().copied().collect();
    let next = leader_of(cluster, &running).await;
    cluster.node(next).voters().len() == 2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_its_leader_did_not_live_to_finish_is_finished_by_asking_again() {
    let mut cluster = Cluster::start(Setup::default()).await;
    // Where the kill comes a moment early or late the change is lost or done, which asking again must bear as well; then
    // the next node is replaced, until one was left half done.
    for new in 4..=15 {
        let running: Vec<u64> = cluster.members.keys().copied().collect();
        let leader = leader_of(&cluster, &running).await;
        let old = running.into_iter().find(|id| *id != leader).unwrap();
        cluster.kill(old);
        cluster.join(new).await;
        bring_about(cluster.node(leader), &add(&cluster, new)).await;
        until("the learner has the log", async || {
            (cluster.node(new).status().last_index == cluster.node(leader).status().last_index).then_some(())
        })
        .await;
        let half_done = break_a_swap_off(&mut cluster, leader, old, new).await;
        let running: Vec<u64> = cluster.members.keys().copied().collect();
        bring_about(cluster.node(new), &swap(new, old)).await;
        expect_voters(&cluster, &running).await;
        assert_created(&cluster.create_sku(&format!("after-{new}")).await);
        if half_done {
            return;
        }
    }
    panic!("no change was ever left half done");
}
