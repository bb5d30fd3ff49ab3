//! A data directory of format 1, as it was released: every version that reads format 1 opens it and finds the same in it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{
    Node, cancel, confirm, create, hold, let_go, log_id, main_location, order, place, receive, reservation,
    ship, take,
};
use openraft::entry::RaftEntry;
use openraft::impls::Vote;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::type_config::alias::EntryOf;
use openraft::{BasicNode, EntryPayload, Membership};
use stockade_state_machine::Command;
use stockade_state_machine::command::{CloseOrder, LineQuantity, Precondition, Row, ShipOrder, Transact};
use stockade_state_machine::ids::{DocumentId, LocationId};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_storage::file::{Image, MemoryFiles};
use stockade_storage::{EngineKind, Options, TypeConfig};

/// Where the golden directory stands, and the files of it that are kept: what the others hold follows from these.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-1");
const KEPT: [&str; 3] = ["IDENTITY", "wal", "snapshots"];
/// What the directory holds, a line each.
const EXPECTED: &str = "expected.txt";
const DIR: &str = "/data";
/// Small, so that there are several in little data.
const SEGMENT_BYTES: u64 = 1_664;

async fn open(files: &MemoryFiles) -> Node {
    let options =
        Options { engine: EngineKind::Memory, segment_bytes: SEGMENT_BYTES, ..Node::options(Path::new(DIR)) };
    Node::try_open(options, Arc::new(files.clone())).await.unwrap()
}

async fn append(node: &mut Node, payload: EntryPayload<stockade_storage::Proposal, u64, BasicNode>) -> u64 {
    let index = node.next;
    node.next += 1;
    node.storage.log.blocking_append([EntryOf::<TypeConfig>::new(log_id(index), payload)]).await.unwrap();
    index
}

/// A part of an order leaves, the rest is given back, and it is done with: in one, and only where it is as it was.
fn shipped_again() -> Command {
    let lines = vec![LineQuantity { line: 1, location: LocationId::new("main").ok(), quantity: 1 }];
    let some = ShipOrder {
        order: order("o2"),
        lines,
        tracking_number: "track".to_owned(),
        document: DocumentId::new("parcel-1").ok(),
        close_after_us: Some(3_600_000_000),
        expected: None,
    };
    Command::Transact(Transact {
        preconditions: vec![
            Precondition::OrderState(order("o2"), OrderState::Confirmed),
            Precondition::Missing(Row::Reservation(reservation("c9"))),
        ],
        operations: vec![
            Command::ShipOrder(some),
            cancel("o2"),
            Command::CloseOrder(CloseOrder { order: order("o2"), expected: None }),
        ],
    })
}

/// A life with every type of record, entries of every kind, several segments, a snapshot, and a purge.
async fn live(files: &MemoryFiles) -> Node {
    let mut node = open(files).await;
    node.storage.log.save_vote(&Vote::new(1, 1)).await.unwrap();
    node.storage.log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
    let nodes: BTreeMap<_, _> = (1..=3).map(|id| (id, BasicNode::new(format!("10.0.0.{id}:7001")))).collect();
    let membership = Membership::new(vec![[1, 2, 3].into()], nodes).unwrap();
    append(&mut node, EntryPayload::Membership(membership)).await;
    let blank = append(&mut node, EntryPayload::Blank).await;
    node.apply(1, blank).await;
    node.run(vec![
        main_location(),
        create("a"),
        create("b"),
        receive("a", 1_000, "r1"),
        receive("b", 500, "r2"),
    ])
    .await;
    for number in 0..6 {
        let id = format!("o{number}");
        node.run(vec![place(&id, &[("a", 2), ("b", 1)]), confirm(&id)]).await;
    }
    node.run(vec![ship("o0"), cancel("o1"), hold("c0", &[("a", 4)])]).await;
    node.run(vec![take("c0", "p0", 1), hold("c1", &[("b", 2)]), let_go("c1")]).await;
    let index = node.next - 1;
    node.storage.log.save_committed(Some(log_id(index))).await.unwrap();
    let snapshot = node.snapshot().await;
    assert_eq!(snapshot.meta().last_log_id, Some(log_id(index)));
    // Some of what the snapshot covers stays.
    node.purge(index - 4).await;
    for number in 6..10 {
        let id = format!("o{number}");
        node.run(vec![place(&id, &[("b", 3)])]).await;
    }
    node.run(vec![confirm("o6"), cancel("o7"), hold("c2", &[("a", 1)])]).await;
    node.run(vec![shipped_again()]).await;
    let last = node.next - 1;
    append(&mut node, EntryPayload::Blank).await;
    append(&mut node, EntryPayload::Blank).await;
    node.storage.log.truncate_after(Some(log_id(last))).await.unwrap();
    node.storage.log.save_vote(&Vote::new(2, 3)).await.unwrap();
    node.storage.log.save_committed(Some(log_id(last))).await.unwrap();
    node.storage.log.barrier().await.unwrap();
    node
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What a node holds that was just opened, a line each.
async fn describe(node: &mut Node) -> String {
    let log = &node.storage.log;
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name}: {value}").unwrap();
    line("first log id", format!("{:?}", log.first_log_id()));
    line("last log id", format!("{:?}", log.last_log_id()));
    line("purged", format!("{:?}", log.purged()));
    line("committed", format!("{:?}", log.committed()));
    line("vote", format!("{:?}", log.vote()));
    line("snapshot", format!("{:?}", node.storage.snapshots.current().unwrap().meta().last_log_id));
    let applied = node.catch_up().await;
    let (chain, full) = node.hashes().await;
    line("applied at the start", applied.to_string());
    line("applied", node.storage.state.applied().get().to_string());
    line("chain hash", hex(chain));
    line("state hash", hex(full));
    text
}

fn read_golden() -> Image {
    let mut image = Image::default();
    let mut unread = KEPT.map(PathBuf::from).to_vec();
    while let Some(path) = unread.pop() {
        let from = Path::new(GOLDEN).join(&path);
        if from.is_dir() {
            unread.extend(fs::read_dir(&from).unwrap().map(|entry| path.join(entry.unwrap().file_name())));
        } else {
            image.insert(&Path::new(DIR).join(&path), fs::read(from).unwrap());
        }
    }
    image
}

#[tokio::test]
async fn a_directory_of_format_1_is_read_as_released() {
    let files = MemoryFiles::from_image(&read_golden());
    let expected = fs::read_to_string(Path::new(GOLDEN).join(EXPECTED)).unwrap();
    let mut node = open(&files).await;
    assert_eq!(describe(&mut node).await, expected);
    let state = |id: &str| {
        node.storage.state.read(|view| {
            let now = view.clock().now;
            view.order(&order(id)).unwrap().map(|order| order.state_at(now))
        })
    };
    assert_eq!(state("o0"), Some(OrderState::Shipped));
    assert_eq!(state("o1"), Some(OrderState::Cancelled));
    assert_eq!(state("o2"), Some(OrderState::Closed));
    assert_eq!(state("o3"), Some(OrderState::Confirmed));
    assert_eq!(state("o8"), Some(OrderState::PendingPayment));
    let reserved = |id: &str| {
        node.storage.state.read(|view| view.reservation(&reservation(id)).unwrap().map(|row| row.state()))
    };
    assert_eq!(reserved("c0"), Some(ReservationState::PartiallyCommitted));
    assert_eq!(reserved("c1"), Some(ReservationState::Released));
    assert_eq!(reserved("c2"), Some(ReservationState::Active));
    // It goes on from there, and is read again.
    node.run(vec![confirm("o8"), let_go("c0")]).await;
    let hashes = node.hashes().await;
    node.stop().await;
    files.power_cut();
    let mut node = open(&files).await;
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
}

#[tokio::test]
#[ignore = "writes the golden files"]
async fn write_the_golden_files_of_format_1() {
    let files = MemoryFiles::default();
    live(&files).await.stop().await;
    let image = files.image();
    if Path::new(GOLDEN).exists() {
        fs::remove_dir_all(GOLDEN).unwrap();
    }
    fs::create_dir_all(GOLDEN).unwrap();
    for (path, bytes) in image.files() {
        let path = path.strip_prefix(DIR).unwrap();
        if KEPT.iter().any(|kept| path.starts_with(kept)) {
            let path = Path::new(GOLDEN).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let mut node = open(&MemoryFiles::from_image(&read_golden())).await;
    fs::write(Path::new(GOLDEN).join(EXPECTED), describe(&mut node).await).unwrap();
}
