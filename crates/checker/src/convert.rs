//! Rows of the state as the interface shows them. Written from the comments in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_state_machine::order::{Order, OrderLine, OrderState};
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Stock, StockKey};

/// Log time.
pub fn timestamp(time: LogTime) -> prost_types::Timestamp {
    let seconds = i64::try_from(time.micros() / 1_000_000).expect("a 64-bit number over a million fits");
    let nanos = i32::try_from(time.micros() % 1_000_000 * 1_000).expect("less than a second");
    prost_types::Timestamp { seconds, nanos }
}

/// A SKU.
pub fn sku(sku: &Sku) -> v1::Sku {
    v1::Sku {
        sku_id: sku.id.to_string(),
        display_name: sku.display_name.clone(),
        create_time: Some(timestamp(sku.created)),
        update_time: Some(timestamp(sku.updated)),
        revision: sku.revision.get(),
    }
}

/// Stock at a location.
pub fn stock(key: &StockKey, stock: &Stock) -> v1::Stock {
    v1::Stock {
        sku_id: key.sku.to_string(),
        location_id: key.location.to_string(),
        on_hand: stock.buckets().iter().sum(),
        available: stock.get(Bucket::Available),
        reserved: stock.get(Bucket::Reserved),
        committed: stock.get(Bucket::Committed),
        safety_stock: stock.get(Bucket::SafetyStock),
        damaged: stock.get(Bucket::Damaged),
        quality_control: stock.get(Bucket::QualityControl),
        revision: stock.revision.get(),
    }
}

/// Where an order is in its life.
pub fn order_state(state: OrderState) -> v1::OrderState {
    match state {
        OrderState::PendingPayment => v1::OrderState::PendingPayment,
        OrderState::Confirmed => v1::OrderState::Confirmed,
        OrderState::PartiallyShipped => v1::OrderState::PartiallyShipped,
        OrderState::Shipped => v1::OrderState::Shipped,
        OrderState::PartiallyReturned => v1::OrderState::PartiallyReturned,
        OrderState::Returned => v1::OrderState::Returned,
        OrderState::Cancelled => v1::OrderState::Cancelled,
        OrderState::Expired => v1::OrderState::Expired,
    }
}

/// An order.
pub fn order(order: &Order) -> v1::Order {
    v1::Order {
        order_id: order.id.to_string(),
        customer_id: order.customer.as_ref().map(ToString::to_string).unwrap_or_default(),
        currency_code: order.currency.as_str().to_owned(),
        state: order_state(order.state()).into(),
        lines: order.lines.iter().map(order_line).collect(),
        create_time: Some(timestamp(order.created)),
        update_time: Some(timestamp(order.updated)),
        expire_time: Some(timestamp(order.expires)),
        revision: order.revision.get(),
        payment_reference: order.payment_reference.clone(),
    }
}

fn order_line(line: &OrderLine) -> v1::OrderLine {
    v1::OrderLine {
        sku_id: line.sku.to_string(),
        location_id: line.location.to_string(),
        unit_price_minor: line.unit_price_minor,
        ordered: line.ordered,
        held: line.held,
        allocated: line.allocated,
        shipped: line.shipped,
        returned: line.returned,
        cancelled: line.cancelled,
        expired: line.expired,
    }
}
