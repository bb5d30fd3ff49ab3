//! Samples of damage to real sled files. They hold a view that can be rebuilt, so that a node may come back with the
//! same state, or with an error, but never with another state, a panic or not at all.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use stockade_env::Random;
use stockade_storage::EngineKind;
use stockade_storage::file::{DiskFiles, Files};

use super::answer::{Outcome, examine};
use super::build::Expected;
use super::report::{Failure, Report};
use crate::drive::{Asked, Life, Record, Script, Setup, Vote, panic_text};

/// What a failure calls the directory.
pub(super) const NAME: &str = "sled";
/// A node that takes longer to open hangs.
const HANGS_AFTER: Duration = Duration::from_mins(1);
const SEGMENT_BYTES: u64 = 64 << 10;
const ENTRIES: u64 = 40;
const TERM: u64 = 1;

/// Directories written by a node with a real sled, and the samples of damage to them.
pub(super) struct Explorer {
    root: tempfile::TempDir,
    expected: Arc<Expected>,
    seed: u64,
}

/// How the node that wrote a directory ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stopped,
    /// The process ended; the copy passes as the directory itself, in the same boot of the machine.
    Crashed,
}

impl Ending {
    fn of(sample: u64) -> Self {
        if sample.is_multiple_of(2) { Self::Stopped } else { Self::Crashed }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
        }
    }
}

/// A change of one of the engine's files.
#[derive(Debug)]
enum Damage {
    Flip { offset: usize, bit: u8 },
    Truncate { len: usize },
    Zero { from: usize, to: usize },
    Delete,
}

impl Explorer {
    /// Lets nodes write the directories.
    pub(super) fn new(seed: u64) -> anyhow::Result<Self> {
        let script = Script { name: NAME.to_owned(), steps: Vec::new(), terms: vec![TERM; 40], large: true };
        let root = tempfile::tempdir().context("a temporary directory")?;
        let runtime = runtime()?;
        let reference = runtime.block_on(script.reference())?;
        let mut record = Record::default();
        for ending in [Ending::Stopped, Ending::Crashed] {
            record = Record::default();
            runtime.block_on(write(&script, root.path(), ending, &mut record))?;
        }
        let states = record.states;
        let expected = Expected { reference, states, snapshot: record.snapshot, committed: record.committed };
        let explorer = Self { root, expected: Arc::new(expected), seed };
        for ending in [Ending::Stopped, Ending::Crashed] {
            let dir = explorer.copy(&format!("sound-{}", ending.name()), ending)?;
            let generation = fs::read(dir.join("engine/CURRENT"))?;
            let outcome = explorer.examine(&dir);
            anyhow::ensure!(outcome == Outcome::Unchanged, "{} without damage: {outcome:?}", ending.name());
            let trusted = fs::read(dir.join("engine/CURRENT"))? == generation;
            anyhow::ensure!(
                trusted,
                "{}: the engine was rebuilt, though nothing was wrong with it",
                ending.name()
            );
        }
        Ok(explorer)
    }

    /// Damages a copy, opens it, counts what comes of it.
    pub(super) fn try_out(&self, sample: u64, report: &Mutex<Report>) {
        let ending = Ending::of(sample);
        let (file, damage, outcome) = match self.damaged(sample) {
            Ok((dir, file, damage)) => {
                let outcome = self.examine(&dir);
                // What hangs may still be writing there; the root goes in the end.
                drop(fs::remove_dir_all(&dir));
                (file, damage, outcome)
            }
            Err(error) => (
                String::new(),
                String::new(),
                Outcome::Unnamed(format!("the sample could not be made: {error:#}")),
            ),
        };
        let replay = format!("cargo xtask corrupt --seed {} --only {NAME}:{sample}", self.seed);
        let kind = format!("{NAME}, {}", ending.name());
        report.lock().count(kind, file, &outcome, |what| Failure { damage, what, replay });
    }

    fn damaged(&self, sample: u64) -> anyhow::Result<(PathBuf, String, String)> {
        let dir = self.copy(&format!("sample-{sample}"), Ending::of(sample))?;
        let random = Random::from_seed(self.seed.wrapping_mul(1_000_003).wrapping_add(sample));
        let mut files = Vec::new();
        files_under(&dir.join("engine"), &mut files)?;
        let below = |bound: usize| -> anyhow::Result<usize> {
            Ok(usize::try_from(random.below(u64::try_from(bound.max(1))?))?)
        };
        // The large one is what matters most.
        let largest = files.iter().max_by_key(|path| fs::metadata(path).map_or(0, |metadata| metadata.len()));
        let path =
            if random.below(4) == 0 { &files[below(files.len())?] } else { largest.context("no files")? };
        let mut bytes = fs::read(path)?;
        // Most of the file was never written: damage there does nothing.
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let damage = match random.below(10) {
            0..6 => Damage::Flip { offset: below(written)?, bit: u8::try_from(random.below(8))? },
            6 | 7 => Damage::Truncate { len: below(written)? },
            8 => {
                let from = below(written)?;
                Damage::Zero { from, to: from + below(written - from)? }
            }
            _ => Damage::Delete,
        };
        match damage {
            Damage::Flip { offset, bit } => {
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte ^= 1 << bit;
                }
            }
            Damage::Truncate { len } => bytes.truncate(len),
            Damage::Zero { from, to } => bytes[from..to].fill(0),
            Damage::Delete => {}
        }
        if matches!(damage, Damage::Delete) {
            fs::remove_file(path)?;
        } else {
            fs::write(path, &bytes)?;
        }
        let name = path.strip_prefix(&dir).unwrap_or(path).display().to_string();
        Ok((dir, name.clone(), format!("{name}: {damage:?}")))
    }

    /// A copy of a directory that a node would trust.
    fn copy(&self, name: &str, ending: Ending) -> anyhow::Result<PathBuf> {
        let dir = self.root.path().join(name);
        copy_dir(&self.root.path().join(ending.name()), &dir)?;
        if ending == Ending::Crashed {
            // As if it were the very directory that the process left.
            let engine = dir.join("engine");
            fs::write(engine.join("TRUST"), DiskFiles.boot_mark(&engine)?)?;
        }
        Ok(dir)
    }

    fn examine(&self, dir: &Path) -> Outcome {
        let (sender, receiver) = mpsc::channel();
        let (expected, dir) = (Arc::clone(&self.expected), dir.to_owned());
        let setup = setup(dir);
        // A thread of its own: it may never end.
        std::thread::spawn(move || {
            let examined = catch_unwind(AssertUnwindSafe(|| match runtime() {
                Ok(runtime) => runtime.block_on(examine(Arc::new(DiskFiles), &setup, &expected)),
                Err(error) => Outcome::Unnamed(format!("{error:#}")),
            }));
            let outcome = examined.unwrap_or_else(|panic| Outcome::Panicked(panic_text(panic.as_ref())));
            // Nobody waits any more where it took too long.
            drop(sender.send(outcome));
        });
        receiver.recv_timeout(HANGS_AFTER).unwrap_or(Outcome::Hung)
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}

fn setup(dir: PathBuf) -> Setup {
    Setup { dir, engine: EngineKind::Sled, segment_bytes: SEGMENT_BYTES, seed: 1 }
}

/// Lets a node write a directory, with a snapshot some way behind.
async fn write(script: &Script, root: &Path, ending: Ending, record: &mut Record) -> anyhow::Result<()> {
    let written = root.join(format!("live-{}", ending.name()));
    let mut life = Life::open(Arc::new(DiskFiles), &setup(written.clone())).await?;
    life.ask(&Asked::Vote(Vote::new_committed(TERM, 1)), record).await?;
    for index in 0..ENTRIES {
        let entry = script.committed_entry(index).context("within the script")?;
        let log_id = entry.log_id;
        life.ask(&Asked::Append(vec![entry]), record).await?;
        life.ask(&Asked::Committed(log_id), record).await?;
        life.apply(index).await?;
        record.committed = Some(index);
        if index == ENTRIES / 2 {
            life.snapshot(record).await?;
            life.ask(&Asked::Purge(log_id), record).await?;
        }
        // Each time a window is written: sled gets a history.
        life.hashes().await?;
    }
    match ending {
        Ending::Stopped => {
            life.stop(record).await?;
            fs::rename(&written, root.join(ending.name()))?;
        }
        Ending::Crashed => {
            // What a process that ends now would leave.
            life.storage.log.barrier().await?;
            record.promised();
            copy_dir(&written, &root.join(ending.name()))?;
            life.end().await;
        }
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy_dir(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn files_under(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // In an order that doesn't depend on the file system.
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_under(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
