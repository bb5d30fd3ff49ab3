//! What would become of a request, without doing it.

use crate::change::Change;
use crate::command::{Origin, Request};
use crate::decide::{Decider, Refusal, decide};
use crate::draft::{Context, Draft};
use crate::execute::{Known, known, run};
use crate::expiry;
use crate::holder::Holder;
use crate::limits;
use crate::outcome::Outcome;
use crate::rejection::Rejection;
use crate::revision::Revision;
use crate::state::State;
use crate::time::LogTime;
use crate::version::Version;

impl State {
    /// What would become of a request of a caller that is alone in the next entry, at a revision and a time; nothing changes.
    ///
    /// `rows` are those of the orders, reservations and documents that it names, where they exist and are not in memory.
    pub fn preview(&self, revision: Revision, time: LogTime, rows: &[Change], request: &Request) -> Outcome {
        let now = self.clock().now.max(time);
        let origin = request.origin.as_ref();
        match origin.and_then(|origin| known(self, origin, request, now)) {
            Some(Known::Replay(record)) => return record.outcome,
            Some(Known::Refused(rejection)) => return Outcome::Rejected(rejection),
            None => {}
        }
        if let Err(rule) = request.command.check() {
            return Outcome::Rejected(Rejection::Malformed(rule));
        }
        let version = Version { revision, position: 0 };
        let (expired, lines) = (Vec::new(), 0);
        let mut trial = Trial { state: self, version, now, origin, rows, request, expired, lines };
        decide(&mut trial, &request.command)
    }
}

/// A request that is run, again and again from the start, on drafts that are dropped.
struct Trial<'a> {
    state: &'a State,
    version: Version,
    now: LogTime,
    origin: Option<&'a Origin>,
    rows: &'a [Change],
    request: &'a Request,
    /// Ended before each attempt.
    expired: Vec<Holder>,
    /// Of what is in `expired`.
    lines: usize,
}

impl Decider for Trial<'_> {
    fn state(&self) -> (&State, LogTime) {
        (self.state, self.now)
    }

    fn expire(&mut self, holders: &[Holder]) -> usize {
        let mut expired = 0;
        for holder in holders {
            if self.lines >= limits::MAX_EXPIRE_LINES {
                break;
            }
            self.lines += match holder {
                Holder::Order(id) => self.state.order(id).map_or(0, |order| order.lines.len()),
                Holder::Reservation(id) => self.state.reservation(id).map_or(0, |held| held.lines.len()),
            };
            self.expired.push(holder.clone());
            expired += 1;
        }
        expired
    }

    fn ended(&self) -> &[Holder] {
        &self.expired
    }

    fn attempt(&mut self, takes_part: bool) -> Result<Outcome, Refusal> {
        let context = Context { version: self.version, now: self.now, origin: self.origin, takes_part };
        let mut changes = Vec::new();
        let mut draft = Draft::new(self.state, context, 0, &mut changes);
        self.rows.iter().for_each(|row| draft.bring(row.clone()));
        for holder in &self.expired {
            expiry::expire(&mut draft, holder);
        }
        run(&mut draft, &self.request.command).map_err(|rejection| Refusal::on(&draft, rejection))
    }
}
