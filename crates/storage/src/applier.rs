//! The applier: committed entries become state, replies, and rows on their way to the engine.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use stockade_env::{FailureKind, Tasks};
use stockade_state_machine::change::Change;
use stockade_state_machine::{Applied, Entry, Reply, Revision};
use tokio::sync::{mpsc, oneshot};

use crate::applied_row::{LogId, StoredMembership};
use crate::codec;
use crate::log::LogStore;
use crate::memory::Shared;
use crate::named::Named;
use crate::skip::{self, SkipList};
use crate::snapshot::{SnapshotFile, SnapshotStore};
use crate::writer::WriterCommand;
use crate::{EntryReplies, Error, Proposal, TypeConfig};

/// The applied state, as openraft drives it.
///
/// Invariants:
/// - Entries are applied one after the other, in log order, each whole; nobody else changes the state.
/// - A failure here is never an outcome: it stops the node.
#[derive(Debug)]
pub struct StateMachine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: mpsc::Sender<WriterCommand>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) log: LogStore,
    /// Beyond it apply waits for the writer.
    pub(crate) overlay_bytes: u64,
    /// What is not to be executed.
    pub(crate) skips: SkipList,
    /// Who hears of a panic.
    pub(crate) tasks: Tasks,
}

/// Reports a panic that unwinds through apply. Openraft runs apply in a task of its own and looks after it only when
/// the next entry is committed: until then the node would go on as if it were well.
struct PanicGuard {
    tasks: Tasks,
    /// The entry that is being executed: where it is the cause, the operator must know which one it is.
    at: Option<LogId>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        match &self.at {
            None => self.tasks.fail_as(FailureKind::Bug, "apply", "panicked"),
            Some(at) => {
                let cause = format!("panicked at log entry {} of term {}", at.index, at.leader_id.term);
                self.tasks.fail_as(FailureKind::Bug, "apply", &cause);
            }
        }
    }
}

impl StateMachine {
    /// Decodes and executes a proposal.
    fn execute(&self, log_id: LogId, proposal: &Proposal) -> Result<(EntryReplies, Vec<Change>), Error> {
        let entry = codec::decode_proposal(proposal).map_err(|error| {
            let (index, term) = (log_id.index, log_id.leader_id.term);
            Error::Entry { index, term, what: error.to_string() }
        })?;
        let (replies, changes) = self.run(log_id, &entry)?;
        Ok((EntryReplies(replies.into()), changes))
    }

    /// Gives up every request of a proposal instead of executing it; `None` where it can't be decoded: then nothing changes.
    fn skip(&self, log_id: LogId, proposal: &Proposal) -> Result<Option<(EntryReplies, Vec<Change>)>, Error> {
        let Ok((stand_in, commands)) = skip::stand_in(proposal) else { return Ok(None) };
        let (mut replies, changes) = self.run(log_id, &stand_in)?;
        skip::refuse(&commands, &mut replies);
        Ok(Some((EntryReplies(replies.into()), changes)))
    }

    /// Executes an entry; gives the replies once readers can see what it did.
    fn run(&self, log_id: LogId, entry: &Entry) -> Result<(Vec<Reply>, Vec<Change>), Error> {
        let mut named = Named::fetch(&self.shared.memory.read(), entry)?;
        let revision = Revision::new(log_id.index);
        let mut memory = self.shared.memory.write();
        named.load_into(&mut memory)?;
        let Applied { replies, changes } = memory.state.execute(revision, entry);
        named.unload_from(&mut memory);
        memory.orders.follow(revision, &changes);
        memory.revision = revision;
        drop(memory);
        self.shared.applied.send_replace(revision);
        Ok((replies, changes))
    }

    /// Moves on over an entry that changes no state.
    fn pass(&self, log_id: LogId, membership: Option<StoredMembership>) {
        let revision = Revision::new(log_id.index);
        self.shared.memory.write().revision = revision;
        let mut window = self.shared.window.lock();
        window.position.log_id = Some(log_id);
        if let Some(membership) = membership {
            window.position.follow(membership);
        }
        self.shared.marks.applied(log_id.index, window.position.chain);
        drop(window);
        self.shared.applied.send_replace(revision);
    }

    /// Puts an entry's changes on their way to the engine.
    fn take_in(&self, log_id: LogId, changes: &[Change]) -> usize {
        let mut window = self.shared.window.lock();
        window.take_in(changes);
        window.position.log_id = Some(log_id);
        self.shared.marks.applied(log_id.index, window.position.chain);
        window.bytes
    }

    /// Says what kind of failure it is while that is known: openraft hands on no more than its text.
    fn fail(&self, what: &str, error: Error) -> io::Error {
        self.tasks.fail_as(error.failure_kind(), what, &error.to_string());
        error.into_io()
    }

    /// Waits while the writer is too far behind: memory is bounded, and openraft's queue then holds the leader back.
    async fn wait_for_room(&self) -> Result<(), io::Error> {
        loop {
            let drained = self.shared.drained.notified();
            if self.shared.backlog_bytes() <= self.overlay_bytes {
                return Ok(());
            }
            self.shared.filled.notify_one();
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
        let window = self.shared.window.lock();
        Ok((window.position.log_id, window.position.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut guard = PanicGuard { tasks: self.tasks.clone(), at: None };
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let log_id = entry.log_id;
            let skipped = self.skips.covers(&entry);
            match entry.payload {
                EntryPayload::Blank => {
                    self.pass(log_id, None);
                    if let Some(responder) = responder {
                        responder.send(EntryReplies::default());
                    }
                }
                EntryPayload::Membership(membership) => {
                    self.pass(log_id, Some(StoredMembership::new(Some(log_id), membership)));
                    if let Some(responder) = responder {
                        responder.send(EntryReplies::default());
                    }
                }
                EntryPayload::Normal(proposal) => {
                    guard.at = Some(log_id);
                    let done = if skipped {
                        self.skip(log_id, &proposal)
                    } else {
                        self.execute(log_id, &proposal).map(Some)
                    };
                    guard.at = None;
                    let Some((replies, changes)) = done.map_err(|error| self.fail("apply", error))? else {
                        // Whoever waited is told that the fate is unknown: how many replies to give can't be known.
                        self.pass(log_id, None);
                        continue;
                    };
                    if let Some(responder) = responder {
                        responder.send(replies.clone());
                    }
                    let bytes = self.take_in(log_id, &changes);
                    if bytes >= crate::limits::WINDOW_BYTES {
                        self.shared.filled.notify_one();
                    }
                    self.wait_for_room().await?;
                }
            }
        }
        Ok(())
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
        let _installing = self.shared.begin_install();
        // The engine will hold what the log before it led to: nothing asked of the log so far may be lost after that.
        self.log.barrier().await?;
        let (reply, installed) = oneshot::channel();
        ask(&self.writer, WriterCommand::Install(snapshot, reply)).await?;
        let stopped = || io::Error::other("the engine's writer has stopped");
        installed.await.map_err(|_| stopped())?.map_err(|error| self.fail("installing a snapshot", error))
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
    use crate::{EngineKind, Identity, Options};

    #[tokio::test]
    async fn a_panic_in_apply_becomes_the_nodes_failure() {
        let env = Env::real();
        let identity = Identity { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), node_id: 1 };
        let options =
            Options { engine: EngineKind::Memory, ..Options::new(PathBuf::from("/data"), identity) };
        let storage = crate::open(Arc::new(MemoryFiles::default()), &env, options).await.unwrap();
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
    async fn a_panic_while_an_entry_is_executed_names_the_entry() {
        let env = Env::real();
        let leader = openraft::impls::leader_id_adv::LeaderId { term: 3, node_id: 1 };
        let tasks = env.tasks.clone();
        let executing = tokio::task::spawn(async move {
            let _guard = PanicGuard { tasks, at: Some(LogId::new(leader, 7)) };
            panic!("on purpose");
        });
        assert!(executing.await.unwrap_err().is_panic());
        let failure = tokio::time::timeout(Duration::from_secs(10), env.tasks.failed()).await.unwrap();
        assert_eq!(failure.to_string(), "apply failed: panicked at log entry 7 of term 3");
    }
}
