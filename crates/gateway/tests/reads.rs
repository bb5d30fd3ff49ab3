//! What every read says of the consistency that it was asked for and served under.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use std::time::Duration;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::reservation_service_client::ReservationServiceClient;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use support::{Cluster, until};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// The header that a read is answered with, or how it fails.
type Answer = Result<v1::ResponseHeader, Status>;

fn named(consistency: v1::Consistency) -> v1::ReadOptions {
    v1::ReadOptions { consistency: consistency.into(), ..v1::ReadOptions::default() }
}

fn bounded(age: Duration) -> v1::ReadOptions {
    v1::ReadOptions { max_staleness: Some(age.try_into().unwrap()), ..named(v1::Consistency::Bounded) }
}

fn at_least(min_revision: u64) -> v1::ReadOptions {
    v1::ReadOptions { min_revision, ..named(v1::Consistency::AtLeast) }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// A SKU, a location, stock, an order and a reservation; gives the revision of the last of it.
async fn furnish(cluster: &Cluster, channel: &Channel) -> u64 {
    let id = || "it".to_owned();
    let mut catalog = CatalogServiceClient::new(channel.clone());
    let sku = Some(v1::Sku { sku_id: id(), ..v1::Sku::default() });
    let location = Some(v1::Location { location_id: id(), ..v1::Location::default() });
    let request_id = cluster.request_id();
    catalog.create_sku(v1::CreateSkuRequest { request_id, sku, ..Default::default() }).await.unwrap();
    let request_id = cluster.request_id();
    let request = v1::CreateLocationRequest { request_id, location, ..Default::default() };
    catalog.create_location(request).await.unwrap();
    let mut stock = StockServiceClient::new(channel.clone());
    let (sku_id, location_id, request_id) = (id(), id(), cluster.request_id());
    let goods =
        v1::ReceiveStockRequest { request_id, sku_id, location_id, quantity: 9, ..Default::default() };
    stock.receive_stock(goods).await.unwrap();
    let lines = vec![v1::NewOrderLine { sku_id: id(), quantity: 1, ..Default::default() }];
    let (order_id, request_id, currency_code) = (id(), cluster.request_id(), "EUR".to_owned());
    let order = v1::PlaceOrderRequest {
        request_id,
        order_id,
        lines: lines.clone(),
        currency_code,
        ..Default::default()
    };
    OrderServiceClient::new(channel.clone()).place_order(order).await.unwrap();
    let (reservation_id, request_id, currency_code) = (id(), cluster.request_id(), "EUR".to_owned());
    let cart = v1::CreateReservationRequest {
        request_id,
        reservation_id,
        lines,
        currency_code,
        ..Default::default()
    };
    let mut reservations = ReservationServiceClient::new(channel.clone());
    let header = reservations.create_reservation(cart).await.unwrap().into_inner().header.unwrap();
    assert_eq!(header.served_consistency(), v1::Consistency::Unspecified, "a write is no read");
    header.revision
}

/// Every read there is, of one node, each under these options.
async fn read_everything(channel: &Channel, options: v1::ReadOptions) -> Vec<(&'static str, Answer)> {
    let (id, read) = (|| "it".to_owned(), Some(options));
    let mut catalog = CatalogServiceClient::new(channel.clone());
    let mut stock = StockServiceClient::new(channel.clone());
    let mut orders = OrderServiceClient::new(channel.clone());
    let mut reservations = ReservationServiceClient::new(channel.clone());
    let mut ledger = LedgerServiceClient::new(channel.clone());
    macro_rules! answers {
        ($($client:ident.$method:ident($request:expr),)*) => {
            vec![$((
                stringify!($method),
                $client.$method($request).await.map(|answer| answer.into_inner().header.unwrap()),
            ),)*]
        };
    }
    let name = v1::StockName { sku_id: id(), location_id: id() };
    answers![
        catalog.get_sku(v1::GetSkuRequest { sku_id: id(), read }),
        catalog.batch_get_skus(v1::BatchGetSkusRequest { sku_ids: vec![id()], read }),
        catalog.list_skus(v1::ListSkusRequest { read, ..Default::default() }),
        catalog.get_location(v1::GetLocationRequest { location_id: id(), read }),
        catalog.list_locations(v1::ListLocationsRequest { read, ..Default::default() }),
        stock.get_stock(v1::GetStockRequest { sku_id: id(), location_id: id(), read }),
        stock.batch_get_stock(v1::BatchGetStockRequest { names: vec![name], read }),
        stock.list_stock(v1::ListStockRequest { read, ..Default::default() }),
        stock.get_availability(v1::GetAvailabilityRequest {
            sku_ids: vec![id()],
            read,
            ..Default::default()
        }),
        orders.get_order(v1::GetOrderRequest { order_id: id(), read }),
        orders.batch_get_orders(v1::BatchGetOrdersRequest { order_ids: vec![id()], read }),
        orders.list_orders(v1::ListOrdersRequest { read, ..Default::default() }),
        reservations.get_reservation(v1::GetReservationRequest { reservation_id: id(), read }),
        reservations.list_reservations(v1::ListReservationsRequest { read, ..Default::default() }),
        ledger.list_ledger_entries(v1::ListLedgerEntriesRequest { read, ..Default::default() }),
        ledger.get_stock_as_of(v1::GetStockAsOfRequest {
            sku_id: id(),
            as_of: Some(AsOf::Revision(1)),
            read,
            ..Default::default()
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_is_served_as_it_was_asked_and_says_so() {
    use v1::Consistency;
    let cluster = Cluster::start().await;
    let follower = cluster.follower_channel().await;
    let written = furnish(&cluster, &cluster.leader_channel().await).await;
    // The lease may be over for a moment on a busy machine.
    let by_lease = async || {
        let answers = read_everything(&follower, named(Consistency::Lease)).await;
        let served = answers.into_iter().map(|(_, answer)| answer.unwrap().served_consistency());
        served.into_iter().all(|served| served == Consistency::Lease).then_some(())
    };
    until("every read was served by lease", by_lease).await;
    for (options, expected) in [
        (v1::ReadOptions::default(), Consistency::Linearizable),
        (named(Consistency::Linearizable), Consistency::Linearizable),
        (at_least(written), Consistency::AtLeast),
        (bounded(Duration::from_hours(1)), Consistency::Bounded),
        (named(Consistency::Local), Consistency::Local),
    ] {
        for (method, answer) in read_everything(&follower, options).await {
            let header = answer.unwrap();
            assert_eq!(header.served_consistency(), expected, "{method} under {options:?}");
            assert!(header.served_revision >= written, "{method} under {options:?} at {header:?}");
        }
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_options_are_told_by_every_read_with_all_other_fields() {
    let cluster = Cluster::start().await;
    let channel = cluster.leader_channel().await;
    let wrong = v1::ReadOptions { min_revision: 3, ..named(v1::Consistency::Bounded) };
    for (method, answer) in read_everything(&channel, wrong).await {
        let status = answer.unwrap_err();
        assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned()));
        let fields = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<&str> = fields.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["read.min_revision", "read.max_staleness"], "{method}");
    }
    let everything_wrong =
        v1::GetStockRequest { sku_id: String::new(), location_id: String::new(), read: Some(wrong) };
    let status = StockServiceClient::new(channel).get_stock(everything_wrong).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 4, "{status}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_of_what_has_yet_to_come_waits_for_its_deadline_and_says_how_far_the_node_is() {
    let cluster = Cluster::start().await;
    let channel = cluster.leader_channel().await;
    let written = furnish(&cluster, &channel).await;
    let mut stock = StockServiceClient::new(channel.clone());
    let mut request =
        Request::new(v1::ListStockRequest { read: Some(at_least(written + 1_000)), ..Default::default() });
    request.set_timeout(Duration::from_millis(300));
    let status = stock.list_stock(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::OutOfRange, "REVISION_AHEAD".to_owned()));
    let applied =
        status.get_details_error_info().unwrap().metadata["applied_revision"].parse::<u64>().unwrap();
    assert!((written..written + 1_000).contains(&applied), "{applied}");
    // One that comes while it is waited for is answered.
    let next = v1::ListStockRequest { read: Some(at_least(applied + 1)), ..Default::default() };
    let goods = v1::ReceiveStockRequest {
        request_id: cluster.request_id(),
        sku_id: "it".to_owned(),
        location_id: "it".to_owned(),
        quantity: 1,
        ..Default::default()
    };
    let mut follower = StockServiceClient::new(cluster.follower_channel().await);
    let (waited, received) = tokio::join!(follower.list_stock(next), stock.receive_stock(goods));
    let (header, received) = (waited.unwrap().into_inner().header.unwrap(), received.unwrap().into_inner());
    assert!(header.served_revision > applied && received.header.unwrap().revision > applied);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_request_and_what_would_become_of_one_are_linearizable() {
    let cluster = Cluster::start().await;
    let channel = cluster.follower_channel().await;
    furnish(&cluster, &channel).await;
    let mut transactions = TransactionServiceClient::new(channel.clone());
    let request = v1::GetOutcomeRequest { request_id: cluster.request_id() };
    let outcome = transactions.get_outcome(request).await.unwrap().into_inner().header.unwrap();
    let trial = v1::ReceiveStockRequest {
        request_id: cluster.request_id(),
        sku_id: "it".to_owned(),
        location_id: "it".to_owned(),
        quantity: 1,
        validate_only: true,
        ..Default::default()
    };
    let tried = StockServiceClient::new(channel).receive_stock(trial).await.unwrap().into_inner();
    for header in [outcome, tried.header.unwrap()] {
        assert_eq!(header.served_consistency(), v1::Consistency::Linearizable);
    }
    cluster.stop().await;
}
