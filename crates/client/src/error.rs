//! What can go wrong with a call, as its caller needs to tell it apart.

use stockade_proto::v1::ResponseHeader;
use tonic::Code;
use tonic_types::{ErrorDetails, RpcStatusExt, StatusExt, pb};

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The client was given something that can't work; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The cluster said no. A write that was refused had no effect and never will have.
    #[error("{0}")]
    Rejected(Box<Refusal>),
    /// The time was over while a write was under way: it may have taken effect or may yet. Ask `get_outcome`, settle it
    /// with `abandon_request`, or send it again under the same request id.
    #[error("outcome of request {request_id} is unknown: {cause}")]
    OutcomeUnknown {
        /// The request.
        request_id: String,
        /// What happened last.
        cause: String,
    },
    /// The nodes that answered know no leader. The call had no effect.
    #[error("no leader within the deadline: {cause}")]
    NoLeader {
        /// What was answered last.
        cause: String,
    },
    /// The cluster has had too much to do, or too little room on its disks, until the deadline. The call had no effect.
    #[error("not taken until the deadline: {cause}")]
    Overloaded {
        /// `OVERLOADED` or `STORAGE_FULL`.
        reason: String,
        /// What was answered last.
        cause: String,
    },
    /// No node could be reached within the deadline. The call had no effect.
    #[error("no node answers ({addresses}): {cause}")]
    Unavailable {
        /// The addresses that are known.
        addresses: String,
        /// What happened last.
        cause: String,
    },
    /// A node broke the protocol, or the connection to a node that was asked by name did not hold.
    #[error("{0}")]
    Transport(String),
}

impl Error {
    /// The reason, as docs/reference/errors.md lists them. Empty where there is none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Rejected(refusal) => &refusal.reason,
            Self::Invalid(_) => "INVALID_ARGUMENT",
            Self::OutcomeUnknown { .. } => "OUTCOME_UNKNOWN",
            Self::NoLeader { .. } => "NO_LEADER",
            Self::Overloaded { reason, .. } => reason,
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Transport(_) => "",
        }
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            Self::Rejected(refusal) => refusal.code,
            Self::Invalid(_) => Code::InvalidArgument,
            Self::OutcomeUnknown { .. } => Code::DeadlineExceeded,
            Self::NoLeader { .. } | Self::Unavailable { .. } => Code::Unavailable,
            Self::Overloaded { .. } => Code::ResourceExhausted,
            Self::Transport(_) => Code::Internal,
        }
    }

    /// The refusal, where it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Rejected(refusal) => Some(refusal),
            Self::Invalid(_)
            | Self::OutcomeUnknown { .. }
            | Self::NoLeader { .. }
            | Self::Overloaded { .. }
            | Self::Unavailable { .. }
            | Self::Transport(_) => None,
        }
    }
}

/// The cluster's no.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// From `ErrorInfo`; empty where the answer has none.
    pub reason: String,
    /// For people.
    pub message: String,
    /// All that was said of it.
    pub details: ErrorDetails,
    /// Where and when it was decided, where the answer says so.
    pub header: Option<ResponseHeader>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.reason.is_empty() {
            return write!(f, "{:?}: {}", self.code, self.message);
        }
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// The reason of a refusal where a node does not believe who calls.
pub(crate) const UNAUTHENTICATED: &str = "UNAUTHENTICATED";

impl Refusal {
    /// True where a node does not believe who calls, or the caller may not do this: nothing was looked at behind the door.
    pub(crate) fn is_at_the_door(&self) -> bool {
        matches!(self.code, Code::Unauthenticated | Code::PermissionDenied)
    }
}

/// True where a node does not believe who calls, or the caller may not do this: another node, or another time, is no help.
pub(crate) fn is_stranger(status: &tonic::Status) -> bool {
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
}

/// What happened to a call, with what was behind it: of a connection that did not come about the status says just that.
pub(crate) fn whole_cause(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

impl Refusal {
    /// Of a status within a message.
    pub(crate) fn in_band(status: &pb::Status, header: Option<ResponseHeader>) -> Self {
        let message = status.message.clone();
        Self::new(Code::from_i32(status.code), message, status.get_error_details(), header)
    }

    /// Of a call's status and trailers.
    pub(crate) fn of_call(status: &tonic::Status) -> Self {
        let header = crate::record::of_trailers(status.metadata());
        Self::new(status.code(), whole_cause(status), status.get_error_details(), header)
    }

    fn new(code: Code, message: String, details: ErrorDetails, header: Option<ResponseHeader>) -> Self {
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        Self { code, reason, message, details, header }
    }

    /// How far the node had got that refused because a revision had yet to come.
    pub(crate) fn applied_revision(&self) -> Option<u64> {
        let info = self.details.error_info().filter(|info| info.reason == "REVISION_AHEAD")?;
        info.metadata.get("applied_revision")?.parse().ok()
    }

    /// The leader's address, where the node that refused knows it.
    pub(crate) fn leader(&self) -> Option<&str> {
        let address = self.details.error_info()?.metadata.get("leader_address")?;
        (!address.is_empty()).then_some(address)
    }
}
