//! Those who shop: real clients that call at random, and write down what they were told.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_client::{Client, Config, Error};
use stockade_env::{Clock, Env, Place, Random, Tasks};
use stockade_proto::v1;
use tokio::time::{Instant, sleep};

use crate::machine::{BEGINNING_US, client_address};
use crate::network::Network;
use crate::settings::Settings;
use crate::trace::{Trace, note};

pub(crate) const LOCATION: &str = "here";
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Hosts of shoppers, as links know them.
const FIRST_HOST: u64 = 1_000;

/// What a shopper was told, and when.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) invoked: Instant,
    pub(crate) returned: Instant,
    pub(crate) what: What,
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A mutation took effect.
    Accepted { request: String, header: v1::ResponseHeader },
    /// A mutation was refused: it had no effect and never will have.
    Refused { request: String, reason: String },
    /// Nobody knows what became of a mutation.
    Unknown,
    /// What was not known was settled: a mutation took effect, or it never will.
    Settled { request: String, took_effect: bool },
    /// Stock was read.
    Read { sku: String, served: u64, buckets: [i64; 6] },
    /// A read failed, which says nothing.
    ReadFailed,
}

/// What all shoppers were told. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<Told>>>);

impl Diary {
    fn add(&self, told: Told) {
        self.0.lock().push(told);
    }

    /// In the order in which the calls returned.
    pub(crate) fn all(&self) -> Vec<Told> {
        self.0.lock().clone()
    }
}

pub(crate) fn sku_name(number: u64) -> String {
    format!("sku-{number}")
}

/// A shopper.
struct Shopper {
    client: Client,
    random: SmallRng,
    settings: Settings,
    diary: Diary,
    trace: Trace,
    number: u64,
    orders: Vec<String>,
    /// Requests whose fate is not known.
    unknown: Vec<String>,
}

/// Lets one shopper call until `end`.
pub(crate) fn start(
    number: u64,
    seed: u64,
    settings: &Settings,
    network: &Network,
    diary: Diary,
    trace: Trace,
    end: Instant,
) -> tokio::task::JoinHandle<()> {
    let place = Place::new(seed ^ (number << 16) ^ 0x0b0b);
    let clock = Clock::of_timers(BEGINNING_US);
    let env = Env { clock, random: Random::from_seed(seed ^ (number << 24)), tasks: Tasks::new() };
    let random = SmallRng::seed_from_u64(seed ^ (number << 8) ^ 0x5409);
    let (settings, dialer) = (settings.clone(), network.dialer(FIRST_HOST + number));
    place.spawn(async move {
        let mut config = Config::new((1..=settings.nodes).map(client_address));
        config.timeout = CALL_TIMEOUT;
        let client = loop {
            match Client::connect_through(&env, config.clone(), Some(Arc::clone(&dialer))).await {
                Ok(client) => break client,
                Err(_) if Instant::now() < end => sleep(Duration::from_millis(100)).await,
                Err(_) => return,
            }
        };
        let shopper = Shopper {
            client,
            random,
            settings,
            diary,
            trace,
            number,
            orders: Vec::new(),
            unknown: Vec::new(),
        };
        shopper.shop(end).await;
    })
}

impl Shopper {
    async fn shop(mut self, end: Instant) {
        for sku in 0..self.settings.skus {
            let sku = v1::Sku { sku_id: sku_name(sku), display_name: String::new(), ..Default::default() };
            let request_id = self.client.new_request_id();
            let request = v1::CreateSkuRequest { request_id: request_id.clone(), sku: Some(sku) };
            let invoked = Instant::now();
            let answer = self.client.create_sku(request).await;
            self.tell(invoked, request_id, answer.map(|answer| answer.header));
        }
        let mut calls = 0_u64;
        while Instant::now() < end {
            calls += 1;
            self.call(calls).await;
            let think = self.random.random_range(Duration::ZERO..=self.settings.think);
            sleep(think).await;
        }
        self.settle().await;
    }

    /// Asks until every fate is known for good: the cluster heals meanwhile.
    async fn settle(&mut self) {
        for request in std::mem::take(&mut self.unknown) {
            loop {
                let invoked = Instant::now();
                let asked = v1::AbandonRequestRequest { request_id: request.clone() };
                let Ok(answer) = self.client.abandon_request(asked).await else {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                // Of a refusal too it is decided, but there is no response.
                let took_effect = answer.result.is_some_and(|result| result.response.is_some());
                self.add(invoked, What::Settled { request, took_effect });
                break;
            }
        }
    }

    async fn call(&mut self, calls: u64) {
        let sku_id = sku_name(self.random.random_range(0..self.settings.skus));
        let request_id = self.client.new_request_id();
        let request = request_id.clone();
        let quantity = self.random.random_range(1..4);
        let order = match self.orders.len() {
            0 => String::new(),
            len => self.orders[self.random.random_range(0..len)].clone(),
        };
        let invoked = Instant::now();
        let answer = match self.random.random_range(0..10) {
            0..=1 => {
                let location_id = LOCATION.to_owned();
                let received = v1::ReceiveStockRequest {
                    request_id,
                    sku_id,
                    location_id,
                    quantity,
                    ..Default::default()
                };
                self.client.receive_stock(received).await.map(|answer| answer.header)
            }
            2..=4 => {
                let order_id = format!("order-{}-{calls}", self.number);
                self.orders.push(order_id.clone());
                let line = v1::NewOrderLine { sku_id, quantity, ..Default::default() };
                let hold = prost_duration(self.random.random_range(1..20));
                let lines = vec![line];
                let currency_code = "EUR".to_owned();
                let placed = v1::PlaceOrderRequest {
                    request_id,
                    order_id,
                    currency_code,
                    lines,
                    hold_duration: Some(hold),
                    ..Default::default()
                };
                self.client.place_order(placed).await.map(|answer| answer.header)
            }
            5 if !order.is_empty() => {
                let confirmed = v1::ConfirmOrderRequest { request_id, order_id: order, ..Default::default() };
                self.client.confirm_order(confirmed).await.map(|answer| answer.header)
            }
            6 if !order.is_empty() => {
                let shipped = v1::ShipOrderRequest { request_id, order_id: order, ..Default::default() };
                self.client.ship_order(shipped).await.map(|answer| answer.header)
            }
            7 if !order.is_empty() => {
                let cancelled = v1::CancelOrderRequest { request_id, order_id: order };
                self.client.cancel_order(cancelled).await.map(|answer| answer.header)
            }
            _ => return self.read(invoked, sku_id).await,
        };
        self.tell(invoked, request, answer);
    }

    async fn read(&mut self, invoked: Instant, sku: String) {
        let request = v1::GetStockRequest { sku_id: sku.clone(), location_id: LOCATION.to_owned() };
        let what = match self.client.get_stock(request).await {
            Ok(answer) => {
                let stock = answer.stock.unwrap_or_default();
                let served = answer.header.unwrap_or_default().served_revision;
                let buckets = [
                    stock.available,
                    stock.reserved,
                    stock.committed,
                    stock.safety_stock,
                    stock.damaged,
                    stock.quality_control,
                ];
                What::Read { sku, served, buckets }
            }
            Err(_) => What::ReadFailed,
        };
        self.add(invoked, what);
    }

    fn tell(&mut self, invoked: Instant, request: String, answer: Result<Option<v1::ResponseHeader>, Error>) {
        let what = match answer {
            Ok(header) => What::Accepted { request, header: header.unwrap_or_default() },
            Err(Error::OutcomeUnknown { .. }) => {
                self.unknown.push(request);
                What::Unknown
            }
            Err(error) => What::Refused { request, reason: format!("{}: {error}", error.reason()) },
        };
        self.add(invoked, what);
    }

    fn add(&self, invoked: Instant, what: What) {
        note!(self.trace, "shopper {}: {what:?}", self.number);
        self.diary.add(Told { invoked, returned: Instant::now(), what });
    }
}

fn prost_duration(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
