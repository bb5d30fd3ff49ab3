//! What of the applied state is in memory, and what all parts of storage share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use stockade_state_machine::{LogTime, Revision, State};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::applied_row::Position;
use crate::chain_marks::ChainMarks;
use crate::engine::Engine;
use crate::evictable::Away;
use crate::index::Manifest;
use crate::ledger::Chain;
use crate::load::Loaded;
use crate::order_list::OrderLists;
use crate::window::Window;

/// What readers see, all at one revision.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) state: State,
    /// Of the state's settled orders and reservations and its documents, those that are in `engine` alone.
    pub(crate) away: Away,
    pub(crate) revision: Revision,
    /// Up to where the engine has everything.
    pub(crate) written: Revision,
    /// The end of the ledger's chain there.
    pub(crate) written_ledger: Chain,
    /// What the index holds there.
    pub(crate) index: Arc<Manifest>,
    /// What lists of orders know beside it.
    pub(crate) orders: OrderLists,
    /// What the state's settled orders and reservations and its documents are read from.
    pub(crate) engine: Arc<dyn Engine>,
}

impl Memory {
    /// Of rows that were loaded from an engine.
    fn of(loaded: Loaded, index: Arc<Manifest>, engine: Arc<dyn Engine>) -> Self {
        let revision = Revision::new(loaded.position.index());
        let orders = OrderLists::of(&loaded.state);
        let written_ledger = loaded.position.ledger;
        let Loaded { state, away, .. } = loaded;
        Self { state, away, revision, written: revision, written_ledger, index, orders, engine }
    }
}

/// What apply, the writer and readers share.
///
/// Invariants:
/// - A settled order or reservation or a document that is not in `memory.state` is in `memory.engine`, as it is now, and its name is within
///   `memory.away`.
/// - `next_due` is that of `memory.state` whenever the lock of `memory` is free.
/// - `memory.revision` is at least `window.position`'s index: an entry is seen before it is on its way to the engine.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) memory: RwLock<Memory>,
    pub(crate) window: Mutex<Window>,
    /// What the nodes compare. Changed under the lock of `window`.
    pub(crate) marks: ChainMarks,
    pub(crate) applied: watch::Sender<Revision>,
    /// When the next hold of `memory.state` ends. Apart from that, for those who may not wait while an entry is executed.
    pub(crate) next_due: Mutex<Option<LogTime>>,
    /// Follows `memory.written`.
    pub(crate) written: watch::Sender<Revision>,
    /// Told when a window has left for the engine and there is room again.
    pub(crate) drained: Notify,
    /// Told when a window is worth writing before its time.
    pub(crate) filled: Notify,
    /// When readers asked for a window last.
    pub(crate) hurried: Mutex<Option<Instant>>,
    /// Bytes of windows that are on their way.
    pub(crate) in_writing: AtomicU64,
    /// True once the storage was told to stop: nothing is applied any more.
    pub(crate) stopping: AtomicBool,
    /// A snapshot is being installed: nothing is applied meanwhile.
    pub(crate) installing: AtomicBool,
}

/// See [`Shared::begin_install`]. One at a time: apply's own task installs.
#[derive(Debug)]
pub(crate) struct Installing(Arc<Shared>);

impl Drop for Installing {
    fn drop(&mut self) {
        self.0.installing.store(false, Ordering::Release);
    }
}

impl Shared {
    pub(crate) fn new(
        loaded: Loaded,
        index: Arc<Manifest>,
        engine: Arc<dyn Engine>,
        mark_every: u64,
    ) -> Self {
        let revision = Revision::new(loaded.position.index());
        let window = Window::after(loaded.position.clone());
        let next_due = Mutex::new(loaded.state.next_due());
        Self {
            memory: RwLock::new(Memory::of(loaded, index, engine)),
            window: Mutex::new(window),
            marks: ChainMarks::new(mark_every),
            applied: watch::Sender::new(revision),
            next_due,
            written: watch::Sender::new(revision),
            drained: Notify::new(),
            filled: Notify::new(),
            hurried: Mutex::default(),
            in_writing: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            installing: AtomicBool::new(false),
        }
    }

    /// As long as what it gives lives, a snapshot is being installed.
    pub(crate) fn begin_install(self: &Arc<Self>) -> Installing {
        self.installing.store(true, Ordering::Release);
        Installing(Arc::clone(self))
    }

    /// Puts another state in place of this one: a snapshot was installed.
    pub(crate) fn replace(&self, loaded: Loaded, index: Arc<Manifest>, engine: Arc<dyn Engine>) {
        let revision = Revision::new(loaded.position.index());
        let mut memory = self.memory.write();
        let mut window = self.window.lock();
        *window = Window::after(loaded.position.clone());
        *memory = Memory::of(loaded, index, engine);
        *self.next_due.lock() = memory.state.next_due();
        self.marks.begin_anew();
        drop(window);
        drop(memory);
        self.applied.send_replace(revision);
        self.written.send_replace(revision);
    }

    /// Takes note that the engine has everything up to a position: of what lists need, memory may forget that much.
    pub(crate) fn note_written(&self, position: &Position, index: Arc<Manifest>) {
        let revision = Revision::new(position.index());
        let mut memory = self.memory.write();
        memory.written = revision;
        memory.written_ledger = position.ledger;
        memory.index = index;
        memory.orders.forget(revision);
        drop(memory);
        self.written.send_replace(revision);
    }

    /// Bytes applied and not yet in the engine.
    pub(crate) fn backlog_bytes(&self) -> u64 {
        let waiting = u64::try_from(self.window.lock().bytes).unwrap_or(u64::MAX);
        waiting.saturating_add(self.in_writing.load(Ordering::Relaxed))
    }
}
