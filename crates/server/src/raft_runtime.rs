//! The runtime that Raft has for itself.

use std::future::Future;

use stockade_env::{Failure, FailureKind, Tasks};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::error::StartError;
use crate::limits;

/// Threads on which only Raft, the log and the peer port run: a gateway under load delays no heartbeat.
#[derive(Debug)]
pub(crate) struct RaftRuntime(Option<Runtime>);

impl RaftRuntime {
    pub(crate) fn start() -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits::RAFT_THREADS)
            .thread_name("stockade-raft")
            // The thread that executes entries stays: there may be none to be had when the next one comes.
            .thread_keep_alive(limits::EXECUTOR_KEEP_ALIVE)
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("taken only by stop, which takes self").handle()
    }

    /// Spawns a task there.
    pub(crate) fn spawn(
        &self,
        tasks: &Tasks,
        label: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let _here = self.handle().enter();
        tasks.spawn(label, task);
    }

    /// Runs a future there and waits for what it gives.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tasks: &Tasks,
        label: &'static str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.spawn(tasks, label, async move {
            // Who doesn't wait any more doesn't want it.
            let _ = sender.send(future.await);
        });
        receiver.await.map_err(|_| Failure {
            kind: FailureKind::Bug,
            what: label.to_owned(),
            cause: "panicked or was stopped".to_owned(),
        })
    }

    /// Joins its threads.
    pub(crate) async fn stop(mut self) {
        if let Some(runtime) = self.0.take() {
            let join = move || runtime.shutdown_timeout(limits::TASK_GRACE);
            // Joining blocks, and a runtime must not be dropped on another one's threads.
            let joined = tokio::task::spawn_blocking(join).await;
            if let Err(error) = joined {
                tracing::error!(%error, "the raft runtime did not stop");
            }
        }
    }
}

impl Drop for RaftRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A start that failed is dropped inside another runtime, where blocking is not allowed.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_there_gives_its_result_and_the_runtime_joins() {
        let tasks = Tasks::new();
        let runtime = RaftRuntime::start().unwrap();
        let thread = runtime
            .run(&tasks, "a test", async { std::thread::current().name().map(str::to_owned) })
            .await
            .unwrap();
        assert_eq!(thread.as_deref(), Some("stockade-raft"));
        runtime.stop().await;
    }

    #[tokio::test]
    async fn a_panic_there_is_a_failure_here() {
        let tasks = Tasks::new();
        let runtime = RaftRuntime::start().unwrap();
        let result = runtime.run(&tasks, "doomed", async { panic!("on purpose") }).await;
        assert_eq!(result.map(|(): ()| ()).unwrap_err().what, "doomed");
    }
}
