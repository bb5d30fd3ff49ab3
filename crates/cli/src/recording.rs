//! `--record FILE`: the calls of this process, written into a history.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use stockade_client::Recorder;
use stockade_env::Env;
use stockade_history::Recording;

/// The one recorder of this process: what it could not write is told when the process ends.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// Whether to record.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RecordArgs {
    /// Write every call and its answer into this history, behind what is there. `stockade check` judges it.
    #[arg(long, global = true, value_name = "FILE", env = "STOCKADE_RECORD")]
    pub(crate) record: Option<PathBuf>,
}

impl RecordArgs {
    /// The recorder, where there is to be one.
    pub(crate) fn open(&self, env: &Env) -> anyhow::Result<Option<Recorder>> {
        let Some(path) = &self.record else { return Ok(None) };
        let recorder = open(path, env)?;
        // A process makes its calls for one command, which opens one.
        Ok(Some(RECORDER.get_or_init(|| recorder).clone()))
    }
}

/// Goes on with a history, or begins one.
pub(crate) fn open(path: &Path, env: &Env) -> anyhow::Result<Recorder> {
    let failed = || format!("recording to {}", path.display());
    // Who makes the file writes its first line; processes that come later only append.
    let made = OpenOptions::new().append(true).create_new(true).open(path);
    let (file, is_new) = match made {
        Ok(file) => (file, true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            (OpenOptions::new().append(true).open(path).with_context(failed)?, false)
        }
        Err(error) => return Err(error).with_context(failed),
    };
    let id = format!("{:016x}", env.random.bits());
    let clock = clock_name().unwrap_or_else(|| id.clone());
    let by = format!("stockade {}", env!("CARGO_PKG_VERSION"));
    Recorder::new(Box::new(file), is_new, Recording { id, clock, by }, monotonic_ns).with_context(failed)
}

/// Tells whether all was written.
pub(crate) fn finish() -> anyhow::Result<()> {
    match RECORDER.get() {
        Some(recorder) => recorder.finish().context("the history is not whole: recording failed"),
        None => Ok(()),
    }
}

/// Names the clock: every process of one machine and one boot has the same, unless it is in a time namespace of its own.
fn clock_name() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Nanoseconds of the clock that never goes back.
fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use stockade_history::{Lines, Record};

    use super::*;

    #[test]
    fn a_second_recorder_goes_on_behind_the_first_by_the_same_clock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.jsonl");
        let env = Env::real();
        drop(open(&path, &env).unwrap());
        drop(open(&path, &env).unwrap());
        let text = std::fs::read(&path).unwrap();
        let records: Vec<_> = Lines::new(text.as_slice()).map(|line| line.unwrap().1).collect();
        let [Record::Beginning(_), Record::Recording(one), Record::Recording(two)] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(one.clock, two.clock);
        assert_ne!(one.id, two.id);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let before = monotonic_ns();
        assert!(monotonic_ns() >= before && before > 0);
    }
}
