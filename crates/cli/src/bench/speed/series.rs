//! How long calls took: over the whole run, and second by second.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Decimal digits of a latency that are kept.
const DIGITS: u8 = 3;

/// A second of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) ops: u64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
}

/// What was measured so far.
#[derive(Debug)]
pub(super) struct Series {
    whole: Histogram<u64>,
    current: Histogram<u64>,
    seconds: Vec<Second>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits can be kept")
}

impl Series {
    pub(super) fn new() -> Self {
        Self { whole: histogram(), current: histogram(), seconds: Vec::new() }
    }

    /// Takes in a call that was answered so long after the beginning and took so long.
    pub(super) fn record(&mut self, since_start: Duration, took: Duration) {
        self.close_until(since_start.as_secs());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // It resizes itself, so that every value fits.
        let _ = self.whole.record(micros).and_then(|()| self.current.record(micros));
    }

    fn close_until(&mut self, second: u64) {
        while u64::try_from(self.seconds.len()).is_ok_and(|closed| closed < second) {
            let now = &self.current;
            self.seconds.push(Second {
                ops: now.len(),
                p50_us: now.value_at_quantile(0.5),
                p99_us: now.value_at_quantile(0.99),
                max_us: now.max(),
            });
            self.current.reset();
        }
    }

    /// Ends after so many whole seconds.
    pub(super) fn finish(&mut self, length: Duration) {
        self.close_until(length.as_secs());
    }

    pub(super) fn ops(&self) -> u64 {
        self.whole.len()
    }

    pub(super) fn quantile_us(&self, quantile: f64) -> u64 {
        self.whole.value_at_quantile(quantile)
    }

    pub(super) fn max_us(&self) -> u64 {
        self.whole.max()
    }

    pub(super) fn mean_us(&self) -> f64 {
        self.whole.mean()
    }

    pub(super) fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// One object a second.
    pub(super) fn object(&self) -> Value {
        let second = |second: &Second| {
            let Second { ops, p50_us, p99_us, max_us } = second;
            json!({ "ops": ops, "p50_us": p50_us, "p99_us": p99_us, "max_us": max_us })
        };
        Value::Array(self.seconds.iter().map(second).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_their_own_figures() {
        let mut series = Series::new();
        let (ms, us) = (Duration::from_millis, Duration::from_micros);
        series.record(ms(10), us(100));
        series.record(ms(900), us(300));
        series.record(ms(2_100), us(5_000));
        series.finish(ms(3_000));
        let ops: Vec<u64> = series.seconds().iter().map(|second| second.ops).collect();
        assert_eq!(ops, [2, 0, 1]);
        assert_eq!((series.seconds()[0].p50_us, series.seconds()[0].max_us), (100, 300));
        assert_eq!((series.ops(), series.seconds()[1].max_us), (3, 0));
        assert!((4_990..=5_010).contains(&series.max_us()), "{}", series.max_us());
    }
}
