//! Rows of the applied state, frozen: SKUs, locations, stock, documents, ledger entries, the clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stockade_state_machine::document::Document;
use stockade_state_machine::ids::{DocumentId, LocationId, SkuId};
use stockade_state_machine::ledger::LedgerEntry;
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::Bucket;
use stockade_state_machine::{Clock, LogTime, Revision, Stock, StockKey, Version};

use super::id::IdV1;
use super::kinds::{BucketV1, ReasonV1};
use super::origin::request_id;
use super::{Invalid, ensure, id};

/// The first form of [`Version`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct VersionV1 {
    revision: u64,
    position: u32,
}

impl From<Version> for VersionV1 {
    fn from(version: Version) -> Self {
        Self { revision: version.revision.get(), position: version.position }
    }
}

impl From<VersionV1> for Version {
    fn from(mirror: VersionV1) -> Self {
        Self { revision: Revision::new(mirror.revision), position: mirror.position }
    }
}

/// The first form of [`Sku`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SkuV1<'a> {
    id: &'a str,
    #[serde(borrow)]
    details: SkuDetailsV1<'a>,
    created_us: u64,
    updated_us: u64,
    version: VersionV1,
}

impl<'a> From<&'a Sku> for SkuV1<'a> {
    fn from(sku: &'a Sku) -> Self {
        let Sku { id, details, created, updated, version } = sku;
        Self {
            id: id.as_str(),
            details: details.into(),
            created_us: created.micros(),
            updated_us: updated.micros(),
            version: (*version).into(),
        }
    }
}

impl TryFrom<SkuV1<'_>> for Sku {
    type Error = Invalid;

    fn try_from(mirror: SkuV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            id: id(SkuId::new, mirror.id)?,
            details: mirror.details.into(),
            created: LogTime::from_micros(mirror.created_us),
            updated: LogTime::from_micros(mirror.updated_us),
            version: mirror.version.into(),
        })
    }
}

/// The first form of [`SkuDetails`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SkuDetailsV1<'a> {
    display_name: &'a str,
    untracked: bool,
    min_per_order: i64,
    max_per_order: i64,
    #[serde(borrow)]
    attributes: AttributesV1<'a>,
}

/// Attributes of a SKU, in the order of their names.
pub(crate) type AttributesV1<'a> = BTreeMap<&'a str, &'a str>;

pub(super) fn attributes_v1(attributes: &BTreeMap<String, String>) -> AttributesV1<'_> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn attributes_of(mirror: AttributesV1<'_>) -> BTreeMap<String, String> {
    mirror.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl<'a> From<&'a SkuDetails> for SkuDetailsV1<'a> {
    fn from(details: &'a SkuDetails) -> Self {
        let SkuDetails { display_name, untracked, min_per_order, max_per_order, attributes } = details;
        Self {
            display_name,
            untracked: *untracked,
            min_per_order: *min_per_order,
            max_per_order: *max_per_order,
            attributes: attributes_v1(attributes),
        }
    }
}

impl From<SkuDetailsV1<'_>> for SkuDetails {
    fn from(mirror: SkuDetailsV1<'_>) -> Self {
        Self {
            display_name: mirror.display_name.to_owned(),
            untracked: mirror.untracked,
            min_per_order: mirror.min_per_order,
            max_per_order: mirror.max_per_order,
            attributes: attributes_of(mirror.attributes),
        }
    }
}

/// The first form of [`Location`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LocationV1<'a> {
    id: &'a str,
    #[serde(borrow)]
    details: LocationDetailsV1<'a>,
    created_us: u64,
    updated_us: u64,
    version: VersionV1,
}

impl<'a> From<&'a Location> for LocationV1<'a> {
    fn from(location: &'a Location) -> Self {
        let Location { id, details, created, updated, version } = location;
        Self {
            id: id.as_str(),
            details: details.into(),
            created_us: created.micros(),
            updated_us: updated.micros(),
            version: (*version).into(),
        }
    }
}

impl TryFrom<LocationV1<'_>> for Location {
    type Error = Invalid;

    fn try_from(mirror: LocationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            id: id(LocationId::new, mirror.id)?,
            details: mirror.details.into(),
            created: LogTime::from_micros(mirror.created_us),
            updated: LogTime::from_micros(mirror.updated_us),
            version: mirror.version.into(),
        })
    }
}

/// The first form of [`LocationDetails`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LocationDetailsV1<'a> {
    display_name: &'a str,
    zone: &'a str,
    priority: u32,
    disabled: bool,
}

impl<'a> From<&'a LocationDetails> for LocationDetailsV1<'a> {
    fn from(details: &'a LocationDetails) -> Self {
        let LocationDetails { display_name, zone, priority, disabled } = details;
        Self { display_name, zone, priority: *priority, disabled: *disabled }
    }
}

impl From<LocationDetailsV1<'_>> for LocationDetails {
    fn from(mirror: LocationDetailsV1<'_>) -> Self {
        let LocationDetailsV1 { display_name, zone, priority, disabled } = mirror;
        Self { display_name: display_name.to_owned(), zone: zone.to_owned(), priority, disabled }
    }
}

/// The first form of [`Stock`]: its buckets in the order of the ledger.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StockV1 {
    buckets: [i64; 6],
    version: VersionV1,
}

impl From<&Stock> for StockV1 {
    fn from(stock: &Stock) -> Self {
        Self { buckets: stock.buckets(), version: stock.version.into() }
    }
}

impl TryFrom<StockV1> for Stock {
    type Error = Invalid;

    fn try_from(mirror: StockV1) -> Result<Self, Invalid> {
        Self::from_buckets(mirror.buckets, mirror.version.into()).ok_or_else(|| {
            Invalid(format!("stock {:?} has a bucket below 0 or an overflowing sum", mirror.buckets))
        })
    }
}

pub(super) fn stock_key(sku: &str, location: &str) -> Result<StockKey, Invalid> {
    Ok(StockKey { sku: id(SkuId::new, sku)?, location: id(LocationId::new, location)? })
}

/// The first form of [`Document`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DocumentV1<'a> {
    id: &'a str,
    revision: u64,
}

impl<'a> From<&'a Document> for DocumentV1<'a> {
    fn from(document: &'a Document) -> Self {
        Self { id: document.id.as_str(), revision: document.revision.get() }
    }
}

impl TryFrom<DocumentV1<'_>> for Document {
    type Error = Invalid;

    fn try_from(mirror: DocumentV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { id: id(DocumentId::new, mirror.id)?, revision: Revision::new(mirror.revision) })
    }
}

/// The first form of [`LedgerEntry`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LedgerEntryV1<'a> {
    revision: u64,
    position: u32,
    time_us: u64,
    #[serde(borrow)]
    sku: IdV1<'a>,
    #[serde(borrow)]
    location: IdV1<'a>,
    from: Option<BucketV1>,
    to: Option<BucketV1>,
    quantity: i64,
    reason: ReasonV1,
    #[serde(borrow)]
    actor: Option<IdV1<'a>>,
    request: Option<[u8; 16]>,
    #[serde(borrow)]
    order: Option<IdV1<'a>>,
    #[serde(borrow)]
    reservation: Option<IdV1<'a>>,
    #[serde(borrow)]
    document: Option<IdV1<'a>>,
    reference: &'a str,
    balances: StockV1,
}

impl<'a> LedgerEntryV1<'a> {
    /// What it is looked for by: SKU, location, order, reservation.
    pub(crate) fn names(&self) -> (IdV1<'a>, IdV1<'a>, Option<IdV1<'a>>, Option<IdV1<'a>>) {
        (self.sku, self.location, self.order, self.reservation)
    }

    /// Log time, in microseconds.
    pub(crate) fn time_us(&self) -> u64 {
        self.time_us
    }
}

impl<'a> From<&'a LedgerEntry> for LedgerEntryV1<'a> {
    fn from(entry: &'a LedgerEntry) -> Self {
        Self {
            revision: entry.revision.get(),
            position: entry.position,
            time_us: entry.time.micros(),
            sku: IdV1::of(&entry.sku),
            location: IdV1::of(&entry.location),
            from: entry.from.map(BucketV1::from),
            to: entry.to.map(BucketV1::from),
            quantity: entry.quantity,
            reason: entry.reason.into(),
            actor: entry.actor.as_ref().map(IdV1::of),
            request: entry.request.map(|request| request.bits().to_be_bytes()),
            order: entry.order.as_ref().map(IdV1::of),
            reservation: entry.reservation.as_ref().map(IdV1::of),
            document: entry.document.as_ref().map(IdV1::of),
            reference: &entry.reference,
            balances: (&entry.balances).into(),
        }
    }
}

impl TryFrom<LedgerEntryV1<'_>> for LedgerEntry {
    type Error = Invalid;

    fn try_from(mirror: LedgerEntryV1<'_>) -> Result<Self, Invalid> {
        ensure(mirror.quantity >= 1, "a ledger entry moves at least one unit")?;
        Ok(Self {
            revision: Revision::new(mirror.revision),
            position: mirror.position,
            time: LogTime::from_micros(mirror.time_us),
            sku: mirror.sku.restore()?,
            location: mirror.location.restore()?,
            from: mirror.from.map(Bucket::from),
            to: mirror.to.map(Bucket::from),
            quantity: mirror.quantity,
            reason: mirror.reason.into(),
            actor: IdV1::restore_optional(mirror.actor)?,
            request: mirror.request.map(request_id).transpose()?,
            order: IdV1::restore_optional(mirror.order)?,
            reservation: IdV1::restore_optional(mirror.reservation)?,
            document: IdV1::restore_optional(mirror.document)?,
            reference: mirror.reference.to_owned(),
            balances: mirror.balances.try_into()?,
        })
    }
}

/// The first form of [`Clock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClockV1 {
    now_us: u64,
    horizon_ms: u64,
}

impl From<&Clock> for ClockV1 {
    fn from(clock: &Clock) -> Self {
        Self { now_us: clock.now.micros(), horizon_ms: clock.horizon_ms }
    }
}

impl TryFrom<ClockV1> for Clock {
    type Error = Invalid;

    fn try_from(mirror: ClockV1) -> Result<Self, Invalid> {
        Ok(Self { now: LogTime::from_micros(mirror.now_us), horizon_ms: mirror.horizon_ms })
    }
}
