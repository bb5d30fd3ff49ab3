//! Locations.

use stockade_state_machine::Version;
use stockade_state_machine::command::{
    Command, DeleteLocation, DeleteSku, Disposition, LocationChange, UpdateLocation,
};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};

use crate::world::{
    SECOND_US, World, cancellation, comeback, location_change, location_id, opening, receipt, restock,
    shipment, sku_id, version,
};

fn closing(location: &str) -> Command {
    Command::DeleteLocation(DeleteLocation { location: location_id(location), expected: None })
}

fn unknown(location: &str) -> Rejection {
    Rejection::NotFound(Resource::Location(location_id(location)))
}

fn details() -> LocationDetails {
    LocationDetails { display_name: "North".to_owned(), zone: "eu".to_owned(), priority: 7, disabled: true }
}

#[test]
fn a_location_is_created_once() {
    let mut world = World::new();
    let Outcome::LocationCreated(location) = world.run(opening("a", details())) else { panic!("none") };
    assert_eq!((&location.details, location.version), (&details(), version(1, 0)));
    assert_eq!(location.created, location.updated);
    let exists = Rejection::AlreadyExists(Resource::Location(location_id("a")));
    assert_eq!(world.refusal(opening("a", LocationDetails::default())), exists);
    assert!(world.model.locations().eq([&location]));
    assert_eq!(world.model.location(&location_id("a")), Some(&location));
}

#[test]
fn an_update_changes_what_it_names_and_notes_when() {
    let mut world = World::new();
    world.run(opening("a", details()));
    world.wait(SECOND_US);
    let change = LocationChange { zone: Some(String::new()), ..LocationChange::default() };
    let Outcome::LocationUpdated(location) = world.run(location_change("a", change)) else { panic!("none") };
    assert_eq!(location.details, LocationDetails { zone: String::new(), ..details() });
    assert_eq!(location.updated.micros() - location.created.micros(), SECOND_US);
    assert_eq!(location.version, version(2, 0));
    let change = LocationChange {
        display_name: Some("South".to_owned()),
        zone: None,
        priority: Some(0),
        disabled: Some(false),
    };
    let Outcome::LocationUpdated(location) = world.run(location_change("a", change)) else { panic!("none") };
    let changed = LocationDetails { display_name: "South".to_owned(), ..LocationDetails::default() };
    assert_eq!(location.details, changed);
}

#[test]
fn a_change_of_another_version_than_the_current_one_is_refused() {
    let mut world = World::with_mugs(1);
    let update = |expected| {
        let change = LocationChange { priority: Some(1), ..LocationChange::default() };
        Command::UpdateLocation(UpdateLocation {
            location: location_id("a"),
            expected: Some(expected),
            change,
        })
    };
    let delete = |expected| {
        Command::DeleteLocation(DeleteLocation { location: location_id("a"), expected: Some(expected) })
    };
    let current = version(1, 1);
    let stale = Rejection::EtagMismatch { resource: Resource::Location(location_id("a")), current };
    for other in [version(1, 0), version(2, 1), Version::default()] {
        assert_eq!(world.refusal(update(other)), stale);
        assert_eq!(world.refusal(delete(other)), stale, "before the stock is looked at");
    }
    assert!(matches!(world.refusal(delete(current)), Rejection::LocationInUse { .. }));
    assert!(matches!(world.run(update(current)), Outcome::LocationUpdated(_)));
}

#[test]
fn an_unknown_location_is_neither_updated_nor_deleted() {
    let mut world = World::new();
    assert_eq!(world.refusal(location_change("a", LocationChange::default())), unknown("a"));
    assert_eq!(world.refusal(closing("a")), unknown("a"));
}

#[test]
fn a_location_with_stock_is_in_use_by_the_first_sku_that_has_any() {
    let mut world = World::with_mugs(2);
    world.create("cup");
    world.create("ant");
    world.receive("ant", "b", 1);
    world.place("o", &[("mug", Some("a"), 2)]);
    let in_use = |sku| Rejection::LocationInUse { location: location_id("a"), sku: sku_id(sku) };
    assert_eq!(world.refusal(closing("a")), in_use("mug"), "whose units are all held");
    world.receive("cup", "a", 1);
    assert_eq!(world.refusal(closing("a")), in_use("cup"));
}

#[test]
fn empty_rows_of_stock_stay_at_a_deleted_location_and_are_there_when_it_comes_back() {
    let mut world = World::shipped_order(2, 2);
    let row = world.stock("mug", "a");
    assert_eq!(world.run(closing("a")), Outcome::LocationDeleted);
    assert_eq!((world.model.locations().count(), world.model.stock().count()), (2, 1));
    assert_eq!(world.stock("mug", "a"), row);
    assert_eq!(world.refusal(receipt("mug", "a", 1)), unknown("a"));
    world.open("a");
    world.receive("mug", "a", 1);
    assert_eq!(world.mugs(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn nothing_comes_back_to_a_deleted_location() {
    let mut world = World::shipped_order(2, 2);
    world.run(closing("a"));
    for disposition in [Disposition::Restock, Disposition::Damaged, Disposition::Scrap] {
        let command = Command::ReturnOrder(comeback("o", &[(1, 1, disposition)]));
        assert_eq!(world.refusal(command), unknown("a"));
    }
    world.run(Command::DeleteSku(DeleteSku { sku: sku_id("mug"), expected: None }));
    let no_sku = Rejection::NotFound(Resource::Sku(sku_id("mug")));
    assert_eq!(world.refusal(restock("o", 1, 1)), no_sku, "which is looked for first");
    world.create("mug");
    world.open("a");
    assert!(matches!(world.run(restock("o", 1, 2)), Outcome::OrderReturned { returned: 2, .. }));
}

#[test]
fn sku_and_location_are_looked_for_line_by_line_when_units_come_back() {
    let mut world = World::with_mugs(1);
    world.create("cup");
    world.receive("cup", "b", 1);
    world.place("o", &[("mug", Some("a"), 1), ("cup", Some("b"), 1)]);
    world.confirm("o");
    world.run(shipment("o", &[]));
    world.run(closing("a"));
    world.run(Command::DeleteSku(DeleteSku { sku: sku_id("cup"), expected: None }));
    let both = |first, second| {
        let lines = [first, second].map(|line| (line, 1, Disposition::Scrap));
        Command::ReturnOrder(comeback("o", &lines))
    };
    assert_eq!(world.refusal(both(1, 2)), unknown("a"));
    assert_eq!(world.refusal(both(2, 1)), Rejection::NotFound(Resource::Sku(sku_id("cup"))));
}

#[test]
fn a_disabled_location_still_ships_takes_back_and_takes_in() {
    let mut world = World::paid_order(3);
    world.receive("mug", "a", 1);
    world.place("p", &[("mug", None, 1)]);
    world.disable("a");
    assert!(matches!(world.run(shipment("o", &[])), Outcome::OrderShipped { shipped: 3, .. }));
    assert!(matches!(world.run(restock("o", 1, 1)), Outcome::OrderReturned { .. }));
    assert!(matches!(world.run(cancellation("p")), Outcome::OrderCancelled { .. }));
    world.receive("mug", "a", 1);
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
}
