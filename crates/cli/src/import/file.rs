//! The file: opened by content, read a line at a time, and what is refused of it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;

use super::plan::{Plan, Planner};
use super::row::{self, Columns};
use crate::sheet::{BYTE_ORDER_MARK, fields};

/// The first bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes of a line: what is longer is damaged.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// A line that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reject {
    /// Line number in the file, from 1; the header is line 1.
    pub(super) line: u64,
    pub(super) reason: String,
    /// The line, or what of it was understood.
    pub(super) text: String,
}

/// Reads the whole file into a plan.
pub(super) fn read(path: &Path) -> anyhow::Result<Plan> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let zipped =
        file.fill_buf().with_context(|| format!("cannot read {}", path.display()))?.starts_with(&GZIP);
    let plan = if zipped { read_lines(BufReader::new(MultiGzDecoder::new(file))) } else { read_lines(file) };
    plan.with_context(|| format!("{} cannot be imported", path.display()))
}

/// Each line is parsed by itself: a quotation mark that is never closed spoils its own line and no other.
pub(super) fn read_lines(mut input: impl BufRead) -> anyhow::Result<Plan> {
    let mut line = Vec::new();
    if !next_line(&mut input, &mut line)? {
        bail!("the file is empty");
    }
    let header = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
    let columns = Columns::from_header(&fields(header)).map_err(anyhow::Error::msg)?;
    let mut planner = Planner::default();
    let mut number = 1_u64;
    while next_line(&mut input, &mut line)
        .with_context(|| format!("the file breaks off after line {number}"))?
    {
        number += 1;
        let row = if line.len() > MAX_LINE_BYTES {
            line.truncate(256);
            Err(format!("longer than {MAX_LINE_BYTES} bytes"))
        } else {
            row::read(number, &fields(&line), &columns)
        };
        if let Err(reason) = row.and_then(|row| planner.add(row)) {
            let text = String::from_utf8_lossy(&line).into_owned();
            planner.reject(Reject { line: number, reason, text });
        }
    }
    Ok(planner.finish())
}

fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<bool> {
    line.clear();
    let limit = u64::try_from(MAX_LINE_BYTES).expect("a small number") + 2;
    let read = input.by_ref().take(limit).read_until(b'\n', line)?;
    if read > MAX_LINE_BYTES && !line.ends_with(b"\n") {
        skip_rest(input)?;
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(read > 0)
}

/// Goes to the end of a line that is too long to be kept.
fn skip_rest(input: &mut impl BufRead) -> anyhow::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(buffer.len(), |end| end + 1);
        input.consume(skipped);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Writes the refused lines as CSV: line number, reason, the line itself.
pub(super) fn write_rejects(path: &Path, rejects: &[Reject]) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut writer = csv::Writer::from_writer(BufWriter::new(file));
    writer.write_record(["line", "reason", "row"])?;
    for reject in rejects {
        writer.write_record([&reject.line.to_string(), &reject.reason, &reject.text])?;
    }
    writer.flush()?;
    // The import may run for minutes after this, and what it refused must be on record even if the machine goes down.
    let buffered = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    let mut file = buffered.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.flush()?;
    file.sync_all().with_context(|| format!("cannot write {}", path.display()))
}
