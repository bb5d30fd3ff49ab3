//! How a command comes to its outcome: what is due ends first where that matters, and not otherwise.

use std::collections::BTreeSet;

use crate::command::{Command, Name, PlaceOrder, ShortagePolicy};
use crate::draft::Draft;
use crate::due::Hold;
use crate::holder::Holder;
use crate::ids::SkuId;
use crate::limits;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Shortage};
use crate::sourcing;
use crate::state::State;
use crate::time::LogTime;

/// Who runs a command: for good, or only to see what would become of it.
pub(crate) trait Decider {
    /// The state, and the time at which the command runs.
    fn state(&self) -> (&State, LogTime);

    /// Ends holds in their order, as many as the entry has room for; says how many.
    fn expire(&mut self, holders: &[Holder]) -> usize;

    /// The holds that have ended and of which the state does not know that yet.
    fn ended(&self) -> &[Holder];

    /// Runs the command, whole or not at all. Where it `takes_part`, an order that is short may take what is there.
    fn attempt(&mut self, takes_part: bool) -> Result<Outcome, Refusal>;
}

/// Why an attempt did not come through.
pub(crate) struct Refusal {
    rejection: Rejection,
    /// True where it was short and would not be, or not so much, if holds ended: as the stock was where the attempt failed.
    may_end: bool,
}

impl Refusal {
    /// Of a draft on which a command failed.
    pub(crate) fn on(draft: &Draft<'_>, rejection: Rejection) -> Self {
        let shortages = shortages_of(&rejection);
        let may_end = shortages.iter().all(|shortage| sourcing::may_end(draft, shortage));
        Self { may_end: may_end && !shortages.is_empty(), rejection }
    }
}

/// Decides a command of a caller.
pub(crate) fn decide(decider: &mut impl Decider, command: &Command) -> Outcome {
    // Nothing commits after its time (I12): a hold that is due ends before a command that names it sees it.
    let named = due_named(decider, command);
    if decider.expire(&named) < named.len() {
        return Outcome::Rejected(Rejection::RetryAfterExpiry);
    }
    let (mut takes_part, mut has_expired) = (false, false);
    loop {
        let refusal = match decider.attempt(takes_part) {
            Ok(outcome) => return outcome,
            Err(refusal) => refusal,
        };
        // Units may be tied up in holds whose time is over.
        let due = due_of(decider, command, &refusal);
        if !due.is_empty() {
            if has_expired || decider.expire(&due) == 0 {
                return Outcome::Rejected(Rejection::RetryAfterExpiry);
            }
            has_expired = true;
        } else if !takes_part && wants_part(command, &refusal.rejection) {
            takes_part = true;
        } else {
            return Outcome::Rejected(refusal.rejection);
        }
    }
}

/// What a command names and is due, in the order in which it does, each once.
fn due_named(decider: &impl Decider, command: &Command) -> Vec<Holder> {
    let (state, now) = decider.state();
    let mut seen = BTreeSet::new();
    let mut due = Vec::new();
    for name in command.names() {
        let hold = match name {
            Name::Order(id) => state.order(id).and_then(|order| Hold::of_order(order)),
            Name::Reservation(id) => state.reservation(id).and_then(|held| Hold::of_reservation(held)),
            Name::Document(_) | Name::Version(_) => None,
        };
        if let Some(hold) = hold
            && hold.expires <= now
            && seen.insert(name)
        {
            due.push(hold.holder);
        }
    }
    due
}

/// What is due of the holds on what was short, the longest due first; nothing where that could not help.
fn due_of(decider: &impl Decider, command: &Command, refusal: &Refusal) -> Vec<Holder> {
    let Refusal { rejection, may_end } = refusal;
    let (state, now) = decider.state();
    let mut skus: BTreeSet<&SkuId> = shortages_of(rejection).iter().map(|shortage| &shortage.sku).collect();
    if wants_part(command, rejection) {
        // Any unit helps, and nothing may be due of any order that takes what is there.
        skus.extend(partial_orders(command).flat_map(|order| &order.lines).map(|line| &line.sku));
    } else if !may_end {
        return Vec::new();
    }
    let ended: BTreeSet<&Holder> = decider.ended().iter().collect();
    let mut due = state.due_of(&skus, now, limits::MAX_EXPIRE_BATCH + ended.len());
    due.retain(|holder| !ended.contains(holder));
    due.truncate(limits::MAX_EXPIRE_BATCH);
    due
}

/// What is short, of the command or of an operation of a transaction.
fn shortages_of(rejection: &Rejection) -> &[Shortage] {
    match rejection {
        Rejection::InsufficientStock { shortages } => shortages,
        Rejection::OperationRejected { rejection, .. } => shortages_of(rejection),
        _ => &[],
    }
}

/// True where what was refused is an order that is short and takes what is there.
fn wants_part(command: &Command, rejection: &Rejection) -> bool {
    match (command, rejection) {
        (Command::PlaceOrder(order), Rejection::InsufficientStock { .. }) => {
            order.shortage == ShortagePolicy::Partial
        }
        (Command::Transact(transact), Rejection::OperationRejected { operation, rejection }) => {
            let index = usize::try_from(*operation).expect("u32 fits") - 1;
            wants_part(&transact.operations[index], rejection)
        }
        _ => false,
    }
}

/// The orders of a command that take what is there.
fn partial_orders(command: &Command) -> Box<dyn Iterator<Item = &PlaceOrder> + '_> {
    match command {
        Command::PlaceOrder(order) if order.shortage == ShortagePolicy::Partial => {
            Box::new(std::iter::once(order))
        }
        Command::Transact(transact) => Box::new(transact.operations.iter().flat_map(partial_orders)),
        _ => Box::new(std::iter::empty()),
    }
}
