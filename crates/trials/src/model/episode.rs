//! One run from the beginning: entries that an author writes while both machines execute them, and what is done again
//! with them afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stockade_env::Random;
use stockade_model::RequestLimits;
use stockade_state_machine::{Applied, Reply};

use super::again::Done;
use super::author::Author;
use super::pair::{Pair, Sequence};
use super::shrink::{Shrunk, shrink};
use crate::drive::panic_text;

/// Entries of a short episode, which is restored at every index.
const SHORT: u64 = 200;
/// One in so many episodes has more orders due at once than a command may expire.
const CROWDED_ONE_IN: u64 = 12;
/// Indexes at which a longer one is restored.
const RESTORED: u64 = 3;

/// What chooses an episode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) number: u64,
    /// Of the model; other ones than the state machine's must be noticed.
    pub(super) limits: RequestLimits,
}

/// What an episode tried.
#[derive(Debug, Default)]
pub(super) struct Episode {
    pub(super) sequence: Sequence,
    pub(super) replies: Vec<Reply>,
    pub(super) restores: u64,
    pub(super) everywhere: bool,
    pub(super) broken: Option<Broken>,
}

/// What was wrong.
#[derive(Debug)]
pub(super) struct Broken {
    /// At which entry, from 1.
    pub(super) entry: usize,
    pub(super) what: String,
}

impl Plan {
    fn random(&self) -> Random {
        Random::from_seed(self.seed.wrapping_mul(1_000_003).wrapping_add(self.number))
    }

    /// Runs the episode.
    pub(super) fn run(&self) -> Episode {
        let random = self.random();
        let length = match random.below(20) {
            0 | 1 => 20 + random.below(SHORT - 20),
            2 if self.number % CROWDED_ONE_IN != 4 => 2_000 + random.below(3_000),
            _ => 250 + random.below(1_200),
        };
        let mut author = Author::new(&random, self.number % CROWDED_ONE_IN == 4);
        let mut episode = Episode::default();
        episode.sequence.founding = Author::founding();
        episode.everywhere = length <= SHORT;
        let mut run = Run::new(&episode.sequence, self.limits);
        for _ in 0..length {
            let entry = author.next(&run.pair.real);
            episode.sequence.entries.push(entry);
            let entry = episode.sequence.entries.last().expect("it was just added");
            if let Err(what) = run.step(entry) {
                return episode.broken(what);
            }
        }
        episode.replies = run.applied.iter().flat_map(|applied| applied.replies.iter().cloned()).collect();
        if let Err(what) = unwinding(|| run.pair.finish()) {
            return episode.broken(what);
        }
        let indexes = if episode.everywhere {
            (0..=episode.sequence.entries.len()).collect()
        } else {
            let mut indexes: Vec<usize> = (0..RESTORED)
                .map(|_| usize::try_from(random.below(length)).expect("an episode is short"))
                .collect();
            indexes.sort_unstable();
            indexes
        };
        match unwinding(|| run.again(&episode.sequence, indexes, &random)) {
            Ok(restores) => episode.restores = restores,
            Err(what) => return episode.broken(what),
        }
        episode
    }

    /// Makes the sequence of a broken episode short.
    pub(super) fn shorten(&self, sequence: &Sequence) -> Option<Shrunk> {
        let of_machines = |sequence: &Sequence| {
            let mut run = Run::new(sequence, self.limits);
            for (at, entry) in sequence.entries.iter().enumerate() {
                if let Err(what) = run.step(entry) {
                    return Some((at, what));
                }
            }
            let last = sequence.entries.len().saturating_sub(1);
            unwinding(|| run.pair.finish()).err().map(|what| (last, what))
        };
        let of_repetition = |sequence: &Sequence| {
            let mut run = Run::new(sequence, self.limits);
            sequence.entries.iter().try_for_each(|entry| run.step(entry)).ok()?;
            let last = sequence.entries.len().saturating_sub(1);
            let indexes: Vec<usize> = (0..=last).rev().step_by(last / 20 + 1).collect();
            let indexes = indexes.into_iter().rev().collect();
            unwinding(|| run.again(sequence, indexes, &self.random())).err().map(|what| (last, what))
        };
        shrink(sequence.clone(), of_machines).or_else(|| shrink(sequence.clone(), of_repetition))
    }
}

impl Episode {
    fn broken(mut self, what: String) -> Self {
        self.broken = Some(Broken { entry: self.sequence.entries.len(), what });
        self
    }
}

/// The machines on their way, and what they have said.
struct Run {
    pair: Pair,
    applied: Vec<Applied>,
}

impl Run {
    fn new(sequence: &Sequence, limits: RequestLimits) -> Self {
        Self { pair: Pair::new(&sequence.founding, limits), applied: Vec::new() }
    }

    fn step(&mut self, entry: &stockade_state_machine::Entry) -> Result<(), String> {
        let applied = unwinding(|| self.pair.step(entry))?;
        self.applied.push(applied);
        Ok(())
    }

    fn again(&self, sequence: &Sequence, indexes: Vec<usize>, random: &Random) -> Result<u64, String> {
        let done = Done { sequence, applied: &self.applied, rows: &self.pair.rows, lean: &self.pair.lean };
        done.regroup(random)?;
        done.restore_at(indexes)
    }
}

/// A panic is a violation like any other.
fn unwinding<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
}
