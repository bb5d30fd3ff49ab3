//! Breaks a bound of a command: the gateway would have refused it, the log may hold it.

use std::collections::BTreeMap;

use stockade_env::Random;
use stockade_state_machine::command::{
    CancelOrder, Command, ExpireDue, LineQuantity, Payment, PlaceLine, Precondition, Transact,
};
use stockade_state_machine::ids::{LocationId, OrderId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::{
    MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, MAX_CLOSE_AFTER_US, MAX_DISPLAY_NAME_LEN, MAX_HOLD_US, MAX_ID_LEN,
    MAX_LINE_QUANTITY, MAX_LINES, MAX_OPERATIONS, MAX_PRECONDITIONS, MAX_PRIORITY, MAX_REFERENCE_LEN,
    MAX_STOCK_CHANGE, MAX_TRANSACT_LINES, MAX_UNIT_PRICE_MINOR, MIN_CLOSE_AFTER_US, MIN_HOLD_US,
};
use stockade_state_machine::order::OrderState;
use stockade_state_machine::stock::{Bucket, StockKey};

use super::author::pick;

const HOLDS_US: [u64; 4] = [0, MIN_HOLD_US - 1, MAX_HOLD_US + 1, u64::MAX];
const LINE_QUANTITIES: [i64; 5] = [0, -1, i64::MIN, MAX_LINE_QUANTITY + 1, i64::MAX];

/// Breaks one of its bounds, if it has any.
pub(super) fn spoil(command: &mut Command, random: &Random) {
    match command {
        Command::CreateSku(command) => {
            let details = &mut command.details;
            match random.below(5) {
                0 => details.display_name = too_long(MAX_DISPLAY_NAME_LEN),
                1 => details.min_per_order = pick(random, &[-1, MAX_LINE_QUANTITY + 1]),
                2 => details.max_per_order = pick(random, &[-1, i64::MAX]),
                3 => (details.min_per_order, details.max_per_order) = (3, 2),
                _ => details.attributes = bad_attributes(random),
            }
        }
        Command::UpdateSku(command) => {
            let change = &mut command.change;
            match random.below(5) {
                0 => change.display_name = Some(too_long(MAX_DISPLAY_NAME_LEN)),
                1 => change.min_per_order = Some(pick(random, &[-1, MAX_LINE_QUANTITY + 1])),
                2 => change.max_per_order = Some(pick(random, &[-1, i64::MAX])),
                // Decided by what it leaves.
                3 => (change.min_per_order, change.max_per_order) = (Some(3), Some(2)),
                _ => change.attributes = Some(bad_attributes(random)),
            }
        }
        Command::CreateLocation(command) => match random.below(3) {
            0 => command.details.display_name = too_long(MAX_DISPLAY_NAME_LEN),
            1 => command.details.zone = String::from(pick(random, &["two words", "\u{e9}"])),
            _ => command.details.priority = pick(random, &[MAX_PRIORITY + 1, u32::MAX]),
        },
        Command::UpdateLocation(command) => match random.below(3) {
            0 => command.change.display_name = Some(too_long(MAX_DISPLAY_NAME_LEN)),
            1 => command.change.zone = Some(too_long(MAX_ID_LEN)),
            _ => command.change.priority = Some(pick(random, &[MAX_PRIORITY + 1, u32::MAX])),
        },
        Command::SetStock(command) => match random.below(4) {
            0 => command.reference = too_long(MAX_REFERENCE_LEN),
            1 => command.bucket = pick(random, &[Bucket::Reserved, Bucket::Committed]),
            2 => command.reason = pick(random, &[Reason::Received, Reason::Expiry, Reason::Shipment]),
            _ => command.quantity = pick(random, &[-1, MAX_STOCK_CHANGE + 1, i64::MIN, i64::MAX]),
        },
        Command::MoveStock(command) => match random.below(5) {
            0 => command.reference = too_long(MAX_REFERENCE_LEN),
            1 => command.to = pick(random, &[Bucket::Reserved, Bucket::Committed]),
            2 => command.to = command.from,
            3 => command.reason = pick(random, &[Reason::Received, Reason::Expiry, Reason::Shipment]),
            _ => command.quantity = pick(random, &[0, -1, MAX_STOCK_CHANGE + 1, i64::MIN, i64::MAX]),
        },
        Command::ReceiveStock(command) => match random.below(3) {
            0 => command.reference = too_long(MAX_REFERENCE_LEN),
            _ => command.quantity = pick(random, &[0, -1, i64::MIN, MAX_STOCK_CHANGE + 1, i64::MAX]),
        },
        Command::AdjustStock(command) => match random.below(5) {
            0 => command.reference = too_long(MAX_REFERENCE_LEN),
            1 => command.bucket = pick(random, &[Bucket::Reserved, Bucket::Committed]),
            2 => command.reason = pick(random, &[Reason::Received, Reason::Expiry, Reason::Shipment]),
            _ => {
                let deltas = [0, MAX_STOCK_CHANGE + 1, -MAX_STOCK_CHANGE - 1, i64::MIN, i64::MAX];
                command.delta = pick(random, &deltas);
            }
        },
        Command::PlaceOrder(command) => spoil_lines(&mut command.lines, &mut command.hold_us, random),
        Command::ConfirmOrder(command) => command.payment_reference = too_long(MAX_REFERENCE_LEN),
        Command::ShipOrder(command) => match random.below(4) {
            0 => command.tracking_number = too_long(MAX_REFERENCE_LEN),
            1 => {
                let times = [0, MIN_CLOSE_AFTER_US - 1, MAX_CLOSE_AFTER_US + 1, u64::MAX];
                command.close_after_us = Some(pick(random, &times));
            }
            _ => spoil_quantities(&mut command.lines, random),
        },
        Command::ReturnOrder(command) => match random.below(4) {
            0 => command.lines.clear(),
            1 => repeat(&mut command.lines),
            _ => {
                if let Some(line) = command.lines.first_mut() {
                    line.quantity = pick(random, &LINE_QUANTITIES);
                }
            }
        },
        Command::CreateReservation(command) => {
            spoil_lines(&mut command.lines, &mut command.hold_us, random);
        }
        Command::ExtendReservation(command) => command.hold_us = pick(random, &HOLDS_US),
        Command::CommitReservation(command) => match random.below(4) {
            0 => command.payment = Payment::Pending { hold_us: pick(random, &HOLDS_US) },
            1 => command.payment = Payment::Taken { reference: too_long(MAX_REFERENCE_LEN) },
            _ => spoil_quantities(&mut command.lines, random),
        },
        Command::ReleaseReservation(command) => spoil_quantities(&mut command.lines, random),
        Command::MoveReservation(command) => {
            command.lines.push(1);
            repeat(&mut command.lines);
        }
        Command::ExtendOrder(command) => command.hold_us = pick(random, &HOLDS_US),
        Command::CancelOrder(command) => spoil_quantities(&mut command.lines, random),
        Command::Transact(command) => spoil_transaction(command, random),
        Command::DeleteSku(_)
        | Command::DeleteLocation(_)
        | Command::CloseOrder(_)
        | Command::ExpireDue(_)
        | Command::AbandonRequest => {}
    }
}

fn spoil_transaction(command: &mut Transact, random: &Random) {
    let Transact { preconditions, operations } = command;
    match random.below(7) {
        0 => operations.clear(),
        1 => operations.resize(MAX_OPERATIONS + 1, Command::AbandonRequest),
        2 => {
            let (order, state) = (OrderId::new("o").expect("an id"), OrderState::Closed);
            preconditions.resize(MAX_PRECONDITIONS + 1, Precondition::OrderState(order, state));
        }
        3 => {
            let location = LocationId::new("l").expect("an id");
            let key = StockKey { sku: SkuId::new("s").expect("an id"), location };
            let empty = Precondition::Quantity { key, bucket: Bucket::Available, min: 1, max: 0 };
            preconditions.push(empty);
        }
        4 => {
            let inner = Command::Transact(command.clone());
            let others = [Command::AbandonRequest, Command::ExpireDue(ExpireDue { limit: 1 }), inner];
            let other = usize::try_from(random.below(3)).expect("below 3");
            command.operations.extend(others.into_iter().nth(other));
        }
        5 => {
            let lines = vec![LineQuantity { line: 1, location: None, quantity: 1 }; MAX_LINES];
            let order = OrderId::new("o").expect("an id");
            let cancel = Command::CancelOrder(CancelOrder { order, lines, expected: None });
            operations.extend(std::iter::repeat_n(cancel, MAX_TRANSACT_LINES / MAX_LINES + 1));
        }
        _ => {
            if let Some(operation) = operations.last_mut() {
                spoil(operation, random);
            }
        }
    }
}

fn spoil_lines(lines: &mut Vec<PlaceLine>, hold_us: &mut u64, random: &Random) {
    match random.below(6) {
        0 => lines.clear(),
        1 => *hold_us = pick(random, &HOLDS_US),
        2 => repeat(lines),
        3 => {
            if let Some(line) = lines.last_mut() {
                line.unit_price_minor = pick(random, &[-1, MAX_UNIT_PRICE_MINOR + 1, i64::MIN]);
            }
        }
        _ => {
            if let Some(line) = lines.first_mut() {
                line.quantity = pick(random, &LINE_QUANTITIES);
            }
        }
    }
}

fn spoil_quantities(lines: &mut Vec<LineQuantity>, random: &Random) {
    if random.below(3) == 0 {
        lines.push(LineQuantity { line: 1, location: None, quantity: 1 });
        repeat(lines);
    } else {
        lines.push(LineQuantity { line: 1, location: None, quantity: pick(random, &LINE_QUANTITIES) });
    }
}

fn bad_attributes(random: &Random) -> BTreeMap<String, String> {
    let attribute = |number: usize| (format!("a{number}"), String::new());
    match random.below(3) {
        0 => (0..=MAX_ATTRIBUTES).map(attribute).collect(),
        1 => BTreeMap::from([("a".to_owned(), too_long(MAX_ATTRIBUTES_BYTES))]),
        _ => BTreeMap::from([("two words".to_owned(), String::new())]),
    }
}

fn too_long(most: usize) -> String {
    "x".repeat(most + 1)
}

/// One line more than there may be.
fn repeat<T: Clone>(lines: &mut Vec<T>) {
    if let Some(line) = lines.first().cloned() {
        lines.resize(MAX_LINES + 1, line);
    }
}
