//! The checkouts of the demo, and what was promised to them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_client::{Client, Error};
use stockade_env::Env;
use stockade_proto::v1::{
    CancelOrderRequest, ConfirmOrderRequest, CreateLocationRequest, CreateSkuRequest, Location, NewOrderLine,
    OrderState, PlaceOrderRequest, ReceiveStockRequest, ResponseHeader, ShipOrderRequest, Sku,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::proof::{Ack, Promised, Record};

/// SKUs that never run out.
const STEADY_SKUS: u64 = 24;
const STEADY_UNITS: i64 = 50_000_000;
/// SKUs that everybody wants and that run out.
const HOT_SKUS: u64 = 4;
const HOT_UNITS: i64 = 60;
/// Of ten orders, so many want a hot SKU.
const HOT_IN_TEN: u64 = 2;
/// Of ten placed orders, so many are cancelled, and so many more are left unpaid.
const CANCELLED_IN_TEN: u64 = 1;
const UNPAID_IN_TEN: u64 = 1;
/// Of ten paid orders, so many ship.
const SHIPPED_IN_TEN: u64 = 8;
/// Where the stock is kept.
pub(crate) const LOCATION: &str = "main";
/// Pause of a checkout after the cluster had no answer.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a mutation of unknown fate is sent again under its id before it is left open.
const MAX_SETTLING: u32 = 20;

/// Running checkouts.
#[derive(Debug)]
pub(crate) struct Workload {
    record: Arc<Mutex<Record>>,
    stop: tokio::sync::watch::Sender<bool>,
    running: mpsc::Receiver<()>,
}

impl Workload {
    /// Fills the shelves, then starts so many checkouts.
    pub(crate) async fn start(env: &Env, client: &Client, workers: u64) -> anyhow::Result<Self> {
        let record = Arc::new(Mutex::new(Record::default()));
        seed(client, &record).await?;
        let (stop, _) = tokio::sync::watch::channel(false);
        let (alive, running) = mpsc::channel(1);
        for worker in 0..workers {
            let checkout =
                Checkout { env: env.clone(), client: client.clone(), record: Arc::clone(&record), worker };
            let (stopped, alive) = (stop.subscribe(), alive.clone());
            env.tasks.spawn("checkout", async move {
                checkout.run(&stopped).await;
                drop(alive);
            });
        }
        Ok(Self { record, stop, running })
    }

    /// Looks at the record; nothing is added meanwhile, so `look` must be short.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.record.lock())
    }

    /// Lets each checkout finish its order, and gives the record.
    pub(crate) async fn finish(mut self) -> Record {
        self.stop.send_replace(true);
        // Nothing is ever sent: it ends when the last checkout has dropped its end.
        let _ = self.running.recv().await;
        std::mem::take(&mut *self.record.lock())
    }
}

fn steady(number: u64) -> String {
    format!("steady-{:02}", number + 1)
}

fn hot(number: u64) -> String {
    format!("hot-{}", number + 1)
}

async fn seed(client: &Client, record: &Mutex<Record>) -> anyhow::Result<()> {
    let location = Location {
        location_id: LOCATION.to_owned(),
        display_name: "Demo warehouse".to_owned(),
        ..Location::default()
    };
    let request = CreateLocationRequest { location: Some(location), ..CreateLocationRequest::default() };
    client.create_location(request).await?;
    let steady = (0..STEADY_SKUS).map(|number| (steady(number), STEADY_UNITS));
    for (sku_id, quantity) in steady.chain((0..HOT_SKUS).map(|number| (hot(number), HOT_UNITS))) {
        let sku = Sku { sku_id: sku_id.clone(), display_name: format!("Demo {sku_id}"), ..Sku::default() };
        client.create_sku(CreateSkuRequest { sku: Some(sku), ..CreateSkuRequest::default() }).await?;
        let receipt = ReceiveStockRequest {
            sku_id: sku_id.clone(),
            location_id: LOCATION.to_owned(),
            quantity,
            ..ReceiveStockRequest::default()
        };
        client.receive_stock(receipt).await?;
        record.lock().received.insert(sku_id, quantity);
    }
    Ok(())
}

/// One till: an order at a time.
#[derive(Debug)]
struct Checkout {
    env: Env,
    client: Client,
    record: Arc<Mutex<Record>>,
    worker: u64,
}

/// What became of a mutation.
enum Answer {
    Yes(ResponseHeader),
    No(String),
    /// Its fate could not be settled.
    Open,
}

impl Checkout {
    async fn run(&self, stopped: &tokio::sync::watch::Receiver<bool>) {
        for number in 0_u64.. {
            if *stopped.borrow() {
                return;
            }
            self.order(format!("demo-{:02}-{number:07}", self.worker)).await;
        }
    }

    /// An order from the shelf to the door, or as far as chance lets it get.
    async fn order(&self, order_id: String) {
        let lines = self.basket();
        if !self.place(&order_id, &lines).await {
            return;
        }
        let dice = self.env.random.below(10);
        if dice < CANCELLED_IN_TEN {
            self.change(&order_id, OrderState::Cancelled).await;
        } else if dice >= CANCELLED_IN_TEN + UNPAID_IN_TEN
            && self.change(&order_id, OrderState::Confirmed).await
            && self.env.random.below(10) < SHIPPED_IN_TEN
        {
            self.change(&order_id, OrderState::Shipped).await;
        }
    }

    fn basket(&self) -> Vec<(String, i64)> {
        let below = |bound| self.env.random.below(bound);
        let units = |bound| i64::try_from(below(bound)).expect("a small number") + 1;
        let mut lines: Vec<(String, i64)> =
            (0..=below(3)).map(|_| (steady(below(STEADY_SKUS)), units(3))).collect();
        if below(10) < HOT_IN_TEN {
            lines.push((hot(below(HOT_SKUS)), units(2)));
        }
        lines
    }

    async fn place(&self, order_id: &str, lines: &[(String, i64)]) -> bool {
        let new_line = |(sku_id, quantity): &(String, i64)| NewOrderLine {
            sku_id: sku_id.clone(),
            quantity: *quantity,
            location_id: LOCATION.to_owned(),
            unit_price_minor: 1_995,
        };
        let request = PlaceOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: order_id.to_owned(),
            customer_id: format!("customer-{}", self.worker),
            currency_code: "EUR".to_owned(),
            lines: lines.iter().map(new_line).collect(),
            ..PlaceOrderRequest::default()
        };
        let call = || async {
            let answer = self.client.place_order(request.clone()).await?;
            Ok(answer.header)
        };
        let mut promised =
            Promised { acknowledged: false, lines: lines.to_vec(), states: vec![OrderState::PendingPayment] };
        match self.settle(call).await {
            Answer::Yes(header) => {
                let ack = Ack { at: Instant::now(), term: header.term };
                let mut record = self.record.lock();
                record.acks.push(ack);
                promised.acknowledged = true;
                record.orders.insert(order_id.to_owned(), promised);
                true
            }
            Answer::No(reason) if reason == "INSUFFICIENT_STOCK" => {
                self.record.lock().rejected += 1;
                false
            }
            Answer::No(reason) => {
                self.record.lock().unexpected.push(format!("placing {order_id}: {reason}"));
                false
            }
            Answer::Open => {
                self.record.lock().orders.insert(order_id.to_owned(), promised);
                false
            }
        }
    }

    async fn change(&self, order_id: &str, to: OrderState) -> bool {
        let (id, order_id) = (self.client.new_request_id(), order_id.to_owned());
        let call = || self.change_once(id.clone(), order_id.clone(), to);
        // From now on it may be there before the answer is.
        self.promise(&order_id, |states| states.push(to));
        match self.settle(call).await {
            Answer::Yes(_) => {
                self.promise(&order_id, |states| *states = vec![to]);
                true
            }
            Answer::No(reason) => {
                self.promise(&order_id, |states| states.retain(|state| *state != to));
                self.record.lock().unexpected.push(format!("{order_id} to {}: {reason}", to.as_str_name()));
                false
            }
            Answer::Open => false,
        }
    }

    async fn change_once(
        &self,
        request_id: String,
        order_id: String,
        to: OrderState,
    ) -> Result<Option<ResponseHeader>, Error> {
        if to == OrderState::Cancelled {
            let request = CancelOrderRequest { request_id, order_id, ..CancelOrderRequest::default() };
            return Ok(self.client.cancel_order(request).await?.header);
        }
        if to == OrderState::Confirmed {
            let payment_reference = "demo".to_owned();
            let request = ConfirmOrderRequest {
                request_id,
                order_id,
                payment_reference,
                ..ConfirmOrderRequest::default()
            };
            return Ok(self.client.confirm_order(request).await?.header);
        }
        let request = ShipOrderRequest { request_id, order_id, ..ShipOrderRequest::default() };
        Ok(self.client.ship_order(request).await?.header)
    }

    fn promise(&self, order_id: &str, change: impl FnOnce(&mut Vec<OrderState>)) {
        if let Some(promised) = self.record.lock().orders.get_mut(order_id) {
            change(&mut promised.states);
        }
    }

    /// Sends a mutation, again and again under the same id where it has no answer: that can't make it happen twice.
    async fn settle<F>(&self, call: impl Fn() -> F) -> Answer
    where
        F: Future<Output = Result<Option<ResponseHeader>, Error>>,
    {
        for _ in 0..MAX_SETTLING {
            match call().await {
                Ok(header) => return Answer::Yes(header.unwrap_or_default()),
                Err(error @ (Error::Rejected(_) | Error::Invalid(_))) => {
                    return Answer::No(if error.reason().is_empty() {
                        error.to_string()
                    } else {
                        error.reason().to_owned()
                    });
                }
                Err(
                    Error::OutcomeUnknown { .. }
                    | Error::NoLeader { .. }
                    | Error::Overloaded { .. }
                    | Error::Unavailable { .. }
                    | Error::Transport(_),
                ) => tokio::time::sleep(PAUSE).await,
            }
        }
        Answer::Open
    }
}
