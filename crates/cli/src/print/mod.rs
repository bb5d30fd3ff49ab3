//! Messages of the surface as JSON objects and as tables. One place, so that a thing looks the same in every command.

mod catalog;
mod ledger;
mod node;
mod order;
mod reservation;
mod stock;

use prost_types::Timestamp;
use serde_json::{Value, json};
use stockade_proto::v1::{
    Bucket, Consistency, NodeRole, OrderState, Reason, ReservationState, ResponseHeader,
};

pub(crate) use catalog::{location_object, location_table, sku_object, sku_table};
pub(crate) use ledger::{ledger_object, ledger_table, problem_object, problem_table};
pub(crate) use node::{node_object, node_table};
pub(crate) use order::{order_object, order_table, order_text};
pub(crate) use reservation::{reservation_object, reservation_table, reservation_text};
pub(crate) use stock::{
    availability_object, availability_table, past_stock_table, stock_object, stock_table,
};

use crate::words;

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
        "served_consistency": served_as(header.served_consistency()),
    })
}

/// `LEASE` of `CONSISTENCY_LEASE`; null of what is no read.
fn served_as(consistency: Consistency) -> Value {
    match consistency {
        Consistency::Unspecified => Value::Null,
        named => json!(named.as_str_name().trim_start_matches("CONSISTENCY_")),
    }
}

/// `PENDING_PAYMENT` of `ORDER_STATE_PENDING_PAYMENT`.
pub(crate) fn state(state: i32) -> &'static str {
    let name = OrderState::try_from(state).unwrap_or(OrderState::Unspecified).as_str_name();
    name.strip_prefix("ORDER_STATE_").unwrap_or(name)
}

/// `PARTIALLY_COMMITTED` of `RESERVATION_STATE_PARTIALLY_COMMITTED`.
pub(crate) fn reservation_state(state: i32) -> &'static str {
    let name = ReservationState::try_from(state).unwrap_or(ReservationState::Unspecified).as_str_name();
    name.strip_prefix("RESERVATION_STATE_").unwrap_or(name)
}

/// `CYCLE_COUNT` of `REASON_CYCLE_COUNT`.
fn reason(reason: i32) -> &'static str {
    let name = Reason::try_from(reason).unwrap_or(Reason::Unspecified).as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

/// `AVAILABLE` of `BUCKET_AVAILABLE`; empty for outside.
fn bucket(bucket: i32) -> &'static str {
    match Bucket::try_from(bucket).unwrap_or(Bucket::Unspecified) {
        Bucket::Unspecified => "",
        bucket => words::bucket_name(bucket),
    }
}

/// `LEADER` of `NODE_ROLE_LEADER`.
pub(crate) fn role(role: i32) -> &'static str {
    let name = NodeRole::try_from(role).unwrap_or(NodeRole::Unspecified).as_str_name();
    name.strip_prefix("NODE_ROLE_").unwrap_or(name)
}

/// Where units are. A line of what is not tracked, or of which nothing was there, is at no location.
fn location(id: &str) -> String {
    or_dash(id)
}

/// A dash where there is nothing.
fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// How to see the next page; empty on the last.
pub(crate) fn more(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("\nmore: --page-token {token}") }
}

/// A text for people on one line: what would move the cursor becomes a space.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enums_are_printed_without_their_prefix() {
        assert_eq!(state(i32::from(OrderState::PendingPayment)), "PENDING_PAYMENT");
        assert_eq!(reservation_state(i32::from(ReservationState::PartiallyCommitted)), "PARTIALLY_COMMITTED");
        assert_eq!(role(i32::from(NodeRole::Leader)), "LEADER");
        assert_eq!(reason(i32::from(Reason::CycleCount)), "CYCLE_COUNT");
        assert_eq!((bucket(i32::from(Bucket::SafetyStock)), bucket(0)), ("SAFETY_STOCK", ""));
        assert_eq!(state(99), "UNSPECIFIED");
    }

    #[test]
    fn a_name_with_line_breaks_stays_on_its_line() {
        assert_eq!(plain("a\nb\u{1b}[2J"), "a b [2J");
    }
}
