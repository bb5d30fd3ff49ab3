//! Checkout: units of a reservation go to a new order.

use stockade_state_machine::command::{CommitReservation, Origin, Payment};
use stockade_state_machine::ids::SkuId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::reservation::ReservationLine;
use stockade_state_machine::stock::Bucket;

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row};
use crate::reservations::{changed, movement, must_be_version, must_hold_something, open_units};

impl Model {
    pub(crate) fn commit_reservation(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &CommitReservation,
    ) -> Result<Plan, Rejection> {
        // "Errors: ALREADY_EXISTS (order), NOT_FOUND (reservation), RESERVATION_EXPIRED, ILLEGAL_TRANSITION (nothing is
        // held any more), ETAG_MISMATCH, NOT_FOUND (line), QUANTITY_EXCEEDED, NOT_FOUND (SKU), PURCHASE_LIMIT."
        if self.order(&command.order).is_some() {
            return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
        }
        let mut reservation = self.reservation_must_exist(&command.reservation)?;
        must_hold_something(&reservation)?;
        must_be_version(&reservation, command.expected)?;
        let taken = open_units(&reservation, &command.lines)?;
        let asked: Vec<(&SkuId, i64)> = reservation
            .lines
            .iter()
            .zip(&taken)
            .filter(|(_, units)| **units > 0)
            .map(|(line, units)| (&line.sku, *units))
            .collect();
        // "A SKU that was deleted since ... is NOT_FOUND": the first of those that the order takes units of.
        for (sku, _) in &asked {
            self.sku_must_exist(sku)?;
        }
        // "those bind orders, also those that a reservation gives units to".
        self.limits_must_hold(&asked)?;
        let (expires, payment_reference) = match &command.payment {
            // "its `expire_time` is `now + hold`, or that of the reservation where it is paid".
            Payment::Pending { hold_us } => (moment.now.after_micros(*hold_us), String::new()),
            Payment::Taken { reference } => (reservation.expires, reference.clone()),
        };
        let mut movements = Vec::new();
        let mut lines: Vec<OrderLine> = Vec::new();
        // "numbers of lines rise from 1 without gap": those of the order are its own.
        let mut number = 0;
        let mut number_there = None;
        for (line, units) in reservation.lines.iter_mut().zip(&taken) {
            if *units == 0 {
                continue;
            }
            if is_paid(&command.payment) {
                movements.extend(obligation(command, line, *units, origin));
            }
            // "The order has a line for each line that it takes units of, in their order": "the parts of the order's lines
            // are those of the reservation".
            if number_there != Some(line.number) {
                number_there = Some(line.number);
                number += 1;
            }
            lines.push(order_line(number, line, *units, &command.payment));
            line.open -= units;
            line.committed += units;
        }
        let order = Order {
            id: command.order.clone(),
            // "its customer is the one named or else the reservation's".
            customer: command.customer.clone().or_else(|| reservation.customer.clone()),
            currency: reservation.currency,
            lines,
            created: moment.now,
            updated: moment.now,
            expires,
            version: moment.version(),
            payment_reference,
            parcels: Vec::new(),
            closes: None,
        };
        let outcome = Outcome::ReservationCommitted {
            reservation: reservation.id.clone(),
            state: Self::reservation_state(&reservation),
            order: order.id.clone(),
            order_state: Self::order_state(&order),
            expires,
            // "Units that the order took", counted by a bucket or not.
            committed: taken.iter().sum(),
        };
        Ok(Plan {
            movements,
            rows: vec![Row::Order(order), changed(moment, reservation)],
            ..Plan::of(outcome)
        })
    }
}

fn is_paid(payment: &Payment) -> bool {
    match payment {
        Payment::Taken { .. } => true,
        // "its units stay in `reserved`, now as the order's: nothing moves, so there is no ledger entry".
        Payment::Pending { .. } => false,
    }
}

/// "its units go from `reserved` to `committed` (reason COMMIT, with order and reservation in the ledger)".
fn obligation(
    command: &CommitReservation,
    line: &ReservationLine,
    units: i64,
    origin: Option<&Origin>,
) -> Option<Movement> {
    let owed = (Some(Bucket::Reserved), Some(Bucket::Committed));
    let movement = movement(&command.reservation, line, units, Reason::Commit, origin, owed)?;
    Some(Movement { order: Some(command.order.clone()), ..movement })
}

/// "at the reservation's prices", and from where the reservation's line is: "A location that was disabled since keeps its
/// promise."
fn order_line(number: u32, line: &ReservationLine, units: i64, payment: &Payment) -> OrderLine {
    let (held, allocated) = if is_paid(payment) { (0, units) } else { (units, 0) };
    OrderLine {
        number,
        sku: line.sku.clone(),
        location: line.location.clone(),
        unit_price_minor: line.unit_price_minor,
        ordered: units,
        held,
        allocated,
        shipped: 0,
        returned: 0,
        cancelled: 0,
        expired: 0,
    }
}
