//! What a run has in store, chosen by its seed: each has other faults, and some have hardly any, so that no fault hides
//! behind another.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::acts::Act;

/// The settings of a run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Voters at the beginning.
    pub(crate) nodes: u64,
    /// Those who shop.
    pub(crate) shoppers: u64,
    /// Of faults; after it the cluster heals.
    pub(crate) duration: Duration,
    /// Between two calls of a shopper, at most.
    pub(crate) think: Duration,
    /// SKUs: few are hot.
    pub(crate) skus: u64,
    /// Calls of a thousand that a shopper makes twice at the same time, under one request id.
    pub(crate) doubled_per_mille: u32,
    /// One way, the shortest and the longest.
    pub(crate) latency: (Duration, Duration),
    /// Messages of a thousand that come late, as if sent again.
    pub(crate) late_per_mille: u32,
    /// Calls of a thousand that arrive a second time, later.
    pub(crate) repeated_per_mille: u32,
    /// Between two acts against the cluster, at most; none where it is zero.
    pub(crate) pause_between_acts: Duration,
    /// How often each act comes, compared with the others; none that is switched off.
    pub(crate) acts: Vec<(Act, u32)>,
    /// Bytes of the log after which a snapshot is made.
    pub(crate) snapshot_log_bytes: u64,
    /// Entries kept below a snapshot.
    pub(crate) kept_log_entries: u64,
    /// Of a log segment.
    pub(crate) segment_bytes: u64,
    /// When a dead voter is replaced by a standby, where it is.
    pub(crate) replace_dead_after: Option<Duration>,
}

impl Settings {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed ^ 0x5e77_1465);
        let mut acts: Vec<(Act, u32)> = Vec::new();
        for act in Act::SWARM {
            if random.random_bool(0.5) {
                acts.push((act, random.random_range(1..10)));
            }
        }
        let replace_dead_after =
            random.random_bool(0.4).then(|| Duration::from_millis(random.random_range(2_000..8_000)));
        if replace_dead_after.is_some() {
            // Without a standby nobody could be replaced, and without one who is dead for long nobody would be.
            acts.retain(|(act, _)| *act != Act::Stand);
            acts.extend([(Act::Stand, 8), (Act::Neglect, 8)]);
        }
        // What is broken is put right in between.
        acts.push((Act::Repair, acts.iter().map(|(_, weight)| weight).sum::<u32>() / 2 + 1));
        let mut sometimes = |most| if random.random_bool(0.5) { random.random_range(1..most) } else { 0 };
        let (late_per_mille, repeated_per_mille, doubled_per_mille) =
            (sometimes(30), sometimes(50), sometimes(300));
        let shortest = Duration::from_micros(random.random_range(50..1_000));
        let calm = random.random_range(0..8) == 0;
        Self {
            nodes: if random.random_range(0..4) == 0 { 5 } else { 3 },
            shoppers: random.random_range(2..8),
            duration: Duration::from_secs(30),
            think: Duration::from_millis(random.random_range(100..1_500)),
            skus: random.random_range(1..5),
            doubled_per_mille,
            latency: (shortest, shortest * random.random_range(1..20)),
            late_per_mille,
            repeated_per_mille,
            pause_between_acts: if calm {
                Duration::ZERO
            } else {
                Duration::from_millis(random.random_range(300..5_000))
            },
            acts,
            replace_dead_after,
            snapshot_log_bytes: if random.random_bool(0.5) {
                64 << 20
            } else {
                random.random_range(4..64) << 10
            },
            kept_log_entries: random.random_range(1..200),
            segment_bytes: random.random_range(64..512) << 10,
        }
    }
}
