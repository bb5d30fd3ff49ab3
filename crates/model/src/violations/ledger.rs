//! The ledger by itself, and the stock that follows from it.

use std::collections::BTreeMap;

use stockade_state_machine::Version;
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::stock::{Bucket, StockKey};

use super::{Found, name};
use crate::model::Model;

impl Model {
    pub(super) fn check_ledger_order(&self, found: &mut Found) {
        for (at, entry) in self.ledger.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| &self.ledger[at]);
            let same_revision = before.filter(|before| before.revision == entry.revision);
            // "Position of the movement among those that share the revision, from 0."
            let expected = same_revision.map_or(0, |before| before.position.saturating_add(1));
            found.unless(entry.position == expected, || {
                format!("ledger: {} stands where position {expected} belongs", place(entry))
            });
            let Some(before) = before else { continue };
            found.unless(before.revision <= entry.revision, || {
                format!("ledger: {} stands behind {}", place(entry), place(before))
            });
            // The balances tell the command, and the commands of an entry move units one after the other.
            found.unless(before.balances.version <= entry.balances.version, || {
                format!("ledger: {} is of an earlier command than {}", place(entry), place(before))
            });
            // "log time, never going back"; the commands of an entry share theirs.
            let in_time =
                if same_revision.is_some() { before.time == entry.time } else { before.time <= entry.time };
            found.unless(in_time, || {
                format!(
                    "ledger: {} is of {}, {} before it of {}",
                    place(entry),
                    entry.time,
                    place(before),
                    before.time
                )
            });
        }
    }

    pub(super) fn check_ledger_shapes(&self, found: &mut Found) {
        for entry in &self.ledger {
            // "Units, at least 1."
            found.unless(entry.quantity >= 1, || {
                format!("ledger: {} moves {} units", place(entry), entry.quantity)
            });
            found.unless(may_move(entry.reason, entry.from, entry.to), || {
                format!(
                    "ledger: {} moves units from {:?} to {:?} by {:?}",
                    place(entry),
                    entry.from,
                    entry.to,
                    entry.reason
                )
            });
            // "The order that moved it, where one did", and the reservation.
            found.unless(may_be_of(entry), || {
                format!(
                    "ledger: {} is by {:?} from {:?} and has the order {:?} and the reservation {:?}",
                    place(entry),
                    entry.reason,
                    entry.from,
                    entry.order,
                    entry.reservation
                )
            });
            // "None for the system": it is the system that expires, whoever's command came upon it.
            let of_system = entry.actor.is_none() && entry.request.is_none() && entry.document.is_none();
            found.unless(entry.reason != Reason::Expiry || of_system, || {
                format!("I12: {} expires units on behalf of a caller", place(entry))
            });
        }
    }

    /// "each bucket's balance = its ledger's in minus out" (I6), after every movement.
    pub(super) fn check_balances(&self, found: &mut Found) {
        let mut sums: BTreeMap<StockKey, [i128; 6]> = BTreeMap::new();
        let mut last_changes: BTreeMap<StockKey, Version> = BTreeMap::new();
        for entry in &self.ledger {
            let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
            let sum = sums.entry(key.clone()).or_default();
            for (units, bucket) in sum.iter_mut().zip(Bucket::ALL) {
                if entry.from == Some(bucket) {
                    *units -= i128::from(entry.quantity);
                }
                if entry.to == Some(bucket) {
                    *units += i128::from(entry.quantity);
                }
                // "no bucket is ever below 0" (I2); "lines that share a SKU ... are checked on their sum" (I9).
                let number = if entry.reason == Reason::Reservation { "I9" } else { "I2" };
                found.unless(*units >= 0, || {
                    format!(
                        "{number}: {} leaves {} of {} at {units}",
                        place(entry),
                        bucket.name(),
                        name(&key)
                    )
                });
            }
            found.unless(entry.balances.buckets().map(i128::from) == *sum, || {
                format!("I6: {} notes {:?}, its ledger makes {sum:?}", place(entry), entry.balances.buckets())
            });
            // "Revision of the last booking ..., a scrapped return included".
            found.unless(entry.balances.version.revision == entry.revision, || {
                format!("I6: {} notes balances of {:?}", place(entry), entry.balances.version)
            });
            last_changes.insert(key, entry.balances.version);
        }
        for (key, sum) in &sums {
            // A SKU that is gone left no stock behind, so its sums are 0.
            let stock = self.stock_at(key).buckets();
            found.unless(stock.map(i128::from) == *sum, || {
                format!("I6: {} is {stock:?}, its ledger makes {sum:?}", name(key))
            });
        }
        for (key, stock) in &self.stock {
            // "0 where none was ever booked."
            let last = last_changes.get(key).copied().unwrap_or_default();
            found.unless(stock.version == last, || {
                format!("I6: {} is of {:?}, its ledger of {last:?}", name(key), stock.version)
            });
        }
    }
}

/// Between which buckets units may move for a reason.
fn may_move(reason: Reason, from: Option<Bucket>, to: Option<Bucket>) -> bool {
    match reason {
        Reason::Received => (from, to) == (None, Some(Bucket::Available)),
        Reason::Returned => from.is_none() && matches!(to, None | Some(Bucket::Available | Bucket::Damaged)),
        Reason::Reservation => (from, to) == (Some(Bucket::Available), Some(Bucket::Reserved)),
        // Of units that were held, or that an expired order takes anew.
        Reason::Commit => {
            matches!(from, Some(Bucket::Reserved | Bucket::Available)) && to == Some(Bucket::Committed)
        }
        Reason::Release => {
            matches!(from, Some(Bucket::Reserved | Bucket::Committed)) && to == Some(Bucket::Available)
        }
        Reason::Expiry => (from, to) == (Some(Bucket::Reserved), Some(Bucket::Available)),
        Reason::Shipment => (from, to) == (Some(Bucket::Committed), None),
        Reason::Restock
        | Reason::Correction
        | Reason::CycleCount
        | Reason::Damaged
        | Reason::Shrinkage
        | Reason::TheftLoss
        | Reason::Promotion
        | Reason::QualityHold
        | Reason::SafetyStock
        | Reason::Other => match (from, to) {
            // "RESERVED and COMMITTED belong to orders and can't be adjusted."
            (None, Some(bucket)) | (Some(bucket), None) => !is_of_orders(bucket),
            // "Moves units from one bucket to another": the same holds of both.
            (Some(from), Some(to)) => from != to && !is_of_orders(from) && !is_of_orders(to),
            (None, None) => false,
        },
    }
}

fn is_of_orders(bucket: Bucket) -> bool {
    matches!(bucket, Bucket::Reserved | Bucket::Committed)
}

/// Whether the order and the reservation that stand in a movement are those that its reason has.
fn may_be_of(entry: &LedgerEntry) -> bool {
    let (order, reservation) = (entry.order.is_some(), entry.reservation.is_some());
    match entry.reason {
        // What is owed is an order's.
        Reason::Release if entry.from == Some(Bucket::Committed) => order && !reservation,
        // "an order or a reservation took a hold", "a cancelled order or a reservation gave units back", "the time of an
        // unpaid order or a reservation was over".
        Reason::Reservation | Reason::Release | Reason::Expiry => order != reservation,
        // What an order takes anew is its own.
        Reason::Commit if entry.from == Some(Bucket::Available) => order && !reservation,
        // Of an order that was unpaid, or "with order and reservation in the ledger".
        Reason::Commit => order,
        Reason::Returned | Reason::Shipment => order && !reservation,
        Reason::Received
        | Reason::Restock
        | Reason::Correction
        | Reason::CycleCount
        | Reason::Damaged
        | Reason::Shrinkage
        | Reason::TheftLoss
        | Reason::Promotion
        | Reason::QualityHold
        | Reason::SafetyStock
        | Reason::Other => !order && !reservation,
    }
}

pub(super) fn place(entry: &LedgerEntry) -> String {
    format!("movement {}.{}", entry.revision, entry.position)
}
