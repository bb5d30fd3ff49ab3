//! Rows of ledger entries: a page, and before it the chain as it is before the page's first entry. Each entry of the page stands behind its tag.

use super::chain::{Chain, TAG_BYTES};
use crate::pages::{self, Item};
use crate::postings::RowKey;
use crate::{Error, keys};

/// Bytes of the hash that a row begins with.
const BEFORE_BYTES: usize = 32;

/// Entries that are to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct LedgerItems {
    /// The chain before the first.
    before: Chain,
    /// The frozen forms. As many as hashes, once an entry of the log is taken in.
    items: Vec<Item>,
    /// The hash after each.
    hashes: Vec<[u8; 32]>,
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

    /// Chains the frozen form of the next entry; gives the chain after it. Its item follows.
    pub(crate) fn chain(&mut self, entry: &[u8]) -> Chain {
        let chain = self.end().with(entry);
        self.hashes.push(chain.hash);
        chain
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
            let items = &self.items[first..first + page.items];
            first += page.items;
            let key = keys::page(keys::LEDGER, page.revision, page.position);
            let value = [before.as_slice(), &page.bytes].concat();
            LedgerRowWrite { first: (page.revision, page.position), key, value, items }
        };
        let tags = self.hashes.iter().map(|hash| &hash[..TAG_BYTES]);
        pages::pack_behind(tags.zip(&self.items)).into_iter().map(row).collect()
    }
}

/// A row that is to be written.
pub(crate) struct LedgerRowWrite<'a> {
    /// Revision and position of its first entry.
    pub(crate) first: RowKey,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    items: &'a [Item],
}

impl LedgerRowWrite<'_> {
    /// The frozen forms of its entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().map(|item| &item.bytes[..])
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
