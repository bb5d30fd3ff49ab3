//! Three nodes over loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use stockade_consensus::{ExportedEntry, ExportedPayload, ProposeError, Role};
use stockade_proto::internal as wire;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_state_machine::command::{
    CreateLocation, PlaceLine, PlaceOrder, ReceiveStock, ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::{Command, Outcome};
use support::{
    CLUSTER_ID, Cluster, PATIENCE, Setup, assert_created, create_sku_request, has_sku, request_of, soon,
    until,
};
use tokio::time::Instant;
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_reads_what_the_leader_acknowledged_before() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    for round in 0..20 {
        let name = format!("sku-{round}");
        assert_created(&cluster.create_sku(&name).await);
        for (id, member) in &cluster.members {
            member.node.read_barrier(soon()).await.unwrap();
            assert!(has_sku(&member.node, &name), "node {id} lacks {name} after a read barrier");
        }
    }
    for member in cluster.members.values() {
        until("the node is ready", async || member.node.is_ready().then_some(())).await;
        let mut watch = member.node.watch_leader();
        let known = watch.wait_for(|now| now.client_address == Some(format!("client-{leader}")));
        tokio::time::timeout(PATIENCE, known).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_lags_answers_no_read_until_it_has_caught_up() {
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
    behind.read_barrier(soon()).await.unwrap();
    cluster.hold_back(true);
    assert_created(&cluster.create_sku("sku").await);
    // It can ask the leader, and hears nothing of the entry yet. For so short a time it doesn't stand for election either.
    let early = behind.read_barrier(Instant::now() + Duration::from_millis(100)).await;
    assert!(early.is_err(), "it would have read what was true before the acknowledgement");
    cluster.hold_back(false);
    behind.read_barrier(soon()).await.unwrap();
    assert!(has_sku(behind, "sku"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_at_a_follower_names_the_leader() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let follower = cluster.members.values().find(|member| member.node.id() != leader).unwrap();
    let request = create_sku_request(&follower.env, "sku");
    let answer = follower.node.propose(request, soon()).await;
    assert_eq!(answer, Err(ProposeError::NotLeader { leader: Some(leader) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let mut names = Vec::new();
    for round in 0..3 {
        let leader = cluster.leader().await;
        for number in 0..10 {
            let name = format!("sku-{round}-{number}");
            assert_created(&cluster.create_sku(&name).await);
            names.push(name);
        }
        cluster.kill(leader);
        let name = format!("sku-{round}-after");
        assert_created(&cluster.create_sku(&name).await);
        names.push(name);
        assert_ne!(cluster.leader().await, leader);
        cluster.restart(leader).await;
    }
    for (id, member) in &cluster.members {
        member.node.read_barrier(soon()).await.unwrap();
        for name in &names {
            assert!(has_sku(&member.node, name), "node {id} lacks {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_resigns_is_followed_at_once() {
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    assert_created(&cluster.create_sku("sku").await);
    cluster.node(leader).resign(PATIENCE).await;
    assert_ne!(cluster.leader().await, leader);
    assert_created(&cluster.create_sku("sku-after").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commands_share_few_entries() {
    const COMMANDS: usize = 2_000;
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.node(cluster.leader().await);
    assert_created(&cluster.create_sku("first").await);
    let before = leader.state().applied().get();
    let env = &cluster.members[&leader.id()].env;
    let requests: Vec<_> =
        (0..COMMANDS).map(|number| create_sku_request(env, &format!("sku-{number}"))).collect();
    let replies = join_all(requests.into_iter().map(|request| leader.propose(request, soon()))).await;
    for reply in &replies {
        assert_created(reply.as_ref().unwrap());
    }
    let entries = leader.state().applied().get() - before;
    assert!(entries < 200, "{COMMANDS} commands took {entries} entries");

    let mut exported = Vec::new();
    let mut next = before + 1;
    while next <= before + entries {
        let some = leader.export_log(next, before + entries).await.unwrap();
        next = some.last().expect("committed entries are there").index + 1;
        exported.extend(some);
    }
    let commands: usize = exported
        .iter()
        .map(|entry| match &entry.payload {
            ExportedPayload::Commands(entry) => entry.requests.len(),
            ExportedPayload::Blank | ExportedPayload::Membership(_) => 0,
        })
        .sum();
    assert_eq!(commands, COMMANDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_there_is_room_for_is_refused_and_there_is_room_again_afterwards() {
    let cluster = Cluster::start(Setup { max_in_flight_bytes: 1_000, ..Setup::default() }).await;
    let leader = cluster.node(cluster.leader().await);
    let env = &cluster.members[&leader.id()].env;
    let requests: Vec<_> = (0..200).map(|number| create_sku_request(env, &format!("sku-{number}"))).collect();
    let replies = join_all(requests.into_iter().map(|request| leader.propose(request, soon()))).await;
    let refused = replies.iter().filter(|reply| matches!(reply, Err(ProposeError::Overloaded))).count();
    let taken = replies.iter().filter(|reply| reply.is_ok()).count();
    assert!(refused > 0 && taken > 0 && refused + taken == 200, "{refused} refused, {taken} taken");
    assert_created(&cluster.create_sku("afterwards").await);
}

/// Behind more holds that are due than one command lets expire, an order is proposed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_behind_many_holds_that_are_due_is_told_its_own_outcome() {
    const HOLD_US: u64 = 60_000_000;
    let held = i64::try_from(3 * MAX_EXPIRE_BATCH).unwrap();
    let cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.node(cluster.leader().await);
    let env = &cluster.members[&leader.id()].env;
    let (sku, location) = (SkuId::new("mug").unwrap(), LocationId::new("here").unwrap());
    let order = |number: i64, quantity: i64| {
        let line = PlaceLine { sku: sku.clone(), location: None, quantity, unit_price_minor: 100 };
        let command = PlaceOrder {
            order: OrderId::new(&format!("order-{number}")).unwrap(),
            customer: None,
            currency: Currency::new("EUR").unwrap(),
            lines: vec![line],
            hold_us: HOLD_US,
            sourcing: Sourcing::Priority,
            shortage: ShortagePolicy::AllOrNothing,
        };
        request_of(env, &Command::PlaceOrder(command))
    };
    assert_created(&cluster.create_sku("mug").await);
    let (here, details) = (location.clone(), LocationDetails::default());
    let open = Command::CreateLocation(CreateLocation { location: here, details });
    leader.propose(request_of(env, &open), soon()).await.unwrap();
    let all =
        ReceiveStock { sku: sku.clone(), location, quantity: held, document: None, reference: String::new() };
    let received = leader.propose(request_of(env, &Command::ReceiveStock(all)), soon()).await.unwrap();
    assert!(matches!(received.outcome, Outcome::StockReceived(..)), "{received:?}");
    let mut came_again = false;
    for round in 0..10 {
        let holders = (0..held).map(|number| leader.propose(order(round * 10_000 + number, 1), soon()));
        for reply in join_all(holders).await {
            let reply = reply.unwrap();
            assert!(matches!(reply.outcome, Outcome::OrderPlaced { .. }), "round {round}: {reply:?}");
        }
        for member in cluster.members.values() {
            member.env.clock.shift_us(i64::try_from(HOLD_US).unwrap() + 1_000_000);
        }
        let before = leader.state().applied().get();
        // It wants every unit, and gives them back by its own end.
        let number = round * 10_000 + 9_999;
        let reply = leader.propose(order(number, held), soon()).await.unwrap();
        let own = OrderId::new(&format!("order-{number}")).unwrap();
        let placed = matches!(&reply.outcome, Outcome::OrderPlaced { order, .. } if *order == own);
        assert!(placed, "round {round}: {reply:?}");
        for member in cluster.members.values() {
            member.env.clock.shift_us(i64::try_from(HOLD_US).unwrap() + 1_000_000);
        }
        let exported = leader.export_log(before, leader.state().applied().get()).await.unwrap();
        came_again = times_proposed(&exported, &own) > 1;
        if came_again {
            break;
        }
    }
    assert!(came_again, "the timer was always first");
}

/// In how many entries an order is to be placed.
fn times_proposed(entries: &[ExportedEntry], id: &OrderId) -> usize {
    let places = |entry: &ExportedEntry| match &entry.payload {
        ExportedPayload::Commands(entry) => {
            let mut commands = entry.requests.iter().map(|request| &request.command);
            commands.any(|command| matches!(command, Command::PlaceOrder(place) if place.order == *id))
        }
        ExportedPayload::Blank | ExportedPayload::Membership(_) => false,
    };
    entries.iter().filter(|entry| places(entry)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_without_a_quorum_is_of_unknown_fate() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    assert_created(&cluster.create_sku("sku").await);
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.kill(id);
    }
    let member = &cluster.members[&leader];
    let request = create_sku_request(&member.env, "lonely");
    let answer = member.node.propose(request, Instant::now() + Duration::from_millis(100)).await;
    // The lease may have run out by now; then nothing was proposed, and that is known.
    let honest = [ProposeError::Unknown, ProposeError::NotLeader { leader: None }];
    assert!(honest.contains(answer.as_ref().unwrap_err()), "{answer:?}");
    let barrier = member.node.read_barrier(Instant::now() + Duration::from_millis(300)).await;
    assert!(barrier.is_err(), "a read was served without a quorum");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_another_cluster_or_node_is_refused() {
    let cluster = Cluster::start(Setup::default()).await;
    let address = format!("http://{}", cluster.peers[&1]);
    let mut client = PeerServiceClient::connect(address).await.unwrap();
    let envelope =
        |cluster_id: &str, to_node| wire::Envelope { cluster_id: cluster_id.into(), from_node: 2, to_node };
    for (envelope, code) in [
        (Some(envelope("ffffffffffffffffffffffffffffffff", 1)), Code::PermissionDenied),
        (Some(envelope(CLUSTER_ID, 2)), Code::FailedPrecondition),
        (None, Code::InvalidArgument),
    ] {
        let status = client.status(wire::StatusRequest { envelope: envelope.clone() }).await.unwrap_err();
        assert_eq!(status.code(), code);
        let vote = wire::VoteRequest { envelope: envelope.clone(), ..wire::VoteRequest::default() };
        assert_eq!(client.vote(vote).await.unwrap_err().code(), code);
        let append = wire::AppendRequest { envelope: envelope.clone(), ..wire::AppendRequest::default() };
        let refused = client.append_entries(tokio_stream::iter([append])).await;
        assert_eq!(refused.unwrap_err().code(), code);
    }
    assert!(client.status(wire::StatusRequest { envelope: Some(envelope(CLUSTER_ID, 1)) }).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_too_long_catches_up_by_a_snapshot() {
    let setup = Setup { snapshot_log_bytes: 4 << 10, kept_log_entries: 1, ..Setup::default() };
    let mut cluster = Cluster::start(setup).await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).unwrap();
    assert_created(&cluster.create_sku("first").await);
    cluster.kill(away);
    let away_at = cluster.node(leader).status().applied_index;
    let mut names = vec!["first".to_owned()];
    let purged = Instant::now() + PATIENCE;
    while cluster.node(leader).status().purged_index <= away_at {
        assert!(Instant::now() < purged, "the log was never purged: {:?}", cluster.node(leader).status());
        let name = format!("sku-{}", names.len());
        assert_created(&cluster.create_sku(&name).await);
        names.push(name);
    }
    cluster.restart(away).await;
    let back = cluster.node(away);
    back.read_barrier(soon()).await.unwrap();
    for name in &names {
        assert!(has_sku(back, name), "the node that was away lacks {name}");
    }
    assert!(back.status().snapshot_index > away_at, "it caught up without a snapshot: {:?}", back.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_the_cluster_tells_who_is_gone() {
    let mut cluster = Cluster::start(Setup::default()).await;
    let leader = cluster.leader().await;
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    cluster.kill(gone);
    let statuses = cluster.node(leader).cluster_status().await;
    assert_eq!(statuses.iter().map(|status| status.node_id).collect::<Vec<_>>(), [1, 2, 3]);
    for status in &statuses {
        assert!(status.voter);
        assert_eq!(status.peer_address, cluster.peers[&status.node_id]);
        assert_eq!(status.role == Role::Leader, status.node_id == leader);
    }
    for status in &statuses {
        assert_eq!(status.reachable, status.node_id != gone, "{status:?}");
    }
}
