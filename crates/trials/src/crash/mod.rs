//! The crash explorer: a node is stopped at every single operation on its disk, in every way that a kill, a power cut or
//! a failing disk can stop it, and must come back with everything that it had acknowledged.
//!
//! What is run is the real storage over files in memory, on one thread: a point is the same each time. [`roles`] holds
//! the scripts, [`kind`] the ways to stop, [`check`] what must hold afterwards.

mod check;
mod explore;
mod kind;
mod random;
mod report;
mod roles;

use std::str::FromStr;

use anyhow::Context as _;
use parking_lot::Mutex;

use self::explore::{Explorer, explore_all};
use self::kind::Kind;
use self::report::Report;
use crate::print;

/// Points at one operation, on average: what a wanted number is divided by.
const POINTS_AN_OPERATION: u64 = 56;

/// Arguments of `crash`.
#[derive(Debug, clap::Args)]
pub(crate) struct CrashArgs {
    /// About how many points to try, spread over all operations; all of them where it is not given.
    #[arg(long)]
    points: Option<u64>,
    /// Chooses which sectors a torn write leaves.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Scripts that the seed writes, besides those of the three roles.
    #[arg(long, default_value_t = 3)]
    random: u64,
    /// One point alone, as a failure names it: ROLE:POINT:KIND.
    #[arg(long)]
    only: Option<Only>,
}

/// One point.
#[derive(Debug, Clone)]
struct Only {
    role: String,
    point: u64,
    kind: Kind,
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [role, point, kind] = parts.as_slice() else {
            return Err("this should be ROLE:POINT:KIND, as a failure names it".to_owned());
        };
        let point = point.parse().map_err(|error| format!("POINT: {error}"))?;
        Ok(Self { role: (*role).to_owned(), point, kind: kind.parse()? })
    }
}

/// Runs the command.
pub(crate) fn run(args: &CrashArgs, output: crate::Output) -> anyhow::Result<std::process::ExitCode> {
    let report = explore(args)?;
    print(&report, report.is_clean(), output)
}

fn explore(args: &CrashArgs) -> anyhow::Result<Report> {
    let started = std::time::Instant::now();
    let mut explorers = explorers(args)?;
    let operations: u64 = explorers.iter().map(Explorer::operations).sum();
    let mut report = Report::default();
    for explorer in &explorers {
        report.operations.insert(explorer.name().to_owned(), explorer.operations());
    }
    let report = Mutex::new(report);
    if let Some(Only { role, point, kind }) = &args.only {
        let explorer = explorers.iter().find(|explorer| explorer.name() == role);
        let explorer = explorer.with_context(|| format!("there is no role {role}"))?;
        explorer.only(*point, *kind, &report);
    } else {
        if let Some(points) = args.points {
            let stride = (operations * POINTS_AN_OPERATION).div_ceil(points.max(1)).max(1);
            for explorer in &mut explorers {
                explorer.stride = stride;
            }
        }
        explore_all(&explorers, &report);
    }
    let mut report = report.into_inner();
    report.seconds = started.elapsed().as_secs();
    report.close();
    Ok(report)
}

fn explorers(args: &CrashArgs) -> anyhow::Result<Vec<Explorer>> {
    // A failure's script is written again, whether or not it is asked for.
    let wanted = args.only.as_ref().and_then(|only| only.role.strip_prefix("random-")?.parse::<u64>().ok());
    let random = wanted.map_or(args.random, |number| args.random.max(number.saturating_add(1)));
    let random = (0..random).map(|number| random::script(args.seed, number));
    roles::all().into_iter().chain(random).map(|script| Explorer::new(script, args.seed)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_crash_at_any_operation_loses_nothing_acknowledged() {
        let report = explore(&CrashArgs { points: Some(800), seed: 1, random: 1, only: None }).unwrap();
        assert!(report.points >= 500, "{report}");
        assert!(report.is_clean(), "{report}");
    }

    fn in_dir(path: &Path, dir: &str) -> bool {
        path.parent() == Some(Path::new(dir))
    }

    /// True where the explorer finds something wrong with a node that forgets these syncs.
    fn is_noticed(forgotten: fn(&Path) -> bool) -> bool {
        let mut explorer = Explorer::new(roles::all().remove(0), 1).unwrap();
        explorer.ignored_syncs = Some(forgotten);
        let report = Mutex::new(Report::default());
        for point in (1..=explorer.operations()).step_by(13) {
            for kind in ["before/cut", "before/torn"] {
                explorer.only(point, kind.parse().unwrap(), &report);
            }
        }
        !report.into_inner().is_clean()
    }

    #[test]
    fn a_forgotten_sync_is_noticed() {
        assert!(
            is_noticed(|path| in_dir(path, "/node/wal") && !path.ends_with("watermark")),
            "the log's records"
        );
        assert!(is_noticed(|path| path == Path::new("/node/wal")), "the log's names");
        assert!(is_noticed(|path| path.ends_with("watermark.tmp")), "the watermark");
        assert!(is_noticed(|path| in_dir(path, "/node/snapshots")), "a snapshot's content");
        assert!(is_noticed(|path| path == Path::new("/node/snapshots")), "a snapshot's name");
        assert!(is_noticed(|path| path.ends_with("IDENTITY.tmp")), "whose the directory is");
        assert!(!is_noticed(|path| path.starts_with("/node/engine")), "what can be rebuilt needs no sync");
    }
}
