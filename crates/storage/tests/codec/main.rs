//! Round trips of everything durable, golden bytes of the released formats, and refusal of what is damaged.

mod command_strategies;
mod golden;
mod strategies;

use std::fmt::Debug;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use stockade_state_machine::change::Clock;
use stockade_state_machine::document::Document;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{ContentHash, LogTime, Origin, Reply, Request, Stock};
use stockade_storage::Proposal;
use stockade_storage::codec::{Durable, assemble_proposal, decode_proposal, encode_request};

use crate::command_strategies::{commands, requests};
use crate::golden::{sample_ledger_entry, sample_order, sample_reservation};
use crate::strategies::*;

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
        (sku, location) in (sku_rows(), location_rows()),
        (stock, clock, document) in (stocks(), clocks(), document_rows()),
        (order, reservation) in (order_rows(), reservation_rows()),
        entry in ledger_entries(),
        record in records(),
        cut in any::<prop::sample::Index>(),
    ) {
        check_round_trip(&reply, cut);
        check_round_trip(&request, cut);
        check_round_trip(&sku, cut);
        check_round_trip(&location, cut);
        check_round_trip(&stock, cut);
        check_round_trip(&clock, cut);
        check_round_trip(&document, cut);
        check_round_trip(&order, cut);
        check_round_trip(&reservation, cut);
        check_round_trip(&entry, cut);
        check_round_trip(&record, cut);
    }

    #[test]
    fn arbitrary_and_flipped_bytes_never_panic(
        mut noise in vec(any::<u8>(), 0..300),
        (order, reservation) in (order_rows(), reservation_rows()),
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
        let rows = [flip(order.encode()), flip(reservation.encode())];
        let entries = [flip(request.encode()), flip(proposal.0.to_vec())];
        for bytes in std::iter::once(noise).chain(rows).chain(entries) {
            drop((Reply::decode(&bytes), Request::decode(&bytes), Sku::decode(&bytes), Stock::decode(&bytes)));
            drop((Order::decode(&bytes), Document::decode(&bytes), LedgerEntry::decode(&bytes)));
            drop((RequestRecord::decode(&bytes), Clock::decode(&bytes), Reservation::decode(&bytes)));
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
    let mut broken = sample_reservation();
    broken.lines[0].open += 1;
    assert!(Reservation::decode(&broken.encode()).is_err(), "quantities that do not add up");
    let mut broken = sample_reservation();
    broken.lines[0].open -= 3;
    broken.lines[0].released += 3;
    assert!(Reservation::decode(&broken.encode()).is_err(), "units below 0");
    let broken = Reservation { lines: Vec::new(), ..sample_reservation() };
    assert!(Reservation::decode(&broken.encode()).is_err(), "a reservation without lines");
    let broken = LedgerEntry { quantity: 0, ..sample_ledger_entry() };
    assert!(LedgerEntry::decode(&broken.encode()).is_err(), "a movement of nothing");
    // Format, six buckets in zigzag, revision, position.
    assert!(Stock::decode(&[1, 1, 0, 0, 0, 0, 0, 0, 0]).is_err(), "a bucket of -1");
    assert!(Stock::decode(&[1, 2, 0, 0, 0, 0, 0, 0, 0]).is_ok(), "a bucket of 1");
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
