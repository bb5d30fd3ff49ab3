//! Percentiles, medians over rounds, and how one compares with another. All in whole numbers.

use std::fmt;

use serde::{Serialize, Serializer};

use super::plan::{Contestant, Figures, Workload};

/// One measurement, and where it stands.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    pub(super) round: u32,
    #[serde(flatten)]
    pub(super) of: Of,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Of {
    pub(super) workload: Workload,
    pub(super) contestant: Contestant,
}

/// The medians over all rounds of one client count.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Median {
    #[serde(flatten)]
    pub(super) of: Of,
    /// How many rounds there were.
    pub(super) rounds: usize,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) least_ops_per_s: u64,
    pub(super) most_ops_per_s: u64,
}

/// What counts in the end: the client count with the most operations a second, and the time of a call that is alone.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Best {
    #[serde(flatten)]
    pub(super) median: Median,
    /// `None` where a single client was not measured.
    pub(super) one_client_p50_us: Option<u64>,
}

/// Stockade's figures over those of another. Above 1 is more: better for operations, worse for times.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Ratio {
    pub(super) workload: Workload,
    pub(super) stockade: Contestant,
    pub(super) other: Contestant,
    pub(super) ops_per_s: Option<Hundredths>,
    pub(super) one_client_p50: Option<Hundredths>,
    pub(super) server_cpu_per_op: Option<Hundredths>,
}

/// A ratio in hundredths, in JSON a number with two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hundredths(u64);

impl Hundredths {
    /// One over another, rounded; `None` where there is nothing to divide by.
    pub(super) fn of(one: u64, other: u64) -> Option<Self> {
        let doubled = one.saturating_mul(200).checked_div(other)?;
        Some(Self(doubled.div_ceil(2)))
    }
}

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: f64 = self.to_string().parse().map_err(serde::ser::Error::custom)?;
        serializer.serialize_f64(number)
    }
}

/// The least number that so many of a thousand don't exceed; 0 where there is none. Sorts them.
pub(super) fn per_mille(numbers: &mut [u64], per_mille: usize) -> u64 {
    numbers.sort_unstable();
    let rank = (numbers.len() * per_mille).div_ceil(1_000);
    numbers.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// The middle one; of an even count the mean of the two in the middle.
pub(super) fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    let half = numbers.len() / 2;
    match numbers.len() {
        0 => 0,
        count if count % 2 == 1 => numbers[half],
        _ => numbers[half - 1].midpoint(numbers[half]),
    }
}

/// Medians of everything that was measured at each client count, in order.
pub(super) fn medians(runs: &[Run]) -> Vec<Median> {
    let mut keys: Vec<(Of, u32)> = runs.iter().map(|run| (run.of, run.figures.clients)).collect();
    keys.sort_unstable();
    keys.dedup();
    let of_key = |(of, clients): (Of, u32)| {
        let rounds: Vec<&Figures> = runs
            .iter()
            .filter(|run| run.of == of && run.figures.clients == clients)
            .map(|run| &run.figures)
            .collect();
        let over = |field: fn(&Figures) -> u64| rounds.iter().copied().map(field);
        let middle = |field| median(over(field).collect());
        Median {
            of,
            rounds: rounds.len(),
            figures: Figures {
                clients,
                ops_per_s: middle(|figures| figures.ops_per_s),
                p50_us: middle(|figures| figures.p50_us),
                p99_us: middle(|figures| figures.p99_us),
                server_cpu_us_per_op: middle(|figures| figures.server_cpu_us_per_op),
                // What failed in one round must not vanish among the others.
                failed: over(|figures| figures.failed).sum(),
                conflicts: middle(|figures| figures.conflicts),
            },
            least_ops_per_s: over(|figures| figures.ops_per_s).min().unwrap_or(0),
            most_ops_per_s: over(|figures| figures.ops_per_s).max().unwrap_or(0),
        }
    };
    keys.into_iter().map(of_key).collect()
}

/// For each workload and contestant the client count that did most; of equal ones the fewer clients.
pub(super) fn bests(medians: &[Median]) -> Vec<Best> {
    let mut bests: Vec<Best> = Vec::new();
    for median in medians {
        let alone = (median.figures.clients == 1).then_some(median.figures.p50_us);
        match bests.iter_mut().find(|best| best.median.of == median.of) {
            None => bests.push(Best { median: median.clone(), one_client_p50_us: alone }),
            Some(best) => {
                if median.figures.ops_per_s > best.median.figures.ops_per_s {
                    best.median = median.clone();
                }
                best.one_client_p50_us = best.one_client_p50_us.or(alone);
            }
        }
    }
    bests
}

/// Stockade, in each of its ways, over everybody else.
pub(super) fn ratios(bests: &[Best]) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for ours in bests.iter().filter(|best| best.median.of.contestant.is_stockade()) {
        let of = ours.median.of;
        let others = bests.iter().filter(|other| {
            other.median.of.workload == of.workload && !other.median.of.contestant.is_stockade()
        });
        ratios.extend(others.map(|other| {
            let (one, two) = (&ours.median.figures, &other.median.figures);
            Ratio {
                workload: of.workload,
                stockade: of.contestant,
                other: other.median.of.contestant,
                ops_per_s: Hundredths::of(one.ops_per_s, two.ops_per_s),
                one_client_p50: ours
                    .one_client_p50_us
                    .zip(other.one_client_p50_us)
                    .and_then(|(one, two)| Hundredths::of(one, two)),
                server_cpu_per_op: Hundredths::of(one.server_cpu_us_per_op, two.server_cpu_us_per_op),
            }
        }));
    }
    ratios
}

/// A decimal number as text in units of so many places, rounded down: `"1.25"` in thousandths is 1,250.
pub(super) fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("{whole}{part}").parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A measurement in which the numbers follow from the operations.
    pub(in crate::compare) fn run(
        round: u32,
        workload: Workload,
        contestant: Contestant,
        clients: u32,
        ops_per_s: u64,
    ) -> Run {
        let figures = Figures {
            clients,
            ops_per_s,
            p50_us: u64::from(clients) * 1_000_000 / ops_per_s,
            p99_us: u64::from(clients) * 3_000_000 / ops_per_s,
            server_cpu_us_per_op: 1_000_000 / ops_per_s,
            failed: 0,
            conflicts: 0,
        };
        Run { round, of: Of { workload, contestant }, figures }
    }

    #[test]
    fn a_median_is_the_middle_of_all_rounds() {
        assert_eq!(median(vec![3, 1, 2]), 2);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(vec![10, 20]), 15);
        assert_eq!(median(Vec::new()), 0);
    }

    #[test]
    fn percentiles_are_of_the_numbers_themselves() {
        let mut numbers: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(per_mille(&mut numbers, 500), 100);
        assert_eq!(per_mille(&mut numbers, 990), 198);
        assert_eq!(per_mille(&mut numbers, 1_000), 200);
        assert_eq!(per_mille(&mut [7], 1), 7);
        assert_eq!(per_mille(&mut [], 500), 0);
    }

    #[test]
    fn a_ratio_is_rounded_to_hundredths() {
        let shown = |one, other| Hundredths::of(one, other).map(|ratio| ratio.to_string());
        assert_eq!(shown(7_000, 2_000).as_deref(), Some("3.50"));
        assert_eq!(shown(2, 3).as_deref(), Some("0.67"));
        assert_eq!(shown(1, 3).as_deref(), Some("0.33"));
        assert_eq!(shown(5, 1_000).as_deref(), Some("0.01"));
        assert_eq!(shown(1, 0), None);
        let json = serde_json::to_string(&Hundredths::of(7, 2)).unwrap();
        assert_eq!(json, "3.5");
    }

    #[test]
    fn the_best_client_count_is_that_of_the_medians() {
        use Contestant::{Etcd, Postgres, StockadeUnary};
        let of = |contestant| move |round, clients, ops| run(round, Workload::W1, contestant, clients, ops);
        let (postgres, stockade) = (of(Postgres), of(StockadeUnary));
        let runs = [
            postgres(1, 1, 500),
            postgres(1, 16, 2_000),
            // One lucky round doesn't make the best.
            postgres(1, 64, 9_000),
            postgres(2, 1, 400),
            postgres(2, 16, 2_100),
            postgres(2, 64, 1_000),
            postgres(3, 1, 450),
            postgres(3, 16, 1_900),
            postgres(3, 64, 1_100),
            stockade(1, 1, 1_000),
            stockade(1, 64, 8_000),
            run(1, Workload::W2, Etcd, 1, 100),
        ];
        let medians = medians(&runs);
        let sixteen = &medians[1];
        assert_eq!((sixteen.rounds, sixteen.least_ops_per_s, sixteen.most_ops_per_s), (3, 1_900, 2_100));
        let bests = bests(&medians);
        let shown: Vec<_> = bests
            .iter()
            .map(|best| (best.median.figures.clients, best.median.figures.ops_per_s, best.one_client_p50_us))
            .collect();
        assert_eq!(shown, [(16, 2_000, Some(2_222)), (64, 8_000, Some(1_000)), (1, 100, Some(10_000))]);
        let ratios = ratios(&bests);
        assert_eq!(ratios.len(), 1, "etcd was measured under another workload");
        assert_eq!((ratios[0].stockade, ratios[0].other), (StockadeUnary, Postgres));
        assert_eq!(ratios[0].ops_per_s, Hundredths::of(4, 1));
        assert_eq!(ratios[0].one_client_p50, Hundredths::of(45, 100));
        assert_eq!(ratios[0].server_cpu_per_op, Hundredths::of(25, 100));
    }

    #[test]
    fn what_failed_in_one_round_is_not_lost_among_the_others() {
        let mut runs: Vec<Run> =
            (1..=3).map(|round| run(round, Workload::W1, Contestant::Etcd, 1, 100)).collect();
        runs[1].figures.failed = 2;
        assert_eq!(medians(&runs)[0].figures.failed, 2);
    }

    #[test]
    fn decimals_are_read_without_floating_point() {
        assert_eq!(decimal("1234.567890", 0), Some(1_234));
        assert_eq!(decimal("1234.5", 3), Some(1_234_500));
        assert_eq!(decimal("0.042", 3), Some(42));
        assert_eq!(decimal("7", 1), Some(70));
        for wrong in ["", ".5", "-1", "1e3", "nan", "1.x"] {
            assert_eq!(decimal(wrong, 2), None, "{wrong}");
        }
    }
}
