//! Verifications of the ledger: of one that is sound, one at a time, and none where a node stops.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use std::collections::BTreeSet;

use stockade_proto::v1;
use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use support::Cluster;
use support::story::{self, PLACES};
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Reads a verification to its end and gives its last message.
async fn verify(channel: &Channel) -> Result<v1::VerifyLedgerResponse, Status> {
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let mut messages = ledger.verify_ledger(v1::VerifyLedgerRequest {}).await?.into_inner();
    let mut last = None;
    while let Some(message) = messages.next().await {
        assert!(last.is_none(), "the result comes last");
        last = Some(message?).filter(|message| message.result.is_some());
    }
    Ok(last.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_finds_its_ledger_sound() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader_channel().await;
    let last_revision = story::tell(&cluster, &leader).await.last().unwrap().revision;
    let list = v1::ListLedgerEntriesRequest { page_size: 1_000, ..Default::default() };
    let entries = LedgerServiceClient::new(leader.clone()).list_ledger_entries(list).await;
    let entries = entries.unwrap().into_inner().entries.len() as u64;
    let mut stock = StockServiceClient::new(leader);
    let rows =
        stock.list_stock(v1::ListStockRequest::default()).await.unwrap().into_inner().stock.len() as u64;
    assert!((1..PLACES.len() as u64).contains(&rows), "{rows}");
    let mut chains = BTreeSet::new();
    for member in cluster.members.values() {
        let told = verify(&member.channel).await.unwrap();
        let (header, result) = (told.header.unwrap(), told.result.unwrap());
        assert_eq!((told.entries_read, told.entries_total, result.stock_rows), (entries, entries, rows));
        assert_eq!((&result.problems[..], result.problem_count), (&[][..], 0));
        assert_eq!((header.revision, header.served_revision), (result.revision, result.revision));
        assert!(result.revision >= last_revision && result.chain_hash.len() == 32);
        chains.insert((result.revision, result.chain_hash));
    }
    assert_eq!(chains.len(), 1, "{chains:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_verification_runs_at_a_time_and_none_where_a_node_stops() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let follower = cluster.members.iter().find(|(id, _)| **id != leader).map(|(_, member)| member).unwrap();
    let many = futures_util::future::join_all((0..32).map(|_| verify(&follower.channel))).await;
    assert!(many.iter().any(Result::is_ok), "a place was free");
    let refused: Vec<_> = many.into_iter().filter_map(Result::err).collect();
    // The place is taken for as long as the read barrier of whoever has it, at least: the others come meanwhile.
    assert!(refused.len() >= 8, "{} were refused", refused.len());
    for status in refused {
        assert_eq!((status.code(), reason(&status)), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    }
    verify(&follower.channel).await.unwrap();
    follower.gateway.start_draining();
    assert_eq!(reason(&verify(&follower.channel).await.unwrap_err()), "SHUTTING_DOWN");
    cluster.stop().await;
}
