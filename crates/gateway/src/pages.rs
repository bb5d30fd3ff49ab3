//! Pages of lists: sizes, and the opaque tokens that lead from one page to the next.
//!
//! A token holds the last key of its page, so that nothing that lasts throughout is skipped or repeated (AIP-158). It is
//! bound to the list and its filters by a checksum: a token of another list is refused rather than misread.

use std::fmt::{Display, Write};

use prost::Message;
use stockade_state_machine::LogTime;

use crate::failure::Failure;
use crate::limits;
use crate::validate::Violations;

/// The format of tokens; a token of another version is refused, and the caller starts over.
const VERSION: u8 = 1;

/// Between the two parts of a key in a page token: ids are visible ASCII and never hold it.
const KEY_SEPARATOR: char = '\n';

/// What a token belongs to: the list's name and its filters.
pub(crate) struct Scope(u32);

impl Scope {
    /// Of a list and the filters of this call.
    pub(crate) fn new(list: &str, filters: &[&str]) -> Self {
        let mut sum = crc32c::crc32c(list.as_bytes());
        for filter in filters {
            // The separator keeps ("ab", "") apart from ("a", "b"): ids are visible ASCII and never hold it.
            sum = crc32c::crc32c_append(sum, b"\n");
            sum = crc32c::crc32c_append(sum, filter.as_bytes());
        }
        Self(sum)
    }

    /// The token that goes on after a key.
    pub(crate) fn token(&self, last_key: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(last_key.as_bytes());
        let sum = crc32c::crc32c_append(self.0, &bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        let mut token = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(token, "{byte:02x}").expect("a string takes whatever is written");
        }
        token
    }

    /// The key in a token; `None` for the empty token of the first page.
    pub(crate) fn last_key(&self, token: &str) -> Result<Option<String>, Failure> {
        if token.is_empty() {
            return Ok(None);
        }
        self.decode(token).map(Some).ok_or(Failure::PageTokenInvalid)
    }

    fn decode(&self, token: &str) -> Option<String> {
        let bytes = from_hex(token)?;
        let (content, sum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c_append(self.0, content) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (version, key) = content.split_first()?;
        if *version != VERSION {
            return None;
        }
        String::from_utf8(key.to_vec()).ok()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// A key of two parts, as a page token holds it.
pub(crate) fn key(first: &dyn Display, second: &dyn Display) -> String {
    format!("{first}{KEY_SEPARATOR}{second}")
}

/// The two parts of a key.
pub(crate) fn parts(key: &str) -> Option<(&str, &str)> {
    key.split_once(KEY_SEPARATOR)
}

/// A time as a part of a key or a filter; empty where there is none.
pub(crate) fn time(time: Option<LogTime>) -> String {
    time.map(|time| time.micros().to_string()).unwrap_or_default()
}

/// A page of a list that takes some of the rows it looks at.
pub(crate) struct Page<'a, Row, Item> {
    /// What it holds.
    pub(crate) items: Vec<Item>,
    /// The last row that was looked at, where more may follow.
    pub(crate) last: Option<&'a Row>,
}

/// Fills a page, bounded in number and bytes, from rows of which `asked` were asked for.
pub(crate) fn fill<Row, Item: Message>(
    rows: &[Row],
    size: usize,
    asked: usize,
    take: impl Fn(&Row) -> Option<Item>,
) -> Page<'_, Row, Item> {
    let (mut items, mut bytes, mut looked_at) = (Vec::new(), 0, 0);
    for row in rows {
        if items.len() == size || bytes >= limits::MAX_PAGE_BYTES {
            break;
        }
        if let Some(item) = take(row) {
            bytes += item.encoded_len();
            items.push(item);
        }
        looked_at += 1;
    }
    let is_more = rows.len() == asked || looked_at < rows.len();
    Page { items, last: rows[..looked_at].last().filter(|_| is_more) }
}

/// As many items as a message may hold, at least one where there is one.
pub(crate) fn within_bytes<T: Message>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut bytes = 0;
    let fits = items.take_while(|item| {
        let fits = bytes < limits::MAX_PAGE_BYTES;
        bytes += item.encoded_len();
        fits
    });
    fits.collect()
}

/// Items of a page: 50 where the caller says 0, and at most 1,000.
pub(crate) fn size(page_size: i32, violations: &mut Violations) -> usize {
    match usize::try_from(page_size) {
        Ok(0) => limits::DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(limits::MAX_PAGE_SIZE),
        Err(_) => {
            violations.add("page_size", "must not be negative");
            limits::DEFAULT_PAGE_SIZE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_key_back_to_its_own_list_only() {
        let scope = Scope::new("orders", &["2", "customer"]);
        let token = scope.token("order-7");
        assert_eq!(scope.last_key(&token).expect("valid"), Some("order-7".to_owned()));
        assert_eq!(scope.last_key("").expect("valid"), None);
        for other in [Scope::new("orders", &["2", ""]), Scope::new("skus", &["2", "customer"])] {
            assert!(matches!(other.last_key(&token), Err(Failure::PageTokenInvalid)));
        }
    }

    #[test]
    fn a_damaged_token_is_invalid() {
        let scope = Scope::new("skus", &[]);
        let token = scope.token("A");
        let mut flipped = token.clone();
        flipped.replace_range(2..3, if &token[2..3] == "0" { "1" } else { "0" });
        for bad in [&token[1..], &token[2..], "zz", "00", "\u{e9}\u{e9}", &flipped, &format!("{token}00")] {
            assert!(matches!(scope.last_key(bad), Err(Failure::PageTokenInvalid)), "{bad}");
        }
    }

    #[test]
    fn a_page_has_50_items_by_default_and_1000_at_most() {
        let mut violations = Violations::default();
        assert_eq!(size(0, &mut violations), 50);
        assert_eq!(size(7, &mut violations), 7);
        assert_eq!(size(5_000, &mut violations), 1_000);
        assert!(violations.is_empty());
        size(-1, &mut violations);
        assert!(!violations.is_empty());
    }
}
