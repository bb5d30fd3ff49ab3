//! A history, read: calls with their beginnings and ends put together.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use stockade_history::{
    Answer, Asked, Consistency, Fate, Header, Invoke, LineError, Lines, NodeState, Outcome, Record, Return,
    Served, VERSION,
};
use stockade_proto::v1::LogEntry;
use stockade_state_machine::LogTime;
use stockade_state_machine::ids::RequestId;

use crate::words;

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A line is none of a history.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The lines don't fit together.
    #[error("line {line}: {what}")]
    Inconsistent {
        /// From 1.
        line: u64,
        /// What doesn't fit.
        what: String,
    },
}

/// A recorded history.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// True where it holds every mutation that anybody has asked of the cluster.
    pub complete: bool,
    /// The calls, in the order in which they began to be written.
    pub operations: Vec<Operation>,
    /// The log, each entry with its line. The logs of several nodes may stand side by side.
    pub entries: Vec<(u64, LogEntry)>,
    /// What nodes said of their states, each with its line.
    pub states: Vec<(u64, NodeState)>,
    /// The cluster's id as answers gave it, each with its line.
    pub clusters: Vec<(u64, String)>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The line where it begins.
    pub line: u64,
    /// By which clock; instants of one clock can be compared.
    pub clock: usize,
    /// When it began, in nanoseconds.
    pub invoked_ns: u64,
    /// Of a read.
    pub consistency: Consistency,
    /// What was asked.
    pub asked: Asked,
    /// How it ended; `None` where nobody saw it.
    pub ended: Option<Ended>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The line that says so.
    pub line: u64,
    /// When, in nanoseconds.
    pub at_ns: u64,
    /// Who answered, and from which state. Always there beside a response.
    pub header: Option<Header>,
    /// How. A response has no header of its own.
    pub outcome: Outcome<Answer>,
}

impl Operation {
    /// The request id, where the call has one that is sound.
    pub(crate) fn request_id(&self) -> Option<RequestId> {
        words::request_id(self.asked.request_id())
    }

    /// True of what can change something: of a mutation that is only to be tried it is not so.
    pub(crate) fn writes(&self) -> bool {
        let is_for_good = self.asked.is_mutation() && !self.asked.is_trial();
        is_for_good || matches!(self.asked, Asked::AbandonRequest(_))
    }

    /// What a read promised: what it asked for, or what its answer says that it was served as, where that is more.
    pub(crate) fn promised(&self) -> Consistency {
        let header = self.ended.as_ref().and_then(|ended| ended.header.as_ref());
        match header.and_then(|header| header.served_consistency) {
            Some(Served::Linearizable | Served::Lease) => Consistency::Linearizable,
            Some(Served::Bounded | Served::AtLeast | Served::Local) | None => self.consistency,
        }
    }

    /// The instant of which it has to see everything that had been returned by then, in nanoseconds, where it has to.
    pub(crate) fn fresh_from_ns(&self) -> u64 {
        match self.promised() {
            Consistency::Bounded(age_ns) => self.invoked_ns.saturating_sub(age_ns),
            Consistency::Linearizable | Consistency::Lease | Consistency::AtLeast(_) | Consistency::Local => {
                self.invoked_ns
            }
        }
    }

    /// True of a read with a least revision that was refused because the node had not got there.
    pub(crate) fn was_behind(&self, ended: &Ended) -> bool {
        let Consistency::AtLeast(least) = self.consistency else { return false };
        let Outcome::Refused { reason, metadata, .. } = &ended.outcome else { return false };
        let applied = metadata.get("applied_revision").and_then(|applied| applied.parse::<u64>().ok());
        reason == "REVISION_AHEAD" && applied.is_some_and(|applied| applied < least)
    }

    /// How a mutation ended that was only tried, where a state was asked, and the log time at which it was tried.
    pub(crate) fn tried(&self) -> Option<(&Ended, &Header, LogTime)> {
        let ended = self.ended.as_ref().filter(|_| self.asked.is_trial())?;
        let header = ended.header.as_ref()?;
        Some((ended, header, LogTime::from_micros(header.log_time_us?)))
    }

    /// Where the log decided this write, as its answer says.
    pub(crate) fn decided(&self) -> Option<(&Ended, &Header)> {
        let ended = self.ended.as_ref().filter(|_| self.writes())?;
        let decided = match &ended.outcome {
            Outcome::Ok(_) => true,
            Outcome::Refused { logged, .. } => *logged,
            Outcome::Unknown { .. } | Outcome::Failed { .. } => false,
        };
        Some((ended, ended.header.as_ref().filter(|_| decided)?))
    }

    /// True of a write that ended without its caller being told what became of it, or that didn't end.
    pub(crate) fn is_unknown(&self) -> bool {
        let Some(ended) = &self.ended else { return self.writes() };
        self.writes()
            && match &ended.outcome {
                Outcome::Unknown { .. } => true,
                Outcome::Refused { fate, logged, .. } => *fate == Some(Fate::Unknown) && !logged,
                Outcome::Ok(_) | Outcome::Failed { .. } => false,
            }
    }

    /// Which call this is, in words.
    pub(crate) fn words(&self) -> String {
        let (kind, id, text) = (self.asked.kind(), self.asked.request_id(), self.asked.words());
        if id.is_empty() { format!("{kind} ({text})") } else { format!("{kind} request {id} ({text})") }
    }
}

impl History {
    /// Reads a history to its end.
    pub fn read(from: impl BufRead) -> Result<Self, LoadError> {
        let mut reading = Reading::default();
        let mut lines = Lines::new(from);
        for line in lines.by_ref() {
            let (line, record) = line?;
            reading.take(line, record).map_err(|what| LoadError::Inconsistent { line, what })?;
        }
        if !reading.begun {
            let what = "the first line of a history is {\"history\":{\"version\":1}}".to_owned();
            return Err(LoadError::Inconsistent { line: 1, what });
        }
        let mut history = reading.history;
        if lines.was_cut_off() {
            let note = format!("line {} was cut off with its writer and is passed over", lines.line());
            history.notes.push(note);
        }
        Ok(history)
    }

    /// The requests of unknown fate, each once: what a caller would have to settle.
    pub fn unknown_requests(&self) -> Vec<String> {
        let told = |operation: &&Operation| operation.asked.is_mutation() && operation.is_unknown();
        let mut ids: Vec<String> = self
            .operations
            .iter()
            .filter(told)
            .map(|operation| operation.asked.request_id().to_owned())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The highest log index that the history has an entry of.
    pub fn last_entry(&self) -> Option<u64> {
        self.entries.iter().map(|(_, entry)| entry.index).max()
    }
}

/// A history on its way in.
#[derive(Default)]
struct Reading {
    begun: bool,
    history: History,
    /// The number of each clock, by name.
    clocks: BTreeMap<String, usize>,
    /// By their ids: their number and that of their clock.
    recorders: HashMap<String, (usize, usize)>,
    /// Calls that have begun, by recorder and number: where they stand in the history.
    open: HashMap<(usize, u64), usize>,
}

impl Reading {
    fn take(&mut self, line: u64, record: Record) -> Result<(), String> {
        if !self.begun && !matches!(record, Record::Beginning(_)) {
            return Err("the first line of a history is {\"history\":{\"version\":1}}".to_owned());
        }
        match record {
            Record::Beginning(beginning) => {
                if self.begun {
                    return Err("the history begins a second time".to_owned());
                }
                if beginning.version != VERSION {
                    return Err(format!(
                        "the history has version {}, this program reads {VERSION}",
                        beginning.version
                    ));
                }
                self.begun = true;
                self.history.complete = beginning.complete;
            }
            Record::Recording(recording) => {
                let clocks = self.clocks.len();
                let clock = *self.clocks.entry(recording.clock).or_insert(clocks);
                let recorders = self.recorders.len();
                if self.recorders.insert(recording.id.clone(), (recorders, clock)).is_some() {
                    return Err(format!("there are two recorders `{}`", recording.id));
                }
            }
            Record::Invoke(invoke) => self.invoke(line, *invoke)?,
            Record::Return(ended) => self.end(line, *ended)?,
            Record::Entry(entry) => self.history.entries.push((line, *entry)),
            Record::State(state) => self.history.states.push((line, state)),
        }
        Ok(())
    }

    fn recorder(&self, id: &str) -> Result<(usize, usize), String> {
        self.recorders.get(id).copied().ok_or_else(|| format!("recorder `{id}` was not introduced"))
    }

    fn invoke(&mut self, line: u64, invoke: Invoke) -> Result<(), String> {
        let (recorder, clock) = self.recorder(&invoke.recorder)?;
        let at = self.history.operations.len();
        if self.open.insert((recorder, invoke.op), at).is_some() {
            return Err(format!("operation {} of recorder `{}` begins again", invoke.op, invoke.recorder));
        }
        self.history.operations.push(Operation {
            line,
            clock,
            invoked_ns: invoke.at_ns,
            consistency: invoke.consistency,
            asked: invoke.asked,
            ended: None,
        });
        Ok(())
    }

    fn end(&mut self, line: u64, ended: Return) -> Result<(), String> {
        let (recorder, _) = self.recorder(&ended.recorder)?;
        let at = self.open.remove(&(recorder, ended.op));
        let at = at.ok_or_else(|| format!("operation {} ends, but is not under way", ended.op))?;
        let operation = &mut self.history.operations[at];
        if ended.at_ns < operation.invoked_ns {
            return Err(format!("operation {} ends before it begins: its clock went back", ended.op));
        }
        let mut header = ended.header;
        let outcome = match ended.outcome {
            Outcome::Ok(bytes) => {
                let mut answer = operation.asked.decode_answer(&bytes).map_err(|error| error.to_string())?;
                let own = answer.take_header();
                header = header.or_else(|| own.as_ref().map(Header::of));
                if header.is_none() {
                    return Err("a response without a header".to_owned());
                }
                Outcome::Ok(answer)
            }
            Outcome::Refused { reason, message, metadata, logged, fate } => {
                if logged && header.is_none() {
                    return Err("a refusal of the log without a header".to_owned());
                }
                Outcome::Refused { reason, message, metadata, logged, fate }
            }
            Outcome::Unknown { message } => Outcome::Unknown { message },
            Outcome::Failed { message } => Outcome::Failed { message },
        };
        if let Some(cluster_id) = header.as_mut().and_then(|header| header.cluster_id.take()) {
            self.history.clusters.push((line, cluster_id));
        }
        operation.ended = Some(Ended { line, at_ns: ended.at_ns, header, outcome });
        Ok(())
    }
}
