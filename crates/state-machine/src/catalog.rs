//! SKUs: create, update, delete.

use crate::command::{CreateSku, DeleteSku, UpdateSku};
use crate::draft::Draft;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};
use crate::sku::Sku;
use crate::stock::StockKey;

pub(crate) fn create(draft: &mut Draft<'_>, command: &CreateSku) -> Result<Outcome, Rejection> {
    if draft.sku(&command.sku).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Sku(command.sku.clone())));
    }
    let context = draft.context();
    let sku = Sku {
        id: command.sku.clone(),
        display_name: command.display_name.clone(),
        created: context.now,
        updated: context.now,
        revision: context.revision,
    };
    draft.put_sku(&command.sku, Some(sku.clone()));
    Ok(Outcome::SkuCreated(sku))
}

pub(crate) fn update(draft: &mut Draft<'_>, command: &UpdateSku) -> Result<Outcome, Rejection> {
    let old = draft.sku(&command.sku).ok_or_else(|| not_found(&command.sku))?;
    let context = draft.context();
    let sku = Sku {
        display_name: command.display_name.clone().unwrap_or_else(|| old.display_name.clone()),
        updated: context.now,
        revision: context.revision,
        ..old.clone()
    };
    draft.put_sku(&command.sku, Some(sku.clone()));
    Ok(Outcome::SkuUpdated(sku))
}

pub(crate) fn delete(draft: &mut Draft<'_>, command: &DeleteSku) -> Result<Outcome, Rejection> {
    draft.sku(&command.sku).ok_or_else(|| not_found(&command.sku))?;
    let in_use = draft.locations_of(&command.sku).find(|(_, stock)| stock.on_hand() > 0);
    if let Some((location, _)) = in_use {
        return Err(Rejection::SkuInUse { sku: command.sku.clone(), location: location.clone() });
    }
    let locations: Vec<_> = draft.locations_of(&command.sku).map(|(location, _)| location.clone()).collect();
    for location in locations {
        draft.remove_stock(&StockKey { sku: command.sku.clone(), location });
    }
    draft.put_sku(&command.sku, None);
    Ok(Outcome::SkuDeleted)
}

pub(crate) fn not_found(sku: &crate::ids::SkuId) -> Rejection {
    Rejection::NotFound(Resource::Sku(sku.clone()))
}
