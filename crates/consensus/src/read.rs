//! Read barriers: reads on any node that see everything that was acknowledged before they came, by ReadIndex or by the leader's
//! lease (Raft thesis, sections 6.4 and 6.4.1).
//!
//! A read asks the leader for an index, and waits until this node has applied it. Many reads share one question. A read joins the
//! next question, never one already asked: what was acknowledged in between might be missing from its answer.
//!
//! By ReadIndex the leader hears from a quorum, after the question came in, that it still leads. By its lease it asks nobody: each
//! voter that answers a message promises to vote for nobody else for a while, and as long as a quorum has promised that, there is
//! no other leader. That holds however long any process stands still, at any point, for these reasons:
//!
//! - The promise counts from the instant at which the leader sent the message, the voter's from the later one at which it came in.
//!   A voter that stands still before it answers promises later, not shorter; one that is restarted votes for nobody until its
//!   promise is over (`Node::start`).
//! - The index is taken in Raft's own task, together with the knowledge that this node leads and has not begun to hand the lead
//!   over (whoever takes that over need not wait for any promise). The lease is looked at after that, for the same term. If it is
//!   valid then, nobody else led when the index was taken, however long this process stood still in between, and the index covers
//!   everything that had been acknowledged by then; the read had come before. What happens between that and the answer is
//!   concurrent with the read.
//! - `CLOCK_MONOTONIC` goes on while a process is stopped, so a leader that stood still finds its lease over.
//!
//! What has to be trusted are the rates of the clocks, see [`limits::LEASE_RELIED_ON_PERCENT`]. A machine that is suspended as a
//! whole may lose time: there `lease_reads` is to be off.
//!
//! A new leader names no index below the blank entry that opens its term (openraft's `get_read_log_id`), so it doesn't
//! serve before that is committed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::linearizable_read::Linearizer;
use openraft::{LinearizerOption, ReadPolicy};
use stockade_proto::internal as wire;
use stockade_state_machine::Revision;
use stockade_storage::TypeConfig;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::limits;
use crate::node::Inner;
use crate::peer::link::Purpose;
use crate::{Leader, ReadError};

/// How the leader knows that nobody else leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// It has heard so from a quorum, after it was asked.
    ByQuorum,
    /// A quorum has promised so, before.
    ByLease,
}

/// A read index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadIndex {
    pub(crate) index: u64,
    pub(crate) by: Confirmed,
}

/// What a read that waits is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Barrier {
    read: ReadIndex,
    /// The index covers everything that was acknowledged before. By this node's clock.
    asked_at: Instant,
}

/// Waits for a barrier.
pub(crate) type Waiting = oneshot::Sender<Barrier>;

/// Where reads wait for the next barrier, by how it may be confirmed.
#[derive(Debug)]
pub(crate) struct Queues {
    quorum: mpsc::Sender<Waiting>,
    lease: mpsc::Sender<Waiting>,
}

/// The other ends of [`Queues`].
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) quorum: mpsc::Receiver<Waiting>,
    pub(crate) lease: mpsc::Receiver<Waiting>,
}

impl Queues {
    pub(crate) fn new() -> (Self, Queued) {
        let (quorum, for_quorum) = mpsc::channel(limits::READ_QUEUE);
        let (lease, for_lease) = mpsc::channel(limits::READ_QUEUE);
        (Self { quorum, lease }, Queued { quorum: for_quorum, lease: for_lease })
    }
}

impl Inner {
    /// Completes when this node's state is at least as new as everything acknowledged anywhere before the call, and
    /// says how that is known: a lease that is not valid is made up for by asking a quorum.
    pub(crate) async fn pass_barrier(
        &self,
        by: Confirmed,
        deadline: Instant,
    ) -> Result<Confirmed, ReadError> {
        if self.is_stopping() {
            return Err(ReadError::ShuttingDown);
        }
        if self.membership.is_removed() {
            return Err(ReadError::Removed);
        }
        let queue = match by {
            Confirmed::ByQuorum => &self.reads.quorum,
            Confirmed::ByLease => &self.reads.lease,
        };
        let (sender, barrier) = oneshot::channel();
        let passed = async {
            queue.send(sender).await.map_err(|_| ReadError::ShuttingDown)?;
            let barrier = barrier.await.map_err(|_| ReadError::ShuttingDown)?;
            self.state.wait_applied(Revision::new(barrier.read.index)).await;
            // Meanwhile it may have been found that this node's state can't be believed.
            if self.is_stopping() {
                return Err(ReadError::ShuttingDown);
            }
            self.mark.leave(&barrier);
            Ok(barrier.read.by)
        };
        timeout_at(deadline, passed).await.unwrap_or(Err(ReadError::NoLeader))
    }

    /// A read index from this node, if it leads; else who leads, where known.
    pub(crate) async fn read_index_here(&self, by: Confirmed) -> Result<ReadIndex, Option<u64>> {
        if by == Confirmed::ByLease
            && self.config.lease_reads
            && let Some(index) = self.index_by_lease().await
        {
            return Ok(ReadIndex { index, by: Confirmed::ByLease });
        }
        self.index_by_quorum().await.map(|index| ReadIndex { index, by: Confirmed::ByQuorum })
    }

    async fn index_by_lease(&self) -> Option<u64> {
        // Openraft's own look at its lease comes first and is not relied on, see `peer/heard_from.rs`.
        let by_lease = LinearizerOption::from(ReadPolicy::LeaseRead);
        let asked = timeout(limits::READ_ATTEMPT_TIMEOUT, self.raft.get_read_linearizer(by_lease)).await;
        let linearizer = asked.ok()?.ok()?;
        self.has_lease(&linearizer).then(|| linearizer.read_log_id().index())
    }

    /// A read index of this node, if it leads and hears from a quorum; else who leads, where known.
    async fn index_by_quorum(&self) -> Result<u64, Option<u64>> {
        let asked_at = Instant::now();
        // An acknowledgement of what is sent after this; while this leader is to be silent it asks for none itself.
        let heartbeat = !self.silent.load(Ordering::Acquire);
        let asked = self.raft.get_read_linearizer(LinearizerOption::new(Some(Duration::ZERO), heartbeat));
        match timeout(limits::READ_ATTEMPT_TIMEOUT, asked).await {
            Ok(Ok(linearizer)) if self.is_confirmed_since(asked_at, &linearizer) => {
                Ok(linearizer.read_log_id().index())
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                Err(forward.leader_id)
            }
            Ok(
                Ok(_)
                | Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) | RaftError::Fatal(_)),
            )
            | Err(_) => Err(None),
        }
    }

    fn has_lease(&self, linearizer: &Linearizer<TypeConfig>) -> bool {
        let leader = linearizer.read_log_id().committed_leader_id();
        let (voters, opened) = self.metrics(|metrics| {
            let committed = metrics.local_committed.as_ref();
            let opened = committed.is_some_and(|committed| committed.committed_leader_id() == leader);
            (metrics.membership_config.get_joint_config().clone(), opened)
        });
        // Before the entry that opens this leader's time is committed, one to whom the lead was handed may still be elected
        // in the same term, whatever was promised to this one; and its entry of that index would pass for the one read.
        opened && self.links.heard.has_lease_at(Instant::now(), self.identity.node_id, leader, &voters)
    }

    fn is_confirmed_since(&self, asked_at: Instant, linearizer: &Linearizer<TypeConfig>) -> bool {
        let leader = linearizer.read_log_id().committed_leader_id();
        let voters = self.metrics(|metrics| metrics.membership_config.get_joint_config().clone());
        self.links.heard.is_confirmed_since(asked_at, self.identity.node_id, leader, &voters)
    }

    async fn read_index_of(&self, leader: u64, by: Confirmed) -> Option<ReadIndex> {
        if leader == self.identity.node_id {
            return self.read_index_here(by).await.ok();
        }
        let address = self.peer_address(leader)?;
        let mut client = self.links.client(leader, &address, Purpose::Query).ok()?;
        let by_lease = by == Confirmed::ByLease;
        let request = wire::ReadIndexRequest { envelope: Some(self.links.envelope(leader)), by_lease };
        match timeout(limits::READ_ATTEMPT_TIMEOUT, client.read_index(request)).await {
            Ok(Ok(response)) => {
                let response = response.into_inner();
                let by = if response.by_lease { Confirmed::ByLease } else { Confirmed::ByQuorum };
                match response.result {
                    Some(wire::read_index_response::Result::Index(index)) => Some(ReadIndex { index, by }),
                    Some(wire::read_index_response::Result::NotLeader(_)) | None => None,
                }
            }
            Ok(Err(status)) => {
                tracing::debug!(leader, %status, "no read index");
                None
            }
            Err(_) => None,
        }
    }
}

/// Asks for read indexes, one question at a time, for all who wait.
pub(crate) async fn serve(node: Arc<Inner>, by: Confirmed, mut queue: mpsc::Receiver<Waiting>) {
    let mut leader = node.leader.subscribe();
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        // Who has given up needs no answer.
        waiting.retain(|waiting| !waiting.is_closed());
        if waiting.is_empty() {
            tokio::select! {
                next = queue.recv() => match next {
                    Some(next) => waiting.push(next),
                    None => return,
                },
                () = node.stopping() => return,
            }
        }
        while waiting.len() < limits::READ_QUEUE
            && let Ok(next) = queue.try_recv()
        {
            waiting.push(next);
        }
        let Leader { node_id, .. } = leader.borrow_and_update().clone();
        let asked_at = Instant::now();
        let asked = async {
            match node_id {
                Some(node_id) => node.read_index_of(node_id, by).await,
                None => None,
            }
        };
        let read = tokio::select! {
            read = asked => read,
            // Whoever was asked leads no more; ask the new one at once.
            _ = leader.changed() => continue,
            () = node.stopping() => return,
        };
        if let Some(read) = read {
            for waiting in waiting.drain(..) {
                // Who has given up doesn't hear it.
                let _ = waiting.send(Barrier { read, asked_at });
            }
            continue;
        }
        tokio::select! {
            () = sleep(limits::READ_RETRY_PAUSE) => {}
            _ = leader.changed() => {}
            () = node.stopping() => return,
        }
    }
}

/// The newest instant of which this node knows that it has applied everything that was acknowledged before it. By its own clock
/// alone: it asked then, and has passed the barrier.
#[derive(Debug, Default)]
pub(crate) struct Mark(parking_lot::Mutex<Option<Instant>>);

impl Mark {
    /// A barrier is passed. One by lease leaves no mark: it trusts the clocks of others.
    fn leave(&self, barrier: &Barrier) {
        match barrier.read.by {
            Confirmed::ByQuorum => {
                let mut newest = self.0.lock();
                *newest = (*newest).max(Some(barrier.asked_at));
            }
            Confirmed::ByLease => {}
        }
    }

    /// True where it is at most so old.
    pub(crate) fn is_within(&self, age: std::time::Duration) -> bool {
        self.0.lock().is_some_and(|newest| newest.elapsed() <= age)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn barrier(by: Confirmed) -> Barrier {
        Barrier { read: ReadIndex { index: 1, by }, asked_at: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_ages_from_when_the_barrier_was_asked_for() {
        let mark = Mark::default();
        assert!(!mark.is_within(Duration::from_hours(1)), "nothing is known yet");
        let old = barrier(Confirmed::ByQuorum);
        tokio::time::advance(Duration::from_millis(10)).await;
        mark.leave(&old);
        assert!(mark.is_within(Duration::from_millis(10)));
        assert!(!mark.is_within(Duration::from_millis(9)));
        mark.leave(&barrier(Confirmed::ByQuorum));
        // Whoever waited longer takes nothing back.
        mark.leave(&old);
        assert!(mark.is_within(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_leaves_no_mark() {
        let mark = Mark::default();
        mark.leave(&barrier(Confirmed::ByLease));
        assert!(!mark.is_within(Duration::from_hours(1)));
    }
}
