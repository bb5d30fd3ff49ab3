//! SKUs: created, changed, deleted.

use stockade_state_machine::command::{CreateSku, DeleteSku, UpdateSku};
use stockade_state_machine::outcome::Outcome;
use stockade_state_machine::rejection::{Rejection, Resource};
use stockade_state_machine::sku::Sku;

use crate::model::{Model, Moment};
use crate::plan::{Plan, Row};

impl Model {
    pub(crate) fn create_sku(&self, moment: Moment, command: &CreateSku) -> Result<Plan, Rejection> {
        // "Creates a SKU. Errors: ALREADY_EXISTS."
        if self.skus.contains_key(&command.sku) {
            return Err(Rejection::AlreadyExists(Resource::Sku(command.sku.clone())));
        }
        let sku = Sku {
            id: command.sku.clone(),
            display_name: command.display_name.clone(),
            created: moment.now,
            updated: moment.now,
            revision: moment.revision,
        };
        Ok(Plan { rows: vec![Row::Sku(sku.clone())], ..Plan::of(Outcome::SkuCreated(sku)) })
    }

    pub(crate) fn update_sku(&self, moment: Moment, command: &UpdateSku) -> Result<Plan, Rejection> {
        // "Changes the fields named in the mask. Errors: NOT_FOUND."
        let mut sku = self.sku_must_exist(&command.sku)?.clone();
        // "The new name; `None` leaves it."
        if let Some(name) = &command.display_name {
            sku.display_name.clone_from(name);
        }
        // "Log time of the last change", "Revision of the last change": an accepted update is one.
        sku.updated = moment.now;
        sku.revision = moment.revision;
        Ok(Plan { rows: vec![Row::Sku(sku.clone())], ..Plan::of(Outcome::SkuUpdated(sku)) })
    }

    pub(crate) fn delete_sku(&self, command: &DeleteSku) -> Result<Plan, Rejection> {
        // "Errors: NOT_FOUND, SKU_IN_USE."
        self.sku_must_exist(&command.sku)?;
        // "Deletes a SKU that has no stock in any bucket at any location."
        if let Some((key, _)) = self.stock_of(&command.sku).find(|(_, stock)| stock.on_hand() > 0) {
            return Err(Rejection::SkuInUse { sku: key.sku.clone(), location: key.location.clone() });
        }
        Ok(Plan { rows: vec![Row::SkuGone(command.sku.clone())], ..Plan::of(Outcome::SkuDeleted) })
    }
}
