//! Refusals of the log: the reason of each, and what is told with it.

use std::collections::BTreeMap;

use stockade_history::{Answer, Fate, Outcome as Ending};
use stockade_state_machine::Rejection;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::order::OrderState;

use crate::convert;

/// A refusal's reason, and the metadata that docs/reference/errors.md promises.
pub(crate) fn reason_and_metadata(rejection: &Rejection) -> (&'static str, BTreeMap<String, String>) {
    let mut metadata = BTreeMap::new();
    let mut tell = |key: &str, value: &dyn ToString| {
        metadata.insert(key.to_owned(), value.to_string());
    };
    let reason = match rejection {
        Rejection::Malformed(_) => "INVALID_ARGUMENT",
        Rejection::RequestIdReused => "REQUEST_ID_REUSED",
        Rejection::RequestIdExpired { horizon_ms } => {
            tell("horizon_ms", horizon_ms);
            "REQUEST_ID_EXPIRED"
        }
        Rejection::RequestIdInFuture { now_ms } => {
            tell("log_time_ms", now_ms);
            "REQUEST_ID_IN_FUTURE"
        }
        Rejection::RequestAbandoned => "REQUEST_ABANDONED",
        Rejection::NotFound(_) => "NOT_FOUND",
        Rejection::AlreadyExists(_) => "ALREADY_EXISTS",
        Rejection::ReservationExpired { holder, expired } => {
            let (key, id) = id_of(holder);
            tell(key, id);
            // An order gives back all that it held. Of a reservation orders may have taken a part before.
            if holder.order().is_some() {
                tell("state", &OrderState::Expired.name());
            }
            tell("expire_time_us", &expired.micros());
            "RESERVATION_EXPIRED"
        }
        Rejection::IllegalTransition { order, state, operation } => {
            tell("order_id", order);
            tell("state", &state.name());
            tell("operation", &operation.name());
            "ILLEGAL_TRANSITION"
        }
        Rejection::ReservationSettled { reservation, state } => {
            tell("reservation_id", reservation);
            tell("state", &state.name());
            "ILLEGAL_TRANSITION"
        }
        Rejection::EtagMismatch { resource: _, current } => {
            tell("etag", &convert::etag(*current));
            "ETAG_MISMATCH"
        }
        Rejection::QuantityStale { sku, location, bucket, current } => {
            tell("sku_id", sku);
            tell("location_id", location);
            tell("bucket", &bucket.name());
            tell("current_quantity", current);
            "QUANTITY_STALE"
        }
        Rejection::SkuInUse { sku, location } => {
            tell("sku_id", sku);
            tell("location_id", location);
            "SKU_IN_USE"
        }
        Rejection::LocationInUse { location, sku } => {
            tell("location_id", location);
            tell("sku_id", sku);
            "LOCATION_IN_USE"
        }
        Rejection::LocationDisabled { location } => {
            tell("location_id", location);
            "LOCATION_DISABLED"
        }
        Rejection::PurchaseLimit { breaches } => {
            tell("breaches", &breaches.len());
            if let [only] = breaches.as_slice() {
                tell("sku_id", &only.sku);
                tell("asked", &only.asked);
                tell("min_per_order", &only.min);
                tell("max_per_order", &only.max);
            }
            "PURCHASE_LIMIT"
        }
        Rejection::QuantityExceeded { holder, lines } => {
            let (key, id) = id_of(holder);
            tell(key, id);
            tell("lines", &lines.len());
            "QUANTITY_EXCEEDED"
        }
        Rejection::QuantityOverflow => "QUANTITY_OVERFLOW",
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
            "INSUFFICIENT_STOCK"
        }
        Rejection::RetryAfterExpiry => "OVERLOADED",
    };
    (reason, metadata)
}

/// Under which name the holder's id is told, and the id.
fn id_of(holder: &Holder) -> (&'static str, &dyn ToString) {
    match holder {
        Holder::Order(id) => ("order_id", id),
        Holder::Reservation(id) => ("reservation_id", id),
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
        | Rejection::SkuInUse { .. }
        | Rejection::LocationInUse { .. }
        | Rejection::LocationDisabled { .. }
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

/// True of reasons that only the log can give to a write.
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
            | "PURCHASE_LIMIT"
            | "QUANTITY_EXCEEDED"
            | "QUANTITY_OVERFLOW"
            | "INSUFFICIENT_STOCK"
    )
}
