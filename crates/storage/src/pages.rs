//! Pages: many small items that are written once and never changed (ledger entries, request records) share a row.
//!
//! A page is a sequence of items: revision (u64), position (u32), length (u32), all little-endian, and the item's bytes.
//! Which items share a page depends on when a node wrote them, so pages stay out of the state hash; items are under it.

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
    pub(crate) bytes: Vec<u8>,
}

/// Packs items, which are in order, into pages; each with its first item's name.
pub(crate) fn pack(items: &[Item]) -> Vec<(u64, u32, Vec<u8>)> {
    let mut pages: Vec<(u64, u32, Vec<u8>)> = Vec::new();
    for item in items {
        let size = ITEM_HEADER_BYTES + item.bytes.len();
        let fits = pages.last().is_some_and(|(_, _, page)| page.len() + size <= limits::MAX_ROW_BYTES);
        if !fits {
            pages.push((item.revision, item.position, Vec::with_capacity(limits::MAX_ROW_BYTES.max(size))));
        }
        let (_, _, page) = pages.last_mut().expect("pushed where there was none");
        page.extend_from_slice(&item.revision.to_le_bytes());
        page.extend_from_slice(&item.position.to_le_bytes());
        let len = u32::try_from(item.bytes.len()).expect("items are bounded by the size of a command");
        page.extend_from_slice(&len.to_le_bytes());
        page.extend_from_slice(&item.bytes);
    }
    pages
}

/// The items of a page.
pub(crate) fn unpack(mut page: &[u8]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    while !page.is_empty() {
        let (item, rest) = unpack_one(page).ok_or_else(|| Error::Engine("a page is cut short".to_owned()))?;
        items.push(item);
        page = rest;
    }
    Ok(items)
}

fn unpack_one(page: &[u8]) -> Option<(Item, &[u8])> {
    let (revision, position, bytes, rest) = split_one(page)?;
    Some((Item { revision, position, bytes: bytes.to_vec() }, rest))
}

/// The bytes of a page's items, in order, without a copy. It ends after an error.
pub(crate) fn items(mut page: &[u8]) -> impl Iterator<Item = Result<&[u8], Error>> {
    std::iter::from_fn(move || {
        if page.is_empty() {
            return None;
        }
        let split = split_one(page);
        page = split.map_or(&[], |(_, _, _, rest)| rest);
        let bytes = split.map(|(_, _, bytes, _)| bytes);
        Some(bytes.ok_or_else(|| Error::Engine("a page is cut short".to_owned())))
    })
}

/// Revision, position and bytes of the first item, and what follows.
fn split_one(page: &[u8]) -> Option<(u64, u32, &[u8], &[u8])> {
    let (revision, rest) = page.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (bytes, rest) = rest.split_at_checked(len)?;
    Some((u64::from_le_bytes(*revision), u32::from_le_bytes(*position), bytes, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_order_from_pages_of_bounded_size() {
        let item = |position: u32, len: usize| Item { revision: 7, position, bytes: vec![9; len] };
        let items: Vec<_> = (0..100).map(|n| item(n, 100)).chain([item(100, 10_000), item(101, 1)]).collect();
        let pages = pack(&items);
        assert!(pages.iter().filter(|(_, _, page)| page.len() > limits::MAX_ROW_BYTES).count() == 1);
        let back: Vec<_> = pages.iter().flat_map(|(_, _, page)| unpack(page).unwrap()).collect();
        assert_eq!(back, items);
        assert_eq!((pages[0].0, pages[0].1), (7, 0));
    }

    #[test]
    fn a_cut_page_is_an_error() {
        let pages = pack(&[Item { revision: 1, position: 0, bytes: vec![1, 2, 3] }]);
        let page = &pages[0].2;
        assert!((1..page.len()).all(|len| unpack(&page[..len]).is_err()));
        assert!((1..page.len()).all(|len| items(&page[..len]).any(|item| item.is_err())));
        assert_eq!(items(page).map(Result::unwrap).collect::<Vec<_>>(), [[1, 2, 3]]);
    }
}
