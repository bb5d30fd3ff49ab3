//! From requests of the interface to commands, with the defaults that the interface promises. Written from the comments
//! in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutation;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, ConfirmOrder, Disposition, ExpireDue, MoveStock, PlaceOrder, ReceiveStock,
    ReturnLine, ReturnOrder, SetStock, ShipOrder,
};
use stockade_state_machine::ids::{LocationId, OrderId, Principal, SkuId};
use stockade_state_machine::{Command, Entry, LogTime, Origin, Request};
use stockade_storage::codec::{self, Durable as _};

use crate::fields::{
    NoCommand, bucket, currency, customer, document, hold_us, line_quantities, micros, new_lines, number,
    reason, wrong,
};
use crate::{catalog, reservations, words};

/// The commands of a log entry; `None` where it has none, as the blank one that opens a term.
pub fn entry(entry: &v1::LogEntry) -> Result<Option<Entry>, NoCommand> {
    match entry.kind() {
        v1::EntryKind::Blank | v1::EntryKind::Membership => return Ok(None),
        v1::EntryKind::Commands => {}
        v1::EntryKind::Unspecified => return Err(wrong("an entry of no kind that is known")),
    }
    let time = entry.log_time.as_ref().and_then(micros).ok_or_else(|| wrong("an entry without log time"))?;
    let mut requests = Vec::with_capacity(entry.commands.len());
    for (position, logged) in (0_u32..).zip(&entry.commands) {
        if logged.position != position {
            return Err(NoCommand(format!("position {} stands where {position} should", logged.position)));
        }
        requests.push(request(logged)?);
    }
    Ok(Some(Entry { time: LogTime::from_micros(time), requests }))
}

fn request(logged: &v1::LoggedCommand) -> Result<Request, NoCommand> {
    let origin = if logged.request_id.is_empty() {
        None
    } else {
        let request = words::request_id(&logged.request_id).ok_or_else(|| wrong("no request id"))?;
        Some(Origin { request, principal: Principal::new(&logged.principal)? })
    };
    let command = match logged.command.as_ref().ok_or_else(|| wrong("a command of no known kind"))? {
        Logged::Mutation(mutation) => {
            of_mutation(mutation.request.as_ref().ok_or_else(|| wrong("a mutation of no known kind"))?)?
        }
        Logged::ExpireDue(command) => Command::ExpireDue(ExpireDue { limit: command.limit }),
        Logged::Abandon(_) => Command::AbandonRequest,
    };
    // The request's content hash is part of the state. It is made with the frozen form, which storage knows.
    Request::decode(&codec::encode_request(origin.as_ref(), &command)).map_err(|error| NoCommand(error.0))
}

/// The command that a mutation asks for.
pub(crate) fn of_mutation(mutation: &Mutation) -> Result<Command, NoCommand> {
    Ok(match mutation {
        Mutation::CreateSku(request) => catalog::create_sku(request)?,
        Mutation::UpdateSku(request) => catalog::update_sku(request)?,
        Mutation::DeleteSku(request) => catalog::delete_sku(request)?,
        Mutation::CreateLocation(request) => catalog::create_location(request)?,
        Mutation::UpdateLocation(request) => catalog::update_location(request)?,
        Mutation::DeleteLocation(request) => catalog::delete_location(request)?,
        Mutation::ReceiveStock(request) => Command::ReceiveStock(ReceiveStock {
            sku: SkuId::new(&request.sku_id)?,
            location: LocationId::new(&request.location_id)?,
            quantity: request.quantity,
            document: document(&request.document_id)?,
            reference: request.reference.clone(),
        }),
        Mutation::AdjustStock(request) => Command::AdjustStock(AdjustStock {
            sku: SkuId::new(&request.sku_id)?,
            location: LocationId::new(&request.location_id)?,
            bucket: bucket(request.bucket()),
            delta: request.delta,
            reason: reason(request.reason())?,
            document: document(&request.document_id)?,
            reference: request.reference.clone(),
        }),
        Mutation::SetStock(request) => Command::SetStock(SetStock {
            sku: SkuId::new(&request.sku_id)?,
            location: LocationId::new(&request.location_id)?,
            bucket: bucket(request.bucket()),
            quantity: request.quantity,
            expected: request.expected_quantity,
            reason: reason(request.reason())?,
            document: document(&request.document_id)?,
            reference: request.reference.clone(),
        }),
        Mutation::MoveStock(request) => Command::MoveStock(MoveStock {
            sku: SkuId::new(&request.sku_id)?,
            location: LocationId::new(&request.location_id)?,
            from: bucket(request.from_bucket()),
            to: bucket(request.to_bucket()),
            quantity: request.quantity,
            reason: reason(request.reason())?,
            document: document(&request.document_id)?,
            reference: request.reference.clone(),
        }),
        Mutation::PlaceOrder(request) => Command::PlaceOrder(PlaceOrder {
            order: OrderId::new(&request.order_id)?,
            customer: customer(&request.customer_id)?,
            currency: currency(&request.currency_code)?,
            lines: new_lines(&request.lines)?,
            hold_us: hold_us(request.hold_duration.as_ref())?,
        }),
        Mutation::ConfirmOrder(request) => Command::ConfirmOrder(ConfirmOrder {
            order: OrderId::new(&request.order_id)?,
            payment_reference: request.payment_reference.clone(),
        }),
        Mutation::ShipOrder(request) => Command::ShipOrder(ShipOrder {
            order: OrderId::new(&request.order_id)?,
            lines: line_quantities(&request.lines)?,
            tracking_number: request.tracking_number.clone(),
        }),
        Mutation::CancelOrder(request) => {
            Command::CancelOrder(CancelOrder { order: OrderId::new(&request.order_id)? })
        }
        Mutation::ReturnOrder(request) => Command::ReturnOrder(ReturnOrder {
            order: OrderId::new(&request.order_id)?,
            lines: request.lines.iter().map(return_line).collect::<Result<_, NoCommand>>()?,
            document: document(&request.document_id)?,
        }),
        Mutation::CreateReservation(request) => reservations::create(request)?,
        Mutation::ExtendReservation(request) => reservations::extend(request)?,
        Mutation::CommitReservation(request) => reservations::commit(request)?,
        Mutation::ReleaseReservation(request) => reservations::release(request)?,
        Mutation::MoveReservation(request) => reservations::relocate(request)?,
    })
}

/// "Unspecified means RESTOCK."
fn return_line(line: &v1::ReturnLine) -> Result<ReturnLine, NoCommand> {
    let disposition = match line.disposition() {
        v1::Disposition::Unspecified | v1::Disposition::Restock => Disposition::Restock,
        v1::Disposition::Damaged => Disposition::Damaged,
        v1::Disposition::Scrap => Disposition::Scrap,
    };
    Ok(ReturnLine { line: number(line.line)?, quantity: line.quantity, disposition })
}
