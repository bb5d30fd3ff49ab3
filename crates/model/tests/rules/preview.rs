//! What a request would bring about, said before.

use stockade_state_machine::command::{Command, Request};
use stockade_state_machine::limits::MAX_EXPIRE_BATCH;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::{LogTime, Revision};

use crate::carts::cart;
use crate::world::{
    BEGIN_US, HOLD_US, World, confirmation, order_id, placement, receipt, request, source, transaction,
};

/// What the world would answer now.
fn preview(world: &World, request: &Request) -> Outcome {
    let before = format!("{:?}", world.model);
    let outcome = world.model.preview(LogTime::from_micros(world.now_us), request);
    assert_eq!(format!("{:?}", world.model), before, "nothing takes effect");
    outcome
}

fn of_system(world: &World, command: Command) -> Outcome {
    preview(world, &request(None, command))
}

#[test]
fn a_preview_is_what_the_next_entry_would_answer() {
    let mut world = World::with_mugs(3);
    let expires = LogTime::from_micros(BEGIN_US + HOLD_US);
    let placed = Outcome::OrderPlaced { order: order_id("o"), expires, sources: vec![source(1, "a", 2)] };
    let command = placement("o", &[("mug", None, 2)]);
    assert_eq!(of_system(&world, command.clone()), placed);
    assert_eq!(of_system(&world, command.clone()), placed, "again");
    assert_eq!(world.run(command), placed);
    let Outcome::StockReceived(_, stock) = of_system(&world, receipt("mug", "a", 1)) else { panic!("none") };
    assert_eq!(stock.version.revision, Revision::new(world.index + 1));
    let both = transaction(Vec::new(), vec![receipt("mug", "a", 1), placement("p", &[("mug", None, 2)])]);
    assert!(matches!(of_system(&world, both), Outcome::Transacted(outcomes) if outcomes.len() == 2));
    let refused = of_system(&world, placement("p", &[("mug", None, 2)]));
    assert!(matches!(refused, Outcome::Rejected(Rejection::InsufficientStock { .. })), "{refused:?}");
}

#[test]
fn a_preview_sees_what_would_end_by_then() {
    let mut world = World::with_mugs(3);
    world.place("o", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    let late = of_system(&world, confirmation("o"));
    assert!(matches!(late, Outcome::Rejected(Rejection::ReservationExpired { .. })), "{late:?}");
    let placed = of_system(&world, placement("p", &[("mug", None, 3)]));
    assert!(matches!(placed, Outcome::OrderPlaced { .. }), "{placed:?}");
    assert_eq!(world.mugs(), [1, 2, 0, 0, 0, 0]);
}

#[test]
fn nothing_is_kept_under_the_id_of_a_preview() {
    let mut world = World::with_mugs(3);
    let origin = world.new_origin();
    let asked = request(Some(origin.clone()), placement("o", &[("mug", None, 2)]));
    let told = preview(&world, &asked);
    assert!(world.model.request(&origin).is_none());
    // Other content is welcome, and the id is taken only then.
    let reply = world.run_under(Some(origin), placement("p", &[("mug", None, 2)]));
    assert!(matches!(reply.outcome, Outcome::OrderPlaced { .. }) && !reply.replayed);
    assert!(matches!(told, Outcome::OrderPlaced { .. }));
    assert_eq!(preview(&world, &asked), Outcome::Rejected(Rejection::RequestIdReused));
}

#[test]
fn what_would_have_to_be_done_over_again_is_said_to_be_so() {
    let many = i64::try_from(MAX_EXPIRE_BATCH + 1).expect("few");
    let mut world = World::with_mugs(many);
    let carts = (0..many).map(|number| cart(&format!("r{number:05}"), &[("mug", None, 1)]));
    world.run_all(carts.collect());
    world.wait(HOLD_US);
    let told = of_system(&world, placement("o", &[("mug", None, many)]));
    assert_eq!(told, Outcome::Rejected(Rejection::RetryAfterExpiry));
}
