//! Three real nodes: any of them takes orders, a dead leader loses nothing, an import runs once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use serde_json::Value;
use stockade_client::{Client, Error};
use stockade_proto::v1::{GetOrderRequest, GetStockRequest, OrderState};
use stockade_tests::load::{Load, wait_for};
use stockade_tests::orders::{order, stock};
use stockade_tests::{Cluster, binary};

async fn available(client: &Client, sku: &str) -> anyhow::Result<(i64, i64)> {
    let (sku_id, location_id) = (sku.to_owned(), "main".to_owned());
    let stock = client
        .get_stock(GetStockRequest { sku_id, location_id, read: None })
        .await?
        .stock
        .context("stock")?;
    Ok((stock.available, stock.reserved))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_placed_at_any_node_is_read_at_every_node_at_once() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    stock(&cluster.client().await?, "mug", 10).await?;
    for node in &cluster.nodes {
        let id = format!("o{}", node.id);
        cluster.client_of(node.id).await?.place_order(order(&id, "mug", 1)).await?;
        for reader in &cluster.nodes {
            let channel =
                tonic::transport::Endpoint::new(format!("http://{}", reader.client))?.connect().await?;
            let mut orders = stockade_proto::v1::order_service_client::OrderServiceClient::new(channel);
            let read =
                orders.get_order(GetOrderRequest { order_id: id.clone(), read: None }).await?.into_inner();
            let header = read.header.context("a header")?;
            ensure!(header.node_id == reader.id, "the node that was asked answers");
            ensure!(header.served_revision >= header.revision);
            let read = read.order.context("an order")?;
            ensure!(read.state() == OrderState::PendingPayment);
        }
    }
    let client = cluster.client().await?;
    ensure!(available(&client, "mug").await? == (7, 3));
    let refused = client.place_order(order("o9", "mug", 8)).await;
    ensure!(matches!(&refused, Err(error) if error.reason() == "INSUFFICIENT_STOCK"), "{refused:?}");
    cluster.expect_equal_states().await
}

/// Buys single units until told to stop; gives the orders that were acknowledged and refused.
async fn buy(client: Client, name: u32, stop: Arc<AtomicBool>) -> anyhow::Result<(Vec<String>, u64)> {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("b{name}-{number}");
        match client.place_order(order(&id, "hot", 1)).await {
            Ok(_) => acknowledged.push(id),
            Err(Error::Rejected(refusal)) if refusal.reason == "INSUFFICIENT_STOCK" => refused += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((acknowledged, refused))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_loses_nothing_and_callers_see_no_error() -> anyhow::Result<()> {
    const UNITS: i64 = 2_000;
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    stock(&client, "hot", UNITS).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let buyers: Vec<_> =
        (0..8).map(|name| tokio::spawn(buy(client.clone(), name, Arc::clone(&stop)))).collect();
    for _ in 0..2 {
        let leader = cluster.wait_until_led().await?;
        cluster.kill(leader)?;
        let next = cluster.wait_until_led().await?;
        ensure!(next != leader);
        cluster.launch(leader)?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for buyer in buyers {
        acknowledged.extend(buyer.await??.0);
    }
    let sold = i64::try_from(acknowledged.len())?;
    ensure!(sold > 0 && sold <= UNITS, "{sold} of {UNITS} sold");
    let (available, reserved) = available(&client, "hot").await?;
    ensure!(
        reserved >= sold && available + reserved == UNITS,
        "{available} + {reserved}, {sold} acknowledged"
    );
    for id in acknowledged {
        client.get_order(GetOrderRequest { order_id: id, read: None }).await?;
    }
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_for_long_is_brought_up_by_a_snapshot() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with(
        3,
        &["--snapshot-log-bytes", "65536", "--segment-bytes", "65536", "--kept-log-entries", "10"],
    )
    .await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 1_000_000).await?;
    let leader = cluster.wait_until_led().await?;
    let away = cluster.nodes.iter().map(|node| node.id).find(|id| *id != leader).context("a follower")?;
    cluster.kill(away)?;
    let mut purged = 0;
    for round in 0..200 {
        let place = |number| {
            let (client, id) = (client.clone(), format!("r{round}-{number}"));
            tokio::spawn(async move { client.place_order(order(&id, "mug", 1)).await })
        };
        let orders: Vec<_> = (0..500).map(place).collect();
        for placed in orders {
            placed.await??;
        }
        let status = client.cluster_status().await?;
        purged = status.nodes.iter().map(|node| node.purged_index).max().unwrap_or(0);
        if purged > 0 {
            break;
        }
    }
    ensure!(purged > 0, "the log was never purged");
    cluster.launch(away)?;
    cluster.wait_until_led().await?;
    cluster.expect_equal_states().await
}

fn run_json(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new(binary()).args(arguments).args(["--output", "json"]).output()?;
    let stdout = String::from_utf8(output.stdout)?;
    let context = || format!("{arguments:?} printed {stdout}, {}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), context());
    serde_json::from_str(stdout.lines().last().with_context(context)?).with_context(context)
}

#[test]
fn the_demo_proves_that_nothing_is_lost() -> anyhow::Result<()> {
    let report = run_json(&["demo", "--kills", "1", "--seconds", "5"])?;
    ensure!(report["acked"].as_u64() > Some(0), "{report}");
    for (key, expected) in [("lost", 0), ("oversold", 0), ("kills", 1)] {
        ensure!(report[key] == expected, "{key} in {report}");
    }
    ensure!(
        report["state_hash_equal"] == true && report["failover_ms"]["max"].as_f64().is_some(),
        "{report}"
    );
    Ok(())
}

const RETAIL: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
536366,85123a,WHITE HANGING HEART,2,2010-12-01 08:28:00,2.55,17850.0,United Kingdom
536366,POST,POSTAGE,1,2010-12-01 08:28:00,18.00,17850.0,United Kingdom
C536379,85123A,WHITE HANGING HEART,-3,2010-12-01 09:41:00,2.55,17850.0,United Kingdom
536589,71053,damaged,-1,2010-12-01 16:50:00,0.0,,United Kingdom
536590,71053,WHITE METAL LANTERN,many,2010-12-01 16:51:00,3.39,,United Kingdom
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_takes_effect_once_however_often_it_runs() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("retail.csv");
    std::fs::write(&file, RETAIL)?;
    let addresses = cluster.addresses().join(",");
    let file = file.to_str().context("a path of text")?;
    let rejects = format!("{file}.rejects");
    let import =
        || run_json(&["import", "online-retail", file, "--cluster", &addresses, "--reject-file", &rejects]);
    let first = tokio::task::block_in_place(import)?;
    ensure!(first["lines"] == 7 && first["orders"] == 2, "{first}");
    // The newest sale had two of the three units that came back, the one before it the third.
    ensure!(first["returns"] == 2 && first["rejected"] == 1, "{first}");
    ensure!(first["adjustments"] == 1 && first["new_effects"].as_u64() > Some(0), "{first}");
    let classes: BTreeMap<_, _> = first.as_object().context("an object")?.iter().collect();
    let sum: u64 = classes
        .iter()
        .filter(|(key, _)| key.starts_with("lines_") && !key.contains("per"))
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    ensure!(sum == 7, "the classes of lines sum to {sum}: {first}");
    ensure!(std::fs::read_to_string(&rejects)?.contains("many"), "the damaged line is listed");
    let second = tokio::task::block_in_place(import)?;
    ensure!(second["new_effects"] == 0, "{second}");
    let client = cluster.client().await?;
    ensure!(available(&client, "85123A").await?.1 == 0, "all is shipped");
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_its_limit_is_refused_and_the_connection_lives() -> anyhow::Result<()> {
    use stockade_proto::v1::order_service_client::OrderServiceClient;
    let cluster = Cluster::start(1).await?;
    let endpoint = tonic::transport::Endpoint::new(format!("http://{}", cluster.nodes[0].client))?;
    let mut orders = OrderServiceClient::new(endpoint.connect().await?);
    let mut huge = order("o1", "mug", 1);
    huge.customer_id = "c".repeat(8 << 20);
    let refused = orders.place_order(huge).await.expect_err("too large");
    ensure!(refused.code() != tonic::Code::Unknown, "{refused:?}");
    let missing = orders.get_order(GetOrderRequest { order_id: "none".to_owned(), read: None }).await;
    ensure!(missing.expect_err("no such order").code() == tonic::Code::NotFound);
    Ok(())
}

/// `stockade cluster ...` on the nodes that are not named in `without`; gives the JSON object, or what standard error got.
fn cluster_command(
    cluster: &Cluster,
    without: &[u64],
    arguments: &[&str],
) -> anyhow::Result<Result<Value, String>> {
    let asked = cluster.nodes.iter().filter(|node| !without.contains(&node.id));
    let addresses: Vec<_> = asked.map(|node| node.client.as_str()).collect();
    let output = Command::new(binary())
        .arg("cluster")
        .args(arguments)
        .args(["--output", "json", "--cluster", &addresses.join(",")])
        .output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    if !output.status.success() {
        ensure!(stdout.is_empty(), "a command that failed printed {stdout}");
        return Ok(Err(format!("{}: {stderr}", output.status)));
    }
    let line = stdout.lines().last().with_context(|| format!("no output: {stderr}"))?;
    Ok(Ok(serde_json::from_str(line)?))
}

/// The same, where it must succeed.
fn change(cluster: &Cluster, without: &[u64], arguments: &[&str]) -> anyhow::Result<Value> {
    let outcome = tokio::task::block_in_place(|| cluster_command(cluster, without, arguments))?;
    outcome.map_err(|error| anyhow::anyhow!("{arguments:?}: {error}"))
}

/// The same, where it must be refused.
fn refusal(cluster: &Cluster, without: &[u64], arguments: &[&str]) -> anyhow::Result<String> {
    match tokio::task::block_in_place(|| cluster_command(cluster, without, arguments))? {
        Ok(done) => anyhow::bail!("{arguments:?} was not refused: {done}"),
        Err(refusal) => {
            ensure!(refusal.starts_with("exit status: 20"), "{refusal}");
            Ok(refusal)
        }
    }
}

/// Starts a new node and has it added.
fn add(cluster: &mut Cluster) -> anyhow::Result<Value> {
    let new = cluster.launch_joining()?;
    let node = format!("{new}={}", cluster.node(new).peer_address());
    change(cluster, &[new], &["add", &node])
}

async fn expect_all_there(cluster: &Cluster, orders: Vec<String>) -> anyhow::Result<()> {
    let client = cluster.client().await?;
    for order_id in orders {
        client.get_order(GetOrderRequest { order_id, read: None }).await?;
    }
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_five_to_three_to_five_under_load_nothing_is_lost() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(5).await?;
    let load = Load::begin(&cluster.client().await?).await?;
    load.more(200).await?;
    // The leader is one of the two that go, and the highest id may be.
    let leader = cluster.wait_until_led().await?;
    let other = if leader == 5 { 4 } else { 5 };
    let gone = [leader, other];
    let ids = gone.map(|id| id.to_string());
    let left: Vec<u64> = (1..=5).filter(|id| !gone.contains(id)).collect();
    let report = change(&cluster, &[], &["remove", &ids[0], &ids[1]])?;
    ensure!(report["voters"] == serde_json::json!(left), "{report}");
    ensure!(left.contains(&report["leader_id"].as_u64().context("a leader")?), "{report}");
    load.more(200).await?;
    let done_before = change(&cluster, &[], &["remove", &ids[0], &ids[1]])?;
    ensure!(done_before["voters"] == report["voters"], "{done_before}");
    for id in gone {
        let notices =
            || async { Ok(cluster.log_of(id).contains("no member of its cluster any more").then_some(())) };
        wait_for("a removed node notices", notices).await?;
    }
    for id in gone {
        cluster.stop(id)?;
    }
    // The id of one that went is not used again, though it may have been the highest.
    let again = refusal(&cluster, &gone, &["add", &format!("{other}=127.0.0.1:1")])?;
    ensure!(again.contains("MEMBERSHIP_ID_USED") && again.contains("6 or higher"), "{again}");
    for number in 4..=5 {
        let report = add(&mut cluster)?;
        let voters = report["voters"].as_array().map(Vec::len);
        ensure!(report["role"] == "voter" && voters == Some(number), "{report}");
        load.more(200).await?;
    }
    for id in gone {
        cluster.forget(id);
    }
    // The votes of the new ones count: with two of five gone the cluster goes on.
    let leader = cluster.wait_until_led().await?;
    let second = left.iter().copied().find(|id| *id != leader).context("another")?;
    cluster.kill(leader)?;
    cluster.kill(second)?;
    load.more(100).await?;
    cluster.launch(leader)?;
    cluster.launch(second)?;
    cluster.wait_until_led().await?;
    expect_all_there(&cluster, load.end().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_wiped_is_replaced_under_a_new_id_under_load() -> anyhow::Result<()> {
    const WIPED: u64 = 2;
    let mut cluster = Cluster::start(3).await?;
    let load = Load::begin(&cluster.client().await?).await?;
    load.more(100).await?;
    cluster.kill(WIPED)?;
    std::fs::remove_dir_all(&cluster.node(WIPED).dir)?;
    // Under its old id it is refused, however often it is started: nothing of the log may come to it meanwhile.
    for _ in 0..2 {
        let refused = cluster.launch_as_new(WIPED, &[]).expect_err("its id is a voter's").to_string();
        ensure!(refused.contains("has a vote") && refused.contains("--node-id 4"), "{refused}");
    }
    let new = cluster.launch_joining()?;
    let with = format!("{new}={}", cluster.node(new).peer_address());
    let report = change(&cluster, &[WIPED, new], &["replace", &WIPED.to_string(), "--with", &with])?;
    ensure!(report["voters"] == serde_json::json!([1, 3, 4]), "{report}");
    load.more(100).await?;
    cluster.forget(WIPED);
    cluster.wait_until_led().await?;
    expect_all_there(&cluster, load.end().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_the_place_of_a_dead_voter_and_a_learner_does_not() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with(3, &["--replace-dead-after", "2"]).await?;
    let load = Load::begin(&cluster.client().await?).await?;
    for (flags, zone) in [(&["--zone", "south"][..], "south"), (&["--zone", "north", "--standby"], "north")] {
        let new = cluster.launch_joining_with(flags)?;
        let node = format!("{new}={}", cluster.node(new).peer_address());
        let report = change(&cluster, &[new], &["add", &node, "--learner"])?;
        ensure!(report["role"] == "learner" && report["voters"] == serde_json::json!([1, 2, 3]), "{report}");
        let status = change(&cluster, &[], &["status"])?;
        let told =
            status["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["node_id"] == new));
        let told = told.context("it is listed")?;
        ensure!(told["zone"] == zone && told["voter"] == false, "{told}");
        ensure!(told["standby"] == (zone == "north"), "{told}");
    }
    let dead = cluster.wait_until_led().await?;
    cluster.kill(dead)?;
    // The leader itself: whoever leads next counts from then.
    let expected: Vec<u64> = [1, 2, 3, 5].into_iter().filter(|id| *id != dead).collect();
    let client = cluster.client().await?;
    let replaced = || async {
        let status = client.cluster_status().await?;
        let voters: Vec<_> = status.nodes.iter().filter(|node| node.voter).map(|node| node.node_id).collect();
        let alarm =
            status.nodes.iter().flat_map(|node| &node.alarms).find(|alarm| alarm.kind == "voter_replaced");
        Ok((voters == expected).then_some(alarm.cloned()).flatten())
    };
    let alarm = wait_for("the standby votes and the leader says so", replaced).await?;
    ensure!(alarm.detail.contains("node 5 took its place"), "{alarm:?}");
    load.more(100).await?;
    // Back again it finds out, takes nothing, and says how to go on.
    cluster.launch(dead)?;
    let notices = || async {
        let log = cluster.log_of(dead);
        Ok((log.contains("no member of its cluster any more") && log.contains("--join")).then_some(()))
    };
    wait_for("the dead node finds out", notices).await?;
    let direct = tonic::transport::Endpoint::new(format!("http://{}", cluster.node(dead).client))?;
    let mut orders =
        stockade_proto::v1::order_service_client::OrderServiceClient::new(direct.connect().await?);
    let refused = orders.get_order(GetOrderRequest { order_id: "b0-0".to_owned(), read: None }).await;
    ensure!(refused.expect_err("it is removed").message().contains("no member"));
    cluster.stop(dead)?;
    cluster.forget(dead);
    cluster.wait_until_led().await?;
    expect_all_there(&cluster, load.end().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_cost_the_quorum_is_refused_and_the_lead_goes_where_it_is_sent() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(3).await?;
    stock(&cluster.client().await?, "mug", 10).await?;
    let leader = cluster.wait_until_led().await?;
    let to = if leader == 1 { 2 } else { 1 };
    let moved = change(&cluster, &[], &["transfer", &to.to_string()])?;
    ensure!(moved["leader_id"] == to && cluster.wait_until_led().await? == to, "{moved}");
    let chosen = change(&cluster, &[], &["transfer"])?["leader_id"].as_u64().context("an id")?;
    ensure!(chosen != to && cluster.wait_until_led().await? == chosen);
    ensure!(refusal(&cluster, &[], &["transfer", "9"])?.contains("MEMBERSHIP_NODE_UNKNOWN"));

    let all = refusal(&cluster, &[], &["remove", "1", "2", "3"])?;
    ensure!(all.contains("MEMBERSHIP_QUORUM_AT_RISK"), "{all}");
    ensure!(refusal(&cluster, &[], &["remove", "9"])?.contains("MEMBERSHIP_NODE_UNKNOWN"));
    let silent = (1..=3).find(|id| *id != chosen).context("a follower")?;
    let needed = (1..=3).find(|id| *id != chosen && *id != silent).context("another")?;
    cluster.kill(silent)?;
    let refused = refusal(&cluster, &[silent], &["remove", &needed.to_string()])?;
    ensure!(refused.contains("MEMBERSHIP_QUORUM_AT_RISK") && refused.contains("more than half"), "{refused}");
    let refused = refusal(&cluster, &[silent], &["transfer", &silent.to_string()])?;
    ensure!(refused.contains("MEMBERSHIP_LEARNER_BEHIND"), "{refused}");
    // The one that is silent may go: the two that are left are there.
    let left = change(&cluster, &[silent], &["remove", &silent.to_string()])?;
    ensure!(left["voters"].as_array().map(Vec::len) == Some(2), "{left}");
    cluster.forget(silent);
    cluster.client().await?.place_order(order("o1", "mug", 1)).await?;
    cluster.expect_equal_states().await
}
