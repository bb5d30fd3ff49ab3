//! What a whole state breaks of the invariants, recomputed from the ledger, the orders and the reservations.
//!
//! Each check looks through everything again by itself, whatever another has found out. Not told here, because a state
//! can't tell: I7 and I10 (nothing that they speak of is there), I13 and I14 (they compare states).

mod ledger;
mod orders;
mod parcels;
mod requests;
mod reservations;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use stockade_state_machine::LogTime;
use stockade_state_machine::Revision;
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::order::{Order, OrderLine};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::malformed;
use crate::model::Model;

/// What was found, in words.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(words());
        }
    }
}

impl Model {
    /// Every invariant that this state breaks, in words that begin with its number; empty where there is none. Looks
    /// through the whole ledger.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Found::default();
        self.check_catalog(&mut found);
        self.check_stock(&mut found);
        self.check_clock(&mut found);
        self.check_ledger_order(&mut found);
        self.check_ledger_shapes(&mut found);
        self.check_balances(&mut found);
        self.check_orders(&mut found);
        self.check_orders_against_ledger(&mut found);
        self.check_parcels(&mut found);
        self.check_reservations(&mut found);
        self.check_reservations_against_ledger(&mut found);
        self.check_holds(&mut found);
        self.check_requests(&mut found);
        self.check_documents(&mut found);
        found.0
    }

    /// SKUs and locations: those that no command could have made, or brought to where they are.
    fn check_catalog(&self, found: &mut Found) {
        for (id, sku) in &self.skus {
            found.unless(*id == sku.id, || format!("sku {}: stands under the key {id}", sku.id));
            let rule = malformed::sku(&sku.details);
            found.unless(rule.is_none(), || format!("sku {id}: {}", rule.unwrap_or_default()));
        }
        for (id, location) in &self.locations {
            found.unless(*id == location.id, || {
                format!("location {}: stands under the key {id}", location.id)
            });
            let rule = malformed::location(&location.details);
            found.unless(rule.is_none(), || format!("location {id}: {}", rule.unwrap_or_default()));
        }
        let skus = self.skus.values().map(|sku| (sku.created, sku.updated));
        let locations = self.locations.values().map(|location| (location.created, location.updated));
        for (created, updated) in skus.chain(locations) {
            let in_time = created <= updated && updated <= self.clock.now;
            found.unless(in_time, || {
                format!(
                    "clock: a row was made at {created} and changed at {updated}, it is {}",
                    self.clock.now
                )
            });
        }
    }

    fn check_stock(&self, found: &mut Found) {
        let mut held = self.units_of_orders(|line| line.held);
        for (key, open) in self.units_of_reservations() {
            *held.entry(key).or_default() += open;
        }
        let owed = self.units_of_orders(|line| line.allocated - line.shipped);
        for (key, stock) in &self.stock {
            // "on_hand = available + reserved + committed + safety_stock + damaged + quality_control" (I1).
            let sum: i128 = stock.buckets().into_iter().map(i128::from).sum();
            found.unless(sum == i128::from(stock.on_hand()), || {
                format!("I1: {} is on hand of {}, its buckets hold {sum}", stock.on_hand(), name(key))
            });
            // "no bucket is ever below 0" (I2).
            for bucket in Bucket::ALL {
                found.unless(stock.get(bucket) >= 0, || {
                    format!("I2: {} of {} is {}", bucket.name(), name(key), stock.get(bucket))
                });
            }
            found.unless(self.skus.contains_key(&key.sku), || {
                format!("stock: {} has a row, its SKU is not there", name(key))
            });
            // "Deletes a location that has no stock of any SKU in any bucket. Its empty stock rows stay, all zero."
            let is_there = self.locations.contains_key(&key.location);
            found.unless(is_there || stock.on_hand() == 0, || {
                format!("stock: {} are on hand of {}, its location is not there", stock.on_hand(), name(key))
            });
        }
        for key in self.stock.keys().chain(held.keys()).chain(owed.keys()) {
            let stock = self.stock_at(key);
            // "reserved = sum of the open quantities of reservations and unpaid orders" (I3).
            let held = held.get(key).copied().unwrap_or_default();
            found.unless(i128::from(stock.get(Bucket::Reserved)) == held, || {
                format!(
                    "I3: reserved of {} is {}, orders and reservations hold {held}",
                    name(key),
                    stock.get(Bucket::Reserved)
                )
            });
            // "committed = sum of (allocated - shipped) over orders" (I4).
            let owed = owed.get(key).copied().unwrap_or_default();
            found.unless(i128::from(stock.get(Bucket::Committed)) == owed, || {
                format!(
                    "I4: committed of {} is {}, orders are owed {owed}",
                    name(key),
                    stock.get(Bucket::Committed)
                )
            });
        }
    }

    fn check_clock(&self, found: &mut Found) {
        let log_time = self.clock.now;
        // "Log time ... the largest seen".
        let last = self.ledger.last().map(|entry| entry.time).unwrap_or_default();
        found.unless(last <= log_time, || format!("clock: log time is {log_time}, the ledger is at {last}"));
        // "for a configurable retention": what is older is behind the horizon.
        let lowest = log_time.millis().saturating_sub(self.limits.retention_ms);
        found.unless(self.clock.horizon_ms >= lowest, || {
            format!("clock: the horizon is {}, it should be at least {lowest}", self.clock.horizon_ms)
        });
    }

    /// Log time of the entries that something that is kept tells of: "the commands of an entry share theirs".
    fn times(&self) -> BTreeMap<Revision, LogTime> {
        let records = self.requests.values().map(|record| (record.revision, record.time));
        let movements = self.ledger.iter().map(|entry| (entry.revision, entry.time));
        records.chain(movements).collect()
    }

    /// A sum over all lines of all orders, by what they name. Lines without location are left out: "then no bucket
    /// counts the units".
    fn units_of_orders(&self, units: impl Fn(&OrderLine) -> i64) -> BTreeMap<StockKey, i128> {
        let mut sums = BTreeMap::new();
        for line in self.orders().flat_map(|order| &order.lines) {
            let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
            let units = i128::from(units(line));
            if units != 0 {
                *sums.entry(key).or_default() += units;
            }
        }
        sums
    }

    /// What reservations hold, summed likewise.
    fn units_of_reservations(&self) -> BTreeMap<StockKey, i128> {
        let mut sums = BTreeMap::new();
        for line in self.reservations().flat_map(|reservation| &reservation.lines) {
            let Some(key) = key_of(&line.sku, line.location.as_ref()) else { continue };
            if line.open != 0 {
                *sums.entry(key).or_default() += i128::from(line.open);
            }
        }
        sums
    }

    /// All orders with the key that they stand under.
    fn order_rows(&self) -> impl Iterator<Item = (&OrderId, &Order)> {
        self.unpaid.iter().chain(&self.settled_or_owed)
    }
}

/// The stock that a line is taken from; `None` "where the SKU was not tracked when it was ordered", or reserved.
fn key_of(sku: &SkuId, location: Option<&LocationId>) -> Option<StockKey> {
    Some(StockKey { sku: sku.clone(), location: location?.clone() })
}

/// "The numbers of lines rise from 1 without a gap; parts of a line stand together."
fn are_numbered(numbers: impl IntoIterator<Item = u32>) -> bool {
    let mut before = 0;
    numbers.into_iter().all(|number| {
        let follows = number == before + 1 || (number == before && before > 0);
        before = number;
        follows
    })
}

fn name(key: &StockKey) -> String {
    format!("{} at {}", key.sku, key.location)
}
