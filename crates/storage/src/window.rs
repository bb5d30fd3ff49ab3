//! The window: what was applied and is not yet in the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_state_machine::Origin;
use stockade_state_machine::change::Change;
use stockade_state_machine::ids::{DocumentId, OrderId, Principal, RequestId, ReservationId};
use stockade_state_machine::order::Order;
use stockade_state_machine::records::RecordView;

use crate::applied_row::{LogId, Position};
use crate::codec::{self, DecodeError, Durable};
use crate::ledger::LedgerItems;
use crate::pages::Item;
use crate::{keys, limits, order_list};

/// The after-images of whole entries, rows touched twice kept once.
///
/// Invariants:
/// - It holds whole entries only: a reader that finds `position` here finds all of its rows in the engine or here.
/// - Items are in log order.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(crate) ledger: LedgerItems,
    pub(crate) requests: Vec<(Origin, Item)>,
    /// Orders as they became something that lists find them by.
    pub(crate) listed: Vec<Arc<Order>>,
    /// May leave memory once this window is in the engine.
    pub(crate) orders: Vec<OrderId>,
    /// May leave memory once this window is in the engine.
    pub(crate) reservations: Vec<ReservationId>,
    /// May leave memory once this window is in the engine.
    pub(crate) documents: Vec<DocumentId>,
    pub(crate) bytes: usize,
    /// After the last entry.
    pub(crate) position: Position,
    /// Where the engine stands, which this window goes on from.
    from: Option<LogId>,
}

impl Window {
    /// An empty one that goes on from a position.
    pub(crate) fn after(position: Position) -> Self {
        Self {
            from: position.log_id,
            ledger: LedgerItems::after(position.ledger),
            position,
            ..Self::default()
        }
    }

    /// True where nothing was applied since the last one.
    pub(crate) fn is_empty(&self) -> bool {
        self.position.log_id == self.from
    }

    /// Takes in what one entry changed and chains its hash.
    pub(crate) fn take_in(&mut self, changes: &[Change]) {
        let mut framed = self.position.chain.to_vec();
        for change in changes {
            self.take_in_one(change, &mut framed);
        }
        self.position.chain = blake3::hash(&framed).into();
    }

    fn take_in_one(&mut self, change: &Change, framed: &mut Vec<u8>) {
        match change {
            Change::Sku(id, sku) => self.put(keys::sku(id), sku.as_ref().map(Durable::encode), framed),
            Change::Location(id, location) => {
                self.put(keys::location(id), location.as_ref().map(Durable::encode), framed);
            }
            Change::Stock(key, stock) => {
                self.put(keys::stock(key), stock.as_ref().map(Durable::encode), framed);
            }
            Change::Order(id, order) => {
                self.put(keys::order(id), Some(order.as_ref().encode()), framed);
                self.orders.push(id.clone());
                if order_list::is_listed_anew(order) {
                    self.listed.push(Arc::clone(order));
                }
            }
            Change::Reservation(id, reservation) => {
                self.put(keys::reservation(id), Some(reservation.as_ref().encode()), framed);
                self.reservations.push(id.clone());
            }
            Change::Document(id, document) => {
                self.put(keys::document(id), Some(document.encode()), framed);
                self.documents.push(id.clone());
            }
            Change::Ledger(entry) => {
                let bytes = entry.encode();
                feed(framed, b"ledger", &bytes);
                self.bytes += bytes.len() + limits::MAP_ENTRY_BYTES;
                self.position.ledger = self.ledger.push(entry.revision, entry.position, &bytes);
            }
            Change::Request(origin, Some(record)) => {
                let bytes = encode_request_item(origin, &record.encode());
                feed(framed, b"request", &bytes);
                self.bytes += bytes.len() + limits::MAP_ENTRY_BYTES;
                let item = Item { revision: record.revision.get(), position: record.position, bytes };
                self.requests.push((origin.clone(), item));
            }
            Change::Request(origin, None) => {
                feed(framed, b"trimmed", &encode_request_item(origin, &[]));
                self.position.trimmed = Some(origin.clone());
            }
            Change::Clock(clock) => {
                feed(framed, b"clock", &clock.encode());
                self.position.clock = *clock;
            }
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, framed: &mut Vec<u8>) {
        feed(framed, &key, value.as_deref().unwrap_or_default());
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + limits::MAP_ENTRY_BYTES;
        self.rows.insert(key, value);
    }
}

/// Appends a name and a value to what is hashed so that no two different sequences make the same bytes.
pub(crate) fn feed(framed: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let len = |bytes: &[u8]| u64::try_from(bytes.len()).expect("lengths fit 64 bits").to_le_bytes();
    framed.extend_from_slice(&len(name));
    framed.extend_from_slice(name);
    framed.extend_from_slice(&len(value));
    framed.extend_from_slice(value);
}

/// A request record as an item of a page: request id (u128, little-endian), length of the principal (u8), principal, record.
pub(crate) fn encode_request_item(origin: &Origin, record: &[u8]) -> Vec<u8> {
    let principal = origin.principal.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(17 + principal.len() + record.len());
    bytes.extend_from_slice(&origin.request.bits().to_le_bytes());
    bytes.push(u8::try_from(principal.len()).expect("ids have at most 128 characters"));
    bytes.extend_from_slice(principal);
    bytes.extend_from_slice(record);
    bytes
}

/// Origin and record of such an item.
pub(crate) fn decode_request_item(bytes: &[u8]) -> Result<(Origin, &[u8]), DecodeError> {
    let (request, principal, record) = split_request_item(bytes)?;
    let principal = Principal::new(principal).map_err(|_| no_principal())?;
    Ok((Origin { request, principal }, record))
}

/// Such an item with its record in the parts that it is read from.
pub(crate) fn view_request_item(bytes: &[u8]) -> Result<RecordView<'_>, DecodeError> {
    let (request, principal, record) = split_request_item(bytes)?;
    codec::view_request(record, request, principal)
}

fn split_request_item(bytes: &[u8]) -> Result<(RequestId, &str, &[u8]), DecodeError> {
    let cut = || DecodeError("a request item is cut short".to_owned());
    let (bits, rest) = bytes.split_first_chunk::<16>().ok_or_else(cut)?;
    let (len, rest) = rest.split_first().ok_or_else(cut)?;
    let (principal, record) = rest.split_at_checked(usize::from(*len)).ok_or_else(cut)?;
    let request = RequestId::new(u128::from_le_bytes(*bits))
        .ok_or_else(|| DecodeError("no request id in a request item".to_owned()))?;
    Ok((request, std::str::from_utf8(principal).map_err(|_| no_principal())?, record))
}

fn no_principal() -> DecodeError {
    DecodeError("no principal in a request item".to_owned())
}
