//! Single rows: read one by one, and taken in as they stand.

use stockade_state_machine::Change;
use stockade_state_machine::command::Origin;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::location::Location;
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::{Stock, StockKey};

use crate::model::Model;

impl Model {
    /// Takes in a row as it stands, by no command: what a run begins with.
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
                self.stock.insert(key.clone(), *stock);
            }
            Change::Stock(key, None) => {
                self.stock.remove(key);
            }
            Change::Order(_, order) => self.write_order(Order::clone(order)),
            Change::Reservation(_, reservation) => self.write_reservation(Reservation::clone(reservation)),
            Change::Document(id, document) => {
                self.documents.insert(id.clone(), document.clone());
            }
            Change::Ledger(entry) => self.ledger.push(entry.clone()),
            Change::Request(origin, Some(record)) => self.keep(origin.clone(), record.clone()),
            Change::Request(origin, None) => self.forget(origin),
            Change::Clock(clock) => self.clock = *clock,
        }
    }

    pub(crate) fn write_order(&mut self, order: Order) {
        self.unpaid.remove(&order.id);
        self.settled_or_owed.remove(&order.id);
        let is_unpaid = Self::order_state(&order) == OrderState::PendingPayment;
        let orders = if is_unpaid { &mut self.unpaid } else { &mut self.settled_or_owed };
        orders.insert(order.id.clone(), order);
    }

    pub(crate) fn write_reservation(&mut self, reservation: Reservation) {
        self.holding.remove(&reservation.id);
        self.holding_nothing.remove(&reservation.id);
        let holds = reservation.lines.iter().any(|line| line.open > 0);
        let reservations = if holds { &mut self.holding } else { &mut self.holding_nothing };
        reservations.insert(reservation.id.clone(), reservation);
    }

    /// A SKU.
    pub fn sku(&self, id: &SkuId) -> Option<&Sku> {
        self.skus.get(id)
    }

    /// A location.
    pub fn location(&self, id: &LocationId) -> Option<&Location> {
        self.locations.get(id)
    }

    /// The row of a SKU at a location; `None` where nothing was booked since the SKU is there.
    pub fn stock_row(&self, key: &StockKey) -> Option<&Stock> {
        self.stock.get(key)
    }

    /// An order.
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.unpaid.get(id).or_else(|| self.settled_or_owed.get(id))
    }

    /// A reservation.
    pub fn reservation(&self, id: &ReservationId) -> Option<&Reservation> {
        self.holding.get(id).or_else(|| self.holding_nothing.get(id))
    }

    /// A booked document.
    pub fn document(&self, id: &DocumentId) -> Option<&Document> {
        self.documents.get(id)
    }

    /// A request record that has not been removed.
    pub fn request(&self, origin: &Origin) -> Option<&RequestRecord> {
        self.requests.get(origin)
    }
}
