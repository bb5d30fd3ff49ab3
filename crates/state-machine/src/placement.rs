//! Placing an order: all lines or none.

use crate::command::PlaceOrder;
use crate::draft::Draft;
use crate::holder::Holder;
use crate::order::{Order, OrderLine};
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};
use crate::sourcing::{self, check_limits, check_locations};

pub(crate) fn place(draft: &mut Draft<'_>, command: &PlaceOrder) -> Result<Outcome, Rejection> {
    if draft.order(&command.order).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
    }
    for line in &command.lines {
        draft.known_sku(&line.sku)?;
    }
    check_locations(draft, &command.lines)?;
    check_limits(draft, || command.lines.iter().map(|line| (&line.sku, line.quantity)))?;
    let locations = sourcing::reserve(draft, &Holder::Order(command.order.clone()), &command.lines)?;
    let lines = command.lines.iter().zip(&locations).map(|(line, location)| OrderLine {
        sku: line.sku.clone(),
        location: location.clone(),
        unit_price_minor: line.unit_price_minor,
        ordered: line.quantity,
        held: line.quantity,
        allocated: 0,
        shipped: 0,
        returned: 0,
        cancelled: 0,
        expired: 0,
    });
    let context = draft.context();
    let expires = context.now.after_micros(command.hold_us);
    draft.put_order(Order {
        id: command.order.clone(),
        customer: command.customer.clone(),
        currency: command.currency,
        lines: lines.collect(),
        created: context.now,
        updated: context.now,
        expires,
        version: context.version,
        payment_reference: String::new(),
    });
    Ok(Outcome::OrderPlaced { order: command.order.clone(), expires, locations })
}
