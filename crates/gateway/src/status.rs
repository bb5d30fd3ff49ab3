//! The one place where a public status is built: which code an error gets, and what its trailers say.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_proto::v1::{self, Fate, ResponseHeader};
use stockade_state_machine::{LogTime, Revision};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::convert;
use crate::details;
use crate::failure::{Decided, Failure};
use crate::reason::Reason;
use crate::refusals::Refusals;

/// Set by every status that is built here: how the transport's own are told from ours.
pub(crate) const MARK: &str = "stockade-node-id";

/// Whether a call could have changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// It couldn't.
    Read,
    /// It could: a failure says what became of it.
    Write,
}

/// Who answers, and from which state.
#[derive(Debug, Clone)]
pub(crate) struct Answering {
    /// Of the cluster.
    pub(crate) cluster_id: String,
    /// This node.
    pub(crate) node_id: u64,
    /// Its term.
    pub(crate) term: u64,
    /// What its state has applied.
    pub(crate) served: Revision,
    /// What a read was served as; unspecified where it is none.
    pub(crate) consistency: v1::Consistency,
    /// Where callers reach the leader, where known.
    pub(crate) leader_address: Option<String>,
    /// Where what it refuses is counted.
    pub(crate) refusals: Arc<Refusals>,
}

impl Answering {
    /// The header of a read: `revision` is where what was read last changed.
    pub(crate) fn read(&self, revision: Revision) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster_id.clone(),
            node_id: self.node_id,
            term: self.term,
            revision: revision.get(),
            served_revision: self.served.get(),
            position: 0,
            replayed: false,
            log_time: None,
            served_consistency: self.consistency.into(),
        }
    }

    /// The header of a write.
    pub(crate) fn write(&self, decided: Decided) -> ResponseHeader {
        ResponseHeader {
            position: decided.position,
            replayed: decided.replayed,
            log_time: Some(convert::timestamp(decided.time)),
            // A forwarded write may have been decided where this node has yet to come.
            served_revision: self.served.max(decided.revision).get(),
            served_consistency: v1::Consistency::Unspecified.into(),
            ..self.read(decided.revision)
        }
    }

    /// The header of a trial, which was run at a time.
    pub(crate) fn trial(&self, time: LogTime) -> ResponseHeader {
        ResponseHeader { log_time: Some(convert::timestamp(time)), ..self.read(self.served) }
    }

    /// The header of a failure: of its decision in the log, or else of the state that answered.
    pub(crate) fn failed(&self, failure: &Failure) -> ResponseHeader {
        match (failure, failure.decided()) {
            (Failure::WouldReject(_, time), _) => self.trial(*time),
            (_, Some(decided)) => self.write(decided),
            (_, None) => self.read(self.served),
        }
    }
}

/// The status of a call that failed.
pub(crate) fn of_call(failure: &Failure, call: Call, answering: &Answering) -> Status {
    answering.refusals.count(Reason::of(failure));
    let told = details::explain(failure, answering.leader_address.as_deref());
    let mut status = Status::with_error_details(code(failure), told.message, told.details);
    let trailers = trailers(failure, call, answering);
    // Keys and values are ASCII by construction; what isn't would be left out rather than fail the answer.
    *status.metadata_mut() = MetadataMap::with_capacity(trailers.len());
    for (key, value) in trailers {
        if let Ok(value) = MetadataValue::try_from(value) {
            status.metadata_mut().insert(key, value);
        }
    }
    status
}

/// The status of one mutation among others of a stream, and what became of it.
pub(crate) fn of_mutation(failure: &Failure, answering: &Answering) -> (tonic_types::pb::Status, Fate) {
    use prost::Message;
    answering.refusals.count(Reason::of(failure));
    let told = details::explain(failure, answering.leader_address.as_deref());
    let status = Status::with_error_details(code(failure), told.message, told.details);
    let in_band =
        tonic_types::pb::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::pb::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        });
    (in_band, fate(failure))
}

/// What the transport refused before a service saw it, as ours; `None` for what isn't about the message.
pub(crate) fn of_transport(status: &Status) -> Option<Failure> {
    if status.metadata().contains_key(MARK) {
        return None;
    }
    match status.code() {
        Code::OutOfRange => Some(Failure::RequestTooLarge(status.message().to_owned())),
        // The transport says INTERNAL of bytes that are no message (and of nothing else on the way in).
        Code::Internal => Some(Failure::Undecodable(status.message().to_owned())),
        _ => None,
    }
}

/// The reason that a status has, or its code where it has none.
pub(crate) fn reason_of(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason);
    reason.unwrap_or_else(|| format!("{:?}", status.code()))
}

/// What is known of a mutation that failed.
fn fate(failure: &Failure) -> Fate {
    if failure.is_unknown() { Fate::Unknown } else { Fate::NotApplied }
}

fn code(failure: &Failure) -> Code {
    let codes = Reason::of(failure).codes();
    let second = matches!(failure, Failure::OutcomeUnknown { deadline_passed: false });
    codes[usize::from(second)]
}

fn trailers(failure: &Failure, call: Call, answering: &Answering) -> BTreeMap<&'static str, String> {
    let header = answering.failed(failure);
    let mut trailers = BTreeMap::from([
        ("stockade-cluster-id", header.cluster_id),
        (MARK, header.node_id.to_string()),
        ("stockade-term", header.term.to_string()),
        ("stockade-revision", header.revision.to_string()),
        ("stockade-served-revision", header.served_revision.to_string()),
        ("stockade-logged", failure.decided().is_some().to_string()),
    ]);
    if let Some(decided) = failure.decided() {
        trailers.insert("stockade-position", decided.position.to_string());
        trailers.insert("stockade-replayed", decided.replayed.to_string());
    }
    if let Some(time) = header.log_time {
        trailers.insert("stockade-log-time", time.to_string());
    }
    match (call, failure.is_unknown()) {
        (Call::Read, _) => {}
        (Call::Write, true) => {
            trailers.insert("stockade-outcome", "unknown".to_owned());
        }
        (Call::Write, false) => {
            trailers.insert("stockade-outcome", "not-applied".to_owned());
        }
    }
    trailers
}

#[cfg(test)]
mod tests;
