//! Commands about rows that are in the engine alone: decided, and previewed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{
    Node, cancel, confirm, hold, let_go, open_shop, order, place, receive, reservation, ship, take,
};
use stockade_state_machine::command::{
    CloseOrder, Disposition, Precondition, ReturnLine, ReturnOrder, Row, Transact,
};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::order::{Order, OrderState};
use stockade_state_machine::rejection::{Current, FailedPrecondition, Rejection, Resource};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::{Command, Outcome, Version};

/// A shop with orders `shipped`, `cancelled` and `open`, reservations `released` and `held`, and a booked document `r9`; all that
/// commands can't reach without naming it is in the engine alone.
async fn shop_with_settled_rows(dir: &std::path::Path) -> Node {
    let mut node = open_shop(dir).await;
    let placed = ["shipped", "cancelled", "open"].map(|id| [place(id, &[("a", 3), ("b", 1)]), confirm(id)]);
    node.run(placed.concat()).await;
    node.run(vec![ship("shipped"), cancel("cancelled"), receive("a", 1, "r9")]).await;
    node.run(vec![hold("released", &[("a", 4)]), hold("held", &[("a", 4)]), let_go("released")]).await;
    // What is written may leave memory.
    node.hashes().await;
    node
}

fn found(node: &Node, id: &str) -> std::sync::Arc<Order> {
    node.storage.state.read(|view| view.order(&order(id)).unwrap().unwrap())
}

fn close(id: &str, expected: Option<Version>) -> Command {
    Command::CloseOrder(CloseOrder { order: order(id), expected })
}

fn give_back(id: &str, quantity: i64, document: &str) -> Command {
    Command::ReturnOrder(ReturnOrder {
        order: order(id),
        lines: vec![ReturnLine { line: 1, quantity, disposition: Disposition::Restock, location: None }],
        document: Some(DocumentId::new(document).unwrap()),
        expected: None,
    })
}

fn transact(preconditions: Vec<Precondition>, operations: Vec<Command>) -> Command {
    Command::Transact(Transact { preconditions, operations })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_names_settled_rows_and_one_of_them_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = shop_with_settled_rows(dir.path()).await;
    let version = found(&node, "shipped").version;
    let row = |id| Row::Order(order(id));
    let preconditions = vec![
        Precondition::Version(row("shipped"), version),
        Precondition::OrderState(order("cancelled"), OrderState::Cancelled),
        Precondition::ReservationState(reservation("released"), ReservationState::Released),
        Precondition::Missing(row("new")),
    ];
    let operations = vec![
        close("shipped", Some(version)),
        give_back("shipped", 1, "back-1"),
        give_back("shipped", 2, "back-2"),
        take("held", "new", 4),
        ship("new"),
    ];
    let outcome = node.decide(transact(preconditions, operations)).await;
    let Outcome::Transacted(outcomes) = &outcome else { panic!("{outcome:?}") };
    let returned = |state, returned| Outcome::OrderReturned { order: order("shipped"), state, returned };
    assert_eq!(outcomes[0], Outcome::OrderClosed { order: order("shipped") });
    assert_eq!(outcomes[1], returned(OrderState::PartiallyReturned, 1));
    assert_eq!(outcomes[2], returned(OrderState::PartiallyReturned, 2));
    assert!(matches!(outcomes[3], Outcome::ReservationCommitted { committed: 4, .. }), "{outcomes:?}");
    assert!(matches!(outcomes[4], Outcome::OrderShipped { shipped: 4, parcel: 1, .. }), "{outcomes:?}");
    assert_eq!(found(&node, "shipped").lines[0].returned, 3);

    // It is the same again once it is written, and after a restart.
    let row = found(&node, "shipped");
    let hashes = node.hashes().await;
    assert_eq!(found(&node, "shipped"), row);
    node.stop().await;
    let mut node = Node::open(dir.path()).await;
    node.catch_up().await;
    assert_eq!(node.hashes().await, hashes);
    assert_eq!(found(&node, "shipped"), row);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_transaction_over_settled_rows_leaves_them_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = shop_with_settled_rows(dir.path()).await;
    let before = found(&node, "shipped");
    let outcome = node.decide(transact(
        vec![
            Precondition::Missing(Row::Order(order("shipped"))),
            Precondition::OrderState(order("cancelled"), OrderState::Cancelled),
            Precondition::Exists(Row::Order(order("unknown"))),
        ],
        vec![close("shipped", None)],
    ));
    let failed = vec![
        FailedPrecondition { number: 1, current: Current::Version(before.version) },
        FailedPrecondition { number: 3, current: Current::Missing },
    ];
    assert_eq!(outcome.await, Outcome::Rejected(Rejection::PreconditionFailed { failed }));
    let operations = vec![close("shipped", None), give_back("shipped", 1, "r9")];
    let rejection = Box::new(Rejection::AlreadyExists(Resource::Document(DocumentId::new("r9").unwrap())));
    let refused = Outcome::Rejected(Rejection::OperationRejected { operation: 2, rejection });
    assert_eq!(node.decide(transact(Vec::new(), operations)).await, refused);
    assert_eq!(found(&node, "shipped"), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_about_rows_in_the_engine_answers_as_execution_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = shop_with_settled_rows(dir.path()).await;
    let version = found(&node, "shipped").version;
    let stale = Version { position: version.position + 1, ..version };
    let commands = [
        close("shipped", Some(stale)),
        close("shipped", Some(version)),
        give_back("shipped", 9, "back-1"),
        give_back("shipped", 1, "r9"),
        transact(Vec::new(), vec![give_back("shipped", 1, "back-1"), give_back("shipped", 1, "back-2")]),
        transact(Vec::new(), vec![give_back("shipped", 1, "back-3"), give_back("shipped", 1, "back-4")]),
        place("cancelled", &[("a", 1)]),
        cancel("cancelled"),
        hold("released", &[("a", 1)]),
        take("released", "new", 1),
        receive("b", 1, "r9"),
        receive("b", 1, "r10"),
        place("new", &[("a", 1), ("b", 2)]),
        confirm("new"),
        confirm("unknown"),
    ];
    let mut refused = 0;
    for command in commands {
        // All that may leave memory does so before each of them.
        let before = node.hashes().await;
        let previewed = node.preview(&command);
        assert_eq!(node.preview(&command), previewed);
        assert_eq!(node.hashes().await, before, "a preview of {command:?} changed something");
        assert_eq!(node.decide(command.clone()).await, previewed, "{command:?}");
        refused += u32::from(matches!(previewed, Outcome::Rejected(_)));
    }
    assert_eq!(refused, 10);
    let lines = &found(&node, "shipped").lines;
    assert_eq!((lines[0].returned, lines[1].returned), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_of_what_is_not_written_yet_sees_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = shop_with_settled_rows(dir.path()).await;
    let back = give_back("shipped", 3, "back-1");
    assert!(matches!(node.preview(&back), Outcome::OrderReturned { .. }));
    node.run(vec![give_back("shipped", 1, "back-2")]).await;
    let previewed = node.preview(&back);
    assert!(matches!(previewed, Outcome::Rejected(Rejection::QuantityExceeded { .. })), "{previewed:?}");
    assert_eq!(node.decide(back).await, previewed);
}

/// Refuses a name of each kind that is taken, wherever the row is, and takes one before and one after all of them.
async fn assert_names_are_known(node: &mut Node, suffix: &str) {
    let taken = |row| Outcome::Rejected(Rejection::AlreadyExists(row));
    for id in ["shipped", "cancelled", "open"] {
        assert_eq!(node.decide(place(id, &[("a", 1)])).await, taken(Resource::Order(order(id))));
    }
    for id in ["released", "held"] {
        let refused = taken(Resource::Reservation(reservation(id)));
        assert_eq!(node.decide(hold(id, &[("a", 1)])).await, refused);
    }
    let document = Resource::Document(DocumentId::new("r9").unwrap());
    assert_eq!(node.decide(receive("a", 1, "r9")).await, taken(document));
    for first in ["!", "~"] {
        let new = format!("{first}{suffix}");
        let (placed, held) = (place(&new, &[("a", 1)]), hold(&new, &[("a", 1)]));
        assert!(matches!(node.decide(placed).await, Outcome::OrderPlaced { .. }));
        assert!(matches!(node.decide(held).await, Outcome::ReservationCreated { .. }));
        assert!(matches!(node.decide(receive("a", 1, &new)).await, Outcome::StockReceived { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_rows_that_left_memory_stay_taken_after_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = shop_with_settled_rows(dir.path()).await;
    assert_names_are_known(&mut node, "1").await;
    for suffix in ["2", "3"] {
        node.stop().await;
        node = Node::open(dir.path()).await;
        node.catch_up().await;
        assert_names_are_known(&mut node, suffix).await;
    }
}
