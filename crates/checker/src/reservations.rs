//! From requests about reservations to commands. Written from the comments in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CommitReservation, CreateReservation, ExtendReservation, MoveReservation, Payment, ReleaseReservation,
};
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId};

use crate::fields::{
    NoCommand, currency, customer, duration_us, expected, hold_us, line_quantities, new_lines, number,
    sourcing, wrong,
};

pub(crate) fn create(request: &v1::CreateReservationRequest) -> Result<Command, NoCommand> {
    Ok(Command::CreateReservation(CreateReservation {
        reservation: ReservationId::new(&request.reservation_id)?,
        customer: customer(&request.customer_id)?,
        currency: currency(&request.currency_code)?,
        lines: new_lines(&request.lines)?,
        hold_us: hold_us(request.hold_duration.as_ref())?,
        sourcing: sourcing(request.sourcing()),
    }))
}

pub(crate) fn extend(request: &v1::ExtendReservationRequest) -> Result<Command, NoCommand> {
    Ok(Command::ExtendReservation(ExtendReservation {
        reservation: ReservationId::new(&request.reservation_id)?,
        hold_us: hold_us(request.hold_duration.as_ref())?,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn commit(request: &v1::CommitReservationRequest) -> Result<Command, NoCommand> {
    // "Absent: payment was taken. Set: the order waits so long for its payment."
    let payment = match &request.hold_duration {
        None => Payment::Taken { reference: request.payment_reference.clone() },
        Some(_) if !request.payment_reference.is_empty() => {
            return Err(wrong("a payment reference of an order that is not paid"));
        }
        Some(hold) => Payment::Pending { hold_us: duration_us(hold)? },
    };
    Ok(Command::CommitReservation(CommitReservation {
        reservation: ReservationId::new(&request.reservation_id)?,
        order: OrderId::new(&request.order_id)?,
        customer: customer(&request.customer_id)?,
        lines: line_quantities(&request.lines)?,
        payment,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn release(request: &v1::ReleaseReservationRequest) -> Result<Command, NoCommand> {
    Ok(Command::ReleaseReservation(ReleaseReservation {
        reservation: ReservationId::new(&request.reservation_id)?,
        lines: line_quantities(&request.lines)?,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn relocate(request: &v1::MoveReservationRequest) -> Result<Command, NoCommand> {
    Ok(Command::MoveReservation(MoveReservation {
        reservation: ReservationId::new(&request.reservation_id)?,
        lines: request.lines.iter().map(|line| number(*line)).collect::<Result<_, _>>()?,
        location: LocationId::new(&request.location_id)?,
        expected: expected(&request.etag)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit_of(hold_s: Option<i64>, payment_reference: &str) -> Result<Payment, NoCommand> {
        let request = v1::CommitReservationRequest {
            reservation_id: "cart".to_owned(),
            order_id: "order".to_owned(),
            hold_duration: hold_s.map(|seconds| prost_types::Duration { seconds, nanos: 500_000 }),
            payment_reference: payment_reference.to_owned(),
            ..v1::CommitReservationRequest::default()
        };
        match commit(&request)? {
            Command::CommitReservation(command) => {
                assert_eq!((command.customer, command.lines), (None, Vec::new()));
                Ok(command.payment)
            }
            other => panic!("a commit became {other:?}"),
        }
    }

    #[test]
    fn an_order_of_a_reservation_is_paid_unless_a_hold_is_given() {
        assert_eq!(commit_of(None, "card"), Ok(Payment::Taken { reference: "card".to_owned() }));
        assert_eq!(commit_of(None, ""), Ok(Payment::Taken { reference: String::new() }));
        assert_eq!(commit_of(Some(2), ""), Ok(Payment::Pending { hold_us: 2_000_500 }));
        assert!(commit_of(Some(-2), "").is_err(), "a hold has a length");
        assert!(commit_of(Some(2), "card").is_err(), "an unpaid order has no payment");
    }

    #[test]
    fn a_reservation_is_held_for_15_minutes_where_no_time_is_given() {
        let reservation_id = "cart".to_owned();
        let request = v1::ExtendReservationRequest { reservation_id, ..Default::default() };
        let extended = ExtendReservation {
            reservation: ReservationId::new("cart").expect("an id"),
            hold_us: 15 * 60 * 1_000_000,
            expected: None,
        };
        assert_eq!(extend(&request), Ok(Command::ExtendReservation(extended)));
    }

    #[test]
    fn lines_below_0_no_currency_and_no_location_make_no_command() {
        let reservation_id = || "cart".to_owned();
        let lines = vec![v1::LineQuantity { line: -1, quantity: 1, location_id: String::new() }];
        let request = v1::ReleaseReservationRequest {
            reservation_id: reservation_id(),
            lines,
            ..v1::ReleaseReservationRequest::default()
        };
        assert!(release(&request).is_err());
        let request = v1::MoveReservationRequest {
            reservation_id: reservation_id(),
            location_id: "main".to_owned(),
            lines: vec![-1],
            ..v1::MoveReservationRequest::default()
        };
        assert!(relocate(&request).is_err());
        let nowhere = v1::MoveReservationRequest { lines: vec![1], location_id: String::new(), ..request };
        assert!(relocate(&nowhere).is_err());
        let request = v1::CreateReservationRequest { reservation_id: reservation_id(), ..Default::default() };
        assert!(create(&request).is_err());
    }
}
