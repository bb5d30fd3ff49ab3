//! Request records and documents against what the ledger tells of them.

use std::collections::BTreeMap;

use stockade_state_machine::Revision;
use stockade_state_machine::command::Origin;
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::outcome::Outcome;

use super::Found;
use super::ledger::place;
use crate::model::Model;

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
            let effect: Option<Revision> = effects.get(origin).map(|entry| entry.revision);
            let expected = moves_units(&record.outcome).then_some(record.revision);
            found.unless(effect == expected, || {
                format!(
                    "I11: request {} of {} has its effect at {effect:?}, by its record at {expected:?}",
                    origin.request, origin.principal
                )
            });
        }
        // "How many request records are kept."
        let (kept, most) = (self.requests.len(), self.limits.max_records);
        found.unless(kept <= most, || format!("requests: {kept} records are kept, at most {most} should be"));
    }

    /// "documents: a caller's numbers of receipts, adjustments and returns, each booked once, for ever".
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
        let booked: BTreeMap<DocumentId, Document> = bookings
            .into_iter()
            .map(|(id, entry)| (id.clone(), Document { id, revision: entry.revision }))
            .collect();
        found.unless(booked == self.documents, || {
            format!("documents: {:?} are noted, by the ledger {booked:?}", self.documents)
        });
    }
}

fn origin_of(entry: &LedgerEntry) -> Option<Origin> {
    Some(Origin { request: entry.request?, principal: entry.actor.clone()? })
}

fn is_next(before: &LedgerEntry, entry: &LedgerEntry) -> bool {
    before.revision == entry.revision && before.position.checked_add(1) == Some(entry.position)
}

fn moves_units(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::StockReceived(..)
        | Outcome::StockAdjusted(..)
        | Outcome::OrderPlaced { .. }
        | Outcome::OrderConfirmed { .. }
        | Outcome::OrderShipped { .. }
        | Outcome::OrderCancelled { .. }
        | Outcome::OrderReturned { .. } => true,
        // What the system expires is on nobody's behalf; a refusal changes nothing.
        Outcome::SkuCreated(_)
        | Outcome::SkuUpdated(_)
        | Outcome::SkuDeleted
        | Outcome::DueExpired { .. }
        | Outcome::RequestAbandoned
        | Outcome::Rejected(_) => false,
    }
}
