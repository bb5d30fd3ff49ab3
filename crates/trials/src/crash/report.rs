//! What the crash explorer tried, and what it found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::check::Verdict;
use super::kind::{Again, How, Kind};

/// Failures that are printed; all are counted.
const PRINTED_FAILURES: usize = 10;

/// What was tried, and what was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Crashes that a node was to recover from.
    pub(crate) points: u64,
    /// Something acknowledged was gone.
    pub(crate) lost: u64,
    /// A wrong answer without an error.
    pub(crate) silent: u64,
    /// An honest crash that was taken for damage.
    pub(crate) refused: u64,
    /// Panics.
    pub(crate) panicked: u64,
    /// Waits without end.
    pub(crate) hung: u64,
    /// Points with a second crash, or a failing read, during recovery.
    pub(crate) during_recovery: u64,
    /// Points after an error of the disk.
    pub(crate) disk_errors: u64,
    /// Operations of each script on the disk.
    pub(crate) operations: BTreeMap<String, u64>,
    /// Points of each script.
    pub(crate) roles: BTreeMap<String, u64>,
    /// How long it took.
    pub(crate) seconds: u64,
    /// The first failures.
    pub(crate) failures: Vec<Failure>,
}

/// A promise that a node broke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Failure {
    /// How.
    pub(crate) verdict: Verdict,
    /// In which script.
    pub(crate) role: String,
    /// At which operation on the disk.
    pub(crate) point: u64,
    /// How it was stopped there.
    pub(crate) kind: String,
    /// What the operation was.
    pub(crate) operation: String,
    /// How it showed.
    pub(crate) what: String,
    /// Does it again.
    pub(crate) replay: String,
}

impl Report {
    pub(super) fn count(&mut self, role: &str, kind: Kind) {
        self.points += 1;
        *self.roles.entry(role.to_owned()).or_default() += 1;
        if kind.again != Again::Nothing {
            self.during_recovery += 1;
        }
        match kind.how {
            How::Before | How::Within => {}
            How::Eio | How::Enospc | How::EioLasting | How::EnospcLasting | How::Down => {
                self.disk_errors += 1;
            }
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        let counter = match failure.verdict {
            Verdict::Lost => &mut self.lost,
            Verdict::Silent => &mut self.silent,
            Verdict::Refused => &mut self.refused,
            Verdict::Panicked => &mut self.panicked,
            Verdict::Hung => &mut self.hung,
        };
        *counter += 1;
        self.failures.push(failure);
    }

    /// Keeps the failures that are worth printing: the first ones.
    pub(super) fn close(&mut self) {
        self.failures.sort();
        self.failures.truncate(PRINTED_FAILURES);
    }

    /// True where no promise was broken.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.silent + self.refused + self.panicked + self.hung == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (role, operations) in &self.operations {
            let points = self.roles.get(role).copied().unwrap_or_default();
            writeln!(f, "{role:10} {operations:6} operations on the disk {points:8} points")?;
        }
        for failure in &self.failures {
            let Failure { verdict, role, point, kind, operation, what, replay } = failure;
            writeln!(f, "{verdict:?}: {role}, point {point}, {kind}\n  {operation}\n  {what}\n  {replay}")?;
        }
        writeln!(
            f,
            "{} points, {} during recovery, {} after errors of the disk: {} lost, {} silent, {} refused, {} panicked, {} hung ({} s)",
            self.points,
            self.during_recovery,
            self.disk_errors,
            self.lost,
            self.silent,
            self.refused,
            self.panicked,
            self.hung,
            self.seconds
        )
    }
}
