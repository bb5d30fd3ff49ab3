//! A value of each kind of row.

use stockade_state_machine::ids::{
    CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, ReservationId, SkuId,
};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::order::{Currency, Order, OrderLine, Parcel, ParcelLine};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::{Reservation, ReservationLine};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{ContentHash, LogTime, Origin, Outcome, Revision, Stock, Version};

pub(crate) const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

pub(crate) fn sample_origin() -> Origin {
    let request = RequestId::new(0x0190_0000_0000_7abc_8123_4567_89ab_cdef).expect("version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

pub(crate) fn sku() -> SkuId {
    SkuId::new("85123A").expect("visible")
}

pub(crate) fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}

pub(crate) fn order() -> OrderId {
    OrderId::new("536365").expect("visible")
}

pub(crate) fn document() -> DocumentId {
    DocumentId::new("D-1").expect("visible")
}

fn order_line() -> OrderLine {
    OrderLine {
        number: 1,
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
    }
}

/// Of two lines, the first in two parts; two parcels have left.
pub(crate) fn sample_order() -> Order {
    let split = OrderLine { location: LocationId::new("west").ok(), ..order_line() };
    let other = OrderLine { number: 2, location: None, ..order_line() };
    let parcel = |tracking_number: &str, document, quantities: [i64; 3]| Parcel {
        shipped: NOW.after_micros(2),
        tracking_number: tracking_number.to_owned(),
        document,
        lines: (0..).zip(quantities).map(|(part, quantity)| ParcelLine { part, quantity }).collect(),
    };
    Order {
        id: order(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: vec![order_line(), split, other],
        created: NOW,
        updated: NOW.after_micros(1),
        expires: NOW.after_micros(900_000_000),
        version: Version { revision: Revision::new(1_234_567), position: 3 },
        payment_reference: "pay-1".to_owned(),
        parcels: vec![parcel("track", Some(document()), [1, 2, 3]), parcel("", None, [3, 2, 1])],
        closes: Some(NOW.after_micros(86_400_000_000)),
    }
}

pub(crate) fn cart() -> ReservationId {
    ReservationId::new("cart-9").expect("visible")
}

pub(crate) fn sample_reservation() -> Reservation {
    Reservation {
        id: cart(),
        customer: CustomerId::new("17850").ok(),
        currency: Currency::new("GBP").expect("capitals"),
        lines: vec![ReservationLine {
            number: 1,
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

pub(crate) fn sample_version() -> Version {
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
        order: Some(order()),
        reservation: Some(cart()),
        document: Some(document()),
        reference: "track".to_owned(),
        balances: sample_stock(),
    }
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

pub(crate) fn sample_record() -> RequestRecord {
    let content = ContentHash(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    RequestRecord {
        content,
        outcome: Outcome::SkuDeleted,
        revision: Revision::new(7),
        position: 2,
        time: NOW,
    }
}
