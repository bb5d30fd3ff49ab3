//! What can go wrong between a node and its cluster.

use stockade_state_machine::Revision;

/// Why a proposal has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This node doesn't lead; nothing was proposed.
    #[error("not the leader")]
    NotLeader {
        /// Who does, where known.
        leader: Option<u64>,
    },
    /// Too much is in flight; nothing was proposed.
    #[error("too much is in flight")]
    Overloaded,
    /// This node leads and its disk has too little room; nothing was proposed.
    #[error("the leader's disk has too little room")]
    StorageFull,
    /// The deadline passed before it was proposed.
    #[error("the deadline passed before the command was proposed")]
    TimedOut,
    /// It was proposed; whether it takes effect is not known.
    #[error("the command was proposed, its fate is not known")]
    Unknown,
    /// The node is stopping; nothing was proposed.
    #[error("the node is stopping")]
    ShuttingDown,
    /// The node is no member any more; nothing was proposed.
    #[error("the node is no member of the cluster any more")]
    Removed,
}

/// Why a read can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody could confirm a read index before the deadline.
    #[error("no leader confirmed a read index in time")]
    NoLeader,
    /// This node had not applied the revision that was asked for by the deadline.
    #[error("revision {applied} is the last that this node has applied")]
    Behind {
        /// The last one that it has.
        applied: Revision,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    ShuttingDown,
    /// The node is no member any more: what it has is from before.
    #[error("the node is no member of the cluster any more")]
    Removed,
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration doesn't fit together.
    #[error("{0}")]
    Config(String),
    /// Raft refused.
    #[error("starting raft: {0}")]
    Raft(String),
}
