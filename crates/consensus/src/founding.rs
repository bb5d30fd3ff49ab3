//! How a cluster begins, and what a node without data may do in one that has begun.
//!
//! A node without data is new, or it has lost what it had. It can't tell which, and the difference matters: what it
//! acknowledged before it was wiped may be missing at whoever asks for its vote. So it asks before it founds anything,
//! and helps nobody to the lead who brings a log of his own, until it has caught up with a leader.
//!
//! What that costs: a node whose first start comes late counts for elections only once it has caught up. What it does
//! not catch: a wiped node that is restarted half way through catching up, for by then it has a vote on its disk and
//! looks like any other; and nodes that are wiped while the ones with data are out of reach. A wiped node should come
//! back under a new id.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use openraft::BasicNode;
use openraft::errors::{InitializeError, RaftError};
use openraft::type_config::alias::LogIdOf;
use stockade_proto::internal as wire;
use stockade_storage::TypeConfig;
use tokio::time::timeout;

use crate::node::Inner;
use crate::{StartError, limits};

impl Inner {
    /// See [`crate::Node::initialize`].
    pub(crate) async fn initialize(&self) -> Result<(), StartError> {
        if self.is_initialized().await? || self.others_have_begun().await? {
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

    /// Whether a candidate whose log ends there may have this node's vote, see the head of this file. A log without a
    /// caller's command can't lack one: its entries make the cluster and open its first term.
    pub(crate) fn may_vote_for(&self, last_log_id: Option<LogIdOf<TypeConfig>>) -> bool {
        let begun = last_log_id.is_some_and(|log_id| log_id.index > limits::FIRST_TERM_INDEX);
        !begun || !self.pristine || self.ready.load(Ordering::Acquire)
    }
}

fn listed(peers: &BTreeMap<u64, String>) -> String {
    let peers: Vec<String> = peers.iter().map(|(id, address)| format!("{id}={address}")).collect();
    peers.join(",")
}
