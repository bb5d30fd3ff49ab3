//! From requests about SKUs and locations to commands. Written from the comments in `proto/`, apart from the gateway's
//! way.

use stockade_proto::v1;
use stockade_state_machine::Command;
use stockade_state_machine::command::{
    CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::sku::SkuDetails;

use crate::fields::{NoCommand, expected, wrong};

/// "Of `display_name`, `untracked`, `min_per_order`, `max_per_order` and `attributes`", and the id, which changes nothing.
const OF_SKU: [&str; 6] =
    ["sku_id", "display_name", "untracked", "min_per_order", "max_per_order", "attributes"];
/// "Of `display_name`, `zone`, `priority` and `disabled`", and the id, which changes nothing.
const OF_LOCATION: [&str; 5] = ["location_id", "display_name", "zone", "priority", "disabled"];

/// "Fields that are output only, and `etag`, are ignored."
pub(crate) fn create_sku(request: &v1::CreateSkuRequest) -> Result<Command, NoCommand> {
    let sku = request.sku.as_ref().ok_or_else(|| wrong("no SKU"))?;
    let details = SkuDetails {
        display_name: sku.display_name.clone(),
        untracked: sku.untracked,
        min_per_order: sku.min_per_order,
        max_per_order: sku.max_per_order,
        attributes: sku.attributes.clone(),
    };
    Ok(Command::CreateSku(CreateSku { sku: SkuId::new(&sku.sku_id)?, details }))
}

pub(crate) fn update_sku(request: &v1::UpdateSkuRequest) -> Result<Command, NoCommand> {
    let sku = request.sku.as_ref().ok_or_else(|| wrong("no SKU"))?;
    let mask = Mask::of(request.update_mask.as_ref(), &OF_SKU)?;
    let change = SkuChange {
        display_name: mask.takes("display_name").then(|| sku.display_name.clone()),
        untracked: mask.takes("untracked").then_some(sku.untracked),
        min_per_order: mask.takes("min_per_order").then_some(sku.min_per_order),
        max_per_order: mask.takes("max_per_order").then_some(sku.max_per_order),
        attributes: mask.takes("attributes").then(|| sku.attributes.clone()),
    };
    let expected = expected(&sku.etag)?;
    Ok(Command::UpdateSku(UpdateSku { sku: SkuId::new(&sku.sku_id)?, expected, change }))
}

pub(crate) fn delete_sku(request: &v1::DeleteSkuRequest) -> Result<Command, NoCommand> {
    let expected = expected(&request.etag)?;
    Ok(Command::DeleteSku(DeleteSku { sku: SkuId::new(&request.sku_id)?, expected }))
}

/// "Fields that are output only, and `etag`, are ignored."
pub(crate) fn create_location(request: &v1::CreateLocationRequest) -> Result<Command, NoCommand> {
    let location = request.location.as_ref().ok_or_else(|| wrong("no location"))?;
    let details = LocationDetails {
        display_name: location.display_name.clone(),
        zone: location.zone.clone(),
        priority: priority(location.priority)?,
        disabled: location.disabled,
    };
    let location = LocationId::new(&location.location_id)?;
    Ok(Command::CreateLocation(CreateLocation { location, details }))
}

pub(crate) fn update_location(request: &v1::UpdateLocationRequest) -> Result<Command, NoCommand> {
    let location = request.location.as_ref().ok_or_else(|| wrong("no location"))?;
    let mask = Mask::of(request.update_mask.as_ref(), &OF_LOCATION)?;
    let change = LocationChange {
        display_name: mask.takes("display_name").then(|| location.display_name.clone()),
        zone: mask.takes("zone").then(|| location.zone.clone()),
        priority: mask.takes("priority").then(|| priority(location.priority)).transpose()?,
        disabled: mask.takes("disabled").then_some(location.disabled),
    };
    let expected = expected(&location.etag)?;
    let location = LocationId::new(&location.location_id)?;
    Ok(Command::UpdateLocation(UpdateLocation { location, expected, change }))
}

pub(crate) fn delete_location(request: &v1::DeleteLocationRequest) -> Result<Command, NoCommand> {
    let expected = expected(&request.etag)?;
    let location = LocationId::new(&request.location_id)?;
    Ok(Command::DeleteLocation(DeleteLocation { location, expected }))
}

fn priority(priority: i32) -> Result<u32, NoCommand> {
    u32::try_from(priority).map_err(|_| wrong("a priority below 0"))
}

/// The fields that an update changes.
struct Mask<'a>(&'a [String]);

impl<'a> Mask<'a> {
    fn of(mask: Option<&'a prost_types::FieldMask>, fields: &[&str]) -> Result<Self, NoCommand> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        match paths.iter().find(|path| !fields.contains(&path.as_str())) {
            Some(path) => Err(NoCommand(format!("a mask with `{path}`, which can't be changed"))),
            None => Ok(Self(paths)),
        }
    }

    /// "Empty means all of them."
    fn takes(&self, field: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|path| path == field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(paths: &[&str]) -> Result<SkuChange, NoCommand> {
        let sku =
            v1::Sku { sku_id: "mug".to_owned(), untracked: true, min_per_order: 2, ..v1::Sku::default() };
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = v1::UpdateSkuRequest { sku: Some(sku), update_mask, ..Default::default() };
        match update_sku(&request)? {
            Command::UpdateSku(update) => Ok(update.change),
            other => panic!("an update became {other:?}"),
        }
    }

    #[test]
    fn an_update_changes_what_its_mask_names_and_all_where_it_is_empty() {
        let named = SkuChange { untracked: Some(true), ..SkuChange::default() };
        assert_eq!(change(&["untracked", "sku_id"]), Ok(named));
        assert_eq!(change(&["sku_id"]), Ok(SkuChange::default()));
        let all = SkuChange {
            display_name: Some(String::new()),
            untracked: Some(true),
            min_per_order: Some(2),
            max_per_order: Some(0),
            attributes: Some(std::collections::BTreeMap::new()),
        };
        assert_eq!(change(&[]), Ok(all));
        assert!(change(&["revision"]).is_err());
    }

    #[test]
    fn what_is_no_etag_and_no_priority_makes_no_command() {
        let etag = "latest".to_owned();
        let delete =
            v1::DeleteSkuRequest { sku_id: "mug".to_owned(), etag: etag.clone(), ..Default::default() };
        assert!(delete_sku(&delete).is_err());
        let delete = v1::DeleteLocationRequest { location_id: "main".to_owned(), etag, ..Default::default() };
        assert!(delete_location(&delete).is_err());
        let location =
            v1::Location { location_id: "main".to_owned(), priority: -1, ..v1::Location::default() };
        let create = v1::CreateLocationRequest { location: Some(location), ..Default::default() };
        assert!(create_location(&create).is_err());
    }
}
