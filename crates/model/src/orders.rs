//! What happens to an order once it is placed: paid, shipped, cancelled, returned.

use std::collections::BTreeMap;

use stockade_state_machine::command::{
    CancelOrder, ConfirmOrder, Disposition, LineQuantity, Origin, ReturnOrder, ShipOrder,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::OrderId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, Order, OrderLine, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, Rejection, Resource};
use stockade_state_machine::stock::{Bucket, Stock, StockKey};

use crate::model::{Model, Moment};
use crate::plan::{Movement, Plan, Row, moved};

impl Model {
    pub(crate) fn confirm_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ConfirmOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, RESERVATION_EXPIRED, ILLEGAL_TRANSITION."
        let mut order = self.order_must_exist(&command.order)?;
        let state = Self::order_state(&order);
        // "the hold of an order ended before its payment".
        if state == OrderState::Expired {
            let expired = order.expires;
            return Err(Rejection::ReservationExpired { holder: Holder::Order(order.id), expired });
        }
        // "PENDING_PAYMENT -> CONFIRMED", from nowhere else.
        if state != OrderState::PendingPayment {
            return Err(illegal(&order, Operation::Confirm));
        }
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

    pub(crate) fn ship_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ShipOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ILLEGAL_TRANSITION, QUANTITY_EXCEEDED."
        let mut order = self.order_must_exist(&command.order)?;
        // "CONFIRMED -> PARTIALLY_SHIPPED -> SHIPPED"; of a settled order "only a return can still change it".
        if units_owed(&order) == 0 {
            return Err(illegal(&order, Operation::Ship));
        }
        // "A line is looked for once the state of the order allows the call."
        let named: Vec<(u32, i64)> = command.lines.iter().map(|line| (line.line, line.quantity)).collect();
        lines_must_exist(&order, &named)?;
        // "a line has fewer units to ship or to return than asked for"; "shipped <= allocated" (I5).
        must_be_left(&order, &named, |line| line.allocated - line.shipped)?;
        // "into the ledger in the order of the order's lines"; "Empty: everything that is committed and not yet shipped."
        let leaving = if command.lines.is_empty() { all_owed(&order) } else { in_order(&order, &named) };
        // "Units that left with this call", counted by a bucket or not.
        let shipped = leaving.iter().map(|leaving| leaving.quantity).sum();
        let mut movements = Vec::new();
        for LineQuantity { line, quantity } in leaving {
            let line = line_mut(&mut order, line).expect("looked for above");
            // "To take units off hand."
            let off_hand = (Some(Bucket::Committed), None);
            let leaves = movement(&command.order, line, quantity, Reason::Shipment, origin, off_hand);
            // "The carrier's number ... Kept in the ledger."
            movements.extend(leaves.map(|it| Movement { reference: command.tracking_number.clone(), ..it }));
            line.shipped += quantity;
        }
        let outcome =
            Outcome::OrderShipped { order: order.id.clone(), state: Self::order_state(&order), shipped };
        Ok(Plan { movements, rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    pub(crate) fn cancel_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &CancelOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ILLEGAL_TRANSITION."
        let mut order = self.order_must_exist(&command.order)?;
        let mut movements = Vec::new();
        // "Units given back", counted by a bucket or not.
        let mut cancelled = 0;
        for line in &mut order.lines {
            // "Gives back what is not shipped", and never what has shipped (I15).
            let owed = line.allocated - line.shipped;
            for (bucket, quantity) in [(Bucket::Reserved, line.held), (Bucket::Committed, owed)] {
                if quantity > 0 {
                    let back = (Some(bucket), Some(Bucket::Available));
                    movements.extend(movement(&command.order, line, quantity, Reason::Release, origin, back));
                }
            }
            cancelled += line.held + owed;
            line.cancelled += line.held + owed;
            line.held = 0;
            line.allocated -= owed;
        }
        // "settled: nothing is held or owed. Only a return can still change it."
        if cancelled == 0 {
            return Err(illegal(&order, Operation::Cancel));
        }
        let outcome = Outcome::OrderCancelled {
            order: order.id.clone(),
            // "CANCELLED, or what follows from the shipped units where some had shipped."
            state: Self::order_state(&order),
            cancelled,
        };
        Ok(Plan { movements, rows: vec![changed(moment, order)], ..Plan::of(outcome) })
    }

    pub(crate) fn return_order(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &ReturnOrder,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ALREADY_EXISTS (document), ILLEGAL_TRANSITION, QUANTITY_EXCEEDED."
        let mut order = self.order_must_exist(&command.order)?;
        // "A return that was booked before says so, whatever became of the order since."
        self.document_must_be_new(command.document.as_ref())?;
        // "(PARTIALLY_)SHIPPED | CLOSED -> PARTIALLY_RETURNED -> RETURNED", from nowhere else.
        match Self::order_state(&order) {
            OrderState::PartiallyShipped | OrderState::Shipped | OrderState::PartiallyReturned => {}
            OrderState::PendingPayment
            | OrderState::Confirmed
            | OrderState::Returned
            | OrderState::Cancelled
            | OrderState::Expired => return Err(illegal(&order, Operation::Return)),
        }
        // "A line is looked for once the state of the order allows the call."
        let named: Vec<(u32, i64)> = command.lines.iter().map(|line| (line.line, line.quantity)).collect();
        lines_must_exist(&order, &named)?;
        // "returned <= shipped" (I5).
        must_be_left(&order, &named, |line| line.shipped - line.returned)?;
        let mut movements = Vec::new();
        let mut stock: BTreeMap<StockKey, Stock> = BTreeMap::new();
        for returned in &command.lines {
            let line = line_mut(&mut order, returned.line).expect("looked for above");
            // "Lines come back one after the other: the first whose SKU was deleted since (NOT_FOUND) ..."
            self.sku_must_exist(&line.sku)?;
            // "... whose location was (NOT_FOUND) ...", whatever is to become of the units.
            if let Some(location) = &line.location {
                self.location_must_exist(location)?;
            }
            // "Shipped units come back: to `available`, to `damaged`, or to nothing."
            let to = match returned.disposition {
                Disposition::Restock => Some(Bucket::Available),
                Disposition::Damaged => Some(Bucket::Damaged),
                Disposition::Scrap => None,
            };
            let back =
                movement(&command.order, line, returned.quantity, Reason::Returned, origin, (None, to));
            line.returned += returned.quantity;
            let Some(back) = back else { continue };
            let movement = Movement { document: command.document.clone(), ..back };
            // "... or whose sum would overflow (QUANTITY_OVERFLOW) says why."
            let before = stock.get(&movement.key).copied().unwrap_or_else(|| self.stock_at(&movement.key));
            stock.insert(movement.key.clone(), moved(before, &movement, moment.version())?);
            movements.push(movement);
        }
        let outcome = Outcome::OrderReturned {
            order: order.id.clone(),
            state: Self::order_state(&order),
            // "Units that came back with this call", counted by a bucket or not.
            returned: command.lines.iter().map(|line| line.quantity).sum(),
        };
        let mut rows = vec![changed(moment, order)];
        rows.extend(command.document.iter().cloned().map(Row::Document));
        Ok(Plan { movements, rows, ..Plan::of(outcome) })
    }

    /// "`NOT_FOUND`: no such ... order".
    fn order_must_exist(&self, id: &OrderId) -> Result<Order, Rejection> {
        self.order(id).cloned().ok_or_else(|| Rejection::NotFound(Resource::Order(id.clone())))
    }
}

/// "`ILLEGAL_TRANSITION`: the state of the order does not allow it".
fn illegal(order: &Order, operation: Operation) -> Rejection {
    Rejection::IllegalTransition { order: order.id.clone(), state: Model::order_state(order), operation }
}

/// "Log time of the last change", "Of the last change": also where no unit of the order is tracked.
fn changed(moment: Moment, order: Order) -> Row {
    Row::Order(Order { updated: moment.now, version: moment.version(), ..order })
}

/// A movement of units of a line; `None` "where the SKU was not tracked when it was ordered: then no bucket counts
/// them", whatever the SKU is now.
fn movement(
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

/// "Number of the line in the order, from 1."
fn line_mut(order: &mut Order, number: u32) -> Option<&mut OrderLine> {
    order.lines.iter_mut().zip(1_u32..).find_map(|(line, at)| (at == number).then_some(line))
}

fn units_owed(order: &Order) -> i64 {
    order.lines.iter().map(|line| line.allocated - line.shipped).sum()
}

fn all_owed(order: &Order) -> Vec<LineQuantity> {
    (1_u32..)
        .zip(&order.lines)
        .map(|(line, content)| LineQuantity { line, quantity: content.allocated - content.shipped })
        .filter(|owed| owed.quantity > 0)
        .collect()
}

/// What is asked, "in the order of the order's lines", a line once.
fn in_order(order: &Order, named: &[(u32, i64)]) -> Vec<LineQuantity> {
    let asked = |number| named.iter().filter(|(line, _)| *line == number).map(|(_, quantity)| quantity).sum();
    (1_u32..)
        .zip(&order.lines)
        .map(|(line, _)| LineQuantity { line, quantity: asked(line) })
        .filter(|leaving| leaving.quantity > 0)
        .collect()
}

/// "`NOT_FOUND`: no such ... line of an order".
fn lines_must_exist(order: &Order, named: &[(u32, i64)]) -> Result<(), Rejection> {
    for (number, _) in named {
        if !(1_u32..).zip(&order.lines).any(|(at, _)| at == *number) {
            return Err(Rejection::NotFound(Resource::OrderLine(order.id.clone(), *number)));
        }
    }
    Ok(())
}

/// "Every line that asks too much", each once, on the sum of what the request asks of it.
fn must_be_left(
    order: &Order,
    named: &[(u32, i64)],
    left: impl Fn(&OrderLine) -> i64,
) -> Result<(), Rejection> {
    let mut asked: BTreeMap<u32, i64> = BTreeMap::new();
    for (number, quantity) in named {
        *asked.entry(*number).or_default() += quantity;
    }
    let mut lines = Vec::new();
    for (number, line) in (1_u32..).zip(&order.lines) {
        let asked = asked.get(&number).copied().unwrap_or_default();
        if asked > left(line) {
            lines.push(ExceededLine { line: number, asked, left: left(line) });
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    Err(Rejection::QuantityExceeded { holder: Holder::Order(order.id.clone()), lines })
}
