//! Reservations through the binary, on a real cluster: what every step does to the stock.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use stockade_tests::shop::{Shop, expect_fields};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_becomes_a_paid_and_an_unpaid_order() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let created =
        shop.done("reservation create cart --line mug:6=1250 --line teapot:2@main --customer c1 --hold 15m")?;
    let sources = json!([
        { "line": 1, "location_id": "main", "quantity": 6 },
        { "line": 2, "location_id": "main", "quantity": 2 },
    ]);
    expect_fields(&created, [("state", json!("ACTIVE")), ("sources", sources)])?;
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
    let reservation =
        shop.until("reservation get cart", "reservation", |found| found["state"] != "ACTIVE").await?;
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
