//! What is written down of who was refused, and of what was done to the cluster: lines of the tracing target `audit`.
//!
//! Invariants:
//! - No key and no token stands in a line: certificates go by serial number, tokens by id.
//! - Refusals are bounded, for anybody can cause them; what was left out is counted. Strangers, those who were known once and
//!   are believed no more, and callers have a bound of their own each: no noise of one kind hides what another tried.
//! - What looks after the cluster is written down each time: who may call it is known.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use stockade_credentials::{Identified, Refused};
use stockade_env::Throttle;

use super::caller::Caller;
use crate::limits;

/// Writes lines.
#[derive(Debug)]
pub(super) struct Audit {
    node_id: u64,
    strangers: Throttle,
    former: Throttle,
    callers: Throttle,
    left_out: AtomicU64,
}

impl Audit {
    pub(super) fn new(node_id: u64) -> Self {
        let refusals = || Throttle::new(limits::AUDITED_REFUSALS, limits::AUDITED_REFUSALS_EVERY);
        let (strangers, former, callers) = (refusals(), refusals(), refusals());
        Self { node_id, strangers, former, callers, left_out: AtomicU64::new(0) }
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// How many lines of the kind were left out before this one; `None` where it is left out too.
    fn pass(&self, refusals: &Throttle) -> Option<u64> {
        let passed = refusals.pass();
        if passed.is_none() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        passed
    }

    /// It is not known who called.
    pub(super) fn unknown(&self, path: &str, refused: Refused, remote: Option<SocketAddr>) {
        let Some(left_out) = self.pass(&self.strangers) else { return };
        tracing::info!(
            target: "audit",
            node = self.node_id,
            method = method(path),
            outcome = "UNAUTHENTICATED",
            why = %refused,
            remote = remote.map(tracing::field::display),
            left_out,
        );
    }

    /// It is known whose certificate or token was shown, which is believed no more: it has ended, or was revoked.
    pub(super) fn no_more(&self, caller: &Caller, path: &str, refused: Refused) {
        let Some(left_out) = self.pass(&self.former) else { return };
        self.line(caller, path, "UNAUTHENTICATED", Some((left_out, Some(refused))));
    }

    /// It is known who called, who may not.
    pub(super) fn denied(&self, caller: &Caller, path: &str) {
        let Some(left_out) = self.pass(&self.callers) else { return };
        self.line(caller, path, "PERMISSION_DENIED", Some((left_out, None)));
    }

    /// The cluster was looked after.
    pub(super) fn administrative(&self, caller: &Caller, path: &str, outcome: &str) {
        self.line(caller, path, outcome, None);
    }

    /// `refused` has how many refusals were left out before this one, and why it was one.
    fn line(&self, caller: &Caller, path: &str, outcome: &str, refused: Option<(u64, Option<Refused>)>) {
        let by = caller.as_identified();
        let (left_out, why) = refused.unzip();
        tracing::info!(
            target: "audit",
            node = self.node_id,
            principal = caller.principal().as_str(),
            role = by.map(|by| by.role.name()),
            authenticated_by = by.map(|by| by.means.name()),
            credential = by.map(|Identified { id, .. }| id.as_str()),
            method = method(path),
            outcome,
            why = why.flatten().map(tracing::field::display),
            remote = caller.remote().map(tracing::field::display),
            left_out,
        );
    }
}

/// A method as it is written down: what a stranger sends for one is cut.
fn method(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    &path[..path.floor_char_boundary(limits::MAX_QUOTE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_do_not_hide_what_a_known_caller_is_refused() {
        let audit = Audit::new(1);
        for _ in 0..limits::AUDITED_REFUSALS * 3 {
            audit.unknown("/stockade.v1.StockService/GetStock", Refused::Nothing, None);
        }
        let strangers = u64::from(limits::AUDITED_REFUSALS) * 2;
        assert_eq!(audit.left_out(), strangers);
        for _ in 0..limits::AUDITED_REFUSALS {
            audit.denied(&Caller::anonymous(), "/stockade.v1.StockService/SetStock");
        }
        assert_eq!(audit.left_out(), strangers, "all of them are written down");
        audit.denied(&Caller::anonymous(), "/stockade.v1.StockService/SetStock");
        assert_eq!(audit.left_out(), strangers + 1, "these have a bound too");
        for _ in 0..limits::AUDITED_REFUSALS {
            audit.no_more(
                &Caller::anonymous(),
                "/stockade.v1.StockService/SetStock",
                Refused::CertificateRevoked,
            );
        }
        assert_eq!(audit.left_out(), strangers + 1, "and whoever was a caller once has one of his own");
    }

    #[test]
    fn a_method_is_cut_between_characters() {
        assert_eq!(method("/stockade.v1.StockService/GetStock"), "stockade.v1.StockService/GetStock");
        let ascii = format!("/{}", "a".repeat(limits::MAX_QUOTE_BYTES * 2));
        assert_eq!(method(&ascii).len(), limits::MAX_QUOTE_BYTES);
        // The bound falls into the middle of a character.
        let wide = format!("/a{}", "é".repeat(limits::MAX_QUOTE_BYTES));
        assert_eq!(method(&wide).len(), limits::MAX_QUOTE_BYTES - 1);
    }
}
