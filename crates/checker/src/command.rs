//! From requests of the interface to commands, with the defaults that the interface promises. Written from the comments
//! in `proto/`, apart from the gateway's way.

use stockade_proto::v1;
use stockade_proto::v1::logged_command::Command as Logged;
use stockade_proto::v1::mutation::Request as Mutation;
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, ConfirmOrder, CreateSku, DeleteSku, Disposition, ExpireDue, LineQuantity,
    PlaceLine, PlaceOrder, ReceiveStock, ReturnLine, ReturnOrder, ShipOrder, UpdateSku,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, IdError, LocationId, OrderId, Principal, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::DEFAULT_HOLD_US;
use stockade_state_machine::order::Currency;
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Command, Entry, LogTime, Origin, Request};
use stockade_storage::codec::{self, Durable as _};

use crate::words;

/// Why a message is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoCommand(pub String);

impl From<IdError> for NoCommand {
    fn from(error: IdError) -> Self {
        Self(format!("an id {error}"))
    }
}

fn wrong(what: &str) -> NoCommand {
    NoCommand(what.to_owned())
}

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

fn micros(time: &prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u64::try_from(time.nanos).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)
}

/// The command that a mutation asks for.
pub(crate) fn of_mutation(mutation: &Mutation) -> Result<Command, NoCommand> {
    Ok(match mutation {
        Mutation::CreateSku(request) => {
            let sku = request.sku.as_ref().ok_or_else(|| wrong("no SKU"))?;
            Command::CreateSku(CreateSku {
                sku: SkuId::new(&sku.sku_id)?,
                display_name: sku.display_name.clone(),
            })
        }
        Mutation::UpdateSku(request) => update_sku(request)?,
        Mutation::DeleteSku(request) => Command::DeleteSku(DeleteSku { sku: SkuId::new(&request.sku_id)? }),
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
        Mutation::PlaceOrder(request) => place(request)?,
        Mutation::ConfirmOrder(request) => Command::ConfirmOrder(ConfirmOrder {
            order: OrderId::new(&request.order_id)?,
            payment_reference: request.payment_reference.clone(),
        }),
        Mutation::ShipOrder(request) => {
            let line = |line: &v1::LineQuantity| {
                Ok(LineQuantity { line: number(line.line)?, quantity: line.quantity })
            };
            Command::ShipOrder(ShipOrder {
                order: OrderId::new(&request.order_id)?,
                lines: request.lines.iter().map(line).collect::<Result<_, NoCommand>>()?,
                tracking_number: request.tracking_number.clone(),
            })
        }
        Mutation::CancelOrder(request) => {
            Command::CancelOrder(CancelOrder { order: OrderId::new(&request.order_id)? })
        }
        Mutation::ReturnOrder(request) => Command::ReturnOrder(ReturnOrder {
            order: OrderId::new(&request.order_id)?,
            lines: request.lines.iter().map(return_line).collect::<Result<_, NoCommand>>()?,
            document: document(&request.document_id)?,
        }),
    })
}

/// "Only `display_name` can be changed. Empty means all that can be changed."
fn update_sku(request: &v1::UpdateSkuRequest) -> Result<Command, NoCommand> {
    let sku = request.sku.as_ref().ok_or_else(|| wrong("no SKU"))?;
    let mask = request.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    let renames = mask.is_empty() || mask.iter().any(|path| path == "display_name");
    Ok(Command::UpdateSku(UpdateSku {
        sku: SkuId::new(&sku.sku_id)?,
        display_name: renames.then(|| sku.display_name.clone()),
    }))
}

fn place(request: &v1::PlaceOrderRequest) -> Result<Command, NoCommand> {
    let line = |line: &v1::NewOrderLine| {
        let location = Some(line.location_id.as_str()).filter(|id| !id.is_empty());
        Ok(PlaceLine {
            sku: SkuId::new(&line.sku_id)?,
            location: location.map(LocationId::new).transpose()?,
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
        })
    };
    let customer = Some(request.customer_id.as_str()).filter(|id| !id.is_empty());
    let hold_us = match &request.hold_duration {
        None => DEFAULT_HOLD_US,
        Some(hold) => {
            let as_time = prost_types::Timestamp { seconds: hold.seconds, nanos: hold.nanos };
            micros(&as_time).ok_or_else(|| wrong("a hold below 0"))?
        }
    };
    Ok(Command::PlaceOrder(PlaceOrder {
        order: OrderId::new(&request.order_id)?,
        customer: customer.map(CustomerId::new).transpose()?,
        currency: Currency::new(&request.currency_code).ok_or_else(|| wrong("no currency code"))?,
        lines: request.lines.iter().map(line).collect::<Result<_, NoCommand>>()?,
        hold_us,
    }))
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

fn number(line: i32) -> Result<u32, NoCommand> {
    u32::try_from(line).map_err(|_| wrong("a line number below 0"))
}

fn document(id: &str) -> Result<Option<DocumentId>, NoCommand> {
    Ok(Some(id).filter(|id| !id.is_empty()).map(DocumentId::new).transpose()?)
}

/// "Unspecified means AVAILABLE."
fn bucket(bucket: v1::Bucket) -> Bucket {
    match bucket {
        v1::Bucket::Unspecified | v1::Bucket::Available => Bucket::Available,
        v1::Bucket::Reserved => Bucket::Reserved,
        v1::Bucket::Committed => Bucket::Committed,
        v1::Bucket::SafetyStock => Bucket::SafetyStock,
        v1::Bucket::Damaged => Bucket::Damaged,
        v1::Bucket::QualityControl => Bucket::QualityControl,
    }
}

fn reason(reason: v1::Reason) -> Result<Reason, NoCommand> {
    Ok(match reason {
        v1::Reason::Unspecified => return Err(wrong("no reason")),
        v1::Reason::Received => Reason::Received,
        v1::Reason::Returned => Reason::Returned,
        v1::Reason::Reservation => Reason::Reservation,
        v1::Reason::Commit => Reason::Commit,
        v1::Reason::Release => Reason::Release,
        v1::Reason::Expiry => Reason::Expiry,
        v1::Reason::Shipment => Reason::Shipment,
        v1::Reason::Restock => Reason::Restock,
        v1::Reason::Correction => Reason::Correction,
        v1::Reason::CycleCount => Reason::CycleCount,
        v1::Reason::Damaged => Reason::Damaged,
        v1::Reason::Shrinkage => Reason::Shrinkage,
        v1::Reason::TheftLoss => Reason::TheftLoss,
        v1::Reason::Promotion => Reason::Promotion,
        v1::Reason::QualityHold => Reason::QualityHold,
        v1::Reason::SafetyStock => Reason::SafetyStock,
        v1::Reason::Other => Reason::Other,
    })
}
