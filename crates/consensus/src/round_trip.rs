//! How long a question to a peer and its answer take, and whether the timings fit that.
//!
//! The shortest of the last answers counts: a busy peer answers late, but never faster than the network.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stockade_storage::AlarmKind;

use crate::limits;
use crate::node::Inner;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct RoundTrips(Mutex<BTreeMap<u64, VecDeque<Duration>>>);

impl RoundTrips {
    /// A peer has answered.
    pub(crate) fn note(&self, node_id: u64, took: Duration) {
        let mut peers = self.0.lock();
        let last = peers.entry(node_id).or_default();
        last.push_back(took);
        if last.len() > limits::ROUND_TRIPS_KEPT {
            last.pop_front();
        }
    }

    /// The round trip to each peer of which enough is known.
    pub(crate) fn shortest(&self) -> BTreeMap<u64, Duration> {
        let peers = self.0.lock();
        let enough = peers.iter().filter(|(_, last)| last.len() >= limits::ROUND_TRIPS_NEEDED);
        enough.filter_map(|(node_id, last)| Some((*node_id, *last.iter().min()?))).collect()
    }

    /// Forgets who is no member any more.
    pub(crate) fn keep_only(&self, members: &BTreeMap<u64, String>) {
        self.0.lock().retain(|node_id, _| members.contains_key(node_id));
    }
}

/// What to say where the round trip to a voter is too long for the heartbeat: two of them must fit between two
/// heartbeats, or answers come when they are taken for lost.
fn unfit(voters: &BTreeMap<u64, Duration>, heartbeat: Duration) -> Option<String> {
    let (node_id, longest) = voters.iter().max_by_key(|(_, round_trip)| **round_trip)?;
    (*longest * 2 > heartbeat).then(|| {
        format!(
            "the round trip to node {node_id} takes {} ms and there is a heartbeat every {} ms: the lead may change \
             without need; start all nodes with a slower --profile, or a --heartbeat-ms of {} or more",
            longest.as_millis(),
            heartbeat.as_millis(),
            longest.as_millis() * 2,
        )
    })
}

impl Inner {
    /// Raises an alarm where the timings don't fit the network, and takes it back where they do.
    pub(crate) fn judge_round_trips(self: &Arc<Self>) {
        self.round_trips.keep_only(&self.members());
        let mut voters = self.round_trips.shortest();
        voters.retain(|node_id, _| self.is_voter(*node_id));
        match unfit(&voters, self.config.heartbeat) {
            Some(detail) => self.alarms.raise(AlarmKind::RoundTripLong, detail),
            None => self.alarms.clear(AlarmKind::RoundTripLong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_millis(30);

    #[test]
    fn the_shortest_of_the_last_answers_counts_once_there_are_enough() {
        let trips = RoundTrips::default();
        for ms in [9, 7] {
            trips.note(2, Duration::from_millis(ms));
        }
        assert!(trips.shortest().is_empty());
        trips.note(2, Duration::from_millis(80));
        assert_eq!(trips.shortest()[&2], Duration::from_millis(7));
        for _ in 0..limits::ROUND_TRIPS_KEPT {
            trips.note(2, Duration::from_millis(20));
        }
        assert_eq!(trips.shortest()[&2], Duration::from_millis(20));
    }

    #[test]
    fn two_round_trips_must_fit_between_heartbeats() {
        let to = |ms| BTreeMap::from([(2, Duration::from_millis(1)), (3, Duration::from_millis(ms))]);
        assert_eq!(unfit(&to(15), HEARTBEAT), None);
        let said = unfit(&to(16), HEARTBEAT).expect("too long");
        assert!(said.contains("node 3") && said.contains("--heartbeat-ms of 32"), "{said}");
        assert_eq!(unfit(&BTreeMap::new(), HEARTBEAT), None);
    }
}
