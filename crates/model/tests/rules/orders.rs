//! Orders after their placement.

use stockade_state_machine::command::{Command, Disposition, ReturnOrder};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, Rejection, Resource};
use stockade_state_machine::stock::Bucket;

use crate::world::{World, cancellation, comeback, confirmation, document_id, order_id, restock, shipment};

fn illegal(state: OrderState, operation: Operation) -> Rejection {
    Rejection::IllegalTransition { order: order_id("o"), state, operation }
}

fn exceeded(asked: i64, left: i64) -> Rejection {
    Rejection::QuantityExceeded {
        holder: Holder::Order(order_id("o")),
        lines: vec![ExceededLine { line: 1, asked, left }],
    }
}

#[test]
fn a_paid_order_turns_its_hold_into_an_obligation() {
    let world = World::paid_order(3);
    assert_eq!(world.mugs(), [0, 0, 3, 0, 0, 0]);
    let order = world.order("o");
    assert_eq!((order.lines[0].held, order.lines[0].allocated), (0, 3));
    assert_eq!(order.payment_reference, "paid");
    assert_eq!(world.state("o"), OrderState::Confirmed);
    let movement = world.last_movement();
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::Commit, ""));
}

#[test]
fn nothing_can_be_done_to_an_order_that_is_not_there() {
    let mut world = World::new();
    let unknown = Rejection::NotFound(Resource::Order(order_id("o")));
    for command in [confirmation("o"), shipment("o", &[]), cancellation("o"), restock("o", 1, 1)] {
        assert_eq!(world.refusal(command), unknown);
    }
}

#[test]
fn an_order_is_paid_once() {
    let mut world = World::paid_order(1);
    assert_eq!(world.refusal(confirmation("o")), illegal(OrderState::Confirmed, Operation::Confirm));
}

#[test]
fn an_unpaid_order_neither_ships_nor_returns() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    assert_eq!(world.refusal(shipment("o", &[])), illegal(OrderState::PendingPayment, Operation::Ship));
    assert_eq!(world.refusal(restock("o", 1, 1)), illegal(OrderState::PendingPayment, Operation::Return));
}

#[test]
fn a_shipment_without_lines_takes_all_that_is_owed() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 3), ("mug", None, 2)]);
    world.confirm("o");
    world.run(shipment("o", &[(1, 1)]));
    assert_eq!(world.state("o"), OrderState::PartiallyShipped);
    let state = OrderState::Shipped;
    let all = Outcome::OrderShipped { order: order_id("o"), state, shipped: 4, parcel: 2 };
    assert_eq!(world.run(shipment("o", &[])), all);
    assert_eq!(world.mugs(), [0; 6]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Committed), None));
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::Shipment, "parcel"));
}

#[test]
fn no_more_ships_than_is_owed() {
    let mut world = World::shipped_order(5, 2);
    assert_eq!(world.refusal(shipment("o", &[(1, 4)])), exceeded(4, 3));
    assert_eq!(world.refusal(shipment("o", &[(1, 2), (1, 2)])), exceeded(2, 1));
    assert_eq!(world.mugs(), [0, 0, 3, 0, 0, 0]);
}

#[test]
fn every_line_that_asks_too_much_is_named() {
    let mut world = World::with_mugs(6);
    world.place("o", &[("mug", None, 1), ("mug", None, 2), ("mug", None, 3)]);
    world.confirm("o");
    let refusal = world.refusal(shipment("o", &[(3, 5), (2, 2), (1, 2)]));
    let lines =
        vec![ExceededLine { line: 3, asked: 5, left: 3 }, ExceededLine { line: 1, asked: 2, left: 1 }];
    assert_eq!(refusal, Rejection::QuantityExceeded { holder: Holder::Order(order_id("o")), lines });
}

#[test]
fn the_state_of_the_order_comes_before_a_line_that_is_not_there() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    let state = OrderState::PendingPayment;
    assert_eq!(world.refusal(shipment("o", &[(2, 1)])), illegal(state, Operation::Ship));
    assert_eq!(world.refusal(restock("o", 2, 1)), illegal(state, Operation::Return));
    let mut world = World::shipped_order(2, 1);
    for line in [0, 2, u32::MAX] {
        let unknown = Rejection::NotFound(Resource::OrderLine(order_id("o"), line));
        assert_eq!(world.refusal(shipment("o", &[(1, 1), (line, 1)])), unknown);
        assert_eq!(world.refusal(restock("o", line, 1)), unknown);
    }
}

#[test]
fn a_settled_order_neither_ships_nor_is_cancelled() {
    let mut world = World::shipped_order(2, 2);
    assert_eq!(world.refusal(shipment("o", &[])), illegal(OrderState::Shipped, Operation::Ship));
    assert_eq!(world.refusal(cancellation("o")), illegal(OrderState::Shipped, Operation::Cancel));
    world.run(restock("o", 1, 1));
    let state = OrderState::PartiallyReturned;
    assert_eq!(world.refusal(shipment("o", &[(1, 1)])), illegal(state, Operation::Ship));
    assert_eq!(world.refusal(cancellation("o")), illegal(state, Operation::Cancel));
}

#[test]
fn a_cancelled_unpaid_order_gives_its_hold_back() {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 2)]);
    let cancelled =
        Outcome::OrderCancelled { order: order_id("o"), state: OrderState::Cancelled, cancelled: 2 };
    assert_eq!(world.run(cancellation("o")), cancelled);
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
    assert_eq!(world.last_movement().reason, Reason::Release);
    assert_eq!(world.refusal(cancellation("o")), illegal(OrderState::Cancelled, Operation::Cancel));
    assert_eq!(world.refusal(confirmation("o")), illegal(OrderState::Cancelled, Operation::Confirm));
}

#[test]
fn a_cancel_leaves_what_has_shipped() {
    let mut world = World::shipped_order(5, 2);
    let cancelled =
        Outcome::OrderCancelled { order: order_id("o"), state: OrderState::Shipped, cancelled: 3 };
    assert_eq!(world.run(cancellation("o")), cancelled);
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
    let line = world.order("o").lines[0].clone();
    assert_eq!((line.allocated, line.shipped, line.cancelled), (2, 2, 3));
}

#[test]
fn returned_units_go_where_their_disposition_says() {
    let mut world = World::shipped_order(6, 6);
    let lines = [(1, 1, Disposition::Restock), (1, 2, Disposition::Damaged), (1, 3, Disposition::Scrap)];
    let command = ReturnOrder { document: Some(document_id("r")), ..comeback("o", &lines) };
    let returned = Outcome::OrderReturned { order: order_id("o"), state: OrderState::Returned, returned: 6 };
    assert_eq!(world.run(Command::ReturnOrder(command.clone())), returned);
    assert_eq!(world.mugs(), [1, 0, 0, 0, 2, 0]);
    let booked: Vec<_> = world
        .model
        .ledger()
        .filter(|entry| entry.reason == Reason::Returned)
        .map(|entry| (entry.from, entry.to, entry.quantity))
        .collect();
    assert_eq!(
        booked,
        [(None, Some(Bucket::Available), 1), (None, Some(Bucket::Damaged), 2), (None, None, 3)]
    );
    let again = Rejection::AlreadyExists(Resource::Document(document_id("r")));
    assert_eq!(world.refusal(Command::ReturnOrder(command)), again, "comes before the state");
}

#[test]
fn no_more_comes_back_than_has_shipped() {
    let mut world = World::shipped_order(5, 3);
    world.run(restock("o", 1, 1));
    assert_eq!(world.refusal(restock("o", 1, 3)), exceeded(3, 2));
    let twice = comeback("o", &[(1, 2, Disposition::Restock), (1, 1, Disposition::Scrap)]);
    assert_eq!(world.refusal(Command::ReturnOrder(twice)), exceeded(1, 0));
}

#[test]
fn what_is_still_owed_ships_after_all_that_shipped_came_back() {
    let mut world = World::shipped_order(5, 3);
    world.run(restock("o", 1, 3));
    assert_eq!(world.state("o"), OrderState::PartiallyReturned);
    assert_eq!(world.refusal(restock("o", 1, 1)), exceeded(1, 0));
    world.run(shipment("o", &[]));
    assert_eq!(world.state("o"), OrderState::PartiallyReturned);
    world.run(restock("o", 1, 2));
    assert_eq!(world.state("o"), OrderState::Returned);
    assert_eq!(world.refusal(restock("o", 1, 1)), illegal(OrderState::Returned, Operation::Return));
}

#[test]
fn an_order_that_never_shipped_does_not_come_back() {
    let mut world = World::paid_order(1);
    assert_eq!(world.refusal(restock("o", 1, 1)), illegal(OrderState::Confirmed, Operation::Return));
    world.run(cancellation("o"));
    assert_eq!(world.refusal(restock("o", 1, 1)), illegal(OrderState::Cancelled, Operation::Return));
}
