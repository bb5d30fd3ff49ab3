//! The manifest: which runs count, and which are still to be deleted.

use serde::{Deserialize, Serialize};

use super::key;
use crate::codec::{self, DecodeError};
use crate::engine::Engine;
use crate::{Error, rows};

/// Of the runs and what their postings mean; an index of another format is made anew.
const FORMAT: u16 = 1;

/// A sorted run of postings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// No two runs of an engine ever have the same.
    pub(super) number: u64,
    /// How large it is, roughly. Runs of one level are merged.
    pub(super) level: u8,
    /// Blocks that it is cut into.
    pub(super) blocks: u64,
    /// Postings in all of them.
    pub(super) postings: u64,
}

/// What the index consists of after a window. It never changes: the next window makes the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The runs that count, in the order of their numbers but for those that came of a merge.
    pub(super) runs: Vec<Run>,
    /// The number of the next run.
    pub(super) next: u64,
    /// Numbers of runs that were merged and still have rows, and of those that are not finished.
    pub(super) leaving: Vec<u64>,
}

/// The frozen form, version 1.
#[derive(Serialize, Deserialize)]
struct ManifestV1 {
    runs: Vec<RunV1>,
    next: u64,
    leaving: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct RunV1 {
    number: u64,
    level: u8,
    blocks: u64,
    postings: u64,
}

impl Manifest {
    /// The one in an engine; `None` where that has none, or one of another format.
    pub(super) fn of(engine: &dyn Engine) -> Result<Option<Self>, Error> {
        rows::get(engine, key::MANIFEST)?.map_or(Ok(None), |value| Self::decode(&value))
    }

    /// The value of its row.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mirror = |run: &Run| {
            let Run { number, level, blocks, postings } = *run;
            RunV1 { number, level, blocks, postings }
        };
        let runs = self.runs.iter().map(mirror).collect();
        let mirror = ManifestV1 { runs, next: self.next, leaving: self.leaving.clone() };
        [FORMAT.to_le_bytes().as_slice(), &codec::to_frozen(&mirror)].concat()
    }

    /// Back from the value of its row; `None` where it is of another format.
    pub(super) fn decode(value: &[u8]) -> Result<Option<Self>, Error> {
        let (format, frozen) = value.split_first_chunk().ok_or_else(|| damaged("it is cut short"))?;
        if u16::from_le_bytes(*format) != FORMAT {
            return Ok(None);
        }
        let mirror: ManifestV1 =
            codec::from_frozen(frozen).map_err(|error: DecodeError| damaged(&error.to_string()))?;
        let run = |run: &RunV1| {
            let RunV1 { number, level, blocks, postings } = *run;
            Run { number, level, blocks, postings }
        };
        let manifest =
            Self { runs: mirror.runs.iter().map(run).collect(), next: mirror.next, leaving: mirror.leaving };
        manifest.ensure_sound()?;
        Ok(Some(manifest))
    }

    /// In words, from the value of its row.
    pub(super) fn in_words(value: &[u8]) -> Result<String, Error> {
        let Some(Self { runs, leaving, .. }) = Self::decode(value)? else {
            return Ok("of a format that is not known".to_owned());
        };
        let sum = |count: fn(&Run) -> u64| runs.iter().map(count).sum::<u64>();
        let (blocks, postings) = (sum(|run| run.blocks), sum(|run| run.postings));
        Ok(format!(
            "{} runs of {blocks} blocks and {postings} postings; runs to remove: {leaving:?}",
            runs.len()
        ))
    }

    fn ensure_sound(&self) -> Result<(), Error> {
        let mut numbers: Vec<u64> = self.runs.iter().map(|run| run.number).collect();
        numbers.extend(&self.leaving);
        numbers.sort_unstable();
        if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(damaged("it names a run twice"));
        }
        if numbers.last().is_some_and(|last| *last >= self.next) {
            return Err(damaged("it names a run that is yet to come"));
        }
        if self.runs.iter().any(|run| run.blocks == 0 || run.postings < run.blocks) {
            return Err(damaged("it names a run with an empty block"));
        }
        Ok(())
    }

    /// The number for a new run.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

fn damaged(what: &str) -> Error {
    Error::Engine(format!("the manifest of the index: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64) -> Run {
        Run { number, level: 1, blocks: 3, postings: 1_000 }
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let manifest = Manifest { runs: vec![run(3), run(1)], leaving: vec![0, 2], next: 4 };
        assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), Some(manifest));
        let empty = Manifest::default();
        assert_eq!(Manifest::decode(&empty.encode()).unwrap(), Some(empty));
    }

    #[test]
    fn a_cut_is_refused_and_another_format_is_none() {
        let mut value = Manifest { runs: vec![run(3)], leaving: vec![0], next: 4 }.encode();
        assert!((0..value.len()).all(|len| Manifest::decode(&value[..len]).is_err()));
        value[0] = 2;
        assert_eq!(Manifest::decode(&value).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let empty = Run { blocks: 0, ..run(1) };
        let starved = Run { postings: 2, ..run(1) };
        let wrong = [
            Manifest { runs: vec![run(1), run(1)], leaving: vec![], next: 4 },
            Manifest { runs: vec![run(1)], leaving: vec![1], next: 4 },
            Manifest { runs: vec![run(4)], leaving: vec![], next: 4 },
            Manifest { runs: vec![empty], leaving: vec![], next: 4 },
            Manifest { runs: vec![starved], leaving: vec![], next: 4 },
        ];
        assert!(wrong.iter().all(|manifest| Manifest::decode(&manifest.encode()).is_err()));
    }
}
