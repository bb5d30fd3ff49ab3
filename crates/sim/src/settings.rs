//! What a run has in store, chosen by its seed: each has other faults, and some have hardly any, so that no fault hides
//! behind another.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// The settings of a run. A weight of 0 switches a fault off.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Voters.
    pub(crate) nodes: u64,
    /// Those who shop.
    pub(crate) shoppers: u64,
    /// Of faults; after it the cluster heals.
    pub(crate) duration: Duration,
    /// Between two calls of a shopper, at most.
    pub(crate) think: Duration,
    /// SKUs: few are hot.
    pub(crate) skus: u64,
    /// One way, the shortest and the longest.
    pub(crate) latency: (Duration, Duration),
    /// Messages of a thousand that come late, as if sent again.
    pub(crate) late_per_mille: u64,
    /// Between two acts against the cluster, at most; none where it is zero.
    pub(crate) pause_between_acts: Duration,
    /// Of processes that are killed.
    pub(crate) kill: u32,
    /// Of machines that lose power.
    pub(crate) power_cut: u32,
    /// Of processes that stand still.
    pub(crate) pause: u32,
    /// Of links that are cut, in one direction or both, one or all of a node.
    pub(crate) cut: u32,
    /// Of disks that fail once.
    pub(crate) disk_error: u32,
    /// Of clocks that jump.
    pub(crate) clock_jump: u32,
    /// Of leaders that are asked to hand over.
    pub(crate) resign: u32,
    /// Bytes of the log after which a snapshot is made.
    pub(crate) snapshot_log_bytes: u64,
    /// Entries kept below a snapshot.
    pub(crate) kept_log_entries: u64,
    /// Of a log segment.
    pub(crate) segment_bytes: u64,
}

impl Settings {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed ^ 0x5e77_1465);
        let mut weight = || if random.random_bool(0.5) { random.random_range(1..10) } else { 0 };
        let [kill, power_cut, pause, cut, disk_error, clock_jump, resign] = std::array::from_fn(|_| weight());
        let shortest = Duration::from_micros(random.random_range(50..1_000));
        let calm = random.random_range(0..8) == 0;
        Self {
            nodes: if random.random_range(0..4) == 0 { 5 } else { 3 },
            shoppers: random.random_range(2..8),
            duration: Duration::from_secs(30),
            think: Duration::from_millis(random.random_range(100..1_500)),
            skus: random.random_range(1..5),
            latency: (shortest, shortest * random.random_range(1..20)),
            late_per_mille: if random.random_bool(0.5) { random.random_range(1..30) } else { 0 },
            pause_between_acts: if calm {
                Duration::ZERO
            } else {
                Duration::from_millis(random.random_range(300..5_000))
            },
            kill,
            power_cut,
            pause,
            cut,
            disk_error,
            clock_jump,
            resign,
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
