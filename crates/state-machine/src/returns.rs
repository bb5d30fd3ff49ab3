//! Returns: shipped units come back.

use crate::command::{Disposition, ReturnOrder};
use crate::draft::{Draft, Movement};
use crate::fulfilment::order_for;
use crate::holder::Holder;
use crate::ledger::Reason;
use crate::lines::{line_quantities, move_line};
use crate::order::{Operation, Order};
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::stock::Bucket;

pub(crate) fn book(draft: &mut Draft<'_>, command: &ReturnOrder) -> Result<Outcome, Rejection> {
    // A return that was booked before says so, whatever became of the order since.
    if draft.order(&command.order).is_some() {
        draft.book(command.document.as_ref())?;
    }
    let mut order = Order::clone(order_for(draft, &command.order, Operation::Return)?);
    let asked = command.lines.iter().map(|line| (line.line, line.quantity));
    let returnable: Vec<i64> = order.lines.iter().map(|line| line.shipped - line.returned).collect();
    let quantities = line_quantities(&Holder::Order(order.id.clone()), &returnable, asked)?;
    for returned in &command.lines {
        let index = usize::try_from(returned.line).expect("u32 fits") - 1;
        let line = &order.lines[index];
        // A SKU or a location that was deleted since has no stock to come back to.
        draft.known_sku(&line.sku)?;
        if let Some(location) = &line.location {
            draft.known_location(location)?;
        }
        let to = match returned.disposition {
            Disposition::Restock => Some(Bucket::Available),
            Disposition::Damaged => Some(Bucket::Damaged),
            Disposition::Scrap => None,
        };
        let movement = Movement {
            to,
            order: Some(&command.order),
            document: command.document.as_ref(),
            ..Movement::of(Reason::Returned, returned.quantity)
        };
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
    }
    for (line, quantity) in order.lines.iter_mut().zip(&quantities) {
        line.returned += quantity;
    }
    let state = order.state();
    let returned = quantities.iter().sum();
    draft.put_order(order);
    Ok(Outcome::OrderReturned { order: command.order.clone(), state, returned })
}
