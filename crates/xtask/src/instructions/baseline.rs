//! The baseline: what an order took when somebody last looked, and what is made of the difference.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// By how many per cent the count may differ from the baseline.
const MOST_PERCENT: u64 = 10;

/// Instructions an order, and what they depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) per_order: u64,
    /// The compiler's version.
    pub(super) rustc: String,
    /// The processor's architecture.
    pub(super) target: String,
    /// The same by layer.
    pub(super) layers: BTreeMap<String, u64>,
}

impl Baseline {
    /// Reads a baseline; `None` where there is none.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("reading {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }
}

/// How a count stands to the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Near it.
    Same,
    /// Above it by more than it may be.
    Grown,
    /// Below it by as much.
    Fallen,
    /// It is the baseline now.
    Accepted,
    /// There is no baseline.
    NoBaseline,
    /// The baseline is of another architecture, and says nothing of this one.
    OtherTarget,
}

impl Verdict {
    pub(super) fn holds(self) -> bool {
        !matches!(self, Self::Grown | Self::NoBaseline)
    }

    /// What it means, and what to do.
    pub(super) fn explain(self, now: &Baseline, before: Option<&Baseline>, path: &str) -> String {
        let accept = format!("`cargo xtask instructions --accept` writes {path}");
        let Some(before) = before else {
            return if self == Self::Accepted {
                format!("{path} says {} now, there was none before", now.per_order)
            } else {
                format!("there is no baseline: {accept}")
            };
        };
        let compiler = if now.rustc == before.rustc {
            String::new()
        } else {
            format!(" (it is of rustc {}, this is {})", before.rustc, now.rustc)
        };
        let grown = percent(grown_permille(now.per_order, before.per_order));
        let against = format!("the baseline is {}: {grown}{compiler}", before.per_order);
        match self {
            Self::Same => against,
            Self::Grown => format!(
                "{against}, at most +{MOST_PERCENT} % is allowed. Look at what grew; where it is worth its price, {accept}, \
                 and the commit says why"
            ),
            Self::Fallen => {
                format!("{against}. It may be lowered, so that what was won is not lost unseen: {accept}")
            }
            Self::Accepted => format!("{path} says {} now; before, {against}", now.per_order),
            Self::OtherTarget => {
                format!("the baseline is of {}, and says nothing of {}", before.target, now.target)
            }
            Self::NoBaseline => format!("there is no baseline: {accept}"),
        }
    }
}

/// Holds a count against the baseline.
pub(super) fn judge(now: &Baseline, before: Option<&Baseline>) -> Verdict {
    let Some(before) = before else { return Verdict::NoBaseline };
    if before.target != now.target {
        return Verdict::OtherTarget;
    }
    if now.per_order * 100 > before.per_order * (100 + MOST_PERCENT) {
        Verdict::Grown
    } else if now.per_order * 100 < before.per_order * (100 - MOST_PERCENT) {
        Verdict::Fallen
    } else {
        Verdict::Same
    }
}

/// By how many thousandths a count has grown, rounded away from zero: what is beyond the bound is never told as just within it.
pub(super) fn grown_permille(now: u64, before: u64) -> i64 {
    let permille = (now.abs_diff(before) * 1_000).div_ceil(before.max(1));
    let permille = i64::try_from(permille).unwrap_or(i64::MAX);
    if now < before { -permille } else { permille }
}

/// Thousandths as per cent.
fn percent(permille: i64) -> String {
    let (sign, permille) = (if permille < 0 { '-' } else { '+' }, permille.unsigned_abs());
    format!("{sign}{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(per_order: u64) -> Baseline {
        let layers = BTreeMap::from([("codec".to_owned(), per_order / 2)]);
        Baseline { per_order, rustc: "1.95.0".to_owned(), target: "x86_64".to_owned(), layers }
    }

    #[test]
    fn ten_per_cent_up_or_down_are_the_same_and_what_is_beyond_is_not() {
        let cases = [
            (899, Verdict::Fallen),
            (900, Verdict::Same),
            (1_000, Verdict::Same),
            (1_100, Verdict::Same),
            (1_101, Verdict::Grown),
        ];
        for (now, verdict) in cases {
            assert_eq!(judge(&count(now), Some(&count(1_000))), verdict, "{now}");
            assert_eq!(verdict.holds(), now <= 1_100, "{now}");
        }
    }

    #[test]
    fn what_has_grown_says_by_how_much_and_what_to_do() {
        let said = Verdict::Grown.explain(&count(1_234), Some(&count(1_000)), "tests/x.json");
        for part in ["is 1000: +23.4 %", "at most +10 %", "what grew", "--accept", "tests/x.json"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }

    #[test]
    fn another_compiler_is_named_and_another_processor_is_not_compared() {
        let newer = Baseline { rustc: "1.96.0".to_owned(), ..count(2_000) };
        assert_eq!(judge(&newer, Some(&count(1_000))), Verdict::Grown);
        let said = Verdict::Grown.explain(&newer, Some(&count(1_000)), "x");
        assert!(said.contains("of rustc 1.95.0, this is 1.96.0"), "{said}");
        let other = Baseline { target: "aarch64".to_owned(), ..count(2_000) };
        assert_eq!(judge(&other, Some(&count(1_000))), Verdict::OtherTarget);
        assert!(Verdict::OtherTarget.holds());
    }

    #[test]
    fn without_a_baseline_it_fails_and_with_one_it_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("instructions.json");
        assert_eq!(Baseline::read(&path).unwrap(), None);
        assert_eq!(judge(&count(1), None), Verdict::NoBaseline);
        assert!(!Verdict::NoBaseline.holds());
        count(123).write(&path).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), Some(count(123)));
        fs::write(&path, "{}").unwrap();
        assert!(Baseline::read(&path).is_err(), "a baseline without a count was taken");
    }

    #[test]
    fn a_difference_is_told_to_a_thousandth_and_never_as_less_than_it_is() {
        let cases = [
            (100_000, "+0.0 %"),
            (100_001, "+0.1 %"),
            (99_950, "-0.1 %"),
            (110_001, "+10.1 %"),
            (150_000, "+50.0 %"),
            (0, "-100.0 %"),
        ];
        for (now, told) in cases {
            assert_eq!(percent(grown_permille(now, 100_000)), told, "{now}");
        }
    }
}
