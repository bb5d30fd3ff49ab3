//! The model: all rows, and the way of an entry through them.

use std::collections::BTreeMap;

use stockade_state_machine::LogTime;
use stockade_state_machine::Revision;
use stockade_state_machine::Version;
use stockade_state_machine::change::Clock;
use stockade_state_machine::command::{Command, Entry, Origin, Request};
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::Location;
use stockade_state_machine::order::Order;
use stockade_state_machine::outcome::{Outcome, Reply};
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::request::RequestRecord;
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::sku::Sku;
use stockade_state_machine::stock::{Stock, StockKey};

use crate::expiry::{Refusal, skus_of_partial_orders};
use crate::malformed;
use crate::plan::Plan;
use crate::requests::{Fate, RequestLimits};

/// All state, in rows.
///
/// Invariants:
/// - An order stands in exactly one of two maps: in `unpaid` while units are held for it, in `settled_or_owed` after.
///   It is there once; that the unpaid ones stand apart spares a look through all orders there ever were.
/// - So does a reservation: in `holding` while it has open units, in `holding_nothing` after.
/// - The ledger stands in the order of (revision, position).
/// - `clock.now` and `clock.horizon_ms` only rise.
/// - `kept_weight` is the sum of the weights of all request records: it spares a look through millions of them a request.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub(crate) limits: RequestLimits,
    pub(crate) clock: Clock,
    pub(crate) skus: BTreeMap<SkuId, Sku>,
    pub(crate) locations: BTreeMap<LocationId, Location>,
    pub(crate) stock: BTreeMap<StockKey, Stock>,
    pub(crate) unpaid: BTreeMap<OrderId, Order>,
    pub(crate) settled_or_owed: BTreeMap<OrderId, Order>,
    pub(crate) holding: BTreeMap<ReservationId, Reservation>,
    pub(crate) holding_nothing: BTreeMap<ReservationId, Reservation>,
    pub(crate) documents: BTreeMap<DocumentId, Document>,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) requests: BTreeMap<Origin, RequestRecord>,
    pub(crate) kept_weight: usize,
    /// Of the last entry.
    pub(crate) revision: Revision,
    /// Lines of the holders that the entry at hand has expired.
    pub(crate) expired_lines: usize,
}

/// Where and when a command is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) revision: Revision,
    pub(crate) position: u32,
    pub(crate) now: LogTime,
}

impl Moment {
    /// "Where a row last changed": what a row has that is written now.
    pub(crate) fn version(self) -> Version {
        Version { revision: self.revision, position: self.position }
    }
}

impl Model {
    /// A model without rows that keeps request records within the given limits.
    pub fn with_limits(limits: RequestLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Decides the requests of an entry, each in its turn. One reply for each, in their order.
    pub fn apply(&mut self, revision: Revision, entry: &Entry) -> Vec<Reply> {
        self.revision = revision;
        // "Log time ... Execution never lets it go back."
        self.clock.now = self.clock.now.max(entry.time);
        self.raise_horizon_with_time();
        self.expired_lines = 0;
        let now = self.clock.now;
        // "position: Position among the commands of that index", "from 0".
        entry
            .requests
            .iter()
            .zip(0_u32..)
            .map(|(request, position)| self.answer(Moment { revision, position, now }, request))
            .collect()
    }

    /// What a request would bring about, alone in the next entry at a time: "Nothing takes effect", "and nothing is kept under
    /// the request id". What is left to be done over again ([`Rejection::RetryAfterExpiry`]) is said to be so.
    pub fn preview(&self, time: LogTime, request: &Request) -> Outcome {
        let next = Revision::new(self.revision.get().saturating_add(1));
        let mut trial = self.clone();
        let replies = trial.apply(next, &Entry { time, requests: vec![request.clone()] });
        replies.into_iter().next().expect("one reply for each request").outcome
    }

    /// SKUs, in the order of their ids.
    pub fn skus(&self) -> impl Iterator<Item = &Sku> {
        self.skus.values()
    }

    /// Locations, in the order of their ids.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        self.locations.values()
    }

    /// Rows of stock, in the order of SKU id, then location id.
    pub fn stock(&self) -> impl Iterator<Item = (&StockKey, &Stock)> {
        self.stock.iter()
    }

    /// Orders, in the order of their ids.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        let mut orders: Vec<&Order> = self.unpaid.values().chain(self.settled_or_owed.values()).collect();
        orders.sort_by(|a, b| a.id.cmp(&b.id));
        orders.into_iter()
    }

    /// Reservations, in the order of their ids.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        let mut all: Vec<&Reservation> = self.holding.values().chain(self.holding_nothing.values()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.into_iter()
    }

    /// Booked documents, in the order of their ids.
    pub fn documents(&self) -> impl Iterator<Item = (&DocumentId, &Document)> {
        self.documents.iter()
    }

    /// Movements, in the order of (revision, position).
    pub fn ledger(&self) -> impl DoubleEndedIterator<Item = &LedgerEntry> + ExactSizeIterator {
        self.ledger.iter()
    }

    /// Request records that have not been removed, in the order of request id, then principal. One that is at or under
    /// the horizon may be among them.
    pub fn requests(&self) -> impl Iterator<Item = (&Origin, &RequestRecord)> {
        self.requests.iter()
    }

    /// Log time and horizon.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn answer(&mut self, moment: Moment, request: &Request) -> Reply {
        // "origin: None for what the system proposes itself": such a command has no id, and no record.
        let Some(origin) = &request.origin else {
            let outcome = self.run(moment, request);
            return fresh(moment, outcome);
        };
        match self.fate(origin, request) {
            Fate::Kept(record) => replay(record),
            Fate::Refused(rejection) => fresh(moment, Outcome::Rejected(rejection)),
            Fate::NotSeen => {
                let outcome = self.run(moment, request);
                // "RetryAfterExpiry: Not for callers and never recorded".
                if outcome != Outcome::Rejected(Rejection::RetryAfterExpiry) {
                    self.record(moment, origin, request, &outcome);
                }
                fresh(moment, outcome)
            }
        }
    }

    /// Decides a command that has not been decided before.
    fn run(&mut self, moment: Moment, request: &Request) -> Outcome {
        // "Precedence among several: authentication, permission, malformed request, request id, not found, ..." The
        // gateway refuses a malformed request before there is an id to look at; in the log the id comes first.
        if let Some(rule) = malformed::broken_rule(&request.command) {
            return Outcome::Rejected(Rejection::Malformed(rule));
        }
        // "nothing commits after its expire time in log time" (I12).
        if !self.expire_named(moment, &request.command) {
            return Outcome::Rejected(Rejection::RetryAfterExpiry);
        }
        let mut has_expired = false;
        let mut may_take_part = false;
        loop {
            let refusal = match self.attempt(moment, request, may_take_part) {
                Ok(outcome) => return outcome,
                Err(refusal) => refusal,
            };
            let mut awaits = refusal.awaits;
            if refusal.may_take_part {
                // "holds due on any SKU of the PARTIAL orders of the command (and the short SKUs)".
                awaits.extend(skus_of_partial_orders(&request.command));
            }
            if self.due_of(moment.now, &awaits).is_empty() {
                // "nothing due: tried with taking part".
                if refusal.may_take_part && !may_take_part {
                    may_take_part = true;
                    continue;
                }
                // "If nothing of them is due the refusal stands."
                return Outcome::Rejected(self.with_next_expiries(moment.now, refusal.rejection));
            }
            // Units whose hold is over are free, even where nobody has given them back yet. "Expiry happens once a command; a
            // second need is RETRY_AFTER_EXPIRY", and so is a first one for which the entry has no room.
            if has_expired || !self.expire_due_of(moment, &awaits) {
                return Outcome::Rejected(Rejection::RetryAfterExpiry);
            }
            has_expired = true;
        }
    }

    /// Decides against the rows as they are, and writes all of it or nothing. An order that takes what is there does so
    /// only if it may: first it "is tried whole".
    fn attempt(
        &mut self,
        moment: Moment,
        request: &Request,
        may_take_part: bool,
    ) -> Result<Outcome, Refusal> {
        let origin = request.origin.as_ref();
        if let Command::Transact(command) = &request.command {
            return self.transact(moment, origin, command, may_take_part);
        }
        // "rejection: An outcome in which nothing changed".
        self.decide(moment, origin, &request.command, may_take_part)
            .and_then(|plan| self.carry_out(moment, plan))
            .map_err(|rejection| self.refusal(&request.command, rejection))
    }

    /// What a single command brings about.
    pub(crate) fn decide(
        &self,
        moment: Moment,
        origin: Option<&Origin>,
        command: &Command,
        may_take_part: bool,
    ) -> Result<Plan, Rejection> {
        match command {
            Command::CreateSku(command) => self.create_sku(moment, command),
            Command::UpdateSku(command) => self.update_sku(moment, command),
            Command::DeleteSku(command) => self.delete_sku(command),
            Command::CreateLocation(command) => self.create_location(moment, command),
            Command::UpdateLocation(command) => self.update_location(moment, command),
            Command::DeleteLocation(command) => self.delete_location(command),
            Command::ReceiveStock(command) => self.receive_stock(moment, origin, command),
            Command::AdjustStock(command) => self.adjust_stock(moment, origin, command),
            Command::SetStock(command) => self.set_stock(moment, origin, command),
            Command::MoveStock(command) => self.move_stock(moment, origin, command),
            Command::PlaceOrder(command) => self.place_order(moment, origin, command, may_take_part),
            Command::ConfirmOrder(command) => self.confirm_order(moment, origin, command),
            Command::ExtendOrder(command) => self.extend_order(moment, command),
            Command::ShipOrder(command) => self.ship_order(moment, origin, command),
            Command::CancelOrder(command) => self.cancel_order(moment, origin, command),
            Command::CloseOrder(command) => self.close_order(moment, command),
            Command::ReturnOrder(command) => self.return_order(moment, origin, command),
            Command::CreateReservation(command) => self.create_reservation(moment, origin, command),
            Command::ExtendReservation(command) => self.extend_reservation(moment, command),
            Command::CommitReservation(command) => self.commit_reservation(moment, origin, command),
            Command::ReleaseReservation(command) => self.release_reservation(moment, origin, command),
            Command::MoveReservation(command) => self.move_reservation(moment, origin, command),
            // "none is a transaction": what gets here is none, and has none in it.
            Command::Transact(_) => Err(Rejection::Malformed(malformed::NO_OPERATION)),
            Command::ExpireDue(command) => Ok(self.plan_expire_due(moment, *command)),
            // "AbandonRequest: Makes NOT_SEEN final": the record that follows is all there is to it.
            Command::AbandonRequest => Ok(Plan::of(Outcome::RequestAbandoned)),
        }
    }

    /// The stock of a SKU at a location; "all zero where none was ever booked".
    pub(crate) fn stock_at(&self, key: &StockKey) -> Stock {
        self.stock.get(key).copied().unwrap_or_default()
    }

    /// The rows of a SKU, in the order of location ids.
    pub(crate) fn stock_of<'a>(&'a self, sku: &'a SkuId) -> impl Iterator<Item = (&'a StockKey, &'a Stock)> {
        let least = LocationId::new("!").expect("the least visible character is an id");
        self.stock
            .range(StockKey { sku: sku.clone(), location: least }..)
            .take_while(move |(key, _)| key.sku == *sku)
    }

    /// "`NOT_FOUND`: no such SKU".
    pub(crate) fn sku_must_exist(&self, sku: &SkuId) -> Result<&Sku, Rejection> {
        self.skus.get(sku).ok_or_else(|| Rejection::NotFound(Resource::Sku(sku.clone())))
    }

    /// "`NOT_FOUND` (SKU, location)".
    pub(crate) fn location_must_exist(&self, location: &LocationId) -> Result<&Location, Rejection> {
        self.locations.get(location).ok_or_else(|| Rejection::NotFound(Resource::Location(location.clone())))
    }

    /// "A second booking under the same number is refused for ever", over all kinds of bookings, which
    /// "share one name space".
    pub(crate) fn document_must_be_new(&self, document: Option<&DocumentId>) -> Result<(), Rejection> {
        match document {
            Some(id) if self.documents.contains_key(id) => {
                Err(Rejection::AlreadyExists(Resource::Document(id.clone())))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// "With an `etag` the change is refused unless that is the current one."
pub(crate) fn must_be_current(
    expected: Option<Version>,
    current: Version,
    resource: impl FnOnce() -> Resource,
) -> Result<(), Rejection> {
    match expected {
        Some(version) if version != current => Err(Rejection::EtagMismatch { resource: resource(), current }),
        Some(_) | None => Ok(()),
    }
}

fn fresh(moment: Moment, outcome: Outcome) -> Reply {
    Reply { outcome, revision: moment.revision, position: moment.position, time: moment.now, replayed: false }
}

/// "the same outcome, header aside, with the original `revision` and `replayed = true`".
fn replay(record: RequestRecord) -> Reply {
    Reply {
        outcome: record.outcome,
        revision: record.revision,
        position: record.position,
        time: record.time,
        replayed: true,
    }
}
