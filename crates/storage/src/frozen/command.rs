//! Commands and who asked for them, frozen. Bounds of quantities and texts are not checked here: a command that breaks
//! them is refused by execution, on every node alike.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, ConfirmOrder, CreateSku, DeleteSku, ExpireDue, LineQuantity, PlaceLine,
    PlaceOrder, ReceiveStock, ReturnLine, ReturnOrder, ShipOrder, UpdateSku,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, Principal, RequestId, SkuId};
use stockade_state_machine::order::Currency;
use stockade_state_machine::{Command, Origin};

use super::kinds::{BucketV1, DispositionV1, ReasonV1};
use super::{Invalid, id, mirror, optional_id, restore};

/// The first form of [`Origin`]. The id's 16 bytes stand in the order in which a UUID is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OriginV1<'a> {
    request: [u8; 16],
    principal: &'a str,
}

impl<'a> From<&'a Origin> for OriginV1<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { request: origin.request.bits().to_be_bytes(), principal: origin.principal.as_str() }
    }
}

impl TryFrom<OriginV1<'_>> for Origin {
    type Error = Invalid;

    fn try_from(mirror: OriginV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { request: request_id(mirror.request)?, principal: id(Principal::new, mirror.principal)? })
    }
}

pub(super) fn request_id(bytes: [u8; 16]) -> Result<RequestId, Invalid> {
    let bits = u128::from_be_bytes(bytes);
    RequestId::new(bits).ok_or_else(|| Invalid(format!("request id {bits:032x} is no version 7 UUID")))
}

/// The first form of [`Command`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CommandV1<'a> {
    CreateSku {
        sku: &'a str,
        display_name: &'a str,
    },
    UpdateSku {
        sku: &'a str,
        #[serde(borrow)]
        display_name: Option<&'a str>,
    },
    DeleteSku {
        sku: &'a str,
    },
    ReceiveStock {
        sku: &'a str,
        location: &'a str,
        quantity: i64,
        #[serde(borrow)]
        document: Option<&'a str>,
        reference: &'a str,
    },
    AdjustStock {
        sku: &'a str,
        location: &'a str,
        bucket: BucketV1,
        delta: i64,
        reason: ReasonV1,
        #[serde(borrow)]
        document: Option<&'a str>,
        reference: &'a str,
    },
    PlaceOrder {
        order: &'a str,
        #[serde(borrow)]
        customer: Option<&'a str>,
        currency: &'a str,
        #[serde(borrow)]
        lines: Vec<PlaceLineV1<'a>>,
        hold_us: u64,
    },
    ConfirmOrder {
        order: &'a str,
        payment_reference: &'a str,
    },
    ShipOrder {
        order: &'a str,
        lines: Vec<LineQuantityV1>,
        tracking_number: &'a str,
    },
    CancelOrder {
        order: &'a str,
    },
    ReturnOrder {
        order: &'a str,
        lines: Vec<ReturnLineV1>,
        #[serde(borrow)]
        document: Option<&'a str>,
    },
    ExpireDue {
        limit: u32,
    },
    AbandonRequest,
}

/// The first form of [`PlaceLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlaceLineV1<'a> {
    sku: &'a str,
    #[serde(borrow)]
    location: Option<&'a str>,
    quantity: i64,
    unit_price_minor: i64,
}

/// The first form of [`LineQuantity`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LineQuantityV1 {
    line: u32,
    quantity: i64,
}

/// The first form of [`ReturnLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReturnLineV1 {
    line: u32,
    quantity: i64,
    disposition: DispositionV1,
}

impl<'a> From<&'a Command> for CommandV1<'a> {
    fn from(command: &'a Command) -> Self {
        match command {
            Command::CreateSku(CreateSku { sku, display_name }) => {
                Self::CreateSku { sku: sku.as_str(), display_name }
            }
            Command::UpdateSku(UpdateSku { sku, display_name }) => {
                Self::UpdateSku { sku: sku.as_str(), display_name: display_name.as_deref() }
            }
            Command::DeleteSku(DeleteSku { sku }) => Self::DeleteSku { sku: sku.as_str() },
            Command::ReceiveStock(command) => receive_stock(command),
            Command::AdjustStock(command) => adjust_stock(command),
            Command::PlaceOrder(command) => place_order(command),
            Command::ConfirmOrder(ConfirmOrder { order, payment_reference }) => {
                Self::ConfirmOrder { order: order.as_str(), payment_reference }
            }
            Command::ShipOrder(ShipOrder { order, lines, tracking_number }) => {
                Self::ShipOrder { order: order.as_str(), lines: mirror(lines), tracking_number }
            }
            Command::CancelOrder(CancelOrder { order }) => Self::CancelOrder { order: order.as_str() },
            Command::ReturnOrder(ReturnOrder { order, lines, document }) => Self::ReturnOrder {
                order: order.as_str(),
                lines: mirror(lines),
                document: document.as_ref().map(DocumentId::as_str),
            },
            Command::ExpireDue(ExpireDue { limit }) => Self::ExpireDue { limit: *limit },
            Command::AbandonRequest => Self::AbandonRequest,
        }
    }
}

fn receive_stock(command: &ReceiveStock) -> CommandV1<'_> {
    let ReceiveStock { sku, location, quantity, document, reference } = command;
    CommandV1::ReceiveStock {
        sku: sku.as_str(),
        location: location.as_str(),
        quantity: *quantity,
        document: document.as_ref().map(DocumentId::as_str),
        reference,
    }
}

fn adjust_stock(command: &AdjustStock) -> CommandV1<'_> {
    let AdjustStock { sku, location, bucket, delta, reason, document, reference } = command;
    CommandV1::AdjustStock {
        sku: sku.as_str(),
        location: location.as_str(),
        bucket: (*bucket).into(),
        delta: *delta,
        reason: (*reason).into(),
        document: document.as_ref().map(DocumentId::as_str),
        reference,
    }
}

fn place_order(command: &PlaceOrder) -> CommandV1<'_> {
    let PlaceOrder { order, customer, currency, lines, hold_us } = command;
    CommandV1::PlaceOrder {
        order: order.as_str(),
        customer: customer.as_ref().map(CustomerId::as_str),
        currency: currency.as_str(),
        lines: mirror(lines),
        hold_us: *hold_us,
    }
}

impl TryFrom<CommandV1<'_>> for Command {
    type Error = Invalid;

    fn try_from(mirror: CommandV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            CommandV1::CreateSku { sku, display_name } => Self::CreateSku(CreateSku {
                sku: id(SkuId::new, sku)?,
                display_name: display_name.to_owned(),
            }),
            CommandV1::UpdateSku { sku, display_name } => Self::UpdateSku(UpdateSku {
                sku: id(SkuId::new, sku)?,
                display_name: display_name.map(str::to_owned),
            }),
            CommandV1::DeleteSku { sku } => Self::DeleteSku(DeleteSku { sku: id(SkuId::new, sku)? }),
            CommandV1::ReceiveStock { sku, location, quantity, document, reference } => {
                Self::ReceiveStock(ReceiveStock {
                    sku: id(SkuId::new, sku)?,
                    location: id(LocationId::new, location)?,
                    quantity,
                    document: optional_id(DocumentId::new, document)?,
                    reference: reference.to_owned(),
                })
            }
            CommandV1::AdjustStock { sku, location, bucket, delta, reason, document, reference } => {
                Self::AdjustStock(AdjustStock {
                    sku: id(SkuId::new, sku)?,
                    location: id(LocationId::new, location)?,
                    bucket: bucket.into(),
                    delta,
                    reason: reason.into(),
                    document: optional_id(DocumentId::new, document)?,
                    reference: reference.to_owned(),
                })
            }
            CommandV1::PlaceOrder { order, customer, currency, lines, hold_us } => {
                Self::PlaceOrder(PlaceOrder {
                    order: id(OrderId::new, order)?,
                    customer: optional_id(CustomerId::new, customer)?,
                    currency: currency_of(currency)?,
                    lines: restore(lines)?,
                    hold_us,
                })
            }
            CommandV1::ConfirmOrder { order, payment_reference } => Self::ConfirmOrder(ConfirmOrder {
                order: id(OrderId::new, order)?,
                payment_reference: payment_reference.to_owned(),
            }),
            CommandV1::ShipOrder { order, lines, tracking_number } => Self::ShipOrder(ShipOrder {
                order: id(OrderId::new, order)?,
                lines: lines.into_iter().map(LineQuantity::from).collect(),
                tracking_number: tracking_number.to_owned(),
            }),
            CommandV1::CancelOrder { order } => {
                Self::CancelOrder(CancelOrder { order: id(OrderId::new, order)? })
            }
            CommandV1::ReturnOrder { order, lines, document } => Self::ReturnOrder(ReturnOrder {
                order: id(OrderId::new, order)?,
                lines: lines.into_iter().map(ReturnLine::from).collect(),
                document: optional_id(DocumentId::new, document)?,
            }),
            CommandV1::ExpireDue { limit } => Self::ExpireDue(ExpireDue { limit }),
            CommandV1::AbandonRequest => Self::AbandonRequest,
        })
    }
}

pub(super) fn currency_of(code: &str) -> Result<Currency, Invalid> {
    Currency::new(code).ok_or_else(|| Invalid(format!("currency {code:?} is not three capital letters")))
}

impl<'a> From<&'a PlaceLine> for PlaceLineV1<'a> {
    fn from(line: &'a PlaceLine) -> Self {
        let PlaceLine { sku, location, quantity, unit_price_minor } = line;
        Self {
            sku: sku.as_str(),
            location: location.as_ref().map(LocationId::as_str),
            quantity: *quantity,
            unit_price_minor: *unit_price_minor,
        }
    }
}

impl TryFrom<PlaceLineV1<'_>> for PlaceLine {
    type Error = Invalid;

    fn try_from(mirror: PlaceLineV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            location: optional_id(LocationId::new, mirror.location)?,
            quantity: mirror.quantity,
            unit_price_minor: mirror.unit_price_minor,
        })
    }
}

impl From<&LineQuantity> for LineQuantityV1 {
    fn from(line: &LineQuantity) -> Self {
        Self { line: line.line, quantity: line.quantity }
    }
}

impl From<LineQuantityV1> for LineQuantity {
    fn from(mirror: LineQuantityV1) -> Self {
        Self { line: mirror.line, quantity: mirror.quantity }
    }
}

impl From<&ReturnLine> for ReturnLineV1 {
    fn from(line: &ReturnLine) -> Self {
        Self { line: line.line, quantity: line.quantity, disposition: line.disposition.into() }
    }
}

impl From<ReturnLineV1> for ReturnLine {
    fn from(mirror: ReturnLineV1) -> Self {
        Self { line: mirror.line, quantity: mirror.quantity, disposition: mirror.disposition.into() }
    }
}
