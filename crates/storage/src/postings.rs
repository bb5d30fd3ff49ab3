//! What stands in the index: byte strings that sort as lists go on. Each begins with the byte of its kind and what is looked for; then
//! comes where it is found.
//!
//! Of the ledger, a posting names the row of entries, so that many movements of one SKU at a time take one posting. Of orders, it names when the
//! order was placed, and the order.

use std::sync::Arc;

use stockade_state_machine::LogTime;
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{CustomerId, LocationId, OrderId, SkuId};
use stockade_state_machine::order::{Order, OrderState};

use crate::codec::LedgerNames;
use crate::index::Gathered;
use crate::keys::SEPARATOR;
use crate::order_list::OrderKey;
use crate::sort_key::SortKey;
use crate::{Error, order_list};

/// Movements of a SKU at a location.
const MOVED: u8 = b'm';
/// Movements of a SKU, wherever.
const MOVED_ANYWHERE: u8 = b'n';
/// Movements at a location.
const MOVED_AT: u8 = b'l';
/// Movements by an order.
const MOVED_BY_ORDER: u8 = b'o';
/// Movements by a reservation.
const MOVED_BY_RESERVATION: u8 = b'h';
/// Orders of a customer.
const OF_CUSTOMER: u8 = b'c';
/// Orders with a line of a SKU.
const WITH_SKU: u8 = b'k';
/// Orders that were settled in a state.
const IN_STATE: u8 = b's';
/// All orders.
const PLACED: u8 = b't';

/// Bytes of what names a row of ledger entries.
const ROW_BYTES: usize = 12;

/// The first entry of a row: log index and position.
pub(crate) type RowKey = (u64, u32);

/// Everything that is found under one prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix(Vec<u8>);

impl Prefix {
    fn of(kind: u8, parts: &[&str]) -> Self {
        let mut bytes = Vec::new();
        append_prefix(&mut bytes, kind, parts.iter().map(|part| part.as_bytes()));
        Self(bytes)
    }

    /// Movements of a SKU, wherever.
    pub(crate) fn moved_anywhere(sku: &SkuId) -> Self {
        Self::of(MOVED_ANYWHERE, &[sku.as_str()])
    }

    /// The same by location.
    pub(crate) fn moved_by_location(sku: &SkuId) -> Self {
        Self::of(MOVED, &[sku.as_str()])
    }

    /// Movements of a SKU at a location.
    pub(crate) fn moved(sku: &SkuId, location: &LocationId) -> Self {
        Self::of(MOVED, &[sku.as_str(), location.as_str()])
    }

    /// Movements at a location.
    pub(crate) fn moved_at(location: &LocationId) -> Self {
        Self::of(MOVED_AT, &[location.as_str()])
    }

    /// Movements by an order or a reservation.
    pub(crate) fn moved_by(holder: &Holder) -> Self {
        match holder {
            Holder::Order(id) => Self::of(MOVED_BY_ORDER, &[id.as_str()]),
            Holder::Reservation(id) => Self::of(MOVED_BY_RESERVATION, &[id.as_str()]),
        }
    }

    /// All orders.
    pub(crate) fn placed() -> Self {
        Self::of(PLACED, &[])
    }

    /// Orders of a customer.
    pub(crate) fn of_customer(customer: &CustomerId) -> Self {
        Self::of(OF_CUSTOMER, &[customer.as_str()])
    }

    /// Orders with a line of a SKU.
    pub(crate) fn with_sku(sku: &SkuId) -> Self {
        Self::of(WITH_SKU, &[sku.as_str()])
    }

    /// Orders that were settled in a state, by their lines alone.
    pub(crate) fn in_state(state: OrderState) -> Self {
        Self(vec![IN_STATE, state_number(state)])
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The posting of a row of ledger entries.
    pub(crate) fn row(&self, row: RowKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + ROW_BYTES);
        bytes.extend_from_slice(&self.0);
        append_row(&mut bytes, row);
        bytes
    }

    /// The posting of an order.
    pub(crate) fn order(&self, created: LogTime, id: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + 8 + id.len());
        bytes.extend_from_slice(&self.0);
        append_order(&mut bytes, created, id);
        bytes
    }

    /// The row that a posting names.
    pub(crate) fn row_of(posting: &[u8]) -> Result<RowKey, Error> {
        let named = posting.last_chunk::<ROW_BYTES>().ok_or_else(|| damaged(posting))?;
        let (revision, position) = named.split_first_chunk::<8>().expect("twelve bytes");
        let position = position.try_into().expect("the other four");
        Ok((u64::from_be_bytes(*revision), u32::from_be_bytes(position)))
    }

    /// When the order that a posting of this prefix names was placed, and its id.
    pub(crate) fn order_of(&self, posting: &[u8]) -> Result<OrderKey, Error> {
        let split = || {
            let (created, id) = posting.strip_prefix(self.bytes())?.split_first_chunk::<8>()?;
            let id = OrderId::new(std::str::from_utf8(id).ok()?).ok()?;
            Some((LogTime::from_micros(u64::from_be_bytes(*created)), id))
        };
        split().ok_or_else(|| damaged(posting))
    }

    /// The location that a posting of [`Prefix::moved_by_location`] names.
    pub(crate) fn location_of(&self, posting: &[u8]) -> Result<LocationId, Error> {
        let split = || {
            let rest = posting.strip_prefix(self.bytes())?;
            let end = rest.len().checked_sub(ROW_BYTES + 1)?;
            LocationId::new(std::str::from_utf8(rest.get(..end)?).ok()?).ok()
        };
        split().ok_or_else(|| damaged(posting))
    }

    /// Comes after everything that is found under this prefix, and before what is found under longer names.
    pub(crate) fn behind(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        // Names hold no character between the two.
        if let Some(last) = bytes.last_mut() {
            *last = SEPARATOR + 1;
        }
        bytes
    }
}

fn append_prefix<'a>(bytes: &mut Vec<u8>, kind: u8, parts: impl IntoIterator<Item = &'a [u8]>) {
    bytes.push(kind);
    for part in parts {
        bytes.extend_from_slice(part);
        bytes.push(SEPARATOR);
    }
}

fn append_row(bytes: &mut Vec<u8>, (revision, position): RowKey) {
    bytes.extend_from_slice(&revision.to_be_bytes());
    bytes.extend_from_slice(&position.to_be_bytes());
}

fn append_order(bytes: &mut Vec<u8>, created: LogTime, id: &str) {
    bytes.extend_from_slice(&created.micros().to_be_bytes());
    bytes.extend_from_slice(id.as_bytes());
}

fn damaged(posting: &[u8]) -> Error {
    Error::Engine(format!("no posting of ours: {}", String::from_utf8_lossy(posting)))
}

/// Numbers in postings: never to be changed.
fn state_number(state: OrderState) -> u8 {
    match state {
        OrderState::PendingPayment => 1,
        OrderState::Confirmed => 2,
        OrderState::PartiallyShipped => 3,
        OrderState::Shipped => 4,
        OrderState::Closed => 5,
        OrderState::Cancelled => 6,
        OrderState::Expired => 7,
        OrderState::PartiallyReturned => 8,
        OrderState::Returned => 9,
    }
}

/// Adds what a row of ledger entries is found by: once, however many of them have a name.
pub(crate) fn add_ledger_row<'a>(
    row: RowKey,
    entries: impl Iterator<Item = LedgerNames<'a>>,
    postings: &mut Gathered,
) {
    let (mut stock, mut locations) = (Vec::new(), Vec::new());
    let (mut orders, mut reservations) = (Vec::new(), Vec::new());
    let name = |text: &'a str| SortKey::of(text.as_bytes());
    for entry in entries {
        let location = name(entry.location);
        stock.push((name(entry.sku), location));
        // Those of one command stand side by side.
        push_if_new(location, &mut locations);
        if let Some(id) = entry.order {
            push_if_new(name(id), &mut orders);
        }
        if let Some(id) = entry.reservation {
            push_if_new(name(id), &mut reservations);
        }
    }
    let mut add = |kind, parts: &[SortKey<'_>]| {
        postings.add(|bytes| {
            append_prefix(bytes, kind, parts.iter().map(SortKey::bytes));
            append_row(bytes, row);
        });
    };
    let stock = distinct(stock);
    for (sku, location) in &stock {
        add(MOVED, &[*sku, *location]);
    }
    let mut skus: Vec<SortKey<'_>> = stock.into_iter().map(|(sku, _)| sku).collect();
    skus.dedup();
    for (kind, names) in [
        (MOVED_ANYWHERE, skus),
        (MOVED_AT, distinct(locations)),
        (MOVED_BY_ORDER, distinct(orders)),
        (MOVED_BY_RESERVATION, distinct(reservations)),
    ] {
        for name in names {
            add(kind, &[name]);
        }
    }
}

/// Adds a name that is not the last one.
fn push_if_new<'a>(name: SortKey<'a>, names: &mut Vec<SortKey<'a>>) {
    if names.last() != Some(&name) {
        names.push(name);
    }
}

/// Each once, in order.
fn distinct<T: Ord>(mut names: Vec<T>) -> Vec<T> {
    names.sort_unstable();
    names.dedup();
    names
}

/// Adds what orders are found by, as they were when lists came to find them by more.
pub(crate) fn add_orders(orders: &[Arc<Order>], postings: &mut Gathered) {
    for order in orders {
        if order_list::is_new(order) {
            add_placed(order, postings);
        }
        if order.is_settled() {
            add_settled(order, postings);
        }
    }
}

/// Adds what an order is found by from its placement on.
pub(crate) fn add_placed(order: &Order, postings: &mut Gathered) {
    let id = order.id.as_str();
    let mut add = |kind, part: Option<&str>| {
        postings.add(|bytes| {
            append_prefix(bytes, kind, part.map(str::as_bytes));
            append_order(bytes, order.created, id);
        });
    };
    add(PLACED, None);
    if let Some(customer) = &order.customer {
        add(OF_CUSTOMER, Some(customer.as_str()));
    }
    let mut skus: Vec<&SkuId> = order.lines.iter().map(|line| &line.sku).collect();
    // Among thousands of lines one SKU may stand in each.
    skus.sort_unstable();
    skus.dedup();
    for sku in skus {
        add(WITH_SKU, Some(sku.as_str()));
    }
}

/// Adds what an order is found by once nothing of it is held or owed any more.
pub(crate) fn add_settled(order: &Order, postings: &mut Gathered) {
    let prefix = Prefix::in_state(order.state());
    postings.add(|bytes| {
        bytes.extend_from_slice(prefix.bytes());
        append_order(bytes, order.created, order.id.as_str());
    });
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::ids::ReservationId;

    use super::*;

    #[test]
    fn a_row_of_movements_is_found_once_by_each_name() {
        let entry = |(sku, location, order, reservation)| LedgerNames {
            sku,
            location,
            order,
            reservation,
            time: LogTime::default(),
        };
        let entries = [
            ("mug", "main", Some("o1"), None),
            ("bowl", "main", Some("o2"), None),
            ("mug", "annex", Some("o1"), Some("r1")),
            ("mug", "main", None, Some("r2")),
            ("mug", "annex", None, Some("r1")),
        ];
        let mut postings = Gathered::default();
        add_ledger_row((7, 3), entries.into_iter().map(entry), &mut postings);
        let (sku, location) = (|id| SkuId::new(id).unwrap(), |id| LocationId::new(id).unwrap());
        let order = |id| Prefix::moved_by(&Holder::Order(OrderId::new(id).unwrap()));
        let reservation = |id| Prefix::moved_by(&Holder::Reservation(ReservationId::new(id).unwrap()));
        let expected = [
            Prefix::moved_at(&location("annex")),
            Prefix::moved_at(&location("main")),
            Prefix::moved(&sku("bowl"), &location("main")),
            Prefix::moved(&sku("mug"), &location("annex")),
            Prefix::moved(&sku("mug"), &location("main")),
            Prefix::moved_anywhere(&sku("bowl")),
            Prefix::moved_anywhere(&sku("mug")),
            order("o1"),
            order("o2"),
            reservation("r1"),
            reservation("r2"),
        ];
        let mut expected: Vec<_> = expected.iter().map(|prefix| prefix.row((7, 3))).collect();
        expected.sort();
        assert_eq!(postings.len(), expected.len(), "each is added once");
        let sorted = postings.sorted().unwrap();
        assert!(sorted.iter().map(SortKey::bytes).eq(expected.iter().map(|posting| &posting[..])));
    }

    #[test]
    fn an_order_is_found_once_by_a_sku_of_many_lines() {
        let mut order = crate::order_list::tests::order(1);
        let line = order.lines[0].clone();
        order.lines.extend(std::iter::repeat_n(line, 1_000));
        let mut postings = Gathered::default();
        add_placed(&order, &mut postings);
        assert_eq!(postings.len(), 3, "with all orders, those of the customer, those with the SKU");
    }
}
