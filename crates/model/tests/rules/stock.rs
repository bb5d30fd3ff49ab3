//! Receipts, adjustments, settings and moves.

use stockade_state_machine::Revision;
use stockade_state_machine::command::{AdjustStock, Command, MoveStock, ReceiveStock, SetStock};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::stock::{Bucket, Stock};

use crate::world::{
    HOLD_US, World, document_id, key, location_id, placement, principal, receipt, sku_id, version,
};

fn adjustment(bucket: Bucket, delta: i64) -> AdjustStock {
    AdjustStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        bucket,
        delta,
        reason: Reason::Correction,
        document: None,
        reference: "count 7".to_owned(),
    }
}

/// Of the mugs at `a`, for a cycle count.
fn setting(bucket: Bucket, quantity: i64, expected: Option<i64>) -> SetStock {
    SetStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        bucket,
        quantity,
        expected,
        reason: Reason::CycleCount,
        document: None,
        reference: "count 8".to_owned(),
    }
}

fn moving(from: Bucket, to: Bucket, quantity: i64) -> MoveStock {
    MoveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        from,
        to,
        quantity,
        reason: Reason::QualityHold,
        document: None,
        reference: "case 9".to_owned(),
    }
}

#[test]
fn a_receipt_makes_available_grow_and_stands_in_the_ledger() {
    let mut world = World::with_mugs(3);
    let command = Command::ReceiveStock(ReceiveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        quantity: 4,
        document: Some(document_id("r1")),
        reference: "lorry".to_owned(),
    });
    let outcome = world.run(command);
    assert_eq!(outcome, Outcome::StockReceived(key("mug", "a"), world.stock("mug", "a")));
    assert_eq!(world.mugs(), [7, 0, 0, 0, 0, 0]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to, movement.quantity), (None, Some(Bucket::Available), 4));
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::Received, "lorry"));
    assert_eq!((movement.revision, movement.position), (Revision::new(3), 0));
    assert_eq!(movement.actor, Some(principal("shop")));
    assert_eq!(movement.balances, world.stock("mug", "a"));
    assert_eq!(movement.document, Some(document_id("r1")));
}

#[test]
fn movements_of_one_entry_are_counted_over_its_commands() {
    let mut world = World::with_mugs(1);
    world.run_all(vec![receipt("mug", "a", 1), receipt("none", "a", 1), receipt("mug", "b", 1)]);
    let last: Vec<_> =
        world.model.ledger().skip(1).map(|entry| (entry.revision.get(), entry.position)).collect();
    assert_eq!(last, [(3, 0), (3, 1)]);
}

#[test]
fn sku_location_and_document_are_looked_for_in_this_order_and_before_the_stock() {
    let document = || Some(document_id("d"));
    let commands = [
        Command::ReceiveStock(ReceiveStock {
            sku: sku_id("mug"),
            location: location_id("a"),
            quantity: 1,
            document: document(),
            reference: String::new(),
        }),
        Command::AdjustStock(AdjustStock { document: document(), ..adjustment(Bucket::Available, -9) }),
        Command::SetStock(SetStock { document: document(), ..setting(Bucket::Available, 1, Some(7)) }),
        Command::MoveStock(MoveStock {
            document: document(),
            ..moving(Bucket::Available, Bucket::Damaged, 9)
        }),
    ];
    for command in commands {
        let mut world = World::new();
        assert_eq!(world.refusal(command.clone()), Rejection::NotFound(Resource::Sku(sku_id("mug"))));
        world.create("mug");
        let unknown = Rejection::NotFound(Resource::Location(location_id("a")));
        assert_eq!(world.refusal(command.clone()), unknown);
        world.open("a");
        let book = SetStock { document: document(), ..setting(Bucket::Available, 0, None) };
        assert!(matches!(world.run(Command::SetStock(book)), Outcome::StockSet(..)));
        let booked = Rejection::AlreadyExists(Resource::Document(document_id("d")));
        assert_eq!(world.refusal(command), booked);
    }
}

#[test]
fn a_document_is_booked_once_over_receipts_and_adjustments() {
    let mut world = World::with_mugs(1);
    let document = Some(document_id("d"));
    let first = AdjustStock { document: document.clone(), ..adjustment(Bucket::Available, 1) };
    assert!(matches!(world.run(Command::AdjustStock(first)), Outcome::StockAdjusted(..)));
    let second = ReceiveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        quantity: 1,
        document,
        reference: String::new(),
    };
    let booked = Rejection::AlreadyExists(Resource::Document(document_id("d")));
    assert_eq!(world.refusal(Command::ReceiveStock(second)), booked);
    let noted: Vec<u64> = world.model.documents().map(|(_, document)| document.revision.get()).collect();
    assert_eq!(noted, [3]);
}

#[test]
fn a_refused_command_books_no_document() {
    let mut world = World::with_mugs(1);
    let short = AdjustStock { document: Some(document_id("d")), ..adjustment(Bucket::Available, -2) };
    assert!(matches!(world.refusal(Command::AdjustStock(short)), Rejection::InsufficientStock { .. }));
    assert_eq!(world.model.documents().count(), 0);
}

#[test]
fn an_adjustment_changes_its_bucket_alone() {
    let mut world = World::with_mugs(5);
    world.run(Command::AdjustStock(adjustment(Bucket::Damaged, 3)));
    world.run(Command::AdjustStock(adjustment(Bucket::Damaged, -1)));
    assert_eq!(world.mugs(), [5, 0, 0, 0, 2, 0]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to, movement.quantity), (Some(Bucket::Damaged), None, 1));
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::Correction, "count 7"));
}

#[test]
fn a_bucket_that_would_fall_below_0_is_short() {
    let mut world = World::with_mugs(5);
    let shortage = Shortage {
        line: 0,
        sku: sku_id("mug"),
        location: Some(location_id("a")),
        together: false,
        bucket: Bucket::QualityControl,
        asked: 6,
        available: 0,
        next_expiry: None,
    };
    let refusal = world.refusal(Command::AdjustStock(adjustment(Bucket::QualityControl, -6)));
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![shortage] });
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
}

#[test]
fn a_bucket_is_set_by_the_difference() {
    let mut world = World::with_mugs(5);
    let outcome = world.run(Command::SetStock(setting(Bucket::Available, 7, Some(5))));
    assert_eq!(outcome, Outcome::StockSet(key("mug", "a"), world.stock("mug", "a")));
    assert_eq!(world.mugs(), [7, 0, 0, 0, 0, 0]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to, movement.quantity), (None, Some(Bucket::Available), 2));
    assert_eq!((movement.reason, movement.reference.as_str()), (Reason::CycleCount, "count 8"));
    world.run(Command::SetStock(setting(Bucket::Available, 0, None)));
    assert_eq!(world.mugs(), [0; 6]);
    let movement = world.last_movement();
    assert_eq!((movement.from, movement.to, movement.quantity), (Some(Bucket::Available), None, 7));
}

#[test]
fn a_bucket_with_another_quantity_than_expected_is_stale() {
    let mut world = World::with_mugs(5);
    for (bucket, current) in [(Bucket::Available, 5), (Bucket::SafetyStock, 0)] {
        let stale =
            Rejection::QuantityStale { sku: sku_id("mug"), location: location_id("a"), bucket, current };
        for expected in [4, -1] {
            // Also where the bucket is already as it is to be.
            let command = Command::SetStock(setting(bucket, current, Some(expected)));
            assert_eq!(world.refusal(command), stale);
        }
    }
}

#[test]
fn a_bucket_set_to_what_it_holds_moves_nothing_and_books_its_document() {
    let mut world = World::with_mugs(5);
    let row = world.stock("mug", "a");
    let book =
        |text| SetStock { document: Some(document_id(text)), ..setting(Bucket::Available, 5, Some(5)) };
    assert_eq!(world.run(Command::SetStock(book("d"))), Outcome::StockSet(key("mug", "a"), row));
    assert_eq!((world.stock("mug", "a"), row.version), (row, version(2, 0)));
    assert_eq!(world.model.ledger().count(), 1);
    let booked = Rejection::AlreadyExists(Resource::Document(document_id("d")));
    assert_eq!(world.refusal(Command::SetStock(book("d"))), booked);
    let nowhere = SetStock { location: location_id("b"), ..setting(Bucket::Available, 0, None) };
    let outcome = world.run(Command::SetStock(nowhere));
    assert_eq!(outcome, Outcome::StockSet(key("mug", "b"), Stock::default()));
    assert_eq!(world.model.stock().count(), 1, "no row where none was ever booked");
}

#[test]
fn a_bucket_is_stale_by_units_whose_hold_is_over_but_not_yet_given_back() {
    let mut world = World::with_mugs(5);
    world.place("o", &[("mug", None, 2)]);
    world.wait(HOLD_US);
    let refusal = world.refusal(Command::SetStock(setting(Bucket::Available, 4, Some(5))));
    assert!(matches!(refusal, Rejection::QuantityStale { current: 3, .. }), "{refusal:?}");
    assert_eq!(world.mugs(), [3, 2, 0, 0, 0, 0]);
}

#[test]
fn units_move_from_one_bucket_to_another_in_one_movement() {
    let mut world = World::with_mugs(5);
    let outcome = world.run(Command::MoveStock(moving(Bucket::Available, Bucket::QualityControl, 2)));
    assert_eq!(outcome, Outcome::StockMoved(key("mug", "a"), world.stock("mug", "a")));
    assert_eq!(world.mugs(), [3, 0, 0, 0, 0, 2]);
    let movement = world.last_movement();
    let buckets = (Some(Bucket::Available), Some(Bucket::QualityControl));
    assert_eq!((movement.from, movement.to), buckets);
    assert_eq!((movement.quantity, movement.reason), (2, Reason::QualityHold));
    assert_eq!(movement.reference, "case 9");
    world.run(Command::MoveStock(moving(Bucket::QualityControl, Bucket::Available, 2)));
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
}

#[test]
fn no_more_moves_than_a_bucket_holds() {
    let mut world = World::with_mugs(5);
    let shortage = Shortage {
        line: 0,
        sku: sku_id("mug"),
        location: Some(location_id("a")),
        together: false,
        bucket: Bucket::Available,
        asked: 6,
        available: 5,
        next_expiry: None,
    };
    let refusal = world.refusal(Command::MoveStock(moving(Bucket::Available, Bucket::Damaged, 6)));
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![shortage] });
}

#[test]
fn a_short_move_takes_the_units_of_holds_that_ended() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let outcome = world.run(Command::MoveStock(moving(Bucket::Available, Bucket::Damaged, 1)));
    assert!(matches!(outcome, Outcome::StockMoved(..)), "{outcome:?}");
    assert_eq!(world.mugs(), [0, 0, 0, 0, 1, 0]);
    assert!(matches!(
        world.refusal(placement("p", &[("mug", None, 1)])),
        Rejection::InsufficientStock { .. }
    ));
}

#[test]
fn stock_of_what_is_not_tracked_is_booked_like_any_other() {
    let mut world = World::with_mugs(1);
    world.create_untracked("wrap");
    world.receive("wrap", "a", 3);
    assert_eq!(world.stock("wrap", "a").get(Bucket::Available), 3);
}
