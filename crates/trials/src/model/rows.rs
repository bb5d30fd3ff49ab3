//! The rows that a run of entries leaves: what an engine would hold, and a state that is built from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{Name, Origin};
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Current, Rejection};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::{Stock, StockKey};
use stockade_state_machine::{Change, Entry, Revision, State, Version};
use stockade_storage::codec::Durable;
use stockade_storage::{CanonicalRow, canonical_hash};

/// All rows, as the changes make them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) skus: BTreeMap<SkuId, Sku>,
    pub(super) locations: BTreeMap<LocationId, Location>,
    pub(super) stock: BTreeMap<StockKey, Stock>,
    pub(super) orders: BTreeMap<OrderId, Arc<Order>>,
    pub(super) reservations: BTreeMap<ReservationId, Arc<Reservation>>,
    pub(super) documents: BTreeMap<DocumentId, Document>,
    pub(super) ledger: Vec<LedgerEntry>,
    pub(super) requests: BTreeMap<Origin, RequestRecord>,
    pub(super) clock: Clock,
}

impl Rows {
    /// Those that changes make.
    pub(super) fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut rows = Self::default();
        rows.take_in(changes);
        rows
    }

    /// Takes in changes in their order.
    pub(super) fn take_in<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            match change {
                Change::Sku(id, sku) => put(&mut self.skus, id, sku.as_ref()),
                Change::Location(id, location) => put(&mut self.locations, id, location.as_ref()),
                Change::Stock(key, stock) => put(&mut self.stock, key, stock.as_ref()),
                Change::Order(id, order) => put(&mut self.orders, id, Some(order)),
                Change::Reservation(id, held) => put(&mut self.reservations, id, Some(held)),
                Change::Document(id, document) => put(&mut self.documents, id, Some(document)),
                Change::Ledger(entry) => self.ledger.push(entry.clone()),
                Change::Request(origin, record) => put(&mut self.requests, origin, record.as_ref()),
                Change::Clock(clock) => self.clock = *clock,
            }
        }
    }

    /// A state from the rows in their frozen form, as storage loads one: what is settled and documents stay where they are
    /// until an entry names them.
    pub(super) fn restore(&self) -> State {
        let mut state = State::new();
        for (id, sku) in &self.skus {
            state.absorb(&Change::Sku(id.clone(), Some(stored(sku))));
        }
        for (id, location) in &self.locations {
            state.absorb(&Change::Location(id.clone(), Some(stored(location))));
        }
        for (key, stock) in &self.stock {
            state.absorb(&Change::Stock(key.clone(), Some(stored(stock))));
        }
        for (id, order) in self.orders.iter().filter(|(_, order)| !order.is_settled()) {
            state.absorb(&Change::Order(id.clone(), Arc::new(stored(order.as_ref()))));
        }
        for (id, held) in self.reservations.iter().filter(|(_, held)| !held.is_settled()) {
            state.absorb(&Change::Reservation(id.clone(), Arc::new(stored(held.as_ref()))));
        }
        for (origin, record) in &self.requests {
            state.absorb(&Change::Request(origin.clone(), Some(stored(record))));
        }
        state.absorb(&Change::Clock(self.clock));
        state
    }

    /// Brings into a state what an entry names and is not there.
    pub(super) fn load_named(&self, state: &mut State, entry: &Entry) {
        for row in self.named(state, entry) {
            state.absorb(&row);
        }
    }

    /// What an entry names, is there and is not in a state.
    pub(super) fn named(&self, state: &State, entry: &Entry) -> Vec<Change> {
        let names = entry.requests.iter().flat_map(|request| request.command.names());
        let row = |name| match name {
            Name::Order(id) => {
                let order = self.orders.get(id).filter(|_| state.order(id).is_none())?;
                Some(Change::Order(id.clone(), Arc::new(stored(order.as_ref()))))
            }
            Name::Reservation(id) => {
                let held = self.reservations.get(id).filter(|_| state.reservation(id).is_none())?;
                Some(Change::Reservation(id.clone(), Arc::new(stored(held.as_ref()))))
            }
            Name::Document(id) => {
                let document = self.documents.get(id)?;
                Some(Change::Document(id.clone(), stored(document)))
            }
            Name::Version(_) => None,
        };
        names.filter_map(row).collect()
    }

    /// Lets a state forget what is safe here: what an entry named or changed.
    pub(super) fn evict(state: &mut State, entry: &Entry, changes: &[Change]) {
        for name in entry.requests.iter().flat_map(|request| request.command.names()) {
            match name {
                Name::Order(id) => state.evict_order(id),
                Name::Reservation(id) => state.evict_reservation(id),
                Name::Document(id) => state.evict_document(id),
                Name::Version(_) => false,
            };
        }
        for change in changes {
            if let Change::Order(id, _) = change {
                state.evict_order(id);
            }
            if let Change::Reservation(id, _) = change {
                state.evict_reservation(id);
            }
        }
    }

    /// The state hash of the rows, as a node tells it.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut requests: Vec<_> = self.requests.iter().collect();
        requests.sort_by_key(|(_, record)| (record.revision, record.position));
        let documents = self.documents.iter().map(|(id, document)| CanonicalRow::Document(id, document));
        let reservations = self.reservations.values().map(|held| CanonicalRow::Reservation(held));
        let rows = documents
            .chain(reservations)
            .chain(self.skus.values().map(CanonicalRow::Sku))
            .chain(self.ledger.iter().map(CanonicalRow::Ledger))
            .chain(self.orders.values().map(|order| CanonicalRow::Order(order)))
            .chain(self.locations.values().map(CanonicalRow::Location))
            .chain(requests.into_iter().map(|(origin, record)| CanonicalRow::Request(origin, record)))
            .chain(self.stock.iter().map(|(key, stock)| CanonicalRow::Stock(key, stock)));
        canonical_hash(rows, &self.clock).0
    }

    /// The same rows without what tells which entry a command stood in.
    pub(super) fn without_entries(&self) -> Self {
        let mut rows = self.clone();
        let none = Revision::default();
        let nowhere = Version::default();
        rows.skus.values_mut().for_each(|sku| sku.version = nowhere);
        rows.locations.values_mut().for_each(|location| location.version = nowhere);
        rows.stock.values_mut().for_each(|stock| stock.version = nowhere);
        rows.orders.values_mut().for_each(|order| Arc::make_mut(order).version = nowhere);
        rows.reservations.values_mut().for_each(|held| Arc::make_mut(held).version = nowhere);
        rows.documents.values_mut().for_each(|document| document.revision = none);
        for entry in &mut rows.ledger {
            (entry.revision, entry.position, entry.balances.version) = (none, 0, nowhere);
        }
        for record in rows.requests.values_mut() {
            (record.revision, record.position) = (none, 0);
            outcome_without_entry(&mut record.outcome);
        }
        rows
    }
}

/// Takes from an outcome what tells which entry its command stood in.
pub(super) fn outcome_without_entry(outcome: &mut Outcome) {
    match outcome {
        Outcome::SkuCreated(sku) | Outcome::SkuUpdated(sku) => sku.version = Version::default(),
        Outcome::LocationCreated(location) | Outcome::LocationUpdated(location) => {
            location.version = Version::default();
        }
        Outcome::StockReceived(_, stock)
        | Outcome::StockAdjusted(_, stock)
        | Outcome::StockSet(_, stock)
        | Outcome::StockMoved(_, stock) => stock.version = Version::default(),
        Outcome::Transacted(outcomes) => outcomes.iter_mut().for_each(outcome_without_entry),
        Outcome::Rejected(Rejection::PreconditionFailed { failed }) => {
            for failed in failed {
                if let Current::Version(version) = &mut failed.current {
                    *version = Version::default();
                }
            }
        }
        Outcome::SkuDeleted
        | Outcome::LocationDeleted
        | Outcome::OrderPlaced { .. }
        | Outcome::OrderConfirmed { .. }
        | Outcome::OrderExtended { .. }
        | Outcome::OrderClosed { .. }
        | Outcome::OrderShipped { .. }
        | Outcome::OrderCancelled { .. }
        | Outcome::OrderReturned { .. }
        | Outcome::ReservationCreated { .. }
        | Outcome::ReservationExtended { .. }
        | Outcome::ReservationCommitted { .. }
        | Outcome::ReservationReleased { .. }
        | Outcome::ReservationMoved { .. }
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => {}
    }
}

/// A row as it comes back from its frozen form.
fn stored<T: Durable>(row: &T) -> T {
    T::decode(&row.encode()).expect("what was encoded can be decoded")
}

fn put<K: Clone + Ord, V: Clone>(rows: &mut BTreeMap<K, V>, key: &K, row: Option<&V>) {
    match row {
        Some(row) => rows.insert(key.clone(), row.clone()),
        None => rows.remove(key),
    };
}
