//! Sourcing: from which locations the units of new lines come.

use std::collections::BTreeMap;

use stockade_state_machine::command::{PlaceLine, Sourcing};
use stockade_state_machine::holder::Holder;
use stockade_state_machine::ids::{LocationId, SkuId};
use stockade_state_machine::limits::{MAX_CHOICES, MAX_PARTS};
use stockade_state_machine::location::Location;
use stockade_state_machine::outcome::Source;
use stockade_state_machine::rejection::{Rejection, Shortage};
use stockade_state_machine::stock::{Bucket, StockKey};

use crate::model::Model;

/// Units of a SKU that locations give, in the order in which they do.
type Supply = Vec<(LocationId, i64)>;

/// What a line could get, and how much that is.
struct Offer {
    /// None of them is 0. Together all that the line asks for, or less where it is short.
    sources: Supply,
    /// What the shortage tells where it is short.
    available: i64,
}

/// What lines were given so far.
#[derive(Default)]
struct Plan {
    sources: Vec<Source>,
    shortages: Vec<Shortage>,
    /// Units that lines took from `available`: "Each line sees what the ones before it took."
    taken: BTreeMap<StockKey, i64>,
}

impl Model {
    /// Where the units of each line come from, "in the order of lines, and of a line in the order of location ids". Who
    /// takes part is refused only where he would get nothing at all.
    pub(crate) fn source_lines(
        &self,
        holder: Holder,
        lines: &[PlaceLine],
        sourcing: Sourcing,
        takes_part: bool,
    ) -> Result<Vec<Source>, Rejection> {
        // "TOO_LARGE (lines that name no location, times the locations that there are, are more than 1,000,000 ...)".
        let free = lines.iter().filter(|line| line.location.is_none()).count();
        if free * self.locations.len() > MAX_CHOICES {
            return Err(Rejection::TooLarge { holder });
        }
        let mut plan = Plan::default();
        match sourcing {
            Sourcing::FewestSplits => self.source_together(lines, takes_part, &mut plan)?,
            Sourcing::Priority | Sourcing::MostStock | Sourcing::Explicit | Sourcing::SplitProportional => {
                for (line, number) in lines.iter().zip(1_u32..) {
                    if self.is_untracked(&line.sku)? {
                        plan.give_uncounted(number, line);
                        continue;
                    }
                    let offer = match &line.location {
                        Some(location) => self.offer_of_named(line, location, &plan),
                        None => self.offer_of_any(line, sourcing, &plan),
                    };
                    plan.give(number, line, offer, sourcing, takes_part);
                }
            }
        }
        let Plan { mut sources, mut shortages, .. } = plan;
        sources.sort_by(|a, b| (a.line, &a.location).cmp(&(b.line, &b.location)));
        shortages.sort_by_key(|shortage| shortage.line);
        // "TOO_LARGE (lines split into more than 4,000 parts), INSUFFICIENT_STOCK (every line that is short ...)".
        if sources.len() > MAX_PARTS {
            return Err(Rejection::TooLarge { holder });
        }
        // "It takes what is there, unless that is nothing at all".
        let is_enough = if takes_part { !sources.is_empty() } else { shortages.is_empty() };
        if is_enough { Ok(sources) } else { Err(Rejection::InsufficientStock { shortages }) }
    }

    /// "orders take units of it without a look at the stock".
    fn is_untracked(&self, sku: &SkuId) -> Result<bool, Rejection> {
        Ok(self.sku_must_exist(sku)?.details.untracked)
    }

    /// "Only locations that take orders count", those with the lowest priority number first, and "whatever else is equal,
    /// the first in the order of ids".
    pub(crate) fn open_locations(&self) -> Vec<LocationId> {
        let mut open: Vec<&Location> =
            self.locations.values().filter(|location| !location.details.disabled).collect();
        open.sort_by(|a, b| (a.details.priority, &a.id).cmp(&(b.details.priority, &b.id)));
        open.into_iter().map(|location| location.id.clone()).collect()
    }

    /// Units that can be had of a SKU at a location, "after what earlier lines of the same request take".
    fn left(&self, sku: &SkuId, location: &LocationId, plan: &Plan) -> i64 {
        let key = StockKey { sku: sku.clone(), location: location.clone() };
        self.stock_at(&key).get(Bucket::Available) - plan.taken.get(&key).copied().unwrap_or_default()
    }

    /// "Where the units are to come from".
    fn offer_of_named(&self, line: &PlaceLine, location: &LocationId, plan: &Plan) -> Offer {
        let available = self.left(&line.sku, location, plan);
        Offer { sources: vec![(location.clone(), available.min(line.quantity))], available }
    }

    fn offer_of_any(&self, line: &PlaceLine, sourcing: Sourcing, plan: &Plan) -> Offer {
        let open: Supply = self
            .open_locations()
            .into_iter()
            .map(|location| (location.clone(), self.left(&line.sku, &location, plan)))
            .collect();
        match sourcing {
            // "of those that cover it, the one with the lowest priority number. Where none covers it, a PARTIAL order
            // takes what the one has that has most (of several the one with the lowest priority number)."
            Sourcing::Priority => {
                let covering = open.iter().find(|(_, units)| *units >= line.quantity);
                whole(line, covering.or_else(|| most(&open)))
            }
            // "the one that has most of it, of several the one with the lowest priority number".
            Sourcing::MostStock => whole(line, most(&open)),
            Sourcing::SplitProportional => in_proportion(line, open),
            // "Every line names its location ... else INVALID_ARGUMENT", so no line without one gets here.
            Sourcing::Explicit => Offer { sources: Vec::new(), available: 0 },
            Sourcing::FewestSplits => unreachable!("all lines are served together"),
        }
    }

    /// "All lines from few locations, split where that must be: after the lines that name their location, again and again
    /// the one that has most units of all that is still missing ... gives all that it has of that."
    fn source_together(
        &self,
        lines: &[PlaceLine],
        takes_part: bool,
        plan: &mut Plan,
    ) -> Result<(), Rejection> {
        let sourcing = Sourcing::FewestSplits;
        let mut together = Vec::new();
        for (line, number) in lines.iter().zip(1_u32..) {
            if self.is_untracked(&line.sku)? {
                plan.give_uncounted(number, line);
            } else if let Some(location) = &line.location {
                let offer = self.offer_of_named(line, location, plan);
                plan.give(number, line, offer, sourcing, takes_part);
            } else {
                together.push((number, line));
            }
        }
        let mut supplies = self.fewest(together.iter().map(|(_, line)| *line), plan);
        // "Lines of the same SKU are served in their order, from the locations in the order in which they were chosen."
        for (number, line) in together {
            let supply = supplies.entry(&line.sku).or_default();
            let offer = Offer { sources: front(supply, line.quantity), available: units(supply) };
            if plan.give(number, line, offer, sourcing, takes_part) {
                take_front(supply, line.quantity);
            }
        }
        Ok(())
    }

    /// What each SKU of the lines gets from the locations that are chosen, in the order in which they are.
    fn fewest<'l>(
        &self,
        lines: impl Iterator<Item = &'l PlaceLine>,
        plan: &Plan,
    ) -> BTreeMap<&'l SkuId, Supply> {
        let mut missing: BTreeMap<&SkuId, i64> = BTreeMap::new();
        for line in lines {
            *missing.entry(&line.sku).or_default() += line.quantity;
        }
        let mut supplies: BTreeMap<&SkuId, Supply> = BTreeMap::new();
        let mut open = self.open_locations();
        loop {
            let gives = |location: &LocationId, sku: &SkuId, missing: i64| {
                self.left(sku, location, plan).min(missing)
            };
            let offers: Supply = open
                .iter()
                .map(|location| {
                    let units = missing.iter().map(|(sku, missing)| gives(location, sku, *missing)).sum();
                    (location.clone(), units)
                })
                .collect();
            let Some((chosen, _)) = most(&offers).filter(|(_, units)| *units > 0) else { return supplies };
            for (sku, missing) in &mut missing {
                let units = gives(chosen, sku, *missing);
                if units > 0 {
                    supplies.entry(sku).or_default().push((chosen.clone(), units));
                    *missing -= units;
                }
            }
            // It has nothing more that is missing.
            open.retain(|location| location != chosen);
        }
    }
}

impl Plan {
    /// A line of a SKU that is not tracked: "no bucket counts" its units.
    fn give_uncounted(&mut self, line: u32, asked: &PlaceLine) {
        self.sources.push(Source { line, location: None, quantity: asked.quantity });
    }

    /// Gives a line what it is offered. One that is short "takes nothing in the plan unless the order is PARTIAL". True
    /// where it took something.
    fn give(
        &mut self,
        line: u32,
        asked: &PlaceLine,
        offer: Offer,
        sourcing: Sourcing,
        takes_part: bool,
    ) -> bool {
        let is_short = units(&offer.sources) < asked.quantity;
        if is_short {
            let splits = matches!(sourcing, Sourcing::FewestSplits | Sourcing::SplitProportional);
            self.shortages.push(Shortage {
                line,
                sku: asked.sku.clone(),
                // "Where; `None` where any location would have done."
                location: asked.location.clone(),
                // "True where several locations together would have done."
                together: splits && asked.location.is_none(),
                bucket: Bucket::Available,
                asked: asked.quantity,
                available: offer.available,
                next_expiry: None,
            });
        }
        if is_short && !takes_part {
            return false;
        }
        for (location, quantity) in offer.sources.into_iter().filter(|(_, units)| *units > 0) {
            let key = StockKey { sku: asked.sku.clone(), location: location.clone() };
            // "A SKU may stand on several lines: they are checked on their sum" (I9).
            *self.taken.entry(key).or_default() += quantity;
            self.sources.push(Source { line, location: Some(location), quantity });
        }
        true
    }
}

/// The one that has most; of several the first, which is the one "with the lowest priority number", then by id.
fn most(open: &Supply) -> Option<&(LocationId, i64)> {
    let units = open.iter().map(|(_, units)| *units).max()?;
    open.iter().find(|(_, has)| *has == units)
}

/// The line from one location, or what that has of it.
fn whole(line: &PlaceLine, from: Option<&(LocationId, i64)>) -> Offer {
    let Some((location, available)) = from else { return Offer { sources: Vec::new(), available: 0 } };
    Offer { sources: vec![(location.clone(), (*available).min(line.quantity))], available: *available }
}

/// "from all locations that have some of it, in proportion to what they have, rounded down; what is left over goes, a unit
/// each, to those that have most".
fn in_proportion(line: &PlaceLine, open: Supply) -> Offer {
    let mut having: Supply = open.into_iter().filter(|(_, units)| *units > 0).collect();
    let total: i128 = having.iter().map(|(_, units)| i128::from(*units)).sum();
    let available = i64::try_from(total).unwrap_or(i64::MAX);
    if total <= i128::from(line.quantity) {
        return Offer { sources: having, available };
    }
    // Those that have most come first, "(ties: smaller location id)".
    having.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut sources: Supply = having
        .into_iter()
        .map(|(location, units)| {
            let share = i128::from(line.quantity) * i128::from(units) / total;
            (location, i64::try_from(share).expect("a share is no more than the whole"))
        })
        .collect();
    let mut left_over = line.quantity - units(&sources);
    for (_, share) in &mut sources {
        if left_over > 0 {
            *share += 1;
            left_over -= 1;
        }
    }
    Offer { sources, available }
}

fn units(supply: &Supply) -> i64 {
    supply.iter().map(|(_, units)| units).sum()
}

/// The first units of a supply.
fn front(supply: &Supply, mut quantity: i64) -> Supply {
    let mut first = Supply::new();
    for (location, units) in supply {
        let taken = quantity.min(*units);
        quantity -= taken;
        first.push((location.clone(), taken));
    }
    first
}

fn take_front(supply: &mut Supply, mut quantity: i64) {
    for (_, units) in supply {
        let taken = quantity.min(*units);
        quantity -= taken;
        *units -= taken;
    }
}
