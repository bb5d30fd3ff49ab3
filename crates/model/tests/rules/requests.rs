//! Request ids and what is kept of them.

use stockade_model::RequestLimits;
use stockade_state_machine::command::{Command, Origin};
use stockade_state_machine::limits::{MAX_REQUEST_AHEAD_MS, REQUEST_RETENTION_MS, REQUEST_TRIM_BATCH};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;

use crate::world::{BEGIN_US, World, origin_at, placement, principal, receipt, request, transaction};

const BEGIN_MS: u64 = BEGIN_US / 1_000;

fn expired(horizon_ms: u64) -> Outcome {
    Outcome::Rejected(Rejection::RequestIdExpired { horizon_ms })
}

fn kept(world: &World) -> Vec<Origin> {
    world.model.requests().map(|(origin, _)| origin.clone()).collect()
}

#[test]
fn the_same_request_again_gives_its_first_outcome() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let first = world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    world.wait(1_000_000);
    let again = world.run_under(Some(origin), receipt("mug", "a", 1));
    assert!(!first.replayed && again.replayed);
    assert_eq!((&again.outcome, again.revision), (&first.outcome, first.revision));
    assert_eq!((again.position, again.time), (first.position, first.time));
    assert_eq!(world.mugs(), [2, 0, 0, 0, 0, 0]);
}

#[test]
fn the_same_request_twice_in_an_entry_takes_effect_once() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let twice = request(Some(origin), receipt("mug", "a", 1));
    let replies = world.apply(vec![twice.clone(), twice]);
    assert!(replies[1].replayed && replies[1].position == 0);
    assert_eq!(world.mugs(), [2, 0, 0, 0, 0, 0]);
}

#[test]
fn a_refusal_is_kept_and_stays_one() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let first = world.run_under(Some(origin.clone()), placement("o", &[("mug", None, 2)]));
    world.receive("mug", "a", 1);
    let again = world.run_under(Some(origin), placement("o", &[("mug", None, 2)]));
    assert!(again.replayed);
    assert_eq!(again.outcome, first.outcome);
}

#[test]
fn an_id_with_other_content_is_reused_and_its_record_stays() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    let other = world.run_under(Some(origin.clone()), receipt("mug", "a", 2));
    assert_eq!(other.outcome, Outcome::Rejected(Rejection::RequestIdReused));
    assert!(!other.replayed && other.revision.get() == 4);
    assert!(world.run_under(Some(origin), receipt("mug", "a", 1)).replayed);
}

#[test]
fn ids_are_scoped_to_their_caller() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let other = Origin { principal: principal("other"), ..origin.clone() };
    world.run_under(Some(origin), receipt("mug", "a", 1));
    assert!(!world.run_under(Some(other), receipt("mug", "a", 2)).replayed);
    assert_eq!(world.mugs(), [4, 0, 0, 0, 0, 0]);
}

#[test]
fn an_abandoned_request_never_runs() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let abandoned = world.run_under(Some(origin.clone()), Command::AbandonRequest);
    assert_eq!((abandoned.outcome, abandoned.replayed), (Outcome::RequestAbandoned, false));
    let late = world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    assert_eq!((late.outcome, late.replayed), (Outcome::Rejected(Rejection::RequestAbandoned), false));
    let again = world.run_under(Some(origin), Command::AbandonRequest);
    assert_eq!((again.outcome, again.replayed), (Outcome::RequestAbandoned, true));
    assert_eq!(again.revision, abandoned.revision);
    assert_eq!(world.mugs(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn who_abandons_a_decided_request_learns_its_outcome() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let first = world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    let abandon = world.run_under(Some(origin.clone()), Command::AbandonRequest);
    assert!(abandon.replayed);
    assert_eq!((abandon.outcome, abandon.revision), (first.outcome, first.revision));
    assert!(world.run_under(Some(origin), receipt("mug", "a", 1)).replayed, "its record is as it was");
}

#[test]
fn commands_of_the_system_are_not_recorded() {
    let mut world = World::with_mugs(1);
    let before = kept(&world);
    world.run_under(None, receipt("mug", "a", 1));
    assert_eq!(kept(&world), before);
    assert_eq!(world.last_movement().actor, None);
}

#[test]
fn an_id_too_far_ahead_of_log_time_is_refused_and_not_recorded() {
    let mut world = World::with_mugs(1);
    let before = kept(&world);
    let ahead = origin_at(BEGIN_MS + MAX_REQUEST_AHEAD_MS + 1, 1);
    let refused = world.run_under(Some(ahead.clone()), receipt("mug", "a", 1));
    assert_eq!(refused.outcome, Outcome::Rejected(Rejection::RequestIdInFuture { now_ms: BEGIN_MS }));
    assert_eq!(world.run_under(Some(ahead), Command::AbandonRequest).outcome, refused.outcome);
    assert_eq!(kept(&world), before);
    let just = origin_at(BEGIN_MS + MAX_REQUEST_AHEAD_MS, 1);
    let taken = world.run_under(Some(just), receipt("mug", "a", 1));
    assert!(matches!(taken.outcome, Outcome::StockReceived(..)));
}

#[test]
fn an_id_at_the_horizon_is_expired_and_one_behind_it_is_not() {
    let mut world = World::with_mugs(1);
    let horizon_ms = BEGIN_MS - REQUEST_RETENTION_MS;
    assert_eq!(world.model.clock().horizon_ms, horizon_ms);
    let old = world.run_under(Some(origin_at(horizon_ms, 1)), receipt("mug", "a", 1));
    assert_eq!(old.outcome, expired(horizon_ms));
    let young = world.run_under(Some(origin_at(horizon_ms + 1, 1)), receipt("mug", "a", 1));
    assert!(matches!(young.outcome, Outcome::StockReceived(..)));
}

#[test]
fn a_record_behind_the_horizon_counts_as_expired_before_it_leaves() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    world.wait(REQUEST_RETENTION_MS * 1_000);
    let again = world.run_under(Some(origin.clone()), receipt("mug", "a", 1));
    assert_eq!(again.outcome, expired(BEGIN_MS));
    let abandon = world.run_under(Some(origin.clone()), Command::AbandonRequest);
    assert_eq!(abandon.outcome, expired(BEGIN_MS));
    assert!(kept(&world).contains(&origin), "nothing was recorded since, so nothing left");
}

#[test]
fn with_each_record_a_few_expired_ones_leave_oldest_first() {
    let mut world = World::with_mugs(1);
    for number in 0..7 {
        world.run_under(Some(origin_at(BEGIN_MS, 100 + number)), receipt("mug", "a", 1));
    }
    let before = kept(&world);
    world.wait(REQUEST_RETENTION_MS * 1_000);
    let first = world.new_origin();
    world.run_under(Some(first.clone()), receipt("mug", "a", 1));
    let mut left: Vec<Origin> = before[REQUEST_TRIM_BATCH..].to_vec();
    left.push(first);
    assert_eq!(kept(&world), left);
}

#[test]
fn the_horizon_never_falls() {
    let mut world = World::with_mugs(1);
    world.now_us = BEGIN_US - 1_000_000;
    world.run_under(None, receipt("mug", "a", 1));
    assert_eq!(world.model.clock().horizon_ms, BEGIN_MS - REQUEST_RETENTION_MS);
}

#[test]
fn one_record_too_many_raises_the_horizon_to_the_oldest() {
    let mut world = World::with_limits(RequestLimits { retention_ms: REQUEST_RETENTION_MS, max_records: 3 });
    for number in [3, 1, 4, 2] {
        world.run_under(Some(origin_at(BEGIN_MS + number, 1)), receipt("mug", "a", 1));
    }
    assert_eq!(world.model.clock().horizon_ms, BEGIN_MS + 1);
    assert_eq!(kept(&world), [2, 3, 4].map(|number| origin_at(BEGIN_MS + number, 1)));
    let gone = world.run_under(Some(origin_at(BEGIN_MS + 1, 1)), receipt("mug", "a", 1));
    assert_eq!(gone.outcome, expired(BEGIN_MS + 1));
}

/// A transaction of so many receipts of a mug each.
fn receipts(operations: usize) -> Command {
    transaction(Vec::new(), vec![receipt("mug", "a", 1); operations])
}

fn kept_since(world: &World, first_ms: u64) -> Vec<u64> {
    let millis = kept(world).into_iter().map(|origin| origin.request.time_ms());
    millis.filter(|ms| *ms > first_ms).map(|ms| ms - first_ms).collect()
}

#[test]
fn a_transaction_counts_for_as_many_records_as_it_has_operations() {
    let limits = RequestLimits { retention_ms: REQUEST_RETENTION_MS, max_records: 6 };
    let mut world = World::with_limits(limits);
    world.create("mug");
    world.open("a");
    for number in 1..=4 {
        world.run_under(Some(origin_at(BEGIN_MS + number, 1)), receipt("mug", "a", 1));
    }
    assert_eq!(kept(&world).len(), 6);
    // Three more than there may be: the two that made the world, and the first receipt.
    world.run_under(Some(origin_at(BEGIN_MS + 9, 1)), receipts(3));
    assert_eq!(
        (kept_since(&world, BEGIN_MS), world.model.clock().horizon_ms),
        (vec![2, 3, 4, 9], BEGIN_MS + 1)
    );
    // One that is refused counts once, whatever it would have done.
    let mut operations = vec![receipt("mug", "a", 1); 3];
    operations.push(receipt("cup", "a", 1));
    world.run_under(Some(origin_at(BEGIN_MS + 10, 1)), transaction(Vec::new(), operations));
    assert_eq!(kept_since(&world, BEGIN_MS), [3, 4, 9, 10]);
    // Its own record may be among the oldest: then nothing is kept of it.
    world.run_under(Some(origin_at(BEGIN_MS + 4, 2)), receipts(2));
    assert_eq!((kept_since(&world, BEGIN_MS), world.model.clock().horizon_ms), (vec![9, 10], BEGIN_MS + 4));
}

#[test]
fn with_the_record_of_a_transaction_as_many_more_expired_ones_leave() {
    let mut world = World::with_mugs(1);
    for number in 0..12 {
        world.run_under(Some(origin_at(BEGIN_MS, 100 + number)), receipt("mug", "a", 1));
    }
    let before = kept(&world);
    world.wait(REQUEST_RETENTION_MS * 1_000);
    let first = world.new_origin();
    world.run_under(Some(first.clone()), receipts(3));
    // Three, and one for each operation.
    let mut left: Vec<Origin> = before[6..].to_vec();
    left.push(first);
    assert_eq!(kept(&world), left);
}

#[test]
fn a_transaction_again_gives_its_first_outcome() {
    let mut world = World::with_mugs(1);
    let origin = world.new_origin();
    let first = world.run_under(Some(origin.clone()), receipts(2));
    let again = world.run_under(Some(origin.clone()), receipts(2));
    assert!(again.replayed && again.outcome == first.outcome);
    let other = world.run_under(Some(origin), receipts(3));
    assert_eq!(other.outcome, Outcome::Rejected(Rejection::RequestIdReused));
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 0]);
}
