//! Bounds of a command's fields. The gateway has checked them; the log may hold a command that passed no gateway.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use stockade_state_machine::command::{
    AdjustStock, Command, CommitReservation, LineQuantity, LocationChange, MoveStock, Payment, PlaceLine,
    Precondition, ReceiveStock, ReturnOrder, SetStock, ShipOrder, SkuChange, Sourcing, Transact,
};
use stockade_state_machine::ids::is_id;
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::{
    MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, MAX_CLOSE_AFTER_US, MAX_DISPLAY_NAME_LEN, MAX_HOLD_US,
    MAX_LINE_QUANTITY, MAX_LINES, MAX_OPERATIONS, MAX_PRECONDITIONS, MAX_PRIORITY, MAX_REFERENCE_LEN,
    MAX_STOCK_CHANGE, MAX_TRANSACT_LINES, MAX_UNIT_PRICE_MINOR, MIN_CLOSE_AFTER_US, MIN_HOLD_US,
};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::stock::Bucket;

/// Units of a line of an order, a reservation, a shipment or a return: "1 to 1,000,000,000".
const LINE_QUANTITY: RangeInclusive<i64> = 1..=MAX_LINE_QUANTITY;

/// Of what can be no operation of a transaction.
pub(crate) const NO_OPERATION: &str = "no operation of a transaction";

/// The first rule that the command breaks; `None` where it is well formed.
///
/// No caller can tell the order of a command's rules: the gateway names every field that is wrong. What is small stands
/// before what must be looked for in many lines.
pub(crate) fn broken_rule(command: &Command) -> Option<&'static str> {
    match command {
        Command::CreateSku(command) => sku(&command.details),
        Command::UpdateSku(command) => sku_change(&command.change),
        Command::CreateLocation(command) => location(&command.details),
        Command::UpdateLocation(command) => location_change(&command.change),
        Command::ReceiveStock(command) => receive_stock(command),
        Command::AdjustStock(command) => adjust_stock(command),
        Command::SetStock(command) => set_stock(command),
        Command::MoveStock(command) => move_stock(command),
        Command::PlaceOrder(command) => new_lines(&command.lines, command.hold_us, command.sourcing),
        // The gateway holds it to 128 characters; in the log it has the bound of every reference.
        Command::ConfirmOrder(command) => reference(&command.payment_reference),
        Command::ExtendOrder(command) => hold(command.hold_us),
        Command::ShipOrder(command) => ship_order(command),
        Command::CancelOrder(command) => named_lines(&command.lines),
        Command::ReturnOrder(command) => return_order(command),
        Command::CreateReservation(command) => new_lines(&command.lines, command.hold_us, command.sourcing),
        Command::ExtendReservation(command) => hold(command.hold_us),
        Command::CommitReservation(command) => commit_reservation(command),
        Command::ReleaseReservation(command) => named_lines(&command.lines),
        Command::MoveReservation(command) => number_of_named(command.lines.len()),
        Command::Transact(command) => transact(command),
        // These have no field with a bound of its own.
        Command::DeleteSku(_)
        | Command::DeleteLocation(_)
        | Command::CloseOrder(_)
        | Command::ExpireDue(_)
        | Command::AbandonRequest => None,
    }
}

/// "`max_per_order`: ... 0 for no limit ... and not below `min_per_order`". Of a change of one of them only the row can tell.
pub(crate) fn limits_per_order(details: &SkuDetails) -> Option<&'static str> {
    fitting(details.min_per_order, details.max_per_order)
}

fn fitting(min: i64, max: i64) -> Option<&'static str> {
    unless(max == 0 || min <= max, "minimum per order above its maximum")
}

pub(crate) fn sku(details: &SkuDetails) -> Option<&'static str> {
    first([
        display_name(&details.display_name),
        limit_per_order(details.min_per_order),
        limit_per_order(details.max_per_order),
        limits_per_order(details),
        attributes(&details.attributes),
    ])
}

fn sku_change(change: &SkuChange) -> Option<&'static str> {
    first([
        change.display_name.as_deref().and_then(display_name),
        change.min_per_order.and_then(limit_per_order),
        change.max_per_order.and_then(limit_per_order),
        change.min_per_order.zip(change.max_per_order).and_then(|(min, max)| fitting(min, max)),
        change.attributes.as_ref().and_then(attributes),
    ])
}

pub(crate) fn location(details: &LocationDetails) -> Option<&'static str> {
    first([display_name(&details.display_name), zone(&details.zone), priority(details.priority)])
}

fn location_change(change: &LocationChange) -> Option<&'static str> {
    first([
        change.display_name.as_deref().and_then(display_name),
        change.zone.as_deref().and_then(zone),
        change.priority.and_then(priority),
    ])
}

/// "`display_name`: at most 256 bytes of UTF-8".
fn display_name(name: &str) -> Option<&'static str> {
    unless(name.len() <= MAX_DISPLAY_NAME_LEN, "display name too long")
}

/// "0 for no limit, at most 1,000,000,000".
fn limit_per_order(limit: i64) -> Option<&'static str> {
    unless((0..=MAX_LINE_QUANTITY).contains(&limit), "limit per order out of range")
}

/// "At most 32; each name 1 to 128 visible ASCII characters; names and values together at most 4,096 bytes."
fn attributes(attributes: &BTreeMap<String, String>) -> Option<&'static str> {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    unless(
        attributes.len() <= MAX_ATTRIBUTES
            && bytes <= MAX_ATTRIBUTES_BYTES
            && attributes.keys().all(|name| is_id(name)),
        "attributes out of bounds",
    )
}

/// "at most 128 visible ASCII characters; may be empty".
fn zone(zone: &str) -> Option<&'static str> {
    unless(zone.is_empty() || is_id(zone), "zone or priority out of bounds")
}

/// "0 to 1,000,000."
fn priority(priority: u32) -> Option<&'static str> {
    unless(priority <= MAX_PRIORITY, "zone or priority out of bounds")
}

fn receive_stock(command: &ReceiveStock) -> Option<&'static str> {
    first([
        // "Units, 1 to 1,000,000,000,000."
        unless((1..=MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range"),
        reference(&command.reference),
    ])
}

fn adjust_stock(command: &AdjustStock) -> Option<&'static str> {
    first([
        // "Units, not 0, from -1,000,000,000,000 to 1,000,000,000,000."
        unless(
            command.delta != 0 && (-MAX_STOCK_CHANGE..=MAX_STOCK_CHANGE).contains(&command.delta),
            "delta out of range",
        ),
        bucket(command.bucket),
        reason(command.reason),
        reference(&command.reference),
    ])
}

fn set_stock(command: &SetStock) -> Option<&'static str> {
    first([
        // "Units that are to be there, 0 to 1,000,000,000,000."
        unless((0..=MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range"),
        bucket(command.bucket),
        reason(command.reason),
        reference(&command.reference),
    ])
}

fn move_stock(command: &MoveStock) -> Option<&'static str> {
    first([
        // "Units, 1 to 1,000,000,000,000."
        unless((1..=MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range"),
        // "another one than `from_bucket`".
        unless(command.from != command.to, "buckets are the same"),
        bucket(command.from),
        bucket(command.to),
        reason(command.reason),
        reference(&command.reference),
    ])
}

/// "RESERVED and COMMITTED belong to orders and can't be adjusted", nor set, nor moved.
fn bucket(bucket: Bucket) -> Option<&'static str> {
    let of_orders = matches!(bucket, Bucket::Reserved | Bucket::Committed);
    unless(!of_orders, "bucket belongs to orders")
}

/// "Required; one that is not set by the system."
fn reason(reason: Reason) -> Option<&'static str> {
    unless(!reason.is_system(), "reason is the system's")
}

/// "A URI kept in the ledger; at most 512 bytes."
fn reference(reference: &str) -> Option<&'static str> {
    unless(reference.len() <= MAX_REFERENCE_LEN, "reference too long")
}

/// Of an order or a reservation that is to be.
fn new_lines(lines: &[PlaceLine], hold_us: u64, sourcing: Sourcing) -> Option<&'static str> {
    // "Every line names its location, also of a SKU that is not tracked".
    let is_named = sourcing != Sourcing::Explicit || lines.iter().all(|line| line.location.is_some());
    let line_rule = lines.iter().find_map(|line| {
        first([
            // "Units, 1 to 1,000,000,000."
            unless(LINE_QUANTITY.contains(&line.quantity), "quantity of a line out of range"),
            // "Price of one unit in minor units; 0 to 1,000,000,000,000."
            unless((0..=MAX_UNIT_PRICE_MINOR).contains(&line.unit_price_minor), "price out of range"),
        ])
    });
    first([
        // "lines: 1 to 2,000."
        unless((1..=MAX_LINES).contains(&lines.len()), "number of lines out of range"),
        hold(hold_us),
        unless(is_named, "a line names no location"),
        line_rule,
    ])
}

/// "How long the units are held: 1 second to 30 days".
fn hold(hold_us: u64) -> Option<&'static str> {
    unless((MIN_HOLD_US..=MAX_HOLD_US).contains(&hold_us), "hold out of range")
}

/// "at most 2,000", and none is well formed.
fn number_of_named(lines: usize) -> Option<&'static str> {
    unless(lines <= MAX_LINES, "too many lines")
}

/// "Units, 1 to 1,000,000,000."
fn named_quantities(lines: &[LineQuantity]) -> Option<&'static str> {
    let in_range = lines.iter().all(|line| LINE_QUANTITY.contains(&line.quantity));
    unless(in_range, "quantity of a line out of range")
}

/// "Empty: everything".
fn named_lines(lines: &[LineQuantity]) -> Option<&'static str> {
    first([number_of_named(lines.len()), named_quantities(lines)])
}

fn commit_reservation(command: &CommitReservation) -> Option<&'static str> {
    first([
        named_lines(&command.lines),
        match &command.payment {
            // "Set: the order waits so long for its payment, 1 second to 30 days."
            Payment::Pending { hold_us } => hold(*hold_us),
            // The gateway holds it to 128 characters; in the log it has the bound of every reference.
            Payment::Taken { reference: given } => reference(given),
        },
    ])
}

fn ship_order(command: &ShipOrder) -> Option<&'static str> {
    // "so long after this shipment ...: 1 second to 3,660 days".
    let close_after = MIN_CLOSE_AFTER_US..=MAX_CLOSE_AFTER_US;
    first([
        // "Lines of an order, a shipment or a return": at most so many, and none is well formed here.
        number_of_named(command.lines.len()),
        // The gateway holds it to 128 characters; in the log it has the bound of every reference.
        reference(&command.tracking_number),
        named_quantities(&command.lines),
        unless(
            command.close_after_us.is_none_or(|after| close_after.contains(&after)),
            "time to close out of range",
        ),
    ])
}

/// What a transaction says itself, then "each operation's own rules in order", then what they are together.
fn transact(command: &Transact) -> Option<&'static str> {
    let Transact { preconditions, operations } = command;
    let is_range = |condition: &Precondition| match condition {
        // "Absent: no upper bound. Not below `min`."
        Precondition::Quantity { min, max, .. } => min <= max,
        Precondition::Version(..)
        | Precondition::UnchangedSince(..)
        | Precondition::Exists(_)
        | Precondition::Missing(_)
        | Precondition::OrderState(..)
        | Precondition::ReservationState(..) => true,
    };
    // "none is a transaction", nor anything that no caller asks for.
    let is_none = |command: &Command| {
        matches!(command, Command::Transact(_) | Command::ExpireDue(_) | Command::AbandonRequest)
    };
    first([
        // "1 to 1,000, with at most 10,000 lines together."
        unless((1..=MAX_OPERATIONS).contains(&operations.len()), "number of operations out of range"),
        // "At most 1,000."
        unless(preconditions.len() <= MAX_PRECONDITIONS, "too many preconditions"),
        unless(preconditions.iter().all(is_range), "range of quantities is empty"),
        unless(!operations.iter().any(is_none), NO_OPERATION),
        // A transaction in one is none of its operations: it is not looked into.
        operations.iter().filter(|operation| !is_none(operation)).find_map(broken_rule),
        unless(operations.iter().map(lines_of).sum::<usize>() <= MAX_TRANSACT_LINES, TOO_MANY_TOGETHER),
    ])
}

const TOO_MANY_TOGETHER: &str = "too many lines in a transaction";

/// Lines of a command.
fn lines_of(command: &Command) -> usize {
    match command {
        Command::PlaceOrder(command) => command.lines.len(),
        Command::ShipOrder(command) => command.lines.len(),
        Command::CancelOrder(command) => command.lines.len(),
        Command::ReturnOrder(command) => command.lines.len(),
        Command::CreateReservation(command) => command.lines.len(),
        Command::CommitReservation(command) => command.lines.len(),
        Command::ReleaseReservation(command) => command.lines.len(),
        Command::MoveReservation(command) => command.lines.len(),
        Command::CreateSku(_)
        | Command::UpdateSku(_)
        | Command::DeleteSku(_)
        | Command::CreateLocation(_)
        | Command::UpdateLocation(_)
        | Command::DeleteLocation(_)
        | Command::ReceiveStock(_)
        | Command::AdjustStock(_)
        | Command::SetStock(_)
        | Command::MoveStock(_)
        | Command::ConfirmOrder(_)
        | Command::ExtendOrder(_)
        | Command::CloseOrder(_)
        | Command::ExtendReservation(_)
        | Command::Transact(_)
        | Command::ExpireDue(_)
        | Command::AbandonRequest => 0,
    }
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
