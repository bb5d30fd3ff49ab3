//! The log, run again: reads are answered where they were served (check D), and state hashes compared (check E).

use std::collections::HashMap;
use std::fmt::Write as _;

use stockade_history::{Consistency, NodeState};
use stockade_state_machine::{Command, Outcome, Reply};

use crate::history::History;
use crate::ledger_reads;
use crate::log::{Log, Logged};
use crate::machines::Machines;
use crate::reads;
use crate::real_time::{Floors, found_nothing, least};
use crate::report::{Check, Report};
use crate::trials;

/// What the log decides.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Of each entry, as the log has them.
    replies: Vec<Vec<Reply>>,
    /// Where each request took effect.
    effects: HashMap<u128, (u64, u32)>,
}

/// Something to look at once all entries up to an index have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    /// Whether what a read didn't find was missing when it began.
    MissingBefore(usize),
    /// A read.
    Read(usize),
    /// A mutation that was only tried.
    Trial(usize),
    /// A state hash.
    Hash(usize),
}

struct Run<'a> {
    history: &'a History,
    log: &'a Log,
    floors: &'a Floors,
    machines: Machines,
    /// Reads that found nothing, rightly, in the state at their beginning.
    was_missing: Vec<bool>,
    /// The hash of the last state that was hashed.
    hashed: Option<(u64, String, u64)>,
    /// The first state of each index that a node told of, for the chain hashes.
    told: HashMap<u64, usize>,
    agree: bool,
    /// Trials that one state machine judged alone.
    judged_by_one: u64,
}

impl Replay {
    /// Runs the log.
    pub(crate) fn run(history: &History, log: &Log, floors: &Floors, report: &mut Report) -> Self {
        let mut replay = Self::default();
        let jobs = jobs(history, floors);
        let mut run = Run {
            history,
            log,
            floors,
            machines: Machines::default(),
            was_missing: vec![false; history.operations.len()],
            hashed: None,
            told: HashMap::new(),
            agree: true,
            judged_by_one: 0,
        };
        let mut next = 0;
        for logged in &log.entries {
            while let Some((at, job)) = jobs.get(next).filter(|(at, _)| *at < logged.index) {
                run.look(*at, *job, report);
                next += 1;
            }
            replay.take(logged, run.apply(logged, report));
        }
        let last = log.last().unwrap_or_default();
        while let Some((at, job)) = jobs.get(next).filter(|(at, _)| *at <= last) {
            run.look(*at, *job, report);
            next += 1;
        }
        let beyond = jobs.len() - next;
        if beyond > 0 {
            report.notes.push(format!(
                "{beyond} reads, trials and state hashes lie beyond the end of the log at entry {last} and were not compared"
            ));
        }
        run.finish(report);
        replay
    }

    fn take(&mut self, logged: &Logged, replies: Vec<Reply>) {
        let requests = logged.entry.iter().flat_map(|entry| &entry.requests);
        for (request, reply) in requests.zip(&replies) {
            let refused = matches!(reply.outcome, Outcome::Rejected(_));
            if let Some(origin) = &request.origin
                && !reply.replayed
                && !refused
                && request.command != Command::AbandonRequest
            {
                self.effects.insert(origin.request.bits(), (reply.revision.get(), reply.position));
            }
        }
        self.replies.push(replies);
    }

    /// What the log decided at a place.
    pub(crate) fn reply(&self, log: &Log, index: u64, position: u32) -> Option<&Reply> {
        self.replies.get(log.find(index)?)?.get(usize::try_from(position).ok()?)
    }

    /// Where a request took effect.
    pub(crate) fn effect_of(&self, request: u128) -> Option<(u64, u32)> {
        self.effects.get(&request).copied()
    }
}

/// Everything to look at, in the order in which the log gets there.
fn jobs(history: &History, floors: &Floors) -> Vec<(u64, Job)> {
    let mut jobs = Vec::new();
    for (at, operation) in history.operations.iter().enumerate() {
        let Some(ended) = operation.ended.as_ref().filter(|_| !operation.writes()) else { continue };
        let Some(header) = &ended.header else { continue };
        let is_trial = operation.asked.is_trial();
        jobs.push((header.served_revision, if is_trial { Job::Trial(at) } else { Job::Read(at) }));
        // A read that promises nothing may have looked at any state, but it tells of the one it stood at a moment later.
        if found_nothing(operation, ended) && operation.promised() != Consistency::Local {
            // What is asked of a revision is looked for where that has come.
            let begun = least(operation, floors.of(at)).max(ledger_reads::revision_of(&operation.asked));
            jobs.push((begun, Job::MissingBefore(at)));
        }
    }
    jobs.extend(history.states.iter().enumerate().map(|(at, (_, state))| (state.applied, Job::Hash(at))));
    jobs.sort_unstable();
    jobs
}

impl Run<'_> {
    fn apply(&mut self, logged: &Logged, report: &mut Report) -> Vec<Reply> {
        let Some(entry) = &logged.entry else { return Vec::new() };
        let (replies, difference) = self.machines.apply(logged.index, entry);
        if let Some(difference) = difference.filter(|_| self.agree) {
            self.agree = false;
            report.violated(Check::D, logged.line, disagreement(logged.index, &difference.0));
        }
        replies
    }

    fn look(&mut self, index: u64, job: Job, report: &mut Report) {
        match job {
            Job::MissingBefore(at) => {
                let reading = self.machines.reading(self.log, index, index);
                self.was_missing[at] = reading.is_missing(&self.history.operations[at].asked);
            }
            Job::Read(at) => self.read(index, at, report),
            Job::Trial(at) => self.try_again(index, at, report),
            Job::Hash(at) => self.compare(at, report),
        }
    }

    fn read(&self, index: u64, at: usize, report: &mut Report) {
        let operation = &self.history.operations[at];
        let Some(ended) = &operation.ended else { return };
        let least = least(operation, self.floors.of(at));
        let reading = self.machines.reading(self.log, index, least);
        let Some(difference) = reads::check(&reading, operation, ended) else {
            report.checked(Check::D, 1);
            return;
        };
        report.checked(Check::D, 1);
        // What was missing when the read began may be there where the node has got to meanwhile.
        if self.was_missing[at] {
            return;
        }
        let text = format!(
            "{} was served at revision {index} and saw {}; it should have seen {}",
            operation.words(),
            difference.saw,
            difference.expected
        );
        report.violated(Check::D, ended.line, text);
    }

    fn try_again(&mut self, index: u64, at: usize, report: &mut Report) {
        let operation = &self.history.operations[at];
        let Some(ended) = &operation.ended else { return };
        report.checked(Check::D, 1);
        let trial = trials::check(&mut self.machines, self.log, index, operation);
        self.judged_by_one += u64::from(trial.is_of_one);
        if let Some(wrong) = trial.wrong {
            let text = format!("{} was tried at revision {index} and got {wrong}", operation.words());
            report.violated(Check::D, ended.line, text);
        }
        if let Some(difference) = trial.difference {
            let what = format!("{} is tried, and {}", operation.words(), difference.0);
            report.violated(Check::D, ended.line, disagreement(index, &what));
        }
    }

    fn compare(&mut self, at: usize, report: &mut Report) {
        let (line, state) = &self.history.states[at];
        report.checked(Check::E, 1);
        let hashed = self.hashed.take().filter(|(index, ..)| *index == state.applied);
        let (index, hash, rows) = hashed.unwrap_or_else(|| {
            let (hash, rows) = self.machines.hash();
            (state.applied, hex(&hash), rows)
        });
        if !state.state_hash.eq_ignore_ascii_case(&hash) {
            let text = format!(
                "node {} told state hash {} over {} rows at entry {}; the log, run again, gives {hash} over {rows} rows: its \
                 state is not what the log makes",
                state.node, state.state_hash, state.rows, state.applied
            );
            report.violated(Check::E, *line, text);
        }
        self.hashed = Some((index, hash, rows));
        let first = *self.told.entry(state.applied).or_insert(at);
        self.compare_chains(first, *line, state, report);
    }

    fn compare_chains(&self, first: usize, line: u64, state: &NodeState, report: &mut Report) {
        let (first_line, first) = &self.history.states[first];
        let told = !state.chain_hash.is_empty() && !first.chain_hash.is_empty();
        if told && !state.chain_hash.eq_ignore_ascii_case(&first.chain_hash) {
            let text = format!(
                "node {} told chain hash {} at entry {}, node {} (line {first_line}) {}: they came to their states by \
                 different changes",
                state.node, state.chain_hash, state.applied, first.node, first.chain_hash
            );
            report.violated(Check::E, line, text);
        }
    }

    fn finish(&self, report: &mut Report) {
        if self.judged_by_one > 0 {
            report.notes.push(format!(
                "{} mutations that were only tried were judged by this version's state machine alone: the model would have to be \
                 copied for each",
                self.judged_by_one
            ));
        }
        if !self.agree {
            return;
        }
        if let (Err(difference), Some(last)) = (self.machines.compare_rows(), self.log.entries.last()) {
            report.violated(Check::D, last.line, disagreement(last.index, &difference.0));
        }
    }
}

fn disagreement(index: u64, what: &str) -> String {
    format!(
        "two state machines were run side by side, and differ after entry {index}: {what}. One of them breaks the rules; \
         please report it with this history"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
