//! What commands about SKUs and locations say.

use std::collections::BTreeMap;

use crate::ids::{LocationId, SkuId};
use crate::location::LocationDetails;
use crate::sku::SkuDetails;
use crate::version::Version;

/// See [`Command::CreateSku`](super::Command::CreateSku).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSku {
    /// Its name.
    pub sku: SkuId,
    /// What is said of it.
    pub details: SkuDetails,
}

/// See [`Command::UpdateSku`](super::Command::UpdateSku).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSku {
    /// Which.
    pub sku: SkuId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
    /// What changes.
    pub change: SkuChange,
}

/// What changes of a SKU's details; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of `SkuDetails`")]
pub struct SkuChange {
    pub display_name: Option<String>,
    pub untracked: Option<bool>,
    pub min_per_order: Option<i64>,
    pub max_per_order: Option<i64>,
    pub attributes: Option<BTreeMap<String, String>>,
}

impl SkuChange {
    /// The details with the change.
    #[must_use]
    pub fn applied_to(self, kept: &SkuDetails) -> SkuDetails {
        SkuDetails {
            display_name: self.display_name.unwrap_or_else(|| kept.display_name.clone()),
            untracked: self.untracked.unwrap_or(kept.untracked),
            min_per_order: self.min_per_order.unwrap_or(kept.min_per_order),
            max_per_order: self.max_per_order.unwrap_or(kept.max_per_order),
            attributes: self.attributes.unwrap_or_else(|| kept.attributes.clone()),
        }
    }
}

/// See [`Command::DeleteSku`](super::Command::DeleteSku).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteSku {
    /// Which.
    pub sku: SkuId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
}

/// See [`Command::CreateLocation`](super::Command::CreateLocation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateLocation {
    /// Its name.
    pub location: LocationId,
    /// What is said of it.
    pub details: LocationDetails,
}

/// See [`Command::UpdateLocation`](super::Command::UpdateLocation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateLocation {
    /// Which.
    pub location: LocationId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
    /// What changes.
    pub change: LocationChange,
}

/// What changes of a location's details; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of `LocationDetails`")]
pub struct LocationChange {
    pub display_name: Option<String>,
    pub zone: Option<String>,
    pub priority: Option<u32>,
    pub disabled: Option<bool>,
}

impl LocationChange {
    /// The details with the change.
    #[must_use]
    pub fn applied_to(self, kept: &LocationDetails) -> LocationDetails {
        LocationDetails {
            display_name: self.display_name.unwrap_or_else(|| kept.display_name.clone()),
            zone: self.zone.unwrap_or_else(|| kept.zone.clone()),
            priority: self.priority.unwrap_or(kept.priority),
            disabled: self.disabled.unwrap_or(kept.disabled),
        }
    }
}

/// See [`Command::DeleteLocation`](super::Command::DeleteLocation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLocation {
    /// Which.
    pub location: LocationId,
    /// The version that the caller saw, where it must be that one.
    pub expected: Option<Version>,
}
