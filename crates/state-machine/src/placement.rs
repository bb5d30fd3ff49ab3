//! Placing an order: all lines or none, unless it takes what is there.

use crate::command::{PlaceLine, PlaceOrder};
use crate::draft::Draft;
use crate::holder::Holder;
use crate::ids::LocationId;
use crate::order::{Order, OrderLine};
use crate::outcome::{Outcome, Source};
use crate::rejection::{Rejection, Resource};
use crate::sourcing::{self, Asked};

pub(crate) fn place(draft: &mut Draft<'_>, command: &PlaceOrder) -> Result<Outcome, Rejection> {
    if draft.order(&command.order).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
    }
    let asked = Asked::of(draft, &command.lines)?;
    asked.check_limits(draft)?;
    let holder = Holder::Order(command.order.clone());
    let sources = sourcing::reserve(draft, &holder, &asked, command.sourcing, command.shortage)?;
    let context = draft.context();
    let expires = context.now.after_micros(command.hold_us);
    draft.put_order(Order {
        id: command.order.clone(),
        customer: command.customer.clone(),
        currency: command.currency,
        lines: parts(&command.lines, &sources),
        created: context.now,
        updated: context.now,
        expires,
        version: context.version,
        payment_reference: String::new(),
        parcels: Vec::new(),
        closes: None,
    });
    Ok(Outcome::OrderPlaced { order: command.order.clone(), expires, sources })
}

/// The parts of lines, one for each source. What is missing of a line is cancelled in its last part, or in one of its own.
fn parts(lines: &[PlaceLine], mut sources: &[Source]) -> Vec<OrderLine> {
    let mut parts = Vec::with_capacity(lines.len());
    for (number, line) in (1_u32..).zip(lines) {
        let part = |location: Option<LocationId>, held, cancelled| OrderLine {
            number,
            sku: line.sku.clone(),
            location,
            unit_price_minor: line.unit_price_minor,
            ordered: held + cancelled,
            held,
            allocated: 0,
            shipped: 0,
            returned: 0,
            cancelled,
            expired: 0,
        };
        let (of_line, rest) = sources.split_at(sources.partition_point(|source| source.line == number));
        sources = rest;
        let missing = line.quantity - of_line.iter().map(|source| source.quantity).sum::<i64>();
        match of_line.split_last() {
            None => parts.push(part(line.location.clone(), 0, missing)),
            Some((last, others)) => {
                parts.extend(others.iter().map(|source| part(source.location.clone(), source.quantity, 0)));
                parts.push(part(last.location.clone(), last.quantity, missing));
            }
        }
    }
    parts
}
