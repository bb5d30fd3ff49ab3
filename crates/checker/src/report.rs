//! What was checked and what was found.

use std::fmt;

/// Violations that are kept in words; all are counted. Where much is wrong, the first ones tell the most.
pub(crate) const MAX_KEPT: usize = 1_000;

/// A promise that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The log is contiguous and each request runs once.
    A,
    /// Acknowledgements, entries and fates agree with the log.
    B,
    /// Real time.
    C,
    /// Responses.
    D,
    /// State hashes.
    E,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::E];

    /// Its letter.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
        }
    }

    /// What it checks, for people.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::A => "the log is contiguous, each request runs once",
            Self::B => "acknowledgements, entries and fates agree with the log",
            Self::C => "revisions and reads agree with real time",
            Self::D => "the log, run again, gives every response",
            Self::E => "each node's state hash is that of the log, run again",
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// The line of the history that shows it.
    pub line: u64,
    /// Which operation, what it saw, and what it should have seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}: {}", self.check.letter(), self.line, self.text)
    }
}

/// How often a promise was checked, and how often it was found broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckCount {
    /// Entries for A, mutations for B, operations for C, responses for D, hashes for E.
    pub checked: u64,
    /// Of them.
    pub violations: u64,
}

/// What was checked and what was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Calls in the history.
    pub operations: u64,
    /// Entries of the log.
    pub entries: u64,
    /// Writes of unknown fate that stand in the log nowhere and were not given up: they may yet take effect.
    pub unsettled: u64,
    /// In the order in which they were found; the first of them only, where there are very many.
    pub violations: Vec<Violation>,
    /// What could not be looked at, and what else is worth knowing.
    pub notes: Vec<String>,
    counts: [CheckCount; 5],
}

impl Report {
    /// How many violations there are.
    pub fn violation_count(&self) -> u64 {
        self.counts.iter().map(|count| count.violations).sum()
    }

    /// True where no promise was found broken.
    pub fn holds(&self) -> bool {
        self.violation_count() == 0
    }

    /// Of one promise.
    pub fn count(&self, check: Check) -> CheckCount {
        self.counts[check as usize]
    }

    pub(crate) fn checked(&mut self, check: Check, times: usize) {
        self.counts[check as usize].checked += u64::try_from(times).unwrap_or(u64::MAX);
    }

    pub(crate) fn violated(&mut self, check: Check, line: u64, text: String) {
        self.counts[check as usize].violations += 1;
        if self.violations.len() < MAX_KEPT {
            self.violations.push(Violation { check, line, text });
        }
    }
}
