//! SKUs.

use std::collections::BTreeMap;

use stockade_state_machine::Version;
use stockade_state_machine::command::{Command, DeleteSku, SkuChange, UpdateSku};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::sku::SkuDetails;

use crate::world::{SECOND_US, World, creation, location_id, restock, shipment, sku_change, sku_id, version};

fn deletion(sku: &str) -> Command {
    Command::DeleteSku(DeleteSku { sku: sku_id(sku), expected: None })
}

fn renaming(sku: &str, name: Option<&str>) -> Command {
    sku_change(sku, SkuChange { display_name: name.map(str::to_owned), ..SkuChange::default() })
}

fn limits(min: Option<i64>, max: Option<i64>) -> SkuChange {
    SkuChange { min_per_order: min, max_per_order: max, ..SkuChange::default() }
}

fn stale(current: Version) -> Rejection {
    Rejection::EtagMismatch { resource: Resource::Sku(sku_id("mug")), current }
}

#[test]
fn a_sku_created_a_second_time_already_exists() {
    let mut world = World::new();
    world.create("mug");
    let other = SkuDetails { display_name: "Other".to_owned(), ..SkuDetails::default() };
    let exists = Rejection::AlreadyExists(Resource::Sku(sku_id("mug")));
    assert_eq!(world.refusal(creation("mug", other)), exists);
    assert_eq!(world.model.skus().next().expect("a SKU").details.display_name, "The mug");
}

#[test]
fn an_update_changes_what_it_names_and_notes_when() {
    let mut world = World::new();
    world.create("mug");
    world.wait(SECOND_US);
    let Outcome::SkuUpdated(sku) = world.run(renaming("mug", Some("Cup"))) else { panic!("no update") };
    assert_eq!(sku.details, SkuDetails { display_name: "Cup".to_owned(), ..SkuDetails::default() });
    assert_eq!(sku.updated.micros() - sku.created.micros(), SECOND_US);
    assert_eq!(sku.version, version(2, 0));
    assert_eq!(world.model.skus().next(), Some(&sku));
    assert_eq!(world.model.sku(&sku_id("mug")), Some(&sku));
}

#[test]
fn an_update_that_names_nothing_leaves_all_but_the_version() {
    let mut world = World::new();
    let attributes = BTreeMap::from([("colour".to_owned(), "blue".to_owned())]);
    let details = SkuDetails {
        display_name: "The mug".to_owned(),
        untracked: true,
        min_per_order: 2,
        max_per_order: 3,
        attributes,
    };
    world.run(creation("mug", details.clone()));
    let Outcome::SkuUpdated(sku) = world.run(sku_change("mug", SkuChange::default())) else {
        panic!("no update")
    };
    assert_eq!((sku.details, sku.version), (details, version(2, 0)));
}

#[test]
fn attributes_are_set_as_a_whole() {
    let mut world = World::new();
    world.create("mug");
    for name in ["colour", "size"] {
        let attributes = BTreeMap::from([(name.to_owned(), String::new())]);
        world.change("mug", SkuChange { attributes: Some(attributes), ..SkuChange::default() });
    }
    let sku = world.model.skus().next().expect("a SKU");
    assert!(sku.details.attributes.keys().eq(["size"]));
}

#[test]
fn rows_changed_in_one_entry_differ_in_their_version() {
    let mut world = World::new();
    world.run_all(vec![
        creation("cup", SkuDetails::default()),
        creation("mug", SkuDetails::default()),
        renaming("cup", Some("Cup")),
    ]);
    let versions: Vec<Version> = world.model.skus().map(|sku| sku.version).collect();
    assert_eq!(versions, [version(1, 2), version(1, 1)]);
}

#[test]
fn a_change_of_another_version_than_the_current_one_is_refused() {
    let mut world = World::new();
    world.create("mug");
    world.change("mug", limits(None, Some(3)));
    let update = |expected, change| {
        Command::UpdateSku(UpdateSku { sku: sku_id("mug"), expected: Some(expected), change })
    };
    let delete = |expected| Command::DeleteSku(DeleteSku { sku: sku_id("mug"), expected: Some(expected) });
    for other in [version(1, 0), version(2, 1), version(3, 0), Version::default()] {
        // It is compared before what the change leaves of the SKU.
        assert_eq!(world.refusal(update(other, limits(Some(4), None))), stale(version(2, 0)));
        assert_eq!(world.refusal(delete(other)), stale(version(2, 0)));
    }
    let revision = world.index + 1;
    let outcome = world.run(update(version(2, 0), limits(Some(2), None)));
    assert!(matches!(outcome, Outcome::SkuUpdated(sku) if sku.version == version(revision, 0)));
    assert_eq!(world.run(delete(version(revision, 0))), Outcome::SkuDeleted);
}

#[test]
fn a_sku_in_use_is_told_after_its_version() {
    let mut world = World::with_mugs(1);
    let delete = |expected| Command::DeleteSku(DeleteSku { sku: sku_id("mug"), expected: Some(expected) });
    assert_eq!(world.refusal(delete(version(9, 0))), stale(version(1, 0)));
    assert!(matches!(world.refusal(delete(version(1, 0))), Rejection::SkuInUse { .. }));
}

#[test]
fn an_update_that_leaves_a_minimum_above_the_maximum_is_malformed() {
    let mut world = World::new();
    world.create("mug");
    let wrong = Rejection::Malformed("minimum per order above its maximum");
    assert_eq!(world.refusal(sku_change("mug", limits(Some(3), Some(2)))), wrong);
    world.change("mug", limits(Some(3), None));
    assert_eq!(world.refusal(sku_change("mug", limits(None, Some(2)))), wrong);
    world.change("mug", limits(None, Some(3)));
    assert_eq!(world.refusal(sku_change("mug", limits(Some(4), None))), wrong);
    world.change("mug", limits(Some(4), Some(0)));
    // With both limits it needs no row to be wrong, with one of them it does.
    assert_eq!(world.refusal(sku_change("cup", limits(Some(3), Some(2)))), wrong);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("cup")));
    assert_eq!(world.refusal(sku_change("cup", limits(Some(3), None))), unknown);
}

#[test]
fn an_unknown_sku_is_neither_updated_nor_deleted() {
    let mut world = World::new();
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("mug")));
    assert_eq!(world.refusal(renaming("mug", None)), unknown);
    assert_eq!(world.refusal(deletion("mug")), unknown);
}

#[test]
fn a_sku_with_stock_is_in_use_at_the_first_location_that_has_any() {
    let mut world = World::with_mugs(1);
    world.create("cup");
    world.receive("cup", "c", 1);
    world.receive("cup", "b", 1);
    let in_use = Rejection::SkuInUse { sku: sku_id("cup"), location: location_id("b") };
    assert_eq!(world.refusal(deletion("cup")), in_use);
}

#[test]
fn a_deleted_sku_takes_its_empty_rows_of_stock_along() {
    let mut world = World::shipped_order(2, 2);
    assert_eq!(world.model.stock().count(), 1);
    assert_eq!(world.run(deletion("mug")), Outcome::SkuDeleted);
    assert_eq!((world.model.skus().count(), world.model.stock().count()), (0, 0));
}

#[test]
fn a_sku_whose_units_are_all_held_or_owed_is_in_use() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 2)]);
    assert!(matches!(world.refusal(deletion("mug")), Rejection::SkuInUse { .. }));
    world.confirm("o");
    assert!(matches!(world.refusal(deletion("mug")), Rejection::SkuInUse { .. }));
    world.run(shipment("o", &[]));
    assert_eq!(world.run(deletion("mug")), Outcome::SkuDeleted);
}

#[test]
fn units_of_a_sku_that_is_gone_do_not_come_back_until_it_is_created_again() {
    let mut world = World::shipped_order(2, 2);
    world.run(deletion("mug"));
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("mug")));
    assert_eq!(world.refusal(restock("o", 1, 1)), unknown);
    world.create("mug");
    assert!(matches!(world.run(restock("o", 1, 1)), Outcome::OrderReturned { returned: 1, .. }));
    assert_eq!(world.mugs(), [1, 0, 0, 0, 0, 0]);
}
