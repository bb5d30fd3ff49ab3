//! Placing an order: all lines or none.

use std::collections::BTreeMap;

use crate::command::{PlaceLine, PlaceOrder};
use crate::draft::Draft;
use crate::ids::SkuId;
use crate::order::{Order, OrderLine};
use crate::outcome::Outcome;
use crate::rejection::{LimitBreach, Rejection, Resource};
use crate::reservation;

pub(crate) fn place(draft: &mut Draft<'_>, command: &PlaceOrder) -> Result<Outcome, Rejection> {
    if draft.order(&command.order).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Order(command.order.clone())));
    }
    for line in &command.lines {
        draft.known_sku(&line.sku)?;
    }
    check_locations(draft, &command.lines)?;
    check_limits(draft, &command.lines)?;
    let mut lines = Vec::with_capacity(command.lines.len());
    let mut locations = Vec::with_capacity(command.lines.len());
    let mut shortages = Vec::new();
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
        version: context.version,
        payment_reference: String::new(),
    });
    Ok(Outcome::OrderPlaced { order: command.order.clone(), expires, locations })
}

/// The locations that lines name must exist, then be open.
fn check_locations(draft: &Draft<'_>, lines: &[PlaceLine]) -> Result<(), Rejection> {
    let named = || lines.iter().filter_map(|line| line.location.as_ref());
    for location in named() {
        draft.known_location(location)?;
    }
    for location in named() {
        if draft.known_location(location)?.details.disabled {
            return Err(Rejection::LocationDisabled { location: location.clone() });
        }
    }
    Ok(())
}

/// What all lines ask of a SKU must be as much as an order may take of it.
fn check_limits(draft: &Draft<'_>, lines: &[PlaceLine]) -> Result<(), Rejection> {
    let limits =
        |sku: &SkuId| draft.sku(sku).map(|sku| (sku.details.min_per_order, sku.details.max_per_order));
    if lines.iter().all(|line| limits(&line.sku) == Some((0, 0))) {
        return Ok(());
    }
    let mut asked: BTreeMap<&SkuId, i64> = BTreeMap::new();
    for line in lines {
        *asked.entry(&line.sku).or_default() += line.quantity;
    }
    let mut breaches = Vec::new();
    for line in lines {
        // Each SKU once, where it stands first.
        let Some(asked) = asked.remove(&line.sku) else { continue };
        let (min, max) = limits(&line.sku).unwrap_or_default();
        if asked < min || (max > 0 && asked > max) {
            breaches.push(LimitBreach { sku: line.sku.clone(), asked, min, max });
        }
    }
    if breaches.is_empty() { Ok(()) } else { Err(Rejection::PurchaseLimit { breaches }) }
}
