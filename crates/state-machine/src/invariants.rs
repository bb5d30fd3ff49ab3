//! Checks of the whole state, for tests and verification: costly, so never on the way of a command.

use std::collections::BTreeMap;

use crate::ids::{LocationId, SkuId};
use crate::ledger::LedgerEntry;
use crate::order::Order;
use crate::reservation::Reservation;
use crate::state::State;
use crate::stock::{Bucket, StockKey};

/// Every broken invariant, in words; empty where all hold.
///
/// `settled` are the orders that are not in memory (of reservations only those in memory are looked at); `ledger` are all entries since the state was empty, or nothing
/// where they aren't at hand (then I6 is left out).
pub fn violations<'a>(
    state: &'a State,
    settled: impl Iterator<Item = &'a Order>,
    ledger: Option<&[LedgerEntry]>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut owed: BTreeMap<StockKey, (i64, i64)> = BTreeMap::new();
    for order in state.orders().map(AsRef::as_ref).chain(settled) {
        check_lines(order, &mut found);
        for line in &order.lines {
            let Some(location) = line.location.clone() else { continue };
            let key = StockKey { sku: line.sku.clone(), location };
            let (held, unshipped) = owed.entry(key).or_default();
            *held += line.held;
            *unshipped += line.unshipped();
        }
    }
    for reservation in state.reservations_after(None) {
        check_reservation(reservation, &mut found);
        for line in &reservation.lines {
            let Some(location) = line.location.clone() else { continue };
            owed.entry(StockKey { sku: line.sku.clone(), location }).or_default().0 += line.open;
        }
    }
    for (key, stock) in state.stock_after(None) {
        let (held, unshipped) = owed.remove(key).unwrap_or_default();
        expect_equal(&mut found, &format!("I3 {key:?} reserved"), stock.get(Bucket::Reserved), held);
        expect_equal(&mut found, &format!("I4 {key:?} committed"), stock.get(Bucket::Committed), unshipped);
        if state.sku(&key.sku).is_none() {
            found.push(format!("stock of a SKU that does not exist: {key:?}"));
        }
        if state.location(&key.location).is_none() && stock.on_hand() > 0 {
            found.push(format!("stock at a location that does not exist: {key:?}"));
        }
    }
    check_index_by_location(state, &mut found);
    for (key, (held, unshipped)) in owed {
        expect_equal(&mut found, &format!("I3 {key:?} without stock, held"), held, 0);
        expect_equal(&mut found, &format!("I4 {key:?} without stock, owed"), unshipped, 0);
    }
    if !state.is_due_right() {
        found.push("the index of holds by their end is wrong".to_owned());
    }
    if let Some(ledger) = ledger {
        check_ledger(state, ledger, &mut found);
    }
    found
}

/// The index has the rows of every location, those with units where units are.
fn check_index_by_location(state: &State, found: &mut Vec<String>) {
    let mut by_location: BTreeMap<&LocationId, (Vec<&SkuId>, Vec<&SkuId>)> = BTreeMap::new();
    for (key, stock) in state.stock_after(None) {
        let (all, with_units) = by_location.entry(&key.location).or_default();
        all.push(&key.sku);
        if stock.on_hand() > 0 {
            with_units.push(&key.sku);
        }
    }
    for (location, (all, with_units)) in by_location {
        let is_indexed = state.skus_at(location, None).eq(all);
        if !is_indexed || !state.skus_with_units_at(location).eq(with_units) {
            found.push(format!("the index by location is wrong about {location}"));
        }
    }
}

/// I5, and that no quantity is below 0.
fn check_lines(order: &Order, found: &mut Vec<String>) {
    check_numbers(order.lines.iter().map(|line| line.number), &order.id, found);
    let mut packed: BTreeMap<usize, i64> = BTreeMap::new();
    for line in order.parcels.iter().flat_map(|parcel| &parcel.lines) {
        *packed.entry(usize::try_from(line.part).expect("u32 fits")).or_default() += line.quantity;
    }
    for (index, line) in order.lines.iter().enumerate() {
        let name = format!("I5 order {} line {}", order.id, line.number);
        expect_equal(
            found,
            &format!("{name} in parcels"),
            packed.remove(&index).unwrap_or_default(),
            line.shipped,
        );
        let parts = line.held + line.allocated + line.cancelled + line.expired;
        expect_equal(found, &name, line.ordered, parts);
        let quantities =
            [line.held, line.allocated, line.cancelled, line.expired, line.shipped, line.returned];
        if quantities.iter().any(|quantity| *quantity < 0) {
            found.push(format!("{name}: below 0: {line:?}"));
        }
        if line.shipped > line.allocated || line.returned > line.shipped {
            found.push(format!("{name}: returned <= shipped <= allocated does not hold: {line:?}"));
        }
    }
}

/// The numbers of lines rise from 1 without a gap, and there is one.
fn check_numbers(numbers: impl Iterator<Item = u32>, of: &dyn std::fmt::Display, found: &mut Vec<String>) {
    let mut last = 0;
    for number in numbers {
        if number != last && number != last + 1 {
            found.push(format!("line {number} of {of} comes after line {last}"));
        }
        last = number;
    }
    if last == 0 {
        found.push(format!("{of} has no line"));
    }
}

/// I8, and that no quantity is below 0.
fn check_reservation(reservation: &Reservation, found: &mut Vec<String>) {
    check_numbers(reservation.lines.iter().map(|line| line.number), &reservation.id, found);
    for line in &reservation.lines {
        let name = format!("I8 reservation {} line {}", reservation.id, line.number);
        let quantities = [line.open, line.committed, line.released, line.expired];
        expect_equal(found, &name, line.quantity, quantities.iter().sum());
        if quantities.iter().any(|quantity| *quantity < 0) {
            found.push(format!("{name}: below 0: {line:?}"));
        }
    }
}

/// I6: each bucket's balance is what the ledger moved in less what it moved out, and the last entry says so.
fn check_ledger(state: &State, ledger: &[LedgerEntry], found: &mut Vec<String>) {
    let mut balances: BTreeMap<StockKey, [i64; 6]> = BTreeMap::new();
    for entry in ledger {
        let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
        let buckets = balances.entry(key).or_default();
        if let Some(from) = entry.from {
            buckets[from as usize] -= entry.quantity;
        }
        if let Some(to) = entry.to {
            buckets[to as usize] += entry.quantity;
        }
        if *buckets != entry.balances.buckets() {
            found.push(format!("I6 the balances of ledger entry {entry:?} should be {buckets:?}"));
        }
    }
    for (key, buckets) in balances {
        let stock = state.stock(&key).buckets();
        if stock != buckets {
            found.push(format!("I6 {key:?} is {stock:?}, its ledger says {buckets:?}"));
        }
    }
}

fn expect_equal(found: &mut Vec<String>, name: &str, is: i64, should: i64) {
    if is != should {
        found.push(format!("{name}: is {is}, should be {should}"));
    }
}
