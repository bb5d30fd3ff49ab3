//! What is asked of reservations.

use prost_types::Duration;
use stockade_history::Asked;
use stockade_proto::v1;

/// Whether the order of a reservation is paid.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paid {
    /// With this reference.
    By(&'static str),
    /// Not yet: it waits so many seconds.
    In(i64),
}

pub(crate) fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

/// Units are held: SKU, location or nothing, quantity of each line.
pub(crate) fn create(request_id: String, id: &str, lines: &[(&str, &str, i64)], hold_s: i64) -> Asked {
    let line = |(sku, location, quantity): &(&str, &str, i64)| v1::NewOrderLine {
        sku_id: (*sku).to_owned(),
        location_id: (*location).to_owned(),
        quantity: *quantity,
        unit_price_minor: 250,
    };
    v1::CreateReservationRequest {
        request_id,
        reservation_id: id.to_owned(),
        customer_id: format!("owner-of-{id}"),
        currency_code: "EUR".to_owned(),
        lines: lines.iter().map(line).collect(),
        hold_duration: Some(seconds(hold_s)),
        ..v1::CreateReservationRequest::default()
    }
    .into()
}

/// They are held for longer.
pub(crate) fn extend(request_id: String, id: &str, hold_s: i64) -> Asked {
    v1::ExtendReservationRequest {
        request_id,
        reservation_id: id.to_owned(),
        hold_duration: Some(seconds(hold_s)),
        ..v1::ExtendReservationRequest::default()
    }
    .into()
}

fn quantities(lines: &[(i32, i64)]) -> Vec<v1::LineQuantity> {
    let line = |(line, quantity): &(i32, i64)| v1::LineQuantity {
        line: *line,
        quantity: *quantity,
        location_id: String::new(),
    };
    lines.iter().map(line).collect()
}

/// An order takes some of them.
pub(crate) fn commit(request_id: String, id: &str, order: &str, lines: &[(i32, i64)], paid: Paid) -> Asked {
    let (hold_duration, payment_reference) = match paid {
        Paid::By(reference) => (None, reference.to_owned()),
        Paid::In(hold_s) => (Some(seconds(hold_s)), String::new()),
    };
    v1::CommitReservationRequest {
        request_id,
        reservation_id: id.to_owned(),
        order_id: order.to_owned(),
        customer_id: String::new(),
        lines: quantities(lines),
        hold_duration,
        payment_reference,
        ..v1::CommitReservationRequest::default()
    }
    .into()
}

/// Some are given back.
pub(crate) fn release(request_id: String, id: &str, lines: &[(i32, i64)]) -> Asked {
    let reservation_id = id.to_owned();
    let lines = quantities(lines);
    v1::ReleaseReservationRequest { request_id, reservation_id, lines, ..Default::default() }.into()
}

/// They are held elsewhere.
pub(crate) fn relocate(request_id: String, id: &str, lines: &[i32], location: &str) -> Asked {
    v1::MoveReservationRequest {
        request_id,
        reservation_id: id.to_owned(),
        lines: lines.to_vec(),
        location_id: location.to_owned(),
        ..v1::MoveReservationRequest::default()
    }
    .into()
}
