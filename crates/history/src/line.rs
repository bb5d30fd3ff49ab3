//! The lines of a history: as they are used, and as they stand in JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stockade_proto::v1::{self, LogEntry, ResponseHeader};

use crate::call::{Answer, Asked};

/// A line of a history.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The first line.
    Beginning(Beginning),
    /// Somebody begins to record.
    Recording(Recording),
    /// A call begins.
    Invoke(Box<Invoke>),
    /// A call ends.
    Return(Box<Return>),
    /// An entry of the log, as it was exported.
    Entry(Box<LogEntry>),
    /// What a node said of its state.
    State(NodeState),
}

/// What the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// Of the format.
    pub version: u32,
    /// True where it holds every mutation that anybody has asked of this cluster.
    #[serde(default)]
    pub complete: bool,
}

/// Who records, and by which clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The recorder, as calls name it.
    pub id: String,
    /// The clock's name. Instants of recorders whose clocks have one name can be compared, others can't.
    pub clock: String,
    /// What made the calls, for people.
    #[serde(default)]
    pub by: String,
}

/// What a read promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// It sees what was acknowledged before it began.
    #[default]
    Linearizable,
    /// The same, by the leader's lease.
    Lease,
    /// It sees what was acknowledged so many nanoseconds before it began.
    Bounded(u64),
    /// It sees the state of this revision, or a later one.
    AtLeast(u64),
    /// It sees some state.
    Local,
}

impl Consistency {
    /// What a request asks for. What no node would take is read as what promises least.
    pub fn of(options: Option<&v1::ReadOptions>) -> Self {
        let Some(options) = options else { return Self::Linearizable };
        match v1::Consistency::try_from(options.consistency) {
            Ok(v1::Consistency::Unspecified | v1::Consistency::Linearizable) => Self::Linearizable,
            Ok(v1::Consistency::Lease) => Self::Lease,
            Ok(v1::Consistency::Bounded) => {
                let age = options.max_staleness.and_then(|age| Duration::try_from(age).ok());
                let nanos = age.and_then(|age| u64::try_from(age.as_nanos()).ok());
                nanos.map_or(Self::Local, Self::Bounded)
            }
            Ok(v1::Consistency::AtLeast) => Self::AtLeast(options.min_revision),
            Ok(v1::Consistency::Local) | Err(_) => Self::Local,
        }
    }
}

/// What an answer says that a read was served as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// It saw what was acknowledged before it began.
    Linearizable,
    /// The same, by the leader's lease.
    Lease,
    /// What it asked for with [`Consistency::Bounded`].
    Bounded,
    /// What it asked for with [`Consistency::AtLeast`].
    AtLeast,
    /// Some state.
    Local,
}

impl Served {
    fn of(consistency: v1::Consistency) -> Option<Self> {
        match consistency {
            v1::Consistency::Unspecified => None,
            v1::Consistency::Linearizable => Some(Self::Linearizable),
            v1::Consistency::Lease => Some(Self::Lease),
            v1::Consistency::Bounded => Some(Self::Bounded),
            v1::Consistency::AtLeast => Some(Self::AtLeast),
            v1::Consistency::Local => Some(Self::Local),
        }
    }

    /// True where it promises all that was asked for.
    pub fn keeps(self, asked: Consistency) -> bool {
        match self {
            Self::Linearizable => !matches!(asked, Consistency::AtLeast(_) | Consistency::Local),
            Self::Lease => asked == Consistency::Lease,
            Self::Bounded => matches!(asked, Consistency::Bounded(_)),
            Self::AtLeast => matches!(asked, Consistency::AtLeast(_)),
            Self::Local => asked == Consistency::Local,
        }
    }
}

/// A call begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoke {
    /// Who recorded it.
    pub recorder: String,
    /// The call's number with this recorder.
    pub op: u64,
    /// When, by the recorder's clock, in nanoseconds.
    pub at_ns: u64,
    /// Of a read.
    pub consistency: Consistency,
    /// What was asked.
    pub asked: Asked,
}

/// What is known of a write that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It had no effect and never will have.
    NotApplied,
    /// It may have taken effect or may yet.
    Unknown,
}

/// A call ends. The answer is still in bytes: which message it is follows from the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// Who recorded it.
    pub recorder: String,
    /// The call's number with this recorder.
    pub op: u64,
    /// When, by the recorder's clock, in nanoseconds.
    pub at_ns: u64,
    /// Who answered, and from which state; `None` where nobody said.
    pub header: Option<Header>,
    /// How it ended.
    pub outcome: Outcome<Vec<u8>>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<Response = Answer> {
    /// With a response.
    Ok(Response),
    /// A node said no.
    Refused {
        /// As docs/reference/errors.md has it.
        reason: String,
        /// For people.
        message: String,
        /// Of the reason.
        metadata: BTreeMap<String, String>,
        /// True where the log decided it.
        logged: bool,
        /// Of a write: what it means for its effect.
        fate: Option<Fate>,
    },
    /// Of a write: nobody told how it ended. It may have taken effect, or may yet.
    Unknown {
        /// What happened last, for people.
        message: String,
    },
    /// Nobody answered, and nothing was done nor will be.
    Failed {
        /// What happened last, for people.
        message: String,
    },
}

/// The header of a response, or its trailers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Only where it is the recorder's first answer, or another cluster's than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The node that answered.
    pub node: u64,
    /// Its term.
    pub term: u64,
    /// As in `ResponseHeader`.
    pub revision: u64,
    /// As in `ResponseHeader`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub position: u32,
    /// As in `ResponseHeader`.
    pub served_revision: u64,
    /// As in `ResponseHeader`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// As in `ResponseHeader`, in microseconds since 1970: of a write, of one that was tried, and of no read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_time_us: Option<u64>,
    /// As in `ResponseHeader`: what a read was served as. Of a refusal, and before there was a choice, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_consistency: Option<Served>,
}

impl Header {
    /// Of a response.
    pub fn of(header: &ResponseHeader) -> Self {
        Self {
            cluster_id: None,
            node: header.node_id,
            term: header.term,
            revision: header.revision,
            position: header.position,
            served_revision: header.served_revision,
            replayed: header.replayed,
            log_time_us: header.log_time.as_ref().and_then(micros),
            served_consistency: Served::of(header.served_consistency()),
        }
    }
}

/// `None` before 1970 and after the year 586,000.
fn micros(time: &prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(u64::try_from(time.nanos).ok()? / 1_000)
}

/// What a node said of its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    /// Which node.
    pub node: u64,
    /// The log index that the hashes belong to.
    pub applied: u64,
    /// The state hash, in hexadecimal digits.
    pub state_hash: String,
    /// The chain hash, in hexadecimal digits; empty where it was not asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain_hash: String,
    /// Rows under the state hash; 0 where the node did not say.
    #[serde(default, skip_serializing_if = "is_zero_rows")]
    pub rows: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero_rows(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A line as it stands in JSON: an object with one key, the kind of the line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Written<'a> {
    History(Beginning),
    Recorder(Recording),
    #[serde(borrow)]
    Invoke(WrittenInvoke<'a>),
    Return(WrittenReturn<'a>),
    Entry(WrittenEntry<'a>),
    State(NodeState),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenInvoke<'a> {
    #[serde(borrow)]
    pub(crate) recorder: Cow<'a, str>,
    pub(crate) op: u64,
    pub(crate) at: u64,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(crate) request_id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) consistency: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_staleness_ns: Option<u64>,
    #[serde(borrow)]
    pub(crate) request: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) text: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenReturn<'a> {
    #[serde(borrow)]
    pub(crate) recorder: Cow<'a, str>,
    pub(crate) op: u64,
    pub(crate) at: u64,
    pub(crate) result: Ending,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Header>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) logged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fate: Option<Fate>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Ok,
    Refused,
    Unknown,
    Failed,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenEntry<'a> {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) commands: usize,
    #[serde(borrow)]
    pub(crate) log_entry: Cow<'a, str>,
}
