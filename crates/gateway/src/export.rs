//! Entries of the log as callers see them: commands turned back into the mutations that asked for them.

use stockade_consensus::{ExportedEntry, ExportedPayload};
use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutated;
use stockade_proto::v1::precondition::Condition;
use stockade_proto::v1::precondition_subject::Subject;
use stockade_state_machine::command::{
    CommitReservation, CreateReservation, ExtendReservation, LineQuantity, LocationChange, MoveReservation,
    Origin, Payment, PlaceLine, PlaceOrder, Precondition, ReleaseReservation, ReturnOrder, Row, ShipOrder,
    SkuChange, Transact, UpdateLocation, UpdateSku,
};
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
        command => {
            let request = mutation(&request_id, command);
            Logged::Mutation(v1::Mutation { timeout: None, request })
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
#[allow(clippy::too_many_lines, reason = "a list, an arm for each command")]
pub(crate) fn mutation(request_id: &str, command: &Command) -> Option<Mutated> {
    let request_id = request_id.to_owned();
    let mutated = match command {
        Command::CreateSku(command) => Mutated::CreateSku(v1::CreateSkuRequest {
            request_id,
            sku: Some(v1::Sku { sku_id: command.sku.to_string(), ..convert::sku_details(&command.details) }),
            validate_only: false,
        }),
        Command::UpdateSku(command) => Mutated::UpdateSku(update_sku(request_id, command)),
        Command::DeleteSku(command) => Mutated::DeleteSku(v1::DeleteSkuRequest {
            request_id,
            sku_id: command.sku.to_string(),
            etag: etag(command.expected),
            validate_only: false,
        }),
        Command::CreateLocation(command) => Mutated::CreateLocation(v1::CreateLocationRequest {
            request_id,
            location: Some(v1::Location {
                location_id: command.location.to_string(),
                ..convert::location_details(&command.details)
            }),
            validate_only: false,
        }),
        Command::UpdateLocation(command) => Mutated::UpdateLocation(update_location(request_id, command)),
        Command::DeleteLocation(command) => Mutated::DeleteLocation(v1::DeleteLocationRequest {
            request_id,
            location_id: command.location.to_string(),
            etag: etag(command.expected),
            validate_only: false,
        }),
        Command::ReceiveStock(command) => Mutated::ReceiveStock(v1::ReceiveStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            quantity: command.quantity,
            document_id: convert::document_id(command.document.as_ref()),
            reference: command.reference.clone(),
            validate_only: false,
        }),
        Command::AdjustStock(command) => Mutated::AdjustStock(v1::AdjustStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            bucket: convert::bucket(command.bucket).into(),
            delta: command.delta,
            reason: convert::reason(command.reason).into(),
            document_id: convert::document_id(command.document.as_ref()),
            reference: command.reference.clone(),
            validate_only: false,
        }),
        Command::SetStock(command) => Mutated::SetStock(v1::SetStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            bucket: convert::bucket(command.bucket).into(),
            quantity: command.quantity,
            expected_quantity: command.expected,
            reason: convert::reason(command.reason).into(),
            document_id: convert::document_id(command.document.as_ref()),
            reference: command.reference.clone(),
            validate_only: false,
        }),
        Command::MoveStock(command) => Mutated::MoveStock(v1::MoveStockRequest {
            request_id,
            sku_id: command.sku.to_string(),
            location_id: command.location.to_string(),
            from_bucket: convert::bucket(command.from).into(),
            to_bucket: convert::bucket(command.to).into(),
            quantity: command.quantity,
            reason: convert::reason(command.reason).into(),
            document_id: convert::document_id(command.document.as_ref()),
            reference: command.reference.clone(),
            validate_only: false,
        }),
        Command::PlaceOrder(command) => Mutated::PlaceOrder(place(request_id, command)),
        Command::ConfirmOrder(command) => Mutated::ConfirmOrder(v1::ConfirmOrderRequest {
            request_id,
            order_id: command.order.to_string(),
            payment_reference: command.payment_reference.clone(),
            etag: etag(command.expected),
            reacquire: command.reacquire,
            validate_only: false,
        }),
        Command::ExtendOrder(command) => Mutated::ExtendOrder(v1::ExtendOrderRequest {
            request_id,
            order_id: command.order.to_string(),
            hold_duration: Some(convert::duration(command.hold_us)),
            etag: etag(command.expected),
            validate_only: false,
        }),
        Command::ShipOrder(command) => Mutated::ShipOrder(ship(request_id, command)),
        Command::CancelOrder(command) => Mutated::CancelOrder(v1::CancelOrderRequest {
            request_id,
            order_id: command.order.to_string(),
            lines: quantities(&command.lines),
            etag: etag(command.expected),
            validate_only: false,
        }),
        Command::CloseOrder(command) => Mutated::CloseOrder(v1::CloseOrderRequest {
            request_id,
            order_id: command.order.to_string(),
            etag: etag(command.expected),
            validate_only: false,
        }),
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
        Command::Transact(command) => Mutated::Transact(transact(request_id, command)),
        Command::ExpireDue(_) | Command::AbandonRequest => return None,
    };
    Some(mutated)
}

fn transact(request_id: String, command: &Transact) -> v1::TransactRequest {
    let operation = |command: &Command| v1::Mutation { timeout: None, request: mutation("", command) };
    v1::TransactRequest {
        request_id,
        preconditions: command.preconditions.iter().map(precondition).collect(),
        operations: command.operations.iter().map(operation).collect(),
        validate_only: false,
    }
}

fn precondition(condition: &Precondition) -> v1::Precondition {
    let (row, condition) = match condition {
        Precondition::Version(row, version) => (row.clone(), Condition::Etag(convert::etag(*version))),
        Precondition::UnchangedSince(row, revision) => {
            (row.clone(), Condition::UnchangedSinceRevision(revision.get()))
        }
        Precondition::Exists(row) => (row.clone(), Condition::Exists(true)),
        Precondition::Missing(row) => (row.clone(), Condition::Exists(false)),
        Precondition::Quantity { key, bucket, min, max } => {
            let range = v1::QuantityRange {
                bucket: convert::bucket(*bucket).into(),
                min: Some(*min),
                max: Some(*max),
            };
            (Row::Stock(key.clone()), Condition::Quantity(range))
        }
        Precondition::OrderState(order, state) => {
            (Row::Order(order.clone()), Condition::OrderState(convert::order_state(*state).into()))
        }
        Precondition::ReservationState(reservation, state) => {
            let state = convert::reservation_state(*state).into();
            (Row::Reservation(reservation.clone()), Condition::ReservationState(state))
        }
    };
    let subject = match row {
        Row::Sku(sku) => Subject::SkuId(sku.to_string()),
        Row::Location(location) => Subject::LocationId(location.to_string()),
        Row::Stock(key) => Subject::Stock(v1::StockSubject {
            sku_id: key.sku.to_string(),
            location_id: key.location.to_string(),
        }),
        Row::Order(order) => Subject::OrderId(order.to_string()),
        Row::Reservation(reservation) => Subject::ReservationId(reservation.to_string()),
    };
    let subject = Some(v1::PreconditionSubject { subject: Some(subject) });
    v1::Precondition { subject, condition: Some(condition) }
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
    let update_mask = Some(mask("sku_id", &fields));
    v1::UpdateSkuRequest { request_id, sku: Some(sku), update_mask, validate_only: false }
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
    v1::UpdateLocationRequest { request_id, location: Some(location), update_mask, validate_only: false }
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
        sourcing: convert::sourcing(command.sourcing).into(),
        shortage_policy: convert::shortage_policy(command.shortage).into(),
        validate_only: false,
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
    let quantity = |line: &LineQuantity| v1::LineQuantity {
        line: convert::line_number(line.line),
        quantity: line.quantity,
        location_id: convert::location_id(line.location.as_ref()),
    };
    lines.iter().map(quantity).collect()
}

fn create_reservation(request_id: String, command: &CreateReservation) -> v1::CreateReservationRequest {
    v1::CreateReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        customer_id: convert::customer_id(command.customer.as_ref()),
        currency_code: command.currency.as_str().to_owned(),
        lines: new_lines(&command.lines),
        hold_duration: Some(convert::duration(command.hold_us)),
        sourcing: convert::sourcing(command.sourcing).into(),
        validate_only: false,
    }
}

fn extend_reservation(request_id: String, command: &ExtendReservation) -> v1::ExtendReservationRequest {
    v1::ExtendReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        hold_duration: Some(convert::duration(command.hold_us)),
        etag: etag(command.expected),
        validate_only: false,
    }
}

fn release_reservation(request_id: String, command: &ReleaseReservation) -> v1::ReleaseReservationRequest {
    v1::ReleaseReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        lines: quantities(&command.lines),
        etag: etag(command.expected),
        validate_only: false,
    }
}

fn move_reservation(request_id: String, command: &MoveReservation) -> v1::MoveReservationRequest {
    v1::MoveReservationRequest {
        request_id,
        reservation_id: command.reservation.to_string(),
        lines: command.lines.iter().map(|line| convert::line_number(*line)).collect(),
        location_id: command.location.to_string(),
        etag: etag(command.expected),
        validate_only: false,
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
        etag: etag(command.expected),
        validate_only: false,
    }
}

fn ship(request_id: String, command: &ShipOrder) -> v1::ShipOrderRequest {
    v1::ShipOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        lines: quantities(&command.lines),
        tracking_number: command.tracking_number.clone(),
        etag: etag(command.expected),
        document_id: convert::document_id(command.document.as_ref()),
        close_after: command.close_after_us.map(convert::duration),
        validate_only: false,
    }
}

fn book_return(request_id: String, command: &ReturnOrder) -> v1::ReturnOrderRequest {
    let lines = command.lines.iter().map(|line| v1::ReturnLine {
        line: convert::line_number(line.line),
        quantity: line.quantity,
        disposition: convert::disposition(line.disposition).into(),
        location_id: convert::location_id(line.location.as_ref()),
    });
    v1::ReturnOrderRequest {
        request_id,
        order_id: command.order.to_string(),
        lines: lines.collect(),
        document_id: convert::document_id(command.document.as_ref()),
        etag: etag(command.expected),
        validate_only: false,
    }
}

#[cfg(test)]
mod tests;
