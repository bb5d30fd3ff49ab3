//! What happens to an order once it is placed, until its units leave: paid, held for longer, cancelled. And what all
//! commands about orders share.

use stockade_state_machine::LogTime;
use stockade_state_machine::Version;
use stockade_state_machine::command::{CancelOrder, ConfirmOrder, ExtendOrder, LineQuantity, Origin};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, Order, OrderLine, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::items::{self, Left};
use crate::model::{Model, Moment, must_be_current};
use crate::plan::{Movement, Plan, Row};

impl Model {
    pub(crate) fn confirm_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ConfirmOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, RESERVATION_EXPIRED, ILLEGAL_TRANSITION, ETAG_MISMATCH".
        let mut order = self.order_must_exist(&command.order)?;
        if command.reacquire && Self::order_state(&order) == OrderState::Expired {
            return self.reacquire(moment, origin, order, command);
        }
        // "An order that is not expired is confirmed as without it."
        must_be_unpaid(moment.now, &order, Operation::Confirm)?;
        must_be_version(&order, command.expected)?;
        let mut movements = Vec::new();
        for line in order.lines.iter_mut().filter(|line| line.held > 0) {
            // "Payment was taken: what is held becomes committed."
            movements.extend(movement(
                &command.order,
                line,
                line.held,
                Reason::Commit,
                origin,
                (Some(Bucket::Reserved), Some(Bucket::Committed)),
            ));
            line.allocated += line.held;
            line.held = 0;
        }
        // "The caller's reference of the payment, as given at confirmation."
        order.payment_reference.clone_from(&command.payment_reference);
        let outcome = Outcome::OrderConfirmed { order: order.id.clone() };
        Ok(Plan { movements, rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    pub(crate) fn extend_order(&self, moment: Moment, command: &ExtendOrder) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, RESERVATION_EXPIRED, ILLEGAL_TRANSITION, ETAG_MISMATCH."
        let mut order = self.order_must_exist(&command.order)?;
        must_be_unpaid(moment.now, &order, Operation::Extend)?;
        must_be_version(&order, command.expected)?;
        // "from the moment of this call on", "Never shortens".
        order.expires = order.expires.max(moment.now.after_micros(command.hold_us));
        let outcome = Outcome::OrderExtended { order: order.id.clone(), expires: order.expires };
        // "where they are held for longer already, nothing changes but `revision`, `update_time` and `etag`".
        Ok(Plan { rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    pub(crate) fn cancel_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &CancelOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ILLEGAL_TRANSITION, ETAG_MISMATCH, NOT_FOUND (line), QUANTITY_EXCEEDED."
        let mut order = self.order_must_exist(&command.order)?;
        // "Gives back what is not shipped, or a part of it", and never what has shipped (I15).
        let unshipped = |line: &OrderLine| line.held + line.allocated - line.shipped;
        // "settled: nothing is held or owed. Only a return can still change it."
        if order.lines.iter().all(|line| unshipped(line) == 0) {
            return Err(illegal(moment.now, &order, Operation::Cancel));
        }
        must_be_version(&order, command.expected)?;
        let back = units_named(&order, &command.lines, unshipped)?;
        let mut movements = Vec::new();
        for (line, units) in order.lines.iter_mut().zip(&back) {
            // A line is held or owed: it is paid whole.
            let from = if line.held > 0 { Bucket::Reserved } else { Bucket::Committed };
            if *units > 0 {
                let back = (Some(from), Some(Bucket::Available));
                movements.extend(movement(&command.order, line, *units, Reason::Release, origin, back));
            }
            *if from == Bucket::Reserved { &mut line.held } else { &mut line.allocated } -= units;
            line.cancelled += units;
        }
        let outcome = Outcome::OrderCancelled {
            order: order.id.clone(),
            // "What follows from the units that are left: CANCELLED where none is held, owed or shipped."
            state: Self::order_state_at(&order, moment.now),
            // "Units given back", counted by a bucket or not.
            cancelled: back.iter().sum(),
        };
        Ok(Plan { movements, rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    /// "`NOT_FOUND`: no such ... order".
    pub(crate) fn order_must_exist(&self, id: &OrderId) -> Result<Order, Rejection> {
        self.order(id).cloned().ok_or_else(|| Rejection::NotFound(Resource::Order(id.clone())))
    }
}

/// "`RESERVATION_EXPIRED`: the hold of an order ended before its payment", else "`ILLEGAL_TRANSITION`".
fn must_be_unpaid(now: LogTime, order: &Order, operation: Operation) -> Result<(), Rejection> {
    match Model::order_state(order) {
        OrderState::PendingPayment => Ok(()),
        OrderState::Expired => {
            let (holder, expired) = (Holder::Order(order.id.clone()), order.expires);
            Err(Rejection::ReservationExpired { holder, expired })
        }
        OrderState::Confirmed
        | OrderState::PartiallyShipped
        | OrderState::Shipped
        | OrderState::PartiallyReturned
        | OrderState::Returned
        | OrderState::Cancelled
        | OrderState::Closed => Err(illegal(now, order, operation)),
    }
}

/// "Where set, it must be the current one: else the call is refused with `ETAG_MISMATCH`."
pub(crate) fn must_be_version(order: &Order, expected: Option<Version>) -> Result<(), Rejection> {
    must_be_current(expected, order.version, || Resource::Order(order.id.clone()))
}

/// "`ILLEGAL_TRANSITION`: the state of the order does not allow it".
pub(crate) fn illegal(now: LogTime, order: &Order, operation: Operation) -> Rejection {
    let state = Model::order_state_at(order, now);
    Rejection::IllegalTransition { order: order.id.clone(), state, operation }
}

/// "Log time of the last change", "Of the last change": also where no unit of the order is tracked.
pub(crate) fn changed(moment: Moment, order: Order) -> Row {
    Row::Order(Order { updated: moment.now, version: moment.version(), ..order })
}

/// A movement of units of a line; `None` "where the SKU was not tracked when it was ordered: then no bucket counts
/// them", whatever the SKU is now.
pub(crate) fn movement(
    order: &OrderId,
    line: &OrderLine,
    quantity: i64,
    reason: Reason,
    origin: Option<&Origin>,
    (from, to): (Option<Bucket>, Option<Bucket>),
) -> Option<Movement> {
    Some(Movement {
        key: StockKey { sku: line.sku.clone(), location: line.location.clone()? },
        from,
        to,
        quantity,
        reason,
        origin: origin.cloned(),
        order: Some(order.clone()),
        reservation: None,
        document: None,
        reference: String::new(),
    })
}

/// Units that a request names of each part, in the order of the order's lines; of all parts all that is left where it
/// names none. "`NOT_FOUND` (line), `QUANTITY_EXCEEDED`" where they are not there.
pub(crate) fn units_named(
    order: &Order,
    named: &[LineQuantity],
    left: impl Fn(&OrderLine) -> i64,
) -> Result<Vec<i64>, Rejection> {
    if named.is_empty() {
        return Ok(order.lines.iter().map(left).collect());
    }
    let taken = take(order, named, left)?;
    Ok(items::by_part(order.lines.len(), &taken))
}

/// Which item of a request takes what of which part.
pub(crate) fn take(
    order: &Order,
    named: &[LineQuantity],
    left: impl Fn(&OrderLine) -> i64,
) -> Result<Vec<items::Taken>, Rejection> {
    let numbers = order.lines.iter().map(|line| line.number);
    if let Some(unknown) = items::unknown_line(named.iter().map(|item| item.line), numbers) {
        return Err(Rejection::NotFound(Resource::OrderLine(order.id.clone(), unknown)));
    }
    let parts = order
        .lines
        .iter()
        .map(|line| Left { number: line.number, location: line.location.as_ref(), units: left(line) })
        .collect();
    let holder = || Holder::Order(order.id.clone());
    items::take(parts, named).map_err(|lines| Rejection::QuantityExceeded { holder: holder(), lines })
}
