//! `stockade bench`: it makes its calls, looks at what came of them, and says what it saw.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use stockade_tests::{Cluster, binary};

/// Runs a short benchmark; gives what it printed.
fn bench(flags: &[&str]) -> anyhow::Result<String> {
    let few = ["bench", "--seconds", "1", "--warm-up", "0", "--clients", "8", "--skus", "40"];
    let output = Command::new(binary()).args(few).args(flags).output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {stderr}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

fn object(printed: &str) -> anyhow::Result<Value> {
    let last = printed.lines().last().context("nothing was printed")?;
    let object: Value = serde_json::from_str(last)?;
    for none in ["failed", "lost", "oversold"] {
        ensure!(object[none] == 0, "{none}: {object}");
    }
    ensure!(object["orders"].as_u64() >= Some(8) && object["ops"].as_u64() > Some(8), "{object}");
    ensure!(object["p50_us"].as_u64() > Some(0) && object["p50_us"].as_u64() <= object["p99_us"].as_u64());
    ensure!(object["series"].as_array().is_some_and(|seconds| seconds.len() == 1), "{object}");
    Ok(object)
}

#[test]
fn calls_of_every_kind_on_a_cluster_of_its_own() -> anyhow::Result<()> {
    let printed = bench(&["--workload", "mixed-tpcc", "--mode", "unary", "--output", "json"])?;
    let object = object(&printed)?;
    ensure!(object["state_hash_equal"] == true && object["ops_per_s"].as_u64() > Some(0), "{object}");
    ensure!(object["server_cpu_us_per_op"].as_f64() > Some(0.0), "{object}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_a_cluster_that_is_there_and_a_page_with_plots() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let addresses: Vec<&str> = cluster.nodes.iter().map(|node| node.client.as_str()).collect();
    let addresses = addresses.join(",");
    // Twice: names of one run must not stand in the way of the next.
    for workload in ["w3", "read"] {
        let flags = ["--workload", workload, "--mode", "stream", "--cluster", &addresses, "--output", "json"];
        let object = object(&tokio::task::block_in_place(|| bench(&flags))?)?;
        ensure!(object["nodes"].is_null() && object["workload"] == workload, "{object}");
    }
    let flags = ["--workload", "w2", "--rate", "50", "--cluster", &addresses, "--output", "html"];
    let page = tokio::task::block_in_place(|| bench(&flags))?;
    ensure!(page.contains("<svg") && page.contains("<td>rate</td><td>50</td>"), "{page}");
    cluster.expect_equal_states().await
}
