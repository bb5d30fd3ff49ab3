//! Values as large as the state machine lets them become.

use std::fmt::Debug;

use stockade_state_machine::command::{
    CreateSku, PlaceLine, PlaceOrder, Precondition, ShortagePolicy, Sourcing, Transact,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, SkuId};
use stockade_state_machine::limits;
use stockade_state_machine::order::{Currency, Order, OrderLine, Parcel, ParcelLine};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, LogTime, Outcome, Request, StockKey};
use stockade_storage::codec::{Durable, encode_request};

use crate::samples::{sample_order, sample_record, sample_sku};

/// Half of what is read back: room for what is yet to come.
const LARGEST_BYTES: usize = 8 << 20;
const MUCH: i64 = limits::MAX_LINE_QUANTITY;

fn long_id() -> String {
    "x".repeat(limits::MAX_ID_LEN)
}

fn sku() -> SkuId {
    SkuId::new(&long_id()).expect("as long as may be")
}

fn location() -> LocationId {
    LocationId::new(&long_id()).expect("as long as may be")
}

fn order() -> OrderId {
    OrderId::new(&long_id()).expect("as long as may be")
}

fn document() -> DocumentId {
    DocumentId::new(&long_id()).expect("as long as may be")
}

fn reference() -> String {
    "x".repeat(limits::MAX_REFERENCE_LEN)
}

fn sku_details() -> SkuDetails {
    let value = "x".repeat(limits::MAX_ATTRIBUTES_BYTES / limits::MAX_ATTRIBUTES - 2);
    let name = |number: usize| format!("{number:02}");
    SkuDetails {
        display_name: "x".repeat(limits::MAX_DISPLAY_NAME_LEN),
        untracked: true,
        min_per_order: MUCH,
        max_per_order: MUCH,
        attributes: (0..limits::MAX_ATTRIBUTES).map(|number| (name(number), value.clone())).collect(),
    }
}

fn assert_comes_back<T: Durable + PartialEq + Debug>(value: &T) {
    let bytes = value.encode();
    assert!(bytes.len() < LARGEST_BYTES, "{} bytes", bytes.len());
    assert!(T::decode(&bytes).expect("just encoded") == *value, "it comes back as another");
}

#[test]
fn the_largest_order_comes_back() {
    let parts = u32::try_from(limits::MAX_PARTS).expect("few");
    let line = |part: u32| OrderLine {
        number: part / 2 + 1,
        sku: sku(),
        location: Some(location()),
        unit_price_minor: limits::MAX_UNIT_PRICE_MINOR,
        ordered: 30 * MUCH,
        held: 0,
        allocated: 10 * MUCH,
        shipped: 0,
        returned: 0,
        cancelled: 10 * MUCH,
        expired: 10 * MUCH,
    };
    let mut lines: Vec<OrderLine> = (0..parts).map(line).collect();
    let mut parcel = |number: usize| {
        let part = number % limits::MAX_PARTS;
        lines[part].shipped += MUCH;
        Parcel {
            shipped: LogTime::from_micros(u64::MAX),
            tracking_number: reference(),
            document: Some(document()),
            lines: vec![ParcelLine { part: u32::try_from(part).expect("few"), quantity: MUCH }],
        }
    };
    let parcels = (0..limits::MAX_PARCEL_LINES).map(&mut parcel).collect();
    assert_comes_back(&Order { id: order(), lines, parcels, ..sample_order() });
}

#[test]
fn the_largest_transaction_comes_back() {
    let orders = limits::MAX_TRANSACT_LINES / limits::MAX_LINES;
    let place = |_| {
        let line = PlaceLine {
            sku: sku(),
            location: Some(location()),
            quantity: MUCH,
            unit_price_minor: limits::MAX_UNIT_PRICE_MINOR,
        };
        Command::PlaceOrder(PlaceOrder {
            order: order(),
            customer: None,
            currency: Currency::new("GBP").expect("capitals"),
            lines: vec![line; limits::MAX_LINES],
            hold_us: limits::MAX_HOLD_US,
            sourcing: Sourcing::Explicit,
            shortage: ShortagePolicy::Partial,
        })
    };
    let create = Command::CreateSku(CreateSku { sku: sku(), details: sku_details() });
    let condition = Precondition::Quantity {
        key: StockKey { sku: sku(), location: location() },
        bucket: Bucket::Available,
        min: i64::MIN,
        max: i64::MAX,
    };
    let operations: Vec<Command> =
        (0..orders).map(place).chain(vec![create; limits::MAX_OPERATIONS - orders]).collect();
    let preconditions = vec![condition; limits::MAX_PRECONDITIONS];
    let command = Command::Transact(Transact { preconditions, operations });
    assert_eq!(command.check(), Ok(()));
    let bytes = encode_request(None, &command);
    assert_comes_back(&Request::decode(&bytes).expect("just encoded"));
}

#[test]
fn what_became_of_a_large_transaction_comes_back() {
    let source = Source { line: u32::MAX, location: Some(location()), quantity: MUCH };
    let sources = vec![source; limits::MAX_PARTS];
    let placed = Outcome::OrderPlaced { order: order(), expires: LogTime::from_micros(u64::MAX), sources };
    let sku = Sku { id: sku(), details: sku_details(), ..sample_sku() };
    let orders = limits::MAX_TRANSACT_LINES / limits::MAX_LINES;
    let mut outcomes = vec![placed; orders];
    outcomes.resize(limits::MAX_OPERATIONS, Outcome::SkuUpdated(sku));
    assert_comes_back(&RequestRecord { outcome: Outcome::Transacted(outcomes), ..sample_record() });
}
