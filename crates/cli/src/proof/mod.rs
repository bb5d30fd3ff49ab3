//! What was promised to callers against what is there at the end: for the demo and the benchmarks.
//!
//! `record.rs` holds the promises, `failover.rs` measures how long none were made.

pub(crate) mod failover;
mod record;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::bail;
use stockade_client::Client;
use stockade_proto::v1::{ListOrdersRequest, ListStockRequest, Order, OrderState, Stock};
use stockade_server::Exit;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::output::grouped;

pub(crate) use record::{Ack, Promised, Record};

/// Rows on a page.
const PAGE_SIZE: i32 = 1_000;
/// How long the nodes may take to reach the same log index once nothing is written any more.
const LEVEL_TIMEOUT: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many findings of a kind are printed.
const MAX_SHOWN: usize = 5;

/// What the proof found. All empty: the promises were kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Acknowledged orders, or acknowledged changes of them, that are not there, or are there twice.
    pub(crate) lost: Vec<String>,
    /// SKUs of which more was sold than there was, or of which units came or went without an order.
    pub(crate) oversold: Vec<String>,
    /// Orders that nobody placed, and refusals that have no reason.
    pub(crate) unexplained: Vec<String>,
}

/// Compares what was promised with what is there.
pub(crate) fn compare(record: &Record, orders: &[Order], stock: &[Stock]) -> Findings {
    let mut findings = Findings { unexplained: record.unexpected.clone(), ..Findings::default() };
    compare_orders(record, orders, &mut findings);
    compare_stock(record, orders, stock, &mut findings);
    findings
}

fn compare_orders(record: &Record, orders: &[Order], findings: &mut Findings) {
    let mut there: BTreeMap<&str, Vec<&Order>> = BTreeMap::new();
    for order in orders {
        there.entry(&order.order_id).or_default().push(order);
        if !record.orders.contains_key(&order.order_id) {
            findings.unexplained.push(format!("order {} is there and was never placed", order.order_id));
        }
    }
    for (id, promised) in &record.orders {
        let found = there.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        match found {
            [] if promised.acknowledged => {
                findings.lost.push(format!("order {id} was acknowledged and is not there"));
            }
            [] => {}
            [order] => {
                let lines: Vec<(String, i64)> =
                    order.lines.iter().map(|line| (line.sku_id.clone(), line.ordered)).collect();
                if lines != promised.lines {
                    findings.lost.push(format!("order {id} has other lines than were acknowledged"));
                } else if !promised.states.contains(&order.state()) {
                    let allowed: Vec<&str> = promised.states.iter().map(OrderState::as_str_name).collect();
                    let is = order.state().as_str_name();
                    findings
                        .lost
                        .push(format!("order {id} is {is}, acknowledged was {}", allowed.join(" or ")));
                }
            }
            several => findings.lost.push(format!("order {id} is there {} times", several.len())),
        }
    }
}

/// Units of a SKU, over all orders.
#[derive(Debug, Default, Clone, Copy)]
struct Sold {
    /// Held or allocated: of orders that live.
    live: i64,
    shipped: i64,
}

fn compare_stock(record: &Record, orders: &[Order], stock: &[Stock], findings: &mut Findings) {
    let mut sold: BTreeMap<&str, Sold> = BTreeMap::new();
    for line in orders.iter().flat_map(|order| &order.lines) {
        let sum = sold.entry(&line.sku_id).or_default();
        sum.live += line.held + line.allocated;
        sum.shipped += line.shipped;
    }
    let shelves: BTreeMap<&str, &Stock> = stock.iter().map(|stock| (stock.sku_id.as_str(), stock)).collect();
    for (sku, received) in &record.received {
        let Sold { live, shipped } = sold.get(sku.as_str()).copied().unwrap_or_default();
        let Some(shelf) = shelves.get(sku.as_str()) else {
            findings.oversold.push(format!("{sku}: {received} units were received and no stock is there"));
            continue;
        };
        if shelf.available < 0 {
            findings.oversold.push(format!("{sku}: {} available", shelf.available));
        } else if live + shelf.available != *received {
            let available = shelf.available;
            findings
                .oversold
                .push(format!("{sku}: {live} ordered + {available} available, {received} received"));
        } else if shelf.on_hand + shipped != *received {
            let on_hand = shelf.on_hand;
            findings
                .oversold
                .push(format!("{sku}: {on_hand} on hand + {shipped} shipped, {received} received"));
        }
    }
}

/// Every order, page by page.
pub(crate) async fn all_orders(client: &Client) -> anyhow::Result<Vec<Order>> {
    let (mut orders, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListOrdersRequest { page_size: PAGE_SIZE, page_token, ..ListOrdersRequest::default() };
        let page = client.list_orders(request).await?;
        orders.extend(page.orders);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(orders);
        }
    }
}

/// All stock, page by page.
pub(crate) async fn all_stock(client: &Client) -> anyhow::Result<Vec<Stock>> {
    let (mut stock, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListStockRequest { page_size: PAGE_SIZE, page_token, ..ListStockRequest::default() };
        let page = client.list_stock(request).await?;
        stock.extend(page.stock);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(stock);
        }
    }
}

/// A node's hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeHash {
    pub(crate) applied: u64,
    pub(crate) chain: Vec<u8>,
    pub(crate) state: Vec<u8>,
}

/// The hashes of all nodes at one log index, which all of them must have reached.
pub(crate) async fn hashes(client: &Client, addresses: &[String]) -> anyhow::Result<Vec<NodeHash>> {
    let deadline = Instant::now() + LEVEL_TIMEOUT;
    loop {
        let mut hashes = Vec::with_capacity(addresses.len());
        for address in addresses {
            let hash = client.state_hash_of(address, true).await?;
            hashes.push(NodeHash {
                applied: hash.applied_index,
                chain: hash.chain_hash,
                state: hash.state_hash,
            });
        }
        if hashes.windows(2).all(|pair| pair[0].applied == pair[1].applied) {
            return Ok(hashes);
        }
        if Instant::now() >= deadline {
            let applied: Vec<String> = hashes.iter().map(|hash| hash.applied.to_string()).collect();
            bail!("the nodes did not reach the same log index: applied {}", applied.join(", "));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// True where all nodes have the same state. A hash that is missing equals nothing.
pub(crate) fn all_equal(hashes: &[NodeHash]) -> bool {
    let complete = hashes.iter().all(|hash| !hash.chain.is_empty() && !hash.state.is_empty());
    complete && !hashes.is_empty() && hashes.windows(2).all(|pair| pair[0] == pair[1])
}

/// Which hashes there are, for people.
pub(crate) fn hash_line(hashes: &[NodeHash]) -> String {
    let index = grouped(hashes.first().map_or(0, |hash| hash.applied));
    if all_equal(hashes) {
        let hash = hashes.first().map(|hash| hex(&hash.state)).unwrap_or_default();
        return format!("all {} nodes have the same state at log index {index}: {hash}", hashes.len());
    }
    let each: Vec<String> = hashes.iter().map(|hash| hex(&hash.state)).collect();
    format!("the nodes differ at log index {index}: {}", each.join(", "))
}

/// The first bytes of a hash.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// An error that names every promise that was broken, those in `also` included.
pub(crate) fn verdict(
    findings: &Findings,
    hashes: Option<&[NodeHash]>,
    also: Vec<String>,
) -> anyhow::Result<()> {
    let Findings { lost, oversold, unexplained } = findings;
    let mut broken: Vec<String> = [("lost", lost), ("oversold", oversold), ("unexplained", unexplained)]
        .into_iter()
        .filter(|(_, found)| !found.is_empty())
        .map(|(name, found)| {
            let shown: Vec<&str> = found.iter().take(MAX_SHOWN).map(String::as_str).collect();
            format!("{} {name} ({})", found.len(), shown.join("; "))
        })
        .collect();
    broken.extend(also);
    broken.extend(hashes.filter(|hashes| !all_equal(hashes)).map(hash_line));
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::ProofFailed, format!("the proof failed: {}", broken.join(", "))).into())
}

#[cfg(test)]
mod tests;
