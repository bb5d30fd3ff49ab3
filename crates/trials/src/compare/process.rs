//! Programs that are started to be measured, and the processor time that they take.
//!
//! Invariants:
//! - They live no longer than this process, even if it is killed: a watchdog ends them when its standard input closes.
//! - What is dropped is ended, in order where it can be: PostgreSQL leaves shared memory behind where it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a program may take to end when it is asked to.
const END_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks at a program that is about to end or to begin.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Bytes of a log's end that are shown where a program fails.
const LOG_TAIL_BYTES: usize = 2_000;
/// Microseconds in which the kernel counts processor time.
const TICK_US: u64 = 10_000;
/// Ends a process when standard input closes: in order, and after ten seconds its whole group at once.
const WATCHDOG: &str = "read -r _; kill \"-$2\" \"$1\"
for _ in 0 1 2 3 4 5 6 7 8 9; do kill -0 \"$1\" || exit; sleep 1; done
kill -KILL \"-$1\"";

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    watchdog: Child,
    /// What asks it to end.
    ending: Signal,
    /// What it says on standard error.
    log: PathBuf,
}

impl Process {
    /// Starts it in a process group of its own: Ctrl-C in the terminal is for this process alone.
    pub(super) fn start(
        name: &str,
        command: &mut Command,
        ending: Signal,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let child = command.stdin(Stdio::null()).stderr(file).process_group(0).spawn();
        let mut child = child.with_context(|| format!("starting {name}"))?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string(), &ending.as_raw().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { name: name.to_owned(), child, watchdog, ending, log: log.to_owned() }),
            Err(error) => {
                child.kill().and_then(|()| child.wait()).with_context(|| format!("ending {name}"))?;
                Err(error).context("starting a watchdog")
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails where it has ended, with the end of what it said.
    pub(super) fn ensure_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status)),
        }
    }

    /// Completes when it has ended; an error where it did so in failure, or takes longer than that.
    pub(super) async fn wait(&mut self, longest: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + longest;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended(status)),
                None => {}
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "{} has not ended after {longest:?}: {}",
                self.name,
                self.log_tail()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn ended(&self, status: ExitStatus) -> anyhow::Error {
        anyhow::anyhow!("{} ended with {status}: {}", self.name, self.log_tail())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done here about what fails; the watchdog goes first, so that it can't outlive the process id.
        let _ = self.watchdog.kill().and_then(|()| self.watchdog.wait());
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let process = Pid::from_child(&self.child);
        let _ = kill_process(process, self.ending);
        let deadline = Instant::now() + END_TIMEOUT;
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = kill_process_group(process, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Processor time that these processes have used with all that came of them, those that have ended included.
pub(super) fn cpu_us(roots: &[u32]) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stats =
        ids.filter_map(|id| Some((id, Stat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?)));
    ticks_of(roots, &stats.collect()) * TICK_US
}

/// What counts of `/proc/ID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own, and those of children that it has waited for.
    ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything. Of what follows it the 2nd is the parent, the 12th to 15th are times.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

fn ticks_of(roots: &[u32], stats: &BTreeMap<u32, Stat>) -> u64 {
    let mut counted = BTreeSet::new();
    let mut next = roots.to_vec();
    while let Some(id) = next.pop() {
        if counted.insert(id) {
            next.extend(stats.iter().filter(|(_, stat)| stat.parent == id).map(|(child, _)| *child));
        }
    }
    counted.iter().filter_map(|id| stats.get(id)).map(|stat| stat.ticks).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_process_stand_behind_its_name() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 0 20 0 1 0 5 6 7";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, ticks: 123 }));
        assert_eq!(Stat::parse("42 (a) S"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn children_of_children_count_and_others_do_not() {
        let stat = |parent, ticks| Stat { parent, ticks };
        let stats =
            BTreeMap::from([(1, stat(0, 1_000)), (10, stat(1, 1)), (11, stat(10, 20)), (12, stat(11, 300))]);
        assert_eq!(ticks_of(&[10], &stats), 321);
        assert_eq!(ticks_of(&[11, 12], &stats), 320);
        assert_eq!(ticks_of(&[99], &stats), 0);
    }

    #[test]
    fn what_is_dropped_has_ended_and_so_has_its_watchdog() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello >&2; exec sleep 600"]);
        let mut process = Process::start("a sleeper", &mut command, Signal::TERM, &log).unwrap();
        process.ensure_running().unwrap();
        let ids = [process.child.id(), process.watchdog.id()];
        drop(process);
        for id in ids {
            assert!(!Path::new(&format!("/proc/{id}")).exists());
        }
    }

    #[tokio::test]
    async fn who_ends_in_failure_is_told_of_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no disk >&2; exit 3"]);
        let log = dir.path().join("log");
        let mut process = Process::start("a failure", &mut command, Signal::TERM, &log).unwrap();
        let error = process.wait(END_TIMEOUT).await.unwrap_err().to_string();
        assert!(error.contains("a failure") && error.contains("no disk") && error.contains('3'), "{error}");
        assert!(process.ensure_running().is_err());
    }

    #[test]
    fn a_watchdog_that_loses_its_owner_ends_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new("sleep");
        let mut process = Process::start("a sleeper", command.arg("600"), Signal::TERM, &log).unwrap();
        // As when this process is killed.
        drop(process.watchdog.stdin.take());
        let status = process.child.wait().unwrap();
        assert!(!status.success());
    }
}
