//! Requests about SKUs and locations.

use std::collections::BTreeMap;

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
use stockade_state_machine::ids::is_id;
use stockade_state_machine::limits::{MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, MAX_LINE_QUANTITY, MAX_PRIORITY};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::sku::{SkuDetails, limits_fit};

use super::Violations;

/// What can be changed of a SKU.
const SKU_FIELDS: [&str; 5] = ["display_name", "untracked", "min_per_order", "max_per_order", "attributes"];
/// What can be changed of a location.
const LOCATION_FIELDS: [&str; 4] = ["display_name", "zone", "priority", "disabled"];

pub(super) fn create_sku(request: &v1::CreateSkuRequest, violations: &mut Violations) -> Option<Command> {
    let Some(sku) = &request.sku else {
        violations.add("sku", "must be set");
        return None;
    };
    let id = violations.sku("sku.sku_id", &sku.sku_id);
    let change = sku_change(sku, &SKU_FIELDS, violations);
    let details = change.applied_to(&SkuDetails::default());
    Some(Command::CreateSku(CreateSku { sku: id?, details }))
}

pub(super) fn update_sku(request: &v1::UpdateSkuRequest, violations: &mut Violations) -> Option<Command> {
    let fields = masked(request.update_mask.as_ref(), "sku_id", &SKU_FIELDS, violations);
    let Some(sku) = &request.sku else {
        violations.add("sku", "must be set");
        return None;
    };
    let id = violations.sku("sku.sku_id", &sku.sku_id);
    let expected = violations.etag("sku.etag", &sku.etag);
    let change = sku_change(sku, &fields, violations);
    Some(Command::UpdateSku(UpdateSku { sku: id?, expected, change }))
}

pub(super) fn delete_sku(request: &v1::DeleteSkuRequest, violations: &mut Violations) -> Option<Command> {
    let sku = violations.sku("sku_id", &request.sku_id);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::DeleteSku(DeleteSku { sku: sku?, expected }))
}

pub(super) fn create_location(
    request: &v1::CreateLocationRequest,
    violations: &mut Violations,
) -> Option<Command> {
    let Some(location) = &request.location else {
        violations.add("location", "must be set");
        return None;
    };
    let id = violations.location("location.location_id", &location.location_id);
    let change = location_change(location, &LOCATION_FIELDS, violations);
    let details = change.applied_to(&LocationDetails::default());
    Some(Command::CreateLocation(CreateLocation { location: id?, details }))
}

pub(super) fn update_location(
    request: &v1::UpdateLocationRequest,
    violations: &mut Violations,
) -> Option<Command> {
    let fields = masked(request.update_mask.as_ref(), "location_id", &LOCATION_FIELDS, violations);
    let Some(location) = &request.location else {
        violations.add("location", "must be set");
        return None;
    };
    let id = violations.location("location.location_id", &location.location_id);
    let expected = violations.etag("location.etag", &location.etag);
    let change = location_change(location, &fields, violations);
    Some(Command::UpdateLocation(UpdateLocation { location: id?, expected, change }))
}

pub(super) fn delete_location(
    request: &v1::DeleteLocationRequest,
    violations: &mut Violations,
) -> Option<Command> {
    let location = violations.location("location_id", &request.location_id);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::DeleteLocation(DeleteLocation { location: location?, expected }))
}

/// The fields that a mask names; all of them where it is empty. The id may stand in it and changes nothing.
fn masked(
    mask: Option<&prost_types::FieldMask>,
    id: &str,
    fields: &[&'static str],
    violations: &mut Violations,
) -> Vec<&'static str> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return fields.to_vec();
    }
    if paths.iter().any(|path| path != id && !fields.contains(&path.as_str())) {
        violations.add("update_mask.paths", format!("must be of {}", fields.join(", ")));
    }
    fields.iter().copied().filter(|field| paths.iter().any(|path| path == field)).collect()
}

/// Takes the fields of a SKU that are asked for. A wrong one is left out and noted: the request is refused for it.
fn sku_change(sku: &v1::Sku, fields: &[&str], violations: &mut Violations) -> SkuChange {
    let has = |field: &str| fields.contains(&field);
    let limit = |field: &str, limit: i64, violations: &mut Violations| {
        violations.number(&format!("sku.{field}"), limit, 0..=MAX_LINE_QUANTITY)
    };
    let change = SkuChange {
        display_name: has("display_name")
            .then(|| violations.display_name("sku.display_name", &sku.display_name))
            .flatten(),
        untracked: has("untracked").then_some(sku.untracked),
        min_per_order: has("min_per_order")
            .then(|| limit("min_per_order", sku.min_per_order, violations))
            .flatten(),
        max_per_order: has("max_per_order")
            .then(|| limit("max_per_order", sku.max_per_order, violations))
            .flatten(),
        attributes: has("attributes").then(|| attributes(&sku.attributes, violations)).flatten(),
    };
    if let (Some(min), Some(max)) = (change.min_per_order, change.max_per_order)
        && !limits_fit(min, max)
    {
        violations.add("sku.min_per_order", "must not be above max_per_order");
    }
    change
}

fn attributes(
    attributes: &BTreeMap<String, String>,
    violations: &mut Violations,
) -> Option<BTreeMap<String, String>> {
    let before = violations.count();
    let field = "sku.attributes";
    if attributes.len() > MAX_ATTRIBUTES {
        violations.add(field, format!("must be at most {MAX_ATTRIBUTES}"));
    }
    if !attributes.keys().all(|name| is_id(name)) {
        violations.add(field, "must have names of 1 to 128 visible ASCII characters");
    }
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ATTRIBUTES_BYTES {
        violations
            .add(field, format!("must have at most {MAX_ATTRIBUTES_BYTES} bytes, names and values together"));
    }
    (violations.count() == before).then(|| attributes.clone())
}

/// As [`sku_change`].
fn location_change(location: &v1::Location, fields: &[&str], violations: &mut Violations) -> LocationChange {
    let has = |field: &str| fields.contains(&field);
    let display_name = has("display_name")
        .then(|| violations.display_name("location.display_name", &location.display_name))
        .flatten();
    let zone = has("zone").then(|| violations.label("location.zone", &location.zone)).flatten();
    let priority = has("priority").then(|| priority(location.priority, violations)).flatten();
    LocationChange { display_name, zone, priority, disabled: has("disabled").then_some(location.disabled) }
}

fn priority(priority: i32, violations: &mut Violations) -> Option<u32> {
    let number = violations.number("location.priority", priority.into(), 0..=MAX_PRIORITY.into())?;
    u32::try_from(number).ok()
}
