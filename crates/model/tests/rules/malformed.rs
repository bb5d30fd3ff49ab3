//! Commands that break a bound.

use std::collections::BTreeMap;

use stockade_state_machine::command::{
    AdjustStock, Command, ConfirmOrder, CreateReservation, Disposition, LocationChange, MALFORMED_RULES,
    MoveStock, PlaceOrder, ReceiveStock, SetStock, ShipOrder, SkuChange, Sourcing,
};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::OrderState;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::Rejection;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;

use crate::carts::cart;
use crate::world::{
    HOLD_US, World, cancellation_of, comeback, confirmation, creation, location_change, location_id, opening,
    order_extension, order_id, parcel, placement, quantities, receipt, shipment, sku_change, sku_id,
};

pub(crate) fn rule_of(command: Command) -> Option<&'static str> {
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

fn setting(change: impl FnOnce(&mut SetStock)) -> Command {
    let mut command = SetStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        bucket: Bucket::Available,
        quantity: 1,
        expected: None,
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    };
    change(&mut command);
    Command::SetStock(command)
}

fn moving(change: impl FnOnce(&mut MoveStock)) -> Command {
    let mut command = MoveStock {
        sku: sku_id("mug"),
        location: location_id("a"),
        from: Bucket::Available,
        to: Bucket::Damaged,
        quantity: 1,
        reason: Reason::Other,
        document: None,
        reference: String::new(),
    };
    change(&mut command);
    Command::MoveStock(command)
}

fn sku(change: impl FnOnce(&mut SkuDetails)) -> Command {
    let mut details = SkuDetails::default();
    change(&mut details);
    creation("mug", details)
}

fn location(change: impl FnOnce(&mut LocationDetails)) -> Command {
    let mut details = LocationDetails::default();
    change(&mut details);
    opening("a", details)
}

fn order(change: impl FnOnce(&mut PlaceOrder)) -> Command {
    let Command::PlaceOrder(mut command) = placement("o", &[("mug", None, 1)]) else { panic!("no order") };
    change(&mut command);
    Command::PlaceOrder(command)
}

#[test]
fn a_display_name_has_at_most_256_bytes() {
    for (length, rule) in [(256, None), (257, Some("display name too long"))] {
        let name = || "x".repeat(length);
        assert_eq!(rule_of(sku(|it| it.display_name = name())), rule);
        assert_eq!(rule_of(location(|it| it.display_name = name())), rule);
    }
    let name = || Some("\u{e9}".repeat(129));
    let update = SkuChange { display_name: name(), ..SkuChange::default() };
    assert_eq!(rule_of(sku_change("mug", update)), Some("display name too long"));
    let update = LocationChange { display_name: name(), ..LocationChange::default() };
    assert_eq!(rule_of(location_change("a", update)), Some("display name too long"));
}

#[test]
fn a_limit_per_order_is_0_to_a_billion_and_the_minimum_not_above_the_maximum() {
    for limit in [-1, 1_000_000_001, i64::MIN, i64::MAX] {
        let rule = Some("limit per order out of range");
        assert_eq!(rule_of(sku(|it| it.min_per_order = limit)), rule, "{limit}");
        assert_eq!(rule_of(sku(|it| it.max_per_order = limit)), rule, "{limit}");
        let update = SkuChange { min_per_order: Some(limit), ..SkuChange::default() };
        assert_eq!(rule_of(sku_change("mug", update)), rule, "{limit}");
        let update = SkuChange { max_per_order: Some(limit), ..SkuChange::default() };
        assert_eq!(rule_of(sku_change("mug", update)), rule, "{limit}");
    }
    let limits = |min, max| {
        sku(|it| {
            it.min_per_order = min;
            it.max_per_order = max;
        })
    };
    assert_eq!(rule_of(limits(1_000_000_000, 1_000_000_000)), None);
    assert_eq!(rule_of(limits(2, 0)), None);
    assert_eq!(rule_of(limits(2, 1)), Some("minimum per order above its maximum"));
}

#[test]
fn attributes_are_few_small_and_named_by_ids() {
    let named = |names: Vec<String>, bytes: usize| -> BTreeMap<String, String> {
        names.into_iter().map(|name| (name, "x".repeat(bytes))).collect()
    };
    let many = |count: usize| (0..count).map(|number| format!("{number:02}")).collect::<Vec<_>>();
    let wrong = Some("attributes out of bounds");
    for (attributes, rule) in [
        (named(many(32), 126), None),
        (named(many(32), 127), wrong),
        (named(many(33), 0), wrong),
        (named(vec!["n".repeat(128)], 4_096 - 128), None),
        (named(vec!["n".repeat(128)], 4_096 - 127), wrong),
        (named(vec!["n".repeat(129)], 0), wrong),
        (named(vec![String::new()], 0), wrong),
        (named(vec!["two words".to_owned()], 0), wrong),
    ] {
        assert_eq!(rule_of(sku(|it| it.attributes.clone_from(&attributes))), rule, "{attributes:?}");
        let update = SkuChange { attributes: Some(attributes), ..SkuChange::default() };
        assert_eq!(rule_of(sku_change("mug", update)), rule);
    }
}

#[test]
fn a_zone_is_empty_or_an_id_and_a_priority_at_most_a_million() {
    let wrong = Some("zone or priority out of bounds");
    for (zone, priority, rule) in [
        (String::new(), 0, None),
        ("z".repeat(128), 1_000_000, None),
        ("z".repeat(129), 0, wrong),
        ("two words".to_owned(), 0, wrong),
        (String::new(), 1_000_001, wrong),
    ] {
        let create = location(|it| {
            it.zone.clone_from(&zone);
            it.priority = priority;
        });
        assert_eq!(rule_of(create), rule);
        let update =
            LocationChange { zone: Some(zone), priority: Some(priority), ..LocationChange::default() };
        assert_eq!(rule_of(location_change("a", update)), rule);
    }
}

#[test]
fn a_bucket_is_set_to_0_to_a_trillion_units() {
    for quantity in [-1, 1_000_000_000_001, i64::MIN] {
        assert_eq!(
            rule_of(setting(|it| it.quantity = quantity)),
            Some("quantity out of range"),
            "{quantity}"
        );
    }
    for quantity in [0, 1_000_000_000_000] {
        assert_eq!(rule_of(setting(|it| it.quantity = quantity)), None, "{quantity}");
    }
    for bucket in [Bucket::Reserved, Bucket::Committed] {
        assert_eq!(rule_of(setting(|it| it.bucket = bucket)), Some("bucket belongs to orders"));
    }
    assert_eq!(rule_of(setting(|it| it.reason = Reason::Received)), Some("reason is the system's"));
    assert_eq!(rule_of(setting(|it| it.reference = "x".repeat(513))), Some("reference too long"));
}

#[test]
fn a_move_has_1_to_a_trillion_units_and_two_buckets() {
    for quantity in [0, -1, 1_000_000_000_001] {
        assert_eq!(rule_of(moving(|it| it.quantity = quantity)), Some("quantity out of range"), "{quantity}");
    }
    assert_eq!(rule_of(moving(|it| it.quantity = 1_000_000_000_000)), None);
    assert_eq!(rule_of(moving(|it| it.to = it.from)), Some("buckets are the same"));
    for bucket in [Bucket::Reserved, Bucket::Committed] {
        assert_eq!(rule_of(moving(|it| it.from = bucket)), Some("bucket belongs to orders"));
        assert_eq!(rule_of(moving(|it| it.to = bucket)), Some("bucket belongs to orders"));
    }
    assert_eq!(rule_of(moving(|it| it.reason = Reason::Expiry)), Some("reason is the system's"));
    assert_eq!(rule_of(moving(|it| it.reference = "x".repeat(513))), Some("reference too long"));
}

#[test]
fn the_rules_of_the_catalogue_and_of_stock_have_an_order() {
    let mut details = SkuDetails {
        display_name: "x".repeat(257),
        untracked: false,
        min_per_order: 3,
        max_per_order: -1,
        attributes: BTreeMap::from([(String::new(), String::new())]),
    };
    let mut rules = vec![rule_of(creation("mug", details.clone()))];
    details.display_name.clear();
    rules.push(rule_of(creation("mug", details.clone())));
    details.max_per_order = 2;
    rules.push(rule_of(creation("mug", details.clone())));
    details.max_per_order = 3;
    rules.push(rule_of(creation("mug", details)));
    let texts = [
        "display name too long",
        "limit per order out of range",
        "minimum per order above its maximum",
        "attributes out of bounds",
    ];
    assert_eq!(rules, texts.map(Some));

    let broken = |it: &mut MoveStock| {
        it.from = Bucket::Reserved;
        it.to = Bucket::Reserved;
        it.reason = Reason::Commit;
        it.reference = "x".repeat(513);
    };
    let rules = [
        rule_of(moving(|it| {
            broken(it);
            it.quantity = 0;
        })),
        rule_of(moving(broken)),
        rule_of(moving(|it| {
            broken(it);
            it.to = Bucket::Available;
        })),
        rule_of(moving(|it| {
            broken(it);
            (it.from, it.to) = (Bucket::Damaged, Bucket::Available);
        })),
    ];
    let texts = [
        "quantity out of range",
        "buckets are the same",
        "bucket belongs to orders",
        "reason is the system's",
    ];
    assert_eq!(rules, texts.map(Some));
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
    let confirm = |length| ConfirmOrder {
        order: order_id("o"),
        payment_reference: "x".repeat(length),
        reacquire: false,
        expected: None,
    };
    assert_eq!(rule_of(Command::ConfirmOrder(confirm(512))), None);
    assert_eq!(rule_of(Command::ConfirmOrder(confirm(513))), Some("reference too long"));
    let ship = ShipOrder { tracking_number: "x".repeat(513), ..parcel("o", Vec::new()) };
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
    let ship = ShipOrder { tracking_number: "x".repeat(513), ..parcel("o", quantities(&[(1, 0)])) };
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
fn by_the_explicit_strategy_every_line_names_its_location() {
    let wrong = Some("a line names no location");
    let explicit = |change: fn(&mut PlaceOrder)| {
        order(|it| {
            it.sourcing = Sourcing::Explicit;
            it.lines[0].location = Some(location_id("a"));
            it.lines.push(it.lines[0].clone());
            change(it);
        })
    };
    assert_eq!(rule_of(explicit(|_| {})), None);
    assert_eq!(rule_of(explicit(|it| it.lines[1].location = None)), wrong);
    // After the number of lines and the hold, before what any line says of itself.
    let rule = rule_of(explicit(|it| {
        it.lines[1].location = None;
        it.lines[0].quantity = 0;
    }));
    assert_eq!(rule, wrong);
    let rule = rule_of(explicit(|it| {
        it.lines[1].location = None;
        it.hold_us = 0;
    }));
    assert_eq!(rule, Some("hold out of range"));
    let Command::CreateReservation(creation) = cart("r", &[("mug", None, 1)]) else { panic!("no cart") };
    let creation = CreateReservation { sourcing: Sourcing::Explicit, ..creation };
    assert_eq!(rule_of(Command::CreateReservation(creation)), wrong);
}

#[test]
fn an_extension_of_an_order_has_the_bounds_of_every_hold() {
    for (hold_us, rule) in [
        (999_999, Some("hold out of range")),
        (1_000_000, None),
        (30 * 86_400 * 1_000_000, None),
        (30 * 86_400 * 1_000_000 + 1, Some("hold out of range")),
    ] {
        assert_eq!(rule_of(order_extension("o", hold_us)), rule, "{hold_us}");
    }
}

#[test]
fn an_order_closes_1_second_to_3660_days_after_its_shipment() {
    let wrong = Some("time to close out of range");
    let ship = |close_after_us, quantity| {
        let lines = quantities(&[(1, quantity)]);
        let close_after_us = Some(close_after_us);
        Command::ShipOrder(ShipOrder { close_after_us, ..parcel("o", lines) })
    };
    assert_eq!(rule_of(ship(999_999, 1)), wrong);
    assert_eq!(rule_of(ship(1_000_000, 1)), None);
    assert_eq!(rule_of(ship(3_660 * 86_400 * 1_000_000, 1)), None);
    assert_eq!(rule_of(ship(3_660 * 86_400 * 1_000_000 + 1, 1)), wrong);
    assert_eq!(rule_of(ship(0, 0)), Some("quantity of a line out of range"));
}

#[test]
fn a_cancellation_has_bounded_lines() {
    assert_eq!(rule_of(cancellation_of("o", quantities(&vec![(1, 1); 2_000]))), None);
    assert_eq!(rule_of(cancellation_of("o", quantities(&vec![(1, 0); 2_001]))), Some("too many lines"));
    let rule = Some("quantity of a line out of range");
    assert_eq!(rule_of(cancellation_of("o", quantities(&[(1, 1), (1, 0)]))), rule);
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
