//! A node's state as a file, in pieces.

use stockade_proto::v1::maintenance_service_client::MaintenanceServiceClient;
use stockade_proto::v1::{SnapshotRequest, SnapshotResponse};
use tokio::time::timeout;
use tonic::Streaming;

use crate::reads::{refused, too_late};
use crate::{Client, Result, limits};

/// The pieces of a snapshot, in order. The first message describes it; a stream that ends before its bytes are there was
/// cut off.
#[derive(Debug)]
pub struct SnapshotPieces(Streaming<SnapshotResponse>);

impl SnapshotPieces {
    /// The next message. The first one comes when the snapshot is made, which takes as long as the state is large.
    pub async fn next(&mut self) -> Result<Option<SnapshotResponse>> {
        self.0.message().await.map_err(|status| refused(&status))
    }
}

impl Client {
    /// A snapshot of the node at `address`; no retry.
    pub async fn snapshot_of(&self, address: &str, request: SnapshotRequest) -> Result<SnapshotPieces> {
        let client = MaintenanceServiceClient::new(self.0.channels.to(address)?);
        let mut client = client.max_decoding_message_size(limits::MAX_ANSWER_BYTES);
        let asked = client.snapshot(request);
        let answer = timeout(self.0.config.timeout, asked).await.unwrap_or_else(|_| Err(too_late(address)));
        answer.map(|pieces| SnapshotPieces(pieces.into_inner())).map_err(|status| refused(&status))
    }
}
