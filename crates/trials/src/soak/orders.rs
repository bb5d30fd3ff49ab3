//! Orders as a shop has them: placed, paid, shipped; some cancelled, some never paid.
//!
//! What becomes of an order follows from its number, so that two runs do the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parking_lot::Mutex;
use stockade_client::{Client, Config, Error};
use stockade_env::Env;
use stockade_proto::v1::{
    CancelOrderRequest, ConfirmOrderRequest, CreateLocationRequest, CreateSkuRequest, GetOrderRequest,
    Location, NewOrderLine, PlaceOrderRequest, ReceiveStockRequest, ShipOrderRequest, Sku, SnapshotRequest,
};
use tokio::sync::mpsc;

use super::latency::Latencies;

/// SKUs in the shop.
const SKUS: u64 = 500;
/// Units of each: more than all orders take.
const UNITS: i64 = 1_000_000_000_000;
/// Where the stock is kept.
const LOCATION: &str = "main";
/// Of a hundred orders, so many are cancelled before they are paid, and so many more never paid.
const CANCELLED_IN_100: u64 = 5;
const UNPAID_IN_100: u64 = 2;
/// How long an unpaid order holds its units: short, so that the unpaid ones are few at any time.
const HOLD_SECONDS: i64 = 60;
/// How long a call may take, its retries included.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// A shop and its calls.
#[derive(Debug)]
pub(crate) struct Shop {
    env: Env,
    client: Client,
    /// Begins the names of this run's orders, so that several runs can share a directory.
    run: String,
    progress: Arc<Progress>,
}

/// How far the orders are.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Orders begun.
    begun: AtomicU64,
    /// Orders that are as far as they get.
    pub(crate) done: AtomicU64,
    /// Calls since they were last taken.
    recent: Mutex<Latencies>,
    /// What should not have happened.
    failure: Mutex<Option<String>>,
}

impl Progress {
    /// The calls since this was last asked.
    pub(crate) fn take_calls(&self) -> Latencies {
        std::mem::take(&mut *self.recent.lock())
    }
}

impl Shop {
    /// Connects to a cluster, and fills the shelves where they are empty.
    pub(crate) async fn open(addresses: Vec<String>) -> anyhow::Result<Self> {
        let env = Env::real();
        let config = Config { timeout: CALL_TIMEOUT, ..Config::new(addresses) };
        let client = Client::connect(&env, config).await?;
        let run = format!("{:x}", env.clock.now_us());
        let shop = Self { env, client, run, progress: Arc::default() };
        shop.fill_shelves().await?;
        Ok(shop)
    }

    async fn fill_shelves(&self) -> anyhow::Result<()> {
        let location = Location { location_id: LOCATION.to_owned(), ..Location::default() };
        let location = CreateLocationRequest { location: Some(location), ..Default::default() };
        match self.client.create_location(location).await {
            Ok(_) => {}
            Err(error) if error.reason() == "ALREADY_EXISTS" => {}
            Err(error) => return Err(error).context("creating the location"),
        }
        for number in 0..SKUS {
            let sku_id = sku(number);
            let sku = Sku { sku_id: sku_id.clone(), display_name: sku_id.clone(), ..Sku::default() };
            match self.client.create_sku(CreateSkuRequest { sku: Some(sku), ..Default::default() }).await {
                Ok(_) => {}
                Err(error) if error.reason() == "ALREADY_EXISTS" => return Ok(()),
                Err(error) => return Err(error).context("creating a SKU"),
            }
            let receipt = ReceiveStockRequest {
                sku_id,
                location_id: LOCATION.to_owned(),
                quantity: UNITS,
                ..ReceiveStockRequest::default()
            };
            self.client.receive_stock(receipt).await.context("booking goods in")?;
        }
        Ok(())
    }

    /// How far the orders are.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Runs so many orders, so many at a time.
    pub(crate) async fn run(&self, orders: u64, at_a_time: usize) -> anyhow::Result<()> {
        let last = self.progress.begun.load(Ordering::Relaxed) + orders;
        let (alive, mut running) = mpsc::channel::<()>(1);
        for _ in 0..at_a_time {
            let (till, alive) = (self.till(), alive.clone());
            self.env.tasks.spawn("orders", async move {
                till.serve(last).await;
                drop(alive);
            });
        }
        drop(alive);
        // Nothing is ever sent: it ends when the last one has dropped its end.
        let _ = running.recv().await;
        // Each task has counted one beyond the last.
        self.progress.begun.store(last, Ordering::Relaxed);
        match self.progress.failure.lock().take() {
            None => Ok(()),
            Some(failure) => anyhow::bail!("{failure}"),
        }
    }

    /// Runs orders until the nodes are gone. What fails then is no failure.
    pub(crate) fn run_until_killed(&self, at_a_time: usize) {
        for _ in 0..at_a_time {
            let till = self.till();
            self.env.tasks.spawn("orders", async move { till.serve(u64::MAX).await });
        }
    }

    fn till(&self) -> Till {
        Till { client: self.client.clone(), run: self.run.clone(), progress: self.progress() }
    }

    /// Places an order of this name, not to be paid, and tells how long that took.
    pub(crate) fn place_in_background(&self, number: u64, then: impl FnOnce(bool) + Send + 'static) {
        let till = self.till();
        self.env.tasks.spawn("place", async move {
            let request = till.placement(number);
            then(till.client.place_order(request).await.is_ok());
        });
    }

    /// Makes a node make a snapshot. Its bytes are not wanted.
    pub(crate) fn ask_for_snapshot(&self, address: String) {
        let client = self.client.clone();
        self.env.tasks.spawn("snapshot", async move {
            // The first message comes when the snapshot is there; whoever waits for it looks at the directory.
            match client.snapshot_of(&address, SnapshotRequest { existing: false }).await {
                Ok(mut pieces) => drop(pieces.next().await),
                Err(error) => eprintln!("{address} makes no snapshot: {error}"),
            }
        });
    }

    /// A linearizable read of an order that need not be there.
    pub(crate) async fn read(&self) -> anyhow::Result<()> {
        let order_id = format!("{}-none", self.run);
        match self.client.get_order(GetOrderRequest { order_id, read: None }).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason() == "NOT_FOUND" => Ok(()),
            Err(error) => Err(error).context("reading an order"),
        }
    }

    /// Ends all calls and tasks.
    pub(crate) async fn close(self) {
        self.env.tasks.stop(Duration::from_secs(1)).await;
    }
}

fn sku(number: u64) -> String {
    format!("sku-{number:05}")
}

/// Scatters numbers evenly (the finaliser of splitmix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Serves one customer after the other.
struct Till {
    client: Client,
    run: String,
    progress: Arc<Progress>,
}

impl Till {
    async fn serve(self, last: u64) {
        loop {
            let number = self.progress.begun.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            if let Err(error) = self.order(number).await {
                *self.progress.failure.lock() = Some(format!("order {number}: {error}"));
                return;
            }
            self.progress.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One to three lines.
    fn placement(&self, number: u64) -> PlaceOrderRequest {
        let dice = scatter(number);
        let line = |line: u64| {
            let dice = scatter(dice ^ line);
            NewOrderLine {
                sku_id: sku(dice % SKUS),
                quantity: i64::try_from(dice >> 61).unwrap_or(0) + 1,
                location_id: LOCATION.to_owned(),
                unit_price_minor: 1_995,
            }
        };
        PlaceOrderRequest {
            request_id: self.client.new_request_id(),
            order_id: self.order_id(number),
            customer_id: format!("customer-{:06}", dice % 100_000),
            currency_code: "EUR".to_owned(),
            lines: (0..=(dice >> 32) % 3).map(line).collect(),
            hold_duration: Some(prost_types::Duration { seconds: HOLD_SECONDS, nanos: 0 }),
            ..PlaceOrderRequest::default()
        }
    }

    fn order_id(&self, number: u64) -> String {
        format!("{}-{number:09}", self.run)
    }

    async fn order(&self, number: u64) -> Result<(), Error> {
        let request = self.placement(number);
        self.timed(self.client.place_order(request)).await?;
        let (order_id, request_id) = (self.order_id(number), String::new());
        let fate = scatter(!number) % 100;
        if fate < CANCELLED_IN_100 {
            self.timed(self.client.cancel_order(CancelOrderRequest {
                request_id,
                order_id,
                ..CancelOrderRequest::default()
            }))
            .await?;
        } else if fate >= CANCELLED_IN_100 + UNPAID_IN_100 {
            let payment_reference = format!("payment-{number}");
            let confirm = ConfirmOrderRequest {
                order_id,
                payment_reference,
                request_id,
                ..ConfirmOrderRequest::default()
            };
            self.timed(self.client.confirm_order(confirm)).await?;
            let ship = ShipOrderRequest {
                order_id: self.order_id(number),
                tracking_number: format!("track-{number}"),
                ..ShipOrderRequest::default()
            };
            self.timed(self.client.ship_order(ship)).await?;
        }
        Ok(())
    }

    async fn timed<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let begun = Instant::now();
        let answer = call.await?;
        self.progress.recent.lock().add(micros(begun.elapsed()));
        Ok(answer)
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
