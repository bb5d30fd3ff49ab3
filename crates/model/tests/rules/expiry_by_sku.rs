//! Holds that end: those that a command names, and those on what is short.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{
    AdjustStock, Command, CreateReservation, ExpireDue, MoveStock, PlaceOrder,
};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{OrderId, ReservationId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::reservation::ReservationState;
use stockade_state_machine::stock::Bucket;

use crate::carts::{cart, extension, holder, paid, release, reservation_id, transfer, unpaid};
use crate::world::{BEGIN_US, HOLD_US, SECOND_US, World, location_id, order_id, placement, sku_id, version};

/// A world with so many cups and mugs at `a`.
fn world(cups: i64, mugs: i64) -> World {
    let mut world = World::with_mugs(mugs);
    world.create("cup");
    world.receive("cup", "a", cups);
    world
}

fn sweep(world: &mut World, limit: u32) -> Outcome {
    world.run_under(None, Command::ExpireDue(ExpireDue { limit })).outcome
}

fn expired(reservation: &str, expired_us: u64) -> Rejection {
    Rejection::ReservationExpired { holder: holder(reservation), expired: LogTime::from_micros(expired_us) }
}

/// What each shortage of a refusal says of the next hold that ends, in microseconds after the beginning.
fn next_expiries(refusal: Rejection) -> Vec<Option<u64>> {
    let Rejection::InsufficientStock { shortages } = refusal else { panic!("{refusal:?} is no shortage") };
    let after_begin = |time: LogTime| time.micros() - BEGIN_US;
    shortages.into_iter().map(|shortage| shortage.next_expiry.map(after_begin)).collect()
}

fn held_for(order: &str, lines: &[(&str, Option<&str>, i64)], hold_us: u64) -> Command {
    let Command::PlaceOrder(command) = placement(order, lines) else { panic!("no placement") };
    Command::PlaceOrder(PlaceOrder { hold_us, ..command })
}

fn cart_for(reservation: &str, lines: &[(&str, Option<&str>, i64)], hold_us: u64) -> Command {
    let Command::CreateReservation(command) = cart(reservation, lines) else { panic!("no cart") };
    Command::CreateReservation(CreateReservation { hold_us, ..command })
}

/// Who expired, in the order of the ledger.
fn expired_in_ledger(world: &World) -> Vec<String> {
    let expiries = world.model.ledger().filter(|entry| entry.reason == Reason::Expiry);
    let name =
        |order: Option<&str>, reservation: Option<&str>| order.or(reservation).expect("one").to_owned();
    expiries
        .map(|entry| {
            name(
                entry.order.as_ref().map(OrderId::as_str),
                entry.reservation.as_ref().map(ReservationId::as_str),
            )
        })
        .collect()
}

#[test]
fn a_reservation_whose_time_is_over_gives_back_what_is_open_line_by_line() {
    let mut world = world(2, 5);
    world.reserve("r", &[("mug", None, 3), ("cup", None, 2), ("mug", None, 1)]);
    world.check_out("r", "o", &[(1, 1)]);
    world.run(release("r", &[(3, 1)]));
    world.wait(HOLD_US);
    assert_eq!(sweep(&mut world, 9), Outcome::DueExpired { holds: 1, more: false });
    assert_eq!(world.parts("r"), [[0, 1, 0, 2], [0, 0, 0, 2], [0, 0, 1, 0]]);
    assert_eq!(world.reservation_state("r"), ReservationState::Committed);
    assert_eq!(world.mugs(), [4, 0, 1, 0, 0, 0]);
    assert_eq!(world.reservation("r").version, version(world.index, 0));
    let movements: Vec<_> = world
        .model
        .ledger()
        .filter(|entry| entry.reason == Reason::Expiry)
        .map(|entry| (entry.sku.to_string(), entry.quantity))
        .collect();
    assert_eq!(movements, [("mug".to_owned(), 2), ("cup".to_owned(), 2)]);
    let movement = world.last_movement();
    assert_eq!((movement.actor, movement.request, movement.order), (None, None, None));
    assert_eq!(movement.reservation, Some(reservation_id("r")));
}

#[test]
fn what_names_a_due_reservation_expires_it_and_is_refused_however_some_of_it_was_committed() {
    for command in [
        extension("r", HOLD_US),
        release("r", &[]),
        transfer("r", &[], "b"),
        Command::CommitReservation(paid("r", "p", &[])),
        Command::CommitReservation(unpaid("r", "p", &[], HOLD_US)),
    ] {
        let mut world = World::with_mugs(5);
        world.reserve("r", &[("mug", None, 3)]);
        world.check_out("r", "o", &[(1, 1)]);
        world.wait(HOLD_US);
        assert_eq!(world.refusal(command.clone()), expired("r", BEGIN_US + HOLD_US));
        assert_eq!((world.mugs(), world.parts("r")), ([4, 0, 1, 0, 0, 0], vec![[0, 1, 0, 2]]));
        assert_eq!(world.refusal(command), expired("r", BEGIN_US + HOLD_US), "and stays so");
    }
}

#[test]
fn a_second_creation_expires_the_first_that_is_due_and_its_id_is_taken() {
    let mut world = World::with_mugs(5);
    world.reserve("r", &[("mug", None, 3)]);
    world.wait(HOLD_US);
    let taken = Rejection::AlreadyExists(Resource::Reservation(reservation_id("r")));
    assert_eq!(world.refusal(cart("r", &[("mug", None, 1)])), taken);
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
}

#[test]
fn a_commit_expires_the_reservation_that_it_names_and_then_the_order() {
    let mut world = World::with_mugs(5);
    world.run(held_for("z", &[("mug", None, 1)], SECOND_US));
    world.reserve("r", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let taken = Rejection::AlreadyExists(Resource::Order(order_id("z")));
    assert_eq!(world.refusal(Command::CommitReservation(paid("r", "z", &[]))), taken);
    assert_eq!(expired_in_ledger(&world), ["r", "z"], "though the order ended first");
}

#[test]
fn a_short_command_expires_what_is_due_of_the_skus_that_are_short_and_nothing_else() {
    let mut world = world(2, 3);
    world.place("cups", &[("cup", None, 1)]);
    world.reserve("both", &[("cup", None, 1), ("mug", None, 1)]);
    world.reserve("mugs", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    world.place("o", &[("mug", None, 3)]);
    assert_eq!(world.state("cups"), OrderState::PendingPayment);
    assert_eq!(world.reservation_state("mugs"), ReservationState::Expired);
    assert_eq!(world.parts("both"), [[0, 0, 0, 1], [0, 0, 0, 1]], "a holder expires whole");
    assert_eq!(world.stock("cup", "a").buckets(), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_command_that_finds_enough_expires_nothing() {
    let mut world = world(1, 2);
    world.reserve("r", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    world.place("o", &[("mug", None, 1)]);
    assert_eq!(world.reservation_state("r"), ReservationState::Active);
}

#[test]
fn holds_that_end_at_one_time_expire_orders_first_and_then_by_id() {
    let mut world = World::with_mugs(5);
    world.run(cart_for("late", &[("mug", None, 1)], HOLD_US + 1));
    world.reserve("b", &[("mug", None, 1)]);
    world.reserve("a", &[("mug", None, 1)]);
    world.place("z", &[("mug", None, 1)]);
    world.place("y", &[("mug", None, 1)]);
    world.wait(HOLD_US + 1);
    assert_eq!(sweep(&mut world, 3), Outcome::DueExpired { holds: 3, more: true });
    assert_eq!(expired_in_ledger(&world), ["y", "z", "a"]);
    world.place("o", &[("mug", None, 5)]);
    assert_eq!(expired_in_ledger(&world), ["y", "z", "a", "b", "late"], "the longest due first");
}

#[test]
fn a_short_move_of_a_reservation_expires_what_is_due_of_its_skus_wherever_it_is() {
    let mut world = World::with_mugs(2);
    world.receive("mug", "b", 1);
    world.run(cart_for("due", &[("mug", Some("b"), 1)], SECOND_US));
    world.run(cart_for("elsewhere", &[("mug", Some("a"), 1)], SECOND_US));
    world.reserve("r", &[("mug", Some("a"), 1)]);
    world.wait(SECOND_US);
    assert!(matches!(world.run(transfer("r", &[], "b")), Outcome::ReservationMoved { moved: 1, .. }));
    assert_eq!(world.reservation_state("elsewhere"), ReservationState::Expired);
    assert_eq!(world.stock("mug", "b").buckets(), [0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_million_due_of_another_sku_keep_nobody_waiting() {
    let many = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let mut world = world(many, 1);
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("cup", None, 1)]));
    world.run_all(carts.collect());
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    world.place("p", &[("mug", None, 1)]);
    assert_eq!(world.state("o"), OrderState::Expired);
    assert_eq!(world.stock("cup", "a").buckets(), [0, many, 0, 0, 0, 0]);
}

#[test]
fn a_command_that_is_short_behind_a_full_batch_of_its_skus_is_to_be_tried_again() {
    let many = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let mut world = world(1, many);
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("mug", None, 1)]));
    world.run_all(carts.collect());
    world.reserve("cups", &[("cup", None, 1)]);
    world.wait(HOLD_US);
    let origin = world.new_origin();
    let command = placement("o", &[("mug", None, many)]);
    let reply = world.run_under(Some(origin.clone()), command.clone());
    assert_eq!(reply.outcome, Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert!(world.model.request(&origin).is_none());
    assert_eq!(world.mugs(), [many - 1, 1, 0, 0, 0, 0]);
    let reply = world.run_under(Some(origin), command);
    assert!(matches!(reply.outcome, Outcome::OrderPlaced { .. }), "{reply:?}");
    assert_eq!(world.reservation_state("cups"), ReservationState::Active);
}

#[test]
fn the_refusal_stands_where_what_is_short_then_is_not_due_though_other_things_are() {
    let many = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let mut world = world(many, 2);
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("cup", None, 1)]));
    world.run_all(carts.collect());
    world.wait(HOLD_US);
    world.reserve("mug", &[("mug", None, 1)]);
    // At first both are short; a thousand cups come back, and only mugs are short then.
    let refusal = world.refusal(placement("o", &[("cup", None, 1_000), ("mug", None, 2)]));
    assert!(
        matches!(&refusal, Rejection::InsufficientStock { shortages } if shortages.len() == 1),
        "{refusal:?}"
    );
    assert_eq!(world.stock("cup", "a").buckets(), [many - 1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_shortage_tells_when_the_next_hold_on_its_sku_ends_wherever_it_is() {
    let mut world = world(3, 3);
    world.receive("mug", "b", 1);
    assert_eq!(next_expiries(world.refusal(placement("o", &[("mug", None, 9)]))), [None]);
    world.run(held_for("cups", &[("cup", None, 1)], SECOND_US));
    world.run(held_for("late", &[("mug", None, 1)], 9 * SECOND_US));
    world.run(cart_for("soon", &[("mug", Some("b"), 1)], 5 * SECOND_US));
    let short = [("mug", Some("a"), 9), ("cup", None, 9), ("mug", None, 9)];
    let [five, nine, one] = [5, 9, 1].map(|seconds| Some(seconds * SECOND_US));
    assert_eq!(next_expiries(world.refusal(placement("o", &short))), [five, one, five]);
    assert_eq!(next_expiries(world.refusal(cart("r", &short))), [five, one, five]);
    world.wait(5 * SECOND_US);
    assert_eq!(next_expiries(world.refusal(placement("p", &short))), [nine, None, nine]);
    assert_eq!(world.reservation_state("soon"), ReservationState::Active, "its end would not help");
}

#[test]
fn a_hold_that_was_paid_released_or_extended_is_told_as_it_is_now() {
    let mut world = World::with_mugs(4);
    for reservation in ["paid", "released", "extended"] {
        world.reserve(reservation, &[("mug", None, 1)]);
    }
    world.check_out("paid", "o", &[]);
    world.run(release("released", &[]));
    world.run(extension("extended", 2 * HOLD_US));
    assert_eq!(next_expiries(world.refusal(placement("p", &[("mug", None, 9)]))), [Some(2 * HOLD_US)]);
    world.run(Command::CommitReservation(unpaid("extended", "q", &[], SECOND_US)));
    assert_eq!(next_expiries(world.refusal(placement("p", &[("mug", None, 9)]))), [Some(SECOND_US)]);
}

#[test]
fn stock_that_is_taken_from_available_tells_the_next_expiry_and_from_other_buckets_none() {
    let mut world = World::with_mugs(3);
    world.reserve("r", &[("mug", None, 1)]);
    let adjust = |bucket| {
        Command::AdjustStock(AdjustStock {
            sku: sku_id("mug"),
            location: location_id("a"),
            bucket,
            delta: -9,
            reason: Reason::Shrinkage,
            document: None,
            reference: String::new(),
        })
    };
    let moving = |from, to| {
        Command::MoveStock(MoveStock {
            sku: sku_id("mug"),
            location: location_id("a"),
            from,
            to,
            quantity: 9,
            reason: Reason::Damaged,
            document: None,
            reference: String::new(),
        })
    };
    let (available, damaged) = (Bucket::Available, Bucket::Damaged);
    assert_eq!(next_expiries(world.refusal(adjust(available))), [Some(HOLD_US)]);
    assert_eq!(next_expiries(world.refusal(moving(available, damaged))), [Some(HOLD_US)]);
    world.wait(HOLD_US);
    assert_eq!(next_expiries(world.refusal(adjust(damaged))), [None]);
    assert_eq!(next_expiries(world.refusal(moving(damaged, available))), [None]);
    assert_eq!(
        world.reservation_state("r"),
        ReservationState::Active,
        "another bucket is short: nothing expires"
    );
    assert_eq!(next_expiries(world.refusal(adjust(available))), [None]);
    assert_eq!(world.reservation_state("r"), ReservationState::Active, "there are not nine, held or not");
}

#[test]
fn where_the_end_of_holds_could_not_help_nothing_expires() {
    let mut world = world(1, 3);
    world.receive("mug", "b", 2);
    world.reserve("r", &[("mug", Some("a"), 3)]);
    world.wait(HOLD_US);
    for hopeless in [
        [("mug", None, 4), ("cup", None, 1)],
        [("mug", Some("b"), 3), ("cup", None, 1)],
        [("mug", None, 3), ("cup", None, 2)],
    ] {
        let refusal = world.refusal(placement("o", &hopeless));
        assert!(matches!(refusal, Rejection::InsufficientStock { .. }), "{refusal:?}");
        assert_eq!(world.reservation_state("r"), ReservationState::Active);
    }
    world.place("o", &[("mug", None, 3), ("cup", None, 1)]);
    assert_eq!(world.reservation_state("r"), ReservationState::Expired);
}

#[test]
fn an_entry_expires_no_more_once_that_has_ten_thousand_lines() {
    let mut world = World::with_mugs(12_000);
    for number in 0..6 {
        world.reserve(&format!("r{number}"), &vec![("mug", None, 1); 2_000]);
    }
    world.wait(HOLD_US);
    let all = placement("o", &[("mug", None, 12_000)]);
    assert_eq!(world.run(all.clone()), Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert_eq!(world.mugs(), [10_000, 2_000, 0, 0, 0, 0]);
    assert_eq!(world.reservation_state("r5"), ReservationState::Active);
    assert!(matches!(world.run(all), Outcome::OrderPlaced { .. }));
}

#[test]
fn an_order_of_a_reservation_is_held_by_its_own_end() {
    let mut world = World::with_mugs(2);
    world.run(cart_for("r", &[("mug", None, 2)], HOLD_US));
    world.run(Command::CommitReservation(unpaid("r", "o", &[(1, 1)], 3 * HOLD_US)));
    world.wait(2 * HOLD_US);
    let refusal = world.refusal(placement("p", &[("mug", None, 2)]));
    assert_eq!(next_expiries(refusal), [Some(3 * HOLD_US)]);
    assert_eq!((world.parts("r"), world.state("o")), (vec![[0, 1, 0, 1]], OrderState::PendingPayment));
    world.wait(HOLD_US);
    let due = Rejection::ReservationExpired {
        holder: Holder::Order(order_id("o")),
        expired: LogTime::from_micros(BEGIN_US + 3 * HOLD_US),
    };
    assert_eq!(world.refusal(crate::world::confirmation("o")), due);
}

#[test]
fn a_hold_on_units_that_no_bucket_counts_is_none_on_its_sku() {
    let mut world = World::with_mugs(1);
    world.create_untracked("wrap");
    world.reserve("r", &[("wrap", None, 3)]);
    let refusal = |world: &mut World| {
        world.refusal(Command::MoveStock(MoveStock {
            sku: sku_id("wrap"),
            location: location_id("a"),
            from: Bucket::Available,
            to: Bucket::Damaged,
            quantity: 1,
            reason: Reason::Damaged,
            document: None,
            reference: String::new(),
        }))
    };
    assert_eq!(next_expiries(refusal(&mut world)), [None]);
    world.wait(HOLD_US);
    assert_eq!(next_expiries(refusal(&mut world)), [None]);
    assert_eq!(world.reservation_state("r"), ReservationState::Active);
}
