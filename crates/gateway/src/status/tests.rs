use std::collections::BTreeSet;

use stockade_consensus::{MembershipRefusal, RefusalKind};
use stockade_credentials::{Refused, Role};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::rejection::{
    Current, ExceededLine, FailedPrecondition, LimitBreach, Rejection, Resource, Shortage,
};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, Version};

use super::*;
use crate::failure::Short;
use crate::validate::Violations;

/// What callers accept as trailers by default.
const TRAILER_LIMIT: usize = 8 << 10;

fn answering() -> Answering {
    Answering {
        consistency: v1::Consistency::Unspecified,
        refusals: std::sync::Arc::default(),
        cluster_id: "0123456789abcdef0123456789abcdef".to_owned(),
        node_id: 2,
        term: 7,
        served: Revision::new(90),
        leader_address: Some("10.0.0.1:7400".to_owned()),
    }
}

fn decided() -> Decided {
    Decided {
        revision: Revision::new(88),
        position: 3,
        time: LogTime::from_micros(1_700_000_000_000_000),
        replayed: true,
    }
}

fn order() -> OrderId {
    OrderId::new(&"o".repeat(128)).expect("valid")
}

fn reservation() -> ReservationId {
    ReservationId::new(&"r".repeat(128)).expect("valid")
}

fn sku() -> SkuId {
    SkuId::new(&"s".repeat(128)).expect("valid")
}

fn location() -> LocationId {
    LocationId::new(&"l".repeat(128)).expect("valid")
}

fn shortages(count: u32) -> Rejection {
    let shortage = |line| Shortage {
        line,
        sku: sku(),
        location: Some(location()),
        bucket: Bucket::Available,
        asked: i64::MAX,
        available: 0,
        next_expiry: Some(LogTime::from_micros(u64::MAX)),
        together: false,
    };
    Rejection::InsufficientStock { shortages: (1..=count).map(shortage).collect() }
}

fn failed(count: u32) -> Vec<FailedPrecondition> {
    let kinds = [
        Current::Version(Version { revision: Revision::new(u64::MAX), position: u32::MAX }),
        Current::Missing,
        Current::Quantity(i64::MAX),
        Current::OrderState(OrderState::PartiallyReturned),
        Current::ReservationState(ReservationState::PartiallyCommitted),
    ];
    (1..=count)
        .zip(kinds.into_iter().cycle())
        .map(|(number, current)| FailedPrecondition { number, current })
        .collect()
}

fn rejections() -> Vec<Rejection> {
    let lines = (1..=2_000).map(|line| ExceededLine { line, asked: i64::MAX, left: 1 }).collect();
    let document = DocumentId::new(&"d".repeat(128)).expect("valid");
    let breaches = vec![LimitBreach { sku: sku(), asked: i64::MAX, min: 1, max: i64::MAX }; 2_000];
    vec![
        Rejection::Malformed("quantity out of range"),
        Rejection::RequestIdReused,
        Rejection::RequestIdExpired { horizon_ms: 5 },
        Rejection::RequestIdInFuture { now_ms: 6 },
        Rejection::RequestAbandoned,
        Rejection::NotFound(Resource::Sku(sku())),
        Rejection::NotFound(Resource::OrderLine(order(), 3)),
        Rejection::NotFound(Resource::ReservationLine(reservation(), 3)),
        Rejection::AlreadyExists(Resource::Document(document)),
        Rejection::ReservationExpired { holder: Holder::Order(order()), expired: LogTime::from_micros(1) },
        Rejection::ReservationExpired {
            holder: Holder::Reservation(reservation()),
            expired: LogTime::from_micros(1),
        },
        Rejection::ReservationSettled { reservation: reservation(), state: ReservationState::Committed },
        Rejection::IllegalTransition {
            order: order(),
            state: OrderState::Shipped,
            operation: Operation::Cancel,
        },
        Rejection::EtagMismatch { resource: Resource::Location(location()), current: Version::default() },
        Rejection::QuantityStale {
            sku: sku(),
            location: location(),
            bucket: Bucket::Damaged,
            current: i64::MAX,
        },
        Rejection::PreconditionFailed { failed: failed(1) },
        Rejection::PreconditionFailed { failed: failed(1_000) },
        Rejection::OperationRejected { operation: 1_000, rejection: Box::new(shortages(2_000)) },
        Rejection::TooLarge { holder: Holder::Order(order()) },
        Rejection::SkuInUse { sku: sku(), location: location() },
        Rejection::LocationInUse { location: location(), sku: sku() },
        Rejection::LocationDisabled { location: location() },
        Rejection::PurchaseLimit { breaches },
        Rejection::QuantityExceeded { holder: Holder::Order(order()), lines },
        Rejection::QuantityOverflow,
        shortages(2_000),
        Rejection::RetryAfterExpiry,
    ]
}

fn failures() -> Vec<Failure> {
    let mut violations = Violations::default();
    for line in 0..2_000 {
        violations.add(format!("lines[{line}].quantity"), "must be from 1 to 1000000000");
    }
    let mut failures = vec![
        Failure::Unauthenticated(Refused::Nothing),
        Failure::PermissionDenied { role: Role::Read, method: "m".repeat(100_000) },
        Failure::RequestTooLarge("t".repeat(100_000)),
        Failure::Undecodable("u".repeat(100_000)),
        Failure::Invalid(violations),
        Failure::PageTokenInvalid,
        Failure::LogPurged { oldest: 10 },
        Failure::ShuttingDown,
        Failure::Removed,
        Failure::NoLeader,
        Failure::StorageFull(Short::Here),
        Failure::StorageFull(Short::Leader),
        Failure::Overloaded,
        Failure::DeadlineExceeded,
        Failure::OutcomeUnknown { deadline_passed: true },
        Failure::OutcomeUnknown { deadline_passed: false },
        Failure::RevisionAhead { applied: Revision::new(u64::MAX) },
        Failure::Missing(Resource::Order(order())),
        Failure::Internal("broken"),
    ];
    failures.extend(
        RefusalKind::ALL
            .map(|kind| Failure::Membership(MembershipRefusal { kind, message: "m".repeat(100_000) })),
    );
    failures.extend(rejections().into_iter().map(|rejection| Failure::Rejected(rejection, decided())));
    let tried = |rejection| Failure::WouldReject(rejection, LogTime::from_micros(u64::MAX));
    failures.extend(rejections().into_iter().map(tried));
    failures
}

#[test]
fn a_trial_that_is_refused_says_when_it_was_tried_and_that_the_log_knows_nothing_of_it() {
    let tried = Failure::WouldReject(Rejection::QuantityOverflow, LogTime::from_micros(1_500_000));
    let status = of_call(&tried, Call::Write, &answering());
    let said = ["revision", "served-revision", "logged", "outcome", "log-time", "position"]
        .map(|key| trailer(&status, &format!("stockade-{key}")));
    let log_time = Some("1970-01-01T00:00:01.500Z");
    assert_eq!(said, [Some("90"), Some("90"), Some("false"), Some("not-applied"), log_time, None]);
}

#[test]
fn an_operation_of_a_transaction_is_named_beside_why_it_was_refused() {
    let rejection = Box::new(Rejection::NotFound(Resource::Sku(sku())));
    let refused = Failure::Rejected(Rejection::OperationRejected { operation: 7, rejection }, decided());
    let status = of_call(&refused, Call::Write, &answering());
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((status.code(), info.reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(info.metadata.get("operation_number").map(String::as_str), Some("7"));
    assert!(status.message().starts_with("operation 7: there is no sku"), "{}", status.message());
}

fn trailer<'a>(status: &'a Status, key: &str) -> Option<&'a str> {
    status.metadata().get(key).map(|value| value.to_str().expect("ASCII"))
}

#[test]
fn every_failure_has_a_reason_its_code_and_the_trailers_of_the_header() {
    let mut seen = BTreeSet::new();
    for failure in failures() {
        let status = of_call(&failure, Call::Write, &answering());
        let reason = Reason::of(&failure);
        seen.insert(reason);
        assert!(reason.codes().contains(&status.code()), "{failure:?}");
        let info = status.get_details_error_info().expect("an ErrorInfo");
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("stockade", reason.name()));
        assert!(!status.message().is_empty(), "{failure:?}");
        for key in ["cluster-id", "node-id", "term", "revision", "served-revision", "logged", "outcome"] {
            assert!(trailer(&status, &format!("stockade-{key}")).is_some(), "{key} of {failure:?}");
        }
        assert_eq!(of_transport(&status), None, "ours is left alone");
    }
    assert_eq!(seen, BTreeSet::from(Reason::ALL), "every reason is made by some failure");
}

#[test]
fn the_trailers_of_every_failure_stay_below_what_callers_accept() {
    for failure in failures() {
        let headers = of_call(&failure, Call::Write, &answering()).into_http::<tonic::body::Body>();
        let bytes: usize =
            headers.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < TRAILER_LIMIT, "{bytes} bytes for {:?}", Reason::of(&failure));
    }
}

#[test]
fn a_refusal_of_the_log_carries_where_it_was_decided() {
    let failure = Failure::Rejected(Rejection::RequestIdReused, decided());
    let status = of_call(&failure, Call::Write, &answering());
    let expected = [
        ("stockade-revision", "88"),
        ("stockade-served-revision", "90"),
        ("stockade-position", "3"),
        ("stockade-replayed", "true"),
        ("stockade-log-time", "2023-11-14T22:13:20Z"),
        ("stockade-logged", "true"),
        ("stockade-outcome", "not-applied"),
    ];
    for (key, value) in expected {
        assert_eq!(trailer(&status, key), Some(value), "{key}");
    }
}

#[test]
fn a_failed_read_says_nothing_of_an_outcome() {
    let status = of_call(&Failure::Missing(Resource::Sku(sku())), Call::Read, &answering());
    assert_eq!(trailer(&status, "stockade-outcome"), None);
    assert_eq!(trailer(&status, "stockade-logged"), Some("false"));
    assert_eq!(trailer(&status, "stockade-revision"), Some("90"));
}

#[test]
fn only_what_may_have_taken_effect_is_of_unknown_fate() {
    let may_have = [Reason::OutcomeUnknown, Reason::RequestIdExpired, Reason::Internal];
    // One by one: some reasons are those of several failures.
    for failure in failures() {
        // A trial itself has no effect, whatever became of the id.
        let is_trial = matches!(failure, Failure::WouldReject(..));
        let is_unknown = may_have.contains(&Reason::of(&failure)) && !is_trial;
        let fate = of_mutation(&failure, &answering()).1;
        assert_eq!(fate == Fate::Unknown, is_unknown, "{failure:?}");
        let told = of_call(&failure, Call::Write, &answering());
        let outcome = if is_unknown { "unknown" } else { "not-applied" };
        assert_eq!(trailer(&told, "stockade-outcome"), Some(outcome), "{failure:?}");
    }
}

#[test]
fn a_shortage_lists_lines_up_to_a_bound_and_counts_them_all() {
    let status = of_call(&Failure::Rejected(shortages(2_000), decided()), Call::Write, &answering());
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.metadata.get("shortages").map(String::as_str), Some("2000"));
    let listed = status.get_details_precondition_failure().expect("a PreconditionFailure").violations;
    let more = listed.last().expect("not empty").description.clone();
    assert_eq!(more, format!("and {} more", 2_000 - (listed.len() - 1)));
    assert!(listed[0].description.starts_with("line 1: asked 9223372036854775807, available 0"));
}

#[test]
fn an_illegal_transition_names_the_state_and_what_is_allowed() {
    let rejection = Rejection::IllegalTransition {
        order: order(),
        state: OrderState::Confirmed,
        operation: Operation::Return,
    };
    let status = of_call(&Failure::Rejected(rejection, decided()), Call::Write, &answering());
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.metadata.get("state").map(String::as_str), Some("CONFIRMED"));
    assert_eq!(info.metadata.get("operation").map(String::as_str), Some("RETURN"));
    assert_eq!(info.metadata.get("allowed").map(String::as_str), Some("SHIP, CANCEL"));
}

#[test]
fn a_status_among_others_carries_the_same_details() {
    let failure = Failure::Rejected(shortages(1), decided());
    let (status, fate) = of_mutation(&failure, &answering());
    assert_eq!(fate, Fate::NotApplied);
    assert_eq!(status.code, i32::from(Code::FailedPrecondition));
    assert_eq!(status.details.len(), 2);
}

#[test]
fn a_message_beyond_the_limit_becomes_one_of_our_failures() {
    let refused = Status::out_of_range("message length too large");
    assert_eq!(of_transport(&refused), Some(Failure::RequestTooLarge("message length too large".to_owned())));
    assert!(matches!(of_transport(&Status::internal("bad bytes")), Some(Failure::Undecodable(_))));
    assert_eq!(of_transport(&Status::unimplemented("no such method")), None);
}

#[test]
fn a_forwarded_write_is_never_served_from_before_its_own_revision() {
    let ahead = Decided { revision: Revision::new(95), replayed: false, ..decided() };
    let header = answering().write(ahead);
    assert_eq!((header.revision, header.served_revision), (95, 95));
    assert_eq!(answering().write(decided()).served_revision, 90);
}
