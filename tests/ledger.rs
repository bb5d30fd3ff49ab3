//! The ledger of a real cluster, through the binary and of every node: what happened, what there was, and that it is as it was written.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use stockade_proto::v1::get_stock_as_of_request::AsOf;
use stockade_proto::v1::ledger_service_client::LedgerServiceClient;
use stockade_proto::v1::{GetStockAsOfRequest, GetStockAsOfResponse, ListLedgerEntriesRequest, Stock};
use stockade_tests::shop::{Shop, expect_fields};
use stockade_tests::{Cluster, Node, PATIENCE};

const LOCATIONS: [&str; 2] = ["east", "main"];

/// What becomes of the mugs after the shop has opened. Each command moves units once, at one location.
const STORY: [&str; 9] = [
    "order place --id o1 --line mug:3@main",
    "order confirm o1",
    "reservation create cart --line mug:2@main",
    "order ship o1 --document P-1 --tracking T-1",
    "reservation release cart",
    "stock adjust mug -1 --reason damaged --document A-1",
    "stock set mug 6 --location east --reason cycle-count",
    "order return o1 --line 1:1@main=damaged --document R-1",
    "stock move mug 1 --to safety-stock --reason safety-stock --reference https://example.com/1",
];

/// How the ledger tells it, the two receipts before it included: location, bucket before, bucket after, units, reason.
const TOLD: [(&str, &str, &str, i64, &str); 11] = [
    ("main", "", "AVAILABLE", 10, "RECEIVED"),
    ("east", "", "AVAILABLE", 5, "RECEIVED"),
    ("main", "AVAILABLE", "RESERVED", 3, "RESERVATION"),
    ("main", "RESERVED", "COMMITTED", 3, "COMMIT"),
    ("main", "AVAILABLE", "RESERVED", 2, "RESERVATION"),
    ("main", "COMMITTED", "", 3, "SHIPMENT"),
    ("main", "RESERVED", "AVAILABLE", 2, "RELEASE"),
    ("main", "AVAILABLE", "", 1, "DAMAGED"),
    ("east", "", "AVAILABLE", 1, "CYCLE_COUNT"),
    ("main", "", "DAMAGED", 1, "RETURNED"),
    ("main", "AVAILABLE", "SAFETY_STOCK", 1, "SAFETY_STOCK"),
];

/// What was said of the mugs when something had just happened.
struct Moment {
    revision: u64,
    log_time: String,
    /// By location, as `stock get` showed it.
    stock: Vec<Value>,
}

/// Stock as the ledger tells it: what is past can't be changed, so there is no etag.
fn without_etag(mut stock: Value) -> Value {
    stock["etag"] = json!("");
    stock
}

/// Plays the story, and notes after each step what there is.
fn play(shop: &Shop) -> anyhow::Result<Vec<Moment>> {
    let mut moments = Vec::new();
    for command in STORY {
        let header = shop.done(command)?["header"].take();
        let revision = header["revision"].as_u64().context("a revision")?;
        let log_time = header["log_time"].as_str().context("a log time")?.to_owned();
        let stock = |location: &&str| {
            Ok(without_etag(shop.done(&format!("stock get mug --location {location}"))?["stock"].take()))
        };
        let stock = LOCATIONS.iter().map(stock).collect::<anyhow::Result<_>>()?;
        moments.push(Moment { revision, log_time, stock });
    }
    Ok(moments)
}

/// All pages of a list.
fn pages(shop: &Shop, command: &str, name: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut token = String::new();
    loop {
        let page = shop.done(&format!("{command} --page-token={token}"))?;
        rows.extend(page[name].as_array().with_context(|| format!("{name}: {page:#}"))?.iter().cloned());
        page["next_page_token"].as_str().context("a token")?.clone_into(&mut token);
        if token.is_empty() {
            return Ok(rows);
        }
    }
}

fn entries(shop: &Shop, filter: &str) -> anyhow::Result<Vec<Value>> {
    pages(shop, format!("ledger list {filter}").trim_end(), "entries")
}

/// Checks that a list has those of all entries that a filter takes.
fn expect_list(
    shop: &Shop,
    all: &[Value],
    filter: &str,
    takes: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let mut expected: Vec<_> = all.iter().filter(|entry| takes(entry)).cloned().collect();
    ensure!(!expected.is_empty(), "{filter} takes nothing, which proves nothing");
    let found = entries(shop, filter)?;
    ensure!(found == expected, "{filter}: {found:#?} instead of {expected:#?}");
    expected.reverse();
    let found = entries(shop, &format!("{filter} --newest-first --page-size 2"))?;
    ensure!(found == expected, "{filter}, newest first: {found:#?} instead of {expected:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_tells_what_moved_when_and_for_whom() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let moments = play(&shop)?;
    let all = entries(&shop, "--page-size 4")?;
    let mugs: Vec<_> = all.iter().filter(|entry| entry["sku_id"] == "mug").collect();
    ensure!(all.len() == mugs.len() + 1 && mugs.len() == TOLD.len(), "one receipt of teapots: {all:#?}");
    for (entry, (location, from, to, quantity, reason)) in mugs.iter().zip(TOLD) {
        let named =
            [("location_id", json!(location)), ("from_bucket", json!(from)), ("to_bucket", json!(to))];
        expect_fields(entry, named)?;
        expect_fields(entry, [("quantity", json!(quantity)), ("reason", json!(reason))])?;
        ensure!(entry["request_id"].as_str().is_some_and(|id| id.len() == 36), "{entry:#}");
    }
    for (entry, moment) in mugs.iter().skip(2).zip(&moments) {
        let at =
            LOCATIONS.iter().position(|location| entry["location_id"] == *location).context("a location")?;
        expect_fields(entry, [("revision", json!(moment.revision)), ("time", json!(moment.log_time))])?;
        expect_fields(entry, [("balances", moment.stock[at].clone())])?;
    }
    expect_fields(mugs[5], [("document_id", json!("P-1")), ("order_id", json!("o1"))])?;
    expect_fields(mugs[6], [("reservation_id", json!("cart")), ("order_id", json!(""))])?;
    expect_fields(mugs[10], [("reference", json!("https://example.com/1"))])?;

    expect_list(&shop, &all, "--sku mug", |entry| entry["sku_id"] == "mug")?;
    expect_list(&shop, &all, "--sku mug --location east", |entry| entry["location_id"] == "east")?;
    expect_list(&shop, &all, "--location main", |entry| entry["location_id"] == "main")?;
    expect_list(&shop, &all, "--order o1", |entry| entry["order_id"] == "o1")?;
    expect_list(&shop, &all, "--reservation cart", |entry| entry["reservation_id"] == "cart")?;
    let (first, last) = (&moments[1], &moments[5]);
    let within = |entry: &Value| entry["revision"].as_u64() >= Some(first.revision);
    let until = |entry: &Value| entry["revision"].as_u64() < Some(last.revision);
    let span = format!("--since {} --until {}", first.log_time, last.log_time);
    expect_list(&shop, &all, &span, |entry| within(entry) && until(entry))?;
    let span = format!("--from-revision {} --to-revision {}", first.revision, last.revision - 1);
    expect_list(&shop, &all, &span, |entry| within(entry) && until(entry))?;
    let span = format!("--order o1 --location main --since {}", last.log_time);
    expect_list(&shop, &all, &span, |entry| entry["order_id"] == "o1" && !until(entry))?;
    ensure!(entries(&shop, "--sku plate")?.is_empty(), "nothing of it was moved");
    let backwards = format!("ledger list --from-revision {} --to-revision {}", last.revision, first.revision);
    shop.refused(&backwards, "to_revision")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_listed_by_when_they_were_placed_and_by_what_they_have() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let mut placed = Vec::new();
    for (id, line) in [("z", "mug:1"), ("m", "teapot:1"), ("a", "mug:1"), ("k", "mug:1")] {
        shop.done(&format!("order place --id {id} --line {line}@main --customer c-{id}"))?;
        placed.push(shop.done(&format!("order get {id}"))?["order"]["create_time"].take());
    }
    shop.done("order confirm a")?;
    let ids = |filter: &str| {
        let orders = pages(&shop, format!("order list --page-size 1 {filter}").trim_end(), "orders")?;
        let ids: Vec<_> = orders.iter().filter_map(|order| order["order_id"].as_str()).collect();
        anyhow::Ok(ids.join(" "))
    };
    let [_, second, third, _] = &placed[..] else { anyhow::bail!("four were placed: {placed:?}") };
    let (second, third) = (second.as_str().context("a time")?, third.as_str().context("a time")?);
    for (filter, expected) in [
        (String::new(), "z m a k"),
        ("--newest-first".to_owned(), "k a m z"),
        ("--sku mug".to_owned(), "z a k"),
        ("--sku mug --newest-first".to_owned(), "k a z"),
        ("--sku mug --state pending-payment".to_owned(), "z k"),
        ("--customer c-m".to_owned(), "m"),
        ("--customer c-m --sku mug".to_owned(), ""),
        (format!("--since {second}"), "m a k"),
        (format!("--until {third}"), "z m"),
        (format!("--since {second} --until {third}"), "m"),
        (format!("--since {second} --sku mug --newest-first"), "k a"),
    ] {
        let found = ids(&filter)?;
        ensure!(found == expected, "{filter}: {found} instead of {expected}");
    }
    shop.refused(&format!("order list --since {third} --until {second}"), "end_time")
}

fn object(stock: &Stock) -> Value {
    json!({
        "sku_id": stock.sku_id,
        "location_id": stock.location_id,
        "on_hand": stock.on_hand,
        "available": stock.available,
        "reserved": stock.reserved,
        "committed": stock.committed,
        "safety_stock": stock.safety_stock,
        "damaged": stock.damaged,
        "quality_control": stock.quality_control,
        "revision": stock.revision,
        "etag": stock.etag,
    })
}

/// What a node itself says of the mugs as they once were.
async fn past(node: &Node, as_of: AsOf) -> anyhow::Result<GetStockAsOfResponse> {
    let mut ledger = LedgerServiceClient::connect(format!("http://{}", node.client)).await?;
    let request = GetStockAsOfRequest {
        sku_id: "mug".to_owned(),
        as_of: Some(as_of),
        ..GetStockAsOfRequest::default()
    };
    let answer = ledger.get_stock_as_of(request).await?.into_inner();
    ensure!(answer.header.as_ref().is_some_and(|header| header.node_id == node.id), "{answer:?}");
    Ok(answer)
}

/// Holds every moment of the past against what was said then, through the binary.
fn expect_past(shop: &Shop, moments: &[Moment]) -> anyhow::Result<()> {
    for Moment { revision, log_time, stock } in moments {
        for moment in [format!("--revision {revision}"), format!("--time {log_time}")] {
            let past = shop.done(&format!("ledger as-of --sku mug {moment}"))?;
            expect_fields(&past, [("as_of_revision", json!(revision)), ("stock", json!(stock))])?;
            for (location, stock) in LOCATIONS.iter().zip(stock) {
                let past = shop.done(&format!("ledger as-of --sku mug --location {location} {moment}"))?;
                expect_fields(&past, [("stock", json!([stock]))])?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_stock_is_told_by_every_node_and_after_the_leader_was_lost() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let moments = play(&shop)?;
    expect_past(&shop, &moments)?;
    let leader = shop.cluster.wait_until_led().await?;
    for node in &shop.cluster.nodes {
        for moment in &moments {
            let answer = past(node, AsOf::Revision(moment.revision)).await?;
            let found: Vec<_> = answer.stock.iter().map(object).collect();
            ensure!(found == moment.stock, "node {} as of {}: {found:#?}", node.id, moment.revision);
        }
    }
    let nothing = shop.done("ledger as-of --sku mug --revision 0")?;
    expect_fields(&nothing, [("as_of_revision", json!(0)), ("stock", json!([]))])?;
    let now = shop.done("ledger as-of --sku mug --time 9000-01-01")?;
    expect_fields(&now, [("stock", json!(moments[moments.len() - 1].stock))])?;
    let nowhere = shop.done("ledger as-of --sku mug --location moon --revision 1")?["stock"].take();
    expect_fields(
        &nowhere[0],
        [("location_id", json!("moon")), ("on_hand", json!(0)), ("revision", json!(0))],
    )?;
    shop.refused("ledger as-of --sku mug --revision 1000000000", "REVISION_AHEAD")?;
    shop.refused("ledger as-of --sku plate --revision 1", "NOT_FOUND")?;

    shop.cluster.kill(leader)?;
    shop.cluster.wait_until_led().await?;
    expect_past(&shop, &moments)?;
    // What is acknowledged next is in the past at once.
    let received = shop.done("stock receive mug 7 --location east")?;
    let revision = &received["header"]["revision"];
    let past = shop.done(&format!("ledger as-of --sku mug --location east --revision {revision}"))?;
    expect_fields(&past, [("stock", json!([without_etag(received["stock"].clone())]))])
}

/// What each node says of its ledger, once all have read it up to the same log index.
async fn verified(shop: &Shop) -> anyhow::Result<Vec<Value>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let verify = |node: &Node| {
            let found = shop.done(&format!("ledger verify --node {}", node.id))?;
            expect_fields(&found, [("node_id", json!(node.id)), ("ok", json!(true))])?;
            expect_fields(&found, [("problems", json!([])), ("problem_count", json!(0))])?;
            anyhow::Ok(found)
        };
        let found = shop.cluster.nodes.iter().map(verify).collect::<anyhow::Result<Vec<_>>>()?;
        if found.windows(2).all(|pair| pair[0]["revision"] == pair[1]["revision"]) {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "the nodes don't reach the same index: {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn hash(verified: &Value) -> anyhow::Result<&str> {
    let hash = verified["chain_hash"].as_str().context("a hash")?;
    ensure!(hash.len() == 64 && hash.bytes().any(|digit| digit != b'0'), "{verified:#}");
    Ok(hash)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_verifies_its_ledger_and_comes_to_the_same_hash() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let opened = verified(&shop).await?;
    play(&shop)?;
    let played = verified(&shop).await?;
    let all = entries(&shop, "")?;
    for (before, after) in opened.iter().zip(&played) {
        expect_fields(before, [("entries", json!(3)), ("stock_rows", json!(3))])?;
        expect_fields(after, [("entries", json!(all.len())), ("stock_rows", json!(3))])?;
    }
    let hashes = |found: &[Value]| {
        found.iter().map(|found| hash(found).map(ToOwned::to_owned)).collect::<anyhow::Result<BTreeSet<_>>>()
    };
    let (before, after) = (hashes(&opened)?, hashes(&played)?);
    ensure!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
    // A row that nothing is moved in leaves the chain as it is.
    shop.done("sku update teapot --name Teapot")?;
    ensure!(hashes(&verified(&shop).await?)? == after, "no unit was moved");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_holds_the_ledger_as_it_was() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    play(&shop)?;
    let noted = verified(&shop).await?.pop().context("three nodes")?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("shop.snapshot");
    let file = file.to_str().context("a path of text")?;
    shop.done(&format!("cluster snapshot --to {file}"))?;
    shop.done("stock receive mug 1")?;

    let drill = Cluster::start_with(1, &["--cluster-name", "drill", "--restore", file]).await?;
    let client = drill.client().await?;
    let restored = client.verify_ledger_of(&drill.nodes[0].client, |_, _| {}).await?;
    ensure!(restored.found.problem_count == 0 && noted["entries"] == restored.entries, "{restored:?}");
    let chain =
        restored.found.chain_hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    ensure!(hash(&noted)? == chain, "{noted:#} {restored:?}");
    let revision = noted["revision"].as_u64().context("a revision")?;
    let asked = ListLedgerEntriesRequest { to_revision: revision, ..ListLedgerEntriesRequest::default() };
    let told = client.list_ledger_entries(asked.clone()).await?.entries;
    let running = shop.cluster.client().await?;
    ensure!(running.list_ledger_entries(asked).await?.entries == told, "the past is the same in both");
    let all = running.list_ledger_entries(ListLedgerEntriesRequest::default()).await?.entries;
    ensure!(all.len() == told.len() + 1, "and only one of them went on: {all:?}");
    Ok(())
}
