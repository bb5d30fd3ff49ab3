//! A file as records with the number of the line on which each begins (RFC 4180).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::{STANDARD, limits};

/// What spreadsheets put before UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a whole file, or standard input.
pub(super) fn read_all(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new(STANDARD) {
        return bounded(std::io::stdin().lock()).context("reading standard input");
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    bounded(file).with_context(|| format!("cannot read {}", path.display()))
}

fn bounded(input: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = input.take(limits::MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limits::MAX_FILE_BYTES {
        bail!("more than {} bytes; split the file", limits::MAX_FILE_BYTES);
    }
    Ok(bytes)
}

/// A record, and the number of its first line, from 1.
pub(super) type Numbered = (u64, Result<Vec<String>, String>);

/// The records of a file. Empty lines are passed over.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    line: u64,
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes), line: 1 }
    }

    /// Takes so many bytes off.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        let breaks = taken.split(|byte| *byte == b'\n').count() - 1;
        self.line += u64::try_from(breaks).expect("a file has fewer lines than 64 bits count");
        taken
    }
}

impl Iterator for Records<'_> {
    type Item = Numbered;

    fn next(&mut self) -> Option<Numbered> {
        while !self.rest.is_empty() {
            let line = self.line;
            let Some(length) = length(self.rest) else {
                // A quotation mark that is never closed spoils its own line and no other.
                let first =
                    self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
                self.take(first);
                let most = limits::MAX_RECORD_BYTES;
                return Some((
                    line,
                    Err(format!("a quotation mark is not closed, or the record is longer than {most} bytes")),
                ));
            };
            let record = self.take(length);
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let record = record.strip_suffix(b"\r").unwrap_or(record);
            if !record.is_empty() {
                return Some((line, in_words(record)));
            }
        }
        None
    }
}

/// Where in a record a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quotation mark that ends the quoted part, unless another follows.
    Closed,
}

/// The length of the first record, its line break included; none where it has no end within what a record may have.
fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = At::Start;
    for (index, byte) in bytes.iter().enumerate().take(limits::MAX_RECORD_BYTES) {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Start | At::Closed, b'"') | (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Closed, b'\n') => return Some(index + 1),
            (At::Start | At::Plain | At::Closed, b',') => At::Start,
            (At::Start | At::Plain | At::Closed, _) => At::Plain,
        };
    }
    let ended = bytes.len() <= limits::MAX_RECORD_BYTES && at != At::Quoted;
    ended.then_some(bytes.len())
}

fn in_words(record: &[u8]) -> Result<Vec<String>, String> {
    let word = |(column, field): (usize, &[u8])| {
        String::from_utf8(field.to_vec()).map_err(|_| format!("column {} is no UTF-8", column + 1))
    };
    fields(record).iter().enumerate().map(word).collect()
}

/// The fields of one record, without its line break.
pub(crate) fn fields(record: &[u8]) -> csv::ByteRecord {
    // Without quotation marks there is nothing to interpret, and a CSV reader for each line costs more than all else.
    if !record.contains(&b'"') {
        return record.split(|byte| *byte == b',').collect();
    }
    let mut builder = csv::ReaderBuilder::new();
    // A carriage return within a record is part of it.
    builder.has_headers(false).flexible(true).buffer_capacity(512).terminator(csv::Terminator::Any(b'\n'));
    let mut reader = builder.from_reader(record);
    let mut record = csv::ByteRecord::new();
    // Bytes in memory can't fail to be read, and a record of any shape is taken.
    if reader.read_byte_record(&mut record).is_err() {
        record.clear();
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, Vec<String>)> {
        Records::new(text.as_bytes()).map(|(line, record)| (line, record.unwrap_or_default())).collect()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_record_is_named_by_the_line_on_which_it_begins() {
        let text = "\u{feff}a,b\r\n\r\n1,\"x\ny \"\"z\"\"\"\n2,5\" pipe\n3,";
        assert_eq!(
            lines(text),
            [
                (1, words(&["a", "b"])),
                (3, words(&["1", "x\ny \"z\""])),
                (5, words(&["2", "5\" pipe"])),
                (6, words(&["3", ""])),
            ]
        );
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_spoils_its_line_and_no_other() {
        let text = format!("a\n\"b\nc\n{}\nd", "x".repeat(limits::MAX_RECORD_BYTES));
        let found: Vec<(u64, bool)> =
            Records::new(text.as_bytes()).map(|(line, record)| (line, record.is_ok())).collect();
        assert_eq!(found, [(1, true), (2, false), (3, true), (4, false), (5, true)]);
    }

    #[test]
    fn a_carriage_return_within_quotation_marks_stays() {
        assert_eq!(lines("\"a\r\nb\",\"c\rd\"\r\n"), [(1, words(&["a\r\nb", "c\rd"]))]);
    }

    #[test]
    fn what_is_no_utf_8_is_refused() {
        let mut records = Records::new(b"a,\xff\n");
        assert!(records.next().is_some_and(|(_, record)| record.is_err()));
    }
}
