//! The frozen forms of what stands in the log. Never change one: add a new one beside it, with a new record format.

use std::collections::{BTreeMap, BTreeSet};

use bincode::Options as _;
use bytes::Bytes;
use openraft::{BasicNode, EntryPayload, Membership};
use serde::{Deserialize, Serialize};

use super::{Entry, LogId, Vote};
use crate::{Proposal, limits};

/// Bytes of an entry's body before what the entry carries.
const ENTRY_HEAD_BYTES: usize = 25;
const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogIdV1 {
    term: u64,
    node_id: u64,
    index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteV1 {
    term: u64,
    node_id: u64,
    committed: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MembershipV1 {
    configs: Vec<BTreeSet<u64>>,
    nodes: BTreeMap<u64, String>,
}

/// What the segments before led to; opens a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointV1 {
    /// This segment's number.
    pub(crate) segment: u64,
    /// The stamp of the segment before; 0 where there is none.
    pub(crate) previous_stamp: u64,
    /// The bytes of the segment before that hold records.
    pub(crate) previous_end: u64,
    pub(crate) vote: Option<VoteV1>,
    pub(crate) purged: Option<LogIdV1>,
    pub(crate) committed: Option<LogIdV1>,
    pub(crate) last: Option<LogIdV1>,
}

/// A log id that may be none: the payload of truncate, purge and committed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundV1(pub(crate) Option<LogIdV1>);

impl From<LogId> for LogIdV1 {
    fn from(id: LogId) -> Self {
        Self { term: id.leader_id.term, node_id: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdV1> for LogId {
    fn from(id: LogIdV1) -> Self {
        let leader = openraft::impls::leader_id_adv::LeaderId { term: id.term, node_id: id.node_id };
        Self::new(leader, id.index)
    }
}

impl From<Vote> for VoteV1 {
    fn from(vote: Vote) -> Self {
        Self { term: vote.leader_id.term, node_id: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteV1> for Vote {
    fn from(vote: VoteV1) -> Self {
        if vote.committed {
            Self::new_committed(vote.term, vote.node_id)
        } else {
            Self::new(vote.term, vote.node_id)
        }
    }
}

fn format() -> impl bincode::Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(limits::MAX_LOG_STRUCT_BYTES)
        .reject_trailing_bytes()
}

/// The frozen form of a structure.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    format().serialize(value).expect("the structures of the log are small and serialize always")
}

/// Back from it.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    format().deserialize(bytes).map_err(|error| error.to_string())
}

/// Bytes of an entry's body, as near as it is known without encoding it.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    ENTRY_HEAD_BYTES
        + match &entry.payload {
            EntryPayload::Blank => 0,
            EntryPayload::Normal(proposal) => proposal.0.len(),
            EntryPayload::Membership(membership) => encode(&membership_v1(membership)).len(),
        }
}

/// Appends an entry's body. A proposal's bytes stand in it as they are.
pub(crate) fn encode_entry(buffer: &mut Vec<u8>, entry: &Entry) {
    let id = LogIdV1::from(entry.log_id);
    buffer.push(match &entry.payload {
        EntryPayload::Blank => BLANK,
        EntryPayload::Normal(_) => NORMAL,
        EntryPayload::Membership(_) => MEMBERSHIP,
    });
    for number in [id.term, id.node_id, id.index] {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
    match &entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(proposal) => buffer.extend_from_slice(&proposal.0),
        EntryPayload::Membership(membership) => buffer.extend_from_slice(&encode(&membership_v1(membership))),
    }
}

/// Back from an entry's body; a proposal shares the body's memory.
pub(crate) fn decode_entry(body: &Bytes) -> Result<Entry, String> {
    if body.len() < ENTRY_HEAD_BYTES {
        return Err(format!("an entry of {} bytes", body.len()));
    }
    let number = |at: usize| u64::from_le_bytes(*body[at..].first_chunk().expect("within the head"));
    let log_id = LogId::from(LogIdV1 { term: number(1), node_id: number(9), index: number(17) });
    let carried = body.slice(ENTRY_HEAD_BYTES..);
    let payload = match body[0] {
        BLANK if carried.is_empty() => EntryPayload::Blank,
        NORMAL => EntryPayload::Normal(Proposal(carried)),
        MEMBERSHIP => {
            let stored: MembershipV1 = decode(&carried)?;
            let nodes: BTreeMap<u64, BasicNode> =
                stored.nodes.into_iter().map(|(id, address)| (id, BasicNode::new(address))).collect();
            EntryPayload::Membership(
                Membership::new(stored.configs, nodes).map_err(|error| error.to_string())?,
            )
        }
        kind => return Err(format!("an entry of unknown kind {kind}")),
    };
    Ok(Entry { log_id, payload })
}

fn membership_v1(membership: &Membership<u64, BasicNode>) -> MembershipV1 {
    MembershipV1 {
        configs: membership.get_joint_config().clone(),
        nodes: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, node_id: u64, index: u64) -> LogId {
        LogIdV1 { term, node_id, index }.into()
    }

    fn golden(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    fn le(number: u64) -> [u8; 8] {
        number.to_le_bytes()
    }

    #[test]
    fn the_bytes_of_a_vote_stay_as_released() {
        let vote = VoteV1::from(Vote::new_committed(5, 2));
        assert_eq!(encode(&vote), golden(&[&le(5), &le(2), &[1]]));
        assert_eq!(Vote::from(decode::<VoteV1>(&encode(&vote)).unwrap()), Vote::new_committed(5, 2));
        assert!(decode::<VoteV1>(&golden(&[&le(5), &le(2), &[1, 0]])).is_err(), "trailing bytes");
    }

    #[test]
    fn the_bytes_of_bounds_stay_as_released() {
        let bound = BoundV1(Some(id(3, 1, 9).into()));
        assert_eq!(encode(&bound), golden(&[&[1], &le(3), &le(1), &le(9)]));
        assert_eq!(encode(&BoundV1(None)), [0]);
    }

    #[test]
    fn the_bytes_of_a_checkpoint_stay_as_released() {
        let checkpoint = CheckpointV1 {
            segment: 4,
            previous_stamp: 77,
            previous_end: 1_024,
            vote: Some(Vote::new(5, 2).into()),
            purged: None,
            committed: Some(id(3, 1, 8).into()),
            last: Some(id(3, 1, 9).into()),
        };
        let bytes = golden(&[
            &[le(4), le(77), le(1_024)].concat(),
            &[&[1][..], &le(5), &le(2), &[0]].concat(),
            &[0],
            &[&[1][..], &le(3), &le(1), &le(8)].concat(),
            &[&[1][..], &le(3), &le(1), &le(9)].concat(),
        ]);
        assert_eq!(encode(&checkpoint), bytes);
        assert_eq!(decode::<CheckpointV1>(&bytes).unwrap(), checkpoint);
    }

    #[test]
    fn the_bytes_of_entries_stay_as_released() {
        let membership = Membership::new(
            vec![BTreeSet::from([1, 2])],
            BTreeMap::from([(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))]),
        )
        .unwrap();
        let head = [le(3), le(1), le(9)].concat();
        let cases = [
            (EntryPayload::Blank, golden(&[&[0], &head])),
            (EntryPayload::Normal(Proposal(Bytes::from_static(b"xyz"))), golden(&[&[1], &head, b"xyz"])),
            (
                EntryPayload::Membership(membership),
                golden(&[
                    &[2],
                    &head,
                    &[le(1), le(2), le(1), le(2)].concat(),
                    &[le(2), le(1), le(3)].concat(),
                    b"a:1",
                    &[le(2), le(3)].concat(),
                    b"b:2",
                ]),
            ),
        ];
        for (payload, bytes) in cases {
            let entry = Entry { log_id: id(3, 1, 9), payload };
            let mut encoded = Vec::new();
            encode_entry(&mut encoded, &entry);
            assert_eq!(encoded, bytes);
            assert_eq!(entry_bytes(&entry), bytes.len());
            assert_eq!(decode_entry(&Bytes::from(bytes)).unwrap(), entry);
        }
    }

    #[test]
    fn an_entry_of_unknown_kind_or_too_short_is_refused() {
        assert!(decode_entry(&Bytes::from_static(&[9; 25])).is_err());
        assert!(decode_entry(&Bytes::from_static(&[0; 24])).is_err());
        assert!(decode_entry(&Bytes::from_static(&[0; 26])).is_err(), "a blank entry with something in it");
    }
}
