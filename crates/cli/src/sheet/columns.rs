//! What the cells of a record are taken for, and what is wrong with them.

use std::ops::RangeInclusive;

use anyhow::bail;
use stockade_server::Exit;

use super::limits;
use super::records::Records;
use crate::failure::Failure;

/// A file in words: its columns, and of each record what it says and its line.
#[derive(Debug)]
pub(super) struct Sheet<T> {
    pub(super) columns: Columns,
    pub(super) rows: Vec<(u64, T)>,
}

/// A line that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) line: u64,
    pub(super) why: String,
}

/// A file in words or all of its bad lines; an error where it can't be taken for one at all.
pub(super) type ReadSheet<T> = anyhow::Result<Result<Sheet<T>, Vec<Bad>>>;

/// Which columns a file has, and where.
#[derive(Debug)]
pub(super) struct Columns(Vec<&'static str>);

impl Columns {
    /// By the names in the first line, in any order. `known` begins with those that must be there.
    fn of(header: &[String], known: &[&'static str], required: usize) -> anyhow::Result<Self> {
        let mut columns = Vec::new();
        for name in header {
            let wanted = name.trim().to_ascii_lowercase();
            let Some(column) = known.iter().find(|column| **column == wanted) else {
                bail!(
                    "line 1: `{name}` is none of the columns {}; they are separated by commas",
                    known.join(", ")
                );
            };
            if columns.contains(column) {
                bail!("line 1: the column {column} is there twice");
            }
            columns.push(*column);
        }
        for column in &known[..required] {
            if !columns.contains(column) {
                bail!("line 1: the column {column} is missing");
            }
        }
        Ok(Self(columns))
    }

    /// True where the file has the column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.0.contains(&column)
    }
}

/// One record's cells. What is wrong with them is gathered, so that all of it is told at once.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    columns: &'a Columns,
    fields: &'a [String],
    wrong: Vec<String>,
}

impl<'a> Cells<'a> {
    /// A cell; empty where the file has no such column.
    pub(super) fn text(&self, column: &str) -> &'a str {
        let place = self.columns.0.iter().position(|known| *known == column);
        place.and_then(|place| self.fields.get(place)).map_or("", String::as_str)
    }

    /// Says what is wrong with a cell.
    pub(super) fn wrong(&mut self, column: &str, why: impl std::fmt::Display) {
        self.wrong.push(format!("{column}: {why}"));
    }

    /// An id that must be there.
    pub(super) fn id(&mut self, column: &str) -> String {
        let text = self.text(column);
        if !is_id(text) {
            self.wrong(column, "must be 1 to 128 visible ASCII characters");
        }
        text.to_owned()
    }

    /// A number, or none where the cell is empty.
    pub(super) fn number(&mut self, column: &str, bounds: &RangeInclusive<i64>) -> Option<i64> {
        let text = self.text(column).trim();
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (from, to) = (bounds.start(), bounds.end());
            self.wrong(column, format!("`{text}` is no whole number from {from} to {to}"));
        }
        number
    }

    /// Yes or no; no where the cell is empty.
    pub(super) fn flag(&mut self, column: &str) -> bool {
        let text = self.text(column).trim().to_ascii_lowercase();
        match text.as_str() {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" | "" => false,
            other => {
                self.wrong(column, format!("`{other}` is neither true nor false"));
                false
            }
        }
    }
}

/// True for what a cluster takes for an id.
pub(super) fn is_id(text: &str) -> bool {
    (1..=limits::MAX_ID_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads a file to its end. `known` are its columns, of which the first `required` must be there; `row` takes a record
/// for what it says, and gives what must not be there twice.
pub(super) fn read<T>(
    bytes: &[u8],
    known: &[&'static str],
    required: usize,
    row: impl Fn(&mut Cells<'_>) -> (String, T),
) -> ReadSheet<T> {
    let mut records = Records::new(bytes);
    let Some((_, header)) = records.next() else { bail!("the file is empty") };
    let columns = Columns::of(&header.map_err(anyhow::Error::msg)?, known, required)?;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeMap::new();
    for (line, record) in records {
        let fields = match record {
            // Spreadsheets leave such lines at the end.
            Ok(fields) if fields.iter().all(String::is_empty) => continue,
            Ok(fields) => fields,
            Err(why) => {
                bad.push(Bad { line, why });
                continue;
            }
        };
        if fields.len() != columns.0.len() {
            let why = format!("{} columns instead of {}", fields.len(), columns.0.len());
            bad.push(Bad { line, why });
            continue;
        }
        let mut cells = Cells { columns: &columns, fields: &fields, wrong: Vec::new() };
        let (key, row) = row(&mut cells);
        let mut wrong = cells.wrong;
        if wrong.is_empty()
            && let Some(before) = seen.insert(key, line)
        {
            wrong.push(format!("the same stands on line {before}"));
        }
        if wrong.is_empty() {
            rows.push((line, row));
        } else {
            bad.push(Bad { line, why: wrong.join("; ") });
        }
    }
    Ok(if bad.is_empty() { Ok(Sheet { columns, rows }) } else { Err(bad) })
}

/// Names every bad line on standard error, and gives the error that ends the command.
pub(super) fn refuse(bad: &[Bad]) -> anyhow::Error {
    for Bad { line, why } in bad {
        eprintln!("line {line}: {why}");
    }
    let lines = if bad.len() == 1 { "1 line is".to_owned() } else { format!("{} lines are", bad.len()) };
    Failure::new(Exit::Error, format!("{lines} wrong; nothing was changed")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> ReadSheet<(String, i64)> {
        read(text.as_bytes(), &["id", "units", "on"], 1, |cells| {
            let id = cells.id("id");
            let units = cells.number("units", &(0..=10)).unwrap_or_default();
            cells.flag("on");
            (id.clone(), (id, units))
        })
    }

    #[test]
    fn columns_are_known_by_their_names_in_any_order() {
        let sheet = sheet("Units , ID\n7,a\n,b\n,\n").unwrap().unwrap();
        assert_eq!(sheet.rows, [(2, ("a".to_owned(), 7)), (3, ("b".to_owned(), 0))]);
        assert!(sheet.columns.has("units") && !sheet.columns.has("on"));
    }

    #[test]
    fn a_header_that_is_none_ends_the_import() {
        for (text, why) in
            [("", "empty"), ("units\n", "missing"), ("id,x\n", "none of"), ("id,id\n", "twice")]
        {
            let error = sheet(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn every_bad_line_is_named_with_all_that_is_wrong() {
        let bad = sheet("id,units,on\na,1,true\n,x,maybe\nb,11,\nc,1\na,2,no\n").unwrap().unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        for part in ["id:", "units: `x`", "on: `maybe`"] {
            assert!(bad[0].why.contains(part), "{}", bad[0].why);
        }
        assert!(bad[2].why.contains("2 columns") && bad[3].why.contains("line 2"), "{bad:?}");
    }
}
