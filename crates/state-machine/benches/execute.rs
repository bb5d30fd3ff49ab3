//! What the rules take: entries of one command and of as many as an entry has, on a shop of 10,000 SKUs.
//!
//! `cargo bench -p stockade-state-machine`

use std::cell::RefCell;

use divan::Bencher;
use divan::counter::ItemsCount;
use stockade_state_machine::change::Change;
use stockade_state_machine::command::{
    ConfirmOrder, CreateLocation, CreateReservation, CreateSku, PlaceLine, PlaceOrder, ReceiveStock,
    ShortagePolicy, Sourcing,
};
use stockade_state_machine::ids::{LocationId, OrderId, Principal, RequestId, ReservationId, SkuId};
use stockade_state_machine::limits::{DEFAULT_HOLD_US, MAX_STOCK_CHANGE};
use stockade_state_machine::location::LocationDetails;
use stockade_state_machine::order::Currency;
use stockade_state_machine::sku::SkuDetails;
use stockade_state_machine::{
    Command, ContentHash, Entry, LogTime, Origin, Outcome, Reply, Request, Revision, State,
};

/// Commands of an entry: one, and as many as a leader gathers.
const COMMANDS: [u64; 2] = [1, 128];
/// Samples, and entries of each. Together they place some 25,000 orders: the state is that of a busy shop.
const SAMPLES: u32 = 50;
const ENTRIES: u32 = 4;
const SKUS: u64 = 10_000;
const LINES: u64 = 3;
/// Spreads the lines over the catalogue; has no factor in common with it.
const STRIDE: u64 = 7_919;
const NOW: LogTime = LogTime::from_micros(1_790_000_000_000_000);

fn main() {
    divan::main();
}

/// An order of three lines out of the whole catalogue.
#[divan::bench(args = COMMANDS, sample_count = SAMPLES, sample_size = ENTRIES)]
fn place_order(bencher: Bencher, commands: u64) {
    measure(bencher, commands, |shop| shop.entry(commands, |number| place(number, &spread(number))));
}

/// An order of one line, the same SKU every time.
#[divan::bench(args = COMMANDS, sample_count = SAMPLES, sample_size = ENTRIES)]
fn place_order_of_one_hot_sku(bencher: Bencher, commands: u64) {
    measure(bencher, commands, |shop| shop.entry(commands, |number| place(number, &[0])));
}

/// The payment of an order that was placed.
#[divan::bench(args = COMMANDS, sample_count = SAMPLES, sample_size = ENTRIES)]
fn confirm_order(bencher: Bencher, commands: u64) {
    measure(bencher, commands, |shop| {
        let first = shop.next;
        let placed = shop.entry(commands, |number| place(number, &spread(number)));
        shop.execute(&placed);
        let mut orders = first..;
        shop.entry(commands, |_| confirm(orders.next().expect("it has no end")))
    });
}

/// A reservation of three lines.
#[divan::bench(args = COMMANDS, sample_count = SAMPLES, sample_size = ENTRIES)]
fn create_reservation(bencher: Bencher, commands: u64) {
    measure(bencher, commands, |shop| shop.entry(commands, |number| reserve(number, &spread(number))));
}

/// A request that was decided before: it is answered from its record.
#[divan::bench(args = COMMANDS, sample_count = SAMPLES, sample_size = ENTRIES)]
fn repeated_request(bencher: Bencher, commands: u64) {
    measure(bencher, commands, |shop| {
        let entry = shop.entry(commands, |number| place(number, &spread(number)));
        shop.execute(&entry);
        entry
    });
}

/// Measures the execution of entries; `prepare` makes the next one, unmeasured.
fn measure(bencher: Bencher, commands: u64, prepare: impl Fn(&mut Shop) -> Entry) {
    let shop = RefCell::new(Shop::open());
    bencher
        .counter(ItemsCount::new(commands))
        .with_inputs(|| prepare(&mut shop.borrow_mut()))
        .bench_local_refs(|entry| shop.borrow_mut().execute(entry));
}

struct Shop {
    state: State,
    revision: u64,
    /// Of the next request, and of what it makes.
    next: u64,
    /// Used again, as storage does.
    changes: Vec<Change>,
}

impl Shop {
    /// A catalogue of 10,000 SKUs, of each so many that none runs out.
    fn open() -> Self {
        let mut shop = Self { state: State::new(), revision: 0, next: 0, changes: Vec::new() };
        let create = |number| {
            Command::CreateSku(CreateSku { sku: sku(number), details: SkuDetails::named(String::new()) })
        };
        let receive = |number| {
            Command::ReceiveStock(ReceiveStock {
                sku: sku(number),
                location: main_location(),
                quantity: MAX_STOCK_CHANGE,
                document: None,
                reference: String::new(),
            })
        };
        let open = Command::CreateLocation(CreateLocation {
            location: main_location(),
            details: LocationDetails::default(),
        });
        let commands = [open].into_iter().chain((0..SKUS).map(create)).chain((0..SKUS).map(receive));
        let mut commands = commands.collect::<Vec<_>>().into_iter();
        let entry = shop.entry(SKUS * 2 + 1, |_| commands.next().expect("as many as there are"));
        shop.execute(&entry);
        shop
    }

    /// An entry of commands, each made of a number that no other has.
    fn entry(&mut self, commands: u64, mut command: impl FnMut(u64) -> Command) -> Entry {
        let numbers = self.next..self.next + commands;
        self.next = numbers.end;
        let requests = numbers.map(|number| Request {
            origin: Some(origin(number)),
            content: ContentHash(u128::from(number)),
            command: command(number),
        });
        Entry { time: NOW, requests: requests.collect() }
    }

    fn execute(&mut self, entry: &Entry) -> Vec<Reply> {
        self.revision += 1;
        self.changes.clear();
        let replies = self.state.execute_into(Revision::new(self.revision), entry, &mut self.changes);
        let refused = replies.iter().find(|reply| matches!(reply.outcome, Outcome::Rejected(_)));
        assert!(refused.is_none(), "a refusal was measured: {refused:?}");
        replies
    }
}

fn origin(number: u64) -> Origin {
    let time = u128::from(NOW.micros() / 1_000) << 80;
    let request = RequestId::new(time | (7 << 76) | (2 << 62) | u128::from(number)).expect("of version 7");
    Origin { request, principal: Principal::new("checkout").expect("visible") }
}

fn sku(number: u64) -> SkuId {
    SkuId::new(&format!("sku-{number:05}")).expect("visible")
}

fn main_location() -> LocationId {
    LocationId::new("main").expect("visible")
}

fn order_id(number: u64) -> OrderId {
    OrderId::new(&format!("order-{number:09}")).expect("visible")
}

fn currency() -> Currency {
    Currency::new("EUR").expect("capital letters")
}

/// The SKUs of an order.
fn spread(number: u64) -> Vec<u64> {
    (0..LINES).map(|line| (number * LINES + line) * STRIDE % SKUS).collect()
}

fn lines(skus: &[u64]) -> Vec<PlaceLine> {
    let line = |number: &u64| PlaceLine {
        sku: sku(*number),
        location: Some(main_location()),
        quantity: 1,
        unit_price_minor: 1_995,
    };
    skus.iter().map(line).collect()
}

fn place(number: u64, skus: &[u64]) -> Command {
    Command::PlaceOrder(PlaceOrder {
        order: order_id(number),
        customer: None,
        currency: currency(),
        lines: lines(skus),
        hold_us: DEFAULT_HOLD_US,
        sourcing: Sourcing::Priority,
        shortage: ShortagePolicy::AllOrNothing,
    })
}

fn confirm(number: u64) -> Command {
    Command::ConfirmOrder(ConfirmOrder {
        order: order_id(number),
        payment_reference: "paid".to_owned(),
        reacquire: false,
        expected: None,
    })
}

fn reserve(number: u64, skus: &[u64]) -> Command {
    Command::CreateReservation(CreateReservation {
        reservation: ReservationId::new(&format!("cart-{number:09}")).expect("visible"),
        customer: None,
        currency: currency(),
        lines: lines(skus),
        hold_us: DEFAULT_HOLD_US,
        sourcing: Sourcing::Priority,
    })
}
