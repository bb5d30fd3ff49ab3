use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::{LogTime, Version};

use super::*;
use crate::ledger::row::{LedgerItems, LedgerRowWrite};
use crate::pages::{self, Item};
use crate::rows::WHOLE;

const SKUS: [&str; 3] = ["mug", "plate", "bowl"];

/// A ledger of receipts, and moves out of what was received.
fn ledger(count: u32) -> Vec<LedgerEntry> {
    let mut stock = [[0; 6]; SKUS.len()];
    let entry = |number: u32| {
        let at = number as usize % SKUS.len();
        let (from, to) = if number % 7 < 4 {
            (None, Bucket::Available)
        } else {
            (Some(Bucket::Available), Bucket::Damaged)
        };
        let quantity = if from.is_some() { 1 } else { i64::from(number) + 5 };
        if let Some(from) = from {
            stock[at][from as usize] -= quantity;
        }
        stock[at][to as usize] += quantity;
        let revision = Revision::new(u64::from(number) / 3 + 1);
        LedgerEntry {
            revision,
            position: number % 3,
            time: LogTime::from_micros(1_700_000_000_000_000 + u64::from(number)),
            sku: SkuId::new(SKUS[at]).unwrap(),
            location: LocationId::new("main").unwrap(),
            from,
            to: Some(to),
            quantity,
            reason: Reason::Received,
            actor: None,
            request: None,
            order: None,
            reservation: None,
            document: None,
            reference: format!("https://example.com/{number}"),
            balances: Stock::from_buckets(stock[at], Version { revision, position: 0 })
                .expect("never below zero"),
        }
    };
    (0..count).map(entry).collect()
}

fn items(entries: &[LedgerEntry]) -> (LedgerItems, Chain) {
    let mut items = LedgerItems::default();
    let mut chain = Chain::default();
    for entry in entries {
        let bytes = entry.encode();
        chain = items.chain(entry, &bytes);
        let (revision, position) = (entry.revision.get(), entry.position);
        items.push([Item { revision, position, bytes: bytes.into() }]);
    }
    (items, chain)
}

fn flip(item: &mut Item, at: usize, bits: u8) {
    let mut bytes = item.bytes.to_vec();
    bytes[at] ^= bits;
    item.bytes = bytes.into();
}

/// Rows as the engine has them.
fn rows(items: &LedgerItems) -> Vec<(RowKey, Vec<u8>)> {
    let row = |row: LedgerRowWrite<'_>| (row.first, row.value[WHOLE.len()..].to_vec());
    items.rows().into_iter().map(row).collect()
}

fn check(rows: &[(RowKey, Vec<u8>)], chain: Chain) -> LedgerVerification {
    let mut check = LedgerCheck::default();
    for (first, value) in rows {
        check.row(*first, value);
    }
    check.end(chain);
    check.into_verification(Revision::new(9_999))
}

fn named(found: &LedgerVerification) -> Vec<RowKey> {
    found.problems.iter().map(|problem| (problem.revision.get(), problem.position)).collect()
}

fn place(entry: &LedgerEntry) -> RowKey {
    (entry.revision.get(), entry.position)
}

#[test]
fn a_ledger_as_it_was_written_has_no_problem() {
    let entries = ledger(400);
    let (items, chain) = items(&entries);
    let rows = rows(&items);
    assert!(rows.len() > 2, "entries share rows, and not all of them one");
    let found = check(&rows, chain);
    assert_eq!((found.problem_count, found.entries, found.chain), (0, 400, chain.hash));
}

/// Puts other items into a row in place of its own, and leaves the hash before it.
fn repacked(value: &[u8], change: impl FnOnce(&mut Vec<Item>)) -> Vec<u8> {
    let (before, page) = value.split_at(32);
    let mut items = pages::unpack(page).unwrap();
    change(&mut items);
    let pages = pages::pack(&items);
    assert_eq!(pages.len(), 1);
    [before, &pages[0].bytes].concat()
}

#[test]
fn every_changed_byte_of_an_entry_is_found_and_the_entry_named() {
    let entries = ledger(24);
    let (items, chain) = items(&entries);
    let sound = rows(&items);
    assert_eq!(sound.len(), 1);
    let mut changed_bytes = 0;
    for (number, entry) in entries.iter().enumerate() {
        // Its tag, and its frozen form.
        let bytes = 8 + entry.encode().len();
        for at in 0..bytes {
            let value = repacked(&sound[0].1, |items| flip(&mut items[number], at, 0x10));
            let found = check(&[(sound[0].0, value)], chain);
            assert_eq!(named(&found).first(), Some(&place(entry)), "byte {at} of {entry:?}");
            changed_bytes += 1;
        }
    }
    assert!(changed_bytes > 1_500, "{changed_bytes}");
}

#[test]
fn a_changed_byte_of_a_row_is_found_or_unpacks_to_the_same() {
    let (items, chain) = items(&ledger(400));
    let sound = rows(&items);
    let mut same = 0;
    // A prime, so that all parts of what is packed have their turn.
    for at in (0..sound[1].1.len()).step_by(11) {
        let mut changed = sound.clone();
        changed[1].1[at] ^= 0x04;
        let found = check(&changed, chain);
        if found.problem_count == 0 {
            // A packed page may refer to another place that holds the same bytes.
            assert_eq!(pages::open(&changed[1].1[32..]).unwrap(), pages::open(&sound[1].1[32..]).unwrap());
            same += 1;
            continue;
        }
        let (first, next) = (sound[1].0, sound[2].0);
        assert!(named(&found).iter().any(|at| (first..=next).contains(at)), "byte {at}: {found:?}");
    }
    assert!(same * 110 < sound[1].1.len(), "{same}");
}

#[test]
fn what_follows_a_changed_entry_is_still_checked() {
    let entries = ledger(400);
    let (items, chain) = items(&entries);
    let mut changed = rows(&items);
    let last = changed.len() - 1;
    let first_of_last = changed[last].0;
    for row in [0, last] {
        changed[row].1 = repacked(&changed[row].1, |items| {
            let last = items[1].bytes.len() - 1;
            flip(&mut items[1], last, 1);
        });
    }
    let found = check(&changed, chain);
    assert_eq!(named(&found).first(), Some(&place(&entries[1])));
    let second = entries.iter().position(|entry| place(entry) == first_of_last).unwrap() + 1;
    assert!(named(&found).contains(&place(&entries[second])), "{found:?}");
}

#[test]
fn a_lost_row_is_noticed_where_the_ledger_goes_on_or_at_its_end() {
    let (items, chain) = items(&ledger(400));
    let sound = rows(&items);
    for lost in 0..sound.len() {
        let mut rows = sound.clone();
        rows.remove(lost);
        let found = check(&rows, chain);
        assert!(found.problem_count > 0, "row {lost}");
        if let Some((next, _)) = sound.get(lost + 1) {
            assert_eq!(named(&found)[0], *next);
        }
    }
}

#[test]
fn an_entry_that_is_taken_out_or_doubled_is_noticed() {
    let entries = ledger(24);
    let (items, chain) = items(&entries);
    let sound = rows(&items);
    let without = repacked(&sound[0].1, |items| drop(items.remove(7)));
    let found = check(&[(sound[0].0, without)], chain);
    assert_eq!(named(&found)[0], place(&entries[8]), "{found:?}");
    let twice = repacked(&sound[0].1, |items| items.insert(7, items[7].clone()));
    let found = check(&[(sound[0].0, twice)], chain);
    assert_eq!(named(&found)[0], place(&entries[7]), "{found:?}");
}

#[test]
fn a_ledger_that_was_chained_anew_has_another_end() {
    let mut entries = ledger(24);
    let (_, chain) = items(&entries);
    entries[3].reference = "https://example.com/forged".to_owned();
    let (forged, _) = items(&entries);
    let found = check(&rows(&forged), chain);
    assert_eq!((found.problem_count, named(&found)), (1, vec![(0, 0)]), "{found:?}");
}

#[test]
fn balances_that_do_not_follow_are_named_even_where_the_chain_holds() {
    let mut entries = ledger(24);
    let wrong = entries[9].balances.buckets().map(|units| units + 1);
    entries[9].balances = Stock::from_buckets(wrong, Version::default()).unwrap();
    let (items, chain) = items(&entries);
    let found = check(&rows(&items), chain);
    assert_eq!(named(&found)[0], place(&entries[9]), "{found:?}");
}

#[test]
fn stock_that_is_not_the_sum_of_its_movements_is_told() {
    let entries = ledger(24);
    let (items, chain) = items(&entries);
    let mut check = LedgerCheck::default();
    for (first, value) in rows(&items) {
        check.row(first, &value);
    }
    check.end(chain);
    let last = &entries[23];
    let key = StockKey { sku: last.sku.clone(), location: last.location.clone() };
    check.compare(&key, &last.balances);
    assert_eq!(check.first_problem(), None);
    let before = &entries[22];
    let other = StockKey { sku: before.sku.clone(), location: before.location.clone() };
    check.compare(&other, &Stock::default());
    // The third SKU's stock is nowhere.
    let without_row = check.without_stock_row();
    assert_eq!(
        without_row.iter().map(|key| key.sku.as_str()).collect::<Vec<_>>(),
        [entries[21].sku.as_str()]
    );
    check.missing_stock_row(&without_row[0]);
    let found = check.into_verification(Revision::new(9));
    assert_eq!((found.problem_count, found.stock_rows), (2, 2));
}
