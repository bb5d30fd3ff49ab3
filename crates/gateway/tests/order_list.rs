//! Lists of orders through the service: by when they were placed, and by everything else that they are filtered by.
#![allow(clippy::unwrap_used, reason = "a test's helpers may panic like the test")]

mod support;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use support::Cluster;
use support::story::{confirm, location, micros, place, receive, sku, timestamp};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Lists that are asked for at once: they share their read barriers.
const AT_ONCE: usize = 32;

type List = v1::ListOrdersRequest;

/// A cluster with orders that were placed at the leader, and a node that follows.
struct Books {
    cluster: Cluster,
    orders: OrderServiceClient<Channel>,
    /// In the order in which they were placed, then of their ids.
    placed: Vec<v1::Order>,
}

impl Books {
    async fn open() -> Self {
        let cluster = Cluster::start().await;
        let mut leader = TransactionServiceClient::new(cluster.leader_channel().await);
        let mut order_ids = Vec::new();
        for operations in steps() {
            for operation in &operations {
                if let Mutated::PlaceOrder(place) = operation {
                    order_ids.push(place.order_id.clone());
                }
            }
            let operation = |request| v1::Mutation { timeout: None, request: Some(request) };
            let request = v1::TransactRequest {
                request_id: cluster.request_id(),
                operations: operations.into_iter().map(operation).collect(),
                ..v1::TransactRequest::default()
            };
            leader.transact(request).await.unwrap();
        }
        let mut orders = OrderServiceClient::new(cluster.follower_channel().await);
        let read =
            orders.batch_get_orders(v1::BatchGetOrdersRequest { order_ids, read: None }).await.unwrap();
        let mut placed = read.into_inner().orders;
        placed.sort_by_key(|order| (created(order), order.order_id.clone()));
        Self { cluster, orders, placed }
    }

    async fn page(&mut self, list: &List) -> Result<v1::ListOrdersResponse, Status> {
        self.orders.list_orders(list.clone()).await.map(tonic::Response::into_inner)
    }

    /// All pages of a list, one after the other.
    async fn list(&self, list: &List, page_size: i32) -> Vec<v1::Order> {
        let (mut client, mut list) = (self.orders.clone(), List { page_size, ..list.clone() });
        let mut orders = Vec::new();
        loop {
            let page = client.list_orders(list.clone()).await.unwrap().into_inner();
            assert!(page.orders.len() <= usize::try_from(page_size).unwrap());
            orders.extend(page.orders);
            if page.next_page_token.is_empty() {
                return orders;
            }
            list.page_token = page.next_page_token;
        }
    }
}

fn created(order: &v1::Order) -> i64 {
    micros(order.create_time.as_ref())
}

fn of_customer(customer_id: &str, operation: Mutated) -> Mutated {
    let Mutated::PlaceOrder(place) = operation else { panic!("no order: {operation:?}") };
    Mutated::PlaceOrder(v1::PlaceOrderRequest { customer_id: customer_id.to_owned(), ..place })
}

/// Orders whose ids are not in the order in which they are placed; some are placed at once.
fn steps() -> Vec<Vec<Mutated>> {
    let (a, b) = (("A", "main", 1), ("B", "main", 2));
    let cancel = |order_id: &str| {
        Mutated::CancelOrder(v1::CancelOrderRequest {
            order_id: order_id.to_owned(),
            ..v1::CancelOrderRequest::default()
        })
    };
    vec![
        vec![
            location("main"),
            sku("A"),
            sku("B"),
            sku("C"),
            receive("A", "main", 50),
            receive("B", "main", 50),
        ],
        vec![place("O-7", &[a])],
        vec![
            of_customer("ann", place("O-3", &[a, b])),
            place("O-9", &[b]),
            of_customer("ben", place("O-1", &[b])),
        ],
        vec![confirm("O-9"), confirm("O-3")],
        vec![of_customer("ann", place("O-5", &[b, a, b]))],
        vec![cancel("O-7"), confirm("O-5")],
        vec![of_customer("ann", place("O-0", &[a])), of_customer("ben", place("O-4", &[a]))],
        vec![cancel("O-4")],
        vec![of_customer("ben", place("O-2", &[b]))],
    ]
}

/// Whether a list's filters take an order.
fn takes(list: &List, order: &v1::Order) -> bool {
    let created = created(order);
    (list.state() == v1::OrderState::Unspecified || list.state() == order.state())
        && (list.customer_id.is_empty() || list.customer_id == order.customer_id)
        && (list.sku_id.is_empty() || order.lines.iter().any(|line| line.sku_id == list.sku_id))
        && list.start_time.as_ref().is_none_or(|start| created >= micros(Some(start)))
        && list.end_time.as_ref().is_none_or(|end| created < micros(Some(end)))
}

/// Every combination of filters, both ways round.
fn lists(placed: &[v1::Order]) -> Vec<List> {
    let times: BTreeSet<_> = placed.iter().map(created).collect();
    let times: Vec<_> = times.into_iter().map(timestamp).collect();
    let (early, late) = (Some(times[1]), Some(times[times.len() - 1]));
    let mut lists = Vec::new();
    for state in [
        v1::OrderState::Unspecified,
        v1::OrderState::PendingPayment,
        v1::OrderState::Confirmed,
        v1::OrderState::Cancelled,
        v1::OrderState::Expired,
    ] {
        for customer_id in ["", "ann", "nobody"] {
            for sku_id in ["", "A", "B", "C"] {
                for (start_time, end_time) in [(None, None), (early, None), (None, late), (early, late)] {
                    lists.extend([false, true].map(|newest_first| List {
                        state: state.into(),
                        customer_id: customer_id.to_owned(),
                        sku_id: sku_id.to_owned(),
                        start_time,
                        end_time,
                        newest_first,
                        ..List::default()
                    }));
                }
            }
        }
    }
    lists
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_holds_what_its_filters_take_whatever_the_size_of_its_pages() {
    let books = Books::open().await;
    let all: Vec<_> = books.placed.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!(all, ["O-7", "O-1", "O-3", "O-9", "O-5", "O-0", "O-4", "O-2"]);
    let books_ref = &books;
    let check = async |(number, list): (usize, List)| {
        let taken = books_ref.placed.iter().filter(|order| takes(&list, order));
        let mut expected: Vec<_> = taken.cloned().collect();
        if list.newest_first {
            expected.reverse();
        }
        assert_eq!(books_ref.list(&list, 1_000).await, expected, "{list:?}");
        let page_size = if number % 4 < 2 { 1 } else { 2 };
        assert_eq!(books_ref.list(&list, page_size).await, expected, "{list:?} in pages of {page_size}");
        expected.len()
    };
    let lists = stream::iter(lists(&books.placed).into_iter().enumerate());
    let found: BTreeSet<_> = lists.map(check).buffer_unordered(AT_ONCE).collect().await;
    assert!(found.contains(&0) && found.contains(&all.len()) && found.len() > 4, "{found:?}");
    books.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_goes_on_with_its_own_list_only() {
    let mut books = Books::open().await;
    let first = List { page_size: 1, ..List::default() };
    let page_token = books.page(&first).await.unwrap().next_page_token;
    let next = List { page_token, ..List::default() };
    assert_eq!(books.page(&next).await.unwrap().orders, books.placed[1..]);
    let time = Some(timestamp(1));
    let others = [
        List { state: v1::OrderState::Confirmed.into(), ..next.clone() },
        List { customer_id: "ann".to_owned(), ..next.clone() },
        List { sku_id: "ann".to_owned(), ..next.clone() },
        List { start_time: time, ..next.clone() },
        List { end_time: time, ..next.clone() },
        List { newest_first: true, ..next.clone() },
    ];
    for other in others {
        let refused = books.page(&other).await.unwrap_err();
        let reason = refused.get_details_error_info().unwrap().reason;
        assert_eq!((refused.code(), reason.as_str()), (Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
    }
    books.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_field_is_named_at_once() {
    let cluster = Cluster::start().await;
    let mut orders = OrderServiceClient::new(cluster.follower_channel().await);
    let bad = List {
        page_size: -1,
        state: 99,
        customer_id: "two words".to_owned(),
        sku_id: "two words".to_owned(),
        start_time: Some(timestamp(5)),
        end_time: Some(timestamp(5)),
        ..List::default()
    };
    let refused = orders.list_orders(bad).await.unwrap_err();
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["page_size", "state", "customer_id", "sku_id", "end_time"]);
    cluster.stop().await;
}
