//! Stock keeping units.

use crate::ids::SkuId;
use crate::revision::Revision;
use crate::time::LogTime;

/// A thing that is counted, sold and shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    /// Its name, for ever.
    pub id: SkuId,
    /// For people.
    pub display_name: String,
    /// Log time of creation.
    pub created: LogTime,
    /// Log time of the last change.
    pub updated: LogTime,
    /// Revision of the last change.
    pub revision: Revision,
}
