//! From requests of the interface to commands, with the defaults that the interface promises. Written from the comments
//! in `proto/`, apart from the gateway's way.

use stockade_history::is_trial;
use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutation;
use stockade_state_machine::command::{AdjustStock, ExpireDue, MoveStock, ReceiveStock, SetStock};
use stockade_state_machine::ids::{LocationId, Principal, SkuId};
use stockade_state_machine::{Command, Entry, LogTime, Origin, Request};
use stockade_storage::codec::{self, Durable as _};

use crate::fields::{NoCommand, bucket, document, micros, reason, wrong};
use crate::{catalog, orders, reservations, transactions, words};

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
            let mutation = mutation.request.as_ref().ok_or_else(|| wrong("a mutation of no known kind"))?;
            if is_trial(mutation) {
                return Err(wrong("a mutation that is only to be tried, which no log has"));
            }
            of_mutation(mutation)?
        }
        Logged::ExpireDue(command) => Command::ExpireDue(ExpireDue { limit: command.limit }),
        Logged::Abandon(_) => Command::AbandonRequest,
    };
    frozen(origin.as_ref(), &command)
}

/// The request. Its content hash is part of the state, and is made with the frozen form, which storage knows.
pub(crate) fn frozen(origin: Option<&Origin>, command: &Command) -> Result<Request, NoCommand> {
    Request::decode(&codec::encode_request(origin, command)).map_err(|error| NoCommand(error.0))
}

/// The command that a mutation asks for, be it for good or as a trial.
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
        Mutation::PlaceOrder(request) => orders::place(request)?,
        Mutation::ConfirmOrder(request) => orders::confirm(request)?,
        Mutation::ExtendOrder(request) => orders::extend(request)?,
        Mutation::ShipOrder(request) => orders::ship(request)?,
        Mutation::CancelOrder(request) => orders::cancel(request)?,
        Mutation::CloseOrder(request) => orders::close(request)?,
        Mutation::ReturnOrder(request) => orders::book_return(request)?,
        Mutation::CreateReservation(request) => reservations::create(request)?,
        Mutation::ExtendReservation(request) => reservations::extend(request)?,
        Mutation::CommitReservation(request) => reservations::commit(request)?,
        Mutation::ReleaseReservation(request) => reservations::release(request)?,
        Mutation::MoveReservation(request) => reservations::relocate(request)?,
        Mutation::Transact(request) => transactions::transact(request)?,
    })
}
