//! Messages of the surface as JSON objects and as tables. One place, so that a thing looks the same in every command.

use std::fmt::Write as _;

use prost_types::Timestamp;
use serde_json::{Value, json};
use stockade_proto::v1::{NodeRole, NodeStatus, Order, OrderState, ResponseHeader, Sku, Stock};

use crate::output::{record, table};

/// RFC 3339, UTC; empty where there is none.
pub(crate) fn time(time: Option<&Timestamp>) -> String {
    time.map(ToString::to_string).unwrap_or_default()
}

/// The header, with what a caller may want to know of it.
pub(crate) fn header(header: Option<&ResponseHeader>) -> Value {
    let Some(header) = header else { return Value::Null };
    json!({
        "cluster_id": header.cluster_id,
        "node_id": header.node_id,
        "term": header.term,
        "revision": header.revision,
        "served_revision": header.served_revision,
        "replayed": header.replayed,
        "log_time": time(header.log_time.as_ref()),
    })
}

/// `PENDING_PAYMENT` of `ORDER_STATE_PENDING_PAYMENT`.
pub(crate) fn state(state: i32) -> &'static str {
    let name = OrderState::try_from(state).unwrap_or(OrderState::Unspecified).as_str_name();
    name.strip_prefix("ORDER_STATE_").unwrap_or(name)
}

/// `LEADER` of `NODE_ROLE_LEADER`.
pub(crate) fn role(role: i32) -> &'static str {
    let name = NodeRole::try_from(role).unwrap_or(NodeRole::Unspecified).as_str_name();
    name.strip_prefix("NODE_ROLE_").unwrap_or(name)
}

pub(crate) fn sku_object(sku: &Sku) -> Value {
    json!({
        "sku_id": sku.sku_id,
        "display_name": sku.display_name,
        "create_time": time(sku.create_time.as_ref()),
        "update_time": time(sku.update_time.as_ref()),
        "revision": sku.revision,
    })
}

pub(crate) fn sku_table(skus: &[Sku]) -> String {
    let row = |sku: &Sku| {
        let changed = time(sku.update_time.as_ref());
        vec![sku.sku_id.clone(), sku.display_name.clone(), changed, sku.revision.to_string()]
    };
    let rows: Vec<_> = skus.iter().map(row).collect();
    table(&["SKU", "NAME", "CHANGED", "REVISION"], &["REVISION"], &rows)
}

pub(crate) fn stock_object(stock: &Stock) -> Value {
    json!({
        "sku_id": stock.sku_id,
        "location_id": stock.location_id,
        "on_hand": stock.on_hand,
        "available": stock.available,
        "reserved": stock.reserved,
        "committed": stock.committed,
        "safety_stock": stock.safety_stock,
        "damaged": stock.damaged,
        "quality_control": stock.quality_control,
        "revision": stock.revision,
    })
}

pub(crate) fn stock_table(stock: &[Stock]) -> String {
    let header =
        ["SKU", "LOCATION", "ON HAND", "AVAILABLE", "RESERVED", "COMMITTED", "SAFETY", "DAMAGED", "QUALITY"];
    let row = |stock: &Stock| {
        let units = [
            stock.on_hand,
            stock.available,
            stock.reserved,
            stock.committed,
            stock.safety_stock,
            stock.damaged,
            stock.quality_control,
        ];
        let names = [stock.sku_id.clone(), stock.location_id.clone()];
        names.into_iter().chain(units.iter().map(ToString::to_string)).collect()
    };
    let rows: Vec<Vec<String>> = stock.iter().map(row).collect();
    table(&header, &header[2..], &rows)
}

pub(crate) fn order_object(order: &Order) -> Value {
    let line = |line: &stockade_proto::v1::OrderLine| {
        json!({
            "sku_id": line.sku_id,
            "location_id": line.location_id,
            "unit_price_minor": line.unit_price_minor,
            "ordered": line.ordered,
            "held": line.held,
            "allocated": line.allocated,
            "shipped": line.shipped,
            "returned": line.returned,
            "cancelled": line.cancelled,
            "expired": line.expired,
        })
    };
    json!({
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "currency_code": order.currency_code,
        "state": state(order.state),
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "create_time": time(order.create_time.as_ref()),
        "update_time": time(order.update_time.as_ref()),
        "expire_time": time(order.expire_time.as_ref()),
        "payment_reference": order.payment_reference,
        "revision": order.revision,
    })
}

/// An order with its lines.
pub(crate) fn order_text(order: &Order) -> String {
    let head = record(&[
        ("order", order.order_id.clone()),
        ("state", state(order.state).to_owned()),
        ("customer", order.customer_id.clone()),
        ("currency", order.currency_code.clone()),
        ("created", time(order.create_time.as_ref())),
        ("changed", time(order.update_time.as_ref())),
        ("held until", time(order.expire_time.as_ref())),
        ("payment", order.payment_reference.clone()),
    ]);
    let header = [
        "LINE",
        "SKU",
        "LOCATION",
        "PRICE",
        "ORDERED",
        "HELD",
        "ALLOCATED",
        "SHIPPED",
        "RETURNED",
        "CANCELLED",
        "EXPIRED",
    ];
    let row = |(number, line): (usize, &stockade_proto::v1::OrderLine)| {
        let units = [
            line.unit_price_minor,
            line.ordered,
            line.held,
            line.allocated,
            line.shipped,
            line.returned,
            line.cancelled,
            line.expired,
        ];
        let names = [(number + 1).to_string(), line.sku_id.clone(), line.location_id.clone()];
        names.into_iter().chain(units.iter().map(ToString::to_string)).collect()
    };
    let rows: Vec<Vec<String>> = order.lines.iter().enumerate().map(row).collect();
    format!("{head}\n{}", table(&header, &header[3..], &rows))
}

/// Orders, a line each.
pub(crate) fn order_table(orders: &[Order]) -> String {
    let row = |order: &Order| {
        let units: i64 = order.lines.iter().map(|line| line.ordered).fold(0, i64::saturating_add);
        vec![
            order.order_id.clone(),
            state(order.state).to_owned(),
            order.customer_id.clone(),
            order.lines.len().to_string(),
            units.to_string(),
            time(order.create_time.as_ref()),
        ]
    };
    let rows: Vec<_> = orders.iter().map(row).collect();
    table(&["ORDER", "STATE", "CUSTOMER", "LINES", "UNITS", "CREATED"], &["LINES", "UNITS"], &rows)
}

pub(crate) fn node_object(node: &NodeStatus) -> Value {
    json!({
        "node_id": node.node_id,
        "reachable": node.reachable,
        "role": role(node.role),
        "voter": node.voter,
        "term": node.term,
        "leader_id": node.leader_id,
        "last_index": node.last_index,
        "committed_index": node.committed_index,
        "applied_index": node.applied_index,
        "snapshot_index": node.snapshot_index,
        "purged_index": node.purged_index,
        "lag": node.lag,
        "disk_used_bytes": node.disk_used_bytes,
        "disk_free_bytes": node.disk_free_bytes,
        "client_address": node.client_address,
        "peer_address": node.peer_address,
        "version": node.version,
        "alarms": node.alarms.iter().map(|alarm| json!({ "kind": alarm.kind, "detail": alarm.detail, "since": time(alarm.since.as_ref()) })).collect::<Vec<_>>(),
    })
}

pub(crate) fn node_table(nodes: &[NodeStatus]) -> String {
    let header = [
        "NODE",
        "ROLE",
        "TERM",
        "LAST",
        "COMMITTED",
        "APPLIED",
        "SNAPSHOT",
        "LAG",
        "FREE MIB",
        "CALLERS",
        "PEERS",
        "VERSION",
    ];
    let row = |node: &NodeStatus| {
        let number = |value: u64| if node.reachable { value.to_string() } else { "-".to_owned() };
        vec![
            node.node_id.to_string(),
            if node.reachable { role(node.role).to_lowercase() } else { "unreachable".to_owned() },
            number(node.term),
            number(node.last_index),
            number(node.committed_index),
            number(node.applied_index),
            number(node.snapshot_index),
            number(node.lag),
            number(node.disk_free_bytes >> 20),
            node.client_address.clone(),
            node.peer_address.clone(),
            node.version.clone(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    let mut text = table(&header, &header[2..9], &rows);
    for node in nodes {
        for alarm in &node.alarms {
            let _ = write!(text, "\nalarm on node {}: {}: {}", node.node_id, alarm.kind, alarm.detail);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enums_are_printed_without_their_prefix() {
        assert_eq!(state(i32::from(OrderState::PendingPayment)), "PENDING_PAYMENT");
        assert_eq!(role(i32::from(NodeRole::Leader)), "LEADER");
        assert_eq!(state(99), "UNSPECIFIED");
    }

    #[test]
    fn a_node_that_does_not_answer_shows_no_numbers() {
        let node = NodeStatus { node_id: 2, ..NodeStatus::default() };
        let text = node_table(&[node]);
        assert!(text.contains("unreachable") && text.lines().nth(1).is_some_and(|row| row.contains('-')));
    }
}
