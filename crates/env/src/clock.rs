//! Wall-clock time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells wall-clock time, which may jump. What must not jump asks tokio's `Instant`.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { offset_us: Arc<AtomicI64> },
    Manual { now_us: Arc<AtomicU64> },
    Timers { start_us: u64, start: tokio::time::Instant, offset_us: Arc<AtomicI64> },
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System { offset_us: Arc::new(AtomicI64::new(0)) })
    }

    /// A clock that stands still until it is moved.
    pub fn manual(start_us: u64) -> Self {
        Self(Source::Manual { now_us: Arc::new(AtomicU64::new(start_us)) })
    }

    /// A clock that shows `start_us` now and goes with tokio's timers: on a runtime with paused time it is virtual.
    pub fn of_timers(start_us: u64) -> Self {
        let start = tokio::time::Instant::now();
        Self(Source::Timers { start_us, start, offset_us: Arc::new(AtomicI64::new(0)) })
    }

    /// Microseconds since 1970, UTC.
    pub fn now_us(&self) -> u64 {
        match &self.0 {
            Source::System { offset_us } => {
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now_us = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
                now_us.saturating_add_signed(offset_us.load(Ordering::Relaxed))
            }
            Source::Manual { now_us } => now_us.load(Ordering::Relaxed),
            Source::Timers { start_us, start, offset_us } => {
                let since = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
                start_us.saturating_add(since).saturating_add_signed(offset_us.load(Ordering::Relaxed))
            }
        }
    }

    /// Moves this clock against what it would show: how tests make clocks that disagree.
    pub fn shift_us(&self, by_us: i64) {
        match &self.0 {
            Source::System { offset_us } | Source::Timers { offset_us, .. } => {
                offset_us.fetch_add(by_us, Ordering::Relaxed);
            }
            Source::Manual { now_us } => {
                let shifted = now_us.load(Ordering::Relaxed).saturating_add_signed(by_us);
                now_us.store(shifted, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_000);
        let same = clock.clone();
        assert_eq!(clock.now_us(), 1_000);
        same.shift_us(-400);
        assert_eq!(clock.now_us(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_of_timers_goes_with_virtual_time_and_can_be_shifted() {
        let clock = Clock::of_timers(1_000_000);
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(clock.now_us(), 3_000_000);
        clock.shift_us(-500_000);
        assert_eq!(clock.now_us(), 2_500_000);
    }

    #[test]
    fn a_shifted_system_clock_runs_on_from_there() {
        let clock = Clock::system();
        let before = clock.now_us();
        clock.shift_us(3_600_000_000);
        assert!(clock.now_us() >= before + 3_600_000_000);
    }
}
