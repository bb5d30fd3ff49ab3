//! Failures: everything that can stand between a call and its response, before it becomes a status.

use stockade_consensus::{MembershipError, MembershipRefusal, ReadError};
use stockade_credentials::{Refused, Role};
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::{LogTime, Reply, Revision};

use crate::validate::Violations;

/// Where a mutation was decided in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    /// The log index.
    pub(crate) revision: Revision,
    /// Position among the commands of that index.
    pub(crate) position: u32,
    /// Log time.
    pub(crate) time: LogTime,
    /// True where an earlier command with the same request id decided it.
    pub(crate) replayed: bool,
}

impl Decided {
    /// Where a reply says it was decided.
    pub(crate) fn of(reply: &Reply) -> Self {
        Self {
            revision: reply.revision,
            position: reply.position,
            time: reply.time,
            replayed: reply.replayed,
        }
    }
}

/// Whose disk has too little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// This node's: others may have more.
    Here,
    /// The leader's: it gives the lead away if another has more.
    Leader,
}

/// Why a call has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is not known who calls.
    Unauthenticated(Refused),
    /// The caller's role does not have the method.
    PermissionDenied {
        /// The caller's.
        role: Role,
        /// Service and method.
        method: String,
    },
    /// A message is larger than this node takes, or is no protobuf; in words.
    RequestTooLarge(String),
    /// A message can't be decoded; in words.
    Undecodable(String),
    /// Fields are wrong.
    Invalid(Violations),
    /// The page token is none of ours, or of another list.
    PageTokenInvalid,
    /// The log no longer goes back that far.
    LogPurged {
        /// The oldest index that is kept.
        oldest: u64,
    },
    /// This node is stopping; nothing was proposed.
    ShuttingDown,
    /// This node is no member any more; nothing was proposed.
    Removed,
    /// A disk has too little room; nothing was proposed.
    StorageFull(Short),
    /// Nobody led until the deadline; nothing was proposed.
    NoLeader,
    /// Too much is in flight; nothing was proposed.
    Overloaded,
    /// The deadline passed; nothing was proposed.
    DeadlineExceeded,
    /// It may have been proposed, and what became of it isn't known.
    OutcomeUnknown {
        /// False where it is for another cause than the deadline.
        deadline_passed: bool,
    },
    /// A read asks for a revision that has yet to come, of the past or at least.
    RevisionAhead {
        /// The last one that can be asked for, on this node.
        applied: Revision,
    },
    /// A read found nothing under that id.
    Missing(Resource),
    /// Decided in the log: refused.
    Rejected(Rejection, Decided),
    /// It would be refused at that time if it were more than a trial.
    WouldReject(Rejection, LogTime),
    /// The leader refused a change of the membership; nothing was proposed.
    Membership(MembershipRefusal),
    /// This node failed at a read; the cause is in its log.
    Internal(&'static str),
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoLeader => Self::NoLeader,
            ReadError::Behind { applied } => Self::RevisionAhead { applied },
            ReadError::ShuttingDown => Self::ShuttingDown,
            ReadError::Removed => Self::Removed,
        }
    }
}

impl From<MembershipError> for Failure {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Refused(refusal) => Self::Membership(refusal),
            MembershipError::NoLeader => Self::NoLeader,
            MembershipError::Unknown => Self::OutcomeUnknown { deadline_passed: true },
            MembershipError::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl Failure {
    /// A failure of storage below a read.
    pub(crate) fn storage(error: &stockade_storage::Error) -> Self {
        tracing::error!(%error, "a read failed; look after this node's disk");
        Self::Internal("reading the state failed; ask another node")
    }

    /// Where it was decided, if the log did.
    pub(crate) fn decided(&self) -> Option<Decided> {
        match self {
            Self::Rejected(_, decided) => Some(*decided),
            Self::Unauthenticated(_)
            | Self::PermissionDenied { .. }
            | Self::RequestTooLarge(_)
            | Self::Undecodable(_)
            | Self::Invalid(_)
            | Self::PageTokenInvalid
            | Self::LogPurged { .. }
            | Self::ShuttingDown
            | Self::Removed
            | Self::StorageFull(_)
            | Self::NoLeader
            | Self::Overloaded
            | Self::DeadlineExceeded
            | Self::OutcomeUnknown { .. }
            | Self::RevisionAhead { .. }
            | Self::Missing(_)
            | Self::WouldReject(..)
            | Self::Membership(_)
            | Self::Internal(_) => None,
        }
    }

    /// True where the mutation may have taken effect, now or under an earlier call with the same request id.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::OutcomeUnknown { .. } | Self::Internal(_) => true,
            // Whether it ran before the horizon passed it isn't known any more.
            Self::Rejected(rejection, _) => matches!(rejection, Rejection::RequestIdExpired { .. }),
            Self::Unauthenticated(_)
            | Self::PermissionDenied { .. }
            | Self::RequestTooLarge(_)
            | Self::Undecodable(_)
            | Self::Invalid(_)
            | Self::PageTokenInvalid
            | Self::LogPurged { .. }
            | Self::ShuttingDown
            | Self::Removed
            | Self::StorageFull(_)
            | Self::NoLeader
            | Self::Overloaded
            | Self::DeadlineExceeded
            | Self::RevisionAhead { .. }
            | Self::Missing(_)
            | Self::WouldReject(..)
            | Self::Membership(_) => false,
        }
    }
}
