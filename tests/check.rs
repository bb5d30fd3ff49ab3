//! Histories of real clusters, judged by `stockade check`.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;
use stockade_client::{Client, Config, Error, Recorder};
use stockade_env::Env;
use stockade_history::Recording;
use stockade_proto::v1::{
    CancelOrderRequest, ConfirmOrderRequest, GetOrderRequest, GetStockRequest, ListOrdersRequest,
    ListStockRequest,
};
use stockade_tests::orders::{order, stock};
use stockade_tests::{Cluster, PATIENCE, binary};

fn stockade(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(binary()).args(arguments).args(["--output", "json"]).output()?)
}

fn last_line(output: &Output) -> anyhow::Result<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(serde_json::from_str(last)?)
}

/// A client that knows every node and writes down what it asks.
async fn recording(cluster: &Cluster, path: &Path) -> anyhow::Result<(Client, Recorder)> {
    let file = OpenOptions::new().append(true).create_new(true).open(path)?;
    let began = tokio::time::Instant::now();
    let names = Recording { id: "test".into(), clock: "test".into(), by: "a test".into() };
    let now_ns = move || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let recorder = Recorder::new(Box::new(file), true, names, now_ns)?;
    let config = Config { record: Some(recorder.clone()), ..Config::new(cluster.addresses()) };
    Ok((Client::connect(&Env::real(), config).await?, recorder))
}

/// What a call may come to while nodes die.
fn tolerate<T>(answered: Result<T, Error>) -> anyhow::Result<()> {
    match answered {
        Ok(_)
        | Err(
            Error::Rejected(_)
            | Error::OutcomeUnknown { .. }
            | Error::NoLeader { .. }
            | Error::Overloaded { .. }
            | Error::Unavailable { .. },
        ) => Ok(()),
        Err(error @ (Error::Invalid(_) | Error::Transport(_))) => Err(error.into()),
    }
}

/// Trades until told to stop, and counts.
async fn trade(
    client: Client,
    name: u32,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU32>,
) -> anyhow::Result<()> {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        let order_id = format!("t{name}-{number}");
        let (sku_id, location_id) = ("hot".to_owned(), "main".to_owned());
        tolerate(client.place_order(order(&order_id, "hot", 1 + i64::from(number % 3))).await)?;
        tolerate(client.get_order(GetOrderRequest { order_id: order_id.clone(), read: None }).await)?;
        if number % 2 == 0 {
            let order_id = order_id.clone();
            tolerate(client.confirm_order(ConfirmOrderRequest { order_id, ..Default::default() }).await)?;
        }
        tolerate(client.get_stock(GetStockRequest { sku_id, location_id, read: None }).await)?;
        if number % 3 == 0 {
            let order_id = order_id.clone();
            tolerate(client.cancel_order(CancelOrderRequest { order_id, ..Default::default() }).await)?;
        }
        if number % 10 == 0 {
            tolerate(client.list_stock(ListStockRequest { page_size: 1, ..Default::default() }).await)?;
            tolerate(client.list_orders(ListOrdersRequest { page_size: 7, ..Default::default() }).await)?;
        }
    }
    Ok(())
}

/// Waits until the traders have done so many more rounds.
async fn further(rounds: &AtomicU32, by: u32) -> anyhow::Result<()> {
    let (until, deadline) = (rounds.load(Ordering::Relaxed) + by, Instant::now() + PATIENCE);
    while rounds.load(Ordering::Relaxed) < until {
        ensure!(Instant::now() < deadline, "the traders are stuck");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_told_through_the_death_of_its_leader_holds() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("history.jsonl");
    let (client, recorder) = recording(&cluster, &path).await?;
    stock(&client, "hot", 150).await?;
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let traders: Vec<_> = (0..8)
        .map(|name| tokio::spawn(trade(client.clone(), name, Arc::clone(&stop), Arc::clone(&rounds))))
        .collect();
    further(&rounds, 20).await?;
    let leader = cluster.wait_until_led().await?;
    cluster.kill(leader)?;
    further(&rounds, 20).await?;
    cluster.launch(leader)?;
    further(&rounds, 20).await?;
    stop.store(true, Ordering::Relaxed);
    for trader in traders {
        trader.await??;
    }
    cluster.expect_equal_states().await?;
    drop(client);
    recorder.finish()?;

    let file = path.to_str().context("a path")?;
    let addresses = cluster.addresses().join(",");
    let checked = stockade(&["check", file, "--cluster", &addresses, "--settle", "--complete"])?;
    let object = last_line(&checked)?;
    ensure!(checked.status.code() == Some(0), "{object:#}");
    ensure!(object["violations"] == 0 && object["unsettled"] == 0, "{object:#}");
    ensure!(object["operations"].as_u64() > Some(80) && object["entries"].as_u64() > Some(10), "{object:#}");
    for check in ["A", "B", "C", "D", "E"] {
        ensure!(object["checks"][check]["checked"].as_u64() > Some(0), "{check}: {object:#}");
    }
    ensure!(object["checks"]["E"]["checked"] == 3, "every node's state hash: {object:#}");

    // One answer forged: it names another place in the log.
    let text = std::fs::read_to_string(&path)?;
    let forged = forge(&text).context("a position that is not 0")?;
    std::fs::write(&path, forged)?;
    let checked = stockade(&["check", file])?;
    ensure!(checked.status.code() == Some(22), "{}", String::from_utf8_lossy(&checked.stdout));
    let object = last_line(&checked)?;
    let told = object["first_violations"].as_array().context("in words")?;
    let says = |found: &Value| {
        found["text"].as_str().is_some_and(|text| text.contains("was acknowledged at revision"))
    };
    ensure!(told.iter().any(says), "{object:#}");
    Ok(())
}

/// The history with one answer's position moved.
fn forge(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("\"return\"") && line.contains("\"position\":"))?;
    Some(text.replacen(line, &line.replacen("\"position\":", "\"position\":9", 1), 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_several_processes_go_into_one_history() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("history.jsonl");
    let file = path.to_str().context("a path")?;
    let address = cluster.addresses().remove(0);
    for arguments in [
        &["sku", "create", "mug"][..],
        &["location", "create", "main"],
        &["stock", "receive", "mug", "5"],
        &["stock", "get", "mug"],
        &["order", "place", "--id", "o1", "--line", "mug:9"],
        &["order", "place", "--id", "o1", "--line", "mug:2"],
        &["order", "get", "o1"],
        &["order", "get", "o2"],
    ] {
        stockade(&[arguments, &["--cluster", &address, "--record", file]].concat())?;
    }
    let checked = stockade(&["check", file, "--cluster", &address, "--complete"])?;
    let object = last_line(&checked)?;
    ensure!(checked.status.code() == Some(0), "{object:#}");
    ensure!(object["operations"] == 8, "{object:#}");
    // A second time it needs no cluster.
    ensure!(stockade(&["check", file])?.status.code() == Some(0));
    Ok(())
}

#[test]
fn a_history_without_its_log_is_not_judged() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("history.jsonl");
    std::fs::write(&path, "{\"history\":{\"version\":1}}\n")?;
    let checked = stockade(&["check", path.to_str().context("a path")?])?;
    ensure!(checked.status.code() == Some(1));
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    ensure!(told.contains("holds no entries of the log") && told.contains("--cluster"), "{told}");
    Ok(())
}
