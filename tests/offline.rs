//! Looking at the data directory of a real node that was killed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stockade_client::Client;
use stockade_proto::v1::{CreateSkuRequest, Sku};
use stockade_tests::{Cluster, binary};

fn stockade(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(args).args(["--output", "json", "--data-dir"]).arg(dir);
    command.output().expect("the binary runs")
}

/// The lines of standard output, each an object.
fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn last(output: &Output) -> Value {
    objects(output).pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

async fn create(client: &Client, from: u32, to: u32) {
    for number in from..to {
        let sku = Sku { sku_id: format!("s{number}"), ..Sku::default() };
        client.create_sku(CreateSkuRequest { sku: Some(sku), ..CreateSkuRequest::default() }).await.unwrap();
    }
}

fn first_segment(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "wal")).min().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nodes_data_is_sound_and_a_flipped_bit_in_it_is_named() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let dir = cluster.nodes[0].dir.clone();
    create(&cluster.client().await.unwrap(), 0, 40).await;
    assert_eq!(code(&stockade(&["verify"], &dir)), 12, "the node runs");
    cluster.kill(1).unwrap();

    let sound = stockade(&["verify"], &dir);
    assert_eq!(code(&sound), 0, "{}", String::from_utf8_lossy(&sound.stderr));
    let found = last(&sound);
    assert_eq!((&found["ok"], &found["problems"]), (&Value::from(true), &Value::from(0)));
    assert!(found["log"]["last"].as_u64().unwrap() >= 40, "{found}");
    assert_eq!(found["engine"]["left"], "in_use");

    let segment = first_segment(&dir);
    let shown = stockade(&["inspect", "wal", "--entries"], &dir);
    assert_eq!(code(&shown), 0, "{}", String::from_utf8_lossy(&shown.stderr));
    let records = objects(&shown);
    let (end, records) = records.split_last().unwrap();
    assert_eq!(end["records"], records.len());
    let entries: Vec<_> = records.iter().flat_map(|record| record["entries"].as_array().unwrap()).collect();
    assert_eq!(end["entries"], entries.len());
    assert!(entries.iter().any(|entry| entry["kind"] == "membership"));
    let commands: Vec<_> =
        entries.iter().filter_map(|entry| entry["requests"].as_array()).flatten().collect();
    let created = |command: &&&Value| command["command"].as_str().unwrap().contains("CreateSku");
    assert_eq!(commands.iter().filter(created).count(), 40);
    assert!(commands.iter().all(|command| command["request_id"].is_string()));

    let state = stockade(&["inspect", "state", "--kind", "sku"], &dir);
    assert_eq!(code(&state), 0, "{}", String::from_utf8_lossy(&state.stderr));
    let rows = objects(&state);
    assert!(rows.iter().all(|row| row["kind"].is_null() || row["kind"] == "sku"), "{rows:?}");

    // In the middle of what was written: damage, never a torn tail.
    let used = records.last().unwrap();
    let offset = used["offset"].as_u64().unwrap() / 2;
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 4;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = stockade(&["verify"], &dir);
    assert_eq!(code(&damaged), 10);
    let found = last(&damaged);
    assert_eq!(found["ok"], false);
    assert_eq!(found["first_problem"]["path"], segment.display().to_string());
    let at = found["first_problem"]["offset"].as_u64().unwrap();
    assert!(at <= offset && offset - at < 4_096, "{found}");
    let message = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert!(message.contains(&format!("{} is damaged at offset {at}", segment.display())), "{message}");
    assert_eq!(code(&stockade(&["inspect", "wal"], &dir)), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_skipped_on_all_nodes_alike_and_they_agree() {
    let mut cluster = Cluster::start(3).await.unwrap();
    create(&cluster.client().await.unwrap(), 0, 5).await;
    cluster.expect_equal_states().await.unwrap();
    for id in 1..=3 {
        cluster.kill(id).unwrap();
    }
    let dirs: Vec<_> = cluster.nodes.iter().map(|node| node.dir.clone()).collect();
    // What is executed nowhere any more: without their applied states the nodes begin again with the log.
    for dir in &dirs {
        std::fs::remove_dir_all(dir.join("engine")).unwrap();
    }
    let records = objects(&stockade(&["inspect", "wal"], &dirs[0]));
    let mut entries = records.iter().filter_map(|record| record["entries"].as_array()).flatten();
    let entry = entries.rfind(|entry| entry["kind"] == "commands").unwrap().clone();
    let named = ["index", "term", "digest"].map(|key| match &entry[key] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    });
    let skip = ["recover", "skip-entry", "--index", &named[0], "--term", &named[1], "--digest", &named[2]];
    for dir in &dirs {
        let planned = stockade(&skip, dir);
        assert_eq!(code(&planned), 0, "{}", String::from_utf8_lossy(&planned.stderr));
        assert_eq!(last(&planned)["confirmed"], false);
        assert!(!dir.join("SKIP").exists(), "a plan changes nothing");
        let done = stockade(&[&skip[..], &["--confirm"]].concat(), dir);
        assert_eq!((code(&done), &last(&done)["confirmed"]), (0, &Value::from(true)));
        assert_eq!(last(&stockade(&["verify"], dir))["skipped"][0]["digest"], entry["digest"]);
    }
    let zeros = "0".repeat(64);
    let wrong = ["recover", "skip-entry", "--index", &named[0], "--term", &named[1], "--digest", &zeros];
    assert_eq!(code(&stockade(&wrong, &dirs[0])), 1);
    for id in 1..=3 {
        cluster.launch(id).unwrap();
    }
    cluster.wait_until_led().await.unwrap();
    let client = cluster.client().await.unwrap();
    // The entry was the one that created the last SKU.
    create(&client, 4, 6).await;
    cluster.expect_equal_states().await.unwrap();
    assert!(cluster.log_of(1).contains("skipping this entry of the log"), "{}", cluster.log_of(1));
}

/// The last record that holds an entry of commands, and that entry.
fn last_commands(dir: &Path) -> (Value, Value) {
    let records = objects(&stockade(&["inspect", "wal"], dir));
    let commands = records.iter().flat_map(|record| {
        let entries = record["entries"].as_array().into_iter().flatten();
        entries.filter(|entry| entry["kind"] == "commands").map(move |entry| (record.clone(), entry.clone()))
    });
    commands.last().unwrap()
}

fn number(object: &Value, key: &str) -> usize {
    usize::try_from(object[key].as_u64().unwrap()).unwrap()
}

/// Gives the commands of an entry a format that no version has, with checksums that hold: to the log it is sound.
fn make_undecodable(record: &Value, entry: &Value) {
    let path = PathBuf::from(record["file"].as_str().unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let frame = number(entry, "offset");
    let body = frame + 8..frame + 8 + number(entry, "bytes");
    // Behind kind and log id.
    bytes[body.start + 25] = 0xff;
    let crc = crc32c::crc32c(&bytes[body]);
    bytes[frame + 4..frame + 8].copy_from_slice(&crc.to_le_bytes());
    let (start, end) = (number(record, "offset"), number(record, "offset") + number(record, "bytes") - 4);
    let header_crc = u32::from_le_bytes(bytes[start + 40..start + 44].try_into().unwrap());
    let crc = crc32c::crc32c_append(header_crc, &bytes[start + 44..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_at_an_entry_names_it_and_goes_on_once_it_is_skipped() {
    let mut cluster = Cluster::start(1).await.unwrap();
    let dir = cluster.nodes[0].dir.clone();
    create(&cluster.client().await.unwrap(), 0, 3).await;
    cluster.kill(1).unwrap();
    std::fs::remove_dir_all(dir.join("engine")).unwrap();
    let (record, entry) = last_commands(&dir);
    make_undecodable(&record, &entry);
    assert_eq!(code(&stockade(&["verify"], &dir)), 0, "the log is as sound as it was");
    let (_, entry) = last_commands(&dir);
    assert!(entry["undecodable"].is_string(), "{entry}");

    let index = entry["index"].to_string();
    let ports =
        ["--listen-client", "127.0.0.1:0", "--listen-peer", "127.0.0.1:0", "--listen-http", "127.0.0.1:0"];
    let stopped = stockade(&[&["start", "--node-id", "1"], &ports[..]].concat(), &dir);
    let message = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(code(&stopped), 1, "{message}");
    for part in [&format!("log entry {index} of term"), "can't be executed", "stockade recover skip-entry"] {
        assert!(message.contains(part), "`{part}` in {message}");
    }
    let digest = entry["digest"].as_str().unwrap();
    let term = entry["term"].to_string();
    let skip = ["recover", "skip-entry", "--index", &index, "--term", &term, "--digest", digest, "--confirm"];
    let done = stockade(&skip, &dir);
    assert_eq!(code(&done), 0, "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(last(&done)["requests"], Value::Null);
    cluster.launch(1).unwrap();
    cluster.wait_until_led().await.unwrap();
    // The first two SKUs are there, the third was never created.
    create(&cluster.client().await.unwrap(), 2, 4).await;
}
