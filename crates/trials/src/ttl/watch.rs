//! Somebody who reads how many units are held, all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use stockade_proto::v1;

use super::LATE_AFTER;
use super::holds::{Hold, LOCATION, SKU, Shelf};

/// Between two reads.
const PAUSE: Duration = Duration::from_millis(20);

/// What the reads found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) reads: u64,
    /// Fewer units were held than must be.
    pub(super) too_few: u64,
    /// More units were held than may be.
    pub(super) too_many: u64,
}

/// Reads until it is over.
pub(super) async fn watch(shelf: &Shelf, is_over: &AtomicBool) -> anyhow::Result<Seen> {
    let clock = &shelf.env.clock;
    let mut seen = Seen::default();
    while !is_over.load(Ordering::SeqCst) {
        let before = shelf.holds();
        let begun_us = clock.now_us();
        let request =
            v1::GetStockRequest { sku_id: SKU.to_owned(), location_id: LOCATION.to_owned(), read: None };
        let stock = shelf.client.get_stock(request).await?.stock.context("stock")?;
        let read = Read {
            begun_us,
            ended_us: clock.now_us(),
            begun_holds: shelf.begun(),
            reserved: u64::try_from(stock.reserved)?,
        };
        let (fewest, most) = read.bounds(&before);
        seen.reads += 1;
        seen.too_few += u64::from(read.reserved < fewest);
        seen.too_many += u64::from(read.reserved > most);
        if !(fewest..=most).contains(&read.reserved) {
            eprintln!("{} units are held, it must be from {fewest} to {most}", read.reserved);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(seen)
}

/// A read, by the clock on the wall.
#[derive(Debug, Clone, Copy)]
struct Read {
    begun_us: u64,
    ended_us: u64,
    /// Holds that were asked for by its end.
    begun_holds: u64,
    reserved: u64,
}

impl Read {
    /// How many units must and may be held, by the holds that were acknowledged before it began.
    fn bounds(&self, acknowledged: &[Hold]) -> (u64, u64) {
        let late_us = u64::try_from(LATE_AFTER.as_micros()).expect("a second");
        let count = |holds: usize| u64::try_from(holds).expect("few holds");
        let live = acknowledged.iter().filter(|hold| hold.ends_us > self.ended_us).count();
        let over = acknowledged.iter().filter(|hold| hold.ends_us + late_us < self.begun_us).count();
        (count(live), self.begun_holds.saturating_sub(count(over)))
    }
}
