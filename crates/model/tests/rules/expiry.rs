//! Holds that end.

use stockade_state_machine::LogTime;
use stockade_state_machine::command::{AdjustStock, Command, ExpireDue};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::order::{Operation, OrderState};
use stockade_state_machine::outcome::{Outcome, Reply};
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::stock::Bucket;

use crate::world::{
    BEGIN_US, HOLD_US, SECOND_US, World, cancellation, confirmation, location_id, order_id, placement,
    shipment, sku_id,
};

fn sweep(world: &mut World, limit: u32) -> Reply {
    world.run_under(None, Command::ExpireDue(ExpireDue { limit }))
}

/// So many unpaid orders of a mug each, all due at once, and no mug left.
fn many_due(orders: usize) -> World {
    let mut world = World::with_mugs(i64::try_from(orders).expect("few orders"));
    let commands = (0..orders).map(|number| placement(&format!("o{number:05}"), &[("mug", None, 1)]));
    world.run_all(commands.collect());
    world.wait(HOLD_US);
    world
}

#[test]
fn an_order_is_paid_until_the_microsecond_before_its_hold_ends() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US - 1);
    world.confirm("o");
}

#[test]
fn a_payment_at_the_end_of_the_hold_is_too_late() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let expired = LogTime::from_micros(BEGIN_US + HOLD_US);
    let late = Rejection::ReservationExpired { holder: Holder::Order(order_id("o")), expired };
    assert_eq!(world.refusal(confirmation("o")), late);
    assert_eq!(world.state("o"), OrderState::Expired);
    assert_eq!(world.mugs(), [1, 0, 0, 0, 0, 0]);
    let movement = world.last_movement();
    assert_eq!((movement.reason, movement.actor, movement.request), (Reason::Expiry, None, None));
    assert_eq!(world.refusal(confirmation("o")), late, "and stays so");
}

#[test]
fn other_commands_expire_a_due_order_that_they_name_and_are_refused() {
    for (command, operation) in
        [(shipment("o", &[]), Operation::Ship), (cancellation("o"), Operation::Cancel)]
    {
        let mut world = World::with_mugs(1);
        world.place("o", &[("mug", None, 1)]);
        world.wait(HOLD_US);
        let state = OrderState::Expired;
        let illegal = Rejection::IllegalTransition { order: order_id("o"), state, operation };
        assert_eq!(world.refusal(command), illegal);
        assert_eq!(world.state("o"), state);
    }
}

#[test]
fn a_command_that_names_no_due_order_expires_none() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    world.place("p", &[("mug", None, 1)]);
    assert_eq!(world.state("o"), OrderState::PendingPayment);
    assert_eq!(world.mugs(), [0, 2, 0, 0, 0, 0]);
}

#[test]
fn a_short_order_takes_the_units_of_holds_that_ended() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    world.place("p", &[("mug", None, 1)]);
    assert_eq!((world.state("o"), world.state("p")), (OrderState::Expired, OrderState::PendingPayment));
    let last: Vec<_> = world.model.ledger().skip(2).map(|entry| (entry.reason, entry.position)).collect();
    assert_eq!(last, [(Reason::Expiry, 0), (Reason::Reservation, 1)]);
}

#[test]
fn a_short_adjustment_takes_the_units_of_holds_that_ended() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let outcome = world.run(Command::AdjustStock(AdjustStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        bucket: Bucket::Available,
        delta: -1,
        reason: Reason::Shrinkage,
        document: None,
        reference: String::new(),
    }));
    assert!(matches!(outcome, Outcome::StockAdjusted(..)));
    assert_eq!(world.mugs(), [0; 6]);
}

#[test]
fn what_was_due_stays_expired_where_the_command_is_short_all_the_same() {
    let mut world = World::with_mugs(2);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US / 2);
    world.place("held", &[("mug", None, 1)]);
    world.wait(HOLD_US / 2);
    let refusal = world.refusal(placement("p", &[("mug", None, 2)]));
    assert!(matches!(&refusal, Rejection::InsufficientStock { shortages } if shortages[0].available == 1));
    assert_eq!((world.state("o"), world.state("held")), (OrderState::Expired, OrderState::PendingPayment));
}

#[test]
fn a_command_that_is_short_behind_a_full_batch_is_to_be_tried_again_and_not_recorded() {
    let mut world = many_due(MAX_EXPIRE_BATCH + 1);
    let origin = world.new_origin();
    let units = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let command = placement("big", &[("mug", None, units)]);
    let reply = world.run_under(Some(origin.clone()), command.clone());
    assert_eq!(reply.outcome, Outcome::Rejected(Rejection::RetryAfterExpiry));
    assert!(world.model.requests().all(|(recorded, _)| *recorded != origin));
    assert_eq!(world.mugs(), [units - 1, 1, 0, 0, 0, 0]);
    let swept = sweep(&mut world, 1_000);
    assert_eq!(swept.outcome, Outcome::DueExpired { holds: 1, more: false });
    let reply = world.run_under(Some(origin), command);
    assert!(matches!(reply.outcome, Outcome::OrderPlaced { .. }) && !reply.replayed);
}

#[test]
fn a_sweep_expires_no_more_than_a_batch() {
    let mut world = many_due(MAX_EXPIRE_BATCH + 1);
    let swept = sweep(&mut world, u32::MAX);
    assert_eq!(swept.outcome, Outcome::DueExpired { holds: 1_000, more: true });
}

#[test]
fn a_sweep_takes_what_ended_first_and_then_by_id() {
    let mut world = World::with_mugs(3);
    world.place("z", &[("mug", None, 1)]);
    world.wait(SECOND_US);
    world.place("y", &[("mug", None, 1)]);
    world.place("x", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let outcome = sweep(&mut world, 2).outcome;
    assert_eq!(outcome, Outcome::DueExpired { holds: 2, more: true });
    assert_eq!((world.state("z"), world.state("x")), (OrderState::Expired, OrderState::Expired));
    assert_eq!(world.state("y"), OrderState::PendingPayment);
    assert_eq!(sweep(&mut world, 0).outcome, Outcome::DueExpired { holds: 0, more: true });
}

#[test]
fn a_sweep_leaves_holds_that_last_and_paid_orders() {
    let mut world = World::paid_order(2);
    world.wait(HOLD_US);
    world.receive("mug", "a", 1);
    world.place("p", &[("mug", None, 1)]);
    assert_eq!(sweep(&mut world, 9).outcome, Outcome::DueExpired { holds: 0, more: false });
    assert_eq!((world.state("o"), world.state("p")), (OrderState::Confirmed, OrderState::PendingPayment));
}

#[test]
fn log_time_that_goes_back_changes_nothing() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    assert_eq!(sweep(&mut world, 0).time.micros(), BEGIN_US + HOLD_US);
    world.now_us = BEGIN_US;
    assert_eq!(sweep(&mut world, 9).time.micros(), BEGIN_US + HOLD_US);
    assert_eq!(world.state("o"), OrderState::Expired);
}
