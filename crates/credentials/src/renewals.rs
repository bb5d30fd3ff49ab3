//! Tells who holds connections that others would be opened now.

use tokio::sync::watch;

/// Tells when the certificates that a node shows or believes have changed. A connection that was opened before was checked by what was in use
/// then, and shows what was shown then: who holds one opens another.
#[derive(Debug, Clone)]
pub struct Renewals(Option<watch::Receiver<u64>>);

impl Renewals {
    /// For a node without certificates: there is nothing to change.
    pub fn never() -> Self {
        Self(None)
    }

    pub(crate) fn new(count: watch::Receiver<u64>) -> Self {
        Self(Some(count))
    }

    /// How often there was a change.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |count| *count.borrow())
    }

    /// Completes at the next change since this was asked for, or since the one that it told last.
    pub async fn next(&mut self) {
        let changed = match &mut self.0 {
            Some(count) => count.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    }
}
