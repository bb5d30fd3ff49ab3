//! How a cluster begins, and what a node without data may do in one that has begun.
//!
//! A node without data is new, or it has lost what it had. It can't tell which, and the difference matters: what it
//! acknowledged before it was wiped may be missing at whoever asks for its vote. So it asks before it founds anything,
//! and until it has caught up with a leader it takes part in elections only among nodes that began without data as well.
//!
//! What that costs: a node whose first start comes late counts for elections only once it has caught up, and where one of
//! three nodes is restarted within the founding while another is down, they wait for that one. What it does
//! not catch: a wiped node that is restarted half way through catching up, for by then it has a vote on its disk and
//! looks like any other; and nodes without data that are a majority while the ones with data are out of reach: they
//! found a second history. One wiped node and one that was never started are two of three, so a new cluster takes orders
//! only once all its nodes have been started, and a wiped node comes back under a new id.
//!
//! A node that is started to join founds nothing. It asks the members that it was told of whether the cluster is the right
//! one and its id is free, and then waits until somebody adds it: it has no vote before that, and asks for none. Until a
//! member has answered it takes nothing from a leader and gives no vote: under the id of a voter it would be one that was
//! wiped, and with the first entries on its disk it would look like any other after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use openraft::BasicNode;
use openraft::errors::{InitializeError, RaftError};
use openraft::type_config::alias::LogIdOf;
use stockade_env::FailureKind;
use stockade_proto::internal as wire;
use stockade_storage::TypeConfig;
use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::config::Join;
use crate::node::Inner;
use crate::peer::link::{NOBODY, Purpose};
use crate::restored::first_term_index;
use crate::{StartError, limits};

impl Inner {
    /// See [`crate::Node::initialize`].
    pub(crate) async fn initialize(self: &Arc<Self>) -> Result<(), StartError> {
        if let Some(join) = &self.config.join
            && !self.introduced.load(Ordering::Acquire)
        {
            return self.wait_to_be_added(join).await;
        }
        if self.is_initialized().await? {
            // A backup makes a node initialized before it has met anybody.
            return if self.restored_at.is_some() { self.expect_no_other_cluster().await } else { Ok(()) };
        }
        let (begun, alone) = tokio::join!(self.others_have_begun(), self.expect_no_other_cluster());
        alone?;
        if begun? {
            return Ok(());
        }
        if self.config.peers.keys().next() != Some(&self.identity.node_id) {
            let mut leader = self.leader.subscribe();
            let known = leader.wait_for(|leader| leader.node_id.is_some());
            if timeout(self.config.election_timeout.1 * 5, known).await.is_ok() {
                return Ok(());
            }
            // Meanwhile others may have come.
            if self.others_have_begun().await? {
                return Ok(());
            }
        }
        let members: BTreeMap<u64, BasicNode> =
            self.config.peers.iter().map(|(id, addr)| (*id, BasicNode { addr: addr.clone() })).collect();
        match self.raft.initialize(members).await {
            // Another was first.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(StartError::Raft(error.to_string())),
        }
    }

    async fn is_initialized(&self) -> Result<bool, StartError> {
        self.raft.is_initialized().await.map_err(|error| StartError::Raft(error.to_string()))
    }

    /// True where another node has more of a log than the entry that makes a cluster: then this node waits for its
    /// leader. An error where another makes a different cluster: two first entries would have the same log id.
    async fn others_have_begun(&self) -> Result<bool, StartError> {
        let me = self.identity.node_id;
        let others = self.config.peers.keys().copied().filter(|node_id| *node_id != me);
        let answers = join_all(others.map(|node_id| self.ask(node_id))).await;
        let answers: Vec<wire::StatusResponse> = answers.into_iter().flatten().collect();
        if let Some(begun) = answers.iter().find(|answer| answer.last_index > limits::FOUNDING_INDEX) {
            tracing::info!(
                node_id = begun.node_id,
                last_index = begun.last_index,
                "the cluster is there already"
            );
            return Ok(true);
        }
        for answer in answers {
            let its: BTreeMap<u64, String> =
                answer.members.into_iter().map(|member| (member.node_id, member.address)).collect();
            // A version before this field was there tells nothing.
            if !its.is_empty() && its != self.config.peers {
                let what = format!(
                    "node {} was started with the peers {}, this node with {}; give all nodes the same peers",
                    answer.node_id,
                    listed(&its),
                    listed(&self.config.peers)
                );
                return Err(StartError::Config(what));
            }
        }
        Ok(false)
    }

    /// Whether a candidate whose log ends there may have this node's vote, see the head of this file.
    ///
    /// Nodes that began without data elect among themselves: that is how a cluster is founded. With a node of data, each
    /// of them could lose what the other acknowledged: a wiped voter by its vote for a log as short as at the founding, a
    /// wiped candidate with its own log. Whom this node helped to the lead in the founding may come back from a restart,
    /// with data now, and have its vote again for what it had then.
    pub(crate) fn may_vote_for(
        &self,
        candidate: u64,
        last_log_id: Option<LogIdOf<TypeConfig>>,
        founding: bool,
    ) -> bool {
        if !self.pristine || self.ready.load(Ordering::Acquire) {
            return !founding;
        }
        let first = first_term_index(self.restored_at);
        let short = last_log_id.is_none_or(|log_id| log_id.index <= first);
        founding || (short && self.founders.lock().contains(&candidate))
    }

    /// Notes whom this node, which began without data, helped to the lead.
    pub(crate) fn note_founding_vote(&self, candidate: u64) {
        self.founders.lock().insert(candidate);
    }
}

impl Inner {
    /// Says who this node is to the members that it was told of. Where none answers it goes on asking in the background.
    async fn wait_to_be_added(self: &Arc<Self>, join: &Join) -> Result<(), StartError> {
        if self.introduce(join).await? {
            return Ok(());
        }
        let contacts = join.contacts.join(", ");
        tracing::warn!(contacts, "none of the nodes to join answers; this node goes on asking");
        self.env.tasks.spawn("joining", keep_asking(Arc::clone(self), join.clone()));
        Ok(())
    }

    /// True where a member has answered. An error where this node can't become a member as it is.
    async fn introduce(&self, join: &Join) -> Result<bool, StartError> {
        for address in &join.contacts {
            let client = self.links.client(NOBODY, address, Purpose::Query);
            let mut client = client.map_err(|error| StartError::Config(error.to_string()))?;
            let request = wire::IntroduceRequest {
                cluster_id: self.identity.cluster_id.clone(),
                from_node: self.identity.node_id,
            };
            match timeout(limits::STATUS_TIMEOUT, client.introduce(request)).await {
                Ok(Ok(answer)) => {
                    self.check_introduction(address, answer.into_inner(), join)?;
                    self.introduced.store(true, Ordering::Release);
                    return Ok(true);
                }
                Ok(Err(status)) if status.code() == Code::PermissionDenied => {
                    let what = format!(
                        "the node at {address} is of another cluster ({}); give its --cluster-name, and --restored-from \
                         where it began with a backup, or --join with other addresses",
                        status.message()
                    );
                    return Err(StartError::Config(what));
                }
                Ok(Err(status)) => tracing::debug!(address, %status, "no introduction"),
                Err(_) => tracing::debug!(address, "no introduction in time"),
            }
        }
        Ok(false)
    }

    fn check_introduction(
        &self,
        address: &str,
        answer: wire::IntroduceResponse,
        join: &Join,
    ) -> Result<(), StartError> {
        let me = self.identity.node_id;
        let wrong = |what: String| Err(StartError::Config(what));
        let members: BTreeMap<u64, String> =
            answer.members.into_iter().map(|member| (member.node_id, member.address)).collect();
        let highest = members.keys().next_back().copied().unwrap_or(0);
        let free = highest.max(answer.highest_node_id).saturating_add(1);
        if answer.node_id == me || answer.voters.contains(&me) {
            return wrong(format!(
                "node {me} has a vote in the cluster of {address} and this data directory is empty: a node that lost \
                 its data must not come back under its id; start it with --node-id {free}"
            ));
        }
        match members.get(&me) {
            Some(known) if *known != join.own_address => {
                return wrong(format!(
                    "the cluster of {address} knows a node {me} at {known}, this one is at {}; start it with \
                     --node-id {free}",
                    join.own_address
                ));
            }
            Some(_) => tracing::info!(node_id = me, "this node is a learner and waits for the log"),
            None if me < free => {
                return wrong(format!(
                    "the id {me} may have been another node's in the cluster of {address}; start this one with \
                     --node-id {free} or higher"
                ));
            }
            None => tracing::info!(
                node_id = me,
                run = format!(
                    "stockade cluster add {me}={0} --cluster {1} (or, in the place of a lost node: stockade cluster \
                     replace OLD --with {me}={0} --cluster {1})",
                    join.own_address, answer.client_address
                ),
                "this node waits to be added to the cluster"
            ),
        }
        Ok(())
    }
}

/// Introduces a node to members that did not answer at its start. One that is refused stops: it would wait in vain, and be
/// taken for the node whose id it came under.
async fn keep_asking(node: Arc<Inner>, join: Join) {
    loop {
        tokio::select! {
            () = sleep(limits::POLL) => {}
            () = node.stopping() => return,
        }
        match node.introduce(&join).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                let kind = match error {
                    StartError::Config(_) => FailureKind::Configuration,
                    StartError::Raft(_) => FailureKind::Other,
                };
                node.env.tasks.fail_as(kind, "joining", &error.to_string());
                return;
            }
        }
    }
}

fn listed(peers: &BTreeMap<u64, String>) -> String {
    let peers: Vec<String> = peers.iter().map(|(id, address)| format!("{id}={address}")).collect();
    peers.join(",")
}
