//! How often this node has said no, by reason, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::reason::Reason;

/// Counters since the start, one a reason.
#[derive(Debug)]
pub(crate) struct Refusals(Vec<(Reason, AtomicU64)>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Reason::ALL.iter().map(|reason| (*reason, AtomicU64::new(0))).collect())
    }
}

impl Refusals {
    pub(crate) fn count(&self, reason: Reason) {
        if let Some((_, count)) = self.0.iter().find(|(counted, _)| *counted == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every reason with how often it was given.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|(reason, count)| (reason.name(), count.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_its_name() {
        let refusals = Refusals::default();
        refusals.count(Reason::Overloaded);
        refusals.count(Reason::Overloaded);
        let given: Vec<_> = refusals.counts().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(given, [("OVERLOADED", 2)]);
    }
}
