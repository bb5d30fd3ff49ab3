//! Writes at the leader: which are taken, and which are refused before they are proposed.

use bytes::Bytes;
use stockade_state_machine::Reply;
use stockade_storage::SpaceLevel;
use tokio::time::Instant;

use crate::ProposeError;
use crate::node::{Inner, Node};

impl Node {
    /// Replicates a request encoded by `codec::encode_request` and gives its reply once it is applied here. On the leader only.
    pub async fn propose(&self, request: Bytes, deadline: Instant) -> Result<Reply, ProposeError> {
        self.propose_below(SpaceLevel::Low, request, deadline).await
    }

    /// The same for a request that gives units back or settles something: it is taken while the reserve is untouched.
    pub async fn propose_relief(&self, request: Bytes, deadline: Instant) -> Result<Reply, ProposeError> {
        self.propose_below(SpaceLevel::Full, request, deadline).await
    }

    /// Refuses where the disk is at the level, or worse.
    async fn propose_below(
        &self,
        level: SpaceLevel,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Reply, ProposeError> {
        let node = &self.0;
        if node.is_stopping() {
            return Err(ProposeError::ShuttingDown);
        }
        if self.is_removed() {
            return Err(ProposeError::Removed);
        }
        if deadline <= Instant::now() {
            return Err(ProposeError::TimedOut);
        }
        if node.proposals.is_closed() {
            return Err(ProposeError::NotLeader { leader: None });
        }
        if !node.raft.is_leader() {
            let leader = node.leader.borrow().node_id.filter(|leader| *leader != node.identity.node_id);
            return Err(ProposeError::NotLeader { leader });
        }
        // Entries that a majority would refuse could not be committed: their callers would wait in vain.
        if node.space.level() >= level || !node.majority_has_room() {
            return Err(ProposeError::StorageFull);
        }
        if node.state.is_congested() {
            return Err(ProposeError::Overloaded);
        }
        node.proposals.propose(request, deadline).await
    }

    /// Bytes of commands in flight here, and how many may be.
    pub fn in_flight_bytes(&self) -> (usize, usize) {
        let limit = self.0.config.max_in_flight_bytes;
        (limit.saturating_sub(self.0.proposals.room_bytes()), limit)
    }
}

impl Inner {
    /// False where so many voters are known to be full that an entry with commands can't be committed.
    fn majority_has_room(&self) -> bool {
        let levels = self.levels.lock();
        let is_full = |voter: &u64| levels.get(voter) == Some(&SpaceLevel::Full);
        self.metrics(|metrics| {
            metrics.membership_config.membership().get_joint_config().iter().all(|voters| {
                let full = voters.iter().filter(|voter| is_full(voter)).count();
                full * 2 < voters.len().max(1)
            })
        })
    }
}
