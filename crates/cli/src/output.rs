//! What goes to standard output: a table for people or one JSON object a line for programs.

use console::measure_text_width;
use serde_json::Value;
use stockade_server::Exit;

use crate::failure::Failure;

/// How results are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs: one JSON object, on the last line.
    Json,
    /// For people: a page with plots, of `bench` with w1, w2, w3, read or mixed-tpcc.
    Html,
}

impl Format {
    /// How a command prints what is no page; an error where a page is asked of a command that makes none.
    pub(crate) fn plain(self, makes_pages: bool) -> anyhow::Result<Output> {
        match self {
            Self::Json => Ok(Output::Json),
            Self::Table => Ok(Output::Table),
            Self::Html if makes_pages => Ok(Output::Table),
            Self::Html => {
                let message =
                    "only `bench` with w1, w2, w3, read or mixed-tpcc makes pages: ask for table or json";
                Err(Failure::new(Exit::Configuration, message).into())
            }
        }
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs: one JSON object, on the last line.
    Json,
}

impl Output {
    /// Prints a result: the object as it is, or what `text` makes of it.
    pub(crate) fn print(self, object: &Value, text: impl FnOnce() -> String) {
        match self {
            Self::Json => line(&object.to_string()),
            Self::Table => line(text().trim_end()),
        }
    }
}

/// Prints a line. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says on standard error how far a command is.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Rows under a header, columns as wide as they need to be. Columns named in `right` are set flush right.
pub(crate) fn table(header: &[&str], right: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell));
        cells.chain([measure_text_width(header[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    let titles: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column].saturating_sub(measure_text_width(cell)));
            let flush_right = right.contains(&header[column]);
            let (left, right) =
                if flush_right { (gap.as_str(), cell.as_str()) } else { (cell.as_str(), gap.as_str()) };
            line.extend([left, right, "  "]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A name and a value a line.
pub(crate) fn record(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}\n");
    pairs.iter().map(line).collect()
}

/// `12,345` of 12345.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["mug".to_owned(), "12".to_owned()], vec!["teapot".to_owned(), "3".to_owned()]];
        assert_eq!(
            table(&["SKU", "UNITS"], &["UNITS"], &rows),
            "SKU     UNITS\nmug        12\nteapot      3\n"
        );
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(table(&["SKU", "UNITS"], &[], &[]), "SKU  UNITS\n");
    }

    #[test]
    fn a_record_lines_its_values_up() {
        assert_eq!(record(&[("id", "o1".to_owned()), ("state", "x".to_owned())]), "id     o1\nstate  x\n");
    }
}
