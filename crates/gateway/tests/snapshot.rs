//! Snapshots sent to callers: whole, current, bounded, and no hindrance to a node's stop.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::maintenance_service_client::MaintenanceServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_storage::file::{Files, MemoryFiles};
use stockade_storage::{Backup, verify_backup};
use support::{Cluster, PATIENCE, until};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

/// Thousands of SKUs of which a snapshot is larger than what is under way to a caller who doesn't read.
const MANY: u32 = 24;

async fn begin(channel: &Channel, existing: bool) -> Result<Streaming<v1::SnapshotResponse>, Status> {
    let mut client = MaintenanceServiceClient::new(channel.clone());
    client.snapshot(v1::SnapshotRequest { existing }).await.map(tonic::Response::into_inner)
}

/// Reads a snapshot to its end; gives what the node said of it and what the file says of itself.
async fn read(channel: &Channel, existing: bool) -> (v1::SnapshotResponse, Backup) {
    let mut pieces = begin(channel, existing).await.unwrap();
    let first = pieces.next().await.unwrap().unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend(piece.unwrap().chunk);
    }
    let (files, path) = (MemoryFiles::default(), Path::new("/backup/file"));
    files.create_dir(Path::new("/backup")).unwrap();
    files.create(path).unwrap().write_at(0, &bytes).unwrap();
    (first, verify_backup(&files, path).unwrap())
}

fn sku(cluster: &Cluster, id: &str, name: String) -> v1::CreateSkuRequest {
    let sku = v1::Sku { sku_id: id.to_owned(), display_name: name, ..v1::Sku::default() };
    v1::CreateSkuRequest {
        request_id: cluster.request_id(),
        sku: Some(sku),
        ..v1::CreateSkuRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_any_node_holds_what_any_other_acknowledged_before() {
    let cluster = Cluster::start().await;
    for round in 0..10 {
        for (id, member) in &cluster.members {
            let mut catalog = CatalogServiceClient::new(cluster.leader_channel().await);
            let create = sku(&cluster, &format!("s{round}-{id}"), String::new());
            let done = catalog.create_sku(create).await.unwrap().into_inner().header.unwrap();
            let (told, backup) = read(&member.channel, false).await;
            assert!(backup.index >= done.revision, "node {id}: {} lacks {}", backup.index, done.revision);
            assert_eq!((told.log_index, told.total_bytes), (backup.index, backup.bytes));
            assert_eq!(told.state_hash, backup.state_hash);
            let header = told.header.unwrap();
            assert_eq!((header.node_id, header.revision), (*id, backup.index));
        }
    }
    let (id, member) = cluster.members.first_key_value().unwrap();
    let (_, newest) = read(&member.channel, false).await;
    let mut catalog = CatalogServiceClient::new(cluster.leader_channel().await);
    catalog.create_sku(sku(&cluster, "later", String::new())).await.unwrap();
    assert_eq!(read(&member.channel, true).await.1, newest, "node {id} was to send the one that it has");
    cluster.stop().await;
}

/// Names that pack badly, so that the snapshot is large.
fn many_skus(cluster: &Cluster, message: u32) -> v1::SubmitRequest {
    let mutation = |number: u32| {
        let name = (0..8).map(|_| cluster.request_id().replace('-', "")).collect();
        let create = sku(cluster, &format!("m{message}-{number}"), name);
        v1::Mutation { timeout: None, request: Some(v1::mutation::Request::CreateSku(create)) }
    };
    v1::SubmitRequest { mutations: (0..1_000).map(mutation).collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_bounded_and_do_not_hold_up_a_stop() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let member = &cluster.members[&leader];
    let messages: Vec<_> = (0..MANY).map(|message| many_skus(&cluster, message)).collect();
    let mut client = TransactionServiceClient::new(member.channel.clone());
    let mut answers = client.submit(tokio_stream::iter(messages)).await.unwrap().into_inner();
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut pieces = begin(&member.channel, false).await.unwrap();
        let first = pieces.next().await.unwrap().unwrap();
        assert!(first.total_bytes > 6 << 20, "{} bytes are too few for this test", first.total_bytes);
        open.push((first, pieces));
    }
    let refused = begin(&member.channel, false).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(open.pop());
    let mut again =
        until("there is room for another", async || begin(&member.channel, true).await.ok()).await;
    again.next().await.unwrap().unwrap();
    member.gateway.start_draining();
    let (first, mut pieces) = open.pop().unwrap();
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            bytes += piece.chunk.len() as u64;
        }
        bytes
    };
    let bytes = timeout(PATIENCE, rest).await.expect("the stream ends");
    assert!(bytes < first.total_bytes, "a node that stops cuts its readers off");
    cluster.stop().await;
}
