//! What stands under a key.
//!
//! Numbers of fixed length, which are shorter and cheaper than what a shop would likely write.

use super::messages::{PutRequest, Request, RequestOp};

/// Begin the keys of rows.
pub(super) const STOCK: &str = "stock/";
pub(super) const ORDER: &str = "order/";

pub(super) fn stock_key(sku: u64) -> String {
    format!("{STOCK}{sku:08}")
}

pub(super) fn order_key(order: u64) -> String {
    format!("{ORDER}{order:016x}")
}

pub(super) fn request_key(request: u64) -> String {
    format!("request/{request:016x}")
}

/// Puts a row under a key.
pub(super) fn put(key: String, value: Vec<u8>) -> RequestOp {
    RequestOp { request: Some(Request::Put(PutRequest { key: key.into_bytes(), value })) }
}

/// Units of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) available: u64,
    pub(super) reserved: u64,
    pub(super) committed: u64,
}

impl Stock {
    pub(super) fn encode(self) -> Vec<u8> {
        numbers(&[self.available, self.reserved, self.committed])
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [available, reserved, committed] = read(value)?.try_into().ok()?;
        Some(Self { available, reserved, committed })
    }
}

/// Units of a SKU in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) sku: u64,
    pub(super) quantity: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) confirmed: bool,
    pub(super) lines: Vec<Line>,
}

impl Order {
    pub(super) fn encode(&self) -> Vec<u8> {
        let lines = self.lines.iter().flat_map(|line| [line.sku, line.quantity]);
        numbers(&std::iter::once(self.confirmed.into()).chain(lines).collect::<Vec<_>>())
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let numbers = read(value)?;
        let (confirmed, lines) = numbers.split_first()?;
        let (lines, rest) = lines.as_chunks();
        let lines = lines.iter().map(|[sku, quantity]| Line { sku: *sku, quantity: *quantity }).collect();
        rest.is_empty().then_some(Self { confirmed: *confirmed != 0, lines })
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Placed,
    InsufficientStock,
    Confirmed,
    NotPending,
}

impl Answer {
    const ALL: [Self; 4] = [Self::Placed, Self::InsufficientStock, Self::Confirmed, Self::NotPending];

    /// With what was asked for, so that a request that is used for something else is found out.
    pub(super) fn encode(self, content: &[u64]) -> Vec<u8> {
        let number = Self::ALL.iter().position(|answer| *answer == self).unwrap_or_default();
        let mut value = numbers(&[number as u64]);
        value.extend(numbers(content));
        value
    }

    /// `None` where the request asked for something else.
    pub(super) fn decode(value: &[u8], content: &[u64]) -> Option<Self> {
        let numbers = read(value)?;
        let (answer, kept) = numbers.split_first()?;
        let answer = Self::ALL.get(usize::try_from(*answer).ok()?)?;
        (kept == content).then_some(*answer)
    }
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn read(value: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = value.as_chunks();
    rest.is_empty().then(|| numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let stock = Stock { available: 1, reserved: 2, committed: 3 };
        assert_eq!(Stock::decode(&stock.encode()), Some(stock));
        assert_eq!(Stock::decode(&stock.encode()[1..]), None);
        assert_eq!(Stock::decode(&[]), None);
        let lines = vec![Line { sku: 5, quantity: 7 }, Line { sku: 6, quantity: 8 }];
        let order = Order { confirmed: true, lines };
        assert_eq!(Order::decode(&order.encode()), Some(order.clone()));
        assert_eq!(Order::decode(&order.encode()[8..]), None);
    }

    #[test]
    fn an_answer_is_kept_for_one_content() {
        for answer in Answer::ALL {
            let kept = answer.encode(&[1, 2]);
            assert_eq!(Answer::decode(&kept, &[1, 2]), Some(answer));
            assert_eq!(Answer::decode(&kept, &[1, 3]), None);
            assert_eq!(Answer::decode(&kept, &[1]), None);
        }
    }
}
