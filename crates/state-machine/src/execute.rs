//! Execution of log entries: `(state, entry, log time) -> (replies, changes)`.

use std::collections::BTreeSet;

use crate::catalog;
use crate::change::Change;
use crate::command::{Command, Entry, Origin, Request};
use crate::draft::{Context, Draft};
use crate::due::Hold;
use crate::expiry;
use crate::fulfilment;
use crate::holder::Holder;
use crate::ids::SkuId;
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
use crate::sourcing;
use crate::state::State;
use crate::time::LogTime;
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
        self.advance_clock(entry.time);
        let version = Version { revision, position: 0 };
        let mut run = Run { state: self, version, ledger_position: 0, expired_lines: 0, changes: Vec::new() };
        let replies = (0_u32..).zip(&entry.requests).map(|(position, request)| {
            run.version.position = position;
            run.execute(request)
        });
        let replies = replies.collect();
        let mut changes = run.changes;
        changes.push(Change::Clock(self.clock()));
        Applied { replies, changes }
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
    changes: Vec<Change>,
}

impl Run<'_> {
    fn execute(&mut self, request: &Request) -> Reply {
        let Version { revision, position } = self.version;
        let decided_here = |outcome, time| Reply { outcome, revision, position, time, replayed: false };
        let now = self.state.clock().now;
        let Some(origin) = &request.origin else {
            return decided_here(self.decide(None, request), now);
        };
        match self.state.request_status(origin) {
            RequestStatus::Decided(record) | RequestStatus::Abandoned(record) => {
                return match refuse_replay(request, &record) {
                    Some(rejection) => decided_here(Outcome::Rejected(rejection), now),
                    None => replay(record),
                };
            }
            RequestStatus::Expired { horizon_ms } => {
                return decided_here(Outcome::Rejected(Rejection::RequestIdExpired { horizon_ms }), now);
            }
            RequestStatus::NotSeen => {}
        }
        // Not recorded: a record far ahead of log time would never leave. Abandoning such an id is refused too, and says so.
        let now_ms = now.millis();
        let ahead = origin.request.time_ms() > now_ms.saturating_add(limits::MAX_REQUEST_AHEAD_MS);
        if ahead {
            return decided_here(Outcome::Rejected(Rejection::RequestIdInFuture { now_ms }), now);
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
        let record = RequestRecord { content: request.content, outcome, revision, position, time };
        self.take_in(vec![Change::Request(origin.clone(), Some(record))]);
        for _ in 0..limits::REQUEST_TRIM_BATCH {
            let Some(old) = self.state.pop_old_request() else { break };
            self.changes.push(Change::Request(old, None));
        }
    }

    fn decide(&mut self, origin: Option<&Origin>, request: &Request) -> Outcome {
        if let Err(rule) = request.command.check() {
            return Outcome::Rejected(Rejection::Malformed(rule));
        }
        // Nothing commits after its time (I12): a hold that is due ends before a command that names it sees it.
        let named = self.due_named(&request.command);
        if self.expire(&named) < named.len() {
            return Outcome::Rejected(Rejection::RetryAfterExpiry);
        }
        let rejection = match self.attempt(origin, &request.command) {
            Ok(outcome) => return outcome,
            Err(rejection) => rejection,
        };
        // Units may be tied up in holds whose time is over.
        let due = self.due_of(&rejection, limits::MAX_EXPIRE_BATCH);
        if due.is_empty() {
            return Outcome::Rejected(rejection);
        }
        if self.expire(&due) == 0 {
            return Outcome::Rejected(Rejection::RetryAfterExpiry);
        }
        match self.attempt(origin, &request.command) {
            Err(rejection) if !self.due_of(&rejection, 1).is_empty() => {
                Outcome::Rejected(Rejection::RetryAfterExpiry)
            }
            result => result.unwrap_or_else(Outcome::Rejected),
        }
    }

    /// Runs the command on a draft and takes the draft in if it comes through.
    fn attempt(&mut self, origin: Option<&Origin>, command: &Command) -> Result<Outcome, Rejection> {
        let mut draft = self.draft(origin);
        let outcome = match command {
            Command::CreateSku(command) => catalog::create(&mut draft, command),
            Command::UpdateSku(command) => catalog::update(&mut draft, command),
            Command::DeleteSku(command) => catalog::delete(&mut draft, command),
            Command::CreateLocation(command) => locations::create(&mut draft, command),
            Command::UpdateLocation(command) => locations::update(&mut draft, command),
            Command::DeleteLocation(command) => locations::delete(&mut draft, command),
            Command::ReceiveStock(command) => inventory::receive(&mut draft, command),
            Command::AdjustStock(command) => inventory::adjust(&mut draft, command),
            Command::SetStock(command) => inventory::set(&mut draft, command),
            Command::MoveStock(command) => inventory::move_between(&mut draft, command),
            Command::PlaceOrder(command) => placement::place(&mut draft, command),
            Command::ConfirmOrder(command) => fulfilment::confirm(&mut draft, command),
            Command::ShipOrder(command) => fulfilment::ship(&mut draft, command),
            Command::CancelOrder(command) => fulfilment::cancel(&mut draft, command),
            Command::ReturnOrder(command) => returns::book(&mut draft, command),
            Command::AbandonRequest => Ok(Outcome::RequestAbandoned),
            Command::CreateReservation(command) => reservations::create(&mut draft, command),
            Command::ExtendReservation(command) => reservations::extend(&mut draft, command),
            Command::CommitReservation(command) => reservations::commit(&mut draft, command),
            Command::ReleaseReservation(command) => reservations::release(&mut draft, command),
            Command::MoveReservation(command) => reservations::relocate(&mut draft, command),
            Command::ExpireDue(command) => {
                drop(draft);
                let limit = usize::try_from(command.limit).unwrap_or(usize::MAX);
                let due: Vec<Holder> =
                    self.state.due().take(limit.min(limits::MAX_EXPIRE_BATCH)).cloned().collect();
                let expired = self.expire(&due);
                let more = self.state.due().next().is_some();
                return Ok(Outcome::DueExpired { holds: u32::try_from(expired).expect("few"), more });
            }
        }?;
        let (changes, ledger_position) = draft.finish();
        self.ledger_position = ledger_position;
        self.take_in(changes);
        Ok(outcome)
    }

    /// What a command names and is due.
    fn due_named(&self, command: &Command) -> Vec<Holder> {
        let now = self.state.clock().now;
        let order =
            command.order().and_then(|id| self.state.order(id)).and_then(|order| Hold::of_order(order));
        let reservation = command.reservation().and_then(|id| self.state.reservation(id));
        let reservation = reservation.and_then(|reservation| Hold::of_reservation(reservation));
        let due = order.into_iter().chain(reservation).filter(|hold| hold.expires <= now);
        due.map(|hold| hold.holder).collect()
    }

    /// What is due of the holds on what was short, the longest due first; nothing where that could not help.
    fn due_of(&self, rejection: &Rejection, limit: usize) -> Vec<Holder> {
        let Rejection::InsufficientStock { shortages } = rejection else { return Vec::new() };
        if !shortages.iter().all(|shortage| sourcing::may_end(self.state, shortage)) {
            return Vec::new();
        }
        let skus: BTreeSet<&SkuId> = shortages.iter().map(|shortage| &shortage.sku).collect();
        self.state.due_of(&skus, limit)
    }

    /// Ends holds in their order, as many as the entry has room for; says how many.
    fn expire(&mut self, holders: &[Holder]) -> usize {
        let (mut expired, mut lines) = (0, self.expired_lines);
        let mut draft = self.draft(None);
        for holder in holders {
            if lines >= limits::MAX_EXPIRE_LINES {
                break;
            }
            lines += expiry::expire(&mut draft, holder);
            expired += 1;
        }
        let (changes, ledger_position) = draft.finish();
        (self.ledger_position, self.expired_lines) = (ledger_position, lines);
        self.take_in(changes);
        expired
    }

    fn draft<'s>(&'s self, origin: Option<&'s Origin>) -> Draft<'s> {
        let now: LogTime = self.state.clock().now;
        Draft::new(self.state, Context { version: self.version, now, origin }, self.ledger_position)
    }

    fn take_in(&mut self, changes: Vec<Change>) {
        for change in &changes {
            self.state.absorb(change);
        }
        self.changes.extend(changes);
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
