//! Random numbers and the identifiers made of them.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use crate::clock::Clock;

/// Random numbers from one source. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(Arc<Mutex<SmallRng>>);

impl Random {
    /// Seeded by the system.
    pub fn from_os() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// The same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        self.0.lock().random()
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.lock().random_range(0..bound)
    }

    /// A new request id: a UUID of version 7 (RFC 9562) with the clock's time.
    pub fn request_id(&self, clock: &Clock) -> Uuid {
        let bytes: [u8; 10] = self.0.lock().random();
        uuid::Builder::from_unix_timestamp_millis(clock.now_us() / 1_000, &bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers() {
        let (one, two) = (Random::from_seed(7), Random::from_seed(7));
        let numbers = |random: &Random| (0..10).map(|_| random.bits()).collect::<Vec<_>>();
        assert_eq!(numbers(&one), numbers(&two));
    }

    #[test]
    fn a_request_id_carries_the_clocks_time() {
        let id = Random::from_seed(1).request_id(&Clock::manual(1_700_000_000_123_456));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
    }
}
