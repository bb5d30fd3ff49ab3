//! Snapshots on their way to a caller who keeps them: backups.

use std::time::Duration;

use stockade_env::place;
use stockade_proto::v1;
use stockade_storage::SnapshotFile;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tonic::Status;

use crate::core::Core;
use crate::failure::Failure;
use crate::limits;
use crate::status::Call;

/// A snapshot's way to one caller.
///
/// Invariants:
/// - The permit is kept until the snapshot is made and sent: who calls and hangs up can't have many made at once.
/// - The file stays readable while it is sent, even where a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) core: Core,
    pub(crate) messages: mpsc::Sender<Result<v1::SnapshotResponse, Status>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The caller went away, or doesn't read.
struct Gone;

impl Sending {
    /// Gets the snapshot and sends it.
    pub(crate) async fn run(self, existing: bool, deadline: Instant) {
        let delivered = tokio::select! {
            delivered = self.deliver(existing, deadline) => delivered,
            // A file on its way must not hold up the node's stop.
            () = self.core.draining() => self.fail(&Failure::ShuttingDown),
        };
        if let Err(Gone) = delivered {
            tracing::info!("a snapshot was not taken to its end by its caller");
        }
        drop(self.permit);
    }

    async fn deliver(&self, existing: bool, deadline: Instant) -> Result<(), Gone> {
        match self.snapshot(existing, deadline).await {
            Ok(snapshot) => self.send(snapshot).await,
            Err(failure) => self.fail(&failure),
        }
    }

    async fn snapshot(&self, existing: bool, deadline: Instant) -> Result<SnapshotFile, Failure> {
        let state = self.core.node().state();
        if existing && let Some(snapshot) = state.newest_snapshot() {
            return Ok(snapshot);
        }
        if !existing {
            // What was acknowledged before the call was not necessarily acknowledged by this node.
            self.core.node().read_barrier(deadline).await?;
        }
        let wanted = state.applied();
        if let Some(snapshot) = state.newest_snapshot()
            && snapshot.index() >= wanted
        {
            return Ok(snapshot);
        }
        for _ in 0..limits::SNAPSHOT_ATTEMPTS {
            let made = state.make_snapshot().await.map_err(|error| {
                tracing::error!(%error, "a snapshot could not be made; look after this node's disk");
                Failure::Internal("making a snapshot failed; ask another node")
            })?;
            // An entry can be read a moment before it is on its way into a snapshot.
            if made.index() >= wanted {
                return Ok(made);
            }
        }
        Err(Failure::Internal("the snapshot lags behind the state; ask again"))
    }

    async fn send(&self, snapshot: SnapshotFile) -> Result<(), Gone> {
        let (total, index) = (snapshot.len(), snapshot.index());
        let first = v1::SnapshotResponse {
            header: Some(self.core.answering_from(index).read(index)),
            total_bytes: total,
            log_index: index.get(),
            state_hash: snapshot.state_hash().to_vec(),
            chunk: Vec::new(),
        };
        self.pass_on(first).await?;
        let end = Instant::now() + time_for(total, self.core.limits().unread_timeout);
        let mut offset = 0;
        while offset < total {
            let (file, at) = (snapshot.clone(), offset);
            let read = move || file.read_chunk(at, limits::SNAPSHOT_CHUNK_BYTES);
            let chunk = match place::blocking(read).await {
                Ok(Ok(chunk)) if !chunk.is_empty() => chunk,
                Ok(Ok(_)) => return self.unreadable("the snapshot is shorter than it was"),
                Ok(Err(error)) => return self.unreadable(&error.to_string()),
                Err(error) => return self.unreadable(&error.to_string()),
            };
            offset += u64::try_from(chunk.len()).expect("a length fits 64 bits");
            self.pass_on(v1::SnapshotResponse { chunk: chunk.into(), ..Default::default() }).await?;
            if Instant::now() > end {
                return Err(Gone);
            }
        }
        Ok(())
    }

    /// Sends a message. Who doesn't read is cut off: the file would stay on the disk for it, and its place be taken.
    async fn pass_on(&self, message: v1::SnapshotResponse) -> Result<(), Gone> {
        match timeout(self.core.limits().unread_timeout, self.messages.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    fn unreadable(&self, cause: &str) -> Result<(), Gone> {
        tracing::error!(cause, "a snapshot could not be read; look after this node's disk");
        self.fail(&Failure::Internal("reading the snapshot failed; ask another node"))
    }

    /// Ends the stream with a status. Where the caller has left no room for it, it sees the file end too early instead.
    fn fail(&self, failure: &Failure) -> Result<(), Gone> {
        let status = self.core.fail(failure, Call::Read);
        self.messages.try_send(Err(status)).map_err(|_| Gone)
    }
}

/// How long the whole file may take.
fn time_for(bytes: u64, start: Duration) -> Duration {
    start + Duration::from_secs(bytes / limits::SNAPSHOT_MIN_BYTES_A_SECOND)
}
