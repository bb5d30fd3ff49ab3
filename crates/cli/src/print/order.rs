//! Orders.

use serde_json::{Value, json};
use stockade_proto::v1::{Order, OrderLine};

use super::{state, time};
use crate::output::{record, table};

pub(crate) fn order_object(order: &Order) -> Value {
    let line = |line: &OrderLine| {
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
        "etag": order.etag,
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
    let row = |(number, line): (usize, &OrderLine)| {
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
