//! Healing: what the scrubber found damaged on this node's disk is replaced by what is sound in its memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use stockade_storage::{Healing, SnapshotFile, SpaceLevel};
use tokio::time::sleep;

use crate::limits;
use crate::node::Inner;

/// Heals what the scrubber reports, for as long as it does. What a snapshot can't heal stays an alarm.
pub(crate) async fn heal(node: Arc<Inner>) {
    let mut reports = node.state.watch_healing();
    // The snapshot that was made in a damaged one's place: the scrubber notices it a moment later.
    let mut replacement = None;
    loop {
        let wanted = *reports.borrow_and_update();
        let mut pause = limits::POLL;
        if wanted == Healing::default() {
            replacement = None;
            pause = Duration::MAX;
        } else if let Err(error) = node.heal_once(wanted, &mut replacement).await {
            tracing::warn!(%error, "what is damaged on the disk can't be replaced yet");
            pause = limits::HEAL_RETRY_PAUSE;
        }
        tokio::select! {
            () = sleep(pause) => {}
            changed = reports.changed() => if changed.is_err() { return },
            () = node.stopping() => return,
        }
    }
}

impl Inner {
    /// Takes the next step that is possible.
    async fn heal_once(&self, wanted: Healing, replacement: &mut Option<SnapshotFile>) -> io::Result<()> {
        self.replace_snapshot(wanted, replacement).await?;
        if let Some(segment) = wanted.segment {
            if self.space.level() >= SpaceLevel::Full {
                // A new segment may have no room, and a log that fails ends the node.
                return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
            }
            // The segment that is written to is never let go.
            self.log.leave_segment(segment).await?;
            match self.log.last_entry_through(segment) {
                // It goes with the next sync.
                None => self.log.barrier().await?,
                Some(last) => self.let_go_through(last, replacement).await?,
            }
        }
        Ok(())
    }

    /// Comes before all else: the log is let go on the strength of a snapshot, and of a sound one only.
    async fn replace_snapshot(
        &self,
        wanted: Healing,
        replacement: &mut Option<SnapshotFile>,
    ) -> io::Result<()> {
        let replaced = match (&*replacement, self.snapshots.current()) {
            (Some(replacement), Some(current)) => current.is(replacement),
            (None, _) | (_, None) => false,
        };
        if wanted.snapshot && !replaced {
            tracing::info!("a snapshot is made in the place of a damaged one");
            *replacement = Some(self.state.make_snapshot().await.map_err(io::Error::other)?);
        }
        Ok(())
    }

    /// Lets the log go up to an entry, once that is applied and in a snapshot.
    async fn let_go_through(&self, last: u64, replacement: &mut Option<SnapshotFile>) -> io::Result<()> {
        if self.state.applied().get() < last {
            return Ok(());
        }
        let published = self.snapshots.current().and_then(|snapshot| snapshot.meta().last_log_id);
        if published.is_none_or(|log_id| log_id.index < last) {
            tracing::info!(last, "a snapshot is made so that a damaged segment of the log can go");
            *replacement = Some(self.state.make_snapshot().await.map_err(io::Error::other)?);
            return Ok(());
        }
        // Openraft purges up to the snapshot that it knows, and hears of one a moment later.
        let known = self.metrics(|metrics| metrics.snapshot.map(|log_id| log_id.index));
        if known.is_some_and(|known| known >= last) {
            self.raft.trigger().purge_log(last).await.map_err(io::Error::other)?;
            // A purge rides along with the next sync, and on an idle node there is none.
            self.log.barrier().await?;
        }
        Ok(())
    }
}
