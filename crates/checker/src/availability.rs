//! What an order could take, over all locations that take orders.

use std::collections::BTreeSet;

use stockade_proto::v1;
use stockade_state_machine::State;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::location::Location;
use stockade_state_machine::stock::Bucket;

/// Locations that are told of a SKU: "at most 100".
const MAX_LOCATIONS: usize = 100;

/// What should have been answered; `None` where a SKU or a location that was asked for is missing.
pub(crate) fn expected(rows: &State, request: &v1::GetAvailabilityRequest) -> Option<Vec<v1::Availability>> {
    let ids = request.location_ids.iter().map(|id| LocationId::new(id).ok());
    let ids: BTreeSet<LocationId> = ids.collect::<Option<_>>()?;
    if ids.iter().any(|id| rows.location(id).is_none()) {
        return None;
    }
    // "Only these locations; empty for all. Only locations of this zone; empty for all. Disabled ones left out."
    let counts = |location: &&Location| {
        let is_asked_for = ids.is_empty() || ids.contains(&location.id);
        let is_in_zone = request.zone.is_empty() || request.zone == location.details.zone;
        is_asked_for && is_in_zone && !location.details.disabled
    };
    request.sku_ids.iter().map(|id| of_sku(rows, &SkuId::new(id).ok()?, counts)).collect()
}

fn of_sku(rows: &State, id: &SkuId, counts: impl Fn(&&Location) -> bool) -> Option<v1::Availability> {
    let sku = rows.sku(id)?;
    let sku_id = id.to_string();
    // "True where the SKU is not tracked: there is always enough, and the rest is empty."
    if sku.details.untracked {
        return Some(v1::Availability { sku_id, untracked: true, ..v1::Availability::default() });
    }
    let mut sum: i128 = 0;
    let mut locations = Vec::new();
    for (key, stock) in rows.stock_of(id, None) {
        // The empty rows of a location that is gone stay, and count nothing.
        if rows.location(&key.location).filter(&counts).is_none() {
            continue;
        }
        let available = stock.get(Bucket::Available);
        sum += i128::from(available);
        if available > 0 {
            locations.push(v1::LocationAvailability { location_id: key.location.to_string(), available });
        }
    }
    locations.truncate(MAX_LOCATIONS);
    // "At most 9,223,372,036,854,775,807."
    let available = i64::try_from(sum).unwrap_or(i64::MAX);
    Some(v1::Availability { sku_id, untracked: false, available, locations })
}
