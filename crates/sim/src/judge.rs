//! What the shoppers were told, held against the committed log and the nodes' states: by the judge that users have too,
//! over a history that the product's own recorder wrote.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_checker::{History, Operation, Options, check};
use stockade_client::Recorder;
use stockade_history::{NodeState, Outcome, Recording, entry_line, state_line};
use stockade_model::Model;
use stockade_state_machine::Revision;
use tokio::time::Instant;

use crate::trace::{Trace, note};
use crate::watcher::Watcher;

/// The history of a run, in memory. Clones share it.
#[derive(Clone)]
pub(crate) struct Diary {
    lines: Arc<Mutex<Vec<u8>>>,
    trace: Trace,
}

/// What was found, and how much was looked at.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Calls in all.
    pub(crate) calls: u64,
    /// Mutations that took effect, as their callers were told.
    pub(crate) accepted: u64,
    /// Everything that is wrong, in words.
    pub(crate) wrong: Vec<String>,
}

impl Diary {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { lines: Arc::default(), trace }
    }

    /// Writes what all shoppers are told, by simulated time.
    pub(crate) fn recorder(&self) -> io::Result<Recorder> {
        let begun = Instant::now();
        let now_ns = move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let name = || "simulated".to_owned();
        Recorder::new(
            Box::new(self.clone()),
            true,
            Recording { id: name(), clock: name(), by: name() },
            now_ns,
        )
    }

    /// Everything that is wrong with what was told.
    pub(crate) fn judge(&self, watcher: &Watcher, states: &[NodeState]) -> Judgement {
        let mut lines = std::mem::take(&mut *self.lines.lock());
        lines.extend(watcher.log().values().flat_map(|seen| entry_line(&seen.exported)));
        lines.extend(states.iter().flat_map(state_line));
        let history = match History::read(lines.as_slice()) {
            Ok(history) => history,
            Err(error) => return Judgement { wrong: vec![error.to_string()], ..Judgement::default() },
        };
        let accepted = history.operations.iter().filter(|operation| is_accepted(operation)).count();
        let wrong = match check(&history, Options { complete: true }) {
            Ok(report) => report.violations.iter().map(ToString::to_string).chain(broken(watcher)).collect(),
            Err(error) => vec![error.to_string()],
        };
        Judgement { calls: history.operations.len() as u64, accepted: accepted as u64, wrong }
    }
}

fn is_accepted(operation: &Operation) -> bool {
    let ended = operation.ended.as_ref();
    let changes = operation.asked.is_mutation() && !operation.asked.is_trial();
    changes && ended.is_some_and(|ended| matches!(ended.outcome, Outcome::Ok(_)))
}

/// The invariants that the whole state breaks, recomputed from ledger and orders.
fn broken(watcher: &Watcher) -> Vec<String> {
    let mut model = Model::default();
    for (index, seen) in watcher.log() {
        if let Some(entry) = &seen.entry {
            model.apply(Revision::new(*index), entry);
        }
    }
    model.violations()
}

impl Write for Diary {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        // Not the answer itself: the details of errors are maps, which every run of a process orders in its own way.
        let told = text.split(",\"response\":").next().unwrap_or_default();
        note!(self.trace, "{}", told.trim_end());
        self.lines.lock().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
