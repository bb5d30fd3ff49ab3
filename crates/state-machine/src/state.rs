//! The state: what commands read, kept in ordered maps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::change::{Change, Clock};
use crate::command::Origin;
use crate::document::Document;
use crate::due::{Due, Hold};
use crate::holder::Holder;
use crate::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use crate::limits;
use crate::location::Location;
use crate::order::Order;
use crate::outcome::Outcome;
use crate::records::{Records, Runs};
use crate::request::{RequestRecord, RequestStatus};
use crate::reservation::Reservation;
use crate::sku::Sku;
use crate::stock::{Stock, StockKey};
use crate::time::LogTime;

/// What commands read and change.
///
/// Invariants:
/// - `stock_at` holds exactly the keys of `stock`, by location: those that have units before those that are empty.
/// - `due` holds exactly the holds of `orders` and `reservations`.
/// - All SKUs, all locations, all stock, all unsettled orders and reservations and all request records are here. Settled ones and
///   documents need not be: whoever owns the state loads those that an entry names before it is applied.
/// - `clock.now` and `clock.horizon_ms` never fall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    skus: BTreeMap<SkuId, Sku>,
    locations: BTreeMap<LocationId, Location>,
    stock: BTreeMap<StockKey, Stock>,
    stock_at: BTreeSet<(LocationId, IsEmpty, SkuId)>,
    orders: BTreeMap<OrderId, Arc<Order>>,
    reservations: BTreeMap<ReservationId, Arc<Reservation>>,
    documents: BTreeMap<DocumentId, Document>,
    due: Due,
    requests: Records,
    clock: Clock,
}

impl State {
    /// Nothing at all, at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one row: when a command is done, and when the state is loaded.
    pub fn absorb(&mut self, change: &Change) {
        match change {
            Change::Sku(id, Some(sku)) => {
                self.skus.insert(id.clone(), sku.clone());
            }
            Change::Sku(id, None) => {
                self.skus.remove(id);
            }
            Change::Location(id, Some(location)) => {
                self.locations.insert(id.clone(), location.clone());
            }
            Change::Location(id, None) => {
                self.locations.remove(id);
            }
            Change::Stock(key, Some(stock)) => {
                let before = self.stock.insert(key.clone(), *stock);
                self.index_stock(key, before, Some(*stock));
            }
            Change::Stock(key, None) => {
                let before = self.stock.remove(key);
                self.index_stock(key, before, None);
            }
            Change::Order(id, now) => {
                let before = self.orders.insert(id.clone(), Arc::clone(now));
                self.due.follow(before.as_deref().and_then(Hold::of_order), Hold::of_order(now));
            }
            Change::Reservation(id, now) => {
                let before = self.reservations.insert(id.clone(), Arc::clone(now));
                let before = before.as_deref().and_then(Hold::of_reservation);
                self.due.follow(before, Hold::of_reservation(now));
            }
            Change::Document(id, document) => {
                self.documents.insert(id.clone(), document.clone());
            }
            Change::Ledger(_) => {}
            Change::Request(origin, Some(record)) => {
                self.requests.insert(origin, record.clone());
            }
            Change::Request(origin, None) => {
                self.requests.remove(origin);
            }
            Change::Clock(clock) => self.clock = *clock,
        }
    }

    /// Takes in all request records, as [`Change::Request`] would one by one. The state has none yet.
    pub fn absorb_requests(&mut self, runs: Runs) {
        debug_assert_eq!(self.request_count(), 0, "all of them come at once");
        self.requests = runs.finish();
    }

    /// Takes in another state's rows, none of which this one has: when a state is loaded in parts. The clock and the request records
    /// stay.
    pub fn join(&mut self, other: Self) {
        let Self { mut skus, mut locations, mut stock, mut stock_at, .. } = other;
        let Self { mut orders, mut reservations, mut documents, mut due, .. } = other;
        self.skus.append(&mut skus);
        self.locations.append(&mut locations);
        self.stock.append(&mut stock);
        self.stock_at.append(&mut stock_at);
        self.orders.append(&mut orders);
        self.reservations.append(&mut reservations);
        self.documents.append(&mut documents);
        self.due.append(&mut due);
    }

    fn index_stock(&mut self, key: &StockKey, before: Option<Stock>, now: Option<Stock>) {
        let is_empty = |stock: Option<Stock>| stock.map(|stock| stock.on_hand() == 0);
        let (before, now) = (is_empty(before), is_empty(now));
        if before == now {
            return;
        }
        let entry = |is_empty| (key.location.clone(), is_empty, key.sku.clone());
        if let Some(is_empty) = before {
            self.stock_at.remove(&entry(is_empty));
        }
        if let Some(is_empty) = now {
            self.stock_at.insert(entry(is_empty));
        }
    }

    /// Forgets a settled order that is safe elsewhere; says whether it did. An unsettled one stays.
    pub fn evict_order(&mut self, id: &OrderId) -> bool {
        let goes = self.orders.get(id).is_some_and(|order| order.is_settled());
        goes && self.orders.remove(id).is_some()
    }

    /// Forgets a settled reservation that is safe elsewhere; says whether it did. One that holds units stays.
    pub fn evict_reservation(&mut self, id: &ReservationId) -> bool {
        let goes = self.reservations.get(id).is_some_and(|reservation| reservation.is_settled());
        goes && self.reservations.remove(id).is_some()
    }

    /// Forgets a document that is safe elsewhere; says whether it did.
    pub fn evict_document(&mut self, id: &DocumentId) -> bool {
        self.documents.remove(id).is_some()
    }

    /// A SKU.
    pub fn sku(&self, id: &SkuId) -> Option<&Sku> {
        self.skus.get(id)
    }

    /// SKUs after an id, in order.
    pub fn skus_after(&self, after: Option<&SkuId>) -> impl Iterator<Item = &Sku> {
        self.skus.range((lower_bound(after), Bound::Unbounded)).map(|(_, sku)| sku)
    }

    /// A location.
    pub fn location(&self, id: &LocationId) -> Option<&Location> {
        self.locations.get(id)
    }

    /// How many locations there are.
    pub(crate) fn location_count(&self) -> usize {
        self.locations.len()
    }

    /// Locations after an id, in order.
    pub fn locations_after(&self, after: Option<&LocationId>) -> impl Iterator<Item = &Location> {
        self.locations.range((lower_bound(after), Bound::Unbounded)).map(|(_, location)| location)
    }

    /// Stock at a location; all zero where none was ever booked.
    pub fn stock(&self, key: &StockKey) -> Stock {
        self.stock.get(key).copied().unwrap_or_default()
    }

    /// Stock after a key, in order.
    pub fn stock_after(&self, after: Option<&StockKey>) -> impl Iterator<Item = (&StockKey, &Stock)> {
        self.stock.range((lower_bound(after), Bound::Unbounded))
    }

    /// The stock of one SKU at every location after one, in the order of location ids.
    pub fn stock_of<'a>(
        &'a self,
        sku: &'a SkuId,
        after: Option<&LocationId>,
    ) -> impl Iterator<Item = (&'a StockKey, &'a Stock)> {
        let from = StockKey { sku: sku.clone(), location: after.cloned().unwrap_or_else(LocationId::first) };
        let bound = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        self.stock.range((bound, Bound::Unbounded)).take_while(move |(key, _)| key.sku == *sku)
    }

    /// The SKUs after one that have a stock row at a location, in order.
    pub fn skus_at<'a>(
        &'a self,
        location: &'a LocationId,
        after: Option<&SkuId>,
    ) -> impl Iterator<Item = &'a SkuId> {
        let mut filled = self.stock_entries(location, false, after).peekable();
        let mut empty = self.stock_entries(location, true, after).peekable();
        std::iter::from_fn(move || match (filled.peek(), empty.peek()) {
            (Some(one), Some(other)) if one > other => empty.next(),
            (Some(_), _) => filled.next(),
            (None, _) => empty.next(),
        })
    }

    /// The SKUs that a location has units of, in order.
    pub(crate) fn skus_with_units_at<'a>(
        &'a self,
        location: &'a LocationId,
    ) -> impl Iterator<Item = &'a SkuId> {
        self.stock_entries(location, false, None)
    }

    fn stock_entries<'a>(
        &'a self,
        location: &'a LocationId,
        is_empty: IsEmpty,
        after: Option<&SkuId>,
    ) -> impl Iterator<Item = &'a SkuId> {
        let from = (location.clone(), is_empty, after.cloned().unwrap_or_else(SkuId::first));
        let bound = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        let rows = self.stock_at.range((bound, Bound::Unbounded));
        rows.take_while(move |(at, empty, _)| at == location && *empty == is_empty).map(|(_, _, sku)| sku)
    }

    /// An order that is in memory.
    pub fn order(&self, id: &OrderId) -> Option<&Arc<Order>> {
        self.orders.get(id)
    }

    /// The orders in memory, in the order of their ids.
    pub fn orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.orders.values()
    }

    /// A reservation that is in memory.
    pub fn reservation(&self, id: &ReservationId) -> Option<&Arc<Reservation>> {
        self.reservations.get(id)
    }

    /// The reservations in memory after an id, in order.
    pub fn reservations_after(
        &self,
        after: Option<&ReservationId>,
    ) -> impl Iterator<Item = &Arc<Reservation>> {
        self.reservations.range((lower_bound(after), Bound::Unbounded)).map(|(_, reservation)| reservation)
    }

    /// A document that is in memory.
    pub fn document(&self, id: &DocumentId) -> Option<&Document> {
        self.documents.get(id)
    }

    /// Log time and horizon.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// When the next hold ends.
    pub fn next_due(&self) -> Option<LogTime> {
        self.due.first()
    }

    /// When the next hold on units of a SKU ends that is not due yet.
    pub(crate) fn next_expiry(&self, sku: &SkuId, now: LogTime) -> Option<LogTime> {
        self.due.next_of(sku, now)
    }

    /// What is due, the longest due first.
    pub(crate) fn due(&self) -> impl Iterator<Item = &Holder> {
        self.due.at(self.clock.now)
    }

    /// What is due at a time of those that hold units of some SKUs, the longest due first.
    pub(crate) fn due_of(&self, skus: &BTreeSet<&SkuId>, now: LogTime, limit: usize) -> Vec<Holder> {
        self.due.of_skus(skus, now, limit)
    }

    /// True where the index of holds tells of exactly those that there are.
    pub(crate) fn is_due_right(&self) -> bool {
        let mut due = Due::default();
        for order in self.orders.values() {
            due.follow(None, Hold::of_order(order));
        }
        for reservation in self.reservations.values() {
            due.follow(None, Hold::of_reservation(reservation));
        }
        due == self.due
    }

    /// What is known of a request id.
    pub fn request_status(&self, origin: &Origin) -> RequestStatus {
        self.request_status_at(origin, self.clock.now)
    }

    /// What is known of a request id at a time that is not before that of the state.
    pub(crate) fn request_status_at(&self, origin: &Origin, now: LogTime) -> RequestStatus {
        let horizon_ms = self.horizon_at(now);
        if origin.request.time_ms() <= horizon_ms {
            return RequestStatus::Expired { horizon_ms };
        }
        match self.requests.get(origin) {
            None => RequestStatus::NotSeen,
            Some(record) if record.outcome == Outcome::RequestAbandoned => RequestStatus::Abandoned(record),
            Some(record) => RequestStatus::Decided(record),
        }
    }

    /// How many request records there are.
    pub fn request_count(&self) -> usize {
        self.requests.len()
    }

    /// All request records, oldest id first.
    pub fn requests(&self) -> impl Iterator<Item = (Origin, RequestRecord)> {
        self.requests.iter()
    }

    /// Moves the clock to an entry's time, never back, and the horizon after it.
    pub(crate) fn advance_clock(&mut self, time: LogTime) {
        self.clock.now = self.clock.now.max(time);
        self.clock.horizon_ms = self.horizon_at(self.clock.now);
    }

    fn horizon_at(&self, now: LogTime) -> u64 {
        let horizon_ms = now.millis().saturating_sub(limits::REQUEST_RETENTION_MS);
        self.clock.horizon_ms.max(horizon_ms)
    }

    /// The oldest request record that is to leave: expired, or one too many. The horizon covers it from now on.
    pub(crate) fn pop_old_request(&mut self) -> Option<Origin> {
        let time_ms = self.requests.first()?.time_ms();
        if time_ms > self.clock.horizon_ms && self.requests.weight() <= limits::MAX_REQUEST_RECORDS {
            return None;
        }
        let origin = self.requests.pop_first()?;
        self.clock.horizon_ms = self.clock.horizon_ms.max(time_ms);
        Some(origin)
    }
}

/// Whether a stock row holds nothing in any bucket.
type IsEmpty = bool;

fn lower_bound<K: Clone>(after: Option<&K>) -> Bound<K> {
    after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()))
}
