//! What was acknowledged against what is there at the end.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stockade_client::Client;
use stockade_proto::v1::{
    BatchGetOrdersRequest, BatchGetStockRequest, GetOrderRequest, Order, OrderState, StockName,
};

use crate::bench::fill::{LOCATION, UNITS};
use crate::bench::speed::clerks::Known;
use crate::bench::speed::script::Script;
use crate::proof::Findings;

/// Orders that are asked for at once: what a node takes.
const ORDERS_A_CALL: usize = 250;
/// SKUs that are asked for at once: what a node takes.
const SKUS_A_CALL: usize = 1_000;
/// Calls at once.
const AT_ONCE: usize = 4;
/// Findings of a kind that are kept.
const MAX_KEPT: usize = 100;

/// Reads every order that may be there, and all stock, and compares.
pub(super) async fn check(client: &Client, script: &Script, orders: &[Known]) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut taken = vec![0_i64; usize::try_from(script.skus)?];
    let acknowledged: Vec<u64> =
        (0_u64..).zip(orders).filter(|(_, known)| **known >= Known::Placed).map(|(order, _)| order).collect();
    let found = stream::iter(acknowledged.chunks(ORDERS_A_CALL))
        .map(|some| async move { anyhow::Ok((some, fetch(client, script, some).await?)) });
    let mut found = found.buffered(AT_ONCE);
    while let Some((some, there)) = found.try_next().await? {
        for (order, there) in some.iter().zip(there) {
            let known = usize::try_from(*order).ok().and_then(|at| orders.get(at)).copied();
            match there {
                Some(there) => {
                    note_order(script, *order, known.unwrap_or_default(), &there, &mut findings);
                    take(script, *order, &mut taken);
                }
                None => note(
                    &mut findings.lost,
                    format!("order {} was acknowledged and is not there", script.order_id(*order)),
                ),
            }
        }
    }
    let unknown = (0_u64..).zip(orders).filter(|(_, known)| **known == Known::Unknown);
    for (order, _) in unknown {
        if fetch_one(client, script, order).await?.is_some() {
            take(script, order, &mut taken);
        }
    }
    check_stock(client, script, &taken, &mut findings).await?;
    Ok(findings)
}

fn note(of: &mut Vec<String>, what: String) {
    if of.len() < MAX_KEPT {
        of.push(what);
    }
}

fn take(script: &Script, order: u64, taken: &mut [i64]) {
    for line in script.lines(order).iter().filter(|line| line.exists) {
        if let Some(count) = usize::try_from(line.sku).ok().and_then(|sku| taken.get_mut(sku)) {
            *count += 1;
        }
    }
}

async fn fetch(client: &Client, script: &Script, orders: &[u64]) -> anyhow::Result<Vec<Option<Order>>> {
    let order_ids = orders.iter().map(|order| script.order_id(*order)).collect();
    let request = BatchGetOrdersRequest { order_ids, ..BatchGetOrdersRequest::default() };
    match client.batch_get_orders(request).await {
        Ok(answer) => Ok(answer.orders.into_iter().map(Some).collect()),
        // One that is missing fails the whole call.
        Err(error) if error.reason() == "NOT_FOUND" => {
            let mut found = Vec::new();
            for order in orders {
                found.push(fetch_one(client, script, *order).await?);
            }
            Ok(found)
        }
        Err(error) => Err(error.into()),
    }
}

async fn fetch_one(client: &Client, script: &Script, order: u64) -> anyhow::Result<Option<Order>> {
    let request = GetOrderRequest { order_id: script.order_id(order), ..GetOrderRequest::default() };
    match client.get_order(request).await {
        Ok(answer) => Ok(answer.order),
        Err(error) if error.reason() == "NOT_FOUND" => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn note_order(script: &Script, order: u64, known: Known, there: &Order, findings: &mut Findings) {
    let id = script.order_id(order);
    let expected = script.lines(order).into_iter().map(|line| (script.sku_id(line.sku), 1));
    if !expected.eq(there.lines.iter().map(|line| (line.sku_id.clone(), line.ordered))) {
        note(&mut findings.lost, format!("order {id} has other lines than were acknowledged"));
    }
    let least = match there.state() {
        OrderState::PendingPayment => Known::Placed,
        OrderState::Confirmed => Known::Paid,
        OrderState::Shipped | OrderState::Closed => Known::Shipped,
        _ => Known::Nothing,
    };
    if least < known {
        let is = there.state().as_str_name();
        note(&mut findings.lost, format!("order {id} is {is}, acknowledged was {known:?}"));
    }
}

async fn check_stock(
    client: &Client,
    script: &Script,
    taken: &[i64],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let skus: Vec<u64> = (0..script.skus).collect();
    for some in skus.chunks(SKUS_A_CALL) {
        let name = |sku: &u64| StockName { sku_id: script.sku_id(*sku), location_id: LOCATION.to_owned() };
        let request = BatchGetStockRequest {
            names: some.iter().map(name).collect(),
            ..BatchGetStockRequest::default()
        };
        let answer = client.batch_get_stock(request).await?;
        anyhow::ensure!(answer.stock.len() == some.len(), "stock was asked for and not given");
        for (sku, stock) in some.iter().zip(&answer.stock) {
            let sold = usize::try_from(*sku).ok().and_then(|sku| taken.get(sku)).copied().unwrap_or_default();
            if stock.available + sold != UNITS {
                let available = stock.available;
                note(
                    &mut findings.oversold,
                    format!("{}: {sold} ordered + {available} available, {UNITS} received", stock.sku_id),
                );
            }
        }
    }
    Ok(())
}
