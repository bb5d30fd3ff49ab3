//! Round trips of everything durable, golden bytes of the released formats, and refusal of what is damaged.

mod command_samples;
mod command_strategies;
mod golden;
mod limits;
mod outcome_samples;
mod outcome_strategies;
mod samples;
mod strategies;

use std::fmt::Debug;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::Transact;
use stockade_state_machine::document::Document;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::order::{Order, Parcel};
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Command, ContentHash, LogTime, Origin, Outcome, Reply, Request, Stock};
use stockade_storage::Proposal;
use stockade_storage::codec::{Durable, assemble_proposal, decode_proposal, encode_request};

use crate::command_strategies::{commands, requests};
use crate::outcome_strategies::{records, replies};
use crate::samples::{sample_ledger_entry, sample_order, sample_record, sample_reservation};
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

type Break = fn(&mut Order);

#[test]
fn rows_that_break_an_invariant_are_refused() {
    let mut broken = sample_order();
    broken.lines[0].held += 1;
    assert!(Order::decode(&broken.encode()).is_err(), "quantities that do not add up");
    let mut broken = sample_order();
    broken.lines[0].shipped += 2;
    broken.parcels[0].lines[0].quantity += 2;
    assert!(Order::decode(&broken.encode()).is_err(), "more shipped than allocated");
    let broken = Order { lines: Vec::new(), parcels: Vec::new(), ..sample_order() };
    assert!(Order::decode(&broken.encode()).is_err(), "an order without lines");
    for numbers in [[0, 1, 1], [1, 1, 3], [2, 2, 2], [1, 2, 1]] {
        let mut broken = sample_order();
        broken.lines.iter_mut().zip(numbers).for_each(|(line, number)| line.number = number);
        assert!(Order::decode(&broken.encode()).is_err(), "lines numbered {numbers:?}");
    }
    let breaks: [(&str, Break); 6] = [
        ("a parcel with a unit that has not shipped", |order| order.parcels[1].lines[0].quantity += 1),
        ("a unit that has shipped in no parcel", |order| order.parcels[1].lines[0].quantity -= 1),
        ("a part that the order has not", |order| order.parcels[0].lines[0].part = 3),
        ("a parcel of less than nothing", |order| {
            order.parcels[0].lines[0].quantity = -1;
            order.parcels[1].lines[0].quantity = 5;
        }),
        ("a line of a parcel without units", |order| {
            let (first, second) = order.parcels.split_at_mut(1);
            second[0].lines[0].quantity += std::mem::take(&mut first[0].lines[0].quantity);
        }),
        ("an empty parcel", |order| {
            let empty = Parcel { lines: Vec::new(), ..order.parcels[0].clone() };
            order.parcels.push(empty);
        }),
    ];
    for (what, break_it) in breaks {
        let mut broken = sample_order();
        break_it(&mut broken);
        assert!(Order::decode(&broken.encode()).is_err(), "{what}");
    }
    let mut broken = sample_reservation();
    broken.lines[0].number = 2;
    assert!(Reservation::decode(&broken.encode()).is_err(), "a reservation without a first line");
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

/// Bytes that nest as deep as they are long: a decoder that goes along would overflow its stack.
fn nested(head: &[u8], level: &[u8]) -> Vec<u8> {
    [head, &level.repeat(1_000_000)].concat()
}

#[test]
fn nothing_on_disk_nests() {
    // Format, content hash, no origin; then one transaction in the other, each without preconditions and with one operation.
    let head = [[1].as_slice(), &[7; 16], &[0]].concat();
    let transact = [1, 0, 1];
    assert!(Request::decode(&nested(&head, &transact)).is_err());
    assert!(Request::decode(&[&head[..], &transact, &transact, &[0, 1]].concat()).is_err());
    let inner = [&head[..], &transact, &[1]].concat();
    assert!(Request::decode(&inner).is_ok(), "with a command in it that holds no other");
    // Format, content hash; then outcomes, one in the other, each of one operation.
    let head = [[1].as_slice(), &[7; 16]].concat();
    assert!(RequestRecord::decode(&nested(&head, &[1, 1])).is_err());
    // A refusal; then refusals of operations, each with its number.
    assert!(RequestRecord::decode(&nested(&[&head[..], &[4]].concat(), &[2, 1])).is_err());
}

#[test]
fn a_transaction_in_a_transaction_is_encoded_as_what_is_refused_for_the_same_reason() {
    let transact = |operations| Command::Transact(Transact { preconditions: Vec::new(), operations });
    let command = transact(vec![transact(vec![Command::AbandonRequest])]);
    let decoded = Request::decode(&encode_request(None, &command)).expect("just encoded").command;
    assert_eq!(decoded, transact(vec![Command::AbandonRequest]));
    assert_eq!(decoded.check(), command.check());
    assert_eq!(decoded.check(), Err("no operation of a transaction"));
}

#[test]
fn what_says_of_a_list_that_it_is_empty_and_may_not_be_is_refused() {
    let record = |outcome| RequestRecord { outcome, ..sample_record() };
    let transacted = record(Outcome::Transacted(Vec::new()));
    assert!(RequestRecord::decode(&transacted.encode()).is_err(), "a transaction of nothing");
    let failed = record(Outcome::Rejected(Rejection::PreconditionFailed { failed: Vec::new() }));
    assert!(RequestRecord::decode(&failed.encode()).is_err(), "refused for no precondition");
}
