use stockade_proto::v1::OrderLine;

use super::*;

/// Ten mugs came in; one order over three of them was acknowledged and paid.
fn kept() -> (Record, Vec<Order>, Vec<Stock>) {
    let mut record = Record::default();
    record.received.insert("mug".to_owned(), 10);
    let lines = vec![("mug".to_owned(), 3)];
    let states = vec![OrderState::Confirmed];
    record.orders.insert("o1".to_owned(), Promised { acknowledged: true, lines, states });
    let line = OrderLine { sku_id: "mug".to_owned(), ordered: 3, allocated: 3, ..OrderLine::default() };
    let order = Order {
        order_id: "o1".to_owned(),
        state: OrderState::Confirmed.into(),
        lines: vec![line],
        ..Order::default()
    };
    let stock =
        Stock { sku_id: "mug".to_owned(), on_hand: 10, available: 7, committed: 3, ..Stock::default() };
    (record, vec![order], vec![stock])
}

#[test]
fn promises_that_were_kept_give_no_findings() {
    let (record, orders, stock) = kept();
    assert_eq!(compare(&record, &orders, &stock), Findings::default());
}

#[test]
fn an_acknowledged_order_that_is_not_there_is_lost() {
    let (record, _, mut stock) = kept();
    stock[0].available = 10;
    let findings = compare(&record, &[], &stock);
    assert_eq!(findings.lost.len(), 1);
    assert!(findings.oversold.is_empty());
}

#[test]
fn an_order_that_is_there_twice_is_found() {
    let (record, orders, stock) = kept();
    let twice = [orders[0].clone(), orders[0].clone()];
    assert_eq!(compare(&record, &twice, &stock).lost, ["order o1 is there 2 times"]);
}

#[test]
fn an_acknowledged_change_that_is_not_there_is_lost() {
    let (record, mut orders, stock) = kept();
    orders[0].state = OrderState::PendingPayment.into();
    assert!(compare(&record, &orders, &stock).lost[0].contains("PENDING_PAYMENT"));
}

#[test]
fn an_order_of_open_fate_may_be_there_or_not() {
    let (mut record, orders, mut stock) = kept();
    record.orders.get_mut("o1").unwrap().acknowledged = false;
    assert_eq!(compare(&record, &orders, &stock), Findings::default());
    stock[0].available = 10;
    assert_eq!(compare(&record, &[], &stock), Findings::default());
}

#[test]
fn an_order_that_nobody_placed_is_found() {
    let (mut record, orders, stock) = kept();
    record.orders.clear();
    assert_eq!(compare(&record, &orders, &stock).unexplained.len(), 1);
}

#[test]
fn units_sold_twice_are_oversold() {
    let (record, orders, mut stock) = kept();
    stock[0].available = 8;
    assert!(compare(&record, &orders, &stock).oversold[0].contains("3 ordered + 8 available, 10 received"));
    stock[0].available = -1;
    assert!(compare(&record, &orders, &stock).oversold[0].contains("-1 available"));
}

#[test]
fn units_that_left_without_an_order_are_found() {
    let (record, orders, mut stock) = kept();
    stock[0].on_hand = 9;
    assert!(compare(&record, &orders, &stock).oversold[0].contains("9 on hand"));
}

#[test]
fn hashes_differ_where_one_node_differs_or_has_none() {
    let hash = NodeHash { applied: 9, chain: vec![1], state: vec![2] };
    assert!(all_equal(&[hash.clone(), hash.clone()]));
    assert!(!all_equal(&[hash.clone(), NodeHash { state: vec![3], ..hash.clone() }]));
    assert!(!all_equal(&[NodeHash { state: Vec::new(), ..hash }]));
    assert!(!all_equal(&[]));
}
