//! Pages of orders in the order in which they were placed: each, answered wrongly in one way, is found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{ask, changes, end_of, finds, report, shop, token, written};
use stockade_checker::{Ended, History};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::{OrderState, ShortagePolicy, Sourcing};
use support::{Cluster, orders};

/// Orders that are placed in another order than that of their ids: `z`, then `m`, then `b` and `a` at once, then `k`.
fn placed() -> Cluster {
    let mut shop = shop();
    let place = |request: String, id: &str, lines: &[(&str, &str, i64)]| {
        orders::place(request, id, lines, Sourcing::FewestSplits, ShortagePolicy::Partial)
    };
    ask(&mut shop, |request| place(request, "z", &[("sku-0", "", 1), ("sku-1", "", 1)]));
    ask(&mut shop, |request| place(request, "m", &[("sku-1", "", 1)]));
    let together = ["b", "a"].map(|id| place(String::new(), id, &[("sku-0", "", 1)]));
    ask(&mut shop, |request| orders::transact(request, Vec::new(), &together));
    ask(&mut shop, |request| place(request, "k", &[("service", "", 1), ("sku-1", "", 2), ("sku-1", "", 1)]));
    // What changes later keeps its place.
    ask(&mut shop, |request| orders::confirm(request, "z", false, ""));
    shop
}

fn all() -> v1::ListOrdersRequest {
    v1::ListOrdersRequest { page_size: 9, ..Default::default() }
}

/// A history in which one page is read last, and the read.
fn read(asked: v1::ListOrdersRequest) -> (History, Asked) {
    let (mut shop, asked) = (placed(), Asked::from(asked));
    shop.read(asked.clone());
    (written(shop), asked)
}

fn page_of(history: &History, asked: &Asked) -> Vec<v1::Order> {
    let ended = end_of(&mut history.clone(), asked).clone();
    let Outcome::Ok(Answer::ListOrders(answer)) = ended.outcome else { panic!("{ended:?}") };
    answer.orders
}

fn names(orders: &[v1::Order]) -> Vec<&str> {
    orders.iter().map(|order| order.order_id.as_str()).collect()
}

/// When an order was placed.
fn time_of(id: &str) -> prost_types::Timestamp {
    let (history, asked) = read(all());
    let orders = page_of(&history, &asked);
    let order = orders.iter().find(|order| order.order_id == id).expect("it was placed");
    order.create_time.expect("placed at a time")
}

/// The key of an order in a page token.
fn key(id: &str) -> String {
    let time = time_of(id);
    format!("{}{:06}\n{id}", time.seconds, time.nanos / 1_000)
}

fn rows(change: impl FnOnce(&mut Vec<v1::Order>)) -> impl FnOnce(&mut Ended) {
    changes!(ListOrders, answer => change(&mut answer.orders))
}

fn ends(next: String) -> impl FnOnce(&mut Ended) {
    changes!(ListOrders, answer => answer.next_page_token = next)
}

#[test]
fn orders_that_are_listed_in_another_order_are_found() {
    for (newest_first, expected) in [(false, ["z", "m", "a", "b", "k"]), (true, ["k", "b", "a", "m", "z"])] {
        let (history, asked) = read(v1::ListOrdersRequest { newest_first, ..all() });
        assert_eq!(names(&page_of(&history, &asked)), expected);
        let by_id = rows(|rows| rows.sort_by(|one, other| one.order_id.cmp(&other.order_id)));
        finds(&history, &asked, by_id, &["list_orders", "row 1 is"]);
        finds(&history, &asked, rows(|rows| rows.reverse()), &["row 1 is"]);
        let at_once = rows(|rows| {
            let at = rows.iter().position(|order| order.order_id == "a" || order.order_id == "b");
            rows.swap(at.expect("they were placed"), at.expect("they were placed") + 1);
        });
        finds(&history, &asked, at_once, &["of which row"]);
        finds(&history, &asked, rows(|rows| _ = rows.remove(2)), &["4 rows, of which row 3 is", "5 rows"]);
        finds(&history, &asked, rows(|rows| rows.insert(1, rows[0].clone())), &["6 rows, of which row 2 is"]);
    }
}

#[test]
fn a_page_of_orders_goes_as_far_as_its_token_says() {
    for (newest_first, behind, expected) in [(false, "m", ["a", "b"]), (true, "k", ["b", "a"])] {
        let page_token = token(&key(behind));
        let request = v1::ListOrdersRequest { page_size: 2, page_token, newest_first, ..all() };
        let (history, asked) = read(request);
        assert_eq!(names(&page_of(&history, &asked)), expected);
        finds(&history, &asked, ends(String::new()), &["2 rows, of which row 3 is no more rows"]);
        let earlier = ends(token(&key(expected[0])));
        finds(&history, &asked, earlier, &["2 rows, of which row 2 is", "1 rows, of which row 2 is no more"]);
        let further = ends(token(&key(if newest_first { "m" } else { "k" })));
        finds(&history, &asked, further, &["2 rows, of which row 3 is no more rows", "3 rows"]);
        let back = if newest_first { "k" } else { "z" };
        for nowhere in [token(&key(behind)), token(&key(back)), token("m"), token("x\nm"), "00".to_owned()] {
            finds(&history, &asked, ends(nowhere), &["a token for the next page that leads nowhere new"]);
        }
        let other = rows(|rows| rows[1].order_id.push('2'));
        finds(&history, &asked, other, &["row 2 is"]);
        let mut fewer = history.clone();
        let early = changes!(ListOrders, answer => {
            answer.orders.pop();
            answer.next_page_token = token(&key(expected[0]));
        });
        early(end_of(&mut fewer, &asked));
        assert!(report(&fewer).holds(), "a page may hold fewer than were asked for");
    }
}

#[test]
fn of_a_customer_with_many_orders_those_with_a_sku_are_listed() {
    let mut shop = placed();
    for (id, sku) in [("s", "sku-0"), ("t", "sku-0"), ("u", "service")] {
        ask(&mut shop, |request| {
            let (sourcing, policy) = (Sourcing::FewestSplits, ShortagePolicy::Partial);
            let Asked::PlaceOrder(request) = orders::place(request, id, &[(sku, "", 1)], sourcing, policy)
            else {
                panic!("an order")
            };
            v1::PlaceOrderRequest { customer_id: "ann".to_owned(), ..request }.into()
        });
    }
    // Of this SKU there are fewer orders than of this customer, one of them another's.
    let (customer_id, sku_id) = ("ann".to_owned(), "service".to_owned());
    let asked = Asked::from(v1::ListOrdersRequest { customer_id, sku_id, ..all() });
    shop.read(asked.clone());
    let history = written(shop);
    assert_eq!(names(&page_of(&history, &asked)), ["u"]);
    let (everything, whole) = read(all());
    let of_k = page_of(&everything, &whole).pop().expect("k");
    finds(&history, &asked, rows(|rows| rows.insert(0, of_k)), &["2 rows, of which row 1 is", "1 rows"]);
    finds(&history, &asked, rows(Vec::clear), &["0 rows", "1 rows"]);
}

#[test]
fn orders_that_a_filter_does_not_take_are_found_in_a_list() {
    let (start, end) = (Some(time_of("m")), Some(time_of("k")));
    let micro_later = |time: Option<prost_types::Timestamp>| {
        time.map(|time| prost_types::Timestamp { nanos: time.nanos + 1_000, ..time })
    };
    let sku = |id: &str| v1::ListOrdersRequest { sku_id: id.to_owned(), ..all() };
    let customer_id = || "owner-of-k".to_owned();
    for (request, expected) in [
        (sku("sku-0"), &["z", "a", "b"][..]),
        (sku("sku-1"), &["z", "m", "k"]),
        (sku("service"), &["k"]),
        (v1::ListOrdersRequest { newest_first: true, ..sku("sku-1") }, &["k", "m", "z"]),
        (v1::ListOrdersRequest { start_time: start, ..all() }, &["m", "a", "b", "k"]),
        (v1::ListOrdersRequest { start_time: micro_later(start), ..all() }, &["a", "b", "k"]),
        (v1::ListOrdersRequest { end_time: end, ..all() }, &["z", "m", "a", "b"]),
        (v1::ListOrdersRequest { end_time: micro_later(end), ..sku("sku-1") }, &["z", "m", "k"]),
        (
            v1::ListOrdersRequest { start_time: start, end_time: end, newest_first: true, ..all() },
            &["b", "a", "m"],
        ),
        (v1::ListOrdersRequest { start_time: start, end_time: end, ..sku("sku-1") }, &["m"]),
        (v1::ListOrdersRequest { customer_id: customer_id(), ..all() }, &["k"]),
        (v1::ListOrdersRequest { customer_id: customer_id(), ..sku("sku-1") }, &["k"]),
        (v1::ListOrdersRequest { customer_id: customer_id(), ..sku("sku-0") }, &[]),
        (v1::ListOrdersRequest { state: OrderState::Confirmed.into(), ..sku("sku-1") }, &["z"]),
        (sku("sku-9"), &[]),
    ] {
        let (history, asked) = read(request);
        assert_eq!(names(&page_of(&history, &asked)), expected, "{asked:?}");
        if !expected.is_empty() {
            finds(&history, &asked, rows(|rows| _ = rows.pop()), &["no more rows", "it should have seen"]);
        }
        let (everything, whole) = read(all());
        let other = page_of(&everything, &whole)
            .into_iter()
            .find(|order| !expected.contains(&order.order_id.as_str()));
        let among = rows(|rows| rows.push(other.expect("not all are taken")));
        finds(&history, &asked, among, &[&format!("{} rows", expected.len()), "no more rows"]);
    }
}
