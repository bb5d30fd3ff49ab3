//! For those who check the promises from outside: state hashes and the log.

use prost::Message;
use stockade_consensus::ExportError;
use stockade_proto::v1;
use stockade_proto::v1::maintenance_service_server::MaintenanceService;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::core::Core;
use crate::export;
use crate::failure::Failure;
use crate::limits;
use crate::status::Call;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance(pub(crate) Core);

type Messages = mpsc::Sender<Result<v1::ExportLogResponse, Status>>;

impl Maintenance {
    async fn hash(&self, full: bool) -> Result<v1::StateHashResponse, Failure> {
        let hash = self.0.node().state().hash(full).await.map_err(|error| Failure::storage(&error))?;
        let answering = self.0.answering_from(hash.applied);
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
        let status = self.0.node().status();
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
            let read = match self.0.node().export_log(next, to).await {
                Ok(entries) => entries,
                Err(error) => {
                    let status = self.0.fail(&failure(&error), Call::Read);
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

    async fn state_hash(
        &self,
        request: Request<v1::StateHashRequest>,
    ) -> Result<Response<v1::StateHashResponse>, Status> {
        self.0.answer(self.hash(request.get_ref().full).await)
    }

    async fn export_log(
        &self,
        request: Request<v1::ExportLogRequest>,
    ) -> Result<Response<Self::ExportLogStream>, Status> {
        let (from, to) =
            self.range(request.into_inner()).map_err(|failure| self.0.fail(&failure, Call::Read))?;
        let (messages, receiver) = mpsc::channel(limits::STREAM_QUEUE);
        let (export, tasks) = (self.clone().export(from, to, messages), self.0.env().tasks.clone());
        self.0.env().tasks.spawn("log export", async move {
            tokio::select! {
                () = export => {}
                // A reader that doesn't read must not hold up the node's stop.
                () = tasks.stopping() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
