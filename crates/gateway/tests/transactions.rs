//! Transactions, trials and orders read at once, through the services.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use stockade_proto::v1;
use stockade_proto::v1::catalog_service_client::CatalogServiceClient;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_proto::v1::stock_service_client::StockServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use support::Cluster;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A cluster, and a node of it to call.
struct Shop {
    cluster: Cluster,
    orders: OrderServiceClient<Channel>,
    stock: StockServiceClient<Channel>,
    transactions: TransactionServiceClient<Channel>,
}

impl Shop {
    /// With ten units of SKU A at location main.
    async fn open() -> Self {
        let cluster = Cluster::start().await;
        let channel = cluster.follower_channel().await;
        let mut catalog = CatalogServiceClient::new(channel.clone());
        let mut shop = Self {
            orders: OrderServiceClient::new(channel.clone()),
            stock: StockServiceClient::new(channel.clone()),
            transactions: TransactionServiceClient::new(channel),
            cluster,
        };
        let location = v1::Location { location_id: "main".to_owned(), ..v1::Location::default() };
        let create = v1::CreateLocationRequest {
            request_id: shop.cluster.request_id(),
            location: Some(location),
            ..v1::CreateLocationRequest::default()
        };
        catalog.create_location(create).await.unwrap();
        let sku = v1::Sku { sku_id: "A".to_owned(), ..v1::Sku::default() };
        shop.transact(
            Vec::new(),
            vec![
                Mutated::CreateSku(v1::CreateSkuRequest {
                    sku: Some(sku),
                    ..v1::CreateSkuRequest::default()
                }),
                Mutated::ReceiveStock(receive(10)),
            ],
        )
        .await
        .unwrap();
        shop
    }

    async fn transact(
        &mut self,
        preconditions: Vec<v1::Precondition>,
        operations: Vec<Mutated>,
    ) -> Result<v1::TransactResponse, Status> {
        let operation = |request| v1::Mutation { timeout: None, request: Some(request) };
        let request = v1::TransactRequest {
            request_id: self.cluster.request_id(),
            preconditions,
            operations: operations.into_iter().map(operation).collect(),
            ..v1::TransactRequest::default()
        };
        self.transactions.transact(request).await.map(tonic::Response::into_inner)
    }

    async fn available(&mut self) -> (i64, String) {
        let asked =
            v1::GetStockRequest { sku_id: "A".to_owned(), location_id: "main".to_owned(), read: None };
        let stock = self.stock.get_stock(asked).await.unwrap().into_inner().stock.unwrap();
        (stock.available, stock.etag)
    }
}

fn receive(quantity: i64) -> v1::ReceiveStockRequest {
    v1::ReceiveStockRequest {
        sku_id: "A".to_owned(),
        location_id: "main".to_owned(),
        quantity,
        ..v1::ReceiveStockRequest::default()
    }
}

fn place(order_id: &str, quantity: i64) -> v1::PlaceOrderRequest {
    v1::PlaceOrderRequest {
        order_id: order_id.to_owned(),
        currency_code: "GBP".to_owned(),
        lines: vec![v1::NewOrderLine { sku_id: "A".to_owned(), quantity, ..v1::NewOrderLine::default() }],
        ..v1::PlaceOrderRequest::default()
    }
}

fn info(status: &Status) -> tonic_types::ErrorInfo {
    status.get_details_error_info().unwrap()
}

fn trailer(status: &Status, key: &str) -> String {
    status.metadata().get(key).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_takes_effect_whole_or_not_at_all() {
    let mut shop = Shop::open().await;
    let confirm = v1::ConfirmOrderRequest { order_id: "o1".to_owned(), ..v1::ConfirmOrderRequest::default() };
    let done = shop
        .transact(Vec::new(), vec![Mutated::PlaceOrder(place("o1", 4)), Mutated::ConfirmOrder(confirm)])
        .await;
    let done = done.unwrap();
    let header = done.header.unwrap();
    assert_eq!(done.results.len(), 2);
    assert!(done.results.iter().all(|result| result.response.is_some() && result.header.is_none()));
    let read = v1::GetOrderRequest { order_id: "o1".to_owned(), read: None };
    let order = shop.orders.get_order(read).await.unwrap().into_inner().order.unwrap();
    assert_eq!((order.state(), order.revision), (v1::OrderState::Confirmed, header.revision));

    let operations = vec![Mutated::ReceiveStock(receive(1)), Mutated::PlaceOrder(place("o2", 99))];
    let refused = shop.transact(Vec::new(), operations).await.unwrap_err();
    assert_eq!(
        (refused.code(), info(&refused).reason.as_str()),
        (Code::FailedPrecondition, "INSUFFICIENT_STOCK")
    );
    assert_eq!(info(&refused).metadata.get("operation_number").map(String::as_str), Some("2"));
    assert_eq!(trailer(&refused, "stockade-logged"), "true");
    assert_eq!(shop.available().await.0, 6, "the first operation left nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions_that_do_not_hold_are_all_named() {
    let mut shop = Shop::open().await;
    let (_, etag) = shop.available().await;
    let on = |subject, condition| v1::Precondition {
        subject: Some(v1::PreconditionSubject { subject: Some(subject) }),
        condition: Some(condition),
    };
    let stock =
        || Subject::Stock(v1::StockSubject { sku_id: "A".to_owned(), location_id: "main".to_owned() });
    let unchanged = || on(stock(), Condition::Etag(etag.clone()));
    let enough = |min| {
        let range = v1::QuantityRange { bucket: v1::Bucket::Available.into(), min: Some(min), max: None };
        on(stock(), Condition::Quantity(range))
    };
    let operations = || vec![Mutated::PlaceOrder(place("o1", 1))];
    let conditions =
        vec![unchanged(), enough(11), on(Subject::OrderId("o1".to_owned()), Condition::Exists(true))];
    let refused = shop.transact(conditions, operations()).await.unwrap_err();
    assert_eq!((refused.code(), info(&refused).reason.as_str()), (Code::Aborted, "PRECONDITION_FAILED"));
    let details = refused.get_details_precondition_failure().unwrap();
    let named: Vec<_> =
        details.violations.iter().map(|one| (one.subject.as_str(), one.description.as_str())).collect();
    assert_eq!(named, [("preconditions/2", "has 10 units"), ("preconditions/3", "does not exist")]);
    shop.transact(vec![unchanged(), enough(10)], operations()).await.unwrap();
    let refused =
        shop.transact(vec![unchanged()], vec![Mutated::PlaceOrder(place("o2", 1))]).await.unwrap_err();
    let (_, etag_now) = shop.available().await;
    assert_eq!(info(&refused).metadata.get("current"), Some(&format!("has etag {etag_now}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_says_what_would_be_and_changes_nothing() {
    let mut shop = Shop::open().await;
    let request_id = shop.cluster.request_id();
    let trial =
        v1::PlaceOrderRequest { request_id: request_id.clone(), validate_only: true, ..place("o1", 4) };
    let tried = shop.orders.place_order(trial.clone()).await.unwrap().into_inner();
    let header = tried.header.unwrap();
    assert_eq!((header.revision, header.replayed), (header.served_revision, false));
    assert!(header.log_time.is_some());
    assert_eq!(tried.sources.len(), 1);
    assert_eq!(shop.available().await.0, 10);
    let asked = v1::GetOutcomeRequest { request_id: request_id.clone() };
    let outcome = shop.transactions.get_outcome(asked).await.unwrap().into_inner();
    assert_eq!(outcome.state(), v1::OutcomeState::NotSeen);

    let refused = v1::PlaceOrderRequest { lines: place("o1", 11).lines, ..trial.clone() };
    let refused = shop.orders.place_order(refused).await.unwrap_err();
    assert_eq!(info(&refused).reason, "INSUFFICIENT_STOCK");
    let said = ["stockade-logged", "stockade-outcome"].map(|key| trailer(&refused, key));
    assert_eq!(said, ["false", "not-applied"]);
    assert!(!trailer(&refused, "stockade-log-time").is_empty());

    let done = v1::PlaceOrderRequest { validate_only: false, ..trial.clone() };
    let done = shop.orders.place_order(done).await.unwrap().into_inner();
    assert_eq!(done.sources, tried.sources);
    // The same id now has an outcome, and a trial under it says which.
    let again = shop.orders.place_order(trial).await.unwrap().into_inner();
    assert_eq!((again.expire_time, again.sources), (done.expire_time, done.sources));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_orders_are_read_at_once() {
    let mut shop = Shop::open().await;
    let places = ["o1", "o2"].map(|order| Mutated::PlaceOrder(place(order, 1)));
    let revision = shop.transact(Vec::new(), places.to_vec()).await.unwrap().header.unwrap().revision;
    let ids = |ids: &[&str]| v1::BatchGetOrdersRequest {
        order_ids: ids.iter().map(ToString::to_string).collect(),
        read: None,
    };
    let read = shop.orders.batch_get_orders(ids(&["o2", "o1", "o2"])).await.unwrap().into_inner();
    let found: Vec<_> = read.orders.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!((found, read.header.unwrap().revision), (vec!["o2", "o1", "o2"], revision));
    let missing = shop.orders.batch_get_orders(ids(&["o1", "o3"])).await.unwrap_err();
    assert_eq!((missing.code(), info(&missing).reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    let none = shop.orders.batch_get_orders(ids(&[])).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
}
