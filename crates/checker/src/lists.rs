//! Pages of lists. How many rows a page has is the node's affair, up to what was asked for; which ones they are is not: all
//! that the filter takes, from behind the page before up to where this one says that it ends.

use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{State, Stock, StockKey};

use crate::convert;
use crate::reads::Difference;
use crate::words;

/// Between the parts of a stock key in a page token.
const KEY_SEPARATOR: char = '\n';
/// Bytes of the checksum behind the key in a page token.
const CHECKSUM_BYTES: usize = 4;
/// Rows of a page where none are asked for: "0 means 50".
const DEFAULT_PAGE_SIZE: usize = 50;
/// Rows of a page at most: "more than 1,000 is taken as 1,000".
const MAX_PAGE_SIZE: usize = 1_000;

/// The last key of the page that a token leads on from; `None` for the empty token.
fn last_key(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let (_version, rest) = bytes.split_first()?;
    let key = rest.get(..rest.len().checked_sub(CHECKSUM_BYTES)?)?;
    String::from_utf8(key.to_vec()).ok()
}

fn stock_key(text: &str) -> Option<StockKey> {
    let (sku, location) = text.split_once(KEY_SEPARATOR)?;
    Some(StockKey { sku: SkuId::new(sku).ok()?, location: LocationId::new(location).ok()? })
}

/// From where to where a page goes, and how long it may be.
struct Page<K> {
    /// The last row of the page before.
    after: Option<K>,
    /// The last row that was looked at for this one; `None` where it is the last page.
    last: Option<K>,
    /// True where a token leads on from here.
    leads_on: bool,
    /// Rows.
    most: usize,
}

impl<K: Ord> Page<K> {
    fn of(size: i32, token: &str, next: &str, key: impl Fn(&str) -> Option<K>) -> Self {
        let key = |token: &str| last_key(token).and_then(|text| key(&text));
        let most = match usize::try_from(size) {
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) => size.min(MAX_PAGE_SIZE),
            // Nothing can be asked for with it.
            Err(_) => 0,
        };
        Self { after: key(token), last: key(next), leads_on: !next.is_empty(), most }
    }

    /// True of rows up to the end of the page.
    fn holds(&self, key: &K) -> bool {
        self.last.as_ref().is_none_or(|last| key <= last)
    }

    /// Where the rows differ from what the page should hold, or the page from what it may be.
    fn difference<T: PartialEq + std::fmt::Debug>(
        &self,
        saw: &[T],
        expected: &[T],
        name: impl Fn(&T) -> String,
    ) -> Option<Difference> {
        if saw.len() > self.most {
            let (saw, expected) = (format!("a page of {} rows", saw.len()), format!("{} at most", self.most));
            return Some(Difference { saw, expected });
        }
        if self.leads_on && self.last <= self.after {
            let saw = "a token for the next page that leads nowhere new".to_owned();
            return Some(Difference { saw, expected: "one that leads on behind this page".to_owned() });
        }
        difference(saw, expected, name)
    }
}

/// The first row in which an answer of several rows differs.
pub(crate) fn difference<T: PartialEq + std::fmt::Debug>(
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
    let told = |rows: &[T]| format!("{} rows, of which row {} is {}", rows.len(), first + 1, row(rows));
    Some(Difference { saw: told(saw), expected: told(expected) })
}

pub(crate) fn skus(
    rows: &State,
    request: &v1::ListSkusRequest,
    answer: &v1::ListSkusResponse,
) -> Option<Difference> {
    let id = |text: &str| SkuId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, id);
    let rows = rows.skus_after(page.after.as_ref()).take_while(|sku| page.holds(&sku.id));
    let expected: Vec<_> = rows.map(convert::sku).collect();
    page.difference(&answer.skus, &expected, words::shown)
}

pub(crate) fn locations(
    rows: &State,
    request: &v1::ListLocationsRequest,
    answer: &v1::ListLocationsResponse,
) -> Option<Difference> {
    let id = |text: &str| LocationId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, id);
    let rows = rows.locations_after(page.after.as_ref()).take_while(|location| page.holds(&location.id));
    let expected: Vec<_> = rows.map(convert::location).collect();
    page.difference(&answer.locations, &expected, words::shown)
}

/// "Only where less than this is available. A page looks at up to 1,000 rows": where it ends its token says, whatever was
/// the last row that it took.
pub(crate) fn stock(
    rows: &State,
    request: &v1::ListStockRequest,
    answer: &v1::ListStockResponse,
) -> Option<Difference> {
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, stock_key);
    let takes =
        |stock: &Stock| request.available_below.is_none_or(|below| stock.get(Bucket::Available) < below);
    let (sku, location) = (SkuId::new(&request.sku_id).ok(), LocationId::new(&request.location_id).ok());
    let rows = stock_rows(rows, sku.as_ref(), location.as_ref(), page.after.as_ref());
    let rows = rows.take_while(|(key, _)| page.holds(key));
    let rows = rows.filter(|(_, stock)| takes(stock));
    let expected: Vec<_> = rows.map(|(key, stock)| convert::stock(&key, &stock)).collect();
    page.difference(&answer.stock, &expected, words::stock)
}

/// The rows of the SKU and the location that are asked for, behind a key, in the order of SKU, then location.
fn stock_rows<'a>(
    rows: &'a State,
    sku: Option<&'a SkuId>,
    location: Option<&'a LocationId>,
    after: Option<&'a StockKey>,
) -> Box<dyn Iterator<Item = (StockKey, Stock)> + 'a> {
    let owned = |(key, stock): (&StockKey, &Stock)| (key.clone(), *stock);
    match (sku, location) {
        (None, None) => Box::new(rows.stock_after(after).map(owned)),
        (Some(sku), location) => {
            let of_sku = rows.stock_of(sku, after.map(|key| &key.location));
            let is_there = move |key: &StockKey| location.is_none_or(|id| key.location == *id);
            Box::new(of_sku.filter(move |(key, _)| is_there(key)).map(owned))
        }
        (None, Some(location)) => {
            let skus = rows.skus_at(location, after.map(|key| &key.sku));
            Box::new(skus.map(move |sku| {
                let key = StockKey { sku: sku.clone(), location: location.clone() };
                let stock = rows.stock(&key);
                (key, stock)
            }))
        }
    }
}

/// "Only in this state; unspecified for all. Only of this customer; empty for all."
struct Filter<'a> {
    state: Option<i32>,
    customer_id: &'a str,
}

impl Filter<'_> {
    fn takes(&self, state: i32, customer_id: &str) -> bool {
        let is_in_state = self.state.is_none_or(|asked| asked == state);
        is_in_state && (self.customer_id.is_empty() || self.customer_id == customer_id)
    }
}

pub(crate) fn orders(
    rows: &State,
    request: &v1::ListOrdersRequest,
    answer: &v1::ListOrdersResponse,
) -> Option<Difference> {
    let id = |text: &str| OrderId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, id);
    let state = Some(request.state).filter(|_| request.state() != v1::OrderState::Unspecified);
    let filter = Filter { state, customer_id: &request.customer_id };
    let now = rows.clock().now;
    let rows = rows.orders_after(page.after.as_ref()).take_while(|order| page.holds(&order.id));
    let rows = rows.map(|order| convert::order(order, now));
    let expected: Vec<_> = rows.filter(|order| filter.takes(order.state, &order.customer_id)).collect();
    page.difference(&answer.orders, &expected, words::shown)
}

pub(crate) fn reservations(
    rows: &State,
    request: &v1::ListReservationsRequest,
    answer: &v1::ListReservationsResponse,
) -> Option<Difference> {
    let id = |text: &str| ReservationId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, id);
    let state = Some(request.state).filter(|_| request.state() != v1::ReservationState::Unspecified);
    let filter = Filter { state, customer_id: &request.customer_id };
    let rows = rows.reservations_after(page.after.as_ref());
    let rows = rows.take_while(|reservation| page.holds(&reservation.id));
    let rows = rows.map(|reservation| convert::reservation(reservation));
    let expected = rows.filter(|reservation| filter.takes(reservation.state, &reservation.customer_id));
    let expected: Vec<_> = expected.collect();
    page.difference(&answer.reservations, &expected, words::shown)
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
