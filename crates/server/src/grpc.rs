//! The two gRPC servers with their limits: what is open by default in the transport is closed here.

use std::future::Future;

use tonic::service::Routes;
use tonic::transport::Server;

use crate::limits;
use crate::listen::Port;

/// Serves callers until `stop` completes and the open calls are done.
pub(crate) async fn serve_clients(
    port: Port,
    routes: Routes,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    bounded()
        .max_concurrent_streams(limits::MAX_CLIENT_STREAMS)
        .initial_stream_window_size(limits::CLIENT_STREAM_WINDOW)
        .initial_connection_window_size(limits::CLIENT_CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(limits::CLIENT_KEEPALIVE))
        // With a grace of its own tonic would not ask a connection to go, but cut it off at the end of it. The port does that.
        .max_connection_age(limits::CLIENT_CONNECTION_AGE)
        .timeout(limits::CLIENT_CALL_TIMEOUT)
        .add_routes(routes)
        .serve_with_incoming_shutdown(port.connections(), stop)
        .await
}

/// Serves the other nodes until `stop` completes.
///
/// # Caveats
/// There is no time limit on a call: a snapshot takes as long as it takes, and its sender watches its progress.
pub(crate) async fn serve_peers(
    port: Port,
    routes: Routes,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    bounded()
        .max_concurrent_streams(limits::MAX_PEER_STREAMS)
        .initial_stream_window_size(limits::PEER_WINDOW)
        .initial_connection_window_size(limits::PEER_WINDOW)
        .http2_keepalive_interval(Some(limits::PEER_KEEPALIVE))
        .add_routes(routes)
        .serve_with_incoming_shutdown(port.connections(), stop)
        .await
}

fn bounded() -> Server {
    Server::builder()
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(limits::MAX_HEADER_LIST_BYTES)
        .http2_max_pending_accept_reset_streams(Some(limits::MAX_PENDING_RESET_STREAMS))
        .http2_max_local_error_reset_streams(Some(limits::MAX_ERROR_RESET_STREAMS))
        .max_frame_size(limits::MAX_FRAME_BYTES)
        .accept_http1(false)
}
