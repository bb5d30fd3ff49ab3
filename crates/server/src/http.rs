//! The HTTP port: `/metrics`, `/livez`, `/readyz`.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stockade_storage::SpaceLevel;

use crate::listen::Port;
use crate::metrics::{self, Sample};

/// Gives what a scrape sees.
pub(crate) type Probe = Arc<dyn Fn() -> Sample + Send + Sync>;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until `stop` completes.
pub(crate) async fn serve(
    port: Port,
    probe: Probe,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(probe);
    axum::serve(port, router).with_graceful_shutdown(stop).await
}

async fn scrape(State(probe): State<Probe>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics::render(&probe())).into_response()
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(probe): State<Probe>) -> Response {
    let sample = probe();
    if sample.draining {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match sample.status.disk {
        SpaceLevel::Enough => {}
        SpaceLevel::Low => return (StatusCode::SERVICE_UNAVAILABLE, "the disk is low\n").into_response(),
        SpaceLevel::Full => return (StatusCode::SERVICE_UNAVAILABLE, "the disk is full\n").into_response(),
    }
    if !sample.ready {
        return (StatusCode::SERVICE_UNAVAILABLE, "catching up\n").into_response();
    }
    "ok\n".into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stockade_consensus::NodeStatus;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::listen::{BoundPort, Patience};

    async fn answer(sample: Sample, path: &str) -> String {
        let patience = Patience::Whole(Duration::from_secs(10));
        let bound = BoundPort::bind("a test", "127.0.0.1:0".parse().unwrap(), 4, patience).unwrap();
        let address = bound.address();
        let port = bound.listen().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let probe: Probe = Arc::new(move || sample.clone());
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let ask = async {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        tokio::select! {
            text = ask => text,
            ended = serve(port, probe, std::future::pending()) => panic!("ended early: {ended:?}"),
        }
    }

    #[tokio::test]
    async fn a_node_that_catches_up_lives_and_is_not_ready() {
        assert!(answer(Sample::default(), "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(answer(Sample::default(), "/readyz").await.starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn a_draining_node_is_not_ready() {
        let sample = Sample { ready: true, ..Sample::default() };
        assert!(answer(sample.clone(), "/readyz").await.starts_with("HTTP/1.1 200"));
        let draining = answer(Sample { draining: true, ..sample }, "/readyz").await;
        assert!(draining.starts_with("HTTP/1.1 503") && draining.ends_with("draining\n"));
    }

    #[tokio::test]
    async fn a_node_whose_disk_is_low_lives_and_is_not_ready() {
        let status = NodeStatus { disk: SpaceLevel::Low, ..NodeStatus::default() };
        let sample = Sample { ready: true, status, ..Sample::default() };
        let low = answer(sample.clone(), "/readyz").await;
        assert!(low.starts_with("HTTP/1.1 503") && low.ends_with("the disk is low\n"));
        assert!(answer(sample, "/livez").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn metrics_come_in_their_own_content_type() {
        let text = answer(Sample::default(), "/metrics").await;
        assert!(text.contains(METRICS_TYPE) && text.contains("stockade_raft_term"));
    }
}
