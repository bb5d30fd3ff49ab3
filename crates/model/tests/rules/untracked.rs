//! SKUs that are not tracked: orders take units of them without a look at the stock.

use stockade_state_machine::command::{
    Command, DeleteLocation, DeleteSku, Disposition, ExpireDue, ReturnOrder, SkuChange,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, LimitBreach, Rejection, Resource};

use crate::world::{
    HOLD_US, World, cancellation, comeback, document_id, location_id, order_id, placement, restock, shipment,
    sku_id, source, version,
};

/// A world with five mugs at `a`, and `wrap`, which is not tracked.
fn world() -> World {
    let mut world = World::with_mugs(5);
    world.create_untracked("wrap");
    world
}

fn track(world: &mut World, untracked: bool) {
    world.change("wrap", SkuChange { untracked: Some(untracked), ..SkuChange::default() });
}

#[test]
fn a_line_of_an_untracked_sku_has_no_location_and_moves_nothing() {
    let mut world = world();
    let outcome = world.run(placement("o", &[("wrap", None, 7), ("mug", None, 2), ("wrap", Some("b"), 1)]));
    let Outcome::OrderPlaced { sources, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(sources, [source(1, "-", 7), source(2, "a", 2), source(3, "-", 1)]);
    let lines = world.order("o").lines;
    assert_eq!((lines[0].location.as_ref(), lines[0].ordered, lines[0].held), (None, 7, 7));
    assert_eq!(world.model.ledger().count(), 2);
    assert_eq!(world.model.stock().count(), 1);
}

#[test]
fn an_order_of_untracked_lines_lives_like_any_other_and_moves_nothing() {
    let mut world = world();
    world.place("o", &[("wrap", None, 3)]);
    assert_eq!(world.state("o"), OrderState::PendingPayment);
    world.confirm("o");
    assert_eq!(world.state("o"), OrderState::Confirmed);
    let state = OrderState::PartiallyShipped;
    let shipped = Outcome::OrderShipped { order: order_id("o"), state, shipped: 2, parcel: 1 };
    assert_eq!(world.run(shipment("o", &[(1, 2)])), shipped);
    let cancelled =
        Outcome::OrderCancelled { order: order_id("o"), state: OrderState::Shipped, cancelled: 1 };
    assert_eq!(world.run(cancellation("o")), cancelled);
    let illegal = Rejection::IllegalTransition {
        order: order_id("o"),
        state: OrderState::Shipped,
        operation: Operation::Cancel,
    };
    assert_eq!(world.refusal(cancellation("o")), illegal);
    let lines = vec![ExceededLine { line: 1, asked: 3, left: 2 }];
    assert_eq!(
        world.refusal(restock("o", 1, 3)),
        Rejection::QuantityExceeded { holder: Holder::Order(order_id("o")), lines }
    );
    let returned = Outcome::OrderReturned { order: order_id("o"), state: OrderState::Returned, returned: 2 };
    assert_eq!(world.run(restock("o", 1, 2)), returned);
    assert_eq!(world.order("o").version, version(world.index, 0));
    assert_eq!(world.model.ledger().count(), 1);
}

#[test]
fn an_unpaid_order_of_untracked_lines_expires() {
    let mut world = world();
    world.place("o", &[("wrap", None, 3)]);
    world.wait(HOLD_US);
    let swept = world.run_under(None, Command::ExpireDue(ExpireDue { limit: 9 }));
    assert_eq!(swept.outcome, Outcome::DueExpired { holds: 1, more: false });
    assert_eq!((world.state("o"), world.order("o").lines[0].expired), (OrderState::Expired, 3));
    assert_eq!(world.model.ledger().count(), 1);
}

#[test]
fn a_line_remembers_that_its_sku_was_not_tracked() {
    let mut world = world();
    world.place("o", &[("wrap", None, 3)]);
    track(&mut world, false);
    world.confirm("o");
    world.run(shipment("o", &[]));
    world.run(restock("o", 1, 1));
    assert_eq!(world.model.ledger().count(), 1);
    assert!(matches!(
        world.refusal(placement("p", &[("wrap", None, 1)])),
        Rejection::InsufficientStock { .. }
    ));
}

#[test]
fn a_line_remembers_that_its_sku_was_tracked() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 3)]);
    world.change("mug", SkuChange { untracked: Some(true), ..SkuChange::default() });
    world.place("p", &[("mug", None, 9)]);
    world.confirm("o");
    assert_eq!(world.mugs(), [2, 0, 3, 0, 0, 0]);
    world.run(shipment("o", &[]));
    world.run(restock("o", 1, 1));
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
}

#[test]
fn a_named_location_must_exist_and_take_orders_all_the_same() {
    let mut world = world();
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(placement("o", &[("wrap", Some("x"), 1)])), unknown);
    world.disable("b");
    let closed = Rejection::LocationDisabled { location: location_id("b") };
    assert_eq!(world.refusal(placement("o", &[("wrap", Some("b"), 1)])), closed);
}

#[test]
fn limits_bind_what_is_not_tracked_too() {
    let mut world = world();
    world.change("wrap", SkuChange { max_per_order: Some(2), ..SkuChange::default() });
    let breaches = vec![LimitBreach { sku: sku_id("wrap"), asked: 3, min: 0, max: 2 }];
    assert_eq!(world.refusal(placement("o", &[("wrap", None, 3)])), Rejection::PurchaseLimit { breaches });
}

#[test]
fn a_short_line_is_told_beside_an_untracked_one() {
    let mut world = world();
    let Rejection::InsufficientStock { shortages } =
        world.refusal(placement("o", &[("wrap", None, 9), ("mug", None, 6)]))
    else {
        panic!("not short")
    };
    assert_eq!(shortages.iter().map(|shortage| shortage.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_return_of_untracked_units_books_its_document_and_moves_nothing() {
    let mut world = world();
    world.place("o", &[("wrap", None, 2), ("mug", None, 1)]);
    world.confirm("o");
    world.run(shipment("o", &[]));
    let movements = world.model.ledger().count();
    let first =
        ReturnOrder { document: Some(document_id("r")), ..comeback("o", &[(1, 1, Disposition::Damaged)]) };
    assert!(matches!(world.run(Command::ReturnOrder(first.clone())), Outcome::OrderReturned { .. }));
    assert_eq!(world.model.ledger().count(), movements);
    let again = Rejection::AlreadyExists(Resource::Document(document_id("r")));
    assert_eq!(world.refusal(Command::ReturnOrder(first)), again);
}

#[test]
fn a_deleted_sku_comes_back_by_no_line_and_a_deleted_location_hinders_no_untracked_one() {
    let mut world = world();
    world.place("o", &[("wrap", Some("b"), 2)]);
    world.confirm("o");
    world.run(shipment("o", &[]));
    let close = DeleteLocation { location: location_id("b"), expected: None };
    assert_eq!(world.run(Command::DeleteLocation(close)), Outcome::LocationDeleted);
    assert!(matches!(world.run(restock("o", 1, 1)), Outcome::OrderReturned { .. }));
    let delete = Command::DeleteSku(DeleteSku { sku: sku_id("wrap"), expected: None });
    assert_eq!(world.run(delete), Outcome::SkuDeleted);
    assert_eq!(world.refusal(restock("o", 1, 1)), Rejection::NotFound(Resource::Sku(sku_id("wrap"))));
}
