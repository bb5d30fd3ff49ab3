//! What nodes say to nodes: openraft's network over gRPC.
//!
//! [`link`] opens connections, [`client`] calls, [`server`] answers, [`sender`] says to whom, [`convert`] translates. Nothing else in the crate
//! knows the wire.

pub(crate) mod acknowledged;
pub(crate) mod client;
pub(crate) mod convert;
pub(crate) mod heard_from;
pub(crate) mod link;
pub(crate) mod sender;
pub(crate) mod server;

use stockade_env::place;

/// Runs what waits for the disk beside the threads that Raft's tasks share.
async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tonic::Status> {
    place::blocking(work).await.map_err(|error| tonic::Status::internal(error.to_string()))
}
