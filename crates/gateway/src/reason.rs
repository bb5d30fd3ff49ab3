//! Reasons: the stable names of errors, and the gRPC code of each. docs/reference/errors.md is held against this.

use tonic::Code;

use stockade_consensus::RefusalKind;
use stockade_state_machine::rejection::Rejection;

use crate::failure::Failure;

/// The stable name of an error: `ErrorInfo.reason`, domain `stockade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is not known who calls.
    Unauthenticated,
    /// The caller's role does not have the method.
    PermissionDenied,
    /// The message is larger than this node takes.
    RequestTooLarge,
    /// Fields are wrong.
    InvalidArgument,
    /// The page token belongs to no list like this.
    PageTokenInvalid,
    /// The log no longer goes back that far.
    CursorCompacted,
    /// The node is stopping.
    ShuttingDown,
    /// The node is no member of the cluster any more.
    NodeRemoved,
    /// The disk of the node that was called, or of the leader, has too little room.
    StorageFull,
    /// Nobody leads.
    NoLeader,
    /// Too much is in flight.
    Overloaded,
    /// The time was over before anything was proposed.
    DeadlineExceeded,
    /// Proposed, and its fate isn't known.
    OutcomeUnknown,
    /// The request id is older than what is kept.
    RequestIdExpired,
    /// The request was abandoned.
    RequestAbandoned,
    /// The request id was used for other content.
    RequestIdReused,
    /// The request id's time is too far ahead.
    RequestIdInFuture,
    /// The revision has yet to come.
    RevisionAhead,
    /// No such thing.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// The hold has ended.
    ReservationExpired,
    /// The state of the order or the reservation doesn't allow it.
    IllegalTransition,
    /// The resource has changed since the caller saw it.
    EtagMismatch,
    /// The bucket holds another quantity than the caller expected.
    QuantityStale,
    /// A precondition of a transaction does not hold.
    PreconditionFailed,
    /// The SKU still has stock.
    SkuInUse,
    /// The location still has stock.
    LocationInUse,
    /// The location takes no orders.
    LocationDisabled,
    /// More or less than an order may take.
    PurchaseLimit,
    /// More units than the line has left.
    QuantityExceeded,
    /// More parts, or lines in parcels, than an order may have.
    TooLarge,
    /// A sum would leave 64 bits.
    QuantityOverflow,
    /// Stock is short.
    InsufficientStock,
    /// Another change of the membership is under way.
    MembershipChanging,
    /// The id is or was another node's.
    MembershipIdUsed,
    /// No such member, or none of the part that the change needs.
    MembershipNodeUnknown,
    /// At the address there is no new node of this id and cluster.
    MembershipNodeUnfit,
    /// The learner lacks too much of the log.
    MembershipLearnerBehind,
    /// Too few of those who would vote are there.
    MembershipQuorumAtRisk,
    /// The node failed.
    Internal,
}

impl Reason {
    /// All of them, in the order of precedence: of several that apply, a call fails with the first.
    pub const ALL: [Self; 40] = [
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::RequestTooLarge,
        Self::InvalidArgument,
        Self::PageTokenInvalid,
        Self::CursorCompacted,
        Self::ShuttingDown,
        Self::NodeRemoved,
        Self::StorageFull,
        Self::NoLeader,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::OutcomeUnknown,
        Self::RequestIdExpired,
        Self::RequestAbandoned,
        Self::RequestIdReused,
        Self::RequestIdInFuture,
        Self::RevisionAhead,
        Self::NotFound,
        Self::AlreadyExists,
        Self::ReservationExpired,
        Self::IllegalTransition,
        Self::EtagMismatch,
        Self::QuantityStale,
        Self::PreconditionFailed,
        Self::SkuInUse,
        Self::LocationInUse,
        Self::LocationDisabled,
        Self::PurchaseLimit,
        Self::QuantityExceeded,
        Self::TooLarge,
        Self::QuantityOverflow,
        Self::InsufficientStock,
        Self::MembershipChanging,
        Self::MembershipIdUsed,
        Self::MembershipNodeUnknown,
        Self::MembershipNodeUnfit,
        Self::MembershipLearnerBehind,
        Self::MembershipQuorumAtRisk,
        Self::Internal,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::PageTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::CursorCompacted => "CURSOR_COMPACTED",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::NodeRemoved => "NODE_REMOVED",
            Self::StorageFull => "STORAGE_FULL",
            Self::NoLeader => "NO_LEADER",
            Self::Overloaded => "OVERLOADED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::RequestIdExpired => "REQUEST_ID_EXPIRED",
            Self::RequestAbandoned => "REQUEST_ABANDONED",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::RequestIdInFuture => "REQUEST_ID_IN_FUTURE",
            Self::RevisionAhead => "REVISION_AHEAD",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::ReservationExpired => "RESERVATION_EXPIRED",
            Self::IllegalTransition => "ILLEGAL_TRANSITION",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::QuantityStale => "QUANTITY_STALE",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::SkuInUse => "SKU_IN_USE",
            Self::LocationInUse => "LOCATION_IN_USE",
            Self::LocationDisabled => "LOCATION_DISABLED",
            Self::PurchaseLimit => "PURCHASE_LIMIT",
            Self::TooLarge => "TOO_LARGE",
            Self::QuantityExceeded => "QUANTITY_EXCEEDED",
            Self::QuantityOverflow => "QUANTITY_OVERFLOW",
            Self::InsufficientStock => "INSUFFICIENT_STOCK",
            Self::MembershipChanging => "MEMBERSHIP_CHANGING",
            Self::MembershipIdUsed => "MEMBERSHIP_ID_USED",
            Self::MembershipNodeUnknown => "MEMBERSHIP_NODE_UNKNOWN",
            Self::MembershipNodeUnfit => "MEMBERSHIP_NODE_UNFIT",
            Self::MembershipLearnerBehind => "MEMBERSHIP_LEARNER_BEHIND",
            Self::MembershipQuorumAtRisk => "MEMBERSHIP_QUORUM_AT_RISK",
            Self::Internal => "INTERNAL",
        }
    }

    /// The gRPC codes it comes with: one, but for a fate that is unknown, which tells a passed deadline from a node
    /// that went away.
    pub const fn codes(self) -> &'static [Code] {
        match self {
            Self::Unauthenticated => &[Code::Unauthenticated],
            Self::PermissionDenied => &[Code::PermissionDenied],
            Self::RequestTooLarge
            | Self::InvalidArgument
            | Self::PageTokenInvalid
            | Self::RequestIdReused
            | Self::RequestIdInFuture
            | Self::QuantityOverflow => &[Code::InvalidArgument],
            Self::CursorCompacted | Self::RevisionAhead => &[Code::OutOfRange],
            Self::ShuttingDown | Self::NodeRemoved | Self::NoLeader => &[Code::Unavailable],
            Self::StorageFull | Self::Overloaded => &[Code::ResourceExhausted],
            Self::DeadlineExceeded => &[Code::DeadlineExceeded],
            Self::OutcomeUnknown => &[Code::DeadlineExceeded, Code::Unavailable],
            Self::RequestIdExpired
            | Self::RequestAbandoned
            | Self::ReservationExpired
            | Self::IllegalTransition
            | Self::SkuInUse
            | Self::LocationInUse
            | Self::LocationDisabled
            | Self::PurchaseLimit
            | Self::TooLarge
            | Self::QuantityExceeded
            | Self::InsufficientStock
            | Self::MembershipIdUsed
            | Self::MembershipNodeUnfit
            | Self::MembershipLearnerBehind
            | Self::MembershipQuorumAtRisk => &[Code::FailedPrecondition],
            Self::EtagMismatch
            | Self::QuantityStale
            | Self::PreconditionFailed
            | Self::MembershipChanging => &[Code::Aborted],
            Self::NotFound | Self::MembershipNodeUnknown => &[Code::NotFound],
            Self::AlreadyExists => &[Code::AlreadyExists],
            Self::Internal => &[Code::Internal],
        }
    }

    /// The reason of a failure.
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Unauthenticated(_) => Self::Unauthenticated,
            Failure::PermissionDenied { .. } => Self::PermissionDenied,
            Failure::RequestTooLarge(_) => Self::RequestTooLarge,
            Failure::Undecodable(_) | Failure::Invalid(_) => Self::InvalidArgument,
            Failure::PageTokenInvalid => Self::PageTokenInvalid,
            Failure::LogPurged { .. } => Self::CursorCompacted,
            Failure::ShuttingDown => Self::ShuttingDown,
            Failure::Removed => Self::NodeRemoved,
            Failure::StorageFull(_) => Self::StorageFull,
            Failure::NoLeader => Self::NoLeader,
            Failure::Overloaded => Self::Overloaded,
            Failure::DeadlineExceeded => Self::DeadlineExceeded,
            Failure::OutcomeUnknown { .. } => Self::OutcomeUnknown,
            Failure::RevisionAhead { .. } => Self::RevisionAhead,
            Failure::Missing(_) => Self::NotFound,
            Failure::Rejected(rejection, _) | Failure::WouldReject(rejection, _) => {
                Self::of_rejection(rejection)
            }
            Failure::Membership(refusal) => Self::of_membership(refusal.kind),
            Failure::Internal(_) => Self::Internal,
        }
    }

    fn of_membership(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Changing => Self::MembershipChanging,
            RefusalKind::IdUsed => Self::MembershipIdUsed,
            RefusalKind::NodeUnknown => Self::MembershipNodeUnknown,
            RefusalKind::NodeUnfit => Self::MembershipNodeUnfit,
            RefusalKind::LearnerBehind => Self::MembershipLearnerBehind,
            RefusalKind::QuorumAtRisk => Self::MembershipQuorumAtRisk,
        }
    }

    fn of_rejection(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::Malformed(_) => Self::InvalidArgument,
            Rejection::RequestIdReused => Self::RequestIdReused,
            Rejection::RequestIdExpired { .. } => Self::RequestIdExpired,
            Rejection::RequestIdInFuture { .. } => Self::RequestIdInFuture,
            Rejection::RequestAbandoned => Self::RequestAbandoned,
            Rejection::NotFound(_) => Self::NotFound,
            Rejection::AlreadyExists(_) => Self::AlreadyExists,
            Rejection::ReservationExpired { .. } => Self::ReservationExpired,
            Rejection::IllegalTransition { .. } | Rejection::ReservationSettled { .. } => {
                Self::IllegalTransition
            }
            Rejection::EtagMismatch { .. } => Self::EtagMismatch,
            Rejection::QuantityStale { .. } => Self::QuantityStale,
            Rejection::PreconditionFailed { .. } => Self::PreconditionFailed,
            Rejection::OperationRejected { rejection, .. } => Self::of_rejection(rejection),
            Rejection::TooLarge { .. } => Self::TooLarge,
            Rejection::SkuInUse { .. } => Self::SkuInUse,
            Rejection::LocationInUse { .. } => Self::LocationInUse,
            Rejection::LocationDisabled { .. } => Self::LocationDisabled,
            Rejection::PurchaseLimit { .. } => Self::PurchaseLimit,
            Rejection::QuantityExceeded { .. } => Self::QuantityExceeded,
            Rejection::QuantityOverflow => Self::QuantityOverflow,
            Rejection::InsufficientStock { .. } => Self::InsufficientStock,
            // The proposer resolves it; a caller who sees it all the same may try again, for it isn't recorded.
            Rejection::RetryAfterExpiry => Self::Overloaded,
        }
    }
}
