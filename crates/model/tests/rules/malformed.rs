//! Commands that break a bound.

use stockade_state_machine::command::{
    AdjustStock, Command, ConfirmOrder, CreateSku, Disposition, LineQuantity, MALFORMED_RULES, PlaceOrder,
    ReceiveStock, ShipOrder, UpdateSku,
};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::stock::Bucket;

use crate::world::{
    HOLD_US, World, comeback, confirmation, location_id, order_id, placement, receipt, shipment, sku_id,
};

fn rule_of(command: Command) -> Option<&'static str> {
    let mut world = World::new();
    match world.run(command) {
        Outcome::Rejected(Rejection::Malformed(rule)) => {
            assert!(MALFORMED_RULES.contains(&rule), "{rule:?} is no rule");
            Some(rule)
        }
        _ => None,
    }
}

fn adjustment(change: impl FnOnce(&mut AdjustStock)) -> Command {
    let mut command = AdjustStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        bucket: Bucket::Available,
        delta: 1,
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    };
    change(&mut command);
    Command::AdjustStock(command)
}

fn order(change: impl FnOnce(&mut PlaceOrder)) -> Command {
    let Command::PlaceOrder(mut command) = placement("o", &[("mug", None, 1)]) else { panic!("no order") };
    change(&mut command);
    Command::PlaceOrder(command)
}

#[test]
fn a_display_name_has_at_most_256_bytes() {
    let create = |length| CreateSku { sku: sku_id("mug"), display_name: "x".repeat(length) };
    assert_eq!(rule_of(Command::CreateSku(create(256))), None);
    assert_eq!(rule_of(Command::CreateSku(create(257))), Some("display name too long"));
    let update = UpdateSku { sku: sku_id("mug"), display_name: Some("\u{e9}".repeat(129)) };
    assert_eq!(rule_of(Command::UpdateSku(update)), Some("display name too long"));
}

#[test]
fn a_receipt_has_1_to_a_trillion_units() {
    for (quantity, rule) in [
        (0, Some("quantity out of range")),
        (1, None),
        (1_000_000_000_000, None),
        (1_000_000_000_001, Some("quantity out of range")),
        (i64::MIN, Some("quantity out of range")),
    ] {
        assert_eq!(rule_of(receipt("mug", "a", quantity)), rule, "{quantity}");
    }
}

#[test]
fn a_reference_has_at_most_512_bytes() {
    let long = ReceiveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        quantity: 1,
        document: None,
        reference: "x".repeat(513),
    };
    assert_eq!(rule_of(Command::ReceiveStock(long)), Some("reference too long"));
    assert_eq!(rule_of(adjustment(|it| it.reference = "x".repeat(512))), None);
    assert_eq!(rule_of(adjustment(|it| it.reference = "x".repeat(513))), Some("reference too long"));
}

#[test]
fn references_of_payments_and_parcels_have_the_bound_of_every_reference() {
    let confirm = |length| ConfirmOrder { order: order_id("o"), payment_reference: "x".repeat(length) };
    assert_eq!(rule_of(Command::ConfirmOrder(confirm(512))), None);
    assert_eq!(rule_of(Command::ConfirmOrder(confirm(513))), Some("reference too long"));
    let ship = ShipOrder { order: order_id("o"), lines: Vec::new(), tracking_number: "x".repeat(513) };
    assert_eq!(rule_of(Command::ShipOrder(ship)), Some("reference too long"));
}

#[test]
fn an_adjustment_has_a_delta_a_bucket_and_a_reason_of_a_caller() {
    for delta in [0, 1_000_000_000_001, -1_000_000_000_001, i64::MIN] {
        assert_eq!(rule_of(adjustment(|it| it.delta = delta)), Some("delta out of range"), "{delta}");
    }
    for bucket in [Bucket::Reserved, Bucket::Committed] {
        assert_eq!(rule_of(adjustment(|it| it.bucket = bucket)), Some("bucket belongs to orders"));
    }
    assert_eq!(rule_of(adjustment(|it| it.reason = Reason::Expiry)), Some("reason is the system's"));
    assert_eq!(rule_of(adjustment(|it| it.reason = Reason::TheftLoss)), None);
}

#[test]
fn an_order_has_1_to_2000_lines_of_1_to_a_billion_units() {
    assert_eq!(rule_of(order(|it| it.lines.clear())), Some("number of lines out of range"));
    let line = |it: &PlaceOrder| it.lines[0].clone();
    assert_eq!(rule_of(order(|it| it.lines = vec![line(it); 2_000])), None);
    assert_eq!(rule_of(order(|it| it.lines = vec![line(it); 2_001])), Some("number of lines out of range"));
    for quantity in [0, -1, 1_000_000_001] {
        let rule = rule_of(order(|it| it.lines[0].quantity = quantity));
        assert_eq!(rule, Some("quantity of a line out of range"), "{quantity}");
    }
    for price in [-1, 1_000_000_000_001] {
        assert_eq!(rule_of(order(|it| it.lines[0].unit_price_minor = price)), Some("price out of range"));
    }
}

#[test]
fn a_hold_lasts_1_second_to_30_days() {
    for hold_us in [999_999, 30 * 86_400 * 1_000_000 + 1] {
        assert_eq!(rule_of(order(|it| it.hold_us = hold_us)), Some("hold out of range"), "{hold_us}");
    }
    assert_eq!(rule_of(order(|it| it.hold_us = 1_000_000)), None);
}

#[test]
fn of_several_broken_rules_the_one_that_is_found_with_least_trouble_is_named() {
    let both = order(|it| {
        it.hold_us = 0;
        it.lines[0].quantity = 0;
        it.lines[0].unit_price_minor = -1;
    });
    assert_eq!(rule_of(both), Some("hold out of range"));
    let all = adjustment(|it| {
        it.reference = "x".repeat(513);
        it.reason = Reason::Commit;
        it.delta = 0;
        it.bucket = Bucket::Reserved;
    });
    assert_eq!(rule_of(all), Some("delta out of range"));
    let lines = vec![LineQuantity { line: 1, quantity: 0 }];
    let ship = ShipOrder { order: order_id("o"), lines, tracking_number: "x".repeat(513) };
    assert_eq!(rule_of(Command::ShipOrder(ship)), Some("reference too long"));
}

#[test]
fn shipments_and_returns_have_bounded_lines() {
    assert_eq!(rule_of(shipment("o", &[])), None);
    assert_eq!(rule_of(shipment("o", &vec![(1, 1); 2_001])), Some("too many lines"));
    assert_eq!(rule_of(shipment("o", &[(1, 0)])), Some("quantity of a line out of range"));
    let back = |lines: &[_]| rule_of(Command::ReturnOrder(comeback("o", lines)));
    assert_eq!(back(&[]), Some("number of lines out of range"));
    assert_eq!(back(&vec![(1, 1, Disposition::Scrap); 2_001]), Some("number of lines out of range"));
    assert_eq!(back(&[(1, 1_000_000_001, Disposition::Scrap)]), Some("quantity of a line out of range"));
}

#[test]
fn a_malformed_command_expires_nothing_and_is_recorded() {
    let mut world = World::with_mugs(1);
    world.place("o", &[("mug", None, 1)]);
    world.wait(HOLD_US);
    let origin = world.new_origin();
    let first = world.run_under(Some(origin.clone()), shipment("o", &[(1, 0)]));
    assert_eq!(world.state("o"), OrderState::PendingPayment);
    let again = world.run_under(Some(origin.clone()), shipment("o", &[(1, 0)]));
    assert!(again.replayed && again.outcome == first.outcome);
    let other = world.run_under(Some(origin), confirmation("o"));
    assert_eq!(other.outcome, Outcome::Rejected(Rejection::RequestIdReused));
}
