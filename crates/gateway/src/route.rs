//! Where a write goes: to the proposer here, or over the stream to the leader.
//!
//! A write is tried until it has an answer or its deadline has passed. An attempt may repeat a command that an earlier
//! one got into the log: the request record in the replicated state makes that harmless, and is why an attempt whose
//! fate is unknown is followed by another, which settles it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use stockade_consensus::{Leader, Node, ProposeError};
use stockade_env::Env;
use stockade_state_machine::{Command, Origin, Outcome, Rejection, Reply};
use stockade_storage::{SpaceLevel, codec};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::{Failure, Short};
use crate::forward::Forwarder;
use crate::limits;

/// Takes writes to the leader. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Router(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    env: Env,
    node: Node,
    /// One for each node that has led since this one started.
    forwarders: Mutex<BTreeMap<u64, Forwarder>>,
}

impl Router {
    pub(crate) fn new(env: Env, node: Node) -> Self {
        Self(Arc::new(Shared { env, node, forwarders: Mutex::new(BTreeMap::new()) }))
    }

    /// Gets a command decided, by whichever node leads. Where this node's disk is low, only relief is taken to it: a node
    /// that can't keep more doesn't ask others to, though they might.
    pub(crate) async fn write(
        &self,
        origin: &Origin,
        command: &Command,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let relief = is_relief(command);
        let refuses = if relief { SpaceLevel::Full } else { SpaceLevel::Low };
        if self.0.node.space().level() >= refuses {
            return Err(Failure::StorageFull(Short::Here));
        }
        let command = codec::encode_request(Some(origin), command);
        let mut attempts =
            Attempts { leader: self.0.node.watch_leader(), pause: limits::RETRY_PAUSE_MIN, proposed: false };
        loop {
            if Instant::now() >= deadline {
                return Err(attempts.out_of_time());
            }
            // Where the log may have it already, the members that this node remembers can still tell what became of it.
            if self.0.node.is_removed() && !attempts.proposed {
                return Err(Failure::Removed);
            }
            let leader = attempts.leader.borrow_and_update().clone();
            let Some(leader_id) = leader.node_id else {
                attempts.wait_for_change(deadline).await;
                continue;
            };
            let attempt = self.attempt(leader_id, relief, command.clone(), deadline);
            let outcome = tokio::select! {
                biased;
                outcome = attempt => outcome,
                // The node that led may be gone with the command: the new leader knows, or decides it.
                () = another_leads(attempts.leader.clone(), leader) => Err(ProposeError::Unknown),
                // Who holds the command doesn't answer: what it did is not known.
                () = tokio::time::sleep_until(deadline + limits::PROPOSER_GRACE) => Err(ProposeError::Unknown),
            };
            match outcome {
                Ok(reply) => return attempts.settle(reply),
                Err(error) => attempts.go_on_after(&error, deadline).await?,
            }
        }
    }

    async fn attempt(
        &self,
        leader: u64,
        relief: bool,
        command: Bytes,
        deadline: Instant,
    ) -> Result<Reply, ProposeError> {
        let node = &self.0.node;
        if leader == node.id() {
            return if relief {
                node.propose_relief(command, deadline).await
            } else {
                node.propose(command, deadline).await
            };
        }
        self.forwarder(leader).forward(command, relief, deadline).await
    }

    fn forwarder(&self, leader: u64) -> Forwarder {
        let start = || Forwarder::start(&self.0.env, &self.0.node, leader);
        self.0.forwarders.lock().entry(leader).or_insert_with(start).clone()
    }
}

/// What a write has been through.
struct Attempts {
    leader: watch::Receiver<Leader>,
    pause: Duration,
    /// True once an attempt may have got the command into the log.
    proposed: bool,
}

impl Attempts {
    /// Whether another attempt makes sense after a failed one; returns when it is time for it.
    async fn go_on_after(&mut self, error: &ProposeError, deadline: Instant) -> Result<(), Failure> {
        match error {
            ProposeError::NotLeader { .. } => self.wait_for_change(deadline).await,
            ProposeError::Unknown => {
                self.proposed = true;
                self.wait_for_change(deadline).await;
            }
            // An earlier attempt may have taken effect: only an answer from the log tells.
            ProposeError::StorageFull | ProposeError::Overloaded if self.proposed => {
                self.wait_for_change(deadline).await;
            }
            ProposeError::StorageFull => return Err(Failure::StorageFull(Short::Leader)),
            ProposeError::Overloaded => return Err(Failure::Overloaded),
            ProposeError::TimedOut => return Err(self.out_of_time()),
            ProposeError::ShuttingDown if self.proposed => {
                return Err(Failure::OutcomeUnknown { deadline_passed: false });
            }
            ProposeError::ShuttingDown => return Err(Failure::ShuttingDown),
            ProposeError::Removed if self.proposed => self.wait_for_change(deadline).await,
            ProposeError::Removed => return Err(Failure::Removed),
        }
        Ok(())
    }

    /// Waits until another node leads, but no longer than a pause that grows: the leader may well be back without a
    /// change that shows.
    async fn wait_for_change(&mut self, deadline: Instant) {
        let known = self.leader.borrow().node_id.is_some();
        let until = if known { deadline.min(Instant::now() + self.pause) } else { deadline };
        self.pause = (self.pause * 2).min(limits::RETRY_PAUSE_MAX);
        // A closed watch means that the node is stopping; the pause keeps the loop from spinning until it says so.
        match tokio::time::timeout_at(until, self.leader.changed()).await {
            // Another leads: what went wrong with the one before says nothing of it.
            Ok(Ok(())) => self.pause = limits::RETRY_PAUSE_MIN,
            Ok(Err(_)) => {
                tokio::time::sleep_until(deadline.min(Instant::now() + limits::RETRY_PAUSE_MAX)).await;
            }
            Err(_) => {}
        }
    }

    /// A reply, unless it says less than it seems to. A refusal for an id from the future leaves no record, so a copy of
    /// an earlier attempt that is still on its way may pass a moment later.
    fn settle(&self, reply: Reply) -> Result<Reply, Failure> {
        match reply.outcome {
            Outcome::Rejected(Rejection::RequestIdInFuture { .. }) if self.proposed => {
                Err(Failure::OutcomeUnknown { deadline_passed: false })
            }
            _ => Ok(reply),
        }
    }

    fn out_of_time(&self) -> Failure {
        if self.proposed {
            Failure::OutcomeUnknown { deadline_passed: true }
        } else if self.leader.borrow().node_id.is_none() {
            Failure::NoLeader
        } else {
            Failure::DeadlineExceeded
        }
    }
}

/// True of what gives units back or settles something: it must work on a disk that has little room, or orders could not
/// even be given up.
fn is_relief(command: &Command) -> bool {
    match command {
        Command::CancelOrder(_)
        | Command::ReleaseReservation(_)
        | Command::ExpireDue(_)
        | Command::AbandonRequest => true,
        Command::Transact(command) => command.operations.iter().all(is_relief),
        Command::CreateSku(_)
        | Command::UpdateSku(_)
        | Command::DeleteSku(_)
        | Command::CreateLocation(_)
        | Command::UpdateLocation(_)
        | Command::DeleteLocation(_)
        | Command::ReceiveStock(_)
        | Command::AdjustStock(_)
        | Command::SetStock(_)
        | Command::MoveStock(_)
        | Command::PlaceOrder(_)
        | Command::ConfirmOrder(_)
        | Command::ExtendOrder(_)
        | Command::ShipOrder(_)
        | Command::CloseOrder(_)
        | Command::ReturnOrder(_)
        | Command::CreateReservation(_)
        | Command::ExtendReservation(_)
        | Command::CommitReservation(_)
        | Command::MoveReservation(_) => false,
    }
}

/// Completes when a node leads that isn't the one that is known, or the same one in a later term.
async fn another_leads(mut leader: watch::Receiver<Leader>, known: Leader) {
    let changed = leader
        .wait_for(|now| now.node_id.is_some() && (now.node_id != known.node_id || now.term != known.term));
    if changed.await.is_err() {
        // The node is stopping: nobody will lead. The attempt itself ends with that.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::command::{CancelOrder, ConfirmOrder, Transact};
    use stockade_state_machine::ids::OrderId;
    use stockade_state_machine::{LogTime, Revision};

    use super::*;

    fn in_future() -> Reply {
        Reply {
            outcome: Outcome::Rejected(Rejection::RequestIdInFuture { now_ms: 1 }),
            revision: Revision::new(7),
            position: 0,
            time: LogTime::from_micros(1_000),
            replayed: false,
        }
    }

    fn attempts(proposed: bool) -> Attempts {
        let (_, leader) = watch::channel(Leader::default());
        Attempts { leader, pause: limits::RETRY_PAUSE_MIN, proposed }
    }

    #[test]
    fn giving_back_and_settling_are_relief_and_new_orders_are_not() {
        assert!(is_relief(&Command::AbandonRequest));
        let order = OrderId::new("o1").unwrap();
        let cancel = CancelOrder { order: order.clone(), lines: Vec::new(), expected: None };
        let cancel = Command::CancelOrder(cancel);
        assert!(is_relief(&cancel));
        let (payment_reference, expected) = Default::default();
        let confirm = ConfirmOrder { order, payment_reference, reacquire: false, expected };
        let confirm = Command::ConfirmOrder(confirm);
        assert!(!is_relief(&confirm));
        let all = |operations| Command::Transact(Transact { preconditions: Vec::new(), operations });
        assert!(is_relief(&all(vec![cancel.clone()])));
        assert!(!is_relief(&all(vec![cancel, confirm])));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_of_unknown_fate_is_remembered_to_the_end() {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut lost = attempts(false);
        lost.go_on_after(&ProposeError::Unknown, deadline).await.unwrap();
        lost.go_on_after(&ProposeError::Overloaded, deadline).await.unwrap();
        let unknown = |deadline_passed| Failure::OutcomeUnknown { deadline_passed };
        assert_eq!(lost.go_on_after(&ProposeError::TimedOut, deadline).await, Err(unknown(true)));
        assert_eq!(lost.go_on_after(&ProposeError::ShuttingDown, deadline).await, Err(unknown(false)));
        let mut never = attempts(false);
        never.go_on_after(&ProposeError::NotLeader { leader: None }, deadline).await.unwrap();
        assert_eq!(never.go_on_after(&ProposeError::Overloaded, deadline).await, Err(Failure::Overloaded));
        assert_eq!(never.out_of_time(), Failure::NoLeader);
    }

    #[test]
    fn a_refusal_without_a_record_settles_nothing_where_a_copy_may_be_on_its_way() {
        assert_eq!(
            attempts(true).settle(in_future()),
            Err(Failure::OutcomeUnknown { deadline_passed: false })
        );
        assert_eq!(attempts(false).settle(in_future()), Ok(in_future()));
    }
}
