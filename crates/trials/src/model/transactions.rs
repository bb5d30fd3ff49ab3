//! Writes transactions: a few operations, and conditions that mostly hold.

use stockade_state_machine::command::{
    Command, PlaceLine, PlaceOrder, Precondition, Row, Sourcing, Transact,
};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::{Bucket, StockKey};
use stockade_state_machine::{Revision, State};

use super::author::pick;
use super::commands::{Writer, sku_id};

impl Writer {
    /// Each operation is written for the state before the first.
    pub(super) fn transact(&mut self, state: &State) -> Command {
        let conditions = if self.random.below(2) == 0 { 0 } else { self.random.below(3) };
        let preconditions = (0..conditions).map(|_| self.precondition(state)).collect();
        let count = 1 + self.random.below(4);
        let operations = (0..count).map(|_| self.operation(state)).collect();
        Command::Transact(Transact { preconditions, operations })
    }

    /// An order whose lines are split over all locations that have the SKU.
    pub(super) fn split_order(&mut self, sku: &str, lines: usize, quantity: i64, hold_us: u64) -> Command {
        let line = PlaceLine { sku: sku_id(sku), location: None, quantity, unit_price_minor: 0 };
        let order = self.new_order();
        let Command::PlaceOrder(place) = self.large_order(sku, quantity, hold_us) else {
            unreachable!("it places one")
        };
        let sourcing = Sourcing::SplitProportional;
        Command::PlaceOrder(PlaceOrder { order, lines: vec![line; lines], sourcing, ..place })
    }

    fn precondition(&self, state: &State) -> Precondition {
        let row = self.row();
        let current = match &row {
            Row::Sku(sku) => state.sku(sku).map(|sku| sku.version),
            Row::Location(location) => state.location(location).map(|location| location.version),
            Row::Stock(key) => Some(state.stock(key).version).filter(|version| version.revision.get() > 0),
            Row::Order(order) => state.order(order).map(|order| order.version),
            Row::Reservation(held) => state.reservation(held).map(|held| held.version),
        };
        match (self.random.below(10), current) {
            (0..2, _) if self.catalog.expects_versions() => {
                let expected = self.catalog.expected(current).or(current).unwrap_or_default();
                Precondition::Version(row, expected)
            }
            (2, current) if self.catalog.expects_versions() => {
                let revision = current.unwrap_or_default().revision.get();
                let near = [revision.saturating_sub(1), revision, revision + 1];
                Precondition::UnchangedSince(row, Revision::new(pick(&self.random, &near)))
            }
            (0..5, Some(_)) | (5, None) => Precondition::Exists(row),
            (0..5, None) | (5, Some(_)) => Precondition::Missing(row),
            (6, _) => {
                let states = [OrderState::PendingPayment, OrderState::Confirmed, OrderState::Closed];
                let order = self.any_order();
                let now = state.order(&order).map(|order| order.state_at(state.clock().now));
                let other = pick(&self.random, &states);
                let expected = if self.random.below(4) == 0 { other } else { now.unwrap_or(other) };
                Precondition::OrderState(order, expected)
            }
            (7, _) => {
                let held = self.any_reservation();
                let now = state.reservation(&held).map(|held| held.state());
                let other = pick(&self.random, &[ReservationState::Active, ReservationState::Released]);
                let expected = if self.random.below(4) == 0 { other } else { now.unwrap_or(other) };
                Precondition::ReservationState(held, expected)
            }
            (_, _) => {
                let key = StockKey { sku: self.sku(), location: self.location() };
                let bucket = pick(&self.random, &Bucket::ALL);
                let units = state.stock(&key).get(bucket);
                let (min, max) = match self.random.below(5) {
                    0 => (units.saturating_add(1), i64::MAX),
                    1 => (i64::MIN, units - 1),
                    2 => (units, units),
                    _ => (0, i64::MAX),
                };
                Precondition::Quantity { key, bucket, min, max }
            }
        }
    }

    fn row(&self) -> Row {
        match self.random.below(6) {
            0 => Row::Sku(self.sku()),
            1 => Row::Location(self.location()),
            2 => Row::Stock(StockKey { sku: self.sku(), location: self.location() }),
            3 => Row::Reservation(self.any_reservation()),
            _ => Row::Order(self.any_order()),
        }
    }
}
