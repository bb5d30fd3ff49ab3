//! Bounds of a command's fields. The gateway has checked them; the log may hold a command that passed no gateway.

use std::ops::RangeInclusive;

use stockade_state_machine::command::{AdjustStock, Command, PlaceOrder, ReturnOrder, ShipOrder};
use stockade_state_machine::limits::{
    MAX_DISPLAY_NAME_LEN, MAX_HOLD_US, MAX_LINE_QUANTITY, MAX_LINES, MAX_REFERENCE_LEN, MAX_STOCK_CHANGE,
    MAX_UNIT_PRICE_MINOR, MIN_HOLD_US,
};
use stockade_state_machine::stock::Bucket;

/// Units of a line of an order, a shipment or a return: "1 to 1,000,000,000".
const LINE_QUANTITY: RangeInclusive<i64> = 1..=MAX_LINE_QUANTITY;

/// The first rule that the command breaks; `None` where it is well formed.
///
/// No text orders the rules of a command, for no caller can tell: the gateway names every field that is wrong. What is
/// small stands before what must be looked for in many lines.
pub(crate) fn broken_rule(command: &Command) -> Option<&'static str> {
    match command {
        // "display_name: at most 256 bytes of UTF-8".
        Command::CreateSku(command) => display_name(&command.display_name),
        Command::UpdateSku(command) => command.display_name.as_deref().and_then(display_name),
        Command::ReceiveStock(command) => first([
            // "Units, 1 to 1,000,000,000,000."
            unless((1..=MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range"),
            // "A URI kept in the ledger; at most 512 bytes."
            unless(command.reference.len() <= MAX_REFERENCE_LEN, "reference too long"),
        ]),
        Command::AdjustStock(command) => adjust_stock(command),
        Command::PlaceOrder(command) => place_order(command),
        // The gateway holds it to 128 characters; in the log it has the bound of every reference.
        Command::ConfirmOrder(command) => {
            unless(command.payment_reference.len() <= MAX_REFERENCE_LEN, "reference too long")
        }
        Command::ShipOrder(command) => ship_order(command),
        Command::ReturnOrder(command) => return_order(command),
        // These have no field with a bound of its own.
        Command::DeleteSku(_) | Command::CancelOrder(_) | Command::ExpireDue(_) | Command::AbandonRequest => {
            None
        }
    }
}

fn display_name(name: &str) -> Option<&'static str> {
    unless(name.len() <= MAX_DISPLAY_NAME_LEN, "display name too long")
}

fn adjust_stock(command: &AdjustStock) -> Option<&'static str> {
    let of_orders = matches!(command.bucket, Bucket::Reserved | Bucket::Committed);
    first([
        // "Units, not 0, from -1,000,000,000,000 to 1,000,000,000,000."
        unless(
            command.delta != 0 && (-MAX_STOCK_CHANGE..=MAX_STOCK_CHANGE).contains(&command.delta),
            "delta out of range",
        ),
        // "RESERVED and COMMITTED belong to orders and can't be adjusted."
        unless(!of_orders, "bucket belongs to orders"),
        // "Required; one that is not set by the system."
        unless(!command.reason.is_system(), "reason is the system's"),
        // "A URI kept in the ledger; at most 512 bytes."
        unless(command.reference.len() <= MAX_REFERENCE_LEN, "reference too long"),
    ])
}

fn place_order(command: &PlaceOrder) -> Option<&'static str> {
    let line_rule = command.lines.iter().find_map(|line| {
        first([
            // "Units, 1 to 1,000,000,000."
            unless(LINE_QUANTITY.contains(&line.quantity), "quantity of a line out of range"),
            // "Price of one unit in minor units; 0 to 1,000,000,000,000."
            unless((0..=MAX_UNIT_PRICE_MINOR).contains(&line.unit_price_minor), "price out of range"),
        ])
    });
    first([
        // "lines: 1 to 2,000."
        unless((1..=MAX_LINES).contains(&command.lines.len()), "number of lines out of range"),
        // "How long the units are held for payment: 1 second to 30 days".
        unless((MIN_HOLD_US..=MAX_HOLD_US).contains(&command.hold_us), "hold out of range"),
        line_rule,
    ])
}

fn ship_order(command: &ShipOrder) -> Option<&'static str> {
    first([
        // "Lines of an order, a shipment or a return": at most so many, and none is well formed here.
        unless(command.lines.len() <= MAX_LINES, "too many lines"),
        // The gateway holds it to 128 characters; in the log it has the bound of every reference.
        unless(command.tracking_number.len() <= MAX_REFERENCE_LEN, "reference too long"),
        // "Units, 1 to 1,000,000,000."
        unless(
            command.lines.iter().all(|line| LINE_QUANTITY.contains(&line.quantity)),
            "quantity of a line out of range",
        ),
    ])
}

fn return_order(command: &ReturnOrder) -> Option<&'static str> {
    first([
        // "lines: 1 to 2,000."
        unless((1..=MAX_LINES).contains(&command.lines.len()), "number of lines out of range"),
        // "Units, 1 to 1,000,000,000."
        unless(
            command.lines.iter().all(|line| LINE_QUANTITY.contains(&line.quantity)),
            "quantity of a line out of range",
        ),
    ])
}

fn unless(holds: bool, rule: &'static str) -> Option<&'static str> {
    (!holds).then_some(rule)
}

fn first<const N: usize>(rules: [Option<&'static str>; N]) -> Option<&'static str> {
    rules.into_iter().flatten().next()
}
