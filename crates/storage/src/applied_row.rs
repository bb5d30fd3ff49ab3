//! The applied row: up to where, and to what end, the engine's rows go. Written last in every window.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::BasicNode;
use openraft::type_config::alias::{LogIdOf, StoredMembershipOf};
use serde::{Deserialize, Serialize};
use stockade_state_machine::change::Clock;
use stockade_state_machine::ids::{Principal, RequestId};
use stockade_state_machine::{LogTime, Origin};

use crate::batch::Batch;
use crate::codec::{self, DecodeError};
use crate::engine::{Engine, RowWrite};
use crate::ledger::Chain;
use crate::rows::{self, Digest};
use crate::{Error, TypeConfig, keys};

pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;

/// Where the applied state stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// The last applied log id.
    pub(crate) log_id: Option<LogId>,
    /// The last applied membership.
    pub(crate) membership: StoredMembership,
    /// Log time and horizon.
    pub(crate) clock: Clock,
    /// Chained over the changes of every entry.
    pub(crate) chain: [u8; 32],
    /// The end of the ledger's chain.
    pub(crate) ledger: Chain,
    /// Request records up to this one have left; their pages may hold them still.
    pub(crate) trimmed: Option<Origin>,
    /// The highest node id of all memberships that were ever applied, those of nodes long gone included; 0 where there is
    /// none. It only rises: no id is used twice.
    pub(crate) highest_node_id: u64,
}

impl Position {
    /// Takes an applied membership in.
    pub(crate) fn follow(&mut self, membership: StoredMembership) {
        self.highest_node_id = self.highest_node_id.max(highest_of(&membership));
        self.membership = membership;
    }

    /// The last applied log index; 0 where there is none.
    pub(crate) fn index(&self) -> u64 {
        self.log_id.as_ref().map_or(0, |log_id| log_id.index)
    }
}

/// The highest node id of one membership; 0 where nobody is in it.
pub(crate) fn highest_of(membership: &StoredMembership) -> u64 {
    membership.nodes().map(|(id, _)| *id).max().unwrap_or(0)
}

/// The frozen form, version 1.
#[derive(Serialize, Deserialize)]
struct AppliedRowV1 {
    log_id: Option<LogIdV1>,
    membership_log_id: Option<LogIdV1>,
    voters: Vec<BTreeSet<u64>>,
    nodes: BTreeMap<u64, String>,
    now_us: u64,
    horizon_ms: u64,
    chain: [u8; 32],
    ledger: Chain,
    trimmed: Option<(u128, String)>,
    highest_node_id: u64,
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct LogIdV1 {
    term: u64,
    node_id: u64,
    index: u64,
}

impl LogIdV1 {
    fn freeze(log_id: &LogId) -> Self {
        let leader = &log_id.leader_id;
        Self { term: leader.term, node_id: leader.node_id, index: log_id.index }
    }

    fn thaw(&self) -> LogId {
        let leader = openraft::impls::leader_id_adv::LeaderId { term: self.term, node_id: self.node_id };
        LogId::new(leader, self.index)
    }
}

/// The row's value.
pub(crate) fn encode(position: &Position, digest: Digest) -> Vec<u8> {
    let membership = position.membership.membership();
    codec::to_frozen(&AppliedRowV1 {
        log_id: position.log_id.as_ref().map(LogIdV1::freeze),
        membership_log_id: position.membership.log_id().as_ref().map(LogIdV1::freeze),
        voters: membership.get_joint_config().clone(),
        nodes: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        now_us: position.clock.now.micros(),
        horizon_ms: position.clock.horizon_ms,
        chain: position.chain,
        ledger: position.ledger,
        trimmed: position
            .trimmed
            .as_ref()
            .map(|origin| (origin.request.bits(), origin.principal.as_str().to_owned())),
        highest_node_id: position.highest_node_id,
        digest,
    })
}

/// The rows that put it into an engine. It is not in the digest.
pub(crate) fn rows(engine: &dyn Engine, applied: &[u8]) -> Result<Vec<RowWrite>, Error> {
    let mut batch = Batch::new(engine, Digest::default());
    batch.put(Bytes::from_static(keys::APPLIED), Some(rows::whole(applied)))?;
    Ok(batch.finish().0)
}

/// Back from the row's value.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Position, Digest), Error> {
    let damaged = |error: DecodeError| Error::Engine(format!("the applied row: {error}"));
    let row: AppliedRowV1 = codec::from_frozen(bytes).map_err(damaged)?;
    let nodes: BTreeMap<u64, BasicNode> =
        row.nodes.into_iter().map(|(id, address)| (id, BasicNode::new(address))).collect();
    let membership = openraft::Membership::new(row.voters, nodes)
        .map_err(|error| Error::Engine(format!("the applied row's membership: {error}")))?;
    let trimmed = row.trimmed.map(|(bits, principal)| {
        let request = RequestId::new(bits)?;
        Some(Origin { request, principal: Principal::new(&principal).ok()? })
    });
    let trimmed = match trimmed {
        Some(None) => return Err(Error::Engine("the applied row: no request id".to_owned())),
        Some(origin) => origin,
        None => None,
    };
    let position = Position {
        log_id: row.log_id.as_ref().map(LogIdV1::thaw),
        membership: StoredMembership::new(row.membership_log_id.as_ref().map(LogIdV1::thaw), membership),
        clock: Clock { now: LogTime::from_micros(row.now_us), horizon_ms: row.horizon_ms },
        chain: row.chain,
        ledger: row.ledger,
        trimmed,
        highest_node_id: row.highest_node_id,
    };
    let members = highest_of(&position.membership);
    if position.highest_node_id < members {
        let what = format!(
            "the applied row: its highest node id ever is {}, that of its members {members}",
            position.highest_node_id
        );
        return Err(Error::Engine(what));
    }
    Ok((position, row.digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(ids: &[u64]) -> StoredMembership {
        let nodes: BTreeMap<u64, BasicNode> =
            ids.iter().map(|id| (*id, BasicNode::new(format!("n{id}:1")))).collect();
        let voters: BTreeSet<u64> = ids.iter().copied().collect();
        StoredMembership::new(None, openraft::Membership::new(vec![voters], nodes).unwrap())
    }

    #[test]
    fn the_highest_node_id_outlives_its_node() {
        let mut position = Position::default();
        for (ids, highest) in [(&[1, 2, 3][..], 3), (&[1, 2, 9], 9), (&[1, 2, 4], 9)] {
            position.follow(membership(ids));
            assert_eq!(position.highest_node_id, highest);
            let (back, _) = decode(&encode(&position, Digest::default())).unwrap();
            assert_eq!(back, position);
        }
    }

    #[test]
    fn an_applied_row_that_has_forgotten_a_member_is_damage() {
        let mut position = Position::default();
        position.follow(membership(&[1, 2, 9]));
        position.highest_node_id = 4;
        let error = decode(&encode(&position, Digest::default())).unwrap_err();
        assert!(error.to_string().contains("highest node id"), "{error}");
    }
}
