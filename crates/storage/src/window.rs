//! The window: what was applied and is not yet in the engine.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use stockade_state_machine::change::Change;
use stockade_state_machine::ids::{DocumentId, OrderId, Principal, RequestId, ReservationId};
use stockade_state_machine::order::Order;
use stockade_state_machine::records::RecordView;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::{Origin, Revision};

use crate::applied_row::{LogId, Position};
use crate::batch::Batch;
use crate::codec::{self, DecodeError, Durable};
use crate::ledger::LedgerItems;
use crate::pages::Item;
use crate::rows::WHOLE;
use crate::sort_key::SortKey;
use crate::{Error, keys, limits, order_list};

/// Bytes of a length in what is hashed.
const LENGTH_BYTES: usize = 8;

/// The after-images of whole entries.
///
/// Invariants:
/// - It holds whole entries only: a reader that finds `position` here finds all of its rows in the engine or here.
/// - Items and rows are in log order; of a row that was touched twice the last image counts.
#[derive(Debug, Default)]
pub(crate) struct Window {
    rows: Vec<RowImage>,
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
    /// How long the frame of the last entry was: the next is much like it.
    usual_frame: usize,
}

/// A row as it is after an entry; a part of the entry's frame.
#[derive(Debug)]
struct RowImage {
    key: Bytes,
    /// Behind [`WHOLE`].
    value: Option<Bytes>,
}

/// What one entry changes, one after the other as it is hashed. Rows and items are cut out of it, not copied.
#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    rows: Vec<(Range<usize>, Option<Range<usize>>)>,
    ledger: Vec<(Revision, u32, Range<usize>)>,
    requests: Vec<(Origin, Revision, u32, Range<usize>)>,
    /// Bytes of the names that are kept of ledger entries; those of long ones are nowhere else, often.
    names: usize,
}

impl Frame {
    fn row(&mut self, key: impl FnOnce(&mut Vec<u8>), value: Option<&impl Durable>) {
        let key = self.part(key);
        let value_at = self.part(|bytes| {
            if let Some(value) = value {
                value.append_to(bytes);
            }
        });
        // The engine wants two zeros before a value. The length before it, which is hashed with it, ends with them.
        let behind_zeros = value_at.start - WHOLE.len()..value_at.end;
        assert!(self.bytes[behind_zeros.clone()].starts_with(&WHOLE), "no value is so long");
        self.rows.push((key, value.map(|_| behind_zeros)));
    }

    /// Appends what `write` does, behind its length: so no two different sequences make the same bytes. Says where it stands.
    fn part(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        self.bytes[length_at..start].copy_from_slice(&length_of(end - start));
        start..end
    }

    fn named(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        self.part(|bytes| bytes.extend_from_slice(name.as_bytes()));
        self.part(write)
    }
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

    /// Puts the rows that were touched, in the order of their keys, as they are now.
    pub(crate) fn put_rows(&self, batch: &mut Batch<'_>) -> Result<(), Error> {
        let keys = self.rows.iter().map(|row| SortKey::of(&row.key));
        let mut sorted: Vec<(SortKey<'_>, usize)> = keys.zip(0..).collect();
        // Of one key the last image is last.
        sorted.sort_unstable();
        for (at, (key, image)) in sorted.iter().enumerate() {
            if sorted.get(at + 1).is_none_or(|(next, _)| next != key) {
                let RowImage { key, value } = &self.rows[*image];
                batch.put(key.clone(), value.clone())?;
            }
        }
        Ok(())
    }

    /// Takes in what one entry changed and chains its hash.
    pub(crate) fn take_in(&mut self, changes: &[Change]) {
        let mut frame = Frame {
            bytes: Vec::with_capacity(self.usual_frame.min(limits::USUAL_FRAME_BYTES)),
            rows: Vec::with_capacity(changes.len()),
            ledger: Vec::new(),
            requests: Vec::new(),
            names: 0,
        };
        frame.bytes.extend_from_slice(&self.position.chain);
        for change in changes {
            self.take_in_one(change, &mut frame);
        }
        let Frame { mut bytes, rows, ledger, requests, names } = frame;
        self.position.chain = blake3::hash(&bytes).into();
        self.usual_frame = bytes.len();
        // What the slices keep is the whole of it.
        if bytes.capacity() / 2 > bytes.len() {
            bytes.shrink_to_fit();
        }
        // A ledger entry takes as much as two rows: what it is found by is kept beside it.
        let parts = rows.len() + 2 * ledger.len() + requests.len();
        self.bytes += bytes.capacity() + names + parts * limits::WINDOW_PART_BYTES;
        let bytes = Bytes::from(bytes);
        self.rows.extend(rows.into_iter().map(|(key, value)| RowImage {
            key: bytes.slice(key),
            value: value.map(|value| bytes.slice(value)),
        }));
        let item = |revision: Revision, position, at| Item {
            revision: revision.get(),
            position,
            bytes: bytes.slice(at),
        };
        self.ledger.push(ledger.into_iter().map(|(revision, position, at)| item(revision, position, at)));
        self.requests.extend(
            requests
                .into_iter()
                .map(|(origin, revision, position, at)| (origin, item(revision, position, at))),
        );
    }

    fn take_in_one(&mut self, change: &Change, frame: &mut Frame) {
        match change {
            Change::Sku(id, sku) => {
                frame.row(|bytes| bytes.extend_from_slice(&keys::sku(id)), sku.as_ref());
            }
            Change::Location(id, location) => {
                frame.row(|bytes| bytes.extend_from_slice(&keys::location(id)), location.as_ref());
            }
            Change::Stock(key, stock) => {
                frame.row(|bytes| keys::append_stock(bytes, key), stock.as_ref());
            }
            Change::Order(id, order) => {
                frame.row(|bytes| keys::append_order(bytes, id), Some(order.as_ref()));
                self.orders.push(id.clone());
                if order_list::is_listed_anew(order) {
                    self.listed.push(Arc::clone(order));
                }
            }
            Change::Reservation(id, reservation) => {
                frame
                    .row(|bytes| bytes.extend_from_slice(&keys::reservation(id)), Some(reservation.as_ref()));
                self.reservations.push(id.clone());
            }
            Change::Document(id, document) => {
                frame.row(|bytes| bytes.extend_from_slice(&keys::document(id)), Some(document));
                self.documents.push(id.clone());
            }
            Change::Ledger(entry) => {
                let at = frame.named("ledger", |bytes| entry.append_to(bytes));
                self.position.ledger = self.ledger.chain(entry, &frame.bytes[at.clone()]);
                frame.ledger.push((entry.revision, entry.position, at));
                frame.names += LedgerItems::name_bytes(entry);
            }
            Change::Request(origin, Some(record)) => {
                let at = frame.named("request", |bytes| append_request_item(bytes, origin, Some(record)));
                frame.requests.push((origin.clone(), record.revision, record.position, at));
            }
            Change::Request(origin, None) => {
                frame.named("trimmed", |bytes| append_request_item(bytes, origin, None));
                self.position.trimmed = Some(origin.clone());
            }
            Change::Clock(clock) => {
                frame.named("clock", |bytes| clock.append_to(bytes));
                self.position.clock = *clock;
            }
        }
    }
}

fn length_of(len: usize) -> [u8; LENGTH_BYTES] {
    u64::try_from(len).expect("lengths fit 64 bits").to_le_bytes()
}

/// Appends a name and a value to what is hashed so that no two different sequences make the same bytes.
pub(crate) fn feed(framed: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    framed.extend_from_slice(&length_of(name.len()));
    framed.extend_from_slice(name);
    framed.extend_from_slice(&length_of(value.len()));
    framed.extend_from_slice(value);
}

/// A request record as an item of a page: request id (u128, little-endian), length of the principal (u8), principal, record.
pub(crate) fn encode_request_item(origin: &Origin, record: &RequestRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_request_item(&mut bytes, origin, Some(record));
    bytes
}

fn append_request_item(bytes: &mut Vec<u8>, origin: &Origin, record: Option<&RequestRecord>) {
    let principal = origin.principal.as_str().as_bytes();
    bytes.extend_from_slice(&origin.request.bits().to_le_bytes());
    bytes.push(u8::try_from(principal.len()).expect("ids have at most 128 characters"));
    bytes.extend_from_slice(principal);
    if let Some(record) = record {
        record.append_to(bytes);
    }
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

#[cfg(test)]
mod tests {
    use stockade_state_machine::ids::{LocationId, SkuId};
    use stockade_state_machine::{Stock, StockKey, Version};

    use super::*;
    use crate::engine::MemoryEngine;
    use crate::rows::{self, Digest};

    fn key(sku: &str) -> StockKey {
        StockKey { sku: SkuId::new(sku).unwrap(), location: LocationId::new("main").unwrap() }
    }

    fn put(sku: &str, available: i64) -> Change {
        let version = Version { revision: Revision::new(1), position: 0 };
        let stock = Stock::from_buckets([available, 0, 0, 0, 0, 0], version).unwrap();
        Change::Stock(key(sku), Some(stock))
    }

    fn removed(sku: &str) -> Change {
        Change::Stock(key(sku), None)
    }

    #[test]
    fn of_each_row_the_last_image_counts_and_rows_come_in_the_order_of_their_keys() {
        let mut window = Window::default();
        window.take_in(&[put("b", 1), put("a", 1), removed("b"), put("c", 1)]);
        window.take_in(&[removed("a"), put("b", 2), put("d", 1)]);
        window.take_in(&[removed("d"), put("c", 3), removed("c")]);
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        window.put_rows(&mut batch).unwrap();
        let (rows, _) = batch.finish();
        let Change::Stock(_, Some(twice)) = put("b", 2) else { unreachable!() };
        let value = |sku| (sku == "b").then(|| rows::whole(&twice.encode()));
        let expected = ["a", "b", "c", "d"].map(|sku| (keys::stock(&key(sku)).into(), value(sku)));
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_small_entry_behind_a_large_one_does_not_take_as_much() {
        let mut window = Window::default();
        let many: Vec<Change> = (0..20_000).map(|number| put(&format!("sku-{number}"), 1)).collect();
        window.take_in(&many);
        let before = window.bytes;
        window.take_in(&[put("a", 1)]);
        assert!(window.bytes - before < 4_096, "{} bytes", window.bytes - before);
    }
}
