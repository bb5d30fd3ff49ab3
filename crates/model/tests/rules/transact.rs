//! Several commands at once, all or none.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{
    Command, CreateReservation, DeleteSku, ExtendOrder, LocationChange, Precondition, ReceiveStock, Row,
    SetStock, SkuChange,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::carts::{cart, extension, paid, release, reservation_id, transfer, unpaid};
use crate::world::{
    BEGIN_US, HOLD_US, SECOND_US, World, cancellation, confirmation, document_id, late_confirmation,
    location_change, location_id, opening, order_id, placement, receipt, restock, rows, shipment, sku_change,
    sku_id, source, transaction, version,
};

fn all(operations: Vec<Command>) -> Command {
    transaction(Vec::new(), operations)
}

fn rejected(operation: u32, rejection: Rejection) -> Rejection {
    Rejection::OperationRejected { operation, rejection: Box::new(rejection) }
}

fn done(world: &mut World, command: Command) -> Vec<Outcome> {
    match world.run(command) {
        Outcome::Transacted(outcomes) => outcomes,
        other => panic!("{other:?}"),
    }
}

/// Mugs that are short at a location, or anywhere.
fn shortage(location: Option<&str>, asked: i64, available: i64, next_expiry_us: Option<u64>) -> Rejection {
    let shortage = Shortage {
        line: 1,
        sku: sku_id("mug"),
        location: location.map(location_id),
        together: false,
        bucket: Bucket::Available,
        asked,
        available,
        next_expiry: next_expiry_us.map(|us| LogTime::from_micros(BEGIN_US + us)),
    };
    Rejection::InsufficientStock { shortages: vec![shortage] }
}

#[test]
fn each_operation_sees_what_the_ones_before_it_did_and_all_of_it_has_one_version() {
    let mut world = World::with_mugs(1);
    let operations = vec![
        receipt("mug", "a", 4),
        placement("o", &[("mug", None, 5)]),
        confirmation("o"),
        shipment("o", &[(1, 2)]),
    ];
    let outcomes = done(&mut world, all(operations));
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let state = OrderState::PartiallyShipped;
    let expected = [
        Outcome::OrderPlaced { order: order_id("o"), expires, sources: vec![source(1, "a", 5)] },
        Outcome::OrderConfirmed { order: order_id("o") },
        Outcome::OrderShipped { order: order_id("o"), state, shipped: 2, parcel: 1 },
    ];
    assert!(matches!(&outcomes[0], Outcome::StockReceived(_, stock) if stock.on_hand() == 5));
    assert_eq!(outcomes[1..], expected);
    assert_eq!(world.mugs(), [0, 0, 3, 0, 0, 0]);
    let now = version(world.index, 0);
    assert_eq!((world.order("o").version, world.stock("mug", "a").version), (now, now));
    let steps: Vec<_> = world.model.ledger().skip(1).map(|entry| (entry.reason, entry.position)).collect();
    let expected = [Reason::Received, Reason::Reservation, Reason::Commit, Reason::Shipment];
    assert_eq!(steps, expected.into_iter().zip(0..).collect::<Vec<_>>());
    let request = world.last_movement().request;
    assert!(request.is_some() && world.model.ledger().skip(1).all(|entry| entry.request == request));
}

#[test]
fn movements_of_an_entry_are_numbered_on() {
    let mut world = World::with_mugs(1);
    world.run_all(vec![
        receipt("mug", "a", 1),
        all(vec![receipt("mug", "a", 1), receipt("cup", "a", 1)]),
        all(vec![receipt("mug", "a", 1), receipt("mug", "b", 1)]),
        receipt("mug", "a", 1),
    ]);
    let place = |entry: &LedgerEntry| (entry.position, entry.balances.version.position);
    let places: Vec<_> = world.model.ledger().skip(1).map(place).collect();
    assert_eq!(places, [(0, 0), (1, 2), (2, 2), (3, 3)]);
}

#[test]
fn where_one_is_refused_none_took_effect() {
    let mut world = World::with_mugs(9);
    world.create("cup");
    world.create_untracked("wrap");
    world.open("d");
    world.place("unpaid", &[("mug", None, 1)]);
    world.place("shipped", &[("mug", None, 1), ("wrap", None, 1)]);
    world.confirm("shipped");
    world.run(shipment("shipped", &[]));
    world.reserve("r", &[("mug", None, 2)]);
    let details = LocationDetails { priority: 7, ..LocationDetails::default() };
    let with_document = ReceiveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        quantity: 1,
        document: Some(document_id("d")),
        reference: String::new(),
    };
    let operations = vec![
        opening("e", details),
        location_change("d", LocationChange { priority: Some(1), ..LocationChange::default() }),
        receipt("mug", "e", 3),
        Command::ReceiveStock(with_document),
        sku_change("cup", SkuChange { display_name: Some("x".to_owned()), ..SkuChange::default() }),
        receipt("cup", "b", 1),
        confirmation("unpaid"),
        restock("shipped", 1, 1),
        Command::DeleteSku(DeleteSku { sku: sku_id("wrap"), expected: None }),
        placement("new", &[("mug", None, 1), ("cup", None, 1)]),
        Command::CommitReservation(paid("r", "taken", &[(1, 1)])),
        transfer("r", &[], "e"),
        cart("other", &[("mug", None, 1)]),
        cancellation("new"),
        release("other", &[]),
    ];
    let before = rows(&world.model);
    let mut refused = operations.clone();
    refused.push(confirmation("new"));
    let illegal = Rejection::IllegalTransition {
        order: order_id("new"),
        state: OrderState::Cancelled,
        operation: Operation::Confirm,
    };
    assert_eq!(world.refusal(all(refused)), rejected(16, illegal));
    assert_eq!(rows(&world.model), before);
    assert_eq!(done(&mut world, all(operations)).len(), 15);
    assert_ne!(rows(&world.model), before);
}

#[test]
fn a_sku_that_goes_in_a_refused_transaction_keeps_its_stock() {
    let mut world = World::with_mugs(1);
    world.create("cup");
    world.run(Command::SetStock(SetStock {
        sku: sku_id("cup"),
        location: location_id("a"),
        bucket: Bucket::Damaged,
        quantity: 2,
        expected: None,
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    }));
    let clear = |quantity| {
        Command::SetStock(SetStock {
            sku: sku_id("cup"),
            location: location_id("a"),
            bucket: Bucket::Damaged,
            quantity,
            expected: None,
            reason: Reason::Other,
            document: None,
            reference: String::new(),
        })
    };
    let before = rows(&world.model);
    let delete = || Command::DeleteSku(DeleteSku { sku: sku_id("cup"), expected: None });
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("cup")));
    let refused = vec![clear(0), delete(), receipt("cup", "a", 1)];
    assert_eq!(world.refusal(all(refused)), rejected(3, unknown));
    assert_eq!(rows(&world.model), before);
}

#[test]
fn the_first_that_is_refused_says_why() {
    let mut world = World::with_mugs(1);
    let unknown = |order| Rejection::NotFound(Resource::Order(order_id(order)));
    assert_eq!(world.refusal(all(vec![confirmation("x"), confirmation("y")])), rejected(1, unknown("x")));
    let limits = |min, max| {
        let (min_per_order, max_per_order) = (Some(min), Some(max));
        sku_change("mug", SkuChange { min_per_order, max_per_order, ..SkuChange::default() })
    };
    let higher = SkuChange { min_per_order: Some(4), ..SkuChange::default() };
    let malformed = Rejection::Malformed("minimum per order above its maximum");
    let operations = vec![limits(2, 3), sku_change("mug", higher)];
    assert_eq!(world.refusal(all(operations)), rejected(2, malformed));
}

#[test]
fn an_etag_is_compared_with_what_the_operations_before_left() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    let extend =
        |expected| Command::ExtendOrder(ExtendOrder { order: order_id("o"), hold_us: HOLD_US, expected });
    let before = Some(world.order("o").version);
    let current = version(world.index + 1, 0);
    let mismatch = Rejection::EtagMismatch { resource: Resource::Order(order_id("o")), current };
    assert_eq!(world.refusal(all(vec![extend(before), extend(before)])), rejected(2, mismatch));
    // What the transaction itself leaves has the version of the whole.
    let next = Some(version(world.index + 1, 0));
    assert_eq!(done(&mut world, all(vec![extend(before), extend(next)])).len(), 2);
}

#[test]
fn a_document_is_booked_once_in_a_transaction_too() {
    let mut world = World::with_mugs(1);
    let booked = || {
        Command::ReceiveStock(ReceiveStock {
            sku: sku_id("mug"),
            location: location_id("a"),
            quantity: 1,
            document: Some(document_id("d")),
            reference: String::new(),
        })
    };
    let taken = Rejection::AlreadyExists(Resource::Document(document_id("d")));
    assert_eq!(world.refusal(all(vec![booked(), booked()])), rejected(2, taken));
    assert!(world.model.document(&document_id("d")).is_none());
}

/// Orders `o1`, `o2` and reservations `r1`, `r2` of a mug each that are all due, `o1` first.
fn due() -> World {
    let mut world = World::with_mugs(9);
    world.place("o1", &[("mug", None, 1)]);
    world.wait(1);
    world.run_all(vec![
        placement("o2", &[("mug", None, 1)]),
        cart("r1", &[("mug", None, 1)]),
        cart("r2", &[("mug", None, 1)]),
    ]);
    world.wait(HOLD_US);
    world
}

#[test]
fn what_it_names_ends_first_in_the_order_in_which_it_is_named() {
    let mut world = due();
    let conditions = vec![
        Precondition::Missing(Row::Reservation(reservation_id("r2"))),
        Precondition::Exists(Row::Order(order_id("o1"))),
    ];
    let operations =
        vec![extension("r2", HOLD_US), Command::CommitReservation(unpaid("r1", "o2", &[], HOLD_US))];
    world.run(transaction(conditions, operations));
    let ended: Vec<String> = world
        .model
        .ledger()
        .filter(|entry| entry.reason == Reason::Expiry)
        .map(|entry| match (&entry.order, &entry.reservation) {
            (Some(order), None) => order.to_string(),
            (None, Some(reservation)) => reservation.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ended, ["r2", "o1", "r1", "o2"]);
}

#[test]
fn what_ended_stays_so_where_the_transaction_is_refused() {
    let mut world = due();
    let expired = Rejection::ReservationExpired {
        holder: Holder::Order(order_id("o1")),
        expired: LogTime::from_micros(BEGIN_US + HOLD_US),
    };
    let operations = vec![receipt("mug", "a", 1), confirmation("o1")];
    assert_eq!(world.refusal(all(operations)), rejected(2, expired));
    assert_eq!((world.state("o1"), world.mugs()), (OrderState::Expired, [6, 3, 0, 0, 0, 0]));
    let operations = vec![late_confirmation("o1"), cancellation("o1")];
    assert_eq!(done(&mut world, all(operations)).len(), 2);
}

#[test]
fn what_is_due_of_what_an_operation_lacks_ends_and_all_of_it_is_done_over() {
    let mut world = World::with_mugs(3);
    world.reserve("r", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    let operations = vec![receipt("mug", "b", 1), placement("o", &[("mug", None, 3)])];
    assert_eq!(done(&mut world, all(operations)).len(), 2);
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
    assert_eq!(world.mugs(), [0, 3, 0, 0, 0, 0]);
    assert_eq!(world.stock("mug", "b").buckets(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn whether_an_end_may_help_is_looked_at_after_the_operations_before() {
    let mut world = World::with_mugs(3);
    world.reserve("r", &[("mug", None, 3)]);
    world.wait(HOLD_US);
    let four = placement("o", &[("mug", None, 4)]);
    assert_eq!(world.refusal(all(vec![four.clone()])), rejected(1, shortage(None, 4, 0, None)));
    assert_eq!(world.reservation_state("r"), ReservationState::Active, "there are not four, held or not");
    assert_eq!(done(&mut world, all(vec![receipt("mug", "a", 1), four])).len(), 2);
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
}

#[test]
fn a_second_shortage_that_an_end_would_help_is_to_be_tried_again() {
    let mut world = World::with_mugs(1);
    world.create("cup");
    world.receive("cup", "a", 1);
    world.reserve("mugs", &[("mug", None, 1)]);
    world.reserve("cups", &[("cup", None, 1)]);
    world.wait(HOLD_US);
    let operations = vec![placement("o", &[("mug", None, 1)]), placement("p", &[("cup", None, 1)])];
    assert_eq!(world.run(all(operations.clone())), Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert_eq!(world.reservation_state("mugs"), ReservationState::Expired);
    assert_eq!(world.reservation_state("cups"), ReservationState::Active);
    assert_eq!(world.model.orders().count(), 0);
    assert_eq!(done(&mut world, all(operations)).len(), 2);
}

#[test]
fn more_that_is_named_than_an_entry_may_expire_is_to_be_tried_again() {
    let mut world = World::with_mugs(12_000);
    for number in 0..6 {
        world.reserve(&format!("r{number}"), &vec![("mug", None, 1); 2_000]);
    }
    world.wait(HOLD_US);
    let conditions: Vec<Precondition> = (0..6)
        .rev()
        .map(|number| Precondition::Exists(Row::Reservation(reservation_id(&format!("r{number}")))))
        .collect();
    let command = transaction(conditions, vec![receipt("mug", "a", 1)]);
    assert_eq!(world.run(command.clone()), Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert_eq!(world.mugs(), [10_000, 2_000, 0, 0, 0, 0]);
    assert_eq!(world.reservation_state("r0"), ReservationState::Active);
    assert_eq!(done(&mut world, command).len(), 1);
}

#[test]
fn a_transaction_may_name_more_that_is_due_than_is_looked_for_at_once() {
    let many = MAX_EXPIRE_BATCH + 1;
    let mut world = World::with_mugs(i64::try_from(many).expect("few"));
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("mug", None, 1)]));
    world.run_all(carts.collect());
    world.wait(HOLD_US);
    let row = |number: usize| Row::Reservation(reservation_id(&format!("r{number:05}")));
    let conditions = (0..1_000).map(|number| Precondition::Exists(row(number))).collect();
    let last = Command::CreateReservation(match cart("r01000", &[("mug", None, 1)]) {
        Command::CreateReservation(it) => CreateReservation { hold_us: SECOND_US, ..it },
        other => panic!("{other:?}"),
    });
    let taken = Rejection::AlreadyExists(Resource::Reservation(reservation_id("r01000")));
    assert_eq!(world.refusal(transaction(conditions, vec![last])), rejected(1, taken));
    assert_eq!(world.mugs(), [1_001, 0, 0, 0, 0, 0]);
}

#[test]
fn the_next_hold_that_ends_is_told_as_it_is_without_the_transaction() {
    let mut world = World::with_mugs(3);
    let operations = vec![placement("o", &[("mug", None, 2)]), placement("p", &[("mug", None, 2)])];
    assert_eq!(world.refusal(all(operations)), rejected(2, shortage(None, 2, 1, None)));
    world.place("q", &[("mug", None, 1)]);
    let operations = vec![cancellation("q"), placement("p", &[("mug", Some("a"), 9)])];
    assert_eq!(world.refusal(all(operations)), rejected(2, shortage(Some("a"), 9, 3, Some(HOLD_US))));
}

#[test]
fn a_reservation_is_created_moved_and_given_to_an_order_at_once() {
    let mut world = World::with_mugs(3);
    world.receive("mug", "b", 3);
    let operations = vec![
        cart("r", &[("mug", Some("a"), 3), ("mug", Some("b"), 1)]),
        transfer("r", &[2], "c"),
        transfer("r", &[1], "b"),
    ];
    let refusal = world.refusal(all(operations.clone()));
    assert!(matches!(refusal, Rejection::OperationRejected { operation: 2, .. }), "{refusal:?}");
    world.receive("mug", "c", 1);
    let mut operations = operations;
    operations.push(release("r", &[(1, 1)]));
    operations.push(Command::CommitReservation(paid("r", "o", &[])));
    assert_eq!(done(&mut world, all(operations)).len(), 5);
    assert_eq!(world.parts("r"), [[0, 2, 1, 0], [0, 1, 0, 0]]);
    assert_eq!(world.lines("o"), [(1, "b".to_owned(), [2, 0, 2, 0]), (2, "c".to_owned(), [1, 0, 1, 0])]);
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
}
