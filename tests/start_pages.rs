//! What the start page tells a newcomer to type works, in that order, on a cluster of three.

use std::process::Command;

use anyhow::{Context, ensure};
use stockade_tests::{Cluster, binary};

const PAGE: &str = include_str!("../docs/getting-started.md");
/// The first commands that a cluster which runs answers to, and what comes behind the last.
const BEGIN: &str = "## A first order";
const END: &str = "## Kill a node";

/// The shell commands between two headings, block by block.
fn blocks() -> anyhow::Result<Vec<String>> {
    let from = PAGE.find(BEGIN).with_context(|| format!("no `{BEGIN}`"))?;
    let to = PAGE.find(END).with_context(|| format!("no `{END}`"))?;
    let text = PAGE.get(from..to).context("the headings stand in another order")?;
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    Ok(blocks.map(ToOwned::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_start_page_does_what_it_says() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let directory = binary().parent().context("the binary is in a directory")?;
    let blocks = blocks()?;
    ensure!(blocks.len() >= 6, "{} blocks", blocks.len());
    for block in blocks {
        // The block may put another build first on the path: behind that, `stockade` is the one under test.
        let script = block.replace("$PWD/target/release", &directory.display().to_string());
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-eu", "-c", &script])
            .env("PATH", format!("{}:{path}", directory.display()))
            .env("STOCKADE_CLUSTER", cluster.addresses().join(","))
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}\nof\n{block}");
    }
    cluster.expect_equal_states().await
}
