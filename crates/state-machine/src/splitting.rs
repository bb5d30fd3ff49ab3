//! How a quantity is split over locations. Arithmetic only.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{LocationId, SkuId};
use crate::limits;

/// A sum that stops at the end of the range.
pub(crate) fn sum(quantities: impl Iterator<Item = i64>) -> i64 {
    quantities.fold(0, i64::saturating_add)
}

/// Splits a quantity in proportion to what is available; all that is available where that is less. What rounding leaves over goes, a
/// unit each, to those that have most, of several to the first.
pub(crate) fn in_proportion(quantity: i64, available: &[i64]) -> Vec<i64> {
    let total: i128 = available.iter().map(|units| i128::from(*units)).sum();
    if total <= i128::from(quantity) {
        return available.to_vec();
    }
    let share = |units: &i64| i128::from(quantity) * i128::from(*units) / total;
    let mut shares: Vec<i64> =
        available.iter().map(|units| i64::try_from(share(units)).expect("at most the quantity")).collect();
    let left = usize::try_from(quantity - sum(shares.iter().copied())).expect("shares are rounded down");
    let mut order: Vec<usize> = (0..available.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(available[*index]));
    for index in order.into_iter().take(left) {
        shares[index] += 1;
    }
    shares
}

/// What a location has of a SKU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supply<'a> {
    pub(crate) sku: &'a SkuId,
    pub(crate) location: &'a LocationId,
    pub(crate) priority: u32,
    /// At least 1.
    pub(crate) available: i64,
}

/// What is taken of each SKU from which locations, in the order in which they were chosen.
pub(crate) type Taken<'a> = BTreeMap<&'a SkuId, VecDeque<(&'a LocationId, i64)>>;

/// Takes wanted units from few locations: again and again from the one that has most of all that is still missing; of several the one
/// with the lowest priority number, then the first in the order of ids. Ends where nothing is missing or
/// nobody has any; gives nothing where an order would have too many parts.
pub(crate) fn from_few<'a>(wanted: &BTreeMap<&'a SkuId, i64>, supply: Vec<Supply<'a>>) -> Option<Taken<'a>> {
    let mut missing = wanted.clone();
    let mut at: BTreeMap<&LocationId, Vec<Supply<'a>>> = BTreeMap::new();
    let mut of: BTreeMap<&SkuId, Vec<Supply<'a>>> = BTreeMap::new();
    // Of each location, how much it has of what is missing; kept up to date, so that a choice looks at each but once.
    let mut useful: BTreeMap<&LocationId, (i64, u32)> = BTreeMap::new();
    for one in supply {
        useful.entry(one.location).or_insert((0, one.priority)).0 += one.available.min(wanted[one.sku]);
        at.entry(one.location).or_default().push(one);
        of.entry(one.sku).or_default().push(one);
    }
    let mut taken = Taken::new();
    let mut parts = 0;
    loop {
        let order = |(location, (units, priority)): &(&&'a LocationId, &(i64, u32))| {
            (std::cmp::Reverse(*units), *priority, **location)
        };
        let best = useful.iter().filter(|(_, (units, _))| *units > 0).min_by_key(order);
        let Some(location) = best.map(|(location, _)| *location) else { break };
        for one in &at[location] {
            let before = missing[one.sku];
            let quantity = before.min(one.available);
            if quantity == 0 {
                continue;
            }
            taken.entry(one.sku).or_default().push_back((location, quantity));
            parts += 1;
            if parts > limits::MAX_PARTS {
                return None;
            }
            let after = before - quantity;
            missing.insert(one.sku, after);
            for other in &of[one.sku] {
                let lost = other.available.min(before) - other.available.min(after);
                if let Some((units, _)) = useful.get_mut(other.location) {
                    *units -= lost;
                }
            }
        }
        useful.remove(location);
    }
    Some(taken)
}
