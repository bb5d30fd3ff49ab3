//! Stock of a SKU at a location, in buckets.

use crate::ids::{LocationId, SkuId};
use crate::rejection::Rejection;
use crate::version::Version;

/// Names the stock of one SKU at one location. Ordered by SKU, then location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StockKey {
    /// What.
    pub sku: SkuId,
    /// Where.
    pub location: LocationId,
}

/// A part of the stock on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Can be sold.
    Available,
    /// Held for unpaid orders and reservations.
    Reserved,
    /// Owed to paid orders.
    Committed,
    /// Kept back on purpose.
    SafetyStock,
    /// On hand, can't be sold.
    Damaged,
    /// On hand, waits for inspection.
    QualityControl,
}

impl Bucket {
    /// All of them, in the order of the ledger.
    pub const ALL: [Self; 6] = [
        Self::Available,
        Self::Reserved,
        Self::Committed,
        Self::SafetyStock,
        Self::Damaged,
        Self::QualityControl,
    ];

    /// The name as callers know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Committed => "committed",
            Self::SafetyStock => "safety_stock",
            Self::Damaged => "damaged",
            Self::QualityControl => "quality_control",
        }
    }
}

/// Units of a (SKU, location) by bucket.
///
/// Invariants:
/// - No bucket is below 0 (I2).
/// - `on_hand` is the sum of the buckets and doesn't overflow (I1): every growth is checked against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    buckets: [i64; 6],
    /// Of the last change.
    pub version: Version,
}

impl Stock {
    /// Stock from its buckets, in the order of [`Bucket::ALL`]; `None` where a bucket is below 0 or the sum overflows.
    pub fn from_buckets(buckets: [i64; 6], version: Version) -> Option<Self> {
        let mut sum = 0_i64;
        for units in buckets {
            if units < 0 {
                return None;
            }
            sum = sum.checked_add(units)?;
        }
        Some(Self { buckets, version })
    }

    /// The buckets in the order of [`Bucket::ALL`].
    pub fn buckets(&self) -> [i64; 6] {
        self.buckets
    }

    /// Units in a bucket.
    pub fn get(&self, bucket: Bucket) -> i64 {
        self.buckets[bucket as usize]
    }

    /// Units on hand: the sum of all buckets.
    pub fn on_hand(&self) -> i64 {
        self.buckets.iter().sum()
    }

    /// Adds units to a bucket; refused where the sum would overflow.
    pub(crate) fn add(&mut self, bucket: Bucket, units: i64) -> Result<(), Rejection> {
        debug_assert!(units >= 0, "growth is not negative: {units}");
        self.on_hand().checked_add(units).ok_or(Rejection::QuantityOverflow)?;
        self.buckets[bucket as usize] += units;
        Ok(())
    }

    /// Takes units from a bucket. The caller has checked that they are there.
    pub(crate) fn take(&mut self, bucket: Bucket, units: i64) {
        let left = self.buckets[bucket as usize].checked_sub(units).expect("units are at least 0");
        assert!(left >= 0, "bucket {} would fall to {left}", bucket.name());
        self.buckets[bucket as usize] = left;
    }
}
