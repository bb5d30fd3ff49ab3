//! Which voter is dead, and which standby takes its place. Pure: from what a leader has heard, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// What a leader has heard of the others since it could hear them.
///
/// Invariants:
/// - Silence counts only while this node leads one term, looks again and again, and hears a majority: a leader that is
///   itself cut off, or stood still, or was elected a moment ago, takes nobody for dead.
#[derive(Debug, Default)]
pub(super) struct Silence(Option<Listening>);

#[derive(Debug)]
struct Listening {
    term: u64,
    since: Instant,
    last_look: Instant,
    heard: BTreeMap<u64, Instant>,
}

impl Silence {
    /// Takes a look: the term that this node leads, the voters (two sets while a change is half done), and who has answered
    /// since the last look, this node included.
    pub(super) fn look(
        &mut self,
        now: Instant,
        term: Option<u64>,
        voters: &[BTreeSet<u64>],
        heard: &BTreeSet<u64>,
    ) {
        let Some(term) = term else {
            self.0 = None;
            return;
        };
        let quorum = voters.iter().all(|voters| voters.intersection(heard).count() * 2 > voters.len());
        let went_on = self.0.take().filter(|listening| {
            quorum && listening.term == term && now - listening.last_look <= limits::LONGEST_LOOK_PAUSE
        });
        let begun = Listening { term, since: now, last_look: now, heard: BTreeMap::new() };
        let mut listening = went_on.unwrap_or(begun);
        listening.last_look = now;
        listening.heard.extend(heard.iter().map(|node_id| (*node_id, now)));
        self.0 = Some(listening);
    }

    /// How long a node has said nothing, as far as this one could have heard it.
    pub(super) fn of(&self, node_id: u64, now: Instant) -> Duration {
        let Some(listening) = &self.0 else { return Duration::ZERO };
        let last = listening.heard.get(&node_id).copied().unwrap_or(listening.since);
        now - last.max(listening.since)
    }
}

/// A learner that stands ready: it answers, and has nearly all of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standby {
    pub(super) node_id: u64,
    /// Empty where it told none.
    pub(super) zone: String,
}

/// The voters that are dead: silent for so long, the longest first.
pub(super) fn dead(voters: &BTreeSet<u64>, silence: impl Fn(u64) -> Duration, after: Duration) -> Vec<u64> {
    let mut dead: Vec<(Duration, u64)> = voters
        .iter()
        .map(|node_id| (silence(*node_id), *node_id))
        .filter(|(quiet, _)| *quiet >= after)
        .collect();
    dead.sort_by_key(|(quiet, node_id)| (std::cmp::Reverse(*quiet), *node_id));
    dead.into_iter().map(|(_, node_id)| node_id).collect()
}

/// Who takes a dead voter's place: a standby of its zone before others, then the one of the lowest id.
pub(super) fn successor(zone: Option<&str>, standbys: &[Standby]) -> Option<u64> {
    let elsewhere = |standby: &Standby| zone.is_none_or(|zone| zone.is_empty() || zone != standby.zone);
    standbys.iter().min_by_key(|standby| (elsewhere(standby), standby.node_id)).map(|standby| standby.node_id)
}

/// The node that goes and the standby that comes, where a replacement was left half done by a leader that did not live to
/// finish it. It is finished even if the one that goes is there again: half done it keeps every other change waiting.
pub(super) fn half_done(voters: &[BTreeSet<u64>], standbys: &[Standby]) -> Option<(u64, u64)> {
    let [old, .., new] = voters else { return None };
    let (mut gone, mut come) = (old.difference(new), new.difference(old));
    let (dead, standby) = (*gone.next()?, *come.next()?);
    let alone = gone.next().is_none() && come.next().is_none();
    (alone && standbys.iter().any(|known| known.node_id == standby)).then_some((dead, standby))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(30);

    fn set(ids: &[u64]) -> BTreeSet<u64> {
        ids.iter().copied().collect()
    }

    /// Looks every second for so long, and hears these.
    fn listen(
        silence: &mut Silence,
        from: Instant,
        seconds: u64,
        term: Option<u64>,
        heard: &[u64],
    ) -> Instant {
        for second in 1..=seconds {
            let now = from + Duration::from_secs(second);
            silence.look(now, term, &[set(&[1, 2, 3])], &set(heard));
        }
        from + Duration::from_secs(seconds)
    }

    fn found(silence: &Silence, now: Instant) -> Vec<u64> {
        dead(&set(&[1, 2, 3]), |node_id| silence.of(node_id, now), AFTER)
    }

    #[test]
    fn who_says_nothing_for_long_is_dead_and_who_was_heard_meanwhile_is_not() {
        let (mut silence, begun) = (Silence::default(), Instant::now());
        let now = listen(&mut silence, begun, 30, Some(4), &[1, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new(), "29 seconds since the first look");
        let now = listen(&mut silence, now, 1, Some(4), &[1, 3]);
        assert_eq!(found(&silence, now), [2]);
        let now = listen(&mut silence, now, 1, Some(4), &[1, 2, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
    }

    #[test]
    fn silence_counts_from_the_election_and_not_from_before_it() {
        let (mut silence, begun) = (Silence::default(), Instant::now());
        let now = listen(&mut silence, begun, 29, Some(4), &[1, 3]);
        // It led before, and leads again.
        let now = listen(&mut silence, now, 5, None, &[]);
        let now = listen(&mut silence, now, 20, Some(6), &[1, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
        // Another term without a look between them.
        let now = listen(&mut silence, now, 20, Some(7), &[1, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
        let now = listen(&mut silence, now, 11, Some(7), &[1, 3]);
        assert_eq!(found(&silence, now), [2]);
    }

    #[test]
    fn a_leader_that_hears_nobody_takes_nobody_for_dead() {
        let (mut silence, begun) = (Silence::default(), Instant::now());
        let now = listen(&mut silence, begun, 5, Some(4), &[1, 2, 3]);
        let now = listen(&mut silence, now, 300, Some(4), &[1]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
        // And counts from the first look at which it hears a majority again.
        let now = listen(&mut silence, now, 29, Some(4), &[1, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
        let now = listen(&mut silence, now, 2, Some(4), &[1, 3]);
        assert_eq!(found(&silence, now), [2]);
    }

    #[test]
    fn a_leader_that_stood_still_begins_anew() {
        let (mut silence, begun) = (Silence::default(), Instant::now());
        let now = listen(&mut silence, begun, 5, Some(4), &[1, 2, 3]);
        let now = listen(&mut silence, now + AFTER * 2, 1, Some(4), &[1, 3]);
        assert_eq!(found(&silence, now), Vec::<u64>::new());
    }

    #[test]
    fn the_longest_silent_goes_first() {
        let quiet = |node_id| Duration::from_secs(if node_id == 5 { 90 } else { 40 * (node_id % 2) });
        assert_eq!(dead(&set(&[1, 2, 3, 4, 5]), quiet, AFTER), [5, 1, 3]);
    }

    fn standbys(of: &[(u64, &str)]) -> Vec<Standby> {
        of.iter().map(|(node_id, zone)| Standby { node_id: *node_id, zone: (*zone).to_owned() }).collect()
    }

    #[test]
    fn a_standby_of_the_dead_nodes_zone_comes_before_others() {
        let ready = standbys(&[(4, ""), (5, "south"), (6, "north"), (7, "north")]);
        assert_eq!(successor(Some("north"), &ready), Some(6));
        for nowhere in [Some("west"), Some(""), None] {
            assert_eq!(successor(nowhere, &ready), Some(4));
        }
        assert_eq!(successor(Some("north"), &[]), None);
    }

    #[test]
    fn a_replacement_that_was_left_half_done_is_finished_by_the_same_standby() {
        let voters = [set(&[1, 2, 3]), set(&[1, 3, 5])];
        assert_eq!(half_done(&voters, &standbys(&[(4, ""), (5, "")])), Some((2, 5)));
        assert_eq!(half_done(&voters, &standbys(&[(4, "")])), None, "5 is an operator's choice");
        assert_eq!(half_done(&voters[..1], &standbys(&[(5, "")])), None);
        let growth = [set(&[1, 2, 3]), set(&[1, 2, 3, 5])];
        assert_eq!(half_done(&growth, &standbys(&[(5, "")])), None);
    }
}
