//! What shoppers ask for without changing anything: lists of orders, the ledger, and what there was in the past; and what that is to
//! promise.

use std::time::Duration;

use prost_types::Timestamp;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use stockade_client::Consistency;
use stockade_proto::v1;
use stockade_proto::v1::get_stock_as_of_request::AsOf;

use crate::asked::LOCATIONS;
use crate::machine::BEGINNING_US;

/// Log indexes that are asked for; some of them have not come yet.
const REVISIONS: u64 = 400;
/// Seconds after the beginning that are asked for.
const SECONDS: i64 = 40;

/// Revisions ahead of what a shopper has seen that it may want to see at least; they come soon, or never.
const AHEAD: u64 = 10;

/// What a read is to promise: anything, and of what a node could get wrong more.
pub(crate) fn consistency(seen: u64, random: &mut SmallRng) -> Consistency {
    match random.random_range(0..24) {
        0..6 => Consistency::Linearizable,
        6..12 => Consistency::Lease,
        12..16 => {
            let millis = [1, 20, 200, 2_000][random.random_range(0..4)];
            Consistency::Bounded(Duration::from_millis(millis))
        }
        16..18 => Consistency::Session,
        // Once in a while it never comes.
        18 => Consistency::AtLeast(seen + random.random_range(1..AHEAD)),
        19..21 => Consistency::AtLeast(seen.max(1)),
        _ => Consistency::Local,
    }
}

/// A list of orders, filtered somehow.
pub(crate) fn orders(sku_id: String, random: &mut SmallRng) -> v1::ListOrdersRequest {
    let state = if random.random_bool(0.5) { random.random_range(0..10) } else { 0 };
    let (start_time, end_time) = times(random);
    v1::ListOrdersRequest {
        page_size: random.random_range(0..20),
        state,
        sku_id: if random.random_bool(0.4) { sku_id } else { String::new() },
        start_time,
        end_time,
        newest_first: random.random_bool(0.5),
        ..Default::default()
    }
}

/// A part of the ledger, of an order or of something else.
pub(crate) fn ledger(
    sku_id: String,
    order_id: String,
    random: &mut SmallRng,
) -> v1::ListLedgerEntriesRequest {
    let from_revision = random.random_range(0..REVISIONS);
    let up_to = random.random_range(0..REVISIONS);
    let (start_time, end_time) = times(random);
    v1::ListLedgerEntriesRequest {
        page_size: random.random_range(0..20),
        sku_id: if random.random_bool(0.5) { sku_id } else { String::new() },
        location_id: if random.random_bool(0.3) { location(random) } else { String::new() },
        order_id: if random.random_bool(0.3) { order_id } else { String::new() },
        from_revision: if random.random_bool(0.3) { from_revision } else { 0 },
        to_revision: if random.random_bool(0.3) { up_to } else { 0 },
        start_time,
        end_time,
        newest_first: random.random_bool(0.5),
        ..Default::default()
    }
}

/// What there was of a SKU.
pub(crate) fn as_of(sku_id: String, random: &mut SmallRng) -> v1::GetStockAsOfRequest {
    let as_of = if random.random_bool(0.5) {
        AsOf::Revision(random.random_range(0..REVISIONS))
    } else {
        AsOf::Time(time(random))
    };
    v1::GetStockAsOfRequest {
        sku_id,
        location_id: if random.random_bool(0.5) { location(random) } else { String::new() },
        as_of: Some(as_of),
        ..Default::default()
    }
}

fn location(random: &mut SmallRng) -> String {
    LOCATIONS[random.random_range(0..LOCATIONS.len())].to_owned()
}

/// None, one or two that may be in the wrong order.
fn times(random: &mut SmallRng) -> (Option<Timestamp>, Option<Timestamp>) {
    let mut maybe = || random.random_bool(0.2).then(|| time(random));
    (maybe(), maybe())
}

fn time(random: &mut SmallRng) -> Timestamp {
    let beginning = i64::try_from(BEGINNING_US / 1_000_000).expect("times fit 64 bits");
    Timestamp { seconds: beginning + random.random_range(0..SECONDS), nanos: 0 }
}
