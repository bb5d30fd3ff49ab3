//! Units of a reservation go to orders.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{Command, CommitReservation, DeleteSku, SkuChange};
use stockade_state_machine::ids::CustomerId;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{ExceededLine, LimitBreach, Rejection, Resource};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::carts::{
    holder, paid, release, reservation_id, settled, transfer, unknown_line, unknown_reservation, unpaid,
};
use crate::world::{
    BEGIN_US, HOLD_US, SECOND_US, World, cancellation, confirmation, location_id, order_id, shipment, sku_id,
    version,
};

/// A world with six mugs at `a` and a reservation `r` of lines of three and two of them.
fn reserved() -> World {
    let mut world = World::with_mugs(6);
    world.reserve("r", &[("mug", None, 3), ("mug", None, 2)]);
    world
}

fn commit(command: CommitReservation) -> Command {
    Command::CommitReservation(command)
}

#[test]
fn a_paid_order_is_born_confirmed_and_its_units_committed() {
    let mut world = reserved();
    world.wait(SECOND_US);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let committed = Outcome::ReservationCommitted {
        reservation: reservation_id("r"),
        state: ReservationState::PartiallyCommitted,
        order: order_id("o"),
        order_state: OrderState::Confirmed,
        expires,
        committed: 3,
    };
    assert_eq!(world.run(commit(paid("r", "o", &[(2, 1), (1, 1), (1, 1)]))), committed);
    assert_eq!(world.mugs(), [1, 2, 3, 0, 0, 0]);
    assert_eq!(world.parts("r"), [[1, 2, 0, 0], [1, 1, 0, 0]]);
    let order = world.order("o");
    let lines: Vec<_> = order.lines.iter().map(|line| (line.ordered, line.held, line.allocated)).collect();
    assert_eq!(lines, [(2, 0, 2), (1, 0, 1)]);
    assert_eq!((order.expires, order.payment_reference.as_str()), (expires, "card"));
    assert_eq!(order.created, LogTime::from_micros(BEGIN_US + SECOND_US));
    assert_eq!((order.version, world.reservation("r").version), (version(world.index, 0), order.version));
    let last: Vec<_> = world.model.ledger().skip(3).map(|entry| entry.quantity).collect();
    assert_eq!(last, [2, 1]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to), (Some(Bucket::Reserved), Some(Bucket::Committed)));
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::Commit, ""));
    assert_eq!((movement.order, movement.reservation), (Some(order_id("o")), Some(reservation_id("r"))));
    assert!(matches!(world.run(shipment("o", &[])), Outcome::OrderShipped { shipped: 3, .. }));
}

#[test]
fn an_unpaid_order_takes_the_hold_over_and_nothing_moves() {
    let mut world = reserved();
    world.wait(SECOND_US);
    let (mugs, movements) = (world.stock("mug", "a"), world.model.ledger().count());
    let expires = LogTime::from_micros(BEGIN_US + SECOND_US + 7 * HOLD_US);
    let committed = Outcome::ReservationCommitted {
        reservation: reservation_id("r"),
        state: ReservationState::Committed,
        order: order_id("o"),
        order_state: OrderState::PendingPayment,
        expires,
        committed: 5,
    };
    assert_eq!(world.run(commit(unpaid("r", "o", &[], 7 * HOLD_US))), committed);
    assert_eq!((world.stock("mug", "a"), world.model.ledger().count()), (mugs, movements));
    let order = world.order("o");
    assert_eq!((order.expires, order.payment_reference.as_str()), (expires, ""));
    assert_eq!(order.lines.iter().map(|line| line.held).collect::<Vec<_>>(), [3, 2]);
    world.wait(6 * HOLD_US);
    world.confirm("o");
    let movement = world.last_movement();
    assert_eq!((movement.order, movement.reservation), (Some(order_id("o")), None));
    assert_eq!(world.mugs(), [1, 0, 5, 0, 0, 0]);
}

#[test]
fn an_unpaid_order_of_a_reservation_is_cancelled_and_expires_like_any_other() {
    let mut world = reserved();
    world.run(commit(unpaid("r", "o", &[(1, 3)], SECOND_US)));
    world.run(commit(unpaid("r", "p", &[(2, 1)], HOLD_US)));
    assert!(matches!(world.run(cancellation("p")), Outcome::OrderCancelled { cancelled: 1, .. }));
    world.wait(SECOND_US);
    assert!(matches!(world.refusal(confirmation("o")), Rejection::ReservationExpired { .. }));
    assert_eq!(world.mugs(), [5, 1, 0, 0, 0, 0]);
    assert_eq!(world.reservation_state("r"), ReservationState::PartiallyCommitted);
}

#[test]
fn the_customer_is_the_one_named_or_else_the_reservations() {
    let mut world = reserved();
    world.run(commit(paid("r", "o", &[(1, 1)])));
    let ben = CustomerId::new("ben").ok();
    world.run(commit(CommitReservation { customer: ben.clone(), ..paid("r", "p", &[(1, 1)]) }));
    assert_eq!(world.order("o").customer, CustomerId::new("ann").ok());
    assert_eq!(world.order("p").customer, ben);
    assert_eq!(world.order("p").currency, world.reservation("r").currency);
}

#[test]
fn an_order_has_no_line_for_a_line_of_which_nothing_is_open() {
    let mut world = reserved();
    world.run(release("r", &[(1, 3)]));
    world.check_out("r", "o", &[]);
    assert_eq!(world.order("o").lines.iter().map(|line| line.ordered).collect::<Vec<_>>(), [2]);
    assert_eq!(world.reservation_state("r"), ReservationState::Committed);
}

#[test]
fn an_order_takes_units_from_where_they_are_held_now() {
    let mut world = reserved();
    world.receive("mug", "b", 5);
    world.check_out("r", "o", &[(1, 1)]);
    world.run(transfer("r", &[], "b"));
    world.disable("b");
    world.check_out("r", "p", &[]);
    let locations =
        |order: &str| world.order(order).lines.iter().map(|it| it.location.clone()).collect::<Vec<_>>();
    assert_eq!(locations("o"), [Some(location_id("a"))]);
    assert_eq!(locations("p"), vec![Some(location_id("b")); 2], "a disabled location keeps its promise");
    assert_eq!(world.stock("mug", "b").buckets(), [1, 0, 4, 0, 0, 0]);
}

#[test]
fn what_forbids_a_commit_is_told_in_the_order_of_precedence() {
    let mut world = World::with_mugs(9);
    world.create_untracked("wrap");
    world.reserve("r", &[("mug", None, 5), ("wrap", None, 1)]);
    world.reserve("gone", &[("mug", None, 1)]);
    world.run(release("gone", &[]));
    world.place("o", &[("mug", None, 1)]);
    world.change("mug", SkuChange { max_per_order: Some(1), ..SkuChange::default() });
    let wrap = DeleteSku { sku: sku_id("wrap"), expected: None };
    assert_eq!(world.run(Command::DeleteSku(wrap)), Outcome::SkuDeleted);
    let taken = Rejection::AlreadyExists(Resource::Order(order_id("o")));
    assert_eq!(world.refusal(commit(paid("x", "o", &[]))), taken);
    assert_eq!(world.refusal(commit(paid("x", "p", &[]))), unknown_reservation("x"));
    let nothing = settled("gone", ReservationState::Released);
    assert_eq!(world.refusal(commit(paid("gone", "p", &[(7, 1)]))), nothing);
    assert_eq!(world.refusal(commit(paid("r", "p", &[(1, 9), (3, 1)]))), unknown_line("r", 3));
    let lines = vec![ExceededLine { line: 1, asked: 5, left: 1 }];
    let exceeded = Rejection::QuantityExceeded { holder: holder("r"), lines };
    assert_eq!(world.refusal(commit(paid("r", "p", &[(2, 1), (1, 4), (1, 5)]))), exceeded);
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("wrap")));
    assert_eq!(world.refusal(commit(paid("r", "p", &[]))), unknown);
    let breaches = vec![LimitBreach { sku: sku_id("mug"), asked: 2, min: 0, max: 1 }];
    assert_eq!(world.refusal(commit(paid("r", "p", &[(1, 2)]))), Rejection::PurchaseLimit { breaches });
    world.check_out("r", "p", &[(1, 1)]);
}

#[test]
fn limits_bind_the_sum_of_what_an_order_takes_and_not_what_is_reserved() {
    let mut world = reserved();
    let limits = SkuChange { min_per_order: Some(2), max_per_order: Some(3), ..SkuChange::default() };
    world.change("mug", limits);
    let breaches = |asked| vec![LimitBreach { sku: sku_id("mug"), asked, min: 2, max: 3 }];
    let refusal = world.refusal(commit(unpaid("r", "o", &[], HOLD_US)));
    assert_eq!(refusal, Rejection::PurchaseLimit { breaches: breaches(5) });
    let refusal = world.refusal(commit(unpaid("r", "o", &[(1, 1)], HOLD_US)));
    assert_eq!(refusal, Rejection::PurchaseLimit { breaches: breaches(1) });
    world.check_out("r", "o", &[(1, 1), (2, 1)]);
}

#[test]
fn units_that_no_bucket_counts_go_to_an_order_and_move_nothing() {
    let mut world = World::with_mugs(1);
    world.create_untracked("wrap");
    world.reserve("r", &[("wrap", None, 3)]);
    world.check_out("r", "o", &[(1, 2)]);
    let order = world.order("o");
    assert_eq!((order.lines[0].location.as_ref(), order.lines[0].allocated), (None, 2));
    assert_eq!((world.model.ledger().count(), world.parts("r")), (1, vec![[1, 2, 0, 0]]));
}

#[test]
fn a_commit_and_what_follows_may_stand_in_one_entry() {
    let mut world = reserved();
    let commands = vec![commit(unpaid("r", "o", &[(1, 1)], HOLD_US)), confirmation("o"), release("r", &[])];
    let replies = world.run_all(commands);
    assert!(replies.iter().all(|reply| !matches!(reply.outcome, Outcome::Rejected(_))), "{replies:?}");
    assert_eq!((world.mugs(), world.order("o").version), ([5, 0, 1, 0, 0, 0], version(world.index, 1)));
}
