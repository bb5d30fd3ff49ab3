//! Carries a change of the membership out: at the leader by Raft, at any other node by asking the leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::{ClientWriteResponse, Precondition};
use openraft::{BasicNode, ChangeMembers, Instant as _};
use stockade_proto::internal as wire;
use stockade_proto::internal::change_membership_response::Result as Answer;
use stockade_state_machine::Revision;
use stockade_storage::TypeConfig;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Code;

use super::plan::{self, Evidence, Members, Step};
use super::{MembershipChange, MembershipError, MembershipRefusal, RefusalKind};
use crate::limits;
use crate::node::Inner;
use crate::peer::link::Purpose;
use crate::status::{NodeStatus, Role};

/// Why one attempt brought no answer, or which answer it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Not the leader; nothing was proposed.
    NotLeader,
    /// Decided: no.
    Refused(MembershipRefusal),
    /// It may have been proposed.
    Unknown,
}

impl From<MembershipRefusal> for Failed {
    fn from(refusal: MembershipRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Inner {
    /// See [`crate::Node::change_membership`]. To ask again is harmless, so it is asked again until there is an answer.
    pub(crate) async fn change_membership(
        self: &Arc<Self>,
        change: &MembershipChange,
        by: &str,
        deadline: Instant,
    ) -> Result<u64, MembershipError> {
        let mut leader = self.leader.subscribe();
        let mut asked = false;
        loop {
            if self.is_stopping() && !asked {
                return Err(MembershipError::ShuttingDown);
            }
            let known = leader.borrow_and_update().node_id;
            let outcome = match known {
                None => Err(Failed::NotLeader),
                Some(known) if known == self.identity.node_id => {
                    self.change_membership_here(change, by, deadline).await
                }
                Some(known) => self.ask_leader(known, change, by, deadline).await,
            };
            match outcome {
                Ok(index) => return Ok(index),
                Err(Failed::Refused(refusal)) => return Err(MembershipError::Refused(refusal)),
                Err(Failed::Unknown) => asked = true,
                Err(Failed::NotLeader) => {}
            }
            let changed = timeout(limits::MEMBERSHIP_RETRY_PAUSE, leader.changed());
            if timeout_at(deadline, changed).await.is_err() || self.is_stopping() {
                return Err(if asked { MembershipError::Unknown } else { MembershipError::NoLeader });
            }
        }
    }

    async fn ask_leader(
        &self,
        leader: u64,
        change: &MembershipChange,
        by: &str,
        deadline: Instant,
    ) -> Result<u64, Failed> {
        let address = self.peer_address(leader).ok_or(Failed::NotLeader)?;
        let link = self.links.client(leader, &address, Purpose::Query);
        let mut client = link.map_err(|_| Failed::NotLeader)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let request = wire::ChangeMembershipRequest {
            envelope: Some(self.links.envelope(leader)),
            by: by.to_owned(),
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            change: Some(change.to_wire()),
        };
        match timeout_at(deadline, client.change_membership(request)).await {
            Ok(Ok(response)) => match response.into_inner().result {
                Some(Answer::Index(index)) => Ok(index),
                Some(Answer::NotLeader(_)) => Err(Failed::NotLeader),
                Some(Answer::Refused(refusal)) => Err(MembershipRefusal::from_wire(refusal).into()),
                Some(Answer::Unknown(_)) | None => Err(Failed::Unknown),
            },
            Ok(Err(status)) => {
                tracing::debug!(leader, %status, "the leader did not answer a change of the membership");
                Err(Failed::Unknown)
            }
            Err(_) => Err(Failed::Unknown),
        }
    }

    /// Changes the membership, where this node leads; gives the log index of the membership.
    pub(crate) async fn change_membership_here(
        self: &Arc<Self>,
        change: &MembershipChange,
        by: &str,
        deadline: Instant,
    ) -> Result<u64, Failed> {
        self.change_membership_unless(change, by, deadline, &|| false).await
    }

    /// The same, unless there is no reason for it any more when it has been found safe, which takes a while.
    pub(super) async fn change_membership_unless(
        self: &Arc<Self>,
        change: &MembershipChange,
        by: &str,
        deadline: Instant,
        is_needless: &(dyn Fn() -> bool + Sync),
    ) -> Result<u64, Failed> {
        if !self.raft.is_leader() {
            return Err(Failed::NotLeader);
        }
        let Ok(turn) = Arc::clone(&self.membership.turn).try_lock_owned() else {
            let message = "another change of the membership is under way; try again".to_owned();
            return Err(MembershipRefusal { kind: RefusalKind::Changing, message }.into());
        };
        if let MembershipChange::Transfer { to, away_from } = change {
            return self.transfer_here(*to, *away_from, deadline).await;
        }
        let (members, decided_on) = self.known_members(deadline).await?;
        let changes = match self.decide(change, &members, deadline).await? {
            Step::Done => return Ok(members.index),
            Step::Add(node_id, addr) => {
                ChangeMembers::AddNodes(BTreeMap::from([(node_id, BasicNode { addr })]))
            }
            Step::Voters(voters) => {
                self.leave_first(&voters).await?;
                ChangeMembers::ReplaceAllVoters(voters)
            }
            Step::Without { voters, learners } => {
                self.leave_first(&voters).await?;
                let learners_go = ChangeMembers::RemoveNodes(learners);
                ChangeMembers::Batch(vec![ChangeMembers::ReplaceAllVoters(voters), learners_go])
            }
        };
        if is_needless() {
            let message = "there is no reason for it any more".to_owned();
            return Err(MembershipRefusal { kind: RefusalKind::Changing, message }.into());
        }
        let precondition = Precondition::LastMembershipLogId { last_membership_log_id: decided_on };
        let (sender, outcome) = oneshot::channel();
        let proposal = Proposal { changes, precondition, what: change.to_string(), by: by.to_owned(), turn };
        // A task of its own: a caller who goes away between the two entries of a change must not leave it half done.
        self.env.tasks.spawn("membership", carry_out(Arc::clone(self), proposal, sender));
        timeout_at(deadline, outcome).await.ok().and_then(Result::ok).unwrap_or(Err(Failed::Unknown))
    }

    /// Whether a change is safe, and what it comes to.
    async fn decide(
        &self,
        change: &MembershipChange,
        members: &Members,
        deadline: Instant,
    ) -> Result<Step, Failed> {
        match change {
            MembershipChange::AddLearner { node_id, peer_address } => {
                let step = plan::addition(members, *node_id, peer_address)?;
                if step != Step::Done {
                    self.must_be_new(*node_id, peer_address).await?;
                }
                Ok(step)
            }
            MembershipChange::Promote { node_id, replaces } => {
                let plan = |evidence: &Evidence| plan::promotion(members, evidence, *node_id, *replaces);
                self.plan_patiently(Some(*node_id), deadline, plan).await
            }
            MembershipChange::Remove { node_ids } => {
                let plan = |evidence: &Evidence| plan::removal(members, evidence, node_ids);
                self.plan_patiently(None, deadline, plan).await
            }
            // Of the members nothing changes.
            MembershipChange::Transfer { .. } => Ok(Step::Done),
        }
    }

    /// The last membership of the log, and the log id that says which it is. It is applied here: only then the highest id
    /// that this node knows is the highest there ever was. A leader that lags waits for that.
    async fn known_members(&self, deadline: Instant) -> Result<(Members, Option<LogId>), Failed> {
        let patience = deadline.min(Instant::now() + limits::QUORUM_PATIENCE);
        let (mut members, log_id) = loop {
            let last = self.last_members();
            // The change before this one may be a moment from its commit.
            if last.0.committed || Instant::now() >= patience {
                break last;
            }
            sleep(limits::RESIGN_POLL).await;
        };
        if members.committed {
            let applied = self.state.wait_applied(Revision::new(members.index));
            if timeout_at(patience, applied).await.is_err() {
                let message = "the leader has not applied the last change of the membership yet; try again";
                let message = message.to_owned();
                return Err(MembershipRefusal { kind: RefusalKind::Changing, message }.into());
            }
        }
        members.highest_ever = self.state.highest_node_id();
        Ok((members, log_id))
    }

    fn last_members(&self) -> (Members, Option<LogId>) {
        self.metrics(|metrics| {
            let last = &metrics.membership_config;
            let members = Members {
                index: last.log_id().as_ref().map_or(0, openraft::LogId::index),
                committed: metrics.committed_membership_config.log_id() == last.log_id(),
                voters: last.get_joint_config().clone(),
                nodes: last.nodes().map(|(node_id, node)| (*node_id, node.addr.clone())).collect(),
                highest_ever: 0,
            };
            (members, *last.log_id())
        })
    }

    /// A leader that will not vote any more gives the lead to one who will, where it can: then nobody waits for an
    /// election. The new leader is asked for the change next. Where nobody takes the lead, this node leads until the change
    /// is committed, and steps down then.
    async fn leave_first(&self, voters: &BTreeSet<u64>) -> Result<(), Failed> {
        if voters.contains(&self.identity.node_id) {
            return Ok(());
        }
        let stays = |node_id: u64| voters.contains(&node_id);
        if self.hand_over(self.config.handover_patience(), &stays).await {
            return Err(Failed::NotLeader);
        }
        Ok(())
    }

    /// Plans a change of the voters. Where somebody seems to be missing or behind it looks a little longer: a node that has just
    /// come, or a leader that has just been elected, has not heard of all yet.
    async fn plan_patiently(
        &self,
        learner: Option<u64>,
        deadline: Instant,
        plan: impl Fn(&Evidence) -> Result<Step, MembershipRefusal>,
    ) -> Result<Step, Failed> {
        let patience = deadline.min(Instant::now() + limits::QUORUM_PATIENCE);
        loop {
            let planned = plan(&self.evidence(learner).await);
            let missing = matches!(
                &planned,
                Err(MembershipRefusal { kind: RefusalKind::QuorumAtRisk | RefusalKind::LearnerBehind, .. })
            );
            if !self.raft.is_leader() {
                // Who leads no more hears nobody, which says nothing of them.
                return Err(Failed::NotLeader);
            }
            if !missing || Instant::now() >= patience {
                return Ok(planned?);
            }
            sleep(limits::RESIGN_POLL).await;
        }
    }

    /// Who is there: who has answered the leader's heartbeats lately and answers now. A node that died a moment ago must
    /// not be counted on: with voters of whom a majority is gone not even the change could be taken back.
    async fn evidence(&self, learner: Option<u64>) -> Evidence {
        let me = self.identity.node_id;
        let others = self.members().into_keys().filter(|node_id| *node_id != me);
        let asked = others.map(|other| async move { Some((other, self.ask(other).await?.ready)) });
        let answering: BTreeMap<u64, bool> = join_all(asked).await.into_iter().flatten().collect();
        let ready = learner.and_then(|learner| answering.get(&learner).copied()).unwrap_or(false);
        let lately = self.config.lease_memory().max(limits::HEARD_LATELY);
        self.metrics(|metrics| {
            let heard = metrics
                .heartbeat
                .iter()
                .flatten()
                .filter(|(_, heard)| heard.is_some_and(|heard| heard.into_inner().elapsed() < lately));
            let matched = metrics.replication.as_ref().and_then(|matched| *matched.get(&learner?)?);
            let last = metrics.last_log_index.unwrap_or(0);
            Evidence {
                heard: heard
                    .map(|(node_id, _)| *node_id)
                    .filter(|node_id| answering.contains_key(node_id))
                    .chain([metrics.id])
                    .collect(),
                lag: matched.map(|matched| last.saturating_sub(matched.index())),
                ready,
            }
        })
    }

    /// Asks at the address itself whether a new node of this id and cluster is there. An address can't be corrected
    /// later, and an id not be used again, so a slip of the pen must show before it is in the log.
    async fn must_be_new(&self, node_id: u64, address: &str) -> Result<(), MembershipRefusal> {
        let unfit = |why: &str| MembershipRefusal {
            kind: RefusalKind::NodeUnfit,
            message: format!("node {node_id} can't be added at {address}: {why}"),
        };
        let link = self.links.client(node_id, address, Purpose::Query);
        let mut client = link.map_err(|error| unfit(&error.to_string()))?;
        let envelope = Some(self.links.envelope(node_id));
        let request = wire::StatusRequest { envelope };
        let silent = "nobody answers there; start the node with --join on an empty directory first";
        let answer = match timeout(limits::STATUS_TIMEOUT, client.status(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) if status.code() == Code::Unavailable => return Err(unfit(silent)),
            Ok(Err(status)) => return Err(unfit(status.message())),
            Err(_) => return Err(unfit(silent)),
        };
        let told = NodeStatus::from_wire(answer.clone());
        if told.last_index > 0 && told.role != Role::Learner {
            return Err(unfit("it votes in a log of its own; it needs an empty directory and --join"));
        }
        if !answer.peer_address.is_empty() && answer.peer_address != address {
            let why = format!("it says that it is reached at {}; give that address", answer.peer_address);
            return Err(unfit(&why));
        }
        Ok(())
    }
}

type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;

/// A change on its way into the log.
struct Proposal {
    changes: ChangeMembers<u64, BasicNode>,
    precondition: Precondition<TypeConfig>,
    what: String,
    by: String,
    /// Given back when it is carried out.
    turn: OwnedMutexGuard<()>,
}

/// Proposes a change and sees it through; the one who asked may have gone.
async fn carry_out(node: Arc<Inner>, proposal: Proposal, sender: oneshot::Sender<Result<u64, Failed>>) {
    let Proposal { changes, precondition, what, by, turn } = proposal;
    tracing::info!(what, by, "the membership is being changed");
    // What a voter loses with its vote is its membership: a node that is gone would be asked for ever.
    let changed = node.raft.change_membership_if(changes, false, [precondition]);
    let outcome = tokio::select! {
        changed = changed => outcome(changed),
        () = node.stopping() => Err(Failed::Unknown),
    };
    match &outcome {
        Ok(index) => tracing::info!(what, by, index, "the membership is changed"),
        Err(failed) => tracing::warn!(what, by, ?failed, "the change of the membership has not come about"),
    }
    drop(turn);
    // Who asked may not wait any more.
    let _ = sender.send(outcome);
}

type Written = Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

fn outcome(written: Written) -> Result<u64, Failed> {
    let changing = |why: &dyn std::fmt::Display| {
        let message = format!("another change of the membership came first: {why}");
        Err(Failed::Refused(MembershipRefusal { kind: RefusalKind::Changing, message }))
    };
    match written {
        Ok(written) => Ok(written.log_id().index()),
        // Of a change with two entries it may have been the second that found nobody leading here.
        Err(
            RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            )
            | RaftError::Fatal(_),
        ) => Err(Failed::Unknown),
        Err(RaftError::APIError(ClientWriteError::PreconditionFailed(why))) => changing(&why),
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(why))) => match why {
            ChangeMembershipError::LearnerNotFound(_) => Err(Failed::Refused(MembershipRefusal {
                kind: RefusalKind::NodeUnknown,
                message: why.to_string(),
            })),
            ChangeMembershipError::InProgress(_)
            | ChangeMembershipError::UncommittedLeaderLog(_)
            | ChangeMembershipError::EmptyMembership(_)
            | ChangeMembershipError::UnsupportedMembershipTransition(_)
            | ChangeMembershipError::NodeMetadataChanged(_) => changing(&why),
        },
    }
}

#[cfg(test)]
mod tests;
