//! What a node takes from outside: time, randomness and tasks, each through one place.
//!
//! All tasks of a node run in a [`Place`] where a simulation gave it one; outside a simulation there is none.
//!
//! Everything else in a node gets an [`Env`] and asks it. So a whole cluster can run in one thread, with time that a
//! test moves and randomness that a seed repeats. Files have their own seam in the storage crate, the peer network its
//! own in the consensus crate. Timers need none: on a runtime with paused time, tokio's own timers are virtual.
//!
//! This crate deliberately knows nothing of orders, logs or networks.

mod clock;
pub mod place;
mod ports;
mod random;
mod tasks;
mod throttle;

pub use clock::Clock;
pub use place::Place;
pub use ports::ReservedPort;
pub use random::Random;
pub use tasks::{Failure, FailureKind, Tasks};
pub use throttle::Throttle;

/// What a node takes from outside. Cheap to clone; clones share all of it.
#[derive(Debug, Clone)]
pub struct Env {
    /// Wall-clock time.
    pub clock: Clock,
    /// Random numbers and identifiers.
    pub random: Random,
    /// Tasks.
    pub tasks: Tasks,
}

impl Env {
    /// The real world: the system's clock, the system's randomness.
    pub fn real() -> Self {
        Self { clock: Clock::system(), random: Random::from_os(), tasks: Tasks::new() }
    }

    /// A world that repeats itself: time stands at `start_us` until it is moved, and `seed` gives all random numbers.
    pub fn simulated(start_us: u64, seed: u64) -> Self {
        Self { clock: Clock::manual(start_us), random: Random::from_seed(seed), tasks: Tasks::new() }
    }
}
