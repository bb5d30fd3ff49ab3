//! Tasks: spawned in one place, labelled, stopped together; the panic of any stops the node.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::place;

/// What kind of thing made a node stop: its exit code follows from it. Said by whoever reports the failure, who knows;
/// nobody guesses it from words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailureKind {
    /// The disk has no room.
    DiskFull,
    /// Writing, syncing or reading failed.
    Storage,
    /// What is on the disk is not what was written to it.
    Damaged,
    /// A task panicked.
    Bug,
    /// What the node was told at its start doesn't fit what it has found since.
    Configuration,
    /// None of these.
    #[default]
    Other,
}

/// Why a node must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} failed: {cause}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// Which part.
    pub what: String,
    /// What happened to it.
    pub cause: String,
}

/// The tasks of a node.
///
/// Invariants:
/// - A task that panics is reported once through `failure`, and the node's owner stops the node.
/// - After [`Tasks::stop`] no task runs.
#[derive(Debug, Clone)]
pub struct Tasks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    running: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
    failure: watch::Sender<Option<Failure>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            running: Mutex::new(JoinSet::new()),
            stopping: watch::Sender::new(false),
            failure: watch::Sender::new(None),
        }))
    }

    /// Spawns a task on the current runtime. Its panic becomes the node's [`Failure`].
    pub fn spawn(&self, label: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::clone(&self.0);
        let mut running = self.0.running.lock();
        // Finished ones would pile up otherwise.
        while running.try_join_next().is_some() {}
        running.spawn(place::here(
            async move {
                // A panic unwinds through the guard, which reports it.
                let guard = PanicGuard { shared, label };
                task.await;
                drop(guard);
            }
            .instrument(tracing::info_span!("task", label)),
        ));
    }

    /// Reports that the node can't go on, for a cause of no kind in particular. The first report stands.
    pub fn fail(&self, what: &str, cause: &str) {
        self.fail_as(FailureKind::Other, what, cause);
    }

    /// Reports that the node can't go on. The first report stands.
    pub fn fail_as(&self, kind: FailureKind, what: &str, cause: &str) {
        report(&self.0.failure, kind, what, cause);
    }

    /// Waits until something fails.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.0.failure.subscribe();
        let failure = failure.wait_for(Option::is_some).await.expect("the sender lives in self");
        failure.clone().expect("waited for it")
    }

    /// Completes when the node begins to stop. For loops that want to finish what they do.
    pub async fn stopping(&self) {
        let mut stopping = self.0.stopping.subscribe();
        stopping.wait_for(|stopping| *stopping).await.expect("the sender lives in self");
    }

    /// True from the beginning of [`Tasks::stop`].
    pub fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// Tells all tasks to stop, gives them `grace`, then aborts those that are left.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.send_replace(true);
        let mut running = std::mem::take(&mut *self.0.running.lock());
        let all_done = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_done).await.is_err() {
            running.shutdown().await;
        }
    }
}

struct PanicGuard {
    shared: Arc<Shared>,
    label: &'static str,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            report(&self.shared.failure, FailureKind::Bug, self.label, "panicked");
        }
    }
}

fn report(failure: &watch::Sender<Option<Failure>>, kind: FailureKind, what: &str, cause: &str) {
    failure.send_if_modified(|failure| {
        let first = failure.is_none();
        if first {
            *failure = Some(Failure { kind, what: what.to_owned(), cause: cause.to_owned() });
        }
        first
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_the_nodes_failure() {
        let tasks = Tasks::new();
        tasks.spawn("doomed", async { panic!("on purpose") });
        let failure = tasks.failed().await;
        assert_eq!((failure.kind, failure.what.as_str()), (FailureKind::Bug, "doomed"));
    }

    #[tokio::test]
    async fn the_first_failure_stands_with_its_kind() {
        let tasks = Tasks::new();
        tasks.fail_as(FailureKind::DiskFull, "wal", "no space left");
        tasks.fail("raft", "the log has stopped");
        let failure = tasks.failed().await;
        assert_eq!((failure.kind, failure.what.as_str()), (FailureKind::DiskFull, "wal"));
    }

    #[tokio::test]
    async fn stop_waits_for_those_that_finish_and_aborts_the_rest() {
        let tasks = Tasks::new();
        let (sender, mut receiver) = watch::channel(false);
        let stopping = tasks.clone();
        tasks.spawn("polite", async move {
            stopping.stopping().await;
            sender.send_replace(true);
        });
        tasks.spawn("stubborn", std::future::pending());
        tasks.stop(Duration::from_millis(200)).await;
        assert!(*receiver.borrow_and_update());
    }
}
