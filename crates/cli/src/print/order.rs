//! Orders.

use serde_json::{Value, json};
use stockade_proto::v1::{Order, OrderLine, Parcel, ParcelLine};

use super::{location, state, time};
use crate::output::{record, table};

pub(crate) fn order_object(order: &Order) -> Value {
    let line = |line: &OrderLine| {
        json!({
            "line": line.line,
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
        "parcels": order.parcels.iter().map(parcel_object).collect::<Vec<_>>(),
        "create_time": time(order.create_time.as_ref()),
        "update_time": time(order.update_time.as_ref()),
        "expire_time": time(order.expire_time.as_ref()),
        "close_time": time(order.close_time.as_ref()),
        "payment_reference": order.payment_reference,
        "revision": order.revision,
        "etag": order.etag,
    })
}

fn parcel_object(parcel: &Parcel) -> Value {
    let line = |line: &ParcelLine| {
        json!({
            "line": line.line,
            "sku_id": line.sku_id,
            "location_id": line.location_id,
            "quantity": line.quantity,
        })
    };
    json!({
        "number": parcel.number,
        "ship_time": time(parcel.ship_time.as_ref()),
        "tracking_number": parcel.tracking_number,
        "document_id": parcel.document_id,
        "lines": parcel.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

/// An order with its lines, a row for each part of one, and with its parcels.
pub(crate) fn order_text(order: &Order) -> String {
    let mut head = vec![
        ("order", order.order_id.clone()),
        ("state", state(order.state).to_owned()),
        ("customer", order.customer_id.clone()),
        ("currency", order.currency_code.clone()),
        ("created", time(order.create_time.as_ref())),
        ("changed", time(order.update_time.as_ref())),
        ("held until", time(order.expire_time.as_ref())),
        ("payment", order.payment_reference.clone()),
    ];
    if order.close_time.is_some() {
        head.push(("closes", time(order.close_time.as_ref())));
    }
    head.push(("etag", order.etag.clone()));
    let mut text = format!("{}\n{}", record(&head), lines_table(&order.lines));
    if !order.parcels.is_empty() {
        text.push('\n');
        text.push_str(&parcels_table(&order.parcels));
    }
    text
}

fn lines_table(lines: &[OrderLine]) -> String {
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
    let row = |line: &OrderLine| {
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
        let names = [line.line.to_string(), line.sku_id.clone(), location(&line.location_id)];
        names.into_iter().chain(units.iter().map(ToString::to_string)).collect()
    };
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    table(&header, &header[3..], &rows)
}

/// A row for each line of each parcel.
fn parcels_table(parcels: &[Parcel]) -> String {
    let mut rows = Vec::new();
    for parcel in parcels {
        for line in &parcel.lines {
            rows.push(vec![
                parcel.number.to_string(),
                time(parcel.ship_time.as_ref()),
                parcel.tracking_number.clone(),
                parcel.document_id.clone(),
                line.line.to_string(),
                line.sku_id.clone(),
                location(&line.location_id),
                line.quantity.to_string(),
            ]);
        }
    }
    let header = ["PARCEL", "SHIPPED", "TRACKING", "DOCUMENT", "LINE", "SKU", "LOCATION", "QUANTITY"];
    table(&header, &["QUANTITY"], &rows)
}

/// Orders, a line each.
pub(crate) fn order_table(orders: &[Order]) -> String {
    let row = |order: &Order| {
        let units: i64 = order.lines.iter().map(|line| line.ordered).fold(0, i64::saturating_add);
        vec![
            order.order_id.clone(),
            state(order.state).to_owned(),
            order.customer_id.clone(),
            order.lines.last().map_or(0, |line| line.line).to_string(),
            units.to_string(),
            time(order.create_time.as_ref()),
        ]
    };
    let rows: Vec<_> = orders.iter().map(row).collect();
    table(&["ORDER", "STATE", "CUSTOMER", "LINES", "UNITS", "CREATED"], &["LINES", "UNITS"], &rows)
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use stockade_proto::v1::OrderState;

    use super::*;

    fn cells(line: Option<&str>) -> Vec<&str> {
        line.unwrap_or_default().split_whitespace().collect()
    }

    /// Five mugs from two locations, of which those from one have left.
    fn split_order() -> Order {
        let part = |location_id: &str, ordered, shipped| OrderLine {
            line: 1,
            sku_id: "mug".to_owned(),
            location_id: location_id.to_owned(),
            ordered,
            allocated: ordered,
            shipped,
            ..OrderLine::default()
        };
        let nowhere = OrderLine { line: 2, sku_id: "teapot".to_owned(), ordered: 1, ..OrderLine::default() };
        let left =
            ParcelLine { line: 1, location_id: "east".to_owned(), sku_id: "mug".to_owned(), quantity: 3 };
        Order {
            order_id: "o1".to_owned(),
            state: OrderState::PartiallyShipped.into(),
            lines: vec![part("east", 3, 3), part("main", 2, 0), OrderLine { cancelled: 1, ..nowhere }],
            etag: "e7".to_owned(),
            parcels: vec![Parcel {
                number: 1,
                document_id: "P-1".to_owned(),
                tracking_number: "T-9".to_owned(),
                lines: vec![left],
                ..Parcel::default()
            }],
            close_time: Some(Timestamp { seconds: 86_400, nanos: 0 }),
            ..Order::default()
        }
    }

    #[test]
    fn parts_of_a_line_share_its_number() {
        let text = order_text(&split_order());
        let table = text.split("\n\n").nth(1).unwrap_or_default();
        let rows: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| cells(Some(line))[..5].to_vec()).collect();
        let expected =
            [["1", "mug", "east", "0", "3"], ["1", "mug", "main", "0", "2"], ["2", "teapot", "-", "0", "1"]];
        assert_eq!(rows, expected);
        let object = order_object(&split_order());
        assert_eq!((&object["lines"][1]["line"], &object["lines"][2]["line"]), (&json!(1), &json!(2)));
        let row = order_table(&[split_order()]);
        assert_eq!(cells(row.lines().nth(1))[..4], ["o1", "PARTIALLY_SHIPPED", "2", "6"]);
    }

    #[test]
    fn an_order_shows_its_parcels_and_when_it_closes() {
        let text = order_text(&split_order());
        assert_eq!(cells(text.lines().last()), ["1", "T-9", "P-1", "1", "mug", "east", "3"]);
        assert!(text.contains("1970-01-02T00:00:00Z") && text.contains("e7"), "{text}");
        let object = order_object(&split_order());
        assert_eq!(object["close_time"], "1970-01-02T00:00:00Z");
        let line = json!({ "line": 1, "sku_id": "mug", "location_id": "east", "quantity": 3 });
        assert_eq!(
            (&object["parcels"][0]["number"], &object["parcels"][0]["lines"]),
            (&json!(1), &json!([line]))
        );
        let plain = order_text(&Order::default());
        assert!(!plain.contains("closes") && !plain.contains("PARCEL"), "{plain}");
    }
}
