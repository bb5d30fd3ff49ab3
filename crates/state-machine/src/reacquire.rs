//! Payment that was taken after the hold had ended: the units are taken anew, if they are there.

use std::collections::BTreeMap;

use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, SkuId};
use crate::ledger::Reason;
use crate::lines::move_line;
use crate::order::Order;
use crate::rejection::{Rejection, Shortage};
use crate::sourcing::cheapest;
use crate::stock::{Bucket, StockKey};

/// What expired of an order becomes owed, all of it or nothing: each part from the location where it was held if that covers it and
/// takes orders, else whole from another.
pub(crate) fn reacquire(draft: &mut Draft<'_>, order: &mut Order) -> Result<(), Rejection> {
    for line in order.lines.iter().filter(|line| line.expired > 0) {
        draft.known_sku(&line.sku)?;
    }
    let mut taken: BTreeMap<(SkuId, LocationId), i64> = BTreeMap::new();
    let mut shortages = Vec::new();
    for line in order.lines.iter_mut().filter(|line| line.expired > 0) {
        // Where no bucket counted the units, none does now.
        let Some(before) = &line.location else { continue };
        let taken_at = |location: &LocationId| {
            taken.get(&(line.sku.clone(), location.clone())).copied().unwrap_or_default()
        };
        let key = StockKey { sku: line.sku.clone(), location: before.clone() };
        let here = draft.stock(&key).get(Bucket::Available) - taken_at(before);
        if here < line.expired || draft.priority_of_open(before).is_none() {
            match cheapest(draft, &line.sku, line.expired, taken_at) {
                Ok(location) => line.location = Some(location.clone()),
                Err(available) => {
                    shortages.push(Shortage {
                        line: line.number,
                        sku: line.sku.clone(),
                        location: None,
                        together: false,
                        bucket: Bucket::Available,
                        asked: line.expired,
                        available,
                        next_expiry: draft.next_expiry(&line.sku),
                    });
                    continue;
                }
            }
        }
        let location = line.location.clone().expect("it has one");
        *taken.entry((line.sku.clone(), location)).or_default() += line.expired;
    }
    if !shortages.is_empty() {
        return Err(Rejection::InsufficientStock { shortages });
    }
    let holder = Holder::Order(order.id.clone());
    for line in order.lines.iter_mut().filter(|line| line.expired > 0) {
        let (from, to) = (Some(Bucket::Available), Some(Bucket::Committed));
        let movement =
            Movement { from, to, ..Movement::of(Reason::Commit, line.expired) }.for_holder(&holder);
        move_line(draft, &line.sku, line.location.as_ref(), movement)?;
        line.allocated += line.expired;
        line.expired = 0;
    }
    Ok(())
}
