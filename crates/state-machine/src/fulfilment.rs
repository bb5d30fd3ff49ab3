//! What happens to a placed order: confirm, extend, ship, cancel, close.

use std::sync::Arc;

use crate::catalog::expect_version;
use crate::command::{CancelOrder, CloseOrder, ConfirmOrder, ExtendOrder, ShipOrder};
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::OrderId;
use crate::ledger::Reason;
use crate::limits;
use crate::lines::{move_line, quantities_or_all};
use crate::order::{Operation, Order, OrderLine, OrderState, Parcel, ParcelLine};
use crate::outcome::Outcome;
use crate::reacquire::reacquire;
use crate::rejection::{Rejection, Resource};
use crate::stock::Bucket;
use crate::version::Version;

/// The order, if it exists, its state allows the operation, and it has the version that it must have.
pub(crate) fn order_for<'d>(
    draft: &'d Draft<'_>,
    id: &OrderId,
    operation: Operation,
    expected: Option<Version>,
) -> Result<&'d Arc<Order>, Rejection> {
    let order = draft.known_order(id)?;
    let state = order.state_at(draft.context().now);
    if !state.allowed().contains(&operation) {
        return Err(Rejection::IllegalTransition { order: id.clone(), state, operation });
    }
    // A part of its units came back and nothing is left to ship.
    let is_left = matches!(operation, Operation::Ship | Operation::Cancel);
    if is_left && order.is_settled() {
        return Err(Rejection::IllegalTransition { order: id.clone(), state, operation });
    }
    expect_version(expected, order.version, || Resource::Order(id.clone()))?;
    Ok(order)
}

/// Refuses what only an order can do whose hold has not ended.
fn ensure_not_expired(draft: &Draft<'_>, id: &OrderId) -> Result<(), Rejection> {
    match draft.order(id).filter(|order| order.state() == OrderState::Expired) {
        None => Ok(()),
        Some(order) => {
            let holder = Holder::Order(id.clone());
            Err(Rejection::ReservationExpired { holder, expired: order.expires })
        }
    }
}

pub(crate) fn confirm(draft: &mut Draft<'_>, command: &ConfirmOrder) -> Result<Outcome, Rejection> {
    let ConfirmOrder { order: id, payment_reference, reacquire: anew, expected } = command;
    let is_expired = draft.order(id).is_some_and(|order| order.state() == OrderState::Expired);
    let mut order = if *anew && is_expired {
        let order = draft.known_order(id)?;
        expect_version(*expected, order.version, || Resource::Order(id.clone()))?;
        let mut order = Order::clone(order);
        reacquire(draft, &mut order)?;
        order
    } else {
        ensure_not_expired(draft, id)?;
        let mut order = Order::clone(order_for(draft, id, Operation::Confirm, *expected)?);
        for line in order.lines.iter_mut().filter(|line| line.held > 0) {
            let (from, to) = (Some(Bucket::Reserved), Some(Bucket::Committed));
            let movement = Movement { from, to, order: Some(id), ..Movement::of(Reason::Commit, line.held) };
            move_line(draft, &line.sku, line.location.as_ref(), movement)?;
            line.allocated += line.held;
            line.held = 0;
        }
        order
    };
    order.payment_reference.clone_from(payment_reference);
    draft.put_order(order);
    Ok(Outcome::OrderConfirmed { order: id.clone() })
}

/// The hold ends later, never earlier than it would have.
pub(crate) fn extend(draft: &mut Draft<'_>, command: &ExtendOrder) -> Result<Outcome, Rejection> {
    ensure_not_expired(draft, &command.order)?;
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Extend, command.expected)?);
    order.expires = order.expires.max(draft.context().now.after_micros(command.hold_us));
    let expires = order.expires;
    draft.put_order(order);
    Ok(Outcome::OrderExtended { order: command.order.clone(), expires })
}

pub(crate) fn ship(draft: &mut Draft<'_>, command: &ShipOrder) -> Result<Outcome, Rejection> {
    let id = &command.order;
    // A parcel that was booked before says so, whatever became of the order since.
    if draft.order(id).is_some() {
        draft.book(command.document.as_ref())?;
    }
    let mut order = Order::clone(order_for(draft, id, Operation::Ship, command.expected)?);
    let holder = Holder::Order(id.clone());
    let unshipped = order.lines.iter().map(OrderLine::unshipped).collect();
    let quantities = quantities_or_all(&holder, &order.lines, unshipped, &command.lines)?;
    let mut lines = Vec::new();
    for (part, (line, quantity)) in (0_u32..).zip(order.lines.iter_mut().zip(quantities)) {
        if quantity == 0 {
            continue;
        }
        let movement = Movement {
            from: Some(Bucket::Committed),
            order: Some(id),
            document: command.document.as_ref(),
            reference: &command.tracking_number,
            ..Movement::of(Reason::Shipment, quantity)
        };
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
        line.shipped += quantity;
        lines.push(ParcelLine { part, quantity });
    }
    let so_far: usize = order.parcels.iter().map(|parcel| parcel.lines.len()).sum();
    // What is still owed must fit into one more, or nobody could ever ship it.
    let owed = order.lines.iter().filter(|line| line.unshipped() > 0).count();
    let parcels = order.parcels.len() + 1 + usize::from(owed > 0);
    if parcels > limits::MAX_PARCELS || so_far + lines.len() + owed > limits::MAX_PARCEL_LINES {
        return Err(Rejection::TooLarge { holder });
    }
    let shipped = lines.iter().map(|line| line.quantity).sum();
    let now = draft.context().now;
    order.parcels.push(Parcel {
        shipped: now,
        tracking_number: command.tracking_number.clone(),
        document: command.document.clone(),
        lines,
    });
    if let Some(close_after_us) = command.close_after_us {
        order.closes = Some(now.after_micros(close_after_us));
    }
    let state = order.state_at(now);
    let parcel = u32::try_from(order.parcels.len()).expect("none is empty");
    draft.put_order(order);
    Ok(Outcome::OrderShipped { order: id.clone(), state, shipped, parcel })
}

/// Gives back what is held or owed, or a part of it. What has shipped stays shipped (I15), so an order of which a part has shipped
/// ends as shipped, and its units can still come back.
pub(crate) fn cancel(draft: &mut Draft<'_>, command: &CancelOrder) -> Result<Outcome, Rejection> {
    let id = &command.order;
    let mut order = Order::clone(order_for(draft, id, Operation::Cancel, command.expected)?);
    // An order holds units or is owed them, never both.
    let left = order.lines.iter().map(|line| line.held + line.unshipped()).collect();
    let quantities = quantities_or_all(&Holder::Order(id.clone()), &order.lines, left, &command.lines)?;
    let mut cancelled = 0;
    for (line, quantity) in order.lines.iter_mut().zip(quantities) {
        if quantity == 0 {
            continue;
        }
        let (from, counter) = if line.held > 0 {
            (Bucket::Reserved, &mut line.held)
        } else {
            (Bucket::Committed, &mut line.allocated)
        };
        *counter -= quantity;
        line.cancelled += quantity;
        cancelled += quantity;
        let movement = Movement {
            from: Some(from),
            to: Some(Bucket::Available),
            order: Some(id),
            ..Movement::of(Reason::Release, quantity)
        };
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
    }
    let state = order.state_at(draft.context().now);
    draft.put_order(order);
    Ok(Outcome::OrderCancelled { order: id.clone(), state, cancelled })
}

/// Nothing is to come any more, but for returns.
pub(crate) fn close(draft: &mut Draft<'_>, command: &CloseOrder) -> Result<Outcome, Rejection> {
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Close, command.expected)?);
    order.closes = Some(draft.context().now);
    draft.put_order(order);
    Ok(Outcome::OrderClosed { order: command.order.clone() })
}
