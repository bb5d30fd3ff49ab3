//! SKUs: created, changed, deleted.

use stockade_state_machine::command::{CreateSku, DeleteSku, SkuChange, UpdateSku};
use stockade_state_machine::ids::SkuId;
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::sku::{Sku, SkuDetails};

use crate::malformed;
use crate::model::{Model, Moment, must_be_current};
use crate::plan::{Plan, Row};

impl Model {
    pub(crate) fn create_sku(&self, moment: Moment, command: &CreateSku) -> Result<Plan, Rejection> {
        // "Creates a SKU. Errors: ALREADY_EXISTS."
        if self.skus.contains_key(&command.sku) {
            return Err(Rejection::AlreadyExists(Resource::Sku(command.sku.clone())));
        }
        let sku = Sku {
            id: command.sku.clone(),
            details: command.details.clone(),
            created: moment.now,
            updated: moment.now,
            version: moment.version(),
        };
        Ok(Plan { rows: vec![Row::Sku(sku.clone())], ..Plan::of(Outcome::SkuCreated(sku)) })
    }

    pub(crate) fn update_sku(&self, moment: Moment, command: &UpdateSku) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ETAG_MISMATCH, INVALID_ARGUMENT".
        let mut sku = self.sku_must_exist(&command.sku)?.clone();
        must_be_current(command.expected, sku.version, || resource(&command.sku))?;
        change(&mut sku.details, &command.change);
        // "what stays and what changes leave a minimum per order above its maximum".
        if let Some(rule) = malformed::limits_per_order(&sku.details) {
            return Err(Rejection::Malformed(rule));
        }
        // "Log time of the last change", "Of the last change": an accepted update is one.
        sku.updated = moment.now;
        sku.version = moment.version();
        Ok(Plan { rows: vec![Row::Sku(sku.clone())], ..Plan::of(Outcome::SkuUpdated(sku)) })
    }

    pub(crate) fn delete_sku(&self, command: &DeleteSku) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, ETAG_MISMATCH, SKU_IN_USE."
        let sku = self.sku_must_exist(&command.sku)?;
        must_be_current(command.expected, sku.version, || resource(&command.sku))?;
        // "Deletes a SKU that has no stock in any bucket at any location."
        if let Some((key, _)) = self.stock_of(&command.sku).find(|(_, stock)| stock.on_hand() > 0) {
            return Err(Rejection::SkuInUse { sku: key.sku.clone(), location: key.location.clone() });
        }
        Ok(Plan { rows: vec![Row::SkuGone(command.sku.clone())], ..Plan::of(Outcome::SkuDeleted) })
    }
}

/// "Changes the fields named in the mask": "`None` leaves a field as it is".
fn change(details: &mut SkuDetails, change: &SkuChange) {
    let SkuChange { display_name, untracked, min_per_order, max_per_order, attributes } = change.clone();
    *details = SkuDetails {
        display_name: display_name.unwrap_or_else(|| details.display_name.clone()),
        untracked: untracked.unwrap_or(details.untracked),
        min_per_order: min_per_order.unwrap_or(details.min_per_order),
        max_per_order: max_per_order.unwrap_or(details.max_per_order),
        // "`attributes`, which is set as a whole".
        attributes: attributes.unwrap_or_else(|| details.attributes.clone()),
    };
}

fn resource(sku: &SkuId) -> Resource {
    Resource::Sku(sku.clone())
}
