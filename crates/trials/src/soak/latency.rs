//! How long calls took: counted in classes a thirty-second apart, so that millions of calls cost nothing to keep.

/// Bits of a number that tell classes of one power of two apart.
const FINE_BITS: u32 = 5;
/// Classes: every 64-bit number has one.
const CLASSES: usize = (64 << FINE_BITS) as usize;

/// Counts of calls by their time in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    calls: u64,
    longest_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; CLASSES], calls: 0, longest_us: 0 }
    }
}

impl Latencies {
    /// Counts a call.
    pub(crate) fn add(&mut self, us: u64) {
        self.counts[class_of(us)] += 1;
        self.calls += 1;
        self.longest_us = self.longest_us.max(us);
    }

    /// Counts all calls of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.calls += other.calls;
        self.longest_us = self.longest_us.max(other.longest_us);
    }

    /// How many calls there are.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// The longest call.
    pub(crate) fn longest_us(&self) -> u64 {
        self.longest_us
    }

    /// The time that so many of a thousand calls took no longer than, within a thirty-second; 0 where there is no call.
    pub(crate) fn per_mille_us(&self, per_mille: u64) -> u64 {
        let rank = self.calls.saturating_mul(per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return upper_bound(class).min(self.longest_us);
            }
        }
        0
    }
}

fn class_of(us: u64) -> usize {
    let bits = u64::BITS - us.leading_zeros();
    let shift = bits.saturating_sub(FINE_BITS + 1);
    let class = (u64::from(shift) << FINE_BITS) + (us >> shift);
    usize::try_from(class).expect("classes are few").min(CLASSES - 1)
}

/// The largest number of a class.
fn upper_bound(class: usize) -> u64 {
    let class = u64::try_from(class).expect("classes are few");
    let fine = 1_u64 << FINE_BITS;
    let shift = (class >> FINE_BITS).saturating_sub(1);
    let first = class - (shift << FINE_BITS);
    debug_assert!(first < 2 * fine, "the class's leading bits");
    ((first + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_within_its_class() {
        for us in (0..5_000).chain([65_535, 65_536, 1_000_003, 1 << 40]) {
            let upper = upper_bound(class_of(us));
            assert!(upper >= us && upper - us <= us / 32, "{us} {upper}");
            assert!(us == 0 || class_of(us - 1) <= class_of(us));
        }
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|us| latencies.add(us));
        assert!((500..=516).contains(&latencies.per_mille_us(500)));
        assert!((990..=1_000).contains(&latencies.per_mille_us(990)));
        assert_eq!(latencies.per_mille_us(1_000), 1_000);
        assert_eq!(Latencies::default().per_mille_us(990), 0);
    }
}
