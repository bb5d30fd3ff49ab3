//! Placing an order: all lines or none.

use crate::catalog;
use crate::command::PlaceOrder;
use crate::draft::Draft;
use crate::order::{Order, OrderLine};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};
use crate::reservation;

pub(crate) fn place<'a>(draft: &mut Draft<'a>, command: &'a PlaceOrder) -> Result<Outcome, Rejection> {
    if draft.order(&command.order).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
    }
    let mut lines = Vec::with_capacity(command.lines.len());
    let mut locations = Vec::with_capacity(command.lines.len());
    let mut shortages = Vec::new();
    if let Some(line) = command.lines.iter().find(|line| draft.sku(&line.sku).is_none()) {
        return Err(catalog::not_found(&line.sku));
    }
    for (number, line) in (1_u32..).zip(&command.lines) {
        // Each line sees what the ones before it took, so lines that share a SKU are checked on their sum (I9).
        let location = match reservation::reserve(draft, &command.order, number, line)? {
            Ok(location) => location,
            Err(shortage) => {
                shortages.push(shortage);
                continue;
            }
        };
        locations.push(location.clone());
        lines.push(OrderLine {
            sku: line.sku.clone(),
            location,
            unit_price_minor: line.unit_price_minor,
            ordered: line.quantity,
            held: line.quantity,
            allocated: 0,
            shipped: 0,
            returned: 0,
            cancelled: 0,
            expired: 0,
        });
    }
    if !shortages.is_empty() {
        return Err(Rejection::InsufficientStock { shortages });
    }
    let context = draft.context();
    let expires = context.now.after_micros(command.hold_us);
    draft.put_order(Order {
        id: command.order.clone(),
        customer: command.customer.clone(),
        currency: command.currency,
        lines,
        created: context.now,
        updated: context.now,
        expires,
        revision: context.revision,
        payment_reference: String::new(),
    });
    Ok(Outcome::OrderPlaced { order: command.order.clone(), expires, locations })
}
