//! What the corruption explorer tried, and what it found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::answer::Outcome;

/// Failures that are printed of each kind of damage to each directory; all are counted.
const PRINTED_FAILURES: usize = 3;

/// How often something came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Damaged copies that were opened.
    pub(crate) points: u64,
    /// Something acknowledged was missing from the answer, without an error.
    pub(crate) lost: u64,
    /// The answer was wrong without an error, those that are lost among them.
    pub(crate) silent: u64,
    /// An error that named the file.
    pub(crate) found: u64,
    /// The answer was as without the damage.
    pub(crate) unchanged: u64,
    /// An error that named no file.
    pub(crate) unnamed: u64,
    /// Panics.
    pub(crate) panicked: u64,
    /// Waits without end.
    pub(crate) hung: u64,
}

/// What was tried, and what was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// All of it.
    #[serde(flatten)]
    pub(crate) all: Counts,
    /// By directory and kind of damage.
    pub(crate) kinds: BTreeMap<String, Counts>,
    /// By the file that was damaged.
    pub(crate) files: BTreeMap<String, Counts>,
    /// How long it took.
    pub(crate) seconds: u64,
    /// The first failures of each kind.
    pub(crate) failures: BTreeMap<String, Vec<Failure>>,
}

/// A damage that was not found, though it changed the answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// What was done.
    pub(crate) damage: String,
    /// What came of it.
    pub(crate) what: String,
    /// Does it again.
    pub(crate) replay: String,
}

impl Counts {
    fn count(&mut self, outcome: &Outcome) {
        self.points += 1;
        match outcome {
            Outcome::Found(_) => self.found += 1,
            Outcome::Unnamed(_) => self.unnamed += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Lost(_) => {
                self.lost += 1;
                self.silent += 1;
            }
            Outcome::Silent(_) => self.silent += 1,
            Outcome::Panicked(_) => self.panicked += 1,
            Outcome::Hung => self.hung += 1,
        }
    }

    /// True where every damage was found or did no harm.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.silent + self.unnamed + self.panicked + self.hung == 0
    }
}

impl Report {
    pub(super) fn count(
        &mut self,
        kind: String,
        file: String,
        outcome: &Outcome,
        failure: impl FnOnce(String) -> Failure,
    ) {
        self.all.count(outcome);
        self.files.entry(file).or_default().count(outcome);
        self.kinds.entry(kind.clone()).or_default().count(outcome);
        let what = match outcome {
            Outcome::Found(_) | Outcome::Unchanged => return,
            Outcome::Unnamed(what) => format!("the error names no file: {what}"),
            Outcome::Lost(what) => format!("lost: {what}"),
            Outcome::Silent(what) => format!("silent: {what}"),
            Outcome::Panicked(what) => what.clone(),
            Outcome::Hung => "it waits for something that never comes".to_owned(),
        };
        let failures = self.failures.entry(kind).or_default();
        if failures.len() < PRINTED_FAILURES {
            failures.push(failure(what));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:44} {:>8} {:>8} {:>9} {:>6} {:>6}",
            "damage", "points", "found", "unchanged", "silent", "other"
        )?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, counts: &Counts| {
            let Counts { points, found, unchanged, silent, unnamed, panicked, hung, lost: _ } = counts;
            let other = unnamed + panicked + hung;
            writeln!(f, "{name:44} {points:8} {found:8} {unchanged:9} {silent:6} {other:6}")
        };
        for (name, counts) in self.kinds.iter().chain(&self.files) {
            row(f, name, counts)?;
        }
        row(f, "all", &self.all)?;
        for (kind, failures) in &self.failures {
            for Failure { damage, what, replay } in failures {
                writeln!(f, "{kind}: {damage}\n  {what}\n  {replay}")?;
            }
        }
        let Counts { points, lost, silent, found, unchanged, unnamed, panicked, hung } = self.all;
        writeln!(
            f,
            "{points} points: {lost} lost, {silent} silent, {found} found, {unchanged} unchanged, {unnamed} unnamed, {panicked} panicked, {hung} hung ({} s)",
            self.seconds
        )
    }
}
