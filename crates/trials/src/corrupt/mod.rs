//! The corruption explorer: data directories are damaged, one thing at a time, and opened. The damage is found, with an
//! error that names the file, or the answer is what it would be without it. It is never taken for less data.
//!
//! Log, snapshot, identity and the small files are damaged byte for byte in memory ([`damage`]); sled's files, which
//! are large and can be rebuilt, in samples on the real disk ([`samples`]).

mod answer;
mod build;
mod damage;
mod report;
mod samples;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use parking_lot::Mutex;
use stockade_storage::file::MemoryFiles;

use self::answer::{Outcome, examine};
use self::build::Directory;
use self::damage::Damage;
use self::report::{Failure, Report};
use crate::drive::{panic_text, run_alone};
use crate::print;

/// Arguments of `corrupt`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CorruptArgs {
    /// About how many points to try in memory, spread over all; all of them where it is not given.
    #[arg(long)]
    points: Option<usize>,
    /// Samples of sled's files.
    #[arg(long, default_value_t = 2_000)]
    sled_samples: u64,
    /// Flips each bit of each byte, rather than one.
    #[arg(long)]
    all_bits: bool,
    /// Chooses bits, ranges and samples.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One point alone, as a failure names it: DIRECTORY:NUMBER.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &CorruptArgs, output: crate::Output) -> anyhow::Result<std::process::ExitCode> {
    // sled panics on much of what is done to it; what of that escapes is reported with its point.
    std::panic::set_hook(Box::new(|_| ()));
    let report = explore(args)?;
    print(&report, report.all.is_clean(), output)
}

fn explore(args: &CorruptArgs) -> anyhow::Result<Report> {
    let started = std::time::Instant::now();
    let report = Mutex::new(Report::default());
    let directories = build::all(args.seed)?;
    for directory in &directories {
        let sound = examine_image(directory, &MemoryFiles::from_image(&directory.image));
        anyhow::ensure!(sound == Outcome::Unchanged, "{} without damage: {sound:?}", directory.name);
    }
    let damages: Vec<Vec<Damage>> =
        directories.iter().map(|directory| damage::all(directory, args.seed, args.all_bits)).collect();
    let points = directories.iter().zip(&damages).flat_map(|(directory, damages)| {
        damages.iter().enumerate().map(move |(number, damage)| Point { directory, number, damage })
    });
    let mut points: Vec<Point<'_>> = points.collect();
    let mut samples: Vec<u64> = (0..args.sled_samples).collect();
    if let Some(only) = &args.only {
        let (name, number) = only.split_once(':').context("--only should be DIRECTORY:NUMBER")?;
        let number: usize = number.parse().context("--only: NUMBER")?;
        points.retain(|point| point.directory.name == name && point.number == number);
        samples = if name == samples::NAME { vec![u64::try_from(number)?] } else { Vec::new() };
    } else if let Some(wanted) = args.points {
        let stride = points.len().div_ceil(wanted.max(1)).max(1);
        points = points.into_iter().step_by(stride).collect();
    }
    on_all_processors(&points, |point| point.try_out(args, &report));
    if !samples.is_empty() {
        let explorer = samples::Explorer::new(args.seed)?;
        on_all_processors(&samples, |sample| explorer.try_out(*sample, &report));
    }
    let mut report = report.into_inner();
    report.seconds = started.elapsed().as_secs();
    Ok(report)
}

/// A damage to a directory.
struct Point<'a> {
    directory: &'a Directory,
    number: usize,
    damage: &'a Damage,
}

impl Point<'_> {
    fn try_out(&self, args: &CorruptArgs, report: &Mutex<Report>) {
        let Self { directory, number, damage } = self;
        let Some(image) = damage.done_to(directory) else { return };
        let outcome = examine_image(directory, &MemoryFiles::from_image(&image));
        let all_bits = if args.all_bits { " --all-bits" } else { "" };
        let replay =
            format!("cargo xtask corrupt --seed {}{all_bits} --only {}:{number}", args.seed, directory.name);
        let kind = format!("{}, {}", directory.name, damage.kind());
        let file = damage.path().display().to_string();
        report.lock().count(kind, file, &outcome, |what| Failure {
            damage: damage.to_string(),
            what,
            replay,
        });
    }
}

fn examine_image(directory: &Directory, files: &MemoryFiles) -> Outcome {
    let examined = catch_unwind(AssertUnwindSafe(|| {
        run_alone(examine(Arc::new(files.clone()), &directory.setup, &directory.expected))
    }));
    match examined {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Outcome::Hung,
        Err(panic) => Outcome::Panicked(panic_text(panic.as_ref())),
    }
}

fn on_all_processors<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explored(points: usize, sled_samples: u64) -> Report {
        explore(&CorruptArgs { points: Some(points), sled_samples, all_bits: false, seed: 1, only: None })
            .unwrap()
    }

    #[test]
    fn damage_to_log_and_snapshot_is_found_or_changes_nothing() {
        let report = explored(3_000, 0);
        assert!(report.all.points >= 2_000 && report.all.is_clean(), "{report}");
    }

    #[test]
    fn what_can_not_be_found_is_noticed_by_the_explorer() {
        let directory = &build::all(1).unwrap()[0];
        let rest = directory.image.files().map(|(path, _)| path.to_owned());
        let wal: Vec<_> = rest.filter(|path| path.starts_with("/node/wal")).collect();
        // The whole log as it was earlier, nothing left out: whoever opens it can't tell.
        let outcomes = directory.older.iter().filter_map(|earlier| {
            let mut image = directory.image.clone();
            for path in &wal {
                image.insert(path, earlier.bytes(path)?.to_vec());
            }
            Some(examine_image(directory, &MemoryFiles::from_image(&image)))
        });
        let outcomes: Vec<_> = outcomes.collect();
        let noticed = |outcome: &Outcome| matches!(outcome, Outcome::Lost(_) | Outcome::Silent(_));
        assert!(outcomes.iter().any(noticed), "{outcomes:?}");
    }

    #[test]
    fn damage_to_sled_is_found_or_changes_nothing() {
        let report = explored(1, 60);
        assert!(report.all.points >= 60 && report.all.is_clean(), "{report}");
    }
}
