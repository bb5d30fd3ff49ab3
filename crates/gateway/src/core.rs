//! What all services share: the node, the way to the leader, and how calls end.

use std::sync::Arc;
use std::time::Duration;

use stockade_consensus::{Consistency, Node};
use stockade_credentials::Credentials;
use stockade_env::Env;
use stockade_proto::v1;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::mutation_result::Response as MutationResponse;
use stockade_state_machine::{LogTime, Origin, Outcome, Rejection, Reply, Request as StateRequest, Revision};
use stockade_storage::{LedgerView, View, codec};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use crate::access::{Access, Caller};
use crate::failure::Failure;
use crate::limits::{self, GatewayLimits};
use crate::refusals::Refusals;
use crate::route::Router;
use crate::status::{self, Answering, Call};
use crate::validate::{self, Valid};
use crate::{convert, deadline, reply};

/// Whether callers are sent elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    /// Unless this node leads: then nobody else can, and there is nowhere to go.
    WhileOthersLead,
    /// The node stops.
    ForGood,
}

/// What all services share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Core(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    env: Env,
    node: Node,
    router: Router,
    limits: GatewayLimits,
    refusals: Arc<Refusals>,
    access: Access,
    draining: watch::Sender<Draining>,
    /// The port for callers closes: streams that would never end do.
    closing: watch::Sender<bool>,
}

impl Core {
    pub(crate) fn new(env: Env, node: Node, limits: GatewayLimits, credentials: Option<Credentials>) -> Self {
        let router = Router::new(env.clone(), node.clone());
        let access = Access::new(credentials, node.id());
        Self(Arc::new(Shared {
            env,
            node,
            router,
            limits,
            refusals: Arc::default(),
            access,
            draining: watch::Sender::new(Draining::No),
            closing: watch::Sender::new(false),
        }))
    }

    pub(crate) fn env(&self) -> &Env {
        &self.0.env
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn limits(&self) -> &GatewayLimits {
        &self.0.limits
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// Sends callers elsewhere for good: the node stops.
    pub(crate) fn start_draining(&self) {
        self.0.draining.send_replace(Draining::ForGood);
    }

    /// Prepares this node for being stopped; false where it still leads after that time.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        // The lead goes first: who is sent elsewhere then finds the new leader.
        let handed_over = self.0.node.drain(patience).await;
        // It may have been taken back meanwhile, or be taken back now: that comes after this, and waits for it.
        self.change_draining(Draining::No, Draining::WhileOthersLead, || self.0.node.is_drained());
        handed_over
    }

    /// Takes [`Core::drain`] back, also one that is under way.
    pub(crate) fn end_drain(&self) {
        self.0.node.end_drain();
        self.change_draining(Draining::WhileOthersLead, Draining::No, || !self.0.node.is_drained());
    }

    /// One at a time, and `holds` is looked at in its turn.
    fn change_draining(&self, from: Draining, to: Draining, holds: impl FnOnce() -> bool) {
        self.0.draining.send_if_modified(|draining| {
            let is_so = *draining == from && holds();
            if is_so {
                *draining = to;
            }
            is_so
        });
    }

    /// True while callers are sent elsewhere.
    pub(crate) fn is_draining(&self) -> bool {
        match *self.0.draining.borrow() {
            Draining::No => false,
            Draining::WhileOthersLead => {
                self.0.node.watch_leader().borrow().node_id != Some(self.0.node.id())
            }
            Draining::ForGood => true,
        }
    }

    pub(crate) fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Completes when the port for callers closes.
    pub(crate) async fn closing(&self) {
        // The sender lives as long as the gateway, and no error can come of it.
        let _ = self.0.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Completes when callers are sent elsewhere, or the node stops.
    pub(crate) async fn draining(&self) {
        let mut draining = self.0.draining.subscribe();
        let mut leader = self.0.node.watch_leader();
        loop {
            draining.mark_unchanged();
            leader.mark_unchanged();
            if self.is_draining() {
                return;
            }
            tokio::select! {
                // The senders live as long as the gateway, and no error can come of it.
                _ = draining.changed() => {}
                _ = leader.changed() => {}
                () = self.0.env.tasks.stopping() => return,
            }
        }
    }

    /// Who answers, from the state as it is now.
    pub(crate) fn answering(&self) -> Answering {
        self.answering_from(self.0.node.state().applied())
    }

    /// Who answers, from a certain state.
    pub(crate) fn answering_from(&self, served: Revision) -> Answering {
        self.answering_as(v1::Consistency::Unspecified, served)
    }

    /// Who answers a read that was served so.
    pub(crate) fn answering_as(&self, consistency: v1::Consistency, served: Revision) -> Answering {
        Answering {
            consistency,
            cluster_id: self.0.node.cluster_id().to_owned(),
            node_id: self.0.node.id(),
            term: self.0.node.term(),
            served,
            refusals: Arc::clone(&self.0.refusals),
            leader_address: self.0.node.watch_leader().borrow().client_address.clone(),
        }
    }

    /// The status of a call that failed.
    pub(crate) fn fail(&self, failure: &Failure, call: Call) -> Status {
        status::of_call(failure, call, &self.answering())
    }

    /// Gets a mutation decided, on behalf of a caller.
    pub(crate) async fn decide(
        &self,
        caller: &Caller,
        valid: &Valid,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let origin = Origin { request: valid.request, principal: caller.principal().clone() };
        self.0.router.write(&origin, &valid.command, deadline).await
    }

    /// A mutation that is a call of its own, from its request to its response.
    pub(crate) async fn mutate<T>(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        request: Mutated,
        unwrap: impl FnOnce(MutationResponse) -> Option<T>,
    ) -> Result<Response<T>, Status> {
        let deadline = deadline::of_call(metadata);
        let outcome = async {
            self.access().check_mutation(caller, &request)?;
            let valid = validate::request(&request)?;
            let response = if validate::is_trial(&request) {
                self.try_out(caller, valid, deadline).await?
            } else {
                let decided = self.decide(caller, &valid, deadline).await?;
                reply::response(decided, &self.answering())?
            };
            unwrap(response).ok_or_else(reply::mismatch)
        };
        outcome.await.map(Response::new).map_err(|failure| self.fail(&failure, Call::Write))
    }

    /// What would become of a mutation, of which nothing takes effect.
    async fn try_out(
        &self,
        caller: &Caller,
        valid: Valid,
        deadline: Instant,
    ) -> Result<MutationResponse, Failure> {
        let origin = Origin { request: valid.request, principal: caller.principal().clone() };
        let content = codec::content_hash(&valid.command);
        let request = StateRequest { origin: Some(origin), content, command: valid.command };
        loop {
            self.0.node.read_barrier(deadline).await?;
            let clock = LogTime::from_micros(self.0.env.clock.now_us());
            let (outcome, time, served) = self.0.node.state().read(|view| {
                let time = view.clock().now.max(clock);
                (view.preview(&request, time), time, view.revision())
            });
            let outcome = outcome.map_err(|error| Failure::storage(&error))?;
            // Holds are ending one after the other; the answer comes when they have.
            if outcome == Outcome::Rejected(Rejection::RetryAfterExpiry) {
                let next = Instant::now() + limits::RETRY_PAUSE_MAX;
                if next < deadline {
                    tokio::time::sleep_until(next).await;
                    continue;
                }
            }
            let answering = self.answering_as(v1::Consistency::Linearizable, served);
            return reply::trial(outcome, time, &answering);
        }
    }

    /// Reads at one revision, which is as new as the consistency asks for.
    pub(crate) async fn read<T>(
        &self,
        metadata: &MetadataMap,
        consistency: Consistency,
        read: impl FnOnce(&View<'_>) -> T,
    ) -> Result<(T, Answering), Failure> {
        let served_as = self.0.node.prepare_read(consistency, deadline::of_call(metadata)).await?;
        let (value, served) = self.0.node.state().read(|view| (read(view), view.revision()));
        Ok((value, self.answering_as(convert::served_as(served_as), served)))
    }

    /// The ledger, with every movement up to a revision that is as new as the consistency asks for: the node has to have written
    /// that into it.
    pub(crate) async fn read_ledger(
        &self,
        metadata: &MetadataMap,
        consistency: Consistency,
    ) -> Result<(LedgerView, Answering), Failure> {
        let read = self.read_ledger_with(metadata, consistency, |_| ()).await;
        read.map(|(ledger, (), answering)| (ledger, answering))
    }

    /// The same, and something of the state at a revision that it covers.
    pub(crate) async fn read_ledger_with<T>(
        &self,
        metadata: &MetadataMap,
        consistency: Consistency,
        read: impl FnOnce(&View<'_>) -> T,
    ) -> Result<(LedgerView, T, Answering), Failure> {
        let deadline = deadline::of_call(metadata);
        let served_as = self.0.node.prepare_read(consistency, deadline).await?;
        let state = self.0.node.state();
        let (value, at) = state.read(|view| (read(view), view.revision()));
        let ledger = tokio::time::timeout_at(deadline, state.ledger(at)).await;
        let ledger = ledger.map_err(|_| Failure::DeadlineExceeded)?;
        let answering = self.answering_as(convert::served_as(served_as), ledger.revision());
        Ok((ledger, value, answering))
    }

    /// Ends a read call.
    pub(crate) fn answer<T>(&self, outcome: Result<T, Failure>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|failure| self.fail(&failure, Call::Read))
    }
}
