//! Commands about SKUs and locations, frozen.

use serde::{Deserialize, Serialize};
use stockade_state_machine::Version;
use stockade_state_machine::command::{
    CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
use stockade_state_machine::ids::{LocationId, SkuId};

use crate::frozen::row::{AttributesV1, LocationDetailsV1, SkuDetailsV1, VersionV1};
use crate::frozen::row::{attributes_of, attributes_v1};
use crate::frozen::{Invalid, id};

/// The first form of [`CreateSku`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateSkuV1<'a> {
    sku: &'a str,
    #[serde(borrow)]
    details: SkuDetailsV1<'a>,
}

/// The first form of [`UpdateSku`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UpdateSkuV1<'a> {
    sku: &'a str,
    expected: Option<VersionV1>,
    #[serde(borrow)]
    change: SkuChangeV1<'a>,
}

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

/// The first form of [`DeleteSku`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeleteSkuV1<'a> {
    sku: &'a str,
    expected: Option<VersionV1>,
}

/// The first form of [`CreateLocation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateLocationV1<'a> {
    location: &'a str,
    #[serde(borrow)]
    details: LocationDetailsV1<'a>,
}

/// The first form of [`UpdateLocation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UpdateLocationV1<'a> {
    location: &'a str,
    expected: Option<VersionV1>,
    #[serde(borrow)]
    change: LocationChangeV1<'a>,
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

/// The first form of [`DeleteLocation`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeleteLocationV1<'a> {
    location: &'a str,
    expected: Option<VersionV1>,
}

impl<'a> From<&'a CreateSku> for CreateSkuV1<'a> {
    fn from(command: &'a CreateSku) -> Self {
        let CreateSku { sku, details } = command;
        Self { sku: sku.as_str(), details: details.into() }
    }
}

impl TryFrom<CreateSkuV1<'_>> for CreateSku {
    type Error = Invalid;

    fn try_from(mirror: CreateSkuV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { sku: id(SkuId::new, mirror.sku)?, details: mirror.details.into() })
    }
}

impl<'a> From<&'a UpdateSku> for UpdateSkuV1<'a> {
    fn from(command: &'a UpdateSku) -> Self {
        let UpdateSku { sku, expected, change } = command;
        Self { sku: sku.as_str(), expected: expected.map(VersionV1::from), change: change.into() }
    }
}

impl TryFrom<UpdateSkuV1<'_>> for UpdateSku {
    type Error = Invalid;

    fn try_from(mirror: UpdateSkuV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            sku: id(SkuId::new, mirror.sku)?,
            expected: mirror.expected.map(Version::from),
            change: mirror.change.into(),
        })
    }
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

impl<'a> From<&'a DeleteSku> for DeleteSkuV1<'a> {
    fn from(command: &'a DeleteSku) -> Self {
        let DeleteSku { sku, expected } = command;
        Self { sku: sku.as_str(), expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<DeleteSkuV1<'_>> for DeleteSku {
    type Error = Invalid;

    fn try_from(mirror: DeleteSkuV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { sku: id(SkuId::new, mirror.sku)?, expected: mirror.expected.map(Version::from) })
    }
}

impl<'a> From<&'a CreateLocation> for CreateLocationV1<'a> {
    fn from(command: &'a CreateLocation) -> Self {
        let CreateLocation { location, details } = command;
        Self { location: location.as_str(), details: details.into() }
    }
}

impl TryFrom<CreateLocationV1<'_>> for CreateLocation {
    type Error = Invalid;

    fn try_from(mirror: CreateLocationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self { location: id(LocationId::new, mirror.location)?, details: mirror.details.into() })
    }
}

impl<'a> From<&'a UpdateLocation> for UpdateLocationV1<'a> {
    fn from(command: &'a UpdateLocation) -> Self {
        let UpdateLocation { location, expected, change } = command;
        Self { location: location.as_str(), expected: expected.map(VersionV1::from), change: change.into() }
    }
}

impl TryFrom<UpdateLocationV1<'_>> for UpdateLocation {
    type Error = Invalid;

    fn try_from(mirror: UpdateLocationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            location: id(LocationId::new, mirror.location)?,
            expected: mirror.expected.map(Version::from),
            change: mirror.change.into(),
        })
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

impl<'a> From<&'a DeleteLocation> for DeleteLocationV1<'a> {
    fn from(command: &'a DeleteLocation) -> Self {
        let DeleteLocation { location, expected } = command;
        Self { location: location.as_str(), expected: expected.map(VersionV1::from) }
    }
}

impl TryFrom<DeleteLocationV1<'_>> for DeleteLocation {
    type Error = Invalid;

    fn try_from(mirror: DeleteLocationV1<'_>) -> Result<Self, Invalid> {
        Ok(Self {
            location: id(LocationId::new, mirror.location)?,
            expected: mirror.expected.map(Version::from),
        })
    }
}
