//! Pages of lists. How many rows a page has is the node's affair, up to what was asked for; which ones they are is not: all
//! that the filter takes, from behind the page before up to where this one says that it ends.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::Range;

use crate::reads::Difference;

/// Between the parts of a key in a page token.
const KEY_SEPARATOR: char = '\n';
/// Bytes of the checksum behind the key in a page token.
const CHECKSUM_BYTES: usize = 4;
/// Rows of a page where none are asked for: "0 means 50".
const DEFAULT_PAGE_SIZE: usize = 50;
/// Rows of a page at most: "more than 1,000 is taken as 1,000".
const MAX_PAGE_SIZE: usize = 1_000;

/// The last key of the page that a token leads on from; `None` for the empty token.
fn last_key(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let (_version, rest) = bytes.split_first()?;
    let key = rest.get(..rest.len().checked_sub(CHECKSUM_BYTES)?)?;
    String::from_utf8(key.to_vec()).ok()
}

/// The two parts of a key.
pub(crate) fn parts(key: &str) -> Option<(&str, &str)> {
    key.split_once(KEY_SEPARATOR)
}

/// From where to where a page goes, and how long it may be.
pub(crate) struct Page<K> {
    /// The last row of the page before.
    pub(crate) after: Option<K>,
    /// The last row that was looked at for this one; `None` where it is the last page.
    last: Option<K>,
    /// True where a token leads on from here.
    pub(crate) leads_on: bool,
    /// True where it goes from larger keys to smaller ones.
    is_backwards: bool,
    /// Rows.
    most: usize,
}

impl<K: Ord> Page<K> {
    pub(crate) fn of(size: i32, token: &str, next: &str, key: impl Fn(&str) -> Option<K>) -> Self {
        let key = |token: &str| last_key(token).and_then(|text| key(&text));
        let most = match usize::try_from(size) {
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) => size.min(MAX_PAGE_SIZE),
            // Nothing can be asked for with it.
            Err(_) => 0,
        };
        let (after, last) = (key(token), key(next));
        Self { after, last, leads_on: !next.is_empty(), is_backwards: false, most }
    }

    /// "The newest first", where that was asked for.
    pub(crate) fn newest_first(self, is_asked_for: bool) -> Self {
        Self { is_backwards: is_asked_for, ..self }
    }

    /// True of rows up to the end of the page, which goes forwards.
    pub(crate) fn holds(&self, key: &K) -> bool {
        self.last.as_ref().is_none_or(|last| key <= last)
    }

    /// Where the page stands in rows that are in the order of their keys, whichever way it goes through them.
    pub(crate) fn place<T>(&self, rows: &[T], compare: impl Fn(&T, &K) -> Ordering) -> Range<usize> {
        let up_to = |key: &K| rows.partition_point(|row| compare(row, key).is_le());
        let before = |key: &K| rows.partition_point(|row| compare(row, key).is_lt());
        let (from, to) = if self.is_backwards {
            (self.last.as_ref().map(before), self.after.as_ref().map(before))
        } else {
            (self.after.as_ref().map(up_to), self.last.as_ref().map(up_to))
        };
        from.unwrap_or(0)..to.unwrap_or(rows.len())
    }

    /// The rows in the direction of the page.
    pub(crate) fn in_order<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.is_backwards {
            rows.reverse();
        }
        rows
    }

    /// False where a token says that there is more, and begins no further than this page does.
    fn leads_somewhere(&self) -> bool {
        match (&self.after, &self.last) {
            _ if !self.leads_on => true,
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(after), Some(last)) if self.is_backwards => last < after,
            (Some(after), Some(last)) => last > after,
        }
    }

    /// Where the rows differ from what the page should hold, or the page from what it may be.
    pub(crate) fn difference<T: PartialEq + Debug>(
        &self,
        saw: &[T],
        expected: &[T],
        name: impl Fn(&T) -> String,
    ) -> Option<Difference> {
        if saw.len() > self.most {
            let (saw, expected) = (format!("a page of {} rows", saw.len()), format!("{} at most", self.most));
            return Some(Difference { saw, expected });
        }
        if !self.leads_somewhere() {
            let saw = "a token for the next page that leads nowhere new".to_owned();
            return Some(Difference { saw, expected: "one that leads on behind this page".to_owned() });
        }
        difference(saw, expected, name)
    }
}

/// What two stretches of the same rows have in common.
pub(crate) fn overlap(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    let (from, to) = (one.start.max(other.start), one.end.min(other.end));
    from.min(to)..to
}

/// The first row in which an answer of several rows differs.
pub(crate) fn difference<T: PartialEq + Debug>(
    saw: &[T],
    expected: &[T],
    name: impl Fn(&T) -> String,
) -> Option<Difference> {
    if saw == expected {
        return None;
    }
    let first = saw.iter().zip(expected).position(|(saw, expected)| saw != expected);
    let first = first.unwrap_or_else(|| saw.len().min(expected.len()));
    let row = |rows: &[T]| rows.get(first).map_or_else(|| "no more rows".to_owned(), &name);
    let told = |rows: &[T]| format!("{} rows, of which row {} is {}", rows.len(), first + 1, row(rows));
    Some(Difference { saw: told(saw), expected: told(expected) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_token_is_between_its_version_and_its_checksum() {
        assert_eq!(last_key("01416200000000").as_deref(), Some("Ab"));
        assert_eq!(last_key(""), None);
        assert_eq!(last_key("0100"), None);
        assert_eq!(last_key("zz"), None);
    }

    fn page(after: Option<u32>, last: Option<u32>, newest_first: bool) -> Page<u32> {
        let page = Page { after, last, leads_on: last.is_some(), is_backwards: false, most: 9 };
        page.newest_first(newest_first)
    }

    #[test]
    fn a_page_stands_behind_the_one_before_and_reaches_to_its_last_row() {
        let rows = [1, 3, 5, 7];
        let place = |after, last, newest_first| page(after, last, newest_first).place(&rows, Ord::cmp);
        assert_eq!(place(None, None, false), 0..4);
        assert_eq!(place(Some(1), Some(5), false), 1..3);
        assert_eq!(place(Some(2), Some(6), false), 1..3);
        assert_eq!(place(None, None, true), 0..4);
        assert_eq!(place(Some(5), Some(3), true), 1..2);
        assert_eq!(place(Some(6), Some(2), true), 1..3);
        assert_eq!(page(None, None, true).in_order(rows.to_vec()), [7, 5, 3, 1]);
        // A token that leads back is said to lead nowhere; nothing stands between it and the page before.
        assert_eq!(overlap(&place(Some(5), Some(1), false), &(0..4)), 1..1);
    }

    #[test]
    fn a_token_leads_on_in_the_direction_of_the_list_or_nowhere() {
        for (after, last, forwards, backwards) in
            [(None, Some(3), true, true), (Some(3), Some(3), false, false), (Some(3), Some(4), true, false)]
        {
            assert_eq!(page(after, last, false).leads_somewhere(), forwards, "{after:?} {last:?}");
            assert_eq!(page(after, last, true).leads_somewhere(), backwards, "{after:?} {last:?}");
        }
        assert!(page(Some(3), None, false).leads_somewhere(), "it is the last one");
        let unreadable = Page { leads_on: true, ..page(Some(3), None, false) };
        assert!(!unreadable.leads_somewhere());
    }
}
