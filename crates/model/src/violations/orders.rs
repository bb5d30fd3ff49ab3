//! Orders by themselves, and against what the ledger tells of them.

use std::collections::{BTreeMap, BTreeSet};

use stockade_state_machine::ids::{OrderId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::stock::{Bucket, StockKey};

use super::ledger::place;
use super::{Found, key_of, name};
use crate::model::Model;

/// Units that the ledger moved for the lines of one order that name one SKU and location.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    ordered: i128,
    held: i128,
    allocated: i128,
    shipped: i128,
    returned: i128,
    cancelled: i128,
    expired: i128,
}

impl Model {
    pub(super) fn check_orders(&self, found: &mut Found) {
        for (id, order) in self.order_rows() {
            found.unless(*id == order.id, || format!("order {}: stands under the key {id}", order.id));
            // "It has at least one line."
            found.unless(!order.lines.is_empty(), || format!("order {id}: has no line"));
            let is_unpaid = Self::order_state(order) == OrderState::PendingPayment;
            found.unless(self.unpaid.contains_key(id) == is_unpaid, || {
                format!("order {id}: stands among the wrong ones, it is {}", Self::order_state(order).name())
            });
            found.unless(!(self.unpaid.contains_key(id) && self.settled_or_owed.contains_key(id)), || {
                format!("order {id}: stands twice")
            });
            check_lines(order, found);
        }
    }

    /// "cancel, return or edit never takes back what has shipped" (I15), and every number of an order is the sum of
    /// movements (I5).
    pub(super) fn check_orders_against_ledger(&self, found: &mut Found) {
        let begun = self.orders_begun_in_ledger();
        let mut told = self.told_of_unpaid_commits(&begun);
        let mut last_movements: BTreeMap<OrderId, &LedgerEntry> = BTreeMap::new();
        let mut first_movements: BTreeMap<OrderId, &LedgerEntry> = BTreeMap::new();
        for entry in &self.ledger {
            let Some(id) = &entry.order else { continue };
            let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
            let told = told.entry((id.clone(), key)).or_default();
            told.take(entry);
            found.unless(told.is_possible(), || {
                format!("I15: {} leaves order {id} with {told:?}", place(entry))
            });
            last_movements.insert(id.clone(), entry);
            first_movements.entry(id.clone()).or_insert(entry);
        }
        let mut noted: BTreeMap<(OrderId, StockKey), Told> = BTreeMap::new();
        for order in self.orders() {
            for line in &order.lines {
                // "then no bucket counts the units", and the ledger tells nothing of them.
                let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
                let noted = noted.entry((order.id.clone(), key)).or_default();
                noted.ordered += i128::from(line.ordered);
                noted.held += i128::from(line.held);
                noted.allocated += i128::from(line.allocated);
                noted.shipped += i128::from(line.shipped);
                noted.returned += i128::from(line.returned);
                noted.cancelled += i128::from(line.cancelled);
                noted.expired += i128::from(line.expired);
            }
            check_changes(
                order,
                begun.contains(&order.id),
                first_movements.get(&order.id).copied(),
                last_movements.get(&order.id).copied(),
                found,
            );
        }
        for ((id, key), told) in &told {
            let noted = noted.remove(&(id.clone(), key.clone())).unwrap_or_default();
            found.unless(noted == *told, || {
                format!("I15: order {id} notes {noted:?} for {}, the ledger tells {told:?}", name(key))
            });
        }
        for ((id, key), noted) in noted {
            found.0.push(format!(
                "I15: order {id} notes {noted:?} for {}, the ledger tells nothing",
                name(&key)
            ));
        }
    }

    /// Orders whose units the ledger tells the beginning of. Of one that a reservation gave units to and that is not paid
    /// yet, "nothing moves, so there is no ledger entry".
    fn orders_begun_in_ledger(&self) -> BTreeSet<OrderId> {
        let begins = |entry: &&LedgerEntry| match entry.reason {
            Reason::Reservation => true,
            Reason::Commit => entry.reservation.is_some(),
            Reason::Received
            | Reason::Returned
            | Reason::Release
            | Reason::Expiry
            | Reason::Shipment
            | Reason::Restock
            | Reason::Correction
            | Reason::CycleCount
            | Reason::Damaged
            | Reason::Shrinkage
            | Reason::TheftLoss
            | Reason::Promotion
            | Reason::QualityHold
            | Reason::SafetyStock
            | Reason::Other => false,
        };
        self.ledger.iter().filter(begins).filter_map(|entry| entry.order.clone()).collect()
    }

    /// What orders were born with that the ledger doesn't tell the beginning of: all of it held.
    fn told_of_unpaid_commits(&self, begun: &BTreeSet<OrderId>) -> BTreeMap<(OrderId, StockKey), Told> {
        let mut told: BTreeMap<(OrderId, StockKey), Told> = BTreeMap::new();
        for order in self.orders().filter(|order| !begun.contains(&order.id)) {
            for line in &order.lines {
                let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
                let told = told.entry((order.id.clone(), key)).or_default();
                told.ordered += i128::from(line.ordered);
                told.held += i128::from(line.ordered);
            }
        }
        told
    }

    /// Units that reservations must have given to unpaid orders, by SKU: those of orders that the ledger doesn't tell the
    /// beginning of.
    pub(super) fn units_born_unpaid(&self) -> BTreeMap<SkuId, i128> {
        let begun = self.orders_begun_in_ledger();
        let mut sums: BTreeMap<SkuId, i128> = BTreeMap::new();
        for ((_, key), told) in self.told_of_unpaid_commits(&begun) {
            *sums.entry(key.sku).or_default() += told.ordered;
        }
        sums
    }
}

/// "Of the last change", "Log time of the last change", "Log time of the placement".
fn check_changes(
    order: &Order,
    begun_in_ledger: bool,
    first: Option<&LedgerEntry>,
    last: Option<&LedgerEntry>,
    found: &mut Found,
) {
    let tracked = order.lines.iter().filter(|line| line.location.is_some()).count();
    // Where it begins in the ledger, it moves units for every line that is tracked.
    let placed = first.map(|entry| entry.time);
    let in_time = if begun_in_ledger {
        placed == Some(order.created)
    } else {
        placed.is_none_or(|time| order.created <= time)
    };
    found.unless(in_time, || {
        format!("order {}: was placed at {}, by the ledger at {placed:?}", order.id, order.created)
    });
    let told = last.map(|entry| (entry.balances.version, entry.time));
    let noted = (order.version, order.updated);
    // A change of lines that are not tracked is in no ledger: such an order may be younger than its last movement.
    let holds = if tracked == order.lines.len() {
        // Of one that a reservation gave units to, unpaid, the ledger tells nothing until something becomes of it.
        told == Some(noted) || (told.is_none() && !begun_in_ledger && order.created == order.updated)
    } else {
        order.created <= order.updated
            && told.is_none_or(|(version, time)| version <= noted.0 && time <= noted.1)
    };
    found.unless(holds, || {
        format!("order {}: changed last at {noted:?}, by the ledger at {told:?}", order.id)
    });
}

fn check_lines(order: &Order, found: &mut Found) {
    for (line, number) in order.lines.iter().zip(1_u32..) {
        let parts = [line.held, line.allocated, line.cancelled, line.expired];
        let all = [line.ordered, line.shipped, line.returned].into_iter().chain(parts);
        for units in all {
            found.unless(units >= 0, || format!("I5: line {number} of order {} has {units} units", order.id));
        }
        // "ordered = held + allocated + backordered + cancelled (+ expired)" (I5).
        let sum: i128 = parts.into_iter().map(i128::from).sum();
        found.unless(i128::from(line.ordered) == sum, || {
            format!(
                "I5: line {number} of order {} has {} ordered, its parts are {sum}",
                order.id, line.ordered
            )
        });
        // "shipped <= allocated" (I5).
        found.unless(line.shipped <= line.allocated, || {
            format!(
                "I5: line {number} of order {} has {} shipped and {} allocated",
                order.id, line.shipped, line.allocated
            )
        });
        // "returned <= shipped" (I5).
        found.unless(line.returned <= line.shipped, || {
            format!(
                "I5: line {number} of order {} has {} returned and {} shipped",
                order.id, line.returned, line.shipped
            )
        });
    }
}

impl Told {
    fn take(&mut self, entry: &LedgerEntry) {
        let units = i128::from(entry.quantity);
        match entry.reason {
            Reason::Reservation => {
                self.ordered += units;
                self.held += units;
            }
            // Of a reservation, paid at once.
            Reason::Commit if entry.reservation.is_some() => {
                self.ordered += units;
                self.allocated += units;
            }
            Reason::Commit => {
                self.held -= units;
                self.allocated += units;
            }
            Reason::Expiry => {
                self.held -= units;
                self.expired += units;
            }
            Reason::Release => {
                let owed = entry.from == Some(Bucket::Committed);
                *if owed { &mut self.allocated } else { &mut self.held } -= units;
                self.cancelled += units;
            }
            Reason::Shipment => self.shipped += units,
            Reason::Returned => self.returned += units,
            // These move units for no order; that one stands beside them is told elsewhere.
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
            | Reason::Other => {}
        }
    }

    fn is_possible(&self) -> bool {
        self.held >= 0
            && self.allocated >= self.shipped
            && self.shipped >= self.returned
            && self.returned >= 0
    }
}
