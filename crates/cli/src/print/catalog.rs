//! SKUs and locations.

use serde_json::{Value, json};
use stockade_proto::v1::{Location, Sku};

use super::{plain, time};
use crate::output::table;
use crate::sheet::attributes;

pub(crate) fn sku_object(sku: &Sku) -> Value {
    json!({
        "sku_id": sku.sku_id,
        "display_name": sku.display_name,
        "untracked": sku.untracked,
        "min_per_order": sku.min_per_order,
        "max_per_order": sku.max_per_order,
        "attributes": sku.attributes,
        "create_time": time(sku.create_time.as_ref()),
        "update_time": time(sku.update_time.as_ref()),
        "revision": sku.revision,
        "etag": sku.etag,
    })
}

pub(crate) fn sku_table(skus: &[Sku]) -> String {
    // No limit is 0 to a program and a dash to people.
    let limit = |limit: i64| if limit == 0 { "-".to_owned() } else { limit.to_string() };
    let row = |sku: &Sku| {
        vec![
            sku.sku_id.clone(),
            plain(&sku.display_name),
            if sku.untracked { "no" } else { "yes" }.to_owned(),
            limit(sku.min_per_order),
            limit(sku.max_per_order),
            plain(&attributes::written(&sku.attributes)),
            time(sku.update_time.as_ref()),
            sku.revision.to_string(),
            sku.etag.clone(),
        ]
    };
    let rows: Vec<_> = skus.iter().map(row).collect();
    let header = ["SKU", "NAME", "TRACKED", "MIN", "MAX", "ATTRIBUTES", "CHANGED", "REVISION", "ETAG"];
    table(&header, &["MIN", "MAX", "REVISION"], &rows)
}

pub(crate) fn location_object(location: &Location) -> Value {
    json!({
        "location_id": location.location_id,
        "display_name": location.display_name,
        "zone": location.zone,
        "priority": location.priority,
        "disabled": location.disabled,
        "create_time": time(location.create_time.as_ref()),
        "update_time": time(location.update_time.as_ref()),
        "revision": location.revision,
        "etag": location.etag,
    })
}

pub(crate) fn location_table(locations: &[Location]) -> String {
    let row = |location: &Location| {
        vec![
            location.location_id.clone(),
            plain(&location.display_name),
            location.zone.clone(),
            location.priority.to_string(),
            if location.disabled { "no" } else { "yes" }.to_owned(),
            time(location.update_time.as_ref()),
            location.revision.to_string(),
            location.etag.clone(),
        ]
    };
    let rows: Vec<_> = locations.iter().map(row).collect();
    let header = ["LOCATION", "NAME", "ZONE", "PRIORITY", "TAKES ORDERS", "CHANGED", "REVISION", "ETAG"];
    table(&header, &["PRIORITY", "REVISION"], &rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_sku_shows_its_limits_attributes_and_etag() {
        let sku = Sku {
            sku_id: "mug".to_owned(),
            max_per_order: 5,
            attributes: BTreeMap::from([("colour".to_owned(), "blue".to_owned())]),
            etag: "e1".to_owned(),
            ..Sku::default()
        };
        let object = sku_object(&sku);
        assert_eq!(object["attributes"]["colour"], "blue");
        assert_eq!((&object["max_per_order"], &object["etag"]), (&json!(5), &json!("e1")));
        let text = sku_table(&[sku]);
        let cells: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells, ["mug", "yes", "-", "5", "colour=blue", "0", "e1"]);
    }

    #[test]
    fn a_disabled_location_takes_no_orders() {
        let location = Location { location_id: "van".to_owned(), disabled: true, ..Location::default() };
        assert_eq!(location_object(&location)["disabled"], json!(true));
        assert!(location_table(&[location]).lines().nth(1).is_some_and(|row| row.contains(" no ")));
    }
}
