//! Many changes at once, and what orders can do since: on a real cluster, through the binary and through the client.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use stockade_client::{Client, Error};
use stockade_proto::v1::mutation::Request;
use stockade_proto::v1::order_service_client::OrderServiceClient;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_proto::v1::transaction_service_client::TransactionServiceClient;
use stockade_proto::v1::{
    BatchGetOrdersRequest, CancelOrderRequest, ExtendOrderRequest, GetOrderRequest, GetSkuRequest, Mutation,
    OrderState, Precondition, PreconditionSubject, ReceiveStockRequest, Sku, TransactRequest,
    TransactResponse, UpdateSkuRequest,
};
use stockade_tests::Cluster;
use stockade_tests::orders::{order, stock};
use stockade_tests::shop::{Shop, expect_fields};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const MISSING: &str = "NOT_FOUND";

fn source(line: i32, location: &str, quantity: i64) -> Value {
    json!({ "line": line, "location_id": location, "quantity": quantity })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_takes_effect_as_a_whole() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("reservation create cart --line mug:3@main")?;
    let script = "
# Two of the cart's mugs are paid for; the delivery serves the order that waits for it.
require reservation cart state active
require order o2 missing
require stock mug@main available 7..7
reservation commit cart o1 --line 1:2 --payment P-1
stock receive mug 5 --document DN-1
order place --id o2 --line mug:12@main
order confirm o2 --payment 'P-2'  # quoted as for a shell
";
    let done = shop.done_with("transact -", script)?;
    let results = done["results"].as_array().context("results")?;
    ensure!(results.len() == 4, "{done:#}");
    expect_fields(&results[0], [("line", json!(6)), ("order_state", json!("CONFIRMED"))])?;
    expect_fields(&results[1]["stock"], [("available", json!(12)), ("on_hand", json!(15))])?;
    expect_fields(&results[2], [("sources", json!([source(1, "main", 12)])), ("missing", json!([]))])?;
    let confirmed =
        [("operation", json!(4)), ("command", json!("order confirm")), ("state", json!("CONFIRMED"))];
    expect_fields(&results[3], confirmed)?;
    shop.expect("mug", "main", [0, 1, 14])?;

    let revision = &done["header"]["revision"];
    let o1 = shop.done("order get o1")?["order"].take();
    let o2 = shop.done("order get o2")?["order"].take();
    let cart = shop.done("reservation get cart")?["reservation"].take();
    let stock = shop.done("stock get mug")?["stock"].take();
    for row in [&o1, &o2, &cart, &stock] {
        ensure!(&row["revision"] == revision && row["etag"] == o1["etag"], "{revision}: {row:#}");
    }
    expect_fields(&o2, [("payment_reference", json!("P-2"))])?;
    // None of the three holds any more; each is named by its line.
    for line in ["  line 3: ", "  line 4: ", "  line 5: "] {
        shop.refused_with("transact -", script, line)?;
    }
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_with_one_refused_operation_leaves_nothing() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("reservation create cart --line mug:3@main")?;
    let before = shop.done("reservation get cart")?["reservation"].take();
    let script = "
reservation release cart
stock receive mug 1 --document DN-1
order place --id o1 --line mug:99
order confirm o1
";
    for flags in ["transact -", "transact - --validate-only"] {
        shop.refused_with(flags, script, "line 4: `order place`: INSUFFICIENT_STOCK")?;
    }
    shop.expect("mug", "main", [7, 3, 0])?;
    shop.refused("order get o1", MISSING)?;
    let after = shop.done("reservation get cart")?["reservation"].take();
    ensure!(after == before, "{before:#} {after:#}");
    // Its document is still free, and so is its order.
    shop.done("stock receive mug 1 --document DN-1")?;
    shop.done("order place --id o1 --line mug:8@main")?;
    // What is no command is found before anything is sent.
    let wrong = shop.done_with("transact -", "order close o1\norder get o1\nstock receive mug 0x1\n");
    let wrong = wrong.err().context("two lines are wrong")?.to_string();
    ensure!(wrong.contains("line 2: ") && wrong.contains("line 3: "), "{wrong}");
    shop.cluster.expect_equal_states().await
}

fn about(subject: Subject, condition: Condition) -> Precondition {
    let subject = Some(PreconditionSubject { subject: Some(subject) });
    Precondition { subject, condition: Some(condition) }
}

fn operation(request: Request) -> Mutation {
    Mutation { timeout: None, request: Some(request) }
}

/// Names a SKU, where it has this etag.
async fn name_if(client: &Client, etag: &str, name: &str) -> Result<TransactResponse, Error> {
    let unchanged = about(Subject::SkuId("mug".to_owned()), Condition::Etag(etag.to_owned()));
    let sku = Sku { sku_id: "mug".to_owned(), display_name: name.to_owned(), ..Sku::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] });
    let update = UpdateSkuRequest { sku: Some(sku), update_mask, ..UpdateSkuRequest::default() };
    let receipt = ReceiveStockRequest {
        sku_id: "mug".to_owned(),
        location_id: "main".to_owned(),
        quantity: 1,
        ..ReceiveStockRequest::default()
    };
    let request = TransactRequest {
        preconditions: vec![unchanged],
        operations: vec![operation(Request::UpdateSku(update)), operation(Request::ReceiveStock(receipt))],
        ..TransactRequest::default()
    };
    client.transact(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_have_seen_the_same_version_one_wins() -> anyhow::Result<()> {
    const ROUNDS: i64 = 10;
    let cluster = Cluster::start(3).await?;
    let (one, other) = (cluster.client_of(1).await?, cluster.client_of(2).await?);
    stock(&one, "mug", 1).await?;
    for round in 0..ROUNDS {
        let read = one.get_sku(GetSkuRequest { sku_id: "mug".to_owned(), read: None }).await?;
        let etag = read.sku.context("a SKU")?.etag;
        let names = [format!("{round} one"), format!("{round} other")];
        let (first, second) =
            tokio::join!(name_if(&one, &etag, &names[0]), name_if(&other, &etag, &names[1]));
        let (winner, loser) = match (first, second) {
            (Ok(_), Err(loser)) => (&names[0], loser),
            (Err(loser), Ok(_)) => (&names[1], loser),
            both => anyhow::bail!("round {round}: {both:?}"),
        };
        let now = other
            .get_sku(GetSkuRequest { sku_id: "mug".to_owned(), read: None })
            .await?
            .sku
            .context("a SKU")?;
        ensure!(now.display_name == *winner, "round {round}: {now:?}");
        ensure!(loser.reason() == "PRECONDITION_FAILED" && loser.code() == Code::Aborted, "{loser:?}");
        let info =
            loser.refusal().and_then(|refusal| refusal.details.error_info()).context("an ErrorInfo")?;
        let told = |key: &str| info.metadata.get(key).map(String::as_str);
        ensure!((told("failed"), told("precondition")) == (Some("1"), Some("1")), "{info:?}");
        ensure!(told("current").is_some_and(|current| current.contains(&now.etag)), "{info:?}");
    }
    let names = stockade_proto::v1::GetStockRequest {
        sku_id: "mug".to_owned(),
        location_id: "main".to_owned(),
        read: None,
    };
    let units = one.get_stock(names).await?.stock.context("stock")?.on_hand;
    ensure!(units == 1 + ROUNDS, "one receipt a round: {units}");
    cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etag_of_an_order_stops_who_has_not_seen_its_last_change() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("order place --id o1 --line mug:2@main")?;
    let seen = shop.done("order get o1")?["order"]["etag"].take();
    let seen = seen.as_str().context("an etag")?;
    shop.done(&format!("order extend o1 --hold 1h --etag {seen}"))?;
    for command in ["confirm o1", "extend o1", "cancel o1"] {
        shop.refused(&format!("order {command} --etag {seen}"), "ETAG_MISMATCH")?;
    }
    // Within a transaction, an etag is compared with what the operations before left.
    let now = shop.done("order get o1")?["order"]["etag"].take();
    let now = now.as_str().context("an etag")?;
    let script = format!("order confirm o1 --etag {now}\norder ship o1 --etag {now}\n");
    shop.refused_with("transact -", &script, "line 2: `order ship`: ETAG_MISMATCH")?;
    shop.done(&format!("order confirm o1 --etag {now}"))?;

    shop.done("reservation create cart --line mug:2@main")?;
    let seen = shop.done("reservation get cart")?["reservation"]["etag"].take();
    let seen = seen.as_str().context("an etag")?;
    shop.done(&format!("reservation release cart --line 1:1@main --etag {seen}"))?;
    for command in ["extend cart", "commit cart o2", "release cart", "move cart east"] {
        shop.refused(&format!("reservation {command} --etag {seen}"), "ETAG_MISMATCH")?;
    }
    shop.expect("mug", "main", [7, 1, 2])?;
    shop.cluster.expect_equal_states().await
}

/// What an answer says of the change, without when and where: versions and times are those of the entry that makes the change, and
/// no trial can know them.
fn outcome(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(object) => {
            for name in
                ["header", "validate_only", "etag", "revision", "create_time", "update_time", "expire_time"]
            {
                object.remove(name);
            }
            for value in object.values_mut() {
                *value = outcome(value.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = outcome(item.take());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_validated_changes_nothing_and_comes_to_the_same_later() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let client = shop.cluster.client().await?;
    let script = "order ship o1 --line 1:4@main\norder cancel o1\nstock receive mug 3\n";
    for (command, input) in [
        ("order place --id o1 --line mug:12 --line teapot:9@main --sourcing fewest-splits --partial", ""),
        ("order extend o1 --hold 20m", ""),
        ("order confirm o1 --payment P-1", ""),
        ("transact -", script),
        ("order close o1", ""),
        ("order return o1 --line 1:1@main=damaged --document R-1", ""),
        ("reservation create cart --line mug:2 --sourcing most-stock", ""),
        ("sku create pot --name Pot", ""),
        ("location update east --disabled", ""),
    ] {
        // The id stays free: nothing is kept of a call that is only validated, and each command needs what the one before did.
        let named = format!("{command} --request-id {}", client.new_request_id());
        let validated = shop.done_with(&format!("{named} --validate-only"), input)?;
        ensure!(validated["validate_only"] == true, "{command}: {validated:#}");
        let again = shop.done_with(&format!("{named} --validate-only"), input)?;
        ensure!(again["header"]["replayed"] == false, "{command}: {again:#}");
        let done = shop.done_with(&named, input)?;
        ensure!(done.get("validate_only").is_none(), "{command}: {done:#}");
        for validated in [validated, again] {
            let (expected, found) = (outcome(done.clone()), outcome(validated));
            ensure!(found == expected, "{command}: {found:#} and then {expected:#}");
        }
    }
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validated_call_leaves_rows_as_they_were() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("order place --id o1 --line mug:2@main")?;
    let before = shop.done("order get o1")?["order"].take();
    for command in ["confirm o1", "extend o1 --hold 1h", "cancel o1 --line 1:1"] {
        shop.done(&format!("order {command} --validate-only"))?;
    }
    shop.done("stock receive mug 100 --document DN-1 --validate-only")?;
    shop.done("order place --id o2 --line mug:8@main --validate-only")?;
    shop.refused("order place --id o3 --line mug:99 --validate-only", "INSUFFICIENT_STOCK")?;
    shop.refused("order ship o1 --validate-only", "ILLEGAL_TRANSITION")?;
    let after = shop.done("order get o1")?["order"].take();
    ensure!(after == before, "{before:#} {after:#}");
    shop.refused("order get o2", MISSING)?;
    shop.expect("mug", "main", [8, 2, 0])?;
    shop.done("stock receive mug 1 --document DN-1")?;
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_split_over_locations_and_what_is_missing_is_cancelled() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.refused("order place --id o1 --line mug:12", "INSUFFICIENT_STOCK")?;
    let placed = shop.done("order place --id o1 --line mug:12 --line teapot:1 --sourcing fewest-splits")?;
    let sources = json!([source(1, "east", 2), source(1, "main", 10), source(2, "main", 1)]);
    expect_fields(&placed, [("sources", sources), ("missing", json!([]))])?;
    shop.expect("mug", "main", [0, 10, 0])?;
    shop.expect("mug", "east", [3, 2, 0])?;
    let order = shop.done("order get o1")?["order"].take();
    let parts: Vec<_> = order["lines"]
        .as_array()
        .context("lines")?
        .iter()
        .map(|part| (part["line"].clone(), part["location_id"].clone(), part["held"].clone()))
        .collect();
    let expected = [(1, "east", 2), (1, "main", 10), (2, "main", 1)];
    let expected = expected.map(|(line, location, held)| (json!(line), json!(location), json!(held)));
    ensure!(parts == expected, "{order:#}");
    shop.done("order cancel o1 --line 1:10@main --line 2:1")?;
    shop.expect("mug", "main", [10, 0, 0])?;
    shop.refused("order cancel o1 --line 1:1@main", "QUANTITY_EXCEEDED")?;
    shop.done("order cancel o1")?;

    // Two of three parts are in `main`.
    let proportional = shop.done("order place --id o2 --line mug:9 --sourcing split-proportional")?;
    expect_fields(&proportional, [("sources", json!([source(1, "east", 3), source(1, "main", 6)]))])?;
    shop.refused("order place --id o3 --line mug:1 --sourcing explicit", "INVALID_ARGUMENT")?;
    shop.refused("order place --id o3 --line mug:7 --sourcing split-proportional", "INSUFFICIENT_STOCK")?;
    let partial = shop
        .done("order place --id o3 --line mug:7 --line teapot:9 --sourcing split-proportional --partial")?;
    let sources = json!([source(1, "east", 2), source(1, "main", 4), source(2, "main", 4)]);
    let missing = json!([
        { "line": 1, "sku_id": "mug", "quantity": 1 },
        { "line": 2, "sku_id": "teapot", "quantity": 5 },
    ]);
    expect_fields(&partial, [("sources", sources), ("missing", missing)])?;
    let order = shop.done("order get o3")?["order"].take();
    expect_fields(&order["lines"][1], [("ordered", json!(5)), ("held", json!(4)), ("cancelled", json!(1))])?;
    shop.refused("order place --id o4 --line mug:1 --partial", "INSUFFICIENT_STOCK")?;

    let confirmed = shop.done("order confirm o3")?;
    expect_fields(&confirmed, [("state", json!("CONFIRMED"))])?;
    expect_fields(&shop.done("order ship o3")?, [("state", json!("SHIPPED")), ("shipped", json!(10))])?;
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_leaves_in_parcels_closes_by_itself_and_still_takes_returns() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("order place --id o1 --line mug:12 --sourcing fewest-splits")?;
    shop.refused("order close o1", "ILLEGAL_TRANSITION")?;
    shop.done("order confirm o1")?;
    let first =
        shop.done("order ship o1 --line 1:4@main --document P-1 --tracking T-1 --close-after 3660d")?;
    expect_fields(
        &first,
        [("state", json!("PARTIALLY_SHIPPED")), ("shipped", json!(4)), ("parcel", json!(1))],
    )?;
    shop.refused("order ship o1 --document P-1", "ALREADY_EXISTS")?;
    shop.refused("order close o1", "ILLEGAL_TRANSITION")?;
    let rest = shop.done("order ship o1 --document P-2 --close-after 1s")?;
    expect_fields(&rest, [("state", json!("SHIPPED")), ("shipped", json!(8)), ("parcel", json!(2))])?;

    // Log time moves with the entries of the log, and so do states that follow from it.
    let moves_on = || shop.done("stock receive teapot 1").is_ok();
    let closed =
        shop.until("order get o1", "order", |order| moves_on() && order["state"] == "CLOSED").await?;
    let listed = shop.done("order list --state closed")?["orders"].take();
    ensure!(listed == json!([closed]), "{listed:#} {closed:#}");
    ensure!(shop.done("order list --state shipped")?["orders"] == json!([]), "closed and shipped");
    let parcels = closed["parcels"].as_array().context("parcels")?;
    ensure!(parcels.len() == 2, "{closed:#}");
    let line = |location: &str, quantity| json!({ "line": 1, "sku_id": "mug", "location_id": location, "quantity": quantity });
    let first = [("number", json!(1)), ("document_id", json!("P-1")), ("tracking_number", json!("T-1"))];
    expect_fields(&parcels[0], first)?;
    expect_fields(&parcels[0], [("lines", json!([line("main", 4)]))])?;
    expect_fields(&parcels[1], [("lines", json!([line("east", 2), line("main", 6)]))])?;
    for command in ["ship o1", "close o1", "cancel o1", "confirm o1"] {
        shop.refused(&format!("order {command}"), "ILLEGAL_TRANSITION")?;
    }
    let returned = shop.done("order return o1 --line 1:3@main --document R-1")?;
    expect_fields(&returned, [("state", json!("PARTIALLY_RETURNED")), ("returned", json!(3))])?;
    shop.expect("mug", "main", [3, 0, 0])?;
    shop.expect("mug", "east", [3, 0, 0])?;

    shop.done("order place --id o2 --line mug:1@main")?;
    shop.done_with("transact -", "order confirm o2\norder ship o2\norder close o2\n")?;
    let order = shop.done("order get o2")?["order"].take();
    expect_fields(&order, [("state", json!("CLOSED"))])?;
    shop.cluster.expect_equal_states().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_paid_too_late_takes_its_units_anew_where_they_are_there() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.done("order place --id o1 --line mug:12 --sourcing fewest-splits --hold 1s")?;
    let expired = shop.until("order get o1", "order", |order| order["state"] == "EXPIRED").await?;
    expect_fields(&expired["lines"][1], [("held", json!(0)), ("expired", json!(10))])?;
    shop.expect("mug", "main", [10, 0, 0])?;
    shop.refused("order confirm o1", "RESERVATION_EXPIRED")?;
    shop.refused("order extend o1 --hold 1h", "RESERVATION_EXPIRED")?;

    shop.done("order place --id o2 --line mug:1@main")?;
    shop.refused("order confirm o1 --reacquire", "INSUFFICIENT_STOCK")?;
    shop.expect("mug", "main", [9, 1, 0])?;
    shop.done("order cancel o2")?;
    let confirmed = shop.done("order confirm o1 --reacquire --payment P-1")?;
    expect_fields(&confirmed, [("state", json!("CONFIRMED"))])?;
    shop.expect("mug", "main", [0, 0, 10])?;
    shop.expect("mug", "east", [3, 0, 2])?;
    // An order whose hold has not ended is confirmed as without the flag.
    shop.done("order place --id o3 --line teapot:1")?;
    shop.done("order confirm o3 --reacquire")?;
    shop.cluster.expect_equal_states().await
}

/// A trailer of a failed call.
fn trailer<'a>(status: &'a Status, name: &str) -> Option<&'a str> {
    status.metadata().get(name).and_then(|value| value.to_str().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_takes_transactions_validates_and_reads_orders_in_one_call() -> anyhow::Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    stock(&client, "mug", 10).await?;
    let leader = cluster.wait_until_led().await?;
    let follower = cluster.nodes.iter().find(|node| node.id != leader).context("a follower")?;
    let channel = Channel::from_shared(format!("http://{}", follower.client))?.connect().await?;
    let mut transactions = TransactionServiceClient::new(channel.clone());
    let mut orders = OrderServiceClient::new(channel);

    let place = |id: &str, quantity| operation(Request::PlaceOrder(order(id, "mug", quantity)));
    let request = |operations: Vec<Mutation>| TransactRequest {
        request_id: client.new_request_id(),
        operations,
        ..TransactRequest::default()
    };
    let both = request(vec![place("o1", 2), place("o2", 3)]);
    let answer = transactions.transact(both.clone()).await?.into_inner();
    let header = answer.header.context("a header")?;
    ensure!(header.node_id == follower.id && !header.replayed && answer.results.len() == 2, "{header:?}");
    let again = transactions.transact(both).await?.into_inner();
    let replayed = again.header.context("a header")?;
    ensure!(replayed.replayed && replayed.revision == header.revision, "{replayed:?}");
    ensure!(again.results == answer.results, "{:?}", again.results);

    let ids = ["o2", "o1", "o2"].map(ToOwned::to_owned).to_vec();
    let read = orders
        .batch_get_orders(BatchGetOrdersRequest { order_ids: ids.clone(), read: None })
        .await?
        .into_inner();
    let read_header = read.header.context("a header")?;
    ensure!(read_header.node_id == follower.id && read_header.served_revision >= header.revision);
    let found: Vec<_> = read.orders.iter().map(|order| order.order_id.clone()).collect();
    ensure!(found == ids, "{found:?}");
    ensure!(read.orders.iter().all(|order| order.revision == header.revision), "{:?}", read.orders);
    let through_client =
        client.batch_get_orders(BatchGetOrdersRequest { order_ids: ids, read: None }).await?;
    ensure!(through_client.orders == read.orders);
    let missing = BatchGetOrdersRequest {
        order_ids: vec!["o1".to_owned(), "o8".to_owned(), "o9".to_owned()],
        read: None,
    };
    let refused = orders.batch_get_orders(missing).await.err().context("two are missing")?;
    let resource = refused.get_details_resource_info().context("a ResourceInfo")?;
    ensure!(refused.code() == Code::NotFound && resource.resource_name == "o8", "{refused:?}");

    let refused = transactions.transact(request(vec![place("o3", 1), place("o1", 1)])).await;
    let refused = refused.err().context("o1 is there")?;
    let info = refused.get_details_error_info().context("an ErrorInfo")?;
    let operation_number = info.metadata.get("operation_number").map(String::as_str);
    ensure!((info.reason.as_str(), operation_number) == ("ALREADY_EXISTS", Some("2")), "{info:?}");
    ensure!(trailer(&refused, "stockade-logged") == Some("true"), "{refused:?}");
    ensure!(trailer(&refused, "stockade-outcome") == Some("not-applied"), "{refused:?}");

    let mut trial = order("o3", "mug", 6);
    (trial.request_id, trial.validate_only) = (client.new_request_id(), true);
    let refused = orders.place_order(trial.clone()).await.err().context("five are there")?;
    ensure!(trailer(&refused, "stockade-logged") == Some("false"), "{refused:?}");
    ensure!(trailer(&refused, "stockade-outcome") == Some("not-applied"), "{refused:?}");
    let info = refused.get_details_error_info().context("an ErrorInfo")?;
    ensure!(info.reason == "INSUFFICIENT_STOCK", "{info:?}");
    // It sees at once what was acknowledged elsewhere, as any read does.
    client.cancel_order(CancelOrderRequest { order_id: "o1".to_owned(), ..Default::default() }).await?;
    let validated = orders.place_order(trial).await?.into_inner();
    ensure!(
        validated.header.as_ref().is_some_and(|header| header.node_id == follower.id && !header.replayed)
    );
    ensure!(validated.sources.len() == 1 && validated.state() == OrderState::PendingPayment);
    let read = client.get_order(GetOrderRequest { order_id: "o3".to_owned(), read: None }).await;
    ensure!(read.is_err_and(|error| error.reason() == MISSING), "a trial took effect");

    let extend = ExtendOrderRequest { order_id: "o2".to_owned(), ..ExtendOrderRequest::default() };
    let extended = client.validate(Request::ExtendOrder(extend)).await?;
    ensure!(format!("{extended:?}").contains("o2"), "{extended:?}");
    cluster.expect_equal_states().await
}
