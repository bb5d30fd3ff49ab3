use prost::Message;
use stockade_state_machine::ids::{OrderId, Principal, RequestId, ReservationId, SkuId};
use stockade_state_machine::limits::{MAX_ID_LEN, MAX_REFERENCE_LEN};

use super::*;
use crate::limits;

fn longest() -> String {
    "x".repeat(MAX_ID_LEN)
}

fn request_id() -> RequestId {
    RequestId::new(0x0190_0000_0000_7000_8000_0000_0000_0001).expect("version 7")
}

/// An entry of which nothing is longer than it may be.
fn largest() -> LedgerEntry {
    let version = Version { revision: Revision::new(u64::MAX), position: u32::MAX };
    let units = i64::MAX / 6;
    LedgerEntry {
        revision: Revision::new(u64::MAX),
        position: u32::MAX,
        time: LogTime::from_micros(u64::MAX),
        sku: SkuId::new(&longest()).expect("valid"),
        location: LocationId::new(&longest()).expect("valid"),
        from: Some(Bucket::QualityControl),
        to: Some(Bucket::QualityControl),
        quantity: i64::MAX,
        reason: Reason::Other,
        actor: Principal::new(&longest()).ok(),
        request: Some(request_id()),
        order: OrderId::new(&longest()).ok(),
        reservation: ReservationId::new(&longest()).ok(),
        document: DocumentId::new(&longest()).ok(),
        reference: "r".repeat(MAX_REFERENCE_LEN),
        balances: Stock::from_buckets([units; 6], version).expect("in bounds"),
    }
}

#[test]
fn an_entry_of_the_ledger_names_who_moved_what_and_what_was_there_afterwards() {
    let version = Version { revision: Revision::new(9), position: 4 };
    let entry = LedgerEntry {
        revision: Revision::new(9),
        position: 2,
        time: LogTime::from_micros(1_500_000),
        sku: SkuId::new("A").expect("valid"),
        location: LocationId::new("main").expect("valid"),
        from: Some(Bucket::Committed),
        to: None,
        quantity: 3,
        reason: Reason::Shipment,
        actor: Principal::new("somebody").ok(),
        request: Some(request_id()),
        order: OrderId::new("O-1").ok(),
        reservation: None,
        document: DocumentId::new("P-1").ok(),
        reference: "parcel".to_owned(),
        balances: Stock::from_buckets([1, 2, 3, 4, 5, 6], version).expect("in bounds"),
    };
    let expected = v1::LedgerEntry {
        revision: 9,
        position: 2,
        time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
        sku_id: "A".to_owned(),
        location_id: "main".to_owned(),
        from_bucket: v1::Bucket::Committed.into(),
        to_bucket: v1::Bucket::Unspecified.into(),
        quantity: 3,
        reason: v1::Reason::Shipment.into(),
        actor: "somebody".to_owned(),
        request_id: "01900000-0000-7000-8000-000000000001".to_owned(),
        order_id: "O-1".to_owned(),
        reservation_id: String::new(),
        document_id: "P-1".to_owned(),
        reference: "parcel".to_owned(),
        balances: Some(v1::Stock {
            sku_id: "A".to_owned(),
            location_id: "main".to_owned(),
            on_hand: 21,
            available: 1,
            reserved: 2,
            committed: 3,
            safety_stock: 4,
            damaged: 5,
            quality_control: 6,
            revision: 9,
            etag: String::new(),
        }),
    };
    assert_eq!(ledger_entry(&entry), expected);
    let of_system = LedgerEntry { actor: None, request: None, order: None, document: None, ..entry };
    let told = ledger_entry(&of_system);
    assert_eq!([told.actor, told.request_id, told.order_id, told.document_id], [const { String::new() }; 4]);
}

#[test]
fn a_page_of_the_largest_entries_is_a_message_that_callers_take() {
    let bytes = ledger_entry(&largest()).encoded_len();
    // The tag and the length of each entry stand before it.
    assert!((bytes + 4) * limits::MAX_PAGE_SIZE < limits::MAX_PAGE_BYTES, "{bytes} bytes");
}

#[test]
fn a_verification_tells_its_problems_in_their_order_and_how_many_there_are() {
    let problem = |revision, position, what: &str| LedgerProblem {
        revision: Revision::new(revision),
        position,
        what: what.to_owned(),
    };
    let verified = LedgerVerification {
        revision: Revision::new(70),
        entries: 50,
        chain: [7; 32],
        stock_rows: 12,
        problems: vec![problem(3, 1, "the sum is off"), problem(0, 0, "the end is off")],
        problem_count: 102,
    };
    let told =
        |revision, position, what: &str| v1::LedgerProblem { revision, position, what: what.to_owned() };
    let expected = v1::LedgerVerification {
        revision: 70,
        chain_hash: vec![7; 32],
        stock_rows: 12,
        problems: vec![told(3, 1, "the sum is off"), told(0, 0, "the end is off")],
        problem_count: 102,
    };
    assert_eq!(ledger_verification(&verified), expected);
}
