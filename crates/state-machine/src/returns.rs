//! Returns: shipped units come back.

use crate::command::{Disposition, ReturnOrder};
use crate::draft::{Draft, Movement};
use crate::fulfilment::order_for;
use crate::holder::Holder;
use crate::ledger::Reason;
use crate::lines::{check_lines, move_line, refuse_exceeded, take};
use crate::order::{Operation, Order};
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::stock::Bucket;

pub(crate) fn book(draft: &mut Draft<'_>, command: &ReturnOrder) -> Result<Outcome, Rejection> {
    // A return that was booked before says so, whatever became of the order since.
    if draft.order(&command.order).is_some() {
        draft.book(command.document.as_ref())?;
    }
    let id = &command.order;
    let mut order = Order::clone(order_for(draft, id, Operation::Return, command.expected)?);
    let holder = Holder::Order(id.clone());
    check_lines(&holder, &order.lines, command.lines.iter().map(|returned| returned.line))?;
    let mut left: Vec<i64> = order.lines.iter().map(|line| line.shipped - line.returned).collect();
    let (mut parts, mut exceeded) = (Vec::new(), Vec::new());
    for returned in &command.lines {
        match take(&order.lines, &mut left, returned.line, None, returned.quantity) {
            Ok(taken) => parts.push(taken),
            Err(line) => exceeded.push(line),
        }
    }
    refuse_exceeded(&holder, exceeded)?;
    let mut total = 0;
    for (returned, parts) in command.lines.iter().zip(parts) {
        let to = match returned.disposition {
            Disposition::Restock => Some(Bucket::Available),
            Disposition::Damaged => Some(Bucket::Damaged),
            Disposition::Scrap => None,
        };
        for (index, quantity) in parts {
            let line = &mut order.lines[index];
            // A SKU or a location that was deleted since has no stock to come back to.
            draft.known_sku(&line.sku)?;
            let to_where = returned.location.as_ref().or(line.location.as_ref());
            if let Some(location) = to_where {
                draft.known_location(location)?;
            }
            // Of a line that no bucket counts nothing is booked anywhere.
            let location = to_where.filter(|_| line.location.is_some());
            let document = command.document.as_ref();
            let movement =
                Movement { to, order: Some(id), document, ..Movement::of(Reason::Returned, quantity) };
            move_line(draft, &line.sku, location, movement)?;
            line.returned += quantity;
            total += quantity;
        }
    }
    let state = order.state_at(draft.context().now);
    draft.put_order(order);
    Ok(Outcome::OrderReturned { order: id.clone(), state, returned: total })
}
