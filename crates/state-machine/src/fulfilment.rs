//! What happens to a placed order: confirm, ship, cancel.

use std::sync::Arc;

use crate::command::{CancelOrder, ConfirmOrder, ShipOrder};
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::OrderId;
use crate::ledger::Reason;
use crate::lines::{move_line, quantities_or_all};
use crate::order::{Operation, Order, OrderLine, OrderState};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};
use crate::stock::Bucket;

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

pub(crate) fn confirm(draft: &mut Draft<'_>, command: &ConfirmOrder) -> Result<Outcome, Rejection> {
    let order = draft.order(&command.order);
    if let Some(order) = order.filter(|order| order.state() == OrderState::Expired) {
        let holder = Holder::Order(order.id.clone());
        return Err(Rejection::ReservationExpired { holder, expired: order.expires });
    }
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Confirm)?);
    for line in &mut order.lines {
        let (from, to) = (Some(Bucket::Reserved), Some(Bucket::Committed));
        let order = Some(&command.order);
        let movement = Movement { from, to, order, ..Movement::of(Reason::Commit, line.held) };
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
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
            from: Some(Bucket::Committed),
            order: Some(&command.order),
            reference: &command.tracking_number,
            ..Movement::of(Reason::Shipment, quantity)
        };
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
        line.shipped += quantity;
        shipped += quantity;
    }
    let state = order.state();
    draft.put_order(order);
    Ok(Outcome::OrderShipped { order: command.order.clone(), state, shipped })
}

/// Units to ship of each line of the order: as asked, or all that is owed.
fn ship_quantities(order: &Order, command: &ShipOrder) -> Result<Vec<i64>, Rejection> {
    let unshipped = order.lines.iter().map(OrderLine::unshipped).collect();
    quantities_or_all(&Holder::Order(order.id.clone()), unshipped, &command.lines)
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
                let movement = Movement {
                    from: Some(from),
                    to: Some(Bucket::Available),
                    order: Some(&command.order),
                    ..Movement::of(Reason::Release, quantity)
                };
                move_line(draft, &line.sku, line.location.as_ref(), movement)?;
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
