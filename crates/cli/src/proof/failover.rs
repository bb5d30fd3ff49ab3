//! What happened when a leader was killed, measured from outside.

use std::time::Duration;

use tokio::time::Instant;

use crate::proof::Ack;

/// One failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failover {
    /// From SIGKILL to the first order that a later term acknowledged.
    pub(crate) first_ack: Duration,
    /// Longest time without an acknowledged order around the kill.
    pub(crate) gap: Duration,
}

/// The first order acknowledged in a later term than the killed leader's. Answers that the old leader gave may still
/// arrive after its death, and prove nothing.
pub(crate) fn first_ack_after(acks: &[Ack], killed: Instant, term: u64) -> Option<Ack> {
    let later = acks.iter().filter(|ack| ack.term > term && ack.at >= killed);
    later.min_by_key(|ack| ack.at).copied()
}

/// The longest time between two acknowledged orders, of those that overlap the time from the kill to `back`.
pub(crate) fn gap_around(acks: &[Ack], killed: Instant, back: Instant) -> Duration {
    let mut times: Vec<Instant> = acks.iter().map(|ack| ack.at).collect();
    times.sort_unstable();
    let overlapping = times.windows(2).filter(|pair| pair[1] >= killed && pair[0] <= back);
    let longest = overlapping.map(|pair| pair[1].duration_since(pair[0])).max();
    longest.unwrap_or_else(|| back.duration_since(killed))
}

/// The value below or at which half of the values are (nearest rank), and the largest; `None` of nothing.
pub(crate) fn median_and_max(values: &[Duration]) -> Option<(Duration, Duration)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len().div_ceil(2).checked_sub(1)?)?;
    Some((*median, *sorted.last()?))
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(start: Instant, at_ms_and_term: &[(u64, u64)]) -> Vec<Ack> {
        at_ms_and_term.iter().map(|&(ms, term)| Ack { at: start + Duration::from_millis(ms), term }).collect()
    }

    #[test]
    fn a_late_answer_of_the_killed_leader_ends_no_failover() {
        let start = Instant::now();
        let killed = start + Duration::from_millis(100);
        let acks = acks(start, &[(90, 1), (101, 1), (300, 2), (290, 2)]);
        assert_eq!(first_ack_after(&acks, killed, 1).unwrap().at, start + Duration::from_millis(290));
        assert_eq!(first_ack_after(&acks[..2], killed, 1), None);
    }

    #[test]
    fn the_gap_is_the_longest_silence_around_the_kill() {
        let start = Instant::now();
        let acks = acks(start, &[(0, 1), (50, 1), (95, 1), (101, 1), (300, 2), (310, 2), (900, 2)]);
        let (killed, back) = (start + Duration::from_millis(100), start + Duration::from_millis(300));
        assert_eq!(gap_around(&acks, killed, back), Duration::from_millis(199));
    }

    #[test]
    fn the_median_is_the_nearest_rank() {
        let ms = |values: &[u64]| -> Vec<Duration> {
            values.iter().map(|ms| Duration::from_millis(*ms)).collect()
        };
        assert_eq!(median_and_max(&[]), None);
        assert_eq!(median_and_max(&ms(&[7])), Some((Duration::from_millis(7), Duration::from_millis(7))));
        let three = median_and_max(&ms(&[300, 100, 200])).unwrap();
        assert_eq!((millis(three.0), millis(three.1)), (200, 300));
        assert_eq!(millis(median_and_max(&ms(&[4, 3, 2, 1])).unwrap().0), 2);
    }
}
