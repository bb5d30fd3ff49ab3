//! Finding the engine's rows of ledger entries: by where an entry stands, and by when it happened.

use std::ops::Bound;

use stockade_state_machine::LogTime;

use super::row::LedgerRow;
use crate::codec;
use crate::engine::Engine;
use crate::postings::RowKey;
use crate::{Error, keys, rows};

/// The place behind all entries of a log index.
pub(super) fn behind(revision: u64) -> RowKey {
    revision.checked_add(1).map_or((u64::MAX, u32::MAX), |next| (next, 0))
}

fn key((revision, position): RowKey) -> Vec<u8> {
    keys::page(keys::LEDGER, revision, position)
}

/// Rows from a place on, named by their first entries.
pub(super) fn ascending(
    engine: &dyn Engine,
    from: RowKey,
) -> impl Iterator<Item = Result<RowKey, Error>> + '_ {
    let rows = engine.scan(Bound::Included(&key(from)));
    named(rows)
}

/// Rows before a place, the last one first.
pub(super) fn descending(
    engine: &dyn Engine,
    until: RowKey,
) -> impl Iterator<Item = Result<RowKey, Error>> + '_ {
    let rows = engine.scan_back(Bound::Excluded(&key(until)));
    named(rows)
}

fn named<'a>(
    rows: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Error>> + 'a,
) -> impl Iterator<Item = Result<RowKey, Error>> + 'a {
    let keys = rows.map(|row| row.map(|(key, _)| key));
    let ours = keys.take_while(|key| key.as_ref().map_or(true, |key| key.first() == Some(&keys::LEDGER)));
    ours.filter_map(|key| key.map(|key| keys::ledger_row_of(&key)).transpose())
}

/// The row that a place lies in: the last one that begins there or before.
pub(super) fn holding(engine: &dyn Engine, place: RowKey) -> Result<Option<RowKey>, Error> {
    let rows = engine.scan_back(Bound::Included(&key(place)));
    named(rows).next().transpose()
}

/// A row's value.
pub(super) fn value(engine: &dyn Engine, first: RowKey) -> Result<Vec<u8>, Error> {
    let missing = || Error::Engine(format!("the ledger entries from {}/{} on are missing", first.0, first.1));
    rows::get(engine, &key(first))?.ok_or_else(missing)
}

/// A row.
pub(super) fn read(engine: &dyn Engine, first: RowKey) -> Result<LedgerRow, Error> {
    LedgerRow::open(&value(engine, first)?)
}

/// The place of the first entry at or after a time: log time never goes back. Before an end that is given.
pub(super) fn first_at(engine: &dyn Engine, time: LogTime, end: RowKey) -> Result<RowKey, Error> {
    // The row in which it may be is the last one that begins before the time.
    let (mut low, mut high) = (0, end.0.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        let is_before = match ascending(engine, (middle, 0)).next().transpose()? {
            Some(first) if first < end => time_of_first(engine, first)? < time,
            Some(_) | None => false,
        };
        if is_before {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // Every row that begins at this log index or later begins at the time or after it.
    let Some(row) = descending(engine, (low, 0)).next().transpose()? else {
        return first_in(engine, (0, 0), end);
    };
    for entry in read(engine, row)?.entries() {
        let entry = entry?;
        if codec::ledger_names(entry.bytes).map_err(Error::of_row)?.time >= time {
            return Ok((entry.revision, entry.position).min(end));
        }
    }
    first_in(engine, (low, 0), end)
}

fn first_in(engine: &dyn Engine, from: RowKey, end: RowKey) -> Result<RowKey, Error> {
    Ok(ascending(engine, from).next().transpose()?.map_or(end, |first| first.min(end)))
}

fn time_of_first(engine: &dyn Engine, row: RowKey) -> Result<LogTime, Error> {
    let row = read(engine, row)?;
    let empty = || Error::Engine("a row without a ledger entry".to_owned());
    let entry = row.entries().next().ok_or_else(empty)??;
    codec::ledger_names(entry.bytes).map(|names| names.time).map_err(Error::of_row)
}

/// The place of the last entry before one.
pub(super) fn last_before(engine: &dyn Engine, end: RowKey) -> Result<Option<RowKey>, Error> {
    let Some(row) = descending(engine, end).next().transpose()? else { return Ok(None) };
    let mut last = None;
    for entry in read(engine, row)?.entries() {
        let entry = entry?;
        let place = (entry.revision, entry.position);
        if place >= end {
            break;
        }
        last = Some(place);
    }
    Ok(last)
}
