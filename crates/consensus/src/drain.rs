//! A node that is about to be stopped: it gives the lead away and doesn't want it again, unless nobody else can lead.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::limits;
use crate::node::{Inner, Node};

impl Node {
    /// Prepares this node for being stopped: it hands the lead over where it has it, and wants it no more until
    /// [`Node::end_drain`], unless nobody else can lead. False where it still leads after that time: nobody else is there to lead.
    pub async fn drain(&self, patience: Duration) -> bool {
        let node = &self.0;
        node.drained.store(true, Ordering::Release);
        node.allow_or_forbid_elections();
        let begun = Instant::now();
        // Who else is about to be stopped, as of now. Who doesn't tell in time is taken for what it was.
        let _ = timeout(patience, node.ask_heard_voters()).await;
        node.hand_over_between_changes(patience.saturating_sub(begun.elapsed()), &|_| true).await
    }

    /// True from [`Node::drain`] until it is taken back.
    pub fn is_drained(&self) -> bool {
        self.0.drained.load(Ordering::Acquire)
    }

    /// Takes [`Node::drain`] back.
    pub fn end_drain(&self) {
        let node = &self.0;
        node.drained.store(false, Ordering::Release);
        node.needed.store(false, Ordering::Release);
        node.allow_or_forbid_elections();
    }
}

/// Has a node that is about to be stopped ask for votes where nobody has led for long: it may be the only one that has the
/// whole log. It gives the lead away once another has caught up.
pub(crate) async fn lead_in_need(node: Arc<Inner>) {
    let patience = node.config.election_timeout.1 * limits::DRAINED_PATIENCE_LEASES;
    let (first_pause, longest_pause) = limits::ROOM_HANDOVER_PAUSE;
    let mut pause = first_pause;
    let mut next_handover = Instant::now();
    loop {
        tokio::select! {
            () = sleep(limits::DRAINED_POLL) => {}
            () = node.stopping() => return,
        }
        // What was decided a moment before a drain was taken back must not stand.
        node.allow_or_forbid_elections();
        if !node.drained.load(Ordering::Acquire) {
            continue;
        }
        let leads = node.raft.is_leader();
        let needed = !leads && node.contact.silence().is_none_or(|silence| silence > patience);
        if needed && !node.needed.swap(true, Ordering::AcqRel) {
            tracing::warn!("this node is to be stopped, but nobody leads: it asks for votes");
        }
        if !needed {
            node.needed.store(false, Ordering::Release);
        }
        node.allow_or_forbid_elections();
        if !leads {
            pause = first_pause;
        } else if Instant::now() >= next_handover
            && !node.handover.is_under_way()
            && !node.hand_over_between_changes(node.config.handover_patience(), &|_| true).await
        {
            // No write is taken while it tries, so it tries ever more rarely.
            next_handover = Instant::now() + pause;
            pause = (pause * 2).min(longest_pause);
        }
    }
}
