//! Writes commands: about few things, so that they meet, and about what the state makes interesting.

use stockade_env::Random;
use stockade_state_machine::State;
use stockade_state_machine::command::{
    AdjustStock, Command, ExpireDue, LineQuantity, MoveStock, PlaceLine, PlaceOrder, ReceiveStock, SetStock,
    ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{CustomerId, DocumentId, LocationId, OrderId, SkuId};
use stockade_state_machine::ledger::Reason;
use stockade_state_machine::limits::{
    DEFAULT_HOLD_US, MAX_HOLD_US, MAX_LINE_QUANTITY, MAX_STOCK_CHANGE, MIN_HOLD_US,
};
use stockade_state_machine::order::Currency;
use stockade_state_machine::stock::{Bucket, StockKey};

use super::author::{VAST, pick};
use super::catalog::Catalog;
use super::spoil;

/// How often each kind of command comes, before an episode makes it its own.
const WEIGHTS: [u64; 24] = [8, 4, 5, 14, 10, 28, 19, 15, 8, 15, 3, 2, 7, 3, 5, 6, 20, 4, 12, 6, 8, 9, 5, 14];
/// Commands out of a thousand that break a bound.
const SPOILT: u64 = 25;
const BUCKETS: [Bucket; 4] =
    [Bucket::Available, Bucket::SafetyStock, Bucket::Damaged, Bucket::QualityControl];

pub(super) fn sku_id(text: &str) -> SkuId {
    SkuId::new(text).expect("an id")
}

pub(super) fn location(number: u64) -> LocationId {
    LocationId::new(&format!("l{number}")).expect("an id")
}

/// Writes commands.
pub(super) struct Writer {
    pub(super) random: Random,
    weights: [u64; 24],
    skus: u64,
    locations: u64,
    pub(super) orders: u64,
    pub(super) reservations: u64,
    documents: u64,
    pub(super) catalog: Catalog,
}

impl Writer {
    /// Each episode prefers other commands, and has as many things as it likes.
    pub(super) fn new(random: &Random) -> Self {
        let weights = WEIGHTS.map(|weight| weight * (1 + random.below(4)));
        let (skus, locations) = (1 + random.below(4), 1 + random.below(3));
        let catalog = Catalog::new(random);
        let random = random.clone();
        Self { random, weights, skus, locations, orders: 0, reservations: 0, documents: 0, catalog }
    }

    /// A command of any kind.
    pub(super) fn command(&mut self, state: &State) -> Command {
        let mut command = self.well_formed(state);
        let mut spoilt = self.random.below(1_000) < SPOILT;
        while spoilt {
            spoil::spoil(&mut command, &self.random);
            spoilt = self.random.below(3) == 0;
        }
        command
    }

    fn well_formed(&mut self, state: &State) -> Command {
        let mut left = self.random.below(self.weights.iter().sum());
        let kind = self.weights.iter().position(|weight| {
            let found = left < *weight;
            left = left.saturating_sub(*weight);
            found
        });
        match kind.expect("it is below the sum") {
            0 => self.catalog.create_sku(self.sku()),
            1 => self.catalog.update_sku(self.sku(), state),
            2 => self.catalog.delete_sku(self.sku(), state),
            3 => self.receive(),
            4 => self.adjust(state),
            5 => self.place(),
            6 => self.confirm(state),
            7 => self.ship(state),
            8 => self.cancel(state),
            9 => self.book_return(state),
            10 => {
                let limits = [0, 1, 2, 1_000, 1_001, u32::MAX];
                Command::ExpireDue(ExpireDue { limit: pick(&self.random, &limits) })
            }
            11 => Command::AbandonRequest,
            12 => self.catalog.create_location(self.location_or_annex()),
            13 => match self.random.below(3) {
                0 => self.catalog.delete_location(self.location_or_annex(), state),
                _ => self.catalog.update_location(self.location_or_annex(), state),
            },
            14 => self.set(state),
            15 => self.move_stock(state),
            16 => self.reserve(),
            17 => self.extend(state),
            18 => self.commit(state),
            19 => self.release(state),
            20 => self.relocate(state),
            21 => self.prolong(state),
            22 => self.close(state),
            _ => self.transact(state),
        }
    }

    /// A command that may stand in a transaction.
    pub(super) fn operation(&mut self, state: &State) -> Command {
        loop {
            let command = self.well_formed(state);
            if command.is_operation() || self.random.below(200) == 0 {
                return command;
            }
        }
    }

    /// An order of one unit that there surely is.
    pub(super) fn small_order(&mut self, sku: &str, hold_us: u64) -> Command {
        let location = Some(location(0));
        let line = PlaceLine { sku: sku_id(sku), location, quantity: 1, unit_price_minor: 0 };
        self.place_lines(vec![line], hold_us)
    }

    /// An order of so many units, from anywhere.
    pub(super) fn large_order(&mut self, sku: &str, quantity: i64, hold_us: u64) -> Command {
        let line = PlaceLine { sku: sku_id(sku), location: None, quantity, unit_price_minor: 0 };
        self.place_lines(vec![line], hold_us)
    }

    fn place_lines(&mut self, lines: Vec<PlaceLine>, hold_us: u64) -> Command {
        self.orders += 1;
        let order = order_id(self.orders);
        let currency = Currency::new("EUR").expect("a currency");
        let (sourcing, shortage) = (Sourcing::Priority, ShortagePolicy::AllOrNothing);
        Command::PlaceOrder(PlaceOrder {
            order,
            customer: None,
            currency,
            lines,
            hold_us,
            sourcing,
            shortage,
        })
    }

    pub(super) fn sku(&self) -> SkuId {
        match self.random.below(12) {
            0 => sku_id(VAST),
            _ => sku_id(&format!("s{}", self.random.below(self.skus))),
        }
    }

    pub(super) fn location(&self) -> LocationId {
        match self.random.below(60) {
            0 => self.annex(),
            _ => location(self.random.below(self.locations)),
        }
    }

    /// A location where goods seldom come, so that it can go.
    fn annex(&self) -> LocationId {
        location(self.locations)
    }

    fn location_or_annex(&self) -> LocationId {
        if self.random.below(3) == 0 { self.annex() } else { self.location() }
    }

    pub(super) fn text(&self, most: u64) -> String {
        let length = [0, 1, most][usize::try_from(self.random.below(3)).expect("below 3")];
        "x".repeat(usize::try_from(length).expect("short"))
    }

    /// A new number, or one that was there.
    pub(super) fn document(&mut self) -> Option<DocumentId> {
        let number = match self.random.below(10) {
            0..5 => return None,
            5 => self.documents.saturating_sub(self.random.below(5)),
            _ => {
                self.documents += 1;
                self.documents
            }
        };
        Some(DocumentId::new(&format!("d{number}")).expect("an id"))
    }

    /// One of the last orders, seldom one of long ago.
    pub(super) fn any_order(&self) -> OrderId {
        order_id(self.one_of_the_last(self.orders))
    }

    /// A number up to one: mostly of the last, seldom of long ago.
    pub(super) fn one_of_the_last(&self, last: u64) -> u64 {
        let back = match self.random.below(10) {
            0..6 => self.random.below(6),
            6..9 => self.random.below(25),
            _ => self.random.below(last + 1),
        };
        last.saturating_sub(back)
    }

    fn receive(&mut self) -> Command {
        let quantity = match self.random.below(20) {
            0 => MAX_STOCK_CHANGE,
            1..6 => 1_000,
            _ => self.units(12),
        };
        Command::ReceiveStock(ReceiveStock {
            sku: self.sku(),
            location: self.location(),
            quantity,
            document: self.document(),
            reference: self.text(512),
        })
    }

    /// Often what empties a bucket, so that SKUs can go.
    fn adjust(&mut self, state: &State) -> Command {
        let key = StockKey { sku: self.sku(), location: self.location() };
        let stock = state.stock(&key);
        let filled = BUCKETS.into_iter().find(|bucket| stock.get(*bucket) > 0);
        let (bucket, delta) = match (self.random.below(10), filled) {
            (0..4, Some(bucket)) => (bucket, -stock.get(bucket).min(MAX_STOCK_CHANGE)),
            (4, Some(bucket)) => (bucket, -stock.get(bucket).min(MAX_STOCK_CHANGE - 1) - 1),
            (5, _) => (pick(&self.random, &BUCKETS), MAX_STOCK_CHANGE),
            (6 | 7, _) => (pick(&self.random, &BUCKETS), -self.units(5)),
            _ => (pick(&self.random, &BUCKETS), self.units(5)),
        };
        let reasons = [Reason::Correction, Reason::CycleCount, Reason::Restock, Reason::Other];
        Command::AdjustStock(AdjustStock {
            sku: key.sku,
            location: key.location,
            bucket,
            delta,
            reason: pick(&self.random, &reasons),
            document: self.document(),
            reference: self.text(512),
        })
    }

    /// Often to what is there already, or with what was expected there.
    fn set(&mut self, state: &State) -> Command {
        let key = StockKey { sku: self.sku(), location: self.location() };
        let bucket = pick(&self.random, &BUCKETS);
        let current = state.stock(&key).get(bucket);
        let quantity = match self.random.below(10) {
            0 => MAX_STOCK_CHANGE,
            1..3 => 0,
            3 => current.min(MAX_STOCK_CHANGE),
            _ => self.units(30),
        };
        let expected = match self.random.below(4) {
            0 => Some(current),
            1 => Some(self.units(5)),
            _ => None,
        };
        Command::SetStock(SetStock {
            sku: key.sku,
            location: key.location,
            bucket,
            quantity,
            expected,
            reason: pick(&self.random, &[Reason::CycleCount, Reason::Correction]),
            document: self.document(),
            reference: self.text(512),
        })
    }

    fn move_stock(&mut self, state: &State) -> Command {
        let key = StockKey { sku: self.sku(), location: self.location() };
        let stock = state.stock(&key);
        let filled = BUCKETS.into_iter().find(|bucket| stock.get(*bucket) > 0);
        let from = filled.filter(|_| self.random.below(5) > 0).unwrap_or(pick(&self.random, &BUCKETS));
        let others: Vec<Bucket> = BUCKETS.into_iter().filter(|bucket| *bucket != from).collect();
        let quantity = match self.random.below(4) {
            0 if stock.get(from) > 0 => stock.get(from).min(MAX_STOCK_CHANGE),
            _ => self.units(6),
        };
        Command::MoveStock(MoveStock {
            sku: key.sku,
            location: key.location,
            from,
            to: pick(&self.random, &others),
            quantity,
            reason: pick(&self.random, &[Reason::Damaged, Reason::QualityHold, Reason::SafetyStock]),
            document: self.document(),
            reference: self.text(512),
        })
    }

    /// Every line names its location only by chance.
    pub(super) fn sourcing(&self) -> Sourcing {
        let others = [
            Sourcing::MostStock,
            Sourcing::FewestSplits,
            Sourcing::FewestSplits,
            Sourcing::SplitProportional,
            Sourcing::SplitProportional,
            Sourcing::Explicit,
        ];
        if self.random.below(2) == 0 { Sourcing::Priority } else { pick(&self.random, &others) }
    }

    /// The name of an order to be, seldom one that there is.
    pub(super) fn new_order(&mut self) -> OrderId {
        if self.random.below(8) == 0 {
            return self.any_order();
        }
        self.orders += 1;
        order_id(self.orders)
    }

    pub(super) fn customer(&self, name: &str) -> Option<CustomerId> {
        (self.random.below(2) == 0).then(|| CustomerId::new(name).expect("an id"))
    }

    pub(super) fn currency(&self) -> Currency {
        Currency::new(pick(&self.random, &["EUR", "JPY"])).expect("a currency")
    }

    pub(super) fn hold_us(&self) -> u64 {
        let holds = [
            MIN_HOLD_US,
            2 * MIN_HOLD_US,
            60 * MIN_HOLD_US,
            DEFAULT_HOLD_US,
            4 * DEFAULT_HOLD_US,
            MAX_HOLD_US,
        ];
        pick(&self.random, &holds)
    }

    pub(super) fn new_lines(&self) -> Vec<PlaceLine> {
        let count = match self.random.below(100) {
            0 => 40,
            1..60 => 1,
            _ => 2 + self.random.below(4),
        };
        (0..count).map(|_| self.new_line()).collect()
    }

    fn new_line(&self) -> PlaceLine {
        PlaceLine {
            sku: self.sku(),
            location: (self.random.below(3) == 0).then(|| self.location()),
            quantity: if self.random.below(40) == 0 { MAX_LINE_QUANTITY } else { self.units(4) },
            unit_price_minor: i64::from(self.random.below(2) == 0),
        }
    }

    /// Some lines, of whose parts so much is left, and how much of each; seldom of one part alone.
    pub(super) fn some_parts(&self, parts: &[(u32, Option<LocationId>, i64)]) -> Vec<LineQuantity> {
        let mut lines: Vec<i64> = Vec::new();
        for (number, _, left) in parts {
            let index = usize::try_from(*number).expect("few lines") - 1;
            lines.resize(index + 1, 0);
            lines[index] += left;
        }
        if lines.is_empty() {
            lines.push(1);
        }
        let named = self.some_lines(&lines).into_iter().map(|(line, quantity)| {
            let mut at = parts.iter().filter(|(number, ..)| *number == line).map(|(_, location, _)| location);
            let location = match self.random.below(8) {
                0 => at.next().cloned().flatten(),
                1 => at.next_back().cloned().flatten(),
                2 if self.random.below(5) == 0 => Some(self.location()),
                _ => None,
            };
            LineQuantity { line, location, quantity }
        });
        named.collect()
    }

    /// Some lines, of which so much is left, and how much of each.
    pub(super) fn some_lines(&self, lines: &[i64]) -> Vec<(u32, i64)> {
        let mut named = Vec::new();
        for (number, left) in (1_u32..).zip(lines) {
            match self.random.below(20) {
                0..3 => {}
                3..10 if *left > 0 => named.push((number, *left)),
                10 => named.extend([(number, left + 1), (number, 1)]),
                11..14 if *left > 1 => named.extend([(number, 1), (number, left - 1)]),
                _ if *left > 0 => named.push((number, 1)),
                _ if self.random.below(6) == 0 => named.push((number, 1)),
                _ => {}
            }
        }
        if self.random.below(30) == 0 {
            let count = u32::try_from(lines.len()).expect("few lines");
            named.push((pick(&self.random, &[0, count + 1, u32::MAX]), 1));
        }
        if named.is_empty() {
            named.push((1, 1));
        }
        if self.random.below(4) == 0 {
            named.reverse();
        }
        named
    }

    /// 1 to a number.
    fn units(&self, most: u64) -> i64 {
        i64::try_from(1 + self.random.below(most)).expect("few")
    }
}

fn order_id(number: u64) -> OrderId {
    OrderId::new(&format!("o{number}")).expect("an id")
}
