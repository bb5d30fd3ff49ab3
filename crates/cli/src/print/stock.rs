//! Stock, and what orders could take of it.

use serde_json::{Value, json};
use stockade_proto::v1::{Availability, Stock};

use crate::output::table;

pub(crate) fn stock_object(stock: &Stock) -> Value {
    json!({
        "sku_id": stock.sku_id,
        "location_id": stock.location_id,
        "on_hand": stock.on_hand,
        "available": stock.available,
        "reserved": stock.reserved,
        "committed": stock.committed,
        "safety_stock": stock.safety_stock,
        "damaged": stock.damaged,
        "quality_control": stock.quality_control,
        "revision": stock.revision,
        "etag": stock.etag,
    })
}

pub(crate) fn stock_table(stock: &[Stock]) -> String {
    table_ending_in("ETAG", |stock| stock.etag.clone(), &[], stock)
}

/// Stock as it was once: its version is no etag, but the revision of the last movement by then.
pub(crate) fn past_stock_table(stock: &[Stock]) -> String {
    table_ending_in("REVISION", |stock| stock.revision.to_string(), &["REVISION"], stock)
}

/// `right` names what is set flush right besides the units.
fn table_ending_in(title: &str, last: impl Fn(&Stock) -> String, right: &[&str], stock: &[Stock]) -> String {
    let header = [
        "SKU",
        "LOCATION",
        "ON HAND",
        "AVAILABLE",
        "RESERVED",
        "COMMITTED",
        "SAFETY",
        "DAMAGED",
        "QUALITY",
        title,
    ];
    let row = |stock: &Stock| {
        let units = [
            stock.on_hand,
            stock.available,
            stock.reserved,
            stock.committed,
            stock.safety_stock,
            stock.damaged,
            stock.quality_control,
        ];
        let names = [stock.sku_id.clone(), stock.location_id.clone()];
        names.into_iter().chain(units.iter().map(ToString::to_string)).chain([last(stock)]).collect()
    };
    let rows: Vec<Vec<String>> = stock.iter().map(row).collect();
    table(&header, &[&header[2..9], right].concat(), &rows)
}

pub(crate) fn availability_object(availability: &Availability) -> Value {
    let locations: Vec<Value> = availability
        .locations
        .iter()
        .map(|place| json!({ "location_id": place.location_id, "available": place.available }))
        .collect();
    json!({
        "sku_id": availability.sku_id,
        "untracked": availability.untracked,
        "available": availability.available,
        "locations": locations,
    })
}

/// A line for each location that has any, and one with the sum for each SKU.
pub(crate) fn availability_table(availability: &[Availability]) -> String {
    let mut rows = Vec::new();
    for sku in availability {
        for place in &sku.locations {
            rows.push(vec![sku.sku_id.clone(), place.location_id.clone(), place.available.to_string()]);
        }
        let sum = if sku.untracked { "not tracked".to_owned() } else { sku.available.to_string() };
        rows.push(vec![sku.sku_id.clone(), "all".to_owned(), sum]);
    }
    table(&["SKU", "LOCATION", "AVAILABLE"], &["AVAILABLE"], &rows)
}

#[cfg(test)]
mod tests {
    use stockade_proto::v1::LocationAvailability;

    use super::*;

    #[test]
    fn stock_of_the_past_has_a_revision_and_no_etag() {
        let stock = Stock {
            sku_id: "mug".to_owned(),
            location_id: "main".to_owned(),
            revision: 17,
            ..Stock::default()
        };
        let text = past_stock_table(&[stock]);
        assert!(text.contains("REVISION") && !text.contains("ETAG"), "{text}");
        assert!(text.lines().nth(1).is_some_and(|row| row.ends_with("  17")), "{text}");
    }

    #[test]
    fn what_is_available_is_told_by_location_and_in_sum() {
        let place = |id: &str, available| LocationAvailability { location_id: id.to_owned(), available };
        let mug = Availability {
            sku_id: "mug".to_owned(),
            available: 12,
            locations: vec![place("east", 2), place("west", 10)],
            ..Availability::default()
        };
        let ebook = Availability { sku_id: "ebook".to_owned(), untracked: true, ..Availability::default() };
        let text = availability_table(&[mug, ebook]);
        let lines: Vec<String> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["mug east 2", "mug west 10", "mug all 12", "ebook all not tracked"]);
    }
}
