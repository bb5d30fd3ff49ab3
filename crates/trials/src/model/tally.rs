//! How often each answer was given: a run proves nothing of those that it never got.

use std::collections::BTreeMap;

use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::outcome::{Outcome, Reply};
use stockade_state_machine::rejection::{Rejection, Resource};

/// Every answer that there is.
const ANSWERS: [&str; 55] = [
    "SkuCreated",
    "SkuUpdated",
    "SkuDeleted",
    "LocationCreated",
    "LocationUpdated",
    "LocationDeleted",
    "StockReceived",
    "StockAdjusted",
    "StockSet",
    "StockMoved",
    "OrderPlaced",
    "OrderConfirmed",
    "OrderExtended",
    "OrderShipped",
    "OrderCancelled",
    "OrderClosed",
    "OrderReturned",
    "ReservationCreated",
    "ReservationExtended",
    "ReservationCommitted",
    "ReservationReleased",
    "ReservationMoved",
    "Transacted",
    "DueExpired",
    "RequestAbandoned",
    "RequestIdReused",
    "RequestIdExpired",
    "RequestIdInFuture",
    "Abandoned",
    "NotFound sku",
    "NotFound location",
    "NotFound order",
    "NotFound line",
    "NotFound reservation",
    "NotFound reservation line",
    "AlreadyExists sku",
    "AlreadyExists location",
    "AlreadyExists order",
    "AlreadyExists reservation",
    "AlreadyExists document",
    "ReservationSettled COMMITTED",
    "ReservationSettled RELEASED",
    "EtagMismatch",
    "QuantityStale",
    "PreconditionFailed",
    "OperationRejected",
    "TooLarge",
    "SkuInUse",
    "LocationInUse",
    "LocationDisabled",
    "PurchaseLimit",
    "QuantityExceeded",
    "QuantityExceeded reservation",
    "QuantityOverflow",
    "RetryAfterExpiry",
];

/// Operations that a state doesn't allow. Payment of an expired order has an answer of its own.
const ILLEGAL: [(&str, &[&str]); 6] = [
    (
        "CONFIRM",
        &[
            "CONFIRMED",
            "PARTIALLY_SHIPPED",
            "SHIPPED",
            "PARTIALLY_RETURNED",
            "RETURNED",
            "CANCELLED",
            "CLOSED",
        ],
    ),
    (
        "EXTEND",
        &[
            "CONFIRMED",
            "PARTIALLY_SHIPPED",
            "SHIPPED",
            "PARTIALLY_RETURNED",
            "RETURNED",
            "CANCELLED",
            "CLOSED",
        ],
    ),
    (
        "SHIP",
        &["PENDING_PAYMENT", "SHIPPED", "PARTIALLY_RETURNED", "RETURNED", "CANCELLED", "EXPIRED", "CLOSED"],
    ),
    ("CANCEL", &["SHIPPED", "PARTIALLY_RETURNED", "RETURNED", "CANCELLED", "EXPIRED", "CLOSED"]),
    (
        "CLOSE",
        &[
            "PENDING_PAYMENT",
            "CONFIRMED",
            "PARTIALLY_SHIPPED",
            "PARTIALLY_RETURNED",
            "RETURNED",
            "CANCELLED",
            "EXPIRED",
            "CLOSED",
        ],
    ),
    ("RETURN", &["PENDING_PAYMENT", "CONFIRMED", "RETURNED", "CANCELLED", "EXPIRED"]),
];

/// Counts answers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answers: BTreeMap<String, u64>,
    /// Answers that were given a second time.
    pub(super) replayed: u64,
}

impl Tally {
    /// Counts an answer.
    pub(super) fn count(&mut self, reply: &Reply) {
        if reply.replayed {
            self.replayed += 1;
        } else {
            *self.answers.entry(name(&reply.outcome)).or_default() += 1;
        }
    }

    /// The answers that were never given.
    pub(super) fn never(&self) -> Vec<String> {
        let illegal = ILLEGAL.into_iter().flat_map(|(operation, states)| {
            states.iter().map(move |state| format!("IllegalTransition {operation} {state}"))
        });
        let malformed = MALFORMED_RULES.into_iter().map(|rule| format!("Malformed: {rule}"));
        let other = [
            "ReservationExpired order",
            "ReservationExpired reservation",
            "InsufficientStock lines",
            "InsufficientStock bucket",
        ];
        let all = ANSWERS.into_iter().chain(other).map(str::to_owned).chain(illegal).chain(malformed);
        all.filter(|answer| !self.answers.contains_key(answer)).collect()
    }
}

fn name(outcome: &Outcome) -> String {
    let name = match outcome {
        Outcome::SkuCreated(_) => "SkuCreated",
        Outcome::SkuUpdated(_) => "SkuUpdated",
        Outcome::SkuDeleted => "SkuDeleted",
        Outcome::LocationCreated(_) => "LocationCreated",
        Outcome::LocationUpdated(_) => "LocationUpdated",
        Outcome::LocationDeleted => "LocationDeleted",
        Outcome::StockReceived(..) => "StockReceived",
        Outcome::StockAdjusted(..) => "StockAdjusted",
        Outcome::StockSet(..) => "StockSet",
        Outcome::StockMoved(..) => "StockMoved",
        Outcome::OrderPlaced { .. } => "OrderPlaced",
        Outcome::OrderConfirmed { .. } => "OrderConfirmed",
        Outcome::OrderExtended { .. } => "OrderExtended",
        Outcome::OrderClosed { .. } => "OrderClosed",
        Outcome::Transacted(_) => "Transacted",
        Outcome::OrderShipped { .. } => "OrderShipped",
        Outcome::OrderCancelled { .. } => "OrderCancelled",
        Outcome::OrderReturned { .. } => "OrderReturned",
        Outcome::ReservationCreated { .. } => "ReservationCreated",
        Outcome::ReservationExtended { .. } => "ReservationExtended",
        Outcome::ReservationCommitted { .. } => "ReservationCommitted",
        Outcome::ReservationReleased { .. } => "ReservationReleased",
        Outcome::ReservationMoved { .. } => "ReservationMoved",
        Outcome::DueExpired { .. } => "DueExpired",
        Outcome::RequestAbandoned => "RequestAbandoned",
        Outcome::Rejected(rejection) => return rejection_name(rejection),
    };
    name.to_owned()
}

fn rejection_name(rejection: &Rejection) -> String {
    let name = match rejection {
        Rejection::Malformed(rule) => return format!("Malformed: {rule}"),
        Rejection::IllegalTransition { state, operation, order: _ } => {
            return format!("IllegalTransition {} {}", operation.name(), state.name());
        }
        Rejection::NotFound(resource) => return format!("NotFound {}", resource_name(resource)),
        Rejection::AlreadyExists(resource) => return format!("AlreadyExists {}", resource_name(resource)),
        Rejection::RequestIdReused => "RequestIdReused",
        Rejection::RequestIdExpired { .. } => "RequestIdExpired",
        Rejection::RequestIdInFuture { .. } => "RequestIdInFuture",
        Rejection::RequestAbandoned => "Abandoned",
        Rejection::ReservationExpired { holder: Holder::Order(_), .. } => "ReservationExpired order",
        Rejection::ReservationExpired { holder: Holder::Reservation(_), .. } => {
            "ReservationExpired reservation"
        }
        Rejection::ReservationSettled { state, .. } => return format!("ReservationSettled {}", state.name()),
        Rejection::EtagMismatch { .. } => "EtagMismatch",
        Rejection::QuantityStale { .. } => "QuantityStale",
        Rejection::PreconditionFailed { .. } => "PreconditionFailed",
        Rejection::OperationRejected { .. } => "OperationRejected",
        Rejection::TooLarge { .. } => "TooLarge",
        Rejection::LocationInUse { .. } => "LocationInUse",
        Rejection::LocationDisabled { .. } => "LocationDisabled",
        Rejection::PurchaseLimit { .. } => "PurchaseLimit",
        Rejection::SkuInUse { .. } => "SkuInUse",
        Rejection::QuantityExceeded { holder: Holder::Order(_), .. } => "QuantityExceeded",
        Rejection::QuantityExceeded { holder: Holder::Reservation(_), .. } => "QuantityExceeded reservation",
        Rejection::QuantityOverflow => "QuantityOverflow",
        Rejection::InsufficientStock { shortages } => {
            let of_lines = shortages.iter().any(|shortage| shortage.line > 0);
            if of_lines { "InsufficientStock lines" } else { "InsufficientStock bucket" }
        }
        Rejection::RetryAfterExpiry => "RetryAfterExpiry",
    };
    name.to_owned()
}

fn resource_name(resource: &Resource) -> &'static str {
    match resource {
        Resource::Sku(_) => "sku",
        Resource::Location(_) => "location",
        Resource::Order(_) => "order",
        Resource::OrderLine(..) => "line",
        Resource::Reservation(_) => "reservation",
        Resource::ReservationLine(..) => "reservation line",
        Resource::Document(_) => "document",
    }
}
