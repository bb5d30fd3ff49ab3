//! How many instructions a node takes for an order, counted by valgrind and held against what it took before.
//!
//! Times on a shared machine say little; this count is the same wherever and beside whatever it runs. It says nothing of
//! what waits: disks, locks, the network.

mod baseline;
mod layers;
mod profile;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use self::baseline::{Baseline, Verdict};
use self::profile::Profile;

/// Orders that are placed while it is counted, and how many of them share an entry of the log.
const ORDERS: u64 = 2_048;
const TOGETHER: u64 = 64;
/// The one function of which, with all that it calls, is counted.
const COUNTED: &str = "stockade_trials::one_node::counted";
/// Where the baseline stands.
const BASELINE: &str = "tests/instructions.json";

/// What came out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Why nothing was counted, where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    #[serde(flatten)]
    counted: Option<Counted>,
}

/// What was counted.
#[derive(Debug, Serialize)]
struct Counted {
    orders: u64,
    entries: u64,
    #[serde(flatten)]
    now: Baseline,
    /// What it was; `None` where nothing is known of it.
    baseline: Option<Baseline>,
    /// By how many thousandths it has grown.
    grown_permille: Option<i64>,
    verdict: Verdict,
}

/// What the driver prints, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Driven {
    orders: u64,
    placed: u64,
    entries: u64,
}

impl Report {
    /// False where it has grown too much, or there is nothing to hold it against.
    pub(crate) fn holds(&self) -> bool {
        self.counted.as_ref().is_none_or(|counted| counted.verdict.holds())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.skipped {
            return writeln!(f, "skipped: instructions ({why})");
        }
        let Some(Counted { orders, entries, now, baseline, verdict, .. }) = &self.counted else {
            return Ok(());
        };
        writeln!(f, "{} instructions an order, over {orders} orders in {entries} entries", now.per_order)?;
        let was = |layer: &str| baseline.as_ref().and_then(|before| before.layers.get(layer)).copied();
        for (layer, count) in largest_first(&now.layers) {
            match was(layer) {
                Some(before) => writeln!(f, "{count:>10}  {layer} (before: {before})")?,
                None => writeln!(f, "{count:>10}  {layer}")?,
            }
        }
        writeln!(f, "{}", verdict.explain(now, baseline.as_ref(), BASELINE))
    }
}

fn largest_first(layers: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sorted: Vec<_> = layers.iter().map(|(layer, count)| (layer.as_str(), *count)).collect();
    sorted.sort_by_key(|(layer, count)| (std::cmp::Reverse(*count), *layer));
    sorted
}

/// Counts; with `accept` the count becomes the baseline, with `require` a missing valgrind is an error.
pub(crate) fn run(root: &Path, accept: bool, require: bool) -> anyhow::Result<Report> {
    if let Err(error) = Command::new("valgrind").arg("--version").output() {
        let why = format!("valgrind can't be run: {error}");
        ensure!(!require, "{why}; install it, or leave --require out");
        return Ok(Report { skipped: Some(why), counted: None });
    }
    let program = build(root)?;
    let (driven, profile) = count(root, &program)?;
    let per_order = profile.total / driven.orders;
    let layers = layers::split(&profile);
    let layers = layers.into_iter().map(|(layer, count)| (layer.to_owned(), count / driven.orders)).collect();
    let now = Baseline { per_order, rustc: rustc(root)?, target: std::env::consts::ARCH.to_owned(), layers };
    let path = root.join(BASELINE);
    let baseline = Baseline::read(&path)?;
    let verdict = if accept { Verdict::Accepted } else { baseline::judge(&now, baseline.as_ref()) };
    if accept {
        now.write(&path)?;
    }
    let grown_permille =
        baseline.as_ref().map(|before| baseline::grown_permille(per_order, before.per_order));
    let entries = driven.entries;
    let counted = Counted { orders: driven.orders, entries, now, baseline, grown_permille, verdict };
    Ok(Report { skipped: None, counted: Some(counted) })
}

/// Builds what is counted, as it is shipped but for the allocator; gives where it is.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    /// A line of what cargo prints.
    #[derive(Deserialize)]
    struct Line {
        executable: Option<PathBuf>,
    }

    let mut build = crate::cargo();
    build.args(["build", "--quiet", "--release", "--package", "stockade-trials"]);
    build.arg("--message-format=json-render-diagnostics").current_dir(root).stderr(Stdio::inherit());
    let output = build.output().context("running cargo")?;
    ensure!(output.status.success(), "the driver can't be built");
    let printed = String::from_utf8(output.stdout).context("reading what cargo printed")?;
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.filter_map(|line| line.executable).next_back().context("cargo names no executable")
}

/// Runs the driver under valgrind.
fn count(root: &Path, program: &Path) -> anyhow::Result<(Driven, Profile)> {
    let dir = root.join("target/instructions");
    fs::create_dir_all(&dir)?;
    let out = dir.join("callgrind.out");
    let mut run = Command::new("valgrind");
    run.args(["--quiet", "--tool=callgrind", "--compress-strings=no"]);
    run.arg(format!("--toggle-collect={COUNTED}")).arg(format!("--callgrind-out-file={}", out.display()));
    run.arg(program).args(["one-node", "--output", "json"]);
    run.args(["--orders", &ORDERS.to_string(), "--together", &TOGETHER.to_string()]);
    let Output { status, stdout, stderr } = run.output().context("running valgrind")?;
    let said = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "the driver failed under valgrind: {said}");
    let driven: Driven = serde_json::from_slice(&stdout).context("reading what the driver printed")?;
    ensure!(driven.orders == ORDERS && driven.placed == ORDERS, "{} orders were placed", driven.placed);
    let text = fs::read_to_string(&out).with_context(|| format!("reading {}", out.display()))?;
    let profile = profile::parse(&text)?;
    ensure!(profile.total > 0, "nothing was counted: {COUNTED} was not found in the driver");
    Ok((driven, profile))
}

/// The version of the compiler.
fn rustc(root: &Path) -> anyhow::Result<String> {
    let output =
        Command::new("rustc").arg("--version").current_dir(root).output().context("running rustc")?;
    let printed = String::from_utf8(output.stdout).context("reading what rustc printed")?;
    printed.split(' ').nth(1).map(str::to_owned).context("rustc doesn't tell its version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(per_order: u64, codec: u64) -> Baseline {
        let layers = BTreeMap::from([("codec".to_owned(), codec), ("log".to_owned(), per_order - codec)]);
        Baseline { per_order, rustc: "1.95.0".to_owned(), target: "x86_64".to_owned(), layers }
    }

    #[test]
    fn a_count_that_has_grown_fails_and_tells_each_layer_as_it_was() {
        let (now, before) = (count(1_500, 1_200), count(1_000, 700));
        let verdict = baseline::judge(&now, Some(&before));
        let counted = Counted {
            orders: 8,
            entries: 2,
            now,
            baseline: Some(before),
            grown_permille: Some(500),
            verdict,
        };
        let report = Report { skipped: None, counted: Some(counted) };
        assert!(!report.holds());
        let table = report.to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "1500 instructions an order, over 8 orders in 2 entries");
        assert_eq!(lines[1..3], ["      1200  codec (before: 700)", "       300  log (before: 300)"]);
        assert!(lines[3].contains("+50.0 %"), "{table}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["per_order"], &json["verdict"]), (&1_500.into(), &"grown".into()));
    }

    #[test]
    fn what_is_skipped_is_named_and_fails_nothing() {
        let report = Report { skipped: Some("no valgrind".to_owned()), counted: None };
        assert!(report.holds());
        assert_eq!(report.to_string(), "skipped: instructions (no valgrind)\n");
        assert_eq!(serde_json::to_string(&report).unwrap(), r#"{"skipped":"no valgrind"}"#);
    }
}
