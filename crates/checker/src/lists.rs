//! Pages of SKUs, locations, stock, orders and reservations.

use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::order::Order;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{LogTime, State, Stock, StockKey};

use crate::order_list::{self, OrderKey};
use crate::pages::{self, Page, overlap};
use crate::reads::{Difference, Reading};
use crate::{convert, words};

fn stock_key(text: &str) -> Option<StockKey> {
    let (sku, location) = pages::parts(text)?;
    Some(StockKey { sku: SkuId::new(sku).ok()?, location: LocationId::new(location).ok()? })
}

fn order_key(text: &str) -> Option<OrderKey> {
    let (created, order) = pages::parts(text)?;
    Some((LogTime::from_micros(created.parse().ok()?), OrderId::new(order).ok()?))
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

/// "In the order in which they were placed, then of their ids; or the other way round, newest first."
pub(crate) fn orders(
    reading: &Reading<'_>,
    request: &v1::ListOrdersRequest,
    answer: &v1::ListOrdersResponse,
) -> Option<Difference> {
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, order_key);
    let page = page.newest_first(request.newest_first);
    let listed = reading.orders.narrowest(&request.customer_id, &request.sku_id);
    let (start, end) = (request.start_time.as_ref(), request.end_time.as_ref());
    let placed = order_list::placed_between(listed, start, end);
    let place = overlap(&page.place(listed, OrderKey::cmp), &placed);
    let now = reading.rows.clock().now;
    let order = |id| reading.rows.order(id).expect("an order that is listed is there");
    let orders = listed[place].iter().map(|(_, id)| order(id));
    let taken = orders.filter(|order| takes(request, order, now));
    let expected = page.in_order(taken.map(|order| convert::order(order, now)).collect());
    page.difference(&answer.orders, &expected, words::shown)
}

/// "Only orders in this state; unspecified for all. Only orders of this customer; empty for all. Only orders that have a line
/// of this SKU; empty for all."
fn takes(request: &v1::ListOrdersRequest, order: &Order, now: LogTime) -> bool {
    let (state, customer, sku) = (request.state(), request.customer_id.as_str(), request.sku_id.as_str());
    let is_in_state =
        state == v1::OrderState::Unspecified || state == convert::order_state(order.state_at(now));
    let of_customer =
        customer.is_empty() || order.customer.as_ref().is_some_and(|of| of.as_str() == customer);
    is_in_state && of_customer && (sku.is_empty() || order.lines.iter().any(|line| line.sku.as_str() == sku))
}

/// "Only in this state; unspecified for all. Only of this customer; empty for all."
pub(crate) fn reservations(
    rows: &State,
    request: &v1::ListReservationsRequest,
    answer: &v1::ListReservationsResponse,
) -> Option<Difference> {
    let id = |text: &str| ReservationId::new(text).ok();
    let page = Page::of(request.page_size, &request.page_token, &answer.next_page_token, id);
    let takes = |found: &v1::Reservation| {
        let is_in_state =
            request.state() == v1::ReservationState::Unspecified || found.state == request.state;
        is_in_state && (request.customer_id.is_empty() || found.customer_id == request.customer_id)
    };
    let rows = rows.reservations_after(page.after.as_ref());
    let rows = rows.take_while(|reservation| page.holds(&reservation.id));
    let rows = rows.map(|reservation| convert::reservation(reservation));
    let expected: Vec<_> = rows.filter(takes).collect();
    page.difference(&answer.reservations, &expected, words::shown)
}
