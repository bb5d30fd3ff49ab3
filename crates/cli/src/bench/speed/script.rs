//! What is called: everything follows from the seed and the number of a call, so that the end can be compared with it.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_proto::v1::{NewOrderLine, PlaceOrderRequest};

use crate::bench::fill::LOCATION;

/// Lines of an order.
const LINES: u64 = 3;
/// Lines of an order of the mixed workload.
const MIXED_LINES: std::ops::RangeInclusive<u64> = 5..=15;
/// Orders of the mixed workload of which one names a SKU that nobody has.
const MIXED_REFUSED: u64 = 100;
/// Customers, by turns.
const CUSTOMERS: u64 = 10_000;
/// How long units are held: no run is so long that one expires before it is looked at.
const HOLD_S: i64 = 24 * 60 * 60;
/// What a unit costs, in cents.
const PRICE_MINOR: i64 = 1_995;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Mix {
    /// Orders of three lines over all SKUs.
    Spread,
    /// Orders of one line of the same SKU.
    Hot,
    /// Of ten calls five orders as those of `Spread`, four reads and a payment.
    Mixed,
    /// Reads of stock, and of orders that were placed before.
    Reads,
    /// Orders of five to fifteen lines, payments, shipments, and reads, in the proportions of TPC-C.
    Tpcc,
}

/// What a call is to do. Which order, where it isn't a new one, the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Place,
    /// Of an order of one's own.
    Confirm,
    /// Of an order of one's own that is paid.
    Ship,
    ReadOrder,
    /// Of a SKU.
    ReadStock(u64),
}

/// A line: which SKU, and whether there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) sku: u64,
    pub(super) exists: bool,
}

/// The calls of a run.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) mix: Mix,
    pub(super) seed: u64,
    pub(super) skus: u64,
    /// Stands in every name, so that runs on one cluster don't meet.
    pub(super) tag: String,
}

impl Script {
    fn numbers(&self, call: u64, purpose: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.seed.wrapping_add(call.wrapping_mul(4).wrapping_add(purpose)))
    }

    /// What the call of this number does.
    pub(super) fn kind(&self, call: u64) -> Kind {
        let mut numbers = self.numbers(call, 0);
        let stock = |numbers: &mut SmallRng| Kind::ReadStock(numbers.random_range(0..self.skus));
        match self.mix {
            Mix::Spread | Mix::Hot => Kind::Place,
            Mix::Mixed => match call % 10 {
                0 | 2 | 4 | 6 | 8 => Kind::Place,
                1 | 5 => Kind::ReadOrder,
                9 => Kind::Confirm,
                _ => stock(&mut numbers),
            },
            Mix::Reads => {
                if call.is_multiple_of(2) {
                    Kind::ReadOrder
                } else {
                    stock(&mut numbers)
                }
            }
            Mix::Tpcc => match numbers.random_range(0..100_u64) {
                0..45 => Kind::Place,
                45..88 => Kind::Confirm,
                88..92 => Kind::ReadOrder,
                92..96 => Kind::Ship,
                _ => stock(&mut numbers),
            },
        }
    }

    /// The lines of an order, by its number.
    pub(super) fn lines(&self, order: u64) -> Vec<Line> {
        let mut numbers = self.numbers(order, 1);
        let of = |sku| Line { sku, exists: true };
        let count = match self.mix {
            Mix::Hot => return vec![of(0)],
            Mix::Tpcc => numbers.random_range(MIXED_LINES),
            Mix::Spread | Mix::Mixed | Mix::Reads => LINES,
        };
        let mut lines: Vec<Line> = Vec::new();
        while u64::try_from(lines.len()).is_ok_and(|len| len < count.min(self.skus)) {
            let sku = numbers.random_range(0..self.skus);
            if lines.iter().all(|line| line.sku != sku) {
                lines.push(of(sku));
            }
        }
        if self.mix == Mix::Tpcc
            && order % MIXED_REFUSED == MIXED_REFUSED - 1
            && let Some(last) = lines.last_mut()
        {
            last.exists = false;
        }
        lines
    }

    /// True where an order of this number is to be refused.
    pub(super) fn is_refused(&self, order: u64) -> bool {
        self.lines(order).iter().any(|line| !line.exists)
    }

    pub(super) fn sku_id(&self, sku: u64) -> String {
        format!("{}-{sku:05}", self.tag)
    }

    pub(super) fn order_id(&self, order: u64) -> String {
        format!("{}-o{order:09}", self.tag)
    }

    fn line_id(&self, line: Line) -> String {
        if line.exists { self.sku_id(line.sku) } else { format!("{}-none", self.tag) }
    }

    /// The request that places an order.
    pub(super) fn place(&self, order: u64, request_id: String) -> PlaceOrderRequest {
        let new_line = |line: Line| NewOrderLine {
            sku_id: self.line_id(line),
            quantity: 1,
            location_id: LOCATION.to_owned(),
            unit_price_minor: PRICE_MINOR,
        };
        PlaceOrderRequest {
            request_id,
            order_id: self.order_id(order),
            customer_id: format!("customer-{}", order % CUSTOMERS),
            currency_code: "EUR".to_owned(),
            lines: self.lines(order).into_iter().map(new_line).collect(),
            hold_duration: Some(prost_types::Duration { seconds: HOLD_S, nanos: 0 }),
            ..PlaceOrderRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(mix: Mix) -> Script {
        Script { mix, seed: 7, skus: 50, tag: "t".to_owned() }
    }

    #[test]
    fn an_order_has_the_same_distinct_lines_every_time() {
        let spread = script(Mix::Spread);
        for order in 0..200 {
            let lines = spread.lines(order);
            assert_eq!((lines.len(), &lines), (3, &spread.lines(order)));
            assert!(lines[0] != lines[1] && lines[1] != lines[2] && lines[0] != lines[2]);
        }
        assert_ne!(spread.lines(1), spread.lines(2));
        assert_eq!(script(Mix::Hot).lines(9), vec![Line { sku: 0, exists: true }]);
    }

    #[test]
    fn an_order_never_has_more_lines_than_there_are_skus() {
        assert_eq!(Script { skus: 2, ..script(Mix::Spread) }.lines(3).len(), 2);
    }

    #[test]
    fn a_mix_has_its_proportions() {
        let count = |mix: Mix, is: &dyn Fn(Kind) -> bool| {
            (0..10_000).filter(|call| is(script(mix).kind(*call))).count()
        };
        assert_eq!(count(Mix::Mixed, &|kind| kind == Kind::Place), 5_000);
        assert_eq!(count(Mix::Mixed, &|kind| kind == Kind::Confirm), 1_000);
        assert!((4_200..4_800).contains(&count(Mix::Tpcc, &|kind| kind == Kind::Place)));
        assert_eq!(count(Mix::Reads, &|kind| kind == Kind::ReadOrder), 5_000);
        assert_eq!((0..1_000).filter(|order| script(Mix::Tpcc).is_refused(*order)).count(), 10);
    }
}
