//! Mutations that were only tried (`validate_only`): the answer is what would have become of them, alone, in the state that
//! answered and at the log time that the answer names.

use stockade_history::{Header, Outcome as Ending};
use stockade_state_machine::{LogTime, Request};

use crate::history::{Ended, Operation};
use crate::log::Log;
use crate::machines::{Difference, Machines};
use crate::{command, expected, words};

/// What was found of a trial.
#[derive(Default)]
pub(crate) struct Trial {
    /// What is wrong with its answer.
    pub(crate) wrong: Option<String>,
    /// Where the two state machines differ.
    pub(crate) difference: Option<Difference>,
    /// True where only one of them was asked.
    pub(crate) is_of_one: bool,
}

impl Trial {
    fn wrong(text: String) -> Self {
        Self { wrong: Some(text), ..Self::default() }
    }
}

/// Tries a mutation again, in the state at the revision from which it was answered.
pub(crate) fn check(machines: &mut Machines, log: &Log, served: u64, operation: &Operation) -> Trial {
    let Some((ended, header, time)) = operation.tried() else {
        let answered = operation.ended.as_ref().is_some_and(|ended| matches!(ended.outcome, Ending::Ok(_)));
        // A refusal without a time comes from a node that asked no state.
        let text = "an answer that does not say at which time it was tried".to_owned();
        return if answered { Trial::wrong(text) } else { Trial::default() };
    };
    if let Some(text) = wrong_header(header, time, machines.rows().clock().now) {
        return Trial::wrong(text);
    }
    let request = match request(log, operation) {
        Ok(request) => request,
        Err(what) => return Trial::wrong(format!("an answer, though it is malformed: {what}")),
    };
    let preview = machines.preview(served, time, &request);
    let ending = expected::of_mutation(&preview.outcome);
    let agrees = ending.as_ref().is_some_and(|ending| expected::agrees(&ended.outcome, ending));
    let should = || ending.as_ref().map_or_else(|| words::shown(&preview.outcome), words::outcome);
    let wrong = (!agrees).then(|| differs(ended, time, &should()));
    Trial { wrong, difference: preview.difference, is_of_one: !preview.is_of_model }
}

fn differs(ended: &Ended, time: LogTime, should: &str) -> String {
    let saw = words::outcome(&ended.outcome);
    format!("{saw}; at log time {} it should have been {should}", time.micros())
}

/// "The answer is what the call alone would bring about in the state that answers (`served_revision`)": that revision stands in
/// the header twice, no place in the log, and a time that is not before that state's.
fn wrong_header(header: &Header, time: LogTime, now: LogTime) -> Option<String> {
    if header.revision != header.served_revision {
        return Some(format!("revision {} in the header: nothing took effect", header.revision));
    }
    if header.position != 0 || header.replayed {
        return Some(
            "the place in the log of a request that was decided, though it was only tried".to_owned(),
        );
    }
    (time < now).then(|| {
        let (time, now) = (time.micros(), now.micros());
        format!("log time {time}, though the state was at {now} already: log time never goes back")
    })
}

/// The request, as it would stand in the log.
fn request(log: &Log, operation: &Operation) -> Result<Request, String> {
    let asked = operation.asked.mutation().ok_or("it is no mutation")?;
    let id = operation.request_id().ok_or("it has no request id")?;
    let command = command::of_mutation(&asked).map_err(|error| error.0)?;
    command::frozen(Some(&log.origin_of(id)), &command).map_err(|error| error.0)
}
