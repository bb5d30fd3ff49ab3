//! Whether the voters stand in such a way that no zone takes the cluster with it. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// A zone that holds more than half of the voters, though the members stand in several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Majority {
    pub(super) zone: String,
    pub(super) voters: BTreeSet<u64>,
}

/// The zone that holds a majority of the voters, where there is one and there are others. `zones` says where members
/// stand; who told nothing is not in it.
pub(super) fn majority(voters: &BTreeSet<u64>, zones: &BTreeMap<u64, String>) -> Option<Majority> {
    let several = zones.values().collect::<BTreeSet<_>>().len() > 1;
    let mut held: BTreeMap<&String, BTreeSet<u64>> = BTreeMap::new();
    for (voter, zone) in zones.iter().filter(|(node_id, _)| voters.contains(node_id)) {
        held.entry(zone).or_default().insert(*voter);
    }
    let (zone, held) = held.into_iter().find(|(_, held)| held.len() * 2 > voters.len())?;
    several.then(|| Majority { zone: zone.clone(), voters: held })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(voters: &[u64], zones: &[(u64, &str)]) -> Option<(String, Vec<u64>)> {
        let voters = voters.iter().copied().collect();
        let zones = zones.iter().map(|(node_id, zone)| (*node_id, (*zone).to_owned())).collect();
        majority(&voters, &zones).map(|found| (found.zone, found.voters.into_iter().collect()))
    }

    #[test]
    fn a_zone_with_more_than_half_of_the_voters_is_named_where_there_are_others() {
        let found_north = Some(("north".to_owned(), vec![1, 2]));
        assert_eq!(found(&[1, 2, 3], &[(1, "north"), (2, "north"), (3, "south")]), found_north);
        // The other zone has a learner only, and one voter told nothing.
        assert_eq!(found(&[1, 2, 3], &[(1, "north"), (2, "north"), (4, "south")]), found_north);
    }

    #[test]
    fn voters_spread_over_zones_and_voters_of_one_zone_are_as_they_should_be() {
        assert_eq!(found(&[1, 2, 3], &[(1, "a"), (2, "b"), (3, "c")]), None);
        assert_eq!(found(&[1, 2, 3, 4], &[(1, "a"), (2, "a"), (3, "b"), (4, "b")]), None);
        assert_eq!(found(&[1, 2, 3], &[(1, "a"), (2, "a"), (3, "a")]), None);
        assert_eq!(found(&[1, 2, 3], &[]), None);
    }
}
