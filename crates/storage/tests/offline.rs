//! Looking at a data directory that no node uses, and skipping an entry that no node can execute.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{Node, confirm, log_id, open_shop, order, place};
use futures_util::stream;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogReader, RaftLogStorageExt, RaftStateMachine};
use openraft::type_config::alias::EntryOf;
use openraft::{BasicNode, EntryPayload, Membership};
use stockade_state_machine::Origin;
use stockade_state_machine::request::RequestStatus;
use stockade_storage::file::{DiskFiles, Files, Image, MemoryFiles};
use stockade_storage::log::{EntryKind, ProblemKind};
use stockade_storage::{
    EngineKind, EngineLeft, Error, FileKind, InspectedRow, InspectedSnapshot, InspectedState, Options,
    Proposal, RowKind, SkipError, SkippedEntry, TypeConfig, Verification, codec, inspect_log, plan_skip,
    verify,
};

const DIR: &str = "/data";
const CACHE_BYTES: u64 = 16 << 20;

fn memory_options() -> Options {
    Options { engine: EngineKind::Memory, segment_bytes: 64 << 10, ..Node::options(Path::new(DIR)) }
}

fn shared(files: &MemoryFiles) -> Arc<dyn Files> {
    Arc::new(files.clone())
}

fn disk() -> Arc<dyn Files> {
    Arc::new(DiskFiles)
}

/// A node in memory with some orders, a snapshot in the middle, a purge, and several segments.
async fn memory_node(files: &MemoryFiles) -> Node {
    let mut node = Node::try_open(memory_options(), shared(files)).await.unwrap();
    append_membership(&mut node).await;
    node.run(vec![common::main_location(), common::create("a"), common::receive("a", 100_000, "r1")]).await;
    for number in 0..600 {
        node.run(vec![place(&format!("o{number:05}"), &[("a", 1)])]).await;
        if number == 300 {
            let index = node.snapshot().await.meta().last_log_id.unwrap().index;
            node.purge(index - 50).await;
        }
    }
    node
}

async fn append_membership(node: &mut Node) {
    let index = node.next;
    node.next += 1;
    let nodes = [(1, BasicNode::new("127.0.0.1:7101"))];
    let membership = Membership::new(
        vec![BTreeSet::from([1])],
        nodes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    );
    let payload = EntryPayload::Membership(membership.unwrap());
    let entry = EntryOf::<TypeConfig>::new(log_id(index), payload);
    node.storage.log.blocking_append([entry]).await.unwrap();
    node.apply(index, index).await;
}

/// What a killed node leaves.
async fn killed_image() -> Image {
    let files = MemoryFiles::default();
    let node = memory_node(&files).await;
    node.kill().await;
    files.kill();
    files.image()
}

fn verified(files: &MemoryFiles) -> Verification {
    verify(&shared(files), Path::new(DIR), &mut |_| {}).unwrap()
}

fn segments(image: &Image) -> Vec<PathBuf> {
    let is_segment = |path: &&Path| path.extension().is_some_and(|extension| extension == "wal");
    image.files().map(|(path, _)| path).filter(is_segment).map(Path::to_owned).collect()
}

#[tokio::test]
async fn a_killed_nodes_directory_is_sound_and_verifying_it_changes_nothing() {
    let image = killed_image().await;
    let files = MemoryFiles::from_image(&image);
    let mut read = 0;
    let found = verify(&shared(&files), Path::new(DIR), &mut |bytes| read += bytes).unwrap();
    assert!(found.is_sound(), "{:?}", found.problems().collect::<Vec<_>>());
    assert_eq!(files.image(), image);
    assert_eq!(found.identity.as_ref().map(|identity| identity.node_id), Some(1));
    assert_eq!(found.log.last.map(|last| last.index), Some(602));
    let snapshot = found.snapshot.as_ref().unwrap();
    assert_eq!(found.log.purged.map(|purged| purged.index), Some(snapshot.index() - 50));
    assert_eq!(found.log.first, Some(snapshot.index() - 49));
    assert_eq!((snapshot.members.voters.clone(), snapshot.members.nodes.len()), (vec![vec![1]], 1));
    assert_eq!(found.notes, Vec::<String>::new());
    let of_kind = |kind| found.files.iter().filter(move |file| file.kind == kind);
    assert!(of_kind(FileKind::Segment).count() > 1, "several segments make a better test");
    assert!(of_kind(FileKind::Segment).all(|segment| segment.records > 0));
    assert_eq!(of_kind(FileKind::Snapshot).next().unwrap().records, snapshot.rows);
    let root = [
        FileKind::Identity,
        FileKind::Watermark,
        FileKind::Segment,
        FileKind::Snapshot,
        FileKind::EngineNote,
    ];
    let expected: u64 = root.into_iter().flat_map(of_kind).map(|file| file.bytes).sum();
    assert!(read >= expected, "{read} bytes read of {expected}");
}

#[tokio::test]
async fn whatever_bit_is_flipped_verify_finds_it_where_a_start_does() {
    let image = killed_image().await;
    let mut flips = 0;
    let mut found_of = [0; 2];
    let paths: Vec<PathBuf> = image.files().map(|(path, _)| path.to_owned()).collect();
    let root = |path: &&PathBuf| {
        path.ends_with("IDENTITY")
            || path.parent().is_some_and(|dir| dir.ends_with("wal") || dir.ends_with("snapshots"))
    };
    for path in paths.iter().filter(root) {
        let len = image.bytes(path).unwrap().len();
        for offset in (0..len).step_by(1 + len / 100) {
            let mut damaged = image.clone();
            damaged.bytes_mut(path).unwrap()[offset] ^= 1 << (offset % 8);
            let files = MemoryFiles::from_image(&damaged);
            let found = verified(&files);
            assert_eq!(files.image(), damaged, "verifying changes nothing");
            let opened = Node::try_open(memory_options(), shared(&files)).await;
            let place = format!("{} at {offset}", path.display());
            assert_eq!(found.is_sound(), opened.is_ok(), "{place}: {:?}, {:?}", found.files, opened.err());
            if let Some(damage) = found.damage().next() {
                assert!(damage.file.starts_with(DIR), "{place}: {damage:?}");
            }
            found_of[usize::from(found.is_sound())] += 1;
            flips += 1;
        }
    }
    assert!(flips > 300 && found_of[0] > 100, "{flips} flips, {found_of:?}");
}

#[tokio::test]
async fn damage_is_told_with_file_and_offset_and_all_of_it() {
    let image = killed_image().await;
    let segments = segments(&image);
    let snapshot =
        image.files().map(|(path, _)| path).find(|path| path.to_string_lossy().ends_with(".snapshot"));
    let (segment, snapshot) = (segments[0].clone(), snapshot.unwrap().to_owned());
    let identity = Path::new(DIR).join("IDENTITY");
    let mut damaged = image.clone();
    for (path, offset) in [(&identity, 12), (&segment, 4_000), (&snapshot, 2_000)] {
        damaged.bytes_mut(path).unwrap()[offset] ^= 4;
    }
    let found = verified(&MemoryFiles::from_image(&damaged));
    let told: Vec<_> = found.damage().map(|problem| (problem.file.clone(), problem.kind)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for path in [identity, segment.clone(), snapshot] {
        assert!(told.contains(&(path.clone(), ProblemKind::Damage)), "{}: {told:?}", path.display());
    }
    let in_log = found.damage().find(|problem| problem.file == segment).unwrap();
    assert!((3_000..=4_000).contains(&in_log.offset), "{in_log:?}");
}

#[tokio::test]
async fn a_file_that_is_missing_is_found() {
    let image = killed_image().await;
    let segments = segments(&image);
    let mut cases = segments;
    cases.push(Path::new(DIR).join("IDENTITY"));
    cases.push(Path::new(DIR).join("wal/watermark"));
    cases.extend(image.files().map(|(path, _)| path.to_owned()).filter(|path| path.ends_with(".snapshot")));
    for path in cases {
        let mut damaged = image.clone();
        assert!(damaged.remove(&path));
        let found = verified(&MemoryFiles::from_image(&damaged));
        assert!(!found.is_sound(), "without {}", path.display());
    }
    let mut damaged = image.clone();
    assert!(damaged.remove_dir(&Path::new(DIR).join("wal")));
    assert!(!verified(&MemoryFiles::from_image(&damaged)).is_sound(), "without a log");
    let mut damaged = image;
    assert!(damaged.remove_dir(&Path::new(DIR).join("snapshots")));
    let found = verified(&MemoryFiles::from_image(&damaged));
    let damage = found.damage().next().unwrap();
    assert!(damage.what.contains("no snapshot"), "{damage:?}");
}

#[tokio::test]
async fn a_torn_tail_is_told_and_is_no_damage() {
    let files = MemoryFiles::default();
    let node = memory_node(&files).await;
    let segment = segments(&files.image()).pop().unwrap();
    node.kill().await;
    files.kill();
    let mut image = files.image();
    // Half of a record behind the last one, as a write leaves it that the power has cut short.
    let (start, len) = last_record(&files, &segment);
    let bytes = image.bytes_mut(&segment).unwrap();
    let mut torn = bytes[start..start + len / 2].to_vec();
    let next = u64::from_le_bytes(torn[24..32].try_into().unwrap()) + 1;
    torn[24..32].copy_from_slice(&next.to_le_bytes());
    let crc = crc32c::crc32c(&torn[..40]);
    torn[40..44].copy_from_slice(&crc.to_le_bytes());
    let end = start + len;
    bytes.resize(bytes.len().max(end + torn.len()), 0);
    bytes[end..end + torn.len()].copy_from_slice(&torn);
    let found = verified(&MemoryFiles::from_image(&image));
    assert!(found.is_sound());
    let torn: Vec<_> = found.problems().collect();
    assert_eq!(torn.len(), 1, "{torn:?}");
    assert_eq!((torn[0].kind, torn[0].offset), (ProblemKind::TornTail, end as u64));
}

/// Where the last record of a segment stands, and its length.
fn last_record(files: &MemoryFiles, segment: &Path) -> (usize, usize) {
    let mut last = (0, 0);
    inspect_log(&shared(files), Path::new(DIR), &mut |record| {
        if record.path == segment {
            last = (record.offset, record.bytes());
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    (usize::try_from(last.0).unwrap(), usize::try_from(last.1).unwrap())
}

#[tokio::test]
async fn a_snapshot_of_another_log_is_found() {
    let image = killed_image().await;
    let is_snapshot = |path: &Path| path.extension().is_some_and(|extension| extension == "snapshot");
    let path = image.files().map(|(path, _)| path).find(|path| is_snapshot(path)).unwrap().to_owned();
    // An older snapshot than the purge allows for.
    let other = MemoryFiles::default();
    let mut node = Node::try_open(memory_options(), shared(&other)).await.unwrap();
    append_membership(&mut node).await;
    node.run(vec![common::create("b")]).await;
    node.snapshot().await;
    let foreign = other.image();
    let foreign_path = foreign.files().map(|(path, _)| path).find(|path| is_snapshot(path)).unwrap();
    let mut damaged = image.clone();
    damaged.remove(&path);
    damaged.insert(foreign_path, foreign.bytes(foreign_path).unwrap().to_vec());
    let found = verified(&MemoryFiles::from_image(&damaged));
    assert!(found.damage().next().unwrap().what.contains("the log begins after"), "{:?}", found.files);
    // Under another's name.
    let mut damaged = image;
    assert!(damaged.rename(&path, &path.with_file_name(format!("{:020}.snapshot", 9_999))));
    let found = verified(&MemoryFiles::from_image(&damaged));
    assert!(found.damage().next().unwrap().what.contains("another's name"), "{:?}", found.files);
}

#[tokio::test]
async fn a_directory_in_use_or_of_nobody_is_refused() {
    let files = MemoryFiles::default();
    let node = memory_node(&files).await;
    let in_use = verify(&shared(&files), Path::new(DIR), &mut |_| {});
    assert!(matches!(in_use, Err(Error::InUse(_))), "{in_use:?}");
    drop(node);
    files.kill();
    assert!(verified(&files).is_sound());
    let nowhere = verify(&shared(&files), Path::new("/elsewhere"), &mut |_| {});
    assert!(matches!(nowhere, Err(Error::Io { .. })), "{nowhere:?}");
    let (empty, image) = (MemoryFiles::default(), MemoryFiles::default().image());
    assert!(verify(&shared(&empty), Path::new(DIR), &mut |_| {}).is_err());
    assert_eq!(empty.image(), image, "nothing is made where there is nothing");
}

#[tokio::test]
async fn the_log_shows_what_was_appended() {
    let files = MemoryFiles::default();
    let node = memory_node(&files).await;
    let mut log = node.storage.log.clone();
    let kept = log.try_get_log_entries(300..=302).await.unwrap();
    node.kill().await;
    files.kill();
    let mut shown = Vec::new();
    let mut types = BTreeSet::new();
    let found = inspect_log(&shared(&files), Path::new(DIR), &mut |record| {
        types.insert(record.type_name);
        shown.extend(record.entries().unwrap());
        ControlFlow::Continue(())
    });
    assert!(found.unwrap().is_sound());
    assert!(["checkpoint", "entries", "purge"].iter().all(|name| types.contains(name)), "{types:?}");
    for entry in kept {
        let view = shown.iter().rfind(|view| view.id.index == entry.log_id.index).unwrap();
        assert_eq!(view.kind, EntryKind::Commands);
        let EntryPayload::Normal(proposal) = &entry.payload else { panic!("commands") };
        assert_eq!(view.proposal(), Some(proposal));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_shows_its_rows_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    node.run(vec![place("o1", &[("a", 3)]), confirm("o1")]).await;
    assert!(InspectedSnapshot::open(&disk(), dir.path()).is_err(), "in use");
    let snapshot = node.snapshot().await;
    let (chain, full) = node.hashes().await;
    let index = snapshot.meta().last_log_id.unwrap().index;
    drop(snapshot);
    stopped(node).await;
    let inspected = InspectedSnapshot::open(&disk(), dir.path()).unwrap().unwrap();
    assert_eq!((inspected.summary.index(), inspected.summary.chain), (index, chain));
    assert_eq!(inspected.summary.state_hash, full);
    let mut rows = Vec::new();
    inspected.rows(|row| rows.push(row)).unwrap();
    let find = |kind, key: &str| rows.iter().find(|row| row.kind == kind && row.key == key).unwrap();
    assert!(find(RowKind::Stock, "a at main").value.contains("997"), "{rows:?}");
    assert!(find(RowKind::Order, "o1").value.contains("payment_reference: \"paid\""), "{rows:?}");
    assert!(find(RowKind::Applied, "A").value.contains(&format!("last entry {index}")), "{rows:?}");
    assert_eq!(find(RowKind::Order, "o1").revisions, Some((index, index)));
    for kind in [RowKind::Ledger, RowKind::Request, RowKind::Sku, RowKind::Document] {
        assert!(rows.iter().any(|row| row.kind == kind && !row.value.contains("can't")), "{kind:?}");
    }
}

/// Stops a node and waits until its threads have let go of the directory.
async fn stopped(node: Node) -> PathBuf {
    let dir = node.stop().await;
    released(&dir).await;
    dir
}

/// Kills a node and waits until its threads have let go of the directory.
async fn killed(node: Node) -> PathBuf {
    let dir = node.kill().await;
    released(&dir).await;
    dir
}

async fn released(dir: &Path) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while matches!(DiskFiles.lock(&dir.join("LOCK")), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    {
        assert!(tokio::time::Instant::now() < deadline, "nobody lets go of {}", dir.display());
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_applied_state_is_shown_and_left_as_it_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    node.run(vec![place("o1", &[("a", 3)])]).await;
    let (chain, _) = node.hashes().await;
    let last = node.next - 1;
    stopped(node).await;
    let trust = || std::fs::read_to_string(dir.path().join("engine/TRUST")).unwrap();
    assert_eq!(trust(), "clean");
    for _ in 0..2 {
        let inspected = InspectedState::open(&disk(), dir.path(), CACHE_BYTES).unwrap().unwrap();
        assert_eq!((inspected.applied.unwrap().index, inspected.chain), (last, chain));
        let mut kinds = BTreeSet::new();
        let remember = |row: InspectedRow| {
            kinds.insert(row.kind.name());
        };
        inspected.rows(remember).unwrap();
        assert!(kinds.contains("order") && kinds.contains("applied"), "{kinds:?}");
        assert_ne!(trust(), "clean", "whoever is killed now leaves it in use");
        inspected.close().unwrap();
        assert_eq!(trust(), "clean");
    }
    let mut node = Node::open(dir.path()).await;
    assert_eq!(node.catch_up().await, last, "nothing is applied again");
    killed(node).await;
    let in_use = trust();
    let inspected = InspectedState::open(&disk(), dir.path(), CACHE_BYTES).unwrap().unwrap();
    inspected.close().unwrap();
    assert_eq!(trust(), in_use, "what a crash left is not called clean");
    std::fs::write(dir.path().join("engine/TRUST"), "another boot").unwrap();
    assert!(InspectedState::open(&disk(), dir.path(), CACHE_BYTES).unwrap().is_none());
    let found = verify(&disk(), dir.path(), &mut |_| {}).unwrap();
    assert!(found.is_sound());
    assert_eq!(found.engine.left, EngineLeft::Distrusted);
}

/// Appends an entry of bytes that are no commands.
async fn append_garbage(node: &mut Node) -> u64 {
    let index = node.next;
    node.next += 1;
    let payload = EntryPayload::Normal(Proposal(Bytes::from_static(b"\xffno commands")));
    let entry = EntryOf::<TypeConfig>::new(log_id(index), payload);
    node.storage.log.blocking_append([entry]).await.unwrap();
    index
}

/// Applies what the log has beyond the applied state; an error where that can't be executed.
async fn try_catch_up(node: &mut Node) -> std::io::Result<()> {
    let applied = node.storage.state_machine.applied_state().await.unwrap().0.map_or(0, |id| id.index);
    let entries = node.storage.log.try_get_log_entries(applied + 1..).await.unwrap();
    let entries: Vec<_> = entries.into_iter().map(|entry| Ok((entry, None))).collect();
    node.storage.state_machine.apply(stream::iter(entries)).await
}

/// Names an entry as `inspect wal` shows it.
fn named(files: &Arc<dyn Files>, dir: &Path, index: u64) -> SkippedEntry {
    let mut found = None;
    inspect_log(files, dir, &mut |record| {
        found = record.entries().unwrap().into_iter().rfind(|entry| entry.id.index == index).or(found.take());
        ControlFlow::Continue(())
    })
    .unwrap();
    let entry = found.unwrap();
    let text = entry.sha256();
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    }
    SkippedEntry { index, term: entry.id.term, digest }
}

fn origins(files: &Arc<dyn Files>, dir: &Path, index: u64) -> Vec<Origin> {
    let mut origins = Vec::new();
    inspect_log(files, dir, &mut |record| {
        for entry in record.entries().unwrap().iter().filter(|entry| entry.id.index == index) {
            let entry = codec::decode_proposal(entry.proposal().unwrap()).unwrap();
            origins.extend(entry.requests.into_iter().map(|request| request.origin.unwrap()));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    origins
}

fn skip(files: &Arc<dyn Files>, dir: &Path, index: u64) {
    plan_skip(files, dir, named(files, dir, index)).unwrap().confirm().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_cannot_be_decoded_stops_every_start_until_it_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let bad = append_garbage(&mut node).await;
    let after = node.append(vec![place("o1", &[("a", 1)])]).await;
    for _ in 0..2 {
        let error = try_catch_up(&mut node).await.unwrap_err().to_string();
        assert!(error.contains(&format!("log entry {bad} of term 1")), "{error}");
        killed(node).await;
        node = Node::open(dir.path()).await;
    }
    killed(node).await;
    let asked = named(&disk(), dir.path(), bad);
    let plan = plan_skip(&disk(), dir.path(), asked).unwrap();
    assert!(plan.commands.is_err() && !plan.listed);
    drop(plan);
    let mut node = Node::open(dir.path()).await;
    assert!(try_catch_up(&mut node).await.is_err(), "a plan alone changes nothing");
    killed(node).await;
    skip(&disk(), dir.path(), bad);
    assert!(plan_skip(&disk(), dir.path(), asked).unwrap().listed);
    let found = verify(&disk(), dir.path(), &mut |_| {}).unwrap();
    assert_eq!((found.is_sound(), found.skipped.clone()), (true, vec![asked]));
    let mut node = Node::open(dir.path()).await;
    try_catch_up(&mut node).await.unwrap();
    assert_eq!(node.storage.state.applied().get(), after);
    assert!(node.storage.state.read(|view| view.order(&order("o1")).unwrap().is_some()));
    // From the next snapshot on nobody needs the list.
    node.snapshot().await;
    stopped(node).await;
    assert!(dir.path().join("SKIP").exists());
    let node = Node::open(dir.path()).await;
    assert!(!dir.path().join("SKIP").exists());
    stopped(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_a_skipped_entry_are_abandoned_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    let before = node.storage.state.read(|view| view.stock(&stock_key("a")));
    let bad = node.append(vec![place("o1", &[("a", 1)]), confirm("o1")]).await;
    killed(node).await;
    let origins = origins(&disk(), dir.path(), bad);
    assert_eq!(origins.len(), 2);
    let plan = plan_skip(&disk(), dir.path(), named(&disk(), dir.path(), bad)).unwrap();
    let words = plan.commands.as_ref().unwrap();
    assert_eq!(words.requests[0].request_id, Some(origins[0].request.to_string()));
    assert!(words.requests[0].command.starts_with("PlaceOrder"), "{words:?}");
    drop(plan);
    skip(&disk(), dir.path(), bad);
    let mut node = Node::open(dir.path()).await;
    try_catch_up(&mut node).await.unwrap();
    let check = |node: &Node| {
        node.storage.state.read(|view| {
            assert!(view.order(&order("o1")).unwrap().is_none());
            assert_eq!(view.stock(&stock_key("a")), before);
            for origin in &origins {
                let status = view.request_status(origin);
                assert!(matches!(status, RequestStatus::Abandoned(_)), "{status:?}");
            }
        });
    };
    check(&node);
    // A retry under the same request id is refused, and leaves no trace.
    let retry = codec::encode_request(Some(&origins[0]), &place("o1", &[("a", 1)]));
    let time = node.storage.state.read(|view| view.clock().now);
    let entry = EntryPayload::Normal(codec::assemble_proposal(time, &[retry]));
    let entry = EntryOf::<TypeConfig>::new(log_id(node.next), entry);
    node.storage.log.blocking_append([entry]).await.unwrap();
    try_catch_up(&mut node).await.unwrap();
    check(&node);
}

fn stock_key(name: &str) -> stockade_state_machine::StockKey {
    let location = stockade_state_machine::ids::LocationId::new("main").unwrap();
    stockade_state_machine::StockKey { sku: common::sku(name), location }
}

#[tokio::test]
async fn nodes_that_skip_the_same_entry_agree_and_one_that_skips_alone_does_not() {
    let mut chains = Vec::new();
    for skips in [true, true, false] {
        let files = MemoryFiles::default();
        let mut node = Node::try_open(memory_options(), shared(&files)).await.unwrap();
        node.run(vec![common::main_location(), common::create("a"), common::receive("a", 100, "r1")]).await;
        let bad = node.append(vec![place("o1", &[("a", 1)])]).await;
        node.append(vec![place("o2", &[("a", 1)])]).await;
        node.kill().await;
        files.kill();
        if skips {
            skip(&shared(&files), Path::new(DIR), bad);
        }
        let mut node = Node::try_open(memory_options(), shared(&files)).await.unwrap();
        try_catch_up(&mut node).await.unwrap();
        chains.push(node.hashes().await);
    }
    assert_eq!(chains[0], chains[1]);
    assert_ne!(chains[1].0, chains[2].0, "the chain hash tells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_guard_keeps_a_wrong_entry_from_being_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = open_shop(dir.path()).await;
    append_membership(&mut node).await;
    let membership = node.next - 1;
    let covered = node.run(vec![place("o1", &[("a", 1)])]).await;
    node.snapshot().await;
    let executed = node.run(vec![place("o2", &[("a", 1)])]).await;
    node.hashes().await; // The engine has everything up to here.
    let bad = node.append(vec![place("o3", &[("a", 1)])]).await;
    let asked = SkippedEntry { index: bad, term: 1, digest: [0; 32] };
    let in_use = plan_skip(&disk(), dir.path(), asked);
    assert!(matches!(in_use, Err(SkipError::Storage(Error::InUse(_)))), "{in_use:?}");
    killed(node).await;
    let plan = |asked| plan_skip(&disk(), dir.path(), asked).map(drop);
    let right = named(&disk(), dir.path(), bad);
    let refused = plan(SkippedEntry { digest: [0; 32], ..right });
    assert!(matches!(refused, Err(SkipError::OtherDigest { .. })), "{refused:?}");
    let refused = plan(SkippedEntry { term: 2, ..right });
    assert!(matches!(refused, Err(SkipError::OtherTerm { found: 1, .. })), "{refused:?}");
    let refused = plan(SkippedEntry { index: bad + 1, ..right });
    assert!(matches!(refused, Err(SkipError::NotInLog { .. })), "{refused:?}");
    let refused = plan(named(&disk(), dir.path(), membership));
    assert!(matches!(refused, Err(SkipError::NoCommands { kind: "membership", .. })), "{refused:?}");
    let refused = plan(named(&disk(), dir.path(), covered));
    assert!(
        matches!(refused, Err(SkipError::InSnapshot { snapshot, .. }) if snapshot == covered),
        "{refused:?}"
    );
    let refused = plan(named(&disk(), dir.path(), executed));
    assert!(
        matches!(refused, Err(SkipError::Executed { applied, .. }) if applied >= executed),
        "{refused:?}"
    );
    plan(right).unwrap();
    assert!(!dir.path().join("SKIP").exists(), "only who confirms changes anything");
}

#[tokio::test]
async fn a_damaged_list_of_skipped_entries_stops_the_start() {
    let files = MemoryFiles::default();
    let mut node = Node::try_open(memory_options(), shared(&files)).await.unwrap();
    let bad = node.append(vec![common::create("a")]).await;
    node.kill().await;
    files.kill();
    skip(&shared(&files), Path::new(DIR), bad);
    files.flip_bit(&Path::new(DIR).join("SKIP"), 20, 3).unwrap();
    let found = verified(&files);
    assert!(found.damage().next().unwrap().file.ends_with("SKIP"));
    let opened = Node::try_open(memory_options(), shared(&files)).await;
    assert!(matches!(opened.err(), Some(Error::Corrupt { file, .. }) if file.ends_with("SKIP")));
}
