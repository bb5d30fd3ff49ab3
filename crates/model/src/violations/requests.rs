//! Request records and documents against what the ledger tells of them.

use std::collections::BTreeMap;

use stockade_state_machine::Version;
use stockade_state_machine::command::Origin;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, OrderId, ReservationId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;

use super::Found;
use super::ledger::place;
use crate::model::Model;

/// Whether a command moved units.
enum Effect {
    Some,
    None,
    /// Some lines of its order or reservation are tracked and others are not: the outcome doesn't tell which it was about.
    Perhaps,
}

impl Model {
    /// "one `request_id`, at most one effect" (I11).
    pub(super) fn check_requests(&self, found: &mut Found) {
        let mut effects: BTreeMap<Origin, &LedgerEntry> = BTreeMap::new();
        for entry in &self.ledger {
            found.unless(entry.actor.is_some() == entry.request.is_some(), || {
                format!("I11: {} has a caller without a request, or a request without a caller", place(entry))
            });
            let Some(origin) = origin_of(entry) else { continue };
            // The movements of one command stand side by side: one that stands apart is a second effect.
            let before = effects.insert(origin.clone(), entry);
            found.unless(before.is_none_or(|before| is_next(before, entry)), || {
                format!(
                    "I11: request {} of {} has a second effect, {}",
                    origin.request,
                    origin.principal,
                    place(entry)
                )
            });
        }
        for (origin, record) in &self.requests {
            // "The order that moved it, where one did", and the reservation: those that the outcome names.
            if let Some(entry) = effects.get(origin) {
                let named = all_named_by(&record.outcome);
                found.unless(named.contains(&(entry.order.as_ref(), entry.reservation.as_ref())), || {
                    format!("I11: {} is of other things than its outcome, {named:?}", place(entry))
                });
            }
            let effect = effects.get(origin).map(|entry| entry.balances.version);
            let decided = Version { revision: record.revision, position: record.position };
            let holds = match self.effect(&record.outcome, decided) {
                Effect::Some => effect == Some(decided),
                Effect::None => effect.is_none(),
                Effect::Perhaps => effect.is_none_or(|effect| effect == decided),
            };
            found.unless(holds, || {
                format!(
                    "I11: request {} of {} moved units at {effect:?}, by its record it is {:?} of {decided:?}",
                    origin.request, origin.principal, record.outcome
                )
            });
        }
        // "How many request records are kept; that of a transaction counts for as many as it has operations."
        let kept: usize = self.requests.values().map(|record| record.outcome.weight()).sum();
        let most = self.limits.max_records;
        found.unless(kept <= most, || format!("requests: {kept} records are kept, at most {most} should be"));
        found.unless(kept == self.kept_weight, || {
            format!("requests: records for {kept} are kept, the model counts {}", self.kept_weight)
        });
    }

    /// "documents: a caller's numbers ..., each booked once, for ever".
    pub(super) fn check_documents(&self, found: &mut Found) {
        let mut bookings: BTreeMap<DocumentId, &LedgerEntry> = BTreeMap::new();
        for entry in &self.ledger {
            let Some(id) = &entry.document else { continue };
            let before = bookings.insert(id.clone(), entry);
            let once = before.is_none_or(|before| {
                is_next(before, entry) && origin_of(before) == origin_of(entry) && before.order == entry.order
            });
            found.unless(once, || format!("documents: {id} is booked a second time, by {}", place(entry)));
        }
        for (id, entry) in bookings {
            let (noted, booked) =
                (self.documents.get(&id), Document { id: id.clone(), revision: entry.revision });
            found.unless(noted == Some(&booked), || {
                format!("documents: {noted:?} is noted, by the ledger it is {booked:?}")
            });
        }
        // Of one that is "booked even where nothing changes" the ledger doesn't tell.
        for (id, document) in &self.documents {
            found.unless(*id == document.id, || {
                format!("documents: {} stands under the key {id}", document.id)
            });
        }
    }

    /// Whether a command with this outcome moved units.
    fn effect(&self, outcome: &Outcome, decided: Version) -> Effect {
        match outcome {
            Outcome::StockReceived(..) | Outcome::StockAdjusted(..) | Outcome::StockMoved(..) => Effect::Some,
            // "the difference goes into the ledger, and nothing where there is none": then the row is an older one.
            Outcome::StockSet(_, stock) if stock.version == decided => Effect::Some,
            // "None for a SKU that is not tracked": of such lines "no bucket counts" the units.
            Outcome::OrderPlaced { sources, .. } | Outcome::ReservationCreated { sources, .. } => {
                effect_if(sources.iter().any(|source| source.location.is_some()))
            }
            Outcome::OrderConfirmed { order } => self.effect_of_payment(order),
            Outcome::Transacted(outcomes) => self.effect_of_all(outcomes, decided),
            // With the payment taken; otherwise "nothing moves".
            Outcome::ReservationCommitted { order, order_state, .. } => {
                let is_unpaid = *order_state == OrderState::PendingPayment;
                effect_if(!is_unpaid && self.tracked_lines(order).0 > 0)
            }
            Outcome::OrderShipped { order, .. }
            | Outcome::OrderCancelled { order, .. }
            | Outcome::OrderReturned { order, .. } => effect_on(self.tracked_lines(order)),
            Outcome::ReservationReleased { reservation, .. } => {
                effect_on(self.tracked_lines_of_reservation(reservation))
            }
            // Only lines that are tracked move.
            Outcome::ReservationMoved { moved, .. } => effect_if(*moved > 0),
            // What the system expires is on nobody's behalf; a refusal changes nothing.
            Outcome::SkuCreated(_)
            | Outcome::SkuUpdated(_)
            | Outcome::SkuDeleted
            | Outcome::LocationCreated(_)
            | Outcome::LocationUpdated(_)
            | Outcome::LocationDeleted
            | Outcome::StockSet(..)
            | Outcome::OrderExtended { .. }
            | Outcome::OrderClosed { .. }
            | Outcome::ReservationExtended { .. }
            | Outcome::DueExpired { .. }
            | Outcome::RequestAbandoned
            | Outcome::Rejected(_) => Effect::None,
        }
    }

    /// All lines are paid for at once, those of which something was held. What was paid for may have been cancelled since.
    fn effect_of_payment(&self, order: &OrderId) -> Effect {
        let lines = self.order(order).map(|order| order.lines.as_slice()).unwrap_or_default();
        let tracked: Vec<_> = lines.iter().filter(|line| line.location.is_some()).collect();
        if tracked.is_empty() {
            return Effect::None;
        }
        if tracked.iter().any(|line| line.allocated > 0) { Effect::Some } else { Effect::Perhaps }
    }

    /// Of a transaction: a row that was set may be as young as that by another of its operations.
    fn effect_of_all(&self, outcomes: &[Outcome], decided: Version) -> Effect {
        let mut all = Effect::None;
        for outcome in outcomes {
            let effect = match (outcome, self.effect(outcome, decided)) {
                (Outcome::StockSet(..), Effect::Some) => Effect::Perhaps,
                (_, effect) => effect,
            };
            all = match (all, effect) {
                (Effect::Some, _) | (_, Effect::Some) => Effect::Some,
                (Effect::Perhaps, _) | (_, Effect::Perhaps) => Effect::Perhaps,
                (Effect::None, Effect::None) => Effect::None,
            };
        }
        all
    }

    /// How many lines of an order are tracked, and how many there are.
    fn tracked_lines(&self, order: &OrderId) -> (usize, usize) {
        let lines = self.order(order).map(|order| order.lines.as_slice()).unwrap_or_default();
        (lines.iter().filter(|line| line.location.is_some()).count(), lines.len())
    }

    fn tracked_lines_of_reservation(&self, id: &ReservationId) -> (usize, usize) {
        let lines = self.reservation(id).map(|it| it.lines.as_slice()).unwrap_or_default();
        (lines.iter().filter(|line| line.location.is_some()).count(), lines.len())
    }
}

/// The order and the reservation that each of the outcomes in one is about.
fn all_named_by(outcome: &Outcome) -> Vec<(Option<&OrderId>, Option<&ReservationId>)> {
    match outcome {
        Outcome::Transacted(outcomes) => outcomes.iter().map(named_by).collect(),
        alone => vec![named_by(alone)],
    }
}

/// The order and the reservation that an outcome is about.
fn named_by(outcome: &Outcome) -> (Option<&OrderId>, Option<&ReservationId>) {
    match outcome {
        Outcome::OrderPlaced { order, .. }
        | Outcome::OrderConfirmed { order }
        | Outcome::OrderExtended { order, .. }
        | Outcome::OrderClosed { order }
        | Outcome::OrderShipped { order, .. }
        | Outcome::OrderCancelled { order, .. }
        | Outcome::OrderReturned { order, .. } => (Some(order), None),
        Outcome::ReservationCommitted { reservation, order, .. } => (Some(order), Some(reservation)),
        Outcome::ReservationCreated { reservation, .. }
        | Outcome::ReservationExtended { reservation, .. }
        | Outcome::ReservationReleased { reservation, .. }
        | Outcome::ReservationMoved { reservation, .. } => (None, Some(reservation)),
        Outcome::SkuCreated(_)
        | Outcome::SkuUpdated(_)
        | Outcome::SkuDeleted
        | Outcome::LocationCreated(_)
        | Outcome::LocationUpdated(_)
        | Outcome::LocationDeleted
        | Outcome::StockReceived(..)
        | Outcome::StockAdjusted(..)
        | Outcome::StockSet(..)
        | Outcome::StockMoved(..)
        | Outcome::Transacted(_)
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => (None, None),
    }
}

fn effect_if(moves: bool) -> Effect {
    if moves { Effect::Some } else { Effect::None }
}

/// Of a command that was about some lines, by how many there are that are tracked.
fn effect_on((tracked, lines): (usize, usize)) -> Effect {
    match tracked {
        0 => Effect::None,
        _ if tracked == lines => Effect::Some,
        _ => Effect::Perhaps,
    }
}

fn origin_of(entry: &LedgerEntry) -> Option<Origin> {
    Some(Origin { request: entry.request?, principal: entry.actor.clone()? })
}

fn is_next(before: &LedgerEntry, entry: &LedgerEntry) -> bool {
    before.revision == entry.revision && before.position.checked_add(1) == Some(entry.position)
}
