//! Counted quantities as lines of a file, and what such a line leads to.

use stockade_proto::v1::{Bucket, Stock};

use super::columns::{self, Cells, ReadSheet};
use super::known::{Known, Place};
use super::limits;
use crate::words;

/// The columns of a file that is imported.
pub(super) const COLUMNS: [&str; 5] = ["sku_id", "location_id", "quantity", "bucket", "expected"];
/// Of these must be there.
const REQUIRED: usize = 3;
/// The columns of a file that is exported.
pub(super) const EXPORTED: [&str; 9] = [
    "sku_id",
    "location_id",
    "available",
    "reserved",
    "committed",
    "safety_stock",
    "damaged",
    "quality_control",
    "on_hand",
];

/// A stock row as a line.
pub(super) fn record(stock: &Stock) -> [String; 9] {
    [
        stock.sku_id.clone(),
        stock.location_id.clone(),
        stock.available.to_string(),
        stock.reserved.to_string(),
        stock.committed.to_string(),
        stock.safety_stock.to_string(),
        stock.damaged.to_string(),
        stock.quality_control.to_string(),
        stock.on_hand.to_string(),
    ]
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) place: Place,
    pub(super) bucket: Bucket,
    pub(super) quantity: i64,
    /// Units that must be there before.
    pub(super) expected: Option<i64>,
}

/// Reads a file, or says what is wrong with each bad line.
pub(super) fn read(bytes: &[u8]) -> ReadSheet<Count> {
    columns::read(bytes, &COLUMNS, REQUIRED, |cells| {
        let count = row(cells);
        // Ids hold no spaces.
        let key = format!("{} {} {}", count.place.0, count.place.1, words::bucket_name(count.bucket));
        (key, count)
    })
}

fn row(cells: &mut Cells<'_>) -> Count {
    let place = (cells.id("sku_id"), cells.id("location_id"));
    let units = 0..=limits::MAX_UNITS;
    if cells.text("quantity").trim().is_empty() {
        cells.wrong("quantity", "must be there");
    }
    let quantity = cells.number("quantity", &units).unwrap_or_default();
    let named = cells.text("bucket").trim();
    let bucket = if named.is_empty() { Ok(Bucket::Available) } else { words::bucket(named) };
    let bucket = bucket.unwrap_or_else(|why| {
        cells.wrong("bucket", format!("`{named}` can't be set: {why}"));
        Bucket::Available
    });
    let expected = cells.number("expected", &(0..=i64::MAX));
    Count { place, bucket, quantity, expected }
}

/// What is to be done for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// From this quantity.
    Set(i64),
    Unchanged,
    /// Another quantity is there than expected: this one.
    Stale(i64),
    /// SKU or location is missing.
    Missing(String),
}

/// Compares a line with what is there.
pub(super) fn judge(count: &Count, there: &Known<Place, Stock>) -> Verdict {
    let stock = match there.get(&count.place) {
        Some(Ok(stock)) => stock,
        Some(Err(why)) => return Verdict::Missing(why.clone()),
        None => return Verdict::Missing("it was not found".to_owned()),
    };
    let units = words::units_in(stock, count.bucket);
    if units == count.quantity {
        // A file that was broken off is run again: what it has set is no conflict.
        Verdict::Unchanged
    } else if count.expected.is_some_and(|expected| expected != units) {
        Verdict::Stale(units)
    } else {
        Verdict::Set(units)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_line_names_a_place_a_quantity_and_maybe_a_bucket_and_what_is_expected() {
        let text = "location_id,sku_id,quantity,expected,bucket\nmain,mug,7,,\nmain,mug,0,3,safety-stock\n";
        let sheet = read(text.as_bytes()).unwrap().unwrap();
        let place = ("mug".to_owned(), "main".to_owned());
        let count = |bucket, quantity, expected| Count { place: place.clone(), bucket, quantity, expected };
        assert_eq!(
            sheet.rows,
            [(2, count(Bucket::Available, 7, None)), (3, count(Bucket::SafetyStock, 0, Some(3)))]
        );
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "sku_id,location_id,quantity,bucket\nmug,main,,\nmug,main,-1,\nmug,,1,reserved\n\
                    mug,main,1,\nmug,main,2,AVAILABLE\nmug,main,2,damaged\n";
        let bad = read(text.as_bytes()).unwrap().unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 3, 4, 6]);
        assert!(bad[2].why.contains("location_id:") && bad[2].why.contains("`reserved`"), "{}", bad[2].why);
        assert!(read(b"sku_id,quantity\n").is_err());
    }

    #[test]
    fn a_line_is_set_unchanged_stale_or_missing() {
        let place = ("mug".to_owned(), "main".to_owned());
        let there = BTreeMap::from([
            (place.clone(), Ok(Stock { available: 7, damaged: 2, ..Stock::default() })),
            (("cup".to_owned(), "main".to_owned()), Err("there is no sku cup".to_owned())),
        ]);
        let count = |bucket, quantity, expected| Count { place: place.clone(), bucket, quantity, expected };
        assert_eq!(judge(&count(Bucket::Available, 9, None), &there), Verdict::Set(7));
        assert_eq!(judge(&count(Bucket::Damaged, 2, Some(2)), &there), Verdict::Unchanged);
        assert_eq!(judge(&count(Bucket::Available, 8, Some(9)), &there), Verdict::Stale(7));
        // The same file a second time: it is as the line says, which was not so when the file was made.
        assert_eq!(judge(&count(Bucket::Available, 7, Some(9)), &there), Verdict::Unchanged);
        let cup = Count { place: ("cup".to_owned(), "main".to_owned()), ..count(Bucket::Available, 1, None) };
        assert_eq!(judge(&cup, &there), Verdict::Missing("there is no sku cup".to_owned()));
    }
}
