//! Read barriers: linearizable reads on any node, by ReadIndex (Raft thesis, section 6.4).
//!
//! A read asks the leader for an index, after which the leader has heard from a quorum that it still leads, and waits
//! until this node has applied it. Many reads share one question. A read joins the next question, never one already
//! asked: what was acknowledged in between might be missing from its answer.
//!
//! A new leader names no index below the blank entry that opens its term (openraft's `get_read_log_id`), so it doesn't
//! serve before that is committed.

use std::sync::Arc;

use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use stockade_proto::internal as wire;
use stockade_state_machine::Revision;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::limits;
use crate::node::Inner;
use crate::peer::link::Purpose;
use crate::{Leader, ReadError};

/// Waits for a read index.
pub(crate) type Waiting = oneshot::Sender<u64>;

impl Inner {
    /// See [`crate::Node::read_barrier`].
    pub(crate) async fn read_barrier(&self, deadline: Instant) -> Result<(), ReadError> {
        if self.is_stopping() {
            return Err(ReadError::ShuttingDown);
        }
        let (sender, index) = oneshot::channel();
        let barrier = async {
            self.reads.send(sender).await.map_err(|_| ReadError::ShuttingDown)?;
            let index = index.await.map_err(|_| ReadError::ShuttingDown)?;
            self.state.wait_applied(Revision::new(index)).await;
            // Meanwhile it may have been found that this node's state can't be believed.
            if self.is_stopping() {
                return Err(ReadError::ShuttingDown);
            }
            Ok(())
        };
        timeout_at(deadline, barrier).await.unwrap_or(Err(ReadError::NoLeader))
    }

    /// A read index from this node, if it leads and hears from a quorum; else who leads, where known.
    pub(crate) async fn read_index_here(&self) -> Result<u64, Option<u64>> {
        let asked = self.raft.get_read_linearizer(ReadPolicy::ReadIndex);
        match timeout(limits::READ_ATTEMPT_TIMEOUT, asked).await {
            Ok(Ok(linearizer)) => Ok(linearizer.read_log_id().index()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                Err(forward.leader_id)
            }
            Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) | RaftError::Fatal(_)))
            | Err(_) => Err(None),
        }
    }

    async fn read_index_of(&self, leader: u64) -> Option<u64> {
        if leader == self.identity.node_id {
            return self.read_index_here().await.ok();
        }
        let address = self.peer_address(leader)?;
        let mut client = self.links.client(leader, &address, Purpose::Query).ok()?;
        let request = wire::ReadIndexRequest { envelope: Some(self.links.envelope(leader)) };
        match timeout(limits::READ_ATTEMPT_TIMEOUT, client.read_index(request)).await {
            Ok(Ok(response)) => match response.into_inner().result {
                Some(wire::read_index_response::Result::Index(index)) => Some(index),
                Some(wire::read_index_response::Result::NotLeader(_)) | None => None,
            },
            Ok(Err(status)) => {
                tracing::debug!(leader, %status, "no read index");
                None
            }
            Err(_) => None,
        }
    }
}

/// Asks for read indexes, one question at a time, for all who wait.
pub(crate) async fn serve(node: Arc<Inner>, mut queue: mpsc::Receiver<Waiting>) {
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
        let asked = async {
            match node_id {
                Some(node_id) => node.read_index_of(node_id).await,
                None => None,
            }
        };
        let index = tokio::select! {
            index = asked => index,
            // Whoever was asked leads no more; ask the new one at once.
            _ = leader.changed() => continue,
            () = node.stopping() => return,
        };
        if let Some(index) = index {
            for waiting in waiting.drain(..) {
                // Who has given up doesn't hear it.
                let _ = waiting.send(index);
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
