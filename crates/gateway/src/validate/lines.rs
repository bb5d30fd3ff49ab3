//! What requests about orders and about reservations share: lines, holds, currencies.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use stockade_proto::v1;
use stockade_state_machine::command::{LineQuantity, PlaceLine, Sourcing};
use stockade_state_machine::limits::{
    DEFAULT_HOLD_US, MAX_HOLD_US, MAX_LINE_QUANTITY, MAX_LINES, MAX_UNIT_PRICE_MINOR, MIN_HOLD_US,
};
use stockade_state_machine::order::Currency;

use super::Violations;

pub(super) fn currency(code: &str, violations: &mut Violations) -> Option<Currency> {
    let currency = Currency::new(code);
    if currency.is_none() {
        violations.add("currency_code", "must be three capital letters");
    }
    currency
}

/// What is to be ordered or reserved.
pub(super) fn new_lines(lines: &[v1::NewOrderLine], violations: &mut Violations) -> Option<Vec<PlaceLine>> {
    let in_bounds = check_count(lines.len(), 1, violations);
    let lines = lines.iter().enumerate().take(in_bounds);
    all(lines.map(|(index, line)| new_line(&format!("lines[{index}]"), line, violations)))
}

fn new_line(path: &str, line: &v1::NewOrderLine, violations: &mut Violations) -> Option<PlaceLine> {
    let sku = violations.sku(&format!("{path}.sku_id"), &line.sku_id);
    let quantity = violations.number(&format!("{path}.quantity"), line.quantity, 1..=MAX_LINE_QUANTITY);
    let location = violations.optional_location(&format!("{path}.location_id"), &line.location_id);
    let prices = 0..=MAX_UNIT_PRICE_MINOR;
    let price = violations.number(&format!("{path}.unit_price_minor"), line.unit_price_minor, prices);
    Some(PlaceLine { sku: sku?, location, quantity: quantity?, unit_price_minor: price? })
}

/// How long units are held, in microseconds.
pub(super) fn hold(asked: Option<&prost_types::Duration>, violations: &mut Violations) -> Option<u64> {
    let Some(asked) = asked else { return Some(DEFAULT_HOLD_US) };
    let hold = micros(asked, MIN_HOLD_US..=MAX_HOLD_US);
    if hold.is_none() {
        violations.add("hold_duration", "must be from 1 second to 30 days");
    }
    hold
}

/// A duration within bounds, in microseconds.
pub(super) fn micros(asked: &prost_types::Duration, bounds: RangeInclusive<u64>) -> Option<u64> {
    let micros = Duration::try_from(*asked).ok().and_then(|time| u64::try_from(time.as_micros()).ok());
    micros.filter(|micros| bounds.contains(micros))
}

/// Where units come from that name no location; each line names one where that is what is asked.
pub(super) fn sourcing(
    asked: i32,
    lines: &[v1::NewOrderLine],
    violations: &mut Violations,
) -> Option<Sourcing> {
    match v1::Sourcing::try_from(asked) {
        Ok(v1::Sourcing::Unspecified | v1::Sourcing::Priority) => Some(Sourcing::Priority),
        Ok(v1::Sourcing::MostStock) => Some(Sourcing::MostStock),
        Ok(v1::Sourcing::FewestSplits) => Some(Sourcing::FewestSplits),
        Ok(v1::Sourcing::SplitProportional) => Some(Sourcing::SplitProportional),
        Ok(v1::Sourcing::Explicit) => {
            for (index, _) in lines.iter().enumerate().filter(|(_, line)| line.location_id.is_empty()) {
                violations
                    .add(format!("lines[{index}].location_id"), "must be set where sourcing is EXPLICIT");
            }
            Some(Sourcing::Explicit)
        }
        Err(_) => {
            violations.add("sourcing", "is not known");
            None
        }
    }
}

/// Units of lines that are there; none of them may stand for all.
pub(super) fn quantities(
    lines: &[v1::LineQuantity],
    violations: &mut Violations,
) -> Option<Vec<LineQuantity>> {
    let in_bounds = check_count(lines.len(), 0, violations);
    let mut seen = BTreeSet::new();
    let named: BTreeSet<i32> =
        lines.iter().filter(|line| !line.location_id.is_empty()).map(|line| line.line).collect();
    all(lines.iter().enumerate().take(in_bounds).map(|(index, line)| {
        let path = format!("lines[{index}].line");
        let number = number(&path, line.line, violations);
        let quantity =
            violations.number(&format!("lines[{index}].quantity"), line.quantity, 1..=MAX_LINE_QUANTITY);
        let location =
            violations.optional_location(&format!("lines[{index}].location_id"), &line.location_id);
        if number.is_some_and(|number| !seen.insert((number, line.location_id.as_str()))) {
            violations.add(path, "must not stand twice");
        } else if line.location_id.is_empty() && named.contains(&line.line) {
            violations.add(path, "must not stand with a location and without one");
        }
        Some(LineQuantity { line: number?, location, quantity: quantity? })
    }))
}

/// The number of a line.
pub(super) fn number(path: &str, number: i32, violations: &mut Violations) -> Option<u32> {
    let in_bounds = u32::try_from(number).ok();
    let in_bounds =
        in_bounds.filter(|line| (1..=MAX_LINES).contains(&usize::try_from(*line).unwrap_or(usize::MAX)));
    if in_bounds.is_none() {
        violations.add(path, format!("must be from 1 to {MAX_LINES}"));
    }
    in_bounds
}

/// How many lines are worth looking at: all, or as many as are allowed.
pub(super) fn check_count(count: usize, min: usize, violations: &mut Violations) -> usize {
    if !(min..=MAX_LINES).contains(&count) {
        violations.add("lines", format!("must have {min} to {MAX_LINES} lines, has {count}"));
    }
    count.min(MAX_LINES)
}

/// All items or none; looks at every one, so that each can say what is wrong with it.
pub(super) fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut whole = true;
    let items = items.filter_map(|item| {
        whole &= item.is_some();
        item
    });
    let items: Vec<_> = items.collect();
    whole.then_some(items)
}
