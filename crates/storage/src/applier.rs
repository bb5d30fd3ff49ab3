//! The applier: what openraft sees of the applied state. Entries are executed beside Raft's threads, see `executor.rs`.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use stockade_env::place;
use tokio::sync::{mpsc, oneshot};

use crate::applied_row::{LogId, StoredMembership};
use crate::executor::{Executor, PanicGuard};
use crate::log::LogStore;
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::writer::WriterCommand;
use crate::{Error, TypeConfig, limits};

/// The applied state, as openraft drives it.
#[derive(Debug)]
pub struct StateMachine {
    pub(crate) executor: Arc<Executor>,
    pub(crate) writer: mpsc::Sender<WriterCommand>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) log: LogStore,
}

impl StateMachine {
    /// Waits while the writer is too far behind: memory is bounded.
    async fn wait_for_room(&self) -> Result<(), io::Error> {
        let shared = &self.executor.shared;
        loop {
            self.executor.expect_running()?;
            let drained = shared.drained.notified();
            if self.executor.has_room() {
                return Ok(());
            }
            shared.filled.notify_one();
            tokio::select! {
                () = drained => {}
                // It failed, and the node is stopping: nobody will make room any more.
                () = self.writer.closed() => return Err(io::Error::other("the engine's writer has stopped")),
            }
        }
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let window = self.executor.shared.window.lock();
        Ok((window.position.log_id, window.position.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let _guard = PanicGuard::new(&self.executor.tasks);
        let mut batches = entries.ready_chunks(limits::APPLY_BATCH_ENTRIES);
        while let Some(batch) = batches.next().await {
            let mut left = batch.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
            while left.len() > 0 {
                self.wait_for_room().await?;
                let executor = Arc::clone(&self.executor);
                // Whatever else Raft has to do meanwhile, heartbeats and votes before all, its threads are free for it.
                let executed = place::blocking(move || executor.execute_while_room(left));
                left = executed.await.map_err(|_| io::Error::other("apply panicked"))??;
            }
        }
        self.wait_for_room().await
    }

    /// A builder that can't fail where openraft asks by itself: it takes the newest published snapshot, and an error of a
    /// builder as the end of the node. Making one is `StateHandle::make_snapshot`'s part, before openraft is asked. The
    /// snapshot is chosen here, in line with what is installed, so that none is told of before its installation is.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        if force {
            return Some(self.get_snapshot_builder().await);
        }
        self.snapshots.current().map(|snapshot| SnapshotBuilder(Source::Published(snapshot)))
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder(Source::New(self.writer.clone()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        if snapshot.meta() != *meta {
            let message = format!("the snapshot is of {:?}, the leader said {meta:?}", snapshot.meta());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let _installing = self.executor.shared.begin_install();
        // The engine will hold what the log before it led to: nothing asked of the log so far may be lost after that.
        self.log.barrier().await?;
        let (reply, installed) = oneshot::channel();
        ask(&self.writer, WriterCommand::Install(snapshot, reply)).await?;
        let stopped = || io::Error::other("the engine's writer has stopped");
        installed
            .await
            .map_err(|_| stopped())?
            .map_err(|error| self.executor.fail("installing a snapshot", error))
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFile>>, io::Error> {
        Ok(self.snapshots.current().map(|snapshot| Snapshot { meta: snapshot.meta(), snapshot }))
    }
}

/// Gives openraft a snapshot.
#[derive(Debug)]
pub struct SnapshotBuilder(Source);

#[derive(Debug)]
enum Source {
    /// It is there.
    Published(SnapshotFile),
    /// It is made beside apply and the writer, see `building.rs`.
    New(mpsc::Sender<WriterCommand>),
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFile>, io::Error> {
        let snapshot = match &self.0 {
            Source::Published(snapshot) => snapshot.clone(),
            Source::New(writer) => {
                let (reply, built) = oneshot::channel();
                ask(writer, WriterCommand::Snapshot(reply)).await?;
                answer(built).await?
            }
        };
        Ok(Snapshot { meta: snapshot.meta(), snapshot })
    }
}

pub(crate) async fn ask(
    writer: &mpsc::Sender<WriterCommand>,
    command: WriterCommand,
) -> Result<(), io::Error> {
    writer.send(command).await.map_err(|_| io::Error::other("the engine's writer has stopped"))
}

pub(crate) async fn answer<T>(reply: oneshot::Receiver<Result<T, Error>>) -> Result<T, io::Error> {
    let reply = reply.await.map_err(|_| io::Error::other("the engine's writer has stopped"))?;
    reply.map_err(Error::into_io)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use futures_util::stream;
    use stockade_env::Env;

    use super::*;
    use crate::file::MemoryFiles;
    use crate::{EngineKind, Identity, Options, Storage};

    async fn in_memory(env: &Env) -> Storage {
        let identity = Identity { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), node_id: 1 };
        let options =
            Options { engine: EngineKind::Memory, ..Options::new(PathBuf::from("/data"), identity) };
        crate::open(Arc::new(MemoryFiles::default()), env, options).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_apply_becomes_the_nodes_failure() {
        let env = Env::real();
        let storage = in_memory(&env).await;
        let mut state_machine = storage.state_machine;
        // As openraft does it: in a task that nobody waits for.
        let applying = tokio::task::spawn(async move {
            let entries = stream::poll_fn(|_| panic!("on purpose"));
            state_machine.apply(Box::pin(entries)).await
        });
        let failure = tokio::time::timeout(Duration::from_secs(10), env.tasks.failed()).await.unwrap();
        assert_eq!((failure.what.as_str(), failure.cause.as_str()), ("apply", "panicked"));
        assert!(applying.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn when_the_next_hold_ends_is_told_while_an_entry_is_executed() {
        let env = Env::real();
        let storage = in_memory(&env).await;
        let (state, shared) = (storage.state, Arc::clone(&storage.state_machine.executor.shared));
        let _executing = shared.memory.write();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(state.next_due()));
        assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(None), "who asks waits for the entry");
    }

    #[tokio::test]
    async fn raft_goes_on_while_an_entry_is_executed() {
        let env = Env::real();
        let storage = in_memory(&env).await;
        let mut state_machine = storage.state_machine;
        let leader = openraft::impls::leader_id_adv::LeaderId { term: 1, node_id: 1 };
        let entry = openraft::Entry { log_id: LogId::new(leader, 0), payload: openraft::EntryPayload::Blank };
        // A reader keeps the entry from being executed until Raft, on the only thread of this runtime, has come by.
        let shared = Arc::clone(&state_machine.executor.shared);
        let (reading, is_reading) = std::sync::mpsc::channel();
        let (came_by, has_come_by) = std::sync::mpsc::channel::<()>();
        let reader = std::thread::spawn(move || {
            let _memory = shared.memory.read();
            reading.send(()).unwrap();
            has_come_by.recv_timeout(Duration::from_secs(5)).is_ok()
        });
        is_reading.recv().unwrap();
        let raft = async move { came_by.send(()).unwrap() };
        let (applied, ()) = tokio::join!(state_machine.apply(stream::iter([Ok((entry, None))])), raft);
        applied.unwrap();
        assert!(reader.join().unwrap(), "the thread that Raft runs on stood still");
    }
}
