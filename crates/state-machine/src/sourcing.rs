//! Where the units of an order or a reservation come from, and the hold on them.

use std::collections::BTreeMap;

use crate::command::{PlaceLine, ShortagePolicy, Sourcing};
use crate::draft::{Draft, Movement};
use crate::holder::Holder;
use crate::ids::{LocationId, SkuId};
use crate::ledger::Reason;
use crate::limits;
use crate::outcome::Source;
use crate::rejection::{LimitBreach, Rejection, Shortage};
use crate::splitting;
use crate::stock::{Bucket, Stock, StockKey};

/// What an order or a reservation asks for, of SKUs and at locations that there are. Each SKU is looked up once for all that matters of it.
#[derive(Debug)]
pub(crate) struct Asked<'c> {
    lines: &'c [PlaceLine],
    /// Of each line, whether its SKU is untracked.
    untracked: Vec<bool>,
    /// True where an order may take more or less of some SKU than any quantity.
    is_limited: bool,
}

impl<'c> Asked<'c> {
    /// The SKUs of all lines must exist; then the locations that lines name, which must be open.
    pub(crate) fn of(draft: &Draft<'_>, lines: &'c [PlaceLine]) -> Result<Self, Rejection> {
        let mut asked = Self { lines, untracked: Vec::with_capacity(lines.len()), is_limited: false };
        for line in lines {
            let details = &draft.known_sku(&line.sku)?.details;
            asked.untracked.push(details.untracked);
            asked.is_limited |= details.min_per_order > 0 || details.max_per_order > 0;
        }
        check_locations(draft, lines)?;
        Ok(asked)
    }

    /// As [`check_limits`].
    pub(crate) fn check_limits(&self, draft: &Draft<'_>) -> Result<(), Rejection> {
        if !self.is_limited {
            return Ok(());
        }
        check_limits(draft, || self.lines.iter().map(|line| (&line.sku, line.quantity)))
    }

    /// True where some SKU stands in several lines.
    fn repeats(&self) -> bool {
        let mut skus: Vec<&SkuId> = self.lines.iter().map(|line| &line.sku).collect();
        skus.sort_unstable();
        skus.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// The locations that lines name must exist, then be open.
fn check_locations(draft: &Draft<'_>, lines: &[PlaceLine]) -> Result<(), Rejection> {
    let (mut disabled, mut before) = (None, None);
    for location in lines.iter().filter_map(|line| line.location.as_ref()) {
        // Most orders name the same one in every line.
        if before == Some(location) {
            continue;
        }
        before = Some(location);
        if draft.known_location(location)?.details.disabled && disabled.is_none() {
            disabled = Some(location);
        }
    }
    match disabled {
        Some(location) => Err(Rejection::LocationDisabled { location: location.clone() }),
        None => Ok(()),
    }
}

/// What all lines ask of a SKU must be as much as an order may take of it.
pub(crate) fn check_limits<'l, Lines>(draft: &Draft<'_>, lines: impl Fn() -> Lines) -> Result<(), Rejection>
where
    Lines: Iterator<Item = (&'l SkuId, i64)>,
{
    let limits =
        |sku: &SkuId| draft.sku(sku).map(|sku| (sku.details.min_per_order, sku.details.max_per_order));
    if lines().all(|(sku, _)| limits(sku) == Some((0, 0))) {
        return Ok(());
    }
    let mut asked: BTreeMap<&SkuId, i64> = BTreeMap::new();
    for (sku, quantity) in lines() {
        *asked.entry(sku).or_default() += quantity;
    }
    let mut breaches = Vec::new();
    for (sku, _) in lines() {
        // Each SKU once, where it stands first.
        let Some(asked) = asked.remove(sku) else { continue };
        let (min, max) = limits(sku).unwrap_or_default();
        if asked < min || (max > 0 && asked > max) {
            breaches.push(LimitBreach { sku: sku.clone(), asked, min, max });
        }
    }
    if breaches.is_empty() { Ok(()) } else { Err(Rejection::PurchaseLimit { breaches }) }
}

/// Holds the units of all lines, or of a partial order those that are there: `available` becomes `reserved`. Gives where they
/// are, in the order of lines and of each line in that of the locations; of a SKU that is not tracked there is always
/// enough, nowhere.
pub(crate) fn reserve(
    draft: &mut Draft<'_>,
    holder: &Holder,
    asked: &Asked<'_>,
    sourcing: Sourcing,
    policy: ShortagePolicy,
) -> Result<Vec<Source>, Rejection> {
    let lines = asked.lines;
    let free = lines.iter().filter(|line| line.location.is_none()).count();
    if free * draft.locations_before() > limits::MAX_CHOICES {
        return Err(Rejection::TooLarge { holder: holder.clone() });
    }
    let takes_part = policy == ShortagePolicy::Partial && draft.takes_part();
    let taken = asked.repeats().then(BTreeMap::new);
    let sources = Vec::with_capacity(lines.len());
    let mut plan = Plan { draft, takes_part, taken, sources, shortages: vec![] };
    if !plan.lines(asked, sourcing) {
        return Err(Rejection::TooLarge { holder: holder.clone() });
    }
    let Plan { mut sources, mut shortages, .. } = plan;
    if !shortages.is_empty() && (!takes_part || sources.is_empty()) {
        shortages.sort_by_key(|shortage| shortage.line);
        return Err(Rejection::InsufficientStock { shortages });
    }
    sources.sort_by(|one, other| (one.line, &one.location).cmp(&(other.line, &other.location)));
    for source in &sources {
        let Some(location) = &source.location else { continue };
        let sku = lines[usize::try_from(source.line).expect("u32 fits") - 1].sku.clone();
        let (from, to) = (Some(Bucket::Available), Some(Bucket::Reserved));
        let movement = Movement { from, to, ..Movement::of(Reason::Reservation, source.quantity) };
        let key = StockKey { sku, location: location.clone() };
        draft.move_units(&key, movement.for_holder(holder))?;
    }
    Ok(sources)
}

/// True where a shortage may come to an end when holds do: where units count there are enough of them, held or not.
pub(crate) fn may_end(draft: &Draft<'_>, shortage: &Shortage) -> bool {
    let Shortage { sku, location, together, bucket, asked, .. } = shortage;
    let in_reach = |stock: Stock| stock.get(Bucket::Available).saturating_add(stock.get(Bucket::Reserved));
    if *bucket != Bucket::Available {
        return false;
    }
    if let Some(location) = location {
        let key = StockKey { sku: sku.clone(), location: location.clone() };
        return in_reach(draft.stock(&key)) >= *asked;
    }
    let open = draft.stock_of(sku).filter(|(location, _)| draft.priority_of_open(location).is_some());
    let mut open = open.map(|(_, stock)| in_reach(stock));
    if *together {
        open.fold(0_i64, i64::saturating_add) >= *asked
    } else {
        open.any(|units| units >= *asked)
    }
}

/// Of the locations that cover a quantity whole, the one with the lowest priority number, and of several the first in the order
/// of ids; else how many units the one has that has most.
pub(crate) fn cheapest<'d>(
    draft: &'d Draft<'_>,
    sku: &'d SkuId,
    quantity: i64,
    taken: impl Fn(&LocationId) -> i64,
) -> Result<&'d LocationId, i64> {
    let mut most = 0;
    let mut best: Option<(u32, &LocationId)> = None;
    for (location, stock) in draft.stock_of(sku) {
        let Some(priority) = draft.priority_of_open(location) else { continue };
        let available = stock.get(Bucket::Available) - taken(location);
        most = most.max(available);
        if available >= quantity && best.is_none_or(|(lowest, _)| priority < lowest) {
            best = Some((priority, location));
            // No other comes before it: where nobody sets priorities, few are looked at.
            if priority == 0 {
                break;
            }
        }
    }
    best.map(|(_, location)| location).ok_or(most)
}

/// What is taken so far for the lines of a request. Nothing has moved yet.
pub(crate) struct Plan<'d, 's> {
    draft: &'d Draft<'s>,
    /// True where a line that is short takes what is there.
    takes_part: bool,
    /// Each line sees what the ones before it took, so lines that share a SKU are checked on their sum (I9). `None` where none do.
    taken: Option<BTreeMap<(&'d SkuId, LocationId), i64>>,
    sources: Vec<Source>,
    shortages: Vec<Shortage>,
}

impl<'d> Plan<'d, '_> {
    /// Plans all lines; false as soon as they have too many parts, for then nothing else matters.
    fn lines(&mut self, asked: &Asked<'d>, sourcing: Sourcing) -> bool {
        let mut together = Vec::new();
        for ((number, line), is_untracked) in (1_u32..).zip(asked.lines).zip(&asked.untracked) {
            if self.sources.len() > limits::MAX_PARTS {
                return false;
            }
            if *is_untracked {
                self.sources.push(Source { line: number, location: None, quantity: line.quantity });
            } else if let Some(location) = &line.location {
                let available = self.available(&line.sku, location);
                self.whole(number, line, Some((available, location)), available);
            } else {
                match sourcing {
                    Sourcing::Priority | Sourcing::Explicit => self.by_priority(number, line),
                    Sourcing::MostStock => {
                        let most = self.most(&line.sku);
                        let available = most.map_or(0, |(available, _)| available);
                        self.whole(number, line, most, available);
                    }
                    Sourcing::SplitProportional => self.in_proportion(number, line),
                    // Once the lines that name their location have theirs.
                    Sourcing::FewestSplits => together.push((number, line)),
                }
            }
        }
        (together.is_empty() || self.together(&together)) && self.sources.len() <= limits::MAX_PARTS
    }

    fn by_priority(&mut self, number: u32, line: &'d PlaceLine) {
        let taken = |location: &LocationId| self.taken_of(&line.sku, location);
        match cheapest(self.draft, &line.sku, line.quantity, taken) {
            Ok(location) => self.take(number, &line.sku, location, line.quantity),
            Err(available) => {
                let most = if self.takes_part { self.most(&line.sku) } else { None };
                self.whole(number, line, most, available);
            }
        }
    }

    /// Takes the line from a location if that covers it; else it is short, and takes what is there where it may.
    fn whole(&mut self, number: u32, line: &'d PlaceLine, from: Option<(i64, &LocationId)>, available: i64) {
        let quantity = if available >= line.quantity {
            line.quantity
        } else {
            self.short(number, line, false, available);
            available
        };
        if let Some((_, location)) = from
            && (quantity == line.quantity || self.takes_part)
        {
            self.take(number, &line.sku, location, quantity);
        }
    }

    /// Takes the line from all locations that have some of it, in proportion to what they have.
    fn in_proportion(&mut self, number: u32, line: &'d PlaceLine) {
        let sources: Vec<(i64, &LocationId)> =
            self.open(&line.sku).filter(|(available, ..)| *available > 0).map(|(a, _, l)| (a, l)).collect();
        let total = splitting::sum(sources.iter().map(|(available, _)| *available));
        if total < line.quantity {
            self.short(number, line, true, total);
            if !self.takes_part {
                return;
            }
        }
        let available: Vec<i64> = sources.iter().map(|(available, _)| *available).collect();
        let shares = splitting::in_proportion(line.quantity, &available);
        for ((_, location), share) in sources.into_iter().zip(shares) {
            self.take(number, &line.sku, location, share);
        }
    }

    /// Takes lines from few locations; false where they would have too many parts.
    fn together(&mut self, lines: &[(u32, &'d PlaceLine)]) -> bool {
        let mut wanted: BTreeMap<&SkuId, i64> = BTreeMap::new();
        for (_, line) in lines {
            *wanted.entry(&line.sku).or_default() += line.quantity;
        }
        let mut supply = Vec::new();
        for sku in wanted.keys() {
            for (available, priority, location) in self.open(sku).filter(|(available, ..)| *available > 0) {
                supply.push(splitting::Supply { sku, location, priority, available });
            }
        }
        let Some(mut found) = splitting::from_few(&wanted, supply) else { return false };
        for (number, line) in lines {
            let sources = found.entry(&line.sku).or_default();
            let available = splitting::sum(sources.iter().map(|(_, left)| *left));
            if available < line.quantity {
                self.short(*number, line, true, available);
                if !self.takes_part {
                    continue;
                }
            }
            let mut missing = line.quantity;
            while missing > 0
                && let Some((location, left)) = sources.front_mut()
            {
                let quantity = missing.min(*left);
                self.take(*number, &line.sku, location, quantity);
                missing -= quantity;
                *left -= quantity;
                if *left == 0 {
                    sources.pop_front();
                }
            }
        }
        true
    }

    fn short(&mut self, number: u32, line: &PlaceLine, together: bool, available: i64) {
        self.shortages.push(Shortage {
            line: number,
            sku: line.sku.clone(),
            location: line.location.clone(),
            together,
            bucket: Bucket::Available,
            asked: line.quantity,
            available,
            next_expiry: self.draft.next_expiry(&line.sku),
        });
    }

    fn take(&mut self, line: u32, sku: &'d SkuId, location: &LocationId, quantity: i64) {
        if quantity > 0 {
            if let Some(taken) = &mut self.taken {
                *taken.entry((sku, location.clone())).or_default() += quantity;
            }
            self.sources.push(Source { line, location: Some(location.clone()), quantity });
        }
    }

    fn taken_of(&self, sku: &'d SkuId, location: &LocationId) -> i64 {
        let Some(taken) = &self.taken else { return 0 };
        taken.get(&(sku, location.clone())).copied().unwrap_or_default()
    }

    fn available(&self, sku: &'d SkuId, location: &LocationId) -> i64 {
        let key = StockKey { sku: sku.clone(), location: location.clone() };
        self.draft.stock(&key).get(Bucket::Available) - self.taken_of(sku, location)
    }

    /// Every location that takes orders and has a row of the SKU: what is available there, and its priority number.
    fn open(&self, sku: &'d SkuId) -> impl Iterator<Item = (i64, u32, &'d LocationId)> {
        self.draft.stock_of(sku).filter_map(|(location, stock)| {
            let available = stock.get(Bucket::Available) - self.taken_of(sku, location);
            Some((available, self.draft.priority_of_open(location)?, location))
        })
    }

    /// The location that has most of a SKU; of several the one with the lowest priority number, then the first in the order of ids.
    fn most(&self, sku: &'d SkuId) -> Option<(i64, &'d LocationId)> {
        let order = |(available, priority, location): &(i64, u32, &'d LocationId)| {
            (std::cmp::Reverse(*available), *priority, *location)
        };
        self.open(sku).min_by_key(order).map(|(available, _, location)| (available, location))
    }
}
