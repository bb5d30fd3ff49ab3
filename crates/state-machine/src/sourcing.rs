//! Where the units of an order or a reservation come from, and the hold on them.

use std::collections::BTreeMap;

use crate::command::PlaceLine;
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, SkuId};
use crate::ledger::Reason;
use crate::rejection::{LimitBreach, Rejection, Shortage};
use crate::state::State;
use crate::stock::{Bucket, Stock, StockKey};

/// The locations that lines name must exist, then be open.
pub(crate) fn check_locations(draft: &Draft<'_>, lines: &[PlaceLine]) -> Result<(), Rejection> {
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
pub(crate) fn check_limits<'l, Lines>(draft: &Draft<'_>, lines: impl Fn() -> Lines) -> Result<(), Rejection>
where
    Lines: Iterator<Item = (&'l SkuId, i64)>,
{
    let limits =
        |sku: &SkuId| draft.sku(sku).map(|sku| (sku.details.min_per_order, sku.details.max_per_order));
    if lines().all(|(sku, _)| limits(sku) == Some((0, 0))) {
        return Ok(());
    }
    let mut asked: BTreeMap<&SkuId, i64> = BTreeMap::new();
    for (sku, quantity) in lines() {
        *asked.entry(sku).or_default() += quantity;
    }
    let mut breaches = Vec::new();
    for (sku, _) in lines() {
        // Each SKU once, where it stands first.
        let Some(asked) = asked.remove(sku) else { continue };
        let (min, max) = limits(sku).unwrap_or_default();
        if asked < min || (max > 0 && asked > max) {
            breaches.push(LimitBreach { sku: sku.clone(), asked, min, max });
        }
    }
    if breaches.is_empty() { Ok(()) } else { Err(Rejection::PurchaseLimit { breaches }) }
}

/// Holds the units of all lines or of none: `available` becomes `reserved`. Gives the location of each; of a SKU that is
/// not tracked there is always enough, nowhere.
pub(crate) fn reserve(
    draft: &mut Draft<'_>,
    holder: &Holder,
    lines: &[PlaceLine],
) -> Result<Vec<Option<LocationId>>, Rejection> {
    let mut locations = Vec::with_capacity(lines.len());
    let mut shortages = Vec::new();
    for (number, line) in (1_u32..).zip(lines) {
        if draft.known_sku(&line.sku)?.details.untracked {
            locations.push(None);
            continue;
        }
        // Each line sees what the ones before it took, so lines that share a SKU are checked on their sum (I9).
        match source(draft, number, line) {
            Ok(location) => {
                let key = StockKey { sku: line.sku.clone(), location: location.clone() };
                let (from, to) = (Some(Bucket::Available), Some(Bucket::Reserved));
                let movement = Movement { from, to, ..Movement::of(Reason::Reservation, line.quantity) };
                draft.move_units(&key, movement.for_holder(holder))?;
                locations.push(Some(location));
            }
            Err(shortage) => shortages.push(shortage),
        }
    }
    if shortages.is_empty() { Ok(locations) } else { Err(Rejection::InsufficientStock { shortages }) }
}

/// True where a shortage may come to an end when holds do: somewhere that counts there are units enough, held or not.
pub(crate) fn may_end(state: &State, shortage: &Shortage) -> bool {
    let Shortage { sku, location, bucket, asked, .. } = shortage;
    let enough = |stock: Stock| {
        stock
            .get(Bucket::Available)
            .checked_add(stock.get(Bucket::Reserved))
            .is_none_or(|units| units >= *asked)
    };
    if *bucket != Bucket::Available {
        return false;
    }
    match location {
        Some(location) => enough(state.stock(&StockKey { sku: sku.clone(), location: location.clone() })),
        None => state.stock_of(sku, None).any(|(key, stock)| {
            enough(*stock) && state.location(&key.location).is_some_and(|location| !location.details.disabled)
        }),
    }
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
        next_expiry: draft.next_expiry(&line.sku),
    })
}
