//! Orders that are held for longer, and orders that are done with.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{CloseOrder, Command, ShipOrder};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};

use crate::world::{
    BEGIN_US, HOLD_US, SECOND_US, World, cancellation, confirmation, order_extension, order_id, parcel,
    quantities, restock, shipment, version,
};

fn closing() -> Command {
    Command::CloseOrder(CloseOrder { order: order_id("o"), expected: None })
}

/// A shipment after which the order closes.
fn last_shipment(lines: &[(u32, i64)], close_after_us: u64) -> Command {
    let close_after_us = Some(close_after_us);
    Command::ShipOrder(ShipOrder { close_after_us, ..parcel("o", quantities(lines)) })
}

fn illegal(state: OrderState, operation: Operation) -> Rejection {
    Rejection::IllegalTransition { order: order_id("o"), state, operation }
}

fn at(after_begin_us: u64) -> LogTime {
    LogTime::from_micros(BEGIN_US + after_begin_us)
}

#[test]
fn an_extension_holds_the_units_from_now_on() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 2)]);
    world.wait(HOLD_US - 1);
    let expires = at(HOLD_US - 1 + SECOND_US);
    let extended = Outcome::OrderExtended { order: order_id("o"), expires };
    assert_eq!(world.run(order_extension("o", SECOND_US)), extended);
    assert_eq!(world.order("o").expires, expires);
    world.wait(SECOND_US - 1);
    world.confirm("o");
    assert_eq!(world.order("o").expires, expires, "kept after payment");
}

#[test]
fn an_extension_never_shortens_and_changes_the_version_all_the_same() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 2)]);
    world.wait(SECOND_US);
    let extended = Outcome::OrderExtended { order: order_id("o"), expires: at(HOLD_US) };
    assert_eq!(world.run(order_extension("o", SECOND_US)), extended);
    let order = world.order("o");
    assert_eq!((order.version, order.updated), (version(world.index, 0), at(SECOND_US)));
    assert_eq!(order.created, at(0));
}

#[test]
fn only_an_unpaid_order_is_extended() {
    let mut world = World::with_mugs(2);
    assert_eq!(
        world.refusal(order_extension("o", SECOND_US)),
        Rejection::NotFound(Resource::Order(order_id("o")))
    );
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let expired =
        Rejection::ReservationExpired { holder: Holder::Order(order_id("o")), expired: at(HOLD_US) };
    assert_eq!(world.refusal(order_extension("o", SECOND_US)), expired);
    assert_eq!(world.state("o"), OrderState::Expired);
    for (state, steps) in [
        (OrderState::Confirmed, vec![confirmation("o")]),
        (OrderState::Cancelled, vec![cancellation("o")]),
        (OrderState::Closed, vec![confirmation("o"), shipment("o", &[]), closing()]),
    ] {
        let mut world = World::with_mugs(2);
        world.place("o", &[("mug", None, 1)]);
        for step in steps {
            world.run(step);
        }
        assert_eq!(world.refusal(order_extension("o", SECOND_US)), illegal(state, Operation::Extend));
    }
}

#[test]
fn a_shipped_order_is_closed_once_and_takes_only_returns_then() {
    let mut world = World::shipped_order(3, 3);
    world.wait(SECOND_US);
    assert_eq!(world.run(closing()), Outcome::OrderClosed { order: order_id("o") });
    let order = world.order("o");
    assert_eq!((order.closes, order.version), (Some(at(SECOND_US)), version(world.index, 0)));
    assert_eq!((world.state("o"), order.updated), (OrderState::Closed, at(SECOND_US)));
    for (command, operation) in [
        (closing(), Operation::Close),
        (shipment("o", &[]), Operation::Ship),
        (cancellation("o"), Operation::Cancel),
        (confirmation("o"), Operation::Confirm),
    ] {
        assert_eq!(world.refusal(command), illegal(OrderState::Closed, operation));
    }
    let state = OrderState::PartiallyReturned;
    let returned = Outcome::OrderReturned { order: order_id("o"), state, returned: 1 };
    assert_eq!(world.run(restock("o", 1, 1)), returned);
    assert_eq!(world.refusal(closing()), illegal(state, Operation::Close));
}

#[test]
fn an_order_that_is_not_shipped_is_not_closed() {
    let mut world = World::with_mugs(3);
    assert_eq!(world.refusal(closing()), Rejection::NotFound(Resource::Order(order_id("o"))));
    world.place("o", &[("mug", None, 3)]);
    assert_eq!(world.refusal(closing()), illegal(OrderState::PendingPayment, Operation::Close));
    world.confirm("o");
    assert_eq!(world.refusal(closing()), illegal(OrderState::Confirmed, Operation::Close));
    world.run(shipment("o", &[(1, 2)]));
    assert_eq!(world.refusal(closing()), illegal(OrderState::PartiallyShipped, Operation::Close));
}

#[test]
fn an_order_closes_by_itself_so_long_after_its_shipment() {
    let mut world = World::paid_order(3);
    world.wait(SECOND_US);
    let state = OrderState::Shipped;
    let shipped = Outcome::OrderShipped { order: order_id("o"), state, shipped: 3, parcel: 1 };
    assert_eq!(world.run(last_shipment(&[], 10 * SECOND_US)), shipped);
    let order = world.order("o");
    assert_eq!(order.closes, Some(at(11 * SECOND_US)));
    world.wait(10 * SECOND_US - 1);
    assert_eq!(world.state("o"), OrderState::Shipped);
    world.wait(1);
    assert_eq!(world.state("o"), OrderState::Closed);
    assert_eq!(world.refusal(closing()), illegal(OrderState::Closed, Operation::Close));
    assert_eq!(world.order("o"), order, "nothing was written for it");
}

#[test]
fn an_order_that_is_to_close_can_be_closed_before() {
    let mut world = World::paid_order(3);
    world.run(last_shipment(&[], 10 * SECOND_US));
    world.wait(SECOND_US);
    assert_eq!(world.run(closing()), Outcome::OrderClosed { order: order_id("o") });
    assert_eq!(world.order("o").closes, Some(at(SECOND_US)));
}

#[test]
fn a_shipment_that_says_nothing_leaves_what_an_earlier_one_said_and_another_replaces_it() {
    let mut world = World::paid_order(5);
    world.run(last_shipment(&[(1, 1)], 10 * SECOND_US));
    world.run(shipment("o", &[(1, 1)]));
    assert_eq!(world.order("o").closes, Some(at(10 * SECOND_US)));
    world.wait(SECOND_US);
    world.run(last_shipment(&[(1, 1)], 2 * SECOND_US));
    assert_eq!(world.order("o").closes, Some(at(3 * SECOND_US)));
    world.wait(3 * SECOND_US);
    assert_eq!(world.state("o"), OrderState::PartiallyShipped, "not before all has shipped");
    let state = OrderState::Closed;
    let shipped = Outcome::OrderShipped { order: order_id("o"), state, shipped: 2, parcel: 4 };
    assert_eq!(world.run(shipment("o", &[])), shipped);
}

#[test]
fn an_order_of_which_the_rest_is_cancelled_is_closed_when_it_was_to_be() {
    let mut world = World::paid_order(5);
    world.run(last_shipment(&[(1, 1)], SECOND_US));
    world.wait(SECOND_US);
    let state = OrderState::Closed;
    let cancelled = Outcome::OrderCancelled { order: order_id("o"), state, cancelled: 4 };
    assert_eq!(world.run(cancellation("o")), cancelled);
}
