//! The log's entries that are applied anew after a start, told as they go: a rebuilt engine may have many to wait for.

use stockade_env::Tasks;
use stockade_state_machine::Revision;
use tokio::sync::watch;

use crate::limits;

/// Says every second how far apply is on its way to what was committed before the start.
pub(crate) fn tell(tasks: &Tasks, mut applied: watch::Receiver<Revision>, committed: u64) {
    let from = applied.borrow().get();
    if committed <= from {
        return;
    }
    let stopping = tasks.clone();
    tasks.spawn("catch-up", async move {
        loop {
            let reached = applied.wait_for(|applied| applied.get() >= committed);
            tokio::select! {
                // An error is the node's end.
                _ = reached => return,
                () = stopping.stopping() => return,
                () = tokio::time::sleep(limits::PROGRESS_TIME) => {}
            }
            let applied = applied.borrow().get();
            let per_cent = (applied - from).saturating_mul(100) / (committed - from);
            tracing::info!(per_cent, applied, committed, "applying the log");
        }
    });
}
