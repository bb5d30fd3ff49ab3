//! Buyers who place orders for as long as a test runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use stockade_client::Client;
use stockade_proto::v1::{NewOrderLine, PlaceOrderRequest};

use crate::PATIENCE;
use crate::orders::stock;

const BUYERS: u32 = 8;

/// Orders that are taken for as long as the test runs.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    buyers: Vec<tokio::task::JoinHandle<anyhow::Result<Vec<String>>>>,
}

impl Load {
    /// Begins to buy. The SKU is `hot`, the orders are `bN-M`.
    pub async fn begin(client: &Client) -> anyhow::Result<Self> {
        stock(client, "hot", 1_000_000_000).await?;
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let buyer = |name| buy(client.clone(), name, Arc::clone(&stop), Arc::clone(&acknowledged));
        let buyers = (0..BUYERS).map(|name| tokio::spawn(buyer(name))).collect();
        Ok(Self { stop, acknowledged, buyers })
    }

    /// Waits until so many more orders are acknowledged.
    pub async fn more(&self, orders: u64) -> anyhow::Result<()> {
        let goal = self.acknowledged.load(Ordering::Relaxed) + orders;
        let reached = || async { Ok((self.acknowledged.load(Ordering::Relaxed) >= goal).then_some(())) };
        wait_for("more orders are acknowledged", reached).await
    }

    /// Ends it; gives the orders that were acknowledged.
    pub async fn end(self) -> anyhow::Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut orders = Vec::new();
        for buyer in self.buyers {
            orders.extend(buyer.await??);
        }
        Ok(orders)
    }
}

async fn buy(
    client: Client,
    name: u32,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> anyhow::Result<Vec<String>> {
    let mut orders = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let order_id = format!("b{name}-{}", orders.len());
        let line = NewOrderLine { sku_id: "hot".to_owned(), quantity: 1, ..NewOrderLine::default() };
        let order = PlaceOrderRequest {
            order_id: order_id.clone(),
            currency_code: "EUR".to_owned(),
            lines: vec![line],
            ..PlaceOrderRequest::default()
        };
        client.place_order(order).await?;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        orders.push(order_id);
    }
    Ok(orders)
}

/// Looks again and again until it finds something, and fails where it takes too long.
pub async fn wait_for<T, F>(what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "it never was so that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
