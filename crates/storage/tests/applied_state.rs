//! The applied state through crashes, snapshots and rebuilds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{
    Node, cancel, confirm, create, hold, let_go, main_location, open_shop, order, place, receive,
    reservation, ship, take,
};
use futures_util::{FutureExt as _, stream};
use openraft::storage::{RaftLogReader as _, RaftStateMachine, Snapshot};
use stockade_state_machine::StockKey;
use stockade_state_machine::ids::{DocumentId, LocationId};
use stockade_state_machine::limits::REQUEST_RETENTION_MS;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_storage::{EngineKind, Error, OrderFilter};

async fn trade(node: &mut Node, from: u64, to: u64) {
    for number in from..to {
        let id = format!("o{number:05}");
        node.run(vec![place(&id, &[("a", 1), ("b", 2)]), confirm(&id)]).await;
        match number % 3 {
            0 => node.run(vec![ship(&id)]).await,
            1 => node.run(vec![cancel(&id)]).await,
            _ => 0,
        };
    }
}

fn available(node: &Node, name: &str) -> i64 {
    let key = StockKey { sku: common::sku(name), location: LocationId::new("main").unwrap() };
    node.storage.state.read(|view| view.stock(&key).get(Bucket::Available))
}

fn state_of(node: &Node, id: &str) -> Option<OrderState> {
    node.storage.state.read(|view| view.order(&order(id)).unwrap().map(|order| order.state()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_is_there_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 30).await;
    let hashes = node.hashes().await;
    let last = node.next - 1;
    node.stop().await;
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, last, "nothing is applied again");
    assert_eq!(node.hashes().await, hashes);
    assert_eq!(state_of(&node, "o00000"), Some(OrderState::Shipped));
    assert_eq!(state_of(&node, "o00001"), Some(OrderState::Cancelled));
    assert_eq!(state_of(&node, "o00002"), Some(OrderState::Confirmed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_openraft_still_applies_after_a_stop_is_left_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 10).await;
    // Its own task has ended by then; the one that applies takes what is left in its queue.
    let left = node.append(vec![place("late", &[("a", 1)])]).await;
    node.storage.state.stop().await.unwrap();
    let entries = node.storage.log.try_get_log_entries(left..=left).await.unwrap();
    let entries = entries.into_iter().map(|entry| Ok((entry, None)));
    node.storage.state_machine.apply(stream::iter(entries)).await.unwrap_err();
    assert!(node.env.tasks.failed().now_or_never().is_none(), "an orderly stop is told as a failure");
    node.storage.log.shutdown().await;
    drop(node);
    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    assert_eq!(state_of(&node, "late"), Some(OrderState::PendingPayment));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_applies_from_the_log_what_the_engine_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 10).await;
    node.hashes().await; // The engine has everything up to here.
    trade(&mut node, 10, 25).await;
    let chain = node.storage.state.hash(false).await.unwrap().chain;
    let last = node.next - 1;
    node.kill().await;
    let mut node = Node::open(dir.path()).await;
    assert!(node.catch_up().await <= last);
    let (chain_again, _) = node.hashes().await;
    assert_eq!(chain_again, chain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_orders_leave_memory_and_are_found_by_commands_and_readers() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 6).await;
    node.hashes().await;
    assert_eq!(state_of(&node, "o00000"), Some(OrderState::Shipped));
    let before = available(&node, "a");
    // Placing an id that is taken, and cancelling what is cancelled, must find the settled orders.
    node.run(vec![place("o00000", &[("a", 1)]), cancel("o00001"), receive("a", 5, "r1")]).await;
    assert_eq!(available(&node, "a"), before, "an order id and a document are taken for ever");
    let ids: Vec<_> = node.storage.state.read(|view| {
        let first = view.order(&order("o00000")).unwrap().unwrap();
        let after = (first.created, first.id.clone());
        let orders = view.list_orders(&OrderFilter::default(), Some(&after), 3).unwrap();
        orders.orders.iter().map(|order| order.id.to_string()).collect()
    });
    assert_eq!(ids, ["o00001", "o00002", "o00003"]);
    let booked = |id: &str| {
        let id = DocumentId::new(id).unwrap();
        node.storage.state.read(|view| view.has_document(&id).unwrap())
    };
    assert!(booked("r1") && !booked("r9"));
}

fn reserved_as(node: &Node, id: &str) -> Option<ReservationState> {
    node.storage.state.read(|view| {
        let found = view.reservation(&reservation(id)).unwrap();
        found.map(|reservation| reservation.state())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_reservations_are_found_by_commands_and_readers_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let carts = ["c0", "c1", "c2", "c3"].map(|id| hold(id, &[("a", 4), ("b", 1)]));
    node.run(carts.to_vec()).await;
    node.run(vec![let_go("c0"), take("c1", "o1", 4), let_go("c1"), take("c2", "o2", 1)]).await;
    let due = node.storage.state.next_due();
    let hashes = node.hashes().await;
    node.stop().await;

    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
    assert_eq!(node.storage.state.next_due(), due, "those that hold units are in memory again");
    let states = ["c0", "c1", "c2", "c3", "c4"].map(|id| reserved_as(&node, id));
    let expected = [
        Some(ReservationState::Released),
        Some(ReservationState::Committed),
        Some(ReservationState::PartiallyCommitted),
        Some(ReservationState::Active),
        None,
    ];
    assert_eq!(states, expected);
    let ids: Vec<_> = node.storage.state.read(|view| {
        let page = view.reservations_after(Some(&reservation("c0")), 2).unwrap();
        page.iter().map(|reservation| reservation.id.to_string()).collect()
    });
    assert_eq!(ids, ["c1", "c2"]);
    // An id that is taken is found though its reservation is in the engine alone, and one that holds units goes on.
    let before = available(&node, "a");
    node.run(vec![hold("c0", &[("a", 1)]), take("c1", "o3", 1), take("c3", "o4", 4)]).await;
    assert_eq!(available(&node, "a"), before, "a reservation's id is taken for ever");
    assert_eq!(state_of(&node, "o3"), None);
    assert_eq!(state_of(&node, "o4"), Some(OrderState::Confirmed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_from_snapshot_and_log_gives_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 20).await;
    node.run(vec![hold("c0", &[("a", 1)]), hold("c1", &[("b", 1)]), let_go("c0")]).await;
    let snapshot = node.snapshot().await;
    let index = snapshot.meta().last_log_id.unwrap().index;
    node.purge(index).await;
    trade(&mut node, 20, 40).await;
    node.run(vec![take("c1", "o1", 1)]).await;
    let hashes = node.hashes().await;
    node.stop().await;
    // The engine is a view: without it, the node finds its way back from snapshot and log.
    std::fs::remove_dir_all(dir.path().join("engine")).unwrap();
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, index);
    assert_eq!(node.hashes().await, hashes);
    assert_eq!(reserved_as(&node, "c0"), Some(ReservationState::Released));
    assert_eq!(reserved_as(&node, "c1"), Some(ReservationState::Committed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_records_that_come_and_leave_before_they_are_written_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 5).await;
    node.hashes().await; // The engine has these records, and no others.
    // So many that they fill pages.
    node.run(vec![cancel("o00001"); 500]).await;
    node.pause = Duration::from_millis(2 * REQUEST_RETENTION_MS);
    // Each command has a few of those leave whose time is over.
    let since = 300;
    node.run(vec![cancel("o00001"); since]).await;
    assert_eq!(node.storage.state.request_count(), since);
    let hashes = node.hashes().await;
    let last = node.next - 1;
    node.stop().await;
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, last, "the engine is as its digest says");
    assert_eq!(node.hashes().await, hashes);
    assert_eq!(node.storage.state.request_count(), since);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_lost_a_row_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 20).await;
    let hashes = node.hashes().await;
    node.stop().await;
    let generation = std::fs::read_to_string(dir.path().join("engine/CURRENT")).unwrap();
    let engine_dir = dir.path().join("engine").join(&generation);
    let engine = stockade_storage::engine::open(EngineKind::Sled, &engine_dir, 16 << 20).unwrap();
    engine.write(&[("oo00003".into(), None)]).unwrap();
    drop(engine);
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, 0, "rebuilt from nothing but the log");
    assert_eq!(node.hashes().await, hashes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_boot_of_the_machine_makes_the_engine_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    trade(&mut node, 0, 5).await;
    let hashes = node.hashes().await;
    node.kill().await;
    std::fs::write(dir.path().join("engine/TRUST"), "another boot").unwrap();
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, 0);
    assert_eq!(node.hashes().await, hashes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_received_snapshot_takes_the_place_of_the_state() {
    let (source_dir, target_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = open_shop(source_dir.path()).await;
    trade(&mut source, 0, 300).await;
    let snapshot = source.snapshot().await;
    let hashes = source.hashes().await;

    let mut target = Node::open(target_dir.path()).await;
    target.run(vec![create("stale")]).await;
    let mut receiver = target.storage.snapshots.begin().unwrap();
    let mut offset = 0;
    loop {
        let chunk = snapshot.read_chunk(offset, 1_000).unwrap();
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u64;
        receiver.write(&chunk).unwrap();
    }
    assert_eq!(offset, snapshot.len());
    let arrived = receiver.finish().unwrap();
    let meta = arrived.meta();
    target.storage.state_machine.install_snapshot(&meta, arrived).await.unwrap();
    assert_eq!(target.hashes().await, hashes);
    assert!(target.storage.state.read(|view| view.sku(&common::sku("stale")).is_none()));
    assert_eq!(state_of(&target, "o00000"), Some(OrderState::Shipped));
    let current: Option<Snapshot<_, _, _, _>> =
        target.storage.state_machine.get_current_snapshot().await.unwrap();
    assert_eq!(current.unwrap().meta, meta);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_refused_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let snapshot = node.snapshot().await;
    let bytes = snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap();
    for position in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[position] ^= 1 << (position % 8);
        let mut receiver = node.storage.snapshots.begin().unwrap();
        receiver.write(&damaged).unwrap();
        assert!(
            receiver.finish().is_err(),
            "a flipped bit in byte {position} of {} goes unseen",
            bytes.len()
        );
    }
    for len in 0..bytes.len() {
        let mut receiver = node.storage.snapshots.begin().unwrap();
        receiver.write(&bytes[..len]).unwrap();
        assert!(receiver.finish().is_err(), "a cut to {len} of {} goes unseen", bytes.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_on_disk_stops_the_start_and_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let snapshot = node.snapshot().await;
    let index = snapshot.meta().last_log_id.unwrap().index;
    node.purge(index).await;
    node.stop().await;
    let path = dir.path().join(format!("snapshots/{index:020}.snapshot"));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let opened =
        Node::try_open(Node::options(dir.path()), std::sync::Arc::new(stockade_storage::file::DiskFiles));
    match opened.await {
        Err(Error::Corrupt { file, .. }) => assert_eq!(file, path),
        other => panic!("opened a damaged snapshot: {:?}", other.err()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_another_node_or_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = open_shop(dir.path()).await;
    let files = || std::sync::Arc::new(stockade_storage::file::DiskFiles);
    let second = Node::try_open(Node::options(dir.path()), files()).await;
    assert!(matches!(second.err(), Some(Error::InUse(_))));
    node.stop().await;
    let mut options = Node::options(dir.path());
    options.identity.node_id = 2;
    let other = Node::try_open(options, files()).await;
    assert!(matches!(other.err(), Some(Error::Identity { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_before_does_not_reach_an_installed_snapshot() {
    let (source_dir, target_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = open_shop(source_dir.path()).await;
    trade(&mut source, 0, 60).await;
    let snapshot = source.snapshot().await;
    let hashes = source.hashes().await;
    for round in 0..20 {
        let mut target = Node::open(&target_dir.path().join(round.to_string())).await;
        target.run(vec![main_location(), create("stale"), create("a"), receive("a", 7, "r1")]).await;
        // What asks for the writer at the same time must not bring the old window into the new engine.
        let state = target.storage.state.clone();
        let asking = tokio::spawn(async move { state.hash(true).await });
        let meta = snapshot.meta();
        let copied = receive_copy(&target, &snapshot);
        target.storage.state_machine.install_snapshot(&meta, copied).await.unwrap();
        asking.await.unwrap().unwrap();
        assert_eq!(target.hashes().await, hashes, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_snapshot_is_served_with_one_that_is_installed_meanwhile() {
    let (source_dir, target_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = open_shop(source_dir.path()).await;
    trade(&mut source, 0, 60).await;
    let snapshot = source.snapshot().await;
    let meta = snapshot.meta();
    let mut overtaken = 0;
    for round in 0..40 {
        let mut target = Node::open(&target_dir.path().join(round.to_string())).await;
        target.run(vec![main_location(), create("stale"), create("a"), receive("a", 7, "r1")]).await;
        let state = target.storage.state.clone();
        let copied = receive_copy(&target, &snapshot);
        let asking = tokio::spawn(async move { state.make_snapshot().await });
        // The longer the round, the further it has come.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        target.storage.state_machine.install_snapshot(&meta, copied).await.unwrap();
        let made = asking.await.unwrap().unwrap();
        overtaken += u32::from(made.meta().last_log_id == meta.last_log_id);
    }
    assert!(overtaken > 0, "no snapshot was in the making");
}

fn receive_copy(target: &Node, snapshot: &stockade_storage::SnapshotFile) -> stockade_storage::SnapshotFile {
    let mut receiver = target.storage.snapshots.begin().unwrap();
    let whole = snapshot.read_chunk(0, usize::try_from(snapshot.len()).unwrap()).unwrap();
    receiver.write(&whole).unwrap();
    receiver.finish().unwrap()
}
