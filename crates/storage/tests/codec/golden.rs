//! Golden bytes: what released formats look like for ever.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku,
    DeleteLocation, DeleteSku, Disposition, ExpireDue, ExtendReservation, LineQuantity, LocationChange,
    MALFORMED_RULES, MoveReservation, MoveStock, Payment, PlaceLine, PlaceOrder, ReceiveStock,
    ReleaseReservation, ReturnLine, ReturnOrder, SetStock, ShipOrder, SkuChange, UpdateLocation, UpdateSku,
};
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
    Command, ContentHash, LogTime, Origin, Outcome, Rejection, Reply, Request, Revision, Stock, StockKey,
    Version,
};
use stockade_storage::codec::{Durable, assemble_proposal, encode_request};

use crate::strategies::REASONS;

const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

pub(crate) fn sample_origin() -> Origin {
    let request = RequestId::new(0x0190_0000_0000_7abc_8123_4567_89ab_cdef).expect("version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

fn sku() -> SkuId {
    SkuId::new("85123A").expect("visible")
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}

pub(crate) fn sample_order() -> Order {
    Order {
        id: OrderId::new("536365").expect("visible"),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: vec![OrderLine {
            sku: sku(),
            location: Some(main_location()),
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
        version: Version { revision: Revision::new(1_234_567), position: 3 },
        payment_reference: "pay-1".to_owned(),
    }
}

fn cart() -> ReservationId {
    ReservationId::new("cart-9").expect("visible")
}

pub(crate) fn sample_reservation() -> Reservation {
    Reservation {
        id: cart(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: vec![ReservationLine {
            sku: sku(),
            location: Some(main_location()),
            unit_price_minor: 255,
            quantity: 300,
            open: 2,
            committed: 290,
            released: 5,
            expired: 3,
        }],
        created: NOW,
        updated: NOW.after_micros(1),
        expires: NOW.after_micros(900_000_000),
        version: Version { revision: Revision::new(1_234_567), position: 3 },
    }
}

fn sample_version() -> Version {
    Version { revision: Revision::new(7), position: 2 }
}

pub(crate) fn sample_stock() -> Stock {
    Stock::from_buckets([300, 1, 2, 3, 4, 5], sample_version()).expect("none below 0")
}

pub(crate) fn sample_ledger_entry() -> LedgerEntry {
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
        reservation: Some(cart()),
        document: DocumentId::new("D-1").ok(),
        reference: "track".to_owned(),
        balances: sample_stock(),
    }
}

pub(crate) fn sample_commands() -> Vec<Command> {
    let order = OrderId::new("536365").expect("visible");
    let document = DocumentId::new("D-1").ok();
    let place_line = PlaceLine { sku: sku(), location: None, quantity: 6, unit_price_minor: 255 };
    let place_lines = vec![PlaceLine { location: Some(main_location()), ..place_line.clone() }, place_line];
    let mut commands = vec![
        Command::CreateSku(CreateSku { sku: sku(), details: sample_sku().details }),
        Command::UpdateSku(UpdateSku {
            sku: sku(),
            expected: Some(sample_version()),
            change: SkuChange { display_name: Some("holder".to_owned()), ..SkuChange::default() },
        }),
        Command::DeleteSku(DeleteSku { sku: sku(), expected: None }),
        Command::CreateLocation(CreateLocation {
            location: main_location(),
            details: sample_location().details,
        }),
        Command::UpdateLocation(UpdateLocation {
            location: main_location(),
            expected: None,
            change: LocationChange { priority: Some(300), ..LocationChange::default() },
        }),
        Command::DeleteLocation(DeleteLocation {
            location: main_location(),
            expected: Some(sample_version()),
        }),
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
        Command::SetStock(SetStock {
            sku: sku(),
            location: main_location(),
            bucket: Bucket::Available,
            quantity: 5,
            expected: Some(4),
            reason: Reason::CycleCount,
            document: document.clone(),
            reference: String::new(),
        }),
        Command::MoveStock(MoveStock {
            sku: sku(),
            location: main_location(),
            from: Bucket::Available,
            to: Bucket::QualityControl,
            quantity: 3,
            reason: Reason::QualityHold,
            document: None,
            reference: "r".to_owned(),
        }),
        Command::PlaceOrder(PlaceOrder {
            order: order.clone(),
            customer: CustomerId::new("17850").ok(),
            currency: Currency::new("GBP").expect("capitals"),
            lines: place_lines.clone(),
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
            order: order.clone(),
            lines: vec![ReturnLine { line: 1, quantity: 1, disposition: Disposition::Scrap }],
            document,
        }),
        Command::ExpireDue(ExpireDue { limit: 1_000 }),
        Command::AbandonRequest,
    ];
    commands.extend(sample_reservation_commands(order, place_lines));
    commands
}

fn sample_reservation_commands(order: OrderId, lines: Vec<PlaceLine>) -> Vec<Command> {
    let commit = CommitReservation {
        reservation: cart(),
        order,
        customer: CustomerId::new("17850").ok(),
        lines: vec![LineQuantity { line: 1, quantity: 4 }],
        payment: Payment::Taken { reference: "pay-1".to_owned() },
    };
    let unpaid = CommitReservation {
        customer: None,
        lines: Vec::new(),
        payment: Payment::Pending { hold_us: 900_000_000 },
        ..commit.clone()
    };
    vec![
        Command::CreateReservation(CreateReservation {
            reservation: cart(),
            customer: CustomerId::new("17850").ok(),
            currency: Currency::new("GBP").expect("capitals"),
            lines,
            hold_us: 900_000_000,
        }),
        Command::ExtendReservation(ExtendReservation { reservation: cart(), hold_us: 900_000_000 }),
        Command::CommitReservation(commit),
        Command::CommitReservation(unpaid),
        Command::ReleaseReservation(ReleaseReservation {
            reservation: cart(),
            lines: vec![LineQuantity { line: 1, quantity: 4 }],
        }),
        Command::MoveReservation(MoveReservation {
            reservation: cart(),
            lines: vec![1, 300],
            location: main_location(),
        }),
    ]
}

pub(crate) fn sample_outcomes() -> Vec<Outcome> {
    let order = OrderId::new("536365").expect("visible");
    let key = StockKey { sku: sku(), location: main_location() };
    let state = OrderState::PartiallyShipped;
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
        Outcome::OrderPlaced {
            order: order.clone(),
            expires: NOW,
            locations: vec![Some(main_location()), None],
        },
        Outcome::OrderConfirmed { order: order.clone() },
        Outcome::OrderShipped { order: order.clone(), state, shipped: 4 },
        Outcome::OrderCancelled { order: order.clone(), state: OrderState::Shipped, cancelled: 1 },
        Outcome::OrderReturned { order: order.clone(), state: OrderState::PartiallyReturned, returned: 1 },
        Outcome::DueExpired { holds: 3, more: true },
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
        Rejection::ReservationExpired { holder: Holder::Order(order.clone()), expired: NOW },
        Rejection::IllegalTransition { order: order.clone(), state, operation: Operation::Return },
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
        Rejection::QuantityExceeded {
            holder: Holder::Order(order.clone()),
            lines: vec![ExceededLine { line: 1, asked: 9, left: 4 }],
        },
        Rejection::QuantityOverflow,
        Rejection::InsufficientStock {
            shortages: vec![Shortage {
                line: 1,
                sku: sku(),
                location: None,
                bucket: Bucket::Available,
                asked: 9,
                available: 4,
                next_expiry: Some(NOW),
            }],
        },
        Rejection::RetryAfterExpiry,
    ];
    outcomes.extend(rejections.into_iter().map(Outcome::Rejected));
    outcomes.extend(sample_reservation_outcomes(&order));
    outcomes
}

fn sample_reservation_outcomes(order: &OrderId) -> Vec<Outcome> {
    let committed = |state, order_state| Outcome::ReservationCommitted {
        reservation: cart(),
        state,
        order: order.clone(),
        order_state,
        expires: NOW,
        committed: 4,
    };
    let settled = |state| Rejection::ReservationSettled { reservation: cart(), state };
    let rejections = [
        Rejection::NotFound(Resource::Reservation(cart())),
        Rejection::NotFound(Resource::ReservationLine(cart(), 9)),
        Rejection::ReservationExpired { holder: Holder::Reservation(cart()), expired: NOW },
        settled(ReservationState::Released),
        settled(ReservationState::Expired),
        Rejection::QuantityExceeded {
            holder: Holder::Reservation(cart()),
            lines: vec![ExceededLine { line: 1, asked: 9, left: 4 }],
        },
    ];
    let outcomes = [
        Outcome::ReservationCreated {
            reservation: cart(),
            expires: NOW,
            locations: vec![Some(main_location()), None],
        },
        Outcome::ReservationExtended { reservation: cart(), expires: NOW },
        committed(ReservationState::PartiallyCommitted, OrderState::Confirmed),
        committed(ReservationState::Committed, OrderState::PendingPayment),
        Outcome::ReservationReleased { reservation: cart(), state: ReservationState::Active, released: 4 },
        Outcome::ReservationMoved { reservation: cart(), moved: 4 },
    ];
    outcomes.into_iter().chain(rejections.into_iter().map(Outcome::Rejected)).collect()
}

pub(crate) fn sample_sku() -> Sku {
    let details = SkuDetails {
        display_name: "heart".to_owned(),
        untracked: true,
        min_per_order: 2,
        max_per_order: 300,
        attributes: [("colour".to_owned(), "red".to_owned())].into(),
    };
    Sku { id: sku(), details, created: NOW, updated: NOW, version: sample_version() }
}

pub(crate) fn sample_location() -> Location {
    let details = LocationDetails {
        display_name: "Main".to_owned(),
        zone: "uk".to_owned(),
        priority: 7,
        disabled: true,
    };
    Location { id: main_location(), details, created: NOW, updated: NOW, version: sample_version() }
}

/// Every durable type, every command, every outcome, under a name of its own.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for (number, command) in sample_commands().iter().enumerate() {
        let bytes = encode_request(Some(&sample_origin()), command);
        assert_eq!(&Request::decode(&bytes).expect("just encoded").command, command);
        samples.push((format!("request {number}"), bytes.to_vec()));
    }
    let system = Command::ExpireDue(ExpireDue { limit: 1_000 });
    samples.push(("request of the system".to_owned(), encode_request(None, &system).to_vec()));
    for (number, outcome) in sample_outcomes().into_iter().enumerate() {
        let content = ContentHash(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let record = RequestRecord { content, outcome, revision: Revision::new(7), position: 2, time: NOW };
        samples.push((format!("record {number}"), record.encode()));
    }
    for (reason, number) in REASONS.into_iter().zip(0..) {
        let bytes = LedgerEntry { reason, position: number, ..sample_ledger_entry() }.encode();
        samples.push((format!("ledger entry {number}"), bytes));
    }
    // A return that was thrown away comes from outside and goes there.
    let scrapped = LedgerEntry { from: None, reason: Reason::Returned, ..sample_ledger_entry() };
    samples.push(("ledger entry of a scrapped return".to_owned(), scrapped.encode()));
    let outcome = Outcome::SkuDeleted;
    let reply = Reply { outcome, revision: Revision::new(7), position: 2, time: NOW, replayed: true };
    samples.push(("reply".to_owned(), reply.encode()));
    samples.push(("sku".to_owned(), sample_sku().encode()));
    samples.push(("location".to_owned(), sample_location().encode()));
    samples.push(("stock".to_owned(), sample_stock().encode()));
    let document = Document { id: DocumentId::new("D-1").expect("visible"), revision: Revision::new(7) };
    samples.push(("document".to_owned(), document.encode()));
    samples.push(("clock".to_owned(), Clock { now: NOW, horizon_ms: 300 }.encode()));
    samples.push(("order".to_owned(), sample_order().encode()));
    samples.push(("reservation".to_owned(), sample_reservation().encode()));
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
