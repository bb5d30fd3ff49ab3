//! Locations.

use crate::ids::LocationId;
use crate::time::LogTime;
use crate::version::Version;

/// A place that holds stock: a warehouse, a shop, a van.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its name, for ever.
    pub id: LocationId,
    /// What can be changed of it.
    pub details: LocationDetails,
    /// Log time of creation.
    pub created: LogTime,
    /// Log time of the last change.
    pub updated: LogTime,
    /// Of the last change.
    pub version: Version,
}

/// What the caller says of a location.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocationDetails {
    /// For people.
    pub display_name: String,
    /// Where it lies, as the caller divides the world; may be empty.
    pub zone: String,
    /// Units are taken from locations with a lower one first.
    pub priority: u32,
    /// Takes no new orders; what it owes it still ships.
    pub disabled: bool,
}
