//! Random outcomes, rejections, replies and request records.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::command::MALFORMED_RULES;
use stockade_state_machine::order::Operation;
use stockade_state_machine::outcome::Source;
use stockade_state_machine::rejection::{
    Current, ExceededLine, FailedPrecondition, LimitBreach, Resource, Shortage,
};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{ContentHash, Outcome, Rejection, Reply, StockKey};

use crate::strategies::*;

fn resources() -> impl Strategy<Value = Resource> {
    prop_oneof![
        skus().prop_map(Resource::Sku),
        locations().prop_map(Resource::Location),
        orders().prop_map(Resource::Order),
        (orders(), any::<u32>()).prop_map(|(order, line)| Resource::OrderLine(order, line)),
        reservations().prop_map(Resource::Reservation),
        (reservations(), any::<u32>())
            .prop_map(|(reservation, line)| Resource::ReservationLine(reservation, line)),
        documents().prop_map(Resource::Document),
    ]
}

fn rejections() -> impl Strategy<Value = Rejection> {
    let current = prop_oneof![
        Just(Current::Missing),
        versions().prop_map(Current::Version),
        any::<i64>().prop_map(Current::Quantity),
        order_states().prop_map(Current::OrderState),
        reservation_states().prop_map(Current::ReservationState),
    ];
    let failed = (any::<u32>(), current).prop_map(|(number, current)| FailedPrecondition { number, current });
    prop_oneof![
        8 => plain_rejections(),
        1 => vec(failed, 1..4).prop_map(|failed| Rejection::PreconditionFailed { failed }),
        1 => (any::<u32>(), plain_rejections()).prop_map(|(operation, rejection)| {
            Rejection::OperationRejected { operation, rejection: Box::new(rejection) }
        }),
    ]
}

/// Those that an operation of a transaction can have.
fn plain_rejections() -> impl Strategy<Value = Rejection> {
    let operations = prop::sample::select(vec![
        Operation::Confirm,
        Operation::Extend,
        Operation::Ship,
        Operation::Cancel,
        Operation::Return,
        Operation::Close,
    ]);
    let exceeded = (any::<u32>(), any::<i64>(), any::<i64>()).prop_map(|(line, asked, left)| ExceededLine {
        line,
        asked,
        left,
    });
    let place = (skus(), option::of(locations()), any::<bool>(), buckets());
    let shortage = (any::<u32>(), place, any::<i64>(), any::<i64>(), option::of(times())).prop_map(
        |(line, (sku, location, together, bucket), asked, available, next_expiry)| Shortage {
            line,
            sku,
            location,
            together,
            bucket,
            asked,
            available,
            next_expiry,
        },
    );
    let breach = (skus(), any::<i64>(), any::<i64>(), any::<i64>())
        .prop_map(|(sku, asked, min, max)| LimitBreach { sku, asked, min, max });
    prop_oneof![
        prop::sample::select(MALFORMED_RULES.to_vec()).prop_map(Rejection::Malformed),
        Just(Rejection::RequestIdReused),
        any::<u64>().prop_map(|horizon_ms| Rejection::RequestIdExpired { horizon_ms }),
        any::<u64>().prop_map(|now_ms| Rejection::RequestIdInFuture { now_ms }),
        Just(Rejection::RequestAbandoned),
        resources().prop_map(Rejection::NotFound),
        resources().prop_map(Rejection::AlreadyExists),
        (holders(), times()).prop_map(|(holder, expired)| Rejection::ReservationExpired { holder, expired }),
        (reservations(), reservation_states())
            .prop_map(|(reservation, state)| Rejection::ReservationSettled { reservation, state }),
        (orders(), order_states(), operations)
            .prop_map(|(order, state, operation)| Rejection::IllegalTransition { order, state, operation }),
        (resources(), versions())
            .prop_map(|(resource, current)| Rejection::EtagMismatch { resource, current }),
        (skus(), locations(), buckets(), any::<i64>()).prop_map(|(sku, location, bucket, current)| {
            Rejection::QuantityStale { sku, location, bucket, current }
        }),
        (skus(), locations()).prop_map(|(sku, location)| Rejection::SkuInUse { sku, location }),
        (skus(), locations()).prop_map(|(sku, location)| Rejection::LocationInUse { location, sku }),
        locations().prop_map(|location| Rejection::LocationDisabled { location }),
        holders().prop_map(|holder| Rejection::TooLarge { holder }),
        vec(breach, 0..4).prop_map(|breaches| Rejection::PurchaseLimit { breaches }),
        (holders(), vec(exceeded, 0..4))
            .prop_map(|(holder, lines)| Rejection::QuantityExceeded { holder, lines }),
        Just(Rejection::QuantityOverflow),
        vec(shortage, 0..4).prop_map(|shortages| Rejection::InsufficientStock { shortages }),
        Just(Rejection::RetryAfterExpiry),
    ]
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        8 => done(),
        1 => vec(done(), 1..4).prop_map(Outcome::Transacted),
        1 => (any::<u32>(), any::<bool>()).prop_map(|(holds, more)| Outcome::DueExpired { holds, more }),
        1 => Just(Outcome::RequestAbandoned),
        4 => rejections().prop_map(Outcome::Rejected),
    ]
}

fn sources() -> impl Strategy<Value = Vec<Source>> + Clone {
    let source = (any::<u32>(), option::of(locations()), any::<i64>());
    vec(source.prop_map(|(line, location, quantity)| Source { line, location, quantity }), 0..6)
}

/// What an operation of a transaction can bring about.
fn done() -> impl Strategy<Value = Outcome> {
    let keys = (skus(), locations()).prop_map(|(sku, location)| StockKey { sku, location });
    prop_oneof![
        sku_rows().prop_map(Outcome::SkuCreated),
        sku_rows().prop_map(Outcome::SkuUpdated),
        Just(Outcome::SkuDeleted),
        location_rows().prop_map(Outcome::LocationCreated),
        location_rows().prop_map(Outcome::LocationUpdated),
        Just(Outcome::LocationDeleted),
        (keys.clone(), stocks()).prop_map(|(key, stock)| Outcome::StockReceived(key, stock)),
        (keys.clone(), stocks()).prop_map(|(key, stock)| Outcome::StockAdjusted(key, stock)),
        (keys.clone(), stocks()).prop_map(|(key, stock)| Outcome::StockSet(key, stock)),
        (keys, stocks()).prop_map(|(key, stock)| Outcome::StockMoved(key, stock)),
        (orders(), times(), sources()).prop_map(|(order, expires, sources)| Outcome::OrderPlaced {
            order,
            expires,
            sources
        }),
        orders().prop_map(|order| Outcome::OrderConfirmed { order }),
        (orders(), times()).prop_map(|(order, expires)| Outcome::OrderExtended { order, expires }),
        (orders(), order_states(), any::<i64>(), any::<u32>()).prop_map(|(order, state, shipped, parcel)| {
            Outcome::OrderShipped { order, state, shipped, parcel }
        }),
        orders().prop_map(|order| Outcome::OrderClosed { order }),
        (orders(), order_states(), any::<i64>())
            .prop_map(|(order, state, cancelled)| Outcome::OrderCancelled { order, state, cancelled }),
        (orders(), order_states(), any::<i64>())
            .prop_map(|(order, state, returned)| Outcome::OrderReturned { order, state, returned }),
        reservation_outcomes(),
    ]
}

fn reservation_outcomes() -> impl Strategy<Value = Outcome> {
    let order = (orders(), order_states());
    prop_oneof![
        (reservations(), times(), sources()).prop_map(|(reservation, expires, sources)| {
            Outcome::ReservationCreated { reservation, expires, sources }
        }),
        (reservations(), times())
            .prop_map(|(reservation, expires)| Outcome::ReservationExtended { reservation, expires }),
        (reservations(), reservation_states(), order, times(), any::<i64>()).prop_map(
            |(reservation, state, (order, order_state), expires, committed)| Outcome::ReservationCommitted {
                reservation,
                state,
                order,
                order_state,
                expires,
                committed,
            }
        ),
        (reservations(), reservation_states(), any::<i64>()).prop_map(|(reservation, state, released)| {
            Outcome::ReservationReleased { reservation, state, released }
        }),
        (reservations(), any::<i64>())
            .prop_map(|(reservation, moved)| Outcome::ReservationMoved { reservation, moved }),
    ]
}

pub(crate) fn replies() -> impl Strategy<Value = Reply> {
    (outcomes(), revisions(), any::<u32>(), times(), any::<bool>()).prop_map(
        |(outcome, revision, position, time, replayed)| Reply { outcome, revision, position, time, replayed },
    )
}

pub(crate) fn records() -> impl Strategy<Value = RequestRecord> {
    (any::<u128>(), outcomes(), revisions(), any::<u32>(), times()).prop_map(
        |(content, outcome, revision, position, time)| RequestRecord {
            content: ContentHash(content),
            outcome,
            revision,
            position,
            time,
        },
    )
}
