//! Changes of the membership: a node is added as a learner, is given a vote, alone or in another's place, and is removed;
//! and the lead, which a node can be given.
//!
//! Any node takes a change and brings it to the leader, which looks whether it is safe, proposes it, and tells why
//! where it isn't.
//!
//! Invariants:
//! - No id is used twice. A new node's id is above all that ever stood in a committed membership: storage keeps the highest
//!   with the rows that record the membership, and the leader has applied the last membership of its log before it
//!   decides on the next.
//! - One change at a time: each names the membership that it was decided on, and is dropped where that is not the last.
//! - A change that was asked for before does nothing, or finishes what a leader that died left half done.
//! - Whoever asked may go away: a change that was begun is carried through without him.
//!
//! `plan.rs` decides, `change.rs` carries out, `transfer.rs` moves the lead, `removal.rs` is the other end: a node that finds out that it was removed.
//! `care.rs` is what a leader does for the members unasked: `deaths.rs` says who is to be replaced and by whom, `zones.rs`
//! whether they stand as they should.

mod care;
mod change;
mod convert;
mod deaths;
mod plan;
mod removal;
mod transfer;
mod zones;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, MutexGuard};

pub(crate) use care::{Told, look_after};
pub(crate) use change::Failed;
pub(crate) use removal::watch;

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipChange {
    /// A node that gets the log and has no vote.
    AddLearner {
        /// Above the ids of all members.
        node_id: u64,
        /// Where the others reach it: `host:port`.
        peer_address: String,
    },
    /// A learner gets a vote.
    Promote {
        /// The learner.
        node_id: u64,
        /// The voter whose place it takes, and which is no member afterwards.
        replaces: Option<u64>,
    },
    /// Nodes that are no members afterwards, whether they vote or not, all in one change.
    Remove {
        /// Who goes.
        node_ids: BTreeSet<u64>,
    },
    /// No change of the members: the lead goes to another voter.
    Transfer {
        /// To whom; the leader chooses where nobody is named.
        to: Option<u64>,
        /// Only where this node leads. Whoever asks again for what was done moves the lead on otherwise.
        away_from: Option<u64>,
    },
}

impl fmt::Display for MembershipChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddLearner { node_id, peer_address } => {
                write!(f, "add node {node_id} at {peer_address} as a learner")
            }
            Self::Promote { node_id, replaces: Some(old) } => {
                write!(f, "give node {node_id} the vote of node {old}")
            }
            Self::Promote { node_id, replaces: None } => write!(f, "give node {node_id} a vote"),
            Self::Remove { node_ids } => {
                let ids: Vec<String> = node_ids.iter().map(u64::to_string).collect();
                write!(f, "remove {}", ids.join(", "))
            }
            Self::Transfer { to, away_from } => {
                match to {
                    Some(to) => write!(f, "give node {to} the lead")?,
                    None => f.write_str("give another node the lead")?,
                }
                away_from.map_or(Ok(()), |node_id| write!(f, ", away from node {node_id}"))
            }
        }
    }
}

/// Why a change of the membership was refused. Nothing was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    /// Another change is under way.
    Changing,
    /// The id is or was another node's.
    IdUsed,
    /// No member, or none of the part that the change needs.
    NodeUnknown,
    /// At the address there is no new node of this id and cluster.
    NodeUnfit,
    /// The learner lacks too much of the log.
    LearnerBehind,
    /// Too few of those who would vote are there.
    QuorumAtRisk,
}

impl RefusalKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Changing,
        Self::IdUsed,
        Self::NodeUnknown,
        Self::NodeUnfit,
        Self::LearnerBehind,
        Self::QuorumAtRisk,
    ];
}

/// A change that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MembershipRefusal {
    /// For programs.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
}

/// Why the membership is not known to be as asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The leader refused. Nothing was proposed.
    #[error(transparent)]
    Refused(#[from] MembershipRefusal),
    /// Nobody led until the deadline. Nothing was proposed.
    #[error("nobody led until the deadline")]
    NoLeader,
    /// It was proposed, or may have been, and what became of it is not known. To ask again is harmless.
    #[error("the change was asked for, its fate is not known")]
    Unknown,
    /// The node is stopping. Nothing was proposed.
    #[error("the node is stopping")]
    ShuttingDown,
}

/// What a node keeps of its membership beside Raft.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// Held while this node, as the leader, changes the membership. Whoever takes the turn of a hand-over as well takes this
    /// one first.
    turn: Arc<Mutex<()>>,
    /// The cluster goes on without this node.
    removed: AtomicBool,
}

impl Membership {
    /// True once this node knows that it is no member any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// Waits until no change of the membership is under way; as long as what it gives lives, none begins.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
