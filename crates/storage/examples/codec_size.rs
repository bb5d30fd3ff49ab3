//! Bytes and nanoseconds of the frozen forms, in fixed and in variable integers: the figures of
//! `docs/internals/adr/0002-row-encoding.md`.
//!
//! `cargo run --release -p stockade-storage --example codec_size`
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use bincode::Options;
use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{PlaceLine, PlaceOrder, ShortagePolicy, Sourcing};
use stockade_state_machine::ids::{CustomerId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::order::{Currency, Order, OrderLine, Parcel, ParcelLine};
use stockade_state_machine::outcome::Source;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, ContentHash, LogTime, Origin, Outcome, Revision, Stock, Version};
use stockade_storage::codec::{Durable, encode_request};

#[path = "../src/frozen/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the measurement uses a part of the mirrors")]
mod frozen;

use frozen::{CommandV1, LedgerEntryV1, OrderV1, RequestRecordV1, StockV1};

const ROUNDS: u32 = 200_000;
const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

/// One row for each of the two encodings.
macro_rules! compare {
    ($name:literal, $original:ty, $mirror:ty, $value:ident) => {
        let fixed = bincode::DefaultOptions::new().with_fixint_encoding();
        let bytes = encode(fixed, &<$mirror>::from(&$value));
        let encoding = nanos(|| encode(fixed, &<$mirror>::from(black_box(&$value))));
        let decoding =
            nanos(|| <$original>::try_from(decode::<$mirror, _>(fixed, black_box(&bytes))).is_ok());
        println!("{:<16} {:<6} {:>6} {encoding:>10} {decoding:>10}", $name, "fixed", bytes.len());
        let variable = bincode::DefaultOptions::new().with_varint_encoding();
        let bytes = encode(variable, &<$mirror>::from(&$value));
        let encoding = nanos(|| encode(variable, &<$mirror>::from(black_box(&$value))));
        let decoding =
            nanos(|| <$original>::try_from(decode::<$mirror, _>(variable, black_box(&bytes))).is_ok());
        println!("{:<16} {:<6} {:>6} {encoding:>10} {decoding:>10}", $name, "varint", bytes.len());
    };
}

fn main() {
    println!("{:<16} {:<6} {:>6} {:>10} {:>10}", "value", "ints", "bytes", "encode ns", "decode ns");
    let (order, command, stock, entry, record) = (order(), command(), stock(), ledger_entry(), record());
    compare!("shipped, 3 lines", Order, OrderV1<'_>, order);
    compare!("place, 3 lines", Command, CommandV1<'_>, command);
    compare!("stock", Stock, StockV1, stock);
    compare!("ledger entry", LedgerEntry, LedgerEntryV1<'_>, entry);
    compare!("request record", RequestRecord, RequestRecordV1<'_>, record);
    let origin = origin();
    let encoded = encode_request(Some(&origin), &command);
    let encode = nanos(|| encode_request(Some(&origin), black_box(&command)));
    let decode = nanos(|| stockade_state_machine::Request::decode(black_box(&encoded)).is_ok());
    println!("{:<16} {:<6} {:>6} {encode:>10} {decode:>10}", "request, hashed", "chosen", encoded.len());
}

fn encode<T: Serialize>(options: impl Options, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    options.serialize_into(&mut bytes, value).expect("a vector takes all");
    bytes
}

fn decode<'a, T: Deserialize<'a>, O: Options>(options: O, bytes: &'a [u8]) -> T {
    options.with_limit(16 * 1024 * 1024).reject_trailing_bytes().deserialize(bytes).expect("just encoded")
}

/// The best of five runs, in nanoseconds a call.
fn nanos<T>(mut call: impl FnMut() -> T) -> u128 {
    let mut run = || {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(call());
        }
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    (0..5).map(|_| run()).min().expect("five runs")
}

fn sku(number: u32) -> SkuId {
    SkuId::new(["85123A", "71053", "84406B"][number as usize]).expect("visible")
}

fn sample_version() -> Version {
    Version { revision: Revision::new(1_234_567), position: 3 }
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}

fn order_id() -> OrderId {
    OrderId::new("online-retail:536365").expect("visible")
}

fn origin() -> Origin {
    let request = RequestId::new(0x0190_0000_0000_7abc_8123_4567_89ab_cdef).expect("version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

fn order() -> Order {
    let line = |number: u32| OrderLine {
        number: number + 1,
        sku: sku(number),
        location: Some(main_location()),
        unit_price_minor: 255,
        ordered: 6,
        held: 0,
        allocated: 6,
        shipped: 6,
        returned: 0,
        cancelled: 0,
        expired: 0,
    };
    Order {
        id: order_id(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capital letters"),
        lines: (0..3).map(line).collect(),
        created: NOW,
        updated: NOW,
        expires: NOW,
        version: sample_version(),
        payment_reference: "pi_3Nabcdef".to_owned(),
        parcels: vec![Parcel {
            shipped: NOW,
            tracking_number: "00340434161094042557".to_owned(),
            document: None,
            lines: (0..3).map(|part| ParcelLine { part, quantity: 6 }).collect(),
        }],
        closes: None,
    }
}

fn command() -> Command {
    let line = |number| PlaceLine { sku: sku(number), location: None, quantity: 6, unit_price_minor: 255 };
    Command::PlaceOrder(PlaceOrder {
        order: order_id(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capital letters"),
        lines: (0..3).map(line).collect(),
        hold_us: 900_000_000,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    })
}

fn stock() -> Stock {
    Stock::from_buckets([10_432, 12, 480, 0, 3, 0], sample_version()).expect("none below 0")
}

fn ledger_entry() -> LedgerEntry {
    let Origin { request, principal } = origin();
    LedgerEntry {
        revision: Revision::new(1_234_567),
        position: 17,
        time: NOW,
        sku: sku(0),
        location: main_location(),
        from: Some(Bucket::Available),
        to: Some(Bucket::Reserved),
        quantity: 6,
        reason: Reason::Reservation,
        actor: Some(principal),
        request: Some(request),
        order: Some(order_id()),
        reservation: None,
        document: None,
        reference: String::new(),
        balances: stock(),
    }
}

fn record() -> RequestRecord {
    let source = |line| Source { line, location: Some(main_location()), quantity: 6 };
    RequestRecord {
        content: ContentHash(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        outcome: Outcome::OrderPlaced {
            order: order_id(),
            expires: NOW,
            sources: (1..=3).map(source).collect(),
        },
        revision: Revision::new(1_234_567),
        position: 17,
        time: NOW,
    }
}
