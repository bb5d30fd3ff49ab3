//! Reads, as a node answers them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_checker::convert;
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{State, StockKey};

use super::ledger;

/// What a read finds, and the revision of its header; `None` where something is missing.
type Found = Option<(u64, Answer)>;

/// A read as a node answers it: the revision of its header, and its ending.
pub(crate) fn read(
    state: &State,
    ledger: &[LedgerEntry],
    asked: &Asked,
    served: u64,
) -> (u64, Outcome<Answer>) {
    let (reason, metadata, found) = match asked {
        Asked::ListLedgerEntries(request) => {
            ("NOT_FOUND", BTreeMap::new(), Some((served, ledger::entries(ledger, request).into())))
        }
        Asked::GetStockAsOf(request) if ledger::is_ahead(request, served) => {
            let applied = ("applied_revision".to_owned(), served.to_string());
            ("REVISION_AHEAD", BTreeMap::from([applied]), None)
        }
        Asked::GetStockAsOf(request) => {
            let found = ledger::stock_as_of(state, ledger, request);
            ("NOT_FOUND", BTreeMap::new(), found.map(|(revision, answer)| (revision, answer.into())))
        }
        _ => ("NOT_FOUND", BTreeMap::new(), found(state, asked, served)),
    };
    let refused = || Outcome::Refused {
        reason: reason.to_owned(),
        message: String::new(),
        metadata,
        logged: false,
        fate: None,
    };
    found.map_or_else(|| (served, refused()), |(revision, answer)| (revision, Outcome::Ok(answer)))
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
        Asked::ListOrders(request) => Some((served, list_orders(state, request).into())),
        Asked::ListReservations(request) => {
            let all = state.reservations_after(None).map(|found| convert::reservation(found));
            let takes = |found: &v1::Reservation| {
                (request.state == 0 || found.state == request.state)
                    && (request.customer_id.is_empty() || found.customer_id == request.customer_id)
            };
            let (reservations, next_page_token) =
                page(all.filter(takes), request.page_size, |row| row.reservation_id.clone());
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
pub(super) fn page<T>(
    rows: impl Iterator<Item = T>,
    size: i32,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, String) {
    let size = usize::try_from(size).expect("a size");
    let rows: Vec<_> = rows.take(size).collect();
    let last = rows.last().filter(|_| rows.len() == size);
    let next_page_token = last.map(|last| token(&key(last))).unwrap_or_default();
    (rows, next_page_token)
}

/// Sorts all orders by when they were placed, then by their ids, and passes over those up to the token.
fn list_orders(state: &State, request: &v1::ListOrdersRequest) -> v1::ListOrdersResponse {
    let now = state.clock().now;
    let all = state.orders().map(|order| (order.created.micros(), convert::order(order, now)));
    let micros = |time: &Option<prost_types::Timestamp>| time.as_ref().map(micros);
    let (start, end) = (micros(&request.start_time), micros(&request.end_time));
    let takes = |(created, order): &(u64, v1::Order)| {
        (request.state == 0 || order.state == request.state)
            && (request.customer_id.is_empty() || order.customer_id == request.customer_id)
            && (request.sku_id.is_empty() || order.lines.iter().any(|line| line.sku_id == request.sku_id))
            && start.is_none_or(|start| *created >= start)
            && end.is_none_or(|end| *created < end)
    };
    let mut rows: Vec<_> = all.filter(takes).collect();
    rows.sort_by_key(|(created, order)| (*created, order.order_id.clone()));
    let after = after(&request.page_token);
    let after = after.as_ref().map(|(created, id)| (created.parse::<u64>().expect("a number"), id));
    let is_behind = |(created, order): &(u64, v1::Order)| {
        let key = (*created, &order.order_id);
        after.is_none_or(|after| if request.newest_first { key < after } else { key > after })
    };
    if request.newest_first {
        rows.reverse();
    }
    let key = |(created, order): &(u64, v1::Order)| format!("{created}\n{}", order.order_id);
    let (rows, next_page_token) = page(rows.into_iter().filter(is_behind), request.page_size, key);
    let orders = rows.into_iter().map(|(_, order)| order).collect();
    v1::ListOrdersResponse { header: None, orders, next_page_token }
}

pub(super) fn micros(time: &prost_types::Timestamp) -> u64 {
    let (seconds, nanos) = (u64::try_from(time.seconds), u64::try_from(time.nanos));
    seconds.expect("since 1970") * 1_000_000 + nanos.expect("of a second") / 1_000
}

/// The two parts of the key in a token; `None` where there is no token.
pub(super) fn after(token: &str) -> Option<(String, String)> {
    let key = key(token)?;
    let (one, other) = key.split_once('\n').expect("two parts");
    Some((one.to_owned(), other.to_owned()))
}

/// The key in a token; `None` where there is none.
pub(super) fn key(token: &str) -> Option<String> {
    let digits = token.get(2..token.len().checked_sub(8)?)?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    Some(String::from_utf8(digits.chunks(2).map(byte).collect()).expect("a text"))
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

pub(super) fn token(key: &str) -> String {
    let mut bytes = vec![1];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
