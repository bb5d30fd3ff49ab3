//! Many calls at once, and calls that outlast a failover.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use stockade_client::Error;
use tokio::time::Instant;

use crate::progress::Progress;

/// Jobs under way at once.
pub(crate) const MAX_JOBS: usize = 1_024;
/// How long one job goes on while the cluster has no leader or does not answer.
const PATIENCE: Duration = Duration::from_mins(2);
/// Pause between two attempts of a job.
const PAUSE: Duration = Duration::from_millis(250);

/// Does many things at once, begun in their order, and stops at the first that can't be done.
pub(crate) async fn at_once<Item, Work>(
    items: impl Iterator<Item = Item>,
    work: impl Fn(Item) -> Work,
    progress: &Progress,
) -> anyhow::Result<()>
where
    Work: Future<Output = anyhow::Result<u64>>,
{
    let mut running = stream::iter(items.map(work)).buffer_unordered(MAX_JOBS);
    while let Some(done) = running.try_next().await? {
        progress.advance(done);
    }
    progress.finish();
    Ok(())
}

/// Repeats a call that the cluster could not decide in time. The request id stays the same, so it takes effect once.
pub(crate) async fn persist<T, Call>(call: impl Fn() -> Call) -> Result<T, Error>
where
    Call: Future<Output = Result<T, Error>>,
{
    let give_up = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(
                Error::OutcomeUnknown { .. }
                | Error::NoLeader { .. }
                | Error::Overloaded { .. }
                | Error::Unavailable { .. },
            ) if Instant::now() < give_up => tokio::time::sleep(PAUSE).await,
            decided => return decided,
        }
    }
}
