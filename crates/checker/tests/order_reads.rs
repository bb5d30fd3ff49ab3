//! Each read of orders, answered wrongly in one way, is found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{
    STALE_ETAG, ask, changes, end_of, finds, ids, later, later_header, not_found, report, shop, token,
    written,
};
use stockade_checker::{Check, Ended, History};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::{OrderState, ShortagePolicy, Sourcing};
use support::{Cluster, orders};

/// Orders, each in another state: `b` has shipped in part, in two parcels, `c` has shipped and closes by itself, `d` was closed, `e`
/// has shipped and never closes.
fn sent() -> Cluster {
    let mut shop = shop();
    let mut place = |id: &str, lines: &[(&str, &str, i64)]| {
        let (sourcing, policy) = (Sourcing::FewestSplits, ShortagePolicy::Partial);
        ask(&mut shop, |request| orders::place(request, id, lines, sourcing, policy));
        if id != "a" {
            ask(&mut shop, |request| orders::confirm(request, id, false, ""));
        }
    };
    place("a", &[("service", "", 1)]);
    place("b", &[("sku-0", "", 16), ("sku-1", "east", 2), ("service", "", 3)]);
    for id in ["c", "d", "e"] {
        place(id, &[("sku-1", "", 1)]);
    }
    ask(&mut shop, |request| {
        orders::ship(request, "b", &[(3, "", 1), (1, "east", 2), (1, "main", 5)], "parcel-1", None)
    });
    ask(&mut shop, |request| orders::ship(request, "b", &[(1, "", 3)], "parcel-2", Some(60)));
    ask(&mut shop, |request| orders::ship(request, "c", &[], "", Some(9)));
    for id in ["d", "e"] {
        ask(&mut shop, |request| orders::ship(request, id, &[], "", None));
    }
    ask(&mut shop, |request| orders::close(request, "d", ""));
    shop
}

/// Something is decided, so that log time goes on.
fn tick(shop: &mut Cluster) {
    ask(shop, |request| orders::close(request, "none", ""));
}

/// A history in which one thing is read last, and the read.
fn read(asked: impl Into<Asked>) -> (History, Asked) {
    let (mut shop, asked) = (sent(), asked.into());
    shop.read(asked.clone());
    (written(shop), asked)
}

fn get(id: &str) -> v1::GetOrderRequest {
    v1::GetOrderRequest { order_id: id.to_owned(), read: None }
}

/// Changes a field.
type Change = fn(&mut v1::Order);

#[test]
fn an_order_that_is_read_wrongly_in_any_field_is_found() {
    let (history, asked) = read(get("b"));
    let changes: [Change; 35] = [
        |found| found.order_id.push('2'),
        |found| found.customer_id.clear(),
        |found| "USD".clone_into(&mut found.currency_code),
        |found| {
            assert_eq!(found.state(), OrderState::PartiallyShipped);
            found.state = OrderState::Confirmed.into();
        },
        |found| _ = found.lines.pop(),
        |found| found.lines.swap(0, 1),
        |found| {
            let parts: Vec<_> =
                found.lines.iter().map(|part| (part.line, part.location_id.as_str())).collect();
            assert_eq!(parts, [(1, "east"), (1, "main"), (2, "east"), (3, "")]);
            found.lines[1].line = 2;
        },
        |found| found.lines[0].sku_id.push('2'),
        |found| "main".clone_into(&mut found.lines[3].location_id),
        |found| found.lines[0].unit_price_minor += 1,
        |found| found.lines[0].ordered += 1,
        |found| found.lines[0].held += 1,
        |found| found.lines[0].allocated += 1,
        |found| {
            let shipped: Vec<_> = found.lines.iter().map(|part| part.shipped).collect();
            assert_eq!(shipped, [4, 6, 0, 1], "the second parcel took the rest of `east` first");
            found.lines[0].shipped += 1;
        },
        |found| found.lines[0].returned += 1,
        |found| {
            assert_eq!(found.lines[2].cancelled, 2, "what is not there counts as cancelled");
            found.lines[2].cancelled -= 1;
        },
        |found| found.lines[0].expired += 1,
        |found| later(&mut found.create_time),
        |found| later(&mut found.update_time),
        |found| later(&mut found.expire_time),
        |found| found.revision += 1,
        |found| found.payment_reference.clear(),
        |found| STALE_ETAG.clone_into(&mut found.etag),
        |found| {
            assert_eq!(found.parcels.len(), 2);
            found.parcels.pop();
        },
        |found| found.parcels[1].number = 1,
        |found| later(&mut found.parcels[0].ship_time),
        |found| found.parcels[0].tracking_number.clear(),
        |found| found.parcels[1].document_id.clear(),
        |found| {
            let lines = found.parcels[0].lines.iter();
            let lines: Vec<_> =
                lines.map(|line| (line.line, line.location_id.as_str(), line.quantity)).collect();
            assert_eq!(lines, [(1, "east", 2), (1, "main", 5), (3, "", 1)]);
            found.parcels[0].lines.swap(0, 1);
        },
        |found| found.parcels[0].lines[2].line = 4,
        |found| "main".clone_into(&mut found.parcels[0].lines[0].location_id),
        |found| found.parcels[0].lines[0].sku_id.push('2'),
        |found| found.parcels[0].lines[1].quantity += 1,
        |found| later(&mut found.close_time),
        |found| found.close_time = None,
    ];
    for change in changes {
        let change = changes!(GetOrder, answer => change(answer.order.as_mut().expect("it is there")));
        finds(&history, &asked, change, &["get_order", "it should have seen Order"]);
    }
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "\"owner-of-b\""]);
}

#[test]
fn an_order_closes_with_log_time_and_not_before() {
    for (wait_s, state, other) in
        [(7, OrderState::Shipped, OrderState::Closed), (9, OrderState::Closed, OrderState::Shipped)]
    {
        let (mut shop, asked) = (sent(), Asked::from(get("c")));
        shop.wait(wait_s);
        tick(&mut shop);
        shop.read(asked.clone());
        let history = written(shop);
        let wrong = changes!(GetOrder, answer => {
            let order = answer.order.as_mut().expect("it is there");
            assert_eq!(order.state(), state);
            order.state = other.into();
        });
        finds(&history, &asked, wrong, &["it should have seen Order", &format!("state: {state:?}")]);
    }
    // The clocks of nodes go on without the log. Reads don't.
    let (mut shop, asked) = (sent(), Asked::from(get("c")));
    shop.wait(100);
    shop.read(asked.clone());
    let history = written(shop);
    let closed = changes!(GetOrder, answer => {
        answer.order.as_mut().expect("it is there").state = OrderState::Closed.into();
    });
    finds(&history, &asked, closed, &["state: Shipped"]);
}

#[test]
fn several_orders_that_are_read_wrongly_are_found() {
    let all = |names: &[&str]| v1::BatchGetOrdersRequest { order_ids: ids(names), read: None };
    let (history, asked) = read(all(&["d", "b", "d"]));
    finds(&history, &asked, changes!(BatchGetOrders, answer => answer.orders.swap(0, 1)), &["row 1 is"]);
    finds(&history, &asked, changes!(BatchGetOrders, answer => answer.orders.pop()), &["2 rows", "3 rows"]);
    let state = changes!(BatchGetOrders, answer => {
        assert_eq!(answer.orders[2].state(), OrderState::Closed);
        answer.orders[2].state = OrderState::Shipped.into();
    });
    finds(&history, &asked, state, &["row 3 is", "state: Shipped", "state: Closed"]);
    let parcel = changes!(BatchGetOrders, answer => answer.orders[1].parcels[0].lines[0].quantity += 1);
    finds(&history, &asked, parcel, &["row 2 is"]);
    finds(&history, &asked, later_header, &["where it last changed"]);
    finds(&history, &asked, not_found, &["saw nothing (NOT_FOUND)", "all 3 of them"]);

    let (history, asked) = read(all(&["d", "z"]));
    let found = report(&history);
    assert!(found.holds(), "{:#?}", found.violations);
    let answered = |ended: &mut Ended| {
        ended.outcome = Outcome::Ok(v1::BatchGetOrdersResponse::default().into());
    };
    finds(&history, &asked, answered, &["it should have seen nothing (NOT_FOUND)"]);
}

#[test]
fn several_orders_of_which_one_came_while_they_were_read_may_be_missing() {
    let (mut history, asked) = read(v1::BatchGetOrdersRequest { order_ids: ids(&["a", "b"]), read: None });
    not_found(end_of(&mut history, &asked));
    assert!(!report(&history).holds());
    // It is called before anybody was told of the orders.
    let operations = history.operations.iter_mut();
    let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
    operation.invoked_ns = 0;
    let report = report(&history);
    assert!(report.holds(), "{:#?}", report.violations);
}

#[test]
fn a_stale_read_of_several_orders_is_found() {
    let (mut shop, asked) =
        (sent(), Asked::from(v1::BatchGetOrdersRequest { order_ids: ids(&["a"]), read: None }));
    shop.read(asked.clone());
    ask(&mut shop, |request| orders::extend(request, "a", 600, ""));
    let mut history = written(shop);
    let last = history.operations.iter().map(|operation| operation.invoked_ns).max().expect("calls");
    let operations = history.operations.iter_mut();
    let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
    operation.invoked_ns = last + 1_000_000;
    operation.ended.as_mut().expect("it has ended").at_ns = last + 2_000_000;
    let report = report(&history);
    let stale = |text: &str| text.starts_with("stale read: ") && text.contains("batch_get_orders");
    let found = report.violations.iter().any(|found| found.check == Check::C && stale(&found.text));
    assert!(found, "{:#?}", report.violations);
}

#[test]
fn orders_in_another_state_are_found_in_a_page() {
    let with = |state: OrderState| v1::ListOrdersRequest {
        page_size: 9,
        state: state.into(),
        ..v1::ListOrdersRequest::default()
    };
    for (wait_s, state, names) in [
        (0, OrderState::PendingPayment, vec!["a"]),
        (0, OrderState::PartiallyShipped, vec!["b"]),
        (0, OrderState::Shipped, vec!["c", "e"]),
        (0, OrderState::Closed, vec!["d"]),
        (9, OrderState::Shipped, vec!["e"]),
        (9, OrderState::Closed, vec!["c", "d"]),
    ] {
        let (mut shop, asked) = (sent(), Asked::from(with(state)));
        shop.wait(wait_s);
        tick(&mut shop);
        shop.read(asked.clone());
        let history = written(shop);
        let missing = changes!(ListOrders, answer => {
            assert_eq!(answer.orders.iter().map(|order| &order.order_id).collect::<Vec<_>>(), names);
            answer.orders.remove(0);
        });
        finds(&history, &asked, missing, &["it should have seen", &format!("owner-of-{}", names[0])]);
        let other = changes!(ListOrders, answer => {
            let other = v1::Order { order_id: "z".to_owned(), ..answer.orders[0].clone() };
            answer.orders.push(other);
        });
        finds(&history, &asked, other, &["no more rows"]);
        let line = changes!(ListOrders, answer => answer.orders[0].lines[0].line += 1);
        finds(&history, &asked, line, &["row 1 is"]);
        let early = changes!(ListOrders, answer => {
            answer.orders.clear();
            answer.next_page_token = token("0\nA");
        });
        let mut fewer = history.clone();
        early(end_of(&mut fewer, &asked));
        assert!(report(&fewer).holds(), "a page may hold none");
    }
}
