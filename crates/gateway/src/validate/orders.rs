//! Requests about orders.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CancelOrder, CloseOrder, ConfirmOrder, Disposition, ExtendOrder, PlaceOrder, ReturnLine, ReturnOrder,
    ShipOrder, ShortagePolicy,
};
use stockade_state_machine::limits::{MAX_CLOSE_AFTER_US, MAX_LINE_QUANTITY, MIN_CLOSE_AFTER_US};

use super::{Violations, lines};

pub(super) fn place(request: &v1::PlaceOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let customer = violations.customer("customer_id", &request.customer_id);
    let currency = lines::currency(&request.currency_code, violations);
    let lines = lines::new_lines(&request.lines, violations);
    let hold_us = lines::hold(request.hold_duration.as_ref(), violations);
    let sourcing = lines::sourcing(request.sourcing, &request.lines, violations);
    let shortage = match v1::ShortagePolicy::try_from(request.shortage_policy) {
        Ok(v1::ShortagePolicy::Unspecified | v1::ShortagePolicy::AllOrNothing) => {
            Some(ShortagePolicy::AllOrNothing)
        }
        Ok(v1::ShortagePolicy::Partial) => Some(ShortagePolicy::Partial),
        Err(_) => {
            violations.add("shortage_policy", "is not known");
            None
        }
    };
    Some(Command::PlaceOrder(PlaceOrder {
        order: order?,
        customer,
        currency: currency?,
        lines: lines?,
        hold_us: hold_us?,
        sourcing: sourcing?,
        shortage: shortage?,
    }))
}

pub(super) fn confirm(request: &v1::ConfirmOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let payment_reference = violations.label("payment_reference", &request.payment_reference);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::ConfirmOrder(ConfirmOrder {
        order: order?,
        payment_reference: payment_reference?,
        reacquire: request.reacquire,
        expected,
    }))
}

pub(super) fn extend(request: &v1::ExtendOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let hold_us = lines::hold(request.hold_duration.as_ref(), violations);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::ExtendOrder(ExtendOrder { order: order?, hold_us: hold_us?, expected }))
}

pub(super) fn ship(request: &v1::ShipOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let lines = lines::quantities(&request.lines, violations);
    let tracking_number = violations.label("tracking_number", &request.tracking_number);
    let document = violations.document("document_id", &request.document_id);
    let bounds = MIN_CLOSE_AFTER_US..=MAX_CLOSE_AFTER_US;
    let close_after = request.close_after.as_ref();
    let close_after =
        close_after.map(|time| lines::micros(time, bounds).ok_or("must be from 1 second to 3,660 days"));
    let close_after_us = close_after.transpose().map_err(|rule| violations.add("close_after", rule)).ok();
    let expected = violations.etag("etag", &request.etag);
    Some(Command::ShipOrder(ShipOrder {
        order: order?,
        lines: lines?,
        tracking_number: tracking_number?,
        document,
        close_after_us: close_after_us?,
        expected,
    }))
}

pub(super) fn cancel(request: &v1::CancelOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let lines = lines::quantities(&request.lines, violations);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::CancelOrder(CancelOrder { order: order?, lines: lines?, expected }))
}

pub(super) fn close(request: &v1::CloseOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::CloseOrder(CloseOrder { order: order?, expected }))
}

pub(super) fn book_return(request: &v1::ReturnOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let in_bounds = lines::check_count(request.lines.len(), 1, violations);
    let lines = request.lines.iter().enumerate().take(in_bounds);
    let lines: Option<Vec<_>> =
        lines::all(lines.map(|(index, line)| return_line(&format!("lines[{index}]"), line, violations)));
    let document = violations.document("document_id", &request.document_id);
    let expected = violations.etag("etag", &request.etag);
    Some(Command::ReturnOrder(ReturnOrder { order: order?, lines: lines?, document, expected }))
}

fn return_line(path: &str, line: &v1::ReturnLine, violations: &mut Violations) -> Option<ReturnLine> {
    let number = lines::number(&format!("{path}.line"), line.line, violations);
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
    let location = violations.optional_location(&format!("{path}.location_id"), &line.location_id);
    Some(ReturnLine { line: number?, quantity: quantity?, disposition: disposition?, location })
}
