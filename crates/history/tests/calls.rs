//! Calls on their way through a file: what is read is what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use stockade_history::{
    Answer, Asked, Consistency, Fate, Lines, Outcome, Record, Recorder, Recording, Return, is_trial,
    request_id_of,
};
use stockade_proto::v1;

/// Bytes that can be looked at after they were written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn request_id() -> String {
    "01900000-0000-7000-8000-000000000001".to_owned()
}

#[allow(clippy::unnecessary_wraps, reason = "as responses have it")]
fn header() -> Option<v1::ResponseHeader> {
    Some(v1::ResponseHeader { revision: 7, ..v1::ResponseHeader::default() })
}

fn lines() -> Vec<v1::LineQuantity> {
    vec![v1::LineQuantity { line: 1, quantity: 2, location_id: "main".to_owned() }]
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// Each call of an order, a transaction, a reservation and the ledger, and an answer to it.
fn calls() -> Vec<(Asked, Answer, &'static str)> {
    let mut calls = calls_of_orders();
    calls.extend(changes_of_orders());
    calls.extend(transactions());
    calls.extend(calls_of_reservations());
    calls.extend(calls_of_the_ledger());
    calls
}

fn calls_of_orders() -> Vec<(Asked, Answer, &'static str)> {
    let id = || "order".to_owned();
    let order = || v1::Order { order_id: id(), ..v1::Order::default() };
    let place = v1::PlaceOrderRequest {
        request_id: request_id(),
        order_id: id(),
        lines: vec![v1::NewOrderLine { quantity: 2, ..v1::NewOrderLine::default() }],
        sourcing: v1::Sourcing::FewestSplits.into(),
        ..v1::PlaceOrderRequest::default()
    };
    let shortage_policy = v1::ShortagePolicy::Partial.into();
    let sources = vec![v1::LineSource { line: 1, location_id: "main".to_owned(), quantity: 2 }];
    let placed = v1::PlaceOrderResponse { header: header(), order_id: id(), sources, ..Default::default() };
    vec![
        (place.clone().into(), placed.clone().into(), "place order order of 1 lines"),
        (
            v1::PlaceOrderRequest { shortage_policy, ..place }.into(),
            placed.into(),
            "place order order of 1 lines, or what is there of it",
        ),
        (
            v1::GetOrderRequest { order_id: id(), read: None }.into(),
            v1::GetOrderResponse { header: header(), order: Some(order()) }.into(),
            "read order order",
        ),
        (
            v1::BatchGetOrdersRequest { order_ids: vec![id(), id()], read: None }.into(),
            v1::BatchGetOrdersResponse { header: header(), orders: vec![order(), order()] }.into(),
            "read 2 orders",
        ),
        (
            v1::ListOrdersRequest { state: v1::OrderState::Closed.into(), ..Default::default() }.into(),
            v1::ListOrdersResponse { header: header(), orders: vec![order()], ..Default::default() }.into(),
            "list orders",
        ),
        (
            v1::ListOrdersRequest {
                page_token: "00".to_owned(),
                customer_id: "ann".to_owned(),
                sku_id: "mug".to_owned(),
                start_time: Some(prost_types::Timestamp { seconds: 9, nanos: 0 }),
                newest_first: true,
                ..Default::default()
            }
            .into(),
            v1::ListOrdersResponse { header: header(), ..Default::default() }.into(),
            "list orders of ann with mug, newest first, a further page",
        ),
    ]
}

fn changes_of_orders() -> Vec<(Asked, Answer, &'static str)> {
    let id = || "order".to_owned();
    let etag = || "1c-a".to_owned();
    let confirm = v1::ConfirmOrderRequest {
        request_id: request_id(),
        order_id: id(),
        etag: etag(),
        ..v1::ConfirmOrderRequest::default()
    };
    let confirmed = v1::ConfirmOrderResponse { header: header(), order_id: id(), ..Default::default() };
    let ship = v1::ShipOrderRequest {
        request_id: request_id(),
        order_id: id(),
        document_id: "parcel-1".to_owned(),
        close_after: Some(seconds(9)),
        ..v1::ShipOrderRequest::default()
    };
    let shipped = v1::ShipOrderResponse { header: header(), shipped: 2, parcel: 1, ..Default::default() };
    let cancel = v1::CancelOrderRequest {
        request_id: request_id(),
        order_id: id(),
        ..v1::CancelOrderRequest::default()
    };
    let cancelled = v1::CancelOrderResponse { header: header(), cancelled: 2, ..Default::default() };
    vec![
        (confirm.clone().into(), confirmed.clone().into(), "confirm order order"),
        (
            v1::ConfirmOrderRequest { reacquire: true, ..confirm }.into(),
            confirmed.into(),
            "confirm order order, with units taken anew where they must be",
        ),
        (
            v1::ExtendOrderRequest {
                request_id: request_id(),
                order_id: id(),
                hold_duration: Some(seconds(9)),
                etag: etag(),
                validate_only: false,
            }
            .into(),
            v1::ExtendOrderResponse { header: header(), order_id: id(), ..Default::default() }.into(),
            "extend order order",
        ),
        (ship.clone().into(), shipped.clone().into(), "ship order order"),
        (
            v1::ShipOrderRequest { lines: lines(), ..ship }.into(),
            shipped.into(),
            "ship 1 lines of order order",
        ),
        (cancel.clone().into(), cancelled.clone().into(), "cancel order order"),
        (
            v1::CancelOrderRequest { lines: lines(), ..cancel }.into(),
            cancelled.into(),
            "cancel 1 lines of order order",
        ),
        (
            v1::CloseOrderRequest {
                request_id: request_id(),
                order_id: id(),
                etag: etag(),
                validate_only: false,
            }
            .into(),
            v1::CloseOrderResponse { header: header(), order_id: id(), ..Default::default() }.into(),
            "close order order",
        ),
        (
            v1::ReturnOrderRequest {
                request_id: request_id(),
                order_id: id(),
                lines: vec![v1::ReturnLine { line: 1, quantity: 2, ..Default::default() }],
                ..Default::default()
            }
            .into(),
            v1::ReturnOrderResponse { header: header(), returned: 2, ..Default::default() }.into(),
            "return 1 lines of order order",
        ),
    ]
}

fn transactions() -> Vec<(Asked, Answer, &'static str)> {
    let operation = v1::CloseOrderRequest { order_id: "order".to_owned(), ..Default::default() };
    let request = Some(v1::mutation::Request::CloseOrder(operation));
    let condition = v1::precondition::Condition::OrderState(v1::OrderState::Shipped.into());
    let response = v1::CloseOrderResponse { order_id: "order".to_owned(), ..Default::default() };
    let response = Some(v1::mutation_result::Response::CloseOrder(response));
    let transact = v1::TransactRequest {
        request_id: request_id(),
        operations: vec![v1::Mutation { timeout: None, request }],
        ..v1::TransactRequest::default()
    };
    let precondition = v1::Precondition { subject: None, condition: Some(condition) };
    let results = vec![v1::MutationResult { response, ..v1::MutationResult::default() }];
    let transacted = v1::TransactResponse { header: header(), results };
    vec![
        (transact.clone().into(), transacted.clone().into(), "do 1 operations at once"),
        (
            v1::TransactRequest { preconditions: vec![precondition], ..transact }.into(),
            transacted.into(),
            "do 1 operations at once if 1 things hold",
        ),
    ]
}

fn calls_of_reservations() -> Vec<(Asked, Answer, &'static str)> {
    let id = || "cart".to_owned();
    vec![
        (
            v1::CreateReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                lines: vec![v1::NewOrderLine { quantity: 2, ..v1::NewOrderLine::default() }],
                ..v1::CreateReservationRequest::default()
            }
            .into(),
            v1::CreateReservationResponse { header: header(), reservation_id: id(), ..Default::default() }
                .into(),
            "reserve 1 lines as cart",
        ),
        (
            v1::ExtendReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                hold_duration: Some(seconds(9)),
                ..v1::ExtendReservationRequest::default()
            }
            .into(),
            v1::ExtendReservationResponse { header: header(), reservation_id: id(), ..Default::default() }
                .into(),
            "extend reservation cart",
        ),
        (
            v1::CommitReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                order_id: "order".to_owned(),
                lines: lines(),
                ..v1::CommitReservationRequest::default()
            }
            .into(),
            v1::CommitReservationResponse { header: header(), committed: 2, ..Default::default() }.into(),
            "make order order of reservation cart",
        ),
        (
            v1::ReleaseReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                lines: lines(),
                ..v1::ReleaseReservationRequest::default()
            }
            .into(),
            v1::ReleaseReservationResponse { header: header(), released: 2, ..Default::default() }.into(),
            "release reservation cart",
        ),
        (
            v1::MoveReservationRequest {
                request_id: request_id(),
                reservation_id: id(),
                lines: vec![1],
                location_id: "main".to_owned(),
                ..v1::MoveReservationRequest::default()
            }
            .into(),
            v1::MoveReservationResponse { header: header(), reservation_id: id(), moved: 2 }.into(),
            "move reservation cart to main",
        ),
        (
            v1::GetReservationRequest { reservation_id: id(), read: None }.into(),
            v1::GetReservationResponse { header: header(), reservation: Some(v1::Reservation::default()) }
                .into(),
            "read reservation cart",
        ),
        (
            v1::ListReservationsRequest { customer_id: "ann".to_owned(), ..Default::default() }.into(),
            v1::ListReservationsResponse { header: header(), ..Default::default() }.into(),
            "list reservations of ann",
        ),
    ]
}

fn calls_of_the_ledger() -> Vec<(Asked, Answer, &'static str)> {
    use v1::get_stock_as_of_request::AsOf;

    let as_of = |location: &str, as_of: AsOf| v1::GetStockAsOfRequest {
        sku_id: "mug".to_owned(),
        location_id: location.to_owned(),
        as_of: Some(as_of),
        ..v1::GetStockAsOfRequest::default()
    };
    let stock = vec![v1::Stock { available: 3, revision: 5, ..v1::Stock::default() }];
    let then = v1::GetStockAsOfResponse { header: header(), as_of_revision: 6, stock, ..Default::default() };
    let entry = v1::LedgerEntry { revision: 5, quantity: 3, ..v1::LedgerEntry::default() };
    vec![
        (
            v1::ListLedgerEntriesRequest::default().into(),
            v1::ListLedgerEntriesResponse { header: header(), entries: vec![entry], ..Default::default() }
                .into(),
            "list the ledger",
        ),
        (
            v1::ListLedgerEntriesRequest {
                page_token: "00".to_owned(),
                sku_id: "mug".to_owned(),
                location_id: "main".to_owned(),
                order_id: "order".to_owned(),
                newest_first: true,
                ..v1::ListLedgerEntriesRequest::default()
            }
            .into(),
            v1::ListLedgerEntriesResponse { header: header(), ..Default::default() }.into(),
            "list the ledger of mug at main by order order, newest first, a further page",
        ),
        (as_of("", AsOf::Revision(6)).into(), then.clone().into(), "read stock of mug as of revision 6"),
        (
            as_of("main", AsOf::Time(prost_types::Timestamp { seconds: 9, nanos: 1_000 })).into(),
            then.into(),
            "read stock of mug at main as of 9.000001000 s",
        ),
    ]
}

/// What is written while `record` makes calls.
fn written(record: impl FnOnce(&Recorder)) -> Vec<u8> {
    let memory = Memory::default();
    let recording = Recording { id: "r".to_owned(), clock: "c".to_owned(), by: String::new() };
    let recorder = Recorder::new(Box::new(memory.clone()), true, recording, || 1).expect("memory takes all");
    record(&recorder);
    recorder.finish().expect("memory takes all");
    memory.0.lock().expect("nobody panics while writing").clone()
}

fn recorded(record: impl FnOnce(&Recorder)) -> Vec<Record> {
    let text = written(record);
    Lines::new(text.as_slice()).map(|line| line.expect("a sound history").1).collect()
}

/// The ends of calls.
fn ends(records: Vec<Record>) -> Vec<Return> {
    let end = |record| match record {
        Record::Return(ended) => Some(*ended),
        Record::Invoke(_)
        | Record::Beginning(_)
        | Record::Recording(_)
        | Record::Entry(_)
        | Record::State(_) => None,
    };
    records.into_iter().filter_map(end).collect()
}

#[test]
fn calls_are_read_as_they_were_recorded() {
    let records = recorded(|recorder| {
        for (asked, answer, _) in calls() {
            recorder.invoke_any(&asked).answered_with(answer.header(), &answer.encode());
        }
    });
    let mut read = Vec::new();
    let mut asked = None;
    for record in records {
        match record {
            Record::Invoke(invoke) => asked = Some(invoke.asked),
            Record::Return(ended) => {
                let asked = asked.take().expect("it began");
                let Outcome::Ok(bytes) = ended.outcome else { panic!("it was answered") };
                let answer = asked.decode_answer(&bytes).expect("an answer to it");
                read.push((asked, answer));
            }
            Record::Beginning(_) | Record::Recording(_) | Record::Entry(_) | Record::State(_) => {}
        }
    }
    let all: Vec<_> = calls().into_iter().map(|(asked, answer, _)| (asked, answer)).collect();
    assert_eq!(read, all);
    for (asked, _, words) in calls() {
        assert_eq!(asked.words(), words);
    }
}

#[test]
fn what_changes_something_is_a_mutation_and_a_read_is_none() {
    let mut mutations = BTreeSet::new();
    for (asked, ..) in calls() {
        assert_eq!(asked.is_mutation(), asked.mutation().is_some(), "{}", asked.kind());
        if let Some(mutation) = asked.mutation() {
            assert!(!asked.request_id().is_empty(), "{} runs once", asked.kind());
            assert_eq!(request_id_of(&mutation), asked.request_id());
            assert_eq!(Asked::from(mutation), asked);
            mutations.insert(asked.kind());
        } else {
            assert!(asked.request_id().is_empty(), "a read has no request id");
        }
    }
    let all = [
        "place_order",
        "confirm_order",
        "extend_order",
        "ship_order",
        "cancel_order",
        "close_order",
        "return_order",
        "transact",
        "create_reservation",
        "extend_reservation",
        "commit_reservation",
        "release_reservation",
        "move_reservation",
    ];
    assert_eq!(mutations, BTreeSet::from(all));
}

/// A mutation for good and as a trial.
macro_rules! tried {
    ($($request:ident),*) => {
        [$((
            Asked::from(v1::$request { request_id: request_id(), ..Default::default() }),
            Asked::from(v1::$request { request_id: request_id(), validate_only: true, ..Default::default() }),
        )),*]
    };
}

#[test]
fn every_mutation_says_whether_it_is_to_be_tried_only() {
    let all = tried!(
        CreateSkuRequest,
        UpdateSkuRequest,
        DeleteSkuRequest,
        CreateLocationRequest,
        UpdateLocationRequest,
        DeleteLocationRequest,
        ReceiveStockRequest,
        AdjustStockRequest,
        SetStockRequest,
        MoveStockRequest,
        PlaceOrderRequest,
        ConfirmOrderRequest,
        ExtendOrderRequest,
        ShipOrderRequest,
        CancelOrderRequest,
        CloseOrderRequest,
        ReturnOrderRequest,
        CreateReservationRequest,
        ExtendReservationRequest,
        CommitReservationRequest,
        ReleaseReservationRequest,
        MoveReservationRequest,
        TransactRequest
    );
    for (for_good, tried) in all {
        assert!(!for_good.is_trial() && tried.is_trial(), "{}", tried.kind());
        assert!(tried.is_mutation(), "{}", tried.kind());
        assert!(!is_trial(&for_good.mutation().expect("a mutation")), "{}", tried.kind());
        assert!(is_trial(&tried.mutation().expect("a mutation")), "{}", tried.kind());
        assert_eq!(tried.words(), format!("try to {}", for_good.words()));
    }
    for (asked, ..) in calls() {
        assert!(!asked.is_trial(), "{}", asked.kind());
    }
}

#[test]
fn a_trial_is_never_logged_and_has_no_fate() {
    let at = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 };
    let header = v1::ResponseHeader { revision: 7, log_time: Some(at), ..v1::ResponseHeader::default() };
    for validate_only in [false, true] {
        let request = v1::CloseOrderRequest { request_id: request_id(), validate_only, ..Default::default() };
        let ends = ends(recorded(|recorder| {
            let refuse = |op: stockade_history::Op| {
                let fate = Some(Fate::NotApplied);
                op.refused(Some(&header), "NOT_FOUND", "none", BTreeMap::new(), fate);
            };
            refuse(recorder.invoke(&request));
            refuse(recorder.invoke_any(&request.clone().into()));
            recorder.invoke(&request).unknown("nobody answered");
            recorder.invoke_any(&request.clone().into()).unknown("nobody answered");
        }));
        for ended in &ends[..2] {
            let Outcome::Refused { logged, fate, .. } = &ended.outcome else { panic!("{ended:?}") };
            assert_eq!((*logged, fate.is_none()), (!validate_only, validate_only));
            let header = ended.header.as_ref().expect("it was recorded");
            assert_eq!(header.log_time_us, Some(1_700_000_000_123_456), "of both");
        }
        for ended in &ends[2..] {
            let is_unknown = matches!(ended.outcome, Outcome::Unknown { .. });
            let is_failed = matches!(ended.outcome, Outcome::Failed { .. });
            assert_eq!((is_unknown, is_failed), (!validate_only, validate_only));
        }
    }
}

#[test]
fn a_header_without_log_time_has_none() {
    let request = v1::GetOrderRequest { order_id: "order".to_owned(), read: None };
    let response = v1::GetOrderResponse { header: header(), ..v1::GetOrderResponse::default() };
    let ends = ends(recorded(|recorder| recorder.invoke(&request).answered(&response)));
    assert_eq!(ends[0].header.as_ref().expect("it was recorded").log_time_us, None);
}

#[test]
fn what_a_read_promises_is_written_and_read_again() {
    let named = |consistency: v1::Consistency| v1::ReadOptions {
        consistency: consistency.into(),
        ..v1::ReadOptions::default()
    };
    for (read, served, expected) in [
        (None, v1::Consistency::Linearizable, Consistency::Linearizable),
        (Some(named(v1::Consistency::Lease)), v1::Consistency::Lease, Consistency::Lease),
        (
            Some(v1::ReadOptions { max_staleness: Some(seconds(2)), ..named(v1::Consistency::Bounded) }),
            v1::Consistency::Bounded,
            Consistency::Bounded(2_000_000_000),
        ),
        (
            Some(v1::ReadOptions { min_revision: 7, ..named(v1::Consistency::AtLeast) }),
            v1::Consistency::AtLeast,
            Consistency::AtLeast(7),
        ),
        (Some(named(v1::Consistency::Local)), v1::Consistency::Local, Consistency::Local),
    ] {
        let request = v1::GetOrderRequest { order_id: "order".to_owned(), read };
        let header =
            Some(v1::ResponseHeader { served_consistency: served.into(), ..header().unwrap_or_default() });
        let response = v1::GetOrderResponse { header, ..v1::GetOrderResponse::default() };
        let records = recorded(|recorder| recorder.invoke(&request).answered(&response));
        let [_, _, Record::Invoke(invoke), Record::Return(ended)] = &records[..] else {
            panic!("{records:?}")
        };
        assert_eq!(invoke.consistency, expected);
        let told = ended.header.as_ref().and_then(|header| header.served_consistency);
        assert!(told.expect("it was recorded").keeps(expected), "{told:?}");
    }
}

#[test]
fn a_history_from_before_there_was_a_choice_is_linearizable_and_one_that_contradicts_itself_is_none() {
    let request = v1::GetOrderRequest {
        order_id: "order".to_owned(),
        read: Some(v1::ReadOptions {
            consistency: v1::Consistency::Lease.into(),
            ..v1::ReadOptions::default()
        }),
    };
    let plain = v1::GetOrderRequest { read: None, ..request.clone() };
    let line = |request: &v1::GetOrderRequest, from: &str, to: &str| {
        let written = written(|recorder| drop(recorder.invoke(request)));
        let text = String::from_utf8(written).expect("JSON").replace(from, to);
        Lines::new(text.as_bytes()).last().expect("a line").map(|(_, record)| match record {
            Record::Invoke(invoke) => invoke.consistency,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(line(&plain, "", "").expect("sound"), Consistency::Linearizable);
    let kind = r#""kind":"get_order""#;
    let with = |more: &str| format!("{kind},{more}");
    // Written by others, in words alone or in the request alone.
    assert_eq!(line(&plain, kind, &with(r#""consistency":"local""#)).expect("sound"), Consistency::Local);
    assert_eq!(line(&plain, kind, &with(r#""consistency":"bounded""#)).expect("sound"), Consistency::Local);
    assert_eq!(line(&request, r#""consistency":"lease","#, "").expect("sound"), Consistency::Lease);
    for (request, from, to) in [
        (&request, r#""consistency":"lease""#, r#""consistency":"local""#.to_owned()),
        (&plain, kind, with(r#""consistency":"at_least""#)),
        (&plain, kind, with(r#""at_least":7"#)),
        (&plain, kind, with(r#""consistency":"lease","max_staleness_ns":7"#)),
        (&plain, kind, with(r#""consistency":"stale""#)),
    ] {
        assert!(line(request, from, &to).is_err(), "{to}");
    }
}
