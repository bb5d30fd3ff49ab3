//! A draft: what one command would change. It reads its own writes; dropped, it never was.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use crate::change::Change;
use crate::command::Origin;
use crate::document::Document;
use crate::holder::Holder;
use crate::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use crate::ledger::{LedgerEntry, Reason};
use crate::location::Location;
use crate::order::Order;
use crate::rejection::{Rejection, Resource};
use crate::reservation::Reservation;
use crate::sku::Sku;
use crate::state::State;
use crate::stock::{Bucket, Stock, StockKey};
use crate::time::LogTime;
use crate::version::Version;

/// Where and when a command runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Of every row that the command changes.
    pub(crate) version: Version,
    pub(crate) now: LogTime,
    pub(crate) origin: Option<&'a Origin>,
    /// See [`Draft::takes_part`].
    pub(crate) takes_part: bool,
}

/// What a movement of units is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Movement<'a> {
    pub(crate) from: Option<Bucket>,
    pub(crate) to: Option<Bucket>,
    pub(crate) quantity: i64,
    pub(crate) reason: Reason,
    pub(crate) order: Option<&'a OrderId>,
    pub(crate) reservation: Option<&'a ReservationId>,
    pub(crate) document: Option<&'a DocumentId>,
    pub(crate) reference: &'a str,
}

impl<'a> Movement<'a> {
    /// A movement of so many units, from nowhere to nowhere yet and on nobody's behalf.
    pub(crate) fn of(reason: Reason, quantity: i64) -> Self {
        let (order, reservation, document) = (None, None, None);
        Self { from: None, to: None, quantity, reason, order, reservation, document, reference: "" }
    }

    /// The movement, caused by an order or a reservation.
    pub(crate) fn for_holder(self, holder: &'a Holder) -> Self {
        Self { order: holder.order(), reservation: holder.reservation(), ..self }
    }
}

/// The changes of one command, not yet taken in.
///
/// Invariants:
/// - A row that was touched stands here as it is now; `None` where it is gone. What isn't here is as in `state`.
/// - Every movement of units in `stock` has its ledger entry at the end of `changes`, in order (I6).
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    state: &'a State,
    context: Context<'a>,
    ledger_position: u32,
    /// Parts of the orders and reservations that were put, each as often as it was.
    parts: usize,
    skus: BTreeMap<SkuId, Option<Sku>>,
    locations: BTreeMap<LocationId, Option<Location>>,
    stock: BTreeMap<StockKey, Option<Stock>>,
    orders: BTreeMap<OrderId, Arc<Order>>,
    reservations: BTreeMap<ReservationId, Arc<Reservation>>,
    documents: BTreeMap<DocumentId, Document>,
    /// Where the changes go. Ledger entries stand there at once: they are large, and never looked at again.
    changes: &'a mut Vec<Change>,
}

impl<'a> Draft<'a> {
    /// Whoever drops the draft cuts `changes` to what they were.
    pub(crate) fn new(
        state: &'a State,
        context: Context<'a>,
        ledger_position: u32,
        changes: &'a mut Vec<Change>,
    ) -> Self {
        Self {
            state,
            context,
            ledger_position,
            parts: 0,
            skus: BTreeMap::new(),
            locations: BTreeMap::new(),
            stock: BTreeMap::new(),
            orders: BTreeMap::new(),
            reservations: BTreeMap::new(),
            documents: BTreeMap::new(),
            changes,
        }
    }

    /// Takes in a row that the state has, but not in memory.
    pub(crate) fn bring(&mut self, row: Change) {
        match row {
            Change::Order(id, order) => drop(self.orders.insert(id, order)),
            Change::Reservation(id, reservation) => drop(self.reservations.insert(id, reservation)),
            Change::Document(id, document) => drop(self.documents.insert(id, document)),
            Change::Sku(..)
            | Change::Location(..)
            | Change::Stock(..)
            | Change::Ledger(_)
            | Change::Request(..)
            | Change::Clock(_) => {}
        }
    }

    /// Appends the rows to the changes; gives the position of the next ledger entry of this revision.
    pub(crate) fn finish(self) -> u32 {
        let changes = self.changes;
        // One kind after the other: each row is moved once.
        changes.extend(self.skus.into_iter().map(|(id, sku)| Change::Sku(id, sku)));
        changes.extend(self.locations.into_iter().map(|(id, location)| Change::Location(id, location)));
        changes.extend(self.stock.into_iter().map(|(key, stock)| Change::Stock(key, stock)));
        changes.extend(self.orders.into_iter().map(|(id, order)| Change::Order(id, order)));
        changes.extend(self.reservations.into_iter().map(|(id, row)| Change::Reservation(id, row)));
        changes.extend(self.documents.into_iter().map(|(id, document)| Change::Document(id, document)));
        self.ledger_position
    }

    pub(crate) fn context(&self) -> Context<'a> {
        self.context
    }

    pub(crate) fn sku(&self, id: &SkuId) -> Option<&Sku> {
        match self.skus.get(id) {
            Some(touched) => touched.as_ref(),
            None => self.state.sku(id),
        }
    }

    /// The SKU, or the refusal of a command that names it.
    pub(crate) fn known_sku(&self, id: &SkuId) -> Result<&Sku, Rejection> {
        self.sku(id).ok_or_else(|| Rejection::NotFound(Resource::Sku(id.clone())))
    }

    pub(crate) fn put_sku(&mut self, id: &SkuId, sku: Option<Sku>) {
        self.skus.insert(id.clone(), sku);
    }

    pub(crate) fn location(&self, id: &LocationId) -> Option<&Location> {
        match self.locations.get(id) {
            Some(touched) => touched.as_ref(),
            None => self.state.location(id),
        }
    }

    /// The location, or the refusal of a command that names it.
    pub(crate) fn known_location(&self, id: &LocationId) -> Result<&Location, Rejection> {
        self.location(id).ok_or_else(|| Rejection::NotFound(Resource::Location(id.clone())))
    }

    /// How many locations there were before the command.
    pub(crate) fn locations_before(&self) -> usize {
        self.state.location_count()
    }

    /// The priority number of a location that takes orders.
    pub(crate) fn priority_of_open(&self, id: &LocationId) -> Option<u32> {
        let details = &self.location(id)?.details;
        (!details.disabled).then_some(details.priority)
    }

    pub(crate) fn put_location(&mut self, id: &LocationId, location: Option<Location>) {
        self.locations.insert(id.clone(), location);
    }

    pub(crate) fn order(&self, id: &OrderId) -> Option<&Arc<Order>> {
        self.orders.get(id).or_else(|| self.state.order(id))
    }

    /// The order, or the refusal of a command that names it.
    pub(crate) fn known_order(&self, id: &OrderId) -> Result<&Arc<Order>, Rejection> {
        self.order(id).ok_or_else(|| Rejection::NotFound(Resource::Order(id.clone())))
    }

    /// When the next hold on units of a SKU ends that is not due yet.
    pub(crate) fn next_expiry(&self, sku: &SkuId) -> Option<LogTime> {
        self.state.next_expiry(sku, self.context.now)
    }

    /// True where an order that is short may take what is there, if it wants to: first all that is due must have ended.
    pub(crate) fn takes_part(&self) -> bool {
        self.context.takes_part
    }

    pub(crate) fn reservation(&self, id: &ReservationId) -> Option<&Arc<Reservation>> {
        self.reservations.get(id).or_else(|| self.state.reservation(id))
    }

    /// The reservation, or the refusal of a command that names it.
    pub(crate) fn known_reservation(&self, id: &ReservationId) -> Result<&Arc<Reservation>, Rejection> {
        self.reservation(id).ok_or_else(|| Rejection::NotFound(Resource::Reservation(id.clone())))
    }

    /// As [`Draft::put_order`].
    pub(crate) fn put_reservation(&mut self, mut reservation: Reservation) {
        reservation.version = self.context.version;
        reservation.updated = self.context.now;
        self.parts += reservation.lines.len();
        self.reservations.insert(reservation.id.clone(), Arc::new(reservation));
    }

    /// How much work the orders and reservations were that were put.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Stamps the order with this version and time and takes it in.
    pub(crate) fn put_order(&mut self, mut order: Order) {
        order.version = self.context.version;
        order.updated = self.context.now;
        self.parts += order.lines.len();
        self.orders.insert(order.id.clone(), Arc::new(order));
    }

    /// Books a document; refused where its number is taken.
    pub(crate) fn book(&mut self, document: Option<&DocumentId>) -> Result<(), Rejection> {
        let Some(id) = document else { return Ok(()) };
        if self.documents.contains_key(id) || self.state.document(id).is_some() {
            return Err(Rejection::AlreadyExists(Resource::Document(id.clone())));
        }
        let document = Document { id: id.clone(), revision: self.context.version.revision };
        self.documents.insert(id.clone(), document);
        Ok(())
    }

    pub(crate) fn stock(&self, key: &StockKey) -> Stock {
        match self.stock.get(key) {
            Some(stock) => stock.unwrap_or_default(),
            None => self.state.stock(key),
        }
    }

    /// The stock of a SKU at every location that has a row of it, in order.
    pub(crate) fn stock_of<'d>(&'d self, sku: &'d SkuId) -> impl Iterator<Item = (&'d LocationId, Stock)> {
        let mut kept = self.state.stock_of(sku, None).map(|(key, _)| key).peekable();
        let first = StockKey { sku: sku.clone(), location: LocationId::first() };
        let touched = self.stock.range((Bound::Included(first), Bound::Unbounded)).map(|(key, _)| key);
        let mut touched = touched.take_while(move |key| key.sku == *sku).peekable();
        let keys = std::iter::from_fn(move || match (kept.peek(), touched.peek()) {
            (Some(one), Some(other)) if one > other => touched.next(),
            (Some(one), other) => {
                if Some(one) == other {
                    touched.next();
                }
                kept.next()
            }
            (None, _) => touched.next(),
        });
        keys.filter(|key| self.stock.get(*key) != Some(&None)).map(|key| (&key.location, self.stock(key)))
    }

    /// The first SKU of which a location has units, if there is one.
    pub(crate) fn any_stock_at(&self, location: &LocationId) -> Option<SkuId> {
        let has_units = |sku: &&SkuId| {
            let key = StockKey { sku: SkuId::clone(sku), location: location.clone() };
            self.stock(&key).on_hand() > 0
        };
        // No more are looked at than the command itself has emptied.
        let kept = self.state.skus_with_units_at(location).find(has_units);
        let touched = self.stock.keys().filter(|key| key.location == *location).map(|key| &key.sku);
        kept.into_iter().chain(touched.filter(has_units)).min().cloned()
    }

    /// Forgets a stock row that holds nothing.
    pub(crate) fn remove_stock(&mut self, key: &StockKey) {
        assert_eq!(self.stock(key).on_hand(), 0, "only an empty stock row is removed");
        self.stock.insert(key.clone(), None);
    }

    /// Moves units between buckets, or in from or out to the world, and writes the ledger entry.
    ///
    /// The caller has checked that the units are there; a sum that would overflow is refused.
    pub(crate) fn move_units(&mut self, key: &StockKey, movement: Movement<'_>) -> Result<(), Rejection> {
        let entry = self.stock.entry(key.clone());
        let mut stock = match &entry {
            Entry::Occupied(touched) => touched.get().unwrap_or_default(),
            Entry::Vacant(_) => self.state.stock(key),
        };
        if let Some(from) = movement.from {
            stock.take(from, movement.quantity);
        }
        if let Some(to) = movement.to {
            stock.add(to, movement.quantity)?;
        }
        stock.version = self.context.version;
        let origin = self.context.origin;
        self.changes.push(Change::Ledger(LedgerEntry {
            revision: self.context.version.revision,
            position: self.ledger_position,
            time: self.context.now,
            sku: key.sku.clone(),
            location: key.location.clone(),
            from: movement.from,
            to: movement.to,
            quantity: movement.quantity,
            reason: movement.reason,
            actor: origin.map(|origin| origin.principal.clone()),
            request: origin.map(|origin| origin.request),
            order: movement.order.cloned(),
            reservation: movement.reservation.cloned(),
            document: movement.document.cloned(),
            reference: movement.reference.to_owned(),
            balances: stock,
        }));
        self.ledger_position += 1;
        entry.insert_entry(Some(stock));
        Ok(())
    }
}
