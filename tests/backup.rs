//! A backup of a running cluster, and a new cluster that begins with it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;
use stockade_client::Client;
use stockade_proto::internal::peer_service_client::PeerServiceClient;
use stockade_proto::internal::{Envelope, StatusRequest};
use stockade_proto::v1::PlaceOrderRequest;
use stockade_tests::loop_mount::LoopMount;
use stockade_tests::orders::{Load, expect_orders, order, stock};
use stockade_tests::{Cluster, PATIENCE, binary};

/// Orders that the load has placed before the backup is taken.
const ORDERS_BEFORE: usize = 200;

fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(binary()).args(arguments).args(["--output", "json"]).output()?)
}

fn json(output: &Output) -> anyhow::Result<Value> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {stdout} {stderr}", output.status);
    Ok(serde_json::from_str(stdout.lines().last().context("a line")?)?)
}

/// `stockade cluster snapshot` of a cluster into a file.
fn snapshot(cluster: &Cluster, file: &str, flags: &[&str]) -> anyhow::Result<Output> {
    let addresses = cluster.addresses().join(",");
    let arguments = [&["cluster", "snapshot", "--to", file, "--cluster", &addresses], flags].concat();
    tokio::task::block_in_place(|| run(&arguments))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().with_context(|| format!("{key} in {value}"))
}

/// Waits until a load has placed so many orders.
async fn until_placed(load: &Load, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while load.count() < count {
        ensure!(Instant::now() < deadline, "{} of {count} orders placed", load.count());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn state_hash(client: &Client, address: &str) -> anyhow::Result<String> {
    Ok(hex(&client.state_hash_of(address, true).await?.state_hash))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_under_load_begins_a_cluster_that_goes_on_from_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("shop.snapshot");
    let file = path.to_str().context("a path of text")?;
    let old = Cluster::start(3).await?;
    let client = old.client().await?;
    stock(&client, "hot", 1_000_000).await?;
    let request_id = client.new_request_id();
    let first = PlaceOrderRequest { request_id, ..order("first", "hot", 1) };
    let placed = client.place_order(first.clone()).await?.header.context("a header")?;
    let load = Load::start(&client, "old", 8, "hot");
    until_placed(&load, ORDERS_BEFORE).await?;
    let before = load.acknowledged();
    let report = json(&snapshot(&old, file, &[])?)?;
    until_placed(&load, before.len() + ORDERS_BEFORE).await?;
    load.finish().await?;
    let index = report["index"].as_u64().context("an index")?;
    ensure!(report["bytes"] == std::fs::metadata(&path)?.len(), "{report}");
    ensure!(index >= placed.revision && text(&report, "sha256")?.len() == 64, "{report}");
    ensure!(std::fs::read_dir(dir.path())?.count() == 1, "nothing lies beside the file");

    let flags = ["--cluster-name", "restored", "--restore", file];
    let mut new = Cluster::start_with(3, &flags).await?;
    let reader = new.client().await?;
    for node in &new.nodes {
        let hash = state_hash(&reader, &node.client).await?;
        ensure!(hash == text(&report, "state_hash")?, "node {} has {hash}: {report}", node.id);
    }
    expect_orders(&reader, &before).await?;
    let again = reader.place_order(first).await?.header.context("a header")?;
    ensure!(again.replayed && again.revision == placed.revision, "{again:?} after {placed:?}");
    let next = reader.place_order(order("next", "hot", 1)).await?.header.context("a header")?;
    ensure!(next.revision > index, "revision {} after a backup of {index}", next.revision);
    ensure!(next.cluster_id != placed.cluster_id, "the new cluster has an id of its own");

    expect_strangers(&old, &reader, &placed.cluster_id).await?;
    // The flag stays where it is: at the next start it does nothing, even where the file is gone.
    new.stop(1)?;
    new.launch(1)?;
    std::fs::remove_file(&path)?;
    new.kill(2)?;
    new.launch(2)?;
    new.wait_until_led().await?;
    expect_orders(&reader, &["next".to_owned(), "first".to_owned()]).await?;
    new.expect_equal_states().await?;
    client.place_order(order("still-there", "hot", 1)).await?;
    old.expect_equal_states().await
}

/// A node of the old cluster that reaches one of the new is refused.
async fn expect_strangers(old: &Cluster, reader: &Client, old_id: &str) -> anyhow::Result<()> {
    let status = reader.cluster_status().await?;
    let node = status.nodes.iter().find(|node| node.node_id == 1).context("node 1")?;
    let endpoint = tonic::transport::Endpoint::new(format!("http://{}", node.peer_address))?;
    let mut peer = PeerServiceClient::new(endpoint.connect().await?);
    let from_node = old.nodes[1].id;
    let envelope = Envelope { cluster_id: old_id.to_owned(), from_node, to_node: 1 };
    let refused = peer.status(StatusRequest { envelope: Some(envelope) }).await;
    let refused = refused.err().context("an old node is no peer")?;
    ensure!(refused.code() == tonic::Code::PermissionDenied, "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_not_overwritten_and_a_node_has_no_backup_forced_on_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("shop.snapshot");
    let file = path.to_str().context("a path of text")?;
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 5).await?;
    let first = json(&snapshot(&cluster, file, &["--node", "1"])?)?;
    let refused = snapshot(&cluster, file, &[])?;
    ensure!(refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains("--force"));
    client.place_order(order("later", "mug", 1)).await?;
    // The newest that is there is the one that was made before.
    let existing = json(&snapshot(&cluster, file, &["--force", "--existing"])?)?;
    ensure!(existing["backup_id"] == first["backup_id"], "{existing} is not {first}");
    let second = json(&snapshot(&cluster, file, &["--force"])?)?;
    ensure!(second["index"].as_u64() > first["index"].as_u64(), "{second} after {first}");
    let nobody = snapshot(&cluster, file, &["--force", "--node", "7"])?;
    ensure!(nobody.status.code() == Some(21), "{nobody:?}");
    let no_dir = dir.path().join("none/shop.snapshot");
    let nowhere = snapshot(&cluster, no_dir.to_str().context("text")?, &[])?;
    ensure!(nowhere.status.code() == Some(10), "{nowhere:?}");
    drop(client);
    cluster.stop(1)?;
    let data = cluster.nodes[0].dir.clone();
    expect_start(&data, file, 10, "empty directory")?;
    let unused = dir.path().join("node");
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes)?;
    expect_start(&unused, file, 10, "is damaged at offset")?;
    expect_start(&unused, "/nowhere/shop.snapshot", 10, "/nowhere/shop.snapshot")?;
    ensure!(!unused.exists(), "nothing is written before the whole file was checked");
    Ok(())
}

/// The command line of a cluster of one that begins with a backup.
fn start_flags<'a>(dir: &'a str, file: &'a str) -> Vec<&'a str> {
    let mut flags = vec!["start", "--node-id", "1", "--data-dir", dir, "--restore", file];
    for flag in ["--listen-client", "--listen-peer", "--listen-http"] {
        flags.extend([flag, "127.0.0.1:0"]);
    }
    // The disks of these tests are small.
    flags.extend(["--disk-low-bytes", "0", "--disk-reserve-bytes", "0", "--segment-bytes", "1048576"]);
    flags
}

/// Takes a file system's room but so many bytes.
fn fill(dir: &Path, leave: u64) -> anyhow::Result<()> {
    let mut filler = std::fs::File::create(dir.join("filler"))?;
    while filler.write_all(&[1; 4_096]).is_ok() {}
    filler.sync_all().ok();
    Ok(filler.set_len(filler.metadata()?.len().saturating_sub(leave))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_no_part_of_a_backup_and_a_restore_that_can_be_repeated() -> anyhow::Result<()> {
    if let Some(missing) = LoopMount::missing() {
        eprintln!(
            "skipped: a_full_disk_leaves_no_part_of_a_backup_and_a_restore_that_can_be_repeated: {missing}"
        );
        return Ok(());
    }
    let cluster = Cluster::start(1).await?;
    let client = cluster.client().await?;
    stock(&client, "hot", 1_000_000).await?;
    let load = Load::start(&client, "old", 8, "hot");
    until_placed(&load, 4 * ORDERS_BEFORE).await?;
    load.finish().await?;
    let mount = LoopMount::new(16)?;
    let path = mount.path().join("shop.snapshot");
    let file = path.to_str().context("a path of text")?;
    let entries = || anyhow::Ok(std::fs::read_dir(mount.path())?.count());
    fill(mount.path(), 0)?;
    let before = entries()?;
    let full = snapshot(&cluster, file, &[])?;
    ensure!(full.status.code() == Some(13), "{}: {}", full.status, String::from_utf8_lossy(&full.stderr));
    ensure!(entries()? == before, "something was left on the full disk");
    std::fs::remove_file(mount.path().join("filler"))?;
    let report = json(&snapshot(&cluster, file, &[])?)?;
    let bytes = report["bytes"].as_u64().context("bytes")?;
    // Room for the beginning of a restore, not for its end.
    fill(mount.path(), bytes / 2)?;
    let data = mount.path().join("node");
    let dir = data.to_str().context("a path of text")?;
    let full = tokio::task::block_in_place(|| run(&start_flags(dir, file)))?;
    ensure!(full.status.code() == Some(13), "{}: {}", full.status, String::from_utf8_lossy(&full.stderr));
    std::fs::remove_file(mount.path().join("filler"))?;
    let mut node = Command::new(binary())
        .args(start_flags(dir, file))
        .arg("--exit-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(node.stdout.take().context("stdout was piped")?).read_line(&mut line)?;
    drop(node.stdin.take());
    ensure!(node.wait()?.success() && line.contains("listening"), "the second attempt: {line}");
    let verified = json(&tokio::task::block_in_place(|| run(&["verify", "--data-dir", dir]))?)?;
    ensure!(verified["ok"] == true, "{verified}");
    let again = json(&tokio::task::block_in_place(|| run(&["verify", "--snapshot", file]))?)?;
    ensure!(
        again["backup_id"] == report["backup_id"] && again["state_hash"] == report["state_hash"],
        "{again}"
    );
    Ok(())
}

/// A start with `--restore` that fails with this code and these words.
fn expect_start(dir: &Path, file: &str, code: i32, words: &str) -> anyhow::Result<()> {
    let dir = dir.to_str().context("a path of text")?;
    let output = tokio::task::block_in_place(|| run(&start_flags(dir, file)))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code) && stderr.contains(words), "{}: {stderr}", output.status);
    Ok(())
}
