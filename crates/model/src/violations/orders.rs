//! Orders by themselves, and against what the ledger tells of them.

use std::collections::{BTreeMap, BTreeSet};

use stockade_state_machine::LogTime;
use stockade_state_machine::Revision;
use stockade_state_machine::ids::{OrderId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::stock::{Bucket, StockKey};

use super::ledger::place;
use super::{Found, are_numbered, key_of, name};
use crate::model::Model;

/// Units that the ledger moved for the lines of one order that name one SKU and location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct There {
    held: i128,
    allocated: i128,
    shipped: i128,
}

/// Units that it moved for the lines of one order that name one SKU and any location: an order that takes its units anew
/// may find them elsewhere, and units may come back to elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Anywhere {
    ordered: i128,
    shipped: i128,
    returned: i128,
    cancelled: i128,
    expired: i128,
}

/// What the ledger tells of orders, or what they note themselves.
#[derive(Debug, Default)]
struct Told {
    there: BTreeMap<(OrderId, StockKey), There>,
    anywhere: BTreeMap<(OrderId, SkuId), Anywhere>,
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
    /// movements (I5), but for what was "not there when a PARTIAL order was placed": that moved never.
    pub(super) fn check_orders_against_ledger(&self, found: &mut Found) {
        let begun = self.orders_begun_in_ledger();
        let mut told = self.told_of_unpaid_commits(&begun);
        let mut last_movements: BTreeMap<OrderId, &LedgerEntry> = BTreeMap::new();
        let mut first_movements: BTreeMap<OrderId, &LedgerEntry> = BTreeMap::new();
        for entry in &self.ledger {
            let Some(id) = &entry.order else { continue };
            let is_possible = told.take(id, entry);
            found.unless(is_possible, || format!("I15: {} leaves order {id} with less than 0", place(entry)));
            last_movements.insert(id.clone(), entry);
            first_movements.entry(id.clone()).or_insert(entry);
        }
        let noted = self.noted_of_orders();
        let keys: BTreeSet<_> = told.there.keys().chain(noted.there.keys()).collect();
        for (id, key) in keys {
            let at = (id.clone(), key.clone());
            let told = told.there.get(&at).copied().unwrap_or_default();
            let noted = noted.there.get(&at).copied().unwrap_or_default();
            found.unless(noted == told, || {
                format!("I15: order {id} notes {noted:?} for {}, the ledger tells {told:?}", name(key))
            });
        }
        let skus: BTreeSet<_> = told.anywhere.keys().chain(noted.anywhere.keys()).collect();
        let mut missing: BTreeMap<&OrderId, i128> = BTreeMap::new();
        let mut born: BTreeMap<&OrderId, i128> = BTreeMap::new();
        for (id, sku) in skus {
            let at = (id.clone(), sku.clone());
            let told = told.anywhere.get(&at).copied().unwrap_or_default();
            let noted = noted.anywhere.get(&at).copied().unwrap_or_default();
            // "what is missing counts as cancelled from the start".
            let lacks = noted.cancelled - told.cancelled;
            let expected =
                Anywhere { ordered: told.ordered + lacks, cancelled: told.cancelled + lacks, ..told };
            found.unless(lacks >= 0 && noted == expected, || {
                format!("I15: order {id} notes {noted:?} of {sku}, the ledger tells {told:?}")
            });
            *missing.entry(id).or_default() += lacks;
            *born.entry(id).or_default() += told.ordered;
        }
        let times = self.times();
        let placed = self.orders_placed_in_ledger();
        for order in self.orders() {
            let lacks = missing.get(&order.id).copied().unwrap_or_default();
            let has = born.get(&order.id).copied().unwrap_or_default();
            // A reservation gives what it has: only what was placed may lack something.
            found.unless(lacks == 0 || has == 0 || placed.contains(&order.id), || {
                format!("I15: order {} lacks {lacks} units, a reservation gave it {has}", order.id)
            });
            check_changes(
                order,
                begun.contains(&order.id),
                (first_movements.get(&order.id).copied(), last_movements.get(&order.id).copied()),
                &times,
                found,
            );
        }
    }

    fn noted_of_orders(&self) -> Told {
        let mut noted = Told::default();
        for order in self.orders() {
            for line in &order.lines {
                // "then no bucket counts the units", and the ledger tells nothing of them.
                let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
                let anywhere = noted.anywhere.entry((order.id.clone(), line.sku.clone())).or_default();
                anywhere.ordered += i128::from(line.ordered);
                anywhere.shipped += i128::from(line.shipped);
                anywhere.returned += i128::from(line.returned);
                anywhere.cancelled += i128::from(line.cancelled);
                anywhere.expired += i128::from(line.expired);
                let there = noted.there.entry((order.id.clone(), key)).or_default();
                there.held += i128::from(line.held);
                there.allocated += i128::from(line.allocated);
                there.shipped += i128::from(line.shipped);
            }
        }
        noted
    }

    /// Orders of which the ledger tells that they took units themselves.
    fn orders_placed_in_ledger(&self) -> BTreeSet<OrderId> {
        let takes = |entry: &&LedgerEntry| entry.reason == Reason::Reservation;
        self.ledger.iter().filter(takes).filter_map(|entry| entry.order.clone()).collect()
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

    /// What orders were born with that the ledger doesn't tell the beginning of: all of it held, until the ledger tells what
    /// became of it.
    fn told_of_unpaid_commits(&self, begun: &BTreeSet<OrderId>) -> Told {
        let mut told = Told::default();
        let mut born = |id: &OrderId, key: StockKey, units: i64| {
            let units = i128::from(units);
            told.anywhere.entry((id.clone(), key.sku.clone())).or_default().ordered += units;
            told.there.entry((id.clone(), key)).or_default().held += units;
        };
        for entry in &self.ledger {
            let Some(id) = entry.order.as_ref().filter(|id| !begun.contains(*id)) else { continue };
            if entry.from == Some(Bucket::Reserved) {
                born(
                    id,
                    StockKey { sku: entry.sku.clone(), location: entry.location.clone() },
                    entry.quantity,
                );
            }
        }
        for order in self.orders().filter(|order| !begun.contains(&order.id)) {
            for line in &order.lines {
                let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
                born(&order.id, key, line.held);
            }
        }
        told
    }

    /// Units that reservations must have given to unpaid orders, by SKU: those of orders that the ledger doesn't tell the
    /// beginning of.
    pub(super) fn units_born_unpaid(&self) -> BTreeMap<SkuId, i128> {
        let begun = self.orders_begun_in_ledger();
        let mut sums: BTreeMap<SkuId, i128> = BTreeMap::new();
        for ((_, sku), told) in self.told_of_unpaid_commits(&begun).anywhere {
            *sums.entry(sku).or_default() += told.ordered;
        }
        sums
    }
}

/// "Of the last change", "Log time of the last change", "Log time of the placement".
fn check_changes(
    order: &Order,
    begun_in_ledger: bool,
    (first, last): (Option<&LedgerEntry>, Option<&LedgerEntry>),
    times: &BTreeMap<Revision, LogTime>,
    found: &mut Found,
) {
    // Where it begins in the ledger, it moves units at once.
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
    // Not every change is in the ledger: what is not tracked, an extension, the end. It may be younger than its last movement.
    let holds = order.created <= order.updated
        && told.is_none_or(|(version, time)| version <= noted.0 && time <= noted.1)
        && times.get(&order.version.revision).is_none_or(|time| *time == order.updated);
    found.unless(holds, || {
        format!("order {}: changed last at {noted:?}, by the ledger at {told:?}", order.id)
    });
}

fn check_lines(order: &Order, found: &mut Found) {
    let id = &order.id;
    found.unless(are_numbered(order.lines.iter().map(|line| line.number)), || {
        format!("I5: the numbers of the lines of order {id} have gaps, or parts stand apart")
    });
    for (before, part) in order.lines.iter().zip(order.lines.iter().skip(1)) {
        let is_same = before.sku == part.sku && before.unit_price_minor == part.unit_price_minor;
        found.unless(before.number != part.number || is_same, || {
            format!("I5: parts of line {} of order {id} differ in what they are of", part.number)
        });
    }
    for line in &order.lines {
        let number = line.number;
        let parts = [line.held, line.allocated, line.cancelled, line.expired];
        let all = [line.ordered, line.shipped, line.returned].into_iter().chain(parts);
        for units in all {
            found.unless(units >= 0, || format!("I5: line {number} of order {} has {units} units", order.id));
        }
        found
            .unless(line.ordered >= 1, || format!("I5: a part of line {number} of order {id} is of nothing"));
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
    /// Takes a movement of an order in. False where it can't be: where it leaves less than 0 of something.
    fn take(&mut self, id: &OrderId, entry: &LedgerEntry) -> bool {
        let units = i128::from(entry.quantity);
        let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
        let anywhere = self.anywhere.entry((id.clone(), entry.sku.clone())).or_default();
        let there = self.there.entry((id.clone(), key)).or_default();
        match entry.reason {
            Reason::Reservation => {
                anywhere.ordered += units;
                there.held += units;
            }
            // Of a reservation, paid at once.
            Reason::Commit if entry.reservation.is_some() => {
                anywhere.ordered += units;
                there.allocated += units;
            }
            // "take the units anew": those that had expired.
            Reason::Commit if entry.from == Some(Bucket::Available) => {
                anywhere.expired -= units;
                there.allocated += units;
            }
            Reason::Commit => {
                there.held -= units;
                there.allocated += units;
            }
            Reason::Expiry => {
                there.held -= units;
                anywhere.expired += units;
            }
            Reason::Release => {
                let owed = entry.from == Some(Bucket::Committed);
                *if owed { &mut there.allocated } else { &mut there.held } -= units;
                anywhere.cancelled += units;
            }
            Reason::Shipment => {
                anywhere.shipped += units;
                there.shipped += units;
            }
            Reason::Returned => anywhere.returned += units,
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
        there.held >= 0
            && there.allocated >= there.shipped
            && anywhere.expired >= 0
            && anywhere.shipped >= anywhere.returned
    }
}
