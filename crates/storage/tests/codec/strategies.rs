//! Random values of everything durable but commands.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{Disposition, MALFORMED_RULES};
use stockade_state_machine::document::Document;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{
    CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Currency, Operation, Order, OrderLine, OrderState};
use stockade_state_machine::rejection::{ExceededLine, LimitBreach, Resource, Shortage};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::{Reservation, ReservationLine, ReservationState};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{
    ContentHash, LogTime, Origin, Outcome, Rejection, Reply, Revision, Stock, StockKey, Version,
};

macro_rules! ids {
    ($($name:ident: $type:ident),*) => {$(
        pub(crate) fn $name() -> impl Strategy<Value = $type> + Clone {
            "[!-~]{1,128}".prop_map(|text| $type::new(&text).expect("visible ASCII"))
        }
    )*};
}
ids!(
    skus: SkuId,
    locations: LocationId,
    orders: OrderId,
    reservations: ReservationId,
    customers: CustomerId,
    documents: DocumentId,
    principals: Principal
);

pub(crate) fn request_ids() -> impl Strategy<Value = RequestId> + Clone {
    any::<u128>().prop_map(|bits| {
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (7 << 76) | (2 << 62);
        RequestId::new(bits).expect("version and variant are set")
    })
}

pub(crate) fn origins() -> impl Strategy<Value = Origin> + Clone {
    (request_ids(), principals()).prop_map(|(request, principal)| Origin { request, principal })
}

pub(crate) fn times() -> impl Strategy<Value = LogTime> + Clone {
    any::<u64>().prop_map(LogTime::from_micros)
}

pub(crate) fn revisions() -> impl Strategy<Value = Revision> + Clone {
    any::<u64>().prop_map(Revision::new)
}

pub(crate) fn versions() -> impl Strategy<Value = Version> + Clone {
    (revisions(), any::<u32>()).prop_map(|(revision, position)| Version { revision, position })
}

pub(crate) fn buckets() -> impl Strategy<Value = Bucket> + Clone {
    prop::sample::select(Bucket::ALL.to_vec())
}

pub(crate) fn dispositions() -> impl Strategy<Value = Disposition> + Clone {
    prop::sample::select(vec![Disposition::Restock, Disposition::Damaged, Disposition::Scrap])
}

pub(crate) const REASONS: [Reason; 17] = [
    Reason::Received,
    Reason::Returned,
    Reason::Reservation,
    Reason::Commit,
    Reason::Release,
    Reason::Expiry,
    Reason::Shipment,
    Reason::Restock,
    Reason::Correction,
    Reason::CycleCount,
    Reason::Damaged,
    Reason::Shrinkage,
    Reason::TheftLoss,
    Reason::Promotion,
    Reason::QualityHold,
    Reason::SafetyStock,
    Reason::Other,
];

pub(crate) fn reasons() -> impl Strategy<Value = Reason> + Clone {
    prop::sample::select(REASONS.to_vec())
}

pub(crate) fn currencies() -> impl Strategy<Value = Currency> + Clone {
    "[A-Z]{3}".prop_map(|code| Currency::new(&code).expect("capital letters"))
}

pub(crate) fn stocks() -> impl Strategy<Value = Stock> + Clone {
    ([0..i64::MAX / 6, 0..1000, 0..1000, 0..1000, 0..i64::MAX / 6, 0..1000], versions())
        .prop_map(|(buckets, version)| Stock::from_buckets(buckets, version).expect("the sum fits"))
}

pub(crate) fn sku_rows() -> impl Strategy<Value = Sku> + Clone {
    (skus(), sku_details(), times(), times(), versions())
        .prop_map(|(id, details, created, updated, version)| Sku { id, details, created, updated, version })
}

pub(crate) fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> + Clone {
    prop::collection::btree_map("[!-~]{1,16}", ".{0,16}", 0..4)
}

pub(crate) fn sku_details() -> impl Strategy<Value = SkuDetails> + Clone {
    (".{0,64}", any::<bool>(), any::<i64>(), any::<i64>(), attributes()).prop_map(
        |(display_name, untracked, min_per_order, max_per_order, attributes)| SkuDetails {
            display_name,
            untracked,
            min_per_order,
            max_per_order,
            attributes,
        },
    )
}

pub(crate) fn location_details() -> impl Strategy<Value = LocationDetails> + Clone {
    (".{0,64}", ".{0,16}", any::<u32>(), any::<bool>()).prop_map(
        |(display_name, zone, priority, disabled)| LocationDetails { display_name, zone, priority, disabled },
    )
}

pub(crate) fn location_rows() -> impl Strategy<Value = Location> + Clone {
    (locations(), location_details(), times(), times(), versions()).prop_map(
        |(id, details, created, updated, version)| Location { id, details, created, updated, version },
    )
}

pub(crate) fn order_lines() -> impl Strategy<Value = OrderLine> {
    let units = 0..1_000_000_000_i64;
    (
        skus(),
        option::of(locations()),
        any::<i64>(),
        [units.clone(), units.clone(), units.clone(), units.clone()],
        units.clone(),
        units,
    )
        .prop_map(
            |(sku, location, unit_price_minor, [held, allocated, cancelled, expired], shipped, returned)| {
                let shipped = shipped.min(allocated);
                let ordered = held + allocated + cancelled + expired;
                let returned = returned.min(shipped);
                OrderLine {
                    sku,
                    location,
                    unit_price_minor,
                    ordered,
                    held,
                    allocated,
                    shipped,
                    returned,
                    cancelled,
                    expired,
                }
            },
        )
}

pub(crate) fn order_rows() -> impl Strategy<Value = Order> {
    let head = (orders(), option::of(customers()), currencies(), vec(order_lines(), 1..6));
    (head, times(), times(), times(), versions(), ".{0,64}").prop_map(
        |((id, customer, currency, lines), created, updated, expires, version, payment_reference)| Order {
            id,
            customer,
            currency,
            lines,
            created,
            updated,
            expires,
            version,
            payment_reference,
        },
    )
}

pub(crate) fn reservation_lines() -> impl Strategy<Value = ReservationLine> {
    let units = || 0..1_000_000_000_i64;
    (skus(), option::of(locations()), any::<i64>(), [units(), units(), units(), units()]).prop_map(
        |(sku, location, unit_price_minor, [open, committed, released, expired])| ReservationLine {
            sku,
            location,
            unit_price_minor,
            quantity: open + committed + released + expired,
            open,
            committed,
            released,
            expired,
        },
    )
}

pub(crate) fn reservation_rows() -> impl Strategy<Value = Reservation> {
    let head = (reservations(), option::of(customers()), currencies(), vec(reservation_lines(), 1..6));
    (head, times(), times(), times(), versions()).prop_map(
        |((id, customer, currency, lines), created, updated, expires, version)| Reservation {
            id,
            customer,
            currency,
            lines,
            created,
            updated,
            expires,
            version,
        },
    )
}

pub(crate) fn holders() -> impl Strategy<Value = Holder> {
    prop_oneof![orders().prop_map(Holder::Order), reservations().prop_map(Holder::Reservation)]
}

pub(crate) fn document_rows() -> impl Strategy<Value = Document> {
    (documents(), revisions()).prop_map(|(id, revision)| Document { id, revision })
}

pub(crate) fn ledger_entries() -> impl Strategy<Value = LedgerEntry> {
    let place = (revisions(), any::<u32>(), times(), skus(), locations());
    let movement = (option::of(buckets()), option::of(buckets()), 1..i64::MAX, reasons());
    let holders = (option::of(orders()), option::of(reservations()));
    let cause = (option::of(origins()), holders, option::of(documents()), ".{0,64}");
    (place, movement, cause, stocks()).prop_map(|(place, movement, cause, balances)| {
        let (revision, position, time, sku, location) = place;
        let (from, to, quantity, reason) = movement;
        let (origin, (order, reservation), document, reference) = cause;
        LedgerEntry {
            revision,
            position,
            time,
            sku,
            location,
            from,
            to,
            quantity,
            reason,
            actor: origin.as_ref().map(|origin| origin.principal.clone()),
            request: origin.map(|origin| origin.request),
            order,
            reservation,
            document,
            reference,
            balances,
        }
    })
}

pub(crate) fn resources() -> impl Strategy<Value = Resource> {
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

pub(crate) fn order_states() -> impl Strategy<Value = OrderState> + Clone {
    prop::sample::select(vec![
        OrderState::PendingPayment,
        OrderState::Confirmed,
        OrderState::PartiallyShipped,
        OrderState::Shipped,
        OrderState::PartiallyReturned,
        OrderState::Returned,
        OrderState::Cancelled,
        OrderState::Expired,
    ])
}

pub(crate) fn reservation_states() -> impl Strategy<Value = ReservationState> + Clone {
    prop::sample::select(vec![
        ReservationState::Active,
        ReservationState::PartiallyCommitted,
        ReservationState::Committed,
        ReservationState::Released,
        ReservationState::Expired,
    ])
}

pub(crate) fn rejections() -> impl Strategy<Value = Rejection> {
    let operations =
        prop::sample::select(vec![Operation::Confirm, Operation::Ship, Operation::Cancel, Operation::Return]);
    let exceeded = (any::<u32>(), any::<i64>(), any::<i64>()).prop_map(|(line, asked, left)| ExceededLine {
        line,
        asked,
        left,
    });
    let place = (skus(), option::of(locations()), buckets());
    let shortage = (any::<u32>(), place, any::<i64>(), any::<i64>(), option::of(times())).prop_map(
        |(line, (sku, location, bucket), asked, available, next_expiry)| Shortage {
            line,
            sku,
            location,
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
        vec(breach, 0..4).prop_map(|breaches| Rejection::PurchaseLimit { breaches }),
        (holders(), vec(exceeded, 0..4))
            .prop_map(|(holder, lines)| Rejection::QuantityExceeded { holder, lines }),
        Just(Rejection::QuantityOverflow),
        vec(shortage, 0..4).prop_map(|shortages| Rejection::InsufficientStock { shortages }),
        Just(Rejection::RetryAfterExpiry),
    ]
}

pub(crate) fn outcomes() -> impl Strategy<Value = Outcome> {
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
        (orders(), times(), vec(option::of(locations()), 0..6))
            .prop_map(|(order, expires, locations)| Outcome::OrderPlaced { order, expires, locations }),
        orders().prop_map(|order| Outcome::OrderConfirmed { order }),
        (orders(), order_states(), any::<i64>()).prop_map(|(order, state, shipped)| Outcome::OrderShipped {
            order,
            state,
            shipped
        }),
        (orders(), order_states(), any::<i64>())
            .prop_map(|(order, state, cancelled)| Outcome::OrderCancelled { order, state, cancelled }),
        (orders(), order_states(), any::<i64>())
            .prop_map(|(order, state, returned)| Outcome::OrderReturned { order, state, returned }),
        reservation_outcomes(),
        (any::<u32>(), any::<bool>()).prop_map(|(holds, more)| Outcome::DueExpired { holds, more }),
        Just(Outcome::RequestAbandoned),
        rejections().prop_map(Outcome::Rejected),
    ]
}

fn reservation_outcomes() -> impl Strategy<Value = Outcome> {
    let order = (orders(), order_states());
    prop_oneof![
        (reservations(), times(), vec(option::of(locations()), 0..6)).prop_map(
            |(reservation, expires, locations)| Outcome::ReservationCreated {
                reservation,
                expires,
                locations
            }
        ),
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

pub(crate) fn clocks() -> impl Strategy<Value = Clock> {
    (times(), any::<u64>()).prop_map(|(now, horizon_ms)| Clock { now, horizon_ms })
}
