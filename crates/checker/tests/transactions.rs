//! Several mutations at once: wrong answers, refusals and entries are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use shop::{
    STALE_ETAG, TOLD, ask, changes, end_of, finds, finds_other_content, finds_other_refusals, report, set,
    shop, written,
};
use stockade_checker::Ended;
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_proto::v1::mutation_result::Response;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_proto::v1::{ShortagePolicy, Sourcing};
use support::{Cluster, carts, orders};

fn sku(id: &str) -> Subject {
    Subject::SkuId(id.to_owned())
}

fn order(id: &str) -> Subject {
    Subject::OrderId(id.to_owned())
}

fn cart(id: &str) -> Subject {
    Subject::ReservationId(id.to_owned())
}

fn stock(sku_id: &str, location_id: &str) -> Subject {
    Subject::Stock(v1::StockSubject { sku_id: sku_id.to_owned(), location_id: location_id.to_owned() })
}

fn units(min: Option<i64>, max: Option<i64>) -> Condition {
    Condition::Quantity(v1::QuantityRange { bucket: v1::Bucket::Available.into(), min, max })
}

/// An order of the second SKU, as an operation.
fn place(id: &str, quantity: i64) -> Asked {
    let (sourcing, policy) = (Sourcing::Priority, ShortagePolicy::AllOrNothing);
    orders::place(String::new(), id, &[("sku-1", "", quantity)], sourcing, policy)
}

fn confirm(id: &str) -> Asked {
    orders::confirm(String::new(), id, false, "")
}

fn transact(shop: &mut Cluster, conditions: Vec<(Subject, Condition)>, operations: &[Asked]) -> Asked {
    let conditions = conditions.into_iter();
    let conditions =
        conditions.map(|(subject, condition)| orders::precondition(subject, condition)).collect();
    ask(shop, |request| orders::transact(request, conditions, operations))
}

/// Changes the response of an operation.
macro_rules! of_operation {
    ($number:expr, $variant:ident, $answer:ident => $change:expr) => {
        changes!(Transact, answer => match &mut answer.results[$number - 1].response {
            Some(Response::$variant($answer)) => {
                $change;
            }
            other => panic!("an answer of another kind: {other:?}"),
        })
    };
}

#[test]
fn a_wrong_answer_to_a_transaction_is_found() {
    let mut shop = shop();
    let conditions = vec![
        (sku("sku-1"), Condition::Exists(true)),
        (order("a"), Condition::Exists(false)),
        (stock("sku-1", "main"), units(Some(12), Some(12))),
        (stock("sku-1", "east"), Condition::Exists(false)),
    ];
    let operations = [
        place("a", 5),
        confirm("a"),
        carts::create(String::new(), "cart", &[("sku-1", "", 2)], 60),
        orders::ship(String::new(), "a", &[(1, "", 2)], "parcel-1", Some(9)),
        set(&mut shop, "east", 9, Some(5)),
    ];
    let asked = transact(&mut shop, conditions, &operations);
    let history = written(shop);

    let all = changes!(Transact, answer => {
        assert_eq!(answer.results.len(), 5);
        answer.results.pop();
    });
    finds(&history, &asked, all, TOLD);
    finds(&history, &asked, changes!(Transact, answer => answer.results.swap(1, 3)), TOLD);
    // "Only their `response` is set, without a header."
    finds(&history, &asked, changes!(Transact, answer => answer.results[0].request_id.push('1')), TOLD);
    let fate = changes!(Transact, answer => answer.results[0].fate = v1::Fate::Applied.into());
    finds(&history, &asked, fate, TOLD);
    let header = changes!(Transact, answer => answer.results[0].header = Some(v1::ResponseHeader::default()));
    finds(&history, &asked, header, TOLD);
    let status =
        changes!(Transact, answer => answer.results[0].status = Some(tonic_types::pb::Status::default()));
    finds(&history, &asked, status, TOLD);
    let inner =
        of_operation!(1, PlaceOrder, response => response.header = Some(v1::ResponseHeader::default()));
    finds(&history, &asked, inner, TOLD);
    finds(&history, &asked, changes!(Transact, answer => answer.results[2].response = None), TOLD);

    let source = of_operation!(1, PlaceOrder, response => response.sources[0].quantity += 1);
    finds(&history, &asked, source, &["quantity: 6", "quantity: 5"]);
    let state = of_operation!(2, ConfirmOrder, response => response.state = v1::OrderState::Shipped.into());
    finds(&history, &asked, state, TOLD);
    let expires = of_operation!(3, CreateReservation, response => shop::later(&mut response.expire_time));
    finds(&history, &asked, expires, TOLD);
    finds(&history, &asked, of_operation!(4, ShipOrder, response => response.parcel += 1), TOLD);
    let units =
        of_operation!(5, SetStock, response => response.stock.as_mut().expect("it is there").damaged += 1);
    finds(&history, &asked, units, TOLD);
    let refused = |ended: &mut Ended| {
        ended.outcome = Outcome::Refused {
            reason: "PRECONDITION_FAILED".to_owned(),
            message: String::new(),
            metadata: std::collections::BTreeMap::new(),
            logged: true,
            fate: Some(stockade_history::Fate::NotApplied),
        };
    };
    finds(&history, &asked, refused, &["PRECONDITION_FAILED", "PlaceOrder"]);
}

#[test]
fn a_wrong_refusal_of_an_operation_is_found() {
    let mut shop = shop();
    ask(&mut shop, |request| carts::create(request, "empty", &[("service", "", 1)], 60));
    ask(&mut shop, |request| carts::release(request, "empty", &[]));
    let refused = [
        (
            transact(&mut shop, vec![], &[place("a", 5), place("b", 8)]),
            "INSUFFICIENT_STOCK",
            vec!["operation_number", "shortages", "sku_id", "asked", "available"],
        ),
        (transact(&mut shop, vec![], &[confirm("none")]), "NOT_FOUND", vec!["operation_number"]),
        (
            transact(
                &mut shop,
                vec![],
                &[place("a", 1), orders::confirm(String::new(), "a", false, STALE_ETAG)],
            ),
            "ETAG_MISMATCH",
            vec!["operation_number", "etag"],
        ),
        (
            transact(&mut shop, vec![], &[place("a", 1), orders::close(String::new(), "a", "")]),
            "ILLEGAL_TRANSITION",
            vec!["operation_number", "operation", "order_id", "state", "allowed"],
        ),
        (
            transact(&mut shop, vec![], &[place("a", 1), carts::extend(String::new(), "empty", 9)]),
            "ILLEGAL_TRANSITION",
            vec!["operation_number", "reservation_id", "state", "allowed"],
        ),
        (
            transact(&mut shop, vec![], &[place("a", 1), orders::cancel(String::new(), "a", &[(1, "", 2)])]),
            "QUANTITY_EXCEEDED",
            vec!["operation_number", "order_id", "lines"],
        ),
    ];
    let history = written(shop);
    for (asked, reason, keys) in refused {
        finds_other_refusals(&history, &asked, reason, &keys);
    }
}

#[test]
fn wrong_refusals_for_preconditions_are_found() {
    let mut shop = shop();
    ask(&mut shop, |request| {
        orders::place(request, "held", &[("sku-1", "", 1)], Sourcing::Priority, ShortagePolicy::AllOrNothing)
    });
    ask(&mut shop, |request| carts::create(request, "cart", &[("sku-1", "", 1)], 60));
    let etag = shop.etag_of_order("held");
    let one = [
        ((order("held"), Condition::Etag(STALE_ETAG.to_owned())), format!("has etag {etag}")),
        ((order("held"), Condition::UnchangedSinceRevision(3)), format!("has etag {etag}")),
        ((order("held"), Condition::Exists(false)), format!("has etag {etag}")),
        ((order("none"), Condition::Exists(true)), "does not exist".to_owned()),
        ((stock("sku-0", "east"), Condition::Exists(false)), "has 5 units".to_owned()),
        ((stock("sku-0", "east"), units(Some(6), None)), "has 5 units".to_owned()),
        ((stock("sku-0", "east"), units(None, Some(4))), "has 5 units".to_owned()),
        (
            (order("held"), Condition::OrderState(v1::OrderState::Closed.into())),
            "is PENDING_PAYMENT".to_owned(),
        ),
        (
            (cart("cart"), Condition::ReservationState(v1::ReservationState::Released.into())),
            "is ACTIVE".to_owned(),
        ),
    ];
    let holds = || (sku("sku-0"), Condition::Exists(true));
    let asked: Vec<_> = one
        .map(|(condition, current)| {
            (transact(&mut shop, vec![holds(), condition], &[place("a", 1)]), current)
        })
        .into();
    let several = vec![
        (order("none"), Condition::Exists(true)),
        holds(),
        (stock("sku-1", "main"), units(Some(99), None)),
    ];
    let several = transact(&mut shop, several, &[place("a", 1)]);
    let mut history = written(shop);
    for (asked, current) in asked {
        let Outcome::Refused { metadata, .. } = &end_of(&mut history, &asked).outcome else {
            panic!("{asked:?}")
        };
        assert_eq!((metadata["precondition"].as_str(), &metadata["current"]), ("2", &current));
        let keys = ["failed", "precondition", "current"];
        finds_other_refusals(&history, &asked, "PRECONDITION_FAILED", &keys);
    }
    let Outcome::Refused { metadata, .. } = &end_of(&mut history, &several).outcome else {
        panic!("{several:?}")
    };
    assert_eq!((metadata.len(), metadata["failed"].as_str()), (1, "2"));
    finds_other_refusals(&history, &several, "PRECONDITION_FAILED", &["failed"]);
}

#[test]
fn other_content_in_the_log_than_was_asked_at_once_is_found() {
    let mut shop = shop();
    let conditions =
        vec![(sku("sku-1"), Condition::Exists(true)), (stock("sku-1", "main"), units(Some(1), Some(99)))];
    let asked = transact(&mut shop, conditions, &[place("a", 5), confirm("a")]);
    let history = written(shop);
    let other = |change: fn(&mut v1::TransactRequest)| {
        let Asked::Transact(mut request) = asked.clone() else { panic!("{asked:?}") };
        change(&mut request);
        Asked::from(request)
    };
    let others = [
        other(|request| _ = request.preconditions.pop()),
        other(|request| request.preconditions.swap(0, 1)),
        other(|request| request.preconditions[0].condition = Some(Condition::Exists(false))),
        other(|request| request.preconditions[0].condition = Some(Condition::UnchangedSinceRevision(9))),
        other(|request| request.preconditions[0].subject = request.preconditions[1].subject.clone()),
        other(|request| request.preconditions[1].condition = Some(units(Some(1), None))),
        other(|request| request.preconditions[1].condition = Some(units(None, Some(99)))),
        other(|request| _ = request.operations.pop()),
        other(|request| request.operations.swap(0, 1)),
    ];
    finds_other_content(&history, &asked, &others);
    // What no log can have is said to be malformed.
    let other = other(|request| {
        let again = v1::TransactRequest { request_id: String::new(), ..request.clone() };
        request.operations[0].request = Some(v1::mutation::Request::Transact(again));
    });
    let mut history = history.clone();
    let operations = history.operations.iter_mut();
    let operation = operations.rev().find(|operation| operation.asked == asked).expect("it was asked");
    operation.asked = other;
    let report = report(&history);
    let said = |text: &str| text.contains("though it is malformed: a transaction in a transaction");
    assert!(report.violations.iter().any(|found| said(&found.text)), "{:#?}", report.violations);
}

#[test]
fn what_became_of_a_transaction_that_is_told_wrongly_is_found() {
    let mut shop = shop();
    let applied = transact(&mut shop, vec![], &[place("a", 5), confirm("a")]);
    let failed = transact(&mut shop, vec![(order("a"), Condition::Exists(false))], &[place("b", 5)]);
    let refused = transact(&mut shop, vec![], &[place("b", 5), orders::close(String::new(), "b", "")]);
    let mut settle = |asked: &Asked| {
        let request_id = asked.request_id().to_owned();
        ask(&mut shop, |_| v1::AbandonRequestRequest { request_id }.into())
    };
    let (of_applied, of_failed, of_refused) = (settle(&applied), settle(&failed), settle(&refused));
    let mut history = written(shop);
    // As a node tells it: the reason stands in the details.
    let status = |reason: &str| {
        let length = u8::try_from(reason.len()).expect("short");
        let value = [&[(1 << 3) | 2, length], reason.as_bytes()].concat();
        let type_url = "type.googleapis.com/google.rpc.ErrorInfo".to_owned();
        let details = vec![prost_types::Any { type_url, value }];
        Some(tonic_types::pb::Status { code: 9, message: "for people".to_owned(), details })
    };
    let reasons = [(&of_failed, "PRECONDITION_FAILED"), (&of_refused, "ILLEGAL_TRANSITION")];
    for (asked, reason) in reasons {
        changes!(AbandonRequest, answer => {
            let result = answer.result.as_mut().expect("it was decided");
            assert_eq!(result.fate(), v1::Fate::NotApplied);
            result.status = status(reason);
        })(end_of(&mut history, asked));
    }
    for (asked, reason) in reasons {
        let fate = changes!(AbandonRequest, answer => {
            answer.result.as_mut().expect("it was decided").fate = v1::Fate::Applied.into();
        });
        finds(&history, asked, fate, &[reason]);
        let other = changes!(AbandonRequest, answer => {
            answer.result.as_mut().expect("it was decided").status = status("TOO_LARGE");
        });
        finds(&history, asked, other, &["for people", reason]);
    }
    let source = changes!(AbandonRequest, answer => {
        let result = answer.result.as_mut().expect("it was decided");
        let Some(Response::Transact(response)) = &mut result.response else { panic!("{result:?}") };
        let Some(Response::PlaceOrder(response)) = &mut response.results[0].response else { panic!("no order") };
        response.sources[0].quantity = 4;
    });
    finds(&history, &of_applied, source, &["quantity: 4", "quantity: 5"]);
    let header = changes!(AbandonRequest, answer => {
        let result = answer.result.as_mut().expect("it was decided");
        let Some(Response::Transact(response)) = &mut result.response else { panic!("{result:?}") };
        response.header = Some(v1::ResponseHeader::default());
    });
    let mut other = history.clone();
    header(end_of(&mut other, &of_applied));
    assert!(report(&other).holds(), "who answered is no matter there");
}
