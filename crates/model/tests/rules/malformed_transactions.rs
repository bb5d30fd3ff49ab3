//! Transactions that break a bound.

use stockade_state_machine::command::{Command, Disposition, ExpireDue, Precondition, Row};
use stockade_state_machine::stock::Bucket;

use crate::carts::{cart, paid, release, transfer};
use crate::malformed::rule_of;
use crate::world::{
    cancellation_of, comeback, confirmation, key, placement, quantities, receipt, shipment, sku_id,
    transaction,
};

#[test]
fn a_transaction_has_1_to_1000_operations_and_at_most_1000_preconditions() {
    let there = || Precondition::Exists(Row::Sku(sku_id("mug")));
    let rule = |preconditions: usize, operations: usize| {
        rule_of(transaction(vec![there(); preconditions], vec![receipt("mug", "a", 1); operations]))
    };
    assert_eq!(rule(0, 0), Some("number of operations out of range"));
    assert_eq!(rule(1_000, 1_000), None);
    assert_eq!(rule(1_001, 1_001), Some("number of operations out of range"));
    assert_eq!(rule(1_001, 1), Some("too many preconditions"));
}

#[test]
fn a_range_of_quantities_is_not_empty() {
    let range = |min, max| {
        let of_mugs = Precondition::Quantity { key: key("mug", "a"), bucket: Bucket::Available, min, max };
        rule_of(transaction(vec![of_mugs], vec![receipt("mug", "a", 1)]))
    };
    assert_eq!(range(1, 1), None);
    assert_eq!(range(i64::MIN, i64::MAX), None);
    assert_eq!(range(2, 1), Some("range of quantities is empty"));
    assert_eq!(range(i64::MAX, i64::MIN), Some("range of quantities is empty"));
}

#[test]
fn what_no_caller_asks_for_and_another_transaction_are_no_operations() {
    let within = |operation| rule_of(transaction(Vec::new(), vec![receipt("mug", "a", 0), operation]));
    let no_operation = Some("no operation of a transaction");
    assert_eq!(within(transaction(Vec::new(), vec![receipt("mug", "a", 1)])), no_operation);
    assert_eq!(within(Command::ExpireDue(ExpireDue { limit: 1 })), no_operation);
    assert_eq!(within(Command::AbandonRequest), no_operation);
    // The operations' own rules come after that, in their order.
    assert_eq!(within(shipment("o", &[(1, 0)])), Some("quantity out of range"));
    let rule = rule_of(transaction(Vec::new(), vec![confirmation("o"), shipment("o", &[(1, 0)])]));
    assert_eq!(rule, Some("quantity of a line out of range"));
}

#[test]
fn the_operations_of_a_transaction_have_at_most_10000_lines_together() {
    let many = |last: usize| {
        let lines = |count| vec![(1, 1); count];
        let back = comeback("o", &vec![(1, 1, Disposition::Scrap); 2_000]);
        let operations = vec![
            placement("o", &vec![("mug", None, 1); 2_000]),
            shipment("o", &lines(2_000)),
            cancellation_of("o", quantities(&lines(1_000))),
            Command::ReturnOrder(back),
            cart("r", &[("mug", None, 1); 1_000]),
            Command::CommitReservation(paid("r", "o", &lines(500))),
            release("r", &lines(500)),
            transfer("r", &vec![1; last], "a"),
            confirmation("o"),
        ];
        rule_of(transaction(Vec::new(), operations))
    };
    assert_eq!(many(1_000), None);
    assert_eq!(many(1_001), Some("too many lines in a transaction"));
}
