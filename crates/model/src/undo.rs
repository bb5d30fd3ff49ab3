//! What a transaction wrote goes away again where one of its operations is refused.

use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::{Stock, StockKey};

use crate::model::Model;
use crate::plan::{Plan, Row};

/// What there was before. A copy of the whole model would do as well, but for the time that it takes.
pub(crate) struct Before {
    /// Movements.
    ledger: usize,
    /// Rows that were written since, in the order in which they were.
    rows: Vec<RowBefore>,
}

/// A row as it was; `None` where it was not there.
enum RowBefore {
    Sku(SkuId, Option<Sku>),
    Location(LocationId, Option<Location>),
    Stock(StockKey, Option<Stock>),
    Order(OrderId, Option<Order>),
    Reservation(ReservationId, Option<Reservation>),
    Document(DocumentId, Option<Document>),
}

impl Before {
    pub(crate) fn new(model: &Model) -> Self {
        Self { ledger: model.ledger.len(), rows: Vec::new() }
    }

    /// Notes what a plan is about to write.
    pub(crate) fn note(&mut self, model: &Model, plan: &Plan) {
        for movement in &plan.movements {
            self.note_stock(model, &movement.key);
        }
        for row in &plan.rows {
            let before = match row {
                Row::Sku(sku) => RowBefore::Sku(sku.id.clone(), model.sku(&sku.id).cloned()),
                Row::SkuGone(id) => {
                    for key in model.stock.keys().filter(|key| key.sku == *id) {
                        self.note_stock(model, key);
                    }
                    RowBefore::Sku(id.clone(), model.sku(id).cloned())
                }
                Row::Location(location) => {
                    RowBefore::Location(location.id.clone(), model.location(&location.id).cloned())
                }
                Row::LocationGone(id) => RowBefore::Location(id.clone(), model.location(id).cloned()),
                Row::Order(order) => RowBefore::Order(order.id.clone(), model.order(&order.id).cloned()),
                Row::Reservation(row) => {
                    RowBefore::Reservation(row.id.clone(), model.reservation(&row.id).cloned())
                }
                Row::Document(id) => RowBefore::Document(id.clone(), model.document(id).cloned()),
            };
            self.rows.push(before);
        }
    }

    fn note_stock(&mut self, model: &Model, key: &StockKey) {
        self.rows.push(RowBefore::Stock(key.clone(), model.stock_row(key).copied()));
    }

    /// Puts everything back, what was written last first.
    pub(crate) fn restore(self, model: &mut Model) {
        model.ledger.truncate(self.ledger);
        for row in self.rows.into_iter().rev() {
            match row {
                RowBefore::Sku(id, before) => put(&mut model.skus, id, before),
                RowBefore::Location(id, before) => put(&mut model.locations, id, before),
                RowBefore::Stock(key, before) => put(&mut model.stock, key, before),
                RowBefore::Document(id, before) => put(&mut model.documents, id, before),
                RowBefore::Order(id, before) => {
                    model.unpaid.remove(&id);
                    model.settled_or_owed.remove(&id);
                    if let Some(order) = before {
                        model.write_order(order);
                    }
                }
                RowBefore::Reservation(id, before) => {
                    model.holding.remove(&id);
                    model.holding_nothing.remove(&id);
                    if let Some(reservation) = before {
                        model.write_reservation(reservation);
                    }
                }
            }
        }
    }
}

fn put<K: Ord, V>(rows: &mut std::collections::BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(row) => rows.insert(key, row),
        None => rows.remove(&key),
    };
}
