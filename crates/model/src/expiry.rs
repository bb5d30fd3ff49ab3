//! Expiry: unpaid orders and reservations whose time is over give their units back.

use std::collections::{BTreeMap, BTreeSet};

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{Command, ExpireDue, PlaceOrder, ShortagePolicy, Transact};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::{MAX_EXPIRE_BATCH, MAX_EXPIRE_LINES};
use stockade_state_machine::order::Order;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::reservation::Reservation;
use stockade_state_machine::stock::{Bucket, Stock, StockKey};

use crate::model::{Model, Moment};
use crate::names::named;
use crate::plan::{Movement, Plan, Row};

/// "Something whose hold on units ends at a time": an unpaid order, or a reservation with open units.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold<'a> {
    Order(&'a Order),
    Reservation(&'a Reservation),
}

impl<'a> Hold<'a> {
    fn expires(self) -> LogTime {
        match self {
            Self::Order(order) => order.expires,
            Self::Reservation(reservation) => reservation.expires,
        }
    }

    fn lines(self) -> usize {
        match self {
            Self::Order(order) => order.lines.len(),
            Self::Reservation(reservation) => reservation.lines.len(),
        }
    }

    /// "Until when the units are held": at that time they no longer are.
    fn is_due(self, now: LogTime) -> bool {
        self.expires() <= now
    }

    /// "the longest due first"; "holders that end at the same time stand orders first, then by id".
    fn place(self) -> (LogTime, u8, &'a str) {
        match self {
            Self::Order(order) => (order.expires, 0, order.id.as_str()),
            Self::Reservation(reservation) => (reservation.expires, 1, reservation.id.as_str()),
        }
    }

    /// "those that hold units of the SKU in buckets: a line of a SKU that was not tracked holds none"; perhaps several
    /// times.
    fn skus(self) -> Vec<&'a SkuId> {
        match self {
            Self::Order(order) => {
                let held = order.lines.iter().filter(|line| line.held > 0 && line.location.is_some());
                held.map(|line| &line.sku).collect()
            }
            Self::Reservation(reservation) => {
                let open = reservation.lines.iter().filter(|line| line.open > 0 && line.location.is_some());
                open.map(|line| &line.sku).collect()
            }
        }
    }
}

/// Why nothing came of a command, and whose holds would have to end for it to go otherwise.
pub(crate) struct Refusal {
    pub(crate) rejection: Rejection,
    /// SKUs that are short, where the end of holds may help; none where it could not, or where nothing is short.
    pub(crate) awaits: BTreeSet<SkuId>,
    /// True where the order that is short would take a part of what it asks for.
    pub(crate) may_take_part: bool,
}

impl Refusal {
    /// One that nothing helps.
    pub(crate) fn of(rejection: Rejection) -> Self {
        Self { rejection, awaits: BTreeSet::new(), may_take_part: false }
    }
}

impl Model {
    fn holds(&self) -> impl Iterator<Item = Hold<'_>> {
        let orders = self.unpaid.values().map(Hold::Order);
        orders.chain(self.holding.values().map(Hold::Reservation))
    }

    /// What is due, "whatever its SKU", in the order in which it expires.
    fn due(&self, now: LogTime) -> Vec<Hold<'_>> {
        let mut due: Vec<Hold<'_>> = self.holds().filter(|hold| hold.is_due(now)).collect();
        due.sort_by_key(|hold| hold.place());
        due
    }

    /// "what is due of the SKUs": "whole holders, the longest due first, each once".
    pub(crate) fn due_of(&self, now: LogTime, skus: &BTreeSet<SkuId>) -> Vec<Hold<'_>> {
        if skus.is_empty() {
            return Vec::new();
        }
        let mut due = self.due(now);
        due.retain(|hold| hold.skus().into_iter().any(|sku| skus.contains(sku)));
        due
    }

    /// What a refusal of a command waits for, as things stood when it was decided: in a transaction after the operations
    /// before it.
    pub(crate) fn refusal(&self, command: &Command, rejection: Rejection) -> Refusal {
        let Rejection::InsufficientStock { shortages } = &rejection else { return Refusal::of(rejection) };
        let may_take_part = is_partial(command);
        // "A shortage of anything else expires what is due of the short SKUs only if that may help".
        let may_help = may_take_part || shortages.iter().all(|shortage| self.may_end(shortage));
        let short = shortages.iter().map(|shortage| shortage.sku.clone());
        let awaits = if may_help { short.collect() } else { BTreeSet::new() };
        Refusal { rejection, awaits, may_take_part }
    }

    /// Whether the end of holds could end a shortage: "available+reserved of the named location, or of one open location, or
    /// with `together` of all open locations, covers `asked`".
    fn may_end(&self, shortage: &Shortage) -> bool {
        // "the one that is named, else those that exist and take orders".
        let counts = |location: &LocationId| match &shortage.location {
            Some(named) => location == named,
            None => self.locations.get(location).is_some_and(|location| !location.details.disabled),
        };
        let units = |stock: &Stock| {
            i128::from(stock.get(Bucket::Available)) + i128::from(stock.get(Bucket::Reserved))
        };
        let rows = self.stock_of(&shortage.sku).filter(|(key, _)| counts(&key.location));
        let units = rows.map(|(_, stock)| units(stock));
        let most = if shortage.together { units.sum() } else { units.max().unwrap_or_default() };
        shortage.bucket == Bucket::Available && most >= i128::from(shortage.asked)
    }

    /// "An entry expires no more once the holders that it expired have 10,000 lines together, settled lines counted too; the
    /// one that crosses that still expires whole."
    fn within_room<'h>(&self, holds: &'h [Hold<'h>]) -> &'h [Hold<'h>] {
        let mut lines = self.expired_lines;
        let fits = holds.iter().take_while(|hold| {
            let fits = lines < MAX_EXPIRE_LINES;
            lines += hold.lines();
            fits
        });
        &holds[..fits.count()]
    }

    /// "Due holds that a command names end first, in the order in which the command names them ..., each once." False where
    /// the entry has no room for all of it.
    pub(crate) fn expire_named(&mut self, moment: Moment, command: &Command) -> bool {
        let mut seen = BTreeSet::new();
        let mut due: Vec<Hold<'_>> = Vec::new();
        for holder in named(command) {
            let hold = match &holder {
                Holder::Order(id) => self.unpaid.get(id).map(Hold::Order),
                Holder::Reservation(id) => self.holding.get(id).map(Hold::Reservation),
            };
            let is_new = seen.insert(holder);
            due.extend(hold.filter(|hold| is_new && hold.is_due(moment.now)));
        }
        let expiring = self.within_room(&due);
        let is_all = expiring.len() == due.len();
        let plan = plan(moment, expiring, false);
        self.expire(moment, plan);
        is_all
    }

    /// Expires what is due of the SKUs that are short, "up to 1,000". False where the entry has no room for any.
    pub(crate) fn expire_due_of(&mut self, moment: Moment, skus: &BTreeSet<SkuId>) -> bool {
        let mut due = self.due_of(moment.now, skus);
        due.truncate(MAX_EXPIRE_BATCH);
        let expiring = self.within_room(&due);
        let is_any = !expiring.is_empty();
        let plan = plan(moment, expiring, false);
        self.expire(moment, plan);
        is_any
    }

    /// "The system's `ExpireDue` expires what is due whatever its SKU".
    pub(crate) fn plan_expire_due(&self, moment: Moment, command: ExpireDue) -> Plan {
        // "At most so many orders and reservations, and at most MAX_EXPIRE_BATCH."
        let limit = usize::try_from(command.limit).unwrap_or(usize::MAX).min(MAX_EXPIRE_BATCH);
        let due = self.due(moment.now);
        let expiring = self.within_room(&due[..due.len().min(limit)]);
        // "True where more are due."
        plan(moment, expiring, due.len() > expiring.len())
    }

    fn expire(&mut self, moment: Moment, plan: Plan) {
        self.carry_out(moment, plan).expect("units that change their bucket leave their sum alone");
    }

    /// A refusal as the caller gets it. Each line that is short tells "when the next hold on units of its SKU ends that is
    /// not due yet, at whichever location", as the rows are: what the refused command would have done is in none of them,
    /// nor what the operations of a transaction before it would have.
    pub(crate) fn with_next_expiries(&self, now: LogTime, rejection: Rejection) -> Rejection {
        let mut shortages = match rejection {
            Rejection::InsufficientStock { shortages } => shortages,
            Rejection::OperationRejected { operation, rejection } => {
                let rejection = Box::new(self.with_next_expiries(now, *rejection));
                return Rejection::OperationRejected { operation, rejection };
            }
            other => return other,
        };
        let mut ends: BTreeMap<SkuId, Option<LogTime>> =
            shortages.iter().map(|shortage| (shortage.sku.clone(), None)).collect();
        for hold in self.holds().filter(|hold| !hold.is_due(now)) {
            for sku in hold.skus() {
                let Some(end) = ends.get_mut(sku) else { continue };
                let sooner = end.is_none_or(|end| hold.expires() < end);
                *end = if sooner { Some(hold.expires()) } else { *end };
            }
        }
        for shortage in &mut shortages {
            // "For a bucket other than `available` there is none."
            if shortage.bucket == Bucket::Available {
                shortage.next_expiry = ends.get(&shortage.sku).copied().flatten();
            }
        }
        Rejection::InsufficientStock { shortages }
    }
}

fn is_partial(command: &Command) -> bool {
    matches!(command, Command::PlaceOrder(PlaceOrder { shortage: ShortagePolicy::Partial, .. }))
}

/// "any SKU of the PARTIAL orders of the command".
pub(crate) fn skus_of_partial_orders(command: &Command) -> BTreeSet<SkuId> {
    let operations = match command {
        Command::Transact(Transact { operations, .. }) => operations.as_slice(),
        alone => std::slice::from_ref(alone),
    };
    let mut skus = BTreeSet::new();
    for operation in operations.iter().filter(|operation| is_partial(operation)) {
        if let Command::PlaceOrder(order) = operation {
            skus.extend(order.lines.iter().map(|line| line.sku.clone()));
        }
    }
    skus
}

fn plan(moment: Moment, holds: &[Hold<'_>], more: bool) -> Plan {
    let holds_ended = u32::try_from(holds.len()).expect("a batch is smaller than 2^32");
    let mut plan = Plan::of(Outcome::DueExpired { holds: holds_ended, more });
    plan.expired_lines = holds.iter().map(|hold| hold.lines()).sum();
    for hold in holds {
        let (movements, row) = match hold {
            Hold::Order(order) => expire_order(moment, order),
            Hold::Reservation(reservation) => expire_reservation(moment, reservation),
        };
        plan.movements.extend(movements);
        plan.rows.push(row);
    }
    plan
}

fn expire_order(moment: Moment, order: &Order) -> (Vec<Movement>, Row) {
    let mut order = order.clone();
    let mut movements = Vec::new();
    for line in order.lines.iter_mut().filter(|line| line.held > 0) {
        let back = given_back(&line.sku, line.location.as_ref(), line.held);
        movements.extend(back.map(|it| Movement { order: Some(order.id.clone()), ..it }));
        // "expired: Given back because the hold ended."
        line.expired += line.held;
        line.held = 0;
    }
    (movements, Row::Order(Order { updated: moment.now, version: moment.version(), ..order }))
}

/// "A reservation whose time is over gives back all open units (reason EXPIRY, lines in their order), as an unpaid
/// order does."
fn expire_reservation(moment: Moment, reservation: &Reservation) -> (Vec<Movement>, Row) {
    let mut reservation = reservation.clone();
    let mut movements = Vec::new();
    for line in reservation.lines.iter_mut().filter(|line| line.open > 0) {
        let back = given_back(&line.sku, line.location.as_ref(), line.open);
        movements.extend(back.map(|it| Movement { reservation: Some(reservation.id.clone()), ..it }));
        // "expired: Given back because the time was over."
        line.expired += line.open;
        line.open = 0;
    }
    let row = Reservation { updated: moment.now, version: moment.version(), ..reservation };
    (movements, Row::Reservation(row))
}

/// Units of a line whose hold is over; `None` for a line without location: "then no bucket counts them".
fn given_back(sku: &SkuId, location: Option<&LocationId>, quantity: i64) -> Option<Movement> {
    Some(Movement {
        key: StockKey { sku: sku.clone(), location: location?.clone() },
        // "Release by time": what was held can be sold again.
        from: Some(Bucket::Reserved),
        to: Some(Bucket::Available),
        quantity,
        // "Set by the system: the time of an unpaid order or a reservation was over."
        reason: Reason::Expiry,
        // "On whose behalf; `None` for the system", whoever's command came upon it.
        origin: None,
        order: None,
        reservation: None,
        document: None,
        reference: String::new(),
    })
}
