//! Entries of the log as callers see them: commands turned back into the mutations that asked for them.

use stockade_consensus::{ExportedEntry, ExportedPayload};
use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_state_machine::command::{Origin, PlaceOrder, ReturnOrder, ShipOrder, UpdateSku};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::{Command, Request};

use crate::convert;

/// A log entry as callers see it.
pub fn entry(entry: &ExportedEntry) -> v1::LogEntry {
    let mut exported = v1::LogEntry {
        index: entry.index,
        term: entry.term,
        node_id: entry.node_id,
        kind: v1::EntryKind::Blank.into(),
        log_time: None,
        commands: Vec::new(),
        voters: Vec::new(),
    };
    match &entry.payload {
        ExportedPayload::Blank => {}
        ExportedPayload::Commands(commands) => {
            exported.kind = v1::EntryKind::Commands.into();
            exported.log_time = Some(convert::timestamp(commands.time));
            exported.commands = (0_u32..)
                .zip(&commands.requests)
                .map(|(position, request)| command(position, request))
                .collect();
        }
        ExportedPayload::Membership(voters) => {
            exported.kind = v1::EntryKind::Membership.into();
            exported.voters.clone_from(voters);
        }
    }
    exported
}

fn command(position: u32, request: &Request) -> v1::LoggedCommand {
    let origin = request.origin.as_ref();
    let request_id = origin.map(|origin| origin.request.to_string()).unwrap_or_default();
    let logged = match &request.command {
        Command::ExpireDue(command) => Logged::ExpireDue(v1::ExpireDueCommand { limit: command.limit }),
        Command::AbandonRequest => Logged::Abandon(v1::AbandonCommand {}),
        Command::CreateSku(_)
        | Command::UpdateSku(_)
        | Command::DeleteSku(_)
        | Command::ReceiveStock(_)
        | Command::AdjustStock(_)
        | Command::PlaceOrder(_)
        | Command::ConfirmOrder(_)
        | Command::ShipOrder(_)
        | Command::CancelOrder(_)
        | Command::ReturnOrder(_) => {
            Logged::Mutation(v1::Mutation { timeout: None, request: mutation(&request_id, &request.command) })
        }
    };
    v1::LoggedCommand {
        position,
        request_id,
        principal: origin.map(|Origin { principal, .. }| principal.to_string()).unwrap_or_default(),
        command: Some(logged),
    }
}

/// The request that a command came from, with its defaults spelled out; `None` for the system's own.
pub(crate) fn mutation(request_id: &str, command: &Command) -> Option<Mutated> {
    let request_id = request_id.to_owned();
    let mutated = match command {
        Command::CreateSku(command) => Mutated::CreateSku(v1::CreateSkuRequest {
            request_id,
            sku: Some(sku(command.sku.as_str(), &command.display_name)),
        }),
        Command::UpdateSku(command) => Mutated::UpdateSku(update_sku(request_id, command)),
        Command::DeleteSku(command) => {
            Mutated::DeleteSku(v1::DeleteSkuRequest { request_id, sku_id: command.sku.to_string() })
        }
        Command::ReceiveStock(command) => Mutated::ReceiveStock(v1::ReceiveStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            quantity: command.quantity,
            document_id: document(command.document.as_ref()),
            reference: command.reference.clone(),
        }),
        Command::AdjustStock(command) => Mutated::AdjustStock(v1::AdjustStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            bucket: convert::bucket(command.bucket).into(),
            delta: command.delta,
            reason: convert::reason(command.reason).into(),
            document_id: document(command.document.as_ref()),
            reference: command.reference.clone(),
        }),
        Command::PlaceOrder(command) => Mutated::PlaceOrder(place(request_id, command)),
        Command::ConfirmOrder(command) => Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
            request_id,
            order_id: command.order.to_string(),
            payment_reference: command.payment_reference.clone(),
        }),
        Command::ShipOrder(command) => Mutated::ShipOrder(ship(request_id, command)),
        Command::CancelOrder(command) => {
            Mutated::CancelOrder(v1::CancelOrderRequest { request_id, order_id: command.order.to_string() })
        }
        Command::ReturnOrder(command) => Mutated::ReturnOrder(book_return(request_id, command)),
        Command::ExpireDue(_) | Command::AbandonRequest => return None,
    };
    Some(mutated)
}

fn sku(id: &str, display_name: &str) -> v1::Sku {
    v1::Sku { sku_id: id.to_owned(), display_name: display_name.to_owned(), ..v1::Sku::default() }
}

fn update_sku(request_id: String, command: &UpdateSku) -> v1::UpdateSkuRequest {
    // An empty mask means everything, so one that changes nothing names the id.
    let path = if command.display_name.is_some() { "display_name" } else { "sku_id" };
    v1::UpdateSkuRequest {
        request_id,
        sku: Some(sku(command.sku.as_str(), command.display_name.as_deref().unwrap_or_default())),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
    }
}

fn place(request_id: String, command: &PlaceOrder) -> v1::PlaceOrderRequest {
    let lines = command.lines.iter().map(|line| v1::NewOrderLine {
        sku_id: line.sku.to_string(),
        quantity: line.quantity,
        location_id: line.location.as_ref().map(ToString::to_string).unwrap_or_default(),
        unit_price_minor: line.unit_price_minor,
    });
    v1::PlaceOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        customer_id: command.customer.as_ref().map(ToString::to_string).unwrap_or_default(),
        currency_code: command.currency.as_str().to_owned(),
        lines: lines.collect(),
        hold_duration: Some(convert::duration(command.hold_us)),
    }
}

fn ship(request_id: String, command: &ShipOrder) -> v1::ShipOrderRequest {
    let lines = command.lines.iter();
    let lines = lines.map(|line| v1::LineQuantity { line: line_number(line.line), quantity: line.quantity });
    v1::ShipOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        lines: lines.collect(),
        tracking_number: command.tracking_number.clone(),
    }
}

fn book_return(request_id: String, command: &ReturnOrder) -> v1::ReturnOrderRequest {
    let lines = command.lines.iter().map(|line| v1::ReturnLine {
        line: line_number(line.line),
        quantity: line.quantity,
        disposition: convert::disposition(line.disposition).into(),
    });
    v1::ReturnOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        lines: lines.collect(),
        document_id: document(command.document.as_ref()),
    }
}

/// Execution refuses what is not in the order, so a number beyond 31 bits can stand in the log, but only in a command
/// that had no effect.
fn line_number(line: u32) -> i32 {
    i32::try_from(line).unwrap_or(i32::MAX)
}

fn document(id: Option<&DocumentId>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate;

    const ID: &str = "01900000-0000-7000-8000-000000000001";

    /// Each kind of mutation as its shortest and as its fullest.
    fn requests() -> Vec<Mutated> {
        let request_id = || ID.to_owned();
        let text = |text: &str| text.to_owned();
        vec![
            Mutated::CreateSku(v1::CreateSkuRequest { request_id: request_id(), sku: Some(sku("A", "Mug")) }),
            Mutated::UpdateSku(v1::UpdateSkuRequest {
                request_id: request_id(),
                sku: Some(sku("A", "Mug")),
                update_mask: None,
            }),
            Mutated::UpdateSku(v1::UpdateSkuRequest {
                request_id: request_id(),
                sku: Some(sku("A", "")),
                update_mask: Some(prost_types::FieldMask { paths: vec![text("sku_id")] }),
            }),
            Mutated::DeleteSku(v1::DeleteSkuRequest { request_id: request_id(), sku_id: text("A") }),
            Mutated::ReceiveStock(v1::ReceiveStockRequest {
                request_id: request_id(),
                sku_id: text("A"),
                location_id: text("L"),
                quantity: 7,
                document_id: text("D"),
                reference: text("urn:x"),
            }),
            Mutated::AdjustStock(v1::AdjustStockRequest {
                request_id: request_id(),
                sku_id: text("A"),
                location_id: text("L"),
                bucket: 0,
                delta: -7,
                reason: v1::Reason::TheftLoss.into(),
                document_id: String::new(),
                reference: String::new(),
            }),
            Mutated::PlaceOrder(v1::PlaceOrderRequest {
                request_id: request_id(),
                order_id: text("O"),
                customer_id: text("C"),
                currency_code: text("GBP"),
                lines: vec![
                    v1::NewOrderLine { sku_id: text("A"), quantity: 1, ..v1::NewOrderLine::default() },
                    v1::NewOrderLine {
                        sku_id: text("B"),
                        quantity: 2,
                        location_id: text("L"),
                        unit_price_minor: 250,
                    },
                ],
                hold_duration: None,
            }),
            Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
                request_id: request_id(),
                order_id: text("O"),
                payment_reference: text("pay-1"),
            }),
            Mutated::ShipOrder(v1::ShipOrderRequest {
                request_id: request_id(),
                order_id: text("O"),
                lines: vec![v1::LineQuantity { line: 2, quantity: 1 }],
                tracking_number: text("T"),
            }),
            Mutated::CancelOrder(v1::CancelOrderRequest { request_id: request_id(), order_id: text("O") }),
            Mutated::ReturnOrder(v1::ReturnOrderRequest {
                request_id: request_id(),
                order_id: text("O"),
                lines: vec![v1::ReturnLine { line: 1, quantity: 1, disposition: 0 }],
                document_id: text("R"),
            }),
        ]
    }

    #[test]
    fn an_exported_mutation_asks_for_the_same_command() {
        for request in requests() {
            let valid = validate::request(&request).expect("a valid request");
            let exported = mutation(ID, &valid.command).expect("a caller's mutation");
            assert_eq!(validate::request(&exported), Ok(valid.clone()), "{exported:?}");
            // With the defaults spelled out the request itself comes back.
            assert_eq!(mutation(ID, &valid.command), Some(exported));
        }
    }

    #[test]
    fn a_request_that_spells_its_defaults_out_comes_back_as_it_was() {
        let spelled_out = requests().into_iter().map(|request| {
            let valid = validate::request(&request).expect("a valid request");
            mutation(ID, &valid.command).expect("a caller's mutation")
        });
        for request in spelled_out {
            let valid = validate::request(&request).expect("a valid request");
            assert_eq!(mutation(ID, &valid.command), Some(request));
        }
    }
}
