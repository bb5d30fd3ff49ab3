//! From requests about orders to commands. Written from the comments in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CancelOrder, CloseOrder, ConfirmOrder, Disposition, ExtendOrder, PlaceOrder, ReturnLine, ReturnOrder,
    ShipOrder, ShortagePolicy,
};
use stockade_state_machine::ids::OrderId;

use crate::fields::{
    NoCommand, currency, customer, document, duration_us, expected, hold_us, line_quantities, location,
    new_lines, number, sourcing,
};

pub(crate) fn place(request: &v1::PlaceOrderRequest) -> Result<Command, NoCommand> {
    // "Unspecified: ALL_OR_NOTHING."
    let shortage = match request.shortage_policy() {
        v1::ShortagePolicy::Unspecified | v1::ShortagePolicy::AllOrNothing => ShortagePolicy::AllOrNothing,
        v1::ShortagePolicy::Partial => ShortagePolicy::Partial,
    };
    Ok(Command::PlaceOrder(PlaceOrder {
        order: OrderId::new(&request.order_id)?,
        customer: customer(&request.customer_id)?,
        currency: currency(&request.currency_code)?,
        lines: new_lines(&request.lines)?,
        hold_us: hold_us(request.hold_duration.as_ref())?,
        sourcing: sourcing(request.sourcing()),
        shortage,
    }))
}

pub(crate) fn confirm(request: &v1::ConfirmOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::ConfirmOrder(ConfirmOrder {
        order: OrderId::new(&request.order_id)?,
        payment_reference: request.payment_reference.clone(),
        reacquire: request.reacquire,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn extend(request: &v1::ExtendOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::ExtendOrder(ExtendOrder {
        order: OrderId::new(&request.order_id)?,
        hold_us: hold_us(request.hold_duration.as_ref())?,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn ship(request: &v1::ShipOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::ShipOrder(ShipOrder {
        order: OrderId::new(&request.order_id)?,
        lines: line_quantities(&request.lines)?,
        tracking_number: request.tracking_number.clone(),
        document: document(&request.document_id)?,
        // "Absent: what an earlier shipment said stays."
        close_after_us: request.close_after.as_ref().map(duration_us).transpose()?,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn cancel(request: &v1::CancelOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::CancelOrder(CancelOrder {
        order: OrderId::new(&request.order_id)?,
        lines: line_quantities(&request.lines)?,
        expected: expected(&request.etag)?,
    }))
}

pub(crate) fn close(request: &v1::CloseOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::CloseOrder(CloseOrder {
        order: OrderId::new(&request.order_id)?,
        expected: expected(&request.etag)?,
    }))
}

/// A return.
pub(crate) fn book_return(request: &v1::ReturnOrderRequest) -> Result<Command, NoCommand> {
    Ok(Command::ReturnOrder(ReturnOrder {
        order: OrderId::new(&request.order_id)?,
        lines: request.lines.iter().map(return_line).collect::<Result<_, NoCommand>>()?,
        document: document(&request.document_id)?,
        expected: expected(&request.etag)?,
    }))
}

/// "Unspecified means RESTOCK." "Empty: to where they came from."
fn return_line(line: &v1::ReturnLine) -> Result<ReturnLine, NoCommand> {
    let disposition = match line.disposition() {
        v1::Disposition::Unspecified | v1::Disposition::Restock => Disposition::Restock,
        v1::Disposition::Damaged => Disposition::Damaged,
        v1::Disposition::Scrap => Disposition::Scrap,
    };
    Ok(ReturnLine {
        line: number(line.line)?,
        quantity: line.quantity,
        disposition,
        location: location(&line.location_id)?,
    })
}

#[cfg(test)]
mod tests {
    use stockade_state_machine::command::Sourcing;
    use stockade_state_machine::{Revision, Version};

    use super::*;

    fn id() -> String {
        "order".to_owned()
    }

    #[test]
    fn an_order_is_placed_whole_and_by_priority_where_nothing_else_is_said() {
        let request = |sourcing: v1::Sourcing, policy: v1::ShortagePolicy| v1::PlaceOrderRequest {
            order_id: id(),
            currency_code: "EUR".to_owned(),
            sourcing: sourcing.into(),
            shortage_policy: policy.into(),
            ..v1::PlaceOrderRequest::default()
        };
        for (asked, expected) in [
            (v1::Sourcing::Unspecified, Sourcing::Priority),
            (v1::Sourcing::Priority, Sourcing::Priority),
            (v1::Sourcing::MostStock, Sourcing::MostStock),
            (v1::Sourcing::FewestSplits, Sourcing::FewestSplits),
            (v1::Sourcing::Explicit, Sourcing::Explicit),
            (v1::Sourcing::SplitProportional, Sourcing::SplitProportional),
        ] {
            for (policy, shortage) in [
                (v1::ShortagePolicy::Unspecified, ShortagePolicy::AllOrNothing),
                (v1::ShortagePolicy::AllOrNothing, ShortagePolicy::AllOrNothing),
                (v1::ShortagePolicy::Partial, ShortagePolicy::Partial),
            ] {
                match place(&request(asked, policy)) {
                    Ok(Command::PlaceOrder(command)) => {
                        assert_eq!((command.sourcing, command.shortage), (expected, shortage));
                        assert_eq!(command.hold_us, 15 * 60 * 1_000_000);
                    }
                    other => panic!("an order became {other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_order_is_held_for_15_minutes_more_where_no_time_is_given_and_closes_only_where_one_is() {
        let request =
            v1::ExtendOrderRequest { order_id: id(), etag: "1c-a".to_owned(), ..Default::default() };
        let order = OrderId::new("order").expect("an id");
        let version = Version { revision: Revision::new(0x1c), position: 10 };
        let hold_us = 15 * 60 * 1_000_000;
        let extended = ExtendOrder { order, hold_us, expected: Some(version) };
        assert_eq!(extend(&request), Ok(Command::ExtendOrder(extended)));
        let closes = |close_after| {
            let request = v1::ShipOrderRequest { order_id: id(), close_after, ..Default::default() };
            match ship(&request)? {
                Command::ShipOrder(command) => Ok::<_, NoCommand>(command.close_after_us),
                other => panic!("a shipment became {other:?}"),
            }
        };
        assert_eq!(closes(None), Ok(None));
        assert_eq!(closes(Some(prost_types::Duration { seconds: 2, nanos: 500_000 })), Ok(Some(2_000_500)));
        assert!(closes(Some(prost_types::Duration { seconds: -2, nanos: 0 })).is_err());
    }

    #[test]
    fn what_is_no_etag_and_no_location_makes_no_command() {
        let etag = || "1C-a".to_owned();
        assert!(
            close(&v1::CloseOrderRequest { order_id: id(), etag: etag(), ..Default::default() }).is_err()
        );
        assert!(
            cancel(&v1::CancelOrderRequest { order_id: id(), etag: etag(), ..Default::default() }).is_err()
        );
        assert!(ship(&v1::ShipOrderRequest { order_id: id(), etag: etag(), ..Default::default() }).is_err());
        let request = v1::ConfirmOrderRequest { order_id: id(), etag: etag(), ..Default::default() };
        assert!(confirm(&request).is_err());
        let line = v1::ReturnLine { line: 1, location_id: "no such place".to_owned(), ..Default::default() };
        let request = v1::ReturnOrderRequest { order_id: id(), lines: vec![line], ..Default::default() };
        assert!(book_return(&request).is_err());
        let line = v1::LineQuantity { line: 1, quantity: 1, location_id: "no such place".to_owned() };
        let request = v1::CancelOrderRequest { order_id: id(), lines: vec![line], ..Default::default() };
        assert!(cancel(&request).is_err());
    }
}
