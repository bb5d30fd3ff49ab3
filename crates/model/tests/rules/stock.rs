//! Receipts and adjustments.

use stockade_state_machine::Revision;
use stockade_state_machine::command::{AdjustStock, Command, ReceiveStock};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource, Shortage};
use stockade_state_machine::stock::Bucket;

use crate::world::{World, document_id, key, location_id, principal, receipt, sku_id};

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
fn stock_of_an_unknown_sku_is_neither_received_nor_adjusted() {
    let mut world = World::new();
    let unknown = Rejection::NotFound(Resource::Sku(sku_id("mug")));
    assert_eq!(world.refusal(receipt("mug", "a", 1)), unknown);
    assert_eq!(world.refusal(Command::AdjustStock(adjustment(Bucket::Available, 1))), unknown);
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
        bucket: Bucket::QualityControl,
        asked: 6,
        available: 0,
    };
    let refusal = world.refusal(Command::AdjustStock(adjustment(Bucket::QualityControl, -6)));
    assert_eq!(refusal, Rejection::InsufficientStock { shortages: vec![shortage] });
    assert_eq!(world.mugs(), [5, 0, 0, 0, 0, 0]);
}
