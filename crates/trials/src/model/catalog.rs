//! Writes commands about SKUs and locations.

use std::collections::BTreeMap;

use stockade_env::Random;
use stockade_state_machine::command::{
    Command, CreateLocation, CreateSku, DeleteLocation, DeleteSku, LocationChange, SkuChange, UpdateLocation,
    UpdateSku,
};
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{Revision, State, Version};

use super::author::pick;

/// Writes commands about SKUs and locations.
pub(super) struct Catalog {
    random: Random,
    /// Some changes expect a version. What they come to depends on how the log is cut into entries.
    expects: bool,
}

impl Catalog {
    pub(super) fn new(random: &Random) -> Self {
        Self { random: random.clone(), expects: random.below(2) == 0 }
    }

    pub(super) fn create_sku(&self, sku: SkuId) -> Command {
        let details = self.sku_change().applied_to(&SkuDetails::default());
        Command::CreateSku(CreateSku { sku, details })
    }

    pub(super) fn update_sku(&self, sku: SkuId, state: &State) -> Command {
        let expected = self.expected(state.sku(&sku).map(|sku| sku.version));
        Command::UpdateSku(UpdateSku { sku, expected, change: self.sku_change() })
    }

    pub(super) fn delete_sku(&self, sku: SkuId, state: &State) -> Command {
        let expected = self.expected(state.sku(&sku).map(|sku| sku.version));
        Command::DeleteSku(DeleteSku { sku, expected })
    }

    pub(super) fn create_location(&self, location: LocationId) -> Command {
        // A disabled one would sell too little.
        let change = LocationChange { disabled: None, ..self.location_change() };
        let details = change.applied_to(&LocationDetails::default());
        Command::CreateLocation(CreateLocation { location, details })
    }

    pub(super) fn update_location(&self, location: LocationId, state: &State) -> Command {
        let expected = self.expected(state.location(&location).map(|location| location.version));
        Command::UpdateLocation(UpdateLocation { location, expected, change: self.location_change() })
    }

    pub(super) fn delete_location(&self, location: LocationId, state: &State) -> Command {
        let expected = self.expected(state.location(&location).map(|location| location.version));
        Command::DeleteLocation(DeleteLocation { location, expected })
    }

    /// True where commands may expect versions.
    pub(super) fn expects_versions(&self) -> bool {
        self.expects
    }

    /// As for SKUs and locations, but mostly none: there are many commands about orders.
    pub(super) fn seldom_expected(&self, current: Option<Version>) -> Option<Version> {
        if self.random.below(4) == 0 { self.expected(current) } else { None }
    }

    /// Sometimes the version that there is, sometimes one that is over.
    pub(super) fn expected(&self, current: Option<Version>) -> Option<Version> {
        if !self.expects {
            return None;
        }
        match self.random.below(6) {
            0..2 => current,
            2 => Some(Version { revision: Revision::new(1 + self.random.below(9)), position: 0 }),
            _ => None,
        }
    }

    fn sku_change(&self) -> SkuChange {
        let text = |most| pick(&self.random, &["", "x"]).repeat(most);
        let random = &self.random;
        let attributes = || match random.below(3) {
            0 => BTreeMap::new(),
            _ => BTreeMap::from([("colour".to_owned(), text(1)), ("size".to_owned(), text(3))]),
        };
        SkuChange {
            display_name: (random.below(2) == 0).then(|| text(256)),
            untracked: (random.below(6) == 0).then(|| random.below(3) == 0),
            min_per_order: (random.below(8) == 0).then(|| pick(random, &[0, 0, 1, 2, 3])),
            max_per_order: (random.below(8) == 0).then(|| pick(random, &[0, 0, 1, 2, 30])),
            attributes: (random.below(4) == 0).then(attributes),
        }
    }

    fn location_change(&self) -> LocationChange {
        let random = &self.random;
        LocationChange {
            display_name: (random.below(3) == 0).then(|| "x".to_owned()),
            zone: (random.below(3) == 0).then(|| pick(random, &["", "uk"]).to_owned()),
            priority: (random.below(2) == 0).then(|| u32::try_from(random.below(3)).expect("below 3")),
            disabled: (random.below(2) == 0).then(|| random.below(5) == 0),
        }
    }
}
