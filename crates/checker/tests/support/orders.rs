//! What is asked of orders, at once with other things or only to be tried.

use stockade_history::Asked;
use stockade_proto::v1;

use super::carts::seconds;

/// Field 15 of every mutation, `validate_only`, before its value.
const VALIDATE_ONLY: u8 = 15 << 3;
/// Field 1 of every mutation, `request_id`, with an empty text.
const NO_REQUEST_ID: [u8; 2] = [(1 << 3) | 2, 0];

/// An order is taken: SKU, location or nothing, quantity of each line.
#[allow(dead_code, reason = "what happens by chance places orders of its own")]
pub(crate) fn place(
    request_id: String,
    id: &str,
    lines: &[(&str, &str, i64)],
    sourcing: v1::Sourcing,
    policy: v1::ShortagePolicy,
) -> Asked {
    let line = |(sku, location, quantity): &(&str, &str, i64)| v1::NewOrderLine {
        sku_id: (*sku).to_owned(),
        location_id: (*location).to_owned(),
        quantity: *quantity,
        unit_price_minor: 250,
    };
    v1::PlaceOrderRequest {
        request_id,
        order_id: id.to_owned(),
        customer_id: format!("owner-of-{id}"),
        currency_code: "EUR".to_owned(),
        lines: lines.iter().map(line).collect(),
        hold_duration: Some(seconds(60)),
        sourcing: sourcing.into(),
        shortage_policy: policy.into(),
        validate_only: false,
    }
    .into()
}

/// It is paid.
pub(crate) fn confirm(request_id: String, id: &str, reacquire: bool, etag: &str) -> Asked {
    v1::ConfirmOrderRequest {
        request_id,
        order_id: id.to_owned(),
        payment_reference: "card".to_owned(),
        etag: etag.to_owned(),
        reacquire,
        validate_only: false,
    }
    .into()
}

/// It is held for longer.
pub(crate) fn extend(request_id: String, id: &str, hold_s: i64, etag: &str) -> Asked {
    v1::ExtendOrderRequest {
        request_id,
        order_id: id.to_owned(),
        hold_duration: Some(seconds(hold_s)),
        etag: etag.to_owned(),
        validate_only: false,
    }
    .into()
}

/// Line, location or nothing, and quantity of each item.
fn quantities(lines: &[(i32, &str, i64)]) -> Vec<v1::LineQuantity> {
    let line = |(line, location, quantity): &(i32, &str, i64)| v1::LineQuantity {
        line: *line,
        quantity: *quantity,
        location_id: (*location).to_owned(),
    };
    lines.iter().map(line).collect()
}

/// Units leave.
pub(crate) fn ship(
    request_id: String,
    id: &str,
    lines: &[(i32, &str, i64)],
    document: &str,
    close_s: Option<i64>,
) -> Asked {
    v1::ShipOrderRequest {
        request_id,
        order_id: id.to_owned(),
        lines: quantities(lines),
        tracking_number: format!("track-{document}"),
        document_id: document.to_owned(),
        close_after: close_s.map(seconds),
        ..v1::ShipOrderRequest::default()
    }
    .into()
}

/// Some units are given back before they ship.
pub(crate) fn cancel(request_id: String, id: &str, lines: &[(i32, &str, i64)]) -> Asked {
    let (order_id, lines) = (id.to_owned(), quantities(lines));
    v1::CancelOrderRequest { request_id, order_id, lines, ..Default::default() }.into()
}

/// It is done with.
pub(crate) fn close(request_id: String, id: &str, etag: &str) -> Asked {
    let (order_id, etag) = (id.to_owned(), etag.to_owned());
    v1::CloseOrderRequest { request_id, order_id, etag, validate_only: false }.into()
}

/// Some units come back.
pub(crate) fn give_back(request_id: String, id: &str, lines: &[(i32, &str, i64)]) -> Asked {
    let line = |(line, location, quantity): &(i32, &str, i64)| v1::ReturnLine {
        line: *line,
        quantity: *quantity,
        location_id: (*location).to_owned(),
        ..v1::ReturnLine::default()
    };
    let (order_id, lines) = (id.to_owned(), lines.iter().map(line).collect());
    v1::ReturnOrderRequest { request_id, order_id, lines, ..Default::default() }.into()
}

/// Several things at once, under conditions.
pub(crate) fn transact(request_id: String, preconditions: Vec<v1::Precondition>, all: &[Asked]) -> Asked {
    let operation = |asked: &Asked| v1::Mutation { timeout: None, request: unnamed(asked).mutation() };
    let operations = all.iter().map(operation).collect();
    v1::TransactRequest { request_id, preconditions, operations, validate_only: false }.into()
}

/// Of what something must hold, and what.
pub(crate) fn precondition(
    subject: v1::precondition_subject::Subject,
    condition: v1::precondition::Condition,
) -> v1::Precondition {
    let subject = Some(v1::PreconditionSubject { subject: Some(subject) });
    v1::Precondition { subject, condition: Some(condition) }
}

fn with(asked: &Asked, field: &[u8]) -> Asked {
    let mut bytes = asked.encode();
    // Of a field that stands twice the last one counts.
    bytes.extend_from_slice(field);
    Asked::decode(asked.kind(), &bytes).expect("a message and one more field")
}

/// A mutation as a trial.
pub(crate) fn tried(asked: &Asked) -> Asked {
    with(asked, &[VALIDATE_ONLY, 1])
}

/// A trial as a mutation for good.
pub(crate) fn for_good(asked: &Asked) -> Asked {
    with(asked, &[VALIDATE_ONLY, 0])
}

/// A mutation without a request id, as an operation.
fn unnamed(asked: &Asked) -> Asked {
    with(asked, &NO_REQUEST_ID)
}
