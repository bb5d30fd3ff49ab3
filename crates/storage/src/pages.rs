//! Pages: many small items that are written once and never changed (ledger entries, request records) share a row.
//!
//! A page is its raw length (u32) and an LZ4 block. Raw, it is a sequence of items: revision (u64), position (u32), length (u32), and
//! the item's bytes; all integers little-endian. Which items share a page depends on when a node wrote them, so pages stay out of the state
//! hash; items are under it.

use bytes::Bytes;

use crate::{Error, limits};

const ITEM_HEADER_BYTES: usize = 16;

/// An item of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Log index.
    pub(crate) revision: u64,
    /// Position among the items of that index.
    pub(crate) position: u32,
    /// The frozen form.
    pub(crate) bytes: Bytes,
}

/// Revision, position and bytes of an item.
type Borrowed<'a> = (u64, u32, &'a [u8]);

/// A page, named by its first item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Log index of the first item.
    pub(crate) revision: u64,
    /// Position of the first item.
    pub(crate) position: u32,
    /// How many items it holds.
    pub(crate) items: usize,
    /// What goes into the engine.
    pub(crate) bytes: Vec<u8>,
}

/// Packs items, which are in order, into pages.
pub(crate) fn pack<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<Page> {
    pack_behind(items.into_iter().map(|item| (&[][..], item)))
}

/// The same, with bytes that stand before those of each item.
pub(crate) fn pack_behind<'a>(items: impl IntoIterator<Item = (&'a [u8], &'a Item)>) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut raw = Vec::with_capacity(limits::PAGE_BYTES);
    let mut open: Option<Page> = None;
    for (before, item) in items {
        let len = before.len() + item.bytes.len();
        let size = ITEM_HEADER_BYTES + len;
        if raw.len() + size > limits::PAGE_BYTES {
            pages.extend(open.take().map(|page| close(page, &mut raw)));
        }
        let page = open.get_or_insert(Page {
            revision: item.revision,
            position: item.position,
            items: 0,
            bytes: Vec::new(),
        });
        page.items += 1;
        raw.extend_from_slice(&item.revision.to_le_bytes());
        raw.extend_from_slice(&item.position.to_le_bytes());
        raw.extend_from_slice(&length(len).to_le_bytes());
        raw.extend_from_slice(before);
        raw.extend_from_slice(&item.bytes);
    }
    pages.extend(open.map(|page| close(page, &mut raw)));
    pages
}

fn close(mut page: Page, raw: &mut Vec<u8>) -> Page {
    let packed = lz4_flex::block::compress(raw);
    page.bytes.reserve_exact(4 + packed.len());
    page.bytes.extend_from_slice(&length(raw.len()).to_le_bytes());
    page.bytes.extend_from_slice(&packed);
    raw.clear();
    page
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("items are bounded by the size of a command")
}

/// A page's raw form.
pub(crate) fn open(page: &[u8]) -> Result<Vec<u8>, Error> {
    let (len, packed) = page.split_first_chunk::<4>().ok_or_else(cut_short)?;
    // What a damaged length can make us allocate is bounded.
    let len = usize::try_from(u32::from_le_bytes(*len)).ok().filter(|len| *len <= limits::MAX_PAGE_BYTES);
    let len = len.ok_or_else(|| Error::Engine("a page's length is out of range".to_owned()))?;
    let raw = lz4_flex::block::decompress(packed, len)
        .map_err(|error| Error::Engine(format!("a page does not unpack: {error}")))?;
    if raw.len() == len { Ok(raw) } else { Err(cut_short()) }
}

/// The items of a page.
pub(crate) fn unpack(page: &[u8]) -> Result<Vec<Item>, Error> {
    let raw = Bytes::from(open(page)?);
    let own =
        |(revision, position, bytes): Borrowed<'_>| Item { revision, position, bytes: raw.slice_ref(bytes) };
    items(&raw).map(|item| item.map(own)).collect()
}

/// The items in a page's raw form, in order and without a copy. It ends after an error.
pub(crate) fn items(mut raw: &[u8]) -> impl Iterator<Item = Result<Borrowed<'_>, Error>> {
    std::iter::from_fn(move || {
        if raw.is_empty() {
            return None;
        }
        let split = split_one(raw);
        raw = split.map_or(&[], |(_, rest)| rest);
        Some(split.map(|(item, _)| item).ok_or_else(cut_short))
    })
}

/// The first item, and what follows.
fn split_one(raw: &[u8]) -> Option<(Borrowed<'_>, &[u8])> {
    let (revision, rest) = raw.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (bytes, rest) = rest.split_at_checked(len)?;
    Some(((u64::from_le_bytes(*revision), u32::from_le_bytes(*position), bytes), rest))
}

fn cut_short() -> Error {
    Error::Engine("a page is cut short".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(position: u32, len: usize) -> Item {
        Item { revision: 7, position, bytes: vec![9; len].into() }
    }

    #[test]
    fn items_come_back_in_order_from_pages_of_bounded_size() {
        let last = limits::PAGE_BYTES * 2;
        let items: Vec<_> =
            (0..1_000).map(|n| item(n, 100)).chain([item(1_000, last), item(1_001, 1)]).collect();
        let pages = pack(&items);
        let raw: Vec<_> = pages.iter().map(|page| open(&page.bytes).unwrap()).collect();
        assert!(raw.iter().filter(|raw| raw.len() > limits::PAGE_BYTES).count() == 1);
        let back: Vec<_> = pages.iter().flat_map(|page| unpack(&page.bytes).unwrap()).collect();
        assert_eq!(back, items);
        assert_eq!(pages.iter().map(|page| page.items).sum::<usize>(), items.len());
        assert_eq!((pages[0].revision, pages[0].position), (7, 0));
        assert_eq!(pages[1].position, u32::try_from(pages[0].items).unwrap());
    }

    #[test]
    fn nothing_is_packed_into_no_page() {
        assert_eq!(pack(&[]), []);
    }

    #[test]
    fn items_that_are_alike_take_a_fraction_of_their_size() {
        let items: Vec<_> = (0..100).map(|n| item(n, 100)).collect();
        let pages = pack(&items);
        assert!(pages.iter().map(|page| page.bytes.len()).sum::<usize>() < 100 * 100 / 4);
    }

    #[test]
    fn a_cut_page_is_an_error() {
        let pages = pack(&[item(0, 300), Item { revision: 1, position: 1, bytes: (0..=255).collect() }]);
        let page = &pages[0].bytes;
        assert!((0..page.len()).all(|len| unpack(&page[..len]).is_err()));
    }

    #[test]
    fn a_page_whose_items_do_not_fill_it_is_an_error() {
        let raw = open(&pack(&[item(0, 3)])[0].bytes).unwrap();
        assert!((1..raw.len()).all(|len| items(&raw[..len]).any(|item| item.is_err())));
        assert_eq!(items(&raw).map(Result::unwrap).collect::<Vec<_>>(), [(7, 0, &[9, 9, 9][..])]);
    }

    #[test]
    fn a_page_that_claims_to_be_huge_is_an_error() {
        let mut page = pack(&[item(0, 3)])[0].bytes.clone();
        page[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(open(&page).is_err());
    }
}
