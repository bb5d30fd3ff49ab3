//! Commands, frozen. Bounds of quantities and texts are not checked here: a command that breaks
//! them is refused by execution, on every node alike.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{
    AdjustStock, CancelOrder, CommitReservation, ConfirmOrder, CreateLocation, CreateReservation, CreateSku,
    DeleteLocation, DeleteSku, ExpireDue, ExtendReservation, LineQuantity, MoveReservation, MoveStock,
    PlaceOrder, ReceiveStock, ReleaseReservation, ReturnLine, ReturnOrder, SetStock, ShipOrder,
    UpdateLocation, UpdateSku,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, ReservationId, SkuId};
use stockade_state_machine::order::Currency;
use stockade_state_machine::{Command, Version};

use super::kinds::{BucketV1, ReasonV1};
use super::parts::{LineQuantityV1, LocationChangeV1, PaymentV1, PlaceLineV1, ReturnLineV1, SkuChangeV1};
use super::row::{LocationDetailsV1, SkuDetailsV1, VersionV1};
use super::{Invalid, id, mirror, optional_id, restore};

/// The first form of [`Command`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum CommandV1<'a> {
    CreateSku {
        sku: &'a str,
        #[serde(borrow)]
        details: SkuDetailsV1<'a>,
    },
    UpdateSku {
        sku: &'a str,
        expected: Option<VersionV1>,
        #[serde(borrow)]
        change: SkuChangeV1<'a>,
    },
    DeleteSku {
        sku: &'a str,
        expected: Option<VersionV1>,
    },
    CreateLocation {
        location: &'a str,
        #[serde(borrow)]
        details: LocationDetailsV1<'a>,
    },
    UpdateLocation {
        location: &'a str,
        expected: Option<VersionV1>,
        #[serde(borrow)]
        change: LocationChangeV1<'a>,
    },
    DeleteLocation {
        location: &'a str,
        expected: Option<VersionV1>,
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
    SetStock {
        sku: &'a str,
        location: &'a str,
        bucket: BucketV1,
        quantity: i64,
        expected: Option<i64>,
        reason: ReasonV1,
        #[serde(borrow)]
        document: Option<&'a str>,
        reference: &'a str,
    },
    MoveStock {
        sku: &'a str,
        location: &'a str,
        from: BucketV1,
        to: BucketV1,
        quantity: i64,
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
    CreateReservation {
        reservation: &'a str,
        #[serde(borrow)]
        customer: Option<&'a str>,
        currency: &'a str,
        #[serde(borrow)]
        lines: Vec<PlaceLineV1<'a>>,
        hold_us: u64,
    },
    ExtendReservation {
        reservation: &'a str,
        hold_us: u64,
    },
    CommitReservation {
        reservation: &'a str,
        order: &'a str,
        #[serde(borrow)]
        customer: Option<&'a str>,
        lines: Vec<LineQuantityV1>,
        #[serde(borrow)]
        payment: PaymentV1<'a>,
    },
    ReleaseReservation {
        reservation: &'a str,
        lines: Vec<LineQuantityV1>,
    },
    MoveReservation {
        reservation: &'a str,
        lines: Vec<u32>,
        location: &'a str,
    },
    ExpireDue {
        limit: u32,
    },
    AbandonRequest,
}

impl<'a> From<&'a Command> for CommandV1<'a> {
    fn from(command: &'a Command) -> Self {
        match command {
            Command::CreateSku(CreateSku { sku, details }) => {
                Self::CreateSku { sku: sku.as_str(), details: details.into() }
            }
            Command::UpdateSku(UpdateSku { sku, expected, change }) => {
                let expected = expected.map(VersionV1::from);
                Self::UpdateSku { sku: sku.as_str(), expected, change: change.into() }
            }
            Command::DeleteSku(DeleteSku { sku, expected }) => {
                Self::DeleteSku { sku: sku.as_str(), expected: expected.map(VersionV1::from) }
            }
            Command::CreateLocation(CreateLocation { location, details }) => {
                Self::CreateLocation { location: location.as_str(), details: details.into() }
            }
            Command::UpdateLocation(UpdateLocation { location, expected, change }) => {
                let expected = expected.map(VersionV1::from);
                Self::UpdateLocation { location: location.as_str(), expected, change: change.into() }
            }
            Command::DeleteLocation(DeleteLocation { location, expected }) => {
                Self::DeleteLocation { location: location.as_str(), expected: expected.map(VersionV1::from) }
            }
            Command::ReceiveStock(command) => receive_stock(command),
            Command::AdjustStock(command) => adjust_stock(command),
            Command::SetStock(command) => set_stock(command),
            Command::MoveStock(command) => move_stock(command),
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
            Command::CreateReservation(command) => create_reservation(command),
            Command::ExtendReservation(ExtendReservation { reservation, hold_us }) => {
                Self::ExtendReservation { reservation: reservation.as_str(), hold_us: *hold_us }
            }
            Command::CommitReservation(command) => commit_reservation(command),
            Command::ReleaseReservation(ReleaseReservation { reservation, lines }) => {
                Self::ReleaseReservation { reservation: reservation.as_str(), lines: mirror(lines) }
            }
            Command::MoveReservation(MoveReservation { reservation, lines, location }) => {
                Self::MoveReservation {
                    reservation: reservation.as_str(),
                    lines: lines.clone(),
                    location: location.as_str(),
                }
            }
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

fn set_stock(command: &SetStock) -> CommandV1<'_> {
    let SetStock { sku, location, bucket, quantity, expected, reason, document, reference } = command;
    CommandV1::SetStock {
        sku: sku.as_str(),
        location: location.as_str(),
        bucket: (*bucket).into(),
        quantity: *quantity,
        expected: *expected,
        reason: (*reason).into(),
        document: document.as_ref().map(DocumentId::as_str),
        reference,
    }
}

fn move_stock(command: &MoveStock) -> CommandV1<'_> {
    let MoveStock { sku, location, from, to, quantity, reason, document, reference } = command;
    CommandV1::MoveStock {
        sku: sku.as_str(),
        location: location.as_str(),
        from: (*from).into(),
        to: (*to).into(),
        quantity: *quantity,
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

fn create_reservation(command: &CreateReservation) -> CommandV1<'_> {
    let CreateReservation { reservation, customer, currency, lines, hold_us } = command;
    CommandV1::CreateReservation {
        reservation: reservation.as_str(),
        customer: customer.as_ref().map(CustomerId::as_str),
        currency: currency.as_str(),
        lines: mirror(lines),
        hold_us: *hold_us,
    }
}

fn commit_reservation(command: &CommitReservation) -> CommandV1<'_> {
    let CommitReservation { reservation, order, customer, lines, payment } = command;
    CommandV1::CommitReservation {
        reservation: reservation.as_str(),
        order: order.as_str(),
        customer: customer.as_ref().map(CustomerId::as_str),
        lines: mirror(lines),
        payment: payment.into(),
    }
}

impl TryFrom<CommandV1<'_>> for Command {
    type Error = Invalid;

    #[allow(clippy::too_many_lines, reason = "a list, an arm for each command")]
    fn try_from(mirror: CommandV1<'_>) -> Result<Self, Invalid> {
        Ok(match mirror {
            CommandV1::CreateSku { sku, details } => {
                Self::CreateSku(CreateSku { sku: id(SkuId::new, sku)?, details: details.into() })
            }
            CommandV1::UpdateSku { sku, expected, change } => Self::UpdateSku(UpdateSku {
                sku: id(SkuId::new, sku)?,
                expected: expected.map(Version::from),
                change: change.into(),
            }),
            CommandV1::DeleteSku { sku, expected } => Self::DeleteSku(DeleteSku {
                sku: id(SkuId::new, sku)?,
                expected: expected.map(Version::from),
            }),
            CommandV1::CreateLocation { location, details } => Self::CreateLocation(CreateLocation {
                location: id(LocationId::new, location)?,
                details: details.into(),
            }),
            CommandV1::UpdateLocation { location, expected, change } => {
                Self::UpdateLocation(UpdateLocation {
                    location: id(LocationId::new, location)?,
                    expected: expected.map(Version::from),
                    change: change.into(),
                })
            }
            CommandV1::DeleteLocation { location, expected } => Self::DeleteLocation(DeleteLocation {
                location: id(LocationId::new, location)?,
                expected: expected.map(Version::from),
            }),
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
            CommandV1::SetStock {
                sku,
                location,
                bucket,
                quantity,
                expected,
                reason,
                document,
                reference,
            } => Self::SetStock(SetStock {
                sku: id(SkuId::new, sku)?,
                location: id(LocationId::new, location)?,
                bucket: bucket.into(),
                quantity,
                expected,
                reason: reason.into(),
                document: optional_id(DocumentId::new, document)?,
                reference: reference.to_owned(),
            }),
            CommandV1::MoveStock { sku, location, from, to, quantity, reason, document, reference } => {
                Self::MoveStock(MoveStock {
                    sku: id(SkuId::new, sku)?,
                    location: id(LocationId::new, location)?,
                    from: from.into(),
                    to: to.into(),
                    quantity,
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
            CommandV1::CreateReservation { reservation, customer, currency, lines, hold_us } => {
                Self::CreateReservation(CreateReservation {
                    reservation: id(ReservationId::new, reservation)?,
                    customer: optional_id(CustomerId::new, customer)?,
                    currency: currency_of(currency)?,
                    lines: restore(lines)?,
                    hold_us,
                })
            }
            CommandV1::ExtendReservation { reservation, hold_us } => {
                Self::ExtendReservation(ExtendReservation {
                    reservation: id(ReservationId::new, reservation)?,
                    hold_us,
                })
            }
            CommandV1::CommitReservation { reservation, order, customer, lines, payment } => {
                Self::CommitReservation(CommitReservation {
                    reservation: id(ReservationId::new, reservation)?,
                    order: id(OrderId::new, order)?,
                    customer: optional_id(CustomerId::new, customer)?,
                    lines: lines.into_iter().map(LineQuantity::from).collect(),
                    payment: payment.into(),
                })
            }
            CommandV1::ReleaseReservation { reservation, lines } => {
                Self::ReleaseReservation(ReleaseReservation {
                    reservation: id(ReservationId::new, reservation)?,
                    lines: lines.into_iter().map(LineQuantity::from).collect(),
                })
            }
            CommandV1::MoveReservation { reservation, lines, location } => {
                Self::MoveReservation(MoveReservation {
                    reservation: id(ReservationId::new, reservation)?,
                    lines,
                    location: id(LocationId::new, location)?,
                })
            }
            CommandV1::ExpireDue { limit } => Self::ExpireDue(ExpireDue { limit }),
            CommandV1::AbandonRequest => Self::AbandonRequest,
        })
    }
}

pub(super) fn currency_of(code: &str) -> Result<Currency, Invalid> {
    Currency::new(code).ok_or_else(|| Invalid(format!("currency {code:?} is not three capital letters")))
}
