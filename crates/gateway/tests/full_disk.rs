//! What callers hear of a node, and of a leader, whose disk has too little room.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_storage::SpaceLevel;
use support::{Cluster, MARKS, until};
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

const LOW: u64 = u64::midpoint(MARKS.low_bytes, MARKS.reserve_bytes);
const FULL: u64 = MARKS.reserve_bytes / 2;

fn place(cluster: &Cluster, order_id: &str) -> v1::PlaceOrderRequest {
    let line = v1::NewOrderLine { sku_id: "A".to_owned(), quantity: 1, ..v1::NewOrderLine::default() };
    v1::PlaceOrderRequest {
        request_id: cluster.request_id(),
        order_id: order_id.to_owned(),
        currency_code: "GBP".to_owned(),
        lines: vec![line],
        ..v1::PlaceOrderRequest::default()
    }
}

fn cancel(cluster: &Cluster, order_id: &str) -> v1::CancelOrderRequest {
    v1::CancelOrderRequest {
        request_id: cluster.request_id(),
        order_id: order_id.to_owned(),
        ..v1::CancelOrderRequest::default()
    }
}

async fn shop() -> Cluster {
    let cluster = Cluster::start().await;
    let channel = cluster.leader_channel().await;
    let sku = v1::Sku { sku_id: "A".to_owned(), ..v1::Sku::default() };
    let create = v1::CreateSkuRequest {
        request_id: cluster.request_id(),
        sku: Some(sku),
        ..v1::CreateSkuRequest::default()
    };
    let mut catalog = CatalogServiceClient::new(channel.clone());
    catalog.create_sku(create).await.unwrap();
    let location = Some(v1::Location { location_id: "main".to_owned(), ..v1::Location::default() });
    let create = v1::CreateLocationRequest {
        request_id: cluster.request_id(),
        location,
        ..v1::CreateLocationRequest::default()
    };
    catalog.create_location(create).await.unwrap();
    let receive = v1::ReceiveStockRequest {
        request_id: cluster.request_id(),
        sku_id: "A".to_owned(),
        location_id: "main".to_owned(),
        quantity: 10,
        ..v1::ReceiveStockRequest::default()
    };
    StockServiceClient::new(channel.clone()).receive_stock(receive).await.unwrap();
    let mut orders = OrderServiceClient::new(channel);
    for order_id in ["O-1", "O-2"] {
        orders.place_order(place(&cluster, order_id)).await.unwrap();
    }
    cluster
}

fn expect_storage_full(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "STORAGE_FULL");
    assert!(status.get_details_retry_info().is_some(), "it says when to try again");
    assert_eq!(status.metadata().get("stockade-outcome").unwrap(), "not-applied");
}

async fn until_health(channel: &Channel, wanted: ServingStatus) {
    let mut health = HealthClient::new(channel.clone());
    let wanted = if wanted == ServingStatus::Serving { 1 } else { 2 };
    until("health says so", async || {
        let answer = health.check(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
        (answer.status == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_low_takes_cancels_and_reads_and_refuses_the_rest() {
    let cluster = shop().await;
    let leader = cluster.leader().await;
    let low = cluster.members.values().find(|member| member.node.id() != leader).unwrap();
    until_health(&low.channel, ServingStatus::Serving).await;
    low.leave_free(LOW, SpaceLevel::Low).await;
    until_health(&low.channel, ServingStatus::NotServing).await;
    let mut orders = OrderServiceClient::new(low.channel.clone());
    expect_storage_full(&orders.place_order(place(&cluster, "O-3")).await.unwrap_err());
    orders.cancel_order(cancel(&cluster, "O-1")).await.unwrap();
    let mut transactions = TransactionServiceClient::new(low.channel.clone());
    let abandon = v1::AbandonRequestRequest { request_id: cluster.request_id() };
    transactions.abandon_request(abandon).await.unwrap();
    let read =
        orders.get_order(v1::GetOrderRequest { order_id: "O-1".to_owned(), read: None }).await.unwrap();
    assert_eq!(read.into_inner().order.unwrap().state(), v1::OrderState::Cancelled);

    low.leave_free(FULL, SpaceLevel::Full).await;
    expect_storage_full(&orders.cancel_order(cancel(&cluster, "O-2")).await.unwrap_err());
    // The others go on.
    let mut others = OrderServiceClient::new(cluster.leader_channel().await);
    others.place_order(place(&cluster, "O-3")).await.unwrap();

    low.leave_free(u64::from(u32::MAX), SpaceLevel::Enough).await;
    until_health(&low.channel, ServingStatus::Serving).await;
    orders.place_order(place(&cluster, "O-4")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_of_a_stream_are_refused_one_by_one_and_cancels_among_them_are_taken() {
    let cluster = shop().await;
    let leader = cluster.leader().await;
    let low = cluster.members.values().find(|member| member.node.id() != leader).unwrap();
    low.leave_free(LOW, SpaceLevel::Low).await;
    let mutation = |request| v1::Mutation { timeout: None, request: Some(request) };
    let mutations = vec![
        mutation(Mutated::PlaceOrder(place(&cluster, "O-3"))),
        mutation(Mutated::CancelOrder(cancel(&cluster, "O-1"))),
    ];
    let mut transactions = TransactionServiceClient::new(low.channel.clone());
    let answers = transactions.submit(tokio_stream::iter([v1::SubmitRequest { mutations }])).await.unwrap();
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
    let results: Vec<_> = answers.into_iter().flat_map(|answer| answer.results).collect();
    let refused: Vec<_> = results.iter().filter(|result| result.status.is_some()).collect();
    assert_eq!((results.len(), refused.len()), (2, 1));
    assert_eq!(refused[0].fate(), v1::Fate::NotApplied);
    assert_eq!(refused[0].status.as_ref().unwrap().code, i32::from(Code::ResourceExhausted));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_is_low_refuses_what_is_forwarded_too_and_takes_cancels() {
    let cluster = shop().await;
    let leader = cluster.leader().await;
    let (with_room, without): (Vec<_>, Vec<_>) =
        cluster.members.values().filter(|member| member.node.id() != leader).partition(|member| {
            Some(member.node.id()) == cluster.members.keys().copied().find(|id| *id != leader)
        });
    // Where one has room it takes the lead, and its callers notice nothing but the moment in between.
    for member in without {
        member.leave_free(LOW, SpaceLevel::Low).await;
    }
    cluster.members[&leader].leave_free(LOW, SpaceLevel::Low).await;
    let heir = with_room[0];
    until("the node with room leads", async || {
        (heir.node.watch_leader().borrow().node_id == Some(heir.node.id())).then_some(())
    })
    .await;
    let mut orders = OrderServiceClient::new(heir.channel.clone());
    orders.place_order(place(&cluster, "O-3")).await.unwrap();
    // None has room: the old leader forwards the cancel, and the new one takes it though its disk is low as well.
    heir.leave_free(LOW, SpaceLevel::Low).await;
    expect_storage_full(&orders.place_order(place(&cluster, "O-4")).await.unwrap_err());
    let mut through_follower = OrderServiceClient::new(cluster.members[&leader].channel.clone());
    through_follower.cancel_order(cancel(&cluster, "O-1")).await.unwrap();
    // With room somewhere the lead goes there, and orders are taken again.
    cluster.members[&leader].leave_free(u64::from(u32::MAX), SpaceLevel::Enough).await;
    until("the lead has moved to where there is room, and orders are taken", async || {
        through_follower.place_order(place(&cluster, "O-5")).await.ok()
    })
    .await;
    cluster.stop().await;
}
