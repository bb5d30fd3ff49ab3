//! Entries of the log as callers see them: commands turned back into the mutations that asked for them.

use stockade_consensus::{ExportedEntry, ExportedPayload};
use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_state_machine::command::{
    CommitReservation, CreateReservation, ExtendReservation, LineQuantity, LocationChange, MoveReservation,
    Origin, Payment, PlaceLine, PlaceOrder, ReleaseReservation, ReturnOrder, ShipOrder, SkuChange,
    UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::DocumentId;
use stockade_state_machine::{Command, Request, Version};

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
        | Command::CreateLocation(_)
        | Command::UpdateLocation(_)
        | Command::DeleteLocation(_)
        | Command::ReceiveStock(_)
        | Command::AdjustStock(_)
        | Command::SetStock(_)
        | Command::MoveStock(_)
        | Command::PlaceOrder(_)
        | Command::ConfirmOrder(_)
        | Command::ShipOrder(_)
        | Command::CancelOrder(_)
        | Command::ReturnOrder(_)
        | Command::CreateReservation(_)
        | Command::ExtendReservation(_)
        | Command::CommitReservation(_)
        | Command::ReleaseReservation(_)
        | Command::MoveReservation(_) => {
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
            sku: Some(v1::Sku { sku_id: command.sku.to_string(), ..convert::sku_details(&command.details) }),
        }),
        Command::UpdateSku(command) => Mutated::UpdateSku(update_sku(request_id, command)),
        Command::DeleteSku(command) => Mutated::DeleteSku(v1::DeleteSkuRequest {
            request_id,
            sku_id: command.sku.to_string(),
            etag: etag(command.expected),
        }),
        Command::CreateLocation(command) => Mutated::CreateLocation(v1::CreateLocationRequest {
            request_id,
            location: Some(v1::Location {
                location_id: command.location.to_string(),
                ..convert::location_details(&command.details)
            }),
        }),
        Command::UpdateLocation(command) => Mutated::UpdateLocation(update_location(request_id, command)),
        Command::DeleteLocation(command) => Mutated::DeleteLocation(v1::DeleteLocationRequest {
            request_id,
            location_id: command.location.to_string(),
            etag: etag(command.expected),
        }),
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
        Command::SetStock(command) => Mutated::SetStock(v1::SetStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            bucket: convert::bucket(command.bucket).into(),
            quantity: command.quantity,
            expected_quantity: command.expected,
            reason: convert::reason(command.reason).into(),
            document_id: document(command.document.as_ref()),
            reference: command.reference.clone(),
        }),
        Command::MoveStock(command) => Mutated::MoveStock(v1::MoveStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            from_bucket: convert::bucket(command.from).into(),
            to_bucket: convert::bucket(command.to).into(),
            quantity: command.quantity,
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
        Command::CreateReservation(command) => {
            Mutated::CreateReservation(create_reservation(request_id, command))
        }
        Command::ExtendReservation(command) => {
            Mutated::ExtendReservation(extend_reservation(request_id, command))
        }
        Command::CommitReservation(command) => {
            Mutated::CommitReservation(commit_reservation(request_id, command))
        }
        Command::ReleaseReservation(command) => {
            Mutated::ReleaseReservation(release_reservation(request_id, command))
        }
        Command::MoveReservation(command) => Mutated::MoveReservation(move_reservation(request_id, command)),
        Command::ExpireDue(_) | Command::AbandonRequest => return None,
    };
    Some(mutated)
}

fn update_sku(request_id: String, command: &UpdateSku) -> v1::UpdateSkuRequest {
    let SkuChange { display_name, untracked, min_per_order, max_per_order, attributes } = &command.change;
    let fields = [
        ("display_name", display_name.is_some()),
        ("untracked", untracked.is_some()),
        ("min_per_order", min_per_order.is_some()),
        ("max_per_order", max_per_order.is_some()),
        ("attributes", attributes.is_some()),
    ];
    let sku = v1::Sku {
        sku_id: command.sku.to_string(),
        display_name: display_name.clone().unwrap_or_default(),
        untracked: untracked.unwrap_or_default(),
        min_per_order: min_per_order.unwrap_or_default(),
        max_per_order: max_per_order.unwrap_or_default(),
        attributes: attributes.clone().unwrap_or_default(),
        etag: etag(command.expected),
        ..v1::Sku::default()
    };
    v1::UpdateSkuRequest { request_id, sku: Some(sku), update_mask: Some(mask("sku_id", &fields)) }
}

fn update_location(request_id: String, command: &UpdateLocation) -> v1::UpdateLocationRequest {
    let LocationChange { display_name, zone, priority, disabled } = &command.change;
    let fields = [
        ("display_name", display_name.is_some()),
        ("zone", zone.is_some()),
        ("priority", priority.is_some()),
        ("disabled", disabled.is_some()),
    ];
    let location = v1::Location {
        location_id: command.location.to_string(),
        display_name: display_name.clone().unwrap_or_default(),
        zone: zone.clone().unwrap_or_default(),
        priority: priority.map_or(0, convert::priority),
        disabled: disabled.unwrap_or_default(),
        etag: etag(command.expected),
        ..v1::Location::default()
    };
    let update_mask = Some(mask("location_id", &fields));
    v1::UpdateLocationRequest { request_id, location: Some(location), update_mask }
}

/// The fields that change. An empty mask means everything, so one that changes nothing names the id.
fn mask(id: &str, fields: &[(&str, bool)]) -> prost_types::FieldMask {
    let changed = fields.iter().filter(|(_, changes)| *changes).map(|(field, _)| (*field).to_owned());
    let mut paths: Vec<String> = changed.collect();
    if paths.is_empty() {
        paths.push(id.to_owned());
    }
    prost_types::FieldMask { paths }
}

fn etag(expected: Option<Version>) -> String {
    expected.map(convert::etag).unwrap_or_default()
}

fn place(request_id: String, command: &PlaceOrder) -> v1::PlaceOrderRequest {
    v1::PlaceOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        customer_id: convert::customer_id(command.customer.as_ref()),
        currency_code: command.currency.as_str().to_owned(),
        lines: new_lines(&command.lines),
        hold_duration: Some(convert::duration(command.hold_us)),
    }
}

fn new_lines(lines: &[PlaceLine]) -> Vec<v1::NewOrderLine> {
    let lines = lines.iter().map(|line| v1::NewOrderLine {
        sku_id: line.sku.to_string(),
        quantity: line.quantity,
        location_id: convert::location_id(line.location.as_ref()),
        unit_price_minor: line.unit_price_minor,
    });
    lines.collect()
}

fn quantities(lines: &[LineQuantity]) -> Vec<v1::LineQuantity> {
    let lines = lines.iter();
    lines.map(|line| v1::LineQuantity { line: line_number(line.line), quantity: line.quantity }).collect()
}

fn create_reservation(request_id: String, command: &CreateReservation) -> v1::CreateReservationRequest {
    v1::CreateReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        customer_id: convert::customer_id(command.customer.as_ref()),
        currency_code: command.currency.as_str().to_owned(),
        lines: new_lines(&command.lines),
        hold_duration: Some(convert::duration(command.hold_us)),
    }
}

fn extend_reservation(request_id: String, command: &ExtendReservation) -> v1::ExtendReservationRequest {
    v1::ExtendReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        hold_duration: Some(convert::duration(command.hold_us)),
    }
}

fn release_reservation(request_id: String, command: &ReleaseReservation) -> v1::ReleaseReservationRequest {
    v1::ReleaseReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        lines: quantities(&command.lines),
    }
}

fn move_reservation(request_id: String, command: &MoveReservation) -> v1::MoveReservationRequest {
    v1::MoveReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        lines: command.lines.iter().map(|line| line_number(*line)).collect(),
        location_id: command.location.to_string(),
    }
}

fn commit_reservation(request_id: String, command: &CommitReservation) -> v1::CommitReservationRequest {
    let (hold_duration, payment_reference) = match &command.payment {
        Payment::Pending { hold_us } => (Some(convert::duration(*hold_us)), String::new()),
        Payment::Taken { reference } => (None, reference.clone()),
    };
    v1::CommitReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        order_id: command.order.to_string(),
        customer_id: convert::customer_id(command.customer.as_ref()),
        lines: quantities(&command.lines),
        hold_duration,
        payment_reference,
    }
}

fn ship(request_id: String, command: &ShipOrder) -> v1::ShipOrderRequest {
    v1::ShipOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        lines: quantities(&command.lines),
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

    fn sku(etag: &str) -> v1::Sku {
        v1::Sku {
            sku_id: "A".to_owned(),
            display_name: "Mug".to_owned(),
            untracked: true,
            min_per_order: 1,
            max_per_order: 9,
            attributes: [("colour".to_owned(), "red".to_owned())].into(),
            etag: etag.to_owned(),
            ..v1::Sku::default()
        }
    }

    fn location(etag: &str) -> v1::Location {
        v1::Location {
            location_id: "L".to_owned(),
            display_name: "Main".to_owned(),
            zone: "uk".to_owned(),
            priority: 7,
            disabled: true,
            etag: etag.to_owned(),
            ..v1::Location::default()
        }
    }

    /// Each kind of mutation as its shortest and as its fullest.
    fn requests() -> Vec<Mutated> {
        [catalog_and_stock_requests(), order_requests(), reservation_requests()].concat()
    }

    fn catalog_and_stock_requests() -> Vec<Mutated> {
        let request_id = || ID.to_owned();
        let text = |text: &str| text.to_owned();
        vec![
            Mutated::CreateSku(v1::CreateSkuRequest { request_id: request_id(), sku: Some(sku("")) }),
            Mutated::UpdateSku(v1::UpdateSkuRequest {
                request_id: request_id(),
                sku: Some(sku("a-0")),
                update_mask: None,
            }),
            Mutated::UpdateSku(v1::UpdateSkuRequest {
                request_id: request_id(),
                sku: Some(v1::Sku { sku_id: text("A"), ..v1::Sku::default() }),
                update_mask: Some(prost_types::FieldMask { paths: vec![text("sku_id")] }),
            }),
            Mutated::UpdateSku(v1::UpdateSkuRequest {
                request_id: request_id(),
                sku: Some(sku("")),
                update_mask: Some(prost_types::FieldMask {
                    paths: vec![text("attributes"), text("untracked")],
                }),
            }),
            Mutated::DeleteSku(v1::DeleteSkuRequest {
                request_id: request_id(),
                sku_id: text("A"),
                etag: text("ff-1"),
            }),
            Mutated::CreateLocation(v1::CreateLocationRequest {
                request_id: request_id(),
                location: Some(location("")),
            }),
            Mutated::UpdateLocation(v1::UpdateLocationRequest {
                request_id: request_id(),
                location: Some(location("1-0")),
                update_mask: None,
            }),
            Mutated::UpdateLocation(v1::UpdateLocationRequest {
                request_id: request_id(),
                location: Some(location("")),
                update_mask: Some(prost_types::FieldMask { paths: vec![text("priority")] }),
            }),
            Mutated::DeleteLocation(v1::DeleteLocationRequest {
                request_id: request_id(),
                location_id: text("L"),
                etag: String::new(),
            }),
            Mutated::SetStock(v1::SetStockRequest {
                request_id: request_id(),
                sku_id: text("A"),
                location_id: text("L"),
                bucket: v1::Bucket::Damaged.into(),
                quantity: 0,
                expected_quantity: Some(0),
                reason: v1::Reason::CycleCount.into(),
                document_id: text("D"),
                reference: String::new(),
            }),
            Mutated::MoveStock(v1::MoveStockRequest {
                request_id: request_id(),
                sku_id: text("A"),
                location_id: text("L"),
                from_bucket: 0,
                to_bucket: v1::Bucket::QualityControl.into(),
                quantity: 3,
                reason: v1::Reason::QualityHold.into(),
                document_id: String::new(),
                reference: text("urn:y"),
            }),
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
        ]
    }

    fn order_requests() -> Vec<Mutated> {
        let request_id = || ID.to_owned();
        let text = |text: &str| text.to_owned();
        vec![
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

    fn reservation_requests() -> Vec<Mutated> {
        let (request_id, reservation_id) = (|| ID.to_owned(), || "R".to_owned());
        let hold = prost_types::Duration { seconds: 90, nanos: 500_000_000 };
        let line = v1::NewOrderLine { sku_id: "A".to_owned(), quantity: 2, ..v1::NewOrderLine::default() };
        let commit = v1::CommitReservationRequest {
            request_id: request_id(),
            reservation_id: reservation_id(),
            order_id: "O".to_owned(),
            ..v1::CommitReservationRequest::default()
        };
        vec![
            Mutated::CreateReservation(v1::CreateReservationRequest {
                request_id: request_id(),
                reservation_id: reservation_id(),
                customer_id: "C".to_owned(),
                currency_code: "EUR".to_owned(),
                lines: vec![line],
                hold_duration: None,
            }),
            Mutated::ExtendReservation(v1::ExtendReservationRequest {
                request_id: request_id(),
                reservation_id: reservation_id(),
                hold_duration: Some(hold),
            }),
            Mutated::CommitReservation(v1::CommitReservationRequest {
                hold_duration: Some(hold),
                customer_id: "D".to_owned(),
                ..commit.clone()
            }),
            Mutated::CommitReservation(v1::CommitReservationRequest {
                lines: vec![v1::LineQuantity { line: 3, quantity: 4 }],
                payment_reference: "pay-2".to_owned(),
                ..commit
            }),
            Mutated::ReleaseReservation(v1::ReleaseReservationRequest {
                request_id: request_id(),
                reservation_id: reservation_id(),
                lines: vec![v1::LineQuantity { line: 1, quantity: 1 }],
            }),
            Mutated::MoveReservation(v1::MoveReservationRequest {
                request_id: request_id(),
                reservation_id: reservation_id(),
                lines: vec![2, 1],
                location_id: "L".to_owned(),
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
