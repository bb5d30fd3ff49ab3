//! Lists of what is believed no more: an id a line, `#` before a remark.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;

/// Ids that are believed no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Revoked(BTreeSet<String>);

impl Revoked {
    /// Reads a list. `normal` brings an id into the form in which it is looked for; `None` where it is none.
    pub(crate) fn parse(
        path: &Path,
        bytes: &[u8],
        normal: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::file(path, "is no text"))?;
        let mut ids = BTreeSet::new();
        for (number, line) in (1..).zip(text.lines()) {
            let id = line.split('#').next().unwrap_or_default().trim();
            if id.is_empty() {
                continue;
            }
            // A line that was mistyped must not look as if it had revoked something.
            let id = normal(id).ok_or_else(|| Error::file(path, format!("line {number} is no id")))?;
            ids.insert(id);
        }
        Ok(Self(ids))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of these another list lacks.
    pub(crate) fn not_in(&self, other: &Self) -> usize {
        self.0.difference(&other.0).count()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

/// The id of a token: hexadecimal digits.
pub(crate) fn token_id(text: &str) -> Option<String> {
    let sound = (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| text.to_ascii_lowercase())
}

/// The serial number of a certificate: hexadecimal digits, perhaps with colons between them.
pub(crate) fn serial(text: &str) -> Option<String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| without_zeros(&digits).to_owned())
}

/// The digits of a number without the zeros that some tools show in front.
pub(crate) fn without_zeros(digits: &str) -> &str {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_ids_and_remarks() {
        let text = b"# lost laptops\n00:0A:1b\n\n  ff # checkout\n";
        let list = Revoked::parse(Path::new("x"), text, serial).unwrap();
        assert!(list.has(without_zeros("0a1b")) && list.has("ff") && !list.has(without_zeros("0a")));
    }

    #[test]
    fn a_mistyped_line_is_named() {
        let error = Revoked::parse(Path::new("x"), b"00ff00ff00\nnot an id\n", token_id).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
