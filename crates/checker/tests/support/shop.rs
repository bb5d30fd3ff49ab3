//! A small shop with several locations, and how its history is held against the log with one thing in it changed.

use std::collections::BTreeMap;

use stockade_checker::{Check, Ended, History, Options, Report, check};
use stockade_history::{Asked, Outcome};
use stockade_proto::v1;

use crate::support::{Cluster, Fault, Memory, Shape};

/// Nothing happens by chance.
pub(crate) const SHAPE: Shape =
    Shape { operations: 0, skus: 2, overlap: 1, units: 12, rich: true, fault: Fault::None };

/// Two SKUs with 12 units each at `main`, one that is not tracked, and of the locations: `east` with 5 of the first SKU,
/// `shut` with 7 that nobody gets, `spare` without any, and `gone`, of which an empty row is left.
pub(crate) fn shop() -> Cluster {
    let mut shop = Cluster::new(1, SHAPE);
    shop.live();
    for (location_id, zone, disabled) in [("east", "e", false), ("shut", "e", true), ("gone", "", false)] {
        let (location_id, zone) = (location_id.to_owned(), zone.to_owned());
        let location = Some(v1::Location { location_id, zone, disabled, ..v1::Location::default() });
        let request_id = shop.request_id();
        shop.alone(v1::CreateLocationRequest { request_id, location, validate_only: false }.into());
    }
    for (location, quantity) in [("east", 5), ("shut", 7), ("gone", 3), ("gone", 0)] {
        let request = set(&mut shop, location, quantity, None);
        shop.alone(request);
    }
    let delete = delete_location(&mut shop, "gone", "");
    shop.alone(delete);
    shop
}

/// A count of the first SKU.
pub(crate) fn set(shop: &mut Cluster, location: &str, quantity: i64, expected: Option<i64>) -> Asked {
    v1::SetStockRequest {
        request_id: shop.request_id(),
        sku_id: "sku-0".to_owned(),
        location_id: location.to_owned(),
        quantity,
        expected_quantity: expected,
        reason: v1::Reason::CycleCount.into(),
        ..v1::SetStockRequest::default()
    }
    .into()
}

/// Asks for something under an id of its own.
pub(crate) fn ask(shop: &mut Cluster, ask: impl FnOnce(String) -> Asked) -> Asked {
    let asked = ask(shop.request_id());
    shop.alone(asked.clone());
    asked
}

/// A location is deleted, under an etag where it is not empty.
pub(crate) fn delete_location(shop: &mut Cluster, location: &str, etag: &str) -> Asked {
    v1::DeleteLocationRequest {
        request_id: shop.request_id(),
        location_id: location.to_owned(),
        etag: etag.to_owned(),
        validate_only: false,
    }
    .into()
}

/// An order of the first SKU.
pub(crate) fn place(shop: &mut Cluster, order: &str, location: &str, quantity: i64) -> Asked {
    let (sku_id, location_id) = ("sku-0".to_owned(), location.to_owned());
    let line = v1::NewOrderLine { sku_id, location_id, quantity, ..v1::NewOrderLine::default() };
    v1::PlaceOrderRequest {
        request_id: shop.request_id(),
        order_id: order.to_owned(),
        currency_code: "EUR".to_owned(),
        lines: vec![line],
        ..v1::PlaceOrderRequest::default()
    }
    .into()
}

/// The history of all that was done.
pub(crate) fn written(shop: Cluster) -> History {
    let memory = Memory::default();
    shop.write(memory.clone()).expect("memory takes all");
    History::read(memory.take().as_slice()).expect("a sound history")
}

/// What is found in it.
pub(crate) fn report(history: &History) -> Report {
    check(history, Options::default()).expect("it has a log")
}

/// How a call ended.
pub(crate) fn end_of<'a>(history: &'a mut History, asked: &Asked) -> &'a mut Ended {
    let found = history.operations.iter_mut().rfind(|operation| operation.asked == *asked);
    found.and_then(|operation| operation.ended.as_mut()).expect("it was asked and has ended")
}

/// The history holds as it is, and not with the call's ending changed: check D says all of these words.
#[track_caller]
pub(crate) fn finds(history: &History, asked: &Asked, change: impl FnOnce(&mut Ended), words: &[&str]) {
    let before = report(history);
    assert!(before.holds(), "{:#?}", before.violations);
    let mut history = history.clone();
    change(end_of(&mut history, asked));
    let report = report(&history);
    let said = |text: &str| words.iter().all(|word| text.contains(word));
    let found = report.violations.iter().any(|found| found.check == Check::D && said(&found.text));
    assert!(found, "{words:?} is not among {:#?}", report.violations);
}

/// The history holds as it is, and not where something else was asked than what the log has.
#[track_caller]
pub(crate) fn finds_other_content(history: &History, asked: &Asked, others: &[Asked]) {
    let before = report(history);
    assert!(before.holds(), "{:#?}", before.violations);
    for other in others {
        assert_eq!((asked.kind(), asked.request_id()), (other.kind(), other.request_id()));
        let mut history = history.clone();
        let operations = history.operations.iter_mut();
        let operation = operations.rev().find(|operation| operation.asked == *asked).expect("it was asked");
        operation.asked = other.clone();
        let report = report(&history);
        let said = |text: &str| text.contains("stands in the log") && text.contains("with other content");
        let found = report.violations.iter().any(|found| found.check == Check::B && said(&found.text));
        assert!(found, "{other:?} is not among {:#?}", report.violations);
    }
}

/// An answer or a refusal that the log does not give.
pub(crate) const TOLD: &[&str] = &["was answered with", "the log, run again, decides"];

/// Another time than it was.
pub(crate) fn later(time: &mut Option<prost_types::Timestamp>) {
    time.as_mut().expect("there is one").nanos += 1_000;
}

/// The refusal for another reason is found, and for this one with something else told of each key; so is one that comes from
/// anywhere but the log.
#[track_caller]
pub(crate) fn finds_other_refusals(history: &History, asked: &Asked, expected: &str, keys: &[&str]) {
    for key in keys {
        let change = |ended: &mut Ended| match &mut ended.outcome {
            Outcome::Refused { reason, metadata, .. } => {
                assert_eq!(reason, expected);
                let before = metadata.insert((*key).to_owned(), "other".to_owned());
                assert!(before.is_some(), "{expected} tells {key}");
            }
            other => panic!("no refusal: {other:?}"),
        };
        finds(history, asked, change, &[expected, "other", "the log, run again, decides"]);
    }
    let other_reason = |ended: &mut Ended| match &mut ended.outcome {
        Outcome::Refused { reason, .. } => {
            assert_eq!(reason, expected);
            "SKU_IN_USE".clone_into(reason);
        }
        other => panic!("no refusal: {other:?}"),
    };
    finds(history, asked, other_reason, &["SKU_IN_USE", expected]);
    let mut elsewhere = history.clone();
    match &mut end_of(&mut elsewhere, asked).outcome {
        Outcome::Refused { logged, .. } => *logged = false,
        other => panic!("no refusal: {other:?}"),
    }
    let report = report(&elsewhere);
    let found = |text: &str| text.contains("which the log alone can decide");
    assert!(report.violations.iter().any(|violation| found(&violation.text)), "{expected}");
}

/// The read found nothing.
pub(crate) fn not_found(ended: &mut Ended) {
    ended.outcome = Outcome::Refused {
        reason: "NOT_FOUND".to_owned(),
        message: String::new(),
        metadata: BTreeMap::new(),
        logged: false,
        fate: None,
    };
}

/// The read tells another revision than that of the last change.
pub(crate) fn later_header(ended: &mut Ended) {
    ended.header.as_mut().expect("it has one").revision += 1;
}

/// A token that leads on behind a row.
pub(crate) fn token(key: &str) -> String {
    let hex: Vec<_> = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("01{}00000000", hex.concat())
}

/// Names, as a request has them.
pub(crate) fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Of a version that nothing has any more.
pub(crate) const STALE_ETAG: &str = "1-0";

/// Changes an answer of one kind.
macro_rules! changes {
    ($variant:ident, $answer:ident => $change:expr) => {
        |ended: &mut Ended| match &mut ended.outcome {
            Outcome::Ok(Answer::$variant($answer)) => {
                $change;
            }
            other => panic!("an answer of another kind: {other:?}"),
        }
    };
}

pub(crate) use changes;
