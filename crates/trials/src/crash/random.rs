//! Scripts that a seed writes: the same things as in the others, in orders that nobody thought of.

use stockade_env::Random;

use crate::drive::{Script, Step};

/// Things that happen in a script.
const HAPPENINGS: u64 = 45;
/// Entries that come at once, at most.
const BATCH: u64 = 5;
/// How far ahead of the log another node's snapshot is, at most.
const SNAPSHOT_LEAD: u64 = 9;

/// Writes a script, and knows what its node has.
///
/// Invariant: `purged <= snapshot <= committed < log.len()`, where there are any.
struct Author {
    random: Random,
    steps: Vec<Step>,
    term: u64,
    /// The term of each entry, those that were purged included.
    log: Vec<u64>,
    committed: Option<u64>,
    snapshot: Option<u64>,
    purged: Option<u64>,
}

/// The script of a number.
pub(super) fn script(seed: u64, number: u64) -> Script {
    let random = Random::from_seed(seed.wrapping_mul(10_007).wrapping_add(number));
    let (log, steps) = (Vec::new(), Vec::new());
    let mut author = Author { random, steps, term: 0, log, committed: None, snapshot: None, purged: None };
    author.new_leader();
    author.append();
    for _ in 0..HAPPENINGS {
        author.happen();
    }
    author.log.truncate(author.committed.map_or(0, length));
    Script { name: format!("random-{number}"), steps: author.steps, terms: author.log, large: false }
}

fn length(last: u64) -> usize {
    usize::try_from(last + 1).expect("a script is short")
}

impl Author {
    fn happen(&mut self) {
        match self.random.below(20) {
            0..6 => self.append(),
            6..10 => self.commit(),
            10 => self.steps.push(Step::Idle),
            11 => self.new_leader(),
            12 => self.conflict(),
            13 | 14 => self.make_snapshot(),
            15 => self.purge(),
            16 => self.install(),
            17 => self.steps.push(Step::Kill),
            18 => self.steps.push(Step::PowerCut),
            _ => self.steps.push(Step::Stop),
        }
    }

    fn next(&self) -> u64 {
        self.log.len() as u64
    }

    /// A number from `low` to `high`.
    fn between(&self, low: u64, high: u64) -> u64 {
        low + self.random.below(high - low + 1)
    }

    fn new_leader(&mut self) {
        self.term += 1;
        let (term, node) = (self.term, self.between(1, 3));
        self.steps.push(Step::Vote { term, node, committed: false });
        if self.random.below(4) > 0 {
            self.steps.push(Step::Vote { term, node, committed: true });
        }
    }

    fn append(&mut self) {
        let (term, first) = (self.term, self.next());
        let indexes = first..first + self.between(1, BATCH);
        self.log.extend(indexes.clone().map(|_| term));
        self.steps.push(Step::Append { term, indexes });
    }

    fn commit(&mut self) {
        let first = self.committed.map_or(0, |committed| committed + 1);
        if first < self.next() {
            let committed = self.between(first, self.next() - 1);
            self.committed = Some(committed);
            self.steps.push(Step::Commit(committed));
            if self.random.below(3) > 0 {
                self.steps.push(Step::Apply(committed));
            }
        }
    }

    /// A new leader lacks the tail.
    fn conflict(&mut self) {
        let Some(committed) = self.committed.filter(|committed| committed + 1 < self.next()) else { return };
        self.new_leader();
        let last = self.between(committed, self.next() - 2);
        self.log.truncate(length(last));
        self.steps.push(Step::TruncateAfter(last));
        // A truncation is promised with what comes in its place.
        self.append();
    }

    fn make_snapshot(&mut self) {
        if let Some(committed) = self.committed.filter(|committed| Some(*committed) > self.snapshot) {
            self.snapshot = Some(committed);
            self.steps.extend([Step::Apply(committed), Step::Snapshot]);
        }
    }

    fn purge(&mut self) {
        let first = self.purged.map_or(0, |purged| purged + 1);
        if let Some(snapshot) = self.snapshot.filter(|snapshot| *snapshot >= first) {
            let purged = self.between(first, snapshot);
            self.purged = Some(purged);
            self.steps.push(Step::Purge(purged));
        }
    }

    /// A snapshot of another node, from within the log or beyond it.
    fn install(&mut self) {
        let Some(committed) = self.committed else { return };
        let within = committed + 1 < self.next() && self.random.below(2) == 0;
        let index = if within {
            self.between(committed + 1, self.next() - 1)
        } else {
            self.new_leader();
            if committed + 1 < self.next() {
                self.log.truncate(length(committed));
                self.steps.push(Step::TruncateAfter(committed));
            }
            let index = committed + self.between(1, SNAPSHOT_LEAD);
            self.log.resize(length(index), self.term);
            index
        };
        (self.committed, self.snapshot, self.purged) = (Some(index), Some(index), Some(index));
        self.steps.extend([Step::Install(index), Step::Purge(index)]);
        // As openraft does: what it hears from the leader next.
        self.append();
    }
}
