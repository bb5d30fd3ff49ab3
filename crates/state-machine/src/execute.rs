//! Execution of log entries: `(state, entry, log time) -> (replies, changes)`.

use crate::catalog;
use crate::change::Change;
use crate::command::{Command, Entry, ExpireDue, Origin, Request};
use crate::decide::{Decider, Refusal, decide};
use crate::draft::{Context, Draft};
use crate::expiry;
use crate::fulfilment;
use crate::holder::Holder;
use crate::inventory;
use crate::limits;
use crate::locations;
use crate::outcome::{Outcome, Reply};
use crate::placement;
use crate::rejection::Rejection;
use crate::request::{RequestRecord, RequestStatus};
use crate::reservations;
use crate::returns;
use crate::revision::Revision;
use crate::state::State;
use crate::time::LogTime;
use crate::transact;
use crate::version::Version;

/// What an entry brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// One for each request, in order.
    pub replies: Vec<Reply>,
    /// What changed, in order; already taken into the state.
    pub changes: Vec<Change>,
}

impl State {
    /// Executes an entry: every request in order, each whole or not at all.
    ///
    /// The orders, reservations and documents that the entry names must be in memory if they exist at all.
    pub fn execute(&mut self, revision: Revision, entry: &Entry) -> Applied {
        let mut changes = Vec::new();
        let replies = self.execute_into(revision, entry, &mut changes);
        Applied { replies, changes }
    }

    /// As [`State::execute`]; what changed is appended to a list, which the caller may use again: an entry changes much.
    pub fn execute_into(
        &mut self,
        revision: Revision,
        entry: &Entry,
        changes: &mut Vec<Change>,
    ) -> Vec<Reply> {
        self.advance_clock(entry.time);
        let version = Version { revision, position: 0 };
        let mut run = Run { state: self, version, ledger_position: 0, expired_lines: 0, changes };
        let replies = (0_u32..).zip(&entry.requests).map(|(position, request)| {
            run.version.position = position;
            run.execute(request)
        });
        let replies = replies.collect();
        changes.push(Change::Clock(self.clock()));
        replies
    }
}

/// The execution of one entry.
struct Run<'a> {
    state: &'a mut State,
    /// Of the command that is executed.
    version: Version,
    ledger_position: u32,
    /// Lines of what expired so far.
    expired_lines: usize,
    changes: &'a mut Vec<Change>,
}

impl Run<'_> {
    fn execute(&mut self, request: &Request) -> Reply {
        let Version { revision, position } = self.version;
        let decided_here = |outcome, time| Reply { outcome, revision, position, time, replayed: false };
        let now = self.state.clock().now;
        let Some(origin) = &request.origin else {
            return decided_here(self.decide(None, request), now);
        };
        match known(self.state, origin, request, now) {
            Some(Known::Replay(record)) => return replay(record),
            Some(Known::Refused(rejection)) => return decided_here(Outcome::Rejected(rejection), now),
            None => {}
        }
        let outcome = self.decide(Some(origin), request);
        if outcome != Outcome::Rejected(Rejection::RetryAfterExpiry) {
            self.record(origin, request, outcome.clone());
        }
        decided_here(outcome, now)
    }

    /// Refusals are recorded like successes: else a late copy could take effect after its caller was told no.
    fn record(&mut self, origin: &Origin, request: &Request, outcome: Outcome) {
        let Version { revision, position } = self.version;
        let time = self.state.clock().now;
        let weight = outcome.weight();
        let record = RequestRecord { content: request.content, outcome, revision, position, time };
        let decided = Change::Request(origin.clone(), Some(record));
        self.state.absorb(&decided);
        self.changes.push(decided);
        for _ in 0..limits::REQUEST_TRIM_BATCH - 1 + weight {
            let Some(old) = self.state.pop_old_request() else { break };
            self.changes.push(Change::Request(old, None));
        }
    }

    fn decide(&mut self, origin: Option<&Origin>, request: &Request) -> Outcome {
        let command = &request.command;
        if let Err(rule) = command.check() {
            return Outcome::Rejected(Rejection::Malformed(rule));
        }
        match command {
            Command::ExpireDue(command) => self.expire_due(*command),
            _ => decide(&mut Attempts { run: self, origin, command }, command),
        }
    }

    fn expire_due(&mut self, command: ExpireDue) -> Outcome {
        let limit = usize::try_from(command.limit).unwrap_or(usize::MAX);
        let due: Vec<Holder> = self.state.due().take(limit.min(limits::MAX_EXPIRE_BATCH)).cloned().collect();
        let expired = self.expire(&due);
        let more = self.state.due().next().is_some();
        Outcome::DueExpired { holds: u32::try_from(expired).expect("few"), more }
    }

    /// Ends holds in their order, as many as the entry has room for; says how many.
    fn expire(&mut self, holders: &[Holder]) -> usize {
        if holders.is_empty() {
            return 0;
        }
        let (mut expired, mut lines) = (0, self.expired_lines);
        let (context, before) = (self.context(None, false), self.changes.len());
        let mut draft = Draft::new(self.state, context, self.ledger_position, self.changes);
        for holder in holders {
            if lines >= limits::MAX_EXPIRE_LINES {
                break;
            }
            lines += expiry::expire(&mut draft, holder);
            expired += 1;
        }
        self.ledger_position = draft.finish();
        self.expired_lines = lines;
        self.take_in_from(before);
        expired
    }

    fn context<'o>(&self, origin: Option<&'o Origin>, takes_part: bool) -> Context<'o> {
        Context { version: self.version, now: self.state.clock().now, origin, takes_part }
    }

    /// Takes in the changes of a draft, which are the last ones.
    fn take_in_from(&mut self, before: usize) {
        self.changes[before..].iter().for_each(|change| self.state.absorb(change));
    }
}

/// Runs a command on a draft.
pub(crate) fn run(draft: &mut Draft<'_>, command: &Command) -> Result<Outcome, Rejection> {
    match command {
        Command::CreateSku(command) => catalog::create(draft, command),
        Command::UpdateSku(command) => catalog::update(draft, command),
        Command::DeleteSku(command) => catalog::delete(draft, command),
        Command::CreateLocation(command) => locations::create(draft, command),
        Command::UpdateLocation(command) => locations::update(draft, command),
        Command::DeleteLocation(command) => locations::delete(draft, command),
        Command::ReceiveStock(command) => inventory::receive(draft, command),
        Command::AdjustStock(command) => inventory::adjust(draft, command),
        Command::SetStock(command) => inventory::set(draft, command),
        Command::MoveStock(command) => inventory::move_between(draft, command),
        Command::PlaceOrder(command) => placement::place(draft, command),
        Command::ConfirmOrder(command) => fulfilment::confirm(draft, command),
        Command::ExtendOrder(command) => fulfilment::extend(draft, command),
        Command::ShipOrder(command) => fulfilment::ship(draft, command),
        Command::CancelOrder(command) => fulfilment::cancel(draft, command),
        Command::CloseOrder(command) => fulfilment::close(draft, command),
        Command::ReturnOrder(command) => returns::book(draft, command),
        Command::CreateReservation(command) => reservations::create(draft, command),
        Command::ExtendReservation(command) => reservations::extend(draft, command),
        Command::CommitReservation(command) => reservations::commit(draft, command),
        Command::ReleaseReservation(command) => reservations::release(draft, command),
        Command::MoveReservation(command) => reservations::relocate(draft, command),
        Command::Transact(command) => transact::transact(draft, command),
        Command::AbandonRequest => Ok(Outcome::RequestAbandoned),
        // Holds end before a command is run, never in one; `Command::check` keeps this one out of transactions.
        Command::ExpireDue(_) => Ok(Outcome::DueExpired { holds: 0, more: false }),
    }
}

/// The attempts of one command to come through.
struct Attempts<'r, 's> {
    run: &'r mut Run<'s>,
    origin: Option<&'r Origin>,
    command: &'r Command,
}

impl Decider for Attempts<'_, '_> {
    fn state(&self) -> (&State, LogTime) {
        (self.run.state, self.run.state.clock().now)
    }

    fn expire(&mut self, holders: &[Holder]) -> usize {
        self.run.expire(holders)
    }

    fn ended(&self) -> &[Holder] {
        // The state knows of all.
        &[]
    }

    fn attempt(&mut self, takes_part: bool) -> Result<Outcome, Refusal> {
        let Self { run: entry, origin, command } = self;
        let (context, before) = (entry.context(*origin, takes_part), entry.changes.len());
        let mut draft = Draft::new(entry.state, context, entry.ledger_position, entry.changes);
        match run(&mut draft, command).map_err(|rejection| Refusal::on(&draft, rejection)) {
            Ok(outcome) => {
                entry.ledger_position = draft.finish();
                entry.take_in_from(before);
                Ok(outcome)
            }
            Err(refusal) => {
                entry.changes.truncate(before);
                Err(refusal)
            }
        }
    }
}

/// What is known of a request before it is run.
pub(crate) enum Known {
    /// It ran.
    Replay(RequestRecord),
    /// It must not run.
    Refused(Rejection),
}

/// What is known of a request; nothing where it is to be run.
pub(crate) fn known(state: &State, origin: &Origin, request: &Request, now: LogTime) -> Option<Known> {
    match state.request_status_at(origin, now) {
        RequestStatus::Decided(record) | RequestStatus::Abandoned(record) => {
            Some(refuse_replay(request, &record).map_or(Known::Replay(record), Known::Refused))
        }
        RequestStatus::Expired { horizon_ms } => {
            Some(Known::Refused(Rejection::RequestIdExpired { horizon_ms }))
        }
        RequestStatus::NotSeen => {
            // Not recorded: a record far ahead of log time would never leave. Abandoning such an id is refused too, and says so.
            let now_ms = now.millis();
            let ahead = origin.request.time_ms() > now_ms.saturating_add(limits::MAX_REQUEST_AHEAD_MS);
            ahead.then_some(Known::Refused(Rejection::RequestIdInFuture { now_ms }))
        }
    }
}

/// Why the kept outcome is not this request's.
fn refuse_replay(request: &Request, record: &RequestRecord) -> Option<Rejection> {
    if request.command == Command::AbandonRequest {
        return None;
    }
    if record.outcome == Outcome::RequestAbandoned {
        return Some(Rejection::RequestAbandoned);
    }
    (record.content != request.content).then_some(Rejection::RequestIdReused)
}

fn replay(record: RequestRecord) -> Reply {
    let RequestRecord { content: _, outcome, revision, position, time } = record;
    Reply { outcome, revision, position, time, replayed: true }
}
