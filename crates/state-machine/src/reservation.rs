//! Reserving stock for an order: where the units come from, and the hold on them.

use crate::command::PlaceLine;
use crate::draft::{Draft, Movement};
use crate::ids::{LocationId, OrderId};
use crate::ledger::Reason;
use crate::rejection::{Rejection, Shortage};
use crate::stock::{Bucket, StockKey};

/// Holds the units of one line: `available` becomes `reserved`.
///
/// `number` is the line's, from 1. The inner error is a shortage, so that the caller can gather all of them.
pub(crate) fn reserve<'a>(
    draft: &mut Draft<'a>,
    order: &OrderId,
    number: u32,
    line: &'a PlaceLine,
) -> Result<Result<LocationId, Shortage>, Rejection> {
    let location = match source(draft, number, line) {
        Ok(location) => location,
        Err(shortage) => return Ok(Err(shortage)),
    };
    let key = StockKey { sku: line.sku.clone(), location: location.clone() };
    let (from, to) = (Some(Bucket::Available), Some(Bucket::Reserved));
    draft.move_units(&key, Movement::for_order(order, Reason::Reservation, from, to, line.quantity))?;
    Ok(Ok(location))
}

/// Chooses the location: the one that the line names, else the first in the order of ids that covers the line whole.
fn source<'a>(draft: &Draft<'a>, number: u32, line: &'a PlaceLine) -> Result<LocationId, Shortage> {
    let mut most = 0;
    if let Some(location) = &line.location {
        let key = StockKey { sku: line.sku.clone(), location: location.clone() };
        most = draft.stock(&key).get(Bucket::Available);
        if most >= line.quantity {
            return Ok(location.clone());
        }
    } else {
        for (location, stock) in draft.locations_of(&line.sku) {
            let available = stock.get(Bucket::Available);
            if available >= line.quantity {
                return Ok(location.clone());
            }
            most = most.max(available);
        }
    }
    Err(Shortage {
        line: number,
        sku: line.sku.clone(),
        location: line.location.clone(),
        bucket: Bucket::Available,
        asked: line.quantity,
        available: most,
    })
}
