//! Reservations through the binary, on a real cluster: what every step does to the stock.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use stockade_tests::{Cluster, PATIENCE, binary};

/// The exit code of a refusal.
const REFUSED: i32 = 20;

/// Three nodes, and the commands that are given to them.
struct Shop {
    cluster: Cluster,
    addresses: String,
}

impl Shop {
    /// Opens with two locations, and mugs and teapots at them.
    async fn open() -> anyhow::Result<Self> {
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

    fn run(&self, arguments: &str) -> anyhow::Result<Output> {
        let cluster = ["--cluster", &self.addresses, "--output", "json"];
        Ok(Command::new(binary()).args(arguments.split(' ')).args(cluster).output()?)
    }

    /// What a command that must succeed says.
    fn done(&self, arguments: &str) -> anyhow::Result<Value> {
        let output = self.run(arguments)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{arguments}: {told}");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().with_context(|| format!("{arguments} says nothing: {told}"))?;
        Ok(serde_json::from_str(last)?)
    }

    /// Checks that a command is refused for this reason.
    fn refused(&self, arguments: &str, reason: &str) -> anyhow::Result<()> {
        let output = self.run(arguments)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(REFUSED), "{arguments}: {:?}: {told}", output.status);
        ensure!(told.contains(reason), "{arguments}: {told}");
        Ok(())
    }

    /// Units of a SKU at a location that are available, reserved and committed, after a check that they are all that is
    /// on hand.
    fn buckets(&self, sku: &str, location: &str) -> anyhow::Result<[i64; 3]> {
        let stock = self.done(&format!("stock get {sku} --location {location}"))?["stock"].take();
        let units = |bucket: &str| stock[bucket].as_i64().with_context(|| format!("{bucket}: {stock}"));
        let buckets = [units("available")?, units("reserved")?, units("committed")?];
        ensure!(buckets.iter().sum::<i64>() == units("on_hand")?, "{stock}");
        Ok(buckets)
    }

    fn expect(&self, sku: &str, location: &str, buckets: [i64; 3]) -> anyhow::Result<()> {
        let found = self.buckets(sku, location)?;
        ensure!(found == buckets, "{sku} at {location}: {found:?} instead of {buckets:?}");
        Ok(())
    }
}

/// Checks values of an object.
fn expect_fields<const N: usize>(object: &Value, fields: [(&str, Value); N]) -> anyhow::Result<()> {
    for (name, value) in fields {
        ensure!(object[name] == value, "{name} instead of {value}: {object:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_becomes_a_paid_and_an_unpaid_order() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let created =
        shop.done("reservation create cart --line mug:6=1250 --line teapot:2@main --customer c1 --hold 15m")?;
    expect_fields(&created, [("state", json!("ACTIVE")), ("location_ids", json!(["main", "main"]))])?;
    shop.expect("mug", "main", [4, 6, 0])?;
    shop.expect("teapot", "main", [2, 2, 0])?;

    let extended = shop.done("reservation extend cart --hold 1h")?;
    let ends = |object: &Value| object["expire_time"].as_str().map(ToOwned::to_owned).context("a time");
    ensure!(ends(&extended)? > ends(&created)?, "{created} {extended}");
    let again = shop.done("reservation extend cart --hold 1s")?;
    ensure!(ends(&again)? == ends(&extended)?, "a hold is never shortened: {extended} {again}");
    shop.expect("mug", "main", [4, 6, 0])?;

    shop.refused("reservation commit cart paid --line 1:7", "QUANTITY_EXCEEDED")?;
    let paid = shop.done("reservation commit cart paid --line 1:4 --payment P-1")?;
    let (state, order_state) = (json!("PARTIALLY_COMMITTED"), json!("CONFIRMED"));
    expect_fields(&paid, [("state", state), ("order_state", order_state), ("committed", json!(4))])?;
    shop.expect("mug", "main", [4, 2, 4])?;
    let order = shop.done("order get paid")?["order"].take();
    expect_fields(&order, [("customer_id", json!("c1")), ("payment_reference", json!("P-1"))])?;
    let line = [("unit_price_minor", json!(1250)), ("ordered", json!(4)), ("allocated", json!(4))];
    expect_fields(&order["lines"][0], line)?;
    ensure!(order["lines"].as_array().is_some_and(|lines| lines.len() == 1), "{order:#}");

    let unpaid = shop.done("reservation commit cart unpaid --customer c2 --hold 30m")?;
    let (state, order_state) = (json!("COMMITTED"), json!("PENDING_PAYMENT"));
    expect_fields(&unpaid, [("state", state), ("order_state", order_state), ("committed", json!(4))])?;
    shop.expect("mug", "main", [4, 2, 4])?;
    shop.expect("teapot", "main", [2, 2, 0])?;
    shop.refused("reservation commit cart late", "ILLEGAL_TRANSITION")?;
    shop.refused("reservation release cart", "ILLEGAL_TRANSITION")?;

    shop.done("order confirm unpaid --payment P-2")?;
    shop.expect("mug", "main", [4, 0, 6])?;
    shop.expect("teapot", "main", [2, 0, 2])?;
    expect_fields(&shop.done("order ship paid")?, [("state", json!("SHIPPED")), ("shipped", json!(4))])?;
    shop.expect("mug", "main", [4, 0, 2])?;
    expect_fields(&shop.done("order ship unpaid")?, [("state", json!("SHIPPED")), ("shipped", json!(4))])?;
    shop.expect("mug", "main", [4, 0, 0])?;
    shop.expect("teapot", "main", [2, 0, 0])?;

    let reservation = shop.done("reservation get cart")?["reservation"].take();
    expect_fields(&reservation, [("state", json!("COMMITTED")), ("customer_id", json!("c1"))])?;
    let line = [("quantity", json!(6)), ("open", json!(0)), ("committed", json!(6)), ("released", json!(0))];
    expect_fields(&reservation["lines"][0], line)?;
    let listed = shop.done("reservation list --state committed --customer c1")?;
    ensure!(listed["reservations"] == json!([reservation]), "{listed:#}");
    let others = shop.done("reservation list --customer c2")?;
    ensure!(others["reservations"] == json!([]), "{others:#}");
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_moves_to_another_location_and_is_given_back() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("reservation create cart --line mug:3@main --line mug:1@main --line teapot:2@main")?;
    shop.expect("mug", "main", [6, 4, 0])?;

    shop.refused("reservation move cart nowhere", "NOT_FOUND")?;
    // There is no teapot in the east, and the mugs don't go alone.
    shop.refused("reservation move cart east", "INSUFFICIENT_STOCK")?;
    shop.expect("mug", "main", [6, 4, 0])?;
    shop.expect("mug", "east", [5, 0, 0])?;
    shop.expect("teapot", "main", [2, 2, 0])?;

    let moved = shop.done("reservation move cart east --line 1 --line 2")?;
    expect_fields(&moved, [("moved", json!(4))])?;
    shop.expect("mug", "main", [10, 0, 0])?;
    shop.expect("mug", "east", [1, 4, 0])?;
    expect_fields(&shop.done("reservation move cart main --line 2")?, [("moved", json!(1))])?;
    shop.expect("mug", "main", [9, 1, 0])?;
    shop.expect("mug", "east", [2, 3, 0])?;
    expect_fields(&shop.done("reservation move cart main --line 2")?, [("moved", json!(0))])?;

    let released = shop.done("reservation release cart --line 1:2")?;
    expect_fields(&released, [("state", json!("ACTIVE")), ("released", json!(2))])?;
    shop.expect("mug", "east", [4, 1, 0])?;
    shop.refused("reservation release cart --line 1:2", "QUANTITY_EXCEEDED")?;
    let released = shop.done("reservation release cart")?;
    expect_fields(&released, [("state", json!("RELEASED")), ("released", json!(4))])?;
    shop.expect("mug", "east", [5, 0, 0])?;
    shop.expect("mug", "main", [10, 0, 0])?;
    shop.expect("teapot", "main", [4, 0, 0])?;
    shop.refused("reservation move cart main", "ILLEGAL_TRANSITION")?;
    shop.refused("reservation create cart --line mug:1", "ALREADY_EXISTS")?;
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_whose_time_is_over_is_expired_and_its_units_are_available() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("reservation create cart --line mug:6@main --line teapot:4 --hold 1s")?;
    let deadline = Instant::now() + PATIENCE;
    let reservation = loop {
        let reservation = shop.done("reservation get cart")?["reservation"].take();
        if reservation["state"] != "ACTIVE" {
            break reservation;
        }
        ensure!(Instant::now() < deadline, "still held: {reservation:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    expect_fields(&reservation, [("state", json!("EXPIRED"))])?;
    expect_fields(&reservation["lines"][0], [("open", json!(0)), ("expired", json!(6))])?;
    expect_fields(&reservation["lines"][1], [("open", json!(0)), ("expired", json!(4))])?;
    shop.expect("mug", "main", [10, 0, 0])?;
    shop.expect("teapot", "main", [4, 0, 0])?;
    for command in ["commit cart o1", "extend cart", "release cart", "move cart east"] {
        shop.refused(&format!("reservation {command}"), "RESERVATION_EXPIRED")?;
    }
    shop.done("order place --id o1 --line mug:10@main --line teapot:4")?;
    shop.expect("mug", "main", [0, 10, 0])?;
    shop.cluster.expect_equal_states().await
}
