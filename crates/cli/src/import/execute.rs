//! The plan against a cluster: thousands of jobs at once, each in its own order.
//!
//! Every job can be repeated: SKUs, orders and documents have ids of the file's making that never expire, so what an
//! earlier run has done is found, not done twice.

use std::sync::atomic::{AtomicU64, Ordering};

use stockade_client::Client;
use stockade_proto::v1::{
    AdjustStockRequest, CreateLocationRequest, CreateSkuRequest, GetOrderRequest, Location,
    Order as PlacedOrder, ReceiveStockRequest, ReturnLine, ReturnOrderRequest, Sku as NewSku,
};
use tokio::sync::watch;

use super::StockPolicy;
use super::plan::{Adjust, Job, Plan, Return};
use super::tally::Tally;
use crate::batch::{at_once, persist};
use crate::progress::Progress;

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Shipped,
    NotShipped,
}

/// A run of a plan.
pub(super) struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) plan: &'a Plan,
    pub(super) location: &'a str,
    pub(super) policy: StockPolicy,
    pub(super) tally: Tally,
    /// For each order what became of it, once that is known.
    orders: Vec<watch::Sender<Option<Done>>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(client: &'a Client, plan: &'a Plan, location: &'a str, policy: StockPolicy) -> Self {
        let orders = plan.orders.iter().map(|_| watch::Sender::new(None)).collect();
        Self { client, plan, location, policy, tally: Tally::default(), orders }
    }

    /// Does all that the plan asks for.
    pub(super) async fn all(&self) -> anyhow::Result<()> {
        self.open_location().await?;
        let skus = 0..self.plan.skus.len();
        let progress = Progress::begin("goods", "SKUs", u64::try_from(skus.len()).unwrap_or(u64::MAX));
        at_once(skus, |sku| async move { self.stock_up(sku).await.map(|()| 1) }, &progress).await?;
        let lines: u64 = self.plan.jobs.iter().map(|job| self.weight(job)).sum();
        let progress = Progress::begin("orders", "lines", lines);
        at_once(
            self.plan.jobs.iter(),
            |job| async move { self.job(job).await.map(|()| self.weight(job)) },
            &progress,
        )
        .await
    }

    fn weight(&self, job: &Job) -> u64 {
        let lines = match job {
            Job::Order(order) => self.plan.orders[*order].lines.len(),
            Job::Return(returned) => returned.lines.len(),
            Job::Adjust(_) => 1,
        };
        u64::try_from(lines).unwrap_or(u64::MAX)
    }

    async fn job(&self, job: &Job) -> anyhow::Result<()> {
        match job {
            Job::Order(order) => {
                let done = self.order(&self.plan.orders[*order]).await?;
                self.orders[*order].send_replace(Some(done));
                Ok(())
            }
            Job::Return(returned) => self.take_back(returned).await,
            Job::Adjust(adjust) => self.adjust(adjust).await,
        }
    }

    /// Creates the location: stock is booked only where there is one.
    async fn open_location(&self) -> anyhow::Result<()> {
        let request = CreateLocationRequest {
            request_id: self.client.new_request_id(),
            location: Some(Location { location_id: self.location.to_owned(), ..Location::default() }),
            ..CreateLocationRequest::default()
        };
        let created = persist(|| self.client.create_location(request.clone())).await;
        self.tally.booked(self.location, created.map(drop), &self.tally.locations)
    }

    /// Creates a SKU and books its receipt.
    async fn stock_up(&self, index: usize) -> anyhow::Result<()> {
        let sku = &self.plan.skus[index];
        let request = CreateSkuRequest {
            request_id: self.client.new_request_id(),
            sku: Some(NewSku { sku_id: sku.id.clone(), display_name: sku.name.clone(), ..NewSku::default() }),
            ..CreateSkuRequest::default()
        };
        let created = persist(|| self.client.create_sku(request.clone())).await;
        self.tally.booked(&sku.id, created.map(drop), &self.tally.skus)?;
        let quantity = match self.policy {
            StockPolicy::Cover => sku.leaving,
            StockPolicy::Fixed(units) => units,
        };
        if quantity == 0 {
            return Ok(());
        }
        let request = ReceiveStockRequest {
            request_id: self.client.new_request_id(),
            sku_id: sku.id.clone(),
            location_id: self.location.to_owned(),
            quantity,
            document_id: format!("rcpt-{}", sku.id),
            ..ReceiveStockRequest::default()
        };
        let received = persist(|| self.client.receive_stock(request.clone())).await;
        self.tally.booked(&request.document_id, received.map(drop), &self.tally.receipts)
    }

    async fn adjust(&self, adjust: &Adjust) -> anyhow::Result<()> {
        let request = AdjustStockRequest {
            request_id: self.client.new_request_id(),
            sku_id: self.plan.skus[adjust.sku].id.clone(),
            location_id: self.location.to_owned(),
            delta: adjust.delta,
            reason: adjust.reason.into(),
            document_id: adjust.document.clone(),
            ..AdjustStockRequest::default()
        };
        let adjusted = persist(|| self.client.adjust_stock(request.clone())).await;
        self.tally.booked(&adjust.document, adjusted.map(drop), &self.tally.adjustments)
    }

    /// Books a return once its order has shipped. Orders start before their returns, so the wait ends.
    async fn take_back(&self, returned: &Return) -> anyhow::Result<()> {
        let order_id = &self.plan.orders[returned.order].id;
        let mut done = self.orders[returned.order].subscribe();
        let done = *done.wait_for(Option::is_some).await?;
        if done != Some(Done::Shipped) {
            self.tally.returns_without_order.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let line = |(line, quantity): (&i32, &i64)| ReturnLine {
            line: *line,
            quantity: *quantity,
            ..ReturnLine::default()
        };
        let request = ReturnOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: order_id.clone(),
            lines: returned.lines.iter().map(line).collect(),
            document_id: returned.document.clone(),
            ..ReturnOrderRequest::default()
        };
        let answer = persist(|| self.client.return_order(request.clone())).await.map(drop);
        // The state of an order is looked at before the document: where nothing is left to come back, the refusal
        // says so rather than that the document is booked.
        let used_up = matches!(&answer, Err(error) if ["ILLEGAL_TRANSITION", "QUANTITY_EXCEEDED"].contains(&error.reason()));
        if used_up {
            let order = self.read(order_id).await?;
            let covers = |(line, quantity): (&i32, &i64)| {
                let index = usize::try_from(*line - 1).expect("lines count from 1");
                order.lines.get(index).is_some_and(|line| line.returned >= *quantity)
            };
            // The plan's returns never pass what was shipped, so this one is among those that are booked.
            if returned.lines.iter().all(covers) {
                self.tally.returns.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.tally.booked(&returned.document, answer, &self.tally.returns)
    }

    /// Reads an order.
    pub(super) async fn read(&self, order_id: &str) -> anyhow::Result<PlacedOrder> {
        let request = GetOrderRequest { order_id: order_id.to_owned(), read: None };
        let answer = persist(|| self.client.get_order(request.clone())).await?;
        answer.order.ok_or_else(|| anyhow::anyhow!("order {order_id} was answered without the order"))
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
