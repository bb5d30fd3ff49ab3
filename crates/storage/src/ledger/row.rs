//! Rows of ledger entries: a page, and before it the chain as it is before the page's first entry. Each entry of the page stands behind its tag.

use bytes::Bytes;
use stockade_state_machine::LogTime;
use stockade_state_machine::ids::{LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;

use super::chain::{Chain, TAG_BYTES};
use crate::codec::LedgerNames;
use crate::pages::{self, Item};
use crate::postings::RowKey;
use crate::rows::WHOLE;
use crate::{Error, keys};

/// Bytes of the hash that a row begins with.
const BEFORE_BYTES: usize = 32;

/// Entries that are to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct LedgerItems {
    /// The chain before the first.
    before: Chain,
    /// The frozen forms. As many as names and hashes, once an entry of the log is taken in.
    items: Vec<Item>,
    /// What each is found by.
    names: Vec<Names>,
    /// The hash after each.
    hashes: Vec<[u8; 32]>,
}

/// What an entry is found by, kept so that it need not be decoded for that.
#[derive(Debug)]
struct Names {
    sku: SkuId,
    location: LocationId,
    order: Option<OrderId>,
    reservation: Option<ReservationId>,
    time: LogTime,
}

impl Names {
    fn of(entry: &LedgerEntry) -> Self {
        Self {
            sku: entry.sku.clone(),
            location: entry.location.clone(),
            order: entry.order.clone(),
            reservation: entry.reservation.clone(),
            time: entry.time,
        }
    }

    fn view(&self) -> LedgerNames<'_> {
        LedgerNames {
            sku: self.sku.as_str(),
            location: self.location.as_str(),
            order: self.order.as_ref().map(OrderId::as_str),
            reservation: self.reservation.as_ref().map(ReservationId::as_str),
            time: self.time,
        }
    }
}

impl LedgerItems {
    /// None yet, after a chain.
    pub(crate) fn after(before: Chain) -> Self {
        Self { before, ..Self::default() }
    }

    /// The chain after all of them.
    fn end(&self) -> Chain {
        let entries = self.before.entries + u64::try_from(self.hashes.len()).expect("lengths fit 64 bits");
        Chain { entries, hash: self.hashes.last().copied().unwrap_or(self.before.hash) }
    }

    /// Chains the next entry by its frozen form; gives the chain after it. Its item follows.
    pub(crate) fn chain(&mut self, entry: &LedgerEntry, frozen: &[u8]) -> Chain {
        let chain = self.end().with(frozen);
        self.hashes.push(chain.hash);
        self.names.push(Names::of(entry));
        chain
    }

    /// Bytes of the names that are kept of an entry.
    pub(crate) fn name_bytes(entry: &LedgerEntry) -> usize {
        let order = entry.order.as_ref().map_or(0, |id| id.as_ref().len());
        let reservation = entry.reservation.as_ref().map_or(0, |id| id.as_ref().len());
        entry.sku.as_ref().len() + entry.location.as_ref().len() + order + reservation
    }

    /// Takes the items of the entries that were chained.
    pub(crate) fn push(&mut self, items: impl IntoIterator<Item = Item>) {
        self.items.extend(items);
    }

    /// The rows that hold them.
    pub(crate) fn rows(&self) -> Vec<LedgerRowWrite<'_>> {
        let mut first = 0_usize;
        let row = |page: pages::Page| {
            let before = first.checked_sub(1).map_or(&self.before.hash, |last: usize| &self.hashes[last]);
            let names = &self.names[first..first + page.items];
            first += page.items;
            let key = keys::page(keys::LEDGER, page.revision, page.position).into();
            let value = [&WHOLE, before.as_slice(), &page.bytes].concat().into();
            LedgerRowWrite { first: (page.revision, page.position), key, value, names }
        };
        let tags = self.hashes.iter().map(|hash| &hash[..TAG_BYTES]);
        pages::pack_behind(tags.zip(&self.items)).into_iter().map(row).collect()
    }
}

/// A row that is to be written.
pub(crate) struct LedgerRowWrite<'a> {
    /// Revision and position of its first entry.
    pub(crate) first: RowKey,
    pub(crate) key: Bytes,
    /// Behind [`WHOLE`].
    pub(crate) value: Bytes,
    names: &'a [Names],
}

impl LedgerRowWrite<'_> {
    /// What its entries are found by.
    pub(crate) fn names(&self) -> impl Iterator<Item = LedgerNames<'_>> {
        self.names.iter().map(Names::view)
    }
}

/// A row that was read.
#[derive(Debug)]
pub(crate) struct LedgerRow {
    /// The hash before its first entry.
    pub(crate) before: [u8; 32],
    page: Vec<u8>,
}

/// An entry as it stands in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredEntry<'a> {
    pub(crate) revision: u64,
    pub(crate) position: u32,
    /// The beginning of the hash after it.
    pub(crate) tag: [u8; TAG_BYTES],
    /// The frozen form.
    pub(crate) bytes: &'a [u8],
}

impl LedgerRow {
    /// Of a value in the engine.
    pub(crate) fn open(value: &[u8]) -> Result<Self, Error> {
        let (before, page) = value.split_first_chunk::<BEFORE_BYTES>().ok_or_else(cut_short)?;
        Ok(Self { before: *before, page: pages::open(page)? })
    }

    /// Its entries, in order. It ends after an error.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<StoredEntry<'_>, Error>> {
        pages::items(&self.page).map(|item| {
            let (revision, position, bytes) = item?;
            let (tag, bytes) = bytes.split_first_chunk::<TAG_BYTES>().ok_or_else(cut_short)?;
            Ok(StoredEntry { revision, position, tag: *tag, bytes })
        })
    }
}

fn cut_short() -> Error {
    Error::Engine("a row of ledger entries is cut short".to_owned())
}
