//! Commands about stock, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::command::{AdjustStock, MoveStock, ReceiveStock, SetStock};
use stockade_state_machine::ids::{DocumentId, LocationId, SkuId};

use crate::frozen::kinds::{BucketV1, ReasonV1};
use crate::frozen::{Invalid, id, optional_id};

/// The first form of [`ReceiveStock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReceiveStockV1<'a> {
    sku: &'a str,
    location: &'a str,
    quantity: i64,
    #[serde(borrow)]
    document: Option<&'a str>,
    reference: &'a str,
}

/// The first form of [`AdjustStock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AdjustStockV1<'a> {
    sku: &'a str,
    location: &'a str,
    bucket: BucketV1,
    delta: i64,
    reason: ReasonV1,
    #[serde(borrow)]
    document: Option<&'a str>,
    reference: &'a str,
}

/// The first form of [`SetStock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SetStockV1<'a> {
    sku: &'a str,
    location: &'a str,
    bucket: BucketV1,
    quantity: i64,
    expected: Option<i64>,
    reason: ReasonV1,
    #[serde(borrow)]
    document: Option<&'a str>,
    reference: &'a str,
}

/// The first form of [`MoveStock`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MoveStockV1<'a> {
    sku: &'a str,
    location: &'a str,
    from: BucketV1,
    to: BucketV1,
    quantity: i64,
    reason: ReasonV1,
    #[serde(borrow)]
    document: Option<&'a str>,
    reference: &'a str,
}

impl<'a> From<&'a ReceiveStock> for ReceiveStockV1<'a> {
    fn from(command: &'a ReceiveStock) -> Self {
        let ReceiveStock { sku, location, quantity, document, reference } = command;
        Self {
            sku: sku.as_str(),
            location: location.as_str(),
            quantity: *quantity,
            document: document.as_ref().map(DocumentId::as_str),
            reference,
        }
    }
}

impl TryFrom<ReceiveStockV1<'_>> for ReceiveStock {
    type Error = Invalid;

    fn try_from(mirror: ReceiveStockV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            location: id(LocationId::new, mirror.location)?,
            quantity: mirror.quantity,
            document: optional_id(DocumentId::new, mirror.document)?,
            reference: mirror.reference.to_owned(),
        })
    }
}

impl<'a> From<&'a AdjustStock> for AdjustStockV1<'a> {
    fn from(command: &'a AdjustStock) -> Self {
        let AdjustStock { sku, location, bucket, delta, reason, document, reference } = command;
        Self {
            sku: sku.as_str(),
            location: location.as_str(),
            bucket: (*bucket).into(),
            delta: *delta,
            reason: (*reason).into(),
            document: document.as_ref().map(DocumentId::as_str),
            reference,
        }
    }
}

impl TryFrom<AdjustStockV1<'_>> for AdjustStock {
    type Error = Invalid;

    fn try_from(mirror: AdjustStockV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            location: id(LocationId::new, mirror.location)?,
            bucket: mirror.bucket.into(),
            delta: mirror.delta,
            reason: mirror.reason.into(),
            document: optional_id(DocumentId::new, mirror.document)?,
            reference: mirror.reference.to_owned(),
        })
    }
}

impl<'a> From<&'a SetStock> for SetStockV1<'a> {
    fn from(command: &'a SetStock) -> Self {
        let SetStock { sku, location, bucket, quantity, expected, reason, document, reference } = command;
        Self {
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
}

impl TryFrom<SetStockV1<'_>> for SetStock {
    type Error = Invalid;

    fn try_from(mirror: SetStockV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            location: id(LocationId::new, mirror.location)?,
            bucket: mirror.bucket.into(),
            quantity: mirror.quantity,
            expected: mirror.expected,
            reason: mirror.reason.into(),
            document: optional_id(DocumentId::new, mirror.document)?,
            reference: mirror.reference.to_owned(),
        })
    }
}

impl<'a> From<&'a MoveStock> for MoveStockV1<'a> {
    fn from(command: &'a MoveStock) -> Self {
        let MoveStock { sku, location, from, to, quantity, reason, document, reference } = command;
        Self {
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
}

impl TryFrom<MoveStockV1<'_>> for MoveStock {
    type Error = Invalid;

    fn try_from(mirror: MoveStockV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            location: id(LocationId::new, mirror.location)?,
            from: mirror.from.into(),
            to: mirror.to.into(),
            quantity: mirror.quantity,
            reason: mirror.reason.into(),
            document: optional_id(DocumentId::new, mirror.document)?,
            reference: mirror.reference.to_owned(),
        })
    }
}
