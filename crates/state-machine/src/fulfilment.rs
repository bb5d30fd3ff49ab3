//! What happens to a placed order: confirm, ship, cancel.

use std::sync::Arc;

use crate::command::{CancelOrder, ConfirmOrder, ShipOrder};
use crate::draft::{Draft, Movement};
use crate::ids::OrderId;
use crate::ledger::Reason;
use crate::order::{Operation, Order, OrderLine, OrderState};
use crate::outcome::Outcome;
use crate::rejection::{ExceededLine, Rejection, Resource};
use crate::stock::{Bucket, StockKey};

/// The order, if it exists and its state allows the operation.
pub(crate) fn order_for<'d>(
    draft: &'d Draft<'_>,
    id: &OrderId,
    operation: Operation,
) -> Result<&'d Arc<Order>, Rejection> {
    let order = draft.order(id).ok_or_else(|| Rejection::NotFound(Resource::Order(id.clone())))?;
    let state = order.state();
    if !state.allowed().contains(&operation) {
        return Err(Rejection::IllegalTransition { order: id.clone(), state, operation });
    }
    Ok(order)
}

/// Moves units of a line between buckets, where buckets count them.
pub(crate) fn move_line(
    draft: &mut Draft<'_>,
    line: &OrderLine,
    movement: Movement<'_>,
) -> Result<(), Rejection> {
    let Some(location) = &line.location else { return Ok(()) };
    draft.move_units(&StockKey { sku: line.sku.clone(), location: location.clone() }, movement)
}

pub(crate) fn confirm(draft: &mut Draft<'_>, command: &ConfirmOrder) -> Result<Outcome, Rejection> {
    let order = draft.order(&command.order);
    if let Some(order) = order.filter(|order| order.state() == OrderState::Expired) {
        return Err(Rejection::ReservationExpired { order: order.id.clone(), expired: order.expires });
    }
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Confirm)?);
    for line in &mut order.lines {
        let (from, to) = (Some(Bucket::Reserved), Some(Bucket::Committed));
        let movement = Movement::for_order(&command.order, Reason::Commit, from, to, line.held);
        move_line(draft, line, movement)?;
        line.allocated += line.held;
        line.held = 0;
    }
    order.payment_reference.clone_from(&command.payment_reference);
    draft.put_order(order);
    Ok(Outcome::OrderConfirmed { order: command.order.clone() })
}

pub(crate) fn ship(draft: &mut Draft<'_>, command: &ShipOrder) -> Result<Outcome, Rejection> {
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Ship)?);
    if order.lines.iter().all(|line| line.unshipped() == 0) {
        let (state, operation) = (order.state(), Operation::Ship);
        return Err(Rejection::IllegalTransition { order: order.id, state, operation });
    }
    let quantities = ship_quantities(&order, command)?;
    let mut shipped = 0;
    for (line, quantity) in order.lines.iter_mut().zip(quantities) {
        if quantity == 0 {
            continue;
        }
        let movement = Movement {
            reference: &command.tracking_number,
            ..Movement::for_order(&command.order, Reason::Shipment, Some(Bucket::Committed), None, quantity)
        };
        move_line(draft, line, movement)?;
        line.shipped += quantity;
        shipped += quantity;
    }
    let state = order.state();
    draft.put_order(order);
    Ok(Outcome::OrderShipped { order: command.order.clone(), state, shipped })
}

/// Units to ship of each line of the order: as asked, or all that is owed.
fn ship_quantities(order: &Order, command: &ShipOrder) -> Result<Vec<i64>, Rejection> {
    if command.lines.is_empty() {
        return Ok(order.lines.iter().map(OrderLine::unshipped).collect());
    }
    let asked = command.lines.iter().map(|line| (line.line, line.quantity));
    line_quantities(order, asked, OrderLine::unshipped)
}

/// Sums what is asked by line of the order, and refuses lines that don't exist or ask for more than is left (I5, I15).
pub(crate) fn line_quantities(
    order: &Order,
    asked: impl Iterator<Item = (u32, i64)>,
    left: fn(&OrderLine) -> i64,
) -> Result<Vec<i64>, Rejection> {
    let mut quantities = vec![0_i64; order.lines.len()];
    for (number, quantity) in asked {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let slot = index.and_then(|index| quantities.get_mut(index));
        let Some(slot) = slot else {
            return Err(Rejection::NotFound(Resource::OrderLine(order.id.clone(), number)));
        };
        *slot = slot.checked_add(quantity).ok_or(Rejection::QuantityOverflow)?;
    }
    let lines: Vec<_> = (1_u32..)
        .zip(order.lines.iter().zip(&quantities))
        .filter(|(_, (line, asked))| **asked > left(line))
        .map(|(number, (line, asked))| ExceededLine { line: number, asked: *asked, left: left(line) })
        .collect();
    if lines.is_empty() {
        Ok(quantities)
    } else {
        Err(Rejection::QuantityExceeded { order: order.id.clone(), lines })
    }
}

/// Gives back what is held or owed. What has shipped stays shipped (I15), so an order of which a part has shipped ends
/// as shipped, and its units can still come back.
pub(crate) fn cancel(draft: &mut Draft<'_>, command: &CancelOrder) -> Result<Outcome, Rejection> {
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Cancel)?);
    if order.is_settled() {
        let (state, operation) = (order.state(), Operation::Cancel);
        return Err(Rejection::IllegalTransition { order: order.id, state, operation });
    }
    let mut cancelled = 0;
    for line in &mut order.lines {
        for (from, quantity) in [(Bucket::Reserved, line.held), (Bucket::Committed, line.unshipped())] {
            if quantity > 0 {
                let to = Some(Bucket::Available);
                let movement = Movement::for_order(&command.order, Reason::Release, Some(from), to, quantity);
                move_line(draft, line, movement)?;
                cancelled += quantity;
                line.cancelled += quantity;
            }
        }
        line.held = 0;
        line.allocated = line.shipped;
    }
    let state = order.state();
    draft.put_order(order);
    Ok(Outcome::OrderCancelled { order: command.order.clone(), state, cancelled })
}
