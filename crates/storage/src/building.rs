//! A snapshot in the making, on a thread of its own: the writer goes on beside it, so that no write waits for a snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::applied_row::Position;
use crate::engine::{Engine, Frozen, RowWrite};
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::{Error, limits};

/// Who waits for a snapshot.
pub(crate) type SnapshotReply = oneshot::Sender<Result<SnapshotFile, Error>>;

/// A snapshot in the making. Dropped before it is done, it leaves nothing behind.
///
/// Invariants:
/// - While it lives, the engine is written to through [`Building::write_beside`] alone.
#[derive(Debug)]
pub(crate) struct Building {
    frozen: Arc<Frozen>,
    given_up: Arc<AtomicBool>,
    replies: Arc<Mutex<Vec<SnapshotReply>>>,
    thread: Option<JoinHandle<()>>,
}

impl Building {
    /// Begins with the engine as it is now, at this position; those who wait are told when it is published, or at once
    /// where there is no thread for it.
    pub(crate) fn begin(
        snapshots: &SnapshotStore,
        engine: &Arc<dyn Engine>,
        position: Position,
        replies: Vec<SnapshotReply>,
    ) -> Option<Self> {
        let replies = Arc::new(Mutex::new(replies));
        let theirs = Arc::clone(&replies);
        let frozen = Arc::new(Frozen::new(Arc::clone(engine)));
        let given_up = Arc::new(AtomicBool::new(false));
        let (snapshots, view, stop) = (snapshots.clone(), Arc::clone(&frozen), Arc::clone(&given_up));
        let work = move || {
            // Snapshots can wait, calls can't. Where the system doesn't let us, they compete as equals.
            if let Err(error) = rustix::process::nice(limits::SNAPSHOT_NICENESS) {
                tracing::debug!(%error, "snapshots are made at the priority of all else");
            }
            let make = AssertUnwindSafe(|| snapshots.build(view.as_ref(), &position, &stop));
            let built = catch_unwind(make)
                .unwrap_or_else(|_| Err(Error::Engine("making a snapshot panicked".to_owned())));
            if let Ok(snapshot) = &built {
                let (bytes, kept_bytes) = (snapshot.len(), view.most_aside_bytes());
                tracing::info!(bytes, kept_bytes, "a snapshot is made");
            }
            // The view holds the engine: whoever is told next may want to close it.
            drop(view);
            match &built {
                // Whoever gave it up looks after those who wait.
                Err(error) if stop.load(Ordering::Relaxed) => {
                    tracing::debug!(%error, "a snapshot was given up");
                }
                Ok(_) | Err(_) => tell(std::mem::take(&mut *theirs.lock()), &built),
            }
        };
        match std::thread::Builder::new().name("snapshot".to_owned()).spawn(work) {
            Ok(thread) => Some(Self { frozen, given_up, replies, thread: Some(thread) }),
            Err(error) => {
                let error = Error::Engine(format!("no thread for a snapshot: {error}"));
                tell(std::mem::take(&mut *replies.lock()), &Err(error));
                None
            }
        }
    }

    /// True where it keeps so much of what was that no more should be written beside it.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.frozen.aside_bytes() > limits::MAX_ASIDE_BYTES
    }

    /// Writes to the engine, and keeps for the snapshot what was there.
    pub(crate) fn write_beside(&self, rows: &[RowWrite]) -> Result<(), Error> {
        self.frozen.write_beside(rows)
    }

    /// True once whoever asked for it has been told.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Gives it up for something better; those who wait are given back, unless they have been told.
    pub(crate) fn abandon(mut self) -> Vec<SnapshotReply> {
        self.end();
        std::mem::take(&mut *self.replies.lock())
    }

    fn end(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.frozen.give_up();
        if let Some(thread) = self.thread.take() {
            // It catches its panics.
            let _ = thread.join();
        }
    }
}

/// Tells those who wait for a snapshot what has become of it. They may have given up waiting.
pub(crate) fn tell(replies: Vec<SnapshotReply>, built: &Result<SnapshotFile, Error>) {
    for reply in replies {
        let _ = reply.send(match built {
            Ok(snapshot) => Ok(snapshot.clone()),
            Err(error) => Err(error.alike("no snapshot was made")),
        });
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.end();
        let given_up = Error::Engine("it was given up before it was done".to_owned());
        tell(std::mem::take(&mut *self.replies.lock()), &Err(given_up));
    }
}
