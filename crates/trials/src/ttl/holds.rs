//! The holds: how they are taken, and what became of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use stockade_client::Client;
use stockade_env::Env;
use stockade_proto::v1;

/// What all of them hold one unit of.
pub(super) const SKU: &str = "ticket";
/// Where.
pub(super) const LOCATION: &str = "main";
/// Holds that are taken at once.
const AT_A_TIME: usize = 8;
/// The shortest and the longest hold.
const HOLD_SECONDS: std::ops::RangeInclusive<u64> = 3..=20;
/// One in so many reservations is extended, by so much at most.
const EXTENDED_ONE_IN: u64 = 3;
const EXTENDED_TO_SECONDS: u64 = 25;

/// A hold of one unit that was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    kind: Kind,
    id: String,
    /// When it ends, as its caller was told.
    pub(super) ends_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Order,
    Reservation,
}

/// What became of a hold, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// When it was to end, by the row.
    pub(super) promised_us: u64,
    /// When it ended, if it did by expiry.
    pub(super) ended_us: Option<u64>,
}

/// The goods and those who hold them.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) client: Client,
    pub(super) env: Env,
    wanted: u64,
    /// Holds that were asked for, acknowledged or not.
    begun: AtomicU64,
    taken: Mutex<Vec<Hold>>,
}

impl Shelf {
    /// As many units as holds are wanted.
    pub(super) async fn fill(client: Client, env: Env, wanted: u64) -> anyhow::Result<Self> {
        let location = v1::Location { location_id: LOCATION.to_owned(), ..Default::default() };
        let location = v1::CreateLocationRequest { location: Some(location), ..Default::default() };
        client.create_location(location).await.context("creating the location")?;
        let sku = v1::Sku { sku_id: SKU.to_owned(), ..Default::default() };
        let sku = v1::CreateSkuRequest { sku: Some(sku), ..Default::default() };
        client.create_sku(sku).await.context("creating the SKU")?;
        let receipt = v1::ReceiveStockRequest {
            sku_id: SKU.to_owned(),
            location_id: LOCATION.to_owned(),
            quantity: i64::try_from(wanted)?,
            ..Default::default()
        };
        client.receive_stock(receipt).await.context("booking goods in")?;
        Ok(Self { client, env, wanted, begun: AtomicU64::new(0), taken: Mutex::default() })
    }

    /// The holds that were acknowledged so far.
    pub(super) fn holds(&self) -> Vec<Hold> {
        self.taken.lock().clone()
    }

    /// How many holds were asked for so far.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Takes all holds, spread over a time.
    pub(super) async fn take_all(&self, span: Duration) -> anyhow::Result<()> {
        let pause = span / u32::try_from(self.wanted.max(1))?;
        let begin = tokio::time::Instant::now();
        let take = |number: u64| async move {
            let nth = u32::try_from(number).context("few holds")?;
            tokio::time::sleep_until(begin + pause * nth).await;
            self.take(number).await.with_context(|| format!("hold {number}"))
        };
        stream::iter(0..self.wanted).map(take).buffered(AT_A_TIME).try_collect::<()>().await
    }

    async fn take(&self, number: u64) -> anyhow::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let span = HOLD_SECONDS.end() - HOLD_SECONDS.start() + 1;
        let seconds = HOLD_SECONDS.start() + self.env.random.below(span);
        let lines = vec![v1::NewOrderLine { sku_id: SKU.to_owned(), quantity: 1, ..Default::default() }];
        let (currency_code, hold_duration) = ("EUR".to_owned(), Some(seconds_of(seconds)));
        let hold = if number.is_multiple_of(2) {
            let id = format!("order-{number}");
            let request = v1::PlaceOrderRequest {
                order_id: id.clone(),
                currency_code,
                lines,
                hold_duration,
                ..Default::default()
            };
            let answer = self.client.place_order(request).await?;
            Hold { kind: Kind::Order, id, ends_us: micros_of(answer.expire_time)? }
        } else {
            let id = format!("reservation-{number}");
            let request = v1::CreateReservationRequest {
                reservation_id: id.clone(),
                currency_code,
                lines,
                hold_duration,
                ..Default::default()
            };
            let answer = self.client.create_reservation(request).await?;
            Hold { kind: Kind::Reservation, id, ends_us: micros_of(answer.expire_time)? }
        };
        let hold = self.extended(hold, number).await?;
        self.taken.lock().push(hold);
        Ok(())
    }

    /// The hold, some of them for longer than they were taken for.
    async fn extended(&self, hold: Hold, number: u64) -> anyhow::Result<Hold> {
        if hold.kind == Kind::Order || !(number / 2).is_multiple_of(EXTENDED_ONE_IN) {
            return Ok(hold);
        }
        let request = v1::ExtendReservationRequest {
            reservation_id: hold.id.clone(),
            hold_duration: Some(seconds_of(EXTENDED_TO_SECONDS)),
            ..Default::default()
        };
        match self.client.extend_reservation(request).await {
            Ok(answer) => Ok(Hold { ends_us: micros_of(answer.expire_time)?, ..hold }),
            // Its time was over before the call came through, as it may while nobody leads.
            Err(error) if error.reason() == "RESERVATION_EXPIRED" => Ok(hold),
            Err(error) => Err(error.into()),
        }
    }
}

impl Hold {
    /// What became of it.
    pub(super) async fn end(&self, client: &Client) -> anyhow::Result<End> {
        let (promised, updated, is_expired) = match self.kind {
            Kind::Order => {
                let request = v1::GetOrderRequest { order_id: self.id.clone(), read: None };
                let order = client.get_order(request).await?.order.context("an order")?;
                (order.expire_time, order.update_time, order.state() == v1::OrderState::Expired)
            }
            Kind::Reservation => {
                let request = v1::GetReservationRequest { reservation_id: self.id.clone(), read: None };
                let held = client.get_reservation(request).await?.reservation.context("a reservation")?;
                (held.expire_time, held.update_time, held.state() == v1::ReservationState::Expired)
            }
        };
        let ended_us = if is_expired { Some(micros_of(updated)?) } else { None };
        Ok(End { promised_us: micros_of(promised)?, ended_us })
    }
}

fn seconds_of(seconds: u64) -> prost_types::Duration {
    prost_types::Duration { seconds: i64::try_from(seconds).expect("few seconds"), nanos: 0 }
}

fn micros_of(time: Option<prost_types::Timestamp>) -> anyhow::Result<u64> {
    let Some(time) = time else { bail!("an answer without its time") };
    let (seconds, nanos) = (u64::try_from(time.seconds)?, u64::try_from(time.nanos)?);
    Ok(seconds * 1_000_000 + nanos / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_microseconds() {
        let time = prost_types::Timestamp { seconds: 3, nanos: 5_000 };
        assert_eq!(micros_of(Some(time)).unwrap(), 3_000_005);
        assert!(micros_of(None).is_err());
    }
}
