//! Real time (check C), in one sweep over the beginnings and ends of all calls.
//!
//! Everything that an answer names was committed: its revision, and the revision of the state that answered. So a
//! mutation that is called after an answer gets an entry behind it, and a linearizable read that is called after it sees it.
//! So does a mutation that is only tried. A bounded read sees what was answered so long before it was called. Each read is held
//! against what it asked for, or what its answer says that it was served as, where that is more.

use std::collections::HashMap;

use stockade_history::{Answer, Asked, Consistency, Outcome};
use stockade_proto::v1::OutcomeState;

use crate::history::{Ended, History, Operation};
use crate::report::{Check, Report};
use crate::words;

/// The highest revision that was returned to anybody before a call began, or before the instant of which a bounded read is to see
/// everything, and the line that returned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Floor {
    pub(crate) revision: u64,
    line: u64,
}

/// The floor of each operation, by its place in the history.
#[derive(Debug)]
pub(crate) struct Floors(Vec<Floor>);

/// The lowest floors of the calls that carry one request id: before the first of them nobody can have proposed it.
#[derive(Default)]
struct OfRequest {
    mutation: Option<Floor>,
    abandon: Option<Floor>,
}

impl Floors {
    /// Finds the floors. Instants of different clocks are not compared.
    pub(crate) fn sweep(history: &History) -> Self {
        // Of an end and a beginning at one instant nobody knows which came first: the beginning is taken for it.
        let mut instants: Vec<(usize, u64, bool, usize)> = Vec::with_capacity(history.operations.len() * 2);
        for (at, operation) in history.operations.iter().enumerate() {
            instants.push((operation.clock, operation.fresh_from_ns(), false, at));
            if let Some(ended) = &operation.ended {
                instants.push((operation.clock, ended.at_ns, true, at));
            }
        }
        instants.sort_unstable();
        let mut floors = vec![Floor::default(); history.operations.len()];
        let mut highest = Floor::default();
        let mut clock = None;
        for (of_clock, _, is_end, at) in instants {
            if clock != Some(of_clock) {
                highest = Floor::default();
                clock = Some(of_clock);
            }
            if is_end {
                let ended = history.operations[at].ended.as_ref();
                let header = ended.and_then(|ended| Some((ended.line, ended.header.as_ref()?)));
                if let Some((line, header)) = header {
                    let revision = header.revision.max(header.served_revision);
                    if revision > highest.revision {
                        highest = Floor { revision, line };
                    }
                }
            } else {
                floors[at] = highest;
            }
        }
        Self(floors)
    }

    /// Of an operation.
    pub(crate) fn of(&self, operation: usize) -> Floor {
        self.0[operation]
    }

    /// Holds every answer against its floor.
    pub(crate) fn check(&self, history: &History, report: &mut Report) {
        let of_requests = self.of_requests(history);
        for (at, operation) in history.operations.iter().enumerate() {
            let Some(ended) = &operation.ended else { continue };
            let Some(header) = &ended.header else { continue };
            report.checked(Check::C, 1);
            if header.revision > header.served_revision {
                let text = format!(
                    "{} was answered with revision {}, from a state that had applied {} only",
                    operation.words(),
                    header.revision,
                    header.served_revision
                );
                report.violated(Check::C, ended.line, text);
            }
            if operation.writes() {
                check_write(operation, &of_requests, report);
            } else {
                check_echo(operation, ended, report);
                check_read(operation, ended, header.served_revision, self.of(at), report);
            }
        }
    }

    fn of_requests(&self, history: &History) -> HashMap<u128, OfRequest> {
        let mut of_requests: HashMap<u128, OfRequest> = HashMap::new();
        for (operation, floor) in history.operations.iter().zip(&self.0) {
            let Some(id) = operation.request_id().filter(|_| operation.writes()) else { continue };
            let of_request = of_requests.entry(id.bits()).or_default();
            let lowest = if operation.asked.is_mutation() {
                &mut of_request.mutation
            } else {
                &mut of_request.abandon
            };
            if lowest.is_none_or(|lowest| floor.revision < lowest.revision) {
                *lowest = Some(*floor);
            }
        }
        of_requests
    }
}

/// A mutation is decided behind all that was returned before it was first called. A repetition keeps the revision of
/// the first decision, so it is held against the first call.
fn check_write(operation: &Operation, of_requests: &HashMap<u128, OfRequest>, report: &mut Report) {
    let Some((ended, header)) = operation.decided() else { return };
    let Some(of_request) = operation.request_id().and_then(|id| of_requests.get(&id.bits())) else { return };
    let by_mutation = match &ended.outcome {
        Outcome::Ok(Answer::AbandonRequest(answer)) => answer.state() == OutcomeState::Decided,
        Outcome::Ok(_) | Outcome::Refused { .. } | Outcome::Unknown { .. } | Outcome::Failed { .. } => {
            operation.asked.is_mutation()
        }
    };
    let floor = if by_mutation { of_request.mutation } else { of_request.abandon };
    let Some(floor) = floor.filter(|floor| header.revision <= floor.revision) else { return };
    let text = format!(
        "{} was decided at {}, though revision {} had been returned (line {}) before it was called (line {}): it should \
         have a larger revision",
        operation.words(),
        words::place(header.revision, header.position),
        floor.revision,
        floor.line,
        operation.line
    );
    report.violated(Check::C, ended.line, text);
}

/// A read is served as what it asked for, or as something stronger.
fn check_echo(operation: &Operation, ended: &Ended, report: &mut Report) {
    let Some(served) = ended.header.as_ref().and_then(|header| header.served_consistency) else { return };
    if !served.keeps(operation.consistency) {
        let text = format!(
            "{} asked for {:?} and was served as {served:?}, which promises something else",
            operation.words(),
            operation.consistency
        );
        report.violated(Check::C, ended.line, text);
    }
}

/// What is only tried is answered from a state, as a read is.
fn check_read(operation: &Operation, ended: &Ended, served: u64, floor: Floor, report: &mut Report) {
    match &ended.outcome {
        Outcome::Ok(_) => {}
        // A refusal that says nothing of the state comes from whoever was asked, however far behind.
        Outcome::Refused { .. } if operation.asked.is_trial() => {
            if operation.tried().is_none() {
                return;
            }
        }
        Outcome::Refused { reason, .. } => {
            let is_behind = operation.was_behind(ended);
            if is_behind || (reason != "NOT_FOUND" && reason != "REVISION_AHEAD") {
                return;
            }
        }
        Outcome::Unknown { .. } | Outcome::Failed { .. } => return,
    }
    let least = least(operation, floor);
    if served < least {
        let returned = format!("revision {} had been returned (line {})", floor.revision, floor.line);
        let called = format!("it was called (line {})", operation.line);
        let why = match operation.promised() {
            Consistency::AtLeast(revision) => format!("it asked for revision {revision} at least"),
            Consistency::Bounded(age_ns) => format!("{returned} more than {age_ns} ns before {called}"),
            Consistency::Linearizable | Consistency::Lease | Consistency::Local => {
                format!("{returned} before {called}")
            }
        };
        let text = format!(
            "stale read: {} was served at revision {served}, though {why}: it should have been served at {least} or later",
            operation.words()
        );
        report.violated(Check::C, ended.line, text);
    }
}

/// The oldest state from which a read or a trial may be answered.
pub(crate) fn least(operation: &Operation, floor: Floor) -> u64 {
    match operation.promised() {
        Consistency::Linearizable | Consistency::Lease | Consistency::Bounded(_) => floor.revision,
        Consistency::AtLeast(revision) => revision,
        Consistency::Local => 0,
    }
}

/// True of reads that find nothing under an id, or under one of several, whose refusal tells the node's position rather
/// than the state's.
pub(crate) fn found_nothing(operation: &Operation, ended: &Ended) -> bool {
    let by_id = matches!(
        operation.asked,
        Asked::GetSku(_)
            | Asked::BatchGetSkus(_)
            | Asked::GetLocation(_)
            | Asked::GetStock(_)
            | Asked::BatchGetStock(_)
            | Asked::GetAvailability(_)
            | Asked::GetOrder(_)
            | Asked::BatchGetOrders(_)
            | Asked::GetReservation(_)
            | Asked::GetStockAsOf(_)
    );
    by_id && matches!(&ended.outcome, Outcome::Refused { reason, .. } if reason == "NOT_FOUND")
}
