//! What the run of both machines tried, and what it found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What was tried, and what was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Commands that went through both machines.
    pub(crate) commands: u64,
    /// Entries in which they stood.
    pub(crate) entries: u64,
    /// Runs from the beginning.
    pub(crate) episodes: u64,
    /// Episodes in which something was wrong.
    pub(crate) violations: u64,
    /// States that were built from the rows at an index and went on to the end.
    pub(crate) restores: u64,
    /// Episodes that were restored at every index.
    pub(crate) restored_everywhere: u64,
    /// Answers that were given again.
    pub(crate) replayed: u64,
    /// How often each other answer was given.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Answers that were never given.
    pub(crate) never: Vec<String>,
    /// Chose the episodes.
    pub(crate) seed: u64,
    /// How long it took.
    pub(crate) seconds: u64,
    /// The first failures.
    pub(crate) failures: Vec<Failure>,
}

/// A difference between the machines, or a broken invariant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// In which episode.
    pub(crate) episode: u64,
    /// At which of its entries, from 1, as it was first found.
    pub(crate) entry: usize,
    /// What was wrong there.
    pub(crate) what: String,
    /// A short sequence that still shows it, a line an entry.
    pub(crate) script: Vec<String>,
    /// What is wrong after that one.
    pub(crate) shown: String,
    /// Does the episode again.
    pub(crate) replay: String,
}

impl Report {
    /// True where nothing was wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.violations == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, count) in &self.outcomes {
            writeln!(f, "{count:9} {outcome}")?;
        }
        writeln!(f, "{:9} given again", self.replayed)?;
        for never in &self.never {
            writeln!(f, "    never {never}")?;
        }
        for Failure { episode, entry, what, script, shown, replay } in &self.failures {
            writeln!(f, "episode {episode}, entry {entry}: {what}\n shorter:")?;
            for line in script {
                writeln!(f, "  {line}")?;
            }
            writeln!(f, " there: {shown}\n {replay}")?;
        }
        writeln!(
            f,
            "{} commands in {} entries of {} episodes, {} restored states: {} violations (seed {}, {} s)",
            self.commands,
            self.entries,
            self.episodes,
            self.restores,
            self.violations,
            self.seed,
            self.seconds
        )
    }
}
