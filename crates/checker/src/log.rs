//! The log of a history (check A): contiguous, with terms that never fall.

use std::collections::HashMap;

use stockade_proto::v1::LogEntry;
use stockade_state_machine::ids::{Principal, RequestId};
use stockade_state_machine::{Entry, Origin, Request};

use crate::check::CheckError;
use crate::command;
use crate::history::History;
use crate::report::{Check, Report};

/// Where the entries of a cluster begin: the founding membership is entry 0, which no node exports.
const FIRST_INDEX: u64 = 1;

/// An entry.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) line: u64,
    pub(crate) index: u64,
    /// `None` where it has no commands.
    pub(crate) entry: Option<Entry>,
}

/// The log, in the order of its indexes.
///
/// Invariants:
/// - The indexes rise. Where the history has a hole, so has this.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Logged>,
    /// Where each request id stands first, by index and position.
    first_of: HashMap<u128, (u64, u32)>,
}

impl Log {
    /// Puts the log together.
    pub(crate) fn gather(history: &History, report: &mut Report) -> Result<Self, CheckError> {
        let mut sorted: Vec<&(u64, LogEntry)> = history.entries.iter().collect();
        sorted.sort_by_key(|(_, entry)| entry.index);
        let first = sorted.first().ok_or(CheckError::NoLog)?.1.index;
        if first > FIRST_INDEX {
            return Err(CheckError::LogBeginsLate { first });
        }
        let mut log = Self { entries: Vec::with_capacity(sorted.len()), first_of: HashMap::new() };
        let mut before: Option<&(u64, LogEntry)> = None;
        for next in sorted {
            if log.follows(before, next, report) {
                log.take(next, report);
                before = Some(next);
            }
        }
        report.checked(Check::A, log.entries.len());
        check_clusters(history, report);
        log.check_end(history, report);
        Ok(log)
    }

    /// Holds an entry against the one before it; false where it is the same one, told again.
    #[allow(clippy::unused_self, reason = "reads as a sentence")]
    fn follows(
        &self,
        before: Option<&(u64, LogEntry)>,
        (line, entry): &(u64, LogEntry),
        report: &mut Report,
    ) -> bool {
        let Some((before_line, before)) = before else { return true };
        if entry.index == before.index {
            if entry != before {
                let text = format!(
                    "entry {} differs from the one at line {before_line}: two nodes hold different entries at one index (terms \
                     {} and {})",
                    entry.index, entry.term, before.term
                );
                report.violated(Check::A, *line, text);
            }
            return false;
        }
        if entry.index != before.index + 1 {
            let text = format!(
                "the log has a hole: entry {} comes after entry {} (line {before_line}), {} should",
                entry.index,
                before.index,
                before.index + 1
            );
            report.violated(Check::A, *line, text);
        }
        if entry.term < before.term {
            let text = format!(
                "entry {} is of term {}, the entry before it (line {before_line}) of term {}: terms never fall",
                entry.index, entry.term, before.term
            );
            report.violated(Check::A, *line, text);
        }
        true
    }

    fn take(&mut self, (line, entry): &(u64, LogEntry), report: &mut Report) {
        let commands = command::entry(entry).unwrap_or_else(|error| {
            let text = format!("entry {} can't be understood: {}", entry.index, error.0);
            report.violated(Check::A, *line, text);
            None
        });
        for (position, request) in (0_u32..).zip(commands.iter().flat_map(|entry| &entry.requests)) {
            if let Some(origin) = &request.origin {
                self.first_of.entry(origin.request.bits()).or_insert((entry.index, position));
            }
        }
        self.entries.push(Logged { line: *line, index: entry.index, entry: commands });
    }

    /// Whatever was returned was committed, so an exported log that is complete reaches as far.
    fn check_end(&self, history: &History, report: &mut Report) {
        let Some(last) = self.last() else { return };
        let returned = history.operations.iter().filter_map(|operation| {
            let ended = operation.ended.as_ref()?;
            let header = ended.header.as_ref()?;
            Some((header.revision.max(header.served_revision), ended.line, operation))
        });
        let furthest = returned.max_by_key(|(revision, ..)| *revision);
        if let Some((revision, line, operation)) = furthest.filter(|(revision, ..)| *revision > last) {
            let text = format!(
                "{} was answered at revision {revision}; the log of the history ends at entry {last}: what was \
                 acknowledged after it is lost, or the log was exported too early",
                operation.words()
            );
            report.violated(Check::A, line, text);
        }
    }

    /// The last index.
    pub(crate) fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.index)
    }

    /// Where an entry stands among the others.
    pub(crate) fn find(&self, index: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&index, |entry| entry.index).ok()
    }

    /// The command at a place.
    pub(crate) fn command(&self, index: u64, position: u32) -> Option<&Request> {
        let entry = self.entries[self.find(index)?].entry.as_ref()?;
        entry.requests.get(usize::try_from(position).ok()?)
    }

    /// On whose behalf a request runs: the principal is the one that the log has it of. One that the log doesn't know has no record
    /// whoever asks.
    pub(crate) fn origin_of(&self, request: RequestId) -> Origin {
        let logged = self.first_of(request.bits());
        let logged = logged.and_then(|(index, position)| self.command(index, position)?.origin.clone());
        let unknown = || Origin { request, principal: Principal::new("nobody").expect("visible characters") };
        logged.unwrap_or_else(unknown)
    }

    /// Where a request id stands first.
    pub(crate) fn first_of(&self, request: u128) -> Option<(u64, u32)> {
        self.first_of.get(&request).copied()
    }
}

/// All answers are of one cluster.
fn check_clusters(history: &History, report: &mut Report) {
    let Some((first_line, first)) = history.clusters.first() else { return };
    for (line, other) in history.clusters.iter().filter(|(_, other)| other != first) {
        let text = format!("cluster {other} answered here, cluster {first} at line {first_line}");
        report.violated(Check::A, *line, text);
    }
}
