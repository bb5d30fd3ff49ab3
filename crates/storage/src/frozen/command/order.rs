//! Commands about orders, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::Version;
use stockade_state_machine::command::{
    CancelOrder, CloseOrder, ConfirmOrder, ExtendOrder, LineQuantity, PlaceLine, PlaceOrder, ReturnLine,
    ReturnOrder, ShipOrder,
};
use stockade_state_machine::ids::{DocumentId, LocationId, OrderId};

use crate::frozen::id::IdV1;
use crate::frozen::kinds::{DispositionV1, ShortagePolicyV1, SourcingV1};
use crate::frozen::row::VersionV1;
use crate::frozen::{Invalid, currency, id, mirror, optional_id, restore};

/// The first form of [`PlaceOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlaceOrderV1<'a> {
    #[serde(borrow)]
    order: IdV1<'a>,
    #[serde(borrow)]
    customer: Option<IdV1<'a>>,
    currency: &'a str,
    #[serde(borrow)]
    lines: Vec<PlaceLineV1<'a>>,
    hold_us: u64,
    sourcing: SourcingV1,
    shortage: ShortagePolicyV1,
}

/// The first form of [`PlaceLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlaceLineV1<'a> {
    #[serde(borrow)]
    sku: IdV1<'a>,
    #[serde(borrow)]
    location: Option<IdV1<'a>>,
    quantity: i64,
    unit_price_minor: i64,
}

/// The first form of [`ConfirmOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConfirmOrderV1<'a> {
    order: &'a str,
    payment_reference: &'a str,
    reacquire: bool,
    expected: Option<VersionV1>,
}

/// The first form of [`ExtendOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExtendOrderV1<'a> {
    order: &'a str,
    hold_us: u64,
    expected: Option<VersionV1>,
}

/// The first form of [`ShipOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShipOrderV1<'a> {
    order: &'a str,
    #[serde(borrow)]
    lines: Vec<LineQuantityV1<'a>>,
    tracking_number: &'a str,
    #[serde(borrow)]
    document: Option<&'a str>,
    close_after_us: Option<u64>,
    expected: Option<VersionV1>,
}

/// The first form of [`LineQuantity`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LineQuantityV1<'a> {
    line: u32,
    #[serde(borrow)]
    location: Option<&'a str>,
    quantity: i64,
}

/// The first form of [`CancelOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CancelOrderV1<'a> {
    order: &'a str,
    #[serde(borrow)]
    lines: Vec<LineQuantityV1<'a>>,
    expected: Option<VersionV1>,
}

/// The first form of [`CloseOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CloseOrderV1<'a> {
    order: &'a str,
    expected: Option<VersionV1>,
}

/// The first form of [`ReturnOrder`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReturnOrderV1<'a> {
    order: &'a str,
    #[serde(borrow)]
    lines: Vec<ReturnLineV1<'a>>,
    #[serde(borrow)]
    document: Option<&'a str>,
    expected: Option<VersionV1>,
}

/// The first form of [`ReturnLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReturnLineV1<'a> {
    line: u32,
    quantity: i64,
    disposition: DispositionV1,
    #[serde(borrow)]
    location: Option<&'a str>,
}

impl<'a> From<&'a PlaceOrder> for PlaceOrderV1<'a> {
    fn from(command: &'a PlaceOrder) -> Self {
        let PlaceOrder { order, customer, currency, lines, hold_us, sourcing, shortage } = command;
        Self {
            order: IdV1::of(order),
            customer: customer.as_ref().map(IdV1::of),
            currency: currency.as_str(),
            lines: mirror(lines),
            hold_us: *hold_us,
            sourcing: (*sourcing).into(),
            shortage: (*shortage).into(),
        }
    }
}

impl TryFrom<PlaceOrderV1<'_>> for PlaceOrder {
    type Error = Invalid;

    fn try_from(mirror: PlaceOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: mirror.order.restore()?,
            customer: IdV1::restore_optional(mirror.customer)?,
            currency: currency(mirror.currency)?,
            lines: restore(mirror.lines)?,
            hold_us: mirror.hold_us,
            sourcing: mirror.sourcing.into(),
            shortage: mirror.shortage.into(),
        })
    }
}

impl<'a> From<&'a PlaceLine> for PlaceLineV1<'a> {
    fn from(line: &'a PlaceLine) -> Self {
        let PlaceLine { sku, location, quantity, unit_price_minor } = line;
        Self {
            sku: IdV1::of(sku),
            location: location.as_ref().map(IdV1::of),
            quantity: *quantity,
            unit_price_minor: *unit_price_minor,
        }
    }
}

impl TryFrom<PlaceLineV1<'_>> for PlaceLine {
    type Error = Invalid;

    fn try_from(mirror: PlaceLineV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: mirror.sku.restore()?,
            location: IdV1::restore_optional(mirror.location)?,
            quantity: mirror.quantity,
            unit_price_minor: mirror.unit_price_minor,
        })
    }
}

impl<'a> From<&'a ConfirmOrder> for ConfirmOrderV1<'a> {
    fn from(command: &'a ConfirmOrder) -> Self {
        let ConfirmOrder { order, payment_reference, reacquire, expected } = command;
        Self {
            order: order.as_str(),
            payment_reference,
            reacquire: *reacquire,
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<ConfirmOrderV1<'_>> for ConfirmOrder {
    type Error = Invalid;

    fn try_from(mirror: ConfirmOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: id(OrderId::new, mirror.order)?,
            payment_reference: mirror.payment_reference.to_owned(),
            reacquire: mirror.reacquire,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a ExtendOrder> for ExtendOrderV1<'a> {
    fn from(command: &'a ExtendOrder) -> Self {
        let ExtendOrder { order, hold_us, expected } = command;
        Self { order: order.as_str(), hold_us: *hold_us, expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<ExtendOrderV1<'_>> for ExtendOrder {
    type Error = Invalid;

    fn try_from(mirror: ExtendOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: id(OrderId::new, mirror.order)?,
            hold_us: mirror.hold_us,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a ShipOrder> for ShipOrderV1<'a> {
    fn from(command: &'a ShipOrder) -> Self {
        let ShipOrder { order, lines, tracking_number, document, close_after_us, expected } = command;
        Self {
            order: order.as_str(),
            lines: mirror(lines),
            tracking_number,
            document: document.as_ref().map(DocumentId::as_str),
            close_after_us: *close_after_us,
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<ShipOrderV1<'_>> for ShipOrder {
    type Error = Invalid;

    fn try_from(mirror: ShipOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: id(OrderId::new, mirror.order)?,
            lines: restore(mirror.lines)?,
            tracking_number: mirror.tracking_number.to_owned(),
            document: optional_id(DocumentId::new, mirror.document)?,
            close_after_us: mirror.close_after_us,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a LineQuantity> for LineQuantityV1<'a> {
    fn from(line: &'a LineQuantity) -> Self {
        let LineQuantity { line, location, quantity } = line;
        Self { line: *line, location: location.as_ref().map(LocationId::as_str), quantity: *quantity }
    }
}

impl TryFrom<LineQuantityV1<'_>> for LineQuantity {
    type Error = Invalid;

    fn try_from(mirror: LineQuantityV1<'_>) -> Result<Self, Invalid> {
        let LineQuantityV1 { line, location, quantity } = mirror;
        Ok(Self { line, location: optional_id(LocationId::new, location)?, quantity })
    }
}

impl<'a> From<&'a CancelOrder> for CancelOrderV1<'a> {
    fn from(command: &'a CancelOrder) -> Self {
        let CancelOrder { order, lines, expected } = command;
        Self { order: order.as_str(), lines: mirror(lines), expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<CancelOrderV1<'_>> for CancelOrder {
    type Error = Invalid;

    fn try_from(mirror: CancelOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: id(OrderId::new, mirror.order)?,
            lines: restore(mirror.lines)?,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a CloseOrder> for CloseOrderV1<'a> {
    fn from(command: &'a CloseOrder) -> Self {
        let CloseOrder { order, expected } = command;
        Self { order: order.as_str(), expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<CloseOrderV1<'_>> for CloseOrder {
    type Error = Invalid;

    fn try_from(mirror: CloseOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { order: id(OrderId::new, mirror.order)?, expected: mirror.expected.map(Version::from) })
    }
}

impl<'a> From<&'a ReturnOrder> for ReturnOrderV1<'a> {
    fn from(command: &'a ReturnOrder) -> Self {
        let ReturnOrder { order, lines, document, expected } = command;
        Self {
            order: order.as_str(),
            lines: mirror(lines),
            document: document.as_ref().map(DocumentId::as_str),
            expected: expected.map(VersionV1::from),
        }
    }
}

impl TryFrom<ReturnOrderV1<'_>> for ReturnOrder {
    type Error = Invalid;

    fn try_from(mirror: ReturnOrderV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            order: id(OrderId::new, mirror.order)?,
            lines: restore(mirror.lines)?,
            document: optional_id(DocumentId::new, mirror.document)?,
            expected: mirror.expected.map(Version::from),
        })
    }
}

impl<'a> From<&'a ReturnLine> for ReturnLineV1<'a> {
    fn from(line: &'a ReturnLine) -> Self {
        let ReturnLine { line, quantity, disposition, location } = line;
        Self {
            line: *line,
            quantity: *quantity,
            disposition: (*disposition).into(),
            location: location.as_ref().map(LocationId::as_str),
        }
    }
}

impl TryFrom<ReturnLineV1<'_>> for ReturnLine {
    type Error = Invalid;

    fn try_from(mirror: ReturnLineV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            line: mirror.line,
            quantity: mirror.quantity,
            disposition: mirror.disposition.into(),
            location: optional_id(LocationId::new, mirror.location)?,
        })
    }
}
