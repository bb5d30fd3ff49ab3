//! Reads, as a node answers them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_checker::convert;
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{State, StockKey};

/// What a read finds, and the revision of its header; `None` where something is missing.
type Found = Option<(u64, Answer)>;

/// A read as a node answers it: the revision of its header, and its ending.
pub(crate) fn read(state: &State, asked: &Asked, served: u64) -> (u64, Outcome<Answer>) {
    let missing = || Outcome::Refused {
        reason: "NOT_FOUND".to_owned(),
        message: String::new(),
        metadata: BTreeMap::new(),
        logged: false,
        fate: None,
    };
    let found = found(state, asked, served);
    found.map_or_else(|| (served, missing()), |(revision, answer)| (revision, Outcome::Ok(answer)))
}

fn found(state: &State, asked: &Asked, served: u64) -> Found {
    let header = None;
    match asked {
        Asked::GetSku(request) => {
            let (revision, sku) = sku(state, &request.sku_id)?;
            Some((revision, v1::GetSkuResponse { header, sku: Some(sku) }.into()))
        }
        Asked::BatchGetSkus(request) => {
            let rows: Vec<_> = request.sku_ids.iter().map(|id| sku(state, id)).collect::<Option<_>>()?;
            let (revision, skus) = newest(rows);
            Some((revision, v1::BatchGetSkusResponse { header, skus }.into()))
        }
        Asked::GetLocation(request) => {
            let location = state.location(&location_id(&request.location_id))?;
            let revision = location.version.revision.get();
            let location = Some(convert::location(location));
            Some((revision, v1::GetLocationResponse { header, location }.into()))
        }
        Asked::GetStock(request) => {
            let (revision, stock) = stock(state, &request.sku_id, &request.location_id)?;
            Some((revision, v1::GetStockResponse { header, stock: Some(stock) }.into()))
        }
        Asked::BatchGetStock(request) => {
            let rows = request.names.iter().map(|name| stock(state, &name.sku_id, &name.location_id));
            let (revision, stock) = newest(rows.collect::<Option<_>>()?);
            Some((revision, v1::BatchGetStockResponse { header, stock }.into()))
        }
        Asked::GetAvailability(request) => {
            let rows = request.sku_ids.iter().map(|id| availability(state, id, request));
            let availability = rows.collect::<Option<_>>()?;
            Some((served, v1::GetAvailabilityResponse { header, availability }.into()))
        }
        Asked::GetOrder(request) => {
            let (revision, order) = order(state, &request.order_id)?;
            Some((revision, v1::GetOrderResponse { header, order: Some(order) }.into()))
        }
        Asked::BatchGetOrders(request) => {
            let rows: Vec<_> = request.order_ids.iter().map(|id| order(state, id)).collect::<Option<_>>()?;
            let (revision, orders) = newest(rows);
            Some((revision, v1::BatchGetOrdersResponse { header, orders }.into()))
        }
        Asked::GetReservation(request) => {
            let id = ReservationId::new(&request.reservation_id).expect("a sound id");
            let found = state.reservation(&id)?;
            let answer =
                v1::GetReservationResponse { header, reservation: Some(convert::reservation(found)) };
            Some((found.version.revision.get(), answer.into()))
        }
        Asked::ListOrders(request) => {
            let all = state.orders().map(|order| convert::order(order, state.clock().now));
            let takes = |order: &v1::Order| {
                (request.state == 0 || order.state == request.state)
                    && (request.customer_id.is_empty() || order.customer_id == request.customer_id)
            };
            let (orders, next_page_token) = page(all.filter(takes), request.page_size, |row| &row.order_id);
            Some((served, v1::ListOrdersResponse { header, orders, next_page_token }.into()))
        }
        Asked::ListReservations(request) => {
            let all = state.reservations_after(None).map(|found| convert::reservation(found));
            let takes = |found: &v1::Reservation| {
                (request.state == 0 || found.state == request.state)
                    && (request.customer_id.is_empty() || found.customer_id == request.customer_id)
            };
            let (reservations, next_page_token) =
                page(all.filter(takes), request.page_size, |row| &row.reservation_id);
            Some((served, v1::ListReservationsResponse { header, reservations, next_page_token }.into()))
        }
        Asked::ListLocations(request) => {
            let size = usize::try_from(request.page_size).expect("a size");
            let mut rows: Vec<_> = state.locations_after(None).collect();
            let is_last = rows.len() <= size;
            rows.truncate(size);
            let last = rows.last().filter(|_| !is_last);
            let next_page_token = last.map(|last| token(last.id.as_str())).unwrap_or_default();
            let locations = rows.into_iter().map(convert::location).collect();
            Some((served, v1::ListLocationsResponse { header, locations, next_page_token }.into()))
        }
        Asked::ListStock(request) => Some((served, list_stock(state, request).into())),
        other => unreachable!("no read that is made up here: {other:?}"),
    }
}

/// The first rows. Ends right behind its last row, even where the rest has nothing that matches.
fn page<T>(rows: impl Iterator<Item = T>, size: i32, id: impl Fn(&T) -> &String) -> (Vec<T>, String) {
    let size = usize::try_from(size).expect("a size");
    let rows: Vec<_> = rows.take(size).collect();
    let last = rows.last().filter(|_| rows.len() == size);
    let next_page_token = last.map(|last| token(id(last))).unwrap_or_default();
    (rows, next_page_token)
}

/// Ends right behind its last row, even where the rest has nothing that matches.
fn list_stock(state: &State, request: &v1::ListStockRequest) -> v1::ListStockResponse {
    let size = usize::try_from(request.page_size).expect("a size");
    let all: Vec<_> = state.stock_after(None).map(|(key, stock)| convert::stock(key, stock)).collect();
    let takes = |stock: &v1::Stock| {
        let of_sku = request.sku_id.is_empty() || stock.sku_id == request.sku_id;
        let at = request.location_id.is_empty() || stock.location_id == request.location_id;
        of_sku && at && request.available_below.is_none_or(|below| stock.available < below)
    };
    let stock: Vec<_> = all.into_iter().filter(takes).take(size).collect();
    let last = stock.last().filter(|_| stock.len() == size);
    let key = last.map(|last| format!("{}\n{}", last.sku_id, last.location_id));
    let next_page_token = key.map(|key| token(&key)).unwrap_or_default();
    v1::ListStockResponse { header: None, stock, next_page_token }
}

fn newest<T>(rows: Vec<(u64, T)>) -> (u64, Vec<T>) {
    let revision = rows.iter().map(|(revision, _)| *revision).max().unwrap_or_default();
    (revision, rows.into_iter().map(|(_, row)| row).collect())
}

fn location_id(id: &str) -> LocationId {
    LocationId::new(id).expect("a sound id")
}

fn sku(state: &State, id: &str) -> Option<(u64, v1::Sku)> {
    let sku = state.sku(&SkuId::new(id).expect("a sound id"))?;
    Some((sku.version.revision.get(), convert::sku(sku)))
}

fn order(state: &State, id: &str) -> Option<(u64, v1::Order)> {
    let order = state.order(&OrderId::new(id).expect("a sound id"))?;
    Some((order.version.revision.get(), convert::order(order, state.clock().now)))
}

fn stock(state: &State, sku_id: &str, location: &str) -> Option<(u64, v1::Stock)> {
    sku(state, sku_id)?;
    let key = StockKey { sku: SkuId::new(sku_id).expect("a sound id"), location: location_id(location) };
    state.location(&key.location)?;
    let stock = state.stock(&key);
    Some((stock.version.revision.get(), convert::stock(&key, &stock)))
}

fn availability(state: &State, id: &str, request: &v1::GetAvailabilityRequest) -> Option<v1::Availability> {
    if request.location_ids.iter().any(|id| state.location(&location_id(id)).is_none()) {
        return None;
    }
    let (_, sku) = sku(state, id)?;
    let mut answer =
        v1::Availability { sku_id: sku.sku_id, untracked: sku.untracked, ..v1::Availability::default() };
    if answer.untracked {
        return Some(answer);
    }
    for (key, stock) in state.stock_after(None).filter(|(key, _)| key.sku.as_str() == id) {
        let Some(location) = state.location(&key.location) else { continue };
        let named = &request.location_ids;
        if location.details.disabled
            || (!named.is_empty() && !named.iter().any(|id| id == key.location.as_str()))
            || (!request.zone.is_empty() && request.zone != location.details.zone)
        {
            continue;
        }
        let available = stock.get(Bucket::Available);
        answer.available += available;
        if available > 0 {
            let location_id = key.location.to_string();
            answer.locations.push(v1::LocationAvailability { location_id, available });
        }
    }
    Some(answer)
}

fn token(key: &str) -> String {
    let mut bytes = vec![1];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
