//! Transactions: conditions on rows, then several commands on one draft, all or none.

use crate::command::{Precondition, Row, Transact};
use crate::draft::Draft;
use crate::execute::run;
use crate::limits;
use crate::outcome::Outcome;
use crate::rejection::{Current, FailedPrecondition, Rejection};
use crate::version::Version;

pub(crate) fn transact(draft: &mut Draft<'_>, command: &Transact) -> Result<Outcome, Rejection> {
    let failed: Vec<_> = (1_u32..)
        .zip(&command.preconditions)
        .filter_map(|(number, condition)| {
            let current = breach(draft, condition)?;
            Some(FailedPrecondition { number, current })
        })
        .collect();
    if !failed.is_empty() {
        return Err(Rejection::PreconditionFailed { failed });
    }
    // What was put before is what expired.
    let before = draft.parts();
    let mut outcomes = Vec::with_capacity(command.operations.len());
    for (operation, command) in (1_u32..).zip(&command.operations) {
        let outcome = run(draft, command);
        let outcome = outcome.and_then(|outcome| match command.holder() {
            // An operation may write all of an order without naming a line.
            Some(holder) if draft.parts() - before > limits::MAX_TRANSACT_LINES => {
                Err(Rejection::TooLarge { holder })
            }
            _ => Ok(outcome),
        });
        outcomes.push(outcome.map_err(|rejection| {
            let rejection = Box::new(rejection);
            Rejection::OperationRejected { operation, rejection }
        })?);
    }
    Ok(Outcome::Transacted(outcomes))
}

/// What is the case where a condition does not hold.
fn breach(draft: &Draft<'_>, condition: &Precondition) -> Option<Current> {
    let found = |row: &Row| version(draft, row).map_or(Current::Missing, Current::Version);
    match condition {
        Precondition::Version(row, expected) => (version(draft, row) != Some(*expected)).then(|| found(row)),
        Precondition::UnchangedSince(row, revision) => {
            let holds = version(draft, row).is_some_and(|version| version.revision <= *revision);
            (!holds).then(|| found(row))
        }
        Precondition::Exists(row) => version(draft, row).is_none().then_some(Current::Missing),
        Precondition::Missing(Row::Stock(key)) => {
            let units = draft.stock(key).on_hand();
            (units > 0).then_some(Current::Quantity(units))
        }
        Precondition::Missing(row) => version(draft, row).map(Current::Version),
        Precondition::Quantity { key, bucket, min, max } => {
            let units = draft.stock(key).get(*bucket);
            (!(*min..=*max).contains(&units)).then_some(Current::Quantity(units))
        }
        Precondition::OrderState(order, expected) => {
            let Some(order) = draft.order(order) else { return Some(Current::Missing) };
            let state = order.state_at(draft.context().now);
            (state != *expected).then_some(Current::OrderState(state))
        }
        Precondition::ReservationState(reservation, expected) => {
            let Some(reservation) = draft.reservation(reservation) else { return Some(Current::Missing) };
            let state = reservation.state();
            (state != *expected).then_some(Current::ReservationState(state))
        }
    }
}

/// The version of a row that is there.
fn version(draft: &Draft<'_>, row: &Row) -> Option<Version> {
    match row {
        Row::Sku(sku) => draft.sku(sku).map(|sku| sku.version),
        Row::Location(location) => draft.location(location).map(|location| location.version),
        Row::Stock(key) => Some(draft.stock(key).version).filter(|version| *version != Version::default()),
        Row::Order(order) => draft.order(order).map(|order| order.version),
        Row::Reservation(reservation) => draft.reservation(reservation).map(|row| row.version),
    }
}
