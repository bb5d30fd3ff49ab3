//! Reading a history, line by line.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use stockade_proto::v1::LogEntry;

use crate::call::{Asked, Unreadable};
use crate::line::{
    Consistency, Ending, Invoke, Outcome, Record, Return, Written, WrittenEntry, WrittenInvoke, WrittenReturn,
};

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The file can't be read.
    #[error("line {line}: {source}")]
    Io {
        /// From 1.
        line: u64,
        /// What happened.
        source: std::io::Error,
    },
    /// A line is none of a history.
    #[error("line {line}: {what}")]
    Malformed {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// The lines of a history, each with its number. A last line without a line break was cut off with its writer, and is
/// passed over.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    text: Vec<u8>,
    line: u64,
    cut_off: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads from here.
    pub fn new(from: R) -> Self {
        Self { from, text: Vec::new(), line: 0, cut_off: false }
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// True where the last line was cut off.
    pub fn was_cut_off(&self) -> bool {
        self.cut_off
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(u64, Record), LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.text.clear();
            self.line += 1;
            match self.from.read_until(b'\n', &mut self.text) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => return Some(Err(LineError::Io { line: self.line, source })),
            }
            if self.text.last() != Some(&b'\n') {
                self.cut_off = true;
                return None;
            }
            if !self.text.trim_ascii().is_empty() {
                let line = self.line;
                let read = record(&self.text).map_err(|what| LineError::Malformed { line, what });
                return Some(read.map(|record| (line, record)));
            }
        }
    }
}

fn record(text: &[u8]) -> Result<Record, String> {
    let written: Written<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(match written {
        Written::History(beginning) => Record::Beginning(beginning),
        Written::Recorder(recording) => Record::Recording(recording),
        Written::Invoke(written) => Record::Invoke(Box::new(invoke(&written)?)),
        Written::Return(written) => Record::Return(Box::new(ended(written)?)),
        Written::Entry(written) => Record::Entry(Box::new(entry(&written)?)),
        Written::State(state) => Record::State(state),
    })
}

fn bytes(text: &str, what: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("{what} is no base64: {error}"))
}

fn invoke(written: &WrittenInvoke<'_>) -> Result<Invoke, String> {
    let request = bytes(&written.request, "`request`")?;
    let asked = Asked::decode(&written.kind, &request).map_err(|error: Unreadable| error.to_string())?;
    let consistency = consistency(written, &asked)?;
    Ok(Invoke {
        recorder: written.recorder.clone().into_owned(),
        op: written.op,
        at_ns: written.at,
        consistency,
        asked,
    })
}

/// What a read asks for: the line says so, the request, or both.
fn consistency(written: &WrittenInvoke<'_>, asked: &Asked) -> Result<Consistency, String> {
    let named = written.consistency.as_deref();
    let said = match (named, written.at_least, written.max_staleness_ns) {
        (None, None, None) => return Ok(Consistency::of(asked.read_options())),
        (Some("linearizable"), None, None) => Consistency::Linearizable,
        (Some("lease"), None, None) => Consistency::Lease,
        (Some("at_least"), Some(revision), None) => Consistency::AtLeast(revision),
        (Some("bounded"), None, Some(age_ns)) => Consistency::Bounded(age_ns),
        // A bound that isn't told can't be judged.
        (Some("local" | "bounded"), None, None) => Consistency::Local,
        _ => return Err(format!("consistency {named:?} is not known, or has not what belongs to it")),
    };
    match asked.read_options() {
        Some(options) if Consistency::of(Some(options)) != said => {
            Err(format!("consistency {named:?} is not what the request asks for"))
        }
        Some(_) | None => Ok(said),
    }
}

fn ended(written: WrittenReturn<'_>) -> Result<Return, String> {
    let message = written.message.unwrap_or_default();
    let outcome = match written.result {
        Ending::Ok => {
            let response = written.response.as_deref().ok_or("`response` is missing")?;
            Outcome::Ok(bytes(response, "`response`")?)
        }
        Ending::Refused => Outcome::Refused {
            reason: written.reason.ok_or("`reason` is missing")?,
            message,
            metadata: written.metadata,
            logged: written.logged,
            fate: written.fate,
        },
        Ending::Unknown => Outcome::Unknown { message },
        Ending::Failed => Outcome::Failed { message },
    };
    Ok(Return {
        recorder: written.recorder.into_owned(),
        op: written.op,
        at_ns: written.at,
        header: written.header,
        outcome,
    })
}

fn entry(written: &WrittenEntry<'_>) -> Result<LogEntry, String> {
    let bytes = bytes(&written.log_entry, "`log_entry`")?;
    let entry = LogEntry::decode(bytes.as_slice())
        .map_err(|error| format!("`log_entry` can't be decoded: {error}"))?;
    if (entry.index, entry.term) != (written.index, written.term) {
        return Err(format!(
            "`log_entry` is entry {} of term {}, the line says entry {} of term {}",
            entry.index, entry.term, written.index, written.term
        ));
    }
    Ok(entry)
}
