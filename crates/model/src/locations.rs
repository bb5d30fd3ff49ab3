//! Locations: created, changed, deleted.

use stockade_state_machine::command::{CreateLocation, DeleteLocation, LocationChange, UpdateLocation};
use stockade_state_machine::ids::LocationId;
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};

use crate::model::{Model, Moment, must_be_current};
use crate::plan::{Plan, Row};

impl Model {
    pub(crate) fn create_location(
        &self,
        moment: Moment,
        command: &CreateLocation,
    ) -> Result<Plan, Rejection> {
        // "Creates a location. Errors: ALREADY_EXISTS."
        if self.locations.contains_key(&command.location) {
            return Err(Rejection::AlreadyExists(resource(&command.location)));
        }
        let location = Location {
            id: command.location.clone(),
            details: command.details.clone(),
            created: moment.now,
            updated: moment.now,
            version: moment.version(),
        };
        let rows = vec![Row::Location(location.clone())];
        Ok(Plan { rows, ..Plan::of(Outcome::LocationCreated(location)) })
    }

    pub(crate) fn update_location(
        &self,
        moment: Moment,
        command: &UpdateLocation,
    ) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ETAG_MISMATCH."
        let mut location = self.location_must_exist(&command.location)?.clone();
        must_be_current(command.expected, location.version, || resource(&command.location))?;
        change(&mut location.details, &command.change);
        // "Log time of the last change", "Of the last change": an accepted update is one.
        location.updated = moment.now;
        location.version = moment.version();
        let rows = vec![Row::Location(location.clone())];
        Ok(Plan { rows, ..Plan::of(Outcome::LocationUpdated(location)) })
    }

    pub(crate) fn delete_location(&self, command: &DeleteLocation) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ETAG_MISMATCH, LOCATION_IN_USE."
        let location = self.location_must_exist(&command.location)?;
        must_be_current(command.expected, location.version, || resource(&command.location))?;
        // "Deletes a location that has no stock of any SKU in any bucket." Rows stand in the order of SKU ids.
        let in_use =
            self.stock.iter().find(|(key, stock)| key.location == command.location && stock.on_hand() > 0);
        if let Some((key, _)) = in_use {
            return Err(Rejection::LocationInUse { location: key.location.clone(), sku: key.sku.clone() });
        }
        // "Its empty stock rows stay, all zero."
        let rows = vec![Row::LocationGone(command.location.clone())];
        Ok(Plan { rows, ..Plan::of(Outcome::LocationDeleted) })
    }
}

/// "Changes the fields named in the mask": "`None` leaves a field as it is".
fn change(details: &mut LocationDetails, change: &LocationChange) {
    let LocationChange { display_name, zone, priority, disabled } = change.clone();
    *details = LocationDetails {
        display_name: display_name.unwrap_or_else(|| details.display_name.clone()),
        zone: zone.unwrap_or_else(|| details.zone.clone()),
        priority: priority.unwrap_or(details.priority),
        disabled: disabled.unwrap_or(details.disabled),
    };
}

fn resource(location: &LocationId) -> Resource {
    Resource::Location(location.clone())
}
