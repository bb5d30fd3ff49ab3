//! Orders of three lines, at a rate that doesn't wait for answers: what is late in the cluster makes no call come later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use stockade_client::Client;
use stockade_env::Env;
use stockade_proto::v1::{NewOrderLine, OrderState, PlaceOrderRequest};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::bench::fill;
use crate::bench::latency::Latencies;
use crate::bench::settle::settle;
use crate::local_cluster::LocalCluster;
use crate::proof::{Ack, Promised, Record};

/// SKUs in the catalogue.
const SKUS: u64 = 1_000;
/// Lines of an order.
const LINES: u64 = 3;
/// Calls at once at the peak.
const AT_ONCE: usize = 256;
/// Between two looks at how many orders are due.
const TICK: Duration = Duration::from_millis(1);

/// What came of all orders.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// What was promised.
    pub(crate) record: Record,
    /// Of the orders at the fixed rate, from when each was due to its answer.
    pub(crate) took: Vec<Duration>,
    /// Calls that ended with an error.
    pub(crate) failed: Vec<String>,
}

impl Orders {
    pub(crate) fn latencies(&self) -> Latencies {
        Latencies::of(self.took.clone())
    }
}

/// Orders on their way.
#[derive(Debug)]
pub(crate) struct Load {
    shop: Shop,
    stop: watch::Sender<bool>,
    alive: Option<mpsc::Sender<()>>,
    running: mpsc::Receiver<()>,
}

#[derive(Debug, Clone)]
struct Shop {
    env: Env,
    client: Client,
    next: Arc<AtomicU64>,
    orders: Arc<Mutex<Orders>>,
}

impl Load {
    /// Fills the shelves.
    pub(crate) async fn prepare(env: &Env, client: &Client) -> anyhow::Result<Self> {
        fill::fill(client, (0..SKUS).map(sku)).await?;
        let received = (0..SKUS).map(|number| (sku(number), fill::UNITS)).collect();
        let record = Record { received, ..Record::default() };
        let orders = Arc::new(Mutex::new(Orders { record, ..Orders::default() }));
        let shop = Shop { env: env.clone(), client: client.clone(), next: Arc::default(), orders };
        let (alive, running) = mpsc::channel(1);
        Ok(Self { shop, stop: watch::Sender::new(false), alive: Some(alive), running })
    }

    /// Orders a second with as many at once as the cluster takes, counted until every node has them in its engine: what it
    /// only takes in faster than that it can't take for long. As much again before doesn't count.
    pub(crate) async fn peak(&self, length: Duration, cluster: &LocalCluster) -> anyhow::Result<u64> {
        self.rush(length).await;
        settle(cluster).await?;
        let started = Instant::now();
        let counted = self.rush(length).await;
        settle(cluster).await?;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        Ok(counted.saturating_mul(1_000) / millis)
    }

    /// How many orders a number of customers place, each one after the other.
    async fn rush(&self, length: Duration) -> u64 {
        let until = Instant::now() + length;
        let clerks = (0..AT_ONCE).map(|_| async {
            let mut count = 0_u64;
            while Instant::now() < until {
                count += u64::from(self.shop.order().await.is_some());
            }
            count
        });
        futures_util::future::join_all(clerks).await.into_iter().sum()
    }

    /// Places so many orders a second from now on.
    pub(crate) fn run_at(&mut self, rate: u64) {
        let (shop, mut stopped) = (self.shop.clone(), self.stop.subscribe());
        let Some(alive) = self.alive.clone() else { return };
        self.shop.env.tasks.spawn("orders", async move {
            let started = Instant::now();
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut placed = 0_u64;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = stopped.changed() => return,
                }
                let elapsed = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                let due_by_now = elapsed.saturating_mul(rate) / 1_000_000;
                while placed < due_by_now {
                    let due = started + Duration::from_micros(placed.saturating_mul(1_000_000) / rate);
                    let (order, alive) = (shop.clone(), alive.clone());
                    shop.env.tasks.spawn("order", async move {
                        order.order_due(due).await;
                        drop(alive);
                    });
                    placed += 1;
                }
            }
        });
    }

    /// How many orders have been acknowledged.
    pub(crate) fn acked(&self) -> usize {
        self.shop.orders.lock().record.acks.len()
    }

    /// Waits for the first of the acknowledgements behind the `from`-th that `is` looked for; `None` where none came by then.
    pub(crate) async fn wait_for(
        &self,
        mut from: usize,
        deadline: Instant,
        is: impl Fn(&Ack) -> bool,
    ) -> Option<Ack> {
        loop {
            {
                let orders = self.shop.orders.lock();
                if let Some(found) = orders.record.acks[from..].iter().find(|ack| is(ack)) {
                    return Some(*found);
                }
                from = orders.record.acks.len();
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep_until(Instant::now() + TICK).await;
        }
    }

    /// The acknowledgements behind the `from`-th.
    pub(crate) fn acks_from(&self, from: usize) -> Vec<Ack> {
        self.shop.orders.lock().record.acks[from..].to_vec()
    }

    /// Places no more orders, waits for those on their way, and gives what came of all.
    pub(crate) async fn finish(mut self) -> Orders {
        self.stop.send_replace(true);
        self.alive = None;
        // Nothing is ever sent: it ends when the last order has dropped its end.
        let _ = self.running.recv().await;
        std::mem::take(&mut *self.shop.orders.lock())
    }
}

impl Shop {
    async fn order_due(&self, due: Instant) {
        if let Some(at) = self.order().await {
            self.orders.lock().took.push(at.saturating_duration_since(due));
        }
    }

    /// Places an order; gives when it was acknowledged.
    async fn order(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let order_id = format!("bench-{number:09}");
        let lines: Vec<(String, i64)> = (0..LINES).map(|_| (sku(self.env.random.below(SKUS)), 1)).collect();
        let new_line = |(sku_id, quantity): &(String, i64)| NewOrderLine {
            sku_id: sku_id.clone(),
            quantity: *quantity,
            location_id: fill::LOCATION.to_owned(),
            unit_price_minor: 1_995,
        };
        let request = PlaceOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: order_id.clone(),
            customer_id: format!("customer-{}", number % 10_000),
            currency_code: "EUR".to_owned(),
            lines: lines.iter().map(new_line).collect(),
            ..PlaceOrderRequest::default()
        };
        let answer = self.client.place_order(request).await;
        let at = Instant::now();
        let mut orders = self.orders.lock();
        let states = vec![OrderState::PendingPayment];
        let acknowledged = answer.is_ok();
        match answer {
            Ok(answer) => {
                let term = answer.header.map_or(0, |header| header.term);
                orders.record.acks.push(Ack { at, term });
            }
            Err(error) => orders.failed.push(format!("{order_id}: {error}")),
        }
        orders.record.orders.insert(order_id, Promised { acknowledged, lines, states });
        acknowledged.then_some(at)
    }
}

fn sku(number: u64) -> String {
    format!("sku-{number:04}")
}
