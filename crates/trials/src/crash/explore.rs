//! Every operation of a script in turn, and every way to stop there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use stockade_storage::file::{Counted, DiskOperation, Fault, FaultKind, MemoryFiles};

use super::check::{Trial, Verdict, Wrong};
use super::kind::{Again, Ending, How, Kind};
use super::report::{Failure, Report};
use crate::drive::{Record, Reference, Run, Script, Setup, panic_text, run_alone};

/// Small, so that a script fills and recycles several.
const SEGMENT_BYTES: u64 = 2_048;
/// Of this many operations one has its recovery stopped at every operation in turn.
const RECOVERY_SAMPLE: u64 = 12;

/// One role, ready to be explored.
pub(super) struct Explorer {
    script: Script,
    reference: Reference,
    operations: Vec<DiskOperation>,
    /// Choices of torn writes.
    seed: u64,
    /// One operation in this many is explored.
    pub(super) stride: u64,
    /// Syncs that do nothing: to show that the explorer would notice if they were forgotten.
    pub(super) ignored_syncs: Option<fn(&Path) -> bool>,
}

impl Explorer {
    /// Runs a script once without any trouble.
    pub(super) fn new(script: Script, seed: u64) -> anyhow::Result<Self> {
        let prepared = run_alone(async {
            let reference = script.reference().await?;
            let setup = Setup::in_memory(SEGMENT_BYTES, seed);
            let mut run = Run::new(&script, &reference, setup, None);
            run.files.note_operations();
            run.run(|_, _| ()).await?;
            let operations = run.files.noted_operations();
            anyhow::Ok((reference, operations))
        });
        let (reference, operations) = prepared.ok_or_else(|| anyhow::anyhow!("{} hangs", script.name))??;
        Ok(Self { script, reference, operations, seed, stride: 1, ignored_syncs: None })
    }

    pub(super) fn name(&self) -> &str {
        &self.script.name
    }

    /// Operations of the script on the disk.
    pub(super) fn operations(&self) -> u64 {
        self.operations.len() as u64
    }

    /// Tries everything at one operation.
    pub(super) fn explore(&self, point: u64, report: &Mutex<Report>) {
        let writes = self.operation(point).is_some_and(|operation| operation.len > 1);
        for how in How::ALL {
            if how == How::Within && !writes {
                continue;
            }
            let Some((files, record)) = self.until(point, how, report) else { continue };
            for ending in how.endings() {
                let kind = Kind { how, ending: *ending, again: Again::Nothing };
                self.try_kind(point, kind, &files, &record, report);
            }
            if how == How::Before && (point / self.stride).is_multiple_of(RECOVERY_SAMPLE) {
                for ending in [Ending::Kill, Ending::Cut, Ending::Torn] {
                    self.explore_recovery(
                        point,
                        Kind { how, ending, again: Again::Nothing },
                        &files,
                        &record,
                        report,
                    );
                }
            }
        }
    }

    /// Tries one kind at one operation.
    pub(super) fn only(&self, point: u64, kind: Kind, report: &Mutex<Report>) {
        if let Some((files, record)) = self.until(point, kind.how, report) {
            self.try_kind(point, kind, &files, &record, report);
        }
    }

    /// Stops a recovery at each of its operations, and lets each of its reads fail.
    fn explore_recovery(
        &self,
        point: u64,
        kind: Kind,
        files: &MemoryFiles,
        record: &Record,
        report: &Mutex<Report>,
    ) {
        let trial = self.trial();
        let counted = self.guarded(point, kind, report, || {
            let files = self.befallen(files, kind.ending, point);
            run_alone(async { trial.recover_with(&files, None, &mut record.clone()).await })
        });
        let Some((_, changes, reads)) = counted else { return };
        for at in 1..=changes {
            let ending = if at % 2 == 0 { Ending::Cut } else { Ending::Torn };
            for ending in [Ending::Kill, ending] {
                let kind = Kind { again: Again::Stops(at, ending), ..kind };
                self.try_kind(point, kind, files, record, report);
            }
        }
        for at in 1..=reads {
            let kind = Kind { again: Again::FailsToRead(at), ..kind };
            self.try_kind(point, kind, files, record, report);
        }
    }

    /// Runs the script until it is stopped; gives the disk and the record.
    fn until(&self, point: u64, how: How, report: &Mutex<Report>) -> Option<(MemoryFiles, Record)> {
        let kind = Kind { how, ending: Ending::Kill, again: Again::Nothing };
        self.guarded(point, kind, report, || {
            let setup = Setup::in_memory(SEGMENT_BYTES, self.seed);
            let mut run = Run::new(&self.script, &self.reference, setup, Some(how.fault(point)));
            if let Some(ignored) = self.ignored_syncs {
                run.files.ignore_syncs(ignored);
            }
            // It stops with an error, or the error was none to the node, and it goes on to the end.
            let ended = run_alone(async { drop(run.run(|_, _| ()).await) });
            ended.map(|()| Ok((run.files, run.record)))
        })
    }

    fn try_kind(&self, point: u64, kind: Kind, files: &MemoryFiles, record: &Record, report: &Mutex<Report>) {
        let trial = self.trial();
        report.lock().count(self.name(), kind);
        self.guarded(point, kind, report, || {
            let files = self.befallen(files, kind.ending, point);
            run_alone(async {
                let mut record = record.clone();
                let files = match kind.again {
                    Again::Nothing => files,
                    Again::Stops(after, ending) => {
                        let fault = Fault { after, ..How::Before.fault(after) };
                        let (left, ..) = trial.recover_with(&files, Some(fault), &mut record).await?;
                        ending.befall(&left, self.seed ^ after);
                        left
                    }
                    Again::FailsToRead(after) => {
                        let fault = Fault { after, on: Counted::Reads, kind: FaultKind::Io, lasting: false };
                        let (left, ..) = trial.recover_with(&files, Some(fault), &mut record).await?;
                        left.kill();
                        left
                    }
                };
                trial.check(&files, &record).await
            })
        });
    }

    /// Runs something that must neither panic nor wait for ever; notes what is wrong.
    fn guarded<T>(
        &self,
        point: u64,
        kind: Kind,
        report: &Mutex<Report>,
        work: impl FnOnce() -> Option<Result<T, Wrong>>,
    ) -> Option<T> {
        let (verdict, what) = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Some(Ok(done))) => return Some(done),
            Ok(Some(Err(wrong))) => wrong,
            Ok(None) => (Verdict::Hung, "it waits for something that never comes".to_owned()),
            Err(panic) => (Verdict::Panicked, panic_text(panic.as_ref())),
        };
        let operation = self.operation(point).map(ToString::to_string).unwrap_or_default();
        let replay = format!("cargo xtask crash --seed {} --only {}:{point}:{kind}", self.seed, self.name());
        report.lock().fail(Failure {
            verdict,
            role: self.name().to_owned(),
            point,
            kind: kind.to_string(),
            operation,
            what,
            replay,
        });
        None
    }

    fn befallen(&self, files: &MemoryFiles, ending: Ending, point: u64) -> MemoryFiles {
        let files = files.fork();
        ending.befall(&files, self.seed.wrapping_mul(1_000_003).wrapping_add(point));
        files
    }

    fn trial(&self) -> Trial<'_> {
        let setup = Setup::in_memory(SEGMENT_BYTES, self.seed.wrapping_add(1 << 32));
        Trial { script: &self.script, reference: &self.reference, setup }
    }

    fn operation(&self, point: u64) -> Option<&DiskOperation> {
        self.operations.get(usize::try_from(point.checked_sub(1)?).ok()?)
    }
}

/// Explores roles on all processors.
pub(super) fn explore_all(explorers: &[Explorer], report: &Mutex<Report>) {
    let strided = |explorer: &Explorer| {
        let stride = usize::try_from(explorer.stride).unwrap_or(usize::MAX);
        (1..=explorer.operations()).step_by(stride)
    };
    let points: Vec<(&Explorer, u64)> =
        explorers.iter().flat_map(|explorer| strided(explorer).map(move |point| (explorer, point))).collect();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((explorer, point)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    explorer.explore(*point, report);
                }
            });
        }
    });
}
