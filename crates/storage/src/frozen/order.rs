//! Orders, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::LogTime;
use stockade_state_machine::order::{Order, OrderLine, Parcel, ParcelLine};

use super::id::IdV1;
use super::row::VersionV1;
use super::{Invalid, currency, ensure, ensure_numbered, mirror, restore};

/// The first form of [`Order`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderV1<'a> {
    #[serde(borrow)]
    id: IdV1<'a>,
    #[serde(borrow)]
    customer: Option<IdV1<'a>>,
    currency: &'a str,
    #[serde(borrow)]
    lines: Vec<OrderLineV1<'a>>,
    created_us: u64,
    updated_us: u64,
    expires_us: u64,
    version: VersionV1,
    payment_reference: &'a str,
    #[serde(borrow)]
    parcels: Vec<ParcelV1<'a>>,
    closes_us: Option<u64>,
}

/// The first form of [`OrderLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderLineV1<'a> {
    number: u32,
    #[serde(borrow)]
    sku: IdV1<'a>,
    #[serde(borrow)]
    location: Option<IdV1<'a>>,
    unit_price_minor: i64,
    ordered: i64,
    held: i64,
    allocated: i64,
    shipped: i64,
    returned: i64,
    cancelled: i64,
    expired: i64,
}

/// The first form of [`Parcel`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParcelV1<'a> {
    shipped_us: u64,
    tracking_number: &'a str,
    #[serde(borrow)]
    document: Option<IdV1<'a>>,
    lines: Vec<ParcelLineV1>,
}

/// The first form of [`ParcelLine`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ParcelLineV1 {
    part: u32,
    quantity: i64,
}

impl OrderV1<'_> {
    /// As [`Order::is_settled`] says of the order.
    pub(crate) fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.held == 0 && line.allocated == line.shipped)
    }
}

impl<'a> From<&'a Order> for OrderV1<'a> {
    fn from(order: &'a Order) -> Self {
        let Order { id, customer, currency, lines, created, updated, expires, .. } = order;
        let Order { version, payment_reference, parcels, closes, .. } = order;
        Self {
            id: IdV1::of(id),
            customer: customer.as_ref().map(IdV1::of),
            currency: currency.as_str(),
            lines: mirror(lines),
            created_us: created.micros(),
            updated_us: updated.micros(),
            expires_us: expires.micros(),
            version: (*version).into(),
            payment_reference,
            parcels: mirror(parcels),
            closes_us: closes.map(LogTime::micros),
        }
    }
}

impl TryFrom<OrderV1<'_>> for Order {
    type Error = Invalid;

    fn try_from(mirror: OrderV1<'_>) -> Result<Self, Invalid> {
        ensure_numbered(mirror.lines.iter().map(|line| line.number), "an order")?;
        ensure_packed(&mirror)?;
        Ok(Self {
            id: mirror.id.restore()?,
            customer: IdV1::restore_optional(mirror.customer)?,
            currency: currency(mirror.currency)?,
            lines: restore(mirror.lines)?,
            created: LogTime::from_micros(mirror.created_us),
            updated: LogTime::from_micros(mirror.updated_us),
            expires: LogTime::from_micros(mirror.expires_us),
            version: mirror.version.into(),
            payment_reference: mirror.payment_reference.to_owned(),
            parcels: restore(mirror.parcels)?,
            closes: mirror.closes_us.map(LogTime::from_micros),
        })
    }
}

/// Checks that what all parcels have of each line is what has shipped of it.
fn ensure_packed(order: &OrderV1<'_>) -> Result<(), Invalid> {
    let mut unpacked: Vec<i64> = order.lines.iter().map(|line| line.shipped).collect();
    for line in order.parcels.iter().flat_map(|parcel| &parcel.lines) {
        let part = usize::try_from(line.part).ok().and_then(|part| unpacked.get_mut(part));
        let Some(left) = part.filter(|left| (1..=**left).contains(&line.quantity)) else {
            return Err(Invalid(format!("a parcel has {} units of part {}", line.quantity, line.part)));
        };
        *left -= line.quantity;
    }
    ensure(unpacked.iter().all(|left| *left == 0), "units have shipped that are in no parcel")?;
    ensure(order.parcels.iter().all(|parcel| !parcel.lines.is_empty()), "a parcel is empty")
}

impl<'a> From<&'a OrderLine> for OrderLineV1<'a> {
    fn from(line: &'a OrderLine) -> Self {
        Self {
            number: line.number,
            sku: IdV1::of(&line.sku),
            location: line.location.as_ref().map(IdV1::of),
            unit_price_minor: line.unit_price_minor,
            ordered: line.ordered,
            held: line.held,
            allocated: line.allocated,
            shipped: line.shipped,
            returned: line.returned,
            cancelled: line.cancelled,
            expired: line.expired,
        }
    }
}

impl TryFrom<OrderLineV1<'_>> for OrderLine {
    type Error = Invalid;

    fn try_from(mirror: OrderLineV1<'_>) -> Result<Self, Invalid> {
        let OrderLineV1 { ordered, held, allocated, shipped, returned, cancelled, expired, .. } = mirror;
        let parts = [held, allocated, cancelled, expired];
        let above_0 = parts.iter().chain(&[shipped, returned]).all(|quantity| *quantity >= 0);
        ensure(above_0, "a quantity of an order line is below 0")?;
        let sum = parts.iter().try_fold(0_i64, |sum, part| sum.checked_add(*part));
        ensure(sum == Some(ordered), "the quantities of an order line do not add up")?;
        ensure(
            returned <= shipped && shipped <= allocated,
            "more returned than shipped, or shipped than allocated",
        )?;
        Ok(Self {
            number: mirror.number,
            sku: mirror.sku.restore()?,
            location: IdV1::restore_optional(mirror.location)?,
            unit_price_minor: mirror.unit_price_minor,
            ordered,
            held,
            allocated,
            shipped,
            returned,
            cancelled,
            expired,
        })
    }
}

impl<'a> From<&'a Parcel> for ParcelV1<'a> {
    fn from(parcel: &'a Parcel) -> Self {
        let Parcel { shipped, tracking_number, document, lines } = parcel;
        Self {
            shipped_us: shipped.micros(),
            tracking_number,
            document: document.as_ref().map(IdV1::of),
            lines: mirror(lines),
        }
    }
}

impl TryFrom<ParcelV1<'_>> for Parcel {
    type Error = Invalid;

    fn try_from(mirror: ParcelV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            shipped: LogTime::from_micros(mirror.shipped_us),
            tracking_number: mirror.tracking_number.to_owned(),
            document: IdV1::restore_optional(mirror.document)?,
            lines: mirror.lines.into_iter().map(ParcelLine::from).collect(),
        })
    }
}

impl From<&ParcelLine> for ParcelLineV1 {
    fn from(line: &ParcelLine) -> Self {
        let ParcelLine { part, quantity } = line;
        Self { part: *part, quantity: *quantity }
    }
}

impl From<ParcelLineV1> for ParcelLine {
    fn from(mirror: ParcelLineV1) -> Self {
        let ParcelLineV1 { part, quantity } = mirror;
        Self { part, quantity }
    }
}
