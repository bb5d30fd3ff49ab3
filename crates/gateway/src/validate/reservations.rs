//! Requests about reservations.

use std::collections::BTreeSet;

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CommitReservation, CreateReservation, ExtendReservation, MoveReservation, Payment, ReleaseReservation,
};

use super::{Violations, lines};

pub(super) fn create(request: &v1::CreateReservationRequest, violations: &mut Violations) -> Option<Command> {
    let reservation = violations.reservation("reservation_id", &request.reservation_id);
    let customer = violations.customer("customer_id", &request.customer_id);
    let currency = lines::currency(&request.currency_code, violations);
    let lines = lines::new_lines(&request.lines, violations);
    let hold_us = lines::hold(request.hold_duration.as_ref(), violations);
    let sourcing = lines::sourcing(request.sourcing, &request.lines, violations);
    Some(Command::CreateReservation(CreateReservation {
        reservation: reservation?,
        customer,
        currency: currency?,
        lines: lines?,
        hold_us: hold_us?,
        sourcing: sourcing?,
    }))
}

pub(super) fn extend(request: &v1::ExtendReservationRequest, violations: &mut Violations) -> Option<Command> {
    let reservation = violations.reservation("reservation_id", &request.reservation_id);
    let hold_us = lines::hold(request.hold_duration.as_ref(), violations);
    let expected = violations.etag("etag", &request.etag);
    let (reservation, hold_us) = (reservation?, hold_us?);
    Some(Command::ExtendReservation(ExtendReservation { reservation, hold_us, expected }))
}

pub(super) fn commit(request: &v1::CommitReservationRequest, violations: &mut Violations) -> Option<Command> {
    let reservation = violations.reservation("reservation_id", &request.reservation_id);
    let order = violations.order("order_id", &request.order_id);
    let customer = violations.customer("customer_id", &request.customer_id);
    let lines = lines::quantities(&request.lines, violations);
    let reference = violations.label("payment_reference", &request.payment_reference);
    let payment = if request.hold_duration.is_none() {
        reference.map(|reference| Payment::Taken { reference })
    } else {
        if !request.payment_reference.is_empty() {
            violations.add("payment_reference", "must be empty where the order waits for its payment");
        }
        lines::hold(request.hold_duration.as_ref(), violations).map(|hold_us| Payment::Pending { hold_us })
    };
    let expected = violations.etag("etag", &request.etag);
    Some(Command::CommitReservation(CommitReservation {
        reservation: reservation?,
        order: order?,
        customer,
        lines: lines?,
        payment: payment?,
        expected,
    }))
}

pub(super) fn release(
    request: &v1::ReleaseReservationRequest,
    violations: &mut Violations,
) -> Option<Command> {
    let reservation = violations.reservation("reservation_id", &request.reservation_id);
    let lines = lines::quantities(&request.lines, violations);
    let expected = violations.etag("etag", &request.etag);
    let (reservation, lines) = (reservation?, lines?);
    Some(Command::ReleaseReservation(ReleaseReservation { reservation, lines, expected }))
}

pub(super) fn relocate(request: &v1::MoveReservationRequest, violations: &mut Violations) -> Option<Command> {
    let reservation = violations.reservation("reservation_id", &request.reservation_id);
    let in_bounds = lines::check_count(request.lines.len(), 0, violations);
    let mut seen = BTreeSet::new();
    let numbers = request.lines.iter().enumerate().take(in_bounds);
    let numbers = lines::all(numbers.map(|(index, number)| {
        let path = format!("lines[{index}]");
        let number = lines::number(&path, *number, violations)?;
        if !seen.insert(number) {
            violations.add(path, "must not stand twice");
        }
        Some(number)
    }));
    let location = violations.location("location_id", &request.location_id);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::MoveReservation(MoveReservation {
        reservation: reservation?,
        lines: numbers?,
        location: location?,
        expected,
    }))
}
