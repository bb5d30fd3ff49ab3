//! What keeps a node from starting, and with which exit code.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use stockade_tests::{Cluster, binary};

fn start(dir: &Path, flags: &[&str]) -> Output {
    let free = ["--listen-client", "--listen-peer", "--listen-http"];
    let mut command = Command::new(binary());
    command.arg("start").arg("--data-dir").arg(dir);
    for flag in free.iter().filter(|flag| !flags.contains(flag)) {
        command.args([flag, "127.0.0.1:0"]);
    }
    command.args(flags).output().expect("the binary runs")
}

fn expect(output: &Output, code: i32, word: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(word), "`{word}` in {stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_another_node_or_cluster_is_refused() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let dir = cluster.nodes[0].dir.clone();
    expect(&start(&dir, &["--node-id", "1"]), 12, "in use");
    assert!(cluster.stop(1).unwrap().success(), "{}", cluster.log_of(1));
    expect(&start(&dir, &["--node-id", "2"]), 11, "belongs to");
    expect(&start(&dir, &["--node-id", "1", "--cluster-name", "another"]), 11, "belongs to");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    expect(&start(dir.path(), &["--node-id", "1", "--listen-client", &address]), 15, &address);
}

#[test]
fn a_public_address_without_tls_needs_a_word() {
    let dir = tempfile::tempdir().unwrap();
    expect(&start(dir.path(), &["--node-id", "1", "--listen-client", "0.0.0.0:0"]), 16, "--insecure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_stops_the_start_and_names_the_file() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let client = cluster.client().await.unwrap();
    for number in 0..20 {
        let sku = stockade_proto::v1::Sku { sku_id: format!("s{number}"), ..Default::default() };
        let request = stockade_proto::v1::CreateSkuRequest { sku: Some(sku), ..Default::default() };
        client.create_sku(request).await.unwrap();
    }
    drop(client);
    cluster.stop(1).unwrap();
    let dir = cluster.nodes[0].dir.clone();
    let mut segments: Vec<_> =
        std::fs::read_dir(dir.join("wal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 2] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    let name = segments[0].file_name().unwrap().to_str().unwrap().to_owned();
    expect(&start(&dir, &["--node-id", "1"]), 10, &name);
}
