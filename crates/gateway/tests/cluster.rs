//! Three gateways in one process: each call once, and what callers rely on across nodes.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use std::collections::BTreeSet;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::cluster_service_client::ClusterServiceClient;
use stockade_proto::v1::maintenance_service_client::MaintenanceServiceClient;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use support::{Cluster, until};
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

fn create(cluster: &Cluster, sku_id: &str) -> v1::CreateSkuRequest {
    let sku = v1::Sku { sku_id: sku_id.to_owned(), display_name: "Mug".to_owned(), ..v1::Sku::default() };
    v1::CreateSkuRequest {
        request_id: cluster.request_id(),
        sku: Some(sku),
        ..v1::CreateSkuRequest::default()
    }
}

fn location(cluster: &Cluster, location_id: &str) -> v1::CreateLocationRequest {
    let location = v1::Location { location_id: location_id.to_owned(), ..v1::Location::default() };
    v1::CreateLocationRequest {
        request_id: cluster.request_id(),
        location: Some(location),
        ..v1::CreateLocationRequest::default()
    }
}

fn receive(cluster: &Cluster, sku_id: &str, quantity: i64) -> v1::ReceiveStockRequest {
    v1::ReceiveStockRequest {
        request_id: cluster.request_id(),
        sku_id: sku_id.to_owned(),
        location_id: "main".to_owned(),
        quantity,
        ..v1::ReceiveStockRequest::default()
    }
}

fn place(cluster: &Cluster, order_id: &str, sku_id: &str, quantity: i64) -> v1::PlaceOrderRequest {
    let line = v1::NewOrderLine { sku_id: sku_id.to_owned(), quantity, ..v1::NewOrderLine::default() };
    v1::PlaceOrderRequest {
        request_id: cluster.request_id(),
        order_id: order_id.to_owned(),
        currency_code: "GBP".to_owned(),
        lines: vec![line],
        ..v1::PlaceOrderRequest::default()
    }
}

async fn stocked(cluster: &Cluster, channel: &Channel, sku_id: &str, quantity: i64) {
    let mut catalog = CatalogServiceClient::new(channel.clone());
    catalog.create_sku(create(cluster, sku_id)).await.unwrap();
    // It may be there already.
    let _ = catalog.create_location(location(cluster, "main")).await;
    StockServiceClient::new(channel.clone()).receive_stock(receive(cluster, sku_id, quantity)).await.unwrap();
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn trailer(status: &Status, key: &str) -> String {
    status.metadata().get(key).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_lives_its_life_through_a_follower_and_the_leader_shows_it() {
    let cluster = Cluster::start().await;
    let (follower, leader) = (cluster.follower_channel().await, cluster.leader_channel().await);
    stocked(&cluster, &follower, "A", 10).await;
    let mut orders = OrderServiceClient::new(follower);
    let placed = orders.place_order(place(&cluster, "O-1", "A", 4)).await.unwrap().into_inner();
    assert_eq!(
        (placed.state(), placed.sources),
        (
            v1::OrderState::PendingPayment,
            vec![v1::LineSource { line: 1, location_id: "main".to_owned(), quantity: 4 }]
        )
    );
    let (request_id, order_id) = (cluster.request_id(), "O-1".to_owned());
    let confirm = v1::ConfirmOrderRequest {
        request_id,
        order_id,
        payment_reference: "pay".to_owned(),
        ..v1::ConfirmOrderRequest::default()
    };
    orders.confirm_order(confirm).await.unwrap();
    let ship = v1::ShipOrderRequest {
        request_id: cluster.request_id(),
        order_id: "O-1".to_owned(),
        lines: vec![v1::LineQuantity { line: 1, quantity: 3, ..v1::LineQuantity::default() }],
        tracking_number: String::new(),
        ..v1::ShipOrderRequest::default()
    };
    assert_eq!(orders.ship_order(ship).await.unwrap().into_inner().shipped, 3);
    let cancel = v1::CancelOrderRequest {
        request_id: cluster.request_id(),
        order_id: "O-1".to_owned(),
        ..v1::CancelOrderRequest::default()
    };
    assert_eq!(orders.cancel_order(cancel).await.unwrap().into_inner().cancelled, 1);
    let returned = v1::ReturnOrderRequest {
        request_id: cluster.request_id(),
        order_id: "O-1".to_owned(),
        lines: vec![v1::ReturnLine { line: 1, quantity: 3, disposition: 0, ..v1::ReturnLine::default() }],
        document_id: "R-1".to_owned(),
        ..v1::ReturnOrderRequest::default()
    };
    let returned = orders.return_order(returned).await.unwrap().into_inner();
    assert_eq!((returned.state(), returned.returned), (v1::OrderState::Returned, 3));

    let mut orders = OrderServiceClient::new(leader.clone());
    let order = orders
        .get_order(v1::GetOrderRequest { order_id: "O-1".to_owned(), read: None })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(order.header.unwrap().revision, returned.header.unwrap().revision);
    assert_eq!(order.order.unwrap().payment_reference, "pay");
    let state = v1::OrderState::Returned.into();
    let listed = orders.list_orders(v1::ListOrdersRequest { state, ..Default::default() }).await.unwrap();
    assert_eq!(listed.into_inner().orders.len(), 1);
    let (sku_id, location_id) = ("A".to_owned(), "main".to_owned());
    let stock = StockServiceClient::new(leader)
        .get_stock(v1::GetStockRequest { sku_id, location_id, read: None })
        .await;
    assert_eq!(stock.unwrap().into_inner().stock.unwrap().available, 10);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skus_and_stock_are_kept_and_listed_in_pages() {
    let cluster = Cluster::start().await;
    let channel = cluster.follower_channel().await;
    let mut catalog = CatalogServiceClient::new(channel.clone());
    let mut stock = StockServiceClient::new(channel.clone());
    for sku_id in ["A", "B", "C"] {
        stocked(&cluster, &channel, sku_id, 5).await;
    }
    let adjust = v1::AdjustStockRequest {
        request_id: cluster.request_id(),
        sku_id: "B".to_owned(),
        location_id: "main".to_owned(),
        delta: -5,
        reason: v1::Reason::Shrinkage.into(),
        ..v1::AdjustStockRequest::default()
    };
    assert_eq!(stock.adjust_stock(adjust).await.unwrap().into_inner().stock.unwrap().on_hand, 0);
    let renamed = v1::Sku { sku_id: "C".to_owned(), display_name: "Cup".to_owned(), ..v1::Sku::default() };
    let (request_id, sku) = (cluster.request_id(), Some(renamed));
    let update =
        v1::UpdateSkuRequest { request_id, sku, update_mask: None, ..v1::UpdateSkuRequest::default() };
    assert_eq!(catalog.update_sku(update).await.unwrap().into_inner().sku.unwrap().display_name, "Cup");
    let delete = |sku_id: &str| v1::DeleteSkuRequest {
        request_id: cluster.request_id(),
        sku_id: sku_id.to_owned(),
        etag: String::new(),
        ..v1::DeleteSkuRequest::default()
    };
    catalog.delete_sku(delete("B")).await.unwrap();
    assert_eq!(reason(&catalog.delete_sku(delete("A")).await.unwrap_err()), "SKU_IN_USE");
    let missing =
        catalog.get_sku(v1::GetSkuRequest { sku_id: "B".to_owned(), read: None }).await.unwrap_err();
    assert_eq!((missing.code(), trailer(&missing, "stockade-logged")), (Code::NotFound, "false".to_owned()));

    let first = v1::ListSkusRequest { page_size: 1, page_token: String::new(), read: None };
    let first = catalog.list_skus(first).await.unwrap().into_inner();
    let second = v1::ListSkusRequest { page_size: 1, page_token: first.next_page_token.clone(), read: None };
    let second = catalog.list_skus(second).await.unwrap().into_inner();
    assert_eq!((&*first.skus[0].sku_id, &*second.skus[0].sku_id), ("A", "C"));
    let wrong_list = v1::ListStockRequest { page_token: first.next_page_token, ..Default::default() };
    assert_eq!(reason(&stock.list_stock(wrong_list).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    let of_c = v1::ListStockRequest { sku_id: "C".to_owned(), ..Default::default() };
    assert_eq!(stock.list_stock(of_c).await.unwrap().into_inner().stock.len(), 1);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_gets_its_first_outcome_from_any_node() {
    let cluster = Cluster::start().await;
    let (follower, leader) = (cluster.follower_channel().await, cluster.leader_channel().await);
    let request = create(&cluster, "A");
    let first = CatalogServiceClient::new(follower).create_sku(request.clone()).await.unwrap().into_inner();
    let mut catalog = CatalogServiceClient::new(leader);
    let second = catalog.create_sku(request.clone()).await.unwrap().into_inner();
    let (first_header, second_header) = (first.header.unwrap(), second.header.unwrap());
    assert!(!first_header.replayed && second_header.replayed);
    assert_eq!(first_header.revision, second_header.revision);
    assert_eq!(first.sku, second.sku);
    let other = v1::CreateSkuRequest { request_id: request.request_id, ..create(&cluster, "B") };
    let refused = catalog.create_sku(other).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned()));
    assert_eq!(trailer(&refused, "stockade-outcome"), "not-applied");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_request_names_all_fields_and_a_shortage_names_what_is_there() {
    let cluster = Cluster::start().await;
    let channel = cluster.follower_channel().await;
    let mut orders = OrderServiceClient::new(channel.clone());
    let malformed = orders.place_order(v1::PlaceOrderRequest::default()).await.unwrap_err();
    let violations = malformed.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["request_id", "order_id", "currency_code", "lines"]);
    assert_eq!(trailer(&malformed, "stockade-outcome"), "not-applied");
    stocked(&cluster, &channel, "A", 2).await;
    let short = orders.place_order(place(&cluster, "O", "A", 3)).await.unwrap_err();
    assert_eq!((short.code(), reason(&short)), (Code::FailedPrecondition, "INSUFFICIENT_STOCK".to_owned()));
    assert_eq!(trailer(&short, "stockade-logged"), "true");
    assert_eq!(short.get_details_error_info().unwrap().metadata["available"], "2");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_its_limit_is_refused_and_the_connection_lives_on() {
    let cluster = Cluster::start().await;
    let mut catalog = CatalogServiceClient::new(cluster.follower_channel().await);
    let mut large = create(&cluster, "A");
    large.sku.as_mut().unwrap().display_name = "n".repeat(5 << 20);
    let refused = catalog.create_sku(large).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "REQUEST_TOO_LARGE".to_owned()));
    catalog.create_sku(create(&cluster, "A")).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mutations_on_one_stream_are_each_answered_once() {
    let cluster = Cluster::start().await;
    let channel = cluster.follower_channel().await;
    stocked(&cluster, &channel, "A", 999).await;
    let mutations: Vec<_> = (0..1_000)
        .map(|index| {
            let order = place(&cluster, &format!("O-{index}"), "A", 1);
            v1::Mutation { timeout: None, request: Some(Mutated::PlaceOrder(order)) }
        })
        .collect();
    let malformed = v1::Mutation { timeout: None, request: None };
    let messages = [v1::SubmitRequest { mutations }, v1::SubmitRequest { mutations: vec![malformed] }];
    let mut client = TransactionServiceClient::new(channel);
    let mut answers = client.submit(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let (mut applied, mut refused, mut ids) = (0, Vec::new(), BTreeSet::new());
    while let Some(answer) = answers.next().await {
        for result in answer.unwrap().results {
            assert!(ids.insert(result.request_id.clone()), "answered twice");
            match result.fate() {
                v1::Fate::Applied => applied += 1,
                v1::Fate::NotApplied => refused.push(Code::from_i32(result.status.unwrap().code)),
                v1::Fate::Unknown | v1::Fate::Unspecified => panic!("no fate should be unknown: {result:?}"),
            }
        }
    }
    refused.sort_by_key(|code| i32::from(*code));
    assert_eq!((applied, refused), (999, vec![Code::InvalidArgument, Code::FailedPrecondition]));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fate_of_a_request_can_be_asked_for_and_settled() {
    let cluster = Cluster::start().await;
    let channel = cluster.follower_channel().await;
    let mut client = TransactionServiceClient::new(channel.clone());
    let mut catalog = CatalogServiceClient::new(channel);
    let done = create(&cluster, "A");
    catalog.create_sku(done.clone()).await.unwrap();
    let known = v1::GetOutcomeRequest { request_id: done.request_id.clone() };
    let known = client.get_outcome(known).await.unwrap().into_inner();
    assert_eq!((known.state(), known.result.unwrap().fate()), (v1::OutcomeState::Decided, v1::Fate::Applied));
    let abandon = |request_id: &str| v1::AbandonRequestRequest { request_id: request_id.to_owned() };
    let decided = client.abandon_request(abandon(&done.request_id)).await.unwrap().into_inner();
    assert_eq!(decided.state(), v1::OutcomeState::Decided);

    let late = create(&cluster, "B");
    let ask = v1::GetOutcomeRequest { request_id: late.request_id.clone() };
    let state = client.get_outcome(ask.clone()).await.unwrap().into_inner().state();
    assert_eq!(state, v1::OutcomeState::NotSeen);
    let abandoned = client.abandon_request(abandon(&late.request_id)).await.unwrap().into_inner();
    assert_eq!(abandoned.state(), v1::OutcomeState::Abandoned);
    assert_eq!(reason(&catalog.create_sku(late).await.unwrap_err()), "REQUEST_ABANDONED");
    assert_eq!(client.get_outcome(ask).await.unwrap().into_inner().state(), v1::OutcomeState::Abandoned);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_tell_their_status_and_agree_on_log_and_state() {
    let cluster = Cluster::start().await;
    let request = create(&cluster, "A");
    let id = request.request_id.clone();
    CatalogServiceClient::new(cluster.follower_channel().await).create_sku(request).await.unwrap();
    let mut hashes = BTreeSet::new();
    for member in cluster.members.values() {
        let mut maintenance = MaintenanceServiceClient::new(member.channel.clone());
        // A read barrier before the hash: this node has applied what was acknowledged.
        let get = v1::GetSkuRequest { sku_id: "A".to_owned(), read: None };
        CatalogServiceClient::new(member.channel.clone()).get_sku(get).await.unwrap();
        let hash = maintenance.state_hash(v1::StateHashRequest { full: true }).await.unwrap().into_inner();
        hashes.insert((hash.applied_index, hash.chain_hash, hash.state_hash));
        let mut export = maintenance.export_log(v1::ExportLogRequest::default()).await.unwrap().into_inner();
        let mut entries = Vec::new();
        while let Some(message) = export.next().await {
            entries.extend(message.unwrap().entries);
        }
        assert!(entries.is_sorted_by(|one, next| one.index + 1 == next.index), "contiguous");
        let times =
            entries.iter().flat_map(|entry| &entry.commands).filter(|command| command.request_id == id);
        assert_eq!(times.count(), 1, "once in the log");
    }
    assert_eq!(hashes.len(), 1, "{hashes:?}");
    let mut status = ClusterServiceClient::new(cluster.follower_channel().await);
    let nodes = status.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner().nodes;
    assert_eq!(nodes.iter().filter(|node| node.role() == v1::NodeRole::Leader).count(), 1);
    assert_eq!(nodes.iter().filter(|node| node.reachable && node.voter).count(), 3);
    cluster.stop().await;
}

async fn serves(channel: &Channel, service: &str) -> bool {
    let request = HealthCheckRequest { service: service.to_owned() };
    let health = HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner();
    health.status == i32::from(tonic_health::pb::health_check_response::ServingStatus::Serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_serves_when_ready_and_a_drained_node_ends_its_streams() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    for (id, member) in &cluster.members {
        until("the node is healthy", async || serves(&member.channel, "").await.then_some(())).await;
        if *id == leader {
            let leads = async || serves(&member.channel, "stockade.leader").await.then_some(());
            until("the leader says that it leads", leads).await;
        } else {
            assert!(!serves(&member.channel, "stockade.leader").await);
        }
    }
    let member = &cluster.members[&leader];
    let mut client = TransactionServiceClient::new(member.channel.clone());
    let mut open = client.submit(tokio_stream::pending()).await.unwrap().into_inner();
    member.gateway.start_draining();
    let end = open.next().await.unwrap().unwrap_err();
    assert_eq!(reason(&end), "SHUTTING_DOWN");
    until("a draining node isn't healthy", async || (!serves(&member.channel, "").await).then_some(())).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_is_taken_back_while_it_goes_on_sends_nobody_elsewhere() {
    let cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let member = &cluster.members[&leader];
    until("the lead goes, for another is there to take it", async || {
        // In this order: it asks the others first, and has gone no further when it is taken back.
        let undo = async { member.gateway.end_drain() };
        let (gone, ()) = tokio::join!(member.gateway.drain(support::PATIENCE), undo);
        gone.then_some(())
    })
    .await;
    assert_ne!(cluster.leader().await, leader);
    assert!(!member.gateway.is_draining() && !member.node.is_drained());
    assert!(member.gateway.drain(support::PATIENCE).await);
    assert!(member.gateway.is_draining() && member.node.is_drained());
    member.gateway.end_drain();
    assert!(!member.gateway.is_draining() && !member.node.is_drained());
    cluster.stop().await;
}
