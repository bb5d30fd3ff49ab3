//! What a run has done so far.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use stockade_client::Error;

use super::execute::count;
use super::limits;

/// Counters of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) locations: AtomicU64,
    pub(super) skus: AtomicU64,
    pub(super) receipts: AtomicU64,
    pub(super) orders: AtomicU64,
    pub(super) returns: AtomicU64,
    pub(super) adjustments: AtomicU64,
    pub(super) new_effects: AtomicU64,
    pub(super) shortages: AtomicU64,
    pub(super) returns_without_order: AtomicU64,
    pub(super) conflicts: AtomicU64,
    pub(super) shortages_listed: Mutex<Vec<String>>,
    pub(super) conflicts_listed: Mutex<Vec<String>>,
}

impl Tally {
    /// Counts what came of booking something under an id of its own. What the cluster could not decide ends the run.
    pub(super) fn booked(
        &self,
        id: &str,
        answer: Result<(), Error>,
        counter: &AtomicU64,
    ) -> anyhow::Result<()> {
        match answer {
            Ok(()) => {
                count(&self.new_effects);
                count(counter);
            }
            Err(error) if error.reason() == "ALREADY_EXISTS" => count(counter),
            Err(error) => return self.refused(id, error),
        }
        Ok(())
    }

    /// Lists a refusal; what is none ends the run.
    pub(super) fn refused(&self, id: &str, error: Error) -> anyhow::Result<()> {
        match &error {
            Error::Rejected(refusal) if refusal.reason == "INSUFFICIENT_STOCK" => {
                count(&self.shortages);
                list(&self.shortages_listed, || format!("{id}: {error}"));
                Ok(())
            }
            Error::Rejected(_) => {
                self.conflict(|| format!("{id}: {error}"));
                Ok(())
            }
            Error::Invalid(_)
            | Error::OutcomeUnknown { .. }
            | Error::NoLeader { .. }
            | Error::Overloaded { .. }
            | Error::Unavailable { .. }
            | Error::Transport(_) => {
                let advice =
                    "the import stopped; run it again against the same cluster and it goes on from here";
                Err(anyhow::Error::new(error).context(format!("{id}: {advice}")))
            }
        }
    }

    /// Lists what stands in the way.
    pub(super) fn conflict(&self, text: impl FnOnce() -> String) {
        count(&self.conflicts);
        list(&self.conflicts_listed, text);
    }
}

fn list(listed: &Mutex<Vec<String>>, text: impl FnOnce() -> String) {
    let mut listed = listed.lock();
    if listed.len() < limits::MAX_LISTED {
        listed.push(text());
    }
}
