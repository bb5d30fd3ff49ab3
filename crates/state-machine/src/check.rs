//! Bounds of commands: what doesn't depend on state.

use std::collections::BTreeMap;

use crate::command::{
    Command, LineQuantity, LocationChange, Payment, PlaceLine, Precondition, SkuChange, Sourcing, Transact,
};
use crate::ids::is_id;
use crate::ledger::Reason;
use crate::limits;
use crate::location::LocationDetails;
use crate::sku::{SkuDetails, limits_fit};
use crate::stock::Bucket;

impl Command {
    /// Checks every bound that doesn't depend on state; says which one is broken.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::CreateSku(command) => check_sku(&command.details),
            Self::UpdateSku(command) => check_sku_change(&command.change),
            Self::CreateLocation(command) => {
                let LocationDetails { display_name, zone, priority, disabled: _ } = &command.details;
                check_location(Some(display_name), Some(zone), Some(*priority))
            }
            Self::UpdateLocation(command) => {
                let LocationChange { display_name, zone, priority, disabled: _ } = &command.change;
                check_location(display_name.as_deref(), zone.as_deref(), *priority)
            }
            Self::ReceiveStock(command) => {
                ensure((1..=limits::MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range")?;
                check_reference(&command.reference)
            }
            Self::AdjustStock(command) => {
                let range = -limits::MAX_STOCK_CHANGE..=limits::MAX_STOCK_CHANGE;
                ensure(command.delta != 0 && range.contains(&command.delta), "delta out of range")?;
                check_by_hand(&[command.bucket], command.reason, &command.reference)
            }
            Self::SetStock(command) => {
                let range = 0..=limits::MAX_STOCK_CHANGE;
                ensure(range.contains(&command.quantity), "quantity out of range")?;
                check_by_hand(&[command.bucket], command.reason, &command.reference)
            }
            Self::MoveStock(command) => {
                ensure((1..=limits::MAX_STOCK_CHANGE).contains(&command.quantity), "quantity out of range")?;
                ensure(command.from != command.to, "buckets are the same")?;
                check_by_hand(&[command.from, command.to], command.reason, &command.reference)
            }
            Self::PlaceOrder(command) => check_hold(&command.lines, command.hold_us, command.sourcing),
            Self::ConfirmOrder(command) => check_reference(&command.payment_reference),
            Self::ShipOrder(command) => {
                check_line_count_at_most(command.lines.len())?;
                check_reference(&command.tracking_number)?;
                check_line_quantities(&command.lines)?;
                let range = limits::MIN_CLOSE_AFTER_US..=limits::MAX_CLOSE_AFTER_US;
                let in_range = command.close_after_us.is_none_or(|time| range.contains(&time));
                ensure(in_range, "time to close out of range")
            }
            Self::ExtendOrder(command) => check_hold_us(command.hold_us),
            Self::CancelOrder(command) => check_line_quantities(&command.lines),
            Self::ReturnOrder(command) => {
                check_line_count(command.lines.len())?;
                command.lines.iter().try_for_each(|line| check_quantity(line.quantity))
            }
            Self::CreateReservation(command) => check_hold(&command.lines, command.hold_us, command.sourcing),
            Self::ExtendReservation(command) => check_hold_us(command.hold_us),
            Self::CommitReservation(command) => {
                check_line_quantities(&command.lines)?;
                match &command.payment {
                    Payment::Pending { hold_us } => check_hold_us(*hold_us),
                    Payment::Taken { reference } => check_reference(reference),
                }
            }
            Self::ReleaseReservation(command) => check_line_quantities(&command.lines),
            Self::MoveReservation(command) => check_line_count_at_most(command.lines.len()),
            Self::Transact(command) => check_transaction(command),
            Self::DeleteSku(_)
            | Self::DeleteLocation(_)
            | Self::CloseOrder(_)
            | Self::ExpireDue(_)
            | Self::AbandonRequest => Ok(()),
        }
    }
}

/// Every rule that [`Command::check`] can name. Refusals are kept with the rule's text, so a text never changes and
/// never leaves the list.
pub const MALFORMED_RULES: [&str; 23] = [
    "display name too long",
    "quantity out of range",
    "reference too long",
    "delta out of range",
    "bucket belongs to orders",
    "reason is the system's",
    "number of lines out of range",
    "hold out of range",
    "quantity of a line out of range",
    "price out of range",
    "too many lines",
    WRONG_SKU_LIMITS,
    "limit per order out of range",
    "attributes out of bounds",
    "zone or priority out of bounds",
    "buckets are the same",
    "a line names no location",
    "time to close out of range",
    "number of operations out of range",
    "too many preconditions",
    "range of quantities is empty",
    "no operation of a transaction",
    "too many lines in a transaction",
];

/// The one rule that may depend on state: what an update leaves of a SKU.
pub(crate) const WRONG_SKU_LIMITS: &str = "minimum per order above its maximum";

fn ensure(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    debug_assert!(MALFORMED_RULES.contains(&rule), "the list lacks {rule:?}");
    if holds { Ok(()) } else { Err(rule) }
}

fn check_sku(details: &SkuDetails) -> Result<(), &'static str> {
    let SkuDetails { display_name, untracked: _, min_per_order, max_per_order, attributes } = details;
    check_display_name(display_name)?;
    check_limit_per_order(*min_per_order)?;
    check_limit_per_order(*max_per_order)?;
    ensure(limits_fit(*min_per_order, *max_per_order), WRONG_SKU_LIMITS)?;
    check_attributes(attributes)
}

fn check_sku_change(change: &SkuChange) -> Result<(), &'static str> {
    let SkuChange { display_name, untracked: _, min_per_order, max_per_order, attributes } = change;
    display_name.as_deref().map_or(Ok(()), check_display_name)?;
    min_per_order.map_or(Ok(()), check_limit_per_order)?;
    max_per_order.map_or(Ok(()), check_limit_per_order)?;
    if let (Some(min), Some(max)) = (*min_per_order, *max_per_order) {
        ensure(limits_fit(min, max), WRONG_SKU_LIMITS)?;
    }
    attributes.as_ref().map_or(Ok(()), check_attributes)
}

fn check_limit_per_order(limit: i64) -> Result<(), &'static str> {
    ensure((0..=limits::MAX_LINE_QUANTITY).contains(&limit), "limit per order out of range")
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<(), &'static str> {
    let bytes: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    let count = attributes.len() <= limits::MAX_ATTRIBUTES && bytes <= limits::MAX_ATTRIBUTES_BYTES;
    let names = attributes.keys().all(|name| is_id(name));
    ensure(count && names, "attributes out of bounds")
}

fn check_location(
    display_name: Option<&str>,
    zone: Option<&str>,
    priority: Option<u32>,
) -> Result<(), &'static str> {
    display_name.map_or(Ok(()), check_display_name)?;
    let zone = zone.is_none_or(|zone| zone.is_empty() || is_id(zone));
    let priority = priority.is_none_or(|priority| priority <= limits::MAX_PRIORITY);
    ensure(zone && priority, "zone or priority out of bounds")
}

/// What a caller may do to stock by hand, and how it must say so.
fn check_by_hand(buckets: &[Bucket], reason: Reason, reference: &str) -> Result<(), &'static str> {
    let of_orders = |bucket: &Bucket| matches!(bucket, Bucket::Reserved | Bucket::Committed);
    ensure(!buckets.iter().any(of_orders), "bucket belongs to orders")?;
    ensure(!reason.is_system(), "reason is the system's")?;
    check_reference(reference)
}

fn check_display_name(name: &str) -> Result<(), &'static str> {
    ensure(name.len() <= limits::MAX_DISPLAY_NAME_LEN, "display name too long")
}

fn check_reference(reference: &str) -> Result<(), &'static str> {
    ensure(reference.len() <= limits::MAX_REFERENCE_LEN, "reference too long")
}

fn check_line_count(count: usize) -> Result<(), &'static str> {
    ensure((1..=limits::MAX_LINES).contains(&count), "number of lines out of range")
}

fn check_line_count_at_most(count: usize) -> Result<(), &'static str> {
    ensure(count <= limits::MAX_LINES, "too many lines")
}

/// Lines of which none stands for all.
fn check_line_quantities(lines: &[LineQuantity]) -> Result<(), &'static str> {
    check_line_count_at_most(lines.len())?;
    lines.iter().try_for_each(|line| check_quantity(line.quantity))
}

/// What a transaction says, and each of its operations.
fn check_transaction(command: &Transact) -> Result<(), &'static str> {
    let Transact { preconditions, operations } = command;
    ensure((1..=limits::MAX_OPERATIONS).contains(&operations.len()), "number of operations out of range")?;
    ensure(preconditions.len() <= limits::MAX_PRECONDITIONS, "too many preconditions")?;
    for condition in preconditions {
        if let Precondition::Quantity { min, max, .. } = condition {
            ensure(min <= max, "range of quantities is empty")?;
        }
    }
    ensure(operations.iter().all(Command::is_operation), "no operation of a transaction")?;
    operations.iter().try_for_each(Command::check)?;
    let lines: usize = operations.iter().map(Command::line_count).sum();
    ensure(lines <= limits::MAX_TRANSACT_LINES, "too many lines in a transaction")
}

/// What an order or a reservation is to hold, from where, and for how long.
fn check_hold(lines: &[PlaceLine], hold_us: u64, sourcing: Sourcing) -> Result<(), &'static str> {
    check_line_count(lines.len())?;
    check_hold_us(hold_us)?;
    let names = |line: &PlaceLine| line.location.is_some();
    ensure(sourcing != Sourcing::Explicit || lines.iter().all(names), "a line names no location")?;
    lines.iter().try_for_each(|line| {
        check_quantity(line.quantity)?;
        let price = 0..=limits::MAX_UNIT_PRICE_MINOR;
        ensure(price.contains(&line.unit_price_minor), "price out of range")
    })
}

fn check_hold_us(hold_us: u64) -> Result<(), &'static str> {
    ensure((limits::MIN_HOLD_US..=limits::MAX_HOLD_US).contains(&hold_us), "hold out of range")
}

fn check_quantity(quantity: i64) -> Result<(), &'static str> {
    ensure((1..=limits::MAX_LINE_QUANTITY).contains(&quantity), "quantity of a line out of range")
}
