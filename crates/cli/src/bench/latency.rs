//! How long calls took.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations, of which quantiles are asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    /// The value below or at which so many of a thousand are (nearest rank).
    pub(crate) fn per_mille(&self, part: usize) -> Duration {
        let rank = (self.0.len() * part).div_ceil(1_000).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// Milliseconds.
    pub(crate) fn millis(&self) -> Value {
        json!({
            "p50": millis(self.per_mille(500)),
            "p99": millis(self.per_mille(990)),
            "max": millis(self.max()),
        })
    }

    /// Microseconds.
    pub(crate) fn micros(&self) -> Value {
        json!({
            "p50": micros(self.per_mille(500)),
            "p99": micros(self.per_mille(990)),
            "p999": micros(self.per_mille(999)),
            "max": micros(self.max()),
        })
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_nearest_rank() {
        let thousand = Latencies::of((1..=1_000).rev().map(Duration::from_millis).collect());
        assert_eq!(millis(thousand.per_mille(500)), 500);
        assert_eq!(millis(thousand.per_mille(999)), 999);
        assert_eq!(millis(thousand.max()), 1_000);
        let three = Latencies::of([30, 10, 20].map(Duration::from_millis).to_vec());
        assert_eq!(millis(three.per_mille(500)), 20);
        assert_eq!(millis(three.per_mille(990)), 30);
        assert_eq!(Latencies::default().max(), Duration::ZERO);
    }
}
