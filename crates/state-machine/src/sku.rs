//! Stock keeping units.

use std::collections::BTreeMap;

use crate::ids::SkuId;
use crate::time::LogTime;
use crate::version::Version;

/// A thing that is counted, sold and shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    /// Its name, for ever.
    pub id: SkuId,
    /// What can be changed of it.
    pub details: SkuDetails,
    /// Log time of creation.
    pub created: LogTime,
    /// Log time of the last change.
    pub updated: LogTime,
    /// Of the last change.
    pub version: Version,
}

/// What the caller says of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SkuDetails {
    /// For people.
    pub display_name: String,
    /// Orders take units of it without a look at the stock: a service, a download, a thing made on demand.
    pub untracked: bool,
    /// Units that an order takes at least, if any; 0 for no limit.
    pub min_per_order: i64,
    /// Units that an order takes at most; 0 for no limit.
    pub max_per_order: i64,
    /// The caller's own, by name.
    pub attributes: BTreeMap<String, String>,
}

impl SkuDetails {
    /// Of a SKU that is tracked and without limits.
    pub fn named(display_name: impl Into<String>) -> Self {
        Self { display_name: display_name.into(), ..Self::default() }
    }
}

/// True where some quantity lies within both limits of an order.
pub fn limits_fit(min_per_order: i64, max_per_order: i64) -> bool {
    max_per_order == 0 || min_per_order <= max_per_order
}
