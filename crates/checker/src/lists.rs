//! Pages of lists. How many rows a page has is the node's affair; which ones they are is not: all that the filter takes,
//! from behind the page before up to where this one says that it ends.

use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::{State, StockKey};

use crate::convert;
use crate::reads::Difference;
use crate::words;

/// Between the parts of a stock key in a page token.
const KEY_SEPARATOR: char = '\n';
/// Bytes of the checksum behind the key in a page token.
const CHECKSUM_BYTES: usize = 4;

/// The last key of the page that a token leads on from; `None` for the empty token.
fn last_key(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let (_version, rest) = bytes.split_first()?;
    let key = rest.get(..rest.len().checked_sub(CHECKSUM_BYTES)?)?;
    String::from_utf8(key.to_vec()).ok()
}

fn stock_key(token: &str) -> Option<StockKey> {
    let key = last_key(token)?;
    let (sku, location) = key.split_once(KEY_SEPARATOR)?;
    Some(StockKey { sku: SkuId::new(sku).ok()?, location: LocationId::new(location).ok()? })
}

fn difference<T: PartialEq + std::fmt::Debug>(
    saw: &[T],
    expected: &[T],
    name: impl Fn(&T) -> String,
) -> Option<Difference> {
    if saw == expected {
        return None;
    }
    let first = saw.iter().zip(expected).position(|(saw, expected)| saw != expected);
    let first = first.unwrap_or_else(|| saw.len().min(expected.len()));
    let row = |rows: &[T]| rows.get(first).map_or_else(|| "no more rows".to_owned(), &name);
    let page =
        |rows: &[T]| format!("a page of {} rows, of which row {} is {}", rows.len(), first + 1, row(rows));
    Some(Difference { saw: page(saw), expected: page(expected) })
}

pub(crate) fn skus(
    rows: &State,
    request: &v1::ListSkusRequest,
    answer: &v1::ListSkusResponse,
) -> Option<Difference> {
    let id = |token: &str| last_key(token).and_then(|key| SkuId::new(&key).ok());
    let (after, last) = (id(&request.page_token), id(&answer.next_page_token));
    let within = |id: &SkuId| last.as_ref().is_none_or(|last| id <= last);
    let expected: Vec<_> =
        rows.skus_after(after.as_ref()).take_while(|sku| within(&sku.id)).map(convert::sku).collect();
    difference(&answer.skus, &expected, words::shown)
}

pub(crate) fn stock(
    rows: &State,
    request: &v1::ListStockRequest,
    answer: &v1::ListStockResponse,
) -> Option<Difference> {
    let (after, last) = (stock_key(&request.page_token), stock_key(&answer.next_page_token));
    let within = |key: &StockKey| last.as_ref().is_none_or(|last| key <= last);
    let shown = |(key, stock): (&StockKey, &_)| convert::stock(key, stock);
    let expected: Vec<_> = match SkuId::new(&request.sku_id) {
        Ok(sku) => {
            let after = after.as_ref().map(|key| &key.location);
            rows.stock_of(&sku, after).take_while(|(key, _)| within(key)).map(shown).collect()
        }
        Err(_) => rows.stock_after(after.as_ref()).take_while(|(key, _)| within(key)).map(shown).collect(),
    };
    difference(&answer.stock, &expected, words::stock)
}

pub(crate) fn orders(
    rows: &State,
    request: &v1::ListOrdersRequest,
    answer: &v1::ListOrdersResponse,
) -> Option<Difference> {
    let id = |token: &str| last_key(token).and_then(|key| OrderId::new(&key).ok());
    let (after, last) = (id(&request.page_token), id(&answer.next_page_token));
    let within = |id: &OrderId| last.as_ref().is_none_or(|last| id <= last);
    let takes = |order: &v1::Order| {
        let state = request.state() == v1::OrderState::Unspecified || request.state == order.state;
        state && (request.customer_id.is_empty() || request.customer_id == order.customer_id)
    };
    let expected: Vec<_> = rows
        .orders_after(after.as_ref())
        .take_while(|order| within(&order.id))
        .map(|order| convert::order(order))
        .filter(takes)
        .collect();
    difference(&answer.orders, &expected, words::shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_token_is_between_its_version_and_its_checksum() {
        assert_eq!(last_key("01416200000000").as_deref(), Some("Ab"));
        assert_eq!(last_key(""), None);
        assert_eq!(last_key("0100"), None);
        assert_eq!(last_key("zz"), None);
    }
}
