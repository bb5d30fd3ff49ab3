//! The executor: committed entries become state, replies, and rows on their way to the engine. It may wait for the disk and
//! take its time, so nothing of Raft runs where it does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::IntoIter;

use openraft::EntryPayload;
use openraft::storage::{ApplyResponder, EntryResponder};
use parking_lot::{Mutex, RwLockUpgradableReadGuard};
use stockade_env::{FailureKind, Tasks};
use stockade_state_machine::change::Change;
use stockade_state_machine::{Entry, Reply, Revision};

use crate::applied_row::{LogId, StoredMembership};
use crate::codec;
use crate::memory::Shared;
use crate::named::Named;
use crate::skip::{self, SkipList};
use crate::{EntryReplies, Error, Proposal, TypeConfig, limits};

/// Executes entries.
///
/// Invariants:
/// - Entries are executed one after the other, in log order, each whole; nobody else changes the state.
/// - A failure here is never an outcome: it stops the node.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) shared: Arc<Shared>,
    /// Beyond it apply waits for the writer.
    pub(crate) overlay_bytes: u64,
    /// What is not to be executed.
    pub(crate) skips: SkipList,
    /// Who hears of a panic.
    pub(crate) tasks: Tasks,
    /// What the last entry's changes stood in: made anew for each, so much memory would come from the system and go back.
    pub(crate) spare: Mutex<Vec<Change>>,
}

/// Reports a panic that unwinds through apply. Openraft runs apply in a task of its own and looks after it only when
/// the next entry is committed: until then the node would go on as if it were well.
pub(crate) struct PanicGuard {
    tasks: Tasks,
    /// The entry that is being executed: where it is the cause, the operator must know which one it is.
    at: Option<LogId>,
}

impl PanicGuard {
    pub(crate) fn new(tasks: &Tasks) -> Self {
        Self { tasks: tasks.clone(), at: None }
    }
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

impl Executor {
    /// True as long as the writer is not too far behind.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.backlog_bytes() <= self.overlay_bytes
    }

    /// An error once the storage was told to stop. Raft's own task has ended by then, and what it left to be applied is applied at the next
    /// start.
    pub(crate) fn expect_running(&self) -> Result<(), io::Error> {
        if self.shared.stopping.load(Ordering::Acquire) {
            return Err(io::Error::other("the storage is stopping"));
        }
        Ok(())
    }

    /// Executes entries as long as there is room for what they write; gives those that are left.
    pub(crate) fn execute_while_room(
        &self,
        mut entries: IntoIter<EntryResponder<TypeConfig>>,
    ) -> Result<IntoIter<EntryResponder<TypeConfig>>, io::Error> {
        let mut guard = PanicGuard::new(&self.tasks);
        let mut changes = std::mem::take(&mut *self.spare.lock());
        for (entry, responder) in entries.by_ref() {
            self.expect_running()?;
            let log_id = entry.log_id;
            let skipped = self.skips.covers(&entry);
            match entry.payload {
                EntryPayload::Blank => {
                    self.pass(log_id, None);
                    answer(responder, EntryReplies::default());
                }
                EntryPayload::Membership(membership) => {
                    self.pass(log_id, Some(StoredMembership::new(Some(log_id), membership)));
                    answer(responder, EntryReplies::default());
                }
                EntryPayload::Normal(proposal) => {
                    guard.at = Some(log_id);
                    let executed = if skipped {
                        self.skip(log_id, &proposal, &mut changes)
                    } else {
                        self.execute(log_id, &proposal, &mut changes).map(Some)
                    };
                    guard.at = None;
                    match executed.map_err(|error| self.fail("apply", error))? {
                        Some(replies) => {
                            answer(responder, replies);
                            self.take_in(log_id, &changes);
                            changes.clear();
                        }
                        // Whoever waited is told that the fate is unknown: how many replies to give can't be known.
                        None => self.pass(log_id, None),
                    }
                }
            }
            if !self.has_room() {
                break;
            }
        }
        if changes.capacity() <= limits::SPARE_CHANGES {
            *self.spare.lock() = changes;
        }
        Ok(entries)
    }

    /// Decodes and executes a proposal; appends what it changed.
    fn execute(
        &self,
        log_id: LogId,
        proposal: &Proposal,
        changes: &mut Vec<Change>,
    ) -> Result<EntryReplies, Error> {
        let entry = codec::decode_proposal(proposal).map_err(|error| {
            let (index, term) = (log_id.index, log_id.leader_id.term);
            Error::Entry { index, term, what: error.to_string() }
        })?;
        Ok(EntryReplies(self.run(log_id, &entry, changes)?.into()))
    }

    /// Gives up every request of a proposal instead of executing it; `None` where it can't be decoded: then nothing changes.
    fn skip(
        &self,
        log_id: LogId,
        proposal: &Proposal,
        changes: &mut Vec<Change>,
    ) -> Result<Option<EntryReplies>, Error> {
        let Ok((stand_in, commands)) = skip::stand_in(proposal) else { return Ok(None) };
        let mut replies = self.run(log_id, &stand_in, changes)?;
        skip::refuse(&commands, &mut replies);
        Ok(Some(EntryReplies(replies.into())))
    }

    /// Executes an entry; gives the replies once readers can see what it did.
    fn run(&self, log_id: LogId, entry: &Entry, changes: &mut Vec<Change>) -> Result<Vec<Reply>, Error> {
        let memory = self.shared.memory.upgradable_read();
        let named = Named::fetch(&memory, entry)?;
        let revision = Revision::new(log_id.index);
        // Readers are let in up to here, and those who would change what was read are not.
        let mut memory = RwLockUpgradableReadGuard::upgrade(memory);
        named.load_into(&mut memory);
        let replies = memory.state.execute_into(revision, entry, changes);
        named.unload_from(&mut memory);
        memory.orders.follow(revision, changes);
        memory.revision = revision;
        *self.shared.next_due.lock() = memory.state.next_due();
        drop(memory);
        self.shared.applied.send_replace(revision);
        Ok(replies)
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
    fn take_in(&self, log_id: LogId, changes: &[Change]) {
        let mut window = self.shared.window.lock();
        window.take_in(changes);
        window.position.log_id = Some(log_id);
        self.shared.marks.applied(log_id.index, window.position.chain);
        let bytes = window.bytes;
        drop(window);
        if bytes >= limits::WINDOW_BYTES {
            self.shared.filled.notify_one();
        }
    }

    /// Says what kind of failure it is while that is known: openraft hands on no more than its text.
    pub(crate) fn fail(&self, what: &str, error: Error) -> io::Error {
        // An entry that was under way finds the engine closed: that is no failure.
        if self.expect_running().is_ok() {
            self.tasks.fail_as(error.failure_kind(), what, &error.to_string());
        }
        error.into_io()
    }
}

/// Nobody waits for what another node proposed.
fn answer(responder: Option<ApplyResponder<TypeConfig>>, replies: EntryReplies) {
    if let Some(responder) = responder {
        responder.send(replies);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stockade_env::Env;

    use super::*;

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
