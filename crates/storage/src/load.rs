//! From rows back to what is in memory: at a start from the engine, at a rebuild from the rows of a snapshot.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use stockade_state_machine::change::Change;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{LocationId, Principal, SkuId};
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::records::{RecordView, Runs};
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Origin, State, Stock, StockKey};
use tokio::time::Instant;

use crate::applied_row::{self, Position};
use crate::codec::{self, Durable};
use crate::engine::Engine;
use crate::evictable::Away;
use crate::pages;
use crate::rows::{self, Digest, Joiner};
use crate::window::view_request_item;
use crate::{Error, background, keys, limits};

/// What a scan of the rows found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// What of the rows is not in it.
    pub(crate) away: Away,
    pub(crate) position: Position,
    pub(crate) digest: Digest,
    /// Pages of request records and the last record of each.
    pub(crate) request_pages: BTreeMap<Vec<u8>, Origin>,
}

impl Loaded {
    /// Of an engine that holds nothing.
    pub(crate) fn nothing() -> Self {
        Self {
            state: State::new(),
            away: Away::default(),
            position: Position::default(),
            digest: Digest::default(),
            request_pages: BTreeMap::new(),
        }
    }
}

/// Reads every row of an engine once: checks that they are those that the applied row counts, and fills the memory. With
/// `threads`, several ranges of keys at the same time.
pub(crate) fn load(engine: &dyn Engine, threads: bool) -> Result<Loaded, Error> {
    let Some(applied) = rows::get(engine, keys::APPLIED)? else {
        return match engine.scan(Bound::Unbounded).next() {
            None => Ok(Loaded::nothing()),
            Some(_) => Err(Error::Engine("rows without an applied row".to_owned())),
        };
    };
    let (position, expected) = applied_row::decode(&applied)?;
    let progress = Progress::new("reading the applied state", expected.rows);
    let load_range = |range: &Range| load_range(engine, range, &position, &progress);
    let loaders = if threads {
        in_threads(&ranges(engine, position.index())?, load_range)?
    } else {
        vec![load_range(&(Bound::Unbounded, None))?]
    };
    let mut whole = Loader::new(&position);
    for loader in loaders {
        whole.join(loader)?;
    }
    whole.finish(position, expected)
}

/// From a bound on up to a key, not included.
type Range = (Bound<Vec<u8>>, Option<Vec<u8>>);

/// Ranges to be read at the same time. Nothing has to be decoded of the ledger, little of the reservations that go with it and of the
/// orders, and all of the request records, so that these are cut into an older and a newer half.
fn ranges(engine: &dyn Engine, last: u64) -> Result<[Range; 4], Error> {
    let (orders, requests) = (vec![keys::ORDER], vec![keys::REQUEST]);
    let first = engine.scan(Bound::Included(&requests)).next().transpose()?;
    let first = first.and_then(|(key, _)| keys::page_revision(&key)).unwrap_or(last);
    // No page is cut: the rows that it continues in have its revision in their keys.
    let middle = keys::page(keys::REQUEST, first.midpoint(last), 0);
    Ok([
        (Bound::Unbounded, Some(orders.clone())),
        (Bound::Included(orders), Some(requests.clone())),
        (Bound::Included(requests), Some(middle.clone())),
        (Bound::Included(middle), None),
    ])
}

fn in_threads(
    ranges: &[Range],
    load: impl Fn(&Range) -> Result<Loader, Error> + Sync,
) -> Result<Vec<Loader>, Error> {
    let load = &load;
    std::thread::scope(|scope| {
        let begin = |range| {
            let thread = std::thread::Builder::new().name("load".to_owned());
            let work = move || {
                background::stand_back();
                load(range)
            };
            (range, thread.spawn_scoped(scope, work))
        };
        let threads: Vec<_> = ranges.iter().map(begin).collect();
        let loaded = threads.into_iter().map(|(range, thread)| match thread {
            Ok(thread) => {
                thread.join().unwrap_or_else(|_| Err(Error::Engine("reading the rows panicked".to_owned())))
            }
            // The system gives no more threads: it takes longer.
            Err(_) => load(range),
        });
        loaded.collect()
    })
}

fn load_range(
    engine: &dyn Engine,
    (from, until): &Range,
    position: &Position,
    progress: &Progress,
) -> Result<Loader, Error> {
    let mut loader = Loader::new(position);
    for row in engine.scan(from.as_ref().map(Vec::as_slice)) {
        let (key, value) = row?;
        if until.as_ref().is_some_and(|until| key >= *until) {
            break;
        }
        loader.row(&key, &value)?;
        progress.advance(1);
    }
    loader.end()?;
    Ok(loader)
}

/// Takes rows in the order of their keys, and keeps of them what belongs in memory.
pub(crate) struct Loader {
    joiner: Joiner,
    digest: Digest,
    state: State,
    away: Away,
    requests: Runs,
    request_pages: BTreeMap<Vec<u8>, Origin>,
    /// Pages of request records, opened, that were not looked into yet.
    pending: Vec<(Vec<u8>, Vec<u8>)>,
    pending_bytes: usize,
    /// Request records up to it have left.
    trimmed: Option<Origin>,
}

impl Loader {
    pub(crate) fn new(position: &Position) -> Self {
        Self {
            joiner: Joiner::default(),
            digest: Digest::default(),
            state: State::new(),
            away: Away::default(),
            requests: Runs::default(),
            request_pages: BTreeMap::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            trimmed: position.trimmed.clone(),
        }
    }

    /// Takes the next row.
    pub(crate) fn row(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        if !keys::is_applied(key) {
            self.digest.add(key, row);
        }
        // Nearly every value is one row: it needs no copy.
        if let Some(value) = self.joiner.whole(key, row)? {
            return self.value(key, value);
        }
        match self.joiner.push(key, row)? {
            Some((key, value)) => self.value(&key, &value),
            None => Ok(()),
        }
    }

    fn value(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match key.first() {
            Some(&keys::SKU) => {
                let sku = Sku::decode(value).map_err(Error::of_row)?;
                self.state.absorb(&Change::Sku(sku.id.clone(), Some(sku)));
            }
            Some(&keys::LOCATION) => {
                let location = Location::decode(value).map_err(Error::of_row)?;
                self.state.absorb(&Change::Location(location.id.clone(), Some(location)));
            }
            Some(&keys::STOCK) => {
                let (key, stock) = stock_row(key, value)?;
                self.state.absorb(&Change::Stock(key, Some(stock)));
            }
            // Settled orders and reservations stay where they are until a command names them.
            Some(&keys::ORDER) if codec::is_settled_order(value).map_err(Error::of_row)? => {
                self.away.note_key::<Arc<Order>>(key)?;
            }
            Some(&keys::ORDER) => {
                let order = Order::decode(value).map_err(Error::of_row)?;
                self.state.absorb(&Change::Order(order.id.clone(), Arc::new(order)));
            }
            Some(&keys::RESERVATION) if codec::is_settled_reservation(value).map_err(Error::of_row)? => {
                self.away.note_key::<Arc<Reservation>>(key)?;
            }
            Some(&keys::RESERVATION) => {
                let reservation = Reservation::decode(value).map_err(Error::of_row)?;
                self.state.absorb(&Change::Reservation(reservation.id.clone(), Arc::new(reservation)));
            }
            Some(&keys::REQUEST) => self.request_page(key, value)?,
            Some(&keys::DOCUMENT) => self.away.note_key::<Document>(key)?,
            Some(&keys::LEDGER | &keys::INDEX) => {}
            _ if key == keys::APPLIED => {}
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn request_page(&mut self, key: &[u8], page: &[u8]) -> Result<(), Error> {
        let page = pages::open(page)?;
        self.pending_bytes += page.len();
        self.pending.push((key.to_vec(), page));
        if self.pending_bytes >= limits::LOAD_REQUESTS_BYTES { self.take_requests() } else { Ok(()) }
    }

    /// Takes in the request records of the pages that were gathered: they came in the order in which they were decided, and are wanted in
    /// the order of their ids.
    fn take_requests(&mut self) -> Result<(), Error> {
        let pages = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if pages.is_empty() {
            return Ok(());
        }
        let trimmed = self.trimmed.as_ref().map(|origin| (origin.request, origin.principal.as_str()));
        let mut records = Vec::new();
        for (key, page) in &pages {
            let first = records.len();
            for item in pages::items(page) {
                let (_, _, item) = item?;
                records.push(view_request_item(item).map_err(Error::of_row)?);
            }
            if let Some((request, principal)) = records[first..].iter().map(RecordView::origin).max() {
                let principal = Principal::new(principal).expect("views hold ids");
                self.request_pages.insert(key.clone(), Origin { request, principal });
            }
        }
        records.retain(|record| trimmed.is_none_or(|trimmed| record.origin() > trimmed));
        records.sort_unstable_by_key(RecordView::origin);
        if records.windows(2).any(|pair| pair[0].origin() == pair[1].origin()) {
            return Err(Error::Engine("two records of one request".to_owned()));
        }
        self.requests.add(&records);
        Ok(())
    }

    /// Takes in what another found in other rows.
    fn join(&mut self, mut other: Self) -> Result<(), Error> {
        other.end()?;
        let Self { joiner, digest, state, away, requests, mut request_pages, .. } = other;
        joiner.finish()?;
        self.digest.join(digest);
        self.state.join(state);
        self.away.join(&away);
        self.requests.join(requests);
        self.request_pages.append(&mut request_pages);
        Ok(())
    }

    /// Takes in what was gathered, after the last row.
    fn end(&mut self) -> Result<(), Error> {
        self.take_requests()?;
        self.requests.merge();
        Ok(())
    }

    /// What is in memory at a position, if the rows were those that its applied row counts.
    pub(crate) fn finish(mut self, position: Position, expected: Digest) -> Result<Loaded, Error> {
        self.end()?;
        let Self { joiner, digest, mut state, away, requests, request_pages, .. } = self;
        state.absorb_requests(requests);
        joiner.finish()?;
        if digest != expected {
            return Err(Error::Engine(format!("the rows are {digest:?}, the applied row says {expected:?}")));
        }
        state.absorb(&Change::Clock(position.clock));
        Ok(Loaded { state, away, position, digest, request_pages })
    }
}

fn unknown(key: &[u8]) -> Error {
    Error::Engine(format!("no row of ours: {}", String::from_utf8_lossy(key)))
}

/// A stock row.
pub(crate) fn stock_row(key: &[u8], value: &[u8]) -> Result<(StockKey, Stock), Error> {
    let (sku, location) = keys::stock_key_of(key).ok_or_else(|| unknown(key))?;
    let (Ok(sku), Ok(location)) = (SkuId::new(sku), LocationId::new(location)) else {
        return Err(unknown(key));
    };
    Ok((StockKey { sku, location }, Stock::decode(value).map_err(Error::of_row)?))
}

/// Says every second how far something is, to whoever waits for the node.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    said: Mutex<Instant>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, done: AtomicU64::new(0), said: Mutex::new(Instant::now()) }
    }

    /// So much more is done.
    pub(crate) fn advance(&self, by: u64) {
        let done = self.done.fetch_add(by, Ordering::Relaxed) + by;
        if !done.is_multiple_of(limits::PROGRESS_ROWS) {
            return;
        }
        let mut said = self.said.lock();
        if said.elapsed() >= limits::PROGRESS_TIME {
            *said = Instant::now();
            let per_cent = done.saturating_mul(100) / self.total.max(1);
            tracing::info!(per_cent, done, total = self.total, "{}", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::impls::leader_id_adv::LeaderId;
    use stockade_state_machine::ids::{OrderId, RequestId, ReservationId};
    use stockade_state_machine::order::OrderState;
    use stockade_state_machine::outcome::{Outcome, Source};
    use stockade_state_machine::rejection::Rejection;
    use stockade_state_machine::request::RequestRecord;
    use stockade_state_machine::reservation::ReservationState;
    use stockade_state_machine::{ContentHash, LogTime, Revision};

    use super::*;
    use crate::applied_row::LogId;
    use crate::batch::Batch;
    use crate::engine::MemoryEngine;
    use crate::evictable::tests::reservation;
    use crate::window::Window;

    const RECORDS: u64 = 500;

    /// Outcomes of every kind that is read in parts, and some others.
    fn outcome(number: u64) -> Outcome {
        let (order, reservation) = (OrderId::new("o1").unwrap(), ReservationId::new("c1").unwrap());
        let (expires, state) = (LogTime::from_micros(number), OrderState::PartiallyShipped);
        let location = LocationId::new("main").ok();
        let sources =
            vec![Source { line: 1, location, quantity: 2 }, Source { line: 3, location: None, quantity: 1 }];
        match number % 16 {
            0 => Outcome::OrderPlaced { order, expires, sources },
            1 => Outcome::OrderConfirmed { order },
            2 => Outcome::OrderExtended { order, expires },
            3 => Outcome::OrderShipped { order, state, shipped: 4, parcel: 2 },
            4 => Outcome::OrderCancelled { order, state, cancelled: 4 },
            5 => Outcome::OrderClosed { order },
            6 => Outcome::OrderReturned { order, state, returned: 4 },
            7 => Outcome::ReservationCreated { reservation, expires, sources },
            8 => Outcome::ReservationExtended { reservation, expires },
            9 => Outcome::ReservationCommitted {
                reservation,
                state: ReservationState::PartiallyCommitted,
                order,
                order_state: state,
                expires,
                committed: 4,
            },
            10 => {
                let state = ReservationState::Released;
                Outcome::ReservationReleased { reservation, state, released: 4 }
            }
            11 => Outcome::ReservationMoved { reservation, moved: 4 },
            12 => Outcome::Transacted(vec![Outcome::OrderConfirmed { order }, Outcome::SkuDeleted]),
            13 => Outcome::Rejected(Rejection::QuantityOverflow),
            14 => Outcome::RequestAbandoned,
            _ => Outcome::SkuDeleted,
        }
    }

    /// Request records that came in the order of their ids but for a few.
    fn records() -> Vec<(Origin, RequestRecord)> {
        let record = |number: u64| {
            let bits = (u128::from(number ^ 3) << 80) | (7 << 76) | (2 << 62);
            let request = RequestId::new(bits).unwrap();
            let origin = Origin { request, principal: Principal::new("shop").unwrap() };
            let record = RequestRecord {
                content: ContentHash(u128::from(number)),
                outcome: outcome(number),
                revision: Revision::new(number),
                position: 0,
                time: LogTime::from_micros(number),
            };
            (origin, record)
        };
        (1..=RECORDS).map(record).collect()
    }

    /// Those as an engine's writer puts them.
    fn requests() -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut pages = Vec::new();
        let mut window = Window::after(Position::default());
        for (number, (origin, record)) in (1_u64..).zip(records()) {
            window.take_in(&[Change::Request(origin, Some(record))]);
            if number.is_multiple_of(7) || number == RECORDS {
                for page in pages::pack(window.requests.iter().map(|(_, item)| item)) {
                    pages.push((keys::page(keys::REQUEST, page.revision, page.position), page.bytes));
                }
                window = Window::after(Position::default());
            }
        }
        pages
    }

    /// An engine with stock, reservations and request records, and the applied row that counts them.
    fn engine() -> MemoryEngine {
        let engine = MemoryEngine::default();
        let mut batch = Batch::new(&engine, Digest::default());
        for name in ["a", "b", "c"] {
            let sku = SkuId::new(name).unwrap();
            let key = StockKey { sku, location: LocationId::new("main").unwrap() };
            batch.put(keys::stock(&key).into(), Some(rows::whole(&Stock::default().encode()))).unwrap();
        }
        for row in [reservation("open", 1, 1), reservation("settled", 0, 1)] {
            batch.put(keys::reservation(&row.id).into(), Some(rows::whole(&row.encode()))).unwrap();
        }
        for (key, page) in requests() {
            batch.put(key.into(), Some(rows::whole(&page))).unwrap();
        }
        let (rows, digest) = batch.finish();
        let log_id = Some(LogId::new(LeaderId { term: 1, node_id: 1 }, RECORDS));
        let row = applied_row::encode(&Position { log_id, ..Position::default() }, digest);
        let applied = applied_row::rows(&engine, &row).unwrap();
        engine.write(&rows).unwrap();
        engine.write(&applied).unwrap();
        engine
    }

    #[test]
    fn several_threads_load_what_one_does() {
        let engine = engine();
        let (one, several) = (load(&engine, false).unwrap(), load(&engine, true).unwrap());
        assert_eq!((one.digest, &one.position), (several.digest, &several.position));
        assert_eq!(one.state, several.state);
        assert_eq!(one.request_pages, several.request_pages);
        assert_eq!(one.state.stock_after(None).count(), 3);
        let reservations: Vec<_> = one.state.reservations_after(None).map(|row| row.id.as_str()).collect();
        assert_eq!(reservations, ["open"], "what is settled stays in the engine");
        let mut records = records();
        records.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        assert!(one.state.requests().eq(records), "not the records that were put in");
    }

    #[test]
    fn a_row_too_many_or_too_few_is_found() {
        let extra = engine();
        extra
            .write(&[(Bytes::from_static(b"sz\0main"), extra.get(b"sa\0main").unwrap().map(Bytes::from))])
            .unwrap();
        let missing = engine();
        missing.write(&[(Bytes::from_static(b"sa\0main"), None)]).unwrap();
        for engine in [extra, missing] {
            for threads in [false, true] {
                assert!(load(&engine, threads).is_err());
            }
        }
    }
}
