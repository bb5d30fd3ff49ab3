//! One node, from its start to its stop, with real ports and a real disk.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use stockade_server::{Config, EngineKind, Exit, Server, StartError, Timings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

const LONG: Duration = Duration::from_secs(30);

fn config(dir: &Path) -> Config {
    let any: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        node_id: 1,
        cluster_name: "test".to_owned(),
        data_dir: dir.join("node"),
        restore: None,
        restored_from: None,
        listen_client: any,
        listen_peer: any,
        listen_http: any,
        advertise_client: None,
        advertise_peer: None,
        peers: BTreeMap::new(),
        join: Vec::new(),
        peer_overrides: BTreeMap::new(),
        timings: Timings::default(),
        snapshot_log_bytes: 1 << 20,
        kept_log_entries: 1_000,
        segment_bytes: 1 << 20,
        scrub_bytes_per_second: 0,
        disk_low_bytes: 0,
        disk_reserve_bytes: 0,
        overlay_bytes: 16 << 20,
        max_in_flight_bytes: 1 << 20,
        lease_reads: true,
        engine: EngineKind::Sled,
        insecure: false,
        certs_dir: None,
        zone: String::new(),
        standby: false,
        replace_dead_after: None,
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the HTTP port takes connections");
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the HTTP port reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the HTTP port answers");
    answer
}

async fn until_ready(http: SocketAddr) {
    let deadline = Instant::now() + LONG;
    while !get(http, "/readyz").await.starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < deadline, "not ready in time");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Starts a node. In one process the engine's thread of a node that has stopped may still be writing; where a process
/// ends, nothing of it is left.
async fn start(config: Config) -> Result<Server, StartError> {
    let deadline = Instant::now() + LONG;
    loop {
        match Server::start(config.clone()).await {
            Err(error) if error.exit() == Exit::DataDirectoryInUse && Instant::now() < deadline => {
                sleep(Duration::from_millis(10)).await;
            }
            started => return started,
        }
    }
}

/// Starts a node, waits until it is ready, hands its HTTP address on, and stops it.
async fn run_once(config: Config) -> Result<String, StartError> {
    let server = start(config).await?;
    let http = server.addresses().http;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = server.run_until(async {
        let _ = stopped.await;
    });
    let look = async {
        until_ready(http).await;
        let metrics = get(http, "/metrics").await;
        stop.send(()).expect("the node waits for it");
        metrics
    };
    let (ended, metrics) =
        timeout(LONG, async { tokio::join!(running, look) }).await.expect("it stops in time");
    ended.expect("it stops by itself");
    Ok(metrics)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_becomes_ready_stops_and_starts_again_on_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let first = run_once(config(dir.path())).await.unwrap();
    assert!(first.contains("stockade_raft_is_leader 1"), "{first}");
    let second = run_once(config(dir.path())).await.unwrap();
    assert!(second.contains("stockade_ready 1"), "{second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anothers_data_directory_is_refused_with_its_own_code() {
    let dir = tempfile::tempdir().unwrap();
    run_once(config(dir.path())).await.unwrap();
    let other_node = Config { node_id: 2, ..config(dir.path()) };
    assert_eq!(run_once(other_node).await.unwrap_err().exit(), Exit::Identity);
    let other_cluster = Config { cluster_name: "other".to_owned(), ..config(dir.path()) };
    assert_eq!(run_once(other_cluster).await.unwrap_err().exit(), Exit::Identity);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_ends_the_start_before_the_disk_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config { listen_http: taken.local_addr().unwrap(), ..config(dir.path()) };
    let error = Server::start(config).await.unwrap_err();
    assert_eq!(error.exit(), Exit::PortInUse);
    assert!(!dir.path().join("node").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_in_use_is_refused_with_its_own_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(config(dir.path())).await.unwrap();
    let second = Server::start(config(dir.path())).await.unwrap_err();
    assert_eq!(second.exit(), Exit::DataDirectoryInUse);
    timeout(LONG, server.run_until(std::future::ready(()))).await.expect("it stops in time").unwrap();
}
