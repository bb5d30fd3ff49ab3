//! Writes entries: when they come, under which request ids, how many commands stand in them. What the commands are is
//! `commands.rs`'s.

use std::collections::VecDeque;

use stockade_env::Random;
use stockade_state_machine::command::{
    Command, ContentHash, CreateLocation, CreateSku, Entry, ExpireDue, LocationChange, Origin, ReceiveStock,
    Request, UpdateLocation,
};
use stockade_state_machine::ids::{Principal, RequestId, SkuId};
use stockade_state_machine::ledger::{LedgerEntry, Reason};
use stockade_state_machine::limits::{MAX_LINES, MAX_REQUEST_AHEAD_MS, REQUEST_RETENTION_MS};
use stockade_state_machine::location::{Location, LocationDetails};
use stockade_state_machine::sku::{Sku, SkuDetails};
use stockade_state_machine::stock::{Bucket, Stock, StockKey};
use stockade_state_machine::{Change, LogTime, Revision, State, Version};

use super::commands::{Writer, location, sku_id};

/// Requests that may be sent again.
const REMEMBERED: usize = 64;
/// Orders of such a crowd, and how many stand in one entry.
const CROWD: u64 = 1_050;
const CROWD_ENTRY: usize = 150;
/// Carts of another crowd: together they have more lines than an entry may expire.
const LARGE_CARTS: usize = 12;
const LARGE_CART_LINES: usize = 1_000;
/// One in so many entries comes at the end of time.
const END_OF_TIME_ONE_IN: u64 = 30_000;
/// The stock that is nearly too large to be counted: no caller gets there by commands in the time of a run.
pub(super) const VAST: &str = "vast";
const VAST_UNITS: i64 = i64::MAX - 12;
/// What the crowd wants, and nobody else.
pub(super) const RARE: &str = "rare";
const RARE_UNITS: i64 = 20_000;
/// What is split, and how much of it comes to each of three locations.
const SPLIT: &str = "split";
const MANY_PARTS_UNITS: i64 = 100_000;

const SECOND_US: u64 = 1_000_000;
const HOUR_US: u64 = 3_600 * SECOND_US;
const DAY_US: u64 = 24 * HOUR_US;

/// Writes the entries of one episode.
pub(crate) struct Author {
    random: Random,
    writer: Writer,
    now_us: u64,
    recent: VecDeque<Request>,
    serial: u64,
    /// Entries that are written already and come next.
    ahead: VecDeque<Entry>,
    /// After how many entries the crowd comes.
    crowd_in: Option<u64>,
}

impl Author {
    /// In a crowded episode more orders fall due at once than a command may expire.
    pub(crate) fn new(random: &Random, is_crowded: bool) -> Self {
        let starts = [0, HOUR_US + 5 * SECOND_US, 1_700_000_000 * SECOND_US, 1_700_000_000 * SECOND_US];
        let crowd_in = is_crowded.then(|| random.below(100));
        Self {
            random: random.clone(),
            writer: Writer::new(random),
            now_us: pick(random, &starts),
            recent: VecDeque::new(),
            serial: 0,
            ahead: VecDeque::new(),
            crowd_in,
        }
    }

    /// The rows that an episode begins with.
    pub(super) fn founding() -> Vec<Change> {
        let (time, version) = (LogTime::default(), Version::default());
        let (id, details) = (location(0), LocationDetails::default());
        let place = Location { id: id.clone(), details, created: time, updated: time, version };
        let mut rows = vec![Change::Location(id, Some(place))];
        for (position, (name, units)) in (0..).zip([(VAST, VAST_UNITS), (RARE, RARE_UNITS)]) {
            rows.extend(founding_stock(position, sku_id(name), units));
        }
        rows
    }

    /// The next entry. The state tells what would be of interest.
    pub(crate) fn next(&mut self, state: &State) -> Entry {
        if self.ahead.is_empty()
            && let Some(left) = self.crowd_in
        {
            self.crowd_in = left.checked_sub(1);
            if left == 0 {
                self.write_crowd();
                self.write_many_parts();
            }
        }
        if let Some(entry) = self.ahead.pop_front() {
            return entry;
        }
        self.pass_time(state);
        let count = match self.random.below(20) {
            0 => 0,
            1..10 => 1,
            10..17 => 2 + self.random.below(3),
            _ => 5 + self.random.below(8),
        };
        let requests = (0..count).map(|_| self.request(state)).collect();
        Entry { time: LogTime::from_micros(self.stamp()), requests }
    }

    /// A leader's clock may be behind the one before it.
    fn stamp(&self) -> u64 {
        match self.random.below(25) {
            0 => self.now_us.saturating_sub(self.random.below(2 * HOUR_US)),
            1 => 0,
            _ => self.now_us,
        }
    }

    fn pass_time(&mut self, state: &State) {
        let random = &self.random;
        let until_us = |time: LogTime| time.micros().saturating_sub(self.now_us);
        let until_due_us = state.next_due().map(until_us);
        let step_us = match (random.below(100), until_due_us) {
            (0..60, _) => 0,
            (60..75, _) => random.below(2_000),
            (75..86, _) => random.below(3 * SECOND_US),
            (86..91, Some(due)) => due.saturating_sub(1),
            (91..95, Some(due)) => due,
            (86..97, _) => random.below(HOUR_US / 4),
            (97, _) => random.below(2 * HOUR_US),
            (98, _) => random.below(40) * DAY_US / 4,
            _ => SECOND_US,
        };
        self.now_us = self.now_us.saturating_add(step_us);
        if random.below(END_OF_TIME_ONE_IN) == 0 {
            self.now_us = u64::MAX - random.below(2 * SECOND_US);
        }
    }

    fn request(&mut self, state: &State) -> Request {
        let random = self.random.clone();
        let again = match random.below(100) {
            0..8 => self.remembered(),
            8..12 => self.remembered().map(|before| {
                let request = self.fresh_request(before.origin, state);
                self.remember(request)
            }),
            12..14 => self.remembered().map(|before| Request { command: Command::AbandonRequest, ..before }),
            14 => self.remembered().map(|before| {
                // The same id of another caller is another request.
                let origin = before.origin.map(|origin| Origin { principal: self.principal(), ..origin });
                self.remember(Request { origin, ..before })
            }),
            _ => None,
        };
        if let Some(request) = again {
            return request;
        }
        let origin = match random.below(100) {
            0..5 => None,
            5..7 => Some(self.origin(self.now_ms().saturating_sub(REQUEST_RETENTION_MS) + random.below(4))),
            7 => Some(self.origin(random.below(2) * random.below(self.now_ms() + 1))),
            8 | 9 => Some(self.origin(self.now_ms() + MAX_REQUEST_AHEAD_MS - 1 + random.below(4))),
            10 => Some(self.origin(random.bits() >> 16)),
            _ => {
                let ahead_ms = random.below(60_000);
                Some(self.origin((self.now_ms() + ahead_ms).saturating_sub(30_000)))
            }
        };
        let request = self.fresh_request(origin, state);
        self.remember(request)
    }

    fn fresh_request(&mut self, origin: Option<Origin>, state: &State) -> Request {
        self.serial += 1;
        Request { origin, content: ContentHash(self.serial.into()), command: self.writer.command(state) }
    }

    fn now_ms(&self) -> u64 {
        (self.now_us / 1_000).min((1 << 48) - 1)
    }

    fn principal(&self) -> Principal {
        Principal::new(pick(&self.random, &["shop", "till", "warehouse"])).expect("an id")
    }

    fn origin(&self, time_ms: u64) -> Origin {
        let time = u128::from(time_ms & ((1 << 48) - 1)) << 80;
        let rest = u128::from(self.random.bits() >> 2);
        let id = RequestId::new(time | (7 << 76) | (2 << 62) | rest).expect("a version 7 UUID");
        Origin { request: id, principal: self.principal() }
    }

    fn remember(&mut self, request: Request) -> Request {
        if request.origin.is_some() {
            self.recent.push_back(request.clone());
        }
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        request
    }

    fn remembered(&self) -> Option<Request> {
        let count = u64::try_from(self.recent.len()).expect("few");
        let at = self.random.below(count.max(1));
        self.recent.get(usize::try_from(at).expect("few")).cloned()
    }

    /// An order of so many parts that it is refused.
    fn write_many_parts(&mut self) {
        let places = (0..3).flat_map(|number| {
            let (at, details) = (location(number), LocationDetails::default());
            let change = LocationChange { disabled: Some(false), ..LocationChange::default() };
            [
                Command::CreateLocation(CreateLocation { location: at.clone(), details }),
                Command::UpdateLocation(UpdateLocation { location: at.clone(), expected: None, change }),
                Command::ReceiveStock(ReceiveStock {
                    sku: sku_id(SPLIT),
                    location: at,
                    quantity: MANY_PARTS_UNITS,
                    document: None,
                    reference: String::new(),
                }),
            ]
        });
        let create = CreateSku { sku: sku_id(SPLIT), details: SkuDetails::default() };
        let commands = std::iter::once(Command::CreateSku(create)).chain(places).collect();
        self.write_ahead(commands);
        let order = self.writer.split_order(SPLIT, MAX_LINES, 3, SECOND_US);
        self.write_ahead(vec![order]);
    }

    /// More holds than one command or one entry may expire, all due at once, and then a shortage.
    fn write_crowd(&mut self) {
        let hold_us = SECOND_US;
        // A location that is disabled sells nothing.
        let change = LocationChange { disabled: Some(false), ..LocationChange::default() };
        let open = UpdateLocation { location: location(0), expected: None, change };
        self.write_ahead(vec![Command::UpdateLocation(open)]);
        if self.random.below(2) == 0 {
            for _ in 0..LARGE_CARTS {
                let cart = self.writer.large_cart(RARE, LARGE_CART_LINES, hold_us);
                self.write_ahead(vec![cart]);
            }
        } else {
            let mut orders: Vec<Command> =
                (0..CROWD).map(|_| self.writer.small_order(RARE, hold_us)).collect();
            while !orders.is_empty() {
                let rest = orders.split_off(CROWD_ENTRY.min(orders.len()));
                self.write_ahead(std::mem::replace(&mut orders, rest));
            }
        }
        self.now_us = self.now_us.saturating_add(hold_us);
        let want_all = |author: &mut Self| author.writer.large_order(RARE, RARE_UNITS, hold_us);
        let expire = Command::ExpireDue(ExpireDue { limit: u32::MAX });
        // What an entry expires is bounded over all of its commands.
        let first = vec![want_all(self), want_all(self), expire.clone()];
        self.write_ahead(first);
        if self.random.below(2) == 0 {
            self.write_ahead(vec![expire]);
        }
        let last = want_all(self);
        self.write_ahead(vec![last]);
    }

    fn write_ahead(&mut self, commands: Vec<Command>) {
        let mut requests = Vec::new();
        for command in commands {
            self.serial += 1;
            let origin = Some(self.origin(self.now_ms()));
            let request = Request { origin, content: ContentHash(self.serial.into()), command };
            requests.push(self.remember(request));
        }
        self.ahead.push_back(Entry { time: LogTime::from_micros(self.now_us), requests });
    }
}

/// A SKU, units of it at the first location, and the movement that brought them.
fn founding_stock(position: u32, id: SkuId, units: i64) -> [Change; 3] {
    let (time, revision, version) = (LogTime::default(), Revision::default(), Version::default());
    let details = SkuDetails::default();
    let sku = Sku { id: id.clone(), details, created: time, updated: time, version };
    let stock = Stock::from_buckets([units, 0, 0, 0, 0, 0], version).expect("it fits, just so");
    let key = StockKey { sku: id.clone(), location: location(0) };
    let movement = LedgerEntry {
        revision,
        position,
        time,
        sku: id.clone(),
        location: location(0),
        from: None,
        to: Some(Bucket::Available),
        quantity: units,
        reason: Reason::Received,
        actor: None,
        request: None,
        order: None,
        reservation: None,
        document: None,
        reference: String::new(),
        balances: stock,
    };
    [Change::Sku(id, Some(sku)), Change::Stock(key, Some(stock)), Change::Ledger(movement)]
}

/// One of several.
pub(super) fn pick<T: Copy>(random: &Random, choices: &[T]) -> T {
    let count = u64::try_from(choices.len()).expect("few choices");
    choices[usize::try_from(random.below(count)).expect("below the number of choices")]
}
