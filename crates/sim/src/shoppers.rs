//! Those who shop: real clients that call at random; the client's recorder writes down what they are told.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use stockade_client::{Client, Config, Error, ReadFrom, ReadPolicy, Recorder};
use stockade_env::{Clock, Env, Place, Random, Tasks};
use stockade_proto::v1;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::asked::{Bag, LOCATIONS, sku_name};
use crate::machine::{BEGINNING_US, client_address};
use crate::network::Network;
use crate::questions;
use crate::settings::Settings;

const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Hosts of shoppers, as links know them.
const FIRST_HOST: u64 = 1_000;

/// A shopper.
struct Shopper {
    client: Client,
    random: SmallRng,
    settings: Settings,
    market: Market,
    bag: Bag,
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
        let (bag, unknown) = (Bag::new(number, settings.skus), Vec::new());
        let shopper = Shopper { client, random, settings, market, bag, unknown };
        shopper.shop(end).await;
    })
}

impl Shopper {
    async fn shop(mut self, end: Instant) {
        for location in LOCATIONS {
            let location = v1::Location { location_id: location.to_owned(), ..Default::default() };
            let request = v1::CreateLocationRequest { location: Some(location), ..Default::default() };
            let answer = self.client.create_location(request).await.map(|_| ());
            self.note_fate(&answer);
        }
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
        let request_id = self.client.new_request_id();
        let asked = self.bag.wish(calls, request_id, &mut self.random);
        let policy = self.policy();
        let client = self.client.with_reads(policy);
        if self.random.random_range(0..1_000) < self.settings.doubled_per_mille {
            let (first, second) = tokio::join!(asked.put_to(&client), asked.put_to(&client));
            self.note_fate(&first);
            self.note_fate(&second);
        } else {
            let answer = asked.put_to(&client).await;
            self.note_fate(&answer);
            if answer.is_ok() && !asked.is_read() {
                self.market.told.send_modify(|told| *told += 1);
            }
        }
    }

    /// How the next read is made: in every way, of any node.
    fn policy(&mut self) -> ReadPolicy {
        let consistency = questions::consistency(self.client.seen_revision(), &mut self.random);
        let from = if self.random.random_bool(0.5) {
            ReadFrom::Node(client_address(self.random.random_range(1..=self.settings.nodes)))
        } else {
            ReadFrom::Cheapest
        };
        ReadPolicy { consistency, from }
    }

    fn note_fate(&mut self, answer: &Result<(), Error>) {
        if let Err(Error::OutcomeUnknown { request_id, .. }) = answer {
            self.unknown.push(request_id.clone());
        }
    }
}
