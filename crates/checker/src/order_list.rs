//! The orders of the replayed state in the order of lists: by when they were placed, then by their ids.

use std::collections::HashMap;
use std::ops::Range;

use prost_types::Timestamp;
use stockade_state_machine::LogTime;
use stockade_state_machine::ids::{CustomerId, OrderId, SkuId};
use stockade_state_machine::order::Order;

use crate::fields;

/// What orders are listed by.
pub(crate) type OrderKey = (LogTime, OrderId);

/// All orders there ever were, those of each customer and those of each SKU. An order keeps its place: neither when it was
/// placed nor whose it is nor which SKUs are in it ever changes.
#[derive(Debug, Default)]
pub(crate) struct OrderList {
    all: Vec<OrderKey>,
    of_customer: HashMap<CustomerId, Vec<OrderKey>>,
    with_sku: HashMap<SkuId, Vec<OrderKey>>,
}

impl OrderList {
    /// Takes in an order that was placed, or changed.
    pub(crate) fn take(&mut self, order: &Order) {
        let key = (order.created, order.id.clone());
        if !insert(&mut self.all, &key) {
            return;
        }
        if let Some(customer) = &order.customer {
            insert(self.of_customer.entry(customer.clone()).or_default(), &key);
        }
        for line in &order.lines {
            insert(self.with_sku.entry(line.sku.clone()).or_default(), &key);
        }
    }

    /// The orders of a customer or with a SKU, whichever are fewer, where one is named (not empty); all where none is.
    pub(crate) fn narrowest(&self, customer: &str, sku: &str) -> &[OrderKey] {
        let of_customer = || CustomerId::new(customer).ok().and_then(|id| self.of_customer.get(&id));
        let with_sku = || SkuId::new(sku).ok().and_then(|id| self.with_sku.get(&id));
        let named = [
            (!customer.is_empty()).then(|| of_customer().map_or(&[][..], Vec::as_slice)),
            (!sku.is_empty()).then(|| with_sku().map_or(&[][..], Vec::as_slice)),
        ];
        named.into_iter().flatten().min_by_key(|keys| keys.len()).unwrap_or(&self.all)
    }
}

/// Where orders stand that were placed "at this log time or later" and "before this log time".
pub(crate) fn placed_between(
    keys: &[OrderKey],
    start: Option<&Timestamp>,
    end: Option<&Timestamp>,
) -> Range<usize> {
    fields::between(keys, |(created, _)| *created, start, end)
}

/// Puts a key in its place; false where it stands there already. Log time doesn't go back, so that few stand behind it.
fn insert(keys: &mut Vec<OrderKey>, key: &OrderKey) -> bool {
    let Err(place) = keys.binary_search(key) else { return false };
    keys.insert(place, key.clone());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_order_once_each() {
        let mut keys = Vec::new();
        let key = |micros, id: &str| (LogTime::from_micros(micros), OrderId::new(id).expect("a sound id"));
        let all = [key(5, "b"), key(5, "c"), key(5, "a"), key(7, "a"), key(5, "b")];
        let fresh = all.iter().map(|key| insert(&mut keys, key)).collect::<Vec<_>>();
        assert_eq!(fresh, [true, true, true, true, false]);
        assert_eq!(keys, [key(5, "a"), key(5, "b"), key(5, "c"), key(7, "a")]);
    }
}
