//! Requests for transactions.

use stockade_proto::v1;
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_state_machine::command::{Precondition, Row, Transact};
use stockade_state_machine::limits::{MAX_OPERATIONS, MAX_PRECONDITIONS, MAX_TRANSACT_LINES};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Revision, StockKey};

use super::{Violations, command, is_trial, lines, request_id_of};
use crate::convert;

pub(super) fn transact(request: &v1::TransactRequest, violations: &mut Violations) -> Option<Command> {
    let count = request.preconditions.len();
    if count > MAX_PRECONDITIONS {
        violations.add("preconditions", format!("must have at most {MAX_PRECONDITIONS}, has {count}"));
    }
    let preconditions = request.preconditions.iter().take(MAX_PRECONDITIONS).enumerate();
    let preconditions = lines::all(preconditions.map(|(index, asked)| {
        violations.within(&format!("preconditions[{index}]"), |violations| precondition(asked, violations))
    }));
    let count = request.operations.len();
    if !(1..=MAX_OPERATIONS).contains(&count) {
        violations.add("operations", format!("must have 1 to {MAX_OPERATIONS} operations, has {count}"));
    }
    // Before the lines are looked at one by one.
    let count: usize = request.operations.iter().map(line_count).sum();
    if count > MAX_TRANSACT_LINES {
        let rule = format!("must have at most {MAX_TRANSACT_LINES} lines together, have {count}");
        violations.add("operations", rule);
        return None;
    }
    let operations = request.operations.iter().take(MAX_OPERATIONS).enumerate();
    let operations = lines::all(operations.map(|(index, asked)| {
        violations.within(&format!("operations[{index}]"), |violations| operation(asked, violations))
    }));
    Some(Command::Transact(Transact { preconditions: preconditions?, operations: operations? }))
}

/// How many lines an operation has.
fn line_count(mutation: &v1::Mutation) -> usize {
    match &mutation.request {
        Some(Request::PlaceOrder(request)) => request.lines.len(),
        Some(Request::ShipOrder(request)) => request.lines.len(),
        Some(Request::CancelOrder(request)) => request.lines.len(),
        Some(Request::ReturnOrder(request)) => request.lines.len(),
        Some(Request::CreateReservation(request)) => request.lines.len(),
        Some(Request::CommitReservation(request)) => request.lines.len(),
        Some(Request::ReleaseReservation(request)) => request.lines.len(),
        Some(Request::MoveReservation(request)) => request.lines.len(),
        _ => 0,
    }
}

/// A mutation of another service, without what belongs to a call.
fn operation(mutation: &v1::Mutation, violations: &mut Violations) -> Option<Command> {
    if mutation.timeout.is_some() {
        violations.add("timeout", "must not be set: the transaction has one");
    }
    let Some(request) = &mutation.request else {
        violations.add("request", "must be set");
        return None;
    };
    if matches!(request, Request::Transact(_)) {
        violations.add("transact", "must not stand in a transaction");
        return None;
    }
    if !request_id_of(request).is_empty() {
        violations.add("request_id", "must be empty: the transaction has one");
    }
    if is_trial(request) {
        violations.add("validate_only", "must not be set on an operation");
    }
    command(request, violations)
}

fn precondition(asked: &v1::Precondition, violations: &mut Violations) -> Option<Precondition> {
    let subject = asked.subject.as_ref().and_then(|subject| subject.subject.as_ref());
    let row = match subject {
        None => {
            violations.add("subject", "must be set");
            None
        }
        Some(subject) => row(subject, violations),
    };
    let Some(condition) = &asked.condition else {
        violations.add("condition", "must be set");
        return None;
    };
    match condition {
        Condition::Etag(etag) => {
            if etag.is_empty() {
                violations.add("etag", "must be an etag as it was given");
            }
            let version = violations.etag("etag", etag);
            Some(Precondition::Version(row?, version?))
        }
        Condition::UnchangedSinceRevision(revision) => {
            Some(Precondition::UnchangedSince(row?, Revision::new(*revision)))
        }
        Condition::Exists(true) => Some(Precondition::Exists(row?)),
        Condition::Exists(false) => Some(Precondition::Missing(row?)),
        Condition::Quantity(range) => quantity(range, row, violations),
        Condition::OrderState(state) => {
            let state =
                OrderState::ALL.into_iter().find(|known| i32::from(convert::order_state(*known)) == *state);
            if state.is_none() {
                violations.add("order_state", "is not known");
            }
            let Row::Order(order) = row? else {
                violations.add("order_state", "only orders have one");
                return None;
            };
            Some(Precondition::OrderState(order, state?))
        }
        Condition::ReservationState(state) => {
            let known = |known: &ReservationState| i32::from(convert::reservation_state(*known)) == *state;
            let state = ReservationState::ALL.into_iter().find(known);
            if state.is_none() {
                violations.add("reservation_state", "is not known");
            }
            let Row::Reservation(reservation) = row? else {
                violations.add("reservation_state", "only reservations have one");
                return None;
            };
            Some(Precondition::ReservationState(reservation, state?))
        }
    }
}

fn quantity(
    range: &v1::QuantityRange,
    row: Option<Row>,
    violations: &mut Violations,
) -> Option<Precondition> {
    let known = |known: &Bucket| i32::from(convert::bucket(*known)) == range.bucket;
    let bucket = Bucket::ALL.into_iter().find(known);
    if bucket.is_none() {
        violations.add("quantity.bucket", "is not known");
    }
    let (min, max) = (range.min.unwrap_or(0), range.max.unwrap_or(i64::MAX));
    if min > max {
        violations.add("quantity.max", "must not be below the minimum");
    }
    let Row::Stock(key) = row? else {
        violations.add("quantity", "only stock has one");
        return None;
    };
    Some(Precondition::Quantity { key, bucket: bucket?, min, max })
}

fn row(subject: &Subject, violations: &mut Violations) -> Option<Row> {
    Some(match subject {
        Subject::SkuId(id) => Row::Sku(violations.sku("subject.sku_id", id)?),
        Subject::LocationId(id) => Row::Location(violations.location("subject.location_id", id)?),
        Subject::Stock(key) => {
            let sku = violations.sku("subject.stock.sku_id", &key.sku_id);
            let location = violations.location("subject.stock.location_id", &key.location_id);
            Row::Stock(StockKey { sku: sku?, location: location? })
        }
        Subject::OrderId(id) => Row::Order(violations.order("subject.order_id", id)?),
        Subject::ReservationId(id) => Row::Reservation(violations.reservation("subject.reservation_id", id)?),
    })
}
