//! Round trips of everything durable, golden bytes of the released formats, and refusal of what is damaged.

use std::fmt::{Debug, Write as _};
use std::path::Path;

use bytes::Bytes;
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
use stockade_storage::Proposal;
use stockade_storage::codec::{Durable, assemble_proposal, decode_proposal, encode_request};

// Strategies.

macro_rules! ids {
    ($($name:ident: $type:ident),*) => {$(
        fn $name() -> impl Strategy<Value = $type> + Clone {
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

fn request_ids() -> impl Strategy<Value = RequestId> + Clone {
    any::<u128>().prop_map(|bits| {
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (7 << 76) | (2 << 62);
        RequestId::new(bits).expect("version and variant are set")
    })
}

fn origins() -> impl Strategy<Value = Origin> + Clone {
    (request_ids(), principals()).prop_map(|(request, principal)| Origin { request, principal })
}

fn times() -> impl Strategy<Value = LogTime> + Clone {
    any::<u64>().prop_map(LogTime::from_micros)
}

fn revisions() -> impl Strategy<Value = Revision> + Clone {
    any::<u64>().prop_map(Revision::new)
}

fn buckets() -> impl Strategy<Value = Bucket> + Clone {
    prop::sample::select(Bucket::ALL.to_vec())
}

fn dispositions() -> impl Strategy<Value = Disposition> + Clone {
    prop::sample::select(vec![Disposition::Restock, Disposition::Damaged, Disposition::Scrap])
}

const REASONS: [Reason; 17] = [
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

fn reasons() -> impl Strategy<Value = Reason> + Clone {
    prop::sample::select(REASONS.to_vec())
}

fn currencies() -> impl Strategy<Value = Currency> + Clone {
    "[A-Z]{3}".prop_map(|code| Currency::new(&code).expect("capital letters"))
}

fn stocks() -> impl Strategy<Value = Stock> + Clone {
    ([0..i64::MAX / 6, 0..1000, 0..1000, 0..1000, 0..i64::MAX / 6, 0..1000], revisions())
        .prop_map(|(buckets, revision)| Stock::from_buckets(buckets, revision).expect("the sum fits"))
}

fn sku_rows() -> impl Strategy<Value = Sku> + Clone {
    (skus(), ".{0,64}", times(), times(), revisions()).prop_map(
        |(id, display_name, created, updated, revision)| Sku { id, display_name, created, updated, revision },
    )
}

fn order_lines() -> impl Strategy<Value = OrderLine> {
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

fn order_rows() -> impl Strategy<Value = Order> {
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

fn document_rows() -> impl Strategy<Value = Document> {
    (documents(), revisions()).prop_map(|(id, revision)| Document { id, revision })
}

fn ledger_entries() -> impl Strategy<Value = LedgerEntry> {
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

fn commands() -> impl Strategy<Value = Command> {
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

fn requests() -> impl Strategy<Value = Request> {
    (option::of(origins()), any::<u128>(), commands()).prop_map(|(origin, content, command)| Request {
        origin,
        content: ContentHash(content),
        command,
    })
}

fn resources() -> impl Strategy<Value = Resource> {
    prop_oneof![
        skus().prop_map(Resource::Sku),
        orders().prop_map(Resource::Order),
        (orders(), any::<u32>()).prop_map(|(order, line)| Resource::OrderLine(order, line)),
        documents().prop_map(Resource::Document),
    ]
}

fn order_states() -> impl Strategy<Value = OrderState> + Clone {
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

fn rejections() -> impl Strategy<Value = Rejection> {
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

fn outcomes() -> impl Strategy<Value = Outcome> {
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

fn replies() -> impl Strategy<Value = Reply> {
    (outcomes(), revisions(), any::<u32>(), times(), any::<bool>()).prop_map(
        |(outcome, revision, position, time, replayed)| Reply { outcome, revision, position, time, replayed },
    )
}

fn records() -> impl Strategy<Value = RequestRecord> {
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

fn clocks() -> impl Strategy<Value = Clock> {
    (times(), any::<u64>()).prop_map(|(now, horizon_ms)| Clock { now, horizon_ms })
}

// Round trips.

/// Comes back as it was; cut anywhere or longer by a byte it is refused; another format is refused.
fn check_round_trip<T: Durable + PartialEq + Debug>(value: &T, cut: prop::sample::Index) {
    let mut bytes = value.encode();
    assert_eq!(&T::decode(&bytes).expect("just encoded"), value);
    assert!(T::decode(&bytes[..cut.index(bytes.len())]).is_err(), "a cut value was accepted");
    bytes.push(0);
    assert!(T::decode(&bytes).is_err(), "a trailing byte was accepted");
    bytes.pop();
    bytes[0] = 2;
    assert!(T::decode(&bytes).is_err(), "an unknown format was accepted");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_durable_value_comes_back_as_it_was(
        reply in replies(),
        request in requests(),
        sku in sku_rows(),
        (stock, clock, document) in (stocks(), clocks(), document_rows()),
        order in order_rows(),
        entry in ledger_entries(),
        record in records(),
        cut in any::<prop::sample::Index>(),
    ) {
        check_round_trip(&reply, cut);
        check_round_trip(&request, cut);
        check_round_trip(&sku, cut);
        check_round_trip(&stock, cut);
        check_round_trip(&clock, cut);
        check_round_trip(&document, cut);
        check_round_trip(&order, cut);
        check_round_trip(&entry, cut);
        check_round_trip(&record, cut);
    }

    #[test]
    fn arbitrary_and_flipped_bytes_never_panic(
        mut noise in vec(any::<u8>(), 0..300),
        order in order_rows(),
        request in requests(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        if let Some(format) = noise.first_mut() {
            *format = 1;
        }
        let flip = |mut bytes: Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            bytes
        };
        let proposal = assemble_proposal(LogTime::from_micros(1), &[Bytes::from(request.encode())]);
        for bytes in [noise, flip(order.encode()), flip(request.encode()), flip(proposal.0.to_vec())] {
            drop((Reply::decode(&bytes), Request::decode(&bytes), Sku::decode(&bytes), Stock::decode(&bytes)));
            drop((Order::decode(&bytes), Document::decode(&bytes), LedgerEntry::decode(&bytes)));
            drop((RequestRecord::decode(&bytes), Clock::decode(&bytes)));
            drop(decode_proposal(&Proposal(Bytes::from(bytes))));
        }
    }

    #[test]
    fn a_proposal_comes_back_request_by_request(
        time in times(),
        requests in vec(requests(), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let parts: Vec<Bytes> = requests.iter().map(|request| Bytes::from(request.encode())).collect();
        let proposal = assemble_proposal(time, &parts);
        let entry = decode_proposal(&proposal).expect("just assembled");
        prop_assert_eq!(entry.time, time);
        prop_assert_eq!(entry.requests, requests);
        let short = proposal.0.slice(..cut.index(proposal.0.len()));
        prop_assert!(decode_proposal(&Proposal(short)).is_err());
        let long = [&proposal.0[..], &[0]].concat();
        prop_assert!(decode_proposal(&Proposal(Bytes::from(long))).is_err());
    }

    #[test]
    fn the_content_hash_is_of_the_command_alone(command in commands(), origin in origins(), other in commands()) {
        let hash = |origin: Option<&Origin>, command| {
            Request::decode(&encode_request(origin, command)).expect("just encoded").content
        };
        prop_assert_eq!(hash(Some(&origin), &command), hash(None, &command));
        prop_assert_eq!(hash(None, &command) == hash(None, &other), command == other);
        prop_assert_ne!(hash(None, &command), ContentHash::default());
    }
}

// Validation.

#[test]
fn rows_that_break_an_invariant_are_refused() {
    let mut broken = sample_order();
    broken.lines[0].held += 1;
    assert!(Order::decode(&broken.encode()).is_err(), "quantities that do not add up");
    let mut broken = sample_order();
    broken.lines[0].shipped = broken.lines[0].allocated + 1;
    assert!(Order::decode(&broken.encode()).is_err(), "more shipped than allocated");
    let broken = Order { lines: Vec::new(), ..sample_order() };
    assert!(Order::decode(&broken.encode()).is_err(), "an order without lines");
    let broken = LedgerEntry { quantity: 0, ..sample_ledger_entry() };
    assert!(LedgerEntry::decode(&broken.encode()).is_err(), "a movement of nothing");
    // Format, six buckets in zigzag, revision.
    assert!(Stock::decode(&[1, 1, 0, 0, 0, 0, 0, 0]).is_err(), "a bucket of -1");
    assert!(Stock::decode(&[1, 2, 0, 0, 0, 0, 0, 0]).is_ok(), "a bucket of 1");
    // An id with a blank in it.
    assert!(Document::decode(b"\x01\x03a b\x05").is_err());
    assert!(Document::decode(b"\x01\x03a-b\x05").is_ok());
}

#[test]
fn a_proposal_that_claims_more_requests_than_bytes_is_refused_before_anything_is_reserved() {
    let mut bytes = assemble_proposal(LogTime::from_micros(1), &[]).0.to_vec();
    bytes[9..13].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(decode_proposal(&Proposal(Bytes::from(bytes))).is_err());
}

// Golden bytes.

const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

fn sample_origin() -> Origin {
    let request = RequestId::new(0x0190_0000_0000_7abc_8123_4567_89ab_cdef).expect("version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

fn sku() -> SkuId {
    SkuId::new("85123A").expect("visible")
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}

fn sample_order() -> Order {
    Order {
        id: OrderId::new("536365").expect("visible"),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: vec![OrderLine {
            sku: sku(),
            location: main_location(),
            unit_price_minor: 255,
            ordered: 6,
            held: 0,
            allocated: 5,
            shipped: 4,
            returned: 1,
            cancelled: 1,
            expired: 0,
        }],
        created: NOW,
        updated: NOW.after_micros(1),
        expires: NOW.after_micros(900_000_000),
        revision: Revision::new(1_234_567),
        payment_reference: "pay-1".to_owned(),
    }
}

fn sample_stock() -> Stock {
    Stock::from_buckets([300, 1, 2, 3, 4, 5], Revision::new(7)).expect("none below 0")
}

fn sample_ledger_entry() -> LedgerEntry {
    LedgerEntry {
        revision: Revision::new(7),
        position: 2,
        time: NOW,
        sku: sku(),
        location: main_location(),
        from: Some(Bucket::Committed),
        to: None,
        quantity: 6,
        reason: Reason::Shipment,
        actor: Some(sample_origin().principal),
        request: Some(sample_origin().request),
        order: OrderId::new("536365").ok(),
        document: DocumentId::new("D-1").ok(),
        reference: "track".to_owned(),
        balances: sample_stock(),
    }
}

fn sample_commands() -> Vec<Command> {
    let order = OrderId::new("536365").expect("visible");
    let document = DocumentId::new("D-1").ok();
    let place_line = PlaceLine { sku: sku(), location: None, quantity: 6, unit_price_minor: 255 };
    vec![
        Command::CreateSku(CreateSku { sku: sku(), display_name: "heart".to_owned() }),
        Command::UpdateSku(UpdateSku { sku: sku(), display_name: Some("holder".to_owned()) }),
        Command::DeleteSku(DeleteSku { sku: sku() }),
        Command::ReceiveStock(ReceiveStock {
            sku: sku(),
            location: main_location(),
            quantity: 300,
            document: document.clone(),
            reference: "r".to_owned(),
        }),
        Command::AdjustStock(AdjustStock {
            sku: sku(),
            location: main_location(),
            bucket: Bucket::Damaged,
            delta: -2,
            reason: Reason::TheftLoss,
            document: None,
            reference: String::new(),
        }),
        Command::PlaceOrder(PlaceOrder {
            order: order.clone(),
            customer: CustomerId::new("17850").ok(),
            currency: Currency::new("GBP").expect("capitals"),
            lines: vec![PlaceLine { location: Some(main_location()), ..place_line.clone() }, place_line],
            hold_us: 900_000_000,
        }),
        Command::ConfirmOrder(ConfirmOrder { order: order.clone(), payment_reference: "pay-1".to_owned() }),
        Command::ShipOrder(ShipOrder {
            order: order.clone(),
            lines: vec![LineQuantity { line: 1, quantity: 4 }],
            tracking_number: "track".to_owned(),
        }),
        Command::CancelOrder(CancelOrder { order: order.clone() }),
        Command::ReturnOrder(ReturnOrder {
            order,
            lines: vec![ReturnLine { line: 1, quantity: 1, disposition: Disposition::Scrap }],
            document,
        }),
        Command::ExpireDue(ExpireDue { limit: 1_000 }),
        Command::AbandonRequest,
    ]
}

fn sample_outcomes() -> Vec<Outcome> {
    let order = OrderId::new("536365").expect("visible");
    let key = StockKey { sku: sku(), location: main_location() };
    let state = OrderState::PartiallyShipped;
    let mut outcomes = vec![
        Outcome::SkuCreated(sample_sku()),
        Outcome::SkuUpdated(sample_sku()),
        Outcome::SkuDeleted,
        Outcome::StockReceived(key.clone(), sample_stock()),
        Outcome::StockAdjusted(key, sample_stock()),
        Outcome::OrderPlaced { order: order.clone(), expires: NOW, locations: vec![main_location()] },
        Outcome::OrderConfirmed { order: order.clone() },
        Outcome::OrderShipped { order: order.clone(), state, shipped: 4 },
        Outcome::OrderCancelled { order: order.clone(), state: OrderState::Shipped, cancelled: 1 },
        Outcome::OrderReturned { order: order.clone(), state: OrderState::PartiallyReturned, returned: 1 },
        Outcome::DueExpired { orders: 3, more: true },
        Outcome::RequestAbandoned,
    ];
    let rejections = vec![
        Rejection::Malformed(MALFORMED_RULES[0]),
        Rejection::RequestIdReused,
        Rejection::RequestIdExpired { horizon_ms: 300 },
        Rejection::RequestIdInFuture { now_ms: 300 },
        Rejection::RequestAbandoned,
        Rejection::NotFound(Resource::Sku(sku())),
        Rejection::NotFound(Resource::Order(order.clone())),
        Rejection::NotFound(Resource::OrderLine(order.clone(), 9)),
        Rejection::AlreadyExists(Resource::Document(DocumentId::new("D-1").expect("visible"))),
        Rejection::ReservationExpired { order: order.clone(), expired: NOW },
        Rejection::IllegalTransition { order: order.clone(), state, operation: Operation::Return },
        Rejection::SkuInUse { sku: sku(), location: main_location() },
        Rejection::QuantityExceeded { order, lines: vec![ExceededLine { line: 1, asked: 9, left: 4 }] },
        Rejection::QuantityOverflow,
        Rejection::InsufficientStock {
            shortages: vec![Shortage {
                line: 1,
                sku: sku(),
                location: None,
                bucket: Bucket::Available,
                asked: 9,
                available: 4,
            }],
        },
        Rejection::RetryAfterExpiry,
    ];
    outcomes.extend(rejections.into_iter().map(Outcome::Rejected));
    outcomes
}

fn sample_sku() -> Sku {
    Sku {
        id: sku(),
        display_name: "heart".to_owned(),
        created: NOW,
        updated: NOW,
        revision: Revision::new(7),
    }
}

/// Every durable type, every command, every outcome, under a name of its own.
fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for (number, command) in sample_commands().iter().enumerate() {
        let bytes = encode_request(Some(&sample_origin()), command);
        assert_eq!(&Request::decode(&bytes).expect("just encoded").command, command);
        samples.push((format!("request {number}"), bytes.to_vec()));
    }
    samples.push(("request of the system".to_owned(), encode_request(None, &sample_commands()[10]).to_vec()));
    for (number, outcome) in sample_outcomes().into_iter().enumerate() {
        let content = ContentHash(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let record = RequestRecord { content, outcome, revision: Revision::new(7), position: 2, time: NOW };
        samples.push((format!("record {number}"), record.encode()));
    }
    for (reason, number) in REASONS.into_iter().zip(0..) {
        let bytes = LedgerEntry { reason, position: number, ..sample_ledger_entry() }.encode();
        samples.push((format!("ledger entry {number}"), bytes));
    }
    let outcome = Outcome::SkuDeleted;
    let reply = Reply { outcome, revision: Revision::new(7), position: 2, time: NOW, replayed: true };
    samples.push(("reply".to_owned(), reply.encode()));
    samples.push(("sku".to_owned(), sample_sku().encode()));
    samples.push(("stock".to_owned(), sample_stock().encode()));
    let document = Document { id: DocumentId::new("D-1").expect("visible"), revision: Revision::new(7) };
    samples.push(("document".to_owned(), document.encode()));
    samples.push(("clock".to_owned(), Clock { now: NOW, horizon_ms: 300 }.encode()));
    samples.push(("order".to_owned(), sample_order().encode()));
    let requests = [encode_request(None, &Command::AbandonRequest), Bytes::from_static(&[1, 2])];
    samples.push(("proposal".to_owned(), assemble_proposal(NOW, &requests).0.to_vec()));
    samples
}

/// The bytes of the first format never change: they are on disks. `STOCKADE_WRITE_GOLDEN=1` writes the file of a format
/// that is not released yet.
#[test]
fn the_first_format_has_its_golden_bytes() {
    let mut text = String::new();
    for (name, bytes) in samples() {
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes all");
            hex
        });
        writeln!(text, "{name}: {hex}").expect("a string takes all");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format_1.txt");
    if std::env::var_os("STOCKADE_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &text).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&file).expect("the golden file stands beside the test");
    assert!(text == golden, "encoded values differ from {}:\n{text}", file.display());
}
