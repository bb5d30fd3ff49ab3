//! What an import came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::Plan;
use super::row::Class;

/// What an import came to. As JSON, the keys that begin with `lines_` are the classes of lines and sum to `lines`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Lines of the file, its header not counted.
    pub(crate) lines: u64,
    /// Lines of each class.
    #[serde(flatten)]
    pub(crate) classes: BTreeMap<&'static str, u64>,
    /// Orders that are placed, confirmed and shipped, by this run or an earlier one.
    pub(crate) orders: u64,
    /// Returns that are booked, by this run or an earlier one. As all that follows.
    pub(crate) returns: u64,
    /// Write-offs, and cancelled units of which no sale is known.
    pub(crate) adjustments: u64,
    /// Goods receipts.
    pub(crate) receipts: u64,
    /// Locations.
    pub(crate) locations: u64,
    /// SKUs.
    pub(crate) skus: u64,
    /// SKUs whose code the file writes both in capitals and otherwise.
    pub(crate) skus_merged_by_case: u64,
    /// Prices with parts of a penny, rounded half to even.
    pub(crate) prices_rounded: u64,
    /// Mutations of this run that took effect.
    pub(crate) new_effects: u64,
    /// Orders and adjustments for which there was not enough stock.
    pub(crate) shortages: u64,
    /// The first of them.
    pub(crate) shortages_listed: Vec<String>,
    /// Returns of orders that were not shipped.
    pub(crate) returns_without_order: u64,
    /// What the cluster refused otherwise: something else goes by the same id.
    pub(crate) conflicts: u64,
    /// The first of them.
    pub(crate) conflicts_listed: Vec<String>,
    /// Lines in the reject file.
    pub(crate) rejected: u64,
    /// Where they are listed; none where no line was refused.
    pub(crate) reject_file: Option<String>,
    /// How long it took, the reading of the file included.
    pub(crate) seconds: f64,
    /// How fast it went.
    pub(crate) throughput: Throughput,
}

/// Rates over the whole time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Throughput {
    /// Lines of the file.
    pub(crate) lines_per_second: u64,
    /// Orders.
    pub(crate) orders_per_second: u64,
}

/// All classes and their keys.
const CLASSES: [(Class, &str); 6] = [
    (Class::Sale, "lines_sale"),
    (Class::GivenAway, "lines_given_away"),
    (Class::Cancellation, "lines_cancellation"),
    (Class::WriteOff, "lines_write_off"),
    (Class::BadDebt, "lines_bad_debt"),
    (Class::NonGoods, "lines_non_goods"),
];

impl Report {
    /// What is known once the file is read.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let count = |class: &Class| plan.lines_by_class.get(class).copied().unwrap_or(0);
        let mut classes: BTreeMap<_, _> = CLASSES.iter().map(|(class, key)| (*key, count(class))).collect();
        let rejected = u64::try_from(plan.rejects.len()).unwrap_or(u64::MAX);
        classes.insert("lines_rejected", rejected);
        assert_eq!(classes.values().sum::<u64>(), plan.lines, "every line has exactly one class");
        Self {
            lines: plan.lines,
            classes,
            skus_merged_by_case: plan.merged_by_case,
            prices_rounded: plan.rounded,
            rejected,
            ..Self::default()
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24}{:>12}", "lines", self.lines)?;
        for (class, count) in &self.classes {
            let name = class.trim_start_matches("lines_").replace('_', " ");
            writeln!(f, "  {name:<22}{count:>12}")?;
        }
        for (name, count) in [
            ("locations", self.locations),
            ("SKUs", self.skus),
            ("  merged by case", self.skus_merged_by_case),
            ("receipts", self.receipts),
            ("orders shipped", self.orders),
            ("returns", self.returns),
            ("  without order", self.returns_without_order),
            ("adjustments", self.adjustments),
            ("shortages", self.shortages),
            ("conflicts", self.conflicts),
            ("prices rounded", self.prices_rounded),
            ("new effects", self.new_effects),
            ("lines a second", self.throughput.lines_per_second),
            ("orders a second", self.throughput.orders_per_second),
        ] {
            writeln!(f, "{name:<24}{count:>12}")?;
        }
        writeln!(f, "{:<24}{:>12.1}", "seconds", self.seconds)?;
        for text in self.shortages_listed.iter().chain(&self.conflicts_listed) {
            writeln!(f, "  {text}")?;
        }
        if let Some(path) = &self.reject_file {
            writeln!(f, "refused lines are listed in {path}")?;
        }
        Ok(())
    }
}
