//! The data directories that are damaged: small, with everything in them that a directory can have.

use anyhow::{Context as _, ensure};
use stockade_storage::file::{Counted, DiskOperation, Fault, FaultKind, Image, MemoryFiles, OperationKind};

use crate::drive::{Held, Reference, Run, Script, Setup, Step, run_alone};

/// Small, so that there are several segments, and some that were used before.
const SEGMENT_BYTES: u64 = 1_536;

/// How the node that wrote a directory ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Stopped,
    Killed,
    PowerCut,
}

/// What a node may answer that opens a directory.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) reference: Reference,
    pub(super) states: Vec<Held>,
    pub(super) snapshot: Option<u64>,
    pub(super) committed: Option<u64>,
}

/// A data directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) name: &'static str,
    pub(super) image: Image,
    /// What it was after each step of its life.
    pub(super) older: Vec<Image>,
    pub(super) expected: Expected,
    pub(super) setup: Setup,
}

/// Builds them all.
pub(super) fn all(seed: u64) -> anyhow::Result<Vec<Directory>> {
    let endings = [("stopped", Ending::Stopped), ("killed", Ending::Killed), ("power-cut", Ending::PowerCut)];
    endings.into_iter().map(|(name, ending)| build(name, ending, seed)).collect()
}

fn build(name: &'static str, ending: Ending, seed: u64) -> anyhow::Result<Directory> {
    let script = script();
    let setup = Setup::in_memory(SEGMENT_BYTES, seed);
    let mut older = Vec::new();
    let built = run_alone(async {
        let reference = script.reference().await?;
        let fault = match ending {
            Ending::Stopped | Ending::Killed => None,
            Ending::PowerCut => Some(last_sync(&script, &reference, &setup).await?),
        };
        let mut run = Run::new(&script, &reference, setup.clone(), fault);
        run.stops_in_order = ending == Ending::Stopped;
        let ended = run.run(|_, files: &MemoryFiles| older.push(files.image())).await;
        ensure!(ended.is_ok() == fault.is_none(), "it ended otherwise than was planned: {ended:?}");
        let Run { files, record, .. } = run;
        anyhow::Ok((reference, files, record))
    });
    let (reference, files, record) = built.with_context(|| format!("{name} hangs"))??;
    let image = match ending {
        Ending::Stopped | Ending::Killed => files.image(),
        Ending::PowerCut => torn(&files, seed)?,
    };
    let (states, snapshot, committed) = (record.states, record.snapshot, record.committed);
    let expected = Expected { reference, states, snapshot, committed };
    let setup = Setup { seed: seed.wrapping_add(1 << 32), ..setup };
    Ok(Directory { name, image, older, expected, setup })
}

/// A crash at the last sync of the log.
async fn last_sync(script: &Script, reference: &Reference, setup: &Setup) -> anyhow::Result<Fault> {
    let mut run = Run::new(script, reference, setup.clone(), None);
    run.files.note_operations();
    run.run(|_, _| ()).await?;
    let is_sync = |operation: &DiskOperation| {
        operation.kind == OperationKind::Sync
            && operation.path.extension().is_some_and(|suffix| suffix == "wal")
    };
    let operations = run.files.noted_operations();
    let last = operations.into_iter().rfind(is_sync).context("the log is synced")?;
    Ok(Fault { after: last.number, on: Counted::Changes, kind: FaultKind::Crash, lasting: true })
}

/// What a power cut leaves that tears the last write.
fn torn(files: &MemoryFiles, seed: u64) -> anyhow::Result<Image> {
    let after = |cut: &dyn Fn(&MemoryFiles)| {
        let copy = files.fork();
        cut(&copy);
        copy.image()
    };
    let (lost, kept) = (after(&MemoryFiles::power_cut), after(&MemoryFiles::power_cut_kept));
    let torn = (0..100_u64).map(|add| after(&|files| files.power_cut_torn(seed.wrapping_add(add))));
    let mut torn = torn.filter(|image| *image != lost && *image != kept);
    torn.next().context("no power cut tears the last write")
}

/// A life with votes, a conflict, two snapshots, purges that let segments be used again, and entries behind them.
fn script() -> Script {
    let vote = |term, committed| Step::Vote { term, node: 1, committed };
    let append = |term, indexes| Step::Append { term, indexes };
    let mut steps = vec![vote(1, false), vote(1, true)];
    for index in 0..6 {
        steps.extend([append(1, index..index + 1), Step::Commit(index), Step::Apply(index)]);
    }
    steps.extend([Step::Snapshot, append(1, 6..9), append(1, 9..12), Step::Purge(4), vote(2, false)]);
    steps.extend([Step::TruncateAfter(9), append(2, 10..13), Step::Commit(12), Step::Apply(12)]);
    steps.extend([append(2, 13..15), Step::Commit(14), Step::Apply(14), Step::Snapshot, Step::Purge(12)]);
    steps.extend([append(2, 15..16), Step::Kill, vote(3, false), vote(3, true)]);
    for index in 16..22 {
        steps.extend([append(3, index..index + 1), Step::Commit(index), Step::Apply(index)]);
    }
    // The last of these are known to nobody else: only the first promises that they last.
    steps.extend([append(3, 22..24), Step::Commit(22)]);
    let terms = [vec![1; 10], vec![2; 6], vec![3; 8]].concat();
    Script { name: "corrupt".to_owned(), steps, terms, large: false }
}
