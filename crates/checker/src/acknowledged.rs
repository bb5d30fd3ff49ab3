//! Acknowledgements, entries and fates (check B), and what the log decided about each mutation (check D).

use std::collections::HashMap;

use stockade_history::{Asked, Fate, Header, Outcome};
use stockade_state_machine::ids::RequestId;
use stockade_state_machine::{Command, Reply};

use crate::history::{Ended, History, Operation};
use crate::log::Log;
use crate::replay::Replay;
use crate::report::{Check, Report};
use crate::{command, expected, refusal, words};

/// What is held against each other.
pub(crate) struct Acknowledged<'a> {
    history: &'a History,
    log: &'a Log,
    replay: &'a Replay,
    complete: bool,
    /// The writes of each request id, by their places in the history.
    of_requests: HashMap<u128, Vec<usize>>,
}

impl<'a> Acknowledged<'a> {
    pub(crate) fn new(history: &'a History, log: &'a Log, replay: &'a Replay, complete: bool) -> Self {
        let mut of_requests: HashMap<u128, Vec<usize>> = HashMap::new();
        for (at, operation) in history.operations.iter().enumerate() {
            if let Some(id) = operation.request_id().filter(|_| operation.writes()) {
                of_requests.entry(id.bits()).or_default().push(at);
            }
        }
        Self { history, log, replay, complete, of_requests }
    }

    pub(crate) fn check(&self, report: &mut Report) {
        let mut unsettled = 0;
        for (at, operation) in self.history.operations.iter().enumerate() {
            if operation.asked.is_trial() {
                self.check_trial(operation, report);
            }
            if !operation.writes() {
                continue;
            }
            report.checked(Check::B, 1);
            if let Some((ended, header)) = operation.decided() {
                self.check_decided(operation, ended, header, report);
            } else if let Some(ended) = &operation.ended {
                check_reason(operation, ended, report);
            }
            // What is said of a request as a whole is said at its first operation.
            let Some(id) = operation.request_id().map(RequestId::bits) else { continue };
            let of_request = self.of_requests.get(&id).map(Vec::as_slice).unwrap_or_default();
            if of_request.first() == Some(&at) {
                self.check_once(of_request, report);
                self.check_denied(id, of_request, report);
                unsettled += u64::from(self.is_unsettled(id, of_request, report));
            }
        }
        report.unsettled = unsettled;
        if unsettled > 0 {
            report.notes.push(format!(
                "{unsettled} requests of unknown fate stand in the log nowhere and were not given up: they may yet take \
                 effect"
            ));
        }
        if self.complete {
            self.check_entries(report);
        }
    }

    /// An acknowledgement stands in the log where it says, asks there for what it asked here, and is what the log decides.
    fn check_decided(&self, operation: &Operation, ended: &Ended, header: &Header, report: &mut Report) {
        let Some(id) = operation.request_id() else {
            let text = format!("{} was decided, though it has no request id", operation.words());
            report.violated(Check::B, ended.line, text);
            return;
        };
        let told = words::place(header.revision, header.position);
        let there = self.log.command(header.revision, header.position);
        let is_there =
            there.and_then(|command| command.origin.as_ref()).is_some_and(|origin| origin.request == id);
        let Some(logged) = there.filter(|_| is_there) else {
            let instead = match self.log.first_of(id.bits()) {
                Some((index, position)) => format!("the log has it at {}", words::place(index, position)),
                None => "the log has it nowhere: what was acknowledged is lost".to_owned(),
            };
            let text = format!("{} was acknowledged at {told}, but {instead}", operation.words());
            report.violated(Check::B, ended.line, text);
            return;
        };
        let asked = operation.asked.mutation();
        if let Some(asked) = &asked {
            match command::of_mutation(asked) {
                Ok(asked) if asked == logged.command || logged.command == Command::AbandonRequest => {}
                Ok(asked) => {
                    let text = format!(
                        "{} stands in the log at {told} with other content: asked was {}, logged is {}",
                        operation.words(),
                        words::shown(&asked),
                        words::shown(&logged.command)
                    );
                    report.violated(Check::B, ended.line, text);
                }
                Err(error) => {
                    let text = format!(
                        "{} was decided at {told}, though it is malformed: {}",
                        operation.words(),
                        error.0
                    );
                    report.violated(Check::B, ended.line, text);
                }
            }
        }
        if let Some(reply) = self.replay.reply(self.log, header.revision, header.position) {
            check_response(operation, ended, header, reply, report);
        }
    }

    /// What is only to be tried does not get into the log, and nobody says that it did or may.
    fn check_trial(&self, operation: &Operation, report: &mut Report) {
        report.checked(Check::B, 1);
        if let Some(ended) = &operation.ended {
            check_trial_reason(operation, ended, report);
        }
        // "Nothing is kept under the request id": the caller may ask for good under it.
        let id = operation.request_id().map(RequestId::bits);
        let Some(id) = id.filter(|id| !self.of_requests.contains_key(id)) else { return };
        let Some((index, position)) = self.log.first_of(id) else { return };
        let text = format!(
            "{} was only to be tried, but the log has its request at {}",
            operation.words(),
            words::place(index, position)
        );
        report.violated(Check::B, operation.line, text);
    }

    /// Two acknowledgements of one request name one place.
    fn check_once(&self, of_request: &[usize], report: &mut Report) {
        let mut first: Option<(&Ended, &Header)> = None;
        for at in of_request {
            let operation = &self.history.operations[*at];
            let Some((ended, header)) = operation.decided() else { continue };
            if !matches!(ended.outcome, Outcome::Ok(_)) || !operation.asked.is_mutation() {
                continue;
            }
            let Some((first_ended, first)) = first else {
                first = Some((ended, header));
                continue;
            };
            if (first.revision, first.position) != (header.revision, header.position) {
                let text = format!(
                    "{} took effect at {} (line {}) and again at {}: a request runs once",
                    operation.words(),
                    words::place(first.revision, first.position),
                    first_ended.line,
                    words::place(header.revision, header.position)
                );
                report.violated(Check::A, ended.line, text);
            }
        }
    }

    /// A request of which every call was told that it had no effect has none.
    fn check_denied(&self, id: u128, of_request: &[usize], report: &mut Report) {
        let Some((index, position)) = self.replay.effect_of(id) else { return };
        let mut denial = None;
        for operation in of_request.iter().map(|at| &self.history.operations[*at]) {
            if !operation.asked.is_mutation() {
                continue;
            }
            match operation.ended.as_ref().map(|ended| (ended, &ended.outcome)) {
                Some((ended, Outcome::Failed { .. })) => denial = Some((operation, ended)),
                Some((ended, Outcome::Refused { fate, logged: false, .. }))
                    if *fate != Some(Fate::Unknown) =>
                {
                    denial = Some((operation, ended));
                }
                Some((_, Outcome::Ok(_) | Outcome::Refused { .. } | Outcome::Unknown { .. })) | None => {
                    return;
                }
            }
        }
        let Some((operation, ended)) = denial else { return };
        let text = format!(
            "{} ended with {}, which says that it had and will have no effect, but the log has it, with effect, at {}",
            operation.words(),
            words::outcome(&ended.outcome),
            words::place(index, position)
        );
        report.violated(Check::B, ended.line, text);
    }

    /// True where nobody can say whether the request will take effect.
    fn is_unsettled(&self, id: u128, of_request: &[usize], report: &mut Report) -> bool {
        let operations = || of_request.iter().map(|at| &self.history.operations[*at]);
        let mut unknown = operations().filter(|operation| operation.asked.is_mutation());
        let Some(operation) = unknown.find(|operation| operation.is_unknown()) else { return false };
        // In the log it is decided, be it by its own entry or by that of an `AbandonRequest`.
        if self.log.first_of(id).is_some() {
            return false;
        }
        if self.complete {
            let text = format!(
                "the fate of {} was not settled: nobody was told what became of it, the log has it nowhere, and it was not \
                 abandoned",
                operation.words()
            );
            report.violated(Check::B, operation.line, text);
        }
        true
    }

    /// Each entry was asked for.
    fn check_entries(&self, report: &mut Report) {
        for logged in &self.log.entries {
            let requests = logged.entry.iter().flat_map(|entry| &entry.requests);
            for (position, request) in (0_u32..).zip(requests) {
                let Some(origin) = &request.origin else { continue };
                if !self.of_requests.contains_key(&origin.request.bits()) {
                    let text = format!(
                        "the log has request {} at {} ({}), which nobody asked for in this history",
                        origin.request,
                        words::place(logged.index, position),
                        words::shown(&request.command)
                    );
                    report.violated(Check::B, logged.line, text);
                }
            }
        }
    }
}

/// A refusal that only the log can give says that the log gave it.
fn check_reason(operation: &Operation, ended: &Ended, report: &mut Report) {
    if let Outcome::Refused { reason, logged: false, .. } = &ended.outcome
        && refusal::is_of_the_log(reason)
    {
        let text = format!(
            "{} was refused with {reason}, which the log alone can decide, without saying where it did",
            operation.words()
        );
        report.violated(Check::B, ended.line, text);
    }
}

/// A refusal of a trial is none of the log, leaves nothing open, and says when it was tried where only a state can give it.
fn check_trial_reason(operation: &Operation, ended: &Ended, report: &mut Report) {
    let Outcome::Refused { reason, logged, .. } = &ended.outcome else { return };
    let wrong = if *logged {
        "as if the log had decided it, which never sees what is only tried"
    } else if reason == "OUTCOME_UNKNOWN" {
        "though nothing can come of it"
    } else if refusal::is_of_the_log(reason) && operation.tried().is_none() {
        "which a state alone can decide, without saying at which time it was tried"
    } else {
        return;
    };
    let text = format!("{} was refused with {reason}, {wrong}", operation.words());
    report.violated(Check::B, ended.line, text);
}

/// The answer is what the log, run again, decides.
fn check_response(operation: &Operation, ended: &Ended, header: &Header, reply: &Reply, report: &mut Report) {
    report.checked(Check::D, 1);
    let (index, position) = (reply.revision.get(), reply.position);
    if (index, position) != (header.revision, header.position) {
        let text = format!(
            "{} was acknowledged at {}, where the log has a repetition only: it was decided at {}",
            operation.words(),
            words::place(header.revision, header.position),
            words::place(index, position)
        );
        report.violated(Check::B, ended.line, text);
        return;
    }
    if let Some(told_us) = header.log_time_us.filter(|told_us| *told_us != reply.time.micros()) {
        let text = format!(
            "{} was decided at log time {told_us}, as it was told, in microseconds since 1970; the log, run again, decides at {}: at \
             log time {}",
            operation.words(),
            words::place(index, position),
            reply.time.micros()
        );
        report.violated(Check::D, ended.line, text);
    }
    // A call that meets the record of an abandoned request: the record is no outcome of a mutation.
    let ending = expected::ending(&operation.asked, reply);
    if ending.as_ref().is_some_and(|ending| expected::agrees(&ended.outcome, ending)) {
        return;
    }
    let should = ending.map_or_else(|| words::shown(&reply.outcome), |ending| words::outcome(&ending));
    let text = format!(
        "{} was answered with {}; the log, run again, decides at {}: {should}",
        operation.words(),
        words::outcome(&ended.outcome),
        words::place(index, position)
    );
    debug_assert!(!matches!(operation.asked, Asked::GetOutcome(_)), "a read is decided by no entry");
    report.violated(Check::D, ended.line, text);
}
