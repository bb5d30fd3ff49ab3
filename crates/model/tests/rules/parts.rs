//! Lines that are split over locations, and the parcels in which their units leave.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{
    Command, CommitReservation, CreateReservation, Disposition, LineQuantity, ReceiveStock, ReturnOrder,
    ShipOrder, Sourcing,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::{Operation, OrderState, Parcel, ParcelLine};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, Rejection, Resource, Shortage};
use stockade_state_machine::stock::Bucket;

use crate::carts::{cart, holder, paid, release, release_of, transfer, unknown_line};
use crate::world::{
    BEGIN_US, HOLD_US, SECOND_US, World, cancellation, cancellation_of, comeback, document_id, location_id,
    order_id, parcel, quantities, quantities_at, receipt, restock, shipment, sku_id, sourced,
};

const LINES: [(&str, Option<&str>, i64); 2] = [("mug", None, 5), ("cup", None, 2)];

/// A world with three mugs at `a`, and two mugs and four cups at `b`.
fn world() -> World {
    let mut world = World::with_mugs(3);
    world.create("cup");
    world.receive("mug", "b", 2);
    world.receive("cup", "b", 4);
    world
}

/// With an order `o` of five mugs, three from `a` and two from `b`, and of two cups from `b`: `b` has more of it all.
fn placed() -> World {
    let mut world = world();
    let outcome = world.run(sourced("o", Sourcing::FewestSplits, &LINES));
    assert!(matches!(outcome, Outcome::OrderPlaced { .. }), "{outcome:?}");
    world
}

fn owed() -> World {
    let mut world = placed();
    world.confirm("o");
    world
}

fn shipped() -> World {
    let mut world = owed();
    assert!(matches!(world.run(shipment("o", &[])), Outcome::OrderShipped { shipped: 7, parcel: 1, .. }));
    world
}

/// With a reservation `r` of the same lines.
fn reserved() -> World {
    let mut world = world();
    let Command::CreateReservation(creation) = cart("r", &LINES) else { panic!("no cart") };
    let creation = CreateReservation { sourcing: Sourcing::FewestSplits, ..creation };
    assert!(matches!(world.run(Command::CreateReservation(creation)), Outcome::ReservationCreated { .. }));
    world
}

fn ship(lines: Vec<LineQuantity>) -> Command {
    Command::ShipOrder(parcel("o", lines))
}

fn exceeded(lines: &[(u32, i64, i64)]) -> Rejection {
    of_holder(Holder::Order(order_id("o")), lines)
}

fn of_holder(holder: Holder, lines: &[(u32, i64, i64)]) -> Rejection {
    let line =
        |(line, asked, left): &(u32, i64, i64)| ExceededLine { line: *line, asked: *asked, left: *left };
    Rejection::QuantityExceeded { holder, lines: lines.iter().map(line).collect() }
}

fn moves(reason: Reason, steps: &[(&str, i64)]) -> Vec<(Reason, String, i64)> {
    steps.iter().map(|(place, units)| (reason, (*place).to_owned(), *units)).collect()
}

/// Shipped and returned, of each part.
fn gone(world: &World) -> Vec<(i64, i64)> {
    world.order("o").lines.iter().map(|line| (line.shipped, line.returned)).collect()
}

fn line(part: u32, quantity: i64) -> ParcelLine {
    ParcelLine { part, quantity }
}

#[test]
fn units_leave_from_the_parts_of_a_line_in_their_order() {
    let mut world = owed();
    let state = OrderState::PartiallyShipped;
    let first = Outcome::OrderShipped { order: order_id("o"), state, shipped: 4, parcel: 1 };
    assert_eq!(world.run(ship(quantities(&[(1, 4)]))), first);
    assert_eq!(gone(&world), [(3, 0), (1, 0), (0, 0)]);
    assert_eq!(world.last_movements(2), moves(Reason::Shipment, &[("a", 3), ("b", 1)]));
    world.wait(SECOND_US);
    let lines = [quantities(&[(2, 1)]), quantities_at(&[(1, "b", 1)])].concat();
    let second = Outcome::OrderShipped { order: order_id("o"), state, shipped: 2, parcel: 2 };
    assert_eq!(world.run(ship(lines)), second);
    assert_eq!(gone(&world), [(3, 0), (2, 0), (1, 0)]);
    let parcel = |shipped_us, lines| Parcel {
        shipped: LogTime::from_micros(BEGIN_US + shipped_us),
        tracking_number: "parcel".to_owned(),
        document: None,
        lines,
    };
    // In the order of the order's lines, whatever that of the request.
    let parcels = [parcel(0, vec![line(0, 3), line(1, 1)]), parcel(SECOND_US, vec![line(1, 1), line(2, 1)])];
    assert_eq!(world.order("o").parcels, parcels);
}

#[test]
fn items_of_a_part_make_one_line_of_a_parcel() {
    let mut world = owed();
    let lines = [quantities_at(&[(1, "b", 1), (1, "a", 1)]), quantities(&[(1, 3)])].concat();
    assert!(matches!(world.run(ship(lines)), Outcome::OrderShipped { shipped: 5, .. }));
    // One of b, one of a, then the two that are left of a and one of b.
    assert_eq!(world.last_movements(2), moves(Reason::Shipment, &[("a", 3), ("b", 2)]));
    assert_eq!(world.order("o").parcels[0].lines, [line(0, 3), line(1, 2)]);
}

#[test]
fn an_item_that_asks_for_too_much_takes_nothing_and_each_is_told_in_the_order_of_the_request() {
    let mut world = owed();
    let both = |at: &[_], any: &[_]| ship([quantities_at(at), quantities(any)].concat());
    assert_eq!(world.refusal(both(&[(1, "b", 3)], &[(1, 5)])), exceeded(&[(1, 3, 2)]));
    assert_eq!(world.refusal(both(&[(1, "b", 2)], &[(1, 4)])), exceeded(&[(1, 4, 3)]));
    let many = [(2, "b", 3), (1, "a", 4), (1, "a", 1)];
    assert_eq!(world.refusal(both(&many, &[(1, 5)])), exceeded(&[(2, 3, 2), (1, 4, 3), (1, 5, 4)]));
    // The first takes one of a, so two are left there.
    let lines = [quantities(&[(1, 1)]), quantities_at(&[(1, "a", 3)])].concat();
    assert_eq!(world.refusal(ship(lines)), exceeded(&[(1, 3, 2)]));
    assert_eq!(world.refusal(both(&[(2, "a", 1)], &[])), exceeded(&[(2, 1, 0)]), "none of it is there");
    let unknown = Rejection::NotFound(Resource::OrderLine(order_id("o"), 3));
    assert_eq!(world.refusal(both(&[(1, "b", 9)], &[(3, 1), (4, 1)])), unknown);
    assert_eq!(gone(&world), [(0, 0); 3]);
}

#[test]
fn a_parcel_books_its_document_and_keeps_it() {
    let mut world = owed();
    let Command::ReceiveStock(goods) = receipt("mug", "a", 1) else { panic!("no receipt") };
    world.run(Command::ReceiveStock(ReceiveStock { document: Some(document_id("in")), ..goods }));
    let with = |order: &str, document: &str, lines: &[(u32, i64)]| {
        let document = Some(document_id(document));
        Command::ShipOrder(ShipOrder { document, ..parcel(order, quantities(lines)) })
    };
    let taken = |document: &str| Rejection::AlreadyExists(Resource::Document(document_id(document)));
    assert!(matches!(world.run(with("o", "p1", &[])), Outcome::OrderShipped { .. }));
    assert_eq!(world.order("o").parcels[0].document, Some(document_id("p1")));
    assert_eq!(world.last_movement().document, Some(document_id("p1")));
    assert_eq!(world.model.document(&document_id("p1")).expect("booked").revision.get(), world.index);
    let state = OrderState::Shipped;
    let illegal = Rejection::IllegalTransition { order: order_id("o"), state, operation: Operation::Ship };
    assert_eq!(world.refusal(with("o", "p1", &[(9, 9)])), taken("p1"), "whatever became of the order since");
    assert_eq!(world.refusal(with("o", "in", &[])), taken("in"), "one name space");
    assert_eq!(world.refusal(with("o", "p2", &[])), illegal);
    assert_eq!(world.refusal(with("x", "p1", &[])), Rejection::NotFound(Resource::Order(order_id("x"))));
}

#[test]
fn the_parcels_of_an_order_have_at_most_10000_lines_together() {
    let mut world = World::with_mugs(12_000);
    world.place("o", &vec![("mug", Some("a"), 6); 2_000]);
    world.confirm("o");
    let one_each: Vec<(u32, i64)> = (1..=2_000).map(|line| (line, 1)).collect();
    for _ in 0..4 {
        assert!(matches!(world.run(shipment("o", &one_each)), Outcome::OrderShipped { .. }));
    }
    // 8,000 lines so far, and one more parcel of 2,000 must fit.
    let too_large = Rejection::TooLarge { holder: Holder::Order(order_id("o")) };
    assert_eq!(world.refusal(shipment("o", &one_each)), too_large);
    assert_eq!(world.refusal(shipment("o", &[(1, 1)])), too_large);
    assert_eq!(world.refusal(shipment("o", &[(1, 3)])), exceeded(&[(1, 3, 2)]), "which comes before");
    assert!(matches!(world.run(shipment("o", &[(1, 2)])), Outcome::OrderShipped { .. }), "1,999 are left");
    assert!(matches!(world.run(shipment("o", &[])), Outcome::OrderShipped { .. }), "just so");
    assert_eq!(world.order("o").parcels.len(), 6);
}

#[test]
fn a_part_of_what_is_held_is_cancelled() {
    let mut world = placed();
    let state = OrderState::PendingPayment;
    let cancelled = Outcome::OrderCancelled { order: order_id("o"), state, cancelled: 4 };
    assert_eq!(world.run(cancellation_of("o", quantities(&[(1, 4)]))), cancelled);
    assert_eq!(world.last_movements(2), moves(Reason::Release, &[("a", 3), ("b", 1)]));
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
    let lines = world.lines("o");
    let units: Vec<_> = lines.iter().map(|line| line.2).collect();
    assert_eq!(units, [[3, 0, 0, 3], [2, 1, 0, 1], [2, 2, 0, 0]]);
    assert_eq!(world.refusal(cancellation_of("o", quantities(&[(1, 2)]))), exceeded(&[(1, 2, 1)]));
    assert_eq!(
        world.refusal(cancellation_of("o", quantities(&[(3, 1)]))),
        Rejection::NotFound(Resource::OrderLine(order_id("o"), 3))
    );
    world.confirm("o");
    assert_eq!(world.lines("o")[1].2, [2, 0, 1, 1]);
    let state = OrderState::Cancelled;
    let lines = quantities(&[(1, 1), (2, 2)]);
    let cancelled = Outcome::OrderCancelled { order: order_id("o"), state, cancelled: 3 };
    assert_eq!(world.run(cancellation_of("o", lines)), cancelled);
    assert_eq!(world.stock("cup", "b").buckets(), [4, 0, 0, 0, 0, 0]);
    let illegal = Rejection::IllegalTransition { order: order_id("o"), state, operation: Operation::Cancel };
    assert_eq!(world.refusal(cancellation_of("o", quantities(&[(9, 1)]))), illegal);
}

#[test]
fn a_part_of_what_is_owed_at_a_location_is_cancelled() {
    let mut world = owed();
    world.run(shipment("o", &[(1, 4), (2, 2)]));
    assert_eq!(world.refusal(cancellation_of("o", quantities_at(&[(1, "a", 1)]))), exceeded(&[(1, 1, 0)]));
    let state = OrderState::Shipped;
    let cancelled = Outcome::OrderCancelled { order: order_id("o"), state, cancelled: 1 };
    assert_eq!(world.run(cancellation_of("o", quantities_at(&[(1, "b", 1)]))), cancelled);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Committed), Some(Bucket::Available)));
    assert_eq!(world.stock("mug", "b").buckets(), [1, 0, 0, 0, 0, 0]);
    assert!(matches!(world.refusal(cancellation("o")), Rejection::IllegalTransition { .. }));
}

#[test]
fn units_come_back_by_the_parts_of_a_line_to_where_they_came_from() {
    let mut world = shipped();
    let state = OrderState::PartiallyReturned;
    let returned = Outcome::OrderReturned { order: order_id("o"), state, returned: 4 };
    assert_eq!(world.run(restock("o", 1, 4)), returned);
    assert_eq!(world.last_movements(2), moves(Reason::Returned, &[("a", 3), ("b", 1)]));
    assert_eq!(gone(&world), [(3, 3), (2, 1), (2, 0)]);
    let scrap = |line, units| (line, units, Disposition::Scrap);
    let twice = Command::ReturnOrder(comeback("o", &[scrap(1, 1), scrap(2, 3), scrap(1, 1)]));
    assert_eq!(world.refusal(twice), exceeded(&[(2, 3, 2), (1, 1, 0)]));
}

#[test]
fn units_come_back_to_another_location_that_is_named() {
    let mut world = shipped();
    world.disable("c");
    let to = |location: &str, line, units, disposition| {
        let mut command = comeback("o", &[(line, units, disposition)]);
        command.lines[0].location = Some(location_id(location));
        Command::ReturnOrder(command)
    };
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(to("x", 1, 4, Disposition::Restock)), unknown);
    assert!(matches!(world.run(to("c", 1, 4, Disposition::Damaged)), Outcome::OrderReturned { .. }));
    assert_eq!(world.last_movements(2), moves(Reason::Returned, &[("c", 3), ("c", 1)]));
    assert_eq!(world.stock("mug", "c").buckets(), [0, 0, 0, 0, 4, 0]);
    assert_eq!(gone(&world), [(3, 3), (2, 1), (2, 0)]);
    // The location doesn't choose among the parts: the last mug is that of b.
    assert!(matches!(world.run(to("a", 1, 1, Disposition::Restock)), Outcome::OrderReturned { .. }));
    assert_eq!((world.mugs(), gone(&world)), ([1, 0, 0, 0, 0, 0], vec![(3, 3), (2, 2), (2, 0)]));
}

#[test]
fn what_no_bucket_counts_comes_back_to_nowhere_whatever_location_is_named() {
    let mut world = World::with_mugs(1);
    world.create_untracked("wrap");
    world.place("o", &[("wrap", None, 2)]);
    world.confirm("o");
    world.run(shipment("o", &[]));
    let to = |location: &str| {
        let mut command: ReturnOrder = comeback("o", &[(1, 1, Disposition::Restock)]);
        command.lines[0].location = Some(location_id(location));
        Command::ReturnOrder(command)
    };
    let unknown = Rejection::NotFound(Resource::Location(location_id("x")));
    assert_eq!(world.refusal(to("x")), unknown);
    assert!(matches!(world.run(to("b")), Outcome::OrderReturned { returned: 1, .. }));
    assert_eq!(world.model.ledger().len(), 1);
}

#[test]
fn units_of_a_reservation_are_released_part_by_part() {
    let mut world = reserved();
    assert!(matches!(
        world.run(release_of("r", quantities_at(&[(1, "b", 1)]))),
        Outcome::ReservationReleased { released: 1, .. }
    ));
    assert_eq!(world.parts("r"), [[3, 0, 0, 0], [1, 0, 1, 0], [2, 0, 0, 0]]);
    assert!(matches!(world.run(release("r", &[(1, 4)])), Outcome::ReservationReleased { released: 4, .. }));
    assert_eq!(world.last_movements(2), moves(Reason::Release, &[("a", 3), ("b", 1)]));
    let refusal = world.refusal(release_of("r", quantities_at(&[(2, "b", 1), (2, "b", 2), (1, "a", 1)])));
    assert_eq!(refusal, of_holder(holder("r"), &[(2, 2, 1), (1, 1, 0)]));
    assert_eq!(world.refusal(release("r", &[(3, 1)])), unknown_line("r", 3));
}

#[test]
fn the_parts_of_an_orders_lines_are_those_of_the_reservation_and_their_numbers_its_own() {
    let mut world = reserved();
    world.check_out("r", "o", &[(2, 1), (1, 4)]);
    let line = |number, place: &str, units| (number, place.to_owned(), [units, 0, units, 0]);
    assert_eq!(world.lines("o"), [line(1, "a", 3), line(1, "b", 1), line(2, "b", 1)]);
    assert_eq!(world.last_movements(3), moves(Reason::Commit, &[("a", 3), ("b", 1), ("b", 1)]));
    world.check_out("r", "p", &[(2, 1)]);
    assert_eq!(world.lines("p"), [line(1, "b", 1)]);
    let at_b = quantities_at(&[(1, "b", 1)]);
    let last = CommitReservation { lines: at_b, ..paid("r", "q", &[]) };
    assert!(matches!(world.run(Command::CommitReservation(last)), Outcome::ReservationCommitted { .. }));
    assert_eq!(world.lines("q"), [line(1, "b", 1)]);
    assert!(matches!(world.run(shipment("q", &[(1, 1)])), Outcome::OrderShipped { parcel: 1, .. }));
}

#[test]
fn each_part_of_a_line_moves_for_itself() {
    let mut world = reserved();
    world.receive("mug", "c", 4);
    let shortage = Shortage {
        line: 1,
        sku: sku_id("mug"),
        location: Some(location_id("c")),
        together: false,
        bucket: Bucket::Available,
        asked: 2,
        available: 1,
        next_expiry: Some(LogTime::from_micros(BEGIN_US + HOLD_US)),
    };
    let short = Rejection::InsufficientStock { shortages: vec![shortage] };
    assert_eq!(world.refusal(transfer("r", &[1], "c")), short);
    world.receive("mug", "c", 1);
    assert!(matches!(world.run(transfer("r", &[1], "c")), Outcome::ReservationMoved { moved: 5, .. }));
    assert_eq!(world.stock("mug", "c").buckets(), [0, 5, 0, 0, 0, 0]);
    // They stay two parts, both of which are there now.
    let released = world.run(release_of("r", quantities_at(&[(1, "c", 4)])));
    assert!(matches!(released, Outcome::ReservationReleased { released: 4, .. }), "{released:?}");
    assert_eq!(world.parts("r"), [[0, 0, 3, 0], [1, 0, 1, 0], [2, 0, 0, 0]]);
}
