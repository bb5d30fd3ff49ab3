//! Random values of everything durable.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, ConfirmOrder, CreateSku, DeleteSku, Disposition, ExpireDue, LineQuantity,
    MALFORMED_RULES, PlaceLine, PlaceOrder, ReceiveStock, ReturnLine, ReturnOrder, ShipOrder, UpdateSku,
};
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::order::{Currency, Operation, Order, OrderLine, OrderState};
use stockade_state_machine::rejection::{ExceededLine, Resource, Shortage};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{
    Command, ContentHash, LogTime, Origin, Outcome, Rejection, Reply, Request, Revision, Stock, StockKey,
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
    ([0..i64::MAX / 6, 0..1000, 0..1000, 0..1000, 0..i64::MAX / 6, 0..1000], revisions())
        .prop_map(|(buckets, revision)| Stock::from_buckets(buckets, revision).expect("the sum fits"))
}

pub(crate) fn sku_rows() -> impl Strategy<Value = Sku> + Clone {
    (skus(), ".{0,64}", times(), times(), revisions()).prop_map(
        |(id, display_name, created, updated, revision)| Sku { id, display_name, created, updated, revision },
    )
}

pub(crate) fn order_lines() -> impl Strategy<Value = OrderLine> {
    let units = 0..1_000_000_000_i64;
    (
        skus(),
        locations(),
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
    (head, times(), times(), times(), revisions(), ".{0,64}").prop_map(
        |((id, customer, currency, lines), created, updated, expires, revision, payment_reference)| Order {
            id,
            customer,
            currency,
            lines,
            created,
            updated,
            expires,
            revision,
            payment_reference,
        },
    )
}

pub(crate) fn document_rows() -> impl Strategy<Value = Document> {
    (documents(), revisions()).prop_map(|(id, revision)| Document { id, revision })
}

pub(crate) fn ledger_entries() -> impl Strategy<Value = LedgerEntry> {
    let place = (revisions(), any::<u32>(), times(), skus(), locations());
    let movement = (option::of(buckets()), buckets(), 1..i64::MAX, reasons());
    let cause = (option::of(origins()), option::of(orders()), option::of(documents()), ".{0,64}");
    (place, movement, cause, stocks()).prop_map(|(place, movement, cause, balances)| {
        let (revision, position, time, sku, location) = place;
        let (from, to, quantity, reason) = movement;
        let (origin, order, document, reference) = cause;
        LedgerEntry {
            revision,
            position,
            time,
            sku,
            location,
            from,
            to: Some(to),
            quantity,
            reason,
            actor: origin.as_ref().map(|origin| origin.principal.clone()),
            request: origin.map(|origin| origin.request),
            order,
            document,
            reference,
            balances,
        }
    })
}

pub(crate) fn commands() -> impl Strategy<Value = Command> {
    let place_line = (skus(), option::of(locations()), any::<i64>(), any::<i64>()).prop_map(
        |(sku, location, quantity, unit_price_minor)| PlaceLine { sku, location, quantity, unit_price_minor },
    );
    let line = (any::<u32>(), any::<i64>()).prop_map(|(line, quantity)| LineQuantity { line, quantity });
    let return_line = (any::<u32>(), any::<i64>(), dispositions())
        .prop_map(|(line, quantity, disposition)| ReturnLine { line, quantity, disposition });
    prop_oneof![
        (skus(), ".{0,64}")
            .prop_map(|(sku, display_name)| Command::CreateSku(CreateSku { sku, display_name })),
        (skus(), option::of(".{0,64}"))
            .prop_map(|(sku, display_name)| Command::UpdateSku(UpdateSku { sku, display_name })),
        skus().prop_map(|sku| Command::DeleteSku(DeleteSku { sku })),
        (skus(), locations(), any::<i64>(), option::of(documents()), ".{0,64}").prop_map(
            |(sku, location, quantity, document, reference)| {
                Command::ReceiveStock(ReceiveStock { sku, location, quantity, document, reference })
            }
        ),
        (skus(), locations(), buckets(), any::<i64>(), reasons(), option::of(documents()), ".{0,64}")
            .prop_map(|(sku, location, bucket, delta, reason, document, reference)| {
                Command::AdjustStock(AdjustStock {
                    sku,
                    location,
                    bucket,
                    delta,
                    reason,
                    document,
                    reference,
                })
            }),
        (orders(), option::of(customers()), currencies(), vec(place_line, 0..6), any::<u64>()).prop_map(
            |(order, customer, currency, lines, hold_us)| {
                Command::PlaceOrder(PlaceOrder { order, customer, currency, lines, hold_us })
            }
        ),
        (orders(), ".{0,64}").prop_map(|(order, payment_reference)| {
            Command::ConfirmOrder(ConfirmOrder { order, payment_reference })
        }),
        (orders(), vec(line, 0..6), ".{0,64}").prop_map(|(order, lines, tracking_number)| {
            Command::ShipOrder(ShipOrder { order, lines, tracking_number })
        }),
        orders().prop_map(|order| Command::CancelOrder(CancelOrder { order })),
        (orders(), vec(return_line, 0..6), option::of(documents())).prop_map(|(order, lines, document)| {
            Command::ReturnOrder(ReturnOrder { order, lines, document })
        }),
        any::<u32>().prop_map(|limit| Command::ExpireDue(ExpireDue { limit })),
        Just(Command::AbandonRequest),
    ]
}

pub(crate) fn requests() -> impl Strategy<Value = Request> {
    (option::of(origins()), any::<u128>(), commands()).prop_map(|(origin, content, command)| Request {
        origin,
        content: ContentHash(content),
        command,
    })
}

pub(crate) fn resources() -> impl Strategy<Value = Resource> {
    prop_oneof![
        skus().prop_map(Resource::Sku),
        orders().prop_map(Resource::Order),
        (orders(), any::<u32>()).prop_map(|(order, line)| Resource::OrderLine(order, line)),
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

pub(crate) fn rejections() -> impl Strategy<Value = Rejection> {
    let operations =
        prop::sample::select(vec![Operation::Confirm, Operation::Ship, Operation::Cancel, Operation::Return]);
    let exceeded = (any::<u32>(), any::<i64>(), any::<i64>()).prop_map(|(line, asked, left)| ExceededLine {
        line,
        asked,
        left,
    });
    let shortage = (any::<u32>(), skus(), option::of(locations()), buckets(), any::<i64>(), any::<i64>())
        .prop_map(|(line, sku, location, bucket, asked, available)| Shortage {
            line,
            sku,
            location,
            bucket,
            asked,
            available,
        });
    prop_oneof![
        prop::sample::select(MALFORMED_RULES.to_vec()).prop_map(Rejection::Malformed),
        Just(Rejection::RequestIdReused),
        any::<u64>().prop_map(|horizon_ms| Rejection::RequestIdExpired { horizon_ms }),
        any::<u64>().prop_map(|now_ms| Rejection::RequestIdInFuture { now_ms }),
        Just(Rejection::RequestAbandoned),
        resources().prop_map(Rejection::NotFound),
        resources().prop_map(Rejection::AlreadyExists),
        (orders(), times()).prop_map(|(order, expired)| Rejection::ReservationExpired { order, expired }),
        (orders(), order_states(), operations)
            .prop_map(|(order, state, operation)| Rejection::IllegalTransition { order, state, operation }),
        (skus(), locations()).prop_map(|(sku, location)| Rejection::SkuInUse { sku, location }),
        (orders(), vec(exceeded, 0..4))
            .prop_map(|(order, lines)| Rejection::QuantityExceeded { order, lines }),
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
        (keys.clone(), stocks()).prop_map(|(key, stock)| Outcome::StockReceived(key, stock)),
        (keys, stocks()).prop_map(|(key, stock)| Outcome::StockAdjusted(key, stock)),
        (orders(), times(), vec(locations(), 0..6))
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
        (any::<u32>(), any::<bool>()).prop_map(|(orders, more)| Outcome::DueExpired { orders, more }),
        Just(Outcome::RequestAbandoned),
        rejections().prop_map(Outcome::Rejected),
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
