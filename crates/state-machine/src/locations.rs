//! Locations: create, update, delete.

use crate::catalog::expect_version;
use crate::command::{CreateLocation, DeleteLocation, UpdateLocation};
use crate::draft::Draft;
use crate::location::Location;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};

pub(crate) fn create(draft: &mut Draft<'_>, command: &CreateLocation) -> Result<Outcome, Rejection> {
    if draft.location(&command.location).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Location(command.location.clone())));
    }
    let context = draft.context();
    let location = Location {
        id: command.location.clone(),
        details: command.details.clone(),
        created: context.now,
        updated: context.now,
        version: context.version,
    };
    draft.put_location(&command.location, Some(location.clone()));
    Ok(Outcome::LocationCreated(location))
}

pub(crate) fn update(draft: &mut Draft<'_>, command: &UpdateLocation) -> Result<Outcome, Rejection> {
    let old = draft.known_location(&command.location)?;
    expect_version(command.expected, old.version, || Resource::Location(command.location.clone()))?;
    let details = command.change.clone().applied_to(&old.details);
    let context = draft.context();
    let location = Location { details, updated: context.now, version: context.version, ..old.clone() };
    draft.put_location(&command.location, Some(location.clone()));
    Ok(Outcome::LocationUpdated(location))
}

/// Its empty stock rows stay: there may be as many as there are SKUs, and an entry must not take long.
pub(crate) fn delete(draft: &mut Draft<'_>, command: &DeleteLocation) -> Result<Outcome, Rejection> {
    let old = draft.known_location(&command.location)?;
    expect_version(command.expected, old.version, || Resource::Location(command.location.clone()))?;
    if let Some(sku) = draft.any_stock_at(&command.location) {
        return Err(Rejection::LocationInUse { location: command.location.clone(), sku });
    }
    draft.put_location(&command.location, None);
    Ok(Outcome::LocationDeleted)
}
