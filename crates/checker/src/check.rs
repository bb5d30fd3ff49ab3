//! The checks, one after the other.

use crate::acknowledged::Acknowledged;
use crate::history::History;
use crate::log::Log;
use crate::real_time::Floors;
use crate::replay::Replay;
use crate::report::Report;

/// How strict to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The history holds every mutation that anybody has asked of the cluster, whether it says so or not: each entry must
    /// have a request in it, and each unknown fate must be settled.
    pub complete: bool,
}

/// Why a history can't be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The history has no log.
    #[error("the history holds no entries of the log, against which its answers could be checked")]
    NoLog,
    /// The log's beginning is missing, so that it can't be run again.
    #[error(
        "the log in the history begins at entry {first}: without the entries before it can't be run again; fetch the log \
         before the cluster purges it"
    )]
    LogBeginsLate {
        /// Its first entry.
        first: u64,
    },
}

/// Checks all promises.
pub fn check(history: &History, options: Options) -> Result<Report, CheckError> {
    let mut report = Report::default();
    report.operations = u64::try_from(history.operations.len()).unwrap_or(u64::MAX);
    report.notes.clone_from(&history.notes);
    let log = Log::gather(history, &mut report)?;
    report.entries = u64::try_from(log.entries.len()).unwrap_or(u64::MAX);
    let floors = Floors::sweep(history);
    floors.check(history, &mut report);
    let replay = Replay::run(history, &log, &floors, &mut report);
    let complete = options.complete || history.complete;
    Acknowledged::new(history, &log, &replay, complete).check(&mut report);
    if history.states.is_empty() {
        report.notes.push("the history holds no state hashes: check E had nothing to look at".to_owned());
    }
    Ok(report)
}
