//! A shop on a cluster of real nodes, run through the binary.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{Cluster, PATIENCE, binary};

/// The exit code of a refusal.
const REFUSED: i32 = 20;

/// Three nodes, and the commands that are given to them.
#[derive(Debug)]
pub struct Shop {
    /// The nodes.
    pub cluster: Cluster,
    addresses: String,
}

impl Shop {
    /// Opens with two locations, and mugs and teapots at them: 10 mugs and 4 teapots in `main`, 5 mugs in `east`.
    pub async fn open() -> anyhow::Result<Self> {
        let cluster = Cluster::start(3).await?;
        let addresses = cluster.addresses().join(",");
        let shop = Self { cluster, addresses };
        for arguments in [
            "location create main --priority 1",
            "location create east --priority 2",
            "sku create mug",
            "sku create teapot",
            "stock receive mug 10",
            "stock receive mug 5 --location east",
            "stock receive teapot 4",
        ] {
            shop.done(arguments)?;
        }
        Ok(shop)
    }

    fn run(&self, arguments: &str, input: &str) -> anyhow::Result<Output> {
        let cluster = ["--cluster", &self.addresses, "--output", "json"];
        let mut process = Command::new(binary())
            .args(arguments.split(' '))
            .args(cluster)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = process.stdin.take().context("stdin was piped")?;
        // A command that reads nothing may have ended by now.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ok(process.wait_with_output()?)
    }

    /// What a command that must succeed says.
    pub fn done(&self, arguments: &str) -> anyhow::Result<Value> {
        self.done_with(arguments, "")
    }

    /// The same of a command that reads this from standard input.
    pub fn done_with(&self, arguments: &str, input: &str) -> anyhow::Result<Value> {
        let output = self.run(arguments, input)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{arguments}: {told}");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().with_context(|| format!("{arguments} says nothing: {told}"))?;
        Ok(serde_json::from_str(last)?)
    }

    /// Checks that a command is refused for this reason.
    pub fn refused(&self, arguments: &str, reason: &str) -> anyhow::Result<()> {
        self.refused_with(arguments, "", reason)
    }

    /// The same of a command that reads this from standard input.
    pub fn refused_with(&self, arguments: &str, input: &str, reason: &str) -> anyhow::Result<()> {
        let output = self.run(arguments, input)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(REFUSED), "{arguments}: {:?}: {told}", output.status);
        ensure!(told.contains(reason), "{arguments}: {told}");
        Ok(())
    }

    /// Repeats a read until what it shows under a name is as it should be.
    pub async fn until(
        &self,
        arguments: &str,
        name: &str,
        is_there: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.done(arguments)?[name].take();
            if is_there(&found) {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "{arguments}, to the last: {found:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Units of a SKU at a location that are available, reserved and committed, after a check that they are all that is
    /// on hand.
    pub fn buckets(&self, sku: &str, location: &str) -> anyhow::Result<[i64; 3]> {
        let stock = self.done(&format!("stock get {sku} --location {location}"))?["stock"].take();
        let units = |bucket: &str| stock[bucket].as_i64().with_context(|| format!("{bucket}: {stock}"));
        let buckets = [units("available")?, units("reserved")?, units("committed")?];
        ensure!(buckets.iter().sum::<i64>() == units("on_hand")?, "{stock}");
        Ok(buckets)
    }

    /// Checks what is available, reserved and committed.
    pub fn expect(&self, sku: &str, location: &str, buckets: [i64; 3]) -> anyhow::Result<()> {
        let found = self.buckets(sku, location)?;
        ensure!(found == buckets, "{sku} at {location}: {found:?} instead of {buckets:?}");
        Ok(())
    }
}

/// Checks values of an object.
pub fn expect_fields<const N: usize>(object: &Value, fields: [(&str, Value); N]) -> anyhow::Result<()> {
    for (name, value) in fields {
        ensure!(object[name] == value, "{name} instead of {value}: {object:#}");
    }
    Ok(())
}
