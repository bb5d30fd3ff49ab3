//! A bound on how often something is said, with a count of what was left out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lets something happen so many times in a while, and counts the other times.
///
/// Invariants:
/// - Nothing is left out unnoticed: every time is either let through or counted in what the next one is told.
#[derive(Debug)]
pub struct Throttle {
    most: u32,
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the current while began; `None` before the first time.
    since: Option<Instant>,
    passed: u32,
    left_out: u64,
}

impl Throttle {
    /// Lets something happen `most` times in each while of this length.
    pub fn new(most: u32, every: Duration) -> Self {
        Self { most, every, state: Mutex::new(State { since: None, passed: 0, left_out: 0 }) }
    }

    /// How many times were left out since the last one that passed; `None` where this one is left out too.
    pub fn pass(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.since.is_none_or(|since| now.duration_since(since) >= self.every) {
            state.since = Some(now);
            state.passed = 0;
        }
        if state.passed >= self.most {
            state.left_out += 1;
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_is_counted_and_told_by_the_next_that_passes() {
        let throttle = Throttle::new(2, Duration::from_secs(1));
        let passes: Vec<_> = (0..5).map(|_| throttle.pass()).collect();
        assert_eq!(passes, [Some(0), Some(0), None, None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([throttle.pass(), throttle.pass(), throttle.pass()], [Some(3), Some(0), None]);
    }
}
