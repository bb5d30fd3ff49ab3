//! Refusals of the log: the reason of each, and what is told with it.

use std::collections::BTreeMap;

use stockade_history::{Answer, Fate, Outcome as Ending};
use stockade_state_machine::Rejection;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::rejection::Current;

use crate::convert;

/// What is told to be allowed where that is nothing.
const NOTHING: &str = "nothing";

/// A refusal's reason, and the metadata that docs/reference/errors.md promises.
pub(crate) fn reason_and_metadata(rejection: &Rejection) -> (&'static str, BTreeMap<String, String>) {
    let mut metadata = BTreeMap::new();
    let mut tell = |key: &str, value: &dyn ToString| {
        metadata.insert(key.to_owned(), value.to_string());
    };
    tell_of(rejection, &mut tell);
    (reason(rejection), metadata)
}

fn reason(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Malformed(_) => "INVALID_ARGUMENT",
        Rejection::RequestIdReused => "REQUEST_ID_REUSED",
        Rejection::RequestIdExpired { .. } => "REQUEST_ID_EXPIRED",
        Rejection::RequestIdInFuture { .. } => "REQUEST_ID_IN_FUTURE",
        Rejection::RequestAbandoned => "REQUEST_ABANDONED",
        Rejection::NotFound(_) => "NOT_FOUND",
        Rejection::AlreadyExists(_) => "ALREADY_EXISTS",
        Rejection::ReservationExpired { .. } => "RESERVATION_EXPIRED",
        Rejection::IllegalTransition { .. } | Rejection::ReservationSettled { .. } => "ILLEGAL_TRANSITION",
        Rejection::EtagMismatch { .. } => "ETAG_MISMATCH",
        Rejection::QuantityStale { .. } => "QUANTITY_STALE",
        Rejection::PreconditionFailed { .. } => "PRECONDITION_FAILED",
        // "Errors: those of the first operation that is refused."
        Rejection::OperationRejected { operation: _, rejection } => reason(rejection),
        Rejection::SkuInUse { .. } => "SKU_IN_USE",
        Rejection::LocationInUse { .. } => "LOCATION_IN_USE",
        Rejection::LocationDisabled { .. } => "LOCATION_DISABLED",
        Rejection::TooLarge { .. } => "TOO_LARGE",
        Rejection::PurchaseLimit { .. } => "PURCHASE_LIMIT",
        Rejection::QuantityExceeded { .. } => "QUANTITY_EXCEEDED",
        Rejection::QuantityOverflow => "QUANTITY_OVERFLOW",
        Rejection::InsufficientStock { .. } => "INSUFFICIENT_STOCK",
        Rejection::RetryAfterExpiry => "OVERLOADED",
    }
}

fn tell_of(rejection: &Rejection, tell: &mut impl FnMut(&str, &dyn ToString)) {
    match rejection {
        Rejection::Malformed(_)
        | Rejection::RequestIdReused
        | Rejection::RequestAbandoned
        | Rejection::NotFound(_)
        | Rejection::AlreadyExists(_)
        | Rejection::QuantityOverflow
        | Rejection::RetryAfterExpiry => {}
        Rejection::RequestIdExpired { horizon_ms } => tell("horizon_ms", horizon_ms),
        Rejection::RequestIdInFuture { now_ms } => tell("log_time_ms", now_ms),
        Rejection::ReservationExpired { holder, expired } => {
            tell_holder(holder, tell);
            // An order gives back all that it held. Of a reservation orders may have taken a part before.
            if holder.order().is_some() {
                tell("state", &OrderState::Expired.name());
            }
            tell("expire_time_us", &expired.micros());
        }
        Rejection::IllegalTransition { order, state, operation } => {
            tell("order_id", order);
            tell("state", &state.name());
            tell("operation", &operation.name());
            tell("allowed", &allowed(*state));
        }
        Rejection::ReservationSettled { reservation, state } => {
            tell("reservation_id", reservation);
            tell("state", &state.name());
            tell("allowed", &NOTHING);
        }
        Rejection::EtagMismatch { resource: _, current } => tell("etag", &convert::etag(*current)),
        Rejection::QuantityStale { sku, location, bucket, current } => {
            tell("sku_id", sku);
            tell("location_id", location);
            tell("bucket", &bucket.name());
            tell("current_quantity", current);
        }
        Rejection::PreconditionFailed { failed } => {
            tell("failed", &failed.len());
            if let [only] = failed.as_slice() {
                tell("precondition", &only.number);
                tell("current", &current(only.current));
            }
        }
        Rejection::OperationRejected { operation, rejection } => {
            tell_of(rejection, tell);
            tell("operation_number", operation);
        }
        Rejection::SkuInUse { sku, location } | Rejection::LocationInUse { location, sku } => {
            tell("sku_id", sku);
            tell("location_id", location);
        }
        Rejection::LocationDisabled { location } => tell("location_id", location),
        Rejection::TooLarge { holder } => tell_holder(holder, tell),
        Rejection::PurchaseLimit { breaches } => {
            tell("breaches", &breaches.len());
            if let [only] = breaches.as_slice() {
                tell("sku_id", &only.sku);
                tell("asked", &only.asked);
                tell("min_per_order", &only.min);
                tell("max_per_order", &only.max);
            }
        }
        Rejection::QuantityExceeded { holder, lines } => {
            tell_holder(holder, tell);
            tell("lines", &lines.len());
        }
        Rejection::InsufficientStock { shortages } => {
            tell("shortages", &shortages.len());
            if let [only] = shortages.as_slice() {
                tell("sku_id", &only.sku);
                tell("asked", &only.asked);
                tell("available", &only.available);
                if let Some(time) = only.next_expiry {
                    tell("next_expiry_time_us", &time.micros());
                }
            }
        }
    }
}

/// What is allowed from a state, as it is told.
fn allowed(state: OrderState) -> String {
    let names: Vec<_> = state.allowed().iter().map(|operation| operation.name()).collect();
    if names.is_empty() { NOTHING.to_owned() } else { names.join(", ") }
}

/// What is the case where a precondition does not hold, as it is told.
fn current(current: Current) -> String {
    match current {
        Current::Missing => "does not exist".to_owned(),
        Current::Version(version) => format!("has etag {}", convert::etag(version)),
        Current::Quantity(units) => format!("has {units} units"),
        Current::OrderState(state) => format!("is {}", state.name()),
        Current::ReservationState(state) => format!("is {}", state.name()),
    }
}

fn tell_holder(holder: &Holder, tell: &mut impl FnMut(&str, &dyn ToString)) {
    match holder {
        Holder::Order(id) => tell("order_id", id),
        Holder::Reservation(id) => tell("reservation_id", id),
    }
}

/// A refusal of the log.
pub(crate) fn refusal(rejection: &Rejection) -> Ending<Answer> {
    let (reason, metadata) = reason_and_metadata(rejection);
    let fate = match rejection {
        Rejection::RequestIdExpired { .. } => Fate::Unknown,
        Rejection::Malformed(_)
        | Rejection::RequestIdReused
        | Rejection::RequestIdInFuture { .. }
        | Rejection::RequestAbandoned
        | Rejection::NotFound(_)
        | Rejection::AlreadyExists(_)
        | Rejection::ReservationExpired { .. }
        | Rejection::IllegalTransition { .. }
        | Rejection::ReservationSettled { .. }
        | Rejection::EtagMismatch { .. }
        | Rejection::QuantityStale { .. }
        | Rejection::PreconditionFailed { .. }
        | Rejection::OperationRejected { .. }
        | Rejection::SkuInUse { .. }
        | Rejection::LocationInUse { .. }
        | Rejection::LocationDisabled { .. }
        | Rejection::TooLarge { .. }
        | Rejection::PurchaseLimit { .. }
        | Rejection::QuantityExceeded { .. }
        | Rejection::QuantityOverflow
        | Rejection::InsufficientStock { .. }
        | Rejection::RetryAfterExpiry => Fate::NotApplied,
    };
    Ending::Refused {
        reason: reason.to_owned(),
        message: String::new(),
        metadata,
        logged: true,
        fate: Some(fate),
    }
}

/// True of reasons that only the log can give to a write, and only a state to what is tried.
pub(crate) fn is_of_the_log(reason: &str) -> bool {
    matches!(
        reason,
        "REQUEST_ID_REUSED"
            | "REQUEST_ID_EXPIRED"
            | "REQUEST_ID_IN_FUTURE"
            | "REQUEST_ABANDONED"
            | "NOT_FOUND"
            | "ALREADY_EXISTS"
            | "RESERVATION_EXPIRED"
            | "ILLEGAL_TRANSITION"
            | "ETAG_MISMATCH"
            | "QUANTITY_STALE"
            | "SKU_IN_USE"
            | "LOCATION_IN_USE"
            | "LOCATION_DISABLED"
            | "PRECONDITION_FAILED"
            | "TOO_LARGE"
            | "PURCHASE_LIMIT"
            | "QUANTITY_EXCEEDED"
            | "QUANTITY_OVERFLOW"
            | "INSUFFICIENT_STOCK"
    )
}
