//! A node whose data is damaged says so, and another takes its place while orders are taken.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use stockade_proto::v1::GetOrderRequest;
use stockade_tests::load::{Load, wait_for};
use stockade_tests::{Cluster, binary};

const LOST: u64 = 2;

/// Files of a kind, in the order of their names.
fn files(dir: &Path, kind: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    let of_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(of_kind).collect();
    files.sort();
    Ok(files)
}

/// Flips a bit in the middle of what was written to a file.
fn damage(file: &Path) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(file)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).context("something was written")?;
    bytes[written / 2] ^= 1;
    std::fs::write(file, bytes)?;
    Ok(())
}

fn replace(cluster: &Cluster, old: u64, new: u64) -> anyhow::Result<Value> {
    let with = format!("{new}={}", cluster.node(new).peer_address());
    let callers: Vec<_> = cluster
        .nodes
        .iter()
        .filter(|node| node.id != old && node.id != new)
        .map(|node| &*node.client)
        .collect();
    let output = Command::new(binary())
        .args(["cluster", "replace", &old.to_string(), "--with", &with, "--cluster", &callers.join(",")])
        .args(["--output", "json", "--timeout", "60"])
        .output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {stdout}{stderr}", output.status);
    ensure!(stderr.contains(&format!("node {new} ")), "no progress is told: {stderr}");
    serde_json::from_str(stdout.lines().last().context("a line")?).context("an object on the last line")
}

/// From the kill of the damaged node to the end: it refuses to start, another takes its place, nothing is lost.
async fn heal(mut cluster: Cluster, load: Load, file: &Path) -> anyhow::Result<()> {
    damage(file)?;
    let refused = cluster.launch(LOST).expect_err("it starts on damaged data").to_string();
    let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
    for word in ["exit status: 10", name, "offset", "stockade cluster replace", "--join"] {
        ensure!(refused.contains(word), "`{word}` is not in: {refused}");
    }
    load.more(100).await?;

    let new = cluster.launch_joining()?;
    let waiting = cluster.log_of(new);
    ensure!(waiting.contains("stockade cluster replace"), "it does not say what to run: {waiting}");
    let report = tokio::task::block_in_place(|| replace(&cluster, LOST, new))?;
    ensure!(report["replaced"] == LOST && report["node_id"] == new, "{report}");
    ensure!(report["voters"] == serde_json::json!([1, 3, 4]), "{report}");
    load.more(100).await?;
    // Whoever isn't sure whether it went through runs it again.
    tokio::task::block_in_place(|| replace(&cluster, LOST, new))?;

    let acknowledged = load.end().await?;
    cluster.forget(LOST);
    cluster.wait_until_led().await?;
    let client = cluster.client().await?;
    for order_id in acknowledged {
        client.get_order(GetOrderRequest { order_id, read: None }).await?;
    }
    cluster.expect_equal_states().await?;
    // The new one's vote counts: with it the cluster bears the loss of another.
    cluster.kill(1)?;
    client.get_order(GetOrderRequest { order_id: "b0-0".to_owned(), read: None }).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_damaged_log_is_replaced_while_orders_are_taken() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let load = Load::begin(&cluster.client().await?).await?;
    load.more(500).await?;
    cluster.kill(LOST)?;
    let segment = files(&cluster.node(LOST).dir.join("wal"), "wal")?;
    heal(cluster, load, segment.first().context("a segment")?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_damaged_snapshot_is_replaced_while_orders_are_taken() -> anyhow::Result<()> {
    let small = ["--snapshot-log-bytes", "65536", "--segment-bytes", "65536", "--kept-log-entries", "10"];
    let mut cluster = Cluster::start_with(3, &small).await?;
    let client = cluster.client().await?;
    let load = Load::begin(&client).await?;
    // Purged everywhere: the new node can only be brought up by a snapshot.
    wait_for("all have a snapshot and less of the log", || async {
        let status = client.cluster_status().await?;
        Ok(status.nodes.iter().all(|node| node.snapshot_index > 0 && node.purged_index > 0).then_some(()))
    })
    .await?;
    cluster.kill(LOST)?;
    // As after a power cut: what is in the engine can't be trusted, so the snapshot is the root, and every byte of it read.
    // A node whose engine is in order starts without that, and has a damaged one replaced while it runs.
    std::fs::write(cluster.node(LOST).dir.join("engine").join("TRUST"), "")?;
    let snapshots = files(&cluster.node(LOST).dir.join("snapshots"), "snapshot")?;
    heal(cluster, load, snapshots.last().context("a snapshot")?).await
}
