//! What of the applied state is in memory, and what all parts of storage share.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use stockade_state_machine::change::Change;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Origin, Revision, State, Stock, StockKey};
use tokio::sync::{Notify, watch};

use crate::applied_row::{self, Position};
use crate::codec::Durable;
use crate::engine::Engine;
use crate::pages;
use crate::rows::{self, Digest};
use crate::window::{Window, decode_request_item};
use crate::{Error, keys};

/// What readers see, all at one revision.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) state: State,
    pub(crate) revision: Revision,
    /// Up to where the engine has everything.
    pub(crate) written: Revision,
    /// What the state's settled orders and documents are read from.
    pub(crate) engine: Arc<dyn Engine>,
}

/// What apply, the writer and readers share.
///
/// Invariants:
/// - A settled order or a document that is not in `memory.state` is in `memory.engine`, as it is now.
/// - `memory.revision` is at least `window.position`'s index: an entry is seen before it is on its way to the engine.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: RwLock<Memory>,
    pub(crate) window: Mutex<Window>,
    pub(crate) applied: watch::Sender<Revision>,
    /// Told when a window has left for the engine and there is room again.
    pub(crate) drained: Notify,
    /// Told when a window is worth writing before its time.
    pub(crate) filled: Notify,
    /// Bytes of windows that are on their way.
    pub(crate) in_writing: AtomicU64,
}

impl Shared {
    pub(crate) fn new(loaded: Loaded, engine: Arc<dyn Engine>) -> Self {
        let revision = Revision::new(loaded.position.index());
        Self {
            memory: RwLock::new(Memory { state: loaded.state, revision, written: revision, engine }),
            window: Mutex::new(Window::after(loaded.position)),
            applied: watch::Sender::new(revision),
            drained: Notify::new(),
            filled: Notify::new(),
            in_writing: AtomicU64::new(0),
        }
    }

    /// Puts another state in place of this one: a snapshot was installed.
    pub(crate) fn replace(&self, loaded: Loaded, engine: Arc<dyn Engine>) {
        let revision = Revision::new(loaded.position.index());
        let mut memory = self.memory.write();
        *memory = Memory { state: loaded.state, revision, written: revision, engine };
        *self.window.lock() = Window::after(loaded.position);
        drop(memory);
        self.applied.send_replace(revision);
    }

    /// Bytes applied and not yet in the engine.
    pub(crate) fn backlog_bytes(&self) -> u64 {
        let waiting = u64::try_from(self.window.lock().bytes).unwrap_or(u64::MAX);
        waiting.saturating_add(self.in_writing.load(Ordering::Relaxed))
    }
}

/// An order in the engine.
pub(crate) fn stored_order(engine: &dyn Engine, id: &OrderId) -> Result<Option<Arc<Order>>, Error> {
    decode_row::<Order>(rows::get(engine, &keys::order(id))?).map(|order| order.map(Arc::new))
}

/// Decodes a row's value.
pub(crate) fn decode_row<T: Durable>(value: Option<Vec<u8>>) -> Result<Option<T>, Error> {
    let decode = |bytes: Vec<u8>| T::decode(&bytes).map_err(|error| Error::Engine(error.to_string()));
    value.map(decode).transpose()
}

/// What a scan of the engine found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) state: State,
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
            position: Position::default(),
            digest: Digest::default(),
            request_pages: BTreeMap::new(),
        }
    }
}

/// Reads every row of an engine once: checks that they are those that the applied row counts, and fills the memory.
pub(crate) fn load(engine: &dyn Engine) -> Result<Loaded, Error> {
    let Some(applied) = rows::get(engine, keys::APPLIED)? else {
        return match engine.scan(Bound::Unbounded).next() {
            None => Ok(Loaded::nothing()),
            Some(_) => Err(Error::Engine("rows without an applied row".to_owned())),
        };
    };
    let (position, expected) = applied_row::decode(&applied)?;
    let digest = digest(engine)?;
    if digest != expected {
        return Err(Error::Engine(format!("the rows are {digest:?}, the applied row says {expected:?}")));
    }
    let mut loaded = Loaded { position, digest, ..Loaded::nothing() };
    for value in rows::scan(engine, Bound::Unbounded) {
        let (key, value) = value?;
        load_row(&mut loaded, key, value)?;
    }
    loaded.state.absorb(&Change::Clock(loaded.position.clock));
    Ok(loaded)
}

fn digest(engine: &dyn Engine) -> Result<Digest, Error> {
    let mut digest = Digest::default();
    for row in engine.scan(Bound::Unbounded) {
        let (key, value) = row?;
        if !keys::is_applied(&key) {
            digest.add(&key, &value);
        }
    }
    Ok(digest)
}

fn load_row(loaded: &mut Loaded, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
    let unknown = || Error::Engine(format!("no row of ours: {}", String::from_utf8_lossy(&key)));
    match key.first() {
        Some(&keys::SKU) => {
            let sku = decode_row::<Sku>(Some(value))?.expect("a value was given");
            loaded.state.absorb(&Change::Sku(sku.id.clone(), Some(sku)));
        }
        Some(&keys::STOCK) => {
            let (sku, location) = keys::stock_key_of(&key).ok_or_else(unknown)?;
            let (Ok(sku), Ok(location)) = (SkuId::new(sku), LocationId::new(location)) else {
                return Err(unknown());
            };
            let stock = decode_row::<Stock>(Some(value))?;
            loaded.state.absorb(&Change::Stock(StockKey { sku, location }, stock));
        }
        Some(&keys::ORDER) => {
            let order = decode_row::<Order>(Some(value))?.expect("a value was given");
            // Settled orders stay where they are until a command names them.
            if !order.is_settled() {
                loaded.state.absorb(&Change::Order(order.id.clone(), Arc::new(order)));
            }
        }
        Some(&keys::REQUEST) => load_request_page(loaded, key, &value)?,
        Some(&keys::LEDGER | &keys::DOCUMENT) => {}
        _ if key == keys::APPLIED => {}
        _ => return Err(unknown()),
    }
    Ok(())
}

fn load_request_page(loaded: &mut Loaded, key: Vec<u8>, page: &[u8]) -> Result<(), Error> {
    let damaged = |error: crate::codec::DecodeError| Error::Engine(error.to_string());
    let mut last: Option<Origin> = None;
    for item in pages::unpack(page)? {
        let (origin, record) = decode_request_item(&item.bytes).map_err(damaged)?;
        if loaded.position.trimmed.as_ref().is_none_or(|trimmed| origin > *trimmed) {
            let record = RequestRecord::decode(record).map_err(damaged)?;
            loaded.state.absorb(&Change::Request(origin.clone(), Some(record)));
        }
        last = last.max(Some(origin));
    }
    if let Some(last) = last {
        loaded.request_pages.insert(key, last);
    }
    Ok(())
}

/// A document in the engine.
pub(crate) fn stored_document(
    engine: &dyn Engine,
    id: &stockade_state_machine::ids::DocumentId,
) -> Result<Option<Document>, Error> {
    decode_row(rows::get(engine, &keys::document(id))?)
}
