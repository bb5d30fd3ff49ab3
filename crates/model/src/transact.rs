//! Transactions: several commands, all of them or none.

use stockade_state_machine::LogTime;
use stockade_state_machine::Version;
use stockade_state_machine::command::{Origin, Precondition, Row, Transact};
use stockade_state_machine::limits::MAX_TRANSACT_LINES;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Current, FailedPrecondition, Rejection};
use stockade_state_machine::stock::StockKey;

use crate::expiry::Refusal;
use crate::model::{Model, Moment};
use crate::names::named;
use crate::plan::{Plan, Row as Written};
use crate::undo::Before;

/// "counted for each operation that writes them".
fn written_parts(plan: &Plan) -> usize {
    let parts = plan.rows.iter().map(|row| match row {
        Written::Order(order) => order.lines.len(),
        Written::Reservation(reservation) => reservation.lines.len(),
        _ => 0,
    });
    parts.sum()
}

impl Model {
    /// "all take effect at one revision, or none does. First every precondition is looked at; then each operation is done
    /// as if alone, and sees what the ones before it did."
    pub(crate) fn transact(
        &mut self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &Transact,
        may_take_part: bool,
    ) -> Result<Outcome, Refusal> {
        let failed = self.failed_preconditions(moment.now, &command.preconditions);
        if !failed.is_empty() {
            return Err(Refusal::of(Rejection::PreconditionFailed { failed }));
        }
        let mut before = Before::new(self);
        let mut outcomes = Vec::new();
        let mut parts = 0;
        for (operation, number) in command.operations.iter().zip(1_u32..) {
            let done = match self.decide(moment, origin, operation, may_take_part) {
                Ok(plan) => {
                    before.note(self, &plan);
                    parts += written_parts(&plan);
                    self.carry_out(moment, plan).and_then(|outcome| {
                        // "TOO_LARGE (the orders and reservations that the operations write have more than 10,000 parts ...)".
                        let holder = named(operation).into_iter().next();
                        match holder.filter(|_| parts > MAX_TRANSACT_LINES) {
                            Some(holder) => Err(Rejection::TooLarge { holder }),
                            None => Ok(outcome),
                        }
                    })
                }
                Err(rejection) => Err(rejection),
            };
            match done {
                Ok(outcome) => outcomes.push(outcome),
                // "Errors: those of the first operation that is refused".
                Err(rejection) => {
                    // What could end for it is looked for while what the operations before it did is still there.
                    let refusal = self.refusal(operation, rejection);
                    before.restore(self);
                    let rejection = Box::new(refusal.rejection);
                    let rejection = Rejection::OperationRejected { operation: number, rejection };
                    return Err(Refusal { rejection, ..refusal });
                }
            }
        }
        // "One for each operation, in order".
        Ok(Outcome::Transacted(outcomes))
    }

    /// "`PRECONDITION_FAILED` (every one that does not hold)", with its "number, from 1".
    fn failed_preconditions(&self, now: LogTime, conditions: &[Precondition]) -> Vec<FailedPrecondition> {
        let failed = |(condition, number): (&Precondition, u32)| {
            Some(FailedPrecondition { number, current: self.what_fails(now, condition)? })
        };
        conditions.iter().zip(1_u32..).filter_map(failed).collect()
    }

    /// What is the case where a precondition does not hold; `None` where it does.
    fn what_fails(&self, now: LogTime, condition: &Precondition) -> Option<Current> {
        let missing_or = |holds: fn(Version, Version) -> bool, row: &Row, said: Version| {
            let Some(version) = self.version_of(row) else { return Some(Current::Missing) };
            (!holds(version, said)).then_some(Current::Version(version))
        };
        match condition {
            // "It is there and has this etag."
            Precondition::Version(row, said) => missing_or(|version, said| version == said, row, *said),
            // "It is there and did not change after this revision."
            Precondition::UnchangedSince(row, revision) => {
                let said = Version { revision: *revision, position: 0 };
                missing_or(|version, said| version.revision <= said.revision, row, said)
            }
            // "It is there (true)".
            Precondition::Exists(row) => self.version_of(row).is_none().then_some(Current::Missing),
            // "or not (false). Stock that holds no units counts as not there for false".
            Precondition::Missing(Row::Stock(key)) => {
                let units = self.stock_at(key).on_hand();
                (units > 0).then_some(Current::Quantity(units))
            }
            Precondition::Missing(row) => self.version_of(row).map(Current::Version),
            // "A bucket of stock holds a quantity in this range."
            Precondition::Quantity { key, bucket, min, max } => {
                let units = self.stock_at(key).get(*bucket);
                (units < *min || units > *max).then_some(Current::Quantity(units))
            }
            // "The order is in this state."
            Precondition::OrderState(id, said) => match self.order(id) {
                Some(order) => {
                    let state = Self::order_state_at(order, now);
                    (state != *said).then_some(Current::OrderState(state))
                }
                None => Some(Current::Missing),
            },
            // "The reservation is in this state."
            Precondition::ReservationState(id, said) => match self.reservation(id) {
                Some(reservation) => {
                    let state = Self::reservation_state(reservation);
                    (state != *said).then_some(Current::ReservationState(state))
                }
                None => Some(Current::Missing),
            },
        }
    }

    /// The version of a row that is there.
    fn version_of(&self, row: &Row) -> Option<Version> {
        match row {
            Row::Sku(id) => self.sku(id).map(|sku| sku.version),
            Row::Location(id) => self.location(id).map(|location| location.version),
            Row::Stock(key) => self.version_of_stock(key),
            Row::Order(id) => self.order(id).map(|order| order.version),
            Row::Reservation(id) => self.reservation(id).map(|reservation| reservation.version),
        }
    }

    /// "It exists once units were booked there, also when it is empty."
    fn version_of_stock(&self, key: &StockKey) -> Option<Version> {
        let version = self.stock_at(key).version;
        (version != Version::default()).then_some(version)
    }
}
