//! Those who shop: real clients that call at random; the client's recorder writes down what they are told.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_client::{Client, Config, Error, Recorder};
use stockade_env::{Clock, Env, Place, Random, Tasks};
use stockade_proto::v1;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::machine::{BEGINNING_US, client_address};
use crate::network::Network;
use crate::settings::Settings;

const LOCATION: &str = "here";
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Hosts of shoppers, as links know them.
const FIRST_HOST: u64 = 1_000;

fn sku_name(number: u64) -> String {
    format!("sku-{number}")
}

/// A shopper.
struct Shopper {
    client: Client,
    random: SmallRng,
    settings: Settings,
    number: u64,
    market: Market,
    orders: Vec<String>,
    /// Requests whose fate is not known.
    unknown: Vec<String>,
}

/// What a shopper hears of the world, and the world of shoppers.
pub(crate) struct Market {
    /// Until when everybody wants to buy.
    pub(crate) rush: watch::Receiver<Instant>,
    /// Writes that were acknowledged.
    pub(crate) told: watch::Sender<u64>,
}

/// Lets one shopper call until `end`.
pub(crate) fn start(
    number: u64,
    seed: u64,
    settings: &Settings,
    network: &Network,
    recorder: Recorder,
    market: Market,
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
        config.record = Some(recorder);
        let client = loop {
            match Client::connect_through(&env, config.clone(), Some(Arc::clone(&dialer))).await {
                Ok(client) => break client,
                Err(_) if Instant::now() < end => sleep(Duration::from_millis(100)).await,
                Err(_) => return,
            }
        };
        let (orders, unknown) = (Vec::new(), Vec::new());
        let shopper = Shopper { client, random, settings, number, market, orders, unknown };
        shopper.shop(end).await;
    })
}

impl Shopper {
    async fn shop(mut self, end: Instant) {
        let location = v1::Location { location_id: LOCATION.to_owned(), ..Default::default() };
        let request = v1::CreateLocationRequest { location: Some(location), ..Default::default() };
        let answer = self.client.create_location(request).await.map(|_| ());
        self.note_fate(&answer);
        for sku in 0..self.settings.skus {
            let sku = v1::Sku { sku_id: sku_name(sku), display_name: String::new(), ..Default::default() };
            let request = v1::CreateSkuRequest { sku: Some(sku), ..Default::default() };
            let answer = self.client.create_sku(request).await.map(|_| ());
            self.note_fate(&answer);
        }
        let mut calls = 0_u64;
        while Instant::now() < end {
            calls += 1;
            self.call(calls).await;
            let think = self.random.random_range(Duration::ZERO..=self.settings.think);
            if *self.market.rush.borrow() < Instant::now() {
                sleep(think).await;
            }
        }
        self.settle().await;
    }

    /// Asks until every fate is known for good: the cluster heals meanwhile.
    async fn settle(&mut self) {
        for request in std::mem::take(&mut self.unknown) {
            loop {
                let asked = v1::AbandonRequestRequest { request_id: request.clone() };
                match self.client.abandon_request(asked).await {
                    Ok(_) => break,
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }

    async fn call(&mut self, calls: u64) {
        let sku_id = sku_name(self.random.random_range(0..self.settings.skus));
        let request_id = self.client.new_request_id();
        let quantity = self.random.random_range(1..4);
        let order_id = match self.orders.len() {
            0 => String::new(),
            len => self.orders[self.random.random_range(0..len)].clone(),
        };
        let location_id = LOCATION.to_owned();
        let asked = match self.random.random_range(0..14) {
            0..=1 => Asked::Receive(v1::ReceiveStockRequest {
                request_id,
                sku_id,
                location_id,
                quantity,
                ..Default::default()
            }),
            2..=4 => {
                let order_id = format!("order-{}-{calls}", self.number);
                self.orders.push(order_id.clone());
                Asked::Place(v1::PlaceOrderRequest {
                    request_id,
                    order_id,
                    currency_code: "EUR".to_owned(),
                    lines: vec![v1::NewOrderLine { sku_id, quantity, ..Default::default() }],
                    hold_duration: Some(prost_duration(self.random.random_range(1..20))),
                    ..Default::default()
                })
            }
            5 if !order_id.is_empty() => {
                Asked::Confirm(v1::ConfirmOrderRequest { request_id, order_id, ..Default::default() })
            }
            6 if !order_id.is_empty() => {
                Asked::Ship(v1::ShipOrderRequest { request_id, order_id, ..Default::default() })
            }
            7 if !order_id.is_empty() => Asked::Cancel(v1::CancelOrderRequest { request_id, order_id }),
            8 => Asked::Set(v1::SetStockRequest {
                request_id,
                sku_id,
                location_id,
                quantity,
                expected_quantity: self.random.random_bool(0.7).then(|| self.random.random_range(0..4)),
                reason: v1::Reason::CycleCount.into(),
                ..Default::default()
            }),
            9 => Asked::Move(v1::MoveStockRequest {
                request_id,
                sku_id,
                location_id,
                to_bucket: v1::Bucket::Damaged.into(),
                quantity,
                reason: v1::Reason::Damaged.into(),
                ..Default::default()
            }),
            10 => {
                let sku = v1::Sku { sku_id, max_per_order: quantity + 1, ..Default::default() };
                Asked::Limit(v1::UpdateSkuRequest { request_id, sku: Some(sku), ..Default::default() })
            }
            11 => {
                let sku_ids = (0..self.settings.skus).map(sku_name).collect();
                Asked::Availability(v1::GetAvailabilityRequest { sku_ids, ..Default::default() })
            }
            _ => Asked::Look(v1::GetStockRequest { sku_id, location_id }),
        };
        if self.random.random_range(0..1_000) < self.settings.doubled_per_mille {
            let (first, second) = tokio::join!(asked.put_to(&self.client), asked.put_to(&self.client));
            self.note_fate(&first);
            self.note_fate(&second);
        } else {
            let answer = asked.put_to(&self.client).await;
            self.note_fate(&answer);
            if answer.is_ok() && !asked.is_look() {
                self.market.told.send_modify(|told| *told += 1);
            }
        }
    }

    fn note_fate(&mut self, answer: &Result<(), Error>) {
        if let Err(Error::OutcomeUnknown { request_id, .. }) = answer {
            self.unknown.push(request_id.clone());
        }
    }
}

/// What a shopper asks for.
enum Asked {
    Receive(v1::ReceiveStockRequest),
    Place(v1::PlaceOrderRequest),
    Confirm(v1::ConfirmOrderRequest),
    Ship(v1::ShipOrderRequest),
    Cancel(v1::CancelOrderRequest),
    Set(v1::SetStockRequest),
    Move(v1::MoveStockRequest),
    Limit(v1::UpdateSkuRequest),
    Availability(v1::GetAvailabilityRequest),
    Look(v1::GetStockRequest),
}

impl Asked {
    async fn put_to(&self, client: &Client) -> Result<(), Error> {
        match self {
            Self::Receive(request) => client.receive_stock(request.clone()).await.map(|_| ()),
            Self::Place(request) => client.place_order(request.clone()).await.map(|_| ()),
            Self::Confirm(request) => client.confirm_order(request.clone()).await.map(|_| ()),
            Self::Ship(request) => client.ship_order(request.clone()).await.map(|_| ()),
            Self::Cancel(request) => client.cancel_order(request.clone()).await.map(|_| ()),
            Self::Set(request) => client.set_stock(request.clone()).await.map(|_| ()),
            Self::Move(request) => client.move_stock(request.clone()).await.map(|_| ()),
            Self::Limit(request) => client.update_sku(request.clone()).await.map(|_| ()),
            Self::Availability(request) => client.get_availability(request.clone()).await.map(|_| ()),
            Self::Look(request) => client.get_stock(request.clone()).await.map(|_| ()),
        }
    }

    fn is_look(&self) -> bool {
        matches!(self, Self::Look(_) | Self::Availability(_))
    }
}

fn prost_duration(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
