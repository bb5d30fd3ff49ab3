//! The state hash of state that lies in no engine: what `StateHash` tells, for those who hold the rows themselves.

use stockade_state_machine::change::Clock;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Origin, Stock, StockKey};

use crate::codec::Durable;
use crate::keys;
use crate::state_hash::StateHasher;
use crate::window::encode_request_item;

/// One row of the state.
#[derive(Debug, Clone, Copy)]
pub enum CanonicalRow<'a> {
    /// A booked document.
    Document(&'a DocumentId, &'a Document),
    /// A reservation.
    Reservation(&'a Reservation),
    /// A SKU.
    Sku(&'a Sku),
    /// A movement.
    Ledger(&'a LedgerEntry),
    /// An order.
    Order(&'a Order),
    /// A location.
    Location(&'a Location),
    /// A request record.
    Request(&'a Origin, &'a RequestRecord),
    /// Stock at a location.
    Stock(&'a StockKey, &'a Stock),
}

/// The state hash of a whole state, and the number of its rows.
///
/// The rows come in the order in which an engine has them: documents, reservations, SKUs, the ledger, orders, locations, request
/// records, stock; each kind in the order of its ids, the ledger and the records in that of revision and position.
pub fn canonical_hash<'a>(
    rows: impl IntoIterator<Item = CanonicalRow<'a>>,
    clock: &Clock,
) -> ([u8; 32], u64) {
    let mut hasher = StateHasher::new(None);
    for row in rows {
        match row {
            CanonicalRow::Document(id, document) => hasher.feed(&keys::document(id), &document.encode()),
            CanonicalRow::Sku(sku) => hasher.feed(&keys::sku(&sku.id), &sku.encode()),
            CanonicalRow::Ledger(entry) => hasher.feed(b"ledger", &entry.encode()),
            CanonicalRow::Location(location) => {
                hasher.feed(&keys::location(&location.id), &location.encode());
            }
            CanonicalRow::Reservation(reservation) => {
                hasher.feed(&keys::reservation(&reservation.id), &reservation.encode());
            }
            CanonicalRow::Order(order) => hasher.feed(&keys::order(&order.id), &order.encode()),
            CanonicalRow::Request(origin, record) => {
                hasher.feed(b"request", &encode_request_item(origin, record));
            }
            CanonicalRow::Stock(key, stock) => hasher.feed(&keys::stock(key), &stock.encode()),
        }
    }
    hasher.finish_with(clock)
}
