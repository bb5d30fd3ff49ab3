//! For those who check the promises from outside, and for those who keep copies: state hashes, the log, snapshots.

use std::sync::Arc;

use prost::Message;
use stockade_consensus::ExportError;
use stockade_proto::v1;
use stockade_proto::v1::maintenance_service_server::MaintenanceService;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::core::Core;
use crate::deadline;
use crate::export;
use crate::failure::Failure;
use crate::limits;
use crate::snapshot::Sending;
use crate::status::Call;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance {
    core: Core,
    /// Room for snapshots that are being made for a caller or sent.
    snapshots: Arc<Semaphore>,
}

type Messages = mpsc::Sender<Result<v1::ExportLogResponse, Status>>;

impl Maintenance {
    pub(crate) fn new(core: Core) -> Self {
        Self { core, snapshots: Arc::new(Semaphore::new(limits::MAX_SNAPSHOT_STREAMS)) }
    }

    /// Runs a stream's task. A reader that doesn't read must not hold up the node's stop.
    fn spawn(&self, label: &'static str, stream: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.core.env().tasks.clone();
        self.core.env().tasks.spawn(label, async move {
            tokio::select! {
                () = stream => {}
                () = tasks.stopping() => {}
            }
        });
    }

    async fn hash(&self, full: bool) -> Result<v1::StateHashResponse, Failure> {
        let hash = self.core.node().state().hash(full).await.map_err(|error| Failure::storage(&error))?;
        let answering = self.core.answering_from(hash.applied);
        let (state_hash, rows) = hash.full.map(|(hash, rows)| (hash.to_vec(), rows)).unwrap_or_default();
        Ok(v1::StateHashResponse {
            header: Some(answering.read(hash.applied)),
            applied_index: hash.applied.get(),
            chain_hash: hash.chain.to_vec(),
            state_hash,
            rows,
        })
    }

    /// The first and last index of an export.
    fn range(&self, request: v1::ExportLogRequest) -> Result<(u64, u64), Failure> {
        let status = self.core.node().status();
        let oldest = status.purged_index + 1;
        let from = if request.from_index == 0 { oldest } else { request.from_index };
        if from < oldest {
            return Err(Failure::LogPurged { oldest });
        }
        let to = if request.to_index == 0 { u64::MAX } else { request.to_index };
        Ok((from, to.min(status.committed_index)))
    }

    async fn export(self, from: u64, to: u64, messages: Messages) {
        let mut next = from;
        while next <= to {
            let read = match self.core.node().export_log(next, to).await {
                Ok(entries) => entries,
                Err(error) => {
                    let status = self.core.fail(&failure(&error), Call::Read);
                    // Who no longer listens needs no status.
                    drop(messages.send(Err(status)).await);
                    return;
                }
            };
            // Nothing more is there, though it was committed: it was purged while this ran, which the next call says.
            let Some(last) = read.last().map(|entry| entry.index) else { return };
            next = last + 1;
            for message in pack(read.iter().map(export::entry)) {
                if messages.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn failure(error: &ExportError) -> Failure {
    match error {
        ExportError::Purged { purged } => Failure::LogPurged { oldest: purged + 1 },
        ExportError::Io(error) => {
            tracing::error!(%error, "the log could not be read for export; look after this node's disk");
            Failure::Internal("reading the log failed; ask another node")
        }
    }
}

/// Entries in messages that callers take.
fn pack(entries: impl Iterator<Item = v1::LogEntry>) -> Vec<v1::ExportLogResponse> {
    let mut messages = vec![v1::ExportLogResponse::default()];
    let mut bytes = 0;
    for entry in entries {
        if bytes >= limits::MAX_EXPORT_RESPONSE_BYTES {
            messages.push(v1::ExportLogResponse::default());
            bytes = 0;
        }
        bytes += entry.encoded_len();
        messages.last_mut().expect("starts with one").entries.push(entry);
    }
    messages
}

#[tonic::async_trait]
impl MaintenanceService for Maintenance {
    type ExportLogStream = ReceiverStream<Result<v1::ExportLogResponse, Status>>;
    type SnapshotStream = ReceiverStream<Result<v1::SnapshotResponse, Status>>;

    async fn state_hash(
        &self,
        request: Request<v1::StateHashRequest>,
    ) -> Result<Response<v1::StateHashResponse>, Status> {
        self.core.answer(self.hash(request.get_ref().full).await)
    }

    async fn export_log(
        &self,
        request: Request<v1::ExportLogRequest>,
    ) -> Result<Response<Self::ExportLogStream>, Status> {
        let (from, to) =
            self.range(request.into_inner()).map_err(|failure| self.core.fail(&failure, Call::Read))?;
        let (messages, receiver) = mpsc::channel(limits::STREAM_QUEUE);
        self.spawn("log export", self.clone().export(from, to, messages));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn snapshot(
        &self,
        request: Request<v1::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let deadline = deadline::of_call(request.metadata());
        let permit = Arc::clone(&self.snapshots).try_acquire_owned();
        let permit = permit.map_err(|_| self.core.fail(&Failure::Overloaded, Call::Read))?;
        let (messages, receiver) = mpsc::channel(limits::SNAPSHOT_CHUNKS_AHEAD);
        let sending = Sending { core: self.core.clone(), messages, permit };
        self.spawn("snapshot for a caller", sending.run(request.get_ref().existing, deadline));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
