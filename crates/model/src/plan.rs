//! Plans: what an accepted command writes, collected before any of it is written.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use stockade_state_machine::Revision;
use stockade_state_machine::Version;
use stockade_state_machine::command::Origin;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::{Bucket, Stock, StockKey};

use crate::model::{Model, Moment};

/// What a command brings about, if all of it can be.
pub(crate) struct Plan {
    pub(crate) outcome: Outcome,
    /// In the order in which they go into the ledger.
    pub(crate) movements: Vec<Movement>,
    pub(crate) rows: Vec<Row>,
    /// Lines of the holders that expire.
    pub(crate) expired_lines: usize,
}

/// A row as it will be.
pub(crate) enum Row {
    Sku(Sku),
    /// The SKU goes, and its rows of stock with it.
    SkuGone(SkuId),
    Location(Location),
    /// The location goes; its rows of stock, all zero, stay.
    LocationGone(LocationId),
    Order(Order),
    Reservation(Reservation),
    Document(DocumentId),
}

/// Units that change their bucket. No origin means the system.
#[derive(Debug, Clone)]
pub(crate) struct Movement {
    pub(crate) key: StockKey,
    pub(crate) from: Option<Bucket>,
    pub(crate) to: Option<Bucket>,
    pub(crate) quantity: i64,
    pub(crate) reason: Reason,
    pub(crate) origin: Option<Origin>,
    pub(crate) order: Option<OrderId>,
    pub(crate) reservation: Option<ReservationId>,
    pub(crate) document: Option<DocumentId>,
    pub(crate) reference: String,
}

impl Plan {
    /// A plan that writes nothing.
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome, movements: Vec::new(), rows: Vec::new(), expired_lines: 0 }
    }
}

impl Model {
    /// Writes a plan whole. Where a quantity would overflow, nothing is written.
    pub(crate) fn carry_out(&mut self, moment: Moment, plan: Plan) -> Result<Outcome, Rejection> {
        let mut stock: BTreeMap<StockKey, Stock> = BTreeMap::new();
        let mut entries = Vec::new();
        for (movement, position) in plan.movements.into_iter().zip(self.next_position(moment.revision)..) {
            let before = stock.get(&movement.key).copied().unwrap_or_else(|| self.stock_at(&movement.key));
            let after = moved(before, &movement, moment.version())?;
            stock.insert(movement.key.clone(), after);
            entries.push(ledger_entry(moment, position, movement, after));
        }
        // From here on nothing can fail.
        self.stock.extend(stock);
        self.ledger.append(&mut entries);
        self.expired_lines += plan.expired_lines;
        for row in plan.rows {
            self.write(moment, row);
        }
        Ok(plan.outcome)
    }

    /// "Position of the movement among those that share the revision, from 0."
    fn next_position(&self, revision: Revision) -> u32 {
        match self.ledger.last() {
            Some(last) if last.revision == revision => {
                last.position.checked_add(1).expect("an entry moves fewer than 2^32 times")
            }
            Some(_) | None => 0,
        }
    }

    fn write(&mut self, moment: Moment, row: Row) {
        match row {
            Row::Sku(sku) => {
                self.skus.insert(sku.id.clone(), sku);
            }
            Row::SkuGone(sku) => {
                self.skus.remove(&sku);
                self.stock.retain(|key, _| key.sku != sku);
            }
            Row::Location(location) => {
                self.locations.insert(location.id.clone(), location);
            }
            Row::LocationGone(location) => {
                self.locations.remove(&location);
            }
            Row::Order(order) => self.write_order(order),
            Row::Reservation(reservation) => self.write_reservation(reservation),
            Row::Document(id) => {
                let document = Document { id: id.clone(), revision: moment.revision };
                self.documents.insert(id, document);
            }
        }
    }
}

/// The stock after a movement. "Of the last change": a movement from nowhere to nowhere is one too.
pub(crate) fn moved(stock: Stock, movement: &Movement, version: Version) -> Result<Stock, Rejection> {
    let Movement { from, to, quantity, .. } = movement;
    assert!(*quantity >= 1, "a movement of {quantity} units");
    let mut buckets = stock.buckets();
    for (units, bucket) in buckets.iter_mut().zip(Bucket::ALL) {
        if *from == Some(bucket) {
            // "no bucket is ever below 0" (I2): a command that asks for more was refused before.
            assert!(*units >= *quantity, "{quantity} units leave {bucket:?}, which has {units}");
            *units -= quantity;
        }
        if *to == Some(bucket) {
            // "QUANTITY_OVERFLOW: a sum would leave the range of 64 bits".
            *units = units.checked_add(*quantity).ok_or(Rejection::QuantityOverflow)?;
        }
    }
    // "on_hand is the sum of the buckets and doesn't overflow" (I1).
    Stock::from_buckets(buckets, version).ok_or(Rejection::QuantityOverflow)
}

/// "Ledger entry: log index and position, log time, SKU, location, from and to bucket, quantity, reason, actor,
/// reference URI, request id, balances after."
fn ledger_entry(moment: Moment, position: u32, movement: Movement, balances: Stock) -> LedgerEntry {
    let (actor, request) = match movement.origin {
        Some(origin) => (Some(origin.principal), Some(origin.request)),
        None => (None, None),
    };
    LedgerEntry {
        revision: moment.revision,
        position,
        time: moment.now,
        sku: movement.key.sku,
        location: movement.key.location,
        from: movement.from,
        to: movement.to,
        quantity: movement.quantity,
        reason: movement.reason,
        actor,
        request,
        order: movement.order,
        reservation: movement.reservation,
        document: movement.document,
        reference: movement.reference,
        balances,
    }
}
