//! Which part of a node the instructions belong to. A function belongs to the layer of the path that it is named by; what all
//! share, such as the standard library and the allocator, belongs to whom it worked for: to its callers, by what it did for each.

use std::collections::BTreeMap;

use super::profile::Profile;

/// The layers, by how the paths of their functions begin; the first that fits.
const LAYERS: &[(&str, &str)] = &[
    ("stockade_trials::", "driver"),
    ("stockade_gateway::", "gateway"),
    ("stockade_consensus::", "consensus"),
    ("stockade_state_machine::", "state machine"),
    ("stockade_storage::codec::", "codec"),
    ("stockade_storage::frozen::", "codec"),
    ("stockade_storage::log::", "log"),
    ("stockade_storage::file::", "log"),
    ("stockade_storage::", "applied state"),
    ("openraft", "raft"),
    ("tokio", "runtime"),
    ("stockade_env::", "runtime"),
    ("stockade_proto::", "messages"),
    ("prost::", "messages"),
    ("tonic", "calls"),
    ("tower", "calls"),
    ("axum", "calls"),
    ("http", "calls"),
    ("sha2::", "hashes"),
    ("blake3::", "hashes"),
    ("crc32c::", "hashes"),
    ("lz4_flex::", "packing"),
];
/// What nobody was found for.
const OTHERS: &str = "others";
/// Callers of callers that are looked at. What is left after that calls itself in circles.
const DEPTH: usize = 100;

/// Instructions of each layer. Together they are all of the profile's.
pub(super) fn split(profile: &Profile) -> BTreeMap<&'static str, u64> {
    let mut layers: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut left: Vec<(&str, u64)> =
        profile.own.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    for _ in 0..DEPTH {
        let mut shared: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in left {
            match layer_of(name) {
                Some(layer) => *layers.entry(layer).or_default() += count,
                None => *shared.entry(name).or_default() += count,
            }
        }
        left = shared.into_iter().flat_map(|(name, count)| pass_on(profile, name, count)).collect();
    }
    *layers.entry(OTHERS).or_default() += left.iter().map(|(_, count)| count).sum::<u64>();
    layers
}

/// Gives what a shared function did to those who called it, to each its part. One that nobody called keeps it.
fn pass_on<'a>(profile: &'a Profile, name: &'a str, count: u64) -> Vec<(&'a str, u64)> {
    let callers = profile.callers.get(name).into_iter().flatten();
    let callers: Vec<_> = callers.filter(|(caller, _)| *caller != name).collect();
    let all: u64 = callers.iter().map(|(_, called)| **called).sum();
    let mut parts = Vec::new();
    let (mut left, mut left_of_all) = (count, all);
    for (caller, called) in callers {
        // Of what is left, so that nothing is lost to rounding.
        let part = u128::from(left) * u128::from(*called) / u128::from(left_of_all.max(1));
        let part = u64::try_from(part).expect("a part is no more than the whole");
        (left, left_of_all) = (left - part, left_of_all - called);
        parts.push((caller.as_str(), part));
    }
    if left > 0 {
        parts.push((name, left));
    }
    parts
}

/// The layer of a function, by its path; of a method of a trait, by the path of the type, else by that of the trait.
fn layer_of(name: &str) -> Option<&'static str> {
    let (of_type, of_trait) = match name.split_once(" as ") {
        Some((of_type, of_trait)) if name.starts_with('<') => (of_type, Some(of_trait)),
        _ => (name, None),
    };
    let by_path = |path: &str| {
        let path = path
            .trim_start_matches(['<', '&', '(', '['])
            .trim_start_matches("mut ")
            .trim_start_matches("dyn ");
        LAYERS.iter().find(|(begins, _)| path.starts_with(begins)).map(|(_, layer)| *layer)
    };
    by_path(of_type).or_else(|| of_trait.and_then(by_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(own: &[(&str, u64)], calls: &[(&str, &str, u64)]) -> Profile {
        let mut profile = Profile::default();
        for (name, count) in own {
            profile.own.insert((*name).to_owned(), *count);
            profile.total += count;
        }
        for (caller, called, count) in calls {
            profile.callers.entry((*called).to_owned()).or_default().insert((*caller).to_owned(), *count);
        }
        profile
    }

    #[test]
    fn a_function_belongs_to_its_path_or_that_of_its_type_or_of_its_trait() {
        let cases = [
            ("stockade_storage::codec::encode_request", Some("codec")),
            ("stockade_storage::writer::Writer::run::{{closure}}", Some("applied state")),
            ("<stockade_storage::log::store::LogStore as openraft::storage::X>::append", Some("log")),
            ("<alloc::vec::Vec<T> as stockade_state_machine::X>::y", Some("state machine")),
            ("<&mut tokio::sync::X as core::future::Future>::poll", Some("runtime")),
            ("<alloc::string::String as core::clone::Clone>::clone", None),
            ("core::ptr::drop_in_place<stockade_storage::window::Window>", None),
            ("malloc", None),
        ];
        for (name, layer) in cases {
            assert_eq!(layer_of(name), layer, "{name}");
        }
    }

    #[test]
    fn what_is_shared_goes_to_those_it_worked_for_by_what_it_did_for_each() {
        let (gateway, codec) = ("stockade_gateway::a", "stockade_storage::codec::b");
        let profile = profile(
            &[(gateway, 100), (codec, 200), ("alloc::grow", 10), ("malloc", 90)],
            &[(gateway, "malloc", 30), ("alloc::grow", "malloc", 60), (codec, "alloc::grow", 70)],
        );
        assert_eq!(split(&profile), BTreeMap::from([("gateway", 130), ("codec", 270), (OTHERS, 0)]));
    }

    #[test]
    fn nothing_is_lost_where_shared_functions_call_each_other_or_nobody_calls_them() {
        let profile = profile(
            &[("core::a", 7), ("core::b", 11), ("start", 5), ("stockade_gateway::c", 1)],
            &[
                ("core::b", "core::a", 3),
                ("core::a", "core::b", 3),
                ("core::b", "core::b", 9),
                ("stockade_gateway::c", "core::a", 1),
            ],
        );
        let layers = split(&profile);
        assert_eq!(layers.values().sum::<u64>(), profile.total);
        assert!(layers["gateway"] > 10 && layers[OTHERS] >= 5, "{layers:?}");
    }
}
