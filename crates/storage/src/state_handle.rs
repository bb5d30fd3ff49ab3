//! Reading the applied state: [`StateHandle`], shared by all who read, and [`View`], one revision of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::request::RequestStatus;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::{Clock, LogTime, Origin, Outcome, Request, Revision, Stock, StockKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::applier::{answer, ask};
use crate::ledger::{AsOf, LedgerCheck, LedgerVerification, LedgerView};
use crate::log::LogStore;
use crate::memory::{Memory, Shared};
use crate::order_list::{OrderFilter, OrderKey, OrderRows};
use crate::quarantine::QuarantineFile;
use crate::scrub::Scrub;
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::writer::WriterCommand;
use crate::{Error, evictable, limits, named, order_list};

/// The applied state of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StateHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: mpsc::Sender<WriterCommand>,
    pub(crate) log: LogStore,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) snapshot_log_bytes: u64,
    pub(crate) overlay_bytes: u64,
    pub(crate) scrub: Scrub,
    pub(crate) quarantine: QuarantineFile,
}

/// A hash of the whole state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateHash {
    /// The log index that the hashes belong to.
    pub applied: Revision,
    /// Chained over the changes of every entry.
    pub chain: [u8; 32],
    /// BLAKE3 over all rows, where it was asked for, and their number.
    pub full: Option<([u8; 32], u64)>,
}

impl StateHandle {
    /// The last applied log index.
    pub fn applied(&self) -> Revision {
        *self.shared.applied.borrow()
    }

    /// The highest node id that ever stood in an applied membership; 0 where there is none.
    pub fn highest_node_id(&self) -> u64 {
        self.shared.window.lock().position.highest_node_id
    }

    /// Tells when the applied index rises.
    pub fn watch_applied(&self) -> watch::Receiver<Revision> {
        self.shared.applied.subscribe()
    }

    /// Completes when the index is applied. Bound it with a timeout.
    pub async fn wait_applied(&self, index: Revision) {
        let mut applied = self.shared.applied.subscribe();
        applied.wait_for(|applied| *applied >= index).await.expect("the sender lives in self");
    }

    /// Reads at one revision: nothing is applied while `read` runs, so it must be short.
    pub fn read<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> T {
        let memory = self.shared.memory.read();
        read(&View { memory: &memory })
    }

    /// When the next hold ends, in log time. Waits for no entry that is being executed.
    pub fn next_due(&self) -> Option<LogTime> {
        *self.shared.next_due.lock()
    }

    /// How many request records are kept.
    pub fn request_count(&self) -> usize {
        self.shared.memory.read().state.request_count()
    }

    /// Bytes that were applied and are not in the engine yet.
    pub fn backlog_bytes(&self) -> u64 {
        self.shared.backlog_bytes()
    }

    /// True while the engine is so far behind that no more writes should be taken on.
    pub fn is_congested(&self) -> bool {
        // Apply itself waits at the whole of it: those who can say no do so earlier.
        self.backlog_bytes() > self.overlay_bytes / 2
    }

    /// True while a snapshot is being installed, however long that takes: nothing is applied meanwhile.
    pub fn is_installing(&self) -> bool {
        self.shared.installing.load(Ordering::Acquire)
    }

    /// True where the log has grown enough since the last snapshot to make another worth it.
    pub fn should_snapshot(&self) -> bool {
        let current = self.snapshots.current();
        let (index, len) = current.map_or((0, 0), |snapshot| (snapshot.position().index(), snapshot.len()));
        self.log.log_bytes_since(index) > self.snapshot_log_bytes.max(len)
    }

    /// Makes, verifies and publishes a snapshot of what is applied. A failure leaves the last one in force and nothing
    /// else behind; the node goes on, and its log grows until one succeeds.
    pub async fn make_snapshot(&self) -> Result<SnapshotFile, Error> {
        let gone = || Error::Engine("the writer has stopped".to_owned());
        let (reply, made) = oneshot::channel();
        self.writer.send(WriterCommand::Snapshot(reply)).await.map_err(|_| gone())?;
        made.await.map_err(|_| gone())?
    }

    /// The newest snapshot, where there is one.
    pub fn newest_snapshot(&self) -> Option<SnapshotFile> {
        self.snapshots.current()
    }

    /// The chain hash, and on request the hash over all rows.
    pub async fn hash(&self, full: bool) -> Result<StateHash, Error> {
        if !full {
            let window = self.shared.window.lock();
            let applied = Revision::new(window.position.index());
            return Ok(StateHash { applied, chain: window.position.chain, full: None });
        }
        let (reply, hash) = oneshot::channel();
        let stopped = |error: std::io::Error| Error::Engine(error.to_string());
        ask(&self.writer, WriterCommand::Hash(reply)).await.map_err(stopped)?;
        answer(hash).await.map_err(stopped)
    }

    /// The ledger, once the engine has everything up to a log index. Bound it with a timeout: a full disk, for one, holds the engine
    /// up.
    pub async fn ledger(&self, at_least: Revision) -> LedgerView {
        let mut written = self.shared.written.subscribe();
        let mut is_there = Box::pin(written.wait_for(|written| *written >= at_least));
        // Many may wait, and the writer's windows are worth something.
        let soon = Instant::now() + limits::LEDGER_GATHER_TIME;
        let last = *self.shared.hurried.lock();
        let due = last.map_or(soon, |last| soon.max(last + limits::LEDGER_WINDOW_PAUSE));
        let is_late = tokio::time::timeout_at(due, &mut is_there).await.is_err();
        if is_late {
            *self.shared.hurried.lock() = Some(Instant::now());
            self.shared.filled.notify_one();
            is_there.await.expect("the sender lives in self");
        }
        LedgerView::of(&self.shared.memory.read())
    }

    /// Verifies the whole ledger as the engine has it. `progress` is told how many entries were read, of how many.
    pub async fn verify_ledger(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<LedgerVerification, Error> {
        let view = self.ledger(self.applied()).await.without_index();
        let mut check = LedgerCheck::default();
        let mut after = None;
        loop {
            let read = view.check_rows(after, limits::LEDGER_CHECK_ROWS, &mut check)?;
            progress(check.entries(), view.chain().entries);
            let Some(last) = read else { break };
            after = Some(last);
            // Others want the thread as well.
            tokio::task::yield_now().await;
        }
        check.end(view.chain());
        let mut after = None;
        loop {
            let rows = self.read(|view| view.stock_after(after.as_ref(), limits::LEDGER_CHECK_STOCK));
            // What has changed since is compared by whoever verifies next.
            let unchanged = rows.iter().filter(|(_, stock)| stock.version.revision <= view.revision());
            unchanged.for_each(|(key, stock)| check.compare(key, stock));
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            tokio::task::yield_now().await;
        }
        self.check_missing_stock(view.revision(), &mut check).await?;
        Ok(check.into_verification(view.revision()))
    }

    /// What moved and has no stock row: its SKU was deleted since, and so was empty, or the row was lost.
    async fn check_missing_stock(&self, read_at: Revision, check: &mut LedgerCheck) -> Result<(), Error> {
        for key in check.without_stock_row() {
            let (stock, applied) = self.read(|view| (view.stock(&key), view.revision()));
            if stock.version.revision > read_at {
                continue;
            }
            let at = AsOf::Revision(applied);
            let last = self.ledger(applied).await.stock_as_of(&key.sku, Some(&key.location), at, None, 1)?;
            if last.stock.iter().any(|(_, stock)| stock.on_hand() != 0) {
                check.missing_stock_row(&key);
            }
        }
        Ok(())
    }

    /// Writes everything to the engine and notes that it was left in order. Nothing is applied any more.
    pub async fn stop(&self) -> Result<(), Error> {
        self.shared.stopping.store(true, Ordering::Release);
        let (reply, stopped) = oneshot::channel();
        let gone = |error: std::io::Error| Error::Engine(error.to_string());
        ask(&self.writer, WriterCommand::Stop(reply)).await.map_err(gone)?;
        answer(stopped).await.map_err(gone)
    }
}

/// The state at one revision.
pub struct View<'a> {
    memory: &'a Memory,
}

impl View<'_> {
    /// The last applied log index.
    pub fn revision(&self) -> Revision {
        self.memory.revision
    }

    /// Log time and horizon.
    pub fn clock(&self) -> Clock {
        self.memory.state.clock()
    }

    /// A SKU.
    pub fn sku(&self, id: &SkuId) -> Option<Sku> {
        self.memory.state.sku(id).cloned()
    }

    /// SKUs after an id, in order.
    pub fn skus_after(&self, after: Option<&SkuId>, limit: usize) -> Vec<Sku> {
        self.memory.state.skus_after(after).take(limit).cloned().collect()
    }

    /// A location.
    pub fn location(&self, id: &LocationId) -> Option<Location> {
        self.memory.state.location(id).cloned()
    }

    /// Locations after an id, in order.
    pub fn locations_after(&self, after: Option<&LocationId>, limit: usize) -> Vec<Location> {
        self.memory.state.locations_after(after).take(limit).cloned().collect()
    }

    /// Stock at a location; all zero where none was ever booked.
    pub fn stock(&self, key: &StockKey) -> Stock {
        self.memory.state.stock(key)
    }

    /// Stock after a key, in order.
    pub fn stock_after(&self, after: Option<&StockKey>, limit: usize) -> Vec<(StockKey, Stock)> {
        let rows = self.memory.state.stock_after(after).take(limit);
        rows.map(|(key, stock)| (key.clone(), *stock)).collect()
    }

    /// Stock of one SKU after a location, in order.
    pub fn stock_of(&self, sku: &SkuId, after: Option<&LocationId>, limit: usize) -> Vec<(StockKey, Stock)> {
        let rows = self.memory.state.stock_of(sku, after).take(limit);
        rows.map(|(key, stock)| (key.clone(), *stock)).collect()
    }

    /// Stock at one location after a SKU, in order.
    pub fn stock_at(
        &self,
        location: &LocationId,
        after: Option<&SkuId>,
        limit: usize,
    ) -> Vec<(StockKey, Stock)> {
        let row = |sku: &SkuId| {
            let key = StockKey { sku: sku.clone(), location: location.clone() };
            let stock = self.stock(&key);
            (key, stock)
        };
        self.memory.state.skus_at(location, after).take(limit).map(row).collect()
    }

    /// An order, wherever it is kept.
    pub fn order(&self, id: &OrderId) -> Result<Option<Arc<Order>>, Error> {
        evictable::find(self.memory, id)
    }

    /// Orders after a key in the order that a filter asks for, wherever they are kept. They are those that the narrowest part of the
    /// filter takes, and not all of them may pass the rest of it.
    pub fn list_orders(
        &self,
        filter: &OrderFilter,
        after: Option<&OrderKey>,
        limit: usize,
    ) -> Result<OrderRows, Error> {
        order_list::list(self.memory, filter, after, limit)
    }

    /// A reservation, wherever it is kept.
    pub fn reservation(&self, id: &ReservationId) -> Result<Option<Arc<Reservation>>, Error> {
        evictable::find(self.memory, id)
    }

    /// Reservations after an id, in order, wherever they are kept.
    pub fn reservations_after(
        &self,
        after: Option<&ReservationId>,
        limit: usize,
    ) -> Result<Vec<Arc<Reservation>>, Error> {
        evictable::page(self.memory, self.memory.state.reservations_after(after), after, limit)
    }

    /// True where the document was booked.
    pub fn has_document(&self, id: &DocumentId) -> Result<bool, Error> {
        Ok(evictable::find::<Document>(self.memory, id)?.is_some())
    }

    /// What is known of a request id.
    pub fn request_status(&self, origin: &Origin) -> RequestStatus {
        self.memory.state.request_status(origin)
    }
    /// What would become of a request of a caller that is alone in the next entry, at a time; nothing changes. It takes as long as
    /// the execution of the request, and what isn't in memory is read from the engine.
    pub fn preview(&self, request: &Request, time: LogTime) -> Result<Outcome, Error> {
        let rows = named::missing(self.memory, &request.command)?;
        let next = Revision::new(self.memory.revision.get() + 1);
        Ok(self.memory.state.preview(next, time, &rows, request))
    }
}
