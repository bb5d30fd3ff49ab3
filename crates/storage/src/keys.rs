//! Keys of the rows in the engine: one byte for the kind, then what names the row. The layout is described in
//! `docs/internals/data_format.md`; a change of it is a new format version.

use stockade_state_machine::StockKey;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};

/// The one row that says up to where, and to what end, everything else was applied.
pub(crate) const APPLIED: &[u8] = b"A";
/// Kind of a document row.
pub(crate) const DOCUMENT: u8 = b'd';
/// Kind of a reservation row: it is what holds units.
pub(crate) const RESERVATION: u8 = b'h';
/// Kind of a SKU row.
pub(crate) const SKU: u8 = b'k';
/// Kind of a page of ledger entries.
pub(crate) const LEDGER: u8 = b'l';
/// Kind of the index's rows. Before all but the applied row: a pass over all rows has them behind it early, and needn't keep those that
/// are removed meanwhile.
pub(crate) const INDEX: u8 = b'X';
/// Kind of a location row.
pub(crate) const LOCATION: u8 = b'p';
/// Kind of an order row.
pub(crate) const ORDER: u8 = b'o';
/// Kind of a page of request records.
pub(crate) const REQUEST: u8 = b'r';
/// Kind of a stock row.
pub(crate) const STOCK: u8 = b's';

/// Stands between the parts of a key. Sorts before every character of an id, so that keys sort as ids do.
pub(crate) const SEPARATOR: u8 = 0;

/// True for the applied row, and for the rows that its value continues in.
pub(crate) fn is_applied(key: &[u8]) -> bool {
    key.starts_with(APPLIED)
}

fn id_key(kind: u8, id: &impl AsRef<[u8]>) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + id.as_ref().len());
    append_id(&mut key, kind, id);
    key
}

fn append_id(bytes: &mut Vec<u8>, kind: u8, id: &impl AsRef<[u8]>) {
    bytes.push(kind);
    bytes.extend_from_slice(id.as_ref());
}

pub(crate) fn sku(id: &SkuId) -> Vec<u8> {
    id_key(SKU, id)
}

pub(crate) fn location(id: &LocationId) -> Vec<u8> {
    id_key(LOCATION, id)
}

pub(crate) fn stock(key: &StockKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_stock(&mut bytes, key);
    bytes
}

/// Appends what [`stock`] gives.
pub(crate) fn append_stock(bytes: &mut Vec<u8>, key: &StockKey) {
    append_id(bytes, STOCK, &key.sku);
    append_id(bytes, SEPARATOR, &key.location);
}

pub(crate) fn order(id: &OrderId) -> Vec<u8> {
    id_key(ORDER, id)
}

/// Appends what [`order`] gives.
pub(crate) fn append_order(bytes: &mut Vec<u8>, id: &OrderId) {
    append_id(bytes, ORDER, id);
}

pub(crate) fn reservation(id: &ReservationId) -> Vec<u8> {
    id_key(RESERVATION, id)
}

pub(crate) fn document(id: &DocumentId) -> Vec<u8> {
    id_key(DOCUMENT, id)
}

/// A page is named by its first item: log index and position, big-endian, so that pages sort in log order.
pub(crate) fn page(kind: u8, revision: u64, position: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(13);
    key.push(kind);
    key.extend_from_slice(&revision.to_be_bytes());
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// The first entry in the key of a row of ledger entries; `None` for a row that such a one continues in, and of another kind.
pub(crate) fn ledger_row_of(key: &[u8]) -> Option<(u64, u32)> {
    let (revision, position) = key.strip_prefix(&[LEDGER])?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*revision), u32::from_be_bytes(position.try_into().ok()?)))
}

/// The log index in the key of a page.
pub(crate) fn page_revision(key: &[u8]) -> Option<u64> {
    key.get(1..)?.first_chunk().map(|revision| u64::from_be_bytes(*revision))
}

/// The id in the key of a SKU, location, order, reservation or document row.
pub(crate) fn id_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(1..)?).ok()
}

/// SKU and location in the key of a stock row.
pub(crate) fn stock_key_of(key: &[u8]) -> Option<(&str, &str)> {
    id_of(key)?.split_once(char::from(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::ids::LocationId;

    use super::*;

    #[test]
    fn stock_rows_sort_by_sku_then_location() {
        let key = |sku: &str, location: &str| {
            stock(&StockKey { sku: SkuId::new(sku).unwrap(), location: LocationId::new(location).unwrap() })
        };
        let sorted = [key("A", "x"), key("A", "y"), key("A!", "a"), key("AB", "a"), key("B", "a")];
        assert!(sorted.is_sorted());
        assert_eq!(stock_key_of(&sorted[1]), Some(("A", "y")));
    }

    #[test]
    fn pages_sort_in_log_order() {
        assert!(page(LEDGER, 1, 300) < page(LEDGER, 2, 0));
        assert!(page(LEDGER, 255, 0) < page(LEDGER, 256, 0));
        assert_eq!(page_revision(&page(LEDGER, 256, 7)), Some(256));
        assert_eq!(page_revision(b"l"), None);
    }
}
