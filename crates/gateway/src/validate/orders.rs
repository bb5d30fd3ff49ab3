//! Requests about orders.

use std::collections::BTreeSet;
use std::time::Duration;

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CancelOrder, ConfirmOrder, Disposition, LineQuantity, PlaceLine, PlaceOrder, ReturnLine, ReturnOrder,
    ShipOrder,
};
use stockade_state_machine::limits::{
    DEFAULT_HOLD_US, MAX_HOLD_US, MAX_LINE_QUANTITY, MAX_LINES, MAX_UNIT_PRICE_MINOR, MIN_HOLD_US,
};
use stockade_state_machine::order::Currency;

use super::Violations;

pub(super) fn place(request: &v1::PlaceOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let customer = violations.customer("customer_id", &request.customer_id);
    let currency = Currency::new(&request.currency_code);
    if currency.is_none() {
        violations.add("currency_code", "must be three capital letters");
    }
    let in_bounds = check_line_count(request.lines.len(), 1, violations);
    let lines = request.lines.iter().enumerate().take(in_bounds);
    let lines: Option<Vec<_>> =
        all(lines.map(|(index, line)| place_line(&format!("lines[{index}]"), line, violations)));
    let hold_us = hold(request.hold_duration.as_ref(), violations);
    Some(Command::PlaceOrder(PlaceOrder {
        order: order?,
        customer,
        currency: currency?,
        lines: lines?,
        hold_us: hold_us?,
    }))
}

fn place_line(path: &str, line: &v1::NewOrderLine, violations: &mut Violations) -> Option<PlaceLine> {
    let sku = violations.sku(&format!("{path}.sku_id"), &line.sku_id);
    let quantity = violations.number(&format!("{path}.quantity"), line.quantity, 1..=MAX_LINE_QUANTITY);
    let location = violations.optional_location(&format!("{path}.location_id"), &line.location_id);
    let prices = 0..=MAX_UNIT_PRICE_MINOR;
    let price = violations.number(&format!("{path}.unit_price_minor"), line.unit_price_minor, prices);
    Some(PlaceLine { sku: sku?, location, quantity: quantity?, unit_price_minor: price? })
}

fn hold(asked: Option<&prost_types::Duration>, violations: &mut Violations) -> Option<u64> {
    let Some(asked) = asked else { return Some(DEFAULT_HOLD_US) };
    let micros = Duration::try_from(*asked).ok().and_then(|hold| u64::try_from(hold.as_micros()).ok());
    let hold = micros.filter(|micros| (MIN_HOLD_US..=MAX_HOLD_US).contains(micros));
    if hold.is_none() {
        violations.add("hold_duration", "must be from 1 second to 30 days");
    }
    hold
}

pub(super) fn confirm(request: &v1::ConfirmOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let payment_reference = violations.label("payment_reference", &request.payment_reference);
    Some(Command::ConfirmOrder(ConfirmOrder { order: order?, payment_reference: payment_reference? }))
}

pub(super) fn ship(request: &v1::ShipOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let in_bounds = check_line_count(request.lines.len(), 0, violations);
    let mut seen = BTreeSet::new();
    let lines = request.lines.iter().enumerate().take(in_bounds).map(|(index, line)| {
        let path = format!("lines[{index}]");
        let number = line_number(&path, line.line, violations);
        let quantity = violations.number(&format!("{path}.quantity"), line.quantity, 1..=MAX_LINE_QUANTITY);
        if number.is_some_and(|number| !seen.insert(number)) {
            violations.add(format!("{path}.line"), "must not stand twice");
        }
        Some(LineQuantity { line: number?, quantity: quantity? })
    });
    let lines = all(lines);
    let tracking_number = violations.label("tracking_number", &request.tracking_number);
    Some(Command::ShipOrder(ShipOrder { order: order?, lines: lines?, tracking_number: tracking_number? }))
}

pub(super) fn cancel(request: &v1::CancelOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id)?;
    Some(Command::CancelOrder(CancelOrder { order }))
}

pub(super) fn book_return(request: &v1::ReturnOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let in_bounds = check_line_count(request.lines.len(), 1, violations);
    let lines = request.lines.iter().enumerate().take(in_bounds);
    let lines: Option<Vec<_>> =
        all(lines.map(|(index, line)| return_line(&format!("lines[{index}]"), line, violations)));
    let document = violations.document("document_id", &request.document_id);
    Some(Command::ReturnOrder(ReturnOrder { order: order?, lines: lines?, document }))
}

fn return_line(path: &str, line: &v1::ReturnLine, violations: &mut Violations) -> Option<ReturnLine> {
    let number = line_number(path, line.line, violations);
    let quantity = violations.number(&format!("{path}.quantity"), line.quantity, 1..=MAX_LINE_QUANTITY);
    let disposition = match v1::Disposition::try_from(line.disposition) {
        Ok(v1::Disposition::Unspecified | v1::Disposition::Restock) => Some(Disposition::Restock),
        Ok(v1::Disposition::Damaged) => Some(Disposition::Damaged),
        Ok(v1::Disposition::Scrap) => Some(Disposition::Scrap),
        Err(_) => {
            violations.add(format!("{path}.disposition"), "is not known");
            None
        }
    };
    Some(ReturnLine { line: number?, quantity: quantity?, disposition: disposition? })
}

fn line_number(path: &str, number: i32, violations: &mut Violations) -> Option<u32> {
    let in_bounds = u32::try_from(number).ok();
    let in_bounds =
        in_bounds.filter(|line| (1..=MAX_LINES).contains(&usize::try_from(*line).unwrap_or(usize::MAX)));
    if in_bounds.is_none() {
        violations.add(format!("{path}.line"), format!("must be from 1 to {MAX_LINES}"));
    }
    in_bounds
}

/// How many lines are worth looking at: all, or as many as are allowed.
fn check_line_count(count: usize, min: usize, violations: &mut Violations) -> usize {
    if !(min..=MAX_LINES).contains(&count) {
        violations.add("lines", format!("must have {min} to {MAX_LINES} lines, has {count}"));
    }
    count.min(MAX_LINES)
}

/// All items or none; looks at every one, so that each can say what is wrong with it.
fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut whole = true;
    let items = items.filter_map(|item| {
        whole &= item.is_some();
        item
    });
    let items: Vec<_> = items.collect();
    whole.then_some(items)
}
