//! An outcome of each kind, and a rejection of each.

use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::rejection::{
    Current, ExceededLine, FailedPrecondition, LimitBreach, Resource, Shortage,
};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Outcome, Rejection, StockKey};

use crate::samples::*;
use crate::strategies::ORDER_STATES;

pub(crate) fn sample_outcomes() -> Vec<Outcome> {
    let key = StockKey { sku: sku(), location: main_location() };
    let mut outcomes = vec![
        Outcome::SkuCreated(sample_sku()),
        Outcome::SkuUpdated(sample_sku()),
        Outcome::SkuDeleted,
        Outcome::LocationCreated(sample_location()),
        Outcome::LocationUpdated(sample_location()),
        Outcome::LocationDeleted,
        Outcome::StockReceived(key.clone(), sample_stock()),
        Outcome::StockAdjusted(key.clone(), sample_stock()),
        Outcome::StockSet(key.clone(), sample_stock()),
        Outcome::StockMoved(key, sample_stock()),
        Outcome::DueExpired { holds: 3, more: true },
        Outcome::RequestAbandoned,
    ];
    outcomes.extend(sample_order_outcomes());
    outcomes.extend(sample_reservation_outcomes());
    outcomes.push(Outcome::Transacted(vec![
        Outcome::OrderClosed { order: order() },
        Outcome::SkuDeleted,
        Outcome::ReservationMoved { reservation: cart(), moved: 4 },
    ]));
    outcomes.extend(sample_rejections().into_iter().map(Outcome::Rejected));
    outcomes
}

fn sources() -> Vec<Source> {
    vec![
        Source { line: 1, location: Some(main_location()), quantity: 4 },
        Source { line: 300, location: None, quantity: 300 },
    ]
}

fn sample_order_outcomes() -> [Outcome; 7] {
    let (order, expires) = (order(), NOW);
    [
        Outcome::OrderPlaced { order: order.clone(), expires, sources: sources() },
        Outcome::OrderConfirmed { order: order.clone() },
        Outcome::OrderExtended { order: order.clone(), expires },
        Outcome::OrderShipped {
            order: order.clone(),
            state: OrderState::PartiallyShipped,
            shipped: 4,
            parcel: 2,
        },
        Outcome::OrderCancelled { order: order.clone(), state: OrderState::Shipped, cancelled: 1 },
        Outcome::OrderClosed { order: order.clone() },
        Outcome::OrderReturned { order, state: OrderState::PartiallyReturned, returned: 1 },
    ]
}

fn sample_reservation_outcomes() -> [Outcome; 6] {
    let committed = |state, order_state| Outcome::ReservationCommitted {
        reservation: cart(),
        state,
        order: order(),
        order_state,
        expires: NOW,
        committed: 4,
    };
    [
        Outcome::ReservationCreated { reservation: cart(), expires: NOW, sources: sources() },
        Outcome::ReservationExtended { reservation: cart(), expires: NOW },
        committed(ReservationState::PartiallyCommitted, OrderState::Confirmed),
        committed(ReservationState::Committed, OrderState::PendingPayment),
        Outcome::ReservationReleased { reservation: cart(), state: ReservationState::Active, released: 4 },
        Outcome::ReservationMoved { reservation: cart(), moved: 4 },
    ]
}

pub(crate) fn sample_rejections() -> Vec<Rejection> {
    let order = order();
    let exceeded = || vec![ExceededLine { line: 1, asked: 9, left: 4 }];
    let settled = |state| Rejection::ReservationSettled { reservation: cart(), state };
    let current = [
        Current::Missing,
        Current::Version(sample_version()),
        Current::Quantity(300),
        Current::OrderState(OrderState::Expired),
        Current::ReservationState(ReservationState::Expired),
    ];
    let failed = (1..).zip(current).map(|(number, current)| FailedPrecondition { number, current });
    let shortage = |location: Option<LocationId>, next_expiry| Shortage {
        line: 1,
        sku: sku(),
        together: location.is_none(),
        location,
        bucket: Bucket::Available,
        asked: 9,
        available: 4,
        next_expiry,
    };
    let mut rejections = vec![
        Rejection::Malformed(MALFORMED_RULES[0]),
        Rejection::RequestIdReused,
        Rejection::RequestIdExpired { horizon_ms: 300 },
        Rejection::RequestIdInFuture { now_ms: 300 },
        Rejection::RequestAbandoned,
        Rejection::NotFound(Resource::Sku(sku())),
        Rejection::NotFound(Resource::Order(order.clone())),
        Rejection::NotFound(Resource::OrderLine(order.clone(), 9)),
        Rejection::AlreadyExists(Resource::Document(document())),
        Rejection::ReservationExpired { holder: Holder::Order(order.clone()), expired: NOW },
        Rejection::NotFound(Resource::Location(main_location())),
        Rejection::EtagMismatch { resource: Resource::Sku(sku()), current: sample_version() },
        Rejection::QuantityStale {
            sku: sku(),
            location: main_location(),
            bucket: Bucket::Damaged,
            current: 4,
        },
        Rejection::SkuInUse { sku: sku(), location: main_location() },
        Rejection::LocationInUse { location: main_location(), sku: sku() },
        Rejection::LocationDisabled { location: main_location() },
        Rejection::PurchaseLimit { breaches: vec![LimitBreach { sku: sku(), asked: 9, min: 1, max: 5 }] },
        Rejection::QuantityExceeded { holder: Holder::Order(order.clone()), lines: exceeded() },
        Rejection::QuantityOverflow,
        Rejection::InsufficientStock {
            shortages: vec![shortage(None, Some(NOW)), shortage(Some(main_location()), None)],
        },
        Rejection::RetryAfterExpiry,
        Rejection::NotFound(Resource::Reservation(cart())),
        Rejection::NotFound(Resource::ReservationLine(cart(), 9)),
        Rejection::ReservationExpired { holder: Holder::Reservation(cart()), expired: NOW },
        settled(ReservationState::Released),
        settled(ReservationState::Expired),
        Rejection::QuantityExceeded { holder: Holder::Reservation(cart()), lines: exceeded() },
        Rejection::TooLarge { holder: Holder::Order(order.clone()) },
        Rejection::PreconditionFailed { failed: failed.collect() },
        Rejection::OperationRejected {
            operation: 300,
            rejection: Box::new(Rejection::LocationDisabled { location: main_location() }),
        },
    ];
    // A state and an operation each, so that their numbers stay.
    let operations = [
        Operation::Confirm,
        Operation::Extend,
        Operation::Ship,
        Operation::Cancel,
        Operation::Return,
        Operation::Close,
    ];
    for (state, operation) in ORDER_STATES.into_iter().zip(operations.into_iter().cycle()) {
        rejections.push(Rejection::IllegalTransition { order: order.clone(), state, operation });
    }
    rejections
}
