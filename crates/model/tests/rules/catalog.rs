//! SKUs.

use stockade_state_machine::Revision;
use stockade_state_machine::command::{Command, CreateSku, DeleteSku, UpdateSku};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};

use crate::world::{SECOND_US, World, location_id, restock, shipment, sku_id};

fn deletion(sku: &str) -> Command {
    Command::DeleteSku(DeleteSku { sku: sku_id(sku) })
}

fn renaming(sku: &str, name: Option<&str>) -> Command {
    Command::UpdateSku(UpdateSku { sku: sku_id(sku), display_name: name.map(str::to_owned) })
}

#[test]
fn a_sku_created_a_second_time_already_exists() {
    let mut world = World::new();
    world.create("mug");
    let again = Command::CreateSku(CreateSku { sku: sku_id("mug"), display_name: "Other".to_owned() });
    assert_eq!(world.refusal(again), Rejection::AlreadyExists(Resource::Sku(sku_id("mug"))));
    assert_eq!(world.model.skus().next().expect("a SKU").display_name, "The mug");
}

#[test]
fn an_update_changes_the_name_and_notes_when() {
    let mut world = World::new();
    world.create("mug");
    world.wait(SECOND_US);
    let Outcome::SkuUpdated(sku) = world.run(renaming("mug", Some("Cup"))) else { panic!("no update") };
    assert_eq!(sku.display_name, "Cup");
    assert_eq!(sku.updated.micros() - sku.created.micros(), SECOND_US);
    assert_eq!(sku.revision, Revision::new(2));
    assert_eq!(world.model.skus().next(), Some(&sku));
}

#[test]
fn an_update_without_a_name_leaves_it() {
    let mut world = World::new();
    world.create("mug");
    assert!(
        matches!(world.run(renaming("mug", None)), Outcome::SkuUpdated(sku) if sku.display_name == "The mug")
    );
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
    let mut world = World::new();
    world.create("mug");
    world.receive("mug", "c", 1);
    world.receive("mug", "b", 1);
    let in_use = Rejection::SkuInUse { sku: sku_id("mug"), location: location_id("b") };
    assert_eq!(world.refusal(deletion("mug")), in_use);
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
