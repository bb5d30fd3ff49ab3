//! What openraft is told of us: the type configuration, proposals and replies.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use stockade_state_machine::Reply;

openraft::declare_raft_types!(
    /// Fixes openraft's type parameters.
    pub TypeConfig:
        D = Proposal,
        R = EntryReplies,
        NodeId = u64,
        Node = openraft::BasicNode,
        AsyncRuntime = crate::raft_runtime::RaftRuntime,
);

/// The commands of one log entry in their frozen form, as [`codec::assemble_proposal`](crate::codec::assemble_proposal)
/// makes it. Travels through log, network and apply without being copied.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposal(pub Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The replies to the commands of one entry, in order; empty for entries without commands.
#[derive(Debug, Clone, Default)]
pub struct EntryReplies(pub Arc<[Reply]>);
