//! Reserving stock for an order: where the units come from, and the hold on them.

use crate::command::PlaceLine;
use crate::draft::{Draft, Movement};
use crate::ids::{LocationId, OrderId};
use crate::ledger::Reason;
use crate::rejection::{Rejection, Shortage};
use crate::stock::{Bucket, StockKey};

/// Holds the units of one line: `available` becomes `reserved`. Of a SKU that is not tracked there is always enough, nowhere.
///
/// `number` is the line's, from 1. The inner error is a shortage, so that the caller can gather all of them.
pub(crate) fn reserve(
    draft: &mut Draft<'_>,
    order: &OrderId,
    number: u32,
    line: &PlaceLine,
) -> Result<Result<Option<LocationId>, Shortage>, Rejection> {
    if draft.known_sku(&line.sku)?.details.untracked {
        return Ok(Ok(None));
    }
    let location = match source(draft, number, line) {
        Ok(location) => location,
        Err(shortage) => return Ok(Err(shortage)),
    };
    let key = StockKey { sku: line.sku.clone(), location: location.clone() };
    let (from, to) = (Some(Bucket::Available), Some(Bucket::Reserved));
    draft.move_units(&key, Movement::for_order(order, Reason::Reservation, from, to, line.quantity))?;
    Ok(Ok(Some(location)))
}

/// Chooses the location: the one that the line names, else of those that cover the line whole the one with the lowest
/// priority number, and of several the first in the order of ids.
fn source(draft: &Draft<'_>, number: u32, line: &PlaceLine) -> Result<LocationId, Shortage> {
    let mut most = 0;
    if let Some(location) = &line.location {
        let key = StockKey { sku: line.sku.clone(), location: location.clone() };
        most = draft.stock(&key).get(Bucket::Available);
        if most >= line.quantity {
            return Ok(location.clone());
        }
    } else {
        let mut best: Option<(u32, &LocationId)> = None;
        for (location, stock) in draft.stock_of(&line.sku) {
            let Some(open) = draft.location(location).filter(|location| !location.details.disabled) else {
                continue;
            };
            let (available, priority) = (stock.get(Bucket::Available), open.details.priority);
            most = most.max(available);
            if available >= line.quantity && best.is_none_or(|(lowest, _)| priority < lowest) {
                best = Some((priority, location));
                // No other comes before it: where nobody sets priorities, few are looked at.
                if priority == 0 {
                    break;
                }
            }
        }
        if let Some((_, location)) = best {
            return Ok(location.clone());
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
