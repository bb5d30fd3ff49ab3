//! Orders under load, and the account of those that were acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use stockade_client::Client;
use stockade_proto::v1::{
    CreateLocationRequest, CreateSkuRequest, GetOrderRequest, Location, NewOrderLine, PlaceOrderRequest,
    ReceiveStockRequest, Sku,
};
use tokio::task::JoinHandle;

/// Creates a SKU, and the location of all stock where there is none yet, and books units in.
pub async fn stock(client: &Client, sku: &str, quantity: i64) -> anyhow::Result<()> {
    let main = Location { location_id: "main".to_owned(), ..Location::default() };
    let main = CreateLocationRequest { location: Some(main), ..CreateLocationRequest::default() };
    match client.create_location(main).await {
        Ok(_) => {}
        Err(error) if error.reason() == "ALREADY_EXISTS" => {}
        Err(error) => return Err(error.into()),
    }
    let named = Sku { sku_id: sku.to_owned(), ..Sku::default() };
    client.create_sku(CreateSkuRequest { sku: Some(named), ..CreateSkuRequest::default() }).await?;
    let (sku_id, location_id) = (sku.to_owned(), "main".to_owned());
    let receipt = ReceiveStockRequest { sku_id, location_id, quantity, ..ReceiveStockRequest::default() };
    client.receive_stock(receipt).await?;
    Ok(())
}

/// An order of one line.
pub fn order(id: &str, sku: &str, quantity: i64) -> PlaceOrderRequest {
    PlaceOrderRequest {
        order_id: id.to_owned(),
        currency_code: "EUR".to_owned(),
        lines: vec![NewOrderLine { sku_id: sku.to_owned(), quantity, ..NewOrderLine::default() }],
        ..PlaceOrderRequest::default()
    }
}

/// Buyers that place order after order until they are told to stop, and the orders that were acknowledged to them.
#[derive(Debug)]
pub struct Load {
    acknowledged: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    buyers: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Load {
    /// Starts buyers of single units of a SKU; `name` tells their orders from those of other loads.
    pub fn start(client: &Client, name: &str, buyers: usize, sku: &str) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let buyers = (0..buyers)
            .map(|buyer| {
                let (client, acknowledged, stop) =
                    (client.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
                let (name, sku) = (name.to_owned(), sku.to_owned());
                tokio::spawn(async move {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = format!("{name}-{buyer}-{number}");
                        client.place_order(order(&id, &sku, 1)).await?;
                        acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                    }
                    Ok(())
                })
            })
            .collect();
        Self { acknowledged, stop, buyers }
    }

    /// The orders that were acknowledged so far.
    pub fn acknowledged(&self) -> Vec<String> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many that are.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends the load; gives the acknowledged orders. An error where a buyer saw one.
    pub async fn finish(self) -> anyhow::Result<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        for buyer in self.buyers {
            buyer.await??;
        }
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(acknowledged.clone())
    }
}

/// Reads every one of the orders; an error names the first that isn't there.
pub async fn expect_orders(client: &Client, ids: &[String]) -> anyhow::Result<()> {
    for chunk in ids.chunks(64) {
        let reads = chunk.iter().map(|id| async move {
            let answer = client.get_order(GetOrderRequest { order_id: id.clone(), read: None }).await;
            let order = answer.with_context(|| format!("acknowledged order {id}"))?.order;
            ensure!(order.is_some_and(|order| order.order_id == *id), "order {id} is another");
            Ok(())
        });
        for read in futures_util::future::join_all(reads).await {
            read?;
        }
    }
    Ok(())
}
