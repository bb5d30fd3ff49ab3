//! When this node asks for votes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::sleep_until;

use crate::node::Inner;

impl Inner {
    /// Who is no member any more asks for no votes, nor does who may have forgotten a promise, nor, as long as others can
    /// lead, who is to be stopped.
    pub(crate) fn allow_or_forbid_elections(&self) {
        self.raft.runtime_config().elect(self.may_ask_now());
    }

    /// See [`Inner::allow_or_forbid_elections`].
    pub(crate) fn may_ask_now(&self) -> bool {
        let stays_behind = self.drained.load(Ordering::Acquire) && !self.needed.load(Ordering::Acquire);
        self.may_ask_for_votes.load(Ordering::Acquire) && !self.membership.is_removed() && !stays_behind
    }
}

/// Lets this node ask for votes once nobody believes any more what it promised before it was restarted.
pub(crate) async fn allow(node: Arc<Inner>) {
    let allowed = async {
        sleep_until(node.votes_from).await;
        if let Some(backup) = node.restored_at {
            node.until_it_may_lead(backup).await;
        }
    };
    tokio::select! {
        () = allowed => {
            node.may_ask_for_votes.store(true, Ordering::Release);
            node.allow_or_forbid_elections();
        }
        () = node.stopping() => {}
    }
}
