//! SKUs: create, update, delete.

use crate::check::WRONG_SKU_LIMITS;
use crate::command::{CreateSku, DeleteSku, UpdateSku};
use crate::draft::Draft;
use crate::outcome::Outcome;
use crate::rejection::{Rejection, Resource};
use crate::sku::{Sku, limits_fit};
use crate::stock::StockKey;
use crate::version::Version;

pub(crate) fn create(draft: &mut Draft<'_>, command: &CreateSku) -> Result<Outcome, Rejection> {
    if draft.sku(&command.sku).is_some() {
        return Err(Rejection::AlreadyExists(Resource::Sku(command.sku.clone())));
    }
    let context = draft.context();
    let sku = Sku {
        id: command.sku.clone(),
        details: command.details.clone(),
        created: context.now,
        updated: context.now,
        version: context.version,
    };
    draft.put_sku(&command.sku, Some(sku.clone()));
    Ok(Outcome::SkuCreated(sku))
}

pub(crate) fn update(draft: &mut Draft<'_>, command: &UpdateSku) -> Result<Outcome, Rejection> {
    let old = draft.known_sku(&command.sku)?;
    expect_version(command.expected, old.version, || Resource::Sku(command.sku.clone()))?;
    let details = command.change.clone().applied_to(&old.details);
    // Each bound was checked by itself; together with what stays they may leave nothing that could be ordered.
    if !limits_fit(details.min_per_order, details.max_per_order) {
        return Err(Rejection::Malformed(WRONG_SKU_LIMITS));
    }
    let context = draft.context();
    let sku = Sku { details, updated: context.now, version: context.version, ..old.clone() };
    draft.put_sku(&command.sku, Some(sku.clone()));
    Ok(Outcome::SkuUpdated(sku))
}

pub(crate) fn delete(draft: &mut Draft<'_>, command: &DeleteSku) -> Result<Outcome, Rejection> {
    let old = draft.known_sku(&command.sku)?;
    expect_version(command.expected, old.version, || Resource::Sku(command.sku.clone()))?;
    let in_use = draft.stock_of(&command.sku).find(|(_, stock)| stock.on_hand() > 0);
    if let Some((location, _)) = in_use {
        return Err(Rejection::SkuInUse { sku: command.sku.clone(), location: location.clone() });
    }
    let locations: Vec<_> = draft.stock_of(&command.sku).map(|(location, _)| location.clone()).collect();
    for location in locations {
        draft.remove_stock(&StockKey { sku: command.sku.clone(), location });
    }
    draft.put_sku(&command.sku, None);
    Ok(Outcome::SkuDeleted)
}

/// Refuses a change of a row that has changed since the caller saw it.
pub(crate) fn expect_version(
    expected: Option<Version>,
    current: Version,
    resource: impl FnOnce() -> Resource,
) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != current => {
            Err(Rejection::EtagMismatch { resource: resource(), current })
        }
        Some(_) | None => Ok(()),
    }
}
