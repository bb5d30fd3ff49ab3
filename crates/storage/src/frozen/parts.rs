//! Parts of commands, frozen: what changes of a SKU or a location, lines, and payment.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{
    LineQuantity, LocationChange, Payment, PlaceLine, ReturnLine, SkuChange,
};
use stockade_state_machine::ids::{LocationId, SkuId};

use super::kinds::DispositionV1;
use super::row::{AttributesV1, attributes_of, attributes_v1};
use super::{Invalid, id, optional_id};

/// The first form of [`SkuChange`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SkuChangeV1<'a> {
    #[serde(borrow)]
    display_name: Option<&'a str>,
    untracked: Option<bool>,
    min_per_order: Option<i64>,
    max_per_order: Option<i64>,
    #[serde(borrow)]
    attributes: Option<AttributesV1<'a>>,
}

/// The first form of [`LocationChange`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LocationChangeV1<'a> {
    #[serde(borrow)]
    display_name: Option<&'a str>,
    #[serde(borrow)]
    zone: Option<&'a str>,
    priority: Option<u32>,
    disabled: Option<bool>,
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

/// The first form of [`Payment`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PaymentV1<'a> {
    Pending { hold_us: u64 },
    Taken { reference: &'a str },
}

impl<'a> From<&'a SkuChange> for SkuChangeV1<'a> {
    fn from(change: &'a SkuChange) -> Self {
        let SkuChange { display_name, untracked, min_per_order, max_per_order, attributes } = change;
        Self {
            display_name: display_name.as_deref(),
            untracked: *untracked,
            min_per_order: *min_per_order,
            max_per_order: *max_per_order,
            attributes: attributes.as_ref().map(attributes_v1),
        }
    }
}

impl From<SkuChangeV1<'_>> for SkuChange {
    fn from(mirror: SkuChangeV1<'_>) -> Self {
        Self {
            display_name: mirror.display_name.map(str::to_owned),
            untracked: mirror.untracked,
            min_per_order: mirror.min_per_order,
            max_per_order: mirror.max_per_order,
            attributes: mirror.attributes.map(attributes_of),
        }
    }
}

impl<'a> From<&'a LocationChange> for LocationChangeV1<'a> {
    fn from(change: &'a LocationChange) -> Self {
        let LocationChange { display_name, zone, priority, disabled } = change;
        Self {
            display_name: display_name.as_deref(),
            zone: zone.as_deref(),
            priority: *priority,
            disabled: *disabled,
        }
    }
}

impl From<LocationChangeV1<'_>> for LocationChange {
    fn from(mirror: LocationChangeV1<'_>) -> Self {
        let LocationChangeV1 { display_name, zone, priority, disabled } = mirror;
        let (display_name, zone) = (display_name.map(str::to_owned), zone.map(str::to_owned));
        Self { display_name, zone, priority, disabled }
    }
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

impl<'a> From<&'a Payment> for PaymentV1<'a> {
    fn from(payment: &'a Payment) -> Self {
        match payment {
            Payment::Pending { hold_us } => Self::Pending { hold_us: *hold_us },
            Payment::Taken { reference } => Self::Taken { reference },
        }
    }
}

impl From<PaymentV1<'_>> for Payment {
    fn from(mirror: PaymentV1<'_>) -> Self {
        match mirror {
            PaymentV1::Pending { hold_us } => Self::Pending { hold_us },
            PaymentV1::Taken { reference } => Self::Taken { reference: reference.to_owned() },
        }
    }
}
