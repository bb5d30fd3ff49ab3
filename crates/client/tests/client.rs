//! The client against nodes that play parts.

mod fake;
mod ledger;
mod reads;
mod record;

use std::time::Duration;

use fake::{Act, cluster, lead, refusal};
use futures_util::future::join_all;
use stockade_client::{Client, Config, Error, limits};
use stockade_env::Env;
use stockade_proto::v1::{
    Fate, GetStockRequest, Mutation, NewOrderLine, PlaceOrderRequest, PlaceOrderResponse, TransactRequest,
    mutation,
};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::{Code, Status};

async fn connect(env: &Env, addresses: Vec<String>, timeout: Duration) -> Client {
    let config = Config { timeout, ..Config::new(addresses) };
    Client::connect(env, config).await.expect("a node answers")
}

async fn place(client: &Client, order: &str) -> Result<PlaceOrderResponse, Error> {
    client.place_order(PlaceOrderRequest { order_id: order.to_owned(), ..PlaceOrderRequest::default() }).await
}

/// An address where nobody listens.
async fn dead_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn members_are_discovered_from_one_address_and_the_leader_is_asked() {
    let env = Env::real();
    let nodes = cluster(&env, 3).await;
    let client = connect(&env, vec![nodes[2].address()], LONG).await;
    assert_eq!(client.addresses().len(), 3);
    let placed = place(&client, "o1").await.expect("placed");
    assert_eq!(placed.header.expect("has one").node_id, 1);
    assert_eq!(placed.order_id, "o1");
}

#[tokio::test]
async fn the_second_address_is_used_where_the_first_is_dead() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let client = connect(&env, vec![dead_address().await, nodes[0].address()], LONG).await;
    place(&client, "o1").await.expect("placed");
}

#[tokio::test]
async fn no_living_address_is_unavailable_within_the_deadline() {
    let env = Env::real();
    let config = Config { timeout: Duration::from_millis(300), ..Config::new([dead_address().await]) };
    let begun = Instant::now();
    let error = Client::connect(&env, config).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn calls_in_flight_on_a_broken_stream_repeat_elsewhere_under_the_same_id() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].script([Act::Apply, Act::Break]);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let orders: Vec<_> = (0..20).map(|number| format!("o{number}")).collect();
    let placed = join_all(orders.iter().map(|order| place(&client, order))).await;
    for (order, placed) in orders.iter().zip(placed) {
        assert_eq!(placed.expect("no call shows the failure").order_id, *order);
    }
    let (first, second) = (nodes[0].asked(), nodes[1].asked());
    assert!(second.contains(&first[1]), "the lost call went to the other node under its id");
    let mut ids: Vec<_> = first.into_iter().chain(second).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "a call has one id, however often it is sent");
}

#[tokio::test]
async fn concurrent_calls_share_messages() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let placed = join_all((0..500).map(|_| place(&client, "o"))).await;
    assert!(placed.iter().all(Result::is_ok));
    assert!(nodes[0].messages() < 50, "{} messages", nodes[0].messages());
}

#[tokio::test]
async fn answers_that_ask_for_patience_are_followed_by_another_attempt() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    nodes[0].script([
        Act::Refuse(Code::Unavailable, "NO_LEADER", Fate::NotApplied),
        Act::Refuse(Code::Unavailable, "NOT_LEADER", Fate::NotApplied),
        Act::Refuse(Code::Unavailable, "SHUTTING_DOWN", Fate::NotApplied),
        Act::Refuse(Code::ResourceExhausted, "OVERLOADED", Fate::NotApplied),
        Act::Refuse(Code::Unavailable, "OUTCOME_UNKNOWN", Fate::Unknown),
    ]);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    place(&client, "o1").await.expect("placed at the sixth attempt");
    let asked = nodes[0].asked();
    assert_eq!(asked.len(), 6);
    assert!(asked.iter().all(|id| *id == asked[0]), "{asked:?}");
}

#[tokio::test]
async fn a_refusal_is_final_and_carries_its_reason() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].script([Act::Refuse(Code::FailedPrecondition, "INSUFFICIENT_STOCK", Fate::NotApplied)]);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let error = place(&client, "o1").await.expect_err("refused");
    assert_eq!((error.reason(), error.code()), ("INSUFFICIENT_STOCK", Code::FailedPrecondition));
    assert_eq!(nodes[0].asked().len() + nodes[1].asked().len(), 1);
}

#[tokio::test]
async fn a_second_answer_to_a_call_disturbs_no_other() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    nodes[0].always(Act::ApplyTwice);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    for number in 0..20 {
        let order = format!("o{number}");
        assert_eq!(place(&client, &order).await.expect("placed").order_id, order);
    }
    assert_eq!(nodes[0].asked().len(), 20);
}

#[tokio::test]
async fn a_write_without_answer_is_unknown_at_its_deadline() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    nodes[0].always(Act::Ignore);
    let client = connect(&env, vec![nodes[0].address()], Duration::from_millis(300)).await;
    let begun = Instant::now();
    let error = place(&client, "o1").await.expect_err("no answer");
    let Error::OutcomeUnknown { request_id, .. } = error else { panic!("{error}") };
    assert_eq!(nodes[0].asked(), [request_id]);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_late_answer_to_an_older_copy_is_not_the_newer_ones() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let late = Duration::from_millis(600);
    nodes[0].script([Act::SlowRefuse(late, Code::DeadlineExceeded, "DEADLINE_EXCEEDED")]);
    let client = connect(&env, vec![nodes[0].address()], Duration::from_millis(400)).await;
    let request = PlaceOrderRequest {
        order_id: "o1".to_owned(),
        request_id: client.new_request_id(),
        ..PlaceOrderRequest::default()
    };
    let first = client.place_order(request.clone()).await.expect_err("no answer in time");
    assert!(matches!(first, Error::OutcomeUnknown { .. }), "{first}");
    let second = client.place_order(request).await.expect("the newer copy is applied");
    assert_eq!(second.order_id, "o1");
}

#[tokio::test]
async fn a_no_to_one_copy_settles_nothing_while_another_may_have_taken_effect() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].script([Act::Break]);
    nodes[1].always(Act::Refuse(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", Fate::NotApplied));
    nodes[0].always(Act::Refuse(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", Fate::NotApplied));
    let client = connect(&env, vec![nodes[0].address()], Duration::from_millis(500)).await;
    let error = place(&client, "o1").await.expect_err("nobody knows");
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
}

#[tokio::test]
async fn a_no_of_which_nothing_is_kept_is_final_only_where_no_other_copy_is_on_its_way() {
    let refuse = Act::Refuse(Code::InvalidArgument, "REQUEST_ID_IN_FUTURE", Fate::NotApplied);
    for is_lost in [true, false] {
        let env = Env::real();
        let nodes = cluster(&env, 2).await;
        nodes[0].script(is_lost.then_some(Act::Break));
        for node in &nodes {
            node.always(refuse.clone());
        }
        let client = connect(&env, vec![nodes[0].address()], LONG).await;
        let error = place(&client, "o1").await.expect_err("it is refused");
        match error {
            Error::OutcomeUnknown { .. } => assert!(is_lost, "{error}"),
            Error::Rejected(_) => assert!(!is_lost, "{error}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_write_that_was_never_taken_is_no_unknown_one() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    nodes[0].always(Act::Refuse(Code::Unavailable, "NO_LEADER", Fate::NotApplied));
    let client = connect(&env, vec![nodes[0].address()], Duration::from_millis(300)).await;
    let error = place(&client, "o1").await.expect_err("no leader");
    assert!(matches!(error, Error::NoLeader { .. }), "{error}");
}

#[tokio::test]
async fn a_node_that_falls_silent_is_left_for_another() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].always(Act::Ignore);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let placed = place(&client, "o1").await.expect("the other node answers");
    assert_eq!(placed.header.expect("has one").node_id, 2);
    assert_eq!(nodes[0].asked(), nodes[1].asked());
}

#[tokio::test]
async fn a_silent_leader_is_left_the_moment_another_node_says_that_it_leads() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].always(Act::Ignore);
    nodes[0].says_that_it_leads(true).await;
    nodes[1].says_that_it_leads(false).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let begun = Instant::now();
    let elected = async {
        while nodes[0].asked().is_empty() {
            tokio::task::yield_now().await;
        }
        nodes[1].says_that_it_leads(true).await;
    };
    let (placed, ()) = tokio::join!(place(&client, "o1"), elected);
    placed.expect("placed by the new leader");
    assert!(begun.elapsed() < limits::MAX_SILENCE, "it was waited for: {:?}", begun.elapsed());
    assert_eq!(nodes[0].asked(), nodes[1].asked(), "under one request id");
    assert_eq!(client.leader(), Some(nodes[1].address()));
}

#[tokio::test]
async fn a_slow_answer_within_the_deadline_is_awaited() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    nodes[0].script([Act::Slow(Duration::from_millis(400))]);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    place(&client, "o1").await.expect("placed");
    assert_eq!(nodes[0].asked().len(), 1);
}

#[tokio::test]
async fn the_client_follows_a_leader_that_changes() {
    let env = Env::real();
    let nodes = cluster(&env, 3).await;
    let client = connect(&env, vec![nodes[1].address()], LONG).await;
    place(&client, "o1").await.expect("placed");
    lead(&nodes, Some(2));
    let deadline = Instant::now() + LONG;
    loop {
        let placed = place(&client, "o2").await.expect("placed");
        if placed.header.expect("has one").node_id == 3 {
            break;
        }
        assert!(Instant::now() < deadline, "the new leader was never asked");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_read_goes_on_until_a_node_answers() {
    let env = Env::real();
    let nodes = cluster(&env, 2).await;
    nodes[0].refuse_reads([refusal(Code::Unavailable, "NO_LEADER"), Status::unavailable("gone")]);
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let request = GetStockRequest { sku_id: "cup".to_owned(), location_id: "main".to_owned(), read: None };
    let stock = client.get_stock(request.clone()).await.expect("answered").stock.expect("has one");
    assert_eq!(stock.sku_id, "cup");
    for node in &nodes {
        node.refuse_reads([refusal(Code::NotFound, "NOT_FOUND")]);
    }
    let error = client.get_stock(request).await.expect_err("refused");
    assert_eq!(error.reason(), "NOT_FOUND");
}

#[tokio::test]
async fn a_mutation_that_no_node_takes_is_refused_before_it_ends_the_stream() {
    let env = Env::real();
    let nodes = cluster(&env, 1).await;
    let client = connect(&env, vec![nodes[0].address()], LONG).await;
    let line = NewOrderLine { sku_id: "s".repeat(128), quantity: 1, ..Default::default() };
    let order =
        PlaceOrderRequest { order_id: "o1".to_owned(), lines: vec![line; 2_000], ..Default::default() };
    let operation = Mutation { timeout: None, request: Some(mutation::Request::PlaceOrder(order)) };
    let large = TransactRequest { operations: vec![operation; 20], ..Default::default() };
    let error = client.transact(large).await.expect_err("too large");
    assert_eq!(error.reason(), "INVALID_ARGUMENT");
    assert_eq!(nodes[0].messages(), 0, "nothing was sent");
    place(&client, "o2").await.expect("placed");
}
