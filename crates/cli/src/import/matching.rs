//! Which sale a cancellation takes back: the file does not say, so it is the newest one of the same customer and SKU
//! that has units left.

use std::collections::HashMap;

use super::plan::SkuIndex;

/// Units of an order's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Place of the order in the plan.
    pub(super) order: usize,
    /// Line of the order, from 1.
    pub(super) line: i32,
    /// Units, at least 1.
    pub(super) quantity: i64,
}

/// The sales that can still be taken back.
///
/// Invariant: the parts of a customer and SKU stand in the order of time, and none is empty.
#[derive(Debug, Default)]
pub(super) struct Matcher(HashMap<(String, SkuIndex), Vec<Part>>);

impl Matcher {
    /// A line was sold; lines come in the order of time.
    pub(super) fn sold(&mut self, customer: &str, sku: SkuIndex, order: usize, line: i32, quantity: i64) {
        self.0.entry((customer.to_owned(), sku)).or_default().push(Part { order, line, quantity });
    }

    /// Takes back up to `quantity` units, newest first. The parts may sum to less: then the rest was never sold.
    pub(super) fn take_back(&mut self, customer: &str, sku: SkuIndex, quantity: i64) -> Vec<Part> {
        let Some(sales) = self.0.get_mut(&(customer.to_owned(), sku)) else { return Vec::new() };
        let mut left = quantity;
        let mut parts = Vec::new();
        while left > 0
            && let Some(newest) = sales.last_mut()
        {
            let taken = newest.quantity.min(left);
            parts.push(Part { quantity: taken, ..*newest });
            newest.quantity -= taken;
            left -= taken;
            if newest.quantity == 0 {
                sales.pop();
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_sale_is_taken_back_first_and_the_rest_from_older_ones() {
        let mut matcher = Matcher::default();
        matcher.sold("ann", 7, 0, 1, 5);
        matcher.sold("ann", 7, 1, 3, 2);
        let parts = matcher.take_back("ann", 7, 4);
        assert_eq!(parts, [Part { order: 1, line: 3, quantity: 2 }, Part { order: 0, line: 1, quantity: 2 }]);
        assert_eq!(matcher.take_back("ann", 7, 9), [Part { order: 0, line: 1, quantity: 3 }]);
        assert_eq!(matcher.take_back("ann", 7, 1), []);
    }

    #[test]
    fn sales_of_others_and_of_other_goods_are_left_alone() {
        let mut matcher = Matcher::default();
        matcher.sold("ann", 7, 0, 1, 5);
        assert_eq!(matcher.take_back("bob", 7, 1), []);
        assert_eq!(matcher.take_back("ann", 8, 1), []);
    }
}
