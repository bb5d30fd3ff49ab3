//! Requests about orders.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CancelOrder, ConfirmOrder, Disposition, PlaceOrder, ReturnLine, ReturnOrder, ShipOrder,
};
use stockade_state_machine::limits::MAX_LINE_QUANTITY;

use super::{Violations, lines};

pub(super) fn place(request: &v1::PlaceOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let customer = violations.customer("customer_id", &request.customer_id);
    let currency = lines::currency(&request.currency_code, violations);
    let lines = lines::new_lines(&request.lines, violations);
    let hold_us = lines::hold(request.hold_duration.as_ref(), violations);
    Some(Command::PlaceOrder(PlaceOrder {
        order: order?,
        customer,
        currency: currency?,
        lines: lines?,
        hold_us: hold_us?,
    }))
}

pub(super) fn confirm(request: &v1::ConfirmOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let payment_reference = violations.label("payment_reference", &request.payment_reference);
    Some(Command::ConfirmOrder(ConfirmOrder { order: order?, payment_reference: payment_reference? }))
}

pub(super) fn ship(request: &v1::ShipOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let lines = lines::quantities(&request.lines, violations);
    let tracking_number = violations.label("tracking_number", &request.tracking_number);
    Some(Command::ShipOrder(ShipOrder { order: order?, lines: lines?, tracking_number: tracking_number? }))
}

pub(super) fn cancel(request: &v1::CancelOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id)?;
    Some(Command::CancelOrder(CancelOrder { order }))
}

pub(super) fn book_return(request: &v1::ReturnOrderRequest, violations: &mut Violations) -> Option<Command> {
    let order = violations.order("order_id", &request.order_id);
    let in_bounds = lines::check_count(request.lines.len(), 1, violations);
    let lines = request.lines.iter().enumerate().take(in_bounds);
    let lines: Option<Vec<_>> =
        lines::all(lines.map(|(index, line)| return_line(&format!("lines[{index}]"), line, violations)));
    let document = violations.document("document_id", &request.document_id);
    Some(Command::ReturnOrder(ReturnOrder { order: order?, lines: lines?, document }))
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
    Some(ReturnLine { line: number?, quantity: quantity?, disposition: disposition? })
}
