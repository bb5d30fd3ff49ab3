//! Changes of a small shop: wrong etags, wrong refusals and what they tell are found.

#[path = "support/shop.rs"]
#[allow(dead_code, unused_imports, reason = "each test needs a part of it")]
mod shop;
#[allow(dead_code, reason = "made for other tests too, whose faults nobody makes here")]
mod support;

use std::collections::BTreeSet;

use shop::{
    STALE_ETAG, changes, delete_location, finds, finds_other_refusals, ids, place, set, shop, written,
};
use stockade_checker::{Ended, History, Operation};
use stockade_history::{Answer, Asked, Outcome};
use stockade_proto::v1;
use stockade_state_machine::{Revision, Version};
use support::{Cluster, Fault, Memory, Shape};

#[test]
fn a_wrong_etag_in_the_answer_to_a_change_is_found() {
    let mut shop = shop();
    let mask = |path: &str| Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
    let location = v1::Location { location_id: "east".to_owned(), priority: 3, ..v1::Location::default() };
    let update: Asked = v1::UpdateLocationRequest {
        request_id: shop.request_id(),
        location: Some(location),
        update_mask: mask("priority"),
        validate_only: false,
    }
    .into();
    shop.alone(update.clone());
    let sku = v1::Sku { sku_id: "sku-1".to_owned(), min_per_order: 2, ..v1::Sku::default() };
    let update_mask = mask("min_per_order");
    let update_sku: Asked = v1::UpdateSkuRequest {
        request_id: shop.request_id(),
        sku: Some(sku),
        update_mask,
        validate_only: false,
    }
    .into();
    shop.alone(update_sku.clone());
    let set_again = set(&mut shop, "east", 5, Some(5));
    shop.alone(set_again.clone());
    let history = written(shop);
    let etag = changes!(UpdateLocation, answer => {
        let location = answer.location.as_mut().expect("it is there");
        assert_eq!((location.zone.as_str(), location.priority), ("e", 3), "the mask names the priority");
        STALE_ETAG.clone_into(&mut location.etag);
    });
    finds(&history, &update, etag, &["was answered with", "etag: \"1-0\"", "the log, run again, decides"]);
    let etag = changes!(UpdateSku, answer => answer.sku.as_mut().expect("it is there").etag.clear());
    finds(&history, &update_sku, etag, &["etag: \"\""]);
    // What is set to what it was keeps its version.
    let etag = changes!(SetStock, answer => {
        let stock = answer.stock.as_mut().expect("it is there");
        let version = Version { revision: Revision::new(99), position: 0 };
        stock.etag = stockade_checker::convert::etag(version);
    });
    finds(&history, &set_again, etag, &["etag: \"63-0\""]);
}

#[test]
fn refusals_of_changes_and_orders_are_held_against_the_log() {
    let mut shop = shop();
    let sku = v1::Sku { sku_id: "sku-0".to_owned(), max_per_order: 2, ..v1::Sku::default() };
    let update_mask = Some(prost_types::FieldMask { paths: ids(&["max_per_order"]) });
    let request_id = shop.request_id();
    shop.alone(v1::UpdateSkuRequest { request_id, sku: Some(sku), update_mask, validate_only: false }.into());
    let refused = [
        (delete_location(&mut shop, "spare", STALE_ETAG), "ETAG_MISMATCH", "etag"),
        (set(&mut shop, "east", 9, Some(4)), "QUANTITY_STALE", "current_quantity"),
        (set(&mut shop, "east", 9, Some(6)), "QUANTITY_STALE", "bucket"),
        (delete_location(&mut shop, "east", ""), "LOCATION_IN_USE", "sku_id"),
        (place(&mut shop, "a", "shut", 1), "LOCATION_DISABLED", "location_id"),
        (place(&mut shop, "b", "", 3), "PURCHASE_LIMIT", "max_per_order"),
    ];
    for (asked, _, _) in &refused {
        shop.alone(asked.clone());
    }
    let history = written(shop);
    for (asked, reason, key) in refused {
        finds_other_refusals(&history, &asked, reason, &[key]);
    }
}

#[test]
fn made_up_histories_hold_every_call_and_every_refusal() {
    let mut kinds = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    let (mut tried, mut refused_trials) = (0, 0);
    for seed in 0..12 {
        let shape = Shape { operations: 400, skus: 3, overlap: 4, units: 12, rich: true, fault: Fault::None };
        let memory = Memory::default();
        Cluster::record(seed, shape, memory.clone()).expect("memory takes all");
        let history = History::read(memory.take().as_slice()).expect("a sound history");
        for Operation { asked, ended, .. } in &history.operations {
            match ended.as_ref().map(|ended| &ended.outcome) {
                Some(Outcome::Ok(_)) if asked.is_trial() => tried += 1,
                Some(Outcome::Refused { .. }) if asked.is_trial() => refused_trials += 1,
                Some(Outcome::Ok(_)) => _ = kinds.insert(asked.kind()),
                Some(Outcome::Refused { reason, .. }) => _ = reasons.insert(reason.clone()),
                Some(Outcome::Unknown { .. } | Outcome::Failed { .. }) | None => {}
            }
        }
    }
    assert!(tried > 50 && refused_trials > 50, "{tried} trials were answered, {refused_trials} refused");
    for kind in [
        "extend_order",
        "close_order",
        "transact",
        "batch_get_orders",
        "create_location",
        "update_location",
        "delete_location",
        "update_sku",
        "set_stock",
        "move_stock",
        "get_location",
        "batch_get_skus",
        "batch_get_stock",
        "get_availability",
        "list_locations",
        "list_stock",
        "create_reservation",
        "extend_reservation",
        "commit_reservation",
        "release_reservation",
        "move_reservation",
        "get_reservation",
        "list_orders",
        "list_reservations",
    ] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    for reason in [
        "ETAG_MISMATCH",
        "QUANTITY_STALE",
        "LOCATION_IN_USE",
        "LOCATION_DISABLED",
        "PURCHASE_LIMIT",
        "PRECONDITION_FAILED",
        "SKU_IN_USE",
        "NOT_FOUND",
        "ILLEGAL_TRANSITION",
        "QUANTITY_EXCEEDED",
        "INSUFFICIENT_STOCK",
    ] {
        assert!(reasons.contains(reason), "{reason} is not among {reasons:?}");
    }
}
