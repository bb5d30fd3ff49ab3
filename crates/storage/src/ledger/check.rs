//! Checking the ledger: the chain of hashes, the sums of all movements, and the stock that they lead to.

use std::collections::HashMap;

use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Revision, Stock, StockKey};

use super::chain::Chain;
use super::row::{LedgerRow, StoredEntry};
use crate::codec::Durable;
use crate::postings::RowKey;
use crate::{Error, limits};

/// What became of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerVerification {
    /// The ledger was read up to this log index.
    pub revision: Revision,
    /// How many entries were read.
    pub entries: u64,
    /// The end of the chain, as computed from the entries.
    pub chain: [u8; 32],
    /// Stock rows that were compared with the sums.
    pub stock_rows: u64,
    /// What does not fit, in the order of the ledger; the first ones.
    pub problems: Vec<LedgerProblem>,
    /// How many there are.
    pub problem_count: u64,
}

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerProblem {
    /// Of the entry, or the first of several; 0 where it is no entry.
    pub revision: Revision,
    /// Of the entry.
    pub position: u32,
    /// What is wrong, for a person.
    pub what: String,
}

/// Takes the rows of a ledger in order, from the first on, and then stock rows to compare.
#[derive(Debug)]
pub(crate) struct LedgerCheck {
    /// As computed; `None` after something that can't be told.
    chain: Option<Chain>,
    entries: u64,
    last: Option<RowKey>,
    /// What each stock row has after the entries so far.
    balances: HashMap<StockKey, [i64; 6]>,
    stock_rows: u64,
    problems: Vec<LedgerProblem>,
    problem_count: u64,
}

impl Default for LedgerCheck {
    fn default() -> Self {
        Self {
            chain: Some(Chain::default()),
            entries: 0,
            last: None,
            balances: HashMap::new(),
            stock_rows: 0,
            problems: Vec::new(),
            problem_count: 0,
        }
    }
}

impl LedgerCheck {
    /// How many entries it has seen.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The first problem.
    pub(crate) fn first_problem(&self) -> Option<&LedgerProblem> {
        self.problems.first()
    }

    fn problem(&mut self, (revision, position): RowKey, what: String) {
        self.problem_count += 1;
        if self.problems.len() < limits::LEDGER_PROBLEMS {
            self.problems.push(LedgerProblem { revision: Revision::new(revision), position, what });
        }
    }

    /// Takes note of a row that can't be read.
    pub(crate) fn unreadable(&mut self, first: RowKey, error: &Error) {
        self.chain = None;
        self.problem(
            first,
            format!("the entries that are kept together from here on can't be read: {error}"),
        );
    }

    /// Takes the next row, named by its first entry.
    pub(crate) fn row(&mut self, first: RowKey, value: &[u8]) {
        let row = match LedgerRow::open(value) {
            Ok(row) => row,
            Err(error) => return self.unreadable(first, &error),
        };
        let mut is_first = true;
        for entry in row.entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.chain = None;
                    let at = self.last.filter(|_| !is_first).unwrap_or(first);
                    return self.problem(
                        at,
                        format!("the entries that are kept together with it end early: {error}"),
                    );
                }
            };
            if is_first {
                self.begin_row(first, &row.before, &entry);
                is_first = false;
            }
            self.entry(&entry);
        }
        if is_first {
            self.problem(first, "no entry is kept where one was".to_owned());
        }
    }

    /// Holds what a row says the chain was before it against what it was.
    fn begin_row(&mut self, first: RowKey, before: &[u8; 32], entry: &StoredEntry<'_>) {
        if (entry.revision, entry.position) != first {
            self.problem(first, format!("entry {}/{} is kept in its place", entry.revision, entry.position));
        }
        let noted = Chain { entries: self.entries, hash: *before };
        match self.chain {
            // What came before can't be told: the row is taken at its word.
            None => self.chain = Some(noted),
            Some(chain) if chain.hash == *before => {}
            Some(chain) if chain.with(entry.bytes).tag() == entry.tag => {
                self.problem(first, "the hash of the chain that is noted before it was changed".to_owned());
            }
            Some(_) => {
                self.problem(first, "it does not go on from the entry before it: entries between them are missing, or it was changed".to_owned());
                self.chain = Some(noted);
            }
        }
    }

    fn entry(&mut self, entry: &StoredEntry<'_>) {
        let at = (entry.revision, entry.position);
        self.entries += 1;
        if self.last.is_some_and(|last| last >= at) {
            self.problem(at, "it stands behind a later entry, or twice".to_owned());
        }
        self.last = Some(at);
        if let Some(chain) = self.chain {
            let next = chain.with(entry.bytes);
            if next.tag() == entry.tag {
                self.chain = Some(next);
            } else {
                self.chain = None;
                self.problem(at, "it is not as it was written: its hash differs".to_owned());
            }
        }
        match LedgerEntry::decode(entry.bytes) {
            Ok(decoded) => self.movement(at, &decoded),
            Err(error) => self.problem(at, format!("it can't be read: {error}")),
        }
    }

    /// Adds a movement up.
    fn movement(&mut self, at: RowKey, entry: &LedgerEntry) {
        if (entry.revision.get(), entry.position) != at {
            let what = format!("it says of itself that it is entry {}/{}", entry.revision, entry.position);
            self.problem(at, what);
        }
        let key = StockKey { sku: entry.sku.clone(), location: entry.location.clone() };
        let told = entry.balances.buckets();
        let before = self.balances.insert(key, told).unwrap_or_default();
        let mut sum = before;
        let mut add = |bucket: Option<Bucket>, units: i64| {
            let Some(bucket) = bucket else { return true };
            let units = sum[bucket as usize].checked_add(units);
            sum[bucket as usize] = units.unwrap_or_default();
            units.is_some()
        };
        let adds_up = add(entry.from, -entry.quantity) && add(entry.to, entry.quantity);
        if !adds_up || sum != told {
            let what = format!(
                "its balances of {} at {} don't follow from those before: {before:?}, then {} units, then {told:?}",
                entry.sku, entry.location, entry.quantity
            );
            self.problem(at, what);
        }
    }

    /// Holds the end of the ledger against what it should be.
    pub(crate) fn end(&mut self, expected: Chain) {
        let nowhere = (0, 0);
        if self.entries != expected.entries {
            let what =
                format!("the ledger has {} entries, and {} were written", self.entries, expected.entries);
            self.problem(nowhere, what);
        } else if self.chain.is_some_and(|chain| chain.hash != expected.hash) {
            let what = "the chain ends with another hash than was noted when the last entry was written";
            self.problem(nowhere, what.to_owned());
        }
    }

    /// Holds a stock row against the sum of its movements.
    pub(crate) fn compare(&mut self, key: &StockKey, stock: &Stock) {
        self.stock_rows += 1;
        let sum = self.balances.remove(key).unwrap_or_default();
        if sum != stock.buckets() {
            let what = format!(
                "the stock of {} at {} is {:?}, and its movements add up to {sum:?}",
                key.sku,
                key.location,
                stock.buckets()
            );
            self.problem((0, 0), what);
        }
    }

    /// What moved, adds up to something, and was compared with no stock row.
    pub(crate) fn without_stock_row(&self) -> Vec<StockKey> {
        let mut keys: Vec<_> =
            self.balances.iter().filter(|(_, sum)| **sum != [0; 6]).map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// Takes note that there should be a stock row.
    pub(crate) fn missing_stock_row(&mut self, key: &StockKey) {
        let sum = self.balances.get(key).copied().unwrap_or_default();
        let what = format!(
            "there is no stock of {} at {}, and its movements add up to {sum:?}",
            key.sku, key.location
        );
        self.problem((0, 0), what);
    }

    /// What became of it, of a ledger up to a log index.
    pub(crate) fn into_verification(self, revision: Revision) -> LedgerVerification {
        LedgerVerification {
            revision,
            entries: self.entries,
            chain: self.chain.unwrap_or_default().hash,
            stock_rows: self.stock_rows,
            problems: self.problems,
            problem_count: self.problem_count,
        }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
