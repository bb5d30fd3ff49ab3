//! Rows of the applied state in words, and the snapshot file that holds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stockade_state_machine::document::Document;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Origin, Stock};

use super::{Members, take};
use crate::applied_row::{self, Position};
use crate::codec::Durable;
use crate::dir_lock::DirLock;
use crate::file::{File, Files};
use crate::ledger::LedgerRow;
use crate::log::EntryId;
use crate::rows::Joiner;
use crate::skip::hex;
use crate::snapshot::{self, Contents, format};
use crate::window::decode_request_item;
use crate::{Error, index, keys, layout, pages};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The one row that says up to where everything else was applied.
    Applied,
    /// A booked document.
    Document,
    /// A part of what lists are found by.
    Index,
    /// A page of ledger entries.
    Ledger,
    /// A location.
    Location,
    /// An order.
    Order,
    /// A page of request records.
    Request,
    /// A reservation.
    Reservation,
    /// A SKU.
    Sku,
    /// Stock at a location.
    Stock,
    /// None of ours.
    Unknown,
}

impl RowKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Document => "document",
            Self::Index => "index",
            Self::Ledger => "ledger",
            Self::Location => "location",
            Self::Order => "order",
            Self::Request => "request",
            Self::Reservation => "reservation",
            Self::Sku => "sku",
            Self::Stock => "stock",
            Self::Unknown => "unknown",
        }
    }
}

/// A row in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedRow {
    /// What it is about.
    pub kind: RowKind,
    /// Which one: an id; SKU and location; for a page, log index and position of its first item.
    pub key: String,
    /// What it holds; where it can't be decoded, why.
    pub value: String,
    /// Bytes of the value.
    pub bytes: u64,
    /// The first and the last log index that changed what it holds, where the row says so.
    pub revisions: Option<(u64, u64)>,
}

/// What a row's value says of itself.
type Described = Result<(String, Option<(u64, u64)>), Error>;

/// A row in words. `trimmed` is the last request record that has left the state.
pub(super) fn describe(trimmed: Option<&Origin>, key: &[u8], value: &[u8]) -> InspectedRow {
    let (kind, described) = match key.first() {
        Some(&keys::DOCUMENT) => {
            (RowKind::Document, one::<Document>(value, |document| document.revision.get()))
        }
        Some(&keys::INDEX) => (RowKind::Index, index::in_words(key, value).map(|(_, words)| (words, None))),
        Some(&keys::LEDGER) => (RowKind::Ledger, ledger(value)),
        Some(&keys::ORDER) => (RowKind::Order, one::<Order>(value, |order| order.version.revision.get())),
        Some(&keys::RESERVATION) => (
            RowKind::Reservation,
            one::<Reservation>(value, |reservation| reservation.version.revision.get()),
        ),
        Some(&keys::REQUEST) => (RowKind::Request, requests(trimmed, value)),
        Some(&keys::SKU) => (RowKind::Sku, one::<Sku>(value, |sku| sku.version.revision.get())),
        Some(&keys::LOCATION) => {
            (RowKind::Location, one::<Location>(value, |location| location.version.revision.get()))
        }
        Some(&keys::STOCK) => (RowKind::Stock, one::<Stock>(value, |stock| stock.version.revision.get())),
        _ if keys::is_applied(key) => (RowKind::Applied, applied(value)),
        _ => (RowKind::Unknown, Ok((format!("{value:02x?}"), None))),
    };
    let (value_text, revisions) =
        described.unwrap_or_else(|error| (format!("can't be decoded: {error}"), None));
    let bytes = u64::try_from(value.len()).expect("lengths fit 64 bits");
    InspectedRow { kind, key: key_in_words(kind, key, value), value: value_text, bytes, revisions }
}

fn key_in_words(kind: RowKind, key: &[u8], value: &[u8]) -> String {
    let text = || String::from_utf8_lossy(key).into_owned();
    match kind {
        RowKind::Applied | RowKind::Unknown => text(),
        RowKind::Document | RowKind::Location | RowKind::Order | RowKind::Reservation | RowKind::Sku => {
            keys::id_of(key).map_or_else(text, ToOwned::to_owned)
        }
        RowKind::Stock => {
            keys::stock_key_of(key).map_or_else(text, |(sku, location)| format!("{sku} at {location}"))
        }
        RowKind::Index => index::in_words(key, value).map_or_else(|_| text(), |(words, _)| words),
        RowKind::Ledger | RowKind::Request => {
            let number = |from: usize| key.get(from..).and_then(<[u8]>::first_chunk::<8>).copied();
            let position = key.get(9..).and_then(<[u8]>::first_chunk::<4>).copied();
            match (number(1), position) {
                (Some(revision), Some(position)) => {
                    format!("{}.{}", u64::from_be_bytes(revision), u32::from_be_bytes(position))
                }
                _ => text(),
            }
        }
    }
}

fn one<T: Durable + std::fmt::Debug>(value: &[u8], revision: impl Fn(&T) -> u64) -> Described {
    let decoded = T::decode(value).map_err(Error::of_row)?;
    let revision = revision(&decoded);
    Ok((format!("{decoded:?}"), Some((revision, revision))))
}

fn applied(value: &[u8]) -> Described {
    let (position, digest) = applied_row::decode(value)?;
    let Position { log_id, membership, clock, chain, ledger, trimmed, highest_node_id } = &position;
    let Members { voters, nodes } = Members::of(membership);
    let last = log_id.map_or_else(|| "none".to_owned(), |id| EntryId::from(id).to_string());
    let trimmed = trimmed
        .as_ref()
        .map_or_else(|| "none".to_owned(), |origin| format!("{} of {}", origin.request, origin.principal));
    let words = format!(
        "last entry {last}; voters {voters:?}; nodes {nodes:?}; highest node id ever {highest_node_id}; log time {} us; horizon {} ms; chain hash {}; {} ledger entries, \
         their chain's hash {}; last request record that has left {trimmed}; {} other rows, sum {:016x}",
        clock.now.micros(),
        clock.horizon_ms,
        hex(chain),
        ledger.entries,
        hex(&ledger.hash),
        digest.rows,
        digest.sum,
    );
    Ok((words, Some((position.index(), position.index()))))
}

/// From the first to the last.
fn span(items: &[pages::Item]) -> Option<(u64, u64)> {
    Some((items.first()?.revision, items.last()?.revision))
}

fn ledger(value: &[u8]) -> Described {
    let row = LedgerRow::open(value)?;
    let entries = row.entries().map(|entry| LedgerEntry::decode(entry?.bytes).map_err(Error::of_row));
    let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    let ends = entries.first().zip(entries.last());
    Ok((format!("{entries:?}"), ends.map(|(first, last)| (first.revision.get(), last.revision.get()))))
}

fn requests(trimmed: Option<&Origin>, page: &[u8]) -> Described {
    let items = pages::unpack(page)?;
    let mut words = Vec::with_capacity(items.len());
    for item in &items {
        let (origin, record) = decode_request_item(&item.bytes).map_err(Error::of_row)?;
        let left =
            if trimmed.is_some_and(|trimmed| origin <= *trimmed) { " (has left the state)" } else { "" };
        let record = RequestRecord::decode(record).map_err(Error::of_row)?;
        words.push(format!("{} of {}{left}: {record:?}", origin.request, origin.principal));
    }
    Ok((format!("[{}]", words.join(", ")), span(&items)))
}

/// What a snapshot file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Which file.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The last entry that it covers.
    pub last: Option<EntryId>,
    /// Who was in the cluster.
    pub members: Members,
    /// Log time, in microseconds since 1970.
    pub log_time_us: u64,
    /// Request ids up to this time, in milliseconds since 1970, are expired.
    pub horizon_ms: u64,
    /// Chained over the changes of every entry.
    pub chain: [u8; 32],
    /// BLAKE3 over the canonical state.
    pub state_hash: [u8; 32],
    /// Rows of the engine.
    pub rows: u64,
}

impl SnapshotSummary {
    pub(crate) fn of(file: &Path, bytes: u64, contents: &Contents) -> Self {
        let Position { log_id, membership, clock, chain, .. } = &contents.position;
        Self {
            file: file.to_owned(),
            bytes,
            last: log_id.map(EntryId::from),
            members: Members::of(membership),
            log_time_us: clock.now.micros(),
            horizon_ms: clock.horizon_ms,
            chain: *chain,
            state_hash: contents.state_hash,
            rows: contents.rows,
        }
    }

    /// The log index that it covers; 0 where it covers nothing.
    pub fn index(&self) -> u64 {
        self.last.map_or(0, |last| last.index)
    }
}

/// The newest snapshot of a data directory, checked to the last byte before anything of it is shown.
#[derive(Debug)]
pub struct InspectedSnapshot {
    /// What it says of itself.
    pub summary: SnapshotSummary,
    file: Arc<dyn File>,
    trimmed: Option<Origin>,
    _lock: DirLock,
}

impl InspectedSnapshot {
    /// Opens it; `None` where there is none.
    pub fn open(files: &Arc<dyn Files>, dir: &Path) -> Result<Option<Self>, Error> {
        let lock = take(files.as_ref(), dir)?;
        let Some(path) = newest_snapshot(files.as_ref(), dir)? else { return Ok(None) };
        let io = |source| Error::io(&path, source);
        let file = files.open_to_read(&path).map_err(io)?;
        let contents = format::read(file.as_ref(), &path, |_, _| Ok(()))?;
        let summary = SnapshotSummary::of(&path, file.len().map_err(io)?, &contents);
        Ok(Some(Self { summary, file, trimmed: contents.position.trimmed, _lock: lock }))
    }

    /// Visits its rows in the order of their keys.
    pub fn rows(&self, mut visit: impl FnMut(InspectedRow)) -> Result<(), Error> {
        let path = &self.summary.file;
        let mut joiner = Joiner::default();
        let visited = format::read(self.file.as_ref(), path, |key, row| {
            if let Some((key, value)) = joiner.push(key, row)? {
                visit(describe(self.trimmed.as_ref(), &key, &value));
            }
            Ok(())
        });
        visited.and_then(|_| joiner.finish())
    }
}

/// The path of the newest snapshot.
pub(super) fn newest_snapshot(files: &dyn Files, dir: &Path) -> Result<Option<PathBuf>, Error> {
    let dir = dir.join(layout::SNAPSHOT_DIR);
    let paths = files.list(&dir).map_err(|source| Error::io(&dir, source))?;
    let snapshots = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == snapshot::EXTENSION));
    Ok(snapshots.max())
}

/// The log index of the newest snapshot, by its header; 0 where there is none.
pub(crate) fn newest_index(files: &dyn Files, dir: &Path) -> Result<u64, Error> {
    let Some(path) = newest_snapshot(files, dir)? else { return Ok(0) };
    let file = files.open_to_read(&path).map_err(|source| Error::io(&path, source))?;
    Ok(format::position(file.as_ref(), &path)?.index())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_decoded_is_shown_as_such() {
        let row = describe(None, b"oo1", b"\xff\xff");
        assert_eq!((row.kind, row.key.as_str(), row.bytes), (RowKind::Order, "o1", 2));
        assert!(row.value.contains("can't be decoded"), "{}", row.value);
        assert_eq!(describe(None, b"hcart-9", b"").key, "cart-9");
        assert_eq!(describe(None, b"smug\0main", b"").key, "mug at main");
        assert_eq!(describe(None, &keys::page(keys::LEDGER, 7, 3), b"").key, "7.3");
    }
}
